// ticket_reseat: live tickets get other seats on the same train and trip.
//
// The order's rows are locked, as for a refund: payment, expiry, refund and exchange of the same
// tickets wait, and find the new seats afterwards. New seats are claimed before old ones are
// released, and old ones become free for others only at commit:
//
//   seats are named  The old seats are entered in the ledger as releases first. That makes them
//                    free for this transaction, and for it alone, so that tickets of the order can
//                    swap seats or keep one: the claim takes over what the release was about to
//                    free. All new seats are one claim (claim_set.hpp).
//   none is named    New seats are chosen as for a purchase, while the old ones are still taken;
//                    so no ticket gets a seat that one of them has now.
//
// If the new seats are not to be had, claims and releases are taken out of the ledger again. No row
// has been touched by then. A rollback, also to a savepoint, undoes rows and ledger alike. If the
// process dies, the rows of committed transactions say who sits where.
#include "load/reforming.hpp"
#include "pool/claim_set.hpp"
#include "pool/ledger.hpp"
#include "pool/wait_list.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/order_rows.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kArgOrder = 0;
constexpr int kArgTickets = 1;
constexpr int kArgSeats = 2;

// A ticket, the seat that it is to have, and where its new claim is noted.
struct Move {
    Ticket ticket;
    Text name;  // of the seat; data null: any other seat
    NamedSeat seat;
    Claimed claimed;
};

struct Moves {
    Move* move;
    int count;
};

bool is_numbered(const Ticket& ticket) {
    return ticket.source.place_coach < 0;
}

// The pool does not know where the ticket is, because somebody has written its row by hand.
[[noreturn]] void report_not_located(const Order& order, const Ticket& ticket) {
    ereport(ERROR, (errcode(kErrorOrder),
                    errmsg("ticket %d of order " INT64_FORMAT " cannot get another seat",
                           ticket.ticket_no, order.order_id),
                    errdetail("Its departure is gone, or does not have its seat or its stops."),
                    errhint("Correct the row in ticket_order.")));
}

[[noreturn]] void report_other_number(const NamedSeats& seats, int tickets) {
    ereport(
        ERROR,
        (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are not as many seats as tickets"),
         errdetail("The number of tickets is %d, that of seats %u.", tickets, seats.count),
         errhint("Name one seat for each ticket, or pass NULL for any others.")));
}

// The place of the ticket's number in the caller's list, whose order is that of the seats; without
// a list, the place of the ticket itself.
int place_of_ticket(TicketNos named, const Order& order, int index) {
    if (named.array == nullptr) {
        return index;
    }
    const int32_t* numbers = reinterpret_cast<const int32_t*>(ARR_DATA_PTR(named.array));
    int place = 0;
    while (numbers[place] != order.tickets[index].ticket_no) {
        place++;
    }
    return place;
}

void check_number(TicketNos named, const NamedSeats& seats, const Order& order) {
    const int listed = named.array == nullptr
                           ? order.count
                           : ArrayGetNItems(ARR_NDIM(named.array), ARR_DIMS(named.array));
    if (seats.count != static_cast<uint32_t>(order.count)) {
        report_other_number(seats, order.count);
    }
    if (listed != order.count) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ticket_nos names a ticket twice"),
                        errdetail("The list has %d numbers, of %d tickets.", listed, order.count),
                        errhint("Name each ticket once, in the order of the seats.")));
    }
}

Moves list_moves(const Order& order, TicketNos named, const NamedSeats* seats) {
    if (seats != nullptr) {
        check_number(named, *seats, order);
    }
    Moves moves{static_cast<Move*>(palloc0(static_cast<size_t>(order.count) * sizeof(Move))),
                order.count};
    for (int i = 0; i < order.count; i++) {
        Move* move = &moves.move[i];
        move->ticket = order.tickets[i];
        if (move->ticket.ref.departure != nullptr && ledger_is_reforming(move->ticket.ref.slot)) {
            report_barred(move->ticket.ref);  // the pool has only the old seats
        }
        if (move->ticket.ref.departure == nullptr || !move->ticket.located) {
            report_not_located(order, move->ticket);
        }
        require_at_rest(move->ticket.ref);
        if (seats != nullptr) {
            move->name = seats->name[place_of_ticket(named, order, i)];
        }
    }
    return moves;
}

bool is_alike(const Ticket& a, const Ticket& b) {
    return same_trip(a, b) && same_channel(a, b);
}

// Tickets that can be given any seats together.
bool is_same_party(const Ticket& a, const Ticket& b) {
    return is_alike(a, b) && same_class(a, b) && a.source.place_coach == b.source.place_coach;
}

// Brings the moves that are alike to the front, in order. Returns how many there are.
template <typename Alike>
int gather_moves(Move* move, int count, Alike alike) {
    int gathered = 1;
    for (int i = 1; i < count; i++) {
        if (alike(move[0].ticket, move[i].ticket)) {
            const Move found = move[i];
            memmove(&move[gathered + 1], &move[gathered],
                    static_cast<size_t>(i - gathered) * sizeof(Move));
            move[gathered++] = found;
        }
    }
    return gathered;
}

// The seats that are named for tickets of one departure; 22023 if it does not have one of them, or
// one is of another class than its ticket.
void resolve_moves(Move* move, int count) {
    const size_t room = static_cast<size_t>(count);
    Text* name = static_cast<Text*>(palloc(room * sizeof(Text)));
    for (int i = 0; i < count; i++) {
        name[i] = move[i].name;
    }
    NamedSeats seats{name, nullptr, static_cast<uint32_t>(count), 0};
    resolve_seats(move[0].ticket.ref, &seats);
    for (int i = 0; i < count; i++) {
        move[i].seat = seats.seat[i];
        if (move[i].seat.class_index != move[i].ticket.source.class_index) {
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("seat \"%s\" is of another class", printable(move[i].name)),
                            errdetail("Ticket %d is of class \"%s\".", move[i].ticket.ticket_no,
                                      printable(move[i].ticket.seat_class)),
                            errhint("Name a seat of that class, or exchange the ticket with "
                                    "ticket_change.")));
        }
    }
}

void release_old(const Move* move, int count) {
    ledger_reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; i++) {
        const Ticket& ticket = move[i].ticket;
        ledger_add_release(ticket.source, ticket.seat, ticket.bits);
    }
}

bool claim_named_of(Move* move, int count) {
    const size_t room = static_cast<size_t>(count);
    NamedSeat* seats = static_cast<NamedSeat*>(palloc(room * sizeof(NamedSeat)));
    Claimed* claimed = static_cast<Claimed*>(palloc(room * sizeof(Claimed)));
    for (int i = 0; i < count; i++) {
        seats[i] = move[i].seat;
    }
    const Ticket& first = move[0].ticket;
    if (!claim_set({first.ref, first.trip, first.channel, seats, static_cast<uint32_t>(count)},
                   claimed)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        move[i].claimed = claimed[i];
    }
    return true;
}

// Claims the named seats. Tickets of one order have one departure, trip and channel, unless rows
// were written by hand; otherwise each group is a claim by itself.
bool claim_named_seats(const Moves& moves) {
    int alike;
    for (int first = 0; first < moves.count; first += alike) {
        alike = gather_moves(&moves.move[first], moves.count - first, is_alike);
        resolve_moves(&moves.move[first], alike);
    }
    release_old(moves.move, moves.count);
    for (int first = 0; first < moves.count; first += alike) {
        alike = gather_moves(&moves.move[first], moves.count - first, is_alike);
        if (!claim_named_of(&moves.move[first], alike)) {
            return false;
        }
    }
    return true;
}

// A ticket with a numbered seat gets another numbered one. One with an unnumbered place gets a
// numbered seat, or a place in another coach.
bool claim_party(Move* move, int count) {
    const Ticket& first = move[0].ticket;
    Demand demand{};
    demand.ref = first.ref;
    demand.class_index = first.source.class_index;
    demand.trip = first.trip;
    demand.party = static_cast<uint32_t>(count);
    demand.channel = first.channel;
    demand.places = {is_numbered(first), first.source.place_coach};
    Claimed* claimed = static_cast<Claimed*>(palloc(demand.party * sizeof(Claimed)));
    if (!claim_demand(demand, claimed)) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        move[i].claimed = claimed[i];
    }
    return true;
}

bool claim_other_seats(const Moves& moves) {
    int alike;
    for (int first = 0; first < moves.count; first += alike) {
        alike = gather_moves(&moves.move[first], moves.count - first, is_same_party);
        if (!claim_party(&moves.move[first], alike)) {
            return false;
        }
    }
    release_old(moves.move, moves.count);
    return true;
}

bool keeps_seat(const Move& move) {
    const Claimed old{move.ticket.source, SeatClaim{move.ticket.seat, {}, {}}};
    const int64_t number = seat_number(move.ticket.ref, old);
    return number >= 0 && number == seat_number(move.ticket.ref, move.claimed);
}

// False: the seats are not to be had, and nothing has changed.
bool reseat(const Catalog& catalog, const Order& order, const Moves& moves, bool named) {
    const size_t mark = ledger_mark();
    if (!(named ? claim_named_seats(moves) : claim_other_seats(moves))) {
        ledger_undo_to(mark);
        return false;
    }
    require_same_epoch(catalog, order.service_date);
    for (int i = 0; i < moves.count; i++) {
        if (!keeps_seat(moves.move[i])) {
            set_seats(order, &moves.move[i].ticket, 1, &moves.move[i].claimed);
        }
    }
    return true;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_reseat) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgOrder, "order_id");
    const TicketNos named = parse_ticket_nos(fcinfo, kArgTickets);
    NamedSeats seats{};
    const bool has_seats = !PG_ARGISNULL(kArgSeats);
    if (has_seats) {
        seats = read_seats(fcinfo, kArgSeats);
    }
    PreventCommandIfReadOnly("ticket_reseat()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(kArgOrder), named, &order);
    choose_tickets(&order, OrderCall::kReseat, named.array != nullptr);
    const Moves moves = list_moves(order, named, has_seats ? &seats : nullptr);
    if (reseat(catalog, order, moves, has_seats)) {
        serve_waiting();
        return_order(order, result);
    }
    SPI_finish();
    owner_end(scope);
    return 0;
}
