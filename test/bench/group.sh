#!/usr/bin/env bash
# Measures sales with ticketpool.group_sale on, from 1 to 64 clients: against the bare INSERT of the same row, the same sale with group_sale
# off, Redis and ways in plain SQL; SELECT 1 is the ceiling of what client and server reach here. And what a sale costs inside: WAL, CPU time,
# context switches, how many share a commit.
# usage: make bench-group            9 minutes
#        make bench-group QUICK=1    two minutes: tickets only, 8 and 32 clients, without Redis, peers and instructions
# also:  TURNS=15 SECONDS_A_TURN=0.3 REPEATS=5 CLIENTS="1 8 32 64" COMMITS="on off" OPTIONS='-c ticketpool.allocation=random' (of all sessions)
#        ROWS="insert_hot buy_hot buy_group_hot": these only; otherwise as QUICK=1
# The rows of a comparison take turns of 0.3 s, all connected, the others' clients standing still: so a slow second of the machine hits all of
# them alike, and no first call of a session is counted. Results: build/bench/group.md and group/*.csv
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/rows.sh
. test/bench/server.sh
. test/bench/instructions.sh
. test/bench/redis.sh
. test/bench/sale.sh
brief=${QUICK:-}${ROWS:-}
if [ -n "$brief" ]; then usual=(8 '8 32'); else usual=(15 '1 8 32 64'); fi
turns=${TURNS:-${usual[0]}} turn_seconds=${SECONDS_A_TURN:-0.3} clients=${CLIENTS:-${usual[1]}} commits=${COMMITS:-on off} repeats=${REPEATS:-5}
# shellcheck disable=SC2034 # for the sourced scripts
{ out=$PWD/build/bench/group options=${OPTIONS:-} seconds=1 hot_trains=60 counted=(insert_hot buy_hot buy_group_hot item_insert item_buy item_buy_group); }

# The aims of one kind: the row in groups, alone, the INSERT.
aims_of() {
  cat <<RATIOS
$1,$2,0.97,tps,,1
$1,$3,1.1,tps,on,8
$1,$2,0.97,tps,off,8
$1,$3,2.0,tps,on,32
$1,$3,1.2,tps,off,32
$1,$3,2.3,tps,on,64
$1,$3,1.5,tps,off,64
$1,$3,<=1,p99,,32
$1,$3,<=1,p99,,64
$1,$3,<=0.85,wal,,32
$1,$2,
$2,$3,
RATIOS
}
ratios="$(aims_of buy_group_hot buy_hot insert_hot)
buy_group_hot,redis_hot,1.3,tps,on,32
buy_group_hot,mask_hot|split_hot|exclude_hot,4,tps,on,32
buy_group_spread,buy_group_hot,0.95
select_1,insert_hot,
$(aims_of item_buy_group item_buy item_insert)"

# rows_of KIND CLIENTS COMMIT: what takes turns.
rows_of() {
  local list name
  case $1 in
    tickets) list='insert_hot buy_hot buy_group_hot'
      [ "$2" -lt 32 ] || list="$list buy_group_spread"
      [ "$3" != "${commits%% *}" ] || list="$list select_1" ;;
    items) list='item_insert item_buy item_buy_group' ;;
  esac
  for name in $list; do
    if [ -n "${ROWS:-}" ]; then [[ " $ROWS " == *" $name "* ]] || continue
    elif [ -n "$brief" ]; then case $name in item_* | *_spread | select_1) continue ;; esac
    fi
    echo "$name"
  done
}

# client_of ROW: its pgbench.
client_of() { pgrep -f "log-prefix=$private/tmp/$1 "; }

# sold ROW REFUSED: how many tickets its last pgbench has bought, for the check.
sold() { awk -v OFS=, -v row="$1" -v refused="$2" '/actually processed/ { print row, $NF - refused }' "$private/$1.log" >>"$out/sold.csv"; }

# start_row ROW CLIENTS COMMIT: until it is stopped; returns when all its sessions are at work.
start_row() {
  local tries=200
  before "$1"
  pgbench_log=$private/$1.log pgbench_row "$1" "$2" "$3" -T 600 -l --log-prefix="$private/tmp/$1" &
  until [ "$(cat "$private/tmp/$1".* 2>/dev/null | wc -l)" -gt $(($2 * 20)) ]; do
    [ $((tries -= 1)) -gt 0 ] || die "Nothing happens: $1"
    sleep 0.05
  done
}

# stop_rows ROW…: pgbench ends when the alarm of its -T comes.
stop_rows() {
  local name client
  for name; do
    client=$(client_of "$name")
    kill -ALRM "$client"
    kill -CONT "$client" 2>/dev/null || true
  done
  wait || die "pgbench failed: $*"
}

# alternate CLIENTS COMMIT ROW…: turns of each row, in this order and then in reverse. A turn of a row is a line of short_slices.csv.
alternate() {
  local count=$1 commit=$2 name turn i began refused refused_before
  shift 2
  [ $# -gt 0 ] || return 0
  rm -f "$private"/tmp/* "$private/turns"
  read -r refused_before _ < <(pool_counters)
  for name; do
    start_row "$name" "$count" "$commit"
    kill -STOP "$(client_of "$name")"
  done
  for ((turn = 1; turn <= turns; turn++)); do
    for ((i = 1; i <= $#; i++)); do
      name=${!i}
      [ $((turn % 2)) -eq 1 ] || name=${*:$# + 1 - i:1}
      kill -CONT "$(client_of "$name")"
      began=${EPOCHREALTIME/[.,]/}
      sleep "$turn_seconds"
      echo "$name $turn $began ${EPOCHREALTIME/[.,]/}" >>"$private/turns"
      kill -STOP "$(client_of "$name")"
    done
  done
  stop_rows "$@"
  read -r refused _ < <(pool_counters)
  refused=$((refused - refused_before))
  for name; do
    turns_of "$name" "$count" "$commit"
    sold "$name" "$refused"
    case $name in buy_*) refused=0 ;; esac
  done
}

# turns_of ROW CLIENTS COMMIT: calls that ended in a turn of the row; a call that began in an earlier turn has no latency. The bytes of WAL
# are those that look_inside has found.
turns_of() {
  local wal
  wal=$(awk -F, -v head="$1,$2,$3," 'index($0, head) == 1 { print $4 }' "$out/inside.csv")
  cat "$private/tmp/$1".* | awk -v row="$1" -v limit="$turn_seconds" '
    FNR == NR { if ($1 == row) { from[$2] = $3; to[$2] = $4; last = $2 } next }
    { at = $5 * 1e6 + $6; for (turn = 1; turn <= last; turn++) if (at >= from[turn] && at < to[turn]) { print turn, to[turn] - from[turn], $3 < limit * 1e6 ? $3 : ""; next } }
    ' "$private/turns" - | sort -n -k1,1 -k3,3 |
    awk -v OFS=, -v head="$1,$2,$3" -v wal="${wal:-0}" '
      function ms(at) { return us[at] > 0 ? sprintf("%.3f", us[at] / 1000) : "" }
      function finish() { if (calls) print turn, head, calls, calls / length_us * 1e6, n ? sum / n / 1000 : "", ms(int((n + 1) / 2)), ms(int(n * 0.99 + 0.99)), calls * wal, 0, 0; calls = n = sum = 0 }
      $1 != turn { finish(); turn = $1; length_us = $2 }
      { calls++; if ($3 != "") { us[++n] = $3; sum += $3 } }
      END { finish() }' >>"$out/short_slices.csv"
}

measure() {
  local count commit kind repeat name
  for count in $clients; do
    for commit in $commits; do
      for kind in tickets items; do
        # shellcheck disable=SC2046 # names
        alternate "$count" "$commit" $(rows_of $kind "$count" "$commit")
        say "$kind, $count clients, synchronous_commit $commit"
      done
    done
  done
  # They are slower, and Redis has a client of its own: slices of a second, as in make bench.
  [ -n "$brief" ] || for ((repeat = 101; repeat <= 100 + repeats; repeat++)); do round "$repeat" 32 on "${others[@]}" buy_group_hot; done
}

# processes: "PID KIND SWITCHES NANOSECONDS" of each process of the server: context switches and CPU
# time so far. KIND is cashier, session or other.
processes() {
  pgrep -P "$(head -n 1 "$private/server/postmaster.pid")" | awk '{
    file = "/proc/" $1 "/"; count = ns = title = ""
    while ((getline line < (file "status")) > 0) if (line ~ /ctxt_switches/) { split(line, word, " "); count += word[2] }
    getline ns <(file "schedstat")
    getline title <(file "cmdline")
    close(file "status"); close(file "schedstat"); close(file "cmdline")
    if (count != "" && split(ns, word, " ")) print $1, title ~ /cashier/ ? "cashier" : title ~ /postgres bench \[local\]/ ? "session" : "other", count, word[1]
  }'
}

pool_counters() { sql -F ' ' -c "SELECT sold_outs, groups, group_sales, pg_current_wal_insert_lsn() - '0/0' FROM ticket_pool_stat"; }

# look_inside ROW CLIENTS COMMIT: a line of inside.csv, from a second of a slice, when each session
# is there and has made its first calls.
look_inside() {
  local refused groups sales wal since before_it
  rm -f "$private"/tmp/*
  read -r -a before_it < <(pool_counters)
  start_row "$@"
  processes >"$private/processes_before"
  since=${EPOCHREALTIME/[.,]/}
  sleep 1
  since=$((${EPOCHREALTIME/[.,]/} - since))
  processes >"$private/processes_after"
  stop_rows "$1"
  read -r refused groups sales wal < <(pool_counters)
  sold "$1" $((refused - before_it[0]))
  awk -v OFS=, -v head="$1,$2,$3" -v us="$since" -v groups=$((groups - before_it[1])) -v sales=$((sales - before_it[2])) \
    -v wal=$((wal - before_it[3])) -v calls="$(awk '/actually processed/ { print $NF }' "$private/$1.log")" -v tps="$(awk '/^tps/ { print $3 }' "$private/$1.log")" '
    FILENAME ~ /before/ { count[$1] = $3; cpu[$1] = $4; next }
    $1 in count { switches[$2] += $3 - count[$1]; used[$2] += $4 - cpu[$1] }
    END {
      sold = tps * us / 1e6
      print head, wal / calls, (switches["session"] + switches["cashier"] + switches["other"]) / sold, switches["cashier"] / sold,
        used["session"] / sold / 1e3, used["cashier"] / sold / 1e3, used["other"] / sold / 1e3, used["cashier"] / us / 1e3, sales / calls, groups ? sales / groups : 0
    }' "$private/processes_before" "$private/processes_after" >>"$out/inside.csv"
}

measure_inside() {
  local count commit name
  echo 'row,clients,synchronous_commit,wal_bytes,switches_a_sale,of_the_cashier,us_of_sessions,us_of_the_cashier,us_of_others,cashier_busy,in_groups,mean_group' >"$out/inside.csv"
  say 'inside'
  for count in $clients; do
    for commit in $commits; do
      for name in $(rows_of tickets "$count" "$commit") $(rows_of items "$count" "$commit"); do
        case $name in *_spread | select_1) ;; *) look_inside "$name" "$count" "$commit" ;; esac
      done
    done
  done
}

inside_table() {
  printf '\nThe server, for each sale (a second of each row). Switches: context switches; busy: the part of the time that the cashier has a CPU.\n\n'
  printf '| row                | clients | sync | bytes of WAL | switches | of the cashier | CPU us: sessions | cashier | other | cashier busy | in groups | mean group |\n'
  printf '|--------------------|--------:|-----:|-------------:|---------:|---------------:|-----------------:|--------:|------:|-------------:|----------:|-----------:|\n'
  awk -F, 'NR > 1 { printf "| %-18s | %7s | %4s | %12.0f | %8.2f | %14.2f | %16.1f | %7.1f | %5.1f | %10.0f %% | %7.0f %% | %10s |\n",
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 * 100, $11 * 100, $12 ? sprintf("%.1f", $12) : "-" }' "$out/inside.csv"
}

clean_up() {
  local name
  [ -z "${private:-}" ] || { for name in "${!row[@]}"; do pkill -KILL -f "log-prefix=$private/tmp/$name "; done; stop_redis; } || true
  remove_private_dir
}

test/deps.sh bench
bindir=$("$pg_config" --bindir)
mkdir -p "$out"
rm -f "$out"/* "$out.md"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap clean_up EXIT
trap 'exit 1' INT TERM
set_up 0
others=(exclude_hot split_hot mask_hot)
if [ -z "$brief" ]; then
  ! start_redis || others=(redis_hot "${others[@]}")
  measure_instructions
else
  echo 'row,calls,instructions_per_call,sold_outs' >"$out/instructions.csv"
fi
start_slices
cp "$out/slices.csv" "$out/short_slices.csv"
echo 'row,tickets' >"$out/sold.csv"
measure_inside
measure

echo "$ratios" >"$out/ratios.csv"
{
  describe "$turns turns of $turn_seconds s; Redis and peers: $repeats slices of a second"
  awk -f test/bench/report.awk "$out/ratios.csv" "$out/short_slices.csv" "$out/slices.csv" "$out/instructions.csv"
  inside_table
} >"$out.md"
say ''
cat "$out.md"
say ''
check || die 'The run left something wrong behind.'
