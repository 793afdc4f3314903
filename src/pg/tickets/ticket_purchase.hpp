// A purchase of tickets, from the arguments of a function to what they mean: checked, with names
// resolved.
#pragma once

#include "pool/announcement.hpp"
#include "purchase/request_digest.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

// Who wants what on which departure: checked, with names resolved.
struct Purchase {
    DepartureRef ref;
    Trip trip;
    uint32_t class_index;
    DateADT service_date;
    int64_t user_id;
    const int64_t* passengers;  // party of them
    uint32_t party;
    SeatChoice choice;
    const pg_uuid_t* request_id;  // null: none
    RequestDigest asked;          // with a request_id
    Text channel;                 // data null: none
    OrderStatus status;           // of the rows: held or sold
    TimestampTz held_until;       // of a hold
    int64_t changed_from;         // the order that this one replaces; 0: none
};

// The ten leading arguments of every function that buys.
inline constexpr int kBuyArguments = 10;
struct BuyArguments {
    Datum value[kBuyArguments];
    bool is_null[kBuyArguments];
};
void read_arguments(FunctionCallInfo fcinfo, BuyArguments* arguments);

// Checks what can be checked without the departure. The purchase refers to itself and to the
// arguments: neither may move.
void read_purchase(const BuyArguments& arguments, Purchase* purchase);

// Then: resolves names, announces the departure.
void resolve_purchase(const BuyArguments& arguments, const Catalog& catalog, Purchase* purchase);

// 22023 where it is no choice; the class and the party are known.
void parse_choice(Text text, Purchase* purchase);

// What the call was asked, as it can be told before names are resolved, and after: then with the
// stops that the stations mean, and the class's name where none was written.
inline constexpr DigestField kDigestTrain{0, 4};
inline constexpr DigestField kDigestStations{4, 3};  // as they were written
inline constexpr DigestField kDigestStops{7, 3};
inline constexpr DigestField kDigestClass{10, 3};  // with kClassNamed
inline constexpr DigestField kDigestParty{13, 3};
inline constexpr uint64_t kClassNamed = 1;  // it was written
RequestDigest digest_as_written(const BuyArguments& arguments, uint32_t party);
void digest_as_resolved(Purchase* purchase);

// The class by name; NULL where the departure has one class only. Ereports TK006.
uint32_t resolve_class(const DepartureRef& ref, bool is_null, Datum seat_class);

}  // namespace ticketpool
