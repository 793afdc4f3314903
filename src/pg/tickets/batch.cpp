// ticket_buy_many: many purchases in one call and one transaction, each all or none by itself.
//
// 1. All requests are read, and the locks of all their request_ids are taken, in order of key: two
//    batches never wait for each other in a circle.
// 2. They are checked and resolved; a malformed one fails the call before anything is sold. One
//    whose request_id has been used keeps the rows of the first call instead.
// 3. Request by request: claim, and keep the rows.
// 4. Rows go into the table many at a time: at the end, when the date changes, or before
//    something has to read what was sold so far (a rule, a request_id).
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/batch_requests.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/errors.hpp"
#include "tables/order_rows.hpp"
#include "tickets/first_call.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/sale.hpp"

namespace ticketpool {
namespace {

struct Request {
    BuyArguments arguments;
    Purchase purchase;
    const FirstCall* first;  // null: its request_id, if any, is new
};

// Rows of one service date that are claimed and not yet written.
struct Batch {
    const Catalog* catalog;
    ReturnSetInfo* result;
    DateADT date;
    OrderValues* rows;
    int count;
    int room;
    bool has_twins;  // two requests have one request_id
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

void return_first_call(Batch* batch, int32_t request_no, const FirstCall& first) {
    for (int i = 0; i < first.count; i++) {
        return_ticket(batch->result, request_no, first_call_row(first, i));
    }
}

// An earlier request of the batch may have the same request_id.
bool has_twin(Batch* batch, int32_t request_no, Request* request) {
    if (!batch->has_twins || request->purchase.request_id == nullptr) {
        return false;
    }
    flush(batch);
    FirstCall first;
    volatile bool found = false;
    do_numbered(request_no, [&] {
        found = find_first_call(*batch->catalog, request->arguments, &request->purchase, &first);
    });
    if (!found) {
        return false;
    }
    return_first_call(batch, request_no, first);
    return true;
}

void sell_request(Batch* batch, int32_t request_no, Request* request) {
    const Catalog& catalog = *batch->catalog;
    const Purchase& purchase = request->purchase;
    if (request->first != nullptr) {
        return_first_call(batch, request_no, *request->first);
        return;
    }
    if (has_twin(batch, request_no, request)) {
        return;
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

void resolve_request(const Catalog& catalog, Request* request) {
    Purchase* purchase = &request->purchase;
    if (purchase->request_id != nullptr) {
        FirstCall first;
        if (find_first_call(catalog, request->arguments, purchase, &first)) {
            FirstCall* kept = static_cast<FirstCall*>(palloc(sizeof(FirstCall)));
            *kept = first;
            request->first = kept;
            return;
        }
    }
    resolve_purchase(request->arguments, catalog, purchase);
    // It stays in memory until its turn comes.
    ledger_reserve(0);
    pin_slot(purchase->ref.slot);
    end_announcement();
}

Request* read_requests(ArrayType* array, int* count) {
    const RequestArray elements = open_requests(array, "ticket_request", kBuyArguments);
    *count = elements.count;
    Request* requests = static_cast<Request*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(*count, 1)) * sizeof(Request)));
    const DateADT today = DatumGetDateADT(DirectFunctionCall1(
        timestamptz_date, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
    for (int i = 0; i < *count; i++) {
        BuyArguments* arguments = &requests[i].arguments;
        read_request(elements, i, arguments->value, arguments->is_null);
        constexpr int kDateField = 4;  // NULL is today, as in ticket_buy
        if (arguments->is_null[kDateField]) {
            arguments->value[kDateField] = DateADTGetDatum(today);
            arguments->is_null[kDateField] = false;
        }
        requests[i].first = nullptr;
    }
    for_each_request(requests, *count, [](Request* request) {
        read_purchase(request->arguments, &request->purchase);
    });
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

// Of all request_ids. True: two of them are one.
bool lock_all_requests(const Catalog& catalog, const Request* requests, int count) {
    uint64_t* keys = static_cast<uint64_t*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(count, 1)) * sizeof(uint64_t)));
    size_t locks = 0;
    for (int i = 0; i < count; i++) {
        if (requests[i].purchase.request_id != nullptr) {
            keys[locks++] = request_key(catalog, requests[i].purchase);
        }
    }
    const bool has_twins = lock_requests(keys, locks);
    pfree(keys);
    return has_twins;
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
    Request* requests = read_requests(PG_GETARG_ARRAYTYPE_P(0), &count);
    const bool has_twins = lock_all_requests(catalog, requests, count);
    for_each_request(requests, count, [&](Request* request) { resolve_request(catalog, request); });
    if (has_rules(catalog, RuleKind::kTicket)) {
        lock_all_people(catalog, requests, count);
    }
    constexpr int kFirstRows = 64;
    Batch batch{
        &catalog,
        result,
        0,
        static_cast<OrderValues*>(palloc(kFirstRows * sizeof(OrderValues))),
        0,
        kFirstRows,
        has_twins,
        AllocSetContextCreate(CurrentMemoryContext, "ticket_buy_many", ALLOCSET_DEFAULT_SIZES)};
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(&batch, i + 1, &requests[i]);
    }
    flush(&batch);
    return 0;
}
