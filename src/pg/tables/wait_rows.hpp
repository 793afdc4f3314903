// Rows of ticket_wait and ticket_wait_option: who waits, and for which trips.
//
// Whoever changes anything of a wait locks its row of ticket_wait before its options, to the end of
// the transaction: the user's own calls wait for that lock, as for any row; whoever serves or ends
// waits does not wait for it.
//
// What is only read is read as it is now, whatever the isolation level, and takes no predicate
// locks. (The rows of options are read by wait_queue.hpp.)
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

enum WaitColumn : AttrNumber {
    kWaitId = 1,
    kWaitUser,
    kWaitPassengers,
    kWaitDeadline,
    kWaitOnMatch,
    kWaitHoldTtl,
    kWaitMinTickets,
    kWaitRequest,
    kWaitStatus,
    kWaitOrder,
    kWaitCreated,
    kWaitChanged,
    kWaitColumns = kWaitChanged
};

// A new row of ticket_wait, by column, up to the request_id.
struct NewWait {
    int64_t wait_id;
    Datum value[kWaitRequest + 1];
    bool is_null[kWaitRequest + 1];
};

// A new row of ticket_wait_option.
struct NewWaitOption {
    int64_t wait_id;
    int32_t option_no;
    int64_t departure_id;
    int32_t from_stop;
    int32_t to_stop;
    Text seat_class;
    Text seat_choice;  // data null: none
    Text channel;      // data null: none
    int64_t user_id;
    int32_t need;
    bool has_deadline;  // of the wait
    TimestampTz deadline;
};

// ---------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------

struct WaitState {
    bool exists;
    bool is_open;
    bool in_use;  // another transaction has its row locked, or changes it; false on a standby
    int64_t user_id;
};
WaitState look_at_wait(const Catalog& catalog, int64_t wait_id);
// Has a transaction of another session, which has not ended, locked or changed the current row?
bool is_row_in_use(const TableReader& reader);
// Appends the user's wait with this request_id to the result set. False: there is none. 40001 if
// the isolation level hides it.
bool return_wait_of_request(const Catalog& catalog, int64_t user_id, const pg_uuid_t* request_id,
                            ReturnSetInfo* result);
// How many waits of the user are open; at most `most`.
int count_open_waits(const Catalog& catalog, int64_t user_id, int most);
// The wait with which the user waits for that trip already; 0: none.
int64_t find_wait_for_trip(const Catalog& catalog, int64_t user_id, int64_t departure_id,
                           Text seat_class, int32_t from_stop, int32_t to_stop);
// How many options the wait has, open or not, and the largest option_no.
int count_options(const Catalog& catalog, int64_t wait_id, int32_t* last_no);

[[noreturn]] void report_no_wait(int64_t wait_id);

// ---------------------------------------------------------------------------------------------
// Writing: inside SPI and owner_begin()
// ---------------------------------------------------------------------------------------------

void insert_wait(const Catalog& catalog, const NewWait& wait);
// Draws its place in the queue. Returns when the option ends; DT_NOEND: nothing is known.
TimestampTz insert_option(const Catalog& catalog, const NewWaitOption& option);

// Locks a wait's row to the end of the transaction; TK005 if there is none. Waits for whoever has
// it locked.
struct LockedWait {
    int64_t user_id;
    bool is_open;
    bool has_passengers;
    Datum passengers;  // palloc'd in the memory of SPI
    bool has_deadline;
    TimestampTz deadline;
    int32_t min_tickets;  // 0: NULL
};
LockedWait lock_wait(const Catalog& catalog, int64_t wait_id);

// Gives an open wait another deadline, and its open options another end. Returns the earliest end.
TimestampTz set_wait_deadline(const Catalog& catalog, int64_t wait_id, TimestampTz deadline);
// Ends an open wait, and its open options, as cancelled.
void cancel_wait(const Catalog& catalog, int64_t wait_id);

// Appends the row of the wait to the result set.
void return_wait(const Catalog& catalog, int64_t wait_id, ReturnSetInfo* result);

}  // namespace ticketpool
