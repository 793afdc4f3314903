// Reading who waits for a departure: by the index ticket_wait_option_queue, which has the open
// options by departure, trip and need, and of those who are alike in all of these the longest
// waiting one first. (The class is not in it: comparing texts would cost more than passing over the
// few other classes.) A reader goes from one trip that somebody waits for to the next, and
// from there to the head of a queue, without reading the rows between: a departure may have tens of
// thousands of waiters.
//
// The list is read as it is now, whatever the isolation level, and takes no predicate locks
// (server/table_scan.hpp). Options whose time is over are passed over.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

enum WaitOptionColumn : AttrNumber {
    kOptWait = 1,
    kOptNo,
    kOptQueue,
    kOptDeparture,
    kOptFrom,
    kOptTo,
    kOptClass,
    kOptChoice,
    kOptChannel,
    kOptStatus,
    kOptUser,
    kOptNeed,
    kOptEnds,
    kOptPassed
};

// An open option of a departure.
struct QueuedOption {
    int64_t wait_id;
    int32_t option_no;
    int64_t queue_no;
    int32_t from_stop;
    int32_t to_stop;
    int32_t need;  // tickets, at least
    Text channel;  // data null: none; palloc'd
    bool passed;   // it was passed over, and is not asked again until something is freed
};

// The queue of one class of a departure.
struct WaitQueue {
    const Catalog* catalog;
    int64_t departure_id;
    Text seat_class;
};

struct WaitStream {
    int32_t from_stop;
    int32_t to_stop;
    int32_t need;
};
enum class WalkOn { kNext, kNextFrom, kTake };
struct WalkVisitor {
    // What to do with a stream: pass over it, pass over all with its from_stop, or take it.
    WalkOn (*visit)(const WaitStream& stream, void* context);
    // `first`: the first option of a stream that is taken; null: that is of another class, or over,
    // or was not looked at, as under SERIALIZABLE.
    void (*take)(const WaitStream& stream, const QueuedOption* first, void* context);
    void* context;
};
// Visits trip and need of what is in the queue of any class of the departure, if its from_stop is
// in [from_stop, before_stop), in the order of the index. A stream may come several times, and also
// after the last of its options has left the queue. Reads the index, and a row of each stream that
// is taken; many options of one stream are skipped.
void walk_queue(const WaitQueue& queue, int32_t from_stop, int32_t before_stop,
                const WalkVisitor& visitor);

// Of the stream, the first option behind that queue_no; `unpassed`: of those that were not
// passed over.
bool queue_behind(const WaitQueue& queue, const WaitStream& stream, int64_t queue_no, bool unpassed,
                  QueuedOption* found);

// Does anybody wait for the departure, as far as committed rows and this transaction's say?
bool has_waiters(const Catalog& catalog, int64_t departure_id);

// The same, or as far as the rows say that there would be after a rollback of this transaction. For
// what others see in memory before this transaction has ended.
bool may_have_waiters(const Catalog& catalog, int64_t departure_id);
// Does a transaction of another session that has not ended enter somebody who waits for it?
bool has_undecided_waiters(const Catalog& catalog, int64_t departure_id);

// Are so many free seats enough? Rows by hand may need none, or fewer.
inline bool meets_need(uint32_t free, int32_t need) {
    return free > 0 && static_cast<int64_t>(free) >= need;
}

// An option of a wait that this transaction has just written. False: it is not open.
bool read_option(const Catalog& catalog, int64_t wait_id, int32_t option_no, QueuedOption* found);

// The departure with the smallest id above that for which anybody waits. False: there is none.
bool next_waited_departure(const Catalog& catalog, int64_t above, int64_t* departure_id);

// Appends "wait_id" of options of the class that others have entered and not committed, with a
// queue_no below that: {"wait_id": 1, "reason": "..."} for each, with commas before all but the
// first of the text. Reads all of the class's options.
void append_uncommitted(const WaitQueue& queue, int64_t below, struct StringInfoData* json);

}  // namespace ticketpool
