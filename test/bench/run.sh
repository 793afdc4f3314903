#!/usr/bin/env bash
# Measures ticketpool against the server's own floor (SELECT 1, a bare INSERT of the same row) and against other ways to sell, on a private
# server; then the core by itself.
# usage: make bench            19 minutes on two cores
#        make bench QUICK=1    two minutes: a look at whether something has become slower; without the core (make bench-core QUICK=1)
# also:  REPEATS=5 MORE=4 SECONDS_A_SLICE=1 CLIENTS="8 32" COMMITS="on off" PEER_PATIENCE=10s
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
. test/bench/sale.sh
if [ -n "${QUICK:-}" ]; then usual=(2 0 8 off ''); else usual=(5 4 '8 32' 'on off' 1); fi
repeats=${REPEATS:-${usual[0]}} more=${MORE:-${usual[1]}} clients=${CLIENTS:-${usual[2]}} commits=${COMMITS:-${usual[3]}} single=${usual[4]}
seconds=${SECONDS_A_SLICE:-1} out=$PWD/build/bench options=

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
  start_slices
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
set_up "$spread"
if start_redis; then
  tickets=(redis_hot "${tickets[@]}")
  [ "$spread" -eq 0 ] || tickets+=(redis_spread)
fi
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
{ describe "$repeats repeats of $seconds s a slice (closest pairs: $((repeats + more)))"; awk -f test/bench/report.awk "$out/ratios.csv" "$out/slices.csv" "$out/instructions.csv"; } >"$out/table.md"
contention_table >"$out/contention.md"
test/bench/plot.sh || say 'skipped: plots (see above)'
say ''
cat "$out"/{table,contention}.md
[ -n "${QUICK:-}" ] || cat "$out"/{core,seat_use}.md
say ''
check || die 'The run left something wrong behind.'
