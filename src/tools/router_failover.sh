#!/usr/bin/env bash
# Hands a node over to its standby: as planned (switch), or after the node's primary was lost (fail).
# It says what it does, step by step, and refuses where acknowledged sales would be lost.
#
# What matters, in this order:
# 1. One primary. Two servers that both sell a departure sell its seats twice, and clients may go
#    straight to a node. So the old primary is stopped, or fenced, before the standby is promoted,
#    and it must not answer then.
# 2. Nothing acknowledged is lost. As planned, the standby has everything before it is promoted. After
#    a loss that must be known from elsewhere: a synchronous standby has every acknowledged commit,
#    and what the lost primary has on its disk can be compared.
# 3. Clients of the router wait or get 08xxx. As planned, PgBouncer holds their calls (PAUSE).
# If this script dies, run it again: as planned, up to the stop of the primary; afterwards with fail,
# which continues from a standby that is promoted already. PgBouncer may then have to RESUME.
set -eu -o pipefail

usage() {
  cat <<'USAGE'
usage: router_failover.sh switch --node N --stop COMMAND [OPTION…] [-- OPTIONS OF router_config.sh]
       router_failover.sh fail --node N { --fence COMMAND | --fenced } [OPTION…] [-- OPTIONS OF router_config.sh]
       router_failover.sh check --node N [OPTION…]    what fail would lose if the primary were lost now
  --router CONNINFO       the router's database, as a superuser (default: as psql without arguments)
  --standby CONNINFO      the standby, as a user that may call pg_promote() (default: the node's read_conninfo)
  --conninfo CONNINFO     how clients reach it, without a user (default: the node's read_conninfo, else --standby)
  --read-conninfo CONNINFO  where searches go afterwards (default: to the new primary)
  --primary CONNINFO      the primary, as a member of pg_monitor (default: the node's conninfo)
  --stop COMMAND          stops the primary, returns when it has stopped (ssh db1 pg_ctl stop -m fast …)
  --fence COMMAND         makes sure that the lost primary is down and stays down
  --fenced                you have made sure of that yourself
  --primary-data DIR      data folder of the old primary, if it can be read here: what the standby lacks is
                          looked up in it
  --synchronous           the standby was synchronous: what it lacks was never acknowledged
  --allow-loss            go on, even if acknowledged sales may be lost
  --wait SECONDS          how long calls may wait in PgBouncer as planned (default: 9); then 08001
  --pgbouncer CONNINFO    console of one more PgBouncer of another router; may be repeated
  --then COMMAND          run once the router knows: for example router_config.sh on another router's
                          machine; may be repeated
  --dry-run               checks, and says what would be done
Exit status: 0 done; 1 done, but router_status() finds something wrong; 2 refused, or not done.
USAGE
}

say() { printf '%s\n' "$*"; }
step_no=0
step() { step_no=$((step_no + 1)); printf '%d. %s\n' "$step_no" "$*"; }
die() { printf 'router_failover.sh: %s\n' "$*" >&2; exit 2; }

what=${1:-} router='' node='' standby='' conninfo='' read_conninfo='' primary='' stop='' fence='' fenced='' primary_data='' synchronous='' allow_loss='' wait=9 dry_run=''
consoles=() then=() config=()
case $what in switch | fail | check) shift ;; --help | -h) usage; exit 0 ;; *) usage >&2; exit 2 ;; esac
while [ $# -gt 0 ]; do
  case $1 in
    --router | --node | --standby | --conninfo | --read-conninfo | --primary | --stop | --fence | --primary-data | --wait | --pgbouncer | --then)
      [ $# -gt 1 ] || die "$1 needs a value"
      case $1 in
        --pgbouncer) consoles+=("$2") ;;
        --then) then+=("$2") ;;
        *) name=${1#--}; printf -v "${name//-/_}" %s "$2" ;;
      esac
      shift 2
      ;;
    --fenced) fenced=yes; shift ;;
    --synchronous) synchronous=yes; shift ;;
    --allow-loss) allow_loss=yes; shift ;;
    --dry-run) dry_run=yes; shift ;;
    --) shift; config=("$@"); break ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
  esac
done
case $node in '' | *[!0-9]*) die '--node is the number of a node' ;; esac
case $wait in '' | *[!0-9]*) die '--wait is a number of seconds' ;; esac
[ "$what" != switch ] || [ -n "$stop" ] || die 'switch needs --stop COMMAND: a primary that goes on would sell as well'
[ "$what" != fail ] || [ -n "$fence$fenced" ] ||
  die 'fail needs --fence COMMAND, or --fenced if you have made sure that the old primary is down: a primary that comes back would sell seats again that the new one has sold'

# The router's own PgBouncer is where router_config.sh says that it is.
socket_dir=/var/run/postgresql port=6432
for ((i = 0; i + 1 < ${#config[@]}; i++)); do
  case ${config[i]} in --socket-dir) socket_dir=${config[i + 1]} ;; --port) port=${config[i + 1]} ;; esac
done
consoles=("host=$socket_dir port=$port dbname=pgbouncer user=pgbouncer" ${consoles[@]+"${consoles[@]}"})

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")    # a package calls it by a link
PATH=$here:$PATH
export PGAPPNAME=router_failover.sh PGCONNECT_TIMEOUT=${PGCONNECT_TIMEOUT:-3}
: "${router:=dbname=${PGDATABASE:-$(id -un)}}"
# sql CONNINFO [PSQL OPTION…]: the SQL of its standard input. A server that is frozen answers nothing.
sql() {
  { echo 'SET search_path = pg_catalog;' && cat; } | timeout "${limit:-10}" psql -X -w -q -A -t -v ON_ERROR_STOP=1 -d "$@"
}
# console COMMAND: in each PgBouncer.
console() {
  local one
  for one in "${consoles[@]}"; do timeout "${limit:-10}" psql -X -w -q -A -t -d "$one" -c "$1" >/dev/null || return 1; done
}

# ---------------------------------------------------------------------------
# What there is
# ---------------------------------------------------------------------------
schema=$(sql "$router" <<'SQL'
SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'ticketpool_router';
SQL
) || die 'the router cannot be reached'
[ -n "$schema" ] || die 'this database has no extension ticketpool_router: name the one that has it (--router dbname=…)'
# column NAME: of the node's row
column() { sql "$router" -v schema="$schema" -v column="$1" -v node="$node" <<<'SELECT :"column" FROM :schema.router_node WHERE node = :node;'; }
[ -n "$(column node)" ] || die "the router has no node $node"
known=$(column read_conninfo)
: "${primary:=$(column conninfo)}" "${conninfo:=${known:-$standby}}" "${standby:=$known}"
[ -n "$standby" ] || die "node $node has no read_conninfo: name its standby with --standby"

for value in "$conninfo" "$read_conninfo"; do
  [ -z "$value" ] || [ "$(sql "$router" -v value="$value" <<'SQL'
SELECT :'value' ~ $re$^\s*([A-Za-z_]+\s*=\s*('([^'\\]|\\.)*'|([^\s'\\]|\\.)*)(\s+|$))+$$re$ AND :'value' !~* '(^|\s)(user|password|passfile|service)\s*=' AND :'value' ~* '(^|\s)dbname\s*=';
SQL
  )" = t ] || die "the router's tables take keyword=value with a dbname and without user and password, not '$value': see --conninfo"
done

state=$(sql "$standby" <<<'SELECT pg_is_in_recovery();') || die "the standby of node $node cannot be reached: name with --standby how this user reaches it as one that may call pg_promote() (a password goes to ~/.pgpass)"
[ "$state" = t ] || [ "$what" = fail ] || die "the standby of node $node is not a standby"
# A primary that does not let this user in may sell all the same.
primary_lives() {
  local found=0
  pg_isready -q -t 5 -d "$primary" || found=$?
  case $found in 0 | 1) return 0 ;; 2) return 1 ;; *) die "'$primary' is not a connection string" ;; esac
}
primary_answers() { [ "$(limit=5 sql "$primary" <<<'SELECT 1;' 2>/dev/null || true)" = 1 ]; }
position() { sql "$standby" <<<'SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn());'; }
# has LSN: whether the standby has received everything up to there.
has() { [ "$(sql "$standby" -v lsn="$1" <<<"SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) >= :'lsn';")" = t ]; }
replayed() { [ "$(sql "$standby" <<<'SELECT coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true);')" = t ]; }
# await SECONDS COMMAND…: until it succeeds
await() {
  local until=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || return 1
    sleep 0.1
  done
}

# is_the_synchronous_one NAMES: whether this standby is the only one that they name, so that each
# acknowledged commit is on it.
is_the_synchronous_one() {
  local name
  name=$(sql "$standby" <<'SQL'
SELECT coalesce((SELECT (regexp_match(setting, $$application_name\s*=\s*'?([^'\s]+)$$))[1] FROM pg_settings WHERE name = 'primary_conninfo'),
  nullif(current_setting('cluster_name'), ''), 'walreceiver');
SQL
  ) || return 1
  case ${1//[\" ]/} in "$name" | "FIRST1($name)" | "ANY1($name)" | "1($name)") return 0 ;; *) return 1 ;; esac
}

# control_data FOLDER NAME: what the control file of a data folder says; nothing if it cannot be read.
control_data() { { LC_ALL=C pg_controldata -D "$1" 2>/dev/null || true; } | sed -n "s/^$2: *//p"; }

# count_lacking: how many transactions the lost primary has written to its log behind the place where
# the standby is. Where the log does not show that place, nobody can tell.
count_lacking() {
  local from segment_size high low segment timeline file dump transactions error
  from=$(sql "$standby" <<<'SELECT pg_last_wal_replay_lsn();')
  segment_size=$(control_data "$primary_data" 'Bytes per WAL segment')
  [ -n "$segment_size" ] || die "'$primary_data' is not a data folder that can be read"
  timeline=$(cd "$primary_data/pg_wal" && printf '%s\n' * | grep -xE '[0-9A-F]{24}' | cut -c 1-8 | sort | tail -n 1)
  high=$((16#${from%/*})) low=$((16#${from#*/}))
  segment=$((((high << 32) + low) / segment_size))
  file=$(printf '%s%08X%08X' "$timeline" $((segment / (0x100000000 / segment_size))) $((segment % (0x100000000 / segment_size))))
  if [ ! -r "$primary_data/pg_wal/$file" ]; then
    # The standby may be at the very end of the segment before.
    [ $((low % segment_size)) -ne 0 ] || { echo 0; return; }
    die "the log of the lost primary in '$primary_data' does not have what comes after $from"
  fi
  # Where the log ends, pg_waldump ends with an error. With any other error it has not read the log.
  dump=$({ LC_ALL=C pg_waldump -p "$primary_data/pg_wal" -t "$((16#$timeline))" -r Transaction -s "$from" 2>&1 || true; } |
    awk '/ desc: (COMMIT|PREPARE)/ { n++ } !/^rmgr: / && !/^$/ && !/^first record is after/ { error = $0 } END { print n + 0, error }')
  read -r transactions error <<<"$dump"
  case $error in
    '' | *'could not find a valid record after'* | *'error in WAL record'*) echo "$transactions" ;;
    *) die "the log of the lost primary cannot be read: $error" ;;
  esac
}

if [ "$what" != fail ]; then
  primary_answers || die "the primary of node $node does not answer: if it is down, fail is for that; else name with --primary how this user reaches it as a member of pg_monitor"
  [ "$(sql "$primary" <<<'SELECT pg_is_in_recovery();')" = f ] || die "the primary of node $node is a standby"
  ours=$(sql "$primary" <<<'SELECT system_identifier FROM pg_control_system();') || die 'pg_control_system() cannot be read'
  theirs=$(sql "$standby" <<<'SELECT system_identifier FROM pg_control_system();') || die 'pg_control_system() cannot be read'
  [ "$ours" = "$theirs" ] || die "the standby of node $node is a copy of another server"
  now=$(sql "$primary" <<<'SELECT pg_current_wal_flush_lsn();')
  await "$wait" has "$now" || [ -n "$allow_loss" ] || die "the standby of node $node does not follow: in $wait seconds it did not receive what the primary has by now"
fi

if [ "$what" = check ]; then
  names=$(sql "$primary" <<<'SHOW synchronous_standby_names;')
  if is_the_synchronous_one "$names"; then say "The standby of node $node follows, and each commit waits for it: fail loses nothing that was acknowledged."; exit 0; fi
  say "The standby of node $node follows, but commits do not wait for it (synchronous_standby_names = '$names'): fail could lose the last ones."
  exit 1
fi

if [ "$what" = fail ] && [ "$state" = t ] && [ -n "$fenced" ] && primary_lives; then
  die "the primary of node $node answers: it is not down. switch is for that"
fi

paused=''
resume() { [ -z "$paused" ] || { paused=''; console "RESUME node$node" || say "PgBouncer could not RESUME node$node: do it by hand" >&2; console RELOAD || true; }; }
trap resume EXIT
trap 'exit 2' INT TERM
if [ -n "$dry_run" ]; then
  if [ "$what" = switch ]; then say "would hold the calls for node $node in PgBouncer, stop its primary ($primary), promote its standby ($standby), and send clients to $conninfo"
  else say "would ${fence:+fence the primary ($fence), }promote the standby of node $node ($standby), and send clients to $conninfo"
  fi
  exit 0
fi

# ---------------------------------------------------------------------------
# The old primary goes
# ---------------------------------------------------------------------------
if [ "$what" = switch ]; then
  step "PgBouncer holds the calls for node $node; those that run come to their end"
  paused=yes
  console "SET query_wait_timeout = $wait" || die 'the console of PgBouncer cannot be reached'
  limit=15 console "PAUSE node$node" || die 'PgBouncer does not PAUSE'
  last=$(sql "$primary" <<<'SELECT pg_current_wal_flush_lsn();') || die 'the primary does not answer any more: nothing was stopped'
  await "$wait" has "$last" || [ -n "$allow_loss" ] || die "the standby does not follow: nothing was stopped"
  # Where the primary is on this machine, its control file says how far it got.
  folder=$(sql "$primary" <<<'SHOW data_directory;' 2>/dev/null || true)
  if [ -z "$primary_data" ] && [ -n "$folder" ] && [ "$(control_data "$folder" 'Database system identifier')" = "$ours" ]; then primary_data=$folder; fi
  step 'the primary is stopped'
  bash -c "$stop" </dev/null || die "--stop failed ($?): see whether the primary runs before anything else"
  if primary_lives; then die '--stop came back and the primary still answers: nothing was promoted'; fi
  # A server that stops sends its standbys all that it has; the standby shows that it came.
  if [ -n "$primary_data" ]; then
    [ "$(control_data "$primary_data" 'Database cluster state')" = 'shut down' ] || die "'$primary_data' was not shut down: nothing was promoted. fail is for that"
    last=$(control_data "$primary_data" 'Latest checkpoint location')
  fi
  await "$wait" has "$last" || [ -n "$allow_loss" ] || die "the standby has not received all that the primary has: nothing was promoted. Start the primary again"
else
  if [ -n "$fence" ]; then
    step 'the lost primary is fenced'
    bash -c "$fence" </dev/null || die "--fence failed ($?): nothing was promoted"
  fi
  if [ "$state" = t ]; then
    if primary_lives; then die "the primary of node $node answers: it is not fenced, and nothing was promoted"; fi
    step 'what the standby lacks'
    # What it has received it replays.
    await 60 replayed || true
    if [ -n "$primary_data" ]; then
      lacking=$(count_lacking) || exit 2
      names=$(postgres -D "$primary_data" -C synchronous_standby_names 2>/dev/null || true)
      if [ "$lacking" -eq 0 ]; then say '   nothing: it has every transaction that the lost primary has written'
      elif [ -n "$synchronous" ] || is_the_synchronous_one "$names"; then say "   $lacking of its transactions, none of them acknowledged: the standby is synchronous"
      elif [ -n "$allow_loss" ]; then say "   $lacking of its transactions, which are given up"
      else die "the standby lacks $lacking of the transactions of the lost primary, which may have been acknowledged: nothing was promoted. To give them up: --allow-loss"
      fi
    elif [ -n "$synchronous" ]; then say '   nothing that was acknowledged: it is synchronous'
    elif [ -n "$allow_loss" ]; then say '   unknown, and given up'
    else die 'nobody can tell whether the standby has every acknowledged sale: nothing was promoted. Name what the lost primary has on its disk (--primary-data), say that the standby was synchronous (--synchronous), or --allow-loss'
    fi
  fi
fi

# ---------------------------------------------------------------------------
# The standby comes
# ---------------------------------------------------------------------------
if [ "$state" = t ]; then
  step 'the standby is promoted'
  [ "$(limit=90 sql "$standby" <<<'SELECT pg_promote(true, 60);')" = t ] || die "the standby of node $node was not promoted"
else step 'the standby is promoted already'
fi
[ "$(sql "$standby" <<<'SELECT pg_is_in_recovery();')" = f ] || die "the standby of node $node still is a standby"

step 'the router and PgBouncer learn where the node is now'
# Not by router_node_add: it would ask the node, whose calls wait in PgBouncer until the end of this.
sql "$router" -v schema="$schema" -v node="$node" -v conninfo="$conninfo" -v read="$read_conninfo" <<'SQL' || die 'router_node could not be changed: call router_node_add, then router_config.sh'
UPDATE :schema.router_node SET conninfo = :'conninfo', read_conninfo = nullif(:'read', '') WHERE node = :node;
SQL
router_config.sh --router "$router" --no-check ${config[@]+"${config[@]}"} || die 'router_config.sh failed: run it again, then RESUME in PgBouncer'
for command in ${then[@]+"${then[@]}"}; do bash -c "$command" </dev/null || say "failed, run it again: $command" >&2; done
[ -z "$paused" ] || step 'the calls that waited go on'
resume
trap - EXIT
say "node $node is at: $conninfo"
router_config.sh --router "$router" --check || exit 1
