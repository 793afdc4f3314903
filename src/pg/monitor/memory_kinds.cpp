// The function behind the view ticket_memory: what the memory of the pool is used for. It reads
// counters, and no slot, so it costs the same whatever the size of the pool.
#include "pool/pool_layout.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"

namespace ticketpool {
namespace {

// Pieces of one name are one row.
struct PieceSums {
    static constexpr int kMost = 32;
    PieceSize sums[kMost];
    int count;
};

void add_piece(void* context, const PieceSize& piece) {
    PieceSums* all = static_cast<PieceSums*>(context);
    for (int i = 0; i < all->count; i++) {
        if (strcmp(all->sums[i].name, piece.name) == 0) {
            all->sums[i].bytes += piece.bytes;
            return;
        }
    }
    Assert(all->count < PieceSums::kMost);
    all->sums[all->count++] = piece;
}

void return_kind(ReturnSetInfo* result, const char* kind, uint64_t bytes, bool is_added) {
    Datum values[] = {CStringGetTextDatum(kind), Int64GetDatum(static_cast<int64_t>(bytes)),
                      BoolGetDatum(is_added)};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_memory) {
    using namespace ticketpool;
    constexpr const char* kNames[] = {"departures", "items", "routes", "layouts", "prepared"};
    static_assert(lengthof(kNames) == kMemoryKinds);
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    uint64_t bytes[kMemoryKinds];
    LWLockAcquire(shared.control->lock, LW_SHARED);
    memcpy(bytes, shared.control->kind_bytes, sizeof bytes);
    const uint64_t free = shared.arena.free_bytes();
    LWLockRelease(shared.control->lock);
    uint64_t rest = shared.control->arena_bytes - free;
    for (int i = 0; i < kMemoryKinds; i++) {
        return_kind(result, kNames[i], bytes[i], false);
        rest -= bytes[i];
    }
    return_kind(result, "free", free, false);
    return_kind(result, "allocator", rest, false);
    PieceSums pieces{};
    each_piece(add_piece, &pieces);
    for (int i = 0; i < pieces.count; i++) {
        return_kind(result, pieces.sums[i].name, pieces.sums[i].bytes, pieces.sums[i].is_added);
    }
    return 0;
}
