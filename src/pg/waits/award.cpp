// One award: the tickets of a wait become an order, in the transaction that frees the seats.
//
// Each award is a subtransaction, so that one that fails (a rule or a trigger raises an error, the
// partition is missing) leaves nothing behind, and the next waiter is asked. Nothing here waits for
// another session: whoever has the row of the wait locked, or buys for the same people, is passed
// over.
#include "waits/award.hpp"

#include "pool/claim.hpp"
#include "pool/deadlines.hpp"
#include "purchase/rules.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/settings.hpp"
#include "server/stop_point.hpp"
#include "server/subtransaction.hpp"
#include "server/table_scan.hpp"
#include "tables/award_rows.hpp"
#include "tables/events.hpp"
#include "tables/order_rows.hpp"
#include "tables/own_writes.hpp"
#include "tickets/sale.hpp"
#include "tickets/seat_wish.hpp"
#include "waits/one_award.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/json.h"
}

namespace ticketpool {
namespace {

// What the rows of the wait and its option say.
struct Candidate {
    int64_t user_id;
    const int64_t* passengers;
    uint32_t party;
    bool sells;
    TimestampTz held_until;
    Text choice;  // data null: none
};

TimestampTz end_of_hold(bool is_null, Datum ttl) {
    const TimestampTz now = GetCurrentTimestamp();
    return is_null ? now + int64_t{setting_hold_ttl} * USECS_PER_SEC
                   : DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
                                                             TimestampTzGetDatum(now), ttl));
}

Candidate read_candidate(const OpenWait& open) {
    Candidate wait{};
    wait.user_id = DatumGetInt64(open.value[kAwardUser]);
    if (open.is_null[kAwardPassengers]) {
        int64_t* user = static_cast<int64_t*>(palloc(sizeof(int64_t)));
        *user = wait.user_id;
        wait.passengers = user;
        wait.party = 1;
    } else {
        ArrayType* array = DatumGetArrayTypePCopy(open.value[kAwardPassengers]);
        wait.party = count_passengers(array);  // the row may have been written by hand
        wait.passengers = reinterpret_cast<const int64_t*>(ARR_DATA_PTR(array));
    }
    wait.sells = same_text(text_of(open.value[kAwardMatch]), {"sell", 4});
    wait.held_until = end_of_hold(open.is_null[kAwardTtl], open.value[kAwardTtl]);
    wait.choice = open.is_null[kAwardChoice] ? Text{nullptr, 0}
                                             : copy_text(text_of(open.value[kAwardChoice]));
    return wait;
}

void parse_wish(const Candidate& wait, Purchase* purchase) {
    if (wait.choice.data == nullptr) {
        return;
    }
    ErrorData* error = in_subtransaction([&] {
        purchase->choice =
            parse_choice(wait.choice, {purchase->ref, purchase->class_index}, wait.party);
        return true;
    });
    if (error != nullptr) {  // the departure may have got other seats since: a wish costs no sale
        FreeErrorData(error);
        purchase->choice = SeatChoice{};
    } else {
        purchase->choice = purchase->choice.of_part(purchase->party);
    }
}

Datum event_detail(const QueuedOption& option, const char* passed) {
    return CStringGetDatum(psprintf("{\"option\": %d, \"queue_no\": " INT64_FORMAT
                                    ", \"passed\": [%s]}",
                                    option.option_no, option.queue_no, passed));
}

void write_award(const Catalog& catalog, const Offer& offer, const Purchase& purchase,
                 const Claimed* claims, OpenWait* open) {
    OrderValues* rows = static_cast<OrderValues*>(palloc(purchase.party * sizeof(OrderValues)));
    build_orders(catalog, purchase, claims, rows);
    insert_orders(catalog, purchase.service_date, rows, static_cast<int>(purchase.party), nullptr);
    const int64_t order_id = DatumGetInt64(rows[0].value[kOrderId]);
    TICKETPOOL_STOP_POINT("award-written");
    end_as_awarded(catalog, open, order_id);
    TicketEvent* events = static_cast<TicketEvent*>(palloc0(purchase.party * sizeof(TicketEvent)));
    const char* detail = DatumGetCString(event_detail(offer.option, offer.passed));
    for (uint32_t i = 0; i < purchase.party; i++) {
        events[i] = TicketEvent{"awarded",
                                order_id,
                                static_cast<int32_t>(i + 1),
                                offer.ref.departure->departure_id,
                                offer.option.wait_id,
                                detail};
    }
    write_events(catalog, events, static_cast<int>(purchase.party));
    if (purchase.status == OrderStatus::kHeld) {
        deadline_at_commit(purchase.held_until);
    }
}

// In the subtransaction. What is not awarded is undone.
Awarded award(const Catalog& catalog, const Offer& offer, const char** reason) {
    OpenWait open;
    const Opened opened = open_wait(catalog, offer.option.wait_id, offer.option.option_no, &open);
    if (opened != Opened::kYes) {
        return opened == Opened::kBusy ? Awarded::kBusy : Awarded::kGone;
    }
    const Candidate wait = read_candidate(open);
    Purchase purchase{};
    purchase.ref = offer.ref;
    purchase.trip = offer.trip;
    purchase.class_index = offer.class_index;
    purchase.service_date = offer.ref.departure->service_date;
    purchase.user_id = wait.user_id;
    purchase.passengers = wait.passengers;
    purchase.party = Min(wait.party, offer.free);
    purchase.channel = offer.option.channel;
    purchase.status = wait.sells ? OrderStatus::kSold : OrderStatus::kHeld;
    purchase.held_until = wait.held_until;
    parse_wish(wait, &purchase);
    bool busy;
    *reason = ask_rules_at_once(catalog, rule_call(purchase), &busy);
    if (busy || *reason != nullptr) {
        return busy ? Awarded::kBusy : Awarded::kRefused;
    }
    Claimed* claims = static_cast<Claimed*>(palloc(purchase.party * sizeof(Claimed)));
    if (!offer.stock->claim(purchase, claims)) {
        return Awarded::kLost;
    }
    write_award(catalog, offer, purchase, claims, &open);
    return Awarded::kYes;
}

bool is_of_others(const ErrorData& error) {
    return error.sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
           error.sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE ||
           error.sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

// Calls work() as the owner in a subtransaction; *error: what it raised, if not a cancel.
template <typename Work>
void in_own_scope(const Catalog& catalog, ErrorData** error, Work work) {
    *error = in_subtransaction([&] {
        OwnerScope scope;
        owner_begin(catalog, &scope, RowScope::kEvery);
        SPI_connect();
        PushActiveSnapshot(GetLatestSnapshot());  // there may be none any more: ExecutorFinish
        const bool keep = work();
        PopActiveSnapshot();
        SPI_finish();
        owner_end(scope);
        return keep;
    });
    if (*error != nullptr) {
        rethrow_cancel(*error);
    }
}

}  // namespace

bool try_lock_award_tables(const Catalog& catalog) {
    return try_lock_relations({catalog.order, catalog.wait, catalog.wait_option, catalog.event},
                              RowExclusiveLock);
}

// What triggers and rules of the award free is served after it: for now its wait is still open.
static constinit bool awarding = false;

bool is_awarding() {
    return awarding;
}

Awarded try_award(const Catalog& catalog, const Offer& offer, const char** reason) {
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext scratch =
        AllocSetContextCreate(outer, "ticketpool award", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    Awarded result = Awarded::kFailed;
    const char* why = nullptr;
    ErrorData* volatile error = nullptr;
    const bool outer_award = awarding;
    awarding = true;
    PG_TRY();
    {
        ErrorData* raised;
        in_own_scope(catalog, &raised, [&] {
            result = award(catalog, offer, &why);
            why = why == nullptr ? nullptr : MemoryContextStrdup(scratch, why);
            return result == Awarded::kYes;
        });
        error = raised;
    }
    PG_FINALLY();
    { awarding = outer_award; }
    PG_END_TRY();
    MemoryContextSwitchTo(outer);
    if (error != nullptr) {
        result = is_of_others(*error) ? Awarded::kBusy : Awarded::kFailed;
        why = error->message;
    }
    *reason = why == nullptr ? nullptr : pstrdup(why);
    MemoryContextDelete(scratch);
    return result;
}

void record_passed(const Catalog& catalog, const QueuedOption& option, const char* reason) {
    ErrorData* error;
    in_own_scope(catalog, &error, [&] {
        Oid types[] = {INT8OID, INT4OID, TEXTOID};
        Datum values[] = {Int64GetDatum(option.wait_id), Int32GetDatum(option.option_no),
                          CStringGetTextDatum(reason)};
        const char* table = qualified_name(catalog.wait_option);
        // The row of the wait is locked, too: who serves another of its options changes all of
        // them, and would wait for this transaction.
        const char* sql = psprintf(
            "UPDATE %s SET passed = $3 WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM %s AS w JOIN %s "
            "AS o ON o.wait_id = w.wait_id WHERE w.wait_id = $1 AND o.option_no = $2 AND o.status "
            "= 'waiting' AND o.passed IS DISTINCT FROM $3 FOR NO KEY UPDATE SKIP LOCKED))",
            table, qualified_name(catalog.wait), table);
        execute_own_now(catalog.wait_option, sql, 3, types, values, nullptr, SPI_OK_UPDATE);
        return true;
    });
    if (error != nullptr) {
        FreeErrorData(error);  // the rows are locked, or changed: what is on record is theirs
    }
}

void append_passed(StringInfoData* json, int64_t wait_id, const char* reason) {
    appendStringInfo(
        json, "%s{\"wait_id\": " INT64_FORMAT ", \"reason\": ", json->len > 0 ? ", " : "", wait_id);
    escape_json(json, reason);
    appendStringInfoChar(json, '}');
}

}  // namespace ticketpool
