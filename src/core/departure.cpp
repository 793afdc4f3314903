// Look-ups in routes and layouts, and the memory of a departure: see departure.hpp.
#include "ticketpool/departure.hpp"

#include <algorithm>
#include <new>

namespace ticketpool {

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

int Layout::find_class(const char* name, std::size_t length) const noexcept {
    for (uint32_t i = 0; i < class_count; i++) {
        if (head.equals(classes()[i].name, name, length)) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

int Layout::find_place_coach(uint32_t class_index, const char* coach,
                             std::size_t length) const noexcept {
    for (uint32_t i = 0; i < coach_count; i++) {
        if (coaches()[i].class_index == class_index && coaches()[i].places > 0 &&
            head.equals(coaches()[i].name, coach, length)) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

uint32_t Layout::capacity(uint32_t class_index) const noexcept {
    uint32_t capacity = classes()[class_index].seats;
    for (uint32_t i = 0; place_coaches > 0 && i < coach_count; i++) {
        capacity += coaches()[i].class_index == class_index ? coaches()[i].places : 0;
    }
    return capacity;
}

bool parse_seat_label(const char* label, std::size_t length, uint16_t* row,
                      uint8_t* letter) noexcept {
    if (length < 2 || length > 5 || label[0] == '0') {
        return false;
    }
    unsigned number = 0;
    for (std::size_t i = 0; i + 1 < length; i++) {
        if (label[i] < '0' || label[i] > '9') {
            return false;
        }
        number = number * 10 + static_cast<unsigned>(label[i] - '0');
    }
    const char last = label[length - 1];
    if (last < 'A' || last > 'Z') {
        return false;
    }
    *row = static_cast<uint16_t>(number);
    *letter = static_cast<uint8_t>(last);
    return true;
}

int64_t Layout::find_seat(uint32_t class_index, const char* coach, std::size_t coach_length,
                          const char* label, std::size_t label_length) const noexcept {
    uint16_t row;
    uint8_t letter;
    if (!parse_seat_label(label, label_length, &row, &letter)) {
        return -1;
    }
    int coach_index = -1;
    for (uint32_t i = 0; i < coach_count && coach_index < 0; i++) {
        if (coaches()[i].class_index == class_index &&
            head.equals(coaches()[i].name, coach, coach_length)) {
            coach_index = static_cast<int>(i);
        }
    }
    if (coach_index < 0) {
        return -1;
    }
    // Seats are in order of (coach, row, letter).
    const auto key = [](uint32_t c, uint32_t r, uint32_t l) {
        return (uint64_t{c} << 32) | (r << 8) | l;
    };
    const uint64_t wanted = key(static_cast<uint32_t>(coach_index), row, letter);
    const SeatGeometry* seat = geometry(class_index);
    uint32_t low = 0;
    uint32_t high = classes()[class_index].seats;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (key(seat[middle].coach, seat[middle].row, seat[middle].letter) < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < classes()[class_index].seats &&
        key(seat[low].coach, seat[low].row, seat[low].letter) == wanted) {
        return low;
    }
    return -1;
}

namespace {

// Where the words of a class begin, in bytes from the end of the departure's header; for the class
// after the last one, where the places begin.
std::size_t words_offset(const Layout& layout, uint32_t class_index, int segments) noexcept {
    std::size_t offset = round_up(layout.class_count * sizeof(ClassControl), kLineBytes);
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
