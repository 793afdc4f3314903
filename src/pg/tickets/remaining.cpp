// What is left: ticket_remaining, ticket_remaining_matrix and ticket_seat_map, all from memory.
#include "pool/claim.hpp"
#include "pool/ledger.hpp"
#include "server/errors.hpp"
#include "tables/departure_rows.hpp"
#include "ticketpool/matrix.hpp"
#include "tickets/departure_argument.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/stations.hpp"
#include "tickets/trip_end.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {

namespace {

// Adds the unnumbered places of a class: for each pair of stops, those of the scarcest segment
// between them.
void add_places(const DepartureRef& ref, uint32_t class_index, uint32_t* cells) {
    const Layout* layout = ref.departure->layout.get();
    const int stops = ref.departure->segments + 1;
    for (uint32_t c = 0; layout->place_coaches > 0 && c < layout->coach_count; c++) {
        if (layout->coaches()[c].class_index != class_index || layout->coaches()[c].places == 0) {
            continue;
        }
        const PlaceMap places = ref.departure->place_map(c);
        const uint32_t* own = ledger_own_places({ref.slot, class_index, 0, static_cast<int32_t>(c)},
                                                ref.departure->segments);
        for (int from = 0; from + 1 < stops; from++) {
            uint32_t free = UINT32_MAX;
            for (int to = from + 1; to < stops; to++) {
                free = Min(free, count_free_places(places, to - 1, to, own));
                cells[from * stops + to] += free;
            }
        }
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_remaining) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "from_station");
    require_argument(fcinfo, 2, "to_station");
    require_argument(fcinfo, 3, "service_date");
    Text channel{nullptr, 0};
    if (!PG_ARGISNULL(5)) {
        channel = text_of(PG_GETARG_DATUM(5));
        check_channel(channel);
    }
    const Catalog& catalog = catalog_of(fcinfo);
    const DepartureRef ref = require_departure(catalog, fcinfo, 0, 3);
    const Trip trip =
        find_trip(catalog, ref, text_of(PG_GETARG_DATUM(1)), text_of(PG_GETARG_DATUM(2)));
    const ClassRange range = class_range(ref, fcinfo, 4);
    uint32_t remaining = 0;
    if (shows_seats(ref, trip)) {
        for (uint32_t i = range.first; i < range.last; i++) {
            remaining += count_remaining(ref, i, trip, channel);
        }
    }
    end_announcement();
    PG_RETURN_INT32(static_cast<int32_t>(remaining));
}

TICKETPOOL_FUNCTION(ticket_remaining_matrix) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const DepartureRef ref = require_departure(catalog, fcinfo, 0, 1);
    const ClassRange range = class_range(ref, fcinfo, 2);
    const int stops = ref.departure->segments + 1;
    uint32_t* cells = static_cast<uint32_t*>(
        palloc0(static_cast<size_t>(stops) * static_cast<size_t>(stops) * sizeof(uint32_t)));
    void* scratch = palloc(matrix_scratch_bytes(ref.departure->segments));
    const bool on_sale = shows_seats(ref);
    for (uint32_t i = range.first; on_sale && i < range.last; i++) {
        OwnFree* own;
        const uint32_t own_count = ledger_own_free(seats_of_class(ref.slot, i), &own);
        remaining_matrix(ref.departure->seat_map(i), own, own_count, cells, scratch);
        add_places(ref, i, cells);
    }
    const Route* route = route_of(ref);
    for (int from = 0; from < stops; from++) {
        const Stop& start = route->stops()[from];
        const bool over = is_over_at(ref, from);
        for (int to = from + 1; to < stops && !start.no_boarding; to++) {
            const Stop& end = route->stops()[to];
            if (end.no_alighting) {
                continue;
            }
            Datum values[] = {
                text_datum(text_of(route->head, start.station)),
                text_datum(text_of(route->head, end.station)), Int32GetDatum(start.stop_no),
                Int32GetDatum(end.stop_no),
                Int32GetDatum(over ? 0 : static_cast<int32_t>(cells[from * stops + to]))};
            bool nulls[lengthof(values)] = {};
            tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
        }
    }
    end_announcement();
    return 0;
}

namespace ticketpool {
namespace {

// Columns that the text takes on a terminal.
int columns_of(Text text) {
    int columns = 0;
    const char* end = text.data + text.length;
    for (const char* at = text.data; at < end; at += pg_mblen(at)) {
        columns += Max(pg_dsplen(at), 0);
    }
    return columns;
}

// Of all seats of a class: the longest name of a coach, and the longest label.
struct Widths {
    int coach = 2;
    int label = 4;
};

Widths widths_of(const Layout* layout, uint32_t class_index) {
    Widths widths;
    for (uint32_t seat = 0; seat < layout->classes()[class_index].seats; seat++) {
        widths.coach = Max(widths.coach, columns_of(coach_name(layout, class_index, seat)));
        widths.label = Max(widths.label, columns_of(seat_label(layout, class_index, seat)));
    }
    return widths;
}

void append_right(StringInfo line, Text text, int width) {
    appendStringInfoSpaces(line, width - columns_of(text));
    appendBinaryStringInfo(line, text.data, static_cast<int>(text.length));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_seat_map) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    const Catalog& catalog = catalog_of(fcinfo);
    const DepartureRef ref = require_departure(catalog, fcinfo, 0, 1);
    const ClassRange range = class_range(ref, fcinfo, 2);
    const Layout* layout = ref.departure->layout.get();
    StringInfoData line;
    initStringInfo(&line);
    for (uint32_t c = range.first; c < range.last; c++) {
        const SeatMap map = ref.departure->seat_map(c);
        const Widths widths = widths_of(layout, c);
        for (uint32_t seat = 0; seat < map.seats; seat++) {
            CHECK_FOR_INTERRUPTS();
            const SegmentMask taken = load_seat(map, seat);
            resetStringInfo(&line);
            append_right(&line, coach_name(layout, c, seat), widths.coach);
            appendStringInfoChar(&line, ' ');
            append_right(&line, seat_label(layout, c, seat), widths.label);
            appendStringInfoString(&line, "  ");
            for (int i = 0; i < map.segments; i++) {
                appendStringInfoChar(&line, (taken.w[i / 64] >> (i % 64) & 1) != 0 ? '#' : '.');
            }
            Datum value = text_datum({line.data, static_cast<size_t>(line.len)});
            bool is_null = false;
            tuplestore_putvalues(result->setResult, result->setDesc, &value, &is_null);
        }
    }
    end_announcement();
    return 0;
}
