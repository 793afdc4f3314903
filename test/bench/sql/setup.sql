-- The bench's timetable: 1,000 trains with the same 30 stops, one formation of 2,000 seats. Names
-- are numbers, so that pgbench can draw them.
\set ON_ERROR_STOP 1
-- Departures change faster than statistics, so plans should be made for the average departure, not
-- for one that the statistics have never seen. The peers gain from this: they are twice as fast
-- where they would otherwise choose a worse index.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database()); END $$;
SET plan_cache_mode = force_generic_plan;
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station SELECT n, 'station ' || n FROM generate_series(1, 30) AS n;
INSERT INTO ticket_stop
SELECT train, n, n, CASE WHEN n > 1 THEN n * interval '10 min' END, CASE WHEN n < 30 THEN n * interval '10 min' + interval '2 min' END
FROM generate_series(1, 1000) AS train, generate_series(1, 30) AS n;
INSERT INTO ticket_formation
SELECT 'bench', coach, 'second', ARRAY(SELECT line || letter FROM generate_series(1, 20) AS line, unnest('{A,B,C,D,F}'::text[]) AS letter)
FROM generate_series(1, 20) AS coach;

-- The floor of a sale: a plain table with the columns, defaults and indexes of the orders.
CREATE TABLE bench_order (LIKE ticket_order INCLUDING ALL);
-- Counts the purchases that a peer has refused; the pool counts its own.
CREATE SEQUENCE bench_refused;
SELECT nextval('bench_refused') \g /dev/null

-- For the rows that only read: today's train 1 is sold out, and today's train 2 has sold about half
-- of its seat-segments.
SELECT ticket_open('1', CURRENT_DATE, 'bench'), ticket_open('2', CURRENT_DATE, 'bench') \g /dev/null
SELECT count(*) FROM generate_series(1, 20) AS n, ticket_buy('1', '1', '30', n, CURRENT_DATE, 'second', ARRAY(SELECT generate_series(1, 100))) \g /dev/null
CREATE VIEW half_sold AS
SELECT n AS user_id, n * 7919 % 29 + 1 AS from_stop, n * 7919 % 29 + 2 + n % (29 - n * 7919 % 29) AS to_stop FROM generate_series(1, 3600) AS n;
SELECT count(*) FROM half_sold, ticket_buy('2', from_stop::text, to_stop::text, user_id, CURRENT_DATE, 'second') \g /dev/null

-- The busiest pair of a search: 110 trains of ten stops from N to S, with three classes each. Its
-- floor is an index that has the answer.
INSERT INTO ticket_station VALUES ('N', 'North'), ('S', 'South');
INSERT INTO ticket_stop
SELECT 'G' || train, n, CASE n WHEN 1 THEN 'N' WHEN 10 THEN 'S' ELSE n::text END, CASE WHEN n > 1 THEN at + n * interval '30 min' END,
       CASE WHEN n < 10 THEN at + n * interval '30 min' + interval '2 min' END
FROM generate_series(1, 110) AS train, generate_series(1, 10) AS n, LATERAL (SELECT train * interval '9 min') AS start(at);
INSERT INTO ticket_formation
SELECT 'three', seat_class || '-' || coach, seat_class, ARRAY(SELECT line || letter FROM generate_series(1, 15) AS line, unnest('{A,B,C,D,F}'::text[]) AS letter)
FROM (VALUES ('business', 1), ('first', 2), ('second', 13)) AS class(seat_class, coaches), generate_series(1, coaches) AS coach;
SELECT count(ticket_open('G' || train, CURRENT_DATE, 'three')) FROM generate_series(1, 110) AS train \g /dev/null
CREATE TABLE bench_search AS SELECT 'N'::text AS from_station, 'S'::text AS to_station, CURRENT_DATE AS travel_date, * FROM ticket_search('N', 'S');
CREATE INDEX ON bench_search (from_station, to_station, travel_date, departs)
  INCLUDE (train, service_date, from_stop, to_stop, arrives, seat_class, remaining);
VACUUM ANALYZE;
