#!/usr/bin/env bash
# Where the time of a sale goes: shares of the CPUs by perf, for the bare INSERT of a row and for the sale that leads to the same row; and
# what sessions wait for when there are many of them and every commit is flushed.
# usage: make bench-profile             a minute
# also:  CLIENTS=8 MANY=32 SECONDS_A_SLICE=8 ROWS="insert_hot buy_hot"
# Needs perf and the right to watch the whole machine (root, or kernel.perf_event_paranoid <= 0), no hardware counters.
# Results: build/bench/profile.md
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/rows.sh
. test/bench/server.sh
clients=${CLIENTS:-8} many=${MANY:-32} seconds=${SECONDS_A_SLICE:-8} rows=${ROWS:-insert_hot buy_hot}
out=$PWD/build/bench options=''
frequency=2000    # samples of each CPU a second

watch() { perf record -q -B -N -a -e cpu-clock -F "$frequency" -o "$private/perf.data" -- "$@" >"$private/perf.log" 2>&1; }

# threads_of PID…: their threads, as perf distinguishes threads.
threads_of() {
  local pid
  for pid; do ls "/proc/$pid/task" 2>/dev/null || true; done
}

# profile ROW: "ROW,calls a second,us a call,PART,share" for each part.
profile() {
  local postmaster client server cashier
  postmaster=$(head -n 1 "$private/server/postmaster.pid")
  before "$1" >/dev/null
  pgbench_row "$1" "$clients" off -T $((seconds + 2)) &
  sleep 1
  # shellcheck disable=SC2046 # many words
  { client=$(threads_of $(pgrep -f -- "-h $private ")) server=$(threads_of "$postmaster" $(pgrep -P "$postmaster")) cashier=$(pgrep -P "$postmaster" -f cashier || true); }
  watch sleep "$seconds" || { cat "$private/perf.log" >&2; die 'perf failed.'; }
  wait $! || die "pgbench failed: $1"
  perf report -i "$private/perf.data" --stdio -q -F sample,pid,dso -t '|' 2>/dev/null |
    awk -F'|' -v OFS=, -v row="$1" -v client="$client" -v server="$server" -v cashier="$cashier" -v hz="$frequency" -v seconds="$seconds" \
      -v tps="$(awk '/^tps/ { print $3 }' "$private/pgbench.log")" '
      function part(thread, dso,    kernel) {
        kernel = dso ~ /^\[(kernel|guest|unknown)/ || dso ~ /\.ko|^\[[a-z_0-9]+\]$/ && dso != "[vdso]"
        if (thread == 0) return "idle"
        if (thread in of_client) return kernel ? "pgbench: kernel" : "pgbench"
        if (!(thread in of_server)) return "other processes"
        if (thread in of_cashier) return kernel ? "cashier: kernel" : "cashier"
        if (kernel) return "server: kernel"
        return dso ~ /^postgres/ ? "server: postgres" : dso ~ /^ticketpool/ ? "server: ticketpool.so" : dso ~ /^libc[.-]/ ? "server: libc" : "server: other libraries"
      }
      BEGIN { n = split(client, t, /[ \n]+/); while (n) of_client[t[n--]]; n = split(server, t, /[ \n]+/); while (n) of_server[t[n--]]; n = split(cashier, t, /[ \n]+/); while (n) of_cashier[t[n--]] }
      $1 + 0 > 0 { split($2, thread, ":"); gsub(/ /, "", $3); samples[part(thread[1] + 0, $3)] += $1; all += $1 }
      END { for (p in samples) print row, tps, samples[p] / hz * 1e6 / (tps * seconds), p, samples[p] / all }' >>"$private/profile.csv"
}

# waits ROW: "ROW,calls a second,EVENT,sessions on average" of many clients, synchronous_commit on.
waits() {
  before "$1" >/dev/null
  pgbench_row "$1" "$many" on -T 5 &
  sleep 1.5
  sql -F , -f waits.sql >"$private/waits.txt"
  wait $! || die "pgbench failed: $1"
  awk -v head="$1,$(awk '/^tps/ { print $3 }' "$private/pgbench.log")" '{ print head "," $0 }' "$private/waits.txt" >>"$private/waits.csv"
}

report_waits() {
  printf '\nWhat the sessions of %s clients wait for, synchronous_commit on, sessions on average:\n\n' "$many"
  awk -F, -v rows="$rows" '
    { tps[$1] = $2; sessions[$1, $3] = $4; if (!($3 in seen)) { seen[$3] = 1; event[++events] = $3 } }
    END {
      n = split(rows, row, " ")
      printf "| %-23s", "event"; for (r = 1; r <= n; r++) printf " | %12s", row[r]; print " |"
      printf "|------------------------"; for (r = 1; r <= n; r++) printf " |-------------:"; print "|"
      for (e = 1; e <= events; e++) { printf "| %-23s", event[e]; for (r = 1; r <= n; r++) printf " | %12s", ((row[r], event[e]) in sessions) ? sprintf("%.2f", sessions[row[r], event[e]]) : "-"; print " |" }
      printf "| %-23s", "calls a second"; for (r = 1; r <= n; r++) printf " | %12.0f", tps[row[r]]; print " |"
    }' "$private/waits.csv"
}

# The machine and the day.
describe() {
  printf '%s, %s cores of %s, Linux %s, %s\n\n' "$("$pg_config" --version)" "$(nproc)" \
    "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r)" "$(date +%F)"
}

# report: a line for each part, two columns for each row; idle CPUs and other processes are not part
# of a call.
report() {
  printf '%s clients, synchronous_commit off, %s s:\n\n' "$clients" "$seconds"
  awk -F, -v rows="$rows" '
    { tps[$1] = $2; us[$1, $4] = $3; share[$1, $4] = $5 }
    END {
      n = split(rows, row, " ")
      count = split("pgbench,pgbench: kernel,server: postgres,server: ticketpool.so,server: libc,server: other libraries,server: kernel,cashier,cashier: kernel,idle,other processes", part, ",")
      printf "| %-23s", "of the CPUs"; for (r = 1; r <= n; r++) printf " | %12s | CPU us a call", row[r]; print " |"
      printf "|------------------------"; for (r = 1; r <= n; r++) printf " |-------------:|--------------:"; print "|"
      for (p = 1; p <= count; p++) {
        printf "| %-23s", part[p]
        for (r = 1; r <= n; r++) {
          key = row[r] SUBSEP part[p]
          if (part[p] !~ /^(idle|other processes)/) { sum[r] += us[key]; cost = sprintf("%.2f", us[key]) } else cost = ""
          printf " | %10.1f %% | %13s", share[key] * 100, cost
        }
        print " |"
      }
      printf "| %-23s", "a call"; for (r = 1; r <= n; r++) printf " | %12s | %13.2f", sprintf("%.0f /s", tps[row[r]]), sum[r]; print " |"
      for (r = 1; r <= n; r++) if (sum[r] && row[r] !~ /insert|returning/)
        printf "\nOf a call of %s, %.1f %% of the CPU time is spent in ticketpool.so, %.1f %% in the server without the kernel.\n", row[r],
          us[row[r], "server: ticketpool.so"] / sum[r] * 100,
          (us[row[r], "server: postgres"] + us[row[r], "server: ticketpool.so"] + us[row[r], "server: libc"] + us[row[r], "server: other libraries"]) / sum[r] * 100
    }' "$private/profile.csv"
}

test/deps.sh bench
bindir=$("$pg_config" --bindir)
mkdir -p "$out"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap remove_private_dir EXIT
trap 'exit 1' INT TERM
make_private_dir
perf_works=1
watch true || { perf_works= && say 'skipped: shares of the CPUs (perf may not watch the whole machine here)'; }
remove_private_dir
start_server 1GB
cp -R test/bench/sql "$private/scripts"
cp test/bench/waits.sql "$private/"
give_private_dir
sql -f sql/setup.sql
today=$(sql -c 'SELECT CURRENT_DATE')
for name in $rows; do
  [ -z "$perf_works" ] || { say "profile of $name" && profile "$name"; }
  say "waits of $name"
  waits "$name"
done
{ describe; [ -z "$perf_works" ] || report; report_waits; } >"$out/profile.md"
cat "$out/profile.md"
problems=$(sql -c 'SELECT count(*) FROM ticket_verify()')
[ "$problems" -eq 0 ] || die "differences between pool and tables: $problems"
