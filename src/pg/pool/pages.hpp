// How the pool's memory is mapped into processes, page by page.
//
// Shared memory is there when the server starts, but each process begins with none of it mapped:
// the first touch of a page of 4 kB is a page fault, a microsecond or more. At the size of a
// country a session meets a departure for the first time at almost every call, so it would fault at
// almost every call. What helps, best first:
//
//   huge pages             PostgreSQL's huge_pages: a fault, and an entry of the processor's
//                          address cache (TLB), for each 2 MB
//   transparent huge pages the same, if the kernel gives them to shared memory that asks for them
//                          (/sys/kernel/mm/transparent_hugepage/shmem_enabled). The pool does ask
//   populating             a process asks the kernel to map many pages at once (MADV_POPULATE_READ,
//                          from Linux 5.14 on): 64 kB around the first touch, and all 2 MB around
//                          it once it has met a quarter of them
//   single pages           what is left: the kernel's own choice, 16 pages or one a fault
//
// Which of them it is, is found out at start (pages_start), and stays.
//
// Who writes what when: Control::pages and Control::page_bytes, the postmaster, before any other
// process is there. Control::arena_end, the holder of the exclusive directory lock, after each
// allocation: what lies above was never touched by anybody, and is never populated, because that
// would allocate it. `my_pages`, each process for itself: a bit for each 64 kB that it has asked
// for. The postmaster makes the table, so all processes share its memory until they write to it,
// and no first call has to clear it.
//
// A page that is mapped or not makes no difference but in time. Page faults work everywhere, so
// calls of pages_touch() are hints: they are on the way of each call to a departure, and may be
// missing elsewhere. If a process dies here, nothing is left behind.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

enum class PageKind : uint32_t { kHuge, kTransparentHuge, kPopulated, kSingle };

struct MyPages {
    uintptr_t base;    // a multiple of 2 MB, at or below the pool
    uint32_t* pieces;  // a word for each 2 MB: a bit for each 64 kB; null: there is nothing to do
};
extern constinit MyPages my_pages;

// How the pool should be aligned, so that huge pages fit into it.
Size pages_alignment(Size pool_bytes);

// In the postmaster, before anything of the pool is touched: asks for transparent huge pages.
void pages_advise(char* pool, Size bytes);
// The same, when all of the pool's structures are there: finds out what there is, and says so in
// the log if a large pool has no huge pages.
void pages_start(char* pool, Size bytes);

// Slow part of pages_touch().
void pages_populate(uintptr_t offset);

// This process is about to touch what is at `address`, in the pool. No-fail.
inline void pages_touch(const void* address) {
    if (my_pages.pieces == nullptr) {
        return;
    }
    const uintptr_t offset = reinterpret_cast<uintptr_t>(address) - my_pages.base;
    if (unlikely((my_pages.pieces[offset >> 21] >> (offset >> 16 & 31) & 1) == 0)) {
        pages_populate(offset);
    }
}

// As ticket_pool_stat says it.
const char* page_kind_name(PageKind kind);

}  // namespace ticketpool
