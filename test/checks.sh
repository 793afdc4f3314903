#!/usr/bin/env bash
# Checks what no other suite sees: exported symbols, where exceptions may be thrown and caught, the
# includes of the pure core, one version everywhere. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
number=0 status=0

# check NAME FOUND: fails if FOUND, which should not be there, is not empty.
check() {
  number=$((number + 1))
  if [ -z "$2" ]; then printf 'ok %d - %s\n' "$number" "$1"
  else status=1; printf 'not ok %d - %s\n' "$number" "$1"; printf '%s\n' "$2" | sed 's/^/#   /'
  fi
}
same() { [ "$1" = "$2" ] || printf "'%s', not '%s'" "$1" "$2"; }

check 'the library is built' "$([ -f ticketpool.so ] || echo 'no ticketpool.so')"
check 'the library exports its magic, _PG_init and our prefixes only' \
  "$(nm -D --defined-only ticketpool.so | awk '{ print $NF }' |
     grep -vE '^(Pg_magic_func|_PG_init|(pg_finfo_)?(ticket|item|ticketpool|router)_[a-z0-9_]+)$' || true)"
check 'every SQL function has its symbol' \
  "$(grep -hoE "^CREATE (OR REPLACE )?FUNCTION @extschema@\.[a-z_]+" sql/extension/functions.sql | sed 's/.*\.//' | sort -u |
     comm -23 - <(nm -D --defined-only ticketpool.so | awk '{ print $NF }' | sort))"

# An exception that crosses the server's frames skips the server's clean-up, so arena.cpp alone may
# throw and catch.
check 'nothing outside arena.cpp throws or catches' \
  "$(for object in src/core/*.o src/pg/*.o src/pg/*/*.o; do
       [ "$object" = src/core/arena.o ] ||
         nm -u "$object" | awk -v o="$object" '/__cxa_(throw|rethrow|allocate_exception|begin_catch)|_ZSt[0-9]+__throw_/ { print o ": " $NF }'
     done)"
check 'the core includes nothing of PostgreSQL' \
  "$(grep -nE '#include *[<"](postgres|fmgr|c\.h|utils/|storage/|access/|miscadmin|libpq)' -r include src/core || true)"

check 'a folder of src/pg includes only folders below it' "$(test/rooms.sh || true)"

check 'doc/architecture.md has a line on every file of src/pg, and on no other' \
  "$(diff <(sed -n '/^## The map of src\/pg/,/^## The map of src\/core/s/^| `\([a-z_]*\)\(\.[ch]pp\)*`.*/\1/p' doc/architecture.md | sort) \
     <(find src/pg -name '*.?pp' -printf '%f\n' | sed 's/\.[ch]pp$//' | sort -u) | grep '^[<>]' || true)"

check 'every .cpp begins with a line on what it is for' \
  "$(find src test/unit test/fuzz -name '*.cpp' | while read -r file; do
       line=$(head -n 1 "$file"); case $line in '// See '*.) echo "$file: $line" ;; '// '*) ;; *) echo "$file: $line" ;; esac
     done)"

check 'every source file that a comment or a page names is there' \
  "$({ grep -rhE '//' src include test --include='*.?pp' | sed 's|.*//||'; cat ./*.md doc/*.md doc/*/*.md
      grep -rhE '^ *(--|#)' sql test --include='*.sql' --include='*.p[lm]' --include='*.sh' --include='*.spec'; } |
     grep -oE '\b[a-z_]+\.[ch]pp\b' | sort -u | comm -23 - <(find src include test doc -name '*.?pp' -printf '%f\n' | sort -u))"

check 'links of the pages lead somewhere' "$(perl test/links.pl ./*.md doc/*.md doc/*/*.md)"

# What ereport raises, by number. 25006 and 3F000 are the server's own, and what follows a FATAL or a WARNING is
# for the log.
raised() {
  awk 'FNR == NR { if ($1 == "#define" && $2 ~ /^ERRCODE_/) { n = $3 $4 $5 $6 $7; gsub(/MAKE_SQLSTATE|[^0-9A-Z]/, "", n); of[$2] = n } next }
       { while (match($0, /errcode\(ERRCODE_[A-Z0-9_]+\)/)) { print of[substr($0, RSTART + 8, RLENGTH - 9)]; $0 = substr($0, RSTART + RLENGTH) } }' \
    "$("${PG_CONFIG:-pg_config}" --includedir-server)/utils/errcodes.h" <(cat src/pg/*/*.cpp) | grep -vE '^(01000|08006|53000|53400)$'
  sed -n "s/.* kError.* = MAKE_SQLSTATE(\(.*\));/\1/p" src/pg/server/errors.hpp | tr -d "', "
  printf '%s\n' 25006 3F000
}
check 'doc/reference/errors.md has every SQLSTATE that the sources raise, and no other' \
  "$(diff <(raised | sort -u) <(sed -n 's/^| `\([0-9A-Z]\{5\}\)` |.*/\1/p' doc/reference/errors.md | sort -u) | grep '^[<>]' || true)"

# The server calls callbacks in the reverse order of their registration. If several files registered
# them, the order of lines elsewhere would matter.
check 'one file registers transaction callbacks, once each' \
  "$(same "$(grep -hoE 'Register(Sub)?XactCallback' src/pg/transaction.cpp | sort | tr '\n' ' ')" 'RegisterSubXactCallback RegisterXactCallback '
     grep -nE 'Register(Sub)?XactCallback' -r src --include='*.?pp' | grep -v '^src/pg/transaction.cpp:' || true)"
check 'one header has the classes of advisory locks' \
  "$(grep -n 'SET_LOCKTAG_ADVISORY' -r src --include='*.?pp' | grep -vE '^src/pg/server/(advisory_locks.hpp|stop_point.cpp):' || true)"

release=$(sed -n '/"meta-spec"/q; s/^ *"version": "\([^"]*\)".*/\1/p' META.json | sort -u)
version=${release%.*}
check 'META.json has one version' "$(same "$(printf '%s\n' "$release" | wc -l)" 1)"
check 'ticketpool.control has it' "$(same "$(sed -n "s/^default_version = '\(.*\)'/\1/p" ticketpool.control)" "$version")"
check 'the library has it' "$(same "$(sed -n 's/.* kVersion = "\(.*\)";/\1/p' src/pg/server/catalog.hpp)" "$version")"
check 'CHANGELOG.md begins with it' "$(same "$(sed -n '/^## /{s/^## \([^ ]*\).*/\1/p;q}' CHANGELOG.md)" "$release")"
check 'the Debian package has it' "$(same "$(sed -n '1s/^ticketpool (\(.*\)-[^-]*) .*/\1/p' src/packaging/debian/changelog)" "$release")"
check 'a step of the update leads to it' "$(ls sql/extension/update/*--"$version".sql >/dev/null 2>&1 || echo 'none does')"
check 'META.json is as PGXN wants it, and names files that exist' "$(perl test/meta.pl 2>&1)"
check 'what make dist gives away has all that make needs' "$(test/given_away.sh 2>&1)"
check 'the scripts of the extension are built, from what their parts are now' \
  "$(make -q PG_CONFIG="${PG_CONFIG:-pg_config}" "ticketpool--$version.sql" "ticketpool_router--$version.sql" $(cd sql/extension/update && ls -- *.sql | sed 's/^/ticketpool--/') 2>/dev/null || echo 'run make')"
# The step to 0.2 also declares item_refund and ticket_pool_stat as they were then: the step to 0.3
# replaces them.
check 'functions are declared in functions.sql alone' \
  "$(grep -rnE 'CREATE (OR REPLACE )?FUNCTION' sql/extension --include='*.sql' | grep -vE '^sql/extension/(functions.sql:|router/|update/0.1--0.2.sql:.*(item_refund\(order_id bigint\)|ticket_pool_stat\())' || true)"

# The server's client package has the makefile of PGXS and no headers. Many machines are like that
# before the first build.
without_headers=$(mktemp -d)
trap 'rm -rf "$without_headers"' EXIT
printf '#!/bin/sh\ncase $1 in --includedir-server) echo %s ;; *) exec %s "$@" ;; esac\n' "$without_headers" "$(command -v "${PG_CONFIG:-pg_config}")" \
  >"$without_headers/pg_config"
chmod +x "$without_headers/pg_config"
check 'make without the server headers names make deps' \
  "$(make -n all PG_CONFIG="$without_headers/pg_config" 2>&1 | grep -q 'make deps' || echo 'it does not')"
check 'make deps finds them missing' \
  "$(PG_CONFIG="$without_headers/pg_config" test/deps.sh demo --missing | grep -q 'its headers' || echo 'it does not')"
printf '1..%d\n' "$number"
exit "$status"
