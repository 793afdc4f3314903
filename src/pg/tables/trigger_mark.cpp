// Reads the catalog row of our trigger on a table: see trigger_mark.hpp.
#include "tables/trigger_mark.hpp"

extern "C" {
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {

TriggerMark trigger_mark(Oid relation) {
    TriggerMark mark{InvalidOid, InvalidTransactionId};
    Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(relation));
    ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
                CStringGetDatum(kFollowTrigger));
    SysScanDesc scan =
        systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, lengthof(keys), keys);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        mark.oid = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->oid;
        mark.written_by = HeapTupleHeaderGetRawXmin(tuple->t_data);
    }
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return mark;
}

}  // namespace ticketpool
