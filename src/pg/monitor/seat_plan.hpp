// Where the seats of a coach are in a picture.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// The size of a seat, and the space from one seat to the next, in pixels.
struct SeatSize {
    int width;
    int height;
    int pitch_x;
    int pitch_y;
};

struct SeatSpot {
    uint32_t seat;  // over the whole layout
    int x;          // of its left upper corner
    int y;
};

// Places seats of one deck of a coach, beginning at (0, 0), and sets `width` and `height` to what
// they take. Seats with x and y are as those say. The others are below: rows of letters as columns
// with the aisle between them, rows of numbers (F12) as lines, other groups as columns, and seats
// without a group four abreast.
void place_seats(const Layout* layout, const SeatSize& size, SeatSpot* spots, uint32_t count,
                 int* width, int* height);

}  // namespace ticketpool
