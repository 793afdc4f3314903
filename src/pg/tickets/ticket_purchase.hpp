// A purchase of tickets: from the arguments of a function to what they mean.
#pragma once

#include "pool/announcement.hpp"
#include "purchase/request_digest.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "ticketpool/order_status.hpp"
#include "tickets/stations.hpp"

namespace ticketpool {

struct NamedSeats;

// A purchase of tickets: checked, with names resolved.
struct Purchase {
    DepartureRef ref;
    Trip trip;
    uint32_t class_index;
    DateADT service_date;
    int64_t user_id;
    const int64_t* passengers;  // as many as `party`
    uint32_t party;
    SeatChoice choice;
    NamedSeats* seats;  // exactly these, without class and choice; null: any seats of the class
    const pg_uuid_t* request_id;  // null: none
    RequestDigest asked;          // with a request_id
    Text channel;                 // data null: none
    OrderStatus status;           // of the rows: held or sold
    TimestampTz held_until;       // of a hold
    int64_t changed_from;         // the order that this one replaces; 0: none
};

// The first ten arguments of every function that buys.
inline constexpr int kBuyArguments = 10;
struct BuyArguments {
    Datum value[kBuyArguments];
    bool is_null[kBuyArguments];
};
void read_arguments(FunctionCallInfo fcinfo, BuyArguments* arguments);

// How many passengers the list names; 22023 if it is no list of one or more, 22004 if it has a
// NULL.
uint32_t count_passengers(ArrayType* array);

// Checks what can be checked without the departure. The purchase points into itself and into the
// arguments, so neither may be moved.
void read_purchase(const BuyArguments& arguments, Purchase* purchase);

// What the resolved purchase is for. Only who is about to buy waits for a departure that is being
// changed (load/reforming.hpp).
enum class ResolveFor {
    kSale,
    kComparison,  // with an earlier request: the trip need not be for sale any more
    kCheck        // nothing is bought
};

// To be called after read_purchase(): resolves names and announces the departure.
void resolve_purchase(const BuyArguments& arguments, const Catalog& catalog, Purchase* purchase,
                      ResolveFor purpose = ResolveFor::kSale);

// The fields of Purchase::asked. Once names are resolved, it also has the stops that the stations
// mean, and the class's name if none was written.
inline constexpr DigestField kDigestTrain{0, 4};
inline constexpr DigestField kDigestStations{4, 3};  // as the caller wrote them
inline constexpr DigestField kDigestStops{7, 3};
inline constexpr DigestField kDigestClass{10, 3};  // with kClassNamed
inline constexpr DigestField kDigestParty{13, 3};
inline constexpr uint64_t kClassNamed = 1;  // the caller wrote a class
// Of a purchase of named seats, instead of class and party: the seats, with kSeatsNamed in the
// place of the party.
inline constexpr uint64_t kSeatsNamed = 1ULL << 23;
void digest_seats(uint64_t hash, RequestDigest* digest);
inline bool names_seats(const RequestDigest& digest) {
    return (digest_get(digest, kDigestParty) & kSeatsNamed) != 0;
}
// Of an exchange, instead of the party: the numbers of the old tickets, with kTicketsNamed.
inline constexpr DigestField kDigestTickets = kDigestParty;
inline constexpr uint64_t kTicketsNamed = 1;  // the caller wrote the numbers

// The class with this name; NULL is allowed if the departure has one class only. Ereports TK006
// otherwise.
uint32_t resolve_class(const DepartureRef& ref, bool is_null, Datum seat_class);

}  // namespace ticketpool
