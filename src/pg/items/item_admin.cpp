// item_open, item_add, item_split and item_merge: what is on sale.
//
// All except item_open lock the root's row first, so for one item they run one after the other.
// Buyers never touch that row. Units that are taken out or moved are claimed at once, like a
// purchase. Units that are added are released at commit (stock_ledger.hpp). The rows are changed
// in the same transaction:
//
//   item_add(n)   root + n, n > 0             release n in the root
//                 root + n, n < 0             claim -n in the root
//   item_split    root - F, children + F      claim all F that is free in the root; new stocks
//   item_merge    child - U, root + U         claim all U that is free in the child; release U in
//                                             the root; the child's stock is merged at commit
//
// Thus for each inventory, quantity less live orders is always the sum of what is free in its stock
// and what running transactions have claimed there. This is also true if they claimed in a child
// before it was merged.
#include "load/directory.hpp"
#include "load/fill.hpp"
#include "load/item_pins.hpp"
#include "pool/announcement.hpp"
#include "pool/prepared.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/waiting.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/row_return.hpp"
#include "tables/item_rows.hpp"
#include "tables/node_number.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kMostParts = 10000;

void query(const Catalog& catalog, const char* sql, int count, const int64_t* arguments,
           int expected) {
    Oid types[4];
    Datum values[4];
    Assert(count <= 4);
    for (int i = 0; i < count; i++) {
        types[i] = INT8OID;
        values[i] = Int64GetDatum(arguments[i]);
    }
    execute_own_on(catalog.inventory, sql, count, types, values, nullptr, expected);
}

Datum column(uint64 row, int number, bool* is_null) {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
}

int64_t bigint_column(uint64 row, int number) {
    bool is_null;
    return DatumGetInt64(column(row, number, &is_null));
}

// Changes one row of item_inventory; an error if the row was not changed.
void change_inventory(const Catalog& catalog, const char* change, int64_t id, int64_t units) {
    const int64_t arguments[] = {id, units};
    query(catalog,
          psprintf("UPDATE %s SET quantity = quantity %s, modify_time = now() WHERE id = $1",
                   qualified_name(catalog.inventory), change),
          2, arguments, SPI_OK_UPDATE);
    if (SPI_processed != 1) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("inventory " INT64_FORMAT " was not changed", id),
                        errdetail("A trigger or a policy on item_inventory left its row out."),
                        errhint("Let a trigger raise an error instead.")));
    }
}

// Locks the root's row and returns its id.
int64_t lock_root(const Catalog& catalog, int64_t item_id) {
    query(catalog,
          psprintf("SELECT id FROM %s WHERE item_id = $1 AND parent_id IS NULL FOR NO KEY UPDATE",
                   qualified_name(catalog.inventory)),
          1, &item_id, SPI_OK_SELECT);
    if (SPI_processed == 0) {
        report_no_item(item_id);
    }
    return bigint_column(0, 1);
}

// The units of a stock must fit in a bigint, whatever is merged or refunded.
void check_sum(const Catalog& catalog, int64_t item_id, int64_t units) {
    const int64_t arguments[] = {item_id, units};
    query(catalog,
          psprintf("SELECT FROM %s WHERE item_id = $1 HAVING sum(quantity) + $2 > "
                   "9223372036854775807",
                   qualified_name(catalog.inventory)),
          2, arguments, SPI_OK_SELECT);
    if (SPI_processed > 0) {
        ereport(ERROR,
                (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE), errmsg("quantity is out of range"),
                 errdetail("All inventories of an item have at most " INT64_FORMAT " units.",
                           INT64_MAX),
                 errhint("Add less.")));
    }
}

// ---------------------------------------------------------------------------------------------
// item_open
// ---------------------------------------------------------------------------------------------

// If an item with this id is still in memory, its rows were removed by a DELETE or TRUNCATE.
void forget_deleted(const Catalog& catalog, int64_t item_id) {
    constexpr int kTries = 100;
    constexpr long kPauseMicros = 1000;
    for (int i = 0; !directory_forget_item(catalog, item_id); i++) {
        if (i == kTries) {
            ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                            errmsg("item " INT64_FORMAT " is in use", item_id),
                            errdetail("Its rows were deleted, and running transactions still hold "
                                      "claims on it."),
                            errhint("Try again when they have ended.")));
        }
        CHECK_FOR_INTERRUPTS();
        prepared_resolve(kNoSlot);
        pg_usleep(kPauseMicros);
    }
}

int64_t open_item(const Catalog& catalog, int64_t item_id, int64_t quantity) {
    const int64_t arguments[] = {next_id(catalog, catalog.inventory_sequence), item_id, quantity};
    const char* sql =
        psprintf("INSERT INTO %s (id, item_id, quantity, root_id) VALUES ($1, $2, $3, $1)",
                 qualified_name(catalog.inventory));
    query(catalog, sql, 3, arguments, SPI_OK_INSERT);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
    if (!directory_item_is_leaving(catalog, item_id)) {  // otherwise it is loaded again at commit
        forget_deleted(catalog, item_id);
    }
    return arguments[0];
}

// ---------------------------------------------------------------------------------------------
// item_add
// ---------------------------------------------------------------------------------------------

void add_stock(const Catalog& catalog, const ItemRef& ref, int64_t root_id, int64_t units) {
    check_sum(catalog, ref.item->item_id, units);
    change_inventory(catalog, "+ $2", root_id, units);
    stock_reserve(1);
    stock_add_release(stock_ref(ref, ref.item->root()), units);
}

void take_stock(const Catalog& catalog, const ItemRef& ref, int64_t root_id, int64_t units) {
    if (units == INT64_MIN || !claim_from_stock(ref, ref.item->root(), -units)) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("item " INT64_FORMAT " has too few unsold units", ref.item->item_id),
                        errdetail("Its root inventory has " INT64_FORMAT " left.",
                                  count_free_units(*ref.item->root())),
                        errhint("Take out less, or merge split-off inventories first.")));
    }
    change_inventory(catalog, "+ $2", root_id, units);
}

// ---------------------------------------------------------------------------------------------
// item_split
// ---------------------------------------------------------------------------------------------

void check_parts(FunctionCallInfo fcinfo) {
    const int32 parts = PG_GETARG_INT32(1);
    if (parts < 1 || parts > kMostParts) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("parts is out of range"),
                 errdetail("An item can be split into 1 to %d parts, not %d.", kMostParts, parts),
                 errhint("Check the number of parts.")));
    }
    if (PG_ARGISNULL(2)) {
        return;
    }
    ArrayType* users = PG_GETARG_ARRAYTYPE_P(2);
    const int count = ArrayGetNItems(ARR_NDIM(users), ARR_DIMS(users));
    if (ARR_NDIM(users) != 1 || count != parts) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("user_ids does not name one seller a part"),
                        errdetail("There are %d parts; user_ids has %d dimensions and %d elements.",
                                  parts, ARR_NDIM(users), count),
                        errhint("Leave user_ids out for parts without sellers.")));
    }
    if (array_contains_nulls(users)) {
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("user_ids may not contain NULL"),
                 errdetail("Each part is for one seller."),
                 errhint("Leave user_ids out for parts without sellers.")));
    }
}

// Inserts the rows of the parts, in order of their ids.
void insert_children(const Catalog& catalog, int64_t item_id, int64_t root_id, int64_t units,
                     int32 parts, Datum users, bool no_users) {
    Oid types[] = {INT8OID, INT8OID, INT8OID, INT4OID, INT8ARRAYOID};
    Datum values[] = {Int64GetDatum(item_id), Int64GetDatum(root_id), Int64GetDatum(units),
                      Int32GetDatum(parts), users};
    const char* sql = psprintf(
        "INSERT INTO %s (item_id, quantity, parent_id, root_id, user_id) SELECT $1, $3 / $4 + CASE "
        "WHEN n <= $3 %% $4 THEN 1 ELSE 0 END, $2, $2, $5[array_lower($5, 1) + n - 1] FROM "
        "generate_series(1, $4) AS n ORDER BY n "
        "RETURNING *",
        qualified_name(catalog.inventory));
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, catalog.inventory};
    if (execute_own(write, false, sql, 5, types, values, no_users ? "    n" : "     ") !=
            SPI_OK_INSERT_RETURNING ||
        SPI_processed != static_cast<uint64>(parts)) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("the rows of the parts were not stored"),
                        errdetail("A trigger or a rule on item_inventory left some out."),
                        errhint("Let a trigger raise an error instead.")));
    }
}

// Makes a stock for each row that was just inserted. Other sessions do not see it until the commit.
void make_stocks(const ItemRef& ref) {
    const int id = SPI_fnumber(SPI_tuptable->tupdesc, "id");
    const int quantity = SPI_fnumber(SPI_tuptable->tupdesc, "quantity");
    const int user = SPI_fnumber(SPI_tuptable->tupdesc, "user_id");
    const TransactionId xid = GetTopTransactionId();
    stock_reserve(SPI_processed);
    for (uint64 i = 0; i < SPI_processed; i++) {
        CHECK_FOR_INTERRUPTS();
        bool is_null;
        Inventory row{};
        row.id = bigint_column(i, id);
        row.quantity = bigint_column(i, quantity);
        row.user_id = DatumGetInt64(column(i, user, &is_null));
        row.has_seller = !is_null;
        Stock* stock = new_stock(row);
        stock->maker.store(xid, std::memory_order_relaxed);
        fill_units(*stock, row.quantity);
        link_stock(ref.item, stock);
        stock_add_made(stock_ref(ref, stock));
    }
}

// ---------------------------------------------------------------------------------------------
// item_merge
// ---------------------------------------------------------------------------------------------

// Finds the inventory, locks its root and then the inventory. Returns true if it is merged already.
bool lock_child(const Catalog& catalog, int64_t id, int64_t* item_id, int64_t* root_id) {
    query(catalog,
          psprintf("SELECT item_id, parent_id FROM %s WHERE id = $1",
                   qualified_name(catalog.inventory)),
          1, &id, SPI_OK_SELECT);
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("inventory " INT64_FORMAT " does not exist", id),
                        errdetail("No row of item_inventory has this id."),
                        errhint("Check the inventory_id.")));
    }
    bool is_root;
    *item_id = bigint_column(0, 1);
    column(0, 2, &is_root);
    if (is_root) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("inventory " INT64_FORMAT " has no parent", id),
                        errdetail("It is the root of item " INT64_FORMAT ".", *item_id),
                        errhint("Merge an inventory that was split off.")));
    }
    *root_id = lock_root(catalog, *item_id);
    query(catalog,
          psprintf("SELECT status = 'merged' FROM %s WHERE id = $1 FOR NO KEY UPDATE",
                   qualified_name(catalog.inventory)),
          1, &id, SPI_OK_SELECT);
    bool is_null;
    return SPI_processed == 1 && DatumGetBool(column(0, 1, &is_null));
}

int64_t merge(const Catalog& catalog, const ItemRef& ref, int64_t id, int64_t root_id, bool again) {
    Stock* stock = ref.item->find(id);
    if (stock == nullptr && again) {
        return 0;
    }
    if (stock == nullptr || !is_usable(stock)) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("inventory " INT64_FORMAT " is not in the pool", id),
                        errdetail("Its row was written by hand."),
                        errhint("Split items with item_split.")));
    }
    stock_reserve(1 + stock_release_count());
    const int64_t units = claim_rest(ref, stock);
    if (units > 0 || !again) {
        change_inventory(catalog, "+ $2", root_id, units);
        change_inventory(catalog, "- $2, status = 'merged'", id, units);
    }
    stock_reserve(2);  // reserved after the triggers ran: they may have bought
    if (units > 0) {
        stock_add_release(stock_ref(ref, ref.item->root()), units);
    }
    if (!again) {
        wait_for_stock_turn(stock_ref(ref, stock));
        stock_add_merging(stock_ref(ref, stock));
    }
    return units;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_open) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "quantity");
    PreventCommandIfReadOnly("item_open()");
    if (PG_GETARG_INT64(1) <= 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("quantity must be positive"),
                 errdetail(INT64_FORMAT " units cannot be put on sale.", PG_GETARG_INT64(1)),
                 errhint("Put one unit or more on sale.")));
    }
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int64_t id = open_item(catalog, PG_GETARG_INT64(0), PG_GETARG_INT64(1));
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT64(id);
}

TICKETPOOL_FUNCTION(item_add) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "quantity");
    PreventCommandIfReadOnly("item_add()");
    const int64_t units = PG_GETARG_INT64(1);
    if (units == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("quantity may not be 0"),
                 errdetail("Nothing would change."), errhint("item_remaining says what is left.")));
    }
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int64_t root_id = lock_root(catalog, PG_GETARG_INT64(0));
    const ItemRef ref = require_item(catalog, PG_GETARG_INT64(0));
    pin_item(ref);
    if (units > 0) {
        add_stock(catalog, ref, root_id, units);
    } else {
        take_stock(catalog, ref, root_id, units);
    }
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT64(item_remaining_units(ref));
}

TICKETPOOL_FUNCTION(item_split) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "parts");
    PreventCommandIfReadOnly("item_split()");
    check_parts(fcinfo);
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    const int64_t item_id = PG_GETARG_INT64(0);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int64_t root_id = lock_root(catalog, item_id);
    const ItemRef ref = require_item(catalog, item_id);
    pin_item(ref);
    stock_reserve(1 + stock_release_count());
    const int64_t units = claim_rest(ref, ref.item->root());
    if (units > 0) {
        change_inventory(catalog, "- $2", root_id, units);
        const bool no_users = PG_ARGISNULL(2);
        insert_children(catalog, item_id, root_id, units, PG_GETARG_INT32(1),
                        no_users ? 0 : PG_GETARG_DATUM(2), no_users);
        make_stocks(ref);
        return_spi_rows(result);
    }
    SPI_finish();
    owner_end(scope);
    return 0;
}

TICKETPOOL_FUNCTION(item_merge) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "inventory_id");
    PreventCommandIfReadOnly("item_merge()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    const int64_t id = PG_GETARG_INT64(0);
    int64_t item_id;
    int64_t root_id;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const bool again = lock_child(catalog, id, &item_id, &root_id);
    const ItemRef ref = require_item(catalog, item_id);
    pin_item(ref);
    const int64_t units = merge(catalog, ref, id, root_id, again);
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT64(units);
}
