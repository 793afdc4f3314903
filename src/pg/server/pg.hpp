// The one way to include PostgreSQL: core and standard headers first (postgres.h redefines names
// that they use), then the server's, as C. What differs between its versions is evened out below.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string_view>

#include "ticketpool/arena.hpp"
#include "ticketpool/departure.hpp"
#include "ticketpool/status.hpp"
#include "ticketpool/stock.hpp"

// Hidden by default (-fvisibility=hidden): only what the server looks up is exported.
#define PGDLLEXPORT __attribute__((visibility("default")))

extern "C" {
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
}

// varatt.h macros are used through VARDATA_ANY and friends in every version.
#if PG_VERSION_NUM >= 160000
extern "C" {
#include "varatt.h"
}
#endif

// Defines an SQL-callable function: TICKETPOOL_FUNCTION(ticket_buy) { ... PG_RETURN_...; }
#define TICKETPOOL_FUNCTION(name)                    \
    extern "C" {                                     \
    PGDLLEXPORT Datum name(FunctionCallInfo fcinfo); \
    PG_FUNCTION_INFO_V1(name);                       \
    }                                                \
    Datum name([[maybe_unused]] FunctionCallInfo fcinfo)

// Scans and updates take options since 19. The extension passes none: it calls them as before.
#if PG_VERSION_NUM >= 190000
inline TableScanDesc table_beginscan(Relation table, Snapshot snapshot, int keys,
                                     ScanKeyData* key) {
    return table_beginscan(table, snapshot, keys, key, SO_NONE);
}

inline IndexFetchTableData* table_index_fetch_begin(Relation table) {
    return table_index_fetch_begin(table, SO_NONE);
}

inline IndexScanDesc index_beginscan(Relation table, Relation index, Snapshot snapshot,
                                     IndexScanInstrumentation* instrument, int keys, int orders) {
    return index_beginscan(table, index, snapshot, instrument, keys, orders, SO_NONE);
}

inline TM_Result table_tuple_update(Relation table, ItemPointer old, TupleTableSlot* slot,
                                    CommandId command, Snapshot snapshot, Snapshot crosscheck,
                                    bool wait, TM_FailureData* failure, LockTupleMode* mode,
                                    TU_UpdateIndexes* indexes) {
    return table_tuple_update(table, old, slot, command, 0, snapshot, crosscheck, wait, failure,
                              mode, indexes);
}

inline TM_Result table_tuple_delete(Relation table, ItemPointer old, CommandId command,
                                    Snapshot snapshot, Snapshot crosscheck, bool wait,
                                    TM_FailureData* failure, bool changing_partition) {
    return table_tuple_delete(table, old, command,
                              changing_partition ? TABLE_DELETE_CHANGING_PARTITION : 0, snapshot,
                              crosscheck, wait, failure);
}
#endif

namespace ticketpool {

// Which system cache has changed, as a callback on its changes is told.
#if PG_VERSION_NUM >= 190000
using SystemCache = SysCacheIdentifier;
#else
using SystemCache = int;
#endif

// For qsort(), of int64_t.
inline int compare_ids(const void* a, const void* b) {
    const int64_t left = *static_cast<const int64_t*>(a);
    const int64_t right = *static_cast<const int64_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

// The same of uint32_t.
inline int compare_numbers(const void* a, const void* b) {
    const uint32_t left = *static_cast<const uint32_t*>(a);
    const uint32_t right = *static_cast<const uint32_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

// Index of this backend among all regular backends: 0 .. MaxBackends - 1.
inline int my_backend_number() {
#if PG_VERSION_NUM >= 170000
    return MyProcNumber;
#else
    return MyProc->pgprocno;
#endif
}

// The running transaction of this backend: a key for what is remembered only while it runs.
inline LocalTransactionId my_local_transaction() {
#if PG_VERSION_NUM >= 170000
    return MyProc->vxid.lxid;
#else
    return MyProc->lxid;
#endif
}

// Does this transaction hold the lock in exactly this mode?
inline bool holds_lock(const LOCKTAG& tag, LOCKMODE mode) {
#if PG_VERSION_NUM >= 170000
    return LockHeldByMe(&tag, mode, false);
#else
    return LockHeldByMe(&tag, mode);
#endif
}

// A string that is stored elsewhere, not terminated.
struct Text {
    const char* data;
    size_t length;
};

inline Text text_of(Datum datum) {
    const text* value = DatumGetTextPP(datum);
    return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

inline Text text_of(std::string_view view) {
    return {view.data(), view.size()};
}

inline Text text_of(const SharedPart& part, TextRef ref) {
    return {part.at(ref.offset), ref.length};
}

inline Datum text_datum(Text value) {
    return PointerGetDatum(cstring_to_text_with_len(value.data, static_cast<int>(value.length)));
}

inline bool same_text(Text a, Text b) {
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

// A palloc'd copy, which outlives the row that the text is in.
inline Text copy_text(Text value) {
    return {pnstrdup(value.data, value.length), value.length};
}

// For messages: a terminated copy, cut to a length that is fit for a log line.
inline const char* printable(Text value) {
    return pnstrdup(value.data, static_cast<Size>(
                                    pg_mbcliplen(value.data, static_cast<int>(value.length), 200)));
}

// A text of another database, read here: its encoding may be another, so only ASCII is kept.
inline void make_readable(char* text, Oid database) {
    for (char* at = text; database != MyDatabaseId && *at != '\0'; at++) {
        *at = IS_HIGHBIT_SET(*at) ? '?' : *at;
    }
}

inline uint32_t text_hash(Text value) {
    return hash_bytes(reinterpret_cast<const unsigned char*>(value.data),
                      static_cast<int>(value.length));
}

}  // namespace ticketpool
