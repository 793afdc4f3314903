#!/usr/bin/env bash
# Makes the archive for PGXN: build/ticketpool-VERSION.zip, with all tracked files. Nothing that make
# builds has to be in it: that takes awk and a compiler.
# usage: src/packaging/dist.sh     (make dist)
set -eu -o pipefail
cd "$(dirname "$0")/../.."
. test/lib.sh
. src/packaging/source.sh
test/deps.sh dist
is_checkout || die 'make dist needs a git checkout: only that knows which files belong to the source.'
name=ticketpool-$(release)
mkdir -p build
archive_source zip "$name" >"build/$name.zip.new"
mv "build/$name.zip.new" "build/$name.zip"
[ -z "$(uncommitted)" ] || say "With changes that are not committed: $(uncommitted | wc -l) files."
say "Made build/$name.zip ($(du -h "build/$name.zip" | cut -f1)). To install it: pgxn install ./build/$name.zip"
