// The extension's own SQLSTATEs, and the checks of arguments that every function shares.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

inline constexpr int kErrorNoDeparture = MAKE_SQLSTATE('T', 'K', '0', '0', '1');
inline constexpr int kErrorNoTrip = MAKE_SQLSTATE('T', 'K', '0', '0', '2');
inline constexpr int kErrorNotOnSale = MAKE_SQLSTATE('T', 'K', '0', '0', '3');
inline constexpr int kErrorRule = MAKE_SQLSTATE('T', 'K', '0', '0', '4');
inline constexpr int kErrorOrder = MAKE_SQLSTATE('T', 'K', '0', '0', '5');
inline constexpr int kErrorClass = MAKE_SQLSTATE('T', 'K', '0', '0', '6');
inline constexpr int kErrorTooFewSeats = MAKE_SQLSTATE('T', 'K', '0', '0', '7');

// 22004 if argument `number` (from 0) is NULL.
void require_argument(FunctionCallInfo fcinfo, int number, const char* name);

// 42P01: a relation of the extension was dropped while a function was at work.
[[noreturn]] void report_gone();

[[noreturn]] void report_null(const char* name);

// 22023 if the name of a channel is empty or too long.
void check_channel(Text channel);

// The caller's place for a set of rows; ereports if the caller has none. A function that returns
// without having made a result set (InitMaterializedSRF) returns no row.
ReturnSetInfo* require_set_result(FunctionCallInfo fcinfo);

// 39P01: a trigger function was called as a plain one.
[[noreturn]] void report_no_trigger(const char* function);

// In an ereport of TK005: no row has the order_id. A REPEATABLE READ transaction does not see a row
// that is newer than its snapshot or was rewritten since.
int detail_of_no_order(const char* table);
int hint_of_no_order();

const char* date_text(DateADT date);

// 09000: a statement of the extension did not write the rows that it should have.
[[noreturn]] void report_not_written(const char* sql);

// 09000: a trigger has changed the row that a statement of the extension writes.
[[noreturn]] void report_changed_by_trigger(Oid table);

// XX001: a row that ticket_open wrote is gone.
[[noreturn]] void report_damaged(const char* table, int64_t id);

// 54000 if a name is too long for the pool, 22023 if it is empty.
enum class NameOf { kTrain, kStation, kSeatClass, kCoach };
void check_name(NameOf what, Text value);

}  // namespace ticketpool
