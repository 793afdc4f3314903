# shellcheck shell=bash disable=SC2034,SC2154
# The web shop of make demo-web: the demo's trains and a trickle of buyers in doc/examples/web.
# Sourced by demo.sh.

# start_program NAME COMMAND…: in the background, as the server's user, until stop_shop. Nothing of
# it keeps the caller's terminal or pipe.
start_program() {
  # shellcheck disable=SC2016
  as_server_user sh -c 'setsid "$@" >"$0.log" 2>&1 & echo $! >"$0.pid"' "$@"
}

# stop_shop: ends what start_program has started; never a process that got the number of one.
stop_shop() {
  [ -n "${private:-}" ] || return 0
  local file pid
  for file in "$private"/*.pid; do
    [ -f "$file" ] || continue
    pid=$(cat "$file")
    ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$private" || kill "$pid" 2>/dev/null || true
  done
}

# start_site NAME PORT: a program of the shop, at this port or, if that is in use, at another one; says where.
start_site() {
  local port=$2 address='' tries=0
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then port=0; fi
  start_program "$1" env PGHOST="$private" PGDATABASE=demo PORT="$port" SHOP_FROM=VNP SHOP_TO=AOH \
    NODE_PATH="/usr/share/nodejs:/usr/lib/node_modules:/usr/local/lib/node_modules:$private/node/node_modules" node "$private/web/$1.js"
  until [ -n "$address" ]; do
    sleep 0.1
    address=$(sed -n "s/^$1: \(http:.*\)/\1/p" "$private/$1.log" 2>/dev/null || true)
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || { cat "$private/$1.log" >&2; die "The $1 program did not start."; }
  done
  printf -v "$1" %s "$address"
}

# show_shop: the whole of make demo-web.
show_shop() {
  local shop operations begun=$SECONDS
  step "A private server: $("$pg_config" --version), in a folder of its own, no TCP port"
  # Its trains are Chinese: so are its days, and a train that has left is not sold any more.
  conf="timezone = 'Asia/Shanghai'"
  start_server
  cp -R doc/examples/web "$private/web"
  [ ! -d build/node ] || cp -R build/node "$private/node"
  give_private_dir
  sql -c 'CREATE EXTENSION ticketpool' -v dir=data -f data/load_sample.sql
  sql -v days=15 -v margin='5 min' -f data/open_sample.sql >/dev/null
  sql -f demo/setup.sql -f web/shop.sql
  wishes=$(value 'SELECT count(*) FROM demo_wish')
  sql -v stations=data/small_jinghu_stations.csv -f demo/web.sql
  seconds=4 sell -c 4 -f demo/buy.sql
  # Somebody buys or brings back a ticket every second, for a day.
  start_program buyers pgbench -n -h "$private" -U seller -D wishes="$wishes" -R 2 -T 86400 -f demo/buy.sql@3 -f demo/refund.sql@2 demo
  start_site shop "${SHOP_PORT:-8080}"
  start_site operations "${OPERATIONS_PORT:-8081}"
  echo "$private" >"$remembered"
  step "Open this in a browser:   $shop"
  say "  what the pool does:     $operations"
  say "  the database:           psql -h $private -U postgres demo"
  say '  make demo-stop          when you are done'
}
