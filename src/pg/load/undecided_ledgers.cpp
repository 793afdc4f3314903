// Makes prepared ledgers from undecided rows: see undecided.hpp.
#include "load/undecided_ledgers.hpp"

#include <algorithm>

#include "load/fill.hpp"
#include "load/undecided.hpp"
#include "pool/ledger_entry.hpp"
#include "pool/unfinished_load.hpp"

namespace ticketpool {

namespace {

// ---------------------------------------------------------------------------------------------
// What a transaction has before and after it
// ---------------------------------------------------------------------------------------------

// What a transaction changes on one seat, or on a quota's seat.
struct Change {
    TransactionId xid;
    SeatSource source;
    uint32_t seat;
    SegmentMask before;
    SegmentMask after;
};

bool is_before(const UndecidedTicket& a, const UndecidedTicket& b) {
    return a.xid != b.xid ? a.xid < b.xid
           : a.ticket.class_index != b.ticket.class_index
               ? a.ticket.class_index < b.ticket.class_index
               : a.ticket.seat < b.ticket.seat;
}

// The tickets with numbered seats, in order of transaction and seat.
struct TicketsBySeat {
    UndecidedTicket* tickets;
    size_t count;
};

TicketsBySeat sort_by_seat(const Undecided& undecided) {
    TicketsBySeat sorted{
        static_cast<UndecidedTicket*>(MemoryContextAllocHuge(
            CurrentMemoryContext, Max(undecided.ticket_count, 1) * sizeof(UndecidedTicket))),
        0};
    for (size_t i = 0; i < undecided.ticket_count; i++) {
        if (undecided.tickets[i].ticket.place_coach < 0) {
            sorted.tickets[sorted.count++] = undecided.tickets[i];
        }
    }
    std::sort(sorted.tickets, sorted.tickets + sorted.count, is_before);
    return sorted;
}

// The change on one seat by tickets alone.
Change change_by_tickets(const TicketsBySeat& sorted, TransactionId xid, uint32_t class_index,
                         uint32_t seat) {
    Change change{};
    UndecidedTicket key{};
    key.xid = xid;
    key.ticket.class_index = class_index;
    key.ticket.seat = seat;
    const UndecidedTicket* end = sorted.tickets + sorted.count;
    for (const UndecidedTicket* noted =
             std::lower_bound<const UndecidedTicket*>(sorted.tickets, end, key, is_before);
         noted != end && !is_before(key, *noted); noted++) {
        SegmentMask* bits = noted->after ? &change.after : &change.before;
        *bits = *bits | noted->ticket.bits;
    }
    return change;
}

// Unnumbered places, by segment: how many a transaction's tickets have before it, or after it.
uint32_t* count_places(const Undecided& undecided, TransactionId xid, int32_t coach, bool after,
                       int segments) {
    uint32_t* counts =
        static_cast<uint32_t*>(palloc0(static_cast<size_t>(segments) * sizeof(uint32_t)));
    for (size_t i = 0; i < undecided.ticket_count; i++) {
        const UndecidedTicket& noted = undecided.tickets[i];
        for (int s = 0; noted.xid == xid && noted.ticket.place_coach == coach &&
                        noted.after == after && s < segments;
             s++) {
            counts[s] += noted.ticket.bits.test(s) ? 1 : 0;
        }
    }
    return counts;
}

// Calls `found` once for each transaction.
template <typename Found>
void for_each_transaction(const Undecided& undecided, Found found) {
    TransactionId* xids = nullptr;
    size_t count = 0;
    const auto meet = [&](TransactionId xid) {
        for (size_t i = 0; i < count; i++) {
            if (xids[i] == xid) {
                return;
            }
        }
        *append(&xids, &count) = xid;
    };
    for (size_t i = 0; i < undecided.ticket_count; i++) {
        meet(undecided.tickets[i].xid);
    }
    for (size_t i = 0; i < undecided.quota_count; i++) {
        meet(undecided.quotas[i].xid);
    }
    if (TransactionIdIsValid(undecided.closer)) {
        meet(undecided.closer);
    }
    for (size_t i = 0; i < count; i++) {
        found(xids[i]);
    }
}

// ---------------------------------------------------------------------------------------------
// Ledgers
// ---------------------------------------------------------------------------------------------

struct Draft {
    TransactionId xid;
    Entry entry;
};

struct Drafts {
    const Undecided* undecided;
    Departure* departure;
    uint32_t slot;
    Draft* entries;
    size_t count;
    Change* changes;
    size_t change_count;
};

void draft(Drafts* drafts, TransactionId xid, Kind kind, const SeatSource& source, uint32_t seat,
           const SegmentMask& bits, SaleStatus status = SaleStatus::kOpen) {
    if (bits.any() || (kind != Kind::kClaim && kind != Kind::kRelease)) {
        *append(&drafts->entries, &drafts->count) =
            Draft{xid, Entry{kind, 1, source, seat, 0, status, bits}};
    }
}

bool is_undecided_quota(const Undecided& undecided, const Quota* quota) {
    for (size_t i = 0; i < undecided.quota_count; i++) {
        if (undecided.quotas[i].quota == quota && !undecided.quotas[i].unchanged) {
            return true;
        }
    }
    return false;
}

// Where a ticket's bits are: in a quota, or in the departure's own map. That map also has the bits
// of quotas that are undecided themselves.
SeatSource source_of(const Drafts& drafts, const LiveTicket& ticket, uint32_t* seat) {
    *seat = ticket.seat;
    for (Quota* quota = drafts.departure->first_quota(); quota != nullptr;
         quota = quota->next.get()) {
        const int64_t number = quota->find(ticket.seat);
        if (quota->class_index == ticket.class_index && number >= 0 &&
            ticket.bits.is_subset_of(trip_mask(quota->from, quota->to)) &&
            !is_undecided_quota(*drafts.undecided, quota)) {
            *seat = static_cast<uint32_t>(number);
            return {drafts.slot, ticket.class_index, drafts.departure->offset_of(quota), -1};
        }
    }
    return seats_of_class(drafts.slot, ticket.class_index);
}

void add_ticket_changes(Drafts* drafts) {
    for (size_t i = 0; i < drafts->undecided->ticket_count; i++) {
        const UndecidedTicket& noted = drafts->undecided->tickets[i];
        if (noted.ticket.place_coach >= 0) {
            continue;
        }
        Change* change = append(&drafts->changes, &drafts->change_count);
        change->xid = noted.xid;
        change->source = source_of(*drafts, noted.ticket, &change->seat);
        (noted.after ? change->after : change->before) = noted.ticket.bits;
    }
}

// Adds the changes of a quota that a transaction made or recycled. The quota's stretch is what the
// transaction has after or before it, except what is sold of a recycled quota and stays sold,
// whatever the transaction does. In the quota's own map nothing is free. After a commit or rollback
// that keeps the quota, what has no ticket then is free.
void add_quota_changes(Drafts* drafts, const TicketsBySeat& sorted, const UndecidedQuota& noted) {
    Quota* quota = noted.quota;
    const SeatSource source{drafts->slot, quota->class_index, drafts->departure->offset_of(quota),
                            -1};
    const SegmentMask stretch = trip_mask(quota->from, quota->to);
    const SeatMap map = drafts->departure->seat_map(quota->class_index);
    SeatMap own = quota->seat_map(map.control);
    for (uint32_t i = 0; i < quota->seats; i++) {
        const uint32_t seat = quota->numbers()[i];
        const Change rows = change_by_tickets(sorted, noted.xid, quota->class_index, seat);
        const SegmentMask orders = load_seat(map, seat);
        Change* change = append(&drafts->changes, &drafts->change_count);
        change->xid = noted.xid;
        change->source = seats_of_class(drafts->slot, quota->class_index);
        change->seat = seat;
        if (noted.after) {
            change->after = stretch;
            release(own, i, stretch & rows.before & ~rows.after);
        } else {
            change->before = stretch & ~(orders & ~(rows.before | rows.after));
            try_claim(own, i, stretch & ~load_seat(own, i));
            draft(drafts, noted.xid, Kind::kClaim, source, i,
                  stretch & ~(orders & ~(rows.after & ~rows.before)));
        }
    }
    draft(drafts, noted.xid, noted.after ? Kind::kQuota : Kind::kClosing, source, 0, SegmentMask{});
}

int compare_changes(const void* a, const void* b) {
    const Change* left = static_cast<const Change*>(a);
    const Change* right = static_cast<const Change*>(b);
    return left->xid != right->xid ? (left->xid < right->xid ? -1 : 1)
           : left->source.class_index != right->source.class_index
               ? (left->source.class_index < right->source.class_index ? -1 : 1)
           : left->source.quota != right->source.quota
               ? (left->source.quota < right->source.quota ? -1 : 1)
           : left->seat != right->seat ? (left->seat < right->seat ? -1 : 1)
                                       : 0;
}

// What a transaction has before it and what it has after it are both taken until it is decided. Its
// rollback gives back what it has only after it, its commit what it has only before it.
void draft_changes(Drafts* drafts) {
    if (drafts->change_count > 0) {
        qsort(drafts->changes, drafts->change_count, sizeof(Change), compare_changes);
    }
    for (size_t i = 0; i < drafts->change_count;) {
        Change change = drafts->changes[i];
        size_t next = i + 1;
        for (; next < drafts->change_count && compare_changes(&change, &drafts->changes[next]) == 0;
             next++) {
            change.before = change.before | drafts->changes[next].before;
            change.after = change.after | drafts->changes[next].after;
        }
        draft(drafts, change.xid, Kind::kClaim, change.source, change.seat,
              change.after & ~change.before);
        draft(drafts, change.xid, Kind::kRelease, change.source, change.seat,
              change.before & ~change.after);
        i = next;
    }
}

// Drafts one entry for each place, with all segments on which there are that many more.
void draft_surplus(Drafts* drafts, TransactionId xid, Kind kind, const SeatSource& source,
                   const uint32_t* more, const uint32_t* less) {
    for (uint32_t n = 1;; n++) {
        SegmentMask bits{};
        for (int s = 0; s < drafts->departure->segments; s++) {
            if (more[s] >= less[s] + n) {
                bits.set(s);
            }
        }
        if (!bits.any()) {
            return;
        }
        draft(drafts, xid, kind, source, 0, bits);
    }
}

void draft_places(Drafts* drafts, TransactionId xid) {
    const Layout* layout = drafts->departure->layout.get();
    const int segments = drafts->departure->segments;
    for (uint32_t c = 0; layout->place_coaches > 0 && c < layout->coach_count; c++) {
        if (layout->coaches()[c].places > 0) {
            const int32_t coach = static_cast<int32_t>(c);
            const uint32_t* before = count_places(*drafts->undecided, xid, coach, false, segments);
            const uint32_t* after = count_places(*drafts->undecided, xid, coach, true, segments);
            const SeatSource source{drafts->slot, layout->coaches()[c].class_index, 0, coach};
            draft_surplus(drafts, xid, Kind::kClaim, source, after, before);
            draft_surplus(drafts, xid, Kind::kRelease, source, before, after);
        }
    }
}

void draft_status(Drafts* drafts) {
    const Undecided& undecided = *drafts->undecided;
    std::atomic<SaleStatus>& status = drafts->departure->status;
    const SaleStatus present = status.load(std::memory_order_relaxed);
    if (!TransactionIdIsValid(undecided.closer) || undecided.status == present) {
        return;
    }
    const SeatSource source = seats_of_class(drafts->slot, 0);
    drafts->departure->sale_writers.fetch_add(1, std::memory_order_relaxed);
    if (undecided.status == SaleStatus::kWithdrawn) {
        draft(drafts, undecided.closer, Kind::kBar, source, 0, SegmentMask{}, present);
        status.store(SaleStatus::kWithdrawn, std::memory_order_relaxed);
    } else {
        draft(drafts, undecided.closer, Kind::kStatus, source, 0, SegmentMask{}, undecided.status);
    }
}

// A transaction without entries gets a ledger, too: the departure stays in memory, as for every
// prepared transaction that uses it.
void make_ledger(const Drafts& drafts, TransactionId xid) {
    uint32_t count = 0;
    for (size_t i = 0; i < drafts.count; i++) {
        count += drafts.entries[i].xid == xid ? 1 : 0;
    }
    PreparedLedger* block = prepared_allocate(count, 0, 1);
    block->xid = xid;
    block->since = GetCurrentTimestamp();
    block->deadline = block->since;  // its rows may have a deadline: have the tables asked
    block->prepared = true;
    block->slots()[0] = drafts.slot;
    Entry* entry = block->entries();
    for (size_t i = 0; i < drafts.count; i++) {
        if (drafts.entries[i].xid == xid) {
            *entry++ = drafts.entries[i].entry;
        }
    }
    loading_add_prepared(block);
}

}  // namespace

void mark_undecided_tickets(Departure* departure, const Undecided& undecided) {
    for (size_t i = 0; i < undecided.ticket_count; i++) {
        if (undecided.tickets[i].ticket.place_coach < 0) {
            mark_ticket(departure, undecided.tickets[i].ticket);
        }
    }
    const Layout* layout = departure->layout.get();
    for_each_transaction(undecided, [&](TransactionId xid) {
        for (uint32_t c = 0; layout->place_coaches > 0 && c < layout->coach_count; c++) {
            if (layout->coaches()[c].places == 0) {
                continue;
            }
            const int32_t coach = static_cast<int32_t>(c);
            const int segments = departure->segments;
            const uint32_t* before = count_places(undecided, xid, coach, false, segments);
            const uint32_t* after = count_places(undecided, xid, coach, true, segments);
            for (int s = 0; s < segments; s++) {
                departure->place_map(c).taken[s].fetch_add(Max(before[s], after[s]),
                                                           std::memory_order_relaxed);
            }
        }
    });
}

void add_undecided_quotas(Departure* departure, Undecided* undecided) {
    for (size_t i = 0; i < undecided->quota_count; i++) {
        UndecidedQuota* noted = &undecided->quotas[i];
        if (noted->after || !noted->unchanged) {
            const TransactionId maker =
                noted->after && !noted->unchanged ? noted->xid : InvalidTransactionId;
            noted->quota = add_quota({kNoSlot, departure}, noted->row, maker);
        }
    }
}

void make_prepared_ledgers(Departure* departure, uint32_t slot, const Undecided& undecided) {
    Drafts drafts{};
    drafts.undecided = &undecided;
    drafts.departure = departure;
    drafts.slot = slot;
    draft_status(&drafts);
    add_ticket_changes(&drafts);
    if (undecided.quota_count > 0) {
        const TicketsBySeat sorted = sort_by_seat(undecided);
        for (size_t i = 0; i < undecided.quota_count; i++) {
            if (!undecided.quotas[i].unchanged) {
                add_quota_changes(&drafts, sorted, undecided.quotas[i]);
            }
        }
        pfree(sorted.tickets);
    }
    draft_changes(&drafts);
    for_each_transaction(undecided, [&](TransactionId xid) { draft_places(&drafts, xid); });
    for_each_transaction(undecided, [&](TransactionId xid) { make_ledger(drafts, xid); });
}

}  // namespace ticketpool
