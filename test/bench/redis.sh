# shellcheck shell=bash disable=SC2154
# The peer that is not PostgreSQL: Redis, one thread, a Lua script (peers/redis.lua), driven by
# redis-benchmark. Its rows are redis_hot and redis_spread; synchronous_commit on means appendfsync
# always, off means everysec. Sourced by run.sh and group.sh.

redis() { as_server_user redis-cli -s "$private/redis.sock" "$@"; }

# redis_binary: the server's name. Debian's redis-tools has the server as redis-check-rdb, which
# acts as the server when called by the server's name; so no service has to be installed and
# started.
redis_binary() {
  if command -v redis-server >/dev/null; then command -v redis-server
  elif command -v redis-check-rdb >/dev/null && command -v redis-benchmark >/dev/null; then
    ln -sf "$(command -v redis-check-rdb)" "$private/redis-server" && echo "$private/redis-server"
  else return 1
  fi
}

# start_redis: false, with a line that says why, if there is no Redis.
start_redis() {
  local binary version tries=100
  binary=$(redis_binary) || { say 'skipped: redis_hot, redis_spread (no redis-server here: make deps-bench)'; return 1; }
  version=$("$binary" --version | sed 's/.*v=\([0-9]*\).*/\1/')
  [ "$version" -ge 7 ] || { say "skipped: redis_hot, redis_spread (they need Redis 7, not $version)"; return 1; }
  mkdir "$private/redis"
  give_private_dir
  as_server_user "$binary" --port 0 --unixsocket "$private/redis.sock" --dir "$private/redis" --appendonly yes --save '' --auto-aof-rewrite-percentage 0 \
    --daemonize yes --pidfile "$private/redis.pid" --logfile "$private/redis.log" >/dev/null
  until [ "$(redis ping 2>/dev/null)" = PONG ]; do
    [ $((tries -= 1)) -gt 0 ] || { say 'skipped: redis_hot, redis_spread (it did not start)'; return 1; }
    sleep 0.1
  done
  redis_script=$(redis script load "$(cat test/bench/peers/redis.lua)")
}

stop_redis() { [ ! -e "$private/redis.sock" ] || redis shutdown nosave >/dev/null 2>&1 || true; }

redis_counters() {
  redis info persistence | tr -d '\r' | sed -n 's/^aof_current_size://p' | tr '\n' ' '
  redis get refused | sed 's/^$/0/'
}

# redis_slice REPEAT ROW CLIENTS COMMIT: redis-benchmark counts calls, not seconds, so it makes as many as the last slice had in this time.
declare -A redis_rate
redis_slice() {
  local mode rate=${redis_rate[$2,$3,$4]:-1500} wanted aof_before refused_before aof refused
  mode=$([ "$4" = on ] && echo always || echo everysec)
  wanted=$((rate * seconds > 500 ? rate * seconds : 500))
  redis config set appendfsync "$mode" >/dev/null
  [ "$2" = redis_spread ] || redis incr hot_base >/dev/null
  read -r aof_before refused_before < <(redis_counters)
  as_server_user redis-benchmark -s "$private/redis.sock" --csv -n "$wanted" -c "$3" -r 1000000000 evalsha "$redis_script" 0 \
    "${2#redis_}" __rand_int__ __rand_int__ __rand_int__ __rand_int__ "$today" >"$private/redis_benchmark.csv" 2>"$private/redis_benchmark.log" ||
    { cat "$private/redis_benchmark.log" >&2; die 'redis-benchmark failed.'; }
  read -r aof refused < <(redis_counters)
  tail -n 1 "$private/redis_benchmark.csv" | tr -d '"' | awk -F, -v OFS=, -v head="$1,$2,$3,$4" -v calls="$wanted" -v wal=$((aof - aof_before)) \
    -v sold=$((refused - refused_before)) '{ print head, calls, $(NF - 6), $(NF - 5), $(NF - 3), $(NF - 1), wal, sold, 0 }' >>"$out/slices.csv"
  redis_rate[$2,$3,$4]=$(tail -n 1 "$out/slices.csv" | cut -d, -f6 | cut -d. -f1)
}

# check_redis: as "what|count", like check.sql.
check_redis() { [ ! -e "$private/redis.sock" ] || redis --eval "$private/peers/redis_check.lua"; }
