// The live tickets of some people on one service date, read as the rules that come with the
// extension need them: straight from the partition, as of the active snapshot.
//
// An index of the user's leads to them where there is one whose first column is the person's and
// that has all live rows. Otherwise the index of live rows does: those of the departure are read
// where the query names one, all of the day's where it does not.
//
// Partition and indexes are locked while they are read, and no longer: whoever asks about very many
// days never holds more locks than for one. Nothing here plans a statement, and nothing takes a
// predicate lock.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

enum class Person { kPassenger, kUser };
inline constexpr int kPersons = 2;

struct PeopleQuery {
    Person person;
    const int64_t* ids;  // ascending, each once
    uint32_t count;
    const int64_t* departure_id;  // null: any
};

struct PersonTicket {
    int64_t departure_id;
    int64_t person;
    int32_t from_stop;
    int32_t to_stop;
};

// A partition of ticket_order as it is read.
struct PeopleDay {
    Oid relation;             // InvalidOid: the day has none
    Oid live;                 // our index of live rows
    Oid of_person[kPersons];  // InvalidOid: there is none
    AttrNumber departure_id, person[kPersons], from_stop, to_stop, status;
};

struct PeopleScan {
    PeopleQuery query;
    PeopleDay day;
    Relation heap;
    TableReader reader;
    bool by_person;
    uint32_t next_person;  // by_person: whose rows come after those that are read now
};

// The partition of a date; InvalidOid: none, as far as this session has been told.
Oid people_partition(const Catalog& catalog, DateADT date);

// False: the day has no partition.
bool people_open(const Catalog& catalog, DateADT date, const PeopleQuery& query, PeopleScan* scan);
bool people_next(PeopleScan* scan, PersonTicket* ticket);
void people_close(PeopleScan* scan);

void install_people_callbacks();

}  // namespace ticketpool
