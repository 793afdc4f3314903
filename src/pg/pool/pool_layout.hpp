// The layout of the shared memory: see pool_layout.cpp.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct PieceSize {
    const char* name;  // several pieces may have one
    Size bytes;
    bool is_added;  // to ticketpool.memory
};
// Calls found() for each piece but the arena. The sizes of those that are not added, and that of
// the arena, sum up to ticketpool.memory.
void each_piece(void (*found)(void* context, const PieceSize& piece), void* context);

void install_shared_memory_hooks();

}  // namespace ticketpool
