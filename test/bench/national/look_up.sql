-- pgbench: remaining.sql without its call: the floor
\set n random(1, :trips)
SELECT train FROM national_trip WHERE n = :n;
