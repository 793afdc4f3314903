# shellcheck shell=bash disable=SC2154,SC2034
# Many clients on one departure: how often does a buyer lose the race for the seat that it has
# chosen? Best fit would send all buyers to the same seat if each began its search at the first one,
# so they begin at random. Sourced by run.sh after rows.sh and server.sh.

row[buy_best_fit]='-f buy.sql -D hot=1'
row[buy_first_fit]='-f buy.sql -D hot=1'
row[buy_random]='-f buy.sql -D hot=1'

races() { sql -F ' ' -c 'SELECT buys, lost_races FROM ticket_pool_stat'; }

measure_contention() {
  local count allocation buys_before buys races_before races
  echo 'allocation,clients,tickets,lost_races' >"$out/contention.csv"
  say 'contention'
  for count in 32 $([ -n "${QUICK:-}" ] || echo 64); do
    for allocation in best_fit random first_fit; do
      read -r buys_before races_before < <(races)
      options="-c ticketpool.allocation=$allocation" slice 1 "buy_$allocation" "$count" off
      read -r buys races < <(races)
      echo "$allocation,$count,$((buys - buys_before)),$((races - races_before))" >>"$out/contention.csv"
    done
  done
}

contention_table() {
  printf '\nMany clients on one departure, synchronous_commit off:\n\n'
  printf '| which seat | clients | tickets | lost races | lost races a ticket |\n|---|---:|---:|---:|---:|\n'
  awk -F, 'NR > 1 && $3 > 0 { printf "| %s | %s | %s | %s | %.6f |\n", $1, $2, $3, $4, $4 / $3 }' "$out/contention.csv"
}
