// Arguments of functions that show a departure: which one, and which of its classes.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The departure of the train and the day, announced; ereports if there is none. `train` and `date`:
// numbers of the arguments.
DepartureRef require_departure(const Catalog& catalog, FunctionCallInfo fcinfo, int train,
                               int date);

// Classes [first, last): the named one, or all if the argument is NULL.
struct ClassRange {
    uint32_t first;
    uint32_t last;
};
ClassRange class_range(const DepartureRef& ref, FunctionCallInfo fcinfo, int argument);

}  // namespace ticketpool
