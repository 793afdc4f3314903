// What a ticket_call calls: the function of a name, the types of its arguments, its defaults and
// the columns of its result.
#pragma once

#include "server/arrays.hpp"
#include "server/pg.hpp"

extern "C" {
#include "nodes/primnodes.h"
}

namespace ticketpool {

// Which settings have a say in how values of a type are written.
enum class ValueStyles { kNone, kDates, kAll };

struct CallArgument {
    bool is_text;  // taken as it is
    FmgrInfo input;
    Oid io_parameter;
    Expr* default_value;  // planned; null: the caller gives the value
};

struct CallColumn {
    int attribute;  // from 0
    Oid type;
    FmgrInfo output;  // unused for a text
};

// What is called, found for a number of arguments and a list of columns.
struct CallTarget {
    MemoryContext context;  // everything here is in it
    int users;              // calls at work
    uint64_t generation;
    // The key
    Oid entry;  // the ticket_call that was called
    char* name;
    int given;           // arguments
    ArrayType* columns;  // null: the value as a whole
    // What was found
    Oid function;
    bool is_set;
    int argument_count;
    CallArgument* arguments;
    Oid row_type;          // a named one, or InvalidOid
    uint64_t row_version;  // of row_type
    TupleDesc row;         // null: one value, no set
    bool is_row;           // `row` is declared, and not made for a set of single values
    int column_count;
    CallColumn* wanted;
    ValueStyles styles;
};

struct TextCall {
    Oid entry;
    const char* name;
    Elements arguments;
    ArrayType* columns;
};

// What a session has found out about a function is kept. It is void once any function has changed
// (DROP and CREATE EXTENSION, ALTER FUNCTION), and once the row type has. A target that is not kept
// is in the current memory context; one that is kept stays while it has users.
// 42883: no such function, or not with this number of arguments; 42703, 0A000.
CallTarget* find_target(const TextCall& call);

}  // namespace ticketpool
