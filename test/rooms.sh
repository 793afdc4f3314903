#!/usr/bin/env bash
# The rooms of src/pg: a folder includes only folders below it, and folders of one rank never include
# each other. Prints each include that breaks this as "FILE includes FILE", each folder without a
# rank and each base name that two files have; fails if it prints any.
set -eu
cd "$(dirname "$0")/../src/pg"

# Folder, rank. What is in src/pg itself is wiring, above them all.
ranks='server 1  router 2  pool 2  tables 3  load 4  purchase 5  tickets 6  items 6  follow 6  waits 7  monitor 8  worker 8  nodes 8  gtfs 8  amend 8  . 9'

# Headers of the core and of the server have no folder of ours. One of ours without its folder, or by
# a relative path, would go unseen, so that is an error.
includes=$(grep -rnoE '^#include "[^"]+"' --include='*.?pp' . | sed -E 's|^\./||; s|:[0-9]+:#include "| |; s|"$||')
found=$(
  awk -v ranks="$ranks" -v headers="$(find . -mindepth 2 -name '*.hpp' -printf '%f ')" '
    function folder(file) { return file ~ /\// ? substr(file, 1, index(file, "/") - 1) : "." }
    BEGIN {
      n = split(ranks, word, " +"); for (i = 1; i < n; i += 2) rank[word[i]] = word[i + 1]
      n = split(headers, word, " "); for (i = 1; i <= n; i++) ours[word[i]] = 1
    }
    { from = folder($1); to = folder($2) }
    !(from in rank) && !told[from]++ { print "src/pg/" from " has no rank in test/rooms.sh" }
    $2 in ours || $2 ~ /^\.\.?\// { print "src/pg/" $1 " includes " $2 " without its folder" }
    $2 ~ /\.hpp$/ && to in rank && from != to && rank[to] >= rank[from] { print "src/pg/" $1 " includes src/pg/" $2 }
  ' <<<"$includes"
  # The server prints only the base name of the file of an error.
  find . ../core -name '*.cpp' -printf '%f\n' | sort | uniq -d | sed 's/$/: two files have this name/'
)
[ -z "$found" ] || { printf '%s\n' "$found"; exit 1; }
