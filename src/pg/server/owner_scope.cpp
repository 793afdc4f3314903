// Switches to the extension's owner and back (owner_scope.hpp).
#include "server/owner_scope.hpp"

#include "server/errors.hpp"

namespace ticketpool {

const char* qualified_name(Oid relation) {
    const char* name = get_rel_name(relation);
    const char* schema = get_namespace_name(get_rel_namespace(relation));
    if (name == nullptr || schema == nullptr) {
        report_gone();
    }
    return quote_qualified_identifier(schema, name);
}

void owner_begin(const Catalog& catalog, OwnerScope* scope, RowScope rows) {
    GetUserIdAndSecContext(&scope->user, &scope->security_context);
    const int every_row = rows == RowScope::kEvery ? SECURITY_NOFORCE_RLS : 0;
    SetUserIdAndSecContext(catalog.owner,
                           scope->security_context | SECURITY_LOCAL_USERID_CHANGE | every_row);
    scope->guc_level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
}

void owner_end(const OwnerScope& scope) {
    AtEOXact_GUC(true, scope.guc_level);
    SetUserIdAndSecContext(scope.user, scope.security_context);
}

}  // namespace ticketpool
