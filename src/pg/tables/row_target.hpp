// What a table of the extension is like, and whether its rows can be written without the executor.
//
// A shape describes a table as the extension creates it. A target describes the table as it is in
// this database.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline constexpr int kMostColumns = 21;
inline constexpr int kMostIndexes = 5;
inline constexpr int kMostExtraIndexes = 8;
inline constexpr int kMostWritten = 2;

// The columns of a row, by number in the shape; index 0 is not used.
struct RowValues {
    Datum value[kMostColumns + 1];
    bool is_null[kMostColumns + 1];
};

inline void set_value(RowValues* row, AttrNumber column, Datum value) {
    row->value[column] = value;
    row->is_null[column] = false;
}

struct ColumnShape {
    const char* name;
    Oid type;
    bool nullable;  // if so, the executor has to check a NOT NULL that the user added
};

// One of our indexes: plain columns, no expressions.
struct IndexShape {
    AttrNumber columns[5];
    int count;
    bool unique;
    bool partial;
    // The index has entries only of rows with a value in this column; 0: of all rows that we write.
    AttrNumber only_with;
};

struct TableShape {
    const char* table;       // for messages
    const char* not_stored;  // the message if a row was left out
    int columns;
    ColumnShape column[kMostColumns + 1];
    int indexes;
    IndexShape index[kMostIndexes];
    AttrNumber id;  // of the order
    AttrNumber of;  // of the departure or item
    // Checks that look at the column `status` alone are allowed if they are true for all of
    // `written`, the values that we write there without the executor; no value: no check is
    // allowed.
    AttrNumber status;
    const char* written[kMostWritten];
    // The columns that are changed in rows that are there (a bit for each column's number), if no
    // rows are inserted: what is asked of other columns is true of those rows already. 0: rows are
    // inserted.
    uint32_t changes = 0;
    // SQL can write a table whose columns or indexes the user has altered. Otherwise that is an
    // error.
    bool may_differ = false;
};

// A table, or a partition, of a shape.
struct RowTarget {
    Oid relation;
    Oid index[kMostIndexes];
    bool direct;                          // rows can be written without the executor
    AttrNumber column[kMostColumns + 1];  // each of our columns' number in the relation
    // The same in the rows that functions return, which are rows of the table, also for its
    // partitions. A user's column may precede a column that a later version of ours added.
    AttrNumber returned[kMostColumns + 1];
    bool in_order;        // `returned` is 1, 2, 3, ...
    int extras;           // if direct: how many plain indexes of the user's there are
    uint32_t extra_live;  // which of those have live rows alone, a bit each
    Oid extra[kMostExtraIndexes];
};

// Does a module in this session hook into the executor's checks of rights (pgaudit, sepgsql)? It
// has to be told of our rows, too. Such a module keeps notes of the current statement from one hook
// of the executor to the next, so calling that one hook would not be enough. The executor writes
// the rows then.
bool rights_are_watched();

// Describes a relation. `indexes`: the oids of our indexes, in order of the shape; for a partition,
// those of its parent. Ereports if the relation no longer has that shape.
void describe_target(const Catalog& catalog, const TableShape& shape, Oid relation,
                     const Oid* indexes, bool partition, RowTarget* target);

// The part of describe_target() that finds the columns.
void find_columns(const TableShape& shape, Relation relation, RowTarget* target);

// The part of describe_target() that finds the columns of the rows that functions return. For a
// partition describe_target() leaves that to the caller, with the parent as `relation`.
void find_returned(const TableShape& shape, Relation relation, RowTarget* target);

// Does anything about the relation require the executor?
bool wants_executor(const Catalog& catalog, const TableShape& shape, Relation relation);

// Which of the shape's indexes has the live rows; -1: none.
int live_index_of(const TableShape& shape);

// A target that is kept. It is void once the catalog has changed: a change of the table or of its
// indexes moves the generation on. (The catalog knows all of them, except the user's indexes, and
// creating or dropping one of those changes the table.)
struct CachedTarget {
    uint64_t generation;  // 0: empty
    RowTarget target;

    bool is_of(Oid relation) const {
        return generation == catalog_generation && target.relation == relation;
    }
};

// Describes a table of ours again, if what is kept is void or of another table.
void keep_target(const Catalog& catalog, const TableShape& shape, Oid relation, const Oid* indexes,
                 CachedTarget* cache);

}  // namespace ticketpool
