// One award of the waiting list: see award.cpp.
#pragma once

#include "pool/claim.hpp"
#include "server/catalog.hpp"
#include "tables/wait_queue.hpp"
#include "tickets/ticket_purchase.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {

// What awards are made from: the pool, or the seats that a departure is about to get.
struct WaitStock {
    uint32_t (*count)(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel);
    bool (*claim)(const Purchase& purchase, Claimed* claims);
};
extern const WaitStock kPoolStock;

enum class Awarded {
    kYes,
    kGone,     // the wait is over
    kBusy,     // another transaction works on the wait, or buys for the same people
    kRefused,  // by a rule
    kLost,     // somebody else was quicker
    kFailed    // an error
};

// What is offered to an option.
struct Offer {
    const WaitStock* stock;
    DepartureRef ref;
    uint32_t class_index;
    Trip trip;
    QueuedOption option;
    uint32_t free;       // seats; at least as many as the option needs
    const char* passed;  // who was passed over, as the members of a JSON array
};

// Locks the tables that an award writes, without waiting for whoever alters one.
bool try_lock_award_tables(const Catalog& catalog);

// With these locks. *reason: why it was refused or failed; palloc'd, or null.
Awarded try_award(const Catalog& catalog, const Offer& offer, const char** reason);

// Is an award of this session under way: does a trigger or a rule of it run at this moment?
bool is_awarding();

// Puts on record why an option was passed over, unless its row is locked.
void record_passed(const Catalog& catalog, const QueuedOption& option, const char* reason);

// Appends {"wait_id": ..., "reason": ...}.
void append_passed(StringInfoData* json, int64_t wait_id, const char* reason);

}  // namespace ticketpool
