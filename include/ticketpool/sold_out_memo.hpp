// What a buyer has been told is sold out, so that he need not look at every seat to be told again.
//
// When everything is sold, everybody still asks. A refusal costs a scan of all seats of the class,
// and the next one the same scan, though nothing can have become free but by a release, and
// releases are counted (seat_map.hpp has the argument). So the count at which a trip was found sold
// out is remembered, in memory of the asker's own: a hit reads one cache line of the pool.
//
// It cannot lie: an entry holds for exactly one incarnation of the departure in memory, one class,
// trip and size of party, and until somebody begins to give something back in that class.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticketpool/seat_map.hpp"

namespace ticketpool {

// Zeros are a memo that knows nothing.
class SoldOutMemo {
  public:
    struct Question {
        std::uint64_t incarnation;  // of what is in the slot: no two have had the same one; not 0
        std::uint32_t slot;
        std::uint32_t party;
        std::uint16_t class_index;
        std::uint16_t from;  // stop indexes
        std::uint16_t to;

        bool operator==(const Question&) const = default;
    };

    // `releases`: the class's count of now, by an acquire load.
    bool holds(const Question& question, std::uint64_t releases) const noexcept {
        const Entry& entry = entries_[place(question)];
        return entry.question == question && entry.releases == releases;
    }

    // `releases`: the class's count by an acquire load before the scan that found it sold out.
    // Nothing is remembered where one was under way: the scan may or may not have met it.
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
