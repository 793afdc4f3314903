-- The bench's timetable: 1,000 trains with the same 30 stops, one formation of 2,000 seats. Names are numbers, so that pgbench can draw them.
\set ON_ERROR_STOP 1
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station SELECT n, 'station ' || n FROM generate_series(1, 30) AS n;
INSERT INTO ticket_stop
SELECT train, n, n, CASE WHEN n > 1 THEN n * interval '10 min' END, CASE WHEN n < 30 THEN n * interval '10 min' + interval '2 min' END
FROM generate_series(1, 1000) AS train, generate_series(1, 30) AS n;
INSERT INTO ticket_formation
SELECT 'bench', coach, 'second', ARRAY(SELECT line || letter FROM generate_series(1, 20) AS line, unnest('{A,B,C,D,F}'::text[]) AS letter)
FROM generate_series(1, 20) AS coach;

-- The floor of a sale: a plain table with the columns and indexes of an order partition.
CREATE TABLE bench_order (LIKE ticket_order INCLUDING DEFAULTS);
ALTER TABLE bench_order ADD PRIMARY KEY (order_id, ticket_no, service_date);
CREATE INDEX ON bench_order (departure_id) WHERE status IN ('held', 'sold');
CREATE UNIQUE INDEX ON bench_order (service_date, user_id, request_id, ticket_no) WHERE request_id IS NOT NULL;
CREATE INDEX ON bench_order (held_until) WHERE status = 'held';

-- For the rows that only read: today's train 1 is sold out, its train 2 has sold about half of its seat-segments.
SELECT ticket_open('1', CURRENT_DATE, 'bench'), ticket_open('2', CURRENT_DATE, 'bench') \g /dev/null
SELECT count(*) FROM generate_series(1, 20) AS n, ticket_buy('1', '1', '30', n, CURRENT_DATE, 'second', ARRAY(SELECT generate_series(1, 100))) \g /dev/null
SELECT count(*)
FROM (SELECT n, n * 7919 % 29 AS a FROM generate_series(1, 3600) AS n) AS trip,
  ticket_buy('2', (a + 1)::text, (a + 2 + n % (29 - a))::text, n, CURRENT_DATE, 'second') \g /dev/null
VACUUM ANALYZE;
