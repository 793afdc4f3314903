// The allocator over Boost.Interprocess, and the only file of the core that meets C++ exceptions:
// see arena.hpp.
#include "ticketpool/arena.hpp"

#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <cstdint>
#include <new>

namespace ticketpool {
namespace {

namespace bip = boost::interprocess;
using Algorithm = bip::rbtree_best_fit<bip::null_mutex_family, bip::offset_ptr<void>>;
using Buffer = bip::basic_managed_external_buffer<char, Algorithm, bip::iset_index>;
using Manager = Buffer::segment_manager;

constexpr std::size_t kAlignment = 64;

Manager* manager_of(void* pointer) {
    return static_cast<Manager*>(pointer);
}

// Blocks follow each other without gaps, each with a header of constant size. So if the first block
// is aligned, and each block with its header takes a multiple of 64 bytes, all blocks are aligned,
// whatever is freed, split and joined, and a freed block leaves room for another of its size. Boost
// can align each block by itself, but needs a larger hole for that: in 1.92, one of twice the size.
std::size_t with_neighbour_aligned(std::size_t bytes) {
    constexpr std::size_t kHeader = Algorithm::PayloadPerAllocation;
    return (bytes + kHeader + kAlignment - 1) / kAlignment * kAlignment - kHeader;
}

std::size_t distance_to_alignment(const void* block) {
    return -reinterpret_cast<std::uintptr_t>(block) % kAlignment;
}

// The space in front of the first aligned block is never used. A buffer without room for that space
// has no room for blocks.
void align_first_block(Manager* manager) {
    void* first = manager->allocate(1, std::nothrow);
    if (first == nullptr) {
        return;
    }
    const std::size_t distance = distance_to_alignment(first);
    manager->deallocate(first);
    if (distance != 0) {
        manager->allocate(with_neighbour_aligned(1) + distance, std::nothrow);
    }
}

}  // namespace

bool Arena::create(void* base, std::size_t bytes) noexcept {
    manager_ = nullptr;
    try {
        // The buffer object only holds the address; closing it leaves the memory as it is.
        Buffer buffer(bip::create_only, base, bytes);
        align_first_block(buffer.get_segment_manager());
        manager_ = buffer.get_segment_manager();
    } catch (...) {
        return false;
    }
    return manager_ != nullptr;
}

void* Arena::allocate(std::size_t bytes) noexcept {
    try {
        Manager* manager = manager_of(manager_);
        if (bytes > manager->get_size()) {
            return nullptr;
        }
        void* block = manager->allocate(with_neighbour_aligned(bytes), std::nothrow);
        if (distance_to_alignment(block) == 0) {  // always, unless Boost lays blocks out otherwise
            return block;
        }
        manager->deallocate(block);
        return manager->allocate_aligned(bytes, kAlignment, std::nothrow);
    } catch (...) {
        return nullptr;
    }
}

void Arena::deallocate(void* block) noexcept {
    try {
        manager_of(manager_)->deallocate(block);
    } catch (...) {
        // rbtree_best_fit::deallocate throws nothing; the handler keeps the promise visible
    }
}

std::size_t Arena::free_bytes() const noexcept {
    return manager_of(manager_)->get_free_memory();
}

std::size_t Arena::total_bytes() const noexcept {
    return manager_of(manager_)->get_size();
}

}  // namespace ticketpool
