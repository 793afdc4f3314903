// Fills departures and items in memory with what rows say: see fill.hpp.
#include "load/fill.hpp"

#include <unistd.h>

#include "pool/eviction.hpp"
#include "pool/sources.hpp"

namespace ticketpool {

bool mark_ticket(Departure* departure, const LiveTicket& ticket) {
    if (ticket.place_coach >= 0) {
        PlaceMap places = departure->place_map(static_cast<uint32_t>(ticket.place_coach));
        mark_place(places, ticket.bits);
        return true;
    }
    SeatMap map = departure->seat_map(ticket.class_index);
    const SegmentMask taken = load_seat(map, ticket.seat);
    try_claim(map, ticket.seat, ticket.bits & ~taken);
    return !(taken & ticket.bits).any();
}

Quota* add_quota(const DepartureRef& ref, const ReservationRow& row, uint32_t maker) {
    Departure* departure = ref.departure;
    void* block = require_memory(Quota::bytes_required(row.count, departure->segments),
                                 MemoryKind::kDepartures);
    Quota* quota = Quota::init_in_place(block, row.count, row.stretch.from, row.stretch.to,
                                        departure->segments);
    quota->reservation_id = row.reservation_id;
    quota->class_index = row.class_index;
    quota->maker.store(maker, std::memory_order_relaxed);
    quota->channel_length = static_cast<uint8_t>(row.channel.length);
    memcpy(quota->channel, row.channel.data, row.channel.length);
    for (uint32_t i = 0; i < row.count; i++) {
        quota->numbers()[i] = row.numbers[i];
        quota->geometry()[i] = departure->layout->geometry(row.class_index)[row.numbers[i]];
    }
    link_quota(departure, quota);
    return quota;
}

uint32_t lanes_of(const Inventory& row) {
    constexpr uint32_t kMostOfChild = 4;  // few sessions buy from one seller at once
    const uint32_t cores = static_cast<uint32_t>(Max(sysconf(_SC_NPROCESSORS_ONLN), 1));
    return lanes_for(row.quantity, row.is_root ? cores : Min(cores, kMostOfChild));
}

void describe_stock(const Inventory& row, Stock* stock) {
    stock->inventory_id = row.id;
    stock->has_seller = row.has_seller;
    stock->user_id = row.user_id;
    stock->on_sale = row.status != InventoryStatus::kClosed;
    stock->state.store(
        row.status == InventoryStatus::kMerged ? StockState::kMerged : StockState::kOpen,
        std::memory_order_relaxed);
}

Stock* new_stock(const Inventory& row) {
    const uint32_t lanes = lanes_of(row);
    Stock* stock = Stock::init_in_place(
        require_memory(Stock::bytes_required(lanes), MemoryKind::kItems), lanes);
    describe_stock(row, stock);
    return stock;
}

}  // namespace ticketpool
