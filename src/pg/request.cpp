// Idempotency: a second call with the same user, date and request_id returns the first call's rows.
#include "advisory_locks.hpp"
#include "errors.hpp"
#include "sale.hpp"

extern "C" {
#include "storage/lmgr.h"
}

namespace ticketpool {

uint64_t request_key(const Catalog& catalog, const Purchase& purchase) {
    struct {
        int64_t user_id;
        int64_t date;
        pg_uuid_t request_id;
    } key = {purchase.user_id, purchase.service_date, *purchase.request_id};
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&key), sizeof key,
                               catalog.order);
}

void lock_request(uint64_t key) {
    const LOCKTAG tag = advisory_tag(AdvisoryLock::kRequest, static_cast<uint32_t>(key >> 32),
                                     static_cast<uint32_t>(key));
    LockAcquire(&tag, ExclusiveLock, false, false);
}

void require_visible_first_call(TableReader* reader) {
    if (IsolationUsesXactSnapshot() &&
        !table_tuple_satisfies_snapshot(reader->heap, reader->row, GetTransactionSnapshot())) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a concurrent purchase with "
                               "the same request_id"),
                        errdetail("It committed after this transaction's snapshot was taken."),
                        errhint("Retry the transaction.")));
    }
}

namespace {

void check_same_trip(TableReader* reader, const OrderLeaf& leaf, const Purchase& purchase) {
    const Stop* stops = purchase.ref.departure->route->stops();
    if (row_int64(reader->row, leaf.column[kDepartureId]) != purchase.ref.departure->departure_id ||
        row_int32(reader->row, leaf.column[kFromStop]) != stops[purchase.trip.from].stop_no ||
        row_int32(reader->row, leaf.column[kToStop]) != stops[purchase.trip.to].stop_no) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("request_id was used for another trip"),
                        errdetail("Order " INT64_FORMAT " of this user and date has it.",
                                  row_int64(reader->row, leaf.column[kOrderId])),
                        errhint("Use a new request_id for each purchase.")));
    }
}

}  // namespace

bool find_first_call(const Catalog& catalog, const Purchase& purchase, FirstCallRow row_found,
                     void* context) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, purchase.service_date, &leaf)) {
        return false;
    }
    bool found = false;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.request(), snapshot);
    reader_key_date(&reader, purchase.service_date);
    reader_key_int64(&reader, purchase.user_id);
    reader_key_uuid(&reader, UUIDPGetDatum(purchase.request_id));
    while (reader_next(&reader)) {
        if (!found) {
            check_same_trip(&reader, leaf, purchase);
            found = true;
        }
        require_visible_first_call(&reader);
        row_found(&reader, leaf, context);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

}  // namespace ticketpool
