// The twins that ask several nodes: ticket_search and ticket_trains.
//
// Asked are the nodes on which a train that calls at both stations sets out on the day or on one of
// the days before, as many as the node's trains take (router_station, router_node.route_days). Each
// answers in order of departure, and the answers are merged in the same order: time of departure,
// time of arrival, train. The order of rows that one node gave stays as it is: that of the classes
// of a train is not in them.
//
// All are asked at the same time. If that fails, one of them does not answer, and it is not known
// which: so each is asked alone, its primary too if a standby did not answer.
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"

namespace ticketpool {
namespace {

// All nodes together have half of router.call_timeout, and then a node and its standby a quarter
// each: so the search ends within it if one node does not answer.
constexpr int kShareOfAll = 2;
constexpr int kShareOfEach = 4;

// What is asked, and `count` answers.
struct Search {
    const Twin& twin;
    NodeList nodes;
    Datum arguments;
    Text unknown;  // a station that no node serves; data null: the nodes serve both
    Answer* answers;
    int count;
};

bool is_unreachable(const ErrorData* error) {
    return error->sqlerrcode == ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
}

void ask_all(Search* search) {
    const int count = search->nodes.count;
    search->count = count;
    if (count == 1) {
        search->answers[0] =
            ask_node(search->nodes.nodes[0], Cluster::kRead, search->twin.name, search->arguments,
                     search->twin.column_names, Effect::kNone, kShareOfAll);
        return;
    }
    Datum* arguments = static_cast<Datum*>(palloc(static_cast<Size>(count) * sizeof(Datum)));
    for (int i = 0; i < count; i++) {
        arguments[i] = search->arguments;
    }
    ask_nodes(search->nodes.nodes, arguments, count, Cluster::kRead, search->twin.name,
              search->twin.column_names, Effect::kNone, search->answers, kShareOfAll);
}

void warn_partial(const Search& search, int node, const ErrorData* error) {
    ereport(WARNING, (errmsg("%s is without the trains of node %d", search.twin.name, node),
                      errdetail("%s", error->detail == nullptr ? error->message : error->detail),
                      errhint("Turn router.partial_search off to get an error instead.")));
}

// Asks each node alone. A node that does not answer is an error, or is left out with a WARNING.
void ask_each(Search* search) {
    ErrorData* failed = nullptr;
    search->count = 0;
    for (int i = 0; i < search->nodes.count; i++) {
        Answer* answer = &search->answers[search->count];
        ErrorData* error = in_subtransaction([&] {
            *answer = ask_either(search->nodes.nodes[i], search->twin.name, search->arguments,
                                 search->twin.column_names, kShareOfEach);
            return true;
        });
        if (error == nullptr) {
            search->count++;
            continue;
        }
        failed = error;
        if (!is_unreachable(error)) {
            ReThrowError(error);
        }
        if (search->unknown.data != nullptr) {
            continue;  // it serves neither: what the others say about the station is enough
        }
        if (!setting_partial_search) {
            ReThrowError(error);
        }
        warn_partial(*search, search->nodes.nodes[i], error);
    }
    if (search->count == 0 && failed != nullptr) {
        ReThrowError(failed);
    }
}

void ask(Search* search) {
    search->answers = static_cast<Answer*>(
        palloc(static_cast<Size>(Max(search->nodes.count, 1)) * sizeof(Answer)));
    search->count = 0;
    if (search->nodes.count == 0) {
        return;
    }
    ErrorData* error = in_subtransaction([&] {
        ask_all(search);
        return true;
    });
    if (error == nullptr) {
        return;
    }
    if (!is_unreachable(error)) {
        ReThrowError(error);
    }
    ask_each(search);
}

// An answer's rows as values: row r has values[r * natts …].
struct Decoded {
    Datum* values;
    bool* nulls;
    int count;
    int next;
};

// The columns that rows are ordered by, from 0.
struct Order {
    int departs, arrives, train, from_stop;
};

int column_number(const Twin& twin, const char* name) {
    for (int i = 0; i < twin.row->natts; i++) {
        if (strcmp(NameStr(TupleDescAttr(twin.row, i)->attname), name) == 0) {
            return i;
        }
    }
    elog(ERROR, "%s has no column %s", twin.name, name);
}

int compare(int64_t a, int64_t b) {
    return a < b ? -1 : static_cast<int>(a > b);
}

int compare_texts(Text a, Text b) {
    const int start = memcmp(a.data, b.data, Min(a.length, b.length));
    return start != 0 ? start
                      : compare(static_cast<int64_t>(a.length), static_cast<int64_t>(b.length));
}

// A trip whose times nobody knows comes last, as on a node.
int compare_times(const Datum* a, const bool* a_null, const Datum* b, const bool* b_null,
                  int column) {
    if (a_null[column] || b_null[column]) {
        return static_cast<int>(a_null[column]) - static_cast<int>(b_null[column]);
    }
    return compare(DatumGetTimestamp(a[column]), DatumGetTimestamp(b[column]));
}

bool is_before(const Order& order, int natts, const Decoded& left, const Decoded& right) {
    const Datum* a = left.values + left.next * natts;
    const Datum* b = right.values + right.next * natts;
    const bool* a_null = left.nulls + left.next * natts;
    const bool* b_null = right.nulls + right.next * natts;
    for (const int column : {order.departs, order.arrives}) {
        const int times = compare_times(a, a_null, b, b_null, column);
        if (times != 0) {
            return times < 0;
        }
    }
    const int trains = compare_texts(text_of(a[order.train]), text_of(b[order.train]));
    return trains != 0 ? trains < 0
                       : DatumGetInt32(a[order.from_stop]) < DatumGetInt32(b[order.from_stop]);
}

Decoded decode(const Twin& twin, const Answer& answer) {
    const int natts = twin.row->natts;
    const int count = answer.count / twin.column_count;
    const Size values = static_cast<Size>(Max(count * natts, 1));
    Decoded rows{
        static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, values * sizeof(Datum))),
        static_cast<bool*>(MemoryContextAllocHuge(CurrentMemoryContext, values)), count, 0};
    for (int i = 0; i < count; i++) {
        decode_row(twin, answer, i * twin.column_count, rows.values + i * natts,
                   rows.nulls + i * natts);
    }
    return rows;
}

void merge(const Search& search, ReturnSetInfo* result) {
    const Twin& twin = search.twin;
    const int natts = twin.row->natts;
    const Order order{column_number(twin, "departs"), column_number(twin, "arrives"),
                      column_number(twin, "train"), column_number(twin, "from_stop")};
    Decoded* rows =
        static_cast<Decoded*>(palloc(static_cast<Size>(search.count) * sizeof(Decoded)));
    for (int i = 0; i < search.count; i++) {
        rows[i] = decode(twin, search.answers[i]);
    }
    for (;;) {
        Decoded* first = nullptr;
        for (int i = 0; i < search.count; i++) {
            if (rows[i].next < rows[i].count &&
                (first == nullptr || is_before(order, natts, rows[i], *first))) {
                first = &rows[i];
            }
        }
        if (first == nullptr) {
            return;
        }
        tuplestore_putvalues(result->setResult, result->setDesc,
                             first->values + first->next * natts,
                             first->nulls + first->next * natts);
        first->next++;
    }
}

// Of several answers that are TK002, one that is about the station that no node serves.
int chosen_error(const Search& search) {
    for (int i = 0; search.unknown.data != nullptr && i < search.count; i++) {
        const char* message = error_field(search.answers[i], kErrorMessage);
        if (message != nullptr &&
            strstr(message, psprintf("\"%s\"", printable(search.unknown))) != nullptr) {
            return i;
        }
    }
    return 0;
}

// A node that does not know a station says so (TK002). It counts only if none knows both.
void leave_out_errors(Search* search) {
    int kept = 0;
    for (int i = 0; i < search->count; i++) {
        const Answer answer = search->answers[i];
        if (answer.sqlstate == 0) {
            search->answers[kept++] = answer;
        } else if (answer.sqlstate != kErrorNoTrip) {
            raise_answer(answer);
        }
    }
    if (kept == 0 && search->count > 0) {
        raise_answer(search->answers[chosen_error(*search)]);
    }
    search->count = kept;
}

// The station that no node serves on any day; data null: none.
Text unknown_station(const char* schema, Text from, Text to) {
    if (!is_known_station(schema, from)) {
        return from;
    }
    return is_known_station(schema, to) ? Text{nullptr, 0} : to;
}

Datum search(FunctionCallInfo fcinfo) {
    const Twin& twin = twin_of(fcinfo);
    for (int i = 0; i < twin.argument_count; i++) {
        require_argument(fcinfo, i, twin.arguments[i].name);
    }
    const Text from = text_of(PG_GETARG_DATUM(0));
    const Text to = text_of(PG_GETARG_DATUM(1));
    Search search{twin,
                  nodes_of_trip(twin.schema, from, to, PG_GETARG_DATEADT(2)),
                  encode_arguments(fcinfo, twin),
                  {nullptr, 0},
                  nullptr,
                  0};
    if (search.nodes.count == 0) {
        search.unknown = unknown_station(twin.schema, from, to);
        if (search.unknown.data != nullptr) {
            search.nodes = all_nodes(twin.schema);  // to hear it in a node's own words
        }
    }
    ask(&search);
    leave_out_errors(&search);
    begin_twin_result(fcinfo, twin);
    ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (search.count == 1) {
        add_rows(fcinfo, twin, search.answers[0]);
    } else if (search.count > 1) {
        merge(search, result);
    }
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_search) {
    return ticketpool::search(fcinfo);
}
