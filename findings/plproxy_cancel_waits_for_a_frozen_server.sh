#!/usr/bin/env bash
# PL/Proxy 2.10: a call that is cancelled waits for the remote server without a limit. If that server
# is frozen, neither statement_timeout nor pg_terminate_backend ends the session.
#
# Guess: statement_timeout ends a call of a frozen server (SIGSTOP: the kernel still takes
# connections) when it is over.
# Seen with postgresql-15-plproxy 2.10.0-8+b1 (Debian 12, 2026-11-30): on a cancelled query PL/Proxy
# calls PQcancel(), which waits for the remote postmaster to close the connection, and is not
# interrupted by signals. With PgBouncer 1.18 between, it is the same: that forwards the request and
# waits as well (more than a minute seen, query_timeout 5). PL/Proxy asks for SQLSTATE 57014 to do so:
# an error context callback that gives the error another SQLSTATE keeps it from waiting.
#
# Makes two servers of its own in a temporary folder. Run it as a user other than root. Fails if
# PL/Proxy behaves otherwise.
set -eu
PATH=$(pg_config --bindir):$PATH
dir=$(mktemp -d); frozen=() s=
trap '[ ${#frozen[@]} -eq 0 ] || kill -CONT "${frozen[@]}"; for s in near far; do pg_ctl -s -D "$dir/$s" -m immediate stop || true; done; rm -rf "$dir"' EXIT
for server in near:5401 far:5402; do
  initdb -D "$dir/${server%:*}" -A trust -N >/dev/null
  pg_ctl -s -w -D "$dir/${server%:*}" -l "$dir/log" -o "-p ${server#*:} -c listen_addresses='' -c unix_socket_directories=$dir" start
done
near() { psql -XAtq -h "$dir" -p 5401 postgres "$@"; }
near -c 'CREATE EXTENSION plproxy' -c "CREATE FUNCTION far() RETURNS text LANGUAGE plproxy AS \$\$ CONNECT 'host=$dir port=5402 dbname=postgres'; SELECT pg_sleep(1)::text; \$\$"
postmaster=$(head -n 1 "$dir/far/postmaster.pid")
near -c 'SELECT far()' -c "SET statement_timeout = '2s'" -c 'SELECT far() || pg_backend_pid()' >/dev/null 2>&1 &
sleep 1.5
mapfile -t frozen < <(echo "$postmaster"; ps -o pid= --ppid "$postmaster" | tr -d ' ')
kill -STOP "${frozen[@]}"
sleep 6
still=$(near -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%far()%' AND pid <> pg_backend_pid()")
sleep 2
after=$(near -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%far()%' AND pid <> pg_backend_pid()")
echo "sessions that wait 4 seconds after their statement_timeout: $still; after pg_terminate_backend: $after"
[ "$still" = 1 ] && [ "$after" = 1 ]
