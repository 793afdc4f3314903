// Questions to a node, and the answer's rows as C strings.
#pragma once

#include "router/link.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct Rows {
    Answer answer;
    int columns;
    int count;
};

// A value of a row, both counted from 0; null: NULL.
const char* value_of(const Rows& rows, int row, int column);
// The same of a bigint; a NULL is 0.
int64_t number_of(const Rows& rows, int row, int column);

// Asks a function of the node for these columns. A null argument is NULL. An error of the function
// is in the answer: answer.sqlstate is not 0, and there are no rows.
Rows ask_rows(int node, Cluster cluster, const char* function,
              std::initializer_list<const char*> arguments,
              std::initializer_list<const char*> columns, Effect effect = Effect::kNone,
              int share = 1);
// The same, with the error raised.
Rows call_rows(int node, Cluster cluster, const char* function,
               std::initializer_list<const char*> arguments,
               std::initializer_list<const char*> columns, Effect effect = Effect::kNone);

// The same without errors: if the node cannot be reached, or answers with an error, then that is
// returned, and *rows has none. A cancelled query is raised.
ErrorData* try_rows(int node, Cluster cluster, const char* function,
                    std::initializer_list<const char*> arguments,
                    std::initializer_list<const char*> columns, Effect effect, Rows* rows);

// "message: detail" of an error, for a WARNING or a status.
const char* reason_of(const ErrorData* error);

const char* id_text(int64_t id);

}  // namespace ticketpool
