// The life of a ticket: its states, and the one table of legal transitions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ticketpool {

enum class OrderStatus : uint8_t { kHeld, kSold, kRefunded, kCancelled, kExpired, kChanged };
inline constexpr int kOrderStatuses = 6;

inline constexpr const char* kOrderStatusNames[kOrderStatuses] = {
    "held", "sold", "refunded", "cancelled", "expired", "changed"};

constexpr const char* status_name(OrderStatus status) noexcept {
    return kOrderStatusNames[static_cast<int>(status)];
}

// A live ticket has its seat.
constexpr bool is_live(OrderStatus status) noexcept {
    return status == OrderStatus::kHeld || status == OrderStatus::kSold;
}

// kOrderTransitions[from][to]
inline constexpr bool kOrderTransitions[kOrderStatuses][kOrderStatuses] = {
    //             held   sold   refund cancel expire change
    /* held */ {false, true, false, true, true, false},         // paid, given up, run out
    /* sold */ {false, false, true, false, false, true},        // given back, exchanged
    /* refunded */ {false, false, false, false, false, false},  // the end
    /* cancelled */ {false, false, false, false, false, false},
    /* expired */ {false, true, false, false, false, false},  // paid late, while seats are left
    /* changed */ {false, false, false, false, false, false},
};

constexpr bool may_become(OrderStatus from, OrderStatus to) noexcept {
    return kOrderTransitions[static_cast<int>(from)][static_cast<int>(to)];
}

// False: not a status.
inline bool parse_order_status(const char* text, std::size_t length, OrderStatus* status) noexcept {
    for (int i = 0; i < kOrderStatuses; i++) {
        if (std::strlen(kOrderStatusNames[i]) == length &&
            std::memcmp(kOrderStatusNames[i], text, length) == 0) {
            *status = static_cast<OrderStatus>(i);
            return true;
        }
    }
    return false;
}

}  // namespace ticketpool
