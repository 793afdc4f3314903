// What a rule is told about a purchase of tickets or of an item.
#pragma once

#include "purchase/route_times.hpp"
#include "server/pg.hpp"

namespace ticketpool {

enum class RuleKind { kTicket, kItem };
inline constexpr int kRuleKinds = 2;

// The arguments of a rule function.
enum RuleArgument { kRuleDeparture, kRuleUser, kRulePassengers, kRuleFrom, kRuleTo };
enum ItemRuleArgument { kRuleItem, kRuleItemUser, kRuleQuantity };
inline constexpr int kMostRuleArguments = 5;

// A purchase as rules are asked about it.
struct RuleCall {
    RuleKind kind;
    int64_t user_id;
    Datum arguments[kMostRuleArguments];
    // Of tickets only
    const int64_t* passengers;
    uint32_t party;
    uint32_t tickets;
    DateADT service_date;
    bool has_times;
    TripTimes times;
};

}  // namespace ticketpool
