// The utility hook that lets the restore of a dump run through.
//
// ticket_order belongs to the extension, so a dump creates it with CREATE EXTENSION, its indexes
// included. Its partitions do not belong to the extension, so a dump creates them as ordinary
// tables, attaches them, and adds their primary key and indexes last. But attaching a partition to
// a table that has indexes builds them at once, so the commands at the end would fail: what they
// create is there already. The same is true of the trigger that each partition has
// (alter_table.cpp). The hook skips exactly these commands, so that a restore runs through without
// an error.
//
// The hook also calls alter_table.hpp around each ALTER TABLE, and settles what is wanted
// (wanted.hpp) after COPY and TRUNCATE.
#include "follow/restore.hpp"

#include "follow/alter_table.hpp"
#include "follow/wanted.hpp"
#include "pool/wait_list.hpp"
#include "server/pg.hpp"
#include "tables/own_writes.hpp"
#include "tables/trigger_identity.hpp"

extern "C" {
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
}

namespace ticketpool {
namespace {

constinit ProcessUtility_hook_type previous_hook = nullptr;

// Does the partition have an index that ATTACH built: its primary key, or one of this name?
bool has_attached_index(Oid partition, const char* index_name, bool primary) {
    bool found = false;
    Relation relation = relation_open(partition, AccessShareLock);
    List* indexes = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, indexes) {
        const Oid index = lfirst_oid(cell);
        const bool wanted =
            primary ? index == relation->rd_pkindex : strcmp(get_rel_name(index), index_name) == 0;
        found = found || (wanted && get_rel_relispartition(index));
    }
    list_free(indexes);
    relation_close(relation, AccessShareLock);
    return found;
}

// Is it ALTER TABLE ONLY partition ADD CONSTRAINT name PRIMARY KEY ..., with nothing else in it?
bool adds_primary_key(const AlterTableStmt* statement) {
    if (list_length(statement->cmds) != 1) {
        return false;
    }
    const AlterTableCmd* command = linitial_node(AlterTableCmd, statement->cmds);
    return command->subtype == AT_AddConstraint && command->def != nullptr &&
           IsA(command->def, Constraint) &&
           reinterpret_cast<const Constraint*>(command->def)->contype == CONSTR_PRIMARY;
}

bool is_there_already(const Node* statement) {
    if (IsA(statement, AlterTableStmt)) {
        const AlterTableStmt* alter = reinterpret_cast<const AlterTableStmt*>(statement);
        if (alter->objtype != OBJECT_TABLE || !adds_primary_key(alter)) {
            return false;
        }
        const Oid partition = named_order_partition(alter->relation);
        return OidIsValid(partition) && has_attached_index(partition, nullptr, true);
    }
    if (IsA(statement, IndexStmt)) {
        const IndexStmt* index = reinterpret_cast<const IndexStmt*>(statement);
        const Oid partition =
            index->idxname == nullptr ? InvalidOid : named_order_partition(index->relation);
        return OidIsValid(partition) && has_attached_index(partition, index->idxname, false);
    }
    if (IsA(statement, CreateTrigStmt)) {
        const CreateTrigStmt* trigger = reinterpret_cast<const CreateTrigStmt*>(statement);
        const Oid partition = strcmp(trigger->trigname, kTruncateTrigger) == 0
                                  ? named_order_partition(trigger->relation)
                                  : InvalidOid;
        return OidIsValid(partition) &&
               OidIsValid(get_trigger_oid(partition, kTruncateTrigger, true));
    }
    return false;
}

void process_utility(PlannedStmt* planned, const char* query, bool read_only_tree,
                     ProcessUtilityContext context, ParamListInfo parameters,
                     QueryEnvironment* environment, DestReceiver* destination,
                     QueryCompletion* completion) {
    const NodeTag tag = nodeTag(planned->utilityStmt);
    if ((tag == T_AlterTableStmt || tag == T_IndexStmt || tag == T_CreateTrigStmt) &&
        context == PROCESS_UTILITY_TOPLEVEL && is_there_already(planned->utilityStmt)) {
        ereport(
            DEBUG1,
            (errmsg("the partition of ticket_order has this index or trigger already, skipping")));
        return;
    }
    const ProcessUtility_hook_type next =
        previous_hook == nullptr ? standard_ProcessUtility : previous_hook;
    const AlterTableStmt* alter =
        tag == T_AlterTableStmt && !IsBinaryUpgrade
            ? reinterpret_cast<const AlterTableStmt*>(planned->utilityStmt)
            : nullptr;
    if (alter != nullptr) {
        before_alter_table(alter);
    }
    next(planned, query, read_only_tree, context, parameters, environment, destination, completion);
    if (alter != nullptr) {
        after_alter_table(alter);
    }
    if (tag == T_CopyStmt || tag == T_TruncateStmt) {
        settle_wanted(trigger_depth());
    }
    // Triggers that these call end in no executor.
    if (tag == T_CopyStmt || tag == T_TruncateStmt || tag == T_ConstraintsSetStmt) {
        end_of_statement(trigger_depth());
    }
}

}  // namespace

void install_restore_hook() {
    previous_hook = ProcessUtility_hook;
    ProcessUtility_hook = process_utility;
}

}  // namespace ticketpool
