#!/usr/bin/env python3
"""Turns a timetable of this folder into a GTFS feed, for tests.

    timetable_to_gtfs.py TRAINS.csv[.gz] STOPS.csv[.gz] FOLDER FIRST_DAY LAST_DAY [SHARE]

SHARE: take one of so many trains. What is made up here: each second call of a train is at a platform
of its station; services with more than one row of days take days out of a week, or add them.
"""
import csv
import datetime
import gzip
import os
import sys


def rows(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def write(folder, name, header, lines):
    with open(os.path.join(folder, name + ".txt"), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(lines)


def gtfs_time(clock, day):
    """Past midnight hours go on; below ten they have one digit, as in many feeds."""
    if not clock:
        return ""
    hours, minutes = clock.split(":")[:2]
    return f"{int(hours) + 24 * int(day or 0)}:{minutes}:00"


def gtfs_day(day):
    return day.strftime("%Y%m%d")


def days_of(text, first, last):
    """The days of a train: "ALL", or "2016-01-30..2016-02-07;2016-02-10..2016-03-29"."""
    every = [first + datetime.timedelta(n) for n in range((last - first).days + 1)]
    if text in ("", "ALL"):
        return every
    ranges = [[datetime.date.fromisoformat(day) for day in (part.split("..") * 2)[:2]] for part in text.split(";")]
    return [day for day in every if any(low <= day <= high for low, high in ranges)]


def main():
    trains, stops, folder = sys.argv[1:4]
    first, last = (datetime.date.fromisoformat(day) for day in sys.argv[4:6])
    share = int(sys.argv[6]) if len(sys.argv) > 6 else 1
    os.makedirs(folder, exist_ok=True)
    trips, services, stations, calls = [], {}, {}, []
    for n, train in enumerate(rows(trains)):
        if n % share == 0:
            service = services.setdefault(train.get("run_dates") or "ALL", f"s{len(services)}")
            trips.append(("r", service, train["train_no"], train.get("train_code") or train["train_no"], train.get("destination")))
    taken = {trip[2] for trip in trips}
    for stop in rows(stops):
        if stop["train_no"] in taken:
            code = stop["station_code"]
            stations[code] = stop["station_name"]
            at = code + "-1" if int(stop["seq"]) % 2 == 0 else code
            calls.append((at, int(stop["seq"]) * 10, stop["train_no"], gtfs_time(stop["arrive"], stop["day_arr"]), gtfs_time(stop["depart"], stop["day_dep"])))
    weeks, exceptions = [], []
    for number, (text, service) in enumerate(services.items()):
        days = days_of(text, first, last)
        whole_week = number % 2 == 0
        if whole_week:
            weeks.append((service, *"1111111", gtfs_day(first), gtfs_day(last)))
        for n in range((last - first).days + 1):
            day = first + datetime.timedelta(n)
            if (day in days) != whole_week:
                exceptions.append((service, gtfs_day(day), 2 if whole_week else 1))
        if not whole_week and not days:
            exceptions.append((service, gtfs_day(first - datetime.timedelta(1)), 1))
    write(folder, "stops", ("stop_id", "stop_name", "parent_station"),
          [(code, name, "") for code, name in stations.items()] + [(code + "-1", name + " 1", code) for code, name in stations.items()])
    write(folder, "routes", ("route_id", "route_short_name"), [("r", "")])
    write(folder, "trips", ("route_id", "service_id", "trip_id", "trip_short_name", "trip_headsign"), trips)
    write(folder, "stop_times", ("stop_id", "stop_sequence", "trip_id", "arrival_time", "departure_time"), calls)
    write(folder, "calendar", ("service_id", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "start_date", "end_date"), weeks)
    write(folder, "calendar_dates", ("service_id", "date", "exception_type"), exceptions)


if __name__ == "__main__":
    main()
