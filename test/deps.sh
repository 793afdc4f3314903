#!/usr/bin/env bash
# Installs what is missing on a Debian or Ubuntu machine to build, show and test ticketpool. It
# first says what that is, and does nothing if nothing is missing. It makes and starts no database
# cluster, and leaves no service behind.
# usage: test/deps.sh [demo | web | router | bench | long | deb | dist | packages [--missing]]
#   demo       only what the demo needs
#   web        what the demo with a web shop needs: Node and its PostgreSQL client as well
#   router     what the demo with a router needs: PL/Proxy and PgBouncer as well
#   bench      what the bench needs, and what lets it measure more
#   long       what the tests need, and what the long tests need besides
#   deb, dist  what Debian packages are built with, and the archive for PGXN
#   packages   what bare systems are made with, to try the packages
#   --missing  only says what is missing
set -eu
cd "$(dirname "$0")/.."
. test/lib.sh

has_header() { printf '#include <%s>\n' "$1" | g++ -std=c++20 -E -x c++ - >/dev/null 2>&1; }
has_fuzzer() { printf 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n' | clang++ -fsanitize=fuzzer -x c++ - -o /dev/null; }
has_server() { [ -x "$("$pg_config" --bindir 2>/dev/null)/postgres" ]; }
# Debian's client package has the makefile of PGXS, but not the headers and pg_regress.
has_plproxy() { [ -f "$("$pg_config" --sharedir 2>/dev/null)/extension/plproxy.control" ]; }
has_pgxs() { [ -f "$("$pg_config" --pgxs 2>/dev/null)" ] && [ -f "$("$pg_config" --includedir-server 2>/dev/null)/postgres.h" ]; }

# Debian's node-pg does not fit a Node from elsewhere. There npm fetches the client, into build/node.
node_path=/usr/share/nodejs:/usr/lib/node_modules:/usr/local/lib/node_modules:$PWD/build/node/node_modules
has_node_module() { env NODE_PATH="$node_path" node -e 'require(process.argv[1])' "$1"; }
has_node() { node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; }
npm_install() { npm install --silent --no-audit --no-fund --ignore-scripts --prefix build/node "$@"; }

# need WHAT PACKAGE COMMAND…: notes WHAT as missing if the command fails.
need() { "${@:3}" >/dev/null 2>&1 || { what+=("$1"); packages+=("$2"); }; }

# find_missing: fills `what` (for people) and `packages` (for apt; PG stands for the server's major
# version).
find_missing() {
  what=() packages=()
  if [ "${1:-}" = dist ]; then need git git command -v git; return 0; fi
  if [ "${1:-}" = packages ]; then need debootstrap debootstrap command -v debootstrap; return 0; fi
  need 'a C++ compiler' g++ command -v g++
  need make make command -v make
  need 'a PostgreSQL server' postgresql-PG has_server
  need "its headers" postgresql-server-dev-PG has_pgxs
  need 'Boost headers' libboost-dev has_header boost/interprocess/managed_external_buffer.hpp
  [ "${1:-}" != demo ] || return 0
  if [ "${1:-}" = web ]; then
    need 'Node 18 or later' nodejs has_node
    need 'its PostgreSQL client' node-pg has_node_module pg
    return 0
  fi
  if [ "${1:-}" = router ]; then
    need PL/Proxy postgresql-PG-plproxy has_plproxy
    need PgBouncer pgbouncer [ -x /usr/sbin/pgbouncer ]
    return 0
  fi
  if [ "${1:-}" = bench ]; then need cmake cmake command -v cmake; return 0; fi
  if [ "${1:-}" = deb ]; then
    [ ! -e .git ] || need git git command -v git
    need 'xz' xz-utils command -v xz
    need 'the tools of Debian packages' build-essential command -v dpkg-buildpackage
    need debhelper debhelper command -v dh
    need 'the tools of PostgreSQL packages' postgresql-server-dev-all command -v pg_buildext
    return 0
  fi
  [ ! -e .git ] || need git git command -v git
  need cmake cmake command -v cmake
  need GoogleTest libgtest-dev has_header gtest/gtest.h
  need prove perl command -v prove
  need 'Perl IPC::Run' libipc-run-perl perl -MIPC::Run -e 1
  if [ "${1:-}" = long ]; then
    need clang clang command -v clang++
    need libFuzzer libclang-rt-dev has_fuzzer
    need 'a compiler for ARM' g++-aarch64-linux-gnu command -v aarch64-linux-gnu-g++
    need 'an emulator of ARM' qemu-user-static command -v qemu-aarch64-static
  fi
}

# client_wishes: what the tests can do without. They say what they leave out.
client_wishes() {
  what=() packages=()
  need PL/Proxy postgresql-PG-plproxy has_plproxy
  need PgBouncer pgbouncer [ -x /usr/sbin/pgbouncer ]
  need 'a Python client' python3-psycopg2 /usr/bin/python3 -c 'import psycopg2'
  need 'a Node client' node-pg has_node_module pg
  need SQLAlchemy python3-sqlalchemy /usr/bin/python3 -c 'import sqlalchemy'
  need libpqxx libpqxx-dev has_header pqxx/version.hxx
  # Half a gigabyte: a JDK, Go and a browser are installed for the long tests only. JDK and Go are used where they are there.
  ! command -v javac >/dev/null || need pgjdbc libpostgresql-jdbc-java [ -f /usr/share/java/postgresql.jar ]
  ! command -v go >/dev/null || need 'a Go client' golang-github-lib-pq-dev [ -d /usr/share/gocode/src/github.com/lib/pq ]
}
long_wishes() {
  client_wishes
  need 'a browser' chromium [ -x /usr/bin/chromium ]
  need 'what drives the browser' npm:playwright-core@1.65.1 has_node_module playwright-core
  command -v javac >/dev/null || need pgjdbc libpostgresql-jdbc-java [ -f /usr/share/java/postgresql.jar ]
  need 'a JDK' default-jdk-headless command -v javac
  need Go golang-go command -v go
  command -v go >/dev/null || need 'a Go client' golang-github-lib-pq-dev [ -d /usr/share/gocode/src/github.com/lib/pq ]
}

# bench_wishes: what the bench can do without. It says what it leaves out. Redis is installed
# without its service: redis-tools has the server's program.
bench_wishes() {
  what=() packages=()
  need 'Google Benchmark' libbenchmark-dev has_header benchmark/benchmark.h
  need gnuplot gnuplot-nox command -v gnuplot
  need Redis redis-tools command -v redis-benchmark
  need perf linux-perf command -v perf
  need Valgrind valgrind command -v valgrind
}

# The server that pg_config names; else the newest that is installed; if there is none, the one of
# this release of the system.
server_major() {
  local installed
  if has_server; then "$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'; return; fi
  # shellcheck disable=SC2012
  installed=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | cut -d/ -f5 | sort -n | tail -1)
  if [ -n "$installed" ]; then echo "$installed"
  else LC_ALL=C apt-cache policy postgresql | sed -n 's/^ *Candidate: \([0-9]*\).*/\1/p'
  fi
}

# Benches and tests run without these, so it is not a failure if they cannot be installed. Nothing
# is tried without the rights to install, and no package twice. PL/Proxy's package depends on the
# server's, so this comes after what is needed.
install_wishes() {
  "$1"
  [ ${#packages[@]} -gt 0 ] && command -v apt-get >/dev/null || return 0
  [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || return 0
  mkdir -p build
  touch build/deps.failed
  local package untried=()
  packages=("${packages[@]/-PG/-$(server_major)}")
  for package in "${packages[@]}"; do grep -qx "$package" build/deps.failed || untried+=("$package"); done
  [ ${#untried[@]} -gt 0 ] || return 0
  say "Installing with apt-get or npm, if they can: ${untried[*]}"
  apt update >build/deps.log 2>&1 || true
  for package in "${untried[@]}"; do
    install_packages "$package" >>build/deps.log 2>&1 || { say "not installed: $package (not tried again: see build/deps.failed)"; echo "$package" >>build/deps.failed; }
  done
}

# install_packages PACKAGE…: one of npm is named npm:PACKAGE, and comes alone. PgBouncer's package
# starts a service on port 6432, now and at each boot. Only the program is needed.
install_packages() {
  case " $* " in
    ' npm:'*) command -v npm && npm_install "${1#npm:}"; return ;;
    ' node-pg ') apt install --no-install-recommends node-pg || { command -v npm && npm_install pg@8.16.3; }; return ;;
    *' node-pg '*)
      local package others=()
      for package in "$@"; do [ "$package" = node-pg ] || others+=("$package"); done
      install_packages "${others[@]}" && install_packages node-pg
      return ;;
  esac
  case " $* " in *' pgbouncer '*) ;; *) apt install --no-install-recommends "$@"; return ;; esac
  local no_services=/usr/sbin/policy-rc.d
  if [ ! -e "$no_services" ]; then
    undo+=("$no_services")
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$no_services" >/dev/null
    as_root chmod +x "$no_services"
  fi
  apt install --no-install-recommends "$@" && as_root update-rc.d pgbouncer disable
}

undo=()    # files that exist only during an installation
trap '[ ${#undo[@]} -eq 0 ] || as_root rm -f "${undo[@]}"' EXIT
apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null; }

# install_missing [demo | web | router | bench | long | deb | dist | packages [--missing]]
install_missing() {
  find_missing "${1:-}"
  [ ${#what[@]} -gt 0 ] || return 0
  local list log=build/deps.log major policy
  list=$(printf '%s, ' "${what[@]}")
  say "Missing on this machine: ${list%, }."
  [ "${2:-}" != --missing ] || exit 0
  command -v apt-get >/dev/null || die "Please install them: this script knows Debian and Ubuntu only."
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || die "Please run 'make deps' as root: there is no sudo here."

  mkdir -p build
  # An archive that cannot be reached is not a reason to stop: what matters is whether the packages
  # are found.
  apt update >"$log" 2>&1 || true
  major=$(server_major)
  [ "${major:-0}" -ge 15 ] || die "ticketpool needs PostgreSQL 15 or later; this release offers '${major:-none}'. See https://wiki.postgresql.org/wiki/Apt"
  packages=("${packages[@]/-PG/-$major}")
  say "Installing with apt-get: ${packages[*]}"

  # The server package makes a cluster 'main' and starts it on port 5432, unless it is told not to. It
  # is told so for this installation only.
  policy=/etc/postgresql-common/createcluster.d/ticketpool-deps.conf
  case " ${packages[*]} " in *" postgresql-$major "*)
    undo+=("$policy")
    as_root mkdir -p "${policy%/*}"
    echo 'create_main_cluster = false' | as_root tee "$policy" >/dev/null
  esac
  install_packages "${packages[@]}" >>"$log" 2>&1 || { tail -n 20 "$log" >&2; die "apt-get failed; its output is in $log"; }

  find_missing "${1:-}"
  [ ${#what[@]} -eq 0 ] || die "Still missing: ${what[*]}. Is '$pg_config' the one of the server to use (PG_CONFIG=…)?"
}

install_missing "$@"
[ "${2:-}" != --missing ] || exit 0
case "${1:-}" in
  bench) install_wishes bench_wishes ;;
  demo | web | router | deb | dist | packages) ;;
  long) install_wishes long_wishes ;;
  *) install_wishes client_wishes ;;
esac
