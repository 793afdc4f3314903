// Who may buy: see rules.cpp.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"
#include "sale.hpp"

namespace ticketpool {

// Is any rule on tickets enabled? The whole cost of rules where none is.
bool has_rules(const Catalog& catalog);

// Asks every enabled rule; locks the user and the passengers against other purchases to the end of
// the transaction first. Null: may buy; else the reason of the first rule that refuses.
const char* ask_rules(const Catalog& catalog, const Purchase& purchase);

// The same; ereports TK004.
void check_rules(const Catalog& catalog, const Purchase& purchase);

void install_rule_callbacks();

}  // namespace ticketpool
