# shellcheck shell=bash disable=SC2154
# The private server of a benchmark, and a slice of a row on it. Sourced by run.sh, group.sh, national.sh and others after test/lib.sh.

sql() { as_server_user psql -X -q -A -t -h "$private" -U postgres -d bench -v ON_ERROR_STOP=1 "$@"; }

# start_server MEMORY: a new private server with the extension preloaded, and an empty database "bench".
start_server() {
  make_private_dir
  cp -R test/bench/sql test/bench/peers test/data "$private/"
  give_private_dir
  as_server_user initdb -D server -U postgres -A trust --no-locale -E UTF8 >"$private/initdb.log"
  cat >>"$private/server/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$private'
shared_preload_libraries = 'ticketpool'
ticketpool.memory = '$1'
shared_buffers = '1GB'
max_connections = 400
max_wal_size = '16GB'
checkpoint_timeout = '1h'
autovacuum = off
CONF
  start_again
  as_server_user createdb -h "$private" -U postgres bench
}

start_again() {
  as_server_user pg_ctl start -s -w -t 600 -D server -l server.log || { tail -n 20 "$private/server.log" >&2; die 'The server did not start.'; }
}

# before ROW: an empty order table, departures that nobody has bought from (`trains` of them for a spread sale, `hot_trains` for one
# of 4,000 tickets each), and `batch_count` batches to buy. Sets date and first.
day=0 first=0 trains=1000 hot_trains=20 batch_count=32
before() {
  date=$today
  case $1 in
    insert_*) sql -c 'TRUNCATE bench_order' ;;
    buy_* | hold_*)
      day=$((day + 1))
      sql -v "today=$today" -v "day=$day" -v "trains=$(case $1 in *_spread | *_many_* | hold_* | buy_refund) echo "$trains" ;; *) echo "$hot_trains" ;; esac)" -f sql/open.sql
      date=$(date -d "$today + $day days" +%F) ;;
    mask_hot | split_hot | exclude_hot)
      first=$((first + 10000))
      sql -c "SELECT ${1%_hot}_open($first, 20)" ;;
  esac >/dev/null
  case $1 in item_*) ;; *) [ -z "${size[$1]:-}" ] || sql -v "today=$today" -v "day=$day" -v "size=${size[$1]}" -v "trains=$trains" -v "batches=$batch_count" -f sql/batch.sql ;; esac
}

# settings_of ROW: what its sessions set. Peers may wait for each other's rows for minutes. The
# server cancels a statement that takes longer, and rolls it back before it says so: what a client
# has no answer for is in no table. (pgbench itself is not killed: then a sale could be committed
# whose answer nobody has read.)
settings_of() {
  case $1 in
    buy_group_* | item_buy_group) echo '-c ticketpool.group_sale=on' ;;
    mask_* | split_* | exclude_* | item_counter | item_advisory | item_parts) echo "-c statement_timeout=${PEER_PATIENCE:-10s}" ;;
  esac
}

# cut_off: how many statements of the last pgbench ran out of patience. pgbench gives up a client
# that meets an error, and goes on with the others.
cut_off() { grep -c 'ERROR: .*canceling statement due to statement timeout' "$private/pgbench.log"; }

# only_cut_off: whether nothing else went wrong, and pgbench came to its end.
only_cut_off() {
  grep -q 'actually processed' "$private/pgbench.log" && [ "$(grep -c ERROR: "$private/pgbench.log")" -eq "$(cut_off)" ] && [ "$(cut_off)" -gt 0 ]
}

# pgbench_row ROW CLIENTS COMMIT OPTION… What it says goes to the file pgbench_log. The database is the last word: up to PostgreSQL 15, -d is
# --debug, which makes pgbench four times as slow.
pgbench_log=
pgbench_row() {
  local log=${pgbench_log:-$private/pgbench.log} name=$1 count=$2 commit=$3
  shift 3
  rm -f "$private"/tmp/latency.*
  # shellcheck disable=SC2086 # the row's words
  as_server_user env -C "$private/scripts" PGOPTIONS="-c synchronous_commit=$commit $(settings_of "$name") $options" \
    pgbench -n -h "$private" -U postgres -M prepared -c "$count" -j "$((count < 2 ? 1 : 2))" ${row[$name]} -D n=0 \
    -D "clients=$count" -D "trains=$trains" -D "hot_trains=$hot_trains" -D "batches=$batch_count" -D "date=$date" -D "first=$first" "$@" bench >"$log" 2>&1 || only_cut_off ||
    { tail -n 20 "$log" >&2; die "pgbench failed: $name"; }
}

# percentiles: p50,p99 in ms of pgbench's latency logs. If the answer is there at once, pgbench does
# not look at the clock again and writes 0: then there is no figure.
percentiles() {
  cat "$private"/tmp/latency.* | cut -d' ' -f3 | sort -n |
    awk '{ us[NR] = $1 } function ms(at) { return us[at] > 0 ? sprintf("%.3f", us[at] / 1000) : "" }
      END { printf "%s,%s", ms(int((NR + 1) / 2)), ms(int(NR * 0.99 + 0.99)) }'
}

counters() {
  sql -F ' ' -c "SELECT pg_current_wal_insert_lsn() - '0/0', sold_outs + last_value FROM ticket_pool_stat, bench_refused"
}

start_slices() {
  echo 'repeat,row,clients,synchronous_commit,calls,calls_per_second,latency_ms,p50_ms,p99_ms,wal_bytes,sold_outs,cut_off' >"$out/slices.csv"
}

# slice REPEAT ROW CLIENTS COMMIT
slice() {
  local wal_before wal sold_before sold sampling=1
  case $2 in redis_*) redis_slice "$@"; return ;; esac
  before "$2"
  [ "$4" != - ] || sampling=0.1
  read -r wal_before sold_before < <(counters)
  pgbench_row "$2" "$3" "${4/-/on}" -T "$([ -n "${size[$2]:-}" ] && echo 1 || echo "$seconds")" -l --log-prefix="$private/tmp/latency" \
    --sampling-rate="$sampling"
  read -r wal sold < <(counters)
  awk -v OFS=, -v head="$1,$2,$3,$4" -v size="${size[$2]:-1}" -v wal=$((wal - wal_before)) -v sold=$((sold - sold_before)) -v at="$(percentiles)" -v cut_off="$(cut_off)" '
    /actually processed/ { calls = $NF + 0 } /^latency average/ { ms = $4 } /^tps/ { tps = $3 }
    END { if (calls) print head, calls * size, tps * size, ms, at, wal, sold, cut_off; else print "nothing in this slice (cut off: " cut_off "): " head >"/dev/stderr" }' \
    "$private/pgbench.log" >>"$out/slices.csv"
}

# round REPEAT CLIENTS COMMIT ROW…: a slice of each, in this order and, in the next repeat, in
# reverse.
round() {
  local repeat=$1 count=$2 commit=$3 i
  shift 3
  for ((i = 1; i <= $#; i++)); do slice "$repeat" "${@:repeat % 2 ? i : $# + 1 - i:1}" "$count" "$commit"; done
}
