// The library's entry: wiring only.
#include "follow/restore.hpp"
#include "follow/wanted.hpp"
#include "pool/pool_layout.hpp"
#include "server/alone.hpp"
#include "server/call_scan.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/settings.hpp"
#include "tables/order_leaf.hpp"
#include "tables/people_scan.hpp"
#include "ticketpool/kernels.hpp"
#include "transaction.hpp"
#include "waits/award.hpp"
#include "worker/launcher.hpp"

extern "C" {
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

Datum ticket_buy(PG_FUNCTION_ARGS);
Datum ticket_hold(PG_FUNCTION_ARGS);
Datum ticket_buy_seats(PG_FUNCTION_ARGS);
Datum ticket_hold_seats(PG_FUNCTION_ARGS);
Datum ticket_confirm(PG_FUNCTION_ARGS);
Datum ticket_cancel(PG_FUNCTION_ARGS);
Datum ticket_refund(PG_FUNCTION_ARGS);
Datum ticket_get(PG_FUNCTION_ARGS);
Datum item_buy(PG_FUNCTION_ARGS);
Datum item_hold(PG_FUNCTION_ARGS);
Datum item_confirm(PG_FUNCTION_ARGS);
Datum item_cancel(PG_FUNCTION_ARGS);
Datum item_refund(PG_FUNCTION_ARGS);
}

// The functions that return orders: see call_scan.hpp.
static constexpr ticketpool::CalledFunction kOrderFunctions[] = {
    {"ticket_buy", ticket_buy},
    {"ticket_hold", ticket_hold},
    {"ticket_buy_seats", ticket_buy_seats},
    {"ticket_hold_seats", ticket_hold_seats},
    {"ticket_confirm", ticket_confirm},
    {"ticket_cancel", ticket_cancel},
    {"ticket_refund", ticket_refund},
    {"ticket_get", ticket_get},
    {"item_buy", item_buy},
    {"item_hold", item_hold},
    {"item_confirm", item_confirm},
    {"item_cancel", item_cancel},
    {"item_refund", item_refund}};

void _PG_init(void) {
    using namespace ticketpool;
    define_router_settings();  // a router needs no preload
    if (!process_shared_preload_libraries_in_progress) {
        return;  // the functions say what to set: require_shared_memory()
    }
    kernels_init();
    define_settings();
    install_shared_memory_hooks();
    install_transaction_callbacks();
    install_wanted_hook();
    install_catalog_callbacks();
    install_order_callbacks();
    install_people_callbacks();
    install_restore_hook();
    install_call_scan(kOrderFunctions);
    install_alone_hook();
    install_wait_hooks();
    register_launcher();
}
