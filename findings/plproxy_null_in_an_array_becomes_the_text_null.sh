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
# Installs nothing: unpacks Debian's packages into a temporary folder, and runs a server of its own
# there (not as root). Fails if PL/Proxy behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -f "$dir/data/postmaster.pid" ] || run "$bin/pg_ctl" -s -D "$dir/data" -m immediate stop; }
chmod 755 "$dir"; cd "$dir"
mkdir packages run; cd packages
apt-get -q download postgresql-15-plproxy=2.10.0-8+b1 postgresql-15 postgresql-client-15 libpq5 >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
bin=$dir/tree/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$dir/tree/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
as=(env); [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env)
run() { "${as[@]}" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" HOME="$dir/run" PGUSER=postgres "$@"; }
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$dir" run

run "$bin/initdb" -D data -A trust -U postgres --no-locale --encoding=UTF8 >/dev/null
run "$bin/pg_ctl" -s -w -D data -l run/log -o "-c listen_addresses='' -k $dir/run" start
sql() { run "$bin/psql" -XAtq -h "$dir/run" -v ON_ERROR_STOP=1 postgres "$@"; }
sql <<SQL
CREATE EXTENSION plproxy;
CREATE FUNCTION remote(a text[]) RETURNS text[] LANGUAGE sql AS \$\$ SELECT a \$\$;
CREATE FUNCTION echo(a text[]) RETURNS text[] LANGUAGE plproxy AS \$\$ CONNECT 'host=$dir/run dbname=postgres user=postgres'; TARGET remote; \$\$;
SQL
call="SELECT quote_nullable((echo(ARRAY['x', NULL]))[2])"
both=$(sql -c "$call")
here=$(sql -c 'SET array_nulls = off' -c "$call")
sql -c 'ALTER DATABASE postgres SET array_nulls = off'
there=$(sql -c 'SET array_nulls = on' -c "$call")
echo "on on both sides: $both; off here: $here; off there: $there"
[ "$both" = NULL ] && [ "$here" = "'NULL'" ] && [ "$there" = "'NULL'" ]
