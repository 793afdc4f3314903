// The rules that come with the extension. Each is one query over the extension's tables, as the
// extension's owner, whose only value is the reason; no row: may buy.
#include "errors.hpp"
#include "order_rows.hpp"
#include "settings.hpp"
#include "shared_memory.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// The arguments of the rule are $1, $2, ... of the query.
Datum answer(FunctionCallInfo fcinfo, const char* sql) {
    static const Oid kTicketTypes[] = {INT8OID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID};
    static const Oid kItemTypes[] = {INT8OID, INT8OID, INT8OID};
    require_shared_memory();
    Oid types[lengthof(kTicketTypes)] = {};
    Datum values[lengthof(kTicketTypes)] = {};
    for (int i = 0; i < PG_NARGS(); i++) {
        if (PG_ARGISNULL(i)) {
            PG_RETURN_NULL();
        }
        types[i] = PG_NARGS() == 3 ? kItemTypes[i] : kTicketTypes[i];
        values[i] = PG_GETARG_DATUM(i);
    }
    MemoryContext context = CurrentMemoryContext;
    OwnerScope scope;
    owner_begin(catalog_of(fcinfo), &scope);
    SPI_connect();
    if (SPI_execute_with_args(sql, PG_NARGS(), types, values, nullptr, true, 1) != SPI_OK_SELECT) {
        elog(ERROR, "could not ask a rule");
    }
    char* reason = SPI_processed == 0
                       ? nullptr
                       : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    if (reason != nullptr) {
        reason = MemoryContextStrdup(context, reason);
    }
    SPI_finish();
    owner_end(scope);
    if (reason == nullptr) {
        PG_RETURN_NULL();
    }
    PG_RETURN_TEXT_P(cstring_to_text(reason));
}

// $1 has questions and $2 has not answered one of them lately.
Datum answer_gate(FunctionCallInfo fcinfo) {
    const Catalog& catalog = catalog_of(fcinfo);
    return answer(fcinfo,
                  psprintf("SELECT 'user ' || $2 || ' has to answer a question first (item_ask, "
                           "item_answer)' WHERE EXISTS (SELECT FROM %s WHERE item_id = $1) AND NOT "
                           "EXISTS (SELECT FROM %s WHERE item_id = $1 AND user_id = $2 AND "
                           "opened_until > clock_timestamp())",
                           qualified_name(catalog.question), qualified_name(catalog.gate)));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_rule_one_per_departure) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    return answer(
        fcinfo,
        psprintf(
            "SELECT 'passenger ' || p || ' has a ticket for this train and day' FROM (SELECT "
            "o.passenger_id AS p FROM %s AS d JOIN %s AS o ON o.departure_id = d.departure_id "
            "AND o.service_date = d.service_date WHERE d.departure_id = $1 AND o.status IN "
            "('held', 'sold') AND o.passenger_id = ANY ($3) UNION ALL SELECT p FROM unnest($3) "
            "AS p GROUP BY p HAVING count(*) > 1) AS q LIMIT 1",
            qualified_name(catalog.departure), qualified_name(catalog.order)));
}

TICKETPOOL_FUNCTION(ticket_rule_no_overlap) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    // A train runs for some days at most: trips that could overlap set out within a week of each
    // other.
    return answer(
        fcinfo,
        psprintf(
            "WITH n AS (SELECT d.service_date AS day, d.service_date + "
            "r.departs[array_position(r.stop_nos, $4)] AS departs, "
            "d.service_date + r.arrives[array_position(r.stop_nos, $5)] AS arrives FROM %1$s AS d "
            "JOIN %2$s AS r USING (route_id) WHERE d.departure_id = $1) "
            "SELECT 'passenger ' || o.passenger_id || ' has a ticket for a trip at the same time' "
            "FROM n, %3$s AS o JOIN %1$s AS d USING (departure_id) JOIN %2$s AS r USING (route_id) "
            "WHERE o.service_date BETWEEN n.day - 7 AND n.day + 7 AND o.status IN ('held', 'sold') "
            "AND o.passenger_id = ANY ($3) "
            "AND d.service_date + r.departs[array_position(r.stop_nos, o.from_stop)] < n.arrives "
            "AND n.departs < d.service_date + r.arrives[array_position(r.stop_nos, o.to_stop)] "
            "LIMIT 1",
            qualified_name(catalog.departure), qualified_name(catalog.route),
            qualified_name(catalog.order)));
}

TICKETPOOL_FUNCTION(ticket_rule_user_limit) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    return answer(
        fcinfo,
        psprintf("SELECT 'a user may have %1$d tickets for a train and day' FROM %2$s AS d JOIN "
                 "%3$s AS o ON o.departure_id = d.departure_id AND o.service_date = d.service_date "
                 "WHERE d.departure_id = $1 AND o.user_id = $2 AND o.status IN ('held', 'sold') "
                 "HAVING count(*) + cardinality($3) > %1$d",
                 setting_user_limit, qualified_name(catalog.departure),
                 qualified_name(catalog.order)));
}

TICKETPOOL_FUNCTION(ticket_rule_question_gate) {
    return ticketpool::answer_gate(fcinfo);
}

TICKETPOOL_FUNCTION(item_rule_user_limit) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    // numeric: the sum of two bigints may be none
    return answer(fcinfo,
                  psprintf("SELECT 'a user may have %1$d units of this item' FROM %2$s WHERE "
                           "item_id = $1 AND user_id = $2 AND status = 'sold' HAVING "
                           "coalesce(sum(buy_quantity), 0) + $3 > %1$d",
                           setting_item_limit, qualified_name(catalog.item_order)));
}

TICKETPOOL_FUNCTION(item_rule_question_gate) {
    return ticketpool::answer_gate(fcinfo);
}
