// Running SQL as the extension's owner.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Runs SQL as the extension's owner with a search_path that the caller has no hand in.
struct OwnerScope {
    Oid user;
    int security_context;
    int guc_level;
};
// Do the owner's own policies apply to the statement, where a table forces them on the owner?
// kEvery: what keeps pool and tables together (expiry, quotas that return, preloading) sees and
// writes every row. Statements are planned so; the functions of triggers that they fire are not.
enum class RowScope { kPolicies, kEvery };
void owner_begin(const Catalog& catalog, OwnerScope* scope, RowScope rows = RowScope::kPolicies);
void owner_end(const OwnerScope& scope);

// Quoted "schema.relation", for SQL text. Lock a relation that a user may rename, a partition, to
// the end of the transaction before: the name must still be the relation's when SQL looks it up.
const char* qualified_name(Oid relation);

}  // namespace ticketpool
