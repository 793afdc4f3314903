#!/usr/bin/env bash
# Tries the packages in bare Debian systems, each made by debootstrap and thrown away afterwards: make
# dist, make deb, lintian, autopkgtest; then what doc/packages.md says, command by command: install,
# upgrade, remove, PGXN. Prints TAP. Root only. What is tested is the last commit.
#
# The systems have mounts, processes and shared memory of their own (unshare), so whatever runs in
# them ends with them.
# usage: test/packages.sh [bookworm | trixie …]       (default: both)
#   DEBIAN_MIRROR   where they come from (default: http://deb.debian.org/debian)
# The bare systems are kept in build/packages for the next run, with the logs, what was fetched and
# what was compiled (ccache).
set -eu -o pipefail
cd "$(dirname "$0")/.."
. test/lib.sh
. src/packaging/source.sh
here=$PWD work=$PWD/build/packages mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
version=$(release)

# ---------------------------------------------------------------------------------------------------
# Bare systems. Everything from here to the tests runs in namespaces of its own
# ---------------------------------------------------------------------------------------------------
in_root() {
  chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+http_proxy="$http_proxy"} "$@"
}
in_shell() { in_root bash -eu -o pipefail -c "$1"; }

# make_base: the bare system of a release, as a tar. Nothing is asked, and nothing is compiled yet.
make_base() {
  local target=$work/$suite.new
  rm -rf "$target"
  debootstrap --variant=minbase --include=ca-certificates "$suite" "$target" "$mirror" || { cat "$target/debootstrap/debootstrap.log"; return 1; }
  {
    printf 'deb %s %s main\n' "$mirror" "$suite"
    printf 'deb %s %s-updates main\n' "$mirror" "$suite"
    printf 'deb %s-security %s-security main\n' "$mirror" "$suite"
  } >"$target/etc/apt/sources.list"
  printf 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\nDpkg::Use-Pty "false";\n' >"$target/etc/apt/apt.conf.d/90test"
  echo force-unsafe-io >"$target/etc/dpkg/dpkg.cfg.d/90test"
  apt-config dump | grep -iE '^Acquire::https?::Proxy' >"$target/etc/apt/apt.conf.d/91proxy" || true
  tar -C "$target" --one-file-system -cf "$work/$suite.tar.new" . && mv "$work/$suite.tar.new" "$work/$suite.tar"
  rm -rf --one-file-system "$target"
}

# new_root: a bare system, in $root. The mounts belong to this namespace, so they end with it.
new_root() {
  remove_root "$root"
  mkdir "$root"
  tar -C "$root" -xf "$work/$suite.tar"
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/dev/shm"
  mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
  # What was fetched for one of the systems is there for the next.
  mkdir -p "$work/$suite.archives/partial"
  mount --bind "$work/$suite.archives" "$root/var/cache/apt/archives"
  in_root apt-get update -q
}
# allow_services: packages start and restart their services, as where there is an init.
allow_services() {
  printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d"
  chmod +x "$root/usr/sbin/policy-rc.d"
}
# add_compiler [SETTING]: one that compiles nothing twice, as whoever it is called.
add_compiler() {
  in_root apt-get install -q g++ ccache
  mkdir -p "$work/$suite.ccache" "$root/var/cache/ccache"
  chmod 777 "$work/$suite.ccache"
  mount --bind "$work/$suite.ccache" "$root/var/cache/ccache"
  printf '%s\n' 'cache_dir = /var/cache/ccache' 'umask = 000' "$@" >"$root/etc/ccache.conf"
  ln -s /usr/bin/ccache "$root/usr/local/bin/g++"
}
# remove_root FOLDER: stops what runs in it, and removes it.
remove_root() {
  local process mounted
  for process in /proc/[0-9]*; do
    if [ "$(readlink "$process/root" 2>/dev/null)" = "$1" ]; then kill -9 "${process#/proc/}" 2>/dev/null || true; fi
  done
  for mounted in var/cache/ccache var/cache/apt/archives dev/shm dev/pts dev proc; do umount -l "$1/$mounted" 2>/dev/null || true; done
  rm -rf --one-file-system "$1"
}

# ---------------------------------------------------------------------------------------------------
# Tests
# ---------------------------------------------------------------------------------------------------
# test_that NAME COMMAND…: one line of TAP. What the command prints goes to the log; its end is shown if
# it fails. Then the rest of the chain makes no sense, and is not tried.
test_that() {
  local name="$suite: $1" log start=$SECONDS result
  shift
  if [ -n "$broken" ]; then printf '# not tried: %s\n' "$name"; return; fi
  number=$((number + 1))
  log=$work/$suite.$number.log
  # A command that is part of a condition goes on after an error, in spite of set -e. So this is none,
  # and nor is any call of this function.
  set +e
  (set -e; "$@") >"$log" 2>&1 </dev/null
  result=$?
  set -e
  if [ "$result" -eq 0 ]; then printf 'ok %d - %s (%d s)\n' "$number" "$name" $((SECONDS - start)); return; fi
  printf 'not ok %d - %s\n' "$number" "$name"
  tail -n 40 "$log" | sed 's/^/#   /'
  broken=yes status=1
}
# chain NAME: what follows is on this system, and is tried whatever failed before.
chain() { root=$work/$suite.$1 broken=''; }

# steps NAME: the commands of doc/packages.md under this name, for this release's PostgreSQL.
steps() { awk -v name="$1" '$0 == "```sh " name { on = 1; next } /^```/ { on = 0 } on' doc/packages.md | sed "s/^version=15 .*/version=$major/"; }
# follow NAME: as a reader would, in the folder with the packages.
follow() { in_shell "cd /srv/packages; version=$major; set -x; $(steps "$1")"; }
sql() { in_root sudo -u postgres psql -X -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }
is() { [ "$1" = "$2" ] || { printf "'%s', not '%s'\n" "$1" "$2"; return 1; }; }
shows() { grep -q -- "$1" "$2" || { printf 'no "%s" in %s\n' "$1" "$2"; return 1; }; }
server_pid() { head -n 1 "$root/var/lib/postgresql/$major/main/postmaster.pid"; }
configuration() { (cd "$root/etc/postgresql" && find . -type f -exec md5sum {} + | sort); }

# Where packages are built: git, make and a compiler, and no more.
prepare_builder() {
  new_root
  add_compiler
  in_root apt-get install -q git make
  our_git clone -q --no-hardlinks "$here" "$root/root/ticketpool"
}
build_packages() {
  rm -rf "$work/$suite.packages"
  in_shell 'cd /root/ticketpool && make deb'
  cp -R "$root/root/ticketpool/build/deb" "$work/$suite.packages"
  ls "$work/$suite.packages/postgresql-$major-ticketpool_$version-"*.deb "$work/$suite.packages/ticketpool-router_$version-"*.deb
}
make_archive() {
  in_shell 'cd /root/ticketpool && make dist'
  cp "$root/root/ticketpool/build/ticketpool-$version.zip" "$work/$suite.packages/"
}
run_lintian() {
  in_root apt-get install -q lintian
  in_shell 'cd /root/ticketpool/build/deb && lintian --allow-root --fail-on error,warning --info *.changes'
}
run_autopkgtest() {
  in_root apt-get install -q autopkgtest
  in_shell 'cd /root/ticketpool/build/deb && autopkgtest --no-built-binaries *.changes -- null'
}

# Where they are installed.
prepare_user() {
  new_root
  in_root apt-get install -q sudo
  allow_services
  mkdir -p "$root/srv/packages"
}
# older_package: the same with a lower version, as if it had been released before.
older_package() {
  local package
  package=$(echo "$work/$suite.packages/postgresql-$major-ticketpool_$version-"*.deb)
  in_root apt-get install -q dpkg
  rm -rf "$work/$suite.older"
  dpkg-deb -R "$package" "$work/$suite.older"
  sed -i 's/^Version: .*/Version: 0.2.9-1/' "$work/$suite.older/DEBIAN/control"
  dpkg-deb -b --root-owner-group "$work/$suite.older" "$root/srv/packages/postgresql-$major-ticketpool_0.2.9-1_$(dpkg --print-architecture).deb"
  rm -rf "$work/$suite.older"
}
install_quietly() {
  in_root apt-get install -q postgresql
  local before pid
  before=$(configuration) pid=$(server_pid)
  in_shell 'apt-get install -q /srv/packages/*.deb' | tee "$work/$suite.install.log"
  is "$(configuration)" "$before"
  is "$(server_pid)" "$pid"
  shows "pg_conftool $major main set shared_preload_libraries 'ticketpool' && pg_ctlcluster $major main restart" "$work/$suite.install.log"
}
first_ticket() {
  follow install | tee "$work/$suite.first.log"
  shows '^ *[0-9]* | 1 *| [12][A-F]$' "$work/$suite.first.log"
  is "$(sql trains 'SELECT count(*) FROM ticket_order')" 1
}
buy() { sql "$1" "SELECT count(*) FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 8)"; }
# A database with an older version of the extension, for the upgrade.
make_older() {
  sql postgres 'CREATE DATABASE older'
  sql older "CREATE EXTENSION ticketpool VERSION '0.2'"
  sql older "INSERT INTO ticket_station VALUES ('VNP', 'a'), ('AOH', 'b')"
  sql older "INSERT INTO ticket_stop VALUES ('G1', 1, 'VNP', NULL, '09:00'), ('G1', 2, 'AOH', '13:48', NULL)"
  sql older "INSERT INTO ticket_formation VALUES ('short', '1', 'second', '{1A,1B,1C,1D,1F}')"
  # The library sells with tables of its own version only.
  if sql older "SELECT ticket_open('G1', CURRENT_DATE, 'short')" 2>"$work/$suite.older.log"; then return 1; fi
  shows 'Run ALTER EXTENSION ticketpool UPDATE' "$work/$suite.older.log"
}
upgrade_package() {
  rm "$root"/srv/packages/*.deb
  cp "$work/$suite.packages/postgresql-$major-ticketpool_$version-"*.deb "$root/srv/packages/"
  local pid
  pid=$(server_pid)
  in_shell 'apt-get install -q /srv/packages/*.deb' | tee "$work/$suite.upgrade.log"
  is "$(server_pid)" "$pid"
  shows "cluster $major/main uses the old library until it is restarted" "$work/$suite.upgrade.log"
  is "$(buy trains)" 1
}
upgrade_extension() {
  follow upgrade
  sql older 'ALTER EXTENSION ticketpool UPDATE'
  is "$(sql older "SELECT extversion FROM pg_extension WHERE extname = 'ticketpool'")" "${version%.*}"
  sql older "SELECT ticket_open('G1', CURRENT_DATE, 'short')"
  is "$(buy trains) $(buy older)" '1 1'
  is "$(sql older 'SELECT count(*) FROM ticket_order') $(sql trains 'SELECT count(*) FROM ticket_order')" '1 3'
  is "$(sql older 'SELECT count(*) FROM ticket_verify()') $(sql trains 'SELECT count(*) FROM ticket_verify()')" '0 0'
}
# Taken away and given back: the tables can be read meanwhile. With another library in front, the
# package names both.
remove_too_early() {
  in_root apt-get remove -q "postgresql-$major-ticketpool" | tee "$work/$suite.remove.log"
  shows "cluster $major/main loads ticketpool at its start, and will not start without it" "$work/$suite.remove.log"
  is "$(sql trains 'SELECT count(*) FROM ticket_order')" 3
  in_root pg_conftool "$major" main set shared_preload_libraries pg_stat_statements
  in_root pg_ctlcluster "$major" main restart
  is "$(sql trains 'SELECT count(*) FROM ticket_order')" 3
  in_shell 'apt-get install -q /srv/packages/*.deb' | tee "$work/$suite.again.log"
  shows "set shared_preload_libraries 'pg_stat_statements,ticketpool'" "$work/$suite.again.log"
  in_root pg_conftool "$major" main set shared_preload_libraries pg_stat_statements,ticketpool
  in_root pg_ctlcluster "$major" main restart
  is "$(buy trains)" 1
  is "$(sql trains 'SELECT count(*) FROM ticket_verify()')" 0
}
purge() {
  sql postgres 'DROP DATABASE older'
  follow remove
  is "$(sql postgres 'SELECT 1')" 1
  is "$(in_shell "dpkg-query -W -f '\${Package} ' '*ticketpool*' 2>/dev/null || true")" ''
  # Debian's log of installations and the packages' own files are the only ones of this name.
  is "$(find "$root" -xdev -iname '*ticketpool*' ! -path "$root/srv/packages/*" ! -path "$root/proc/*")" ''
}
try_router_tools() {
  local folder=$root/srv/router
  mkdir "$folder"
  cp "$work/$suite.packages/ticketpool-router_$version-"*.deb "$folder/"
  in_shell 'apt-get install -q /srv/router/*.deb'
  rm -r "$folder"
  in_root ticketpool-router-config --help
  in_root ticketpool-router-failover --help
  in_root apt-get purge -q ticketpool-router
}

install_from_pgxn() {
  new_root
  add_compiler 'hash_dir = false'    # pgxn builds in a folder that has another name each time
  in_root apt-get install -q sudo
  allow_services
  mkdir -p "$root/srv/packages"
  cp "$work/$suite.packages/ticketpool-$version.zip" "$root/srv/packages/"
  follow pgxn
}
sell_from_pgxn() {
  # As above, but the package is there already.
  in_shell "cd /srv/packages; version=$major; set -x; $(steps install | grep -v 'apt install')" | tee "$work/$suite.pgxn.log"
  shows '^ *[0-9]* | 1 *| [12][A-F]$' "$work/$suite.pgxn.log"
}

tests_of() {
  suite=$1 number=0 status=0
  case $suite in bookworm) major=15 ;; trixie) major=17 ;; *) die "No such release here: $suite (bookworm, trixie)" ;; esac
  chain none
  if [ ! -f "$work/$suite.tar" ]; then test_that 'a bare system is made' make_base; fi
  [ -z "$broken" ] || return 0
  chain builder
  test_that 'a machine with git, make and a compiler' prepare_builder
  test_that 'make deb' build_packages
  test_that 'make dist' make_archive
  if [ -z "$broken" ]; then
    test_that 'lintian finds nothing' run_lintian
    chain builder
    test_that 'autopkgtest' run_autopkgtest
  fi
  remove_root "$root"
  [ -f "$work/$suite.packages/ticketpool-$version.zip" ] || return 0
  chain user
  test_that 'a machine with nothing' prepare_user
  test_that 'an older package' older_package
  test_that 'installing changes no configuration and restarts nothing' install_quietly
  test_that 'to the first ticket' first_ticket
  test_that 'a database of an older version' make_older
  test_that 'a new package: the server goes on selling' upgrade_package
  test_that 'after the restart the extension is updated' upgrade_extension
  test_that 'removed too early, and back' remove_too_early
  test_that 'the tools for a router' try_router_tools
  test_that 'purged, nothing is left' purge
  remove_root "$root"
  chain pgxn
  test_that 'pgxn installs the archive' install_from_pgxn
  test_that 'and it sells' sell_from_pgxn
  remove_root "$root"
}

if [ "${1:-}" = --inside ]; then
  tests_of "$2"
  exit "$status"
fi
[ "$(id -u)" -eq 0 ] || die 'Only root can make and enter other systems: sudo make test-packages'
test/deps.sh packages
mkdir -p "$work"
[ -z "$(is_checkout && uncommitted)" ] || say '# The last commit is tested, without the changes since.'
[ $# -gt 0 ] || set -- bookworm trixie
status=0
for release in "$@"; do
  unshare --mount --mount-proc --pid --fork --ipc --kill-child bash test/packages.sh --inside "$release" || status=1
done
exit "$status"
