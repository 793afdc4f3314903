// Defines the settings of the extension.
#include "server/settings.hpp"

#include "server/pg.hpp"
#include "server/stop_point.hpp"

namespace ticketpool {

int setting_memory_kb;
int setting_allocation;
int setting_hold_ttl;
int setting_user_limit;
int setting_item_limit;
int setting_gate_ttl;
int setting_gate_tries;
int setting_standby_staleness;
bool setting_preload;
int setting_group_sale;
int setting_cashier_idle;
int setting_wait_limit;
int setting_wait_options;
bool setting_notify;
int setting_event_days;
bool setting_partial_search;
int setting_exchange_ttl;
int setting_call_timeout;

namespace {

const config_enum_entry kAllocations[] = {
    {"best_fit", static_cast<int>(Allocation::kBestFit), false},
    {"first_fit", static_cast<int>(Allocation::kFirstFit), false},
    {"random", static_cast<int>(Allocation::kRandom), false},
    {nullptr, 0, false},
};

// Whatever a Boolean setting takes, and a value for tests.
const config_enum_entry kGroupSales[] = {
    {"off", static_cast<int>(GroupSale::kOff), false},
    {"on", static_cast<int>(GroupSale::kOn), false},
    {"false", static_cast<int>(GroupSale::kOff), true},
    {"true", static_cast<int>(GroupSale::kOn), true},
    {"no", static_cast<int>(GroupSale::kOff), true},
    {"yes", static_cast<int>(GroupSale::kOn), true},
    {"0", static_cast<int>(GroupSale::kOff), true},
    {"1", static_cast<int>(GroupSale::kOn), true},
    {"always", static_cast<int>(GroupSale::kAlways), true},
    {nullptr, 0, false},
};

char* setting_timezone;
pg_tz* zone_at_start = nullptr;
pg_tz* chosen_zone = nullptr;  // null: zone_at_start

bool check_timezone(char** value, void**, GucSource) {
    if ((*value)[0] == '\0') {
        return true;
    }
    pg_tz* zone = pg_tzset(*value);
    if (zone == nullptr) {
        GUC_check_errdetail("The server does not know a time zone of this name.");
        return false;
    }
    if (!pg_tz_acceptable(zone)) {
        GUC_check_errdetail("PostgreSQL does not support leap seconds.");
        return false;
    }
    return true;
}

// Found at once: the check has loaded it.
void assign_timezone(const char* value, void*) {
    chosen_zone = value[0] == '\0' ? nullptr : pg_tzset(value);
}

constexpr int kDefaultMemoryKb = 64 * 1024;
constexpr int kMinMemoryKb = 2 * 1024;
constexpr int kMaxMemoryKb = 1024 * 1024 * 1024;  // 1 TB

}  // namespace

pg_tz* sale_timezone() {
    return chosen_zone != nullptr ? chosen_zone : zone_at_start;
}

void define_settings() {
    zone_at_start = session_timezone;  // the library is loaded when the server starts
    DefineCustomStringVariable(
        "ticketpool.timezone",
        "The time zone in which timetables are written, for the end of sales by sale_margin.",
        "Empty: the server's TimeZone when it was started.", &setting_timezone, "", PGC_SIGHUP, 0,
        check_timezone, assign_timezone, nullptr);
    DefineCustomIntVariable(
        "ticketpool.memory", "Shared memory reserved for the seat pool at server start.",
        "Departures that do not fit make room for each other, coldest first, and are rebuilt from "
        "their orders at the next touch.",
        &setting_memory_kb, kDefaultMemoryKb, kMinMemoryKb, kMaxMemoryKb, PGC_POSTMASTER,
        GUC_UNIT_KB, nullptr, nullptr, nullptr);
    DefineCustomBoolVariable(
        "ticketpool.preload",
        "Whether a background worker brings what is on sale into memory after a start.",
        "Otherwise a departure is rebuilt when it is asked for first.", &setting_preload, false,
        PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable(
        "ticketpool.group_sale",
        "Whether purchases of several sessions may be carried out in one commit, by a worker.",
        "Those that are alone in their transaction, while others are buying, too.",
        &setting_group_sale, static_cast<int>(GroupSale::kOff), kGroupSales, PGC_USERSET, 0,
        nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.cashier_idle",
        "How long the worker that carries out group sales stays without anything to do.", nullptr,
        &setting_cashier_idle, 60, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomEnumVariable(
        "ticketpool.allocation", "Which of the free seats a purchase takes.",
        "best_fit keeps long free runs whole for long trips; first_fit takes the first free seat; "
        "random any.",
        &setting_allocation, static_cast<int>(Allocation::kBestFit), kAllocations, PGC_USERSET, 0,
        nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.hold_ttl", "How long ticket_hold keeps seats for a user who pays.", nullptr,
        &setting_hold_ttl, 600, 1, 366 * 86400, PGC_USERSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.user_limit",
        "Live tickets of one user for one departure, for the rule ticket_rule_user_limit.", nullptr,
        &setting_user_limit, 5, 1, INT_MAX, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.item_limit",
        "Units of one item in live orders of one user, for the rule item_rule_user_limit.", nullptr,
        &setting_item_limit, 5, 1, INT_MAX, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("ticketpool.gate_ttl",
                            "How long a right answer to item_ask lets a user buy, and too many "
                            "wrong ones bar the user.",
                            nullptr, &setting_gate_ttl, 600, 1, 366 * 86400, PGC_SUSET, GUC_UNIT_S,
                            nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.gate_tries", "Wrong answers to item_ask before a user is barred for a while.",
        nullptr, &setting_gate_tries, 5, 1, INT_MAX, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("ticketpool.wait_limit", "Open waits of one user.", nullptr,
                            &setting_wait_limit, 6, 1, INT_MAX, PGC_SUSET, 0, nullptr, nullptr,
                            nullptr);
    DefineCustomIntVariable("ticketpool.wait_options", "Options of one wait.", nullptr,
                            &setting_wait_options, 60, 1, 10000, PGC_SUSET, 0, nullptr, nullptr,
                            nullptr);
    DefineCustomBoolVariable(
        "ticketpool.notify",
        "Whether the worker sends NOTIFY ticketpool when there are new events.",
        "At most once a second, with the highest event_id. Set it for the server or a database.",
        &setting_notify, false, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("ticketpool.event_days",
                            "How many days events, and waits that are over, are kept.",
                            "The worker deletes them afterwards.", &setting_event_days, 30, 1,
                            36500, PGC_SUSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "ticketpool.standby_staleness",
        "How far counts on a hot standby may be behind what it has replayed.",
        "A departure that is asked for and is older is read again from its orders.",
        &setting_standby_staleness, 1000, 0, 86400 * 1000, PGC_USERSET, GUC_UNIT_MS, nullptr,
        nullptr, nullptr);
    define_stop_point_setting();
    MarkGUCPrefixReserved("ticketpool");
}

void define_router_settings() {
    DefineCustomBoolVariable(
        "router.partial_search",
        "Whether a search through a router goes on without nodes that do not answer.",
        "A WARNING names each node that is missing. Otherwise the search fails.",
        &setting_partial_search, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
    DefineCustomIntVariable(
        "router.exchange_ttl",
        "How long an exchange between two nodes keeps the new seats until it is completed.",
        "The new node has to answer within this time.", &setting_exchange_ttl, 86400, 60,
        366 * 86400, PGC_SUSET, GUC_UNIT_S, nullptr, nullptr, nullptr);
    DefineCustomIntVariable("router.call_timeout", "How long a router waits for a node's answer.",
                            "A call that takes longer fails, and its outcome is not known.",
                            &setting_call_timeout, 8000, 100, INT_MAX, PGC_SUSET, GUC_UNIT_MS,
                            nullptr, nullptr, nullptr);
    // The prefix is not reserved: so plain a name may be an application's, too.
}

}  // namespace ticketpool
