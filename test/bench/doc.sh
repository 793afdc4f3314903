#!/usr/bin/env bash
# Puts what the last run of the kit measured into doc/bench.
# usage: make bench-doc
set -eu
cd "$(dirname "$0")/../.."
. test/lib.sh
[ -d build/bench ] || die "Nothing is measured yet: make bench"
mkdir -p doc/bench
for file in build/bench/*.md build/bench/*.csv build/bench/*.svg; do
  case $file in */'*'* | */ratios.csv | */router.csv) ;; *) cp "$file" doc/bench/; say "doc/bench/${file##*/}" ;; esac
done
