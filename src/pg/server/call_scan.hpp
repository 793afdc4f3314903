// A scan node of our own for functions in FROM that return orders.
//
// The server's FunctionScan is ready for any function. Before ticket_buy() begins, FunctionScan
// looks up and copies the row type three times. That is 18,000 instructions, where a refused
// purchase itself takes 3,400 and a sold one 43,000. This node knows what it calls.
//
// It takes the place of a FunctionScan over one call of a function that module.cpp lists, with
// arguments that are the same for the whole query: constants, parameters of the statement, and
// expressions of these. So the function runs once, however often the node is scanned again, as
// under a FunctionScan. If a query wants the row as a whole, or numbers the rows, FunctionScan
// stays.
#pragma once

#include <span>

#include "server/pg.hpp"

namespace ticketpool {

// A function of the library that the node calls.
struct CalledFunction {
    const char* symbol;
    PGFunction address;
};
// The array must last as long as the process.
void install_call_scan(std::span<const CalledFunction> functions);

// A row in the memory of the call: its first columns. The columns after these are NULL.
struct SingleRow {
    const Datum* values;
    const bool* is_null;
    int columns;
};

// What a function is given that returns rows to C code instead of a query. A function of the
// library may put a single row here as it is; others make a tuplestore (info.setResult).
struct DirectResult {
    ReturnSetInfo info;
    SingleRow single;            // values null: none
    struct CallScanState* node;  // that makes the call; null: C code of another kind
};
// The row type stays as it is during the call.
void begin_direct_call(DirectResult* result, ExprContext* context, TupleDesc row_type);

// 42501 unless the current user may call the function.
void require_execute(Oid function);
// fmgr_info(), remembered until any function changes; the copy is in the current memory context.
void find_function(Oid function, FmgrInfo* info);

// Instead of InitMaterializedSRF(fcinfo, 0) in a function that the node may have called, or whose
// row type is that of a table and may change.
void begin_result(FunctionCallInfo fcinfo);

// Is the call alone in its transaction (alone.hpp)? may_be_alone() is the part of the question that
// costs little.
bool may_be_alone(FunctionCallInfo fcinfo);
bool is_alone(FunctionCallInfo fcinfo);

// Where rows go after begin_result(). It is made for the first row.
Tuplestorestate* result_rows(ReturnSetInfo* result);

// The whole result is this row. True: the node has taken it as it is; false: it has to go to
// result_rows(). Columns beyond `columns` are NULL. The values stay where they are: call this in
// the memory context that the function was called in, with values from there.
bool return_single_row(ReturnSetInfo* result, const Datum* values, const bool* is_null,
                       int columns);

}  // namespace ticketpool
