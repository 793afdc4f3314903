// The head of an immutable block of shared memory (a route or a layout), and strings inside of it.
#pragma once

#include <boost/interprocess/offset_ptr.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ticketpool {

template <typename T>
using SharedPtr = boost::interprocess::offset_ptr<T>;

inline constexpr int kMaxNameBytes = 63;  // train, station, class, coach: codes, not prose

// A string inside a block: offset from the block's start.
struct TextRef {
    uint32_t offset;
    uint32_t length;
};

// Head of an immutable shared block. The directory lock guards `next` and `departures`.
struct SharedPart {
    uint32_t database;  // key: database, order table's oid, id of the row
    uint32_t relation;
    int64_t id;
    uint32_t bytes;              // of the whole block
    uint32_t departures;         // departures in memory that refer to this block
    SharedPtr<SharedPart> next;  // in its hash chain

    const char* at(uint32_t offset) const noexcept {
        return reinterpret_cast<const char*>(this) + offset;
    }
    std::string_view text(TextRef text) const noexcept { return {at(text.offset), text.length}; }
    bool equals(TextRef text, const char* data, std::size_t length) const noexcept {
        return text.length == length && std::memcmp(at(text.offset), data, length) == 0;
    }
};

}  // namespace ticketpool
