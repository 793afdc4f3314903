#!/bin/sh
# Writes how many problems ticket_verify() and item_verify() find to a file for the textfile
# collector of node_exporter, and prints the problems, which cron mails.
# usage: verify.sh DATABASE FILE.prom
# If a check cannot be made, the file stays as it was: its time then says that it is old.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 DATABASE FILE.prom" >&2; exit 2; }
file=$2
# The collector must never read half a file.
new=$file.$$
trap 'rm -f "$new"' EXIT

found=$(psql -XAtq -v ON_ERROR_STOP=1 -d "$1" <<'SQL'
SELECT replace(replace(current_database(), '\', '\\'), '"', '\"');
SELECT 'ticket_verify', departure_id, problem FROM ticket_verify();
SELECT 'item_verify', item_id, problem FROM item_verify();
SQL
)
printf '%s\n' "$found" | awk -v now="$(date +%s)" '
  NR == 1 { datname = $0 }
  /^ticket_verify\|/ { tickets++ }
  /^item_verify\|/ { items++ }
  END {
    print "# HELP ticketpool_verify_problems differences between pool and tables"
    print "# TYPE ticketpool_verify_problems gauge"
    printf "ticketpool_verify_problems{datname=\"%s\",check=\"ticket_verify\"} %d\n", datname, tickets
    printf "ticketpool_verify_problems{datname=\"%s\",check=\"item_verify\"} %d\n", datname, items
    print "# HELP ticketpool_verify_timestamp_seconds when they were counted"
    print "# TYPE ticketpool_verify_timestamp_seconds gauge"
    printf "ticketpool_verify_timestamp_seconds{datname=\"%s\"} %d\n", datname, now
  }' >"$new"
chmod 644 "$new"
mv "$new" "$file"
printf '%s\n' "$found" | sed 1d
