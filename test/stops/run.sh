#!/usr/bin/env bash
# Runs tests on a PostgreSQL that has ./ticketpool.so instead of the installed library. A server finds its library folder by where
# its program is, so an installation elsewhere is a copy of the programs, and links to all the rest.
# usage: test/stops/run.sh BINDIR PKGLIBDIR SHAREDIR COMMAND…   (the command gets --bindir)
set -eu
bindir=$1 pkglibdir=$2 sharedir=$3 root=$PWD/installation
shift 3
mkdir -p "$root$bindir" "$root$pkglibdir" "$(dirname "$root$sharedir")"
cp "$bindir"/{postgres,initdb,pg_ctl,psql} "$root$bindir/"
ln -s "$pkglibdir"/* "$root$pkglibdir/"
ln -s "$sharedir" "$root$sharedir"
mv -f ticketpool.so "$root$pkglibdir/ticketpool.so"
exec "$@" --bindir="$root$bindir"
