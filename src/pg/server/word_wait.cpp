// Sleeps on a word by futex: see word_wait.hpp.
#include "server/word_wait.hpp"

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

extern "C" {
#include "pgstat.h"
#include "storage/pmsignal.h"
#include "utils/wait_event.h"
}

namespace ticketpool {
namespace {

uint32 event_of([[maybe_unused]] WordWait what) {
#if PG_VERSION_NUM >= 170000
    static uint32 sale = 0;
    if (sale == 0) {
        sale = WaitEventExtensionNew("TicketpoolGroupSale");
    }
    return sale;
#else
    return PG_WAIT_EXTENSION;
#endif
}

#if defined(__linux__)

long futex(const std::atomic<uint32_t>* word, int operation, uint32_t value,
           const timespec* timeout) {
    static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));
    return syscall(SYS_futex, word, operation, value, timeout, nullptr, 0);
}

void sleep_on(const std::atomic<uint32_t>* word, uint32_t value, long timeout_ms) {
    const timespec timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000000};
    (void)futex(word, FUTEX_WAIT, value, &timeout);  // whatever ended it, the caller looks again
}

#else

void sleep_on(const std::atomic<uint32_t>*, uint32_t, long) {
    pg_usleep(500);
}

#endif

}  // namespace

void wait_while(const std::atomic<uint32_t>* word, uint32_t value, long timeout_ms, WordWait what) {
    pgstat_report_wait_start(event_of(what));
    sleep_on(word, value, timeout_ms);
    pgstat_report_wait_end();
    if (unlikely(!PostmasterIsAlive())) {
        proc_exit(1);
    }
}

void wake([[maybe_unused]] std::atomic<uint32_t>* word) {
#if defined(__linux__)
    (void)futex(word, FUTEX_WAKE, 1, nullptr);
#endif
}

}  // namespace ticketpool
