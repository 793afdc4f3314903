// What all trigger functions ask: is this table ours, and is a column the same in both rows?
#include "follow/trigger_entry.hpp"

#include "server/table_scan.hpp"

extern "C" {
#include "utils/datum.h"
}

namespace ticketpool {

bool same_column(const RowEvent& rows, AttrNumber column) {
    bool no_old;
    bool no_new;
    const Datum before = row_value(rows.before, column, &no_old);
    const Datum after = row_value(rows.after, column, &no_new);
    Form_pg_attribute attribute = TupleDescAttr(rows.before->tts_tupleDescriptor, column - 1);
    return no_old || no_new ? no_old == no_new
                            : datum_image_eq(before, after, attribute->attbyval, attribute->attlen);
}

void require_followed_table(const TriggerData* trigger, Oid table) {
    if (RelationGetRelid(trigger->tg_relation) != table) {
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("\"%s\" is not a table of ticketpool",
                               RelationGetRelationName(trigger->tg_relation)),
                        errdetail("The function serves the extension's triggers."),
                        errhint("Drop the trigger.")));
    }
}

}  // namespace ticketpool
