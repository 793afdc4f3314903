# shellcheck shell=bash disable=SC2154
# The server of a benchmark of sales, and the check of what was sold on it. Sourced by run.sh and
# group.sh after server.sh.

# The pgbench scripts: those of sql, and the templates of peers for each peer.
make_scripts() {
  local peer template item=100
  mkdir "$private/scripts"
  cp test/bench/sql/*.sql "$private/scripts/"
  for peer in mask split exclude; do
    for template in buy remaining sold_out; do
      sed "s/@PEER@/$peer/" "test/bench/peers/$template.sql.in" >"$private/scripts/${peer}_$template.sql"
    done
  done
  for peer in counter advisory parts; do
    item=$((item + 1))
    sed "s/@PEER@/$peer/; s/@ITEM@/$item/" test/bench/peers/item.sql.in >"$private/scripts/$peer.sql"
  done
  give_private_dir
}

# set_up SPREAD: a server on which all rows can be measured; peers have SPREAD departures for spread sales. Sets today.
set_up() {
  start_server 1GB
  make_scripts
  sql -f sql/setup.sql
  sql -v "spread=$1" -f peers/setup.sql
  sql -f sql/items.sql
  today=$(sql -c 'SELECT CURRENT_DATE')
}

# describe RUN: the machine and the run, in a line.
describe() {
  printf '%s, %s cores of %s, Linux %s, fsync on; %s, %s\n\n' "$("$pg_config" --version)" "$(nproc)" \
    "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" "$(uname -r)" "$1" "$(date +%F)"
}

# expected ROWS: tickets for which clients of these rows (a regular expression) had an answer, less
# those refused. Each file counts them in its own way; not every run has a sold.csv.
expected() {
  local files=("$out/slices.csv" "$out/instructions.csv")
  [ ! -e "$out/sold.csv" ] || files+=("$out/sold.csv")
  awk -F, -v rows="^($1)$" 'FNR == 1 { file++; next }
    file == 1 && $2 ~ rows { n += $5 - $11 } file == 2 && $1 ~ rows { n += $2 - $4 } file == 3 && $1 ~ rows { n += $2 }
    END { print n + 0 }' "${files[@]}"
}

# check: what the tables say after the run.
check() {
  local wrong=0 what count wanted
  {
    sql -v "today=$today" -f sql/check.sql || wrong=1
    sql -f peers/check.sql || wrong=1
    sql -f sql/check_items.sql || wrong=1
    check_redis || wrong=1
  } >"$private/check.txt"
  while IFS='|' read -r what count; do
    case $what in
      'order rows') wanted=$(expected 'buy_.*|hold_confirm') ;;
      'items: order rows of item') wanted=$(expected 'item_buy(_many_1000|_group)?') ;;
      'items: order rows of '*) wanted=$(expected "item_${what##* }") ;;
      'redis: order rows') wanted=$(expected 'redis_.*') ;;
      'peers: order rows of '*) wanted=$(expected "${what##* }_(hot|spread)") ;;
      *) wanted= ;;
    esac
    [ -z "$wanted" ] || { what="$what, of $wanted purchases acknowledged: difference"; count=$((count - wanted)); }
    [ "$count" -eq 0 ] || wrong=1
    printf '%s: %s\n' "$what" "$count"
  done <"$private/check.txt"
  return $wrong
}
