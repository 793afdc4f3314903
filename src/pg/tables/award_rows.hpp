// The rows of a wait that is awarded: locked, and ended.
//
// There are two ways to do that, and callers do not know which one is used. SQL is used if
// something asks for the executor (row_writer.hpp). Otherwise tables and indexes are used directly.
// Either way the rows are locked at the beginning, without waiting for another session, as they are
// now: nobody else changes them until the award is committed or undone. The tables are locked
// already.
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

// An open wait, in memory of the current context. Callers read `value` and `is_null`.
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
    kBusy   // another transaction has locked the wait, or changes it
};

// Call these inside SPI and owner_begin(), with an active snapshot.
Opened open_wait(const Catalog& catalog, int64_t wait_id, int32_t option_no, OpenWait* wait);
// The wait was served with the order, by its option; its other options are cancelled.
void end_as_awarded(const Catalog& catalog, OpenWait* wait, int64_t order_id);

}  // namespace ticketpool
