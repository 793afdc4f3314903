// The live tickets of some people on one service date, read as the extension's own rules need them:
// straight from the partition, as of the active snapshot.
//
// They are found by an index of the user's if there is one whose first column is the person's and
// that has all live rows. Otherwise our index of live rows is used: the rows of the departure are
// read if the query names one, all rows of the day if it does not.
//
// Partition and indexes are locked only while they are read, so a session that asks about very many
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
    Oid relation;             // InvalidOid: the day has no partition
    Oid live;                 // our index of live rows
    Oid of_person[kPersons];  // index by person; InvalidOid: there is none
    AttrNumber departure_id, person[kPersons], from_stop, to_stop, status;
};

struct PeopleScan {
    PeopleQuery query;
    PeopleDay day;
    Relation heap;
    TableReader reader;
    bool by_person;
    uint32_t next_person;  // by_person: whose rows are read next
};

// The partition of a date; InvalidOid: there is none, as far as this session has been told.
Oid people_partition(const Catalog& catalog, DateADT date);

// False: the day has no partition.
bool people_open(const Catalog& catalog, DateADT date, const PeopleQuery& query, PeopleScan* scan);
bool people_next(PeopleScan* scan, PersonTicket* ticket);
void people_close(PeopleScan* scan);

void install_people_callbacks();

}  // namespace ticketpool
