// Sleeping until a word in shared memory changes, and waking whoever sleeps on it.
//
// On Linux by futex: a wake-up costs one system call, and the sleeper another. (A latch costs a
// signal, and its sleeper two calls more.) A futex knows nothing of interrupts, so a sleeper looks
// after them itself: a signal ends the sleep, unless it arrives just before it begins. Elsewhere
// the sleeper looks again every half millisecond.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// What pg_stat_activity says that the session waits for, from PostgreSQL 17 on; before,
// "Extension".
enum class WordWait { kSale };

// Returns when the word may be another than `value`, after a signal, or after the time. Exits if
// the postmaster is gone.
void wait_while(const std::atomic<uint32_t>* word, uint32_t value, long timeout_ms, WordWait what);

// After a store to the word.
void wake(std::atomic<uint32_t>* word);

}  // namespace ticketpool
