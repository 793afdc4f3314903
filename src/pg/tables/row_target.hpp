// What a table of orders is like, and whether its rows can be written without the executor.
//
// A table is described once by its shape, and again as it is in this database by a target.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline constexpr int kMostColumns = 19;
inline constexpr int kMostIndexes = 4;
inline constexpr int kMostExtraIndexes = 8;

// Columns by number in the shape; index 0 is not used.
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
    bool nullable;  // a NOT NULL of the user's is for the executor to check
};

// One of our indexes: these columns as they are.
struct IndexShape {
    AttrNumber columns[4];
    int count;
    bool unique;
    bool partial;
    AttrNumber
        only_with;  // has entries of rows with a value in this column; 0: of all that we write
};

struct TableShape {
    const char* table;       // for messages
    const char* not_stored;  // the message where a row was left out
    int columns;
    ColumnShape column[kMostColumns + 1];
    int indexes;
    IndexShape index[kMostIndexes];
    AttrNumber id;        // of the order
    AttrNumber of;        // of the departure or item
    AttrNumber status;    // checks that look at this column alone may be there,
    const char* written;  // if they are true for this, which is all that we write; null: none may
};

// A table, or a partition, of a shape.
struct RowTarget {
    Oid relation;
    Oid index[kMostIndexes];
    bool direct;                          // the table allows to write without the executor
    AttrNumber column[kMostColumns + 1];  // number in the relation of each of our columns
    // The same in the rows that functions return: those of the table, also for its partitions. A
    // user's column may come before ours of a later version.
    AttrNumber returned[kMostColumns + 1];
    bool in_order;        // the returned ones are 1, 2, 3, ...
    int extras;           // direct: plain indexes of the user's
    uint32_t extra_live;  // which of them have live rows alone, bit by number
    Oid extra[kMostExtraIndexes];
};

// Does a module of this session's listen to what the executor asks for rights (pgaudit, sepgsql)?
// It has to hear of our rows, too. Such a module keeps notes of the statement that it is in from
// one hook of the executor to the next, so calling its hook alone would not do: the executor writes
// the rows then.
bool rights_are_watched();

// Describes a relation. `indexes`: the oids of our indexes, in order of the shape; of a partition,
// those of its parent's. Ereports where it is not of that shape any more.
void describe_target(const Catalog& catalog, const TableShape& shape, Oid relation,
                     const Oid* indexes, bool partition, RowTarget* target);

// Its part that finds the columns.
void find_columns(const TableShape& shape, Relation relation, RowTarget* target);

// Its part that finds the columns of the rows which functions return; `relation`: of a partition,
// the table. Describing a partition leaves that to the caller.
void find_returned(const TableShape& shape, Relation relation, RowTarget* target);

// Does a relation ask for the executor?
bool wants_executor(const Catalog& catalog, const TableShape& shape, Relation relation);

// Which of the shape's indexes has the live rows; -1: none.
int live_index_of(const TableShape& shape);

// A target that is kept; void once the catalog has changed.
struct CachedTarget {
    uint64_t generation;  // 0: empty
    RowTarget target;
};

// The kept target of a table of ours, described again where it is void. (A change of the table or
// of its indexes moves the generation on: all of them are in the catalog, but those of the user's,
// whose making or dropping changes the table.)
const RowTarget& cached_target(const Catalog& catalog, const TableShape& shape, Oid relation,
                               const Oid* indexes, CachedTarget* cache);

}  // namespace ticketpool
