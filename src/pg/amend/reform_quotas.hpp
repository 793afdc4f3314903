// The quotas' part of the planning (reform_plan.hpp), and the planner that both parts work on.
#pragma once

#include "amend/reform_plan.hpp"

namespace ticketpool {

// Bits that a quota would like to keep, taken in the map so that tickets go elsewhere first.
struct Wanted {
    uint32_t class_index;
    uint32_t seat;
    SegmentMask bits;
};

struct Planner {
    ReformPlan plan;
    int* on_seat;  // for each seat of the layout: the first rider on it, or -1
    Wanted* wanted;
    size_t wanted_count;
    bool* gave_way;  // for each class: the seats that quotas want are open to all
};

inline const Layout* layout_of(const Planner& planner) {
    return planner.plan.departure->layout.get();
}

inline int* on_seat(const Planner& planner, uint32_t class_index, uint32_t number) {
    return &planner.on_seat[layout_of(planner)->classes()[class_index].first_seat + number];
}

inline SeatMap map_of(const Planner& planner, int class_index) {
    return planner.plan.departure->seat_map(static_cast<uint32_t>(class_index));
}

// To be called in this order: the open quotas' rows; what they would like to keep, before tickets
// move; where tickets find nothing else, that is theirs; what is left for quotas.
void read_asides(const Catalog& catalog, ReformPlan* plan);
void keep_for_quotas(Planner* planner);
// True: there may be more free seats of the class than before.
bool make_quotas_give_way(Planner* planner, int class_index);
void seat_quotas(Planner* planner);

}  // namespace ticketpool
