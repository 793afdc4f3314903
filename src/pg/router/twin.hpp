// A twin is a function of the router that has the name, the arguments and the columns of a node's
// function. Its C function finds the node, and passes the arguments on and the rows back.
//
// A session learns once what a twin is, and again after it has changed.
#pragma once

#include "router/link.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct TwinArgument {
    const char* name;
    Oid type;
    FmgrInfo output;
};

struct TwinColumn {
    int attribute;  // from 0
    Oid type;
    FmgrInfo input;
    Oid io_parameter;
    int32_t modifier;
};

struct Twin {
    Oid function;
    Oid row_relation;    // of the named row type, or InvalidOid
    const char* schema;  // quoted
    const char* name;    // as on the node
    int argument_count;
    TwinArgument* arguments;
    int train, service_date;  // numbers of these arguments from 0, or -1
    bool takes_request_id;
    bool opens_departure;
    bool returns_set;
    Oid result;           // type, where there are no columns
    TupleDesc row;        // null: one value
    int column_count;     // of the answer
    TwinColumn* columns;  // of the answer
    Datum column_names;   // for the node; 0: one value
};

// The twin that is being called.
const Twin& twin_of(FunctionCallInfo fcinfo);
// The number of an argument, from 0; -1: there is none.
int argument_number(const Twin& twin, const char* name);

// The call's arguments as texts, for the node: text[].
Datum encode_arguments(FunctionCallInfo fcinfo, const Twin& twin);
// One value as text, in the form that every node reads. The same for other types.
Datum encode_value(Datum value, Oid type);

// What a twin of a function that changes something does first. 25006 in a read-only transaction,
// 25001 in a transaction block: the node's transaction would not be part of it.
void require_no_transaction(const Twin& twin);

// The row that begins at values[first], for tuplestore_putvalues().
void decode_row(const Twin& twin, const Answer& answer, int first, Datum* values, bool* nulls);
// Makes the result set.
void begin_twin_result(FunctionCallInfo fcinfo, const Twin& twin);
// Appends the rows of an answer to the result set.
void add_rows(FunctionCallInfo fcinfo, const Twin& twin, const Answer& answer);
// An answer with rows, or one value, is the result of the call.
Datum return_answer(FunctionCallInfo fcinfo, const Twin& twin, const Answer& answer);

}  // namespace ticketpool
