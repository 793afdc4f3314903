// Prepared statements of the extension's own: parsed and planned once a session.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// As SPI_execute_with_args(sql, ..., read_only = false, no limit), inside SPI and owner_begin().
// The server's plan cache plans again what has become stale. In a RowScope::kEvery the statement is
// planned without the policies that a table forces on its owner, but it runs under them: they bind
// the triggers that it fires, and the plans that these keep, as always. `snapshot`: what the
// statement sees, besides what this transaction has done; without one it takes its own.
int execute_planned(const char* sql, int count, Oid* types, Datum* values, const char* nulls,
                    Snapshot snapshot = InvalidSnapshot);

// Runs a command that returns no rows and has no plan (CREATE, ALTER), inside SPI.
void execute_utility(const char* command);

}  // namespace ticketpool
