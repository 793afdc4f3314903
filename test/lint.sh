#!/usr/bin/env bash
# Checks which folder includes which, the format, the warnings of a second compiler, and static
# analysis. Of clang-format, clang, cppcheck and clang-tidy it uses those that are installed.
set -eu
cd "$(dirname "$0")/.."
. test/lib.sh
status=0
sources=(src/core/*.cpp src/pg/*.cpp src/pg/*/*.cpp)
headers=(include/ticketpool/*.hpp src/core/*.hpp src/pg/*/*.hpp src/pg/*.hpp)
# tool NAME ARGUMENTS…: runs the tool if it is installed.
tool() {
  if ! command -v "$1" >/dev/null; then say "$1: not installed, skipped"; return; fi
  say "$1"
  "$@" || status=1
}
say rooms
test/rooms.sh || status=1
tool clang-format --style=file --fallback-style=none --dry-run -Werror "${sources[@]}" "${headers[@]}"
# A build by clang finds what g++ does not warn of, in less than a tenth of clang-tidy's time.
tool clang++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Wno-register -Iinclude -Isrc/pg -isystem "$("$pg_config" --includedir-server)" "${sources[@]}"
tool clang++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -Iinclude test/unit/*.cpp test/fuzz/*.cpp
tool cppcheck --quiet --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
  -Iinclude --suppress=missingIncludeSystem --suppress='*:/usr/*' src/core include/ticketpool
tool clang-tidy --quiet src/core/*.cpp -- -std=c++20 -Iinclude
tool clang-tidy --quiet src/pg/*.cpp src/pg/*/*.cpp -- -std=c++20 -Iinclude -Isrc/pg -isystem "$("$pg_config" --includedir-server)"
exit "$status"
