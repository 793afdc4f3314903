-- 5,000 trains of 30 stops and 500 seats, each with a stop list of its own, on sale tomorrow and in
-- memory.
\set ON_ERROR_STOP 1
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database()); END $$;
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station SELECT n, 'station ' || n FROM generate_series(1, 30) AS n;
INSERT INTO ticket_stop
SELECT train, n, n, CASE WHEN n > 1 THEN n * interval '10 min' + train * interval '1 s' END, CASE WHEN n < 30 THEN n * interval '10 min' + train * interval '1 s' END
FROM generate_series(1, :trains) AS train, generate_series(1, 30) AS n;
INSERT INTO ticket_formation
SELECT 'bench', coach, 'second', ARRAY(SELECT line || letter FROM generate_series(1, 20) AS line, unnest('{A,B,C,D,F}'::text[]) AS letter)
FROM generate_series(1, 5) AS coach;
CREATE TABLE bench_order (LIKE ticket_order INCLUDING ALL);
VACUUM ANALYZE;
SELECT count(ticket_open(train::text, :'date', 'bench')) FROM generate_series(1, :trains) AS train \g /dev/null
