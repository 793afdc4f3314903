// The part of the ledger that is about plain quantities: what this transaction has claimed of
// stocks and will give back. The rules are those of ledger.hpp, and the engine is the same
// (undo_log.hpp).
//
//   claim       units taken in the pool                       abort: give them back
//   release     units of a refunded order, of item_add, or    commit: give them to the stock
//               of a merged inventory for its root
//   take-over   units of an own release, bought again         abort: they go back to that release
//   made        a stock that item_split made                  commit: everybody's; abort: gone
//   merging     a stock that item_merge gives back            commit: merged
//   sale        whether a stock is on sale, by hand           commit: store it
//   leaving     a stock whose row was deleted by hand         commit: gone
//
// Units that a split moves are claimed in the root and lie in the new stocks, which nobody else
// sees, so a rollback gives the claim back and empties the stocks.
#pragma once

#include "pool/stock_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Room for so many more entries; ereports before anything is claimed. The item must be pinned
// before anything is entered.
void stock_reserve(size_t entries);

// No-fail after stock_reserve and pin_slot.
void stock_add_claim(const StockRef& stock, int64_t units);
void stock_add_release(const StockRef& stock, int64_t units);
void stock_add_made(const StockRef& stock);
// These two write whether a stock is on sale. Call wait_for_stock_turn() (waiting.hpp) before each,
// with nothing in between.
void stock_add_merging(const StockRef& stock);
void stock_add_sale(const StockRef& stock, bool on_sale, bool has_seller);
// How many such entries this transaction has; is one of them from stock_add_sale()?
uint32_t stock_sale_writes(const StockRef& stock);
bool stock_has_sale(const StockRef& stock);
void stock_add_leaving(const StockRef& stock);

// `units` of this transaction's pending releases were bought again. Needs one entry of room for
// each release entry of the stock, at most stock_release_count().
void stock_take_over(const StockRef& stock, int64_t units);
size_t stock_release_count();

// What this transaction's releases will free in a stock. For this transaction it is free already.
int64_t stock_own_units(const StockRef& stock);
// Has this transaction merged the stock? It is open for others until the commit.
bool stock_is_merging(const StockRef& stock);
// Has this transaction deleted the stock's row by hand?
bool stock_is_leaving(const StockRef& stock);

// For the transaction callbacks: no-fail. The entries that PREPARE TRANSACTION keeps are copied
// first and forgotten when it is done.
uint32_t stock_final_count();
void stock_copy_final(StockEntry* copy);
void stock_forget();
void stock_settle();
void stock_undo_level(int level);     // entries of that level and deeper
void stock_promote_level(int level);  // these to the level above it

}  // namespace ticketpool
