// The rules that come with the extension. They read tables by index (people_scan.hpp,
// table_scan.hpp), as of the active snapshot. They see all rows, whatever row security says: a
// limit that counts the rows of one tenant only would not be a limit.
#include "purchase/builtin_rules.hpp"

#include "pool/shared_memory.hpp"
#include "purchase/route_times.hpp"
#include "server/settings.hpp"
#include "tables/departure_rows.hpp"
#include "tables/item_rows.hpp"
#include "tables/people_scan.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// Tickets
// ---------------------------------------------------------------------------------------------

// Sorts the party by id. A passenger can have one seat only: returns false, with the passenger, if
// one is in the party twice.
bool sort_party(const RuleCall& call, int64_t* sorted, int64_t* twice) {
    memcpy(sorted, call.passengers, call.party * sizeof(int64_t));
    qsort(sorted, call.party, sizeof(int64_t), compare_ids);
    for (uint32_t i = 1; i < call.party; i++) {
        if (sorted[i] == sorted[i - 1]) {
            *twice = sorted[i];
            return false;
        }
    }
    return true;
}

int64_t* allocate_ids(uint32_t count) {
    return static_cast<int64_t*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(int64_t)));
}

const char* reason_twice(int64_t passenger) {
    return psprintf("passenger " INT64_FORMAT " is in the party twice", passenger);
}

const char* one_per_departure(const Catalog& catalog, const RuleCall& call) {
    int64_t* party = allocate_ids(call.party);
    int64_t twice;
    if (!sort_party(call, party, &twice)) {
        return reason_twice(twice);
    }
    const int64_t departure_id = DatumGetInt64(call.arguments[kRuleDeparture]);
    const PeopleQuery query{Person::kPassenger, party, call.party, &departure_id};
    PeopleScan scan;
    if (call.party == 0 || !people_open(catalog, call.service_date, query, &scan)) {
        return nullptr;
    }
    PersonTicket ticket;
    const bool found = people_next(&scan, &ticket);
    people_close(&scan);
    return found ? psprintf("passenger " INT64_FORMAT " has a ticket for this train and day",
                            ticket.person)
                 : nullptr;
}

const char* ticket_user_limit(const Catalog& catalog, const RuleCall& call) {
    const int64_t limit = setting_user_limit;
    const int64_t departure_id = DatumGetInt64(call.arguments[kRuleDeparture]);
    const PeopleQuery query{Person::kUser, &call.user_id, 1, &departure_id};
    int64_t tickets = call.tickets;
    PeopleScan scan;
    if (tickets <= limit && people_open(catalog, call.service_date, query, &scan)) {
        PersonTicket ticket;
        while (tickets <= limit && people_next(&scan, &ticket)) {
            tickets++;
        }
        people_close(&scan);
    }
    return tickets > limit
               ? psprintf("a user may have " INT64_FORMAT " tickets for a train and day", limit)
               : nullptr;
}

// Tickets that were found, to be judged when the partition is no longer locked.
struct FoundTickets {
    PersonTicket* ticket;
    int count;
    int room;
};

void find_tickets(const Catalog& catalog, DateADT date, const PeopleQuery& query,
                  FoundTickets* found) {
    PeopleScan scan;
    if (!people_open(catalog, date, query, &scan)) {
        return;
    }
    PersonTicket ticket;
    while (people_next(&scan, &ticket)) {
        if (found->count == found->room) {
            found->room = Max(16, found->room * 2);
            const size_t bytes = static_cast<size_t>(found->room) * sizeof(PersonTicket);
            found->ticket = static_cast<PersonTicket*>(
                found->ticket == nullptr ? palloc(bytes) : repalloc_huge(found->ticket, bytes));
        }
        found->ticket[found->count++] = ticket;
    }
    people_close(&scan);
}

struct Span {
    int64_t begin;
    int64_t end;
};

// A clock that is put back during the trip may make it arrive before it departs; the length of a
// span is never negative.
Span span_of(const TripTimes& times) {
    return {Min(times.departs, times.arrives), Max(times.departs, times.arrives)};
}

// Reads the departure as the active snapshot sees it; false: the snapshot does not see it.
bool read_departure_now(const Catalog& catalog, int64_t departure_id, DepartureRow* departure) {
    TableReader reader;
    reader_open(&reader, catalog.departure, catalog.departure_pkey, GetActiveSnapshot());
    reader_key_int64(&reader, departure_id);
    const bool found = reader_next(&reader);
    if (found) {
        read_departure(reader.row, departure);
    }
    reader_close(&reader);
    return found;
}

// Is the ticket for a trip at the same time? On the same train the stops are compared, on others
// the times.
bool overlaps(const Catalog& catalog, const RuleCall& call, const PersonTicket& ticket) {
    if (ticket.departure_id == DatumGetInt64(call.arguments[kRuleDeparture])) {
        return ticket.from_stop < DatumGetInt32(call.arguments[kRuleTo]) &&
               DatumGetInt32(call.arguments[kRuleFrom]) < ticket.to_stop;
    }
    DepartureRow other;
    TripTimes times;
    if (!call.has_times || !read_departure_now(catalog, ticket.departure_id, &other) ||
        !trip_times(catalog, other.route_id, other.service_date, ticket.from_stop, ticket.to_stop,
                    &times)) {
        return false;
    }
    const Span mine = span_of(call.times);
    const Span theirs = span_of(times);
    return theirs.begin < mine.end && mine.begin < theirs.end;
}

DateADT day_of(int64_t microseconds) {
    const int64_t day = microseconds / USECS_PER_DAY;
    return static_cast<DateADT>(microseconds % USECS_PER_DAY < 0 ? day - 1 : day);
}

// A train that is under way during the trip departed before the end of the trip, and not earlier
// before its begin than the longest train runs.
const char* no_overlap(const Catalog& catalog, const RuleCall& call) {
    int64_t* party = allocate_ids(call.party);
    int64_t twice;
    if (!sort_party(call, party, &twice)) {
        return reason_twice(twice);
    }
    if (call.party == 0) {
        return nullptr;
    }
    DateADT first = call.service_date;
    DateADT last = call.service_date;
    if (call.has_times) {
        const Span span = span_of(call.times);
        first = Min(first, day_of(span.begin) - longest_run_days(catalog));
        last = Max(last, day_of(span.end));
    }
    const PeopleQuery query{Person::kPassenger, party, call.party, nullptr};
    FoundTickets found{};
    Oid previous = InvalidOid;
    for (DateADT date = first; date <= last; date++) {
        CHECK_FOR_INTERRUPTS();
        const Oid partition = people_partition(catalog, date);
        if (OidIsValid(partition) && partition != previous) {  // a partition may have several days
            find_tickets(catalog, date, query, &found);
        }
        previous = partition;
    }
    for (int i = 0; i < found.count; i++) {
        if (overlaps(catalog, call, found.ticket[i])) {
            return psprintf("passenger " INT64_FORMAT " has a ticket for a trip at the same time",
                            found.ticket[i].person);
        }
    }
    return nullptr;
}

// ---------------------------------------------------------------------------------------------
// Items, and the question gate of both
// ---------------------------------------------------------------------------------------------

const char* item_user_limit(const Catalog& catalog, const RuleCall& call) {
    const int64_t limit = setting_item_limit;
    int64_t units = DatumGetInt64(call.arguments[kRuleQuantity]);
    TableReader reader;
    reader_open(&reader, catalog.item_order, catalog.item_order_live, GetActiveSnapshot());
    reader_key_int64(&reader, DatumGetInt64(call.arguments[kRuleItem]));
    reader_key_int64(&reader, call.user_id);
    while (units <= limit && reader_next(&reader)) {
        const int64_t bought = row_int64(reader.row, kItemQuantity);
        units = bought > limit ? bought : units + bought;  // the sum of two bigints may overflow
    }
    reader_close(&reader);
    return units > limit ? psprintf("a user may have " INT64_FORMAT " units of this item", limit)
                         : nullptr;
}

enum GateColumn : AttrNumber { kGateOpenedUntil = 6 };

bool has_questions(const Catalog& catalog, int64_t item_id) {
    TableReader reader;
    reader_open(&reader, catalog.question, catalog.question_pkey, GetActiveSnapshot());
    reader_key_int64(&reader, item_id);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    return found;
}

bool is_gate_open(const Catalog& catalog, int64_t item_id, int64_t user_id) {
    TableReader reader;
    reader_open(&reader, catalog.gate, catalog.gate_pkey, GetActiveSnapshot());
    reader_key_int64(&reader, item_id);
    reader_key_int64(&reader, user_id);
    bool open = false;
    while (!open && reader_next(&reader)) {
        bool is_null;
        const Datum until = row_value(reader.row, kGateOpenedUntil, &is_null);
        open = !is_null && DatumGetTimestampTz(until) > GetCurrentTimestamp();
    }
    reader_close(&reader);
    return open;
}

// Refuses if the item or departure (the first argument) has questions and the user's gate is not
// open.
const char* question_gate(const Catalog& catalog, const RuleCall& call) {
    const int64_t item_id = DatumGetInt64(call.arguments[kRuleItem]);
    if (!has_questions(catalog, item_id) || is_gate_open(catalog, item_id, call.user_id)) {
        return nullptr;
    }
    return psprintf("user " INT64_FORMAT " has to answer a question first (item_ask, item_answer)",
                    call.user_id);
}

constexpr struct {
    const char* name;
    BuiltinRule rule;
} kBuiltin[] = {{"ticket_rule_one_per_departure", one_per_departure},
                {"ticket_rule_no_overlap", no_overlap},
                {"ticket_rule_user_limit", ticket_user_limit},
                {"ticket_rule_question_gate", question_gate},
                {"item_rule_user_limit", item_user_limit},
                {"item_rule_question_gate", question_gate}};

BuiltinRule rule_of(const Catalog& catalog, HeapTuple function) {
    const auto* row = reinterpret_cast<Form_pg_proc>(GETSTRUCT(function));
    if (row->prolang != ClanguageId || row->pronamespace != catalog.schema || row->prosecdef ||
        !heap_attisnull(function, Anum_pg_proc_proconfig, nullptr) ||
        getExtensionOfObject(ProcedureRelationId, row->oid) !=
            getExtensionOfObject(RelationRelationId, catalog.order)) {
        return nullptr;
    }
    for (const auto& builtin : kBuiltin) {
        if (strcmp(NameStr(row->proname), builtin.name) == 0) {
            return builtin.rule;
        }
    }
    return nullptr;
}

// ---------------------------------------------------------------------------------------------
// Called as functions
// ---------------------------------------------------------------------------------------------

// Reads a party that SQL wrote. A NULL in it is a ticket without a passenger to ask about.
void read_party(ArrayType* array, RuleCall* call) {
    Datum* values;
    bool* nulls;
    int count;
    deconstruct_array(array, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &count);
    int64_t* passengers = allocate_ids(static_cast<uint32_t>(count));
    for (int i = 0; i < count; i++) {
        if (!nulls[i]) {
            passengers[call->party++] = DatumGetInt64(values[i]);
        }
    }
    call->passengers = passengers;
    call->tickets = static_cast<uint32_t>(count);
}

// False: there is no such departure.
bool read_trip(const Catalog& catalog, RuleCall* call) {
    DepartureRow departure;
    if (!read_departure_now(catalog, DatumGetInt64(call->arguments[kRuleDeparture]), &departure)) {
        return false;
    }
    call->service_date = departure.service_date;
    call->has_times = trip_times(catalog, departure.route_id, departure.service_date,
                                 DatumGetInt32(call->arguments[kRuleFrom]),
                                 DatumGetInt32(call->arguments[kRuleTo]), &call->times);
    return true;
}

Datum answer(FunctionCallInfo fcinfo, BuiltinRule rule) {
    require_shared_memory();
    RuleCall call{};
    call.kind = PG_NARGS() == 3 ? RuleKind::kItem : RuleKind::kTicket;
    for (int i = 0; i < PG_NARGS(); i++) {
        if (PG_ARGISNULL(i)) {
            PG_RETURN_NULL();
        }
        call.arguments[i] = PG_GETARG_DATUM(i);
    }
    const Catalog& catalog = catalog_of(fcinfo);
    call.user_id = PG_GETARG_INT64(kRuleUser);
    PushActiveSnapshot(GetLatestSnapshot());
    bool exists = true;
    if (call.kind == RuleKind::kTicket) {
        read_party(PG_GETARG_ARRAYTYPE_P(kRulePassengers), &call);
        exists = read_trip(catalog, &call);
    }
    const char* reason = exists ? rule(catalog, call) : nullptr;
    PopActiveSnapshot();
    if (reason == nullptr) {
        PG_RETURN_NULL();
    }
    PG_RETURN_TEXT_P(cstring_to_text(reason));
}

}  // namespace

BuiltinRule builtin_rule(const Catalog& catalog, Oid function) {
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) {
        return nullptr;
    }
    const BuiltinRule rule = rule_of(catalog, tuple);
    ReleaseSysCache(tuple);
    return rule;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_rule_one_per_departure) {
    return ticketpool::answer(fcinfo, ticketpool::one_per_departure);
}

TICKETPOOL_FUNCTION(ticket_rule_no_overlap) {
    return ticketpool::answer(fcinfo, ticketpool::no_overlap);
}

TICKETPOOL_FUNCTION(ticket_rule_user_limit) {
    return ticketpool::answer(fcinfo, ticketpool::ticket_user_limit);
}

TICKETPOOL_FUNCTION(ticket_rule_question_gate) {
    return ticketpool::answer(fcinfo, ticketpool::question_gate);
}

TICKETPOOL_FUNCTION(item_rule_user_limit) {
    return ticketpool::answer(fcinfo, ticketpool::item_user_limit);
}

TICKETPOOL_FUNCTION(item_rule_question_gate) {
    return ticketpool::answer(fcinfo, ticketpool::question_gate);
}
