-- ticket_open: what it takes, what it refuses, and that a departure keeps what it was opened with.
INSERT INTO ticket_station (station, name) SELECT 'OP' || c, 'Open ' || c FROM unnest('{A,B,C,D}'::text[]) AS c;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('OP1', 10, 'OPA', NULL, '8:00'), ('OP1', 20, 'OPB', '9:00', '9:02'), ('OP1', 40, 'OPC', '10:00', NULL),
    ('OP-ONE', 1, 'OPA', NULL, '8:00');
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('OP-F', '01', 'first', '{1A,1F}'), ('OP-F', '01', 'second', '{2A,2B,2C}'), ('OP-F', '02', 'second', '{1A}');

-- Positional and named notation; the result is the departure's id.
SELECT ticket_open('OP1', '2031-05-01', 'OP-F') AS id \gset
SELECT train, service_date, formation, closes_at, status, opens_at <= clock_timestamp() AS opened
FROM ticket_departure WHERE departure_id = :id;
SELECT ticket_open(formation => 'OP-F', train => 'OP1', service_date => '2031-05-02',
                   opens_at => '2020-01-01', closes_at => '2031-05-02 08:00+00') AS id \gset
SELECT train, service_date, opens_at = '2020-01-01' AS opens, closes_at = '2031-05-02 08:00+00' AS closes
FROM ticket_departure WHERE departure_id = :id;
SELECT ticket_remaining('OP1', 'OPA', 'OPC', '2031-05-01'), ticket_remaining('OP1', 'OPA', 'OPC', '2031-05-02', 'first');

-- The digests by which the next departures with the same stops and seats find them. They are stored: an update may not change them.
SELECT r.digest AS route, l.digest AS layout FROM ticket_departure JOIN ticket_route AS r USING (route_id) JOIN ticket_layout AS l USING (layout_id)
WHERE departure_id = :id;

-- Unknown train or formation; twice.
SELECT ticket_open('OP-NONE', '2031-05-03', 'OP-F');
SELECT ticket_open('OP1', '2031-05-03', 'OP-NONE');
\set VERBOSITY sqlstate
SELECT ticket_open('OP-NONE', '2031-05-03', 'OP-F');
SELECT ticket_open('OP1', '2031-05-03', 'OP-NONE');
SELECT ticket_open('', '2031-05-03', 'OP-F');
SELECT ticket_open('op1', '2031-05-03', 'OP-F');
SELECT ticket_open('OP1', '2031-05-01', 'OP-F');
SELECT ticket_open('OP1', '2031-05-01', 'OP-F', closes_at => '2031-05-01');

-- NULLs
SELECT ticket_open(NULL, '2031-05-03', 'OP-F');
SELECT ticket_open('OP1', NULL, 'OP-F');
SELECT ticket_open('OP1', '2031-05-03', NULL);
SELECT ticket_open('OP1', '2031-05-03', 'OP-F', NULL);

-- Dates and times that make no sense
SELECT ticket_open('OP1', 'infinity', 'OP-F');
SELECT ticket_open('OP1', '-infinity', 'OP-F');
SELECT ticket_open('OP1', '1999-12-31', 'OP-F');
SELECT ticket_open('OP1', '2179-06-07', 'OP-F');
SELECT ticket_open('OP1', '5874897-12-31', 'OP-F');
SELECT ticket_open('OP1', '2031-05-03', 'OP-F', '2031-01-02', '2031-01-01');
SELECT ticket_open('OP1', '2031-05-03', 'OP-F', '2031-01-02', '2031-01-02');
BEGIN;
SELECT ticket_open('OP1', '2000-01-01', 'OP-F') > 0 AS first_day, ticket_open('OP1', '2179-06-06', 'OP-F') > 0 AS last_day;
SELECT seat IS NOT NULL AS sold, order_id < 2::bigint ^ 53 AS javascript_can_count_it
FROM ticket_buy('OP1', 'OPA', 'OPC', 1, '2179-06-06', 'first');
ROLLBACK;
BEGIN READ ONLY;
SELECT ticket_open('OP1', '2031-05-03', 'OP-F');
ROLLBACK;

-- A name that looks like another train's and one of its stops has the digest of that train, but not its stops.
BEGIN;
INSERT INTO ticket_stop SELECT 'OP1/10/3/OPA/-/28800.000000', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'OP1' AND stop_no > 10;
\set VERBOSITY default
SELECT ticket_open('OP1/10/3/OPA/-/28800.000000', '2031-05-03', 'OP-F');
\set VERBOSITY sqlstate
ROLLBACK;

-- One stop is no trip; times count forwards.
SELECT ticket_open('OP-ONE', '2031-05-03', 'OP-F');
BEGIN;
INSERT INTO ticket_stop VALUES ('OP-ONE', 2, 'OPB', '-1:00', NULL);
SELECT ticket_open('OP-ONE', '2031-05-03', 'OP-F');
ROLLBACK;

-- 257 stops are the most.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT 'OP-LONG', n, 'OP-' || n, n * interval '1 hour', n * interval '1 hour' FROM generate_series(1, 258) AS n;
SELECT ticket_open('OP-LONG', '2031-05-03', 'OP-F');
DELETE FROM ticket_stop WHERE train = 'OP-LONG' AND stop_no = 258;
SELECT ticket_open('OP-LONG', '2031-05-03', 'OP-F') > 0 AS opened;
SELECT from_stop, to_stop FROM ticket_buy('OP-LONG', 'OP-1', 'OP-257', 1, '2031-05-03', 'first');
SELECT from_stop, to_stop FROM ticket_buy('OP-LONG', 'OP-128', 'OP-130', 1, '2031-05-03', 'first');
SELECT from_stop, to_stop FROM ticket_buy('OP-LONG', 'OP-256', 'OP-257', 1, '2031-05-03', 'first');
SELECT ticket_remaining('OP-LONG', 'OP-1', 'OP-257', '2031-05-03', 'first') AS whole,
       ticket_remaining('OP-LONG', 'OP-1', 'OP-128', '2031-05-03', 'first') AS before,
       ticket_remaining('OP-LONG', 'OP-127', 'OP-129', '2031-05-03', 'first') AS across,
       ticket_remaining('OP-LONG', 'OP-130', 'OP-256', '2031-05-03', 'first') AS between;

-- Formations that cannot be sold: each in turn.
CREATE FUNCTION open_bad(seats text[], places int DEFAULT NULL, coach text DEFAULT '01', seat_class text DEFAULT 'x') RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ticket_formation VALUES ('OP-BAD', open_bad.coach, open_bad.seat_class, open_bad.seats, open_bad.places);
    PERFORM ticket_open('OP1', '2031-05-04', 'OP-BAD');
    RAISE EXCEPTION 'it was opened' USING ERRCODE = 'XX999';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT what, open_bad(seats) FROM (VALUES (1, 'twice', '{1A,1B,1A}'::text[]), (2, 'slash', '{1A,1/B}'), (3, 'empty list', '{}'),
    (4, 'NULL label', '{1A,NULL}'), (5, 'empty label', '{""}'), (6, 'blank before', '{" 1A"}'), (7, 'blank behind', '{"1A "}'),
    (8, 'line break', E'{"1\n2"}'), (9, '32 bytes', ARRAY[repeat('x', 32)]), (10, 'two dimensions', '{{1A,1B},{2A,2B}}')) AS v (n, what, seats)
ORDER BY n;
SELECT open_bad(NULL) AS neither, open_bad('{1A}', 10) AS both, open_bad(NULL, 0) AS no_places, open_bad(NULL, -1) AS negative,
       open_bad(NULL, 10) AS unnumbered, open_bad('{1A}', coach => '') AS no_coach, open_bad('{1A}', seat_class => '') AS no_class,
       open_bad('{1A}', coach => repeat('x', 1000)) AS long_coach;
-- A label is unique in its coach, also across classes; the same one in two coaches is fine.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('OP-TWICE', '01', 'first', '{1A}'), ('OP-TWICE', '01', 'second', '{2A,1A}');
SELECT ticket_open('OP1', '2031-05-04', 'OP-TWICE');
\set VERBOSITY default
SELECT ticket_open('OP1', '2031-05-04', 'OP-TWICE');
\set VERBOSITY sqlstate
UPDATE ticket_formation SET coach = '02' WHERE formation = 'OP-TWICE' AND seat_class = 'second';
SELECT ticket_open('OP1', '2031-05-04', 'OP-TWICE') > 0 AS opened;

-- Nothing stays of what failed.
SELECT train, service_date FROM ticket_departure WHERE train LIKE 'OP%' ORDER BY 1, 2;
SELECT * FROM ticket_buy('OP1', 'OPA', 'OPC', 1, '2031-05-03', 'second');

-- What is on sale keeps its stops and its seats.
UPDATE ticket_stop SET station = 'OPD' WHERE train = 'OP1' AND stop_no = 40;
DELETE FROM ticket_stop WHERE train = 'OP1' AND stop_no = 20;
DELETE FROM ticket_formation WHERE formation = 'OP-F' AND coach = '02';
UPDATE ticket_formation SET seats = '{9A}' WHERE formation = 'OP-F' AND seat_class = 'first';
SELECT from_station, to_station, from_stop, to_stop, remaining FROM ticket_remaining_matrix('OP1', '2031-05-01', 'second') ORDER BY 3, 4;
SELECT seat_class, coach, seat FROM ticket_buy('OP1', 'OPA', 'OPC', 1, '2031-05-01', 'first', '{1,2}') ORDER BY seat;
SELECT train, service_date, from_stop, to_stop, departs, arrives, seat_class, remaining FROM ticket_search('OPB', 'OPC', '2031-05-01');
SELECT * FROM ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-01');
-- A new departure takes them as they are now.
SELECT ticket_open('OP1', '2031-05-05', 'OP-F') > 0 AS opened;
SELECT from_station, to_station, from_stop, to_stop, remaining FROM ticket_remaining_matrix('OP1', '2031-05-05', NULL);
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-05', 'first');
-- Both in a session that has not seen them.
\c
\set VERBOSITY sqlstate
SELECT ticket_remaining('OP1', 'OPB', 'OPC', '2031-05-01', 'second') AS old, ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-05') AS new;

-- An uncommitted ticket_open: usable at once by its transaction, gone with a rollback.
BEGIN;
SELECT ticket_open('OP1', '2031-05-06', 'OP-F') > 0 AS opened;
SELECT ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-06');
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-06', 'first');
SELECT ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-06');
ROLLBACK;
SELECT ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-06');
SELECT * FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-06', 'first');
BEGIN;
SELECT ticket_open('OP1', '2031-05-06', 'OP-F') > 0 AS opened;
ROLLBACK;
SELECT ticket_open('OP1', '2031-05-06', 'OP-F') > 0 AS opened;
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-06', 'first');
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-06', 'first');

-- Savepoints around it, and around the first purchase.
BEGIN;
SAVEPOINT a;
SELECT ticket_open('OP1', '2031-05-07', 'OP-F') > 0 AS opened;
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-07', 'first');
ROLLBACK TO a;
SAVEPOINT b;
SELECT ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-07');
ROLLBACK TO b;
SELECT ticket_open('OP1', '2031-05-07', 'OP-F') > 0 AS opened;
SAVEPOINT c;
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-07', 'first');
ROLLBACK TO c;
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-07', 'first');
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-07', 'first');
COMMIT;
SELECT ticket_remaining('OP1', 'OPA', 'OPD', '2031-05-07', 'first');
-- The same with stops and seats that nobody has opened with so far.
BEGIN;
UPDATE ticket_stop SET departs = '8:01' WHERE train = 'OP1' AND stop_no = 10;
UPDATE ticket_formation SET seats = '{9B}' WHERE formation = 'OP-F' AND seat_class = 'first';
SAVEPOINT a;
SELECT ticket_open('OP1', '2031-05-08', 'OP-F') > 0 AS opened;
ROLLBACK TO a;
SELECT ticket_open('OP1', '2031-05-08', 'OP-F') > 0 AS opened, ticket_open('OP1', '2031-05-09', 'OP-F') > 0 AS another;
COMMIT;
SELECT count(DISTINCT route_id) AS routes, count(DISTINCT layout_id) AS layouts, count(DISTINCT stop_index) AS calls, count(DISTINCT position) AS coaches
FROM ticket_departure JOIN ticket_route_call USING (route_id) JOIN ticket_layout_coach USING (layout_id)
WHERE train = 'OP1' AND service_date BETWEEN '2031-05-08' AND '2031-05-09';
SELECT seat FROM ticket_buy('OP1', 'OPA', 'OPD', 1, '2031-05-08', 'first');
DROP FUNCTION open_bad;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
-- More coaches than any train has.
BEGIN;
INSERT INTO ticket_formation (formation, coach, seat_class, places) SELECT 'OP-LONG', n, 'second', 1 FROM generate_series(1, 4097) AS n;
SELECT ticket_open('OP1', '2031-06-01', 'OP-LONG');
ROLLBACK;
