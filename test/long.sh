# shellcheck shell=bash disable=SC2154
# The suites that take too long for make test. Sourced by test/run.
#   LONG_SECONDS  how long the soak and each fuzzer run
#   LONG_SEEDS    how often each model test runs, each time with another seed
long_seconds=${LONG_SECONDS:-600}
long_seeds=${LONG_SEEDS:-5}

# Sessions, crashes and failing clients all at once.
long_soak() {
  tap_suite soak test/t/040_soak.pl TICKETPOOL_SOAK_MINUTES=$(((long_seconds + 59) / 60))
}

# Random operations against plain models: seats, orders and their life, items, stop lists, trips, feeds, prepared
# transactions.
models() {
  local seed status=0
  for ((seed = 0; seed < long_seeds; seed++)); do
    tap models 'test/t/006_model.pl test/t/014_life_model.pl test/t/015_item_model.pl test/t/029_stops_model.pl test/t/028_trips_model.pl test/t/031_prepared_model.pl test/t/053_gtfs_model.pl' TICKETPOOL_SEED=$RANDOM$RANDOM || status=1
  done
  return $status
}
long_models() { suite models count_tap models; }

# All regression and isolation tests, the models and the crowds, with every session handing its
# purchases to the cashier wherever it may.
long_grouped() {
  local options='-c ticketpool.group_sale=always'
  regress_suite all-regress env PGOPTIONS="$options"
  isolation_suite all-isolate env PGOPTIONS="$options"
  tap_suite all-tap "$(echo test/t/0[0-4]*.pl test/t/05*.pl)" TICKETPOOL_CONF="ticketpool.group_sale = 'always'"
  tap_suite all-crash test/t/078_group_crash.pl TICKETPOOL_ROUNDS=$((long_seconds / 15))
}

# Many servers: longer random models, and several rounds of kills.
long_router() {
  tap_suite router "$(echo test/t/0[67][0-9]_router*.pl)" TICKETPOOL_OPS="$((long_seconds * 5))"
}

# The example shop in a browser.
long_browser() {
  tap_suite browser test/t/091_web_shop.pl TICKETPOOL_BROWSER=1
}

long_sqlfuzz() {
  tap_suite sqlfuzz test/t/050_fuzz.pl TICKETPOOL_FUZZ_SECONDS="$long_seconds"
}

# The core under libFuzzer. It counts as one test: so many inputs, and none about which core and
# model disagree.
fuzz_core() {
  local build=build/fuzz log=build/fuzz/log status=0
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++ -DTICKETPOOL_FUZZ=ON -DTICKETPOOL_TESTS=OFF \
    -DTICKETPOOL_BENCHMARKS=OFF && cmake --build "$build" -j "$jobs" && mkdir -p "$build/corpus" || return 1
  "$build/core_fuzz" -max_total_time="$long_seconds" -max_len=1500 -print_final_stats=1 -artifact_prefix="$build/" "$build/corpus" >"$log" 2>&1 || status=1
  tail -n 60 "$log"
  [ "$status" -eq 0 ] || printf 'not '
  printf 'ok 1 - the core agrees with its models for %d inputs\n' "$(awk '/number_of_executed_units/ { print $2 }' "$log")"
  return $status
}
long_fuzz() { suite fuzz count_tap fuzz_core; }

# The kernels of AVX-512 as they are, on any x86-64: clang takes their intrinsics apart, and the
# result is compiled for AVX2.
avx512() {
  local build=build/avx512 status=0
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++ -DTICKETPOOL_TESTS=OFF -DTICKETPOOL_BENCHMARKS=OFF &&
    cmake --build "$build" -j "$jobs" &&
    clang++ -std=c++20 -O1 -Iinclude -fno-exceptions -DTICKETPOOL_ASSUME_AVX512 -S -emit-llvm src/core/kernels.cpp -o "$build/kernels.ll" &&
    grep -q '+avx512bw' "$build/kernels.ll" &&
    sed -i -E 's/\+avx512[a-z0-9]*,?//g; s/,"/"/; s/"min-legal-vector-width"="512"/"min-legal-vector-width"="0"/' "$build/kernels.ll" &&
    clang++ -O1 -c "$build/kernels.ll" -o "$build/kernels.o" &&
    clang++ -std=c++20 -O1 -Iinclude -DTICKETPOOL_ASSUME_AVX512 test/unit/kernels_test.cpp "$build/kernels.o" "$build/libticketpool_core.a" \
      -lgtest -lgtest_main -o "$build/tests" || return 1
  "$build/tests" >"$build/tests.log" 2>&1 || status=1
  cat "$build/tests.log"
  sed -n 's/^\[       OK \] \(.*\) (.*/ok - \1/p; s/^\[  FAILED  \] \(.*\) (.*/not ok - \1/p' "$build/tests.log"
  return $status
}
long_avx512() {
  if [ "$(uname -m)" = x86_64 ]; then suite avx512 count_findings avx512; else say 'left out: avx512 (for x86-64)'; fi
}

# The core's unit tests on ARM, cross-compiled and emulated. The emulator on x86-64 does not reorder
# what ARM's memory may reorder.
arm() {
  local build=build/arm gtest=/usr/src/googletest/googletest
  rm -rf "$build" && mkdir -p "$build/include" && ln -s /usr/include/boost "$build/include/boost" || return 1
  (cd "$build" && aarch64-linux-gnu-g++ -O1 -c -I"$gtest" -I"$gtest/include" "$gtest/src/gtest-all.cc" "$gtest/src/gtest_main.cc" &&
    ar rcs libgtest.a gtest-all.o && ar rcs libgtest_main.a gtest_main.o) || return 1
  cmake -S . -B "$build" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    -DCMAKE_CXX_FLAGS="-isystem $PWD/$build/include" -DCMAKE_EXE_LINKER_FLAGS=-static -DCMAKE_CROSSCOMPILING_EMULATOR="$(command -v qemu-aarch64-static)" \
    -DGTEST_INCLUDE_DIR="$gtest/include" -DGTEST_LIBRARY="$PWD/$build/libgtest.a" -DGTEST_MAIN_LIBRARY="$PWD/$build/libgtest_main.a" \
    -DTICKETPOOL_BENCHMARKS=OFF &&
    cmake --build "$build" -j "$jobs" && ctest --test-dir "$build" --output-on-failure --no-tests=error --timeout 600 -j "$jobs"
}
long_arm() { suite arm count_ctest arm; }

# Makes every query parallel that can be. The setting was renamed in PostgreSQL 16.
long_parallel() {
  local mode=force_parallel_mode setting
  [ "$("$pg_config" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')" -lt 16 ] || mode=debug_parallel_query
  local parallel=("$mode=on" parallel_setup_cost=0 parallel_tuple_cost=0 min_parallel_table_scan_size=0 min_parallel_index_scan_size=0)
  local options='' lines=''
  for setting in "${parallel[@]}"; do options+=" -c $setting" lines+="$setting;"; done
  regress_suite par-regress env PGOPTIONS="$options"
  isolation_suite par-isolate env PGOPTIONS="$options"
  tap_suite par-tap "$tap" TICKETPOOL_CONF="$lines"
}

# sanitized_server FOLDER: builds the extension with AddressSanitizer and
# UndefinedBehaviorSanitizer, in a copy of the server (which finds its files relative to its
# programs). The copy's postgres loads the sanitizer's library first. Any finding ends the process.
sanitized_server() {
  local source=build/sanitized runtime
  rm -rf "$source" && mkdir -p "$source" && cp -R Makefile src include sql ticketpool*.control "$source/" && find "$source" -name '*.[od]' -delete || return 1
  make -s -C "$source" -j "$jobs" PG_CONFIG="$pg_config" WERROR= \
    SANITIZE='-O1 -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all -fno-omit-frame-pointer' || return 1
  nm -D "$source/ticketpool.so" | grep -q __asan_report && nm -D "$source/ticketpool.so" | grep -q __ubsan_handle || return 1
  cp -R --parents "$bindir" "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)" "$1" || return 1
  cp "$source/ticketpool.so" "$1/$("$pg_config" --pkglibdir)/" &&
    cp "$source/ticketpool.control" "$source"/ticketpool--*.sql "$1/$("$pg_config" --sharedir)/extension/" || return 1
  # With the sanitizer loaded first, Debian 12's C library waits for ever in bindtextdomain(), so
  # messages stay untranslated here.
  cc -shared -fPIC -w -o "$1/untranslated.so" test/untranslated.c || return 1
  runtime=$(readlink -f "$(g++ -print-file-name=libasan.so)")
  mv "$1/$bindir/postgres" "$1/$bindir/postgres.real"
  cat >"$1/$bindir/postgres" <<END
#!/bin/bash
export LD_PRELOAD=$runtime:$1/untranslated.so ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1
exec -a "\$0" "\$0.real" "\$@"
END
  chmod 755 "$1/$bindir/postgres" "$1"
}

# no_findings NAME…: checks that the logs of these suites' servers have no finding. (If a finding
# ends a process, its test fails, too.)
no_findings() {
  local name found
  for name in "$@"; do
    found=$(grep -rlE 'ERROR: AddressSanitizer|runtime error:|SUMMARY: ' "$out/$name" 2>/dev/null || true)
    if [ -z "$found" ]; then printf 'ok - no finding in %s\n' "$name"; else printf 'not ok - findings in %s\n' "$found"; fi
  done
}

long_sanitized() {
  local folder bindir=$bindir settings=("TICKETPOOL_IDLE_SECONDS=${TICKETPOOL_IDLE_SECONDS:-900}" "${settings[@]}")
  folder=$(mktemp -d /tmp/ticketpool.XXXXXX)
  if sanitized_server "$folder" >"$out/sanitized.log" 2>&1; then
    bindir=$folder$bindir
    regress_suite san-regress
    isolation_suite san-isolate
    tap_suite san-fuzz test/t/050_fuzz.pl TICKETPOOL_FUZZ_SECONDS=$((long_seconds / 5))
    suite san-logs count_findings no_findings san-regress san-isolate san-fuzz
  else
    suite sanitized count_tap cat "$out/sanitized.log"
  fi
  rm -rf "$folder"
}
count_findings() { awk '/^ok - / { p++ } /^not ok - / { f++ } END { print p+0, f+0 }' "$1"; }

# The packages in bare Debian systems: root alone can make these.
long_packages() {
  if [ "$(id -u)" -eq 0 ]; then suite packages count_tap test/packages.sh; else say 'left out: packages (for root: sudo make test-packages)'; fi
}
