// Decides whether a purchase queues at the cashier's: see group_sale.hpp.
#include "purchase/group_sale.hpp"

#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/settings.hpp"

extern "C" {
#include "storage/latch.h"
#include "storage/procarray.h"
}

namespace ticketpool {
namespace {

// The launcher looks once a second by itself.
void ask_for_cashier(SaleDesk* desk) {
    if (desk->wanted.exchange(true, std::memory_order_seq_cst)) {
        return;
    }
    const int32_t pid = shared.control->launcher.load(std::memory_order_relaxed);
    PGPROC* launcher = pid == 0 ? nullptr : BackendPidGetProc(pid);
    if (launcher != nullptr) {
        SetLatch(&launcher->procLatch);
    }
}

// For tests: waits until a cashier has come, or a while.
void wait_for_cashier(SaleDesk* desk) {
    for (int i = 0; i < 1000 && desk->cashier.load(std::memory_order_seq_cst) == 0; i++) {
        ask_for_cashier(desk);
        CHECK_FOR_INTERRUPTS();
        pg_usleep(10000);
    }
}

// Is it better to sell apart?
bool sells_apart(const SaleDesk* desk, int others) {
    return (others <= 0 && !desk->rush.load(std::memory_order_relaxed)) ||
           desk->apart_until[is_flushed(synchronous_commit)].load(std::memory_order_relaxed) >
               GetCurrentStatementStartTimestamp();
}

SaleDesk* join(FunctionCallInfo fcinfo) {
    SaleDesk* desk = my_desk();
    if (desk == nullptr || !may_be_alone(fcinfo)) {
        return nullptr;
    }
    const bool always = setting_group_sale == static_cast<int>(GroupSale::kAlways);
    const int others = enter_sale(desk);
    if ((!always && sells_apart(desk, others)) || !is_alone(fcinfo)) {
        return nullptr;
    }
    if (always) {
        wait_for_cashier(desk);
    }
    if (desk->cashier.load(std::memory_order_relaxed) == 0) {
        ask_for_cashier(desk);
        return nullptr;
    }
    return my_sale_slot()->now() == SaleState::kFree ? desk : nullptr;
}

}  // namespace

SaleDesk* join_group(FunctionCallInfo fcinfo) {
    return likely(setting_group_sale == static_cast<int>(GroupSale::kOff)) ? nullptr : join(fcinfo);
}

static constinit TimestampTz refused_at = 0;

bool was_refused_lately() {
    return refused_at != 0 && GetCurrentStatementStartTimestamp() - refused_at < USECS_PER_SEC;
}

void note_refused() {
    refused_at = GetCurrentStatementStartTimestamp();
}

BuyerSettings my_settings() {
    return {setting_allocation, setting_user_limit, setting_item_limit, setting_gate_ttl,
            setting_gate_tries};
}

void act_with(const BuyerSettings& settings) {
    setting_allocation = settings.allocation;
    setting_user_limit = settings.user_limit;
    setting_item_limit = settings.item_limit;
    setting_gate_ttl = settings.gate_ttl;
    setting_gate_tries = settings.gate_tries;
}

}  // namespace ticketpool
