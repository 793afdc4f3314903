#!/usr/bin/env bash
# gtfs-utils gives two departures of a trip for which frequencies.txt has twelve, and one of the two
# does not exist.
#
# Guess: for exact_times 1 and for 0 alike it gives a departure for each start, the end excluded, and
# leaves out the times of stop_times, which are only offsets for such a trip.
# Seen with gtfs-utils 5.1.0 and the feed of sample-gtfs-feed 0.13.0 (npm), on 2019-05-03:
#   frequencies       b-downtown-on-working-days  08:00:00 to 08:59:00, every 300 s, exact_times 1
#                     b-outbound-on-working-days  15:00:00 to 16:00:00, every 600 s, exact_times 0
#   computeStopovers  b-downtown  08:56  13:14
#                     b-outbound  15:01  15:11  15:21  15:31  15:41  15:51  18:14
# Three things:
# - With exact_times 1 only the last start is kept: lib/read-stop-times.js inserts what its loop has
#   computed after the loop instead of in it.
# - The times of stop_times, 13:14 and 18:14, are a departure more.
# - start_time is taken for the arrival at the first stop. GTFS says that it is the departure: 08:00.
# The end is excluded.
#
# Installs both packages into a temporary folder. Fails if gtfs-utils behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm install --silent --no-audit --no-fund --prefix . gtfs-utils@5.1.0 sample-gtfs-feed@0.13.0 >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here"; exit 2; }
cat >departures.js <<'END'
const computeStopovers = require('gtfs-utils/compute-stopovers')
const readCsv = require('gtfs-utils/read-csv')
const feed = require('path').dirname(require.resolve('sample-gtfs-feed/package.json')) + '/gtfs/'
const [trip, stop] = process.argv.slice(2)
;(async () => {
  const times = []
  for await (const at of computeStopovers((file) => readCsv(feed + file + '.txt'), 'Europe/Berlin', { trip: (t) => t.trip_id === trip }))
    if (at.start_of_trip === '2019-05-03' && at.stop_id === stop)
      times.push(new Date(at.departure * 1000).toLocaleTimeString('de-DE', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' }))
  console.log(times.sort().join(' '))
})()
END
grep -h working-days node_modules/sample-gtfs-feed/gtfs/frequencies.txt
node departures.js b-downtown-on-working-days airport | tee exact
node departures.js b-outbound-on-working-days center | tee not_exact
[ "$(cat exact)" = '08:56 13:14' ]
[ "$(cat not_exact)" = '15:01 15:11 15:21 15:31 15:41 15:51 18:14' ]
echo "as described"
