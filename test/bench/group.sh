#!/usr/bin/env bash
# Measures sales with ticketpool.group_sale on, from 1 to 64 clients: against the bare INSERT of the same row, the same sale with group_sale
# off, Redis and ways in plain SQL; SELECT 1 is the ceiling of what client and server reach here. And what a sale costs inside: CPU time,
# context switches, how many share a commit.
# usage: make bench-group            12 minutes
#        make bench-group QUICK=1    two minutes: tickets only, 1 and 32 clients, without Redis, peers and instructions
# also:  REPEATS=5 MORE=5 SECONDS_A_SLICE=1 CLIENTS="1 8 32 64" COMMITS="on off" OPTIONS='-c ticketpool.allocation=random' (of all sessions)
#        ROWS="insert_hot buy_hot buy_group_hot": these only; otherwise as QUICK=1
# Results: build/bench/group.md and group/*.csv
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/rows.sh
. test/bench/server.sh
. test/bench/instructions.sh
. test/bench/redis.sh
. test/bench/sale.sh
brief=${QUICK:-}${ROWS:-}
if [ -n "$brief" ]; then usual=(3 2 '1 32'); else usual=(5 5 '1 8 32 64'); fi
repeats=${REPEATS:-${usual[0]}} more=${MORE:-${usual[1]}} clients=${CLIENTS:-${usual[2]}} commits=${COMMITS:-on off}
seconds=${SECONDS_A_SLICE:-1} out=$PWD/build/bench/group options=${OPTIONS:-}
# shellcheck disable=SC2034 # for instructions.sh
counted=(insert_hot buy_hot buy_group_hot item_insert item_buy item_buy_group)
peers=(exclude_hot split_hot mask_hot)

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
RATIOS
}
ratios="$(aims_of buy_group_hot buy_hot insert_hot)
buy_group_hot,redis_hot,1.3,tps,on,32
buy_group_hot,mask_hot|split_hot|exclude_hot,4,tps,on,32
buy_group_spread,buy_group_hot,0.95
$(aims_of item_buy_group item_buy item_insert)
buy_hot,insert_hot,
item_buy,item_insert,
select_1,insert_hot,
select_1,item_insert,"

# rows_at CLIENTS COMMIT: what is measured there, neighbours being compared.
rows_at() {
  local list name
  case $1 in
    1) list='insert_hot buy_hot buy_group_hot item_insert item_buy item_buy_group' ;;
    8) list='buy_hot buy_group_hot insert_hot item_buy item_buy_group item_insert' ;;
    *) list='buy_hot insert_hot buy_group_hot buy_group_spread item_buy item_insert item_buy_group' ;;
  esac
  case $1,$2 in 32,on) list="$other $list" ;; esac
  case $2 in "${commits%% *}") list="select_1 $list" ;; esac
  for name in $list; do
    case $name in *group*) [ "$has_groups" = t ] || continue ;; esac
    case ${brief:+brief},$name in brief,item_* | brief,*_spread) [[ " ${ROWS:-} " == *" $name "* ]] || continue ;; esac
    [[ -z "${ROWS:-}" || " $ROWS " == *" $name "* ]] || continue
    echo "$name"
  done
}

# The rows at every number of clients and setting. Then some more times what should not be slower
# than without groups.
measure() {
  local repeat count commit
  start_slices
  for ((repeat = 1; repeat <= repeats + more; repeat++)); do
    say "repeat $repeat of $((repeats + more))"
    for count in $clients; do
      for commit in $commits; do
        # shellcheck disable=SC2046 # names
        if [ "$repeat" -le "$repeats" ]; then round "$repeat" "$count" "$commit" $(rows_at "$count" "$commit")
        else case $count,$commit in 1,* | 8,off) round "$repeat" "$count" "$commit" $(rows_at "$count" "$commit" | grep '^buy_') ;; esac
        fi
      done
    done
  done
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

# groups: "SOLD_OUTS GROUPS SALES": so far, of all sessions.
groups() {
  local columns='0, 0'
  [ -z "$(sql -c "SELECT 1 FROM pg_attribute WHERE attrelid = 'ticket_pool_stat'::regclass AND attname = 'group_sales'")" ] || columns='groups, group_sales'
  sql -F ' ' -c "SELECT sold_outs, $columns FROM ticket_pool_stat"
}

# look_inside ROW CLIENTS COMMIT: a line of inside.csv, from a second of a slice, when each session
# is there and has made its first calls.
look_inside() {
  local sold_before sold groups_before groups sales_before sales since
  before "$1"
  read -r sold_before groups_before sales_before < <(groups)
  pgbench_row "$1" "$2" "$3" -T 2 &
  until [ "$(processes | grep -c session)" -ge "$2" ]; do sleep 0.05; done
  sleep 0.5
  processes >"$private/processes_before"
  since=$(date +%s%N)
  sleep 1
  since=$(($(date +%s%N) - since))
  processes >"$private/processes_after"
  wait $! || die "pgbench failed: $1"
  read -r sold groups sales < <(groups)
  awk -v OFS=, -v head="$1,$2,$3" -v tps="$(awk '/^tps/ { print $3 }' "$private/pgbench.log")" -v ns="$since" \
    -v groups=$((groups - groups_before)) -v sales=$((sales - sales_before)) -v bought="$(awk -v sold=$((sold - sold_before)) '/actually processed/ { print $NF - sold }' "$private/pgbench.log")" '
    FNR == NR { count[$1] = $3; cpu[$1] = $4; next }
    $1 in count { switches[$2] += $3 - count[$1]; used[$2] += $4 - cpu[$1] }
    END {
      sold = tps * ns / 1e9
      print head, bought, (switches["session"] + switches["cashier"] + switches["other"]) / sold, switches["cashier"] / sold,
        used["session"] / sold / 1e3, used["cashier"] / sold / 1e3, used["other"] / sold / 1e3, used["cashier"] / ns, groups, sales
    }' "$private/processes_before" "$private/processes_after" >>"$out/inside.csv"
}

measure_inside() {
  local count commit name
  echo 'row,clients,synchronous_commit,tickets,switches_a_sale,of_the_cashier,us_of_sessions,us_of_the_cashier,us_of_others,cashier_busy,groups,group_sales' >"$out/inside.csv"
  say 'inside'
  for count in $clients; do
    for commit in $commits; do
      # One of Redis is not the server's, and those of peers are far away.
      for name in $(rows_at "$count" "$commit"); do
        case $name in insert_hot | buy_hot | buy_group_hot | item_buy_group) look_inside "$name" "$count" "$commit" ;; esac
      done
    done
  done
}

inside_table() {
  printf '\nOf the server, for each sale (one slice of 2 s each); busy: the part of the time that the cashier has a CPU.\n\n'
  printf '| row | clients | sync | context switches | of the cashier | CPU us: sessions | cashier | other processes | cashier busy | in groups | mean group |\n'
  printf '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n'
  awk -F, 'NR > 1 { printf "| %s | %s | %s | %.2f | %.2f | %.1f | %.1f | %.1f | %.0f %% | %.0f %% | %s |\n", $1, $2, $3, $5, $6, $7, $8, $9, $10 * 100,
    $12 / $4 * 100, $11 ? sprintf("%.1f", $12 / $11) : "-" }' "$out/inside.csv"
}

clean_up() {
  [ -z "${private:-}" ] || stop_redis
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
other=
if [ -z "$brief" ]; then
  other="${peers[*]}"
  ! start_redis || other="redis_hot $other"
fi
has_groups=$(sql -c "SELECT count(*) = 1 FROM pg_settings WHERE name = 'ticketpool.group_sale'")
if [ "$has_groups" != t ]; then
  say 'skipped: sales in groups (this version has no ticketpool.group_sale)'
  # shellcheck disable=SC2034
  counted=(insert_hot buy_hot item_insert item_buy)
fi
if [ -z "$brief" ]; then measure_instructions; else echo 'row,calls,instructions_per_call,sold_outs' >"$out/instructions.csv"; fi
measure
measure_inside

echo "$ratios" >"$out/ratios.csv"
{
  describe "$repeats repeats of $seconds s a slice (not slower than alone: $((repeats + more)))"
  awk -f test/bench/report.awk "$out/ratios.csv" "$out/slices.csv" "$out/instructions.csv"
  inside_table
} >"$out.md"
say ''
cat "$out.md"
say ''
check || die 'The run left something wrong behind.'
