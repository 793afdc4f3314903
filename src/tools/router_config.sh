#!/usr/bin/env bash
# One place for the settings of many servers: the table router_node of a router's database. From it
# this script writes the configuration of the router's PgBouncer, tells the router how to reach its
# nodes through it and as whom, reloads PgBouncer, and says in words what router_status() finds
# wrong. Run it again after each change of router_node: what is right already stays as it is.
#
# Run it on the router's machine as the user that PgBouncer runs as (postgres, never root).
set -eu -o pipefail

usage() {
  cat <<'USAGE'
usage: router_config.sh [OPTION…]            writes, reloads, checks
       router_config.sh --check [OPTION…]    only says what router_status() finds
       router_config.sh --node-sql [OPTION…] prints SQL that makes the router's role on a node
  --router CONNINFO      the router's database, as a superuser (default: as psql without arguments)
  --user NAME            role of the router on the nodes (default: ticketpool_router)
  --password-file FILE   its password: the first line of a file that only its owner can read, or of
                         standard input (-). Without this option the password of the last time stays;
                         if there is none, it is asked for
  --ini FILE             default: /etc/pgbouncer/pgbouncer.ini; the password goes to userlist.txt
                         beside it, which only its owner can read
  --socket-dir DIR       where PgBouncer's socket is (default: /var/run/postgresql)
  --port PORT            default: 6432
  --listen ADDRESS       listens on TCP as well (default: on its socket only)
  --log FILE, --pid FILE default: pgbouncer.log and pgbouncer.pid in the folder of the socket (Debian's
                         log: in /var/log/postgresql)
  --pool-size N          connections to a node, and to its standby, at most (default: 20)
  --overwrite            replaces an FILE.ini that this script did not write
  --start                starts PgBouncer if it does not run
  --no-check             leaves router_status() out
  --dry-run              changes nothing, prints what would be written
What you add yourself goes into pgbouncer.local.ini beside the file: it is read last.
Exit status: 0 all is well; 1 something is wrong with the nodes; 2 nothing was done, or not all of it.
USAGE
}

say() { printf '%s\n' "$*"; }
die() { printf 'router_config.sh: %s\n' "$*" >&2; exit 2; }

router='' user=ticketpool_router password_file='' ini=/etc/pgbouncer/pgbouncer.ini socket_dir=/var/run/postgresql port=6432 listen=''
log='' pid='' pool_size=20 overwrite='' start='' check=yes dry_run='' what=configure
while [ $# -gt 0 ]; do
  case $1 in
    --router | --user | --password-file | --ini | --socket-dir | --port | --listen | --log | --pid | --pool-size)
      [ $# -gt 1 ] || die "$1 needs a value"
      name=${1#--}
      printf -v "${name//-/_}" %s "$2"
      shift 2
      ;;
    --overwrite) overwrite=yes; shift ;;
    --start) start=yes; shift ;;
    --no-check) check=''; shift ;;
    --dry-run) dry_run=yes; shift ;;
    --check) what=check; shift ;;
    --node-sql) what=node_sql; shift ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
# Debian's package logs there too, and rotates what is there.
log_dir=$socket_dir
if [ "$socket_dir" = /var/run/postgresql ] && [ -w /var/log/postgresql ]; then log_dir=/var/log/postgresql; fi
: "${log:=$log_dir/pgbouncer.log}" "${pid:=$socket_dir/pgbouncer.pid}"
users=$(dirname -- "$ini")/userlist.txt
local_ini=$(dirname -- "$ini")/pgbouncer.local.ini

# A line break in a name would begin a line of its own in a configuration file.
for value in "$user" "$ini" "$socket_dir" "$listen" "$log" "$pid"; do
  case $value in *[[:cntrl:]]*) die 'names and paths cannot contain control characters' ;; esac
done
for value in "$port" "$pool_size"; do
  case $value in '' | *[!0-9]*) die '--port and --pool-size are numbers' ;; esac
done
for value in "$ini" "$socket_dir"; do case $value in /*) ;; *) die "'$value' is not a whole path" ;; esac; done

# ask: runs the SQL of its standard input. Values come from the environment (\getenv): the arguments
# of a process are there for everybody to read.
ask() {
  { echo 'SET search_path = pg_catalog;' && cat; } |
    PGAPPNAME=router_config.sh psql -X -q -A -t -v ON_ERROR_STOP=1 -d "${router:-dbname=${PGDATABASE:-$(id -un)}}" "$@"
}
# The console of PgBouncer lets its own system user in without a password.
console() { PGAPPNAME=router_config.sh psql -X -w -q -A -t -d "host=${socket_dir} port=$port dbname=pgbouncer user=pgbouncer connect_timeout=5" -c "$1"; }

schema=$(ask <<'SQL'
SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'ticketpool_router';
SQL
) || die 'the router cannot be reached'
[ -n "$schema" ] || die 'this database has no extension ticketpool_router: name the one that has it (--router dbname=…), or CREATE EXTENSION ticketpool_router CASCADE'
export ROUTER_USER=$user

# ---------------------------------------------------------------------------
# router_status() in words
# ---------------------------------------------------------------------------

# Prints what is not as it should be, and returns 1 if anything is.
show_status() {
  local found wrong
  found=$(ask -v schema="$schema" <<'SQL'
SELECT CASE WHEN ok THEN 'good' WHEN ok IS NULL THEN 'note' ELSE 'wrong' END || ' ' || coalesce('node ' || node || ', ', '') || replace(what || ': ' || detail, E'\n', ' ')
FROM :schema.router_status() ORDER BY node NULLS FIRST, what;
SQL
  ) || die 'router_status() failed'
  sed -n 's/^note //p' <<<"$found"
  wrong=$(sed -n 's/^wrong //p' <<<"$found")
  if [ -n "$wrong" ]; then
    printf '%s\n' 'router_status() finds:' "$wrong"
    return 1
  fi
  say "router_status() finds nothing wrong; it looked at $(grep -c . <<<"$found") things"
}

# ---------------------------------------------------------------------------
# The router's role on the nodes
# ---------------------------------------------------------------------------

# It may call what the router calls, and touch no table. Names are looked up on the node, so the same
# text fits each version.
node_sql() {
  ask -v schema="$schema" <<'SQL'
\getenv role ROUTER_USER
SELECT format($sql$-- Run on each node as a superuser, then set the role's password there: \password %1$I
BEGIN;
SET LOCAL search_path = pg_catalog;
DO $role$
DECLARE
  target regprocedure;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %1$L) THEN
    CREATE ROLE %1$I LOGIN;
  END IF;
  GRANT USAGE ON SCHEMA %2$s TO %1$I;
  -- PL/Proxy casts to types by their bare names, and sends arrays as literals. A role's settings go
  -- before those of the database.
  ALTER ROLE %1$I SET search_path = pg_catalog;
  ALTER ROLE %1$I SET array_nulls = on;
  FOR target IN
    SELECT p.oid FROM pg_extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
      JOIN pg_proc p ON p.oid = d.objid
    WHERE e.extname = 'ticketpool' AND p.prorettype <> 'trigger'::regtype AND (p.proname = ANY (%3$L::text[]) OR p.proname ~ %4$L)
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %%s TO %%I', target, %1$L);
  END LOOP;
END $role$;
COMMIT;$sql$, :'role', :'schema',
  ARRAY(SELECT p.proname FROM pg_extension e
      JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
        AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
      JOIN pg_proc p ON p.oid = d.objid
    WHERE e.extname = 'ticketpool_router' AND p.proname ~ '^(ticket|item)_' AND p.proname <> 'ticket_where'
    ORDER BY 1),
  '^(ticket_(call|get|served|settled|unsettled|last_day|node_status|check_many|change_.*|exchange_.*|move_.*|parcel.*)|item_check_many)$');
SQL
}

case $what in
  node_sql) node_sql; exit ;;
  check) show_status && exit || exit 1 ;;
esac
[ "$(id -u)" -ne 0 ] || die "PgBouncer does not run as root, and its configuration must be its own: run this as the user postgres"

# ---------------------------------------------------------------------------
# What PgBouncer's configuration must say
# ---------------------------------------------------------------------------

# Lines "KIND TEXT": `db` a line of [databases], `tls` a setting of all connections to nodes, `note` something to
# tell, `bad` a reason to stop. A connection string is taken apart as libpq does it; PgBouncer writes
# a quote in a value as two quotes. A standby has an alias of its own.
read_nodes() {
  ask -v schema="$schema" <<'SQL'
WITH place AS (
  SELECT node, 0 AS part, 'node' || node::text AS alias, conninfo AS connection FROM :schema.router_node
  UNION ALL SELECT node, 1, 'node' || node::text || '_read', read_conninfo FROM :schema.router_node WHERE read_conninfo IS NOT NULL
), pair AS (
  -- Of a keyword that comes twice, libpq takes the last.
  SELECT DISTINCT ON (p.node, p.part, lower(m[1])) p.node, p.part, p.alias, lower(m[1]) AS keyword,
    CASE WHEN left(m[2], 1) = '''' THEN regexp_replace(substr(m[2], 2, length(m[2]) - 2), '\\(.)', '\1', 'g')
      ELSE regexp_replace(m[2], '\\(.)', '\1', 'g') END AS value
  FROM place p, regexp_matches(p.connection, $re$([A-Za-z_]+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)*)$re$, 'g') WITH ORDINALITY AS t (m, n)
  ORDER BY p.node, p.part, lower(m[1]), n DESC
), line AS (
  SELECT p.node, p.part, 0 AS place, 'bad ' || p.alias || ': its conninfo is not a list of keyword=value' AS text FROM place p
    WHERE NOT p.connection ~ $re$^\s*([A-Za-z_]+\s*=\s*('([^'\\]|\\.)*'|([^\s'\\]|\\.)*)(\s+|$))+$$re$
  UNION ALL SELECT node, part, 1, 'bad ' || alias || ': its conninfo has a control character' FROM place WHERE connection ~ '[[:cntrl:]]'
  UNION ALL SELECT node, part, 2, 'bad ' || alias || ': its conninfo names no dbname' FROM place p
    WHERE NOT EXISTS (SELECT FROM pair WHERE pair.alias = p.alias AND keyword = 'dbname')
  UNION ALL SELECT node, part, 3, 'bad ' || alias || ': PgBouncer goes to one server, so its conninfo must name one host and one port' FROM pair
    WHERE keyword = ANY (ARRAY['host', 'hostaddr', 'port']) AND value ~ ','
  UNION ALL SELECT node, part, 4, 'bad ' || alias || ': its conninfo must not have a ' || keyword FROM pair
    WHERE keyword = ANY (ARRAY['user', 'password', 'passfile', 'service'])
  UNION ALL SELECT node, part, 5, 'note ' || alias || ': ' || keyword || ' is for clients only, PgBouncer has settings of its own' FROM pair
    WHERE NOT keyword = ANY (ARRAY['host', 'hostaddr', 'port', 'dbname', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'user', 'password', 'passfile', 'service'])
  UNION ALL SELECT DISTINCT 0, 0, 6, 'tls server_tls_' || CASE keyword WHEN 'sslmode' THEN 'sslmode' WHEN 'sslrootcert' THEN 'ca_file' WHEN 'sslcert' THEN 'cert_file' ELSE 'key_file' END
      || ' = ' || value FROM pair WHERE keyword = ANY (ARRAY['sslmode', 'sslrootcert', 'sslcert', 'sslkey'])
  UNION ALL SELECT 0, 0, 7, 'bad PgBouncer has one ' || keyword || ' for all nodes, and their conninfo differ in it' FROM pair
    WHERE keyword = ANY (ARRAY['sslmode', 'sslrootcert', 'sslcert', 'sslkey']) GROUP BY keyword HAVING count(DISTINCT value) > 1
  UNION ALL SELECT node, part, 8, format('db %s = %s', alias, string_agg(format('%s=''%s''',
      CASE keyword WHEN 'hostaddr' THEN 'host' ELSE keyword END, replace(value, '''', '''''')), ' ' ORDER BY keyword COLLATE "C"))
    FROM pair WHERE keyword = ANY (ARRAY['hostaddr', 'port', 'dbname'])
      OR keyword = 'host' AND NOT EXISTS (SELECT FROM pair h WHERE h.alias = pair.alias AND h.keyword = 'hostaddr')
    GROUP BY node, part, alias)
SELECT text FROM line ORDER BY node, part, place, text;
SQL
}

lines=$(read_nodes) || die 'router_node cannot be read'
bad=$(sed -n 's/^bad //p' <<<"$lines")
[ -z "$bad" ] || die "$bad"
databases=$(sed -n 's/^db //p' <<<"$lines")
[ -n "$databases" ] || die "router_node is empty: SELECT router_node_add(1, 'host=… port=… dbname=…')"
sed -n 's/^note //p' <<<"$lines"
aliases=$(grep -c . <<<"$databases")
clients=$(( $(ask <<<'SHOW max_connections;') * aliases + 20 ))

pgbouncer=$(PATH=$PATH:/usr/local/sbin:/usr/sbin command -v pgbouncer) || die 'pgbouncer is not installed'
# Prepared statements outlive a transaction in PgBouncer since 1.21. PL/Proxy sends none; a client of
# the pooler may.
version=$("$pgbouncer" --version | sed -n 's/^PgBouncer \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"$version" || die 'pgbouncer --version says nothing that is known'
prepared=''
[ "$major" -eq 1 ] && [ "$minor" -lt 21 ] || prepared='max_prepared_statements = 100'

marker='; Written by router_config.sh from the table router_node. Changes here are lost: use pgbouncer.local.ini.'
# A node that is frozen costs a call query_wait_timeout + query_timeout at most, so that its error
# comes within ten seconds. A node that refuses connections costs server_login_retry.
wanted=$(cat <<INI
$marker
[databases]
$databases

[pgbouncer]
pool_mode = transaction
unix_socket_dir = $socket_dir
listen_addr = $listen
listen_port = $port
logfile = $log
pidfile = $pid
auth_type = scram-sha-256
auth_file = $users
server_connect_timeout = 2
server_login_retry = 1
query_timeout = 6
query_wait_timeout = 3
default_pool_size = $pool_size
max_client_conn = $clients
server_idle_timeout = 600
ignore_startup_parameters = extra_float_digits,options
log_connections = 0
log_disconnections = 0
$(sed -n 's/^tls //p' <<<"$lines")${prepared:+
$prepared}
INI
)
if [ -e "$local_ini" ]; then wanted+=$'\n%include '$local_ini; fi

# ---------------------------------------------------------------------------
# The password
# ---------------------------------------------------------------------------
password='' new_password=''
if [ -n "$password_file" ]; then
  if [ "$password_file" = - ]; then IFS= read -r password || [ -n "$password" ] || die 'standard input has no password'
  else
    [ -r "$password_file" ] || die "'$password_file' cannot be read"
    case $(stat -L -c %A -- "$password_file") in -???------ | p*) ;; *) die "others can read '$password_file': chmod 600 it" ;; esac
    IFS= read -r password <"$password_file" || [ -n "$password" ] || die "'$password_file' has no password"
  fi
  new_password=yes
else
  # The last time's, if it was this user's.
  if [ -r "$users" ]; then
    quoted=${user//\"/\"\"}
    while IFS= read -r line; do
      case $line in "\"$quoted\" \""*\") password=${line#"\"$quoted\" \""} password=${password%\"} password=${password//\"\"/\"} ;; esac
    done <"$users"
  fi
  if [ -z "$password" ]; then
    [ -z "$dry_run" ] || password='(asked for)'
    [ -n "$dry_run" ] || [ -t 0 ] || die 'there is no password yet: --password-file FILE'
    if [ -z "$password" ]; then
      read -r -s -p "Password of $user on the nodes: " password
      echo
      [ -n "$password" ] || die 'an empty password is none'
    fi
    new_password=yes
  fi
fi
case $password in *[[:cntrl:]]*) die 'the password has a control character' ;; esac
wanted_users="\"${user//\"/\"\"}\" \"${password//\"/\"\"}\""

# via and read_via are libpq's strings, in which a quote or a backslash has a backslash before it.
quoted_dir=${socket_dir//\\/\\\\}
export ROUTER_VIA="host='${quoted_dir//\'/\\\'}' port=$port"

if [ -n "$dry_run" ]; then
  say "# $ini" "" ; printf '%s\n' "$wanted"
  say "# $users: the password of $user"
  say "# router_node.via: $ROUTER_VIA dbname=node…"
  exit 0
fi

# ---------------------------------------------------------------------------
# Writing it
# ---------------------------------------------------------------------------

# write FILE TEXT: only its owner can read it, at each moment. Debian's folder belongs to root and the
# file to postgres: then the file is written where it is.
write() {
  local new
  if [ -f "$1" ] && [ "$(cat -- "$1")" = "$2" ] && [ "$(stat -c %a -- "$1")" = 600 ]; then return; fi
  if [ -w "$(dirname -- "$1")" ]; then
    new=$(umask 077 && mktemp -- "$1.XXXXXX")
    if ! printf '%s\n' "$2" >"$new" || ! mv -f -- "$new" "$1"; then rm -f -- "$new"; die "'$1' cannot be written"; fi
  elif [ ! -w "$1" ] || ! chmod 600 -- "$1" || ! printf '%s\n' "$2" >"$1"; then die "'$1' cannot be written by $(id -un)"
  fi
  say "written: $1"
}

if [ -s "$ini" ] && [ -z "$overwrite" ]; then
  IFS= read -r first <"$ini" || die "'$ini' cannot be read"
  [ "$first" = "$marker" ] || die "'$ini' is not of this script: move what you need to $local_ini and say --overwrite, or name another with --ini"
fi
write "$users" "$wanted_users"
write "$ini" "$wanted"

# ---------------------------------------------------------------------------
# PgBouncer takes it over first: an alias must be there before the router uses it
# ---------------------------------------------------------------------------
stopped=''
if console 'SHOW VERSION' >/dev/null 2>&1; then
  console RELOAD >/dev/null || die 'PgBouncer did not reload its configuration'
  say 'PgBouncer has reloaded its configuration'
elif [ -n "$start" ]; then
  "$pgbouncer" -q -d "$ini" </dev/null || die "PgBouncer did not start: see $log"
  tries=0
  until console 'SHOW VERSION' >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || die "PgBouncer does not answer: see $log"
    sleep 0.1
  done
  say 'PgBouncer runs'
else
  stopped=yes
fi

# The router's side: as whom, and through what. Nothing of it is logged or shown in pg_stat_activity.
# The partitions of the foreign servers follow router_node by its trigger.
export ROUTER_PASSWORD=$password ROUTER_NEW_PASSWORD=$new_password
ask -v schema="$schema" <<'SQL' || die 'the router could not be told'
SET client_min_messages = warning;
SET track_activities = off;
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_duration_sample = -1;
SET log_transaction_sample_rate = 0;
SET log_duration = off;
SET log_min_error_statement = panic;
SET pg_stat_statements.track = 'none';
\getenv user ROUTER_USER
\getenv password ROUTER_PASSWORD
\getenv via ROUTER_VIA
BEGIN;
SELECT format('ALTER USER MAPPING FOR %s SERVER %I OPTIONS (%s user %L, %s password %L)',
    CASE WHEN m.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(m.usename) END, m.srvname,
    CASE WHEN m.old ? 'user' THEN 'SET' ELSE 'ADD' END, :'user', CASE WHEN m.old ? 'password' THEN 'SET' ELSE 'ADD' END, :'password')
FROM (SELECT u.*, coalesce((SELECT jsonb_object_agg(o.option_name, o.option_value) FROM pg_options_to_table(u.umoptions) o), '{}') AS old
      FROM pg_user_mappings u JOIN pg_extension e ON e.extname = 'ticketpool_router'
      WHERE u.srvname = ANY (ARRAY['ticketpool', 'ticketpool_read']) AND u.umuser = ANY (ARRAY[e.extowner, 0])) m
WHERE (m.old ->> 'user') IS DISTINCT FROM :'user' OR (m.old ->> 'password') IS DISTINCT FROM :'password' \gexec
UPDATE :schema.router_node n SET via = w.via, read_via = w.read_via
FROM (SELECT node, :'via' || ' dbname=node' || node::text AS via,
        CASE WHEN read_conninfo IS NOT NULL THEN :'via' || ' dbname=node' || node::text || '_read' END AS read_via
      FROM :schema.router_node) w
WHERE w.node = n.node AND (n.via IS DISTINCT FROM w.via OR n.read_via IS DISTINCT FROM w.read_via);
COMMIT;
SQL
unset ROUTER_PASSWORD

if [ -n "$stopped" ]; then
  say "PgBouncer does not run on port $port of $socket_dir, so no node can be reached. Start it with its service, or with: $pgbouncer -d $ini"
  say 'Then: router_config.sh --check'
  [ -z "$check" ] || exit 2
fi
[ -z "$check" ] || show_status || exit 1
