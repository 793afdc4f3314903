// One order of an item: locking its row, ending it, changing it, returning it.
//
// Who writes what, and when. An order is one row of item_order, and its units are claimed in one
// stock. It is live, that is, it has its units, while its status is 'held' or 'sold'.
//
//   item_buy, item_hold  claim the units, then insert the row
//   item_confirm         held -> sold: one UPDATE on the condition that the row is still held. The
//                        claim stays as it is, so nothing else is touched: not even the pool
//                        expired -> sold (paid late): lock the row, ask the rules, claim units of
//                        the same inventory, then change the row
//   item_cancel          lock the row, held -> cancelled, then enter a release
//   the worker           lock the row without waiting, held -> expired if its time is over, then
//                        enter a release
//   item_refund          lock the row, sold -> refunded, or take some units off it, then enter a
//                        release
//
// The row lock decides who is first; the others wait for that transaction (the worker passes over
// the order instead) and judge the row as it is then. So exactly one of payment, cancellation and
// expiry wins, whoever was first to lock the row and commits. A payment that comes second to the
// expiry finds 'expired', and pays late.
//
// A release takes effect when the transaction has committed, and a claim at once
// (stock_ledger.hpp). In between, others may see a row that is not live and units that are not yet
// free, never the reverse. The item is pinned from before its row changes until its release has
// taken effect: nobody loads it from a row whose release is pending, which would free the units
// twice. A confirmed hold needs no pin: before and after, the row takes the same units.
//
// If a session dies right here: its transaction is rolled back, and the row is as it was; the
// release is forgotten, the claim of a late payment given back. After a crash the pool is filled
// from the rows. A prepared transaction keeps the row locked, and its ledger, until it is decided.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

struct ItemOrder {
    int64_t order_id;
    int64_t item_id;
    int64_t inventory_id;
    int64_t user_id;
    int64_t units;
    OrderStatus status;
    bool is_due;  // held, and its time is over
};

// For a row that another session has locked: wait for it, or fail with 55P03.
enum class OfLocked { kWait, kFail };

// All of these: inside SPI and owner_begin().

// Locks the row to the end of the transaction. False: there is none.
bool lock_item_order(const Catalog& catalog, int64_t order_id, OfLocked of_locked,
                     ItemOrder* order);
// The same, waiting; TK005 if there is none.
ItemOrder require_item_order(const Catalog& catalog, int64_t order_id);

// The order, which is live, gets the status `to`, which is not; its units are given back.
void end_item_order(const Catalog& catalog, const ItemOrder& order, OrderStatus to,
                    OfLocked of_locked);
// A sold order gives some of its units back and keeps the rest.
void shrink_item_order(const Catalog& catalog, const ItemOrder& order, int64_t units);

// An expired order becomes sold; its units were claimed from the inventory.
void revive_item_order(const Catalog& catalog, const ItemOrder& order, int64_t inventory_id);

// Makes a held order sold and appends its row to the result set. False: it is not held any more, or
// there is none, and nothing has happened. Waits for whoever has it locked.
bool pay_held_order(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result);

void return_item_order(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result);

// TK005: the order's status does not allow the call. `message` has a %lld for its id.
[[noreturn]] void refuse_item_order(const ItemOrder& order, const char* message, const char* hint);

}  // namespace ticketpool
