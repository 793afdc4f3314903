// Running SQL as the extension's owner.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Runs SQL as the extension's owner, with a search_path that the caller cannot influence.
struct OwnerScope {
    Oid user;
    int security_context;
    int guc_level;
};
// Do a table's policies apply to the statement, if the table forces them on its owner? kEvery: they
// do not. What keeps pool and tables together (expiry, quotas that return, preloading) sees and
// writes every row. This is how the statements are planned; the functions of triggers that they
// fire are planned with the policies.
enum class RowScope { kPolicies, kEvery };
void owner_begin(const Catalog& catalog, OwnerScope* scope, RowScope rows = RowScope::kPolicies);
void owner_end(const OwnerScope& scope);

// Quoted "schema.relation", for SQL text. If users may rename the relation, as they may a
// partition, lock it before, to the end of the transaction: the name must still be the relation's
// when SQL looks it up.
const char* qualified_name(Oid relation);

}  // namespace ticketpool
