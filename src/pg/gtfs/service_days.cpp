// Reads the days of a feed's services (service_days.hpp).
#include "gtfs/service_days.hpp"

#include "gtfs/feed_values.hpp"

namespace ticketpool {
namespace {

constexpr int kDayColumns = 7;  // of calendar, from Monday, after the service_id
constexpr int kStartColumn = 9;
constexpr int kEndColumn = 10;

Service* service_of(Services* services, Text id) {
    const uint32_t number = number_of_text(&services->index, id);
    while (number >= services->room) {
        const uint32_t room = Max(2 * services->room, 64U);
        auto* list = static_cast<Service*>(MemoryContextAllocExtended(
            services->index.context, room * sizeof(Service), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
        if (services->room > 0) {
            memcpy(list, services->list, services->room * sizeof(Service));
            pfree(services->list);
        }
        services->list = list;
        services->room = room;
    }
    return &services->list[number];
}

// Makes room for these days.
void cover(Service* service, DateADT first, DateADT last) {
    if (service->days > 0) {
        first = Min(first, service->first);
        last = Max(last, service->first + service->days - 1);
        if (first == service->first && last == service->first + service->days - 1) {
            return;
        }
    }
    bool* runs = static_cast<bool*>(palloc0(static_cast<size_t>(last - first) + 1));
    if (service->days > 0) {
        memcpy(runs + (service->first - first), service->runs, static_cast<size_t>(service->days));
        pfree(service->runs);
    }
    service->first = first;
    service->days = last - first + 1;
    service->runs = runs;
}

// Monday is 0. Day 0, 2000-01-01, was a Saturday, and no day is before it.
int day_of_week(DateADT day) {
    return (day + 5) % kDayColumns;
}

void read_week(const FeedCursor& row, Services* services) {
    const Text id = feed_text(row, 1);
    Service* service = service_of(services, id);
    bool runs[kDayColumns];
    for (int i = 0; i < kDayColumns; i++) {
        const Text value = trimmed(feed_text(row, 2 + i));
        runs[i] = same_text(value, {"1", 1});
        if (!runs[i] && !same_text(value, {"0", 1})) {
            service->trouble =
                psprintf(_("In calendar, a day of the week of its service \"%s\" is \"%s\"."),
                         printable(id), printable(value));
            return;
        }
    }
    DateADT first;
    DateADT last;
    for (const int column : {kStartColumn, kEndColumn}) {
        const Text value = feed_text(row, column);
        if (!read_feed_day(value, column == kStartColumn ? &first : &last)) {
            service->trouble = psprintf(_("In calendar, a date of its service \"%s\" is \"%s\"."),
                                        printable(id), printable(value));
            return;
        }
    }
    first = Max(first, services->first_day);
    last = Min(last, services->last_day);
    if (first > last) {
        return;
    }
    cover(service, first, last);
    for (DateADT day = first; day <= last; day++) {
        service->runs[day - service->first] |= runs[day_of_week(day)];
    }
}

void read_exception(const FeedCursor& row, Services* services) {
    const Text id = feed_text(row, 1);
    const Text type = trimmed(feed_text(row, 3));
    Service* service = service_of(services, id);
    DateADT day;
    if (!read_feed_day(feed_text(row, 2), &day)) {
        service->trouble = psprintf(_("In calendar_dates, a date of its service \"%s\" is \"%s\"."),
                                    printable(id), printable(feed_text(row, 2)));
    } else if (!same_text(type, {"1", 1}) && !same_text(type, {"2", 1})) {
        service->trouble =
            psprintf(_("In calendar_dates, an exception_type of its service \"%s\" is \"%s\"."),
                     printable(id), printable(type));
    } else if (day >= services->first_day && day <= services->last_day) {
        cover(service, day, day);
        service->runs[day - service->first] = same_text(type, {"1", 1});
    }
}

// An array of the ids for which `wanted` is true.
template <typename Wanted>
Datum ids_of(const Services& services, Wanted wanted) {
    const uint32_t count = services.index.count;
    Datum* ids = static_cast<Datum*>(palloc((count + 1) * sizeof *ids));
    int found = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (wanted(services.list[i])) {
            ids[found++] = text_datum(services.index.texts[i]);
        }
    }
    return PointerGetDatum(construct_array(ids, found, TEXTOID, -1, false, TYPALIGN_INT));
}

}  // namespace

void read_services(const Feed& feed, DateADT first_day, DateADT last_day, Services* services) {
    *services = Services{};
    services->first_day = first_day;
    services->last_day = last_day;
    begin_index(&services->index, CurrentMemoryContext);
    FeedCursor cursor;
    if (OidIsValid(feed.calendar.relation)) {
        open_cursor(&cursor, calendar_query(feed), 0, nullptr, nullptr);
        while (next_row(&cursor)) {
            read_week(cursor, services);
        }
        close_cursor(&cursor);
    }
    if (OidIsValid(feed.calendar_dates.relation)) {
        open_cursor(&cursor, exceptions_query(feed), 0, nullptr, nullptr);
        while (next_row(&cursor)) {
            read_exception(cursor, services);
        }
        close_cursor(&cursor);
    }
}

bool runs_on(const Service& service, DateADT day) {
    return day >= service.first && day < service.first + service.days &&
           service.runs[day - service.first];
}

Datum running_services(const Services& services) {
    return ids_of(services, [](const Service& service) {
        bool runs = false;
        for (int i = 0; i < service.days && service.trouble == nullptr; i++) {
            runs = runs || service.runs[i];
        }
        return runs;
    });
}

Datum readable_services(const Services& services) {
    return ids_of(services, [](const Service& service) { return service.trouble == nullptr; });
}

}  // namespace ticketpool
