#!/usr/bin/env bash
# Plots what is in build/bench/*.csv, next to it, with gnuplot. What was not measured is not
# plotted.
# usage: test/bench/plot.sh
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
cd build/bench
command -v gnuplot >/dev/null || { say 'skipped: plots (no gnuplot here)'; exit 0; }
mkdir -p plot

# plot NAME: gnuplot commands from stdin, to NAME.svg.
plot() {
  { printf "set terminal svg noenhanced size 820,440 font 'sans-serif,13' background '#ffffff'\nset output '%s.svg'\nset datafile separator ','\n" "$1"
    printf "set border 3 lc '#666666'\nset tics nomirror\nset grid y lc '#dddddd' lt 1\nset key outside right top Left reverse noenhanced\nset style fill solid 0.9\n"
    cat; } | gnuplot 2>plot/gnuplot.log || { cat plot/gnuplot.log >&2; die "gnuplot failed: $1"; }
}

# medians COLUMN COMMIT ROW…: a line for each number of clients, a column for each row, of the medians of a column of slices.csv.
medians() {
  local column=$1 commit=$2
  shift 2
  awk -F, -v column="$column" -v commit="$commit" -v rows="$*" '
    FNR > 1 && $4 == commit && $column != "" { key = $2 "," $3; list[key, ++n[key]] = $column + 0; clients[$3] = 1 }
    function median(key,    i, j, v) {
      if (!n[key]) return "nan"
      for (i = 2; i <= n[key]; i++) { v = list[key, i]; for (j = i - 1; j > 0 && list[key, j] > v; j--) list[key, j + 1] = list[key, j]; list[key, j + 1] = v }
      return list[key, int((n[key] + 1) / 2)]
    }
    END {
      count = split(rows, row, " ")
      printf "clients"; for (r = 1; r <= count; r++) printf ",%s", row[r]; print ""
      for (c = 1; c <= 1024; c++) if (c in clients) { printf "%d", c; for (r = 1; r <= count; r++) printf ",%s", median(row[r] "," c); print "" }
    }' slices.csv
}

throughput() {
  local commit name sales=()
  for name in buy_hot buy_group_hot insert_hot mask_hot split_hot exclude_hot redis_hot; do
    if grep -q "^[0-9]*,$name," slices.csv; then sales+=("$name"); fi
  done
  for commit in on off; do
    grep -q ",buy_hot,[0-9]*,$commit," slices.csv || continue
    medians 6 "$commit" "${sales[@]}" >"plot/throughput_$commit.csv"
    plot "throughput_$commit" <<GP
set title 'Tickets a second, one hot departure, synchronous_commit $commit (redis: appendfsync $([ $commit = on ] && echo always || echo everysec))'
set xlabel 'clients'
set yrange [0:*]
set style data histograms
set style histogram clustered gap 1
plot for [i=2:$((${#sales[@]} + 1))] 'plot/throughput_$commit.csv' using i:xtic(1) title columnheader(i)
GP
    medians 8 "$commit" "${sales[@]}" >"plot/p50_$commit.csv"
    medians 9 "$commit" "${sales[@]}" >"plot/p99_$commit.csv"
    plot "latency_$commit" <<GP
set title 'Latency of a sale, one hot departure, synchronous_commit $commit: p50 solid, p99 dashed'
set xrange [0.7:*]
set xlabel 'clients'
set ylabel 'ms'
set logscale x 2
set logscale y
set format y '%g'
plot for [i=2:$((${#sales[@]} + 1))] 'plot/p50_$commit.csv' using 1:i with linespoints lc i-1 lw 2 pt 7 ps 0.6 title columnheader(i), \\
     for [i=2:$((${#sales[@]} + 1))] 'plot/p99_$commit.csv' using 1:i with linespoints lc i-1 dt 2 pt 7 ps 0.6 notitle
GP
  done
}

# curve NAME FIELD TITLE XLABEL: cost against one argument (1 seats, 2 segments, 3 per cent sold), the others at 2000, 40 and 50.
curve() {
  local what vector vectors=(baseline AVX2 AVX-512)
  for what in count best_fit; do
    for vector in 0 1 2; do
      tr -d '"' <core.csv | awk -F, -v what="$what" -v field="$2" -v vector="$vector" '
        BEGIN { usual[1] = 2000; usual[2] = 40; usual[3] = 50 }
        { split($1, part, "/"); if (part[1] != what || part[5] != vector || $4 == "") next
          for (i = 1; i <= 3; i++) if (i != field && part[i + 1] != usual[i]) next
          print part[field + 1] "," $4 }' | sort -t, -n >"plot/$1_${what}_$vector.csv"
    done
  done
  { cat <<GP
set title '$3'
set xlabel '$4'
set ylabel 'ns'
set yrange [0:*]
$([ "$2" -ne 1 ] || printf 'set logscale xy\nset yrange [*:*]\n')
GP
    printf 'plot '
    for what in count best_fit; do
      for vector in 0 1 2; do
        [ ! -s "plot/$1_${what}_$vector.csv" ] || printf "'plot/%s_%s_%s.csv' using 1:2 with linespoints lw 2 pt 7 ps 0.5 title '%s, %s', " \
          "$1" "$what" "$vector" "$what" "${vectors[vector]}"
      done
    done
    # Bytes to read, of the fastest floor.
    [ "$2" -ne 2 ] || { tr -d '"' <core.csv | awk -F'[,/]' '/_floor/ { if (!($2 in best) || $5 < best[$2]) best[$2] = $5 } END { for (w in best) print w * 64 "," best[w] }' |
      sort -n >plot/floor.csv; printf "'plot/floor.csv' using 1:2 with points pt 2 ps 1.2 lw 2 lc black title 'reading the bytes', "; }
    printf '1/0 notitle\n'; } | plot "$1"
}

core() {
  curve core_seats 1 'One scan against the number of seats (40 segments, half sold)' seats
  curve core_segments 2 'One scan of 2,000 seats against the segments of the train (half sold)' segments
  curve core_fill 3 'One scan of 2,000 seats against the share that is sold (40 segments)' 'per cent sold'
  tr -d '"' <rush.csv | awk -F, '/^rush/ { split($1, part, "[/:]"); print part[2] "," part[5] "," $12 }' >plot/rush.csv
  plot core_rush <<'GP'
set title 'Lost races a sale, threads on one class, random trips'
set xlabel 'threads'
set logscale x 2
set yrange [0:*]
plot for [s in "10 100 2000"] 'plot/rush.csv' using 2:($1 == s ? $3 : 1/0) with linespoints lw 2 pt 7 ps 0.6 title s.' seats'
GP
}

seat_use() {
  local sample demand
  cut -d, -f1,2 seat_use.csv | sed 1d | sort -u | while IFS=, read -r sample demand; do
    plot "seat_use_${sample}_$demand" <<GP
set title 'Seat-segments sold, of the most possible with the same requests ($sample, $demand demand)'
set xlabel 'load: seat-segments asked for / seat-segments there are'
set yrange [0.72:1.005]
rule(r) = '< grep "^$sample,$demand," seat_use.csv | grep ,'.r.','
plot rule('bound_late') using 3:5 with lines lw 6 lc '#cccccc' title 'bound_late', rule('best_fit') using 3:5 with linespoints lc 1 lw 2 pt 7 ps 0.6 title 'best_fit', \\
     rule('first_fit') using 3:5 with linespoints lc 2 lw 2 dt 2 pt 7 ps 0.6 title 'first_fit', \\
     for [r in "random worst_fit"] rule(r) using 3:5 with linespoints lw 2 pt 7 ps 0.6 title r
GP
  done
}

[ ! -s slices.csv ] || throughput
[ ! -s core.csv ] || core
[ ! -s seat_use.csv ] || seat_use
say "plots: build/bench/*.svg"
