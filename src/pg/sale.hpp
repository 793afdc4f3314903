// What all selling functions share: from arguments to claimed seats to order rows.
#pragma once

#include "catalog.hpp"
#include "directory.hpp"
#include "order_rows.hpp"
#include "pg.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

// Who wants what on which departure: checked, with names resolved.
struct Purchase {
    DepartureRef ref;
    Trip trip;
    uint32_t class_index;
    DateADT service_date;
    int64_t user_id;
    const int64_t *passengers;  // party of them
    uint32_t party;
    SeatChoice choice;
    const pg_uuid_t *request_id;  // null: none
};

// The class by name; NULL where the departure has one class only. Ereports TK006.
uint32_t resolve_class(const Departure *departure, Text train, bool is_null, Datum seat_class);

// Ereports TK003 where the departure is not on sale right now.
void require_on_sale(const DepartureRef &ref);
// The same as an answer.
bool is_on_sale(const DepartureRef &ref);

// "12F"
const char *seat_label(const SeatGeometry &seat);

}  // namespace ticketpool
