// The rules that come with the extension, as a purchase asks them: without calling an SQL function.
#pragma once

#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Returns the reason why the purchase is refused, or null; as of the active snapshot.
using BuiltinRule = const char* (*)(const Catalog& catalog, const RuleCall& call);

// The built-in rule that the function is. Null: it is a function of the user's, or the user has
// given it settings, which apply only if the function is called.
BuiltinRule builtin_rule(const Catalog& catalog, Oid function);

}  // namespace ticketpool
