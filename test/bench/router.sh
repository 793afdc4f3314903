#!/usr/bin/env bash
# Measures what the router costs: four nodes, a PgBouncer and a router on this machine, one client, CPU time of each part for a
# call, directly and through the router in the same run.
# usage: make bench-router            four minutes on two cores
#        make bench-router QUICK=1    a minute
# also:  REPEATS=5 CALLS=800
# CPU time is that of /proc/PID/schedstat; slices follow one another (A B C, C B A, ...), and medians are compared. Trust the
# ratios, not the numbers. Result: build/bench/router.md; make bench-doc puts it into doc/bench.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
if [ -n "${QUICK:-}" ]; then usual=(3 400); else usual=(15 800); fi
repeats=${REPEATS:-${usual[0]}} calls=${CALLS:-${usual[1]}} warm=50
out=$PWD/build/bench
nodes=4

# What is called: NAME|WHERE|SQL. WHERE: a node directly; the router; the router, which goes to the nodes without
# PgBouncer; a proxy function that is written by hand; the node that the router has named.
count="ticket_remaining(:train, :from, :to, :date::date + 1)"
buy="FROM ticket_buy(:train, :from, :to, :user, :date::date + 1)"
rows="count|direct|SELECT $count
count|router|SELECT $count
count|unpooled|SELECT $count
count|floor|SELECT floor.$count
purchase|direct|SELECT order_id, coach, seat $buy
purchase|router|SELECT order_id, coach, seat $buy
purchase|unpooled|SELECT order_id, coach, seat $buy
purchase|floor|SELECT order_id, coach, seat ${buy/ticket_buy/floor.ticket_buy}
error in psql|direct|SELECT ticket_remaining(:train, '7', '3', :date::date + 1)
error in psql|router|SELECT ticket_remaining(:train, '7', '3', :date::date + 1)
count in psql|direct|SELECT ticket_remaining(:train, '3', '7', :date::date + 1)
count in psql|router|SELECT ticket_remaining(:train, '3', '7', :date::date + 1)
search of 1 node|direct|SELECT * FROM ticket_search('1', '10', :date::date + 1)
search of 1 node|router|SELECT * FROM ticket_search('1', '10', :date::date + 1)
search of 2 nodes|router|SELECT * FROM ticket_search('1', '10', :date::date + 2)
search of 4 nodes|router|SELECT * FROM ticket_search('1', '10', :date::date + 3)
purchase after ticket_where|where|SELECT order_id, coach, seat $buy"

sql_on() {
  local server=$1
  shift
  as_server_user psql -X -q -A -t -h "$private/$server" -U postgres -d bench -v ON_ERROR_STOP=1 -v "private=$private" -v "today=$today" "$@"
}

# start_server NAME PRELOAD
start_server() {
  mkdir "$private/$1" && give_private_dir
  [ -d "$private/empty" ] || as_server_user initdb -D empty -U postgres -A trust --no-locale -E UTF8 -N >"$private/initdb.log"
  as_server_user cp -R empty "$1.data"
  cat >>"$private/$1.data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$private/$1'
shared_preload_libraries = '$2'
max_connections = 50
max_wal_size = '4GB'
checkpoint_timeout = '1h'
autovacuum = off
CONF
  as_server_user pg_ctl start -s -w -D "$1.data" -l "$1.log" || { tail -n 20 "$private/$1.log" >&2; die "The server $1 did not start."; }
  as_server_user createdb -h "$private/$1" -U postgres bench
}

start_pooler() {
  local node
  mkdir "$private/pooler"
  {
    echo '[databases]'
    for ((node = 1; node <= nodes; node++)); do echo "node$node = host=$private/node$node dbname=bench"; done
    cat <<CONF
[pgbouncer]
unix_socket_dir = $private/pooler
listen_addr =
listen_port = 6432
auth_type = trust
auth_file = $private/pooler/users
pool_mode = transaction
ignore_startup_parameters = extra_float_digits
query_wait_timeout = 3
server_idle_timeout = 0
log_connections = 0
log_disconnections = 0
pidfile = $private/pooler/pid
logfile = $private/pooler/log
CONF
  } >"$private/pooler/pgbouncer.ini"
  echo '"postgres" ""' >"$private/pooler/users"
  give_private_dir
  as_server_user "$pgbouncer" -q -d pooler/pgbouncer.ini || die 'PgBouncer did not start.'
}

set_up() {
  local node
  make_private_dir
  cp -R test/bench/router "$private/sql"
  write_snapshot_script
  give_private_dir
  today=$(date +%F)
  for ((node = 1; node <= nodes; node++)); do
    start_server "node$node" ticketpool
    sql_on "node$node" -v "node=$node" -f sql/node.sql
  done
  start_server router ''
  start_pooler
  sql_on router -f sql/router.sql
  # The folder of the socket of the node that has the trains of the first day
  told=$(sql_on router -c "SELECT substring(conninfo FROM 'host=[^ ]*/([^ /]+)') FROM ticket_where('1', '$today'::date + 1)")
}

# The script that the client runs before the first call that counts and after the last one: PART PID ns of every process,
# while the client's session is still there.
write_snapshot_script() {
  cat >"$private/snapshot" <<SCRIPT
#!/bin/bash
cd '$private'
for server in node? router; do
  read -r first <"\$server.data/postmaster.pid"
  for pid in "\$first" \$(pgrep -P "\$first"); do
    if read -r ns _ <"/proc/\$pid/schedstat"; then echo "\${server%[0-9]} \$pid \$ns"; fi
  done
done 2>/dev/null >"tmp/\$1"
read -r pid <pooler/pid && read -r ns _ <"/proc/\$pid/schedstat" && echo "pooler \$pid \$ns" >>"tmp/\$1"
SCRIPT
  chmod +x "$private/snapshot"
}

# go_through VIA: how the router reaches the nodes from now on.
pooled="format('host=%s/pooler port=6432 dbname=node%s', :'private', node)"
go_through() { echo "UPDATE router_node SET via = $1" >"$private/tmp/via.sql" && sql_on router -f tmp/via.sql; }

# used FILE FILE: PART ns, of the processes that are in both.
used() {
  awk 'NR == FNR { before[$2] = $3; next } $2 in before { ns[$1] += $3 - before[$2] }
    END { for (part in ns) print part, ns[part] }' "$1" "$2"
}

# One client makes the calls. psql goes on after an error.
make_calls() {
  local server=$1 call=$2 name=$3 i
  case $name in
    *psql)
      {
        for ((i = 1; i <= warm + calls; i++)); do
          [ "$i" -ne $((warm + 1)) ] || echo '\! ./snapshot before'
          echo "${call//:train/\'$((i % 24 + 1))\'};" | sed "s/:date/'$today'/"
        done
        echo '\! ./snapshot after'
      } >"$private/tmp/calls.sql"
      as_server_user psql -X -q -A -t -h "$private/$server" -U postgres -d bench -o /dev/null -f tmp/calls.sql >"$private/client.log" 2>&1 ||
        die "psql failed: $name" ;;
    *)
      sed "s/@CALL@/$call/" test/bench/router/call.sql.in >"$private/tmp/call.sql"
      as_server_user pgbench -n -h "$private/$server" -U postgres -M prepared -c 1 -t $((warm + calls)) -f tmp/call.sql -l --log-prefix="$private/tmp/latency" -D i=0 \
        -D "first=$((warm + 1))" -D "last=$((warm + calls))" -D "date=$today" bench >"$private/client.log" 2>&1 ||
        { tail -n 20 "$private/client.log" >&2; die "pgbench failed: $name"; } ;;
  esac
}

# measure REPEAT NAME WHERE CALL: "REPEAT,NAME,WHERE,PART,us a call" for each part.
measure() {
  local server=router
  case $3 in direct) server=node1 ;; where) server=$told ;; unpooled) go_through NULL ;; esac
  rm -f "$private"/tmp/before "$private"/tmp/after "$private"/tmp/latency.*
  make_calls "$server" "$4" "$2"
  [ "$3" != unpooled ] || go_through "$pooled"
  used "$private/tmp/before" "$private/tmp/after" | awk -v OFS=, -v head="$1,$2,$3" -v calls="$calls" '{ print head, $1, $2 / calls / 1000 }' >>"$out/router.csv"
  [ "${2##* }" = psql ] || cat "$private"/tmp/latency.* | cut -d' ' -f3 | sort -n | awk -v OFS=, -v head="$1,$2,$3" '{ us[NR] = $1 } END { if (NR) print head, "ms", us[int((NR + 1) / 2)] / 1000 }' >>"$out/router.csv"
}

# table: medians of each row and part; ratios are taken within a repeat, then the median.
table() {
  awk -F, '
    function median(list,    n, v, i, j, t) {
      n = split(list, v, " ")
      for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
      return n == 0 ? 0 : n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    function us(row) { return median(sums[row]) }
    function ratio(row, to,    n, r, i, list) {
      n = split(repeats[row], r, " ")
      for (i = 1; i <= n; i++) list = list " " sum[row, r[i]] / sum[to, r[i]]
      return median(list)
    }
    function of(row, part) { return (row, part) in all ? sprintf("%.0f", median(all[row, part])) : "" }
    function compare(row, with, words, aim) { base[row] = with; said[row] = words; aims[row] = aim }
    { row = $2 "," $3; if (!(row in seen)) { seen[row] = 1; name[++rows] = row }
      all[row, $4] = all[row, $4] " " $5
      if ($4 == "ms") next
      sum[row, $1] += $5; if (!((row, $1) in has)) { has[row, $1] = 1; repeats[row] = repeats[row] " " $1 } }
    END {
      for (row in seen) { n = split(repeats[row], r, " "); for (i = 1; i <= n; i++) sums[row] = sums[row] " " sum[row, r[i]] }
      how["direct"] = "on the node"; how["router"] = "through the router"; how["unpooled"] = "the same without PgBouncer"
      how["floor"] = "bare PL/Proxy function"; how["where"] = "on the node that `ticket_where` named"
      for (i in how) { compare("count," i, "count,direct", "the count on the node"); compare("purchase," i, "purchase,direct", "the purchase on the node") }
      aims["count,router"] = 4; aims["purchase,router"] = 3
      compare("purchase,where", "purchase,direct", "the purchase on the node", 1)
      compare("count in psql,router", "count in psql,direct", "the same on the node")
      compare("error in psql,direct", "count in psql,direct", "a count")
      compare("error in psql,router", "count in psql,router", "a count through the router", 2)
      compare("search of 1 node,router", "search of 1 node,direct", "the same on the node")
      compare("search of 2 nodes,router", "search of 1 node,router", "the search of 1 node through the router")
      compare("search of 4 nodes,router", "search of 1 node,router", "the search of 1 node through the router", 2)
      print "| call | | CPU us | of the router | of PgBouncer | of the nodes | median latency, ms | CPU, ratio | to | aim |"
      print "|---|---|---:|---:|---:|---:|---:|---:|---|---|"
      for (i = 1; i <= rows; i++) {
        row = name[i]; split(row, word, ",")
        near = word[2] == "direct" || word[2] == "where"
        ms = (row, "ms") in all ? sprintf("%.2f", median(all[row, "ms"])) : ""
        line = sprintf("| %s | %s | %.0f | %s | %s | %s | %s |", word[1], how[word[2]], us(row), near ? "" : of(row, "router"), near || word[2] == "unpooled" ? "" : of(row, "pooler"), of(row, "node"), ms)
        if (row in base && base[row] != row) line = line sprintf(" %.2f | %s |", ratio(row, base[row]), said[row]); else line = line " | |"
        print line (aims[row] ? " <= " aims[row] : "") " |"
      }
    }' "$out/router.csv"
}

describe() {
  printf '%s, PL/Proxy %s, %s, %s cores of %s, Linux %s; %s repeats of %s calls, %s\n\n' "$("$pg_config" --version)" \
    "$(sql_on router -c "SELECT extversion FROM pg_extension WHERE extname = 'plproxy'")" "$("$pgbouncer" --version | head -n 1)" "$(nproc)" \
    "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r)" "$repeats" "$calls" "$(date +%F)"
}

clean_up() {
  [ -z "${private:-}" ] || [ ! -s "$private/pooler/pid" ] || kill -QUIT "$(cat "$private/pooler/pid")" 2>/dev/null || true
  remove_private_dir
}

bindir=$("$pg_config" --bindir)
pgbouncer=$(command -v pgbouncer || echo /usr/sbin/pgbouncer)
[ -x "$pgbouncer" ] && [ -e "$("$pg_config" --sharedir)/extension/plproxy.control" ] || die 'This needs PgBouncer and PL/Proxy.'
mkdir -p "$out"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap clean_up EXIT
trap 'exit 1' INT TERM
set_up
: >"$out/router.csv"
mapfile -t list <<<"$rows"
for ((repeat = 1; repeat <= repeats; repeat++)); do
  say "repeat $repeat of $repeats"
  for ((i = 0; i < ${#list[@]}; i++)); do
    IFS='|' read -r name where call <<<"${list[repeat % 2 ? i : ${#list[@]} - 1 - i]}"
    measure "$repeat" "$name" "$where" "$call"
  done
done
{ describe; table; } >"$out/router.md"
cat "$out/router.md"
