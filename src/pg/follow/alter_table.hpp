// Keeps the partitions of ticket_order as the pool needs them, whatever ALTER TABLE does to them.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "nodes/parsenodes.h"
}

namespace ticketpool {

// The relation if it is a partition of the extension's ticket_order, else InvalidOid.
Oid named_order_partition(const RangeVar* name);

// Called before and after each ALTER TABLE.
void before_alter_table(const AlterTableStmt* statement);
void after_alter_table(const AlterTableStmt* statement);

}  // namespace ticketpool
