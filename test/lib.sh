# shellcheck shell=bash disable=SC2154
# What the scripts in this folder share. Sourced by bash, with the checkout as working directory.

pg_config=${PG_CONFIG:-pg_config}
jobs=$(nproc 2>/dev/null || echo 2)
# These scripts call make, and not as a part of the make that called them.
unset MAKEFLAGS MFLAGS MAKELEVEL

say() { printf '%s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# as_root COMMAND…: for the package manager and the installation only.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else say "Root must run this, and there is no sudo here: $*" >&2; return 1
  fi
}

# The server refuses to run as root. If root runs the tests or the demo, servers run as the user
# that the server package made.
server_user() {
  if [ "$(id -u)" -ne 0 ]; then id -un
  elif id -u postgres >/dev/null 2>&1; then echo postgres
  else echo nobody
  fi
}

# make_private_dir: makes a folder that belongs to the server's user. It is under /tmp, because that
# user may be unable to enter the checkout, and because a socket's path has room for 107 bytes.
make_private_dir() {
  private=$(mktemp -d /tmp/ticketpool.XXXXXX)
  mkdir "$private/tmp"
  give_private_dir
}
give_private_dir() { [ "$(id -u)" -ne 0 ] || chown -R "$(server_user)" "$private"; }

# as_server_user COMMAND…: runs it in the private folder, with nothing of the caller's environment.
as_server_user() {
  local become=()
  [ "$(id -u)" -ne 0 ] || become=(setpriv "--reuid=$(server_user)" "--regid=$(id -g "$(server_user)")" --init-groups)
  (cd "$private" && exec "${become[@]}" env -i HOME="$private" TMPDIR="$private/tmp" USER="$(server_user)" \
    PATH="$bindir:/usr/local/bin:/usr/bin:/bin" LANG=C.UTF-8 LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8 "$@" </dev/null)
}

# remove_private_dir: stops every server that still runs in it, and removes it.
remove_private_dir() {
  [ -n "${private:-}" ] && [ -d "$private" ] || return 0
  local pidfile
  find "$private" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
    as_server_user pg_ctl stop -s -D "$(dirname "$pidfile")" -m immediate >/dev/null 2>&1 || true
  done
  rm -rf "$private"
}

# install_extension: builds, and installs if the installed files differ.
install_extension() {
  make -s -j"$jobs" PG_CONFIG="$pg_config" || return 1
  local pkglibdir sharedir scriptdir
  pkglibdir=$("$pg_config" --pkglibdir) sharedir=$("$pg_config" --sharedir) scriptdir=$("$pg_config" --bindir)
  local script same=yes
  cmp -s ticketpool.so "$pkglibdir/ticketpool.so" || same=no
  for script in ticketpool*.control ticketpool*--*.sql; do
    cmp -s "$script" "$sharedir/extension/$(basename "$script")" || same=no
  done
  for script in src/tools/*.sh; do cmp -s "$script" "$scriptdir/$(basename "$script")" || same=no; done
  [ "$same" = yes ] || as_root make -s install PG_CONFIG="$pg_config" >/dev/null
}
