// ticket_buy_many: many purchases in one call and one transaction, each all or none by itself.
//
// 1. All requests are checked and resolved; a malformed one fails the call before anything is sold.
// 2. The locks of all their request_ids are taken, in order of key: two batches never wait for each
//    other in a circle.
// 3. Request by request: claim, and keep the rows.
// 4. Rows go into the table many at a time: at the end, when the date changes, or before
//    something has to read what was sold so far (a rule, a request_id).
#include "errors.hpp"
#include "ledger.hpp"
#include "requests.hpp"
#include "rules.hpp"
#include "sale.hpp"

namespace ticketpool {
namespace {

struct Request {
    BuyArguments arguments;
    Purchase purchase;
};

// Rows of one service date that are claimed and not yet written.
struct Batch {
    const Catalog* catalog;
    ReturnSetInfo* result;
    DateADT date;
    OrderValues* rows;
    int count;
    int room;
    MemoryContext scratch;
};

void flush(Batch* batch) {
    if (batch->count > 0) {
        insert_orders(*batch->catalog, batch->date, batch->rows, batch->count, nullptr);
        batch->count = 0;
    }
}

void return_ticket(ReturnSetInfo* result, int32_t request_no, const OrderValues& row) {
    const OrderColumn columns[] = {kOrderId,     kTicketNo,    kCoach,       kSeat,     kSeatClass,
                                   kPassengerId, kDepartureId, kServiceDate, kFromStop, kToStop};
    Datum values[lengthof(columns) + 1];
    bool nulls[lengthof(columns) + 1];
    values[0] = Int32GetDatum(request_no);
    nulls[0] = false;
    for (size_t i = 0; i < lengthof(columns); i++) {
        values[i + 1] = row.value[columns[i]];
        nulls[i + 1] = row.is_null[columns[i]];
    }
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void add_rows(Batch* batch, int32_t request_no, const Purchase& purchase, const Claimed* claims) {
    constexpr int kMostRows = 4096;
    if (batch->date != purchase.service_date || batch->count >= kMostRows) {
        flush(batch);
        batch->date = purchase.service_date;
    }
    const int wanted = batch->count + static_cast<int>(purchase.party);
    if (wanted > batch->room) {
        batch->room = Max(wanted, batch->room * 2);
        batch->rows = static_cast<OrderValues*>(
            repalloc_huge(batch->rows, static_cast<size_t>(batch->room) * sizeof(OrderValues)));
    }
    build_orders(*batch->catalog, purchase, claims, &batch->rows[batch->count]);
    for (int i = batch->count; i < wanted; i++) {
        return_ticket(batch->result, request_no, batch->rows[i]);
    }
    batch->count = wanted;
}

struct FoundBefore {
    Batch* batch;
    int32_t request_no;
};

void return_found(TableReader* reader, const OrderLeaf& leaf, void* context) {
    const FoundBefore* found = static_cast<FoundBefore*>(context);
    OrderValues row;
    for (AttrNumber c = 1; c <= kOrderColumns; c++) {
        row.value[c] = row_value(reader->row, leaf.column[c], &row.is_null[c]);
    }
    return_ticket(found->batch->result, found->request_no, row);
}

void sell_request(Batch* batch, int32_t request_no, const Purchase& purchase) {
    const Catalog& catalog = *batch->catalog;
    if (purchase.request_id != nullptr) {
        flush(batch);
        FoundBefore found{batch, request_no};
        if (find_first_call(catalog, purchase, return_found, &found)) {
            return;
        }
    }
    if (!is_on_sale(purchase.ref) ||
        purchase.party > purchase.ref.departure->layout->capacity(purchase.class_index)) {
        return;
    }
    if (has_rules(catalog, RuleKind::kTicket)) {
        flush(batch);
        if (ask_rules(catalog, rule_call(purchase)) != nullptr) {
            return;
        }
    }
    Claimed* claims = static_cast<Claimed*>(palloc(purchase.party * sizeof(Claimed)));
    // What claiming needs besides goes at once: a call may have thousands of parties.
    MemoryContext outer = MemoryContextSwitchTo(batch->scratch);
    const bool claimed = claim_demand(demand_of(purchase), claims);
    MemoryContextSwitchTo(outer);
    MemoryContextReset(batch->scratch);
    if (claimed) {
        add_rows(batch, request_no, purchase, claims);
    }
    pfree(claims);
}

void parse_request(const Catalog& catalog, Request* request, int32_t request_no) {
    MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    {
        parse_purchase(request->arguments, catalog, &request->purchase);
        // It stays in memory until its turn comes.
        ledger_reserve(0);
        ledger_pin(request->purchase.ref.slot);
    }
    PG_CATCH();
    { rethrow_numbered(context, request_no); }
    PG_END_TRY();
    directory_done();
}

Request* parse_requests(const Catalog& catalog, ArrayType* array, int* count) {
    const RequestArray elements = open_requests(array, "ticket_request", kBuyArguments);
    *count = elements.count;
    Request* requests = static_cast<Request*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(*count, 1)) * sizeof(Request)));
    const DateADT today = DatumGetDateADT(DirectFunctionCall1(
        timestamptz_date, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
    for (int i = 0; i < *count; i++) {
        CHECK_FOR_INTERRUPTS();
        BuyArguments* arguments = &requests[i].arguments;
        read_request(elements, i, arguments->value, arguments->is_null);
        constexpr int kDateField = 4;  // NULL is today, as in ticket_buy
        if (arguments->is_null[kDateField]) {
            arguments->value[kDateField] = DateADTGetDatum(today);
            arguments->is_null[kDateField] = false;
        }
        parse_request(catalog, &requests[i], i + 1);
    }
    return requests;
}

// Request by request, two batches that name the same people would wait for each other.
void lock_all_people(const Catalog& catalog, const Request* requests, int count) {
    uint32_t party = 0;
    for (int i = 0; i < count; i++) {
        party += requests[i].purchase.party;
    }
    const size_t room = static_cast<size_t>(count) + party;
    int64_t* users = static_cast<int64_t*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(room, 1) * sizeof(int64_t)));
    int64_t* passengers = users + count;
    int64_t* next = passengers;
    for (int i = 0; i < count; i++) {
        const Purchase& purchase = requests[i].purchase;
        users[i] = purchase.user_id;
        memcpy(next, purchase.passengers, purchase.party * sizeof(int64_t));
        next += purchase.party;
    }
    lock_people(catalog, users, static_cast<uint32_t>(count), passengers, party);
    pfree(users);
}

// Of all request_ids; of all users and passengers, where there are rules.
void lock_all(const Catalog& catalog, const Request* requests, int count) {
    uint64_t* keys = static_cast<uint64_t*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(count, 1)) * sizeof(uint64_t)));
    size_t locks = 0;
    for (int i = 0; i < count; i++) {
        if (requests[i].purchase.request_id != nullptr) {
            keys[locks++] = request_key(catalog, requests[i].purchase);
        }
    }
    lock_requests(keys, locks);
    pfree(keys);
    if (has_rules(catalog, RuleKind::kTicket)) {
        lock_all_people(catalog, requests, count);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_buy_many) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "requests");
    PreventCommandIfReadOnly("ticket_buy_many()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    int count;
    const Request* requests = parse_requests(catalog, PG_GETARG_ARRAYTYPE_P(0), &count);
    lock_all(catalog, requests, count);
    constexpr int kFirstRows = 64;
    Batch batch{
        &catalog,
        result,
        0,
        static_cast<OrderValues*>(palloc(kFirstRows * sizeof(OrderValues))),
        0,
        kFirstRows,
        AllocSetContextCreate(CurrentMemoryContext, "ticket_buy_many", ALLOCSET_DEFAULT_SIZES)};
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(&batch, i + 1, requests[i].purchase);
    }
    flush(&batch);
    return 0;
}
