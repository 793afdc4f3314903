#!/usr/bin/env bash
# PL/Proxy 2.10: with array_nulls off on either side, a NULL in a text array arrives as the text
# "NULL", without an error.
#
# Guess: an array is the same on both sides, whatever the settings of the sessions are.
# Seen with postgresql-15-plproxy 2.10.0-8+b1 (Debian 12, 2026-11-30): PL/Proxy sends arrays as
# literals and reads answers as literals. array_nulls is off in the calling session: the NULL in the
# answer is the text NULL. It is off in the remote database only: so is the NULL in the argument.
# Keep the setting on around the call, and give the remote role a setting of its own (ALTER ROLE …
# SET array_nulls = on), which goes before that of the database.
#
# Makes a server of its own in a temporary folder. Run it as a user other than root. Fails if
# PL/Proxy behaves otherwise.
set -eu
PATH=$(pg_config --bindir):$PATH
dir=$(mktemp -d); trap 'pg_ctl -s -D "$dir/data" -m immediate stop || true; rm -rf "$dir"' EXIT
initdb -D "$dir/data" -A trust -N >/dev/null
pg_ctl -s -w -D "$dir/data" -l "$dir/log" -o "-c listen_addresses='' -c unix_socket_directories=$dir" start
sql() { psql -XAtq -h "$dir" -v ON_ERROR_STOP=1 postgres "$@"; }
sql <<SQL
CREATE EXTENSION plproxy;
CREATE FUNCTION remote(a text[]) RETURNS text[] LANGUAGE sql AS \$\$ SELECT a \$\$;
CREATE FUNCTION echo(a text[]) RETURNS text[] LANGUAGE plproxy AS \$\$ CONNECT 'host=$dir dbname=postgres'; TARGET remote; \$\$;
SQL
call="SELECT quote_nullable((echo(ARRAY['x', NULL]))[2])"
both=$(sql -c "$call")
here=$(sql -c 'SET array_nulls = off' -c "$call")
sql -c 'ALTER DATABASE postgres SET array_nulls = off'
there=$(sql -c 'SET array_nulls = on' -c "$call")
echo "on on both sides: $both; off here: $here; off there: $there"
[ "$both" = NULL ] && [ "$here" = "'NULL'" ] && [ "$there" = "'NULL'" ]
