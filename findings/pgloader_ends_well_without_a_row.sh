#!/usr/bin/env bash
# pgloader loads no row of a timetable with a night train from SQLite, and ends with exit status 0.
#
# Guess: an SQLite column declared TIME becomes PostgreSQL's type time; the rows past 24:00 are
# rejected, the others stay. Seen with pgloader 3.6.9 (Debian 12, which calls itself 3.6.7~devel):
# the column becomes "time without time zone", which ends at 24:00; one row with 24:05:00 makes COPY
# fail (22008), and ALL rows of the table are lost with it, including those before midnight. The
# summary counts one error; the exit status is 0, so a script goes on with an empty table.
# Better: CAST type time to interval in a load file, or load text and cast it.
#
# Installs nothing: unpacks Debian's packages into a temporary folder, and runs a server of its own there (not as root).
set -eu
dir=$(mktemp -d); trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -f "$dir/data/postmaster.pid" ] || run "$bin/pg_ctl" -s -D "$dir/data" -m immediate stop; }
chmod 755 "$dir"; cd "$dir"
mkdir packages run; cd packages
apt-get -q download pgloader=3.6.9-1 sqlite3 libsqlite3-0 freetds-common libsybdb5 postgresql-15 postgresql-client-15 libpq5 >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
bin=$dir/tree/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$dir/tree/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
as=(env); [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env)
run() { "${as[@]}" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" HOME="$dir/run" "$@"; }
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$dir" run

run "$bin/initdb" -D data -A trust -U postgres --no-locale --encoding=UTF8 >/dev/null
port=$((50000 + $$ % 10000))
run "$bin/pg_ctl" -s -w -D data -l run/log -o "-c listen_addresses=127.0.0.1 -p $port -k $dir/run" start
tree/usr/bin/sqlite3 run/timetable.db "CREATE TABLE stop_times (trip_id TEXT, departure_time TIME, stop_id TEXT);
  INSERT INTO stop_times VALUES ('N1', '22:00:00', 'A'), ('N1', '23:30:00', 'B'), ('N1', '24:05:00', 'C')"
chmod 644 run/timetable.db
status=0
run tree/usr/bin/pgloader --root-dir "$dir/run/pgloader" "sqlite://$dir/run/timetable.db" "postgresql://postgres@127.0.0.1:$port/postgres" >run/out 2>&1 || status=$?
sed -n 's/^[^ ]* \(ERROR .*\)/\1/p; s/^  *stop_times .*/&/p' run/out
rows=$(run "$bin/psql" -XAt -h "$dir/run" -p "$port" -U postgres -d postgres -c 'SELECT count(*) FROM stop_times')
type=$(run "$bin/psql" -XAt -h "$dir/run" -p "$port" -U postgres -d postgres -c "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'stop_times'::regclass AND attname = 'departure_time'")
echo "exit status $status, rows $rows of 3, departure_time is $type"
[ "$status $rows $type" = "0 0 time without time zone" ]
echo "as described"
