// Tells those who ask for what has moved to another node where it is: see moved_away.hpp.
#include "tables/moved_away.hpp"

#include "server/errors.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {
namespace {

enum MovedColumn : AttrNumber { kMovedId = 1, kMovedKind, kMovedParcel };

constexpr Text kOut{"out", 3};

// To be called in an ereport.
int error_of_moved(int32_t node) {
    errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION);
    errdetail("Node %d has it.", node);
    errhint("Ask that node, or ask again through the router.");
    return err_generic_string(PG_DIAG_CONSTRAINT_NAME, psprintf("node_%d", node));
}

bool is_kind(Text kind, MovedKind wanted) {
    return wanted == MovedKind::kOrder ? same_text(kind, {"order", 5})
                                       : same_text(kind, {"reservation", 11});
}

// The parcel in which this id left; palloc'd. Null: it did not.
pg_uuid_t* parcel_of(const Catalog& catalog, MovedKind kind, int64_t id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    pg_uuid_t* parcel = nullptr;
    reader_open(&reader, catalog.moved, catalog.moved_pkey, snapshot);
    reader_key_int64(&reader, id);
    while (parcel == nullptr && reader_next(&reader)) {
        if (is_kind(row_text(reader.row, kMovedKind), kind)) {
            parcel = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
            *parcel = *DatumGetUUIDP(row_datum(reader.row, kMovedParcel));
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return parcel;
}

// The node to which the parcel went, or 0: it is gone.
int32_t node_of_parcel(const Catalog& catalog, const pg_uuid_t* parcel) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.parcel, catalog.parcel_pkey, snapshot);
    reader_key_uuid(&reader, UUIDPGetDatum(parcel));
    const int32_t node = reader_next(&reader) ? row_int32(reader.row, kParcelToNode) : 0;
    reader_close(&reader);
    drop_snapshot(snapshot);
    return node;
}

}  // namespace

void refuse_moved(const Catalog& catalog, Text train, DateADT date) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    int32_t node = 0;
    reader_open(&reader, catalog.parcel, catalog.parcel_departure, snapshot);
    reader_key_text(&reader, train);
    reader_key_date(&reader, date);
    while (node == 0 && reader_next(&reader)) {
        if (same_text(row_text(reader.row, kParcelDirection), kOut)) {
            node = row_int32(reader.row, kParcelToNode);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    if (node != 0) {
        ereport(ERROR, (errmsg("train \"%s\" of %s has moved to another node", printable(train),
                               date_text(date)),
                        error_of_moved(node)));
    }
}

void refuse_moved(const Catalog& catalog, MovedKind kind, int64_t id) {
    const pg_uuid_t* parcel = parcel_of(catalog, kind, id);
    const int32_t node = parcel == nullptr ? 0 : node_of_parcel(catalog, parcel);
    if (node != 0) {
        ereport(ERROR, (kind == MovedKind::kOrder
                            ? errmsg("order " INT64_FORMAT " has moved to another node", id)
                            : errmsg("reservation " INT64_FORMAT " has moved to another node", id),
                        error_of_moved(node)));
    }
}

void report_no_departure(const Catalog& catalog, Text train, DateADT date) {
    refuse_moved(catalog, train, date);
    ereport(ERROR,
            (errcode(kErrorNoDeparture),
             errmsg("train \"%s\" has no departure on %s", printable(train), date_text(date)),
             errdetail("No such row in ticket_departure."),
             errhint("Put the departure on sale with ticket_open.")));
}

}  // namespace ticketpool
