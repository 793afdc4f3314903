// The allocator over the shared memory that the server reserved at start: a Boost.Interprocess
// managed buffer that takes no locks of its own (the caller holds the directory lock) and whose
// index of named objects stays empty. No exception leaves this file's functions.
#pragma once

#include <cstddef>

namespace ticketpool {

class Arena {
  public:
    // Takes over `bytes` at `base` (64-byte aligned). False if that is too small for its own
    // bookkeeping.
    bool create(void* base, std::size_t bytes) noexcept;

    // 64-byte aligned memory, or null when no hole is large enough. Not zeroed.
    void* allocate(std::size_t bytes) noexcept;
    void deallocate(void* block) noexcept;

    std::size_t free_bytes() const noexcept;
    std::size_t total_bytes() const noexcept;

    // Upper bound of what allocate(bytes) takes from the buffer, bookkeeping included.
    static constexpr std::size_t footprint(std::size_t bytes) noexcept {
        return (bytes + 127) / 64 * 64 + 64;
    }

  private:
    void* manager_ = nullptr;  // Boost's segment manager, at the head of the buffer
};

}  // namespace ticketpool
