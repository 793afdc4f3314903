// ticket_buy_many: many purchases of tickets in one call. The steps are in batch_requests.hpp. The
// kept rows are of one service date: they are also written when the date changes.
//
// ticket_check_many: whether the requests of a batch are well formed, for a client that divides a
// batch among servers and wants to know before it sends any part.
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/batch_requests.hpp"
#include "server/errors.hpp"
#include "tables/order_rows.hpp"
#include "tickets/first_call.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/sale.hpp"

namespace ticketpool {
namespace {

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

struct TicketBatch {
    struct Request {
        BuyArguments arguments;
        Purchase purchase;
        bool is_repeated;
        const FirstCall* first;
    };
    static constexpr const char* kType = "ticket_request";
    static constexpr int kFields = kBuyArguments;
    static constexpr RuleKind kRules = RuleKind::kTicket;

    const Catalog& catalog;
    ReturnSetInfo* result;
    DateADT today;
    MemoryContext scratch;
    // Rows of one service date that are claimed and not yet written.
    DateADT date;
    OrderValues* rows;
    int count;
    int room;

    void set_defaults(BuyArguments* arguments) const {
        constexpr int kDateField = 4;  // NULL is today, as in ticket_buy
        if (arguments->is_null[kDateField]) {
            arguments->value[kDateField] = DateADTGetDatum(today);
            arguments->is_null[kDateField] = false;
        }
    }

    void read(Request* request) const { read_purchase(request->arguments, &request->purchase); }

    uint64_t key_of(const Purchase& purchase) const { return request_key(catalog, purchase); }

    bool find_first(Request* request) const {
        FirstCall first;
        if (!find_first_call(catalog, request->arguments, &request->purchase, &first)) {
            return false;
        }
        FirstCall* kept = static_cast<FirstCall*>(palloc(sizeof(FirstCall)));
        *kept = first;
        request->first = kept;
        return true;
    }

    void resolve(Request* request) const {
        resolve_purchase(request->arguments, catalog, &request->purchase);
        ledger_reserve(0);
        pin_slot(request->purchase.ref.slot);
        end_announcement();
    }

    void check(Request* request) const {
        resolve_purchase(request->arguments, catalog, &request->purchase, ResolveFor::kCheck);
        end_announcement();
    }

    std::span<const int64_t> passengers_of(const Purchase& purchase) const {
        return {purchase.passengers, purchase.party};
    }

    bool may_sell(const Purchase& purchase) const {
        return is_on_sale(purchase.ref, purchase.trip) &&
               purchase.party <= purchase.ref.departure->layout->capacity(purchase.class_index);
    }

    void sell(int32_t request_no, const Purchase& purchase) {
        Claimed* claims = static_cast<Claimed*>(palloc(purchase.party * sizeof(Claimed)));
        // Whatever else claiming allocates is freed at once: a call may have thousands of parties.
        MemoryContext outer = MemoryContextSwitchTo(scratch);
        const bool claimed = claim_demand(demand_of(purchase), claims);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(scratch);
        if (claimed) {
            add_rows(request_no, purchase, claims);
        }
        pfree(claims);
    }

    void add_rows(int32_t request_no, const Purchase& purchase, const Claimed* claims) {
        constexpr int kMostRows = 4096;
        if (date != purchase.service_date || count >= kMostRows) {
            flush();
            date = purchase.service_date;
        }
        const int wanted = count + static_cast<int>(purchase.party);
        if (wanted > room) {
            room = Max(wanted, room * 2);
            rows = static_cast<OrderValues*>(
                repalloc_huge(rows, static_cast<size_t>(room) * sizeof(OrderValues)));
        }
        build_orders(catalog, purchase, claims, &rows[count]);
        for (; count < wanted; count++) {
            return_ticket(result, request_no, rows[count]);
        }
    }

    void return_first(int32_t request_no, const Request& request) const {
        for (int i = 0; i < request.first->count; i++) {
            return_ticket(result, request_no, first_call_row(*request.first, i));
        }
    }

    void flush() {
        if (count > 0) {
            insert_orders(catalog, date, rows, count, nullptr);
            count = 0;
        }
    }
};

DateADT date_of_transaction() {
    return DatumGetDateADT(DirectFunctionCall1(
        timestamptz_date, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
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
    constexpr int kFirstRows = 64;
    TicketBatch batch{
        catalog_of(fcinfo),
        result,
        date_of_transaction(),
        AllocSetContextCreate(CurrentMemoryContext, "ticket_buy_many", ALLOCSET_DEFAULT_SIZES),
        0,
        static_cast<OrderValues*>(palloc(kFirstRows * sizeof(OrderValues))),
        0,
        kFirstRows};
    sell_batch(&batch, PG_GETARG_ARRAYTYPE_P(0));
    return 0;
}

TICKETPOOL_FUNCTION(ticket_check_many) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "requests");
    TicketBatch batch{
        catalog_of(fcinfo), nullptr, date_of_transaction(), nullptr, 0, nullptr, 0, 0};
    check_batch(&batch, PG_GETARG_ARRAYTYPE_P(0));
    PG_RETURN_VOID();
}
