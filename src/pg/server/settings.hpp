// Every setting of the extension. doc/reference.md describes them.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "pgtime.h"
}

namespace ticketpool {

extern int setting_memory_kb;  // ticketpool.memory: the whole pool
extern bool setting_preload;   // ticketpool.preload
// ticketpool.group_sale. kAlways is for tests: whoever may queue does so, also alone, and waits for
// a cashier to start.
enum class GroupSale { kOff, kOn, kAlways };
extern int setting_group_sale;    // a GroupSale
extern int setting_cashier_idle;  // ticketpool.cashier_idle: seconds
extern int setting_allocation;    // ticketpool.allocation: an Allocation

extern int setting_hold_ttl;  // ticketpool.hold_ttl: seconds

extern int setting_user_limit;  // ticketpool.user_limit: tickets, for the rule
extern int setting_item_limit;  // ticketpool.item_limit: units, for the rule

extern int setting_gate_ttl;    // ticketpool.gate_ttl: seconds
extern int setting_gate_tries;  // ticketpool.gate_tries: wrong answers

extern int setting_wait_limit;    // ticketpool.wait_limit: open waits of a user
extern int setting_wait_options;  // ticketpool.wait_options: of a wait
extern bool setting_notify;       // ticketpool.notify
extern int setting_event_days;    // ticketpool.event_days

extern int setting_standby_staleness;  // ticketpool.standby_staleness: milliseconds

extern bool setting_partial_search;  // router.partial_search
extern int setting_exchange_ttl;     // router.exchange_ttl: seconds
extern int setting_call_timeout;     // router.call_timeout: milliseconds

void define_settings();
// The time zone of timetables: ticketpool.timezone, or the server's TimeZone at its start.
pg_tz* sale_timezone();

// Those of a router. They need no preload.
void define_router_settings();

}  // namespace ticketpool
