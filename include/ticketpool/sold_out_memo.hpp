// Remembers what a session was told is sold out, so that it need not look at every seat to be told
// again.
//
// When everything is sold, buyers still ask. Each refusal costs a scan of all seats of the class,
// although only a release can have freed anything since the last one, and releases are counted
// (seat_map.hpp has the argument). So a session remembers, in memory of its own, the count at which
// it found a trip sold out. A hit reads one cache line of the pool.
//
// An entry is never wrong: it holds for exactly one incarnation of the departure in memory, one
// class, trip and size of party, and only until a session begins to give something back in that
// class.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticketpool/seat_map.hpp"

namespace ticketpool {

// A memo of zeros has no entries.
class SoldOutMemo {
  public:
    struct Question {
        std::uint64_t incarnation;  // of what is in the slot: never used twice; not 0
        std::uint32_t slot;
        std::uint32_t party;
        std::uint16_t class_index;
        std::uint16_t from;  // stop indexes
        std::uint16_t to;

        bool operator==(const Question&) const = default;
    };

    // `releases`: the class's present count, read by an acquire load.
    bool holds(const Question& question, std::uint64_t releases) const noexcept {
        const Entry& entry = entries_[place(question)];
        return entry.question == question && entry.releases == releases;
    }

    // `releases`: the class's count, read by an acquire load before the scan that found it sold
    // out. Nothing is remembered if a release was under way: the scan may or may not have met it.
    void remember(const Question& question, std::uint64_t releases) noexcept {
        if (!is_release_under_way(releases)) entries_[place(question)] = {question, releases};
    }

  private:
    struct Entry {
        Question question;
        std::uint64_t releases;
    };
    static constexpr std::size_t kEntries = 1024;  // more than the trips of a train of 45 stops

    static std::size_t place(const Question& question) noexcept {
        std::uint64_t hash = question.slot;
        hash = hash * 31 + question.class_index;
        hash = hash * 64 + question.from;
        hash = hash * 64 + question.to;
        hash = hash * 31 + question.party;
        return (hash ^ hash >> 20) % kEntries;
    }

    Entry entries_[kEntries];
};

}  // namespace ticketpool
