#!/usr/bin/env bash
# The core by itself: microbenchmarks, and how well seats are used. Writes build/bench/{core,rush,seat_use}.csv, core.md and seat_use.md.
# usage: test/bench/core.sh [core | seat_use | build]    both, or one, or what they need only; QUICK=1: short runs
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
out=$PWD/build/bench build=build/core-bench
mkdir -p "$out"
build_core() { cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DTICKETPOOL_TESTS=OFF && cmake --build "$build" -j "$jobs"; }
build_core >"$out/core-build.log" 2>&1 || { tail -n 20 "$out/core-build.log" >&2; die 'The core did not build.'; }

seat_use() {
  say 'how well seats are used'
  local samples=(test/data/small_jinghu_stops.csv test/data/small_edge_in2017_stops.csv)
  if [ -n "${QUICK:-}" ]; then "$build/seat_use" 1 "${samples[0]}"; else "$build/seat_use" 2 "${samples[@]}"; fi >"$out/seat_use.csv"
}

# Columns: sample and demand, load.
seat_use_table() {
  printf '\nSeat-segments sold, as a share of the most that was possible with the same requests (600 seats a train; load: asked for / there are):\n\n'
  awk -F, 'NR > 1 && ($3 == 0.7 || $3 == 0.9 || $3 == 1 || $3 == 1.25 || $3 == 2) {
      if (!($4 in seen)) { seen[$4] = 1; rule[++rules] = $4 }
      line = $1 ", " $2 "," $3; if (!(line in lines)) { lines[line] = 1; order[++count] = line }
      share[line, $4] = $5
    }
    END {
      printf "| sample, demand | load"; for (r = 1; r <= rules; r++) printf " | %s", rule[r]; print " |"
      printf "|---|---:"; for (r = 1; r <= rules; r++) printf "|---:"; print "|"
      for (l = 1; l <= count; l++) {
        n = split(order[l], part, ",")
        printf "| %s,%s | %s", part[1], part[2], part[3]; for (r = 1; r <= rules; r++) printf " | %.4f", share[order[l], rule[r]]; print " |"
      }
    }' "$out/seat_use.csv"
}

# core: the scans and, apart from them because a CSV has one set of counters, the threads.
core() {
  [ -x "$build/core_bench" ] || { say 'skipped: the microbenchmarks (no Google Benchmark here)'; return; }
  local time=${QUICK:+0.01}
  say 'the core by itself'
  "$build/core_bench" --benchmark_min_time="${time:-0.1}" --benchmark_format=csv --benchmark_filter='-rush' >"$out/core.csv" 2>"$out/core.log"
  "$build/core_bench" --benchmark_min_time="${time:-0.2}" --benchmark_format=csv --benchmark_filter=rush >"$out/rush.csv" 2>>"$out/core.log"
}

core_table() {
  [ -f "$out/core.csv" ] || return 0
  printf '\nThe core by itself, 2,000 seats, half of them sold, vector kernels where there are any (CPU ns; the floors add up and copy the same bytes):\n\n'
  printf '| words a seat | count | best fit | add up | copy | count / best floor | best fit / best floor |\n|---|---|---|---|---|---|---|\n'
  tr -d '"' <"$out/core.csv" | awk -F, '{ if ($4 > 0) ns[$1] = $4 }
    END {
      split("64 128 192 256", segments, " "); split("1 2 3 4", words, " ")
      for (i = 1; i <= 4; i++) {
        for (v = 2; v > 0 && !(("count/2000/" segments[i] "/50/" v) in ns); v--);
        c = ns["count/2000/" segments[i] "/50/" v]; b = ns["best_fit/2000/" segments[i] "/50/" v]
        r = ns["read_floor/" words[i]]; m = ns["copy_floor/" words[i]]; f = r < m ? r : m
        printf "| %s | %.0f | %.0f | %.0f | %.0f | %.2f | %.2f |\n", words[i], c, b, r, m, c / f, b / f
      }
    }'
  printf '\nThreads on one class, random trips (a sale: choose, claim, give an older one back):\n\n'
  printf '| seats | threads | ns a sale | lost races a sale | looks again a sale | sold out a sale |\n|---|---|---|---|---|---|\n'
  tr -d '"' <"$out/rush.csv" | awk -F, '/^rush/ { split($1, part, "[/:]"); printf "| %s | %s | %.0f | %.5f | %.5f | %.3f |\n", part[2], part[5], $3, $12, $11, $13 }'
}

[ "${1:-}" != build ] || exit 0
for part in ${1:-core seat_use}; do
  "$part"
  "${part}_table" >"$out/$part.md"
done
