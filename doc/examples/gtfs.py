#!/usr/bin/env python3
"""Loads a GTFS feed into tables of text, for ticket_import_gtfs. Python's standard library only.

    python3 gtfs.py FEED SCHEMA | psql -v ON_ERROR_STOP=1

FEED is a zip file or a folder. It prints SQL: a transaction that makes the tables of the files in
SCHEMA, instead of those that are there, and fills them. Columns are those that the first line of a
file names; an empty file is left out. What the files say is checked by ticket_import_gtfs.
"""
import csv
import io
import os
import sys
import zipfile

# What ticket_import_gtfs reads. Shapes, fares and the rest stay where they are.
FILES = ("stops", "routes", "trips", "stop_times", "calendar", "calendar_dates", "frequencies")
NEEDED = ("stops", "trips", "stop_times")


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def copy_field(value):
    """A field in COPY's text format."""
    for char, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        value = value.replace(char, escape)
    return value


def open_file(feed, name):
    """The file as text, or None. A feed may be packed with its folder; a file may begin with a BOM."""
    if zipfile.is_zipfile(feed):
        archive = zipfile.ZipFile(feed)
        found = [entry for entry in archive.namelist()
                 if entry.split("/")[-1] == name and not entry.startswith("__MACOSX/")]
        binary = archive.open(found[0]) if found else None
    else:
        path = os.path.join(feed, name)
        binary = open(path, "rb") if os.path.exists(path) else None
    return binary and io.TextIOWrapper(binary, encoding="utf-8-sig", newline="")


def load(table, file, out):
    rows = csv.reader(file, skipinitialspace=True)
    header = [name.strip() for name in next(rows, [])]
    # A column without a name, or a second one of a name, is nothing that anybody could ask for.
    kept = [i for i, name in enumerate(header) if name and name not in header[:i]]
    columns = ", ".join(quoted(header[i]) + " text" for i in kept)
    if not kept:
        return
    out.write(f"CREATE TABLE {table} ({columns});\nCOPY {table} FROM STDIN;\n")
    for row in rows:
        if row:
            out.write("\t".join(copy_field(row[i]) if i < len(row) else "\\N" for i in kept) + "\n")
    out.write(f"\\.\nANALYZE {table};\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    feed, schema = sys.argv[1], quoted(sys.argv[2])
    # Before anything is written: a wrong path must not cost the feed that is loaded.
    missing = [name + ".txt" for name in NEEDED if not open_file(feed, name + ".txt")]
    if missing:
        sys.exit(f"{feed} has no {', '.join(missing)}")
    csv.field_size_limit(1 << 24)
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n", write_through=False)
    out.write(f"BEGIN;\nSET LOCAL client_encoding = 'UTF8';\nSET LOCAL client_min_messages = warning;\n"
              f"CREATE SCHEMA IF NOT EXISTS {schema};\n")
    for name in FILES:
        table = f"{schema}.{quoted(name)}"
        out.write(f"DROP TABLE IF EXISTS {table};\n")
        file = open_file(feed, name + ".txt")
        if file:
            load(table, file, out)
    out.write("COMMIT;\n")
    out.flush()


if __name__ == "__main__":
    main()
