// What has moved to another node: departures, with their orders and quotas.
//
// A node that has given a departure away keeps its train and day (ticket_parcel) and the ids that
// went with it (ticket_moved). So it never says of them that they do not exist: the answer is
// SQLSTATE 08001, nothing was done. The error names the node that has them now: its constraint
// field is node_N.
//
// Both tables are looked into only where a row was not found.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The columns of ticket_parcel.
enum ParcelColumn : AttrNumber {
    kParcelId = 1,
    kParcelDirection,
    kParcelTrain,
    kParcelDate,
    kParcelDeparture,
    kParcelToNode,
    kParcelState,
    kParcelParts
};

// The constraint field of an error about a departure that is about to leave.
inline constexpr const char* kMovingField = "moving";

enum class MovedKind { kOrder, kReservation };

// 08001 if it has moved to another node.
void refuse_moved(const Catalog& catalog, Text train, DateADT date);
void refuse_moved(const Catalog& catalog, MovedKind kind, int64_t id);

// 08001 if the departure has moved to another node, else TK001.
[[noreturn]] void report_no_departure(const Catalog& catalog, Text train, DateADT date);

}  // namespace ticketpool
