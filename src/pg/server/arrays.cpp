// Takes values of array and interval columns apart (arrays.hpp).
#include "server/arrays.hpp"

namespace ticketpool {

Elements elements_of(Datum array, Oid type, int length, bool by_value, char alignment) {
    Elements elements;
    deconstruct_array(DatumGetArrayTypeP(array), type, length, by_value, alignment,
                      &elements.values, &elements.nulls, &elements.count);
    return elements;
}

int64_t interval_microseconds(const Interval* interval) {
    return interval->time + interval->day * USECS_PER_DAY;
}

}  // namespace ticketpool
