#include "ticketpool/arena.hpp"

#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
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

}  // namespace

bool Arena::create(void* base, std::size_t bytes) noexcept {
    manager_ = nullptr;
    try {
        // The buffer object only holds the address; closing it leaves the memory as it is.
        Buffer buffer(bip::create_only, base, bytes);
        manager_ = buffer.get_segment_manager();
    } catch (...) {
        return false;
    }
    return manager_ != nullptr;
}

void* Arena::allocate(std::size_t bytes) noexcept {
    try {
        return manager_of(manager_)->allocate_aligned(bytes, kAlignment, std::nothrow);
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
