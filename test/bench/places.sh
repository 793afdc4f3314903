#!/usr/bin/env bash
# What ticket_places of 2,000 seats costs, compared with an index-only SELECT of as many rows of the
# same columns, on a private server: one client, slices of both in turn.
# usage: make bench-places        (SECONDS_A_SLICE=3)
# Results: build/bench/places.md. Fails if ticket_places costs more than three times the SELECT.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/server.sh
seconds=${SECONDS_A_SLICE:-3}
out=$PWD/build/bench
bindir=$("$pg_config" --bindir)
call="SELECT * FROM ticket_places('P1', 'AAA', 'BBB', '2031-01-01')"

select="SELECT seat_class, coach, seat, free, seat_group, x, y, deck, properties FROM places WHERE n BETWEEN 1 AND 2000"

# microseconds QUERY: of a call.
microseconds() {
  printf '%s;\n' "$1" >"$private/call.sql"
  give_private_dir
  as_server_user pgbench -n -h "$private" -U postgres -M prepared -T "$seconds" -f call.sql bench 2>&1 |
    awk '/latency average/ { printf "%.0f\n", $4 * 1000 }'
}

trap remove_private_dir EXIT
start_server 64MB
sql -f sql/places.sql >/dev/null
sql -c "EXPLAIN $select" | grep -q 'Index Only Scan' || die 'The SELECT is not an index-only scan.'
[ "$(sql -c "SELECT count(*) FROM ($select EXCEPT ALL $call) AS d")" = 0 ] || die 'The rows differ.'
mkdir -p "$out"
for _ in 1 2 3; do
  echo "$(microseconds "$call") $(microseconds "$select")"
done | sort -n | awk '
  { call[NR] = $1; select[NR] = $2 }
  END { printf "| 2,000 seats | µs |\n|---|---:|\n| ticket_places | %d |\n| index-only SELECT of these rows | %d |\n| ratio | %.2f |\n", call[2], select[2], call[2] / select[2]
        exit call[2] > 3 * select[2] }' | tee "$out/places.md"
