// Private notes that a transaction keeps for its own end or a statement's: a LevelLog
// (undo_log.hpp) whose entries are forgotten where others are undone.
#pragma once

#include "pool/undo_log.hpp"

namespace ticketpool {

template <typename Note>
struct Notes : LevelLog<Note> {
    static constexpr size_t kKeptNotes = 1024;

    // Ereports if there is no memory.
    Note* add(const Note& note) {
        this->reserve(1);
        return this->append(note);
    }

    // No-fail, like forget().
    void forget_level(int level) { this->count = this->first_of_level(level); }

    void forget() {
        this->count = 0;
        this->give_room_back(kKeptNotes);
    }
};

}  // namespace ticketpool
