// What ALTER TABLE leaves to do:
//
//   ATTACH PARTITION   the partition gets the trigger that tells the pool of TRUNCATE (it inherits
//                      the row triggers). In a restore, columns that users had added to
//                      ticket_order, which a dump has on the partitions only, are added to
//                      ticket_order first, and ticket_order loses each NOT NULL that the partition
//                      lacks. Indexes are added, too, before those of the partitions are attached
//                      to them. Conversely, a table of an earlier version gets the columns that
//                      ticket_order has got since
//   DETACH PARTITION   the table loses that trigger: it is an ordinary table from then on
//   ENABLE TRIGGER     what pg_restore --disable-triggers does at its end: our triggers again fire
//                      always, also under session_replication_role = replica
#include "follow/alter_table.hpp"

#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_origin.hpp"
#include "tables/order_days.hpp"

extern "C" {
#include "access/attmap.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
}

namespace ticketpool {
namespace {

bool is_order_table(Oid relation) {
    const char* name = OidIsValid(relation) ? get_rel_name(relation) : nullptr;
    if (name == nullptr || strcmp(name, "ticket_order") != 0) {
        return false;
    }
    const Oid extension = getExtensionOfObject(RelationRelationId, relation);
    return OidIsValid(extension) && extension == get_extension_oid("ticketpool", true);
}

// If its version is not the library's, it has no trigger to hand on: ALTER EXTENSION UPDATE gives
// each partition its own.
bool is_present_order_table(Oid relation) {
    return is_order_table(relation) && is_installed();
}

void run_command(const char* command) {
    SPI_connect();
    execute_utility(command);
    SPI_finish();
}

// To be called while connected to SPI. Runs `sql`, which compares the columns of a partition ($1)
// with those of the table ($2) in one row. answer(column) then has its texts, or null.
void compare_columns(const char* sql, Oid table, Oid partition) {
    Oid types[] = {OIDOID, OIDOID};
    Datum values[] = {ObjectIdGetDatum(partition), ObjectIdGetDatum(table)};
    if (SPI_execute_with_args(sql, 2, types, values, nullptr, true, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not compare the columns of a partition");
    }
}

const char* answer(int column) {
    return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

// "ADD COLUMN ..., ADD COLUMN ..." for the columns that the partition has and the table lacks, or
// null.
const char* missing_columns(Oid table, Oid partition) {
    const char* sql =
        "SELECT pg_catalog.string_agg(pg_catalog.format('ADD COLUMN %I %s%s%s%s', a.attname, "
        "pg_catalog.format_type(a.atttypid, a.atttypmod), "
        "CASE WHEN a.attcollation <> t.typcollation "
        "THEN ' COLLATE ' || a.attcollation::pg_catalog.regcollation ELSE '' END, "
        "CASE WHEN d.oid IS NULL THEN '' "
        "ELSE pg_catalog.format(CASE a.attgenerated "
        "WHEN 's' THEN ' GENERATED ALWAYS AS (%s) STORED' "
        "WHEN 'v' THEN ' GENERATED ALWAYS AS (%s) VIRTUAL' "
        "ELSE ' DEFAULT %s' END, pg_catalog.pg_get_expr(d.adbin, d.adrelid)) END, "
        "CASE WHEN a.attnotnull "
        "THEN COALESCE(' CONSTRAINT ' || pg_catalog.quote_ident(k.conname), '') || ' NOT NULL' "
        "ELSE '' END), ', ' ORDER BY a.attnum) "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid "
        "LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'n' "
        "AND k.conkey = ARRAY[a.attnum] "
        "WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND NOT EXISTS (SELECT FROM "
        "pg_catalog.pg_attribute p WHERE p.attrelid = $2 AND p.attname = a.attname AND p.attnum > "
        "0 "
        "AND NOT p.attisdropped)";
    compare_columns(sql, table, partition);
    return answer(1);
}

// Columns of ours that are newer than version 0.1. A dump, or a partition that was detached before
// the update, may lack them.
constexpr struct {
    const char* name;
    const char* type;
} kLaterColumns[] = {{"request_digest", "pg_catalog.uuid"},
                     {"changed_to", "pg_catalog.int8"},
                     {"settled_at", "pg_catalog.timestamptz"}};

void add_later_columns(Oid table, Oid partition) {
    for (const auto& column : kLaterColumns) {
        if (get_attnum(table, column.name) == InvalidAttrNumber ||
            get_attnum(partition, column.name) != InvalidAttrNumber) {
            continue;
        }
        run_command(psprintf("ALTER TABLE %s ADD COLUMN %s %s", qualified_name(partition),
                             column.name, column.type));
    }
}

void add_missing_columns(Oid table, Oid partition) {
    SPI_connect();
    const char* columns = missing_columns(table, partition);
    if (columns != nullptr) {
        execute_utility(psprintf("ALTER TABLE %s %s", qualified_name(table), columns));
        ereport(NOTICE, (errmsg("columns of partition \"%s\" are added to ticket_order",
                                get_rel_name(partition)),
                         errdetail_internal("%s", columns)));
    }
    SPI_finish();
}

// ticket_order must allow NULL where a partition allows it. In a restore, ticket_order may be
// stricter: a partition that was attached before asked for more, or the user has allowed what we do
// not. The other partitions keep their NOT NULL.
void allow_nulls(Oid table, Oid partition) {
    const char* sql =
        "SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('ALTER COLUMN %I DROP NOT NULL', "
        "p.attname), ', '), "
        "pg_catalog.string_agg(pg_catalog.format(CASE WHEN k.conname IS NULL "
        "THEN 'ALTER TABLE %s ALTER COLUMN %2$I SET NOT NULL' "
        "ELSE 'ALTER TABLE %s ADD CONSTRAINT %3$I NOT NULL %2$I' END, "
        "c.attrelid::pg_catalog.regclass, c.attname, k.conname), '; ') "
        "FILTER (WHERE c.attname IS NOT NULL) "
        "FROM pg_catalog.pg_attribute p JOIN pg_catalog.pg_attribute a USING (attname) "
        "LEFT JOIN (pg_catalog.pg_inherits i JOIN pg_catalog.pg_attribute c "
        "ON c.attrelid = i.inhrelid AND c.attnotnull) "
        "ON i.inhparent = p.attrelid AND c.attname = p.attname "
        "LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.attrelid AND k.contype = 'n' "
        "AND k.conkey = ARRAY[c.attnum] "
        "WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND NOT a.attnotnull "
        "AND p.attrelid = $2 AND p.attnum > 0 AND p.attnotnull";
    SPI_connect();
    compare_columns(sql, table, partition);
    const char* columns = answer(1);
    const char* kept = answer(2);
    if (columns != nullptr) {
        execute_utility(psprintf("ALTER TABLE %s %s", qualified_name(table), columns));
        ereport(NOTICE, (errmsg("ticket_order allows the same NULLs as partition \"%s\"",
                                get_rel_name(partition)),
                         errdetail_internal("%s", columns)));
    }
    if (kept != nullptr) {
        execute_utility(kept);
    }
    SPI_finish();
}

// Adds a user's index on ticket_order, which a dump leaves out, as a copy of a partition's index.
void add_missing_index(const RangeVar* name, Oid partition_index) {
    const Oid partition_oid = IndexGetRelation(partition_index, false);
    const Oid table = get_rel_relispartition(partition_oid)
                          ? get_partition_parent(partition_oid, true)
                          : InvalidOid;
    if (!is_order_table(table)) {
        return;
    }
    // In a parallel restore, other sessions attach indexes of other partitions at the same time.
    Relation parent = relation_open(table, ShareRowExclusiveLock);
    if (OidIsValid(RangeVarGetRelid(name, NoLock, true))) {
        relation_close(parent, NoLock);
        return;
    }
    Relation partition = relation_open(partition_oid, AccessShareLock);
    Relation index = relation_open(partition_index, AccessShareLock);
    AttrMap* columns =
#if PG_VERSION_NUM >= 160000
        build_attrmap_by_name(RelationGetDescr(parent), RelationGetDescr(partition), false);
#else
        build_attrmap_by_name(RelationGetDescr(parent), RelationGetDescr(partition));
#endif
    Oid constraint;
    IndexStmt* statement = generateClonedIndexStmt(
        makeRangeVar(get_namespace_name(get_rel_namespace(table)), get_rel_name(table), -1), index,
        columns, &constraint);
    statement->idxname = name->relname;
    statement->relation->inh = false;
    relation_close(index, AccessShareLock);
    relation_close(partition, AccessShareLock);
    relation_close(parent, NoLock);
    PlannedStmt* planned = makeNode(PlannedStmt);
    planned->commandType = CMD_UTILITY;
    planned->utilityStmt = reinterpret_cast<Node*>(statement);
    ProcessUtility(planned, "CREATE INDEX ON ONLY ticket_order", false, PROCESS_UTILITY_SUBCOMMAND,
                   nullptr, nullptr, None_Receiver, nullptr);
    CommandCounterIncrement();
}

void add_truncate_trigger(Oid table, Oid partition) {
    if (OidIsValid(get_trigger_oid(partition, kTruncateTrigger, true)) ||
        get_rel_relkind(partition) != RELKIND_RELATION) {
        return;
    }
    const char* name = qualified_name(partition);
    run_command(psprintf(
        "CREATE TRIGGER %s BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION "
        "%s.ticket_follow_order()",
        kTruncateTrigger, name, quote_identifier(get_namespace_name(get_rel_namespace(table)))));
    run_command(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", name, kTruncateTrigger));
}

// The rows of an attached partition have fired no trigger.
void enter_days(Oid table, Oid partition) {
    if (get_rel_relkind(partition) == RELKIND_RELATION) {
        follow_order_days(catalog_in(get_rel_namespace(table)), partition);
    }
}

void drop_truncate_trigger(Oid partition) {
    const Oid trigger = OidIsValid(partition) && !get_rel_relispartition(partition)
                            ? get_trigger_oid(partition, kTruncateTrigger, true)
                            : InvalidOid;
    if (OidIsValid(trigger)) {
        const ObjectAddress address{TriggerRelationId, trigger, 0};
        performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
        CommandCounterIncrement();
    }
}

// The names of our triggers on the relation that fire on the origin only.
List* weak_triggers(Oid relation_oid, Oid extension) {
    List* names = NIL;
    Relation relation = relation_open(relation_oid, AccessShareLock);
    const TriggerDesc* triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger& trigger = triggers->triggers[i];
        if (trigger.tgenabled == TRIGGER_FIRES_ON_ORIGIN && !trigger.tgisinternal &&
            getExtensionOfObject(ProcedureRelationId, trigger.tgfoid) == extension) {
            names = lappend(names, pstrdup(trigger.tgname));
        }
    }
    relation_close(relation, AccessShareLock);
    return names;
}

void strengthen_triggers(Oid table) {
    const Oid extension = get_extension_oid("ticketpool", true);
    if (!OidIsValid(extension)) {
        return;
    }
    List* relations = find_all_inheritors(table, NoLock, nullptr);
    ListCell* relation;
    foreach (relation, relations) {
        ListCell* name;
        foreach (name, weak_triggers(lfirst_oid(relation), extension)) {
            run_command(psprintf("ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %s",
                                 qualified_name(lfirst_oid(relation)),
                                 quote_identifier(static_cast<const char*>(lfirst(name)))));
        }
    }
}

Oid partition_named_in(const AlterTableCmd* command) {
    const PartitionCmd* partition = reinterpret_cast<const PartitionCmd*>(command->def);
    return RangeVarGetRelid(partition->name, NoLock, true);
}

}  // namespace

Oid named_order_partition(const RangeVar* name) {
    const Oid relation = RangeVarGetRelid(name, NoLock, true);
    return OidIsValid(relation) && get_rel_relispartition(relation) &&
                   is_order_table(get_partition_parent(relation, true))
               ? relation
               : InvalidOid;
}

void before_alter_table(const AlterTableStmt* statement) {
    ListCell* cell;
    foreach (cell, statement->cmds) {
        const AlterTableCmd* command = lfirst_node(AlterTableCmd, cell);
        if (command->subtype != AT_AttachPartition) {
            continue;
        }
        const Oid table = RangeVarGetRelid(statement->relation, NoLock, true);
        const Oid partition = partition_named_in(command);
        if (!OidIsValid(partition)) {
            continue;
        }
        if (statement->objtype == OBJECT_INDEX) {
            if (in_restore() && !OidIsValid(table)) {
                add_missing_index(statement->relation, partition);
            }
        } else if (is_order_table(table)) {
            if (in_restore()) {
                add_missing_columns(table, partition);
                allow_nulls(table, partition);
            }
            add_later_columns(table, partition);
        }
    }
}

void after_alter_table(const AlterTableStmt* statement) {
    const Oid table = RangeVarGetRelid(statement->relation, NoLock, true);
    ListCell* cell;
    foreach (cell, statement->cmds) {
        const AlterTableCmd* command = lfirst_node(AlterTableCmd, cell);
        switch (command->subtype) {
            case AT_AttachPartition:
                if (is_present_order_table(table)) {
                    add_truncate_trigger(table, partition_named_in(command));
                    enter_days(table, partition_named_in(command));
                }
                break;
            case AT_DetachPartition:
            case AT_DetachPartitionFinalize:
                if (is_order_table(table)) {
                    drop_truncate_trigger(partition_named_in(command));
                }
                break;
            case AT_EnableTrig:
            case AT_EnableTrigAll:
            case AT_EnableTrigUser:
                if (OidIsValid(table)) {
                    strengthen_triggers(table);
                }
                break;
            default:
                break;
        }
    }
}

}  // namespace ticketpool
