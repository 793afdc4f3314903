// Finds out what a table of orders is like: see row_target.hpp.
#include "tables/row_target.hpp"

#include "server/table_scan.hpp"
#include "tables/trigger_identity.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "optimizer/optimizer.h"
#include "rewrite/prs2lock.h"
}

namespace ticketpool {

int live_index_of(const TableShape& shape) {
    for (int i = 0; i < shape.indexes; i++) {
        if (shape.index[i].partial && shape.index[i].only_with == 0) {
            return i;
        }
    }
    return -1;
}

namespace {

const ColumnShape* own_column(const TableShape& shape, const char* name) {
    for (int i = 1; i <= shape.columns; i++) {
        if (strcmp(name, shape.column[i].name) == 0) {
            return &shape.column[i];
        }
    }
    return nullptr;
}

bool may_change(const TableShape& shape, const ColumnShape* column) {
    return shape.changes == 0 ||
           (column != nullptr && (shape.changes & 1U << (column - shape.column)) != 0);
}

// Does an expression look at a column that is changed?
bool sees_changes(const TableShape& shape, Relation relation, Node* expression) {
    Bitmapset* columns = nullptr;
    pull_varattnos(expression, 1, &columns);
    int member = -1;
    while ((member = bms_next_member(columns, member)) >= 0) {
        const int number = member + FirstLowInvalidHeapAttributeNumber;
        if (number <= 0 ||
            may_change(
                shape,
                own_column(
                    shape,
                    NameStr(TupleDescAttr(RelationGetDescr(relation), number - 1)->attname)))) {
            return true;
        }
    }
    return false;
}

// Does the check look at the status alone, and is it true for all that we write there? Or at
// nothing that is changed?
bool is_harmless_check(const TableShape& shape, Relation relation, const char* expression) {
    Node* node = static_cast<Node*>(stringToNode(expression));
    if (shape.changes != 0 && !contain_mutable_functions(node) &&
        !sees_changes(shape, relation, node)) {
        return true;
    }
    const AttrNumber status =
        get_attnum(RelationGetRelid(relation),
                   shape.written[0] == nullptr ? "" : shape.column[shape.status].name);
    Bitmapset* columns = nullptr;
    pull_varattnos(node, 1, &columns);
    int column;
    if (status == InvalidAttrNumber || !bms_get_singleton_member(columns, &column) ||
        column != status - FirstLowInvalidHeapAttributeNumber || contain_mutable_functions(node)) {
        return false;
    }
    EState* estate = CreateExecutorState();
    ExprContext* context = GetPerTupleExprContext(estate);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
    ExprState* check = ExecPrepareExpr(reinterpret_cast<Expr*>(node), estate);
    bool holds = true;
    for (const char* written : shape.written) {
        if (written != nullptr && holds) {
            ExecClearTuple(slot);
            memset(slot->tts_isnull, true, static_cast<size_t>(slot->tts_tupleDescriptor->natts));
            slot->tts_values[status - 1] = CStringGetTextDatum(written);
            slot->tts_isnull[status - 1] = false;
            ExecStoreVirtualTuple(slot);
            context->ecxt_scantuple = slot;
            holds = ExecCheck(check, context);
        }
    }
    ExecDropSingleTupleTableSlot(slot);
    FreeExecutorState(estate);
    return holds;
}

// Does the server evaluate the check at all?
bool is_enforced([[maybe_unused]] const ConstrCheck& check) {
#if PG_VERSION_NUM >= 180000
    return check.ccenforced;
#else
    return true;
#endif
}

// May a column without a default of its own get something else than NULL, or refuse NULL? Its type
// may have a default, and a domain may refuse NULL. Any domain counts, because a domain can be
// altered without an invalidation of the tables that use it.
bool type_has_a_say(Oid type) {
    return get_typtype(type) == TYPTYPE_DOMAIN || get_typdefault(type) != nullptr;
}

bool has_plain_columns(const TableShape& shape, Relation relation) {
    TupleDesc columns = RelationGetDescr(relation);
    for (int i = 0; i < columns->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        const ColumnShape* own = own_column(shape, NameStr(column->attname));
        if (!column->attisdropped && own == nullptr && may_change(shape, own) &&
            type_has_a_say(column->atttypid)) {
            return false;
        }
    }
    const TupleConstr* constraints = columns->constr;
    if (constraints == nullptr) {
        return true;
    }
    if (constraints->has_generated_stored) {
        return false;
    }
#if PG_VERSION_NUM >= 180000
    if (constraints->has_generated_virtual) {
        return false;
    }
#endif
    for (int i = 0; i < constraints->num_check; i++) {
        const ConstrCheck& check = constraints->check[i];
        if (is_enforced(check) && !is_harmless_check(shape, relation, check.ccbin)) {
            return false;
        }
    }
    for (int i = 0; i < columns->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        const bool asks = column->atthasdef || column->attnotnull || column->attidentity != '\0';
        const ColumnShape* own = own_column(shape, NameStr(column->attname));
        if (!column->attisdropped && asks && may_change(shape, own) &&
            (own == nullptr || (column->attnotnull && own->nullable))) {
            return false;
        }
    }
    return true;
}

// Is the index of the shape that we write entries for?
bool index_is(const IndexShape& shape, const RowTarget& target, Oid oid) {
    Relation index = index_open(oid, AccessShareLock);
    Form_pg_index form = index->rd_index;
    bool same = form->indnatts == shape.count && form->indnkeyatts == shape.count &&
                form->indisunique == shape.unique && form->indisvalid && form->indimmediate &&
                (RelationGetIndexPredicate(index) != NIL) == shape.partial &&
                index->rd_rel->relam == BTREE_AM_OID;
    for (int i = 0; same && i < shape.count; i++) {
        same = form->indkey.values[i] == target.column[shape.columns[i]];
    }
    index_close(index, AccessShareLock);
    return same;
}

// Which of our indexes is it? -1: none of them.
int own_index(const TableShape& shape, const RowTarget& target, Oid index, const Oid* indexes,
              bool partition) {
    if (partition && !get_rel_relispartition(index)) {
        return -1;
    }
    const Oid known = partition ? get_partition_parent(index, true) : index;
    for (int i = 0; i < shape.indexes; i++) {
        if (indexes[i] == known) {
            return index_is(shape.index[i], target, index) ? i : -1;
        }
    }
    return -1;
}

// The predicate of live rows, as this table's index has it. NIL: the table has no such index.
List* live_predicate(const TableShape& shape, const RowTarget& target) {
    const int number = live_index_of(shape);
    if (number < 0) {
        return NIL;
    }
    Relation index = index_open(target.index[number], AccessShareLock);
    List* predicate = RelationGetIndexPredicate(index);  // a copy
    index_close(index, AccessShareLock);
    return predicate;
}

// Does each of two predicates follow from the other?
bool same_predicate(List* a, List* b) {
    return predicate_implied_by(a, b, false) && predicate_implied_by(b, a, false);
}

// Does the index have columns as they are, in sort orders of the server's own? The functions of a
// user's operator class would run with the caller's rights here.
bool is_plain_index(Relation index) {
    const Form_pg_index form = index->rd_index;
    bool plain = form->indisvalid && !form->indisunique && !form->indisexclusion &&
                 index->rd_rel->relam == BTREE_AM_OID;
    for (int i = 0; plain && i < form->indnatts; i++) {
        plain = form->indkey.values[i] > 0 &&
                (i >= form->indnkeyatts || index->rd_opfamily[i] < FirstNormalObjectId);
    }
    return plain;
}

// Notes an index of the user's in which we can enter rows. False: the executor has to do that.
bool add_extra_index(Oid oid, List* live, RowTarget* target) {
    if (target->extras == kMostExtraIndexes) {
        return false;
    }
    Relation index = index_open(oid, AccessShareLock);
    List* predicate = RelationGetIndexPredicate(index);
    const bool live_only = predicate != NIL && live != NIL && same_predicate(predicate, live);
    const bool plain = is_plain_index(index) && (predicate == NIL || live_only);
    index_close(index, AccessShareLock);
    if (plain) {
        target->extra_live |= live_only ? 1U << target->extras : 0;
        target->extra[target->extras++] = oid;
    }
    return plain;
}

// Notes the user's indexes. False: the executor is needed.
bool find_extra_indexes(const TableShape& shape, List* present, RowTarget* target) {
    List* live = live_predicate(shape, *target);
    bool direct = true;
    ListCell* cell;
    foreach (cell, present) {
        bool own = false;
        for (int i = 0; i < shape.indexes; i++) {
            own = own || target->index[i] == lfirst_oid(cell);
        }
        direct = direct && (own || add_extra_index(lfirst_oid(cell), live, target));
    }
    return direct;
}

// Does the table have a trigger of the user's, whatever its name? Our own triggers do not count:
// the writer itself tells the pool what they would tell it.
bool has_foreign_trigger(const Catalog& catalog, Relation relation) {
    const Oid extension = getExtensionOfObject(RelationRelationId, catalog.order);
    const TriggerDesc* triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger& trigger = triggers->triggers[i];
        if ((strcmp(trigger.tgname, kFollowTrigger) != 0 &&
             strcmp(trigger.tgname, kTruncateTrigger) != 0) ||
            getExtensionOfObject(ProcedureRelationId, trigger.tgfoid) != extension) {
            return true;
        }
    }
    return false;
}

}  // namespace

// The column of this name, or InvalidAttrNumber.
static AttrNumber column_named(Relation relation, const char* name) {
    const TupleDesc columns = RelationGetDescr(relation);
    for (int i = 1; i <= columns->natts; i++) {
        const FormData_pg_attribute* column = TupleDescAttr(columns, i - 1);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0) {
            return static_cast<AttrNumber>(i);
        }
    }
    return InvalidAttrNumber;
}

static bool has_columns(const TableShape& shape, Relation relation) {
    for (AttrNumber i = 1; i <= shape.columns; i++) {
        const AttrNumber number = column_named(relation, shape.column[i].name);
        if (number == InvalidAttrNumber ||
            TupleDescAttr(RelationGetDescr(relation), number - 1)->atttypid !=
                shape.column[i].type) {
            return false;
        }
    }
    return true;
}

void find_columns(const TableShape& shape, Relation relation, RowTarget* target) {
    for (AttrNumber i = 1; i <= shape.columns; i++) {
        const ColumnShape& column = shape.column[i];
        target->column[i] = column_named(relation, column.name);
        if (target->column[i] == InvalidAttrNumber) {
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                            errmsg("table \"%s\" has no column \"%s\"",
                                   RelationGetRelationName(relation), column.name),
                            errhint("Restore the column of %s.", shape.table)));
        }
        const Oid type = TupleDescAttr(RelationGetDescr(relation), target->column[i] - 1)->atttypid;
        if (type != column.type) {
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" of table \"%s\" has another type than it should",
                                   column.name, RelationGetRelationName(relation)),
                            errdetail("It is %s.", format_type_be(type)),
                            errhint("Restore the type of the column of %s.", shape.table)));
        }
    }
}

void find_returned(const TableShape& shape, Relation relation, RowTarget* target) {
    target->in_order = true;
    for (AttrNumber i = 1; i <= shape.columns; i++) {
        target->returned[i] = column_named(relation, shape.column[i].name);
        target->in_order = target->in_order && target->returned[i] == i;
    }
}

bool rights_are_watched() {
    return ExecutorCheckPerms_hook != nullptr;
}

bool wants_executor(const Catalog& catalog, const TableShape& shape, Relation relation) {
    return has_foreign_trigger(catalog, relation) || relation->rd_rules != nullptr ||
           (relation->rd_rel->relrowsecurity && relation->rd_rel->relforcerowsecurity) ||
           !has_plain_columns(shape, relation);
}

void describe_target(const Catalog& catalog, const TableShape& shape, Oid relation_oid,
                     const Oid* indexes, bool partition, RowTarget* target) {
    *target = RowTarget{};
    target->relation = relation_oid;
    Relation relation = open_table(relation_oid);
    if (shape.may_differ && !has_columns(shape, relation)) {
        table_close(relation, NoLock);
        return;
    }
    find_columns(shape, relation, target);
    if (!partition) {
        find_returned(shape, relation, target);
    }
    target->direct = !wants_executor(catalog, shape, relation);
    List* present = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, present) {
        const int own = own_index(shape, *target, lfirst_oid(cell), indexes, partition);
        if (own >= 0) {
            target->index[own] = lfirst_oid(cell);
        }
    }
    for (int i = 0; i < shape.indexes; i++) {
        if (!OidIsValid(target->index[i]) && shape.may_differ) {
            target->direct = false;
        } else if (!OidIsValid(target->index[i])) {
            ereport(
                ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("table \"%s\" lacks an index of %s, or has another one in its place",
                        RelationGetRelationName(relation), shape.table),
                 partition ? errhint("Attach it to %s again: that builds the indexes.", shape.table)
                           : errhint("Restore the index.")));
        }
    }
    target->direct = target->direct && find_extra_indexes(shape, present, target);
    list_free(present);
    table_close(relation, NoLock);
}

void keep_target(const Catalog& catalog, const TableShape& shape, Oid relation, const Oid* indexes,
                 CachedTarget* cache) {
    while (!cache->is_of(relation)) {
        const uint64_t generation = catalog_generation;
        RowTarget target;
        describe_target(catalog, shape, relation, indexes, false, &target);
        *cache = CachedTarget{generation, target};
    }
}

}  // namespace ticketpool
