// Reads the catalog row of our trigger on a table: see trigger_identity.hpp.
#include "tables/trigger_identity.hpp"

extern "C" {
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {

TriggerIdentity trigger_identity(Oid relation) {
    TriggerIdentity identity{InvalidOid, InvalidTransactionId};
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
        identity.oid = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->oid;
        identity.written_by = HeapTupleHeaderGetRawXmin(tuple->t_data);
    }
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return identity;
}

}  // namespace ticketpool
