// Who may buy: see rules.cpp.
#pragma once

#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Is any rule of the kind enabled? The whole cost of rules where none is.
bool has_rules(const Catalog& catalog, RuleKind kind);

// Asks every enabled rule; locks the user and the passengers against other purchases to the end of
// the transaction first. Null: may buy; else the reason of the first rule that refuses.
const char* ask_rules(const Catalog& catalog, const RuleCall& call);

// The same; ereports TK004.
void check_rules(const Catalog& catalog, const RuleCall& call);

// The locks of many purchases at once, in the one order.
void lock_people(const Catalog& catalog, const int64_t* users, uint32_t user_count,
                 const int64_t* passengers, uint32_t passenger_count);

void install_rule_callbacks();

}  // namespace ticketpool
