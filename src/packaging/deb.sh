#!/usr/bin/env bash
# Builds the Debian packages with Debian's own tools, for each PostgreSQL from 15 on of which server
# and headers are installed. The result is in build/deb: the packages, and the source package from
# which others can build them.
#
# src/packaging/debian is the folder debian/ of the source package. The packages are built as the
# server's user in a folder of its own, because a server runs in there: the packages are tried before
# they are done.
# usage: src/packaging/deb.sh     (make deb)
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. src/packaging/source.sh
test/deps.sh deb
out=build/deb
version=$(release)
bindir=/usr/local/bin    # as_server_user looks for programs there first

# The versions, a line each, and on standard error what is left out.
versions() {
  local config major
  for config in /usr/lib/postgresql/*/bin/pg_config; do
    major=${config#/usr/lib/postgresql/} major=${major%%/*}
    if [ "$major" -lt 15 ] || [ ! -x "${config%/*}/postgres" ]; then continue
    elif [ -f "/usr/include/postgresql/$major/server/postgres.h" ]; then echo "$major"
    else say "No package for PostgreSQL $major: its headers (postgresql-server-dev-$major) are not installed." >&2
    fi
  done
}
mapfile -t majors < <(versions)
[ ${#majors[@]} -gt 0 ] || die 'No PostgreSQL from Debian or apt.postgresql.org is here: packages are built for these only.'

# A package that was built on an older release of the system sorts first, so that an upgrade of the
# system replaces it.
release_suffix() { (. /etc/os-release && printf '%s' "${VERSION_ID:+~${ID:-linux}$VERSION_ID}"); }

make_private_dir
trap remove_private_dir EXIT
trap 'exit 1' INT TERM
tree=$private/ticketpool-$version
say "Building packages of ticketpool $version for PostgreSQL ${majors[*]}"
archive_source tar "ticketpool-$version" | xz -0 >"$private/ticketpool_$version.orig.tar.xz"
tar -C "$private" -xf "$private/ticketpool_$version.orig.tar.xz"
cp -R "$tree/src/packaging/debian" "$tree/debian"
sed -i "1s/(\([^)]*\))/(\1$(release_suffix))/" "$tree/debian/changelog"
give_private_dir
mkdir -p build
as_server_user env PG_SUPPORTED_VERSIONS="${majors[*]}" DEB_BUILD_OPTIONS="parallel=$jobs ${DEB_BUILD_OPTIONS:-}" sh -c \
  'cd "$1" && pg_buildext updatecontrol && dpkg-buildpackage -us -uc' sh "$tree" >build/deb.log 2>&1 ||
  { tail -n 60 build/deb.log >&2; die 'Building the packages failed; all of it: build/deb.log'; }

rm -rf "$out"
mkdir -p "$out"
find "$private" -maxdepth 1 -type f -name '*ticketpool*' -exec cp -t "$out" {} +
[ -n "$(ls "$out"/*.deb)" ] || die 'No package was built.'
[ -z "$(is_checkout && uncommitted)" ] || say "With changes that are not committed: $(uncommitted | wc -l) files."
for package in "$out"/*.deb; do say "$package"; done
server=$(echo "$out/postgresql-${majors[-1]}-ticketpool_"*.deb)
say "Built ${#majors[@]} package(s) of the extension, for PostgreSQL ${majors[*]}, and ticketpool-router. To install: sudo apt install ./$server (then see doc/packages.md)"
