#!/usr/bin/env bash
# Ticketpool at the size of two countries: every fast train of China and every train of India on sale for some days, on a private server.
# Reports memory, opening, counting, searching and buying under that load, the first touch of a departure after a restart, table sizes.
# usage: make bench-national                 10 days, some minutes, about 2 GB of memory and 1 GB of disk
#        make bench-national DAYS=1 PART=5   a day of 5 per cent of the trains
# also:  SECONDS_A_SLICE=5 ORDERS=2000 MEMORY=4GB
# Results: build/bench/national.md
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/server.sh
. test/bench/session.sh
days=${DAYS:-10} part=${PART:-100} seconds=${SECONDS_A_SLICE:-5} orders=${ORDERS:-2000}
memory=${MEMORY:-$((256 + days * part * 2))MB}
# shellcheck disable=SC2034
date=- # its scripts draw their own
# shellcheck disable=SC2034
declare -A size=() row=([search]='-f search.sql' [remaining]='-f remaining.sql' [look_up]='-f look_up.sql' [buy]='-f buy.sql'
  [count_all]='-f count_all.sql' [count_one]='-f count_one.sql')
out=$PWD/build/bench options=

wal_position() { sql -c "SELECT pg_current_wal_insert_lsn() - '0/0'"; }
size_of() { numfmt --to=iec --format=%.1f "$1"; }

# open_days: each day in a transaction of its own.
open_days() {
  local day before began opened
  for ((day = 0; day < days; day++)); do
    before=$(wal_position) began=$(date +%s%N)
    opened=$(sql -c "SELECT count(ticket_open(train, CURRENT_DATE + $day, formation)) FROM national_train
                     WHERE runs_on(run_dates, date '2016-03-10' + $day)")
    printf '%s %s %s\n' "$opened" $(($(date +%s%N) - began)) $(($(wal_position) - before))
  done >"$private/opened"
  awk '{ n += $1; ns += $2; wal += $3 } NR == 1 { first = $2 / $1; first_wal = $3 / $1 }
    END { printf "| ticket_open: departures | %d |\n| µs each (first day, with routes and layouts, %.0f) | %.0f |\n| bytes of WAL each (first day %.0f) | %.0f |\n",
          n, first / 1000, ns / n / 1000, first_wal, wal / n }' "$private/opened"
}

# load_all: a count of every departure brings it into memory.
load_all() {
  local began loaded
  began=$(date +%s%N)
  loaded=$(sql -c "SELECT count(ticket_remaining(train, f.station, t.station, service_date)) FROM ticket_departure
                   JOIN ticket_stop AS f USING (train)
                   CROSS JOIN LATERAL (SELECT station FROM ticket_stop AS s WHERE s.train = f.train AND s.stop_no > f.stop_no ORDER BY stop_no LIMIT 1) AS t
                   WHERE f.stop_no = 1")
  printf '| first touch of a departure without orders, all in one session: µs each | %d |\n' $((($(date +%s%N) - began) / loaded / 1000))
}

# memory_lines: an unnumbered place has no mask; the counters of such places, four bytes per segment
# and coach, are shown separately.
memory_lines() {
  sql -F ' ' -c "SELECT count(*), sum(p.seats), sum(p.seats::bigint * CASE WHEN p.segments <= 8 THEN 1 WHEN p.segments <= 16 THEN 2 WHEN p.segments <= 32 THEN 4 ELSE 8 * ((p.segments + 63) / 64) END),
                        sum(p.bytes), max(bytes_used), max(bytes_reserved), max(evictions), sum(4 * p.segments * coalesce(coaches, 0))
                 FROM ticket_pool AS p JOIN ticket_departure USING (departure_id)
                 LEFT JOIN (SELECT layout_id, count(*) AS coaches FROM ticket_layout_coach WHERE places IS NOT NULL GROUP BY 1) AS counted USING (layout_id), ticket_pool_stat" |
    awk '{ printf "| departures in memory | %d |\n| seats with a number | %d |\n| bytes a seat: masks alone | %.2f |\n", $1, $2, $3 / $2
           printf "| bytes a seat: departures, less the counters of unnumbered places | %.2f (%.2f times the masks) |\n", ($4 - $8) / $2, ($4 - $8) / $3
           printf "| bytes a seat: departures | %.2f (%.2f times the masks) |\n", $4 / $2, $4 / $3
           printf "| bytes a seat: all that is used | %.2f |\n| MB used, of MB reserved | %.0f of %.0f |\n| departures evicted | %d |\n", $5 / $2, $5 / 1e6, $6 / 1e6, $7 }'
}

# timed ROW CLIENTS
timed() {
  pgbench_row "$1" "$2" on -T "$seconds" -D "days=$days" -D "pairs=$pairs" -D "trips=$trips" -l --log-prefix="$private/tmp/latency"
  printf '| %s, %s client%s: calls a second, p50 and p99 ms | %.0f, %s |\n' "$1" "$2" "$([ "$2" -eq 1 ] || echo s)" \
    "$(awk '/^tps/ { print $3 }' "$private/pgbench.log")" "$(percentiles | sed 's/,/, /; s/^, /-, /')"
}

# all_over_one: counts over all departures against counts on one, with the same look-up of a row; new
# sessions in each slice, so that most counts are the session's first look.
all_over_one() {
  local repeat name names departures one=("${one_call[@]}")
  departures=$(sql -c 'SELECT count(*) FROM national_all')
  for ((repeat = 1; repeat <= 5; repeat++)); do
    names='count_one count_all'
    [ $((repeat % 2)) -eq 1 ] || names='count_all count_one'
    for name in $names; do
      pgbench_row "$name" "$1" on -T "$seconds" -D "departures=$departures" -D "one_train=${one[0]}" -D "one_date=${one[1]}" -D "one_a=${one[2]}" -D "one_b=${one[3]}"
      printf '%s %s %s\n' "$repeat" "$name" "$(awk '/^tps/ { print $3 }' "$private/pgbench.log")"
    done
  done | awk '{ tps[$1, $2] = $3 } END { for (i = 1; i <= 5; i++) print tps[i, "count_all"] / tps[i, "count_one"] }' | sort -n |
    awk -v departures="$departures" -v clients="$1" '{ r[NR] = $1 }
      END { printf "| counts over all %d departures : counts on one, %d clients, new sessions | %.2f (%.2f .. %.2f) |\n", departures, clients, r[3], r[1], r[5] }'
}

first_touch() {
  sql -v "orders=$orders" -f national/first_touch.sql >/dev/null
  as_server_user pg_ctl stop -s -w -t 600 -D server -m fast
  start_again
  sql -F ' ' -f national/first_touch_time.sql |
    awk 'NF == 5 { printf "| first touch after a restart, %d live orders: median µs (min .. max) | %.0f (%.0f .. %.0f) |\n| the second touch: median µs | %.1f |\n", $1, $2, $3, $4, $5 }'
}

# preload: a worker brings everything back into memory after a restart.
preload() {
  sql -c "ALTER SYSTEM SET ticketpool.preload = on"
  as_server_user pg_ctl stop -s -w -t 600 -D server -m fast
  start_again
  until grep -q 'ticketpool loaded' "$private/server.log"; do sleep 1; done
  sed -n 's/.*ticketpool loaded \([0-9]*\) departures in \([0-9]*\) ms.*/\1 \2/p' "$private/server.log" | tail -1 |
    awk '{ printf "| all of them again by the worker after a restart: departures, seconds | %d, %.1f |\n", $1, $2 / 1000 }'
}

table_sizes() {
  sql -F '|' -c "SELECT regexp_replace(relname, '_p[0-9]{8}\$', ' (partitions)'), sum(pg_total_relation_size(oid)) FROM pg_class
                 WHERE relname LIKE 'ticket\\_%' AND relkind = 'r' GROUP BY 1 HAVING sum(pg_total_relation_size(oid)) > 100000 ORDER BY 2 DESC" |
    while IFS='|' read -r name bytes; do printf '| table %s with its indexes | %s |\n' "$name" "$(size_of "$bytes")"; done
}

check() {
  local problems
  problems=$(sql -c 'SELECT count(*) FROM ticket_verify()')
  say "differences between pool and tables: $problems"
  [ "$problems" -eq 0 ] && [ "$(wc -l <"$out/national.md")" -gt 15 ]
}

test/deps.sh demo
bindir=$("$pg_config" --bindir)
mkdir -p "$out"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap remove_private_dir EXIT
trap 'exit 1' INT TERM
start_server "$memory"
cp -R test/bench/national "$private/"
cp -R test/bench/national "$private/scripts"
give_private_dir
say "loading the timetables ($part per cent)"
sql -v "part=$part" -f national/load.sql >"$private/load.log"
{
  printf '%s per cent of the trains for %s days: %s trains, %s stations; ticketpool.memory %s\n\n| what | |\n|---|---:|\n' "$part" "$days" \
    "$(sql -c 'SELECT count(*) FROM national_train')" "$(sql -c 'SELECT count(*) FROM ticket_station')" "$memory"
  open_days
  sql -f national/prepare.sql
  pairs=$(sql -c 'SELECT count(*) FROM national_pair') trips=$(sql -c 'SELECT count(*) FROM national_trip')
  IFS='|' read -ra one_call < <(sql -F '|' -c 'SELECT train, service_date, a, b FROM national_all WHERE n = 1')
  printf '| trains a day of the busiest pair, of the 100th | %s |\n' "$(sql -F ', ' -c 'SELECT max(trains), min(trains) FROM national_pair')"
  load_all
  memory_lines
  for count in 1 8; do for name in look_up remaining search buy; do timed "$name" "$count"; done; done
  for count in 8 32; do all_over_one "$count"; done
  session_memory "'${one_call[0]}', '${one_call[2]}', '${one_call[3]}', '${one_call[1]}'" 'SELECT count(ticket_remaining(train, a, b, service_date)) FROM national_all'
  printf '| pages: of the pool | %s |\n' "$(sql -F ' of ' -c 'SELECT pages, page_bytes / 1024 FROM ticket_pool_stat') kB"
  first_touch
  preload
  table_sizes
} >"$out/national.md"
cat "$out/national.md"
check || die 'The run left something wrong behind.'
