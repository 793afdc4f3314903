// A scan node of our own for functions in FROM that return orders.
//
// The server's FunctionScan is ready for whatever a function may be. Before ticket_buy() begins, it
// looks up and copies the row type three times over: 18,000 instructions, of 3,400 that a refused
// purchase costs in all, and of 43,000 that a sold one does. This node knows what it calls.
//
// It takes the place of a FunctionScan over one call of a function that is listed here, with
// arguments that are the same for the whole query: constants, parameters of the statement, and
// expressions of these. So the function runs once, however often the node is scanned again, like
// under a FunctionScan. Where a query wants the row as a whole, or numbers the rows, FunctionScan
// stays.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

void install_call_scan();

// Instead of InitMaterializedSRF(fcinfo, 0) in a function that the node may have called, or whose
// row type may change: one of a table.
void begin_result(FunctionCallInfo fcinfo);

// Where rows go after begin_result(): made when the first one comes.
Tuplestorestate* result_rows(ReturnSetInfo* result);

// The whole result is this row: true if the node has taken it as it is, else it has to go to
// result_rows(). Columns beyond `columns` are NULL. The values stay where they are: call it in the
// memory context that the function was called in, with values from there.
bool return_single_row(ReturnSetInfo* result, const Datum* values, const bool* is_null,
                       int columns);

}  // namespace ticketpool
