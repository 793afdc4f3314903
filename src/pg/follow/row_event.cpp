// See row_event.hpp.
#include "follow/row_event.hpp"

namespace ticketpool {

void require_followed_table(const TriggerData* trigger, Oid table) {
    if (RelationGetRelid(trigger->tg_relation) != table) {
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("\"%s\" is no table of ticketpool",
                               RelationGetRelationName(trigger->tg_relation)),
                        errdetail("The function serves the extension's triggers."),
                        errhint("Drop the trigger.")));
    }
}

}  // namespace ticketpool
