// The classes of advisory locks that the extension takes, each in the current database. SQL's own
// functions have the classes 1 and 2, so no lock of a user conflicts with these.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "storage/lock.h"
}

namespace ticketpool {

enum class AdvisoryLock : uint16_t {
    kRequest = 3,   // a request_id: request_locks.cpp
    kNewRows = 4,   // new departures and inventories, against orders that wait for them:
                    // by_hand.cpp, item_by_hand.cpp
    kPeople = 5,    // users and passengers, while rules are asked about them: rules.cpp
    kMove = 6,      // a departure that router_move is moving: move.cpp
    kImport = 7,    // ticket_import_gtfs: import_gtfs.cpp
    kWaitCall = 8,  // a request_id of ticket_wait: wait_calls.cpp
    kWaiter = 9,    // a user who joins the waiting list: wait_calls.cpp
};

inline LOCKTAG advisory_tag(AdvisoryLock what, uint32_t first, uint32_t second) {
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, first, second, static_cast<uint16_t>(what));
    return tag;
}

}  // namespace ticketpool
