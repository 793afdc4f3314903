// Look-ups in routes, and the memory of a departure: see departure.hpp.
#include "ticketpool/departure.hpp"

#include <algorithm>
#include <new>

namespace ticketpool {

uint32_t Route::stop_from(int32_t stop_no) const noexcept {
    const Stop* end = stops() + stop_count;
    const Stop* found = std::lower_bound(
        stops(), end, stop_no,
        [](const Stop& stop, int32_t number) noexcept { return stop.stop_no < number; });
    return static_cast<uint32_t>(found - stops());
}

int Route::find_stop(int32_t stop_no) const noexcept {
    for (uint32_t i = 0; i < stop_count; i++) {
        if (stops()[i].stop_no == stop_no) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

bool Route::calls_at(uint32_t hash, const char* code, std::size_t length) const noexcept {
    for (uint32_t i = 0; i < stop_count; i++) {
        if (stops()[i].code_hash == hash && head.equals(stops()[i].station, code, length)) {
            return true;
        }
    }
    return false;
}

bool Route::find_trip(uint32_t from_hash, const char* from, std::size_t from_length,
                      uint32_t to_hash, const char* to, std::size_t to_length,
                      Trip* trip) const noexcept {
    const Stop* stop = stops();
    int last_from = -1;
    bool found = false;
    for (int i = 0; i < static_cast<int>(stop_count); i++) {
        // Only the last call at `from` before a call at `to` can begin the shortest trip to it.
        if (stop[i].code_hash == to_hash && last_from >= 0 && !stop[i].no_alighting &&
            head.equals(stop[i].station, to, to_length) &&
            (!found || i - last_from < trip->to - trip->from)) {
            *trip = {last_from, i};
            found = true;
        }
        if (stop[i].code_hash == from_hash && !stop[i].no_boarding &&
            head.equals(stop[i].station, from, from_length)) {
            last_from = i;
        }
    }
    // From a station to itself is not a trip, even if the train calls there twice.
    return found && !head.equals(stop[trip->from].station, head.at(stop[trip->to].station.offset),
                                 stop[trip->to].station.length);
}

namespace {

// Where the words of a class begin, in bytes from the end of the departure's header; for the class
// after the last one, where the places begin.
std::size_t words_offset(const Layout& layout, uint32_t class_index, int segments) noexcept {
    std::size_t offset =
        round_up(sizeof(WaitControl) + layout.class_count * sizeof(ClassControl), kLineBytes);
    for (uint32_t i = 0; i < class_index; i++) {
        offset += seat_map_stride(layout.classes()[i].seats, segments);
    }
    return offset;
}

}  // namespace

std::size_t Departure::bytes_required(const Layout& layout, int segments) noexcept {
    std::size_t end =
        words_offset(layout, layout.class_count, segments) +
        std::size_t{layout.place_coaches} * static_cast<unsigned>(segments) * sizeof(uint32_t);
    for (uint32_t i = 0; i < layout.class_count; i++) {
        end = std::max(end, words_offset(layout, i, segments) +
                                seat_map_bytes(layout.classes()[i].seats, segments));
    }
    return sizeof(Departure) + end;
}

Departure* Departure::init_in_place(void* memory, const Route* route, Layout* layout) noexcept {
    const std::size_t bytes = bytes_required(*layout, route->segments());
    Departure* departure = new (memory) Departure{};
    departure->bytes = static_cast<uint32_t>(bytes);
    departure->sale_margin.store(kNoMargin, std::memory_order_relaxed);
    departure->segments = static_cast<uint16_t>(route->segments());
    departure->set_route(route);
    departure->layout = layout;
    new (departure->waits()) WaitControl{};
    for (uint32_t i = 0; i < layout->class_count; i++) {
        new (&departure->controls()[i]) ClassControl{};
        SeatMap map = departure->seat_map(i);
        init_seats(map, SegmentMask{});
    }
    std::atomic<uint32_t>* taken = departure->place_counters();
    const std::size_t counters = std::size_t{layout->place_coaches} * departure->segments;
    for (std::size_t i = 0; i < counters; i++) {
        new (&taken[i]) std::atomic<uint32_t>(0);
    }
    return departure;
}

SeatMap Departure::seat_map(uint32_t class_index) noexcept {
    const LayoutClass& seat_class = layout->classes()[class_index];
    char* words = reinterpret_cast<char*>(this + 1) + words_offset(*layout, class_index, segments);
    return seat_map_at(words, &controls()[class_index], seat_class.seats, segments);
}

std::atomic<uint32_t>* Departure::place_counters() noexcept {
    return reinterpret_cast<std::atomic<uint32_t>*>(
        reinterpret_cast<char*>(this + 1) + words_offset(*layout, layout->class_count, segments));
}

PlaceMap Departure::place_map(uint32_t coach_index) noexcept {
    const LayoutCoach& coach = layout->coaches()[coach_index];
    return PlaceMap{place_counters() + std::size_t{coach.place_number} * segments,
                    &controls()[coach.class_index], coach.places, segments};
}

}  // namespace ticketpool
