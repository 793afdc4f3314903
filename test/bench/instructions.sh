# shellcheck shell=bash disable=SC2154,SC2034
# Instructions of the server for each call, counted by callgrind: the same on every machine and
# under any other load, without hardware counters. Sourced by run.sh after rows.sh and server.sh.
#
# The usual server's data directory is served under valgrind. One client calls a row n times in one
# connection and m times in another. The instructions that the second backend executed more than the
# first, divided by m - n, are a call over the real protocol, without the start of the backend and
# its first plans. Kernel code is not counted.

# calls_of ROW: calls to warm the server up, then n and m. Fewer if a call takes long.
calls_of() {
  case $1 in
    *_1000) echo 1 1 4 ;;
    *_100) echo 1 2 12 ;;
    exclude_sold_out) echo 1 1 3 ;;
    item_remaining | item_sold_out) echo 30 100 400 ;;
    *_remaining | *_sold_out | search*) echo 2 3 13 ;;
    mask_* | split_* | exclude_*) echo 3 10 60 ;;
    item_counter | item_advisory | item_parts) echo 10 50 200 ;;
    *) echo 30 100 400 ;;
  esac
}

# instruction_rows: those of `counted`, else the rows of the ratios. Not those of Redis, which is
# another server.
instruction_rows() {
  local name
  if [ ${#counted[@]} -gt 0 ]; then printf '%s\n' "${counted[@]}"; return; fi
  cut -d, -f1,2 <<<"$ratios" | tr -s ',|' '\n' | awk '!seen[$0]++' | while read -r name; do
    case $name in redis_*) ;; *) echo "$name" ;; esac
  done
}

start_counting() {
  local tries=300
  mkdir -p "$private/callgrind"
  give_private_dir
  as_server_user valgrind --tool=callgrind --vgdb=no --trace-children=yes --callgrind-out-file="$private/callgrind/%p" --log-file=/dev/null \
    "$bindir/postgres" -D server >>"$private/server.log" 2>&1 &
  until as_server_user pg_isready -q -h "$private"; do
    [ $((tries -= 1)) -gt 0 ] || return 1
    sleep 0.2
  done
}

stop_server() { as_server_user pg_ctl stop -s -w -t 600 -D server -m fast; }
backends() { pgrep -P "$(head -n 1 "$private/server/postmaster.pid")" | sort; }

# executed ROW CALLS: instructions of the backend that made the calls. It writes its count when it
# ends. pgbench has another backend that only looks around; both begin with the count of the
# postmaster that forked them, so the difference is what the calls took.
executed() {
  local before tries=600
  before=$(backends)
  rm -f "$private"/callgrind/*
  options='-c statement_timeout=0' pgbench_row "$1" 1 off --random-seed=1 -t "$2"
  while [ -n "$(comm -13 <(echo "$before") <(backends))" ]; do
    [ $((tries -= 1)) -gt 0 ] || die "A backend does not end: $1"
    sleep 0.1
  done
  grep -l PostgresMain "$private"/callgrind/* | xargs sed -n 's/^totals: //p' | sort -n |
    awk 'NR == 1 { least = $1 } END { if (NR < 2) exit 1; print $1 - least }' || die "callgrind has counted nothing: $1"
}

# count_instructions ROW: a line of instructions.csv; calls and instructions are those of a ticket, as in the other files.
count_instructions() {
  local warm n m few many sold_before=$sold each=${size[$1]:-1}
  read -r warm n m < <(calls_of "$1")
  before "$1"
  executed "$1" "$warm" >/dev/null
  few=$(executed "$1" "$n")
  many=$(executed "$1" "$m")
  read -r _ sold < <(counters)
  echo "$1,$(((warm + n + m) * each)),$(((many - few) / ((m - n) * each))),$((sold - sold_before))" >>"$out/instructions.csv"
}

# measure_instructions: ends with the usual server running. It runs before the slices, when the
# tables are small and all in memory, so that the pool that the slices fill is there to be checked
# when they end.
measure_instructions() {
  local name sold
  echo 'row,calls,instructions_per_call,sold_outs' >"$out/instructions.csv"
  command -v valgrind >/dev/null || { say 'skipped: instructions a call (no valgrind here)'; return; }
  say 'instructions a call'
  # A few departures, so that each has been used before the calls that count.
  trains=20 batch_count=4
  stop_server
  if start_counting; then
    read -r _ sold < <(counters)
    for name in $(instruction_rows); do count_instructions "$name"; done
    stop_server
  else
    say 'skipped: instructions a call (the server does not start under valgrind here)'
    as_server_user pg_ctl stop -s -D server -m immediate || true
  fi
  trains=1000 batch_count=32
  start_again
}
