#!/usr/bin/env bash
# Measures ticketpool against the server's own floor (SELECT 1, a bare INSERT of the same row) and against other ways to sell, on a private
# server; then the core by itself.
# usage: make bench            19 minutes on two cores
#        make bench QUICK=1    two minutes: a look at whether something has become slower; without the core (make bench-core QUICK=1)
# also:  REPEATS=5 MORE=5 SECONDS_A_SLICE=1 CLIENTS="8 32" COMMITS="on off" PEER_PATIENCE=10s
# Slices of the rows follow one another (A B C, C B A, …), so that a slow minute of the machine hits all of them alike; trust the
# ratios, not the numbers. Results: build/bench/{table.md,*.csv,*.svg}; make bench-doc puts them into doc/bench.
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/rows.sh
. test/bench/server.sh
. test/bench/instructions.sh
. test/bench/contention.sh
. test/bench/redis.sh
if [ -n "${QUICK:-}" ]; then usual=(2 0 8 off ''); else usual=(5 5 '8 32' 'on off' 1); fi
repeats=${REPEATS:-${usual[0]}} more=${MORE:-${usual[1]}} clients=${CLIENTS:-${usual[2]}} commits=${COMMITS:-${usual[3]}} single=${usual[4]}
seconds=${SECONDS_A_SLICE:-1} out=$PWD/build/bench options=

# The pgbench scripts: those of sql, and the templates of peers for each peer.
make_scripts() {
  local peer template item=100
  mkdir "$private/scripts"
  cp test/bench/sql/*.sql "$private/scripts/"
  for peer in mask split exclude; do
    for template in buy remaining sold_out; do
      sed "s/@PEER@/$peer/" "test/bench/peers/$template.sql.in" >"$private/scripts/${peer}_$template.sql"
    done
  done
  for peer in counter advisory parts; do
    item=$((item + 1))
    sed "s/@PEER@/$peer/; s/@ITEM@/$item/" test/bench/peers/item.sql.in >"$private/scripts/$peer.sql"
  done
  give_private_dir
}

# set_up: what the rows of this run need.
set_up() {
  start_server 1GB
  make_scripts
  sql -f sql/setup.sql
  sql -v "spread=$spread" -f peers/setup.sql
  sql -f sql/items.sql
  today=$(sql -c 'SELECT CURRENT_DATE')
  if start_redis; then
    tickets=(redis_hot "${tickets[@]}")
    [ "$spread" -eq 0 ] || tickets+=(redis_spread)
  fi
}

# few_or_all CLIENTS ROW…: the rows; at any but the first number of clients, without those that are
# measured only at the first.
few_or_all() {
  local count=$1 name
  shift
  for name; do [ "$count" = "${clients%% *}" ] || [ -z "${once[$name]:-}" ] || continue; echo "$name"; done
}

# The sales at every number of clients and setting, those of one hot departure also to a single
# client; the other groups only at the first setting. Then the closest pairs some more times: they
# differ by less than two slices of a second do.
measure() {
  local repeat count commit name alone=()
  for name in "${tickets[@]}"; do case $name in *_hot) alone+=("$name") ;; esac; done
  echo 'repeat,row,clients,synchronous_commit,calls,calls_per_second,latency_ms,p50_ms,p99_ms,wal_bytes,sold_outs,cut_off' >"$out/slices.csv"
  for ((repeat = 1; repeat <= repeats; repeat++)); do
    say "repeat $repeat of $repeats"
    [ -z "$single" ] || round "$repeat" "$single" "${commits%% *}" "${alone[@]}"
    for count in $clients; do
      # shellcheck disable=SC2046 # names
      for commit in $commits; do round "$repeat" "$count" "$commit" $(few_or_all "$count" "${tickets[@]}"); done
    done
    for count in $clients; do
      round "$repeat" "$count" "${commits%% *}" "${batches[@]}" "${items[@]}"
      # shellcheck disable=SC2046
      round "$repeat" "$count" - $(few_or_all "$count" "${reads[@]}")
    done
  done
  [ "$more" -eq 0 ] || say "the closest pairs, $more times more"
  for ((; repeat <= repeats + more; repeat++)); do
    for count in $clients; do
      for commit in $commits; do round "$repeat" "$count" "$commit" insert_hot buy_hot; done
      round "$repeat" "$count" - "${closest[@]}"
    done
  done
}

# The machine and the run, in a line.
describe() {
  printf '%s, %s cores of %s, Linux %s, fsync on; %s repeats of %s s a slice (closest pairs: %s), %s\n\n' "$("$pg_config" --version)" "$(nproc)" \
    "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r)" "$repeats" "$seconds" "$((repeats + more))" "$(date +%F)"
}

# expected ROWS: tickets for which clients of these rows (a regular expression) had an answer, less
# those refused.
expected() {
  awk -F, -v rows="^($1)$" 'FNR == 1 { file++; next }
    file == 1 && $2 ~ rows { n += $5 - $11 } file == 2 && $1 ~ rows { n += $2 - $4 }
    END { print n + 0 }' "$out/slices.csv" "$out/instructions.csv"
}

# check: what the tables say after the run.
check() {
  local wrong=0 what count wanted
  {
    sql -v "today=$today" -f sql/check.sql || wrong=1
    sql -f peers/check.sql || wrong=1
    sql -f sql/check_items.sql || wrong=1
    check_redis || wrong=1
  } >"$private/check.txt"
  while IFS='|' read -r what count; do
    case $what in
      'order rows') wanted=$(expected 'buy_.*|hold_confirm') ;;
      'items: order rows of item') wanted=$(expected 'item_buy(_many_1000)?') ;;
      'items: order rows of '*) wanted=$(expected "item_${what##* }") ;;
      'redis: order rows') wanted=$(expected 'redis_.*') ;;
      'peers: order rows of '*) wanted=$(expected "${what##* }_(hot|spread)") ;;
      *) wanted= ;;
    esac
    [ -z "$wanted" ] || { what="$what, of $wanted purchases acknowledged: difference"; count=$((count - wanted)); }
    [ "$count" -eq 0 ] || wrong=1
    printf '%s: %s\n' "$what" "$count"
  done <"$private/check.txt"
  return $wrong
}

clean_up() {
  [ -z "${seat_use:-}" ] || { pkill -P "$seat_use"; kill "$seat_use"; } 2>/dev/null || true
  [ -z "${private:-}" ] || stop_redis
  remove_private_dir
}

test/deps.sh bench
bindir=$("$pg_config" --bindir)
mkdir -p "$out"
rm -f "$out"/*.csv "$out"/*.svg "$out"/*.md
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap clean_up EXIT
trap 'exit 1' INT TERM
set_up
# A simulation and a count of instructions: neither disturbs the other.
if [ -z "${QUICK:-}" ]; then
  test/bench/core.sh build
  test/bench/core.sh seat_use &
  seat_use=$!
fi
measure_instructions
[ -z "${seat_use:-}" ] || wait "$seat_use" || die 'The simulation of how well seats are used failed.'
seat_use=
measure
measure_contention
[ -n "${QUICK:-}" ] || test/bench/core.sh core

echo "$ratios" >"$out/ratios.csv"
{ describe; awk -f test/bench/report.awk "$out/ratios.csv" "$out/slices.csv" "$out/instructions.csv"; } >"$out/table.md"
contention_table >"$out/contention.md"
test/bench/plot.sh || say 'skipped: plots (see above)'
say ''
cat "$out"/{table,contention}.md
[ -n "${QUICK:-}" ] || cat "$out"/{core,seat_use}.md
say ''
check || die 'The run left something wrong behind.'
