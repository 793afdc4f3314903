// The twins of ticket_wait and ticket_wait_add. (The other calls of a wait are routed by its id:
// by_id.cpp.)
//
// A wait is on one node, with all its options: one transaction decides which of them is served, and
// ends the others. So the options of a call have to be on one node, and those that are added on the
// node of the wait: 0A000 before anything is sent. A wait is nowhere else: router_move takes no
// departure that somebody waits for.
//
// If a departure of the options is or was being moved, the call is made again where the routes then
// say (pursuit.hpp). A wait that is over stays behind when its departure is moved. So the repeat of
// a call with a request_id first asks the nodes that the departures came from.
#include "router/ask.hpp"
#include "router/by_id.hpp"
#include "router/by_train.hpp"
#include "router/pursuit.hpp"
#include "router/request_fields.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/request_array.hpp"
#include "server/subtransaction.hpp"

namespace ticketpool {
namespace {

struct Option {
    Text train;  // data null: NULL
    DateADT date;
};

struct WaitCall {
    const Twin& twin;
    Option* options;
    int count;
    Datum arguments;  // for the node: every option has a date
};

// The node that the options of a call are on, and the first of them; node 0: there are no options.
struct Place {
    Option option;
    int node;
};

// ---------------------------------------------------------------------------------------------
// The call
// ---------------------------------------------------------------------------------------------

// Reads the options. Gives those without a date the caller's day; returns whether there are any.
bool read_options(const RequestArray& array, WaitCall* call) {
    const int train = require_field(call->twin, array.columns, "train");
    const int date = require_field(call->twin, array.columns, "service_date");
    const size_t fields = static_cast<size_t>(array.columns->natts);
    Datum* values = static_cast<Datum*>(palloc(fields * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(fields * sizeof(bool)));
    bool any = false;
    for (int i = 0; i < array.count; i++) {
        read_request(array, i, values, nulls);
        if (nulls[date]) {
            values[date] = DateADTGetDatum(today());
            nulls[date] = false;
            array.elements[i] = heap_copy_tuple_as_datum(
                heap_form_tuple(array.columns, values, nulls), array.columns);
            any = true;
        }
        call->options[i] = {nulls[train] ? Text{nullptr, 0} : text_of(values[train]),
                            DatumGetDateADT(values[date])};
    }
    return any;
}

Datum replace_argument(Datum arguments, int number, Datum text) {
    int subscript = number + 1;
    return array_set_element(arguments, 1, &subscript, text, false, -1, -1, false, TYPALIGN_INT);
}

WaitCall open_call(FunctionCallInfo fcinfo, const Twin& twin) {
    constexpr int kRequestFields = 10;
    const int number = argument_number(twin, "options");
    require_argument(fcinfo, number, "options");
    const RequestArray array = open_requests(PG_GETARG_ARRAYTYPE_P(number), "ticket_request",
                                             kRequestFields, Numbered::kOption);
    WaitCall call{twin,
                  static_cast<Option*>(MemoryContextAllocHuge(
                      CurrentMemoryContext, static_cast<Size>(array.count) * sizeof(Option))),
                  array.count, encode_arguments(fcinfo, twin)};
    if (read_options(array, &call)) {
        const Oid type = twin.arguments[number].type;
        const Datum dated = PointerGetDatum(construct_array(
            array.elements, array.count, get_element_type(type), -1, false, TYPALIGN_DOUBLE));
        call.arguments = replace_argument(call.arguments, number, encode_value(dated, type));
    }
    return call;
}

// ---------------------------------------------------------------------------------------------
// Where it goes
// ---------------------------------------------------------------------------------------------

Place place_of(const WaitCall& call, const Option& option) {
    if (option.train.data == nullptr) {
        report_null("train");
    }
    return {option, routed_node(call.twin, option.train, option.date)};
}

[[noreturn]] void report_two_nodes(const WaitCall& call, const Place& one, const Place& other) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("the options of %s are on two nodes", call.twin.name),
             errdetail("Train \"%s\" of %s is on node %d, train \"%s\" of %s on node %d.",
                       printable(one.option.train), date_text(one.option.date), one.node,
                       printable(other.option.train), date_text(other.option.date), other.node),
             errhint("Wait on each node with a call of its own, and cancel the other waits when "
                     "one of them is awarded.")));
}

// 0A000: they are on several nodes.
Place place_of_options(const WaitCall& call) {
    Place first{};
    Place other{};
    do_numbered(
        1, call.count,
        [&](int32_t number) {
            const Place place = place_of(call, call.options[number - 1]);
            if (number == 1) {
                first = place;
            } else if (other.node == 0 && place.node != first.node) {
                other = place;
            }
        },
        Numbered::kOption);
    if (other.node != 0) {
        report_two_nodes(call, first, other);
    }
    return first;
}

// The node of a wait, as far as the id alone says it. If it may be on two, they are asked.
int node_of_wait(int64_t wait_id, const NodeList& nodes) {
    ErrorData* failed = nullptr;
    for (int i = 0; nodes.count > 1 && i < nodes.count; i++) {
        Rows rows{};
        ErrorData* error = in_subtransaction([&] {
            rows = ask_rows(nodes.nodes[i], Cluster::kPrimary, "ticket_wait_status",
                            {id_text(wait_id)}, {"option_no"}, Effect::kNone, 2);
            return true;
        });
        if (error != nullptr && !is_no_answer(error)) {
            ReThrowError(error);
        }
        failed = failed == nullptr ? error : failed;
        if (error == nullptr && rows.answer.sqlstate == 0) {
            return nodes.nodes[i];
        }
    }
    if (failed != nullptr) {
        ReThrowError(failed);
    }
    return nodes.nodes[0];  // if it is not there, that node says so
}

void require_node_of_wait(const Place& place, int64_t wait_id, int node) {
    if (place.node != node) {
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("the options are on another node than wait " INT64_FORMAT, wait_id),
                 errdetail("Train \"%s\" of %s is on node %d, the wait on node %d.",
                           printable(place.option.train), date_text(place.option.date), place.node,
                           node),
                 errhint("Pass them to a call of their own of ticket_wait, and cancel the other "
                         "wait when one of them is awarded.")));
    }
}

// ---------------------------------------------------------------------------------------------
// Carrying out
// ---------------------------------------------------------------------------------------------

Answer ask(const WaitCall& call, int node, Effect effect) {
    return ask_node(node, Cluster::kPrimary, call.twin.name, call.arguments, call.twin.column_names,
                    effect);
}

// The node is to say what is wrong with a wait that is for nothing: any node can.
Answer ask_without_options(const WaitCall& call) {
    const NodeList nodes = all_nodes(call.twin.schema);
    if (nodes.count == 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s has no option", call.twin.name),
                        errdetail("The list of options is empty."), errhint("Name a trip.")));
    }
    return ask(call, nodes.nodes[0], Effect::kNone);
}

// Asks the nodes that departures of the options came from for the wait of an earlier call. They do
// not have these departures any more, so they enter no new one. False: none has it.
bool find_first_call(const WaitCall& call, int node, Answer* answer) {
    for (int i = 0; i < call.count; i++) {
        const DateADT date = call.options[i].date;
        if (i > 0 && date == call.options[i - 1].date) {
            continue;
        }
        const NodeList nodes = nodes_before(call.twin.schema, node, date);
        for (int j = 0; j < nodes.count; j++) {
            *answer = ask(call, nodes.nodes[j], Effect::kRequest);
            if (answer->sqlstate == 0) {
                return true;
            }
        }
    }
    return false;
}

// Calls the function on the node of the options, and again if they have moved meanwhile.
Answer call_by_options(const WaitCall& call, bool has_request_id) {
    Pursuit pursuit{0};
    Answer found{};
    Place place = place_of_options(call);
    if (place.node == 0) {
        return ask_without_options(call);
    }
    if (has_request_id && find_first_call(call, place.node, &found)) {
        return found;
    }
    for (;;) {
        const Answer answer = ask(call, place.node, Effect::kRequest);
        if (!may_have_moved(answer)) {
            return answer;
        }
        const Place now = place_of_options(call);
        if (now.node != place.node) {
            place = now;
            continue;
        }
        if (!says_moved(answer)) {
            return answer;
        }
        const int named = node_named_by(call.twin.schema, answer);
        if (named != 0) {
            const Answer there = ask(call, named, Effect::kRequest);
            if (!says_moved(there) && there.sqlstate != kErrorNoDeparture) {
                return there;
            }
        }
        wait_for_move(&pursuit, "a departure of the wait");
        place = place_of_options(call);
    }
}

// The same on the node of the wait.
Answer call_by_wait(const WaitCall& call, int64_t wait_id) {
    Pursuit pursuit{0};
    for (;;) {
        const Place place = place_of_options(call);
        const NodeList nodes = nodes_of_id(call.twin.schema, wait_id, IdOf::kWait);
        if (place.node == 0 || nodes.count == 0) {
            return call_by_id(call.twin, wait_id, IdOf::kWait, call.arguments, Effect::kUnknown);
        }
        const int node = node_of_wait(wait_id, nodes);
        require_node_of_wait(place, wait_id, node);
        const Answer answer = ask(call, node, Effect::kUnknown);
        if (!says_moved(answer)) {
            return answer;
        }
        wait_for_move(&pursuit, "a departure of the options");
    }
}

Datum return_or_raise(FunctionCallInfo fcinfo, const Twin& twin, const Answer& answer) {
    if (answer.sqlstate != 0) {
        raise_answer(answer);
    }
    return return_answer(fcinfo, twin, answer);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_wait) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const int request_id = argument_number(twin, "request_id");
    return return_or_raise(fcinfo, twin,
                           call_by_options(open_call(fcinfo, twin), !PG_ARGISNULL(request_id)));
}

TICKETPOOL_FUNCTION(router_wait_add) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    require_argument(fcinfo, 0, twin.arguments[0].name);
    return return_or_raise(fcinfo, twin, call_by_wait(open_call(fcinfo, twin), PG_GETARG_INT64(0)));
}
