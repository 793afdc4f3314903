// When options of waits end, and ending them without a call of their user.
//
// An option ends at its ends_at: at the deadline of its wait, when the sale of its trip ends
// (sale_margin before the train leaves the boarding stop, by the clock of ticketpool.timezone), or
// at the closes_at of its departure, whatever is first. It is computed when the option is entered,
// and again when one of these changes: by ticket_wait_extend, ticket_retime, ticket_skip_stop or by
// hand. It also ends when its departure is closed, withdrawn or gone: in the transaction that does
// that, or, by hand, by the worker.
//
// An option that ended with its departure becomes 'closed', one whose time is over 'expired'. A
// wait without an open option becomes 'expired' if one of those that ended last did, else 'closed',
// and an event tells it.
//
// None of this waits for a wait that another session has locked: that is left to the worker, which
// comes back until it is done.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// SQL: when an option ends, from a row `d` of ticket_departure, its route `r`, the option's
// from_stop, and the deadline; NULL: nothing is known. `zone`: a parameter that has
// name_of_sale_timezone().
const char* end_of_option_sql(const char* from_stop, const char* deadline, const char* zone);
Datum name_of_sale_timezone();

// For the worker. Ends the open options of a wait that are over. False: none is, if the times of
// now count. 55P03 if another session has the wait locked. Inside SPI and owner_begin().
bool end_wait(const Catalog& catalog, int64_t wait_id);

// For whoever ends the sale of a departure by hand: has the worker look for waits for it after the
// commit. (A wait that is entered meanwhile is found within the worker's next round of all
// databases.)
void have_sale_looked_at(const Catalog& catalog, int64_t departure_id);

// For ticket_close and ticket_withdraw, which have written the departure's row: ends the open
// options of the departure, as far as nobody has their waits locked, and has the worker look for
// the rest after the commit. Fails for nothing that has to do with waits.
void end_options_of(const Catalog& catalog, int64_t departure_id);

// The times of the departure have changed, in its row or in its stop list: computes the end of its
// open options again, of those waits that nobody has locked, and has the worker look at it after
// the commit. Fails for nothing that has to do with waits.
void follow_times_of(const Catalog& catalog, int64_t departure_id);

// What the worker has found to end. A wait may be there several times.
struct EndedWait {
    int64_t wait_id;
    TimestampTz since;
};
struct EndedWaits {
    MemoryContext context;  // of `wait`
    EndedWait* wait;
    size_t count;
    size_t room;
};
// Adds the waits that have an open option whose time is over, the longest over first, up to `most`.
// Returns the end of the next option; INT64_MAX: there is none.
TimestampTz find_expired_waits(const Catalog& catalog, size_t most, EndedWaits* waits);
// Adds the waits for departures that are closed, withdrawn or gone, up to `most`. Looks at every
// departure for which somebody waits.
void find_closed_waits(const Catalog& catalog, size_t most, EndedWaits* waits);

}  // namespace ticketpool
