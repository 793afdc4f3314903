// ticket_wait, ticket_wait_add, ticket_wait_extend and ticket_wait_cancel: what a user does with a
// wait.
//
// Two calls of one user are serialized by advisory locks to the end of the transaction: by the
// user, so that the number of open waits and the trips in them can be counted, and, before that, by
// the request_id, so that a repetition waits for the first call's transaction only. Then the row of
// a wait that exists is locked. Only after all this are departures pinned, so nobody who waits here
// keeps one in memory.
//
// The departures of new options are known to have a waiter before their rows are written, and
// before it is looked whether something is free (pool/wait_list.hpp).
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/shared_memory.hpp"
#include "purchase/hold_time.hpp"
#include "purchase/request_locks.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/settings.hpp"
#include "tables/node_number.hpp"
#include "tables/order_leaf.hpp"
#include "tables/wait_rows.hpp"
#include "waits/award.hpp"
#include "waits/wait_request.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum WaitArgument {
    kArgUser,
    kArgOptions,
    kArgPassengers,
    kArgDeadline,
    kArgOnMatch,
    kArgHoldTtl,
    kArgMinTickets,
    kArgRequest
};

// Of the three calls that are about a wait.
constexpr int kArgWait = 0;
constexpr int kArgMore = 1;  // ticket_wait_add: options
constexpr int kArgNewDeadline = 1;

// ---------------------------------------------------------------------------------------------
// Arguments
// ---------------------------------------------------------------------------------------------

void check_deadline(TimestampTz deadline) {
    if (deadline <= GetCurrentTimestamp()) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("deadline is in the past"),
                        errdetail("It is %s.", timestamptz_to_str(deadline)),
                        errhint("Pass a later time.")));
    }
}

void check_on_match(Text on_match) {
    if (!same_text(on_match, {"hold", 4}) && !same_text(on_match, {"sell", 4})) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("on_match \"%s\" does not exist", printable(on_match)),
                        errdetail("An award is a hold that the user pays, or sold at once."),
                        errhint("Pass 'hold' or 'sell'.")));
    }
}

// min_tickets of the party; `minimum` 0: all of them.
void check_minimum(int32_t minimum, bool is_null, WaitParty* who) {
    if (!is_null && (minimum < 1 || static_cast<uint32_t>(minimum) > who->party)) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("min_tickets is out of range"),
                 errdetail("It is %d, and the party has %u.", minimum, who->party),
                 errhint("Pass a number from 1 to the number of passengers, or NULL for "
                         "all of them.")));
    }
    who->minimum = is_null ? who->party : static_cast<uint32_t>(minimum);
}

WaitParty read_party(FunctionCallInfo fcinfo) {
    WaitParty who{};
    who.user_id = PG_GETARG_INT64(kArgUser);
    who.has_passengers = !PG_ARGISNULL(kArgPassengers);
    who.passengers = who.has_passengers ? PG_GETARG_DATUM(kArgPassengers) : Datum{0};
    count_party(&who);
    const bool all = PG_ARGISNULL(kArgMinTickets);
    check_minimum(all ? 0 : PG_GETARG_INT32(kArgMinTickets), all, &who);
    return who;
}

WaitParty party_of(const LockedWait& wait) {
    WaitParty who{wait.user_id, wait.has_passengers, wait.passengers, 0, 0};
    count_party(&who);
    who.minimum = wait.min_tickets == 0 ? who.party : static_cast<uint32_t>(wait.min_tickets);
    return who;
}

void check_arguments(FunctionCallInfo fcinfo) {
    require_argument(fcinfo, kArgUser, "user_id");
    require_argument(fcinfo, kArgOptions, "options");
    require_argument(fcinfo, kArgOnMatch, "on_match");
    check_on_match(text_of(PG_GETARG_DATUM(kArgOnMatch)));
    if (!PG_ARGISNULL(kArgDeadline)) {
        check_deadline(PG_GETARG_TIMESTAMPTZ(kArgDeadline));
    }
    (void)hold_deadline(fcinfo, kArgHoldTtl);
}

// ---------------------------------------------------------------------------------------------
// Locks and limits
// ---------------------------------------------------------------------------------------------

void lock_request_of_wait(const Catalog& catalog, int64_t user_id, const pg_uuid_t* request_id) {
    struct {
        int64_t user_id;
        pg_uuid_t request_id;
    } key = {user_id, *request_id};
    uint64_t hash =
        hash_bytes_extended(reinterpret_cast<const unsigned char*>(&key), sizeof key, catalog.wait);
    (void)lock_keys(AdvisoryLock::kWaitCall, &hash, 1);
}

void lock_waiter(const Catalog& catalog, int64_t user_id) {
    uint64_t hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(&user_id),
                                        sizeof user_id, catalog.wait);
    (void)lock_keys(AdvisoryLock::kWaiter, &hash, 1);
}

void require_room(const Catalog& catalog, int64_t user_id) {
    if (count_open_waits(catalog, user_id, setting_wait_limit) >= setting_wait_limit) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("user " INT64_FORMAT " has too many open waits", user_id),
                        errdetail("\"ticketpool.wait_limit\" is %d.", setting_wait_limit),
                        errhint("Cancel one with ticket_wait_cancel, or add options to one with "
                                "ticket_wait_add.")));
    }
}

// ---------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------

struct Deadline {
    bool is_set;
    TimestampTz at;
};

// Writes the rows of the options, with numbers from `first_no` on, in their order.
void insert_options(const Catalog& catalog, int64_t wait_id, const WaitParty& who,
                    const Deadline& deadline, const WantedOptions& options, int32_t first_no,
                    NewOption* written) {
    for (int i = 0; i < options.count; i++) {
        CHECK_FOR_INTERRUPTS();
        const WantedOption& option = options.option[i];
        const Purchase& purchase = option.purchase;
        written[i] = NewOption{purchase.ref, purchase.class_index, purchase.trip, first_no + i};
        deadline_at_commit(insert_option(
            catalog,
            {wait_id, first_no + i, purchase.ref.departure->departure_id, option.from_stop,
             option.to_stop, option.seat_class, option.seat_choice, purchase.channel, who.user_id,
             static_cast<int32_t>(who.minimum), deadline.is_set, deadline.at}));
    }
}

NewOption* room_for(const WantedOptions& options) {
    return static_cast<NewOption*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(options.count) * sizeof(NewOption)));
}

NewWait new_wait(FunctionCallInfo fcinfo, int64_t wait_id) {
    NewWait row{};
    row.wait_id = wait_id;
    row.value[kWaitId] = Int64GetDatum(wait_id);
    static constexpr struct {
        WaitColumn column;
        WaitArgument argument;
    } kArguments[] = {{kWaitUser, kArgUser},         {kWaitPassengers, kArgPassengers},
                      {kWaitDeadline, kArgDeadline}, {kWaitOnMatch, kArgOnMatch},
                      {kWaitHoldTtl, kArgHoldTtl},   {kWaitMinTickets, kArgMinTickets},
                      {kWaitRequest, kArgRequest}};
    for (const auto& [column, argument] : kArguments) {
        row.is_null[column] = PG_ARGISNULL(argument);
        row.value[column] = PG_GETARG_DATUM(argument);
    }
    return row;
}

// Appends the row of the wait, as it is now.
void finish_call(const Catalog& catalog, int64_t wait_id, ReturnSetInfo* result) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    return_wait(catalog, wait_id, result);
    SPI_finish();
    owner_end(scope);
}

// Enters a new wait whose options are resolved. Returns its id.
int64_t enter_wait(FunctionCallInfo fcinfo, const Catalog& catalog, const WaitParty& who,
                   const WantedOptions& options) {
    NewOption* written = room_for(options);
    const Deadline deadline{!PG_ARGISNULL(kArgDeadline),
                            PG_ARGISNULL(kArgDeadline) ? 0 : PG_GETARG_TIMESTAMPTZ(kArgDeadline)};
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int64_t wait_id = next_id(catalog, catalog.wait_sequence);
    insert_wait(catalog, new_wait(fcinfo, wait_id));
    insert_options(catalog, wait_id, who, deadline, options, 1, written);
    SPI_finish();
    owner_end(scope);
    CommandCounterIncrement();
    (void)award_at_once(catalog, wait_id, written, options.count);
    return wait_id;
}

// Adds the options of the call to an open wait, whose row is locked. Inside SPI and owner_begin().
WantedOptions add_options(FunctionCallInfo fcinfo, const Catalog& catalog, int64_t wait_id,
                          const LockedWait& wait, NewOption** written) {
    const WaitParty who = party_of(wait);
    int32_t last_no;
    const int present = count_options(catalog, wait_id, &last_no);
    const WantedOptions options = read_options(PG_GETARG_ARRAYTYPE_P(kArgMore), present, who);
    resolve_options(catalog, who, options);
    require_not_waiting(catalog, who, options);
    *written = room_for(options);
    insert_options(catalog, wait_id, who, {wait.has_deadline, wait.deadline}, options, last_no + 1,
                   *written);
    return options;
}

// For the calls that are about a wait: what each of them begins with.
const Catalog& begin_call(FunctionCallInfo fcinfo, const char* name) {
    require_shared_memory();
    require_argument(fcinfo, kArgWait, "wait_id");
    PreventCommandIfReadOnly(name);
    (void)require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    lock_orders(catalog, RowExclusiveLock);
    return catalog;
}

// Locks the wait, calls work(LockedWait) if it is open, and appends its row to the result.
template <typename Work>
void change_wait(FunctionCallInfo fcinfo, const Catalog& catalog, Work work) {
    const int64_t wait_id = PG_GETARG_INT64(kArgWait);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const LockedWait wait = lock_wait(catalog, wait_id);
    if (wait.is_open) {
        work(wait);
    }
    return_wait(catalog, wait_id, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    SPI_finish();
    owner_end(scope);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_wait) {
    using namespace ticketpool;
    require_shared_memory();
    check_arguments(fcinfo);
    PreventCommandIfReadOnly("ticket_wait()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    const WaitParty who = read_party(fcinfo);
    const WantedOptions options = read_options(PG_GETARG_ARRAYTYPE_P(kArgOptions), 0, who);
    lock_orders(catalog, RowExclusiveLock);
    if (!PG_ARGISNULL(kArgRequest)) {
        const pg_uuid_t* request_id = PG_GETARG_UUID_P(kArgRequest);
        lock_request_of_wait(catalog, who.user_id, request_id);
        if (return_wait_of_request(catalog, who.user_id, request_id, result)) {
            return 0;
        }
    }
    lock_waiter(catalog, who.user_id);
    require_room(catalog, who.user_id);
    resolve_options(catalog, who, options);
    require_not_waiting(catalog, who, options);
    finish_call(catalog, enter_wait(fcinfo, catalog, who, options), result);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_wait_add) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgWait, "wait_id");
    require_argument(fcinfo, kArgMore, "options");
    const Catalog& catalog = begin_call(fcinfo, "ticket_wait_add()");
    const int64_t wait_id = PG_GETARG_INT64(kArgWait);
    const WaitState present = look_at_wait(catalog, wait_id);
    if (!present.exists) {
        report_no_wait(wait_id);
    }
    lock_waiter(catalog, present.user_id);
    MemoryContext outer = CurrentMemoryContext;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const LockedWait wait = lock_wait(catalog, wait_id);
    NewOption* written = nullptr;
    WantedOptions options{nullptr, 0};
    if (wait.is_open) {
        options = add_options(fcinfo, catalog, wait_id, wait, &written);
        const size_t bytes = static_cast<size_t>(options.count) * sizeof(NewOption);
        written =
            static_cast<NewOption*>(memcpy(MemoryContextAllocHuge(outer, bytes), written, bytes));
    }
    SPI_finish();
    owner_end(scope);
    CommandCounterIncrement();
    if (options.count > 0) {
        (void)award_at_once(catalog, wait_id, written, options.count);
    }
    finish_call(catalog, wait_id, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    return 0;
}

TICKETPOOL_FUNCTION(ticket_wait_extend) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgWait, "wait_id");
    require_argument(fcinfo, kArgNewDeadline, "deadline");
    const TimestampTz deadline = PG_GETARG_TIMESTAMPTZ(kArgNewDeadline);
    check_deadline(deadline);
    const Catalog& catalog = begin_call(fcinfo, "ticket_wait_extend()");
    change_wait(fcinfo, catalog, [&](const LockedWait&) {
        deadline_at_commit(set_wait_deadline(catalog, PG_GETARG_INT64(kArgWait), deadline));
    });
    return 0;
}

TICKETPOOL_FUNCTION(ticket_wait_cancel) {
    using namespace ticketpool;
    const Catalog& catalog = begin_call(fcinfo, "ticket_wait_cancel()");
    change_wait(fcinfo, catalog,
                [&](const LockedWait&) { cancel_wait(catalog, PG_GETARG_INT64(kArgWait)); });
    return 0;
}
