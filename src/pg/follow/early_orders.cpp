// Checks the orders that were written by hand before their departure, when the departure is
// inserted.
#include "follow/early_orders.hpp"

#include "server/errors.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "partitioning/partdesc.h"
}

namespace ticketpool {
namespace {

// A live ticket that was written before its departure.
struct EarlyTicket {
    Text coach;
    Text seat;
    int32_t from;
    int32_t to;
    int64_t order_id;
};
struct EarlyTickets {
    EarlyTicket* entries;
    size_t count;
    size_t room;
};

int compare_text(Text a, Text b) {
    const int order = memcmp(a.data, b.data, Min(a.length, b.length));
    return order != 0 ? order : static_cast<int>(a.length) - static_cast<int>(b.length);
}

int compare_tickets(const void* a, const void* b) {
    const EarlyTicket* left = static_cast<const EarlyTicket*>(a);
    const EarlyTicket* right = static_cast<const EarlyTicket*>(b);
    int order = compare_text(left->coach, right->coach);
    order = order != 0 ? order : compare_text(left->seat, right->seat);
    return order != 0 ? order : left->from - right->from;
}

void add_ticket(EarlyTickets* tickets, const OrderLeaf& leaf, TupleTableSlot* row) {
    bool is_place;
    const Datum seat = row_value(row, leaf.column[kSeat], &is_place);
    if (is_place) {
        return;
    }
    if (tickets->count == tickets->room) {
        tickets->room = Max(tickets->room * 2, static_cast<size_t>(256));
        tickets->entries = static_cast<EarlyTicket*>(
            tickets->entries == nullptr
                ? palloc(tickets->room * sizeof(EarlyTicket))
                : repalloc_huge(tickets->entries, tickets->room * sizeof(EarlyTicket)));
    }
    tickets->entries[tickets->count++] =
        EarlyTicket{copy_text(row_text(row, leaf.column[kCoach])), copy_text(text_of(seat)),
                    row_int32(row, leaf.column[kFromStop]), row_int32(row, leaf.column[kToStop]),
                    row_int64(row, leaf.column[kOrderId])};
}

// The departure's live rows in one partition.
void read_early_tickets(const Catalog& catalog, Oid partition_oid, const DepartureRow& row,
                        EarlyTickets* tickets) {
    Relation partition = open_table(partition_oid);
    OrderLeaf leaf{};
    find_order_columns(partition, &leaf);
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, partition_oid, live_index(catalog, partition), snapshot);
    reader_key_int64(&reader, row.departure_id);
    while (reader_next(&reader)) {
        if (DatumGetDateADT(row_datum(reader.row, leaf.column[kServiceDate])) != row.service_date) {
            ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                            errmsg("departure " INT64_FORMAT " has live orders of another day",
                                   row.departure_id),
                            errdetail("Order " INT64_FORMAT " is not of %s.",
                                      row_int64(reader.row, leaf.column[kOrderId]),
                                      date_text(row.service_date)),
                            errhint("Correct the service_date of the order first.")));
        }
        add_ticket(tickets, leaf, reader.row);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    table_close(partition, AccessShareLock);
}

}  // namespace

void require_orders_in_place(const Catalog& catalog, const DepartureRow& row) {
    Relation parent = open_table(catalog.order);
    PartitionDesc partitions = RelationGetPartitionDesc(parent, true);
    EarlyTickets tickets{};
    for (int i = 0; i < partitions->nparts; i++) {
        if (partitions->is_leaf[i]) {
            read_early_tickets(catalog, partitions->oids[i], row, &tickets);
        }
    }
    table_close(parent, AccessShareLock);
    if (tickets.count < 2) {
        return;
    }
    qsort(tickets.entries, tickets.count, sizeof(EarlyTicket), compare_tickets);
    for (size_t i = 1; i < tickets.count; i++) {
        const EarlyTicket& one = tickets.entries[i - 1];
        const EarlyTicket& next = tickets.entries[i];
        if (same_text(one.coach, next.coach) && same_text(one.seat, next.seat) &&
            next.from < one.to) {
            ereport(ERROR, (errcode(ERRCODE_EXCLUSION_VIOLATION),
                            errmsg("departure " INT64_FORMAT " has two live tickets on one seat",
                                   row.departure_id),
                            errdetail("Orders " INT64_FORMAT " and " INT64_FORMAT
                                      " have seat %s of coach %s over a common stretch.",
                                      one.order_id, next.order_id, printable(one.seat),
                                      printable(one.coach)),
                            errhint("Correct the orders first.")));
        }
    }
}

}  // namespace ticketpool
