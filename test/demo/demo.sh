#!/usr/bin/env bash
# A demonstration: a private server, the trains between Beijing and Shanghai for 15 days, ten
# seconds of selling, what follows a sale, and the proof.
# usage: test/demo/demo.sh start     STAY=1: leaves the server running
#        test/demo/demo.sh web       the same trains in a web shop, which is left running (test/demo/web.sh)
#        test/demo/demo.sh stop      stops and removes a server that was left running
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/demo/web.sh
mode=${1:-start}
seconds=10
remembered=build/demo-server

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n== %s\n' "$*"; }
sql() { as_server_user psql -X -q -h "$private" -U postgres -d demo -v ON_ERROR_STOP=1 -P footer=off -P linestyle=unicode "$@"; }
show() { sql "$@" | sed '/^$/d'; }
value() { sql -A -t -c "$1"; }
sell() {
  as_server_user pgbench -n -h "$private" -U seller -M prepared -D wishes="$wishes" -T "$seconds" "$@" demo >>"$private/pgbench.log" 2>&1
}

start_server() {
  make_private_dir
  cp -R test/data test/demo "$private/"
  give_private_dir
  as_server_user initdb -D server -U postgres -A trust --no-locale -E UTF8 >"$private/initdb.log"
  cat >>"$private/server/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$private'
shared_preload_libraries = 'ticketpool'
cluster_name = 'ticketpool demo'
${conf:-}
CONF
  as_server_user pg_ctl start -s -w -D server -l server.log || { tail -n 20 "$private/server.log" >&2; die 'The server did not start.'; }
  as_server_user createdb -h "$private" -U postgres demo
}

stop_remembered() {
  [ -f "$remembered" ] || return 0
  private=$(cat "$remembered")
  case $private in /tmp/ticketpool.*) stop_shop; remove_private_dir ;; esac
  rm -f "$remembered"
}

if [ "$mode" = stop ]; then
  bindir=$("$pg_config" --bindir)
  [ -f "$remembered" ] || die 'No demo server was left running.'
  stop_remembered
  say 'The demo server is stopped and removed.'
  exit 0
fi

case $mode in start) test/deps.sh demo ;; web) test/deps.sh web ;; *) die "No such demonstration: $mode" ;; esac
bindir=$("$pg_config" --bindir)
mkdir -p build
say 'Building ticketpool'
install_extension >build/demo-build.log 2>&1 || { tail -n 40 build/demo-build.log >&2; die 'Building or installing failed; all of it: build/demo-build.log'; }
stop_remembered
trap 'stop_shop; remove_private_dir' EXIT
trap 'exit 1' INT TERM
if [ "$mode" = web ]; then
  show_shop
  trap - EXIT
  exit 0
fi

step "A private server: $("$pg_config" --version), in a folder of its own, no TCP port"
start_server
sql -c 'CREATE EXTENSION ticketpool' -v dir=data -f data/load_sample.sql
begun=$(date +%s%N)
sql -v days=15 -f data/open_sample.sql >/dev/null
took=$(( ($(date +%s%N) - begun) / 1000000 ))
value "SELECT format('%s trains on %s days: %s departures with %s seats put on sale in $took ms',
  count(DISTINCT d.train), count(DISTINCT d.service_date), count(*), to_char(sum(f.seats), 'FM999,999,999'))
  FROM ticket_departure d JOIN (SELECT formation, sum(cardinality(seats)) AS seats FROM ticket_formation GROUP BY 1) f USING (formation)"
sql -f demo/setup.sql
wishes=$(value 'SELECT count(*) FROM demo_wish')

step "Tomorrow, before: ticket_search('北京南', '上海虹桥', CURRENT_DATE + 1)"
show -f demo/search.sql

step "$seconds seconds, 8 clients: most buy any trip or the express G1, some refund, two pick seats in open transactions and walk away"
sell -c 2 -f demo/walk_away.sql &
walkers=$!
sell -c 6 -j 2 -f demo/buy.sql@5 -f demo/hot.sql@3 -f demo/refund.sql@1 &
sellers=$!
sleep $((seconds / 2))
value "SELECT format('in the middle of it: %s running transactions hold %s seats', count(*), sum(claims)) FROM ticket_inflight"
wait "$walkers" && wait "$sellers" || { tail -n 20 "$private/pgbench.log" "$private/server.log" >&2; die 'A client failed.'; }
value "SELECT format('%s tickets sold, %s a second; %s of them refunded; %s times the answer was: sold out',
  to_char(count(*), 'FM999,999,999'), to_char(count(*) / $seconds, 'FM999,999,999'),
  to_char(count(*) FILTER (WHERE status = 'refunded'), 'FM999,999,999'),
  to_char((SELECT sold_outs FROM ticket_pool_stat), 'FM999,999,999')) FROM ticket_order"
step 'Tomorrow, after'
show -f demo/search.sql

step "The fullest seats of G125 tomorrow, a column a stretch: ticket_seat_map('G125', CURRENT_DATE + 1, 'second')"
value "SELECT string_agg(name, ' ' ORDER BY stop_no) FROM ticket_stop JOIN ticket_station USING (station) WHERE train = 'G125'"
value "SELECT seat FROM ticket_seat_map('G125', CURRENT_DATE + 1, 'second') AS seat ORDER BY length(replace(seat, '.', '')) DESC LIMIT 8"

step 'A party of three points at seats of G13 today: ticket_places shows a coach, ticket_hold_seats holds the very seats, ticket_confirm pays'
show -f demo/pick.sql
value "SELECT ticket_seat_svg('G13', CURRENT_DATE, NULL, '北京南', '上海虹桥')" >build/demo-seats.svg
say 'The coaches as they are now, drawn by ticket_seat_svg for a browser: build/demo-seats.svg'

step "Paying takes time: holds run out and quotas return by themselves, late payments and exchanges find their seat"
sql -f demo/life.sql | sed '$d'

step 'A sold-out class, three who wait, and two refunds: who gets the seat, and why'
show -f demo/wait.sql

step 'The counters: SELECT * FROM ticket_pool_stat'
show -x -c 'SELECT * FROM ticket_pool_stat'

step 'Somebody pulls the plug (pg_ctl stop -m immediate); the server starts again'
left="SELECT sum(remaining) FROM generate_series(1, 14) AS n, ticket_search('北京南', '上海虹桥', CURRENT_DATE + n)"
before=$(value "$left")
as_server_user pg_ctl stop -s -w -D server -m immediate
as_server_user pg_ctl start -s -w -D server -l server.log
say "seats left from 北京南 to 上海虹桥 on all days: $before before, $(value "$left") after"

step 'The proof'
show -f demo/proof.sql

[ "$(value "SELECT count(*) FROM ticket_verify()")" = 0 ] || die 'The pool and the tables disagree.'

step 'Other rolling stock for G1 tomorrow, whose second class is sold out: ticket_reform'
show -f demo/reform.sql

step 'A flash sale: 10,000 units, 16 clients, some roll back, some bring back what they bought; then the same with a row that all of them update'
sql -f demo/flash_setup.sql
for way in pool row; do
  as_server_user pgbench -n -h "$private" -U seller -M prepared -c 16 -j 2 -t 600 -f "demo/flash_$way.sql" demo >>"$private/pgbench.log" 2>&1 ||
    { tail -n 20 "$private/pgbench.log" >&2; die 'A client failed.'; }
done
show -f demo/flash_proof.sql
[ "$(value 'SELECT sum(buy_quantity) + item_remaining(1) FROM item_order WHERE status = $$sold$$ GROUP BY ()')" = 10000 ] || die 'The flash sale did not add up.'
[ "$(value "SELECT count(*) FROM item_verify()")" = 0 ] || die 'The pool and the tables disagree.'

psql="psql -h $private -U postgres demo"
if [ -n "${STAY:-}" ]; then
  trap - EXIT
  echo "$private" >"$remembered"
  step 'The server stays. Try it:'
  say "  $psql"
  say "  SELECT * FROM ticket_buy('G125', '北京南', '上海虹桥', user_id => 1, service_date => CURRENT_DATE + 1, seat_class => 'second');"
  say "  SELECT * FROM ticket_search('南京南', '苏州北', CURRENT_DATE + 1);"
  say '  make demo-stop      when you are done'
else
  step 'The server is stopped and removed. To keep it and try by hand: make demo STAY=1'
  say "  It prints a command like: $psql"
fi
