// Maps the pool into processes in large pieces, and says how it is mapped (pages.hpp).
#include "pool/pages.hpp"

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "pool/shared_memory.hpp"

extern "C" {
#include <sys/mman.h>
#include <unistd.h>

#include "storage/fd.h"
}

// Older headers do not have it, while the kernel may.
#if defined(__linux__) && !defined(MADV_POPULATE_READ)
#define MADV_POPULATE_READ 22
#endif

namespace ticketpool {

constinit MyPages my_pages{};

namespace {

constexpr uintptr_t kRegion = uintptr_t{1} << 21;
constexpr uintptr_t kPiece = uintptr_t{1} << 16;
// A session that has touched so many pieces of a region will meet most of it: a quarter of them.
constexpr int kPiecesOfAWideSession = 8;
// From this size on the log says what huge pages would do.
constexpr Size kLargePool = Size{256} << 20;

constinit Size table_bytes = 0;  // of my_pages.pieces

uintptr_t page_size() {
    return static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
}

bool populate([[maybe_unused]] uintptr_t from, [[maybe_unused]] uintptr_t to) {
#ifdef MADV_POPULATE_READ
    return madvise(reinterpret_cast<void*>(from), to - from, MADV_POPULATE_READ) == 0;
#else
    return false;
#endif
}

// What the kernel says of the mapping in which the pool is.
struct Mapping {
    uint64_t page_kb;  // 0: it says nothing
    bool transparent;  // whether it would use transparent huge pages
};

Mapping read_mapping([[maybe_unused]] const char* pool) {
    Mapping mapping{};
#ifdef __linux__
    FILE* file = AllocateFile("/proc/self/smaps", "r");
    bool here = false;
    char line[1024];
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
        char* end;
        const uintptr_t from = strtoull(line, &end, 16);
        if (end > line && *end == '-') {
            const uintptr_t to = strtoull(end + 1, nullptr, 16);
            const uintptr_t at = reinterpret_cast<uintptr_t>(pool);
            here = from <= at && at < to;
        } else if (here && strncmp(line, "KernelPageSize:", 15) == 0) {
            mapping.page_kb = strtoull(line + 15, nullptr, 10);
        } else if (here && strncmp(line, "THPeligible:", 12) == 0) {
            mapping.transparent = strtoull(line + 12, nullptr, 10) != 0;
        }
    }
    if (file != nullptr) {
        FreeFile(file);
    }
#endif
    return mapping;
}

// The size of a transparent huge page.
uint64_t transparent_bytes() {
    uint64_t bytes = kRegion;
    FILE* file = AllocateFile("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "r");
    char line[32];
    if (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
        bytes = strtoull(line, nullptr, 10);
    }
    if (file != nullptr) {
        FreeFile(file);
    }
    return bytes;
}

void find_out(char* pool) {
    Control* control = shared.control;
    const Mapping mapping = read_mapping(pool);
    control->page_bytes = page_size();
    if (mapping.page_kb * 1024 > page_size()) {
        control->pages = PageKind::kHuge;
        control->page_bytes = mapping.page_kb * 1024;
    } else if (mapping.transparent) {
        control->pages = PageKind::kTransparentHuge;
        control->page_bytes = transparent_bytes();
    } else {
        const uintptr_t page = TYPEALIGN_DOWN(page_size(), reinterpret_cast<uintptr_t>(pool));
        control->pages =
            populate(page, page + page_size()) ? PageKind::kPopulated : PageKind::kSingle;
    }
}

// The table of this server process's children. It stays after a crash, which restarts them only.
void make_table(char* pool, Size bytes) {
    const uintptr_t from = reinterpret_cast<uintptr_t>(pool);
    my_pages.base = TYPEALIGN_DOWN(kRegion, from);
    const Size needed = ((from + bytes - my_pages.base) / kRegion + 1) * sizeof(uint32_t);
    if (my_pages.pieces != nullptr && table_bytes != needed) {
        pfree(my_pages.pieces);
        my_pages.pieces = nullptr;
    }
    if (my_pages.pieces == nullptr) {
        my_pages.pieces = static_cast<uint32_t*>(
            MemoryContextAllocExtended(TopMemoryContext, needed, MCXT_ALLOC_HUGE));
        table_bytes = needed;
    }
    memset(my_pages.pieces, 0, needed);
}

void tell_the_log(Size bytes) {
    const char* huge = GetConfigOption("shared_memory_size_in_huge_pages", true, false);
    const long needed = huge == nullptr ? -1 : strtol(huge, nullptr, 10);
    if (needed <= 0) {
        return;  // there are none here
    }
    ereport(
        LOG,
        (errmsg("the seat pool of %zu MB is not in huge pages", bytes >> 20),
         errdetail("Sessions map it in pages of %zu kB: their first calls for a train take longer, "
                   "and page tables take up to %zu MB a session.",
                   static_cast<size_t>(shared.control->page_bytes >> 10),
                   (bytes / page_size() * 8 >> 20) + 1),
         errhint("Set the kernel's vm.nr_hugepages to %ld or more and \"huge_pages\" to on or "
                 "try, and restart the server.",
                 needed)));
}

}  // namespace

Size pages_alignment(Size pool_bytes) {
    constexpr Size kCacheLines = 128;
    return pool_bytes >= 32 * kRegion ? kRegion : kCacheLines;
}

void pages_advise([[maybe_unused]] char* pool, [[maybe_unused]] Size bytes) {
#ifdef MADV_HUGEPAGE
    const uintptr_t from = TYPEALIGN(kRegion, reinterpret_cast<uintptr_t>(pool));
    const uintptr_t to = TYPEALIGN_DOWN(kRegion, reinterpret_cast<uintptr_t>(pool) + bytes);
    if (from < to) {
        // Refused by kernels without it, and of no use where shared memory may not have it.
        (void)madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
    }
#endif
}

void pages_start(char* pool, Size bytes) {
    find_out(pool);
    if (shared.control->pages == PageKind::kPopulated) {
        make_table(pool, bytes);
    } else {
        my_pages.pieces = nullptr;
    }
    if (bytes >= kLargePool && shared.control->pages != PageKind::kHuge &&
        shared.control->pages != PageKind::kTransparentHuge) {
        tell_the_log(bytes);
    }
}

void pages_populate(uintptr_t offset) {
    const int error = errno;
    uint32_t* pieces = &my_pages.pieces[offset / kRegion];
    const uintptr_t region = my_pages.base + offset / kRegion * kRegion;
    const uint32_t piece = static_cast<uint32_t>(offset % kRegion / kPiece);
    uint32_t wanted = uint32_t{1} << piece;
    if (std::popcount(*pieces) + 1 >= kPiecesOfAWideSession) {
        wanted = ~*pieces;
    }
    // From the first piece to the last that is not there: what lies between is passed over quickly.
    const uintptr_t first = static_cast<uintptr_t>(std::countr_zero(wanted));
    const uintptr_t last = static_cast<uintptr_t>(std::bit_width(wanted));
    const uintptr_t begin = TYPEALIGN(page_size(), reinterpret_cast<uintptr_t>(shared.control));
    const uintptr_t end =
        TYPEALIGN_DOWN(page_size(), reinterpret_cast<uintptr_t>(shared.control) +
                                        shared.control->arena_end.load(std::memory_order_relaxed));
    const uintptr_t from = Max(region + first * kPiece, begin);
    const uintptr_t to = Min(region + last * kPiece, end);
    if (from < to) {
        // An error means that the pages come one by one, when they are touched.
        (void)populate(from, to);
    }
    // Of a region that is not in use to its end, the rest is asked for when it is.
    for (; wanted != 0; wanted &= wanted - 1) {
        const uintptr_t at = static_cast<uintptr_t>(std::countr_zero(wanted));
        if (region + (at + 1) * kPiece <= end || at == piece) {
            *pieces |= uint32_t{1} << at;
        }
    }
    errno = error;
}

const char* page_kind_name(PageKind kind) {
    switch (kind) {
        case PageKind::kHuge:
            return "huge";
        case PageKind::kTransparentHuge:
            return "transparent huge";
        case PageKind::kPopulated:
            return "populated";
        case PageKind::kSingle:
            return "single";
    }
    return "unknown";
}

}  // namespace ticketpool
