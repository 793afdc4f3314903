// Which tables, indexes and sequences belong to the extension in this database: resolved once a
// session, and again after anything about them has changed (relcache invalidation).
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// The version of the SQL script: what the objects in a database have to be for this library.
inline constexpr const char* kVersion = "0.3";

struct Catalog {
    Oid schema;
    Oid owner;  // of ticket_order: rows are written as this user
    Oid station, station_pkey, station_name;
    Oid stop, formation, formation_seat;
    Oid departure, departure_pkey, departure_train_date, departure_day, departure_sequence;
    Oid route, route_pkey, route_digest, route_days, route_call, route_call_pkey;
    Oid reservation, reservation_open, reservation_sequence;
    Oid rule;
    Oid layout, layout_digest, layout_coach, layout_coach_pkey;
    Oid order, order_pkey, order_live, order_request, order_held, order_unsettled, order_sequence;
    Oid order_day, order_day_order;
    Oid inventory, inventory_pkey, inventory_root, inventory_item, inventory_sequence;
    Oid item_order, item_order_pkey, item_order_live, item_order_request, item_order_held;
    Oid item_order_sequence;
    Oid refund_call, refund_call_pkey;
    Oid question, question_pkey, gate, gate_pkey;
    Oid parcel, parcel_pkey, parcel_departure, parcel_part, moved, moved_pkey;
    Oid node, node_one, node_drawn;
    Oid wait, wait_pkey, wait_request, wait_user, wait_over, wait_sequence, wait_queue;
    Oid wait_option, wait_option_pkey, wait_option_queue, wait_option_end, wait_option_user;
    Oid event, event_pkey, event_xid, event_sequence;
};

// The catalog of the extension that the running SQL function belongs to. 55000 if its objects are
// those of another version.
const Catalog& catalog_of(FunctionCallInfo fcinfo);
// The catalog of the extension in this schema.
const Catalog& catalog_in(Oid schema);

// The version of the extension's objects in this database; null: the extension is not here.
const char* installed_version();
// Is the extension in this database, in the library's version?
bool is_installed();

// Counts up with each change of the extension's relations. What was cached before is void.
extern uint64_t catalog_generation;

// Counts up with each change of the content of ticket_station, ticket_route_call, ticket_rule,
// ticket_departure and ticket_node (their triggers and ticket_open announce it).
extern uint64_t station_generation;
extern uint64_t route_generation;
extern uint64_t rule_generation;
extern uint64_t departure_generation;
extern uint64_t node_generation;

// Counts up with each change of any relation.
extern uint64_t relation_generation;

// Counts up with each change of any function.
extern uint64_t function_generation;

// Announces, at commit and to every session, that cached content of the table is void.
void announce_change(Oid relation);

void install_catalog_callbacks();

}  // namespace ticketpool
