// Questions to a node (ask.hpp).
#include "router/ask.hpp"

#include "server/subtransaction.hpp"

namespace ticketpool {

namespace {

Datum texts_of(std::initializer_list<const char*> values) {
    const size_t room = Max(values.size(), size_t{1});
    Datum* texts = static_cast<Datum*>(palloc0(room * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(room * sizeof(bool)));
    int count = 0;
    for (const char* value : values) {
        nulls[count] = value == nullptr;
        texts[count++] = value == nullptr ? Datum{0} : CStringGetTextDatum(value);
    }
    if (count == 0) {
        return PointerGetDatum(construct_empty_array(TEXTOID));
    }
    int lower = 1;
    return PointerGetDatum(
        construct_md_array(texts, nulls, 1, &count, &lower, TEXTOID, -1, false, TYPALIGN_INT));
}

}  // namespace

const char* value_of(const Rows& rows, int row, int column) {
    const int at = row * rows.columns + column;
    return rows.answer.nulls[at] ? nullptr : TextDatumGetCString(rows.answer.values[at]);
}

int64_t number_of(const Rows& rows, int row, int column) {
    const char* value = value_of(rows, row, column);
    return value == nullptr ? 0 : pg_strtoint64(value);
}

Rows ask_rows(int node, Cluster cluster, const char* function,
              std::initializer_list<const char*> arguments,
              std::initializer_list<const char*> columns, Effect effect, int share) {
    Rows rows;
    rows.answer = ask_node(node, cluster, function, texts_of(arguments),
                           columns.size() == 0 ? Datum{0} : texts_of(columns), effect, share);
    rows.columns = static_cast<int>(Max(columns.size(), size_t{1}));
    rows.count = rows.answer.sqlstate == 0 ? rows.answer.count / rows.columns : 0;
    return rows;
}

Rows call_rows(int node, Cluster cluster, const char* function,
               std::initializer_list<const char*> arguments,
               std::initializer_list<const char*> columns, Effect effect) {
    const Rows rows = ask_rows(node, cluster, function, arguments, columns, effect);
    if (rows.answer.sqlstate != 0) {
        raise_answer(rows.answer);
    }
    return rows;
}

ErrorData* try_rows(int node, Cluster cluster, const char* function,
                    std::initializer_list<const char*> arguments,
                    std::initializer_list<const char*> columns, Effect effect, Rows* rows) {
    *rows = Rows{};
    ErrorData* error = in_subtransaction([&] {
        *rows = call_rows(node, cluster, function, arguments, columns, effect);
        return true;
    });
    if (error != nullptr && error->sqlerrcode == ERRCODE_QUERY_CANCELED) {
        ReThrowError(error);
    }
    return error;
}

const char* reason_of(const ErrorData* error) {
    return error->detail == nullptr ? pstrdup(error->message)
                                    : psprintf("%s: %s", error->message, error->detail);
}

const char* id_text(int64_t id) {
    return psprintf(INT64_FORMAT, id);
}

}  // namespace ticketpool
