// Undoes and settles one entry of a ledger: its seats, quota or sale words in the pool.
#include "pool/ledger_entry.hpp"

#include "pool/wait_list.hpp"

namespace ticketpool {

namespace {

Departure* departure_of(const Entry& entry) {
    return shared.slots[entry.source.slot].departure();
}

Quota* quota_of(const Entry& entry) {
    return departure_of(entry)->quota_at(entry.source.quota);
}

void give_back_bits(const Entry& entry, GivenBack how) {
    Departure* departure = departure_of(entry);
    begin_giving_back(entry.source.slot, how);
    SeatMap map = departure->seat_map(entry.source.class_index);
    if (entry.source.place_coach >= 0) {
        PlaceMap places = departure->place_map(static_cast<uint32_t>(entry.source.place_coach));
        release_place(places, entry.bits);
    } else if (entry.source.quota != 0) {
        Quota* quota = quota_of(entry);
        SeatMap own = quota->seat_map(map.control);
        give_back(*quota, own, map, entry.seat, entry.bits);
    } else {
        release(map, entry.seat, entry.bits);
    }
    departure->waits()->end_giving_back();
}

void close_quota(const Entry& entry) {
    Quota* quota = quota_of(entry);
    SeatMap map = departure_of(entry)->seat_map(entry.source.class_index);
    SeatMap own = quota->seat_map(map.control);
    quota->closed.store(true, std::memory_order_release);
    for (uint32_t seat = 0; seat < quota->seats; seat++) {
        move_to_departure(*quota, own, map, seat);
    }
}

void end_turn(const Entry& entry) {
    departure_of(entry)->sale_writers.fetch_sub(1, std::memory_order_release);
}

}  // namespace

void undo_entry(const Entry& entry) {
    if (entry.kind == Kind::kClaim) {
        give_back_bits(entry, GivenBack::kUnserved);
    } else if (entry.kind == Kind::kBar) {
        departure_of(entry)->status.store(entry.status, std::memory_order_seq_cst);
    } else if (entry.kind == Kind::kQuota) {
        // Its seats go back with the claims that were taken for it: nothing is left to move.
        quota_of(entry)->closed.store(true, std::memory_order_release);
    } else if (entry.kind == Kind::kReform) {
        departure_of(entry)->seat_change.store(SeatChange::kNone, std::memory_order_seq_cst);
    } else if (entry.kind == Kind::kWaiter) {
        leave_waiter(entry.source.slot);
    }
    if (writes_sale(entry)) {
        end_turn(entry);
    }
}

void settle_entry(const Entry& entry, EntryOf of) {
    if (entry.kind == Kind::kRelease && entry.bits.any()) {
        give_back_bits(entry, of == EntryOf::kOwn ? GivenBack::kServed : GivenBack::kUnserved);
    } else if (entry.kind == Kind::kWaiter) {
        enter_waiter(entry.source.slot, entry.bits.w[0]);
    } else if (entry.kind == Kind::kQuota) {
        quota_of(entry)->maker.store(0, std::memory_order_release);
    } else if (entry.kind == Kind::kClosing) {
        // Also if nothing of it was free: who frees a seat of it now frees it for everybody.
        begin_giving_back(entry.source.slot,
                          of == EntryOf::kOwn ? GivenBack::kServed : GivenBack::kUnserved);
        close_quota(entry);
        departure_of(entry)->waits()->end_giving_back();
    } else if (entry.kind == Kind::kStatus) {
        departure_of(entry)->status.store(entry.status, std::memory_order_seq_cst);
    } else if (entry.kind == Kind::kBar) {
        departure_of(entry)->status.store(barred_status(entry), std::memory_order_seq_cst);
    } else if (entry.kind == Kind::kSale) {
        departure_of(entry)->set_sale({static_cast<int64_t>(entry.bits.w[0]),
                                       static_cast<int64_t>(entry.bits.w[1]), entry.status,
                                       static_cast<int32_t>(entry.bits.w[2])});
    } else if (entry.kind == Kind::kOpened) {
        shared.slots[entry.source.slot].maker.store(0, std::memory_order_release);
    }
    if (writes_sale(entry)) {
        end_turn(entry);
    }
}

}  // namespace ticketpool
