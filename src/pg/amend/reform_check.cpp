// Compares the rows of a reformed departure with the plan: see reform_check.hpp.
#include "amend/reform_check.hpp"

#include "amend/reform_quotas.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "rewrite/prs2lock.h"
}

namespace ticketpool {
namespace {

// Does the table have a rule, or a trigger that is not ours?
bool is_watched(const Catalog& catalog, Oid table) {
    const Oid extension = getExtensionOfObject(RelationRelationId, catalog.order);
    Relation relation = open_table(table);
    const TriggerDesc* triggers = relation->trigdesc;
    bool watched = relation->rd_rules != nullptr;
    for (int i = 0; !watched && triggers != nullptr && i < triggers->numtriggers; i++) {
        watched =
            getExtensionOfObject(ProcedureRelationId, triggers->triggers[i].tgfoid) != extension;
    }
    table_close(relation, NoLock);
    return watched;
}

bool comes_before(const Rider& a, const Rider& b) {
    return a.order_id != b.order_id ? a.order_id < b.order_id : a.ticket_no < b.ticket_no;
}

bool is_as_planned(const Rider& planned, const Rider& now) {
    if (planned.fate == RiderFate::kLeft || now.fate == RiderFate::kLeft) {
        return planned.fate == now.fate;
    }
    return planned.fate != RiderFate::kUnseated && now.class_index == planned.class_index &&
           now.number == planned.number && now.place_coach == planned.place_coach &&
           now.trip.from == planned.trip.from && now.trip.to == planned.trip.to;
}

bool are_riders_as_planned(const ReformPlan& plan, const ReformPlan& now) {
    int i = 0;
    for (int n = 0; n < now.rider_count; n++) {
        const Rider& rider = now.riders[n];
        while (i < plan.rider_count && comes_before(plan.riders[i], rider)) {
            i++;
        }
        if (i == plan.rider_count || comes_before(rider, plan.riders[i]) ||
            !is_as_planned(plan.riders[i], rider)) {
            return false;
        }
    }
    return true;
}

bool has_number(const Aside& planned, int64_t number) {
    for (uint32_t i = 0; i < planned.named; i++) {
        if (planned.number[i] != kNoNumber && planned.number[i] == number) {
            return true;
        }
    }
    return false;
}

bool is_as_planned(const Layout* layout, const Aside& planned, const Aside& now) {
    if (!planned.bits.any() || !now.bits.any()) {
        return planned.bits.any() == now.bits.any();
    }
    if (now.class_index < 0 || now.class_index != planned.class_index ||
        now.stretch.from != planned.stretch.from || now.stretch.to != planned.stretch.to ||
        !same_text(now.channel, planned.channel) || now.named != planned.count) {
        return false;
    }
    for (uint32_t i = 0; i < now.named; i++) {
        if (!has_number(planned, layout->find_seat(static_cast<uint32_t>(now.class_index),
                                                   now.coach[i].data, now.coach[i].length,
                                                   now.seat[i].data, now.seat[i].length))) {
            return false;
        }
    }
    return true;
}

bool are_asides_as_planned(const ReformPlan& plan, const ReformPlan& now) {
    int i = 0;
    for (int n = 0; n < now.aside_count; n++) {
        const Aside& aside = now.asides[n];
        while (i < plan.aside_count && plan.asides[i].reservation_id < aside.reservation_id) {
            i++;
        }
        if (i == plan.aside_count || plan.asides[i].reservation_id != aside.reservation_id ||
            !is_as_planned(plan.departure->layout.get(), plan.asides[i], aside)) {
            return false;
        }
    }
    return true;
}

[[noreturn]] void report_not_as_planned(Oid table, const char* detail) {
    ereport(ERROR,
            (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
             errmsg("a trigger or rule has changed rows of %s during ticket_reform",
                    get_rel_name(table)),
             errdetail("%s", detail), errhint("Let it change other rows, or raise an error.")));
}

}  // namespace

void require_as_planned(const Catalog& catalog, const OrderLeaf& leaf, const ReformPlan& plan,
                        int64_t layout_id) {
    if (leaf.direct && !is_watched(catalog, catalog.reservation) &&
        !is_watched(catalog, catalog.departure)) {
        return;
    }
    ReformPlan now{};
    now.departure = plan.departure;
    read_riders(leaf, &now);
    read_asides(catalog, &now);
    DepartureRow row;
    if (!are_riders_as_planned(plan, now)) {
        report_not_as_planned(catalog.order, "A live ticket is not where it was planned to be.");
    }
    if (!are_asides_as_planned(plan, now)) {
        report_not_as_planned(catalog.reservation, "An open quota has other seats than planned.");
    }
    if (!read_own_departure_row(catalog, plan.departure->departure_id, &row) ||
        row.layout_id != layout_id) {
        report_not_as_planned(catalog.departure, "The departure has got other seats again.");
    }
}

}  // namespace ticketpool
