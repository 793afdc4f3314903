// Asking the rules in ticket_rule whether a purchase is allowed (rules.cpp).
#pragma once

#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Is any rule of the kind enabled? If none is, this check is the whole cost of rules.
bool has_rules(const Catalog& catalog, RuleKind kind);

// First locks the user and the passengers against other purchases, to the end of the transaction.
// Then asks the enabled rules. Null: the purchase is allowed; otherwise the reason of the first
// rule that refuses.
const char* ask_rules(const Catalog& catalog, const RuleCall& call);

// The same, without waiting for a purchase of the same people by another transaction. *busy: there
// is one, and nothing was asked.
const char* ask_rules_at_once(const Catalog& catalog, const RuleCall& call, bool* busy);

// As ask_rules(), but ereports TK004 if a rule refuses.
void check_rules(const Catalog& catalog, const RuleCall& call);

// Are all enabled rules of the kind built in, so that any process may ask them, for any user?
bool has_only_builtin_rules(const Catalog& catalog, RuleKind kind);
// Asks these rules for another session, without waiting. False: a rule refuses, or it would have to
// be waited for a purchase of the same people, also for one of this transaction.
bool may_buy_at_once(const Catalog& catalog, const RuleCall& call);

// Takes the locks of the people of one or many purchases, in the order that all sessions use.
void lock_people(const Catalog& catalog, const int64_t* users, uint32_t user_count,
                 const int64_t* passengers, uint32_t passenger_count);

}  // namespace ticketpool
