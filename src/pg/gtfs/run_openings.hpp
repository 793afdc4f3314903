// Puts the runs of a number on sale.
#pragma once

#include "gtfs/run_names.hpp"

namespace ticketpool {

// The formations that trips ask for.
struct Formations {
    TextIndex index;
    struct Formation* list;  // by number in the index, as far as they were looked for
    uint32_t room;
};

struct Formation {
    bool looked_for;
    int64_t layout_id;
    const char* trouble;  // translated; null: it can be sold
};

// Inside SPI, as the caller. Fills in NewRun::departure_id, 0 for runs that were not opened: these
// are on sale already, or a WARNING says why not.
void open_runs(const Catalog& catalog, const TextIndex& stations, Formations* formations,
               NumberRuns* numbers);

}  // namespace ticketpool
