// The way into each trigger function of this folder, and the event that it was called for.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/catalog.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"

extern "C" {
#include "commands/trigger.h"
}

namespace ticketpool {

// The body of trigger function `function`: calls `follow(const Catalog&, const TriggerData*)`.
// 39P01 if it was not called as a trigger. If this server has no pool, there is nothing to follow.
template <typename Follow>
Datum enter_trigger(FunctionCallInfo fcinfo, const char* function, Follow follow) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger(function);
    }
    if (shared.control != nullptr) {
        require_shared_memory();
        follow(catalog_of(fcinfo), reinterpret_cast<const TriggerData*>(fcinfo->context));
    }
    return Datum{0};
}

// A row event: both rows, or the one that there is.
struct RowEvent {
    TupleTableSlot* before;
    TupleTableSlot* after;
};

inline RowEvent rows_of(const TriggerData* trigger) {
    if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) {
        return {nullptr, trigger->tg_trigslot};
    }
    return {trigger->tg_trigslot,
            TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newslot : nullptr};
}

// Do both rows have the same value in this column, or both NULL?
bool same_column(const RowEvent& rows, AttrNumber column);

// 39P01 if the trigger is not on this table.
void require_followed_table(const TriggerData* trigger, Oid table);

// An event of this table: calls follow_truncate(catalog), or follow_rows(catalog, rows).
template <typename Truncate, typename Rows>
void follow_table(const Catalog& catalog, const TriggerData* trigger, Oid table,
                  Truncate follow_truncate, Rows follow_rows) {
    require_followed_table(trigger, table);
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        follow_truncate(catalog);
    } else {
        follow_rows(catalog, rows_of(trigger));
    }
}

}  // namespace ticketpool
