#!/usr/bin/env bash
# Prints what the source that make dist gives away lacks: it is unpacked, and compared with what make
# has built here, without compiling it again. Prints nothing if it has everything.
# usage: test/given_away.sh     after make
set -eu -o pipefail
cd "$(dirname "$0")/.."
. test/lib.sh
. src/packaging/source.sh
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
archive_source tar source | tar -x -C "$copy"

# What was compiled here. Objects of sources that have gone since may lie about.
compiled() { for object in src/core/*.o src/pg/*.o src/pg/*/*.o; do [ ! -f "${object%.o}.cpp" ] || echo "${object%.o}"; done; }

# Every file that the compiler has read here, besides the system's.
compiled | sed 's/$/.d/' | xargs cat | grep -oE '\b(src|include)/[a-z0-9_/]+\.[ch]pp\b' | sort -u |
  while read -r file; do [ -f "$copy/source/$file" ] || say "$file is included, and is not there"; done

# What make would do there, without doing it: it says what it has no rule for.
make -n -C "$copy/source" all install PG_CONFIG="$pg_config" DESTDIR="$copy/installed" >"$copy/plan" 2>&1 || grep '\*\*\*' "$copy/plan"
diff <(grep -oE '[^ ]*/[a-z_]+\.cpp' "$copy/plan" | sort -u) <(compiled | sed 's/$/.cpp/' | sort -u) |
  sed -n 's/^> \(.*\)/\1 is compiled, and is not there/p; s/^< \(.*\)/\1 is there, and is not compiled here/p' || true

# The scripts of the extensions, which make builds from parts that the Makefile does not all name.
scripts=(ticketpool--*.sql ticketpool_router--*.sql)
make -s -C "$copy/source" "${scripts[@]}" PG_CONFIG="$pg_config" >"$copy/scripts" 2>&1 || tail -n 3 "$copy/scripts"
for script in "${scripts[@]}"; do cmp "$script" "$copy/source/$script" 2>&1 || true; done
