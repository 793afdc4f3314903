// What a hand-written row event leaves to be done when its statement has ended: a claim that
// failed, because what it wants may be freed by a later row of the same statement, or a look at
// what all rows of the statement add up to.
//
// The events of one statement come row by row. A statement ends in ExecutorFinish, after COPY or
// TRUNCATE (restore.cpp), or, for rows that logical replication has applied, before the commit
// (transaction.cpp). Events fire one trigger level deeper than their statement runs, and that is
// how a statement's end knows which entries are its own. The list is private to the session.
// Entries of a transaction or subtransaction that is rolled back are forgotten.
#pragma once

#include <cstring>
#include <type_traits>

#include "server/pg.hpp"

namespace ticketpool {

inline constexpr size_t kWantedBytes = 192;
using Settle = void (*)(const void* what);  // ereports if it cannot be had

void want_bytes(Settle settle, const void* what, size_t bytes, bool once);

// A copy of `what` is kept and passed to settle() at the statement's end.
template <typename What, void (*settle)(const What&)>
void want(const What& what, bool once = false) {
    static_assert(std::is_trivially_copyable_v<What> && sizeof(What) <= kWantedBytes);
    want_bytes([](const void* kept) { settle(*static_cast<const What*>(kept)); }, &what,
               sizeof what, once);
}
// The same for a look that row after row asks for: it is kept, and done, once.
template <typename What, void (*settle)(const What&)>
void want_once(const What& what) {
    // Looks are compared byte by byte.
    static_assert(std::has_unique_object_representations_v<What>);
    want<What, settle>(what, true);
}

// Settles all entries of statements run at this trigger depth, or deeper.
void settle_wanted(int depth);

// For the transaction callbacks: no-fail.
void forget_wanted();
void forget_wanted_of(int level);  // those of that nesting level and deeper
void promote_wanted(int level);    // these to the level above it

void install_wanted_hook();

}  // namespace ticketpool
