// Finds the streams of options that fit what is free: see streams.hpp.
#include "waits/streams.hpp"

#include "pool/sources.hpp"
#include "waits/one_award.hpp"

namespace ticketpool {

Text class_name(const DepartureRef& ref, uint32_t class_index) {
    const Layout* layout = ref.departure->layout.get();
    return text_of(layout->head, layout->classes()[class_index].name);
}

WaitQueue queue_of(const StreamList& list, uint32_t class_index) {
    return {list.catalog, list.ref.departure->departure_id, class_name(list.ref, class_index)};
}

void begin_streams(const Catalog& catalog, const DepartureRef& ref, StreamList* list) {
    *list = StreamList{};
    list->catalog = &catalog;
    list->ref = ref;
    list->has_quotas = ref.departure->first_quota() != nullptr;
}

namespace {

// Segments [from, to) of a class, in which a trip lies that is served; it overlaps `freed`.
struct Scope {
    uint32_t class_index;
    int from;
    int to;
    SegmentMask freed;
};

// Where a stop of an option is on the route; if the train does not have it, where it would be.
int place_of(const Route* route, int32_t stop_no) {
    return static_cast<int>(route->stop_from(stop_no));
}

bool has_stop(const Route* route, int index, int32_t stop_no) {
    return index <= route->segments() && route->stops()[index].stop_no == stop_no;
}

bool has_stream(const StreamList& list, uint32_t class_index, const WaitStream& alike) {
    for (int i = 0; i < list.count; i++) {
        const Stream& stream = list.streams[i];
        if (stream.class_index == class_index && stream.alike.from_stop == alike.from_stop &&
            stream.alike.to_stop == alike.to_stop && stream.alike.need == alike.need) {
            return true;
        }
    }
    return false;
}

void add_stream(StreamList* list, uint32_t class_index, Trip trip, const WaitStream& alike,
                const QueuedOption* first) {
    if (list->count == list->room) {
        list->room = Max(list->room * 2, 16);
        const Size bytes = static_cast<Size>(list->room) * sizeof(Stream);
        list->streams = static_cast<Stream*>(
            list->streams == nullptr ? palloc(bytes) : repalloc_huge(list->streams, bytes));
    }
    Stream* stream = &list->streams[list->count++];
    *stream = Stream{};
    stream->class_index = class_index;
    stream->trip = trip;
    stream->alike = alike;
    stream->behind = PG_INT64_MIN;
    if (first != nullptr && !(list->unpassed && first->passed)) {
        stream->has_head = true;
        stream->head = *first;
    }
}

struct ScopeWalk {
    const WaitStock& stock;
    StreamList* list;
    const Scope& scope;
    const Route* route;
    Trip counted;   // the last trip that was counted
    uint32_t free;  // seats for it, without a channel
};

// A stream of the queue: is it one that what is free may serve? Where there are quotas, that
// depends on each waiter's channel.
WalkOn look_at_stream(const WaitStream& stream, void* context) {
    ScopeWalk* walk = static_cast<ScopeWalk*>(context);
    const Scope& scope = walk->scope;
    const Trip trip{place_of(walk->route, stream.from_stop), place_of(walk->route, stream.to_stop)};
    if (trip.to > scope.to) {
        return WalkOn::kNextFrom;  // and so are all behind it
    }
    if (!has_stop(walk->route, trip.from, stream.from_stop) ||
        !has_stop(walk->route, trip.to, stream.to_stop) || trip.from < scope.from ||
        trip.from >= trip.to || !(trip_mask(trip.from, trip.to) & scope.freed).any()) {
        return WalkOn::kNext;
    }
    const Stop* stops = walk->route->stops();
    if (stops[trip.from].no_boarding || stops[trip.to].no_alighting) {
        return WalkOn::kNext;  // the train passes through by now (ticket_skip_stop)
    }
    if (walk->counted.from != trip.from || walk->counted.to != trip.to) {
        walk->counted = trip;
        walk->free = walk->stock.count(walk->list->ref, scope.class_index, trip, {nullptr, 0});
    }
    return (walk->list->has_quotas || stream.need <= static_cast<int64_t>(walk->free)) &&
                   !has_stream(*walk->list, scope.class_index, stream)
               ? WalkOn::kTake
               : WalkOn::kNext;
}

void take_stream(const WaitStream& stream, const QueuedOption* first, void* context) {
    ScopeWalk* walk = static_cast<ScopeWalk*>(context);
    const Trip trip{place_of(walk->route, stream.from_stop), place_of(walk->route, stream.to_stop)};
    add_stream(walk->list, walk->scope.class_index, trip, stream, first);
}

void add_scope(const WaitStock& stock, StreamList* list, const Scope& scope) {
    const Route* route = route_of(list->ref);
    ScopeWalk walk{stock, list, scope, route, {-1, -1}, 0};
    walk_queue(queue_of(*list, scope.class_index), route->stops()[scope.from].stop_no,
               route->stops()[scope.to].stop_no, {look_at_stream, take_stream, &walk});
}

bool same_scope(const Scope& a, const Scope& b) {
    return a.class_index == b.class_index && a.from == b.from && a.to == b.to &&
           !(a.freed & ~b.freed).any();
}

struct ScopeList {
    Scope* scopes;
    uint32_t count;
};

void add(ScopeList* list, const Scope& scope) {
    for (uint32_t i = 0; i < list->count; i++) {
        if (same_scope(scope, list->scopes[i])) {
            return;
        }
    }
    list->scopes[list->count++] = scope;
}

// The free runs of the seat around what was freed of it, as this transaction sees them.
void add_runs(const DepartureRef& ref, const Freed& freed, ScopeList* list) {
    Departure* departure = ref.departure;
    SeatMap map = departure->seat_map(freed.source.class_index);
    const int segments = map.segments;
    if (freed.source.place_coach >= 0) {
        add(list, {freed.source.class_index, 0, segments, freed.bits});
        return;
    }
    if (freed.source.quota != 0) {
        map = departure->quota_at(freed.source.quota)->seat_map(map.control);
    }
    const SegmentMask taken =
        load_seat(map, freed.seat) & ~ledger_own_bits(freed.source, freed.seat);
    for (int first = 0; first < segments; first++) {
        int end = first;
        bool touches = false;
        for (; end < segments && !taken.test(end); end++) {
            touches = touches || freed.bits.test(end);
        }
        if (touches) {
            add(list, {freed.source.class_index, first, end, freed.bits});
        }
        first = end;
    }
}

}  // namespace

void add_freed_streams(StreamList* list, const Freed* freed, uint32_t count) {
    const size_t most =
        size_t{count} * (static_cast<size_t>(list->ref.departure->segments) / 2 + 1);
    ScopeList scopes{
        static_cast<Scope*>(MemoryContextAllocHuge(CurrentMemoryContext, most * sizeof(Scope))), 0};
    for (uint32_t i = 0; i < count; i++) {
        add_runs(list->ref, freed[i], &scopes);
    }
    for (uint32_t i = 0; i < scopes.count; i++) {
        add_scope(kPoolStock, list, scopes.scopes[i]);
    }
    pfree(scopes.scopes);
}

void add_class_streams(const WaitStock& stock, StreamList* list, uint32_t class_index,
                       Trip overlapping) {
    add_scope(stock, list,
              {class_index, 0, list->ref.departure->segments,
               trip_mask(overlapping.from, overlapping.to)});
}

}  // namespace ticketpool
