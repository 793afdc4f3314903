// Claims exactly these seats, all or none: seats of several classes and quotas of one departure, as
// one attempt of the claim protocol (seat_map.hpp).
//
// The protocol
// ------------
// Each class has its own ClassControl, so an attempt is under way in every class that it touches:
//
//     unfinished.fetch_add(1) of every class of the set
//     claim the pieces in ascending order of (source, seat, word)
//     all taken:      unfinished.fetch_sub(1) of every class                         it holds all
//     a piece failed: clear own pieces; then, class by class,
//                     undone.fetch_add(1), unfinished.fetch_sub(1)   it holds nothing; looks again
//
// A set of one word of one seat is a single compare-and-swap, as ever.
//
// "Taken" is an answer about one seat: a set cannot be had if one of its seats cannot. So each seat
// is looked at by itself, with the careful look of its own class, by a caller that holds nothing. A
// look that ends in kSoldOut saw a bit of a finished claim. The argument in seat_map.hpp is about
// one bit, the attempt that had claimed it and the control of that bit's class; it holds here, too,
// because an attempt over several classes
//   - is counted in `unfinished` of the bit's class before it claims the bit, and
//   - if it fails, has cleared the bit, and all its other pieces in all classes, before it is
//     counted in `undone` of any class. If it succeeds, it holds every piece before it leaves
//     `unfinished` of any class.
// So nobody is refused because of a set that is itself refused later. A bit seen in passing leads
// to kLookAgain, and a refusal rests on claims that are complete: of buyers of overlapping sets
// that were free, one has all of its set, unless its transaction rolls back.
//
// Why somebody always gets on. All attempts of a departure take their pieces in one ascending
// order, whichever function makes them and in whatever order the caller names the seats. Within one
// class that is the order of the other attempts (claim_seats, try_claim_all, and claim_split and
// claim_named in pool/claim.cpp); these stay within one class, so classes may come in any order
// that all sets share. An attempt that fails at piece p holds nothing above p and clears what it
// holds at once: nobody waits while it holds pieces. Of all rivals, the one that has got furthest
// up the order meets only finished claims above, which end in an answer. So of attempts that are
// under way at once, at least one succeeds, or is stopped by a finished claim.
//
// If a process dies inside an attempt, the server restarts and loads the rows again.
#pragma once

#include <cstdint>

#include "ticketpool/seat_map.hpp"
#include "ticketpool/segment_mask.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

// What is to be claimed of one seat. Pieces of one class have neighbouring values of `source`.
struct SetPiece {
    SeatMap map;           // of the class, or of a quota of it
    std::uint64_t source;  // where the map is in the order that all attempts share
    std::uint32_t seat;    // in the map
    SegmentMask bits;      // none: takes part without any operation
};

// Brings the pieces into the order of the protocol.
void sort_set(SetPiece* pieces, std::uint32_t count) noexcept;

// One attempt. The pieces are sorted, each seat of a map at most once. If there are several,
// half_way() is called once the first of them is claimed, unless it is null: for tests.
bool try_claim_set(const SetPiece* pieces, std::uint32_t count,
                   void (*half_way)() = nullptr) noexcept;

// Looks carefully at each seat and then makes one attempt. kOk: the bits of all pieces are the
// caller's. Otherwise nothing is held: kSoldOut (a finished claim has a bit of one of the seats) or
// kLookAgain. The pieces are sorted, each seat of a map at most once. A lost race is added to
// *lost_races if it is not null.
Status claim_set_once(const SetPiece* pieces, std::uint32_t count,
                      std::uint32_t* lost_races = nullptr, void (*half_way)() = nullptr) noexcept;

}  // namespace ticketpool
