// ticket_seat_svg: a picture of the coaches of a departure, with free and taken seats.
#include "load/directory.hpp"
#include "monitor/seat_plan.hpp"
#include "pool/claim.hpp"
#include "server/errors.hpp"
#include "tickets/departure_argument.hpp"
#include "tickets/stations.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "utils/datetime.h"
}

namespace ticketpool {
namespace {

constexpr int kMargin = 16;   // around the picture
constexpr int kPadding = 10;  // between a coach's outline and its seats
constexpr int kHeader = 22;   // the name of a coach, above its outline
constexpr int kTop = 74;      // title and legend
constexpr int kLeastWidth = 440;

// ---------------------------------------------------------------------------------------------
// Text
// ---------------------------------------------------------------------------------------------

// The character at the start of a text.
struct Character {
    int length;
    bool is_xml;  // XML has it, and as readable text
};

// Names may be of any bytes, and in a database of SQL_ASCII they need not be of any encoding.
Character first_character(Text text) {
    const unsigned char* bytes = reinterpret_cast<const unsigned char*>(text.data);
    if (bytes[0] < 0x80) {
        return {1, bytes[0] >= 0x20 && bytes[0] != 0x7F};
    }
    const int left = static_cast<int>(text.length);
    const int encoding = GetDatabaseEncoding();
    if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII) {
        return {Min(pg_mblen(text.data), left), true};
    }
    const int length = pg_utf_mblen(bytes);
    if (length == 1 || length > left || !pg_utf8_islegal(bytes, length)) {
        return {1, false};
    }
    return {length, !(bytes[0] == 0xEF && bytes[1] == 0xBF && bytes[2] >= 0xBE)};
}

Text after(Text text, int length) {
    return {text.data + length, text.length - static_cast<size_t>(length)};
}

void append_escaped(StringInfo out, Text text) {
    while (text.length > 0) {
        const Character character = first_character(text);
        switch (character.is_xml ? *text.data : '\0') {
            case '\0':
                appendStringInfoChar(out, '?');
                break;
            case '&':
                appendStringInfoString(out, "&amp;");
                break;
            case '<':
                appendStringInfoString(out, "&lt;");
                break;
            case '>':
                appendStringInfoString(out, "&gt;");
                break;
            case '"':
                appendStringInfoString(out, "&quot;");
                break;
            case '\'':
                appendStringInfoString(out, "&apos;");
                break;
            default:
                appendBinaryStringInfo(out, text.data, character.length);
        }
        text = after(text, character.length);
    }
}

// How many columns of a terminal the text takes: a measure of its width.
int columns_of(Text text) {
    int columns = 0;
    while (text.length > 0) {
        const Character character = first_character(text);
        columns += character.is_xml ? Max(pg_dsplen(text.data), 1) : 1;
        text = after(text, character.length);
    }
    return columns;
}

// ---------------------------------------------------------------------------------------------
// Seats
// ---------------------------------------------------------------------------------------------

struct Picture {
    DepartureRef ref;
    const Layout* layout;
    Trip trip;
    StringInfoData body;
    int width;
    int y;  // where the next coach begins
    uint32_t free;
    uint32_t taken;
};

void append_seat_box(StringInfo out, int x, int y, const SeatSize& size, bool free) {
    appendStringInfo(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"%s\"",
                     x, y, size.width, size.height, free ? "#cdebd3" : "#e4e4e4");
    if (free) {
        appendStringInfoString(out, "/>");
    } else {
        appendStringInfo(out, " stroke=\"#8a8a8a\"/><path d=\"M%d %dL%d %d\" stroke=\"#8a8a8a\"/>",
                         x + 3, y + size.height - 3, x + size.width - 3, y + 3);
    }
}

void append_text(StringInfo out, int x, int y, const char* attributes, Text text) {
    appendStringInfo(out, "<text x=\"%d\" y=\"%d\"%s>", x, y, attributes);
    append_escaped(out, text);
    appendStringInfoString(out, "</text>");
}

void append_seat(Picture* picture, const SeatSpot& spot, int x, int y, const SeatSize& size,
                 bool free) {
    CHECK_FOR_INTERRUPTS();
    const Layout* layout = picture->layout;
    StringInfo out = &picture->body;
    const Text label = text_of(layout->label(spot.seat));
    appendStringInfo(out, "<g class=\"seat %s\"><title>", free ? "free" : "taken");
    append_escaped(out, text_of(layout->head, layout->coach_of(spot.seat).name));
    appendStringInfoChar(out, '/');
    append_escaped(out, label);
    appendStringInfoString(out, "</title>");
    append_seat_box(out, x, y, size, free);
    append_text(out, x + size.width / 2, y + size.height / 2 + 4,
                free ? " text-anchor=\"middle\"" : " text-anchor=\"middle\" fill=\"#555\"", label);
    appendStringInfoString(out, "</g>\n");
    (free ? picture->free : picture->taken)++;
}

SeatSize size_of_seats(const Layout* layout, const LayoutCoach& coach) {
    int columns = 0;
    for (uint32_t i = 0; i < coach.seats; i++) {
        columns = Max(columns, columns_of(text_of(layout->label(coach.first_seat + i))));
    }
    const int width = Max(30, columns * 8 + 10);
    return {width, 24, width + 5, 29};
}

// ---------------------------------------------------------------------------------------------
// Coaches
// ---------------------------------------------------------------------------------------------

void append_name(Picture* picture, const LayoutCoach& coach, const SeatDetail& detail) {
    StringInfoData name;
    initStringInfo(&name);
    const Text coach_name = text_of(picture->layout->head, coach.name);
    const Text class_name =
        text_of(picture->layout->head, picture->layout->classes()[coach.class_index].name);
    appendStringInfoString(&name, "Coach ");
    appendBinaryStringInfo(&name, coach_name.data, static_cast<int>(coach_name.length));
    appendStringInfoString(&name, ", ");
    appendBinaryStringInfo(&name, class_name.data, static_cast<int>(class_name.length));
    if ((detail.known & kHasDeck) != 0) {
        appendStringInfo(&name, ", deck %d", detail.deck);
    }
    const Text text{name.data, static_cast<size_t>(name.len)};
    append_text(&picture->body, kMargin, picture->y + kHeader - 7, " font-weight=\"bold\"", text);
    appendStringInfoChar(&picture->body, '\n');
    picture->width = Max(picture->width, 2 * kMargin + columns_of(text) * 9);
}

void append_outline(Picture* picture, int width, int height) {
    appendStringInfo(&picture->body,
                     "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\" fill=\"none\" "
                     "stroke=\"#9aa5b1\"/>\n",
                     kMargin, picture->y + kHeader, width, height);
    picture->width = Max(picture->width, width + 2 * kMargin);
    picture->y += kHeader + height + 10;
}

// Seats of one deck.
void append_deck(Picture* picture, const LayoutCoach& coach, const SeatSize& size, const bool* free,
                 SeatSpot* spots, uint32_t count) {
    int width;
    int height;
    const SeatDetail detail = picture->layout->detail(spots[0].seat);
    place_seats(picture->layout, size, spots, count, &width, &height);
    appendStringInfoString(&picture->body, "<g class=\"coach\">\n");
    append_name(picture, coach, detail);
    const int left = kMargin + kPadding;
    const int top = picture->y + kHeader + kPadding;
    append_outline(picture, width + 2 * kPadding, height + 2 * kPadding);
    const uint32_t first = picture->layout->classes()[coach.class_index].first_seat;
    for (uint32_t i = 0; i < count; i++) {
        append_seat(picture, spots[i], left + spots[i].x, top + spots[i].y, size,
                    free[spots[i].seat - first]);
    }
    appendStringInfoString(&picture->body, "</g>\n");
}

struct DeckSeat {
    int64_t deck;  // INT64_MIN: unknown
    uint32_t seat;
};

int compare_decks(const void* a, const void* b) {
    const DeckSeat& left = *static_cast<const DeckSeat*>(a);
    const DeckSeat& right = *static_cast<const DeckSeat*>(b);
    if (left.deck != right.deck) {
        return left.deck < right.deck ? -1 : 1;
    }
    return compare_numbers(&left.seat, &right.seat);
}

void append_coach(Picture* picture, const LayoutCoach& coach, const bool* free) {
    const SeatSize size = size_of_seats(picture->layout, coach);
    DeckSeat* seats = static_cast<DeckSeat*>(palloc(coach.seats * sizeof(DeckSeat)));
    SeatSpot* spots = static_cast<SeatSpot*>(palloc(coach.seats * sizeof(SeatSpot)));
    for (uint32_t i = 0; i < coach.seats; i++) {
        const SeatDetail detail = picture->layout->detail(coach.first_seat + i);
        seats[i] = {(detail.known & kHasDeck) != 0 ? detail.deck : INT64_MIN, coach.first_seat + i};
    }
    qsort(seats, coach.seats, sizeof(DeckSeat), compare_decks);
    uint32_t end;
    for (uint32_t begin = 0; begin < coach.seats; begin = end) {
        for (end = begin; end < coach.seats && seats[end].deck == seats[begin].deck; end++) {
            spots[end] = {seats[end].seat, 0, 0};
        }
        append_deck(picture, coach, size, free, spots + begin, end - begin);
    }
}

void append_places(Picture* picture, const LayoutCoach& coach, uint32_t free) {
    StringInfo out = &picture->body;
    appendStringInfoString(out, "<g class=\"places\">\n");
    append_name(picture, coach, SeatDetail{});
    const char* text = psprintf("%u of %u places free", free, coach.places);
    append_text(out, kMargin + kPadding, picture->y + kHeader + 22, "", {text, strlen(text)});
    append_outline(picture, 240, 34);
    appendStringInfoString(out, "</g>\n");
}

void append_class(Picture* picture, uint32_t class_index) {
    const Layout* layout = picture->layout;
    bool* free = static_cast<bool*>(palloc(layout->classes()[class_index].seats + 1));
    mark_free_seats(picture->ref, class_index, picture->trip, Text{nullptr, 0}, free);
    for (uint32_t i = 0; i < layout->coach_count; i++) {
        const LayoutCoach& coach = layout->coaches()[i];
        if (coach.class_index != class_index) {
            continue;
        }
        if (coach.places > 0) {
            append_places(picture, coach, count_free_in_coach(picture->ref, i, picture->trip));
        } else {
            append_coach(picture, coach, free);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// The whole picture
// ---------------------------------------------------------------------------------------------

Text stop_name(const Picture& picture, int stop) {
    const Route* route = picture.ref.departure->route();
    return text_of(route->head, route->stops()[stop].station);
}

void append_legend_entry(StringInfo out, int x, bool free, uint32_t count) {
    const SeatSize size{30, 20, 35, 25};
    const char* text = psprintf("%s (%u)", free ? "free" : "taken", count);
    append_seat_box(out, x, 46, size, free);
    append_text(out, x + size.pitch_x + 2, 60, "", {text, strlen(text)});
}

text* finish(Picture* picture) {
    StringInfoData out;
    StringInfoData title;
    initStringInfo(&title);
    const Text from = stop_name(*picture, picture->trip.from);
    const Text to = stop_name(*picture, picture->trip.to);
    const Text train = directory_train(picture->ref);
    appendBinaryStringInfo(&title, train.data, static_cast<int>(train.length));
    int year;
    int month;
    int day;
    j2date(picture->ref.departure->service_date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
    appendStringInfo(&title, " of %d-%02d-%02d, ", year, month, day);
    appendBinaryStringInfo(&title, from.data, static_cast<int>(from.length));
    appendStringInfoString(&title, " to ");
    appendBinaryStringInfo(&title, to.data, static_cast<int>(to.length));
    const Text title_text{title.data, static_cast<size_t>(title.len)};
    const int width =
        Max(Max(picture->width, kLeastWidth), 2 * kMargin + columns_of(title_text) * 11);
    const int height = picture->y + kMargin - 10;
    initStringInfo(&out);
    enlargeStringInfo(&out, picture->body.len + 2048);
    appendStringInfo(&out,
                     "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                     "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" "
                     "fill=\"#1f2933\">\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
                     width, height, width, height, width, height);
    append_text(&out, kMargin, 30, " font-size=\"16\" font-weight=\"bold\"", title_text);
    appendStringInfoString(&out, "\n<g class=\"legend\">");
    append_legend_entry(&out, kMargin, true, picture->free);
    append_legend_entry(&out, kMargin + 130, false, picture->taken);
    appendStringInfoString(&out, "</g>\n");
    appendBinaryStringInfo(&out, picture->body.data, picture->body.len);
    appendStringInfoString(&out, "</svg>\n");
    return cstring_to_text_with_len(out.data, out.len);
}

// One end of the trip as a caller would write it: the argument, or the first or the last call.
Text station_or_call(FunctionCallInfo fcinfo, int argument, const Route* route, int stop) {
    return PG_ARGISNULL(argument) ? name_of_call(route, stop) : text_of(PG_GETARG_DATUM(argument));
}

Trip trip_of(const Catalog& catalog, FunctionCallInfo fcinfo, const DepartureRef& ref, int from,
             int to) {
    const Route* route = ref.departure->route();
    const int last = ref.departure->segments;
    if (PG_ARGISNULL(from) && PG_ARGISNULL(to)) {
        return {0, last};
    }
    return find_trip(catalog, ref, station_or_call(fcinfo, from, route, 0),
                     station_or_call(fcinfo, to, route, last));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_seat_svg) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    const Catalog& catalog = catalog_of(fcinfo);
    const DepartureRef ref = require_departure(catalog, fcinfo, 0, 1);
    const ClassRange range = class_range(ref, fcinfo, 2);
    Picture picture{};
    picture.ref = ref;
    picture.layout = ref.departure->layout.get();
    picture.trip = trip_of(catalog, fcinfo, ref, 3, 4);
    picture.y = kTop;
    initStringInfo(&picture.body);
    for (uint32_t c = range.first; c < range.last; c++) {
        append_class(&picture, c);
    }
    text* svg = finish(&picture);
    end_announcement();
    PG_RETURN_TEXT_P(svg);
}
