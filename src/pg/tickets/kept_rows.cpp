// Reads the rows that ticket_open is to keep, and finds or writes what is kept (kept_rows.hpp).
#include "tickets/kept_rows.hpp"

#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

Text text_column(uint64 row, int number, bool* is_null) {
    const Datum value =
        SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
    return *is_null ? Text{"", 0} : text_of(value);
}

void select_rows(const KeptSource& source, const char* sql) {
    Oid types[] = {TEXTOID};
    Datum values[] = {text_datum(source.name)};
    execute_own_on(source.catalog.departure, sql, 1, types, values, nullptr, SPI_OK_SELECT,
                   source.snapshot);
}

pg_uuid_t digest_column(int number) {
    bool is_null;
    const Datum digest =
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
    if (is_null) {
        elog(ERROR, "rows without a digest");
    }
    return *DatumGetUUIDP(digest);
}

namespace {

constexpr AttrNumber kPartId = 1;  // in ticket_route and in ticket_layout

// The id of the row with this digest, or 0. Rows of every transaction that has committed by now
// count, whatever the isolation level, because these rows never change.
int64_t find_part(const KeptPart& part, Text name) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, part.table, part.digest_index, snapshot);
    reader_key_uuid(&reader, UUIDPGetDatum(&part.digest));
    int64_t id = 0;
    if (reader_next(&reader)) {
        id = row_int64(reader.row, kPartId);
        // The text that is hashed begins with the train's name, which may look like a shorter name
        // and a stop.
        if (part.owner != 0 && !same_text(row_text(reader.row, part.owner), name)) {
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("train \"%s\" cannot be told from another one", printable(name)),
                            errdetail("Its name looks like the name and a stop of train \"%s\".",
                                      printable(row_text(reader.row, part.owner))),
                            errhint("Choose a name without slashes.")));
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return id;
}

}  // namespace

bool is_kept(const KeptPart& part) {
    return find_part(part, Text{"", 0}) != 0;
}

int64_t keep_part(const KeptSource& source, const KeptPart& part, const KeptInsert& insert) {
    int64_t id = find_part(part, source.name);
    if (id == 0) {
        execute_own_on(source.catalog.departure, insert.sql, insert.count, insert.types,
                       insert.values, insert.nulls, SPI_OK_INSERT, source.snapshot);
        id = find_part(part, source.name);
    }
    if (id == 0) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a concurrent ticket_open"),
                        errhint("Retry the transaction.")));
    }
    return id;
}

int64_t keep_part(const KeptSource& source, const KeptPart& part, const char* insert) {
    Oid types[] = {TEXTOID, UUIDOID};
    Datum values[] = {text_datum(source.name), UUIDPGetDatum(&part.digest)};
    return keep_part(source, part, KeptInsert{insert, 2, types, values, nullptr});
}

}  // namespace ticketpool
