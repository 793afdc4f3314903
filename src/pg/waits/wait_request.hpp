// The arguments of ticket_wait and ticket_wait_add: checked, and resolved to trips.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tickets/ticket_purchase.hpp"
#include "waits/award.hpp"

namespace ticketpool {

// Who waits.
struct WaitParty {
    int64_t user_id;
    bool has_passengers;
    Datum passengers;
    uint32_t party;    // how many tickets: 1 without passengers
    uint32_t minimum;  // how many of them at least
};
// Counts the passengers; 22023 or 22004 if they are no list of passengers.
void count_party(WaitParty* who);

// An option. Text is that of the arguments or of the departure's layout.
struct WantedOption {
    BuyArguments arguments;
    Purchase purchase;
    int32_t from_stop;
    int32_t to_stop;
    Text seat_class;
    Text seat_choice;  // data null: none
};

struct WantedOptions {
    WantedOption* option;
    int count;
};

// Reads the options in an argument of type ticket_request[]. Errors name the option, from 1. 54000
// if there would be more than ticketpool.wait_options with the `present` ones.
WantedOptions read_options(ArrayType* array, int present, const WaitParty& who);

// Finds the trips, which have to be on sale, pins their departures, and enters them as departures
// for which somebody waits. 22023: a trip is named twice, or the party is larger than the class.
void resolve_options(const Catalog& catalog, const WaitParty& who, const WantedOptions& options);

// 23505 if the user waits for one of the trips already.
void require_not_waiting(const Catalog& catalog, const WaitParty& who,
                         const WantedOptions& options);

}  // namespace ticketpool
