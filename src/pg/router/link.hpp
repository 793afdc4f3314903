// Calls of a node's functions, through PL/Proxy.
//
// Every call goes to ticket_call on the node, which answers with rows or with the error of the
// function that it called. So an error of the node arrives here as data, complete, and costs no
// connection. What PL/Proxy itself raises is another matter: the node could not be reached, or
// something between here and there broke. Then SQLSTATE 08001 says that nothing was done, and 08007
// that this is not known:
//
//   no connection                        nothing was sent: 08001
//   a pooler had no server for the call  nothing was sent: 08001
//   the connection broke, or no answer
//   within router.call_timeout           08007; 08001 if the call changes nothing
//   an error at the node's commit        the node's own SQLSTATE: it has rolled back
//   the caller cancels                   57014 if the call changes nothing, else 08007: the node is
//                                        not asked to stop
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// kRead: where a node's searches go, which may be a standby.
enum class Cluster { kPrimary, kRead };

// What a call may have done if its answer is lost, and what helps then.
enum class Effect {
    kNone,     // it changes nothing
    kRequest,  // it takes a request_id
    kAgain,    // it may be repeated: the second call changes nothing more
    kUnknown,  // look first
};

// What a node answered. Everything is in the memory context of the call.
struct Answer {
    int node;
    int sqlstate;         // 0: rows, else an error
    const Datum* values;  // texts: rows * columns, or what kError... number
    const bool* nulls;
    int count;
};

// The fields of an answer that is an error.
enum ErrorField {
    kErrorMessage,
    kErrorDetail,
    kErrorHint,
    kErrorContext,
    kErrorSchema,
    kErrorTable,
    kErrorColumn,
    kErrorDatatype,
    kErrorConstraint,
    kErrorFields,
};
// null: the answer has none.
const char* error_field(const Answer& answer, ErrorField field);

// 08001, "moved away": the node has given the departure or the order to another node, or is about
// to. Its constraint field says so: a trigger there may raise 08001, too.
bool says_moved(const Answer& answer);

// Calls a function of a node. arguments, columns: of type text[]; columns 0: the value as a whole.
// An error of the function is an answer; everything else is raised. `share`: the answer has to come
// within this part of router.call_timeout, for a call that may be made up to so many times.
Answer ask_node(int node, Cluster cluster, const char* function, Datum arguments, Datum columns,
                Effect effect, int share = 1);
// Raises the error of an answer again, as it was on the node.
[[noreturn]] void raise_answer(const Answer& answer);
// Both: rows, or the node's error is raised.
Answer call_node(int node, Cluster cluster, const char* function, Datum arguments, Datum columns,
                 Effect effect);

// For a call that changes nothing: asks where the node's searches go, and its primary if there is
// no answer.
Answer ask_either(int node, const char* function, Datum arguments, Datum columns, int share = 2);

// Calls the function on all nodes at the same time, with arguments of its own each. The answers are
// in the order of `nodes`. If one node can't be reached, the call fails: with 08007 if it changes
// something, because the others may have done their part.
void ask_nodes(const int* nodes, const Datum* arguments, int count, Cluster cluster,
               const char* function, Datum columns, Effect effect, Answer* answers, int share = 1);

// A text[] without NULLs.
Datum text_array(const char* const* values, int count);

}  // namespace ticketpool
