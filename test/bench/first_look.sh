#!/usr/bin/env bash
# What a session's first look at a train costs, on a private server: 5,000 departures of 500 seats and 30 stops in memory; counts and
# purchases over all of them against one departure and against INSERT, in slices of new sessions; what a session takes of memory.
# Once with pages of 4 kB and once, where the machine has enough set aside (vm.nr_hugepages), with huge pages.
# usage: make bench-first-look     some minutes      (QUICK=1: one; REPEATS=5 SECONDS_A_SLICE=3 CLIENTS="8 32")
# Results: build/bench/first_look.md
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. test/bench/server.sh
. test/bench/session.sh
[ -z "${QUICK:-}" ] || : "${REPEATS:=2}" "${SECONDS_A_SLICE:=1}" "${CLIENTS:=8}"
repeats=${REPEATS:-5} seconds=${SECONDS_A_SLICE:-3} clients=${CLIENTS:-8 32}
# The variables are those of server.sh.
# shellcheck disable=SC2034
trains=5000 batch_count=0 options='' date=$(date -d '+1 day' +%F) out=$PWD/build/bench
# shellcheck disable=SC2034
declare -A size=() row=(
  [select_1]='-f select_1.sql' [floor]='-f first_look_floor.sql' [count_hot]='-f first_look_count.sql -D hot=1' [count]='-f first_look_count.sql -D hot=0'
  [insert]='-f insert.sql -D hot=0' [buy]='-f buy.sql -D hot=0')

restart() {
  as_server_user pg_ctl stop -s -w -t 600 -D server -m fast
  start_again
}

# looks: microseconds of the first, second and third look and of one on a single departure, medians over new sessions.
looks() {
  local i
  for ((i = 0; i < repeats; i++)); do sql -v "trains=$trains" -v "date=$date" -f sql/first_look.sql | tail -n 1; done >"$private/looks"
  awk '{ for (n = 1; n <= 4; n++) us[n, NR] = $n }
    function median(n,    i, j, t) { for (i = 1; i <= NR; i++) for (j = i + 1; j <= NR; j++) if (us[n, j] < us[n, i]) { t = us[n, i]; us[n, i] = us[n, j]; us[n, j] = t }
                                     return us[n, int((NR + 1) / 2)] }
    END { printf "| a session, µs a count inside the server: first look, second, one departure | %.2f, %.2f, %.2f |\n| first look over second | %.2f |\n", median(1), median(2), median(4), median(1) / median(2) }' "$private/looks"
}

# slices: calls a second of each row, slices in turn, in the next repeat in reverse.
slices() {
  local repeat count name order
  for ((repeat = 1; repeat <= repeats; repeat++)); do
    for count in $clients; do
      order='select_1 floor count_hot count insert buy'
      [ $((repeat % 2)) -eq 1 ] || order='buy insert count count_hot floor select_1'
      for name in $order; do
        pgbench_row "$name" "$count" off -T "$seconds"
        printf '%s %s %s %s\n' "$repeat" "$count" "$name" "$(awk '/^tps/ { print $3 }' "$private/pgbench.log")"
      done
    done
  done >"$private/slices"
  cat "$private/slices" >>"$out/first_look.slices"
  awk -v clients="$clients" '
    { tps[$1, $2, $3] = $4; repeats = $1 > repeats ? $1 : repeats }
    function ratio(count, a, b,    i, j, t, r) {
      for (i = 1; i <= repeats; i++) r[i] = tps[i, count, a] / tps[i, count, b]
      for (i = 1; i <= repeats; i++) for (j = i + 1; j <= repeats; j++) if (r[j] < r[i]) { t = r[i]; r[i] = r[j]; r[j] = t }
      return sprintf("%.2f (%.2f .. %.2f)", r[int((repeats + 1) / 2)], r[1], r[repeats])
    }
    function line(what, a, b,    i, text) {
      for (i = 1; i <= n; i++) text = text (i > 1 ? ", " : "") ratio(count[i], a, b)
      printf "| %s | %s |\n", what, text
    }
    END {
      n = split(clients, count, " ")
      line("count over 5,000 departures : one departure, " clients " clients", "count", "count_hot")
      line("count on one departure : SELECT of five parameters", "count_hot", "floor")
      line("count on one departure : SELECT 1", "count_hot", "select_1")
      line("buy over 5,000 departures : INSERT over as many, synchronous_commit off", "buy", "insert")
    }' "$private/slices"
}

measure() {
  sql -v "trains=$trains" -v "date=$date" -f sql/first_look_load.sql >/dev/null
  printf '\n| %s | |\n|---|---:|\n' "pages: $(sql -F ' of ' -c 'SELECT pages, page_bytes / 1024 FROM ticket_pool_stat') kB"
  session_memory "'7', '1', '30', '$date'" "SELECT count(ticket_remaining(n::text, '1', '30', '$date', 'second')) FROM generate_series(1, $trains) AS n"
  looks
  slices
}

# huge: whether the machine lends PostgreSQL as many huge pages as it needs.
huge() {
  local needed
  needed=$(sql -c 'SHOW shared_memory_size_in_huge_pages')
  [ "$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)" -ge "$needed" ] && return
  printf '\nNot measured: huge pages. Set vm.nr_hugepages to %s first.\n' "$needed"
  return 1
}

bindir=$("$pg_config" --bindir)
mkdir -p "$out"
install_extension >"$out/build.log" 2>&1 || { tail -n 40 "$out/build.log" >&2; die "The build failed: ${out#"$PWD"/}/build.log"; }
trap remove_private_dir EXIT
trap 'exit 1' INT TERM
start_server 256MB
cp -R test/bench/sql "$private/scripts"
give_private_dir
sql -v "trains=$trains" -v "date=$date" -f sql/first_look_setup.sql
: >"$out/first_look.slices"
echo 'huge_pages = off' >>"$private/server/postgresql.conf"
restart
{
  printf 'PostgreSQL %s, %s, Linux %s, %s; %s departures of 500 seats and 30 stops, %s repeats of %s s, new sessions in each\n' "$(sql -c 'SHOW server_version')" \
    "$(nproc) processors" "$(uname -r)" "$(date +%F)" "$trains" "$repeats" "$seconds"
  measure
  if huge; then
    echo 'huge_pages = on' >>"$private/server/postgresql.conf"
    restart
    measure
  fi
} >"$out/first_look.md"
cat "$out/first_look.md"
problems=$(sql -c 'SELECT count(*) FROM ticket_verify()')
say "differences between pool and tables: $problems"
[ "$problems" -eq 0 ]
