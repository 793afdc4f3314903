# Builds a script of the extension from its parts. The Makefile calls it:
#   awk -f build.awk version=V PART…             for CREATE EXTENSION: the parts, one after the other
#   awk -f build.awk version=V step=FILE PART…   for ALTER EXTENSION … UPDATE: the step, with what it
#                                                takes from the parts
# A paragraph of a part (blank lines separate them) declares one object, comments on it and grants
# rights on it. A step takes
#   \new KIND NAME…       the declarations of these objects, with their rights
#   \changed KIND NAME…   the CREATE OR REPLACE alone, for objects that were there before: REVOKE would
#                         take rights from users that they were granted, and REVOKE or GRANT would make
#                         the users' own grants part of the extension, and pg_dump would omit them
# KIND is function, view or trigger. A function that did not change is not taken: CREATE OR REPLACE
# would undo the settings that users gave it (ALTER FUNCTION … SET).
# The step to the present version ends with all comments of the parts.

function fail(message) { print message >"/dev/stderr"; exit 1 }

function read_part(file,    paragraph, statement, words, i) {
  while ((getline paragraph <file) > 0) {
    all = all paragraph "\n\n"
    paragraphs[++count] = paragraph
    # CREATE [OR REPLACE] KIND [@extschema@.]NAME
    statement = paragraph
    while (sub(/^--[^\n]*\n/, "", statement)) continue
    split(statement, words, /[ (\n]+/)
    i = words[2] == "OR" ? 4 : 2
    if (words[1] != "CREATE") continue
    sub(/^@extschema@\./, "", words[i + 1])
    declares[count] = tolower(words[i]) " " words[i + 1]
  }
  close(file)
}

# The paragraph without its comments, and for an object that was there before only its first statement.
function part_of(paragraph, verb,    lines, n, i, inside, text) {
  n = split(paragraph, lines, "\n")
  for (i = 1; i <= n; i++) {
    if (lines[i] ~ /^COMMENT ON /) inside = 1
    if (!inside) text = text lines[i] "\n"
    if (!inside && lines[i] ~ /;$/ && verb == "\\changed") break
    if (lines[i] ~ /;$/) inside = 0
  }
  return text
}

# put(LINES): with an end of line or without, and never two blank lines in a row.
function put(text) {
  sub(/\n$/, "", text)
  if (text == "" && last == "") return
  print text
  last = text
}

function take(verb, kind, name,    i, found) {
  for (i = 1; i <= count; i++)
    if (declares[i] == kind " " name) {
      put(part_of(paragraphs[i], verb))
      put("")
      found = 1
    }
  if (!found) fail(step ": no part declares " kind " " name)
  if (taken[kind, name]++) fail(step ": takes " kind " " name " twice")
}

function print_comments(    lines, n, i, inside) {
  n = split(all, lines, "\n")
  for (i = 1; i <= n; i++) {
    if (lines[i] ~ /^COMMENT ON /) inside = 1
    if (inside) print lines[i]
    if (lines[i] ~ /;$/) inside = 0
  }
}

BEGIN {
  for (i = 1; i < ARGC; i++) {
    if (ARGV[i] ~ /^version=/) version = substr(ARGV[i], 9)
    else if (ARGV[i] ~ /^step=/) step = substr(ARGV[i], 6)
    else parts[++part_count] = ARGV[i]
  }
  RS = ""
  for (i = 1; i <= part_count; i++) read_part(parts[i])
  RS = "\n"
  from = step
  sub(/.*\//, "", from)
  sub(/\.sql$/, "", from)
  to = from
  sub(/.*--/, "", to)
  sub(/--.*/, "", from)
  print "/* ticketpool " (step ? from " to " to : version) \
    ": built by make from sql/extension. Edit the parts there, not this file. */\n"
  statement = step ? "ALTER EXTENSION" : "CREATE EXTENSION"
  print "-- complain if script is sourced in psql rather than via " statement
  print "\\echo Use \"" statement " ticketpool" (step ? " UPDATE TO '" to "'" : "") \
    "\" to load this file. \\quit\n"
  if (!step) {
    printf "%s", all
    exit
  }
  while ((status = (getline line <step)) > 0) {
    n = split(line, words, " ")
    if (words[1] == "\\new" || words[1] == "\\changed")
      for (i = 3; i <= n; i++) take(words[1], words[2], words[i])
    else put(line)
  }
  if (status < 0) fail("cannot read " step)
  if (to == version) {
    put("")
    put("-- What the objects are for")
    print_comments()
  }
}
