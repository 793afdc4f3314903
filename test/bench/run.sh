#!/usr/bin/env bash
# Measures ticketpool against the server's own floor (SELECT 1, a bare INSERT of the same row) on a private server.
# usage: make bench            about 20 minutes
#        make bench QUICK=1    about 2 minutes
# also:  REPEATS=5 SECONDS_A_SLICE=5 CLIENTS="8 32" COMMITS="on off"
# Slices of the rows follow one another (A B C, C B A, …), so that a slow minute of the machine hits all of them alike; trust the
# ratios, not the numbers. Results: build/bench/{slices,cpu}.csv, build/bench/table.md
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
if [ -n "${QUICK:-}" ]; then quick=(3 1 '8' 'on off' 10000 1); else quick=(8 3 '8 32' 'on off' 20000 5); fi
repeats=${REPEATS:-${quick[0]}} seconds=${SECONDS_A_SLICE:-${quick[1]}} clients=${CLIENTS:-${quick[2]}} commits=${COMMITS:-${quick[3]}}
calls=${quick[4]} cpu_repeats=${quick[5]}
out=$PWD/build/bench options=

# A row: a pgbench script and its variables; and what is measured against what (row,floor,aim). More rows fit in here.
declare -A row=(
  [insert_hot]='-f insert.sql -D hot=1' [insert_spread]='-f insert.sql -D hot=0'
  [buy_hot]='-f buy.sql -D hot=1' [buy_spread]='-f buy.sql -D hot=0'
  [select_1]='-f select_1.sql' [remaining]='-f remaining.sql' [sold_out]='-f sold_out.sql'
  [insert_100]='-f insert_many.sql' [buy_many_100]='-f buy_many.sql' [insert_1000]='-f insert_many.sql' [buy_many_1000]='-f buy_many.sql'
  [insert_update]='-f insert_update.sql' [hold_confirm]='-f hold_confirm.sql'
)
# Tickets a call: slices.csv and cpu.csv count tickets. A slice of these takes one second, for the disk's sake.
declare -A size=([insert_100]=100 [buy_many_100]=100 [insert_1000]=1000 [buy_many_1000]=1000)
# In an order that makes neighbours of what is compared.
writes=(insert_hot buy_hot buy_spread insert_spread)
reads=(remaining select_1 sold_out)
# These at the first setting of COMMITS only.
others=(insert_100 buy_many_100 buy_many_1000 insert_1000 hold_confirm insert_update)
ratios='buy_hot,insert_hot,0.95
buy_spread,insert_spread,0.95
buy_hot,buy_spread,0.95
buy_many_100,insert_100,
buy_many_1000,insert_1000,0.95
hold_confirm,insert_update,1.00
remaining,select_1,0.90
sold_out,select_1,0.90'

sql() { as_server_user psql -X -q -A -t -h "$private" -U postgres -d bench -v ON_ERROR_STOP=1 "$@"; }

start_server() {
  make_private_dir
  cp test/bench/*.sql "$private/"
  give_private_dir
  as_server_user initdb -D server -U postgres -A trust --no-locale -E UTF8 >"$private/initdb.log"
  cat >>"$private/server/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$private'
shared_preload_libraries = 'ticketpool'
ticketpool.memory = '1GB'
shared_buffers = '512MB'
max_wal_size = '16GB'
checkpoint_timeout = '1h'
autovacuum = off
CONF
  as_server_user pg_ctl start -s -w -D server -l server.log || { tail -n 20 "$private/server.log" >&2; die 'The server did not start.'; }
  as_server_user createdb -h "$private" -U postgres bench
  sql -f setup.sql
}

# before ROW: an empty order table, departures that nobody has bought from, and batches to buy. Sets date.
day=0
before() {
  date=$today
  case $1 in
    insert_*) sql -c 'TRUNCATE bench_order' ;;
    buy_* | hold_*)
      day=$((day + 1))
      sql -v "day=$day" -v "trains=$([ "$1" = buy_hot ] && echo 100 || echo 1000)" -f open.sql
      date=$(sql -c "SELECT CURRENT_DATE + $day") ;;
  esac
  [ -z "${size[$1]:-}" ] || sql -v "day=$day" -v "size=${size[$1]}" -f batch.sql
}

# pgbench_row ROW CLIENTS COMMIT OPTION…
pgbench_row() {
  local name=$1 count=$2 commit=$3
  shift 3
  # shellcheck disable=SC2086 # the row's words
  as_server_user env PGOPTIONS="-c synchronous_commit=$commit $options" pgbench -n -h "$private" -U postgres -d bench -M prepared \
    -c "$count" -j "$((count < 2 ? 1 : 2))" ${row[$name]} -D n=0 -D "clients=$count" -D "date=$date" "$@" >"$private/pgbench.log" 2>&1 ||
    { tail -n 20 "$private/pgbench.log" >&2; die "pgbench failed: $name"; }
}


counters() { sql -F ' ' -c "SELECT pg_current_wal_insert_lsn() - '0/0', sold_outs FROM ticket_pool_stat"; }

# slice REPEAT ROW CLIENTS COMMIT
slice() {
  local wal_before wal sold_before sold
  before "$2"
  read -r wal_before sold_before < <(counters)
  pgbench_row "$2" "$3" "${4/-/on}" -T "$([ -n "${size[$2]:-}" ] && echo 1 || echo "$seconds")"
  read -r wal sold < <(counters)
  awk -v OFS=, -v head="$1,$2,$3,$4" -v size="${size[$2]:-1}" -v wal=$((wal - wal_before)) -v sold=$((sold - sold_before)) '
    /actually processed/ { calls = $NF + 0 } /^latency average/ { ms = $4 } /^tps/ { tps = $3 }
    END { if (calls) print head, calls * size, tps * size, ms, wal, sold; else print "nothing in this slice: " head >"/dev/stderr" }' "$private/pgbench.log" >>"$out/slices.csv"
}

# round REPEAT CLIENTS COMMIT ROW…: a slice of each, there and, in the next repeat, back.
round() {
  local repeat=$1 count=$2 commit=$3 i
  shift 3
  for ((i = 1; i <= $#; i++)); do slice "$repeat" "${@:repeat % 2 ? i : $# + 1 - i:1}" "$count" "$commit"; done
}

# cpu REPEAT ROW: what one backend spends, by perf. A backend waits a second after its start for perf to attach; pgbench's
# first one only looks around, its second one works.
cpu() {
  local pid=0 postmaster other tries=300
  postmaster=$(head -n 1 "$private/server/postmaster.pid")
  before "$2"
  options='-c post_auth_delay=1' pgbench_row "$2" 1 off -t "$((calls / ${size[$2]:-1}))" &
  for _ in 1 2; do
    until other=$(pgrep -P "$postmaster" -f '\[local\] startup') && [ "$other" != "$pid" ]; do
      [ $((tries -= 1)) -gt 0 ] || die 'No backend to measure.'
      sleep 0.01
    done
    pid=$other
    perf stat -x, -e "task-clock,instructions:u" -p "$pid" >"$private/perf.log" 2>&1 || { cat "$private/perf.log" >&2; die 'perf failed.'; }
  done
  wait $! || die "pgbench failed: $2"
  awk -F, -v OFS=, -v head="$1,$2,$calls" -v calls="$calls" '
    $3 ~ /^task-clock/ { us = $1 * 1000 / calls } $3 ~ /^instructions/ && $1 ~ /^[0-9]/ { instructions = $1 / calls }
    END { if (us > 0) print head, us, instructions }' "$private/perf.log" >>"$out/cpu.csv"
}

# The machine and the run, in a line.
describe() {
  printf '%s, %s cores of %s, Linux %s, fsync on; %s repeats of %s s a slice, %s\n\n' "$("$pg_config" --version)" "$(nproc)" \
    "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r)" "$repeats" "$seconds" "$(date +%F)"
}

# check: what the tables say after the run.
check() {
  local wrong=0 what count expected
  sql -f check.sql >"$private/check.txt"
  expected=$(awk -F, '$2 ~ /^(buy|hold)/ { n += $5 - $9 } END { print n + 0 }' "$out/slices.csv")
  expected=$((expected + $(awk -F, '$2 ~ /^(buy|hold)/ { n += $3 } END { print n + 0 }' "$out/cpu.csv")))
  while IFS='|' read -r what count; do
    [ "$what" != 'order rows' ] || { what="order rows, of $expected purchases acknowledged: difference"; count=$((count - expected)); }
    [ "$count" -eq 0 ] || wrong=1
    printf '%s: %s\n' "$what" "$count"
  done <"$private/check.txt"
  return $wrong
}

test/deps.sh demo
bindir=$("$pg_config" --bindir)
mkdir -p "$out"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap remove_private_dir EXIT
trap 'exit 1' INT TERM
start_server
today=$(sql -c 'SELECT CURRENT_DATE')

echo 'repeat,row,clients,synchronous_commit,calls,calls_per_second,latency_ms,wal_bytes,sold_outs' >"$out/slices.csv"
for ((repeat = 1; repeat <= repeats; repeat++)); do
  say "repeat $repeat of $repeats"
  for count in $clients; do
    for commit in $commits; do round "$repeat" "$count" "$commit" "${writes[@]}"; done
    round "$repeat" "$count" "${commits%% *}" "${others[@]}"
    round "$repeat" "$count" - "${reads[@]}"
  done
done

echo 'repeat,row,calls,cpu_us_per_call,instructions_per_call' >"$out/cpu.csv"
if ! perf stat -e task-clock true >/dev/null 2>&1; then
  say 'skipped: CPU time and instructions a call (perf does not work here)'
else
  perf stat -x, -e instructions:u true 2>&1 | grep -q '^[0-9]' || say 'skipped: instructions a call (perf has no instructions:u here)'
  say 'CPU time a call'
  for ((repeat = 1; repeat <= cpu_repeats; repeat++)); do
    for name in "${writes[@]}" "${others[@]}" "${reads[@]}"; do cpu "$repeat" "$name"; done
  done
fi

echo "$ratios" >"$out/ratios.csv"
{ describe; awk -f test/bench/report.awk "$out/ratios.csv" "$out/slices.csv" "$out/cpu.csv"; } >"$out/table.md"
say ''
cat "$out/table.md"
say ''
check || die 'The run left something wrong behind.'
