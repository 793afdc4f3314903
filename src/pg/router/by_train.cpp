// The twins that are routed by the departure: their arguments name the train and the service date.
#include "router/by_train.hpp"

#include "router/admin.hpp"
#include "router/pursuit.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

const char* departure_text(Text train, DateADT date) {
    return psprintf("departure of train %s on %s", printable(train), date_text(date));
}

}  // namespace

void report_no_route(Text train, DateADT date) {
    ereport(ERROR,
            (errcode(kErrorNoDeparture),
             errmsg("train \"%s\" has no departure on %s", printable(train), date_text(date)),
             errdetail("No row of router_train says which node has the train on that day."),
             errhint("Assign the train to a node with router_assign.")));
}

int routed_node(const Twin& twin, Text train, DateADT date) {
    const int node = route_of_train(twin.schema, train, date);
    if (node == 0) {
        report_no_route(train, date);
    }
    return node;
}

static Answer ask(const Twin& twin, int node, Cluster cluster, Datum arguments, Effect effect) {
    return cluster == Cluster::kRead
               ? ask_either(node, twin.name, arguments, twin.column_names)
               : ask_node(node, cluster, twin.name, arguments, twin.column_names, effect);
}

Answer call_by_train(const Twin& twin, Text train, DateADT date, Cluster cluster, Datum arguments,
                     Effect effect) {
    Pursuit pursuit{0};
    int node = routed_node(twin, train, date);
    bool is_asked_again = false;
    for (;;) {
        const Answer answer = ask(twin, node, cluster, arguments, effect);
        if (answer.sqlstate == 0) {
            return answer;
        }
        if (!may_have_moved(answer)) {
            raise_answer(answer);
        }
        const int now = routed_node(twin, train, date);
        if (now != node) {
            node = now;
            continue;
        }
        // It left that node and came back while the node looked: first for the departure, then for
        // where it went.
        if (answer.sqlstate == kErrorNoDeparture && !is_asked_again) {
            is_asked_again = true;
            continue;
        }
        if (!says_moved(answer)) {
            raise_answer(answer);
        }
        const int named = node_named_by(twin.schema, answer);
        if (named != 0) {
            const Answer there = ask(twin, named, cluster, arguments, effect);
            if (there.sqlstate == 0) {
                return there;
            }
            if (!says_moved(there) && there.sqlstate != kErrorNoDeparture) {
                raise_answer(there);
            }
        }
        wait_for_move(&pursuit, departure_text(train, date));
        node = routed_node(twin, train, date);
    }
}

namespace {

Datum by_train(FunctionCallInfo fcinfo, Cluster cluster, bool changes) {
    const Twin& twin = twin_of(fcinfo);
    if (changes) {
        require_no_transaction(twin);
    }
    require_argument(fcinfo, twin.train, "train");
    require_argument(fcinfo, twin.service_date, "service_date");
    const Effect effect = !changes                ? Effect::kNone
                          : twin.takes_request_id ? Effect::kRequest
                                                  : Effect::kUnknown;
    const Answer answer = call_by_train(twin, text_of(PG_GETARG_DATUM(twin.train)),
                                        PG_GETARG_DATEADT(twin.service_date), cluster,
                                        encode_arguments(fcinfo, twin), effect);
    if (twin.opens_departure) {
        note_departure(
            router_tables(fcinfo), answer.node, TextDatumGetCString(PG_GETARG_DATUM(twin.train)),
            TextDatumGetCString(encode_value(PG_GETARG_DATUM(twin.service_date), DATEOID)));
    }
    return return_answer(fcinfo, twin, answer);
}

// The answer of a node that does not know the train: there is nothing to ask.
Datum explain_no_route(FunctionCallInfo fcinfo, const Twin& twin) {
    begin_twin_result(fcinfo, twin);
    const ReturnSetInfo* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
    // outcome, remaining, held, next_expiry, with_seat_change
    Datum values[] = {CStringGetTextDatum("no_such_trip"), Int32GetDatum(0), Int32GetDatum(0), 0,
                      Int32GetDatum(0)};
    bool nulls[] = {false, false, false, true, false};
    if (twin.row->natts != lengthof(values)) {
        report_gone();
    }
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_change_by_train) {
    return ticketpool::by_train(fcinfo, ticketpool::Cluster::kPrimary, true);
}

TICKETPOOL_FUNCTION(router_read_by_train) {
    return ticketpool::by_train(fcinfo, ticketpool::Cluster::kPrimary, false);
}

// A read that a standby may answer.
TICKETPOOL_FUNCTION(router_ask_by_train) {
    return ticketpool::by_train(fcinfo, ticketpool::Cluster::kRead, false);
}

// Explains also why there is nothing to be had of a train that no node has.
TICKETPOOL_FUNCTION(router_explain_by_train) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    for (const int i : {twin.train, argument_number(twin, "from_station"),
                        argument_number(twin, "to_station"), twin.service_date}) {
        require_argument(fcinfo, i, twin.arguments[i].name);
    }
    if (route_of_train(twin.schema, text_of(PG_GETARG_DATUM(twin.train)),
                       PG_GETARG_DATEADT(twin.service_date)) == 0) {
        return explain_no_route(fcinfo, twin);
    }
    return by_train(fcinfo, Cluster::kPrimary, false);
}
