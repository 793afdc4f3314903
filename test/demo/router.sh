#!/usr/bin/env bash
# A demonstration of many servers on this machine: three nodes, a standby of one of them, PgBouncer,
# and a router. The trains between Beijing and Shanghai are spread over the nodes by train and day.
# Eight clients buy, one node is killed and its standby takes over, a departure moves, a ticket is
# exchanged for one of another node; then the proof. It leaves nothing running.
# usage: test/demo/router.sh
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
days=8

step() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n== %s\n' "$*"; }

# Servers, all in one folder, on sockets only: the router on port 5400, the nodes on 5401 to 5403, the
# standby of node 2 on 5412, PgBouncer on 6432.
conninfo() { printf 'host=%s port=%s dbname=trains' "$private" "$1"; }
sql() { as_server_user psql -X -q -h "$private" -p "$1" -U postgres -d "${database:-trains}" -v ON_ERROR_STOP=1 -P footer=off -P linestyle=unicode "${@:2}"; }
value() { sql "$1" -A -t -c "$2"; }
router() { database=router sql 5400 "$@"; }
router_value() { router -A -t -c "$1"; }
show() { "$@" | sed '/^$/d'; }

make_server() {
  as_server_user initdb -D "$1" -U postgres -A trust --no-locale -E UTF8 >"$private/$1.initdb.log" 2>&1 || { tail -n 20 "$private/$1.initdb.log" >&2; die 'initdb failed.'; }
  cat >>"$private/$1/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$private'
port = $2
cluster_name = '$1'
shared_buffers = '32MB'
wal_keep_size = '256MB'
max_connections = 60
${3:-}
CONF
  # The router logs in with its password; everybody else here is trusted.
  sed -i '1i local all ticketpool_router scram-sha-256' "$private/$1/pg_hba.conf"
}
start_server() {
  as_server_user pg_ctl start -s -w -D "$1" -l "$1.log" || { tail -n 20 "$private/$1.log" >&2; die "The server $1 did not start."; }
}

buyers=()
clean_up() {
  [ -n "${private:-}" ] && [ -d "$private" ] || return 0
  # The clients end, whether they have an answer or not.
  touch "$private/stop" "$private/abandon"
  [ ! -f "$private/pgbouncer.pid" ] || kill -QUIT "$(cat "$private/pgbouncer.pid")" 2>/dev/null || true
  wait
  remove_private_dir
}
failed() {
  tail -n 10 "$private"/*.log >&2
  die "$1"
}

# acknowledged: purchases that the clients know of by now.
acknowledged() { cat "$private"/acks.* 2>/dev/null | grep -c '^sold' || true; }
# await_sales N: until so many more are acknowledged.
await_sales() {
  local until=$(($(acknowledged) + $1)) patience=$((SECONDS + 60)) pid
  while [ "$(acknowledged)" -lt "$until" ]; do
    for pid in "${buyers[@]}"; do kill -0 "$pid" 2>/dev/null || failed "A client has ended: $(tail -qn 3 "$private"/buyer.*.err)"; done
    [ "$SECONDS" -lt "$patience" ] || failed 'The clients sell nothing any more.'
    sleep 0.2
  done
}

test/deps.sh router
bindir=$("$pg_config" --bindir)
mkdir -p build
say 'Building ticketpool'
install_extension >build/demo-build.log 2>&1 || { tail -n 40 build/demo-build.log >&2; die 'Building or installing failed; all of it: build/demo-build.log'; }
make_private_dir
trap clean_up EXIT
trap 'exit 1' INT TERM
cp -R test/data test/demo "$private/"
give_private_dir

step "Three nodes, a standby of node 2, PgBouncer and a router: $("$pg_config" --version), in a folder of its own, no TCP port"
starting=()
for n in 1 2 3; do
  (make_server "node$n" "540$n" "shared_preload_libraries = 'ticketpool'" && start_server "node$n" && as_server_user createdb -h "$private" -p "540$n" -U postgres trains) &
  starting+=($!)
done
# The router has no ticketpool in memory and no tickets in its tables.
(make_server router 5400 && start_server router && as_server_user createdb -h "$private" -p 5400 -U postgres router) &
starting+=($!)
for pid in "${starting[@]}"; do wait "$pid" || die 'A server could not be made.'; done
starting=()
for n in 1 2 3; do
  (sql "540$n" -c 'CREATE EXTENSION ticketpool' -c "SELECT ticket_node_set($n)" -v dir=data -f data/load_sample.sql -c 'CREATE ROLE seller LOGIN' \
    -c 'GRANT EXECUTE ON FUNCTION ticket_buy, ticket_refund, ticket_search, ticket_remaining TO seller' >/dev/null) &
  starting+=($!)
done
for pid in "${starting[@]}"; do wait "$pid" || die 'A node could not be filled.'; done

# A commit on node 2 waits until the standby has it.
as_server_user pg_basebackup -h "$private" -p 5402 -U postgres -D standby -R -c fast -d 'application_name=standby'
printf "port = 5412\ncluster_name = 'standby'\n" >>"$private/standby/postgresql.conf"
start_server standby
sql 5402 -c "ALTER SYSTEM SET synchronous_standby_names = 'standby'" -c 'SELECT pg_reload_conf()' >/dev/null

router -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION ticketpool_router CASCADE' -c 'CREATE ROLE seller LOGIN' \
  -c 'GRANT EXECUTE ON FUNCTION ticket_buy, ticket_refund, ticket_search, ticket_remaining, ticket_where(text, date), ticket_change, ticket_get TO seller'
# The role of the router on the nodes, and its password: the same file for all.
(umask 077 && printf '%s%s\n' "$RANDOM$RANDOM" "'\"\\ $RANDOM" >"$private/password")
give_private_dir
config=(--socket-dir "$private" --port 6432 --ini "$private/pgbouncer.ini")
router_config() { as_server_user router_config.sh --router "host=$private port=5400 dbname=router user=postgres" "$@"; }
router_config --node-sql >"$private/role.sql"
for n in 1 2 3; do
  sql "540$n" -f role.sql -f demo/router_password.sql
  router_value "SELECT router_node_add($n, '$(conninfo "540$n")'$([ "$n" != 2 ] || printf ", '%s'" "$(conninfo 5412)"))" >/dev/null
done
router_config "${config[@]}" --password-file "$private/password" --start --no-check

step 'The trains are spread by train and day; all departures are opened through the router'
begun=$(date +%s%N)
value 5401 "SELECT format('SELECT router_assign(%L, %s, CURRENT_DATE); SELECT router_assign(%L, %s, CURRENT_DATE + 4);',
    train, 1 + n % 3, train, 1 + (n + 1) % 3) FROM (SELECT train, row_number() OVER (ORDER BY train) AS n FROM (SELECT DISTINCT train FROM ticket_stop WHERE train ~ '^G[0-9]+\$') t) t" >"$private/assign.sql"
value 5401 "SELECT format('SELECT ticket_open(%L, %L, %L);', train, CURRENT_DATE + n, formation)
  FROM (SELECT train, CASE WHEN count(*) <= 4 THEN 'CR400AF' ELSE 'CR400AF-A' END AS formation FROM ticket_stop WHERE train ~ '^G[0-9]+\$' GROUP BY train) t, generate_series(0, $days - 1) n" >"$private/open.sql"
router -f assign.sql -f open.sql >/dev/null
took=$(( ($(date +%s%N) - begun) / 1000000 ))
for n in 1 2 3; do
  value "540$n" "SELECT format('node $n: %s departures of %s trains', count(*), count(DISTINCT train)) FROM ticket_departure"
done
say "($took ms)"
router_config --check || die 'The router finds something wrong.'

step "Tomorrow, asked of the router, which asks the nodes at the same time: ticket_search('北京南', '上海虹桥', CURRENT_DATE + 1)"
show router -f demo/search.sql
value 5401 "SELECT concat_ws('|', s.train, a.station, b.station, CURRENT_DATE + d, CASE WHEN random() < 0.1 THEN 'first' ELSE 'second' END)
  FROM (SELECT DISTINCT train FROM ticket_stop WHERE train ~ '^G[0-9]+\$') s JOIN ticket_stop a USING (train) JOIN ticket_stop b USING (train), generate_series(1, $days - 1) d
  WHERE a.stop_no < b.stop_no" >"$private/wishes"

step 'Eight clients buy: five through the router, three ask it once where a departure is (ticket_where) and go to the node'
give_private_dir
for n in 1 2 3 4 5 6 7 8; do
  way=router
  [ "$n" -le 5 ] || way=direct
  as_server_user perl demo/router_buyer.pl "$n" "$way" "$RANDOM" 2>"$private/buyer.$n.err" &
  buyers+=($!)
done
await_sales 1000
say "$(acknowledged) tickets are sold"

step 'Node 2 is killed (kill -9 of all its processes); its standby takes over'
postmaster=$(head -n 1 "$private/node2/postmaster.pid")
mapfile -t children < <(tr ' ' '\n' <"/proc/$postmaster/task/$postmaster/children" | sed '/^$/d')
as_server_user bash -c 'kill -9 "$@"' - "$postmaster" "${children[@]}"
as_server_user router_failover.sh fail --node 2 --router "host=$private port=5400 dbname=router user=postgres" --standby "$(conninfo 5412) user=postgres" --primary "$(conninfo 5402) user=postgres" \
  --fence "! grep -qsE '^State:[[:space:]]+[^ZX]' /proc/$postmaster/status" --primary-data "$private/node2" -- "${config[@]}" || failed 'The fail-over did not succeed.'
await_sales 300
say "$(acknowledged) tickets are sold"

step 'While they buy on, G1 of the day after tomorrow moves to another node'
from=$(router_value "SELECT node FROM ticket_where('G1', CURRENT_DATE + 2)")
to=$((from % 3 + 1))
order=$(router_value "SELECT order_id FROM ticket_buy('G1', '北京南', '上海虹桥', 100, CURRENT_DATE + 2, 'first')")
router_value "SELECT router_move('G1', CURRENT_DATE + 2, $to)" >/dev/null
say "It was on node $from, ticket_where says: node $(router_value "SELECT node FROM ticket_where('G1', CURRENT_DATE + 2)")"
[ "$(router_value "SELECT node FROM ticket_where('G1', CURRENT_DATE + 2)")" = "$to" ] || die 'The departure did not move.'
[ -z "$order" ] || router_value "SELECT format('An order keeps its id: %s ends in %s, is found on node %s, and is %s',
  order_id, order_id & 127, (SELECT node FROM ticket_where(order_id)), status) FROM ticket_get($order)"
await_sales 300

step 'A ticket of one node is exchanged for one of another (ticket_change)'
show router -f demo/router_change.sql
await_sales 100
touch "$private/stop"
for pid in "${buyers[@]}"; do wait "$pid" || failed "A client failed: $(tail -qn 3 "$private"/buyer.*.err)"; done
buyers=()
retries=$(cat "$private"/acks.* | grep -c '^retry' || true)
say "$(acknowledged) tickets were sold in all, $(cat "$private"/acks.* | grep -c '^refunded' || true) of them brought back. $retries times a client had to ask again"
say "(08xxx or a lost connection); the longest that one of them waited was $(sed -n 's/^gap //p' "$private"/acks.* | sort -n | tail -n 1) ms."

step 'The proof: the tables of all nodes side by side, and what the clients know'
ports=(5401 5412 5403)
router -c 'CREATE TABLE proof_ticket (node int, train text, day date, coach text, seat text, from_stop int, to_stop int, order_id bigint, ticket_no int, status text, request_id uuid)' \
  -c 'CREATE TABLE proof_ack (what text, request_id uuid, order_id bigint)'
for n in 1 2 3; do
  value "${ports[n - 1]}" "COPY (SELECT $n, d.train, o.service_date, coach, seat, from_stop, to_stop, order_id, ticket_no, o.status, request_id
    FROM ticket_order o JOIN ticket_departure d USING (departure_id)) TO STDOUT"
done >"$private/tickets"
cat "$private"/acks.* | awk '$1 == "sold" { print $1 "\t" $2 "\t" $3 } $1 == "refunded" { print $1 "\t\\N\t" $2 }' >"$private/known"
give_private_dir
router -c '\copy proof_ticket FROM tickets' -c '\copy proof_ack FROM known'
show router -f demo/router_proof.sql
for n in 1 2 3; do
  say "node $n: ticket_verify finds $(value "${ports[n - 1]}" 'SELECT count(*) FROM ticket_verify()') differences, $(value "${ports[n - 1]}" 'SELECT count(*) FROM ticket_inflight') claims are left behind"
done
for n in 1 2 3; do
  [ "$(value "${ports[n - 1]}" 'SELECT count(*) FROM ticket_verify()')" = 0 ] || die "The pool and the tables of node $n disagree."
done
[ "$(router -A -t -F ' ' -f demo/router_proof.sql)" = '0 0 0 0 0' ] || die 'The proof failed.'
say 'All servers are stopped and removed.'
