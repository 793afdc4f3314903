#!/usr/bin/env bash
# csvkit rewrites the times of a night train: 25:10:00 goes in, "1 day, 1:10:00" comes out.
#
# Guess: csvkit takes 25:10:00 in a GTFS stop_times.txt for a duration and prints it as Python does.
# Seen with csvkit 1.0.7 and agate 1.6.3 (Debian 12), with each of its tools that infers types
# (csvsort here):
#   00113,,22:00:00,A,1                        ->  113,,22:00:00,A,1
#   00113,25:10:00,25:12:00,C,2                ->  113,"1 day, 1:10:00","1 day, 1:12:00",C,2
# Times before midnight keep their form, so a file that was sorted mixes both, and the zeros of the train's number are
# gone. GTFS readers refuse such times; PostgreSQL reads them as an interval of the same length. -I keeps the text.
#
# Installs nothing: unpacks Debian's packages into a temporary folder. Fails if csvkit behaves
# otherwise.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get -q download csvkit=1.0.7-1 python3-agate=1.6.3-2 python3-agatedbf python3-agateexcel python3-agatesql python3-babel python-babel-localedata python3-dbfread \
  python3-et-xmlfile python3-greenlet python3-isodate python3-leather python3-olefile python3-openpyxl python3-parsedatetime python3-pytimeparse \
  python3-slugify python3-six python3-sqlalchemy python3-text-unidecode python3-unidecode python3-xlrd python3-tz python3-future >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" tree; done
export PYTHONPATH=$dir/tree/usr/lib/python3/dist-packages

printf '%s\n' trip_id,arrival_time,departure_time,stop_id,stop_sequence 00113,,22:00:00,A,1 00113,25:10:00,25:12:00,C,2 >stop_times.txt
/usr/bin/python3 tree/usr/bin/csvsort -c stop_sequence stop_times.txt >out.csv
cat out.csv
printf '%s\n' trip_id,arrival_time,departure_time,stop_id,stop_sequence 113,,22:00:00,A,1 '113,"1 day, 1:10:00","1 day, 1:12:00",C,2' | cmp - out.csv
/usr/bin/python3 tree/usr/bin/csvsort -I -c stop_sequence stop_times.txt | cmp - stop_times.txt
echo "as described"
