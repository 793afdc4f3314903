// What there is to tell of events (rows of ticket_event), and the NOTIFY that does; "Events" in
// pool/deadlines.hpp has the protocol.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct EventNews {
    int64_t highest;   // event_id that is committed; 0: there are no events
    uint64_t horizon;  // the oldest transaction that was running, of all databases
    bool readable;     // an event since `told_xmin` is older than the horizon
    bool unreadable;   // an event of the last minute is not older than the horizon
};

// All with one snapshot.
EventNews read_event_news(const Catalog& catalog, uint64_t told_xmin);

// The running transaction sends NOTIFY ticketpool when it commits.
void notify_of_events(const EventNews& news);

}  // namespace ticketpool
