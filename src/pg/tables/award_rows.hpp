// The rows of a wait that is awarded: read, and ended.
//
// There are two ways to do that, and callers do not know which one is used. SQL is used if
// something asks for the executor (row_writer.hpp); it locks the rows at the beginning. Otherwise
// tables and indexes are used directly, and nothing is locked before the rows are changed: who has
// changed them meanwhile, or is about to, makes that fail, and the award is undone with its
// subtransaction. Neither way waits for another session.
#pragma once

#include "tables/row_target.hpp"

namespace ticketpool {

struct OpenRow {
    HeapTuple tuple;
    RowValues values;
};

enum AwardColumn {
    kAwardUser,
    kAwardPassengers,
    kAwardMatch,
    kAwardTtl,
    kAwardChoice,
    kAwardColumns
};

// An open wait as its rows are now, in memory of the current context. No member of it is for
// callers, but for what they may read of the rows.
struct OpenWait {
    int64_t wait_id;
    int32_t option_no;
    Datum value[kAwardColumns];
    bool is_null[kAwardColumns];
    bool direct;
    OpenRow row;
    OpenRow* options;  // all that are open
    int count;
};

enum class Opened {
    kYes,
    kGone,  // the wait is over, or the option is
    kBusy   // another transaction has locked or changed the wait, or is about to
};

// Call these inside SPI and owner_begin().
Opened open_wait(const Catalog& catalog, int64_t wait_id, int32_t option_no, OpenWait* wait);
// The wait was served with the order, by its option; its other options are cancelled. False:
// another transaction was first.
bool end_as_awarded(const Catalog& catalog, OpenWait* wait, int64_t order_id);

}  // namespace ticketpool
