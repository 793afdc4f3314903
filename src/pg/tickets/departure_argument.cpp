// Finds the departure and the classes that a function is to show (departure_argument.hpp).
#include "tickets/departure_argument.hpp"

#include "load/directory.hpp"
#include "tables/moved_away.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {

DepartureRef require_departure(const Catalog& catalog, FunctionCallInfo fcinfo, int train,
                               int date) {
    const Text name = text_of(PG_GETARG_DATUM(train));
    const DateADT day = PG_GETARG_DATEADT(date);
    const DepartureRef ref = directory_find(catalog, name, day);
    if (ref.departure == nullptr) {
        report_no_departure(catalog, name, day);
    }
    return ref;
}

ClassRange class_range(const DepartureRef& ref, FunctionCallInfo fcinfo, int argument) {
    if (PG_ARGISNULL(argument)) {
        return {0, ref.departure->layout->class_count};
    }
    const uint32_t index = resolve_class(ref, false, PG_GETARG_DATUM(argument));
    return {index, index + 1};
}

}  // namespace ticketpool
