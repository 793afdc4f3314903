// Claims exactly the seats that a caller names, of several classes if it likes, all or none.
//
// The protocol between buyers is in ticketpool/seat_set.hpp. This is what the departure adds to it:
//
//   where a seat is   in an open quota of the caller's channel that covers the trip and has the
//                     seat, else in the class's own map. Two quotas that have the seat never cover
//                     the same trip, and a seat that is in another quota is taken in the class's
//                     map. Quotas come and go, so this is looked up again before each attempt. A
//                     quota that is closed between look-up and claim has no free bit any more.
//   the order         class; within it the quotas as the departure's list has them, then the
//                     class's own map: as list_sources() in claim.cpp, for every attempt. The list
//                     grows at its head only, so two quotas never change places. An attempt looks
//                     the places up in the list from one head.
//   own refunds       bits that this transaction's refunds will free are not claimed. They are
//                     taken over from the refund in the ledger, and nobody else can have them.
//   the ledger        has an entry for each seat once the attempt has succeeded. Room for them is
//                     reserved before the first claim, so between claim and entry nothing can fail.
//                     A rollback gives the seats back from there; that is the one case in which
//                     all buyers of overlapping sets may be left without.
//   undone in a quota an attempt that failed may have given bits back to a quota that was closed
//                     meanwhile. settle_attempt() moves them on to the departure.
//
// A caller that is told to look again holds nothing: it may sleep and be cancelled. If the process
// dies between claim and entry, the server restarts, and the rows of committed orders are all that
// is loaded.
#pragma once

#include "pool/claim.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// A seat, by its number in its class.
struct NamedSeat {
    uint32_t class_index;
    uint32_t seat;
};

struct SetDemand {
    DepartureRef ref;
    Trip trip;
    Text channel;  // data null: none
    const NamedSeat* seats;
    uint32_t count;
};

// Claims the seats and enters them in the ledger; claimed[i] is seats[i]. No seat may be named
// twice. The caller has announced or pinned the departure. False: one of the seats is taken.
bool claim_set(const SetDemand& demand, Claimed* claimed);

}  // namespace ticketpool
