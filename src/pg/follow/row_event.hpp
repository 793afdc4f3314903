// What a trigger of ours was called for.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "commands/trigger.h"
}

namespace ticketpool {

// A row event: both rows, where there are both.
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

// Ereports unless it is one of this table's.
void require_followed_table(const TriggerData* trigger, Oid table);

}  // namespace ticketpool
