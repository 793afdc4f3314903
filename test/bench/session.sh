# shellcheck shell=bash disable=SC2154
# What a session takes: memory, and the time of its first call. Sourced by first_look.sh and
# national.sh after server.sh.

psql_of_session() {
  local become=()
  [ "$(id -u)" -ne 0 ] || become=(setpriv "--reuid=$(server_user)" "--regid=$(id -g "$(server_user)")" --init-groups)
  (cd "$private" && exec "${become[@]}" env -i PATH="$bindir:/usr/bin:/bin" LANG=C.UTF-8 psql -X -q -A -t -h "$private" -U postgres -d bench "$@")
}

# session_memory CALL ALL: two lines of a table. CALL: the arguments of the first ticket_remaining of
# a connection; ALL: SQL that counts on every departure. Memory is the process's own (RssAnon) and
# that of its page tables.
session_memory() {
  local pid step answer connected='' first='' all='' us
  coproc session { psql_of_session; }
  # shellcheck disable=SC2154
  local in=${session[1]} from=${session[0]} of=$session_PID
  echo 'SELECT pg_backend_pid();' >&"$in"
  read -r pid <&"$from"
  connected=$(kilobytes_of "$pid")
  echo "SELECT ticket_remaining($1);" >&"$in"
  read -r answer <&"$from"
  first=$(kilobytes_of "$pid")
  echo "$2;" >&"$in"
  read -r answer <&"$from"
  all=$(kilobytes_of "$pid")
  echo '\q' >&"$in"
  wait "$of" || true
  # The median of some connections, with a statement before it that is none of ours.
  us=$(for step in {1..21}; do
    printf '\\timing on\nSELECT 1;\nSELECT ticket_remaining(%s);\n' "$1" | psql_of_session | awk '/^Time/ { ms = $2 } END { print ms * 1000 }'
  done | sort -n | sed -n 11p)
  printf '| memory of a session, kB of its own + page tables: connected, after its first count, after %s counts | %s, %s, %s |\n' "$answer" "$connected" "$first" "$all"
  printf '| the first count of a connection, µs | %.0f |\n' "$us"
}
kilobytes_of() { awk '/^RssAnon/ { own = $2 } /^VmPTE/ { tables = $2 } END { printf "%d + %d", own, tables }' "/proc/$1/status"; }
