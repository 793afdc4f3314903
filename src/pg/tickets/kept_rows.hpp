// What ticket_open reads, checks and keeps: the steps that stop lists and formations share.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

// Where the rows come from, and which of them are used: $1 is `name`.
struct KeptSource {
    const Catalog& catalog;
    Snapshot snapshot;  // registered
    Text name;          // of the train or formation
};

// Runs a query of the source; its rows are in SPI_tuptable.
void select_rows(const KeptSource& source, const char* sql);

// A text column of the last query; empty if it is NULL.
Text text_column(uint64 row, int number, bool* is_null);

// The digest in a column of the last query's first row. Digests are stored, so no version may
// change how they are made.
pg_uuid_t digest_column(int number);

// A kind of part that is kept under its digest.
struct KeptPart {
    Oid table;
    Oid digest_index;
    AttrNumber owner;  // the column of the train that alone may use it; 0: shared by all
    pg_uuid_t digest;
};

// Is there a row with this digest? For parts that all may use.
bool is_kept(const KeptPart& part);

// The id of the row with this digest: of an existing row, or of the row that `insert` ($1: the
// name, $2: the digest) writes. If another session is writing that row, `insert` waits for it, and
// writes nothing if that session commits.
int64_t keep_part(const KeptSource& source, const KeptPart& part, const char* insert);

// The same with a statement that takes more values.
struct KeptInsert {
    const char* sql;
    int count;
    Oid* types;  // the first two are those of the name and the digest
    Datum* values;
    const char* nulls;
};
int64_t keep_part(const KeptSource& source, const KeptPart& part, const KeptInsert& insert);

}  // namespace ticketpool
