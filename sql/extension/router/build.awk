# Builds the script of ticketpool_router. The Makefile calls it:
#   awk -f build.awk version=V parts=sql/extension
# Order: tables.sql, the composite types of the nodes' tables, link.sql, the twins of the nodes'
# functions (twins.list), admin.sql. Types and twins are taken from the parts of ticketpool, so that
# no declaration exists twice: a paragraph of a part declares one object, comments on it and grants
# rights on it.

function fail(message) { print message >"/dev/stderr"; failed = 1; exit 1 }

# Fills paragraph[KIND NAME] with the paragraphs of a part.
function read_part(file,    text, statement, words, i, read) {
  RS = ""
  while ((read = (getline text <file)) > 0) {
    statement = text
    while (sub(/^--[^\n]*\n/, "", statement)) continue
    split(statement, words, /[ (\n]+/)
    i = words[2] == "OR" ? 4 : 2
    if (words[1] != "CREATE") continue
    sub(/^@extschema@\./, "", words[i + 1])
    paragraph[tolower(words[i]) " " words[i + 1]] = statement
  }
  RS = "\n"
  if (read < 0) fail("cannot read " file)
  close(file)
}

function copy_part(file,    line, read) {
  while ((read = (getline line <file)) > 0) print line
  if (read < 0) fail("cannot read " file)
  close(file)
  print ""
}

# The composite type that has the columns of a table, without defaults and constraints.
function print_row_type(name,    text, lines, n, i, line, columns, comment) {
  text = paragraph["table " name]
  if (text == "") fail("no part declares table " name)
  n = split(text, lines, "\n")
  for (i = 2; i <= n && lines[i] !~ /^\)/; i++) {
    line = lines[i]
    if (line ~ /^ *(PRIMARY KEY|UNIQUE|CHECK|CONSTRAINT) /) continue
    sub(/ +(NOT NULL|PRIMARY KEY|DEFAULT|CHECK|GENERATED).*$/, "", line)
    sub(/,? *$/, "", line)
    columns = columns (columns == "" ? "" : ",\n") line
  }
  print "CREATE TYPE @extschema@." name " AS (\n" columns "\n);"
  print "COMMENT ON TYPE @extschema@." name " IS 'a row of the table of this name on a node';\n"
}

function print_type(name) {
  if (!(("type " name) in paragraph)) fail("no part declares type " name)
  print paragraph["type " name] "\n"
}

function print_twin(name, symbol,    text) {
  text = paragraph["function " name]
  if (text == "") fail("no part declares function " name)
  sub(/^CREATE OR REPLACE/, "CREATE", text)
  if (!sub(/AS 'MODULE_PATHNAME'(, '[a-z_]+')? LANGUAGE C/, "AS 'MODULE_PATHNAME', '" symbol "' LANGUAGE C SECURITY DEFINER", text))
    fail("cannot make a twin of " name)
  print text "\n"
}

BEGIN {
  for (i = 1; i < ARGC; i++) {
    if (ARGV[i] ~ /^version=/) version = substr(ARGV[i], 9)
    else if (ARGV[i] ~ /^parts=/) parts = substr(ARGV[i], 7)
  }
  read_part(parts "/tables.sql")
  read_part(parts "/functions.sql")
  print "/* ticketpool_router " version ": built by make from sql/extension. Edit the parts there, not this file. */\n"
  print "-- complain if script is sourced in psql rather than via CREATE EXTENSION"
  print "\\echo Use \"CREATE EXTENSION ticketpool_router\" to load this file. \\quit\n"
  copy_part(parts "/router/tables.sql")
  print "-- Rows and requests, as on a node\n"
  print_row_type("ticket_order")
  print_row_type("ticket_wait")
  print_row_type("item_order")
  print_row_type("item_inventory")
  print_type("ticket_request")
  print_type("item_request")
  copy_part(parts "/router/link.sql")
  print "-- The functions of a node\n"
  while ((read = (getline line <(parts "/router/twins.list"))) > 0) {
    if (line ~ /^#/ || line ~ /^ *$/) continue
    split(line, word, / +/)
    print_twin(word[1], word[2])
  }
  if (read < 0) fail("cannot read twins.list")
  copy_part(parts "/router/admin.sql")
}
