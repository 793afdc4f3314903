#include "own_writes.hpp"

#include "errors.hpp"
#include "item_rows.hpp"
#include "plans.hpp"
#include "ticketpool/order_status.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/fmgrprotos.h"
}

namespace ticketpool {

namespace {

constinit const OwnWrite* own_write = nullptr;
constinit int own_depth = 0;

// What says where a ticket's claim is.
constexpr OrderColumn kPlaceColumns[] = {kDepartureId, kServiceDate, kSeatClass, kCoach,
                                         kSeat,        kFromStop,    kToStop,    kChannel};

bool is_text(OrderColumn column) {
    return column == kSeatClass || column == kCoach || column == kSeat || column == kChannel;
}

bool same_value(OrderColumn column, Datum a, bool a_null, Datum b, bool b_null) {
    if (a_null || b_null) {
        return a_null == b_null;
    }
    switch (column) {
        case kDepartureId:
            return DatumGetInt64(a) == DatumGetInt64(b);
        case kServiceDate:
            return DatumGetDateADT(a) == DatumGetDateADT(b);
        default:
            return is_text(column) ? same_text(text_of(a), text_of(b))
                                   : DatumGetInt32(a) == DatumGetInt32(b);
    }
}

bool is_as_written(const OrderLeaf& leaf, TupleTableSlot* row, const OrderValues& written) {
    for (const OrderColumn column : kPlaceColumns) {
        bool is_null;
        const Datum value = row_value(row, leaf.column[column], &is_null);
        if (!same_value(column, value, is_null, written.value[column], written.is_null[column])) {
            return false;
        }
    }
    return is_live_row(leaf, row);
}

bool is_as_expected(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    if (after == nullptr || (before == nullptr) != (own_write->change == OwnChange::kInsert)) {
        return false;
    }
    switch (own_write->change) {
        case OwnChange::kInsert:
            return is_as_written(leaf, after, *own_write->row);
        case OwnChange::kLive:
            return same_place(leaf, before, after) && is_live_row(leaf, after);
        case OwnChange::kEnd:
            return same_place(leaf, before, after) && !is_live_row(leaf, after);
        default:
            return is_live_row(leaf, before) == is_live_row(leaf, after);
    }
}

}  // namespace

int execute_own(const OwnWrite& write, bool keep_plan, const char* sql, int count, Oid* types,
                Datum* values, const char* nulls, Snapshot snapshot) {
    Assert(keep_plan || snapshot == InvalidSnapshot);
    const OwnWrite* previous = own_write;
    const int previous_depth = own_depth;
    volatile int result = 0;
    own_write = &write;
    own_depth = trigger_depth();
    PG_TRY();
    {
        result = keep_plan ? execute_planned(sql, count, types, values, nulls, snapshot)
                           : SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
    }
    PG_FINALLY();
    {
        own_write = previous;
        own_depth = previous_depth;
    }
    PG_END_TRY();
    return result;
}

void execute_own_on(Oid table, const char* sql, int count, Oid* types, Datum* values,
                    const char* nulls, int expected, Snapshot snapshot) {
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, table};
    const int result = execute_own(write, true, sql, count, types, values, nulls, snapshot);
    if (result != expected) {
        report_not_written(sql);
    }
}

bool was_changed(const char* sql, const char* table, const char* column, int64_t id,
                 const char* condition) {
    if (SPI_processed > 0) {
        return true;
    }
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    const char* look = psprintf("SELECT FROM %s WHERE %s = $1 AND %s", table, column, condition);
    if (SPI_execute_with_args(look, 1, types, values, nullptr, false, 1) != SPI_OK_SELECT ||
        SPI_processed > 0) {
        report_not_written(sql);
    }
    return false;
}

static bool is_own_depth() {
    return own_write != nullptr && trigger_depth() == own_depth + 1;
}

bool is_own_event(Oid table) {
    return is_own_depth() && own_write->table == table;
}

bool is_own_event(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    TupleTableSlot* row = before == nullptr ? after : before;
    if (!is_own_depth() || OidIsValid(own_write->table) ||
        row_int64(row, leaf.column[kDepartureId]) != own_write->departure_id ||
        (own_write->order_id != 0 &&
         row_int64(row, leaf.column[kOrderId]) != own_write->order_id)) {
        return false;
    }
    if (!is_as_expected(leaf, before, after)) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("a trigger on ticket_order has changed the seat or the status of "
                               "order " INT64_FORMAT,
                               row_int64(row, leaf.column[kOrderId])),
                        errdetail("The row would not agree with what was claimed for it."),
                        errhint("Let a trigger change other columns, or raise an error.")));
    }
    return true;
}

// No rule can add an INSERT into the table whose INSERT it adds to: a new row is ours, whatever a
// trigger has made of it.
static bool is_own_item_row(TupleTableSlot* before) {
    if (before == nullptr) {
        return own_write->change == OwnChange::kInsert;
    }
    return own_write->change == OwnChange::kEnd &&
           row_int64(before, kItemOrderId) == own_write->order_id &&
           row_int64(before, kItemId) == own_write->departure_id;
}

static bool is_item_as_expected(TupleTableSlot* before, TupleTableSlot* after) {
    if (after == nullptr) {
        return false;
    }
    if (own_write->change == OwnChange::kEnd) {
        return same_units(before, after) && !is_live_item_row(after);
    }
    for (const AttrNumber column : {kItemId, kItemInventory, kItemQuantity}) {
        if (row_int64(after, column) != DatumGetInt64(own_write->row->value[column])) {
            return false;
        }
    }
    return is_live_item_row(after);
}

bool is_own_item_event(TupleTableSlot* before, TupleTableSlot* after) {
    if (!is_own_depth() || !OidIsValid(own_write->table) || !is_own_item_row(before)) {
        return false;
    }
    if (!is_item_as_expected(before, after)) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("a trigger on item_order has changed the units or the status of "
                               "order " INT64_FORMAT,
                               row_int64(before == nullptr ? after : before, kItemOrderId)),
                        errdetail("The row would not agree with what was claimed for it."),
                        errhint("Let a trigger change other columns, or raise an error.")));
    }
    return true;
}

bool is_live_item_row(TupleTableSlot* row) {
    return same_text(row_text(row, kItemStatus), {"sold", 4});
}

bool same_units(TupleTableSlot* before, TupleTableSlot* after) {
    for (const AttrNumber column : {kItemId, kItemInventory, kItemQuantity}) {
        if (row_int64(before, column) != row_int64(after, column)) {
            return false;
        }
    }
    return true;
}

bool is_live_row(const OrderLeaf& leaf, TupleTableSlot* row) {
    OrderStatus status;
    const Text text = row_text(row, leaf.column[kStatus]);
    if (!parse_order_status(text.data, text.length, &status)) {
        ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                        errmsg("\"%s\" is no status of a ticket", printable(text)),
                        errdetail("Ticket %d of order " INT64_FORMAT " has it.",
                                  row_int32(row, leaf.column[kTicketNo]),
                                  row_int64(row, leaf.column[kOrderId])),
                        errhint("Statuses are held, sold, refunded, cancelled, expired and "
                                "changed.")));
    }
    return is_live(status);
}

bool same_place(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    for (const OrderColumn column : kPlaceColumns) {
        bool no_old;
        bool no_new;
        const Datum old_value = row_value(before, leaf.column[column], &no_old);
        const Datum new_value = row_value(after, leaf.column[column], &no_new);
        if (!same_value(column, old_value, no_old, new_value, no_new)) {
            return false;
        }
    }
    return true;
}

int trigger_depth() {
    return DatumGetInt32(pg_trigger_depth(nullptr));
}

}  // namespace ticketpool
