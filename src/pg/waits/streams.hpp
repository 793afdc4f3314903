// The part of a departure's waiting list that what is free may serve: streams of options that are
// alike in class, trip and need. Of the options of a stream, the first in queue_no is served first;
// of several streams, the one whose first has the smallest queue_no.
#pragma once

#include "pool/ledger.hpp"
#include "server/pg.hpp"
#include "tables/wait_queue.hpp"

namespace ticketpool {

struct Stream {
    uint32_t class_index;
    Trip trip;
    WaitStream alike;
    int64_t behind;  // those up to this queue_no were tried
    bool has_head;
    QueuedOption head;  // the first of the others
    uint64_t counted;   // the round in which `free` was counted
    uint32_t free;      // seats that the head could get
};

struct StreamList {
    const Catalog* catalog;
    DepartureRef ref;
    Stream* streams;
    int count;
    int room;
    bool has_quotas;  // what is free depends on the waiter's channel
    bool unpassed;    // options that were passed over are not asked again
};

struct WaitStock;  // one_award.hpp

void begin_streams(const Catalog& catalog, const DepartureRef& ref, StreamList* list);

// Adds the streams whose trips lie inside a free run of something that was freed, and overlap it,
// and whose need is not more than what is free now.
void add_freed_streams(StreamList* list, const Freed* freed, uint32_t count);
// Adds the streams of a class with trips that overlap this one, whose need is not more than what is
// free now.
void add_class_streams(const WaitStock& stock, StreamList* list, uint32_t class_index,
                       Trip overlapping);

// Text of the class's name.
Text class_name(const DepartureRef& ref, uint32_t class_index);
WaitQueue queue_of(const StreamList& list, uint32_t class_index);

}  // namespace ticketpool
