// What ticket_verify and item_verify share: which ids they look at, and how often.
//
// Sales go on while the pool is compared with the tables, so a difference is reported only if every
// one of several looks finds it.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/progress.hpp"

namespace ticketpool {

// Where the ids of all departures, or of all items, are found.
struct AllIds {
    Oid Catalog::*table;
    Oid Catalog::*index;
    AttrNumber column;
    ProgressCommand command;
};

// Compares one departure or item with its rows and returns a row for each problem. If it does not
// exist, that is an error where it is `required`.
using Verify = void (*)(const Catalog& catalog, int64_t id, bool required, ReturnSetInfo* result);

// The SQL function of one argument: calls `verify` for the id that the argument names, or for all
// ids if it is NULL. Each call has a memory context of its own. Ends the call's announcement.
Datum verify_each(FunctionCallInfo fcinfo, const AllIds& all, Verify verify);

// A row of the result.
void report_problem(ReturnSetInfo* result, int64_t id, const char* problem);

inline constexpr int kLooks = 12;  // at a departure or item in which something differs

// Sleeps before look number `i`; the first look has number 0. The pause doubles from one look to
// the next: one second in all.
void pause_before_look(int i);

// After a first look, which found that something `differs`: looks again until nothing does, and
// until there were `looks` looks. look() returns whether something still differs.
template <typename Look>
void look_again(bool differs, int looks, Look look) {
    for (int i = 1; differs && i < looks; i++) {
        pause_before_look(i);
        differs = look();
    }
}

}  // namespace ticketpool
