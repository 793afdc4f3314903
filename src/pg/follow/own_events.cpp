// Tells the row events of our own statements from those of others, see own_events.hpp.
#include "follow/own_events.hpp"

#include "server/table_scan.hpp"
#include "tables/inventory_rows.hpp"
#include "tables/item_rows.hpp"
#include "tables/own_writes.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

namespace {

// The columns that say where a ticket's claim is.
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

// Are those of a ticket's columns the same in both rows that `counts` returns true for?
template <typename Counts>
bool same_columns(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after,
                  Counts counts) {
    for (const OrderColumn column : kPlaceColumns) {
        if (!counts(column)) {
            continue;
        }
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

bool same_place_but_seat(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    return same_columns(leaf, before, after,
                        [](OrderColumn column) { return column != kCoach && column != kSeat; });
}

bool is_at_place(const OrderLeaf& leaf, TupleTableSlot* row, const OrderValues& written) {
    for (const OrderColumn column : kPlaceColumns) {
        bool is_null;
        const Datum value = row_value(row, leaf.column[column], &is_null);
        if (!same_value(column, value, is_null, written.value[column], written.is_null[column])) {
            return false;
        }
    }
    return true;
}

// Is everything that a move leaves as it is still the same? With `written`: and the rest as that?
bool is_moved(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after,
              const OrderValues* written) {
    return same_text(row_text(before, leaf.column[kStatus]),
                     row_text(after, leaf.column[kStatus])) &&
           (written != nullptr ? is_at_place(leaf, after, *written)
                               : same_place_but_seat(leaf, before, after));
}

bool is_as_expected(const OwnWrite& write, const OrderLeaf& leaf, TupleTableSlot* before,
                    TupleTableSlot* after) {
    if (write.change == OwnChange::kLeave) {
        return after == nullptr;
    }
    const bool is_new = write.change == OwnChange::kInsert || write.change == OwnChange::kArrive;
    if (after == nullptr || (before == nullptr) != is_new) {
        return false;
    }
    switch (write.change) {
        case OwnChange::kInsert:
            return is_at_place(leaf, after, *write.row) && is_live_row(leaf, after);
        case OwnChange::kLive:
            return same_place(leaf, before, after) && is_live_row(leaf, after);
        case OwnChange::kEnd:
            return same_place(leaf, before, after) && !is_live_row(leaf, after);
        case OwnChange::kArrive:
            return true;
        default:
            return is_moved(leaf, before, after, write.row);
    }
}

// The order of a new row says whose it is: a trigger may have given it another departure.
bool is_of_write(const OwnWrite& write, const OrderLeaf& leaf, TupleTableSlot* before,
                 TupleTableSlot* after) {
    TupleTableSlot* row = before == nullptr ? after : before;
    const bool is_new = before == nullptr && write.change == OwnChange::kInsert;
    return !OidIsValid(write.table) &&
           (is_new || row_int64(row, leaf.column[kDepartureId]) == write.departure_id) &&
           (write.order_id == 0 || row_int64(row, leaf.column[kOrderId]) == write.order_id);
}

}  // namespace

bool is_own_event(Oid table) {
    const OwnWrite* write = own_write_of_event();
    return write != nullptr && write->table == table;
}

bool is_own_event(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    const OwnWrite* write = own_write_of_event();
    if (write == nullptr || !is_of_write(*write, leaf, before, after)) {
        return false;
    }
    if (!is_as_expected(*write, leaf, before, after)) {
        ereport(ERROR,
                (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                 errmsg("a trigger on ticket_order has changed the seat or the status of "
                        "order " INT64_FORMAT,
                        row_int64(before == nullptr ? after : before, leaf.column[kOrderId])),
                 errdetail("The row would not agree with what was claimed for it."),
                 errhint("Let a trigger change other columns, or raise an error.")));
    }
    return true;
}

// A rule cannot add an INSERT into the table whose INSERT it adds to. So a new row is ours,
// whatever a trigger has made of it.
static bool is_own_item_row(const OwnWrite& write, TupleTableSlot* before) {
    if (before == nullptr) {
        return write.change == OwnChange::kInsert;
    }
    return (write.change == OwnChange::kEnd || write.change == OwnChange::kLive) &&
           row_int64(before, kItemOrderId) == write.order_id;
}

static bool is_item_as_expected(const OwnWrite& write, TupleTableSlot* before,
                                TupleTableSlot* after) {
    if (after == nullptr) {
        return false;
    }
    if (write.row == nullptr) {
        return same_units(before, after) &&
               is_live_item_row(after) == (write.change == OwnChange::kLive);
    }
    for (const AttrNumber column : {kItemId, kItemInventory, kItemQuantity}) {
        if (row_int64(after, column) != DatumGetInt64(write.row->value[column])) {
            return false;
        }
    }
    return is_live_item_row(after);
}

bool is_own_item_event(TupleTableSlot* before, TupleTableSlot* after) {
    const OwnWrite* write = own_write_of_event();
    if (write == nullptr || !OidIsValid(write->table) || !is_own_item_row(*write, before)) {
        return false;
    }
    if (!is_item_as_expected(*write, before, after)) {
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
    return is_live_status(row_text(row, kItemStatus));
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
                        errmsg("\"%s\" is not a status of a ticket", printable(text)),
                        errdetail("Ticket %d of order " INT64_FORMAT " has it.",
                                  row_int32(row, leaf.column[kTicketNo]),
                                  row_int64(row, leaf.column[kOrderId])),
                        errhint("Statuses are held, sold, refunded, cancelled, expired and "
                                "changed.")));
    }
    return is_live(status);
}

bool same_place(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after) {
    return same_columns(leaf, before, after, [](OrderColumn) { return true; });
}

}  // namespace ticketpool
