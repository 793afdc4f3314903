// The rules that come with the extension, as the purchase asks them: without a call of an SQL
// function.
#pragma once

#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The reason why not, or null; as of the active snapshot.
using BuiltinRule = const char* (*)(const Catalog& catalog, const RuleCall& call);

// The built-in rule that the function is; null: a function of the user's, or one that the user has
// given settings, which only a call of the function follows.
BuiltinRule builtin_rule(const Catalog& catalog, Oid function);

}  // namespace ticketpool
