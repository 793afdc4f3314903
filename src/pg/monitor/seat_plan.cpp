// Places the seats of a coach in a picture (seat_plan.hpp).
#include "monitor/seat_plan.hpp"

namespace ticketpool {

namespace {

constexpr int kLetters = 26;
constexpr int kColumnOfGroup = 8;  // seats of a group below each other
constexpr int kAbreast = 4;        // seats without a group below each other
constexpr uint32_t kMostNumbers = 60;

// ---------------------------------------------------------------------------------------------
// Seats with x and y
// ---------------------------------------------------------------------------------------------

// One of the two axes. A unit is the smallest distance between two seats, unless the picture would
// have far more units than different values: then the values only say what comes after what.
struct Axis {
    int64_t* values;  // different ones, ascending
    int count;
    int64_t unit;  // 0: by order
};

Axis axis_of(int64_t* values, uint32_t count) {
    qsort(values, count, sizeof(int64_t), compare_ids);
    Axis axis{values, 0, INT64_MAX};
    for (uint32_t i = 0; i < count; i++) {
        if (axis.count == 0 || values[i] != values[axis.count - 1]) {
            values[axis.count++] = values[i];
        }
    }
    for (int i = 1; i < axis.count; i++) {
        axis.unit = Min(axis.unit, values[i] - values[i - 1]);
    }
    const int64_t units = (values[axis.count - 1] - values[0]) / axis.unit;
    axis.unit = units > 3 * int64_t{axis.count} + 3 ? 0 : axis.unit;
    return axis;
}

int position_on(const Axis& axis, int64_t value, int pitch) {
    if (axis.unit != 0) {
        return static_cast<int>((value - axis.values[0]) * pitch / axis.unit);
    }
    int low = 0;
    int high = axis.count - 1;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        if (axis.values[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low * pitch;
}

bool has_place(const Layout* layout, const SeatSpot& spot) {
    return (layout->detail(spot.seat).known & (kHasX | kHasY)) == (kHasX | kHasY);
}

void place_by_coordinates(const Layout* layout, const SeatSize& size, SeatSpot* spots,
                          uint32_t count) {
    int64_t* xs = static_cast<int64_t*>(palloc(count * sizeof(int64_t)));
    int64_t* ys = static_cast<int64_t*>(palloc(count * sizeof(int64_t)));
    for (uint32_t i = 0; i < count; i++) {
        xs[i] = layout->detail(spots[i].seat).x;
        ys[i] = layout->detail(spots[i].seat).y;
    }
    const Axis across = axis_of(xs, count);
    const Axis down = axis_of(ys, count);
    for (uint32_t i = 0; i < count; i++) {
        const SeatDetail detail = layout->detail(spots[i].seat);
        spots[i].x = position_on(across, detail.x, size.pitch_x);
        spots[i].y = position_on(down, detail.y, size.pitch_y);
    }
}

// ---------------------------------------------------------------------------------------------
// Seats in rows
// ---------------------------------------------------------------------------------------------

// The letter of a seat whose group is the row of its label; 0: it has none.
uint8_t letter_in_row(const Layout* layout, uint32_t seat) {
    return layout->seat_group(seat) == row_of_label(layout->label(seat))
               ? layout->seats()[seat].letter
               : uint8_t{0};
}

// How far down each letter is. There is an aisle between two letters that follow each other if both
// are at an aisle in some row.
struct LetterLines {
    bool used[kLetters];
    int y[kLetters];
};

bool is_same_row(const SeatGeometry& a, const SeatGeometry& b) {
    return a.coach == b.coach && a.row == b.row && a.row != 0;
}

LetterLines lines_of(const Layout* layout, const SeatSize& size, const SeatSpot* spots,
                     uint32_t count) {
    LetterLines lines{};
    bool at_aisle[kLetters] = {};
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t letter = letter_in_row(layout, spots[i].seat);
        if (letter != 0) {
            lines.used[letter - 'A'] = true;
            at_aisle[letter - 'A'] |= (layout->seats()[spots[i].seat].flags & kAisle) != 0;
        }
    }
    int y = 0;
    int previous = -1;
    bool has_aisle = false;
    for (int letter = 0; letter < kLetters; letter++) {
        if (!lines.used[letter]) {
            continue;
        }
        if (previous >= 0 && at_aisle[previous] && at_aisle[letter] && !has_aisle) {
            y += size.pitch_y * 2 / 3;
            has_aisle = true;
        } else {
            has_aisle = false;
        }
        lines.y[letter] = y;
        y += size.pitch_y;
        previous = letter;
    }
    return lines;
}

// The number of a label like F12; -1 if the label is not of this form or the number is large.
int number_in_row(Text label) {
    size_t at = 0;
    while (at < label.length && !(label.data[at] >= '0' && label.data[at] <= '9')) {
        at++;
    }
    if (at == 0 || at == label.length || label.length - at > 4) {
        return -1;
    }
    int number = 0;
    for (; at < label.length; at++) {
        if (label.data[at] < '0' || label.data[at] > '9') {
            return -1;
        }
        number = number * 10 + (label.data[at] - '0');
    }
    return number;
}

// Are these the rows of a theatre: F1, F2, ... in a row that is called F?
bool are_numbered_rows(const Layout* layout, const SeatSpot* spots, uint32_t count, int* first) {
    int least = INT_MAX;
    int most = 0;
    for (uint32_t i = 0; i < count; i++) {
        const std::string_view label = layout->label(spots[i].seat);
        const int number = number_in_row(text_of(label));
        if (number < 0 || row_of_label(label).empty() ||
            layout->seat_group(spots[i].seat) != row_of_label(label)) {
            return false;
        }
        least = Min(least, number);
        most = Max(most, number);
    }
    *first = least;
    return static_cast<uint32_t>(most - least) < Max(kMostNumbers, 2 * count);
}

void place_numbered_rows(const Layout* layout, const SeatSize& size, SeatSpot* spots,
                         uint32_t count, int first) {
    int line = 0;
    for (uint32_t i = 0; i < count; i++) {
        const SeatGeometry& seat = layout->seats()[spots[i].seat];
        line += i > 0 && !is_same_row(seat, layout->seats()[spots[i - 1].seat]) ? 1 : 0;
        const int number = number_in_row(text_of(layout->label(spots[i].seat)));
        spots[i].x = (number - first) * size.pitch_x;
        spots[i].y = line * size.pitch_y;
    }
}

// A column for each row, and several for a long one.
void place_columns(const Layout* layout, const SeatSize& size, SeatSpot* spots, uint32_t count) {
    const LetterLines lines = lines_of(layout, size, spots, count);
    const SeatGeometry* seats = layout->seats();
    int column = 0;
    int in_column = 0;
    for (uint32_t i = 0; i < count; i++) {
        const SeatGeometry& seat = seats[spots[i].seat];
        const uint8_t letter = letter_in_row(layout, spots[i].seat);
        const bool is_single = seat.row == 0;
        if (i > 0) {
            const SeatGeometry& last = seats[spots[i - 1].seat];
            const bool follows =
                is_single ? last.row == 0 && in_column < kAbreast
                          : is_same_row(seat, last) && (letter != 0 || in_column < kColumnOfGroup);
            column += follows ? 0 : 1;
            in_column = follows ? in_column : 0;
        }
        spots[i].x = column * size.pitch_x;
        spots[i].y = in_column * size.pitch_y;
        if (!is_single && letter != 0) {
            spots[i].y = lines.y[letter - 'A'];
        } else if (is_single && in_column >= kAbreast / 2) {
            spots[i].y += size.pitch_y * 2 / 3;
        }
        in_column++;
    }
}

void place_in_rows(const Layout* layout, const SeatSize& size, SeatSpot* spots, uint32_t count) {
    int first;
    if (are_numbered_rows(layout, spots, count, &first)) {
        place_numbered_rows(layout, size, spots, count, first);
    } else {
        place_columns(layout, size, spots, count);
    }
}

int compare_spots(const void* a, const void* b) {
    return compare_numbers(&static_cast<const SeatSpot*>(a)->seat,
                           &static_cast<const SeatSpot*>(b)->seat);
}

}  // namespace

void place_seats(const Layout* layout, const SeatSize& size, SeatSpot* spots, uint32_t count,
                 int* width, int* height) {
    uint32_t with_place = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (has_place(layout, spots[i])) {
            const SeatSpot spot = spots[i];
            spots[i] = spots[with_place];
            spots[with_place++] = spot;
        }
    }
    qsort(spots, with_place, sizeof(SeatSpot), compare_spots);
    qsort(spots + with_place, count - with_place, sizeof(SeatSpot), compare_spots);
    *width = 0;
    *height = 0;
    if (with_place > 0) {
        place_by_coordinates(layout, size, spots, with_place);
    }
    for (uint32_t i = 0; i < with_place; i++) {
        *height = Max(*height, spots[i].y + size.pitch_y);
    }
    if (with_place < count) {
        place_in_rows(layout, size, spots + with_place, count - with_place);
    }
    for (uint32_t i = 0; i < count; i++) {
        spots[i].y += i < with_place ? 0 : *height;
        *width = Max(*width, spots[i].x + size.width);
    }
    *height = 0;
    for (uint32_t i = 0; i < count; i++) {
        *height = Max(*height, spots[i].y + size.height);
    }
}

}  // namespace ticketpool
