-- Seats as they are painted: labels of any text, groups, properties; formations of India, China, a bus, a cinema and a ferry.
\set home :DBNAME
CREATE DATABASE regression_coaches ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c regression_coaches
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
\set ECHO none
\i doc/examples/formations.sql
\set ECHO all
SET client_min_messages = warning;
INSERT INTO ticket_station (station, name) VALUES ('CA', 'Coach A'), ('CB', 'Coach B'), ('CC', 'Coach C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT train, n, ('{CA,CB,CC}'::text[])[n], n * interval '1 hour', n * interval '1 hour'
FROM unnest('{india,sleepers,bus,cinema,ferry,odd}'::text[]) AS train, generate_series(1, 3) AS n;
SELECT count(ticket_open(formation, '2031-05-01', formation)) FROM (SELECT DISTINCT formation FROM ticket_formation) AS f;
-- As many berths as the real coaches have.
CREATE TEMP TABLE capacity (country text, class text, coach text, places int, layout text, source text);
\copy capacity FROM 'test/data/coach_capacity.csv' (FORMAT csv, HEADER)
SELECT c.coach, c.places, cardinality(f.seats) AS seats
FROM (VALUES ('SL', 'ICF', 'S1'), ('3A', 'LHB', 'B1'), ('hard sleeper', 'YW25K', '03'), ('soft sleeper', 'RW25K', '09')) AS v (class, type, coach)
JOIN capacity AS c ON (c.class, c.coach) = (v.class, v.type) JOIN ticket_formation AS f ON f.coach = v.coach ORDER BY 2, 1;

-- Which group each ticket of an order is in.
CREATE FUNCTION seated(train text, seat_class text, party int, seat_choice text DEFAULT NULL, OUT tickets bigint, OUT coaches bigint, OUT groups bigint, OUT seats text)
LANGUAGE sql AS $$
SELECT count(*), count(DISTINCT o.coach), count(DISTINCT coalesce(s.seat_group, substring(o.seat FROM '^([A-Z])[0-9]+$'))), string_agg(o.coach || '/' || o.seat, ' ' ORDER BY ticket_no)
FROM ticket_buy(seated.train, 'CA', 'CC', 1, '2031-05-01', seated.seat_class, (SELECT array_agg(n) FROM generate_series(1, party) AS n), seated.seat_choice) AS o
LEFT JOIN ticket_formation_seat AS s ON (s.formation, s.coach, s.seat) = (seated.train, o.coach, o.seat)
$$;
SET ticketpool.allocation = first_fit;
-- A party sits in one bay, one room, one row.
SELECT * FROM seated('india', 'SL', 6);
SELECT * FROM seated('india', 'SL', 8);
SELECT * FROM seated('india', '3A', 3);
SELECT * FROM seated('sleepers', '硬卧', 2);
SELECT * FROM seated('sleepers', '硬卧', 6);
SELECT * FROM seated('sleepers', '软卧', 3);
SELECT * FROM seated('sleepers', '软卧', 4);
SELECT * FROM seated('bus', NULL, 1);
SELECT * FROM seated('bus', NULL, 4);
SELECT * FROM seated('bus', NULL, 5);
SELECT * FROM seated('cinema', NULL, 10);
SELECT * FROM seated('cinema', NULL, 14);
SELECT * FROM seated('cinema', NULL, 4);
-- Larger parties: one coach. Cabins are in no group, so a party has neighbouring ones; and nobody's group is "none".
SELECT tickets, coaches FROM seated('india', 'SL', 20);
SELECT tickets, coaches, groups, seats FROM seated('ferry', 'cabin', 2);
SELECT tickets, coaches FROM seated('ferry', 'cabin', 12);
SELECT * FROM seated('ferry', 'deck', 2);
-- Windows and aisles of a bus are properties, its labels have no letters. F12 is row F; the wish F is for a letter that no label of the cinema has.
SELECT seats FROM seated('bus', NULL, 2, 'window');
SELECT seats FROM seated('bus', NULL, 2, 'window, aisle');
SELECT seats FROM seated('cinema', NULL, 1, 'F');
SELECT seats FROM seated('cinema', NULL, 1, 'window');
RESET ticketpool.allocation;
SELECT substr(m, 1, 20) FROM ticket_seat_map('sleepers', '2031-05-01', '软卧') AS m LIMIT 5;
SELECT * FROM ticket_seat_map('ferry', '2031-05-01', 'cabin') LIMIT 2;

-- Any text is a label: 1 to 31 bytes.
INSERT INTO ticket_formation VALUES ('odd', 'a/b', 'x', ARRAY['12F', 'F12', '37', '12下', 'Cabin 7', 'a,b', 'a', 'b', '{x}', '"', '''; DROP TABLE t; --', '%s%n', '<b>&amp;', '\x41', 'NULL',
    '1234567890123456789012345678901', '一二三四五六七八九十', '🚂', '0A', '01A', '1A', '-1', '1a', '1AB']);
SELECT ticket_open('odd', '2031-05-01', 'odd') > 0 AS opened;
CREATE FUNCTION odd_seats() RETURNS SETOF text LANGUAGE sql AS $$ SELECT unnest(seats) FROM ticket_formation WHERE formation = 'odd' $$;
SELECT count(*) AS sold, count(DISTINCT seat) AS labels FROM ticket_buy('odd', 'CA', 'CB', 1, '2031-05-01', passengers => (SELECT array_agg(n) FROM generate_series(1, 24) AS n));
SELECT seat FROM ticket_order WHERE coach = 'a/b' EXCEPT SELECT odd_seats();
SELECT right(m, 2) AS taken, count(*) FROM ticket_seat_map('odd', '2031-05-01', 'x') AS m GROUP BY 1;
-- Quotas name them; a quota written by hand, too, and the departure is loaded with it.
SELECT ticket_reserve('odd', '2031-05-01', 'x', 'agency', 24, 'CB', 'CC') AS quota \gset
SELECT count(*) FROM (SELECT unnest(seat_list) FROM ticket_reservation WHERE reservation_id = :quota INTERSECT SELECT 'a/b/' || s FROM odd_seats() AS s) AS i;
SELECT ticket_recycle(:quota);
INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, seat_list)
SELECT departure_id, service_date, 'x', 'by hand', 24, 2, 3, (SELECT array_agg('a/b/' || s) FROM odd_seats() AS s) FROM ticket_departure WHERE train = 'odd';
SELECT ticket_remaining('odd', 'CB', 'CC', '2031-05-01') AS open, ticket_remaining('odd', 'CB', 'CC', '2031-05-01', channel => 'by hand') AS quota,
       ticket_remaining('odd', 'CA', 'CB', '2031-05-01') AS sold_out;
SELECT * FROM ticket_verify();
-- Live rows by hand: a label is a label bytewise.
SELECT count(*) AS refunded FROM ticket_order AS o, ticket_refund(o.order_id, ARRAY[o.ticket_no]) WHERE o.coach = 'a/b' AND o.seat IN ('a,b', '12下', 'NULL');
CREATE FUNCTION by_hand(label text, order_id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
    SELECT by_hand.order_id, 1, departure_id, service_date, 1, 1, 'x', 'a/b', label, 1, 2, 'sold' FROM ticket_departure WHERE train = 'odd';
    RETURN 'written';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT label, by_hand(label, 1000 + n) FROM unnest(ARRAY['a,b', '12下', 'NULL', 'a', 'A', 'a, b', '12', '12上', '', '1234567890123456789012345678901 ', '001A', 'cabin 7']) WITH ORDINALITY AS l (label, n) ORDER BY n;
\set VERBOSITY terse
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 2000, 1, departure_id, service_date, 1, 1, 'x', 'a/b', 'Cabin 7', 1, 2, 'sold' FROM ticket_departure WHERE train = 'odd';
\set VERBOSITY default
SELECT * FROM ticket_verify();

-- Two classes in one coach, seats in any order, groups that go on later: parties sit in one row, and the pool has rows together.
INSERT INTO ticket_stop SELECT 'mixed', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'odd';
INSERT INTO ticket_formation VALUES
    ('mixed', '1', 'first', '{2F,1A,lounge,2A,1F}'), ('mixed', '1', 'second', '{10B,3A,4A,3B,10A,4B,spare}');
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group) VALUES ('mixed', '1', 'lounge', '2'), ('mixed', '1', 'spare', 'corner');
SELECT ticket_open('mixed', '2031-05-01', 'mixed') > 0 AS opened;
SELECT * FROM ticket_seat_map('mixed', '2031-05-01', NULL);
SET ticketpool.allocation = first_fit;
SELECT seats FROM seated('mixed', 'first', 3);
SELECT seats FROM seated('mixed', 'second', 2, 'BA');
SELECT seats FROM seated('mixed', 'second', 2);
RESET ticketpool.allocation;

-- A layout is found again by what it says; whatever differs makes another one.
BEGIN;
INSERT INTO ticket_stop SELECT 'same', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'odd';
CREATE TEMP TABLE layouts (n int GENERATED ALWAYS AS IDENTITY, what text, layout_id bigint);
CREATE FUNCTION note_layout(what text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date := date '2031-06-01' + (SELECT count(*)::int FROM layouts);
BEGIN
    PERFORM ticket_open('same', day, 'same');
    INSERT INTO layouts (what, layout_id) SELECT note_layout.what, layout_id FROM ticket_departure WHERE train = 'same' AND service_date = day;
END $$;
INSERT INTO ticket_formation VALUES ('same', '1', 'x', '{1A,1B}');
\pset tuples_only
SELECT note_layout('plain');
INSERT INTO ticket_formation_seat (formation, coach, seat) VALUES ('same', '1', '1A');
SELECT note_layout('a row that says nothing');
UPDATE ticket_formation_seat SET seat_group = '1' WHERE formation = 'same'; SELECT note_layout('a group');
UPDATE ticket_formation_seat SET seat_group = NULL, properties = '{}' WHERE formation = 'same'; SELECT note_layout('no properties');
UPDATE ticket_formation_seat SET properties = '{quiet,aisle}' WHERE formation = 'same'; SELECT note_layout('properties');
UPDATE ticket_formation_seat SET properties = '{aisle,quiet}' WHERE formation = 'same'; SELECT note_layout('properties in another order');
UPDATE ticket_formation_seat SET properties = '{aisle-quiet}' WHERE formation = 'same'; SELECT note_layout('one word');
UPDATE ticket_formation_seat SET seat = '1B' WHERE formation = 'same'; SELECT note_layout('another seat');
UPDATE ticket_formation_seat SET properties = NULL, x = 1 WHERE formation = 'same'; SELECT note_layout('x');
UPDATE ticket_formation_seat SET x = NULL, y = 1 WHERE formation = 'same'; SELECT note_layout('y');
UPDATE ticket_formation_seat SET y = NULL, deck = 1 WHERE formation = 'same'; SELECT note_layout('deck');
UPDATE ticket_formation_seat SET deck = -1 WHERE formation = 'same'; SELECT note_layout('deck below');
DELETE FROM ticket_formation_seat WHERE formation = 'same'; SELECT note_layout('plain');
UPDATE ticket_formation SET seats = '{"1A,1B"}' WHERE formation = 'same'; SELECT note_layout('one label with a comma');
UPDATE ticket_formation SET seats = '{"1","2,3"}' WHERE formation = 'same'; SELECT note_layout('a comma in the second');
UPDATE ticket_formation SET seats = '{"1,2","3"}' WHERE formation = 'same'; SELECT note_layout('a comma in the first');
UPDATE ticket_formation SET seats = '{"1","1:2"}' WHERE formation = 'same'; SELECT note_layout('a colon');
\pset tuples_only
SELECT min(n), string_agg(what, ', ' ORDER BY n) AS same FROM layouts GROUP BY layout_id ORDER BY 1;
ROLLBACK;
-- What is on sale stays as it was opened.
BEGIN;
DELETE FROM ticket_formation_seat WHERE formation = 'bus';
SELECT count(DISTINCT seat) AS windows FROM ticket_buy('bus', 'CA', 'CC', 1, '2031-05-01', passengers => '{1,2}', seat_choice => 'window')
WHERE seat::int % 4 IN (0, 1) OR seat IN ('45', '49');
ROLLBACK;

-- What cannot be sold, and why.
CREATE FUNCTION refused(seat text DEFAULT '1A', seat_group text DEFAULT NULL, properties text[] DEFAULT NULL, seats text[] DEFAULT '{1A,1B}', coach text DEFAULT '1', known_coach text DEFAULT NULL)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    INSERT INTO ticket_formation VALUES ('bad', refused.coach, 'x', refused.seats);
    INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, properties)
    SELECT 'bad', coalesce(refused.known_coach, refused.coach), refused.seat, refused.seat_group, refused.properties WHERE refused.seat IS NOT NULL;
    PERFORM ticket_open('odd', '2031-05-02', 'bad');
    RAISE EXCEPTION 'opened' USING DETAIL = 'opened';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN CASE WHEN SQLSTATE = 'P0001' THEN detail ELSE SQLSTATE || ' ' || detail END;
END $$;
SELECT refused(), refused(seat => '1B', seat_group => repeat('g', 63), properties => ARRAY['a', '0', '_', '-', repeat('w', 31)]),
       refused(properties => (SELECT array_agg('p' || n) FROM generate_series(1, 16) AS n)), refused(coach => repeat('c', 31));
SELECT n, what FROM (VALUES
    (1, refused(seat => '1C')), (2, refused(known_coach => '2')), (3, refused(seat => '1a')), (4, refused(seat => '')),
    (5, refused(seat_group => '')), (6, refused(seat_group => repeat('g', 64))),
    (7, refused(properties => '{Window}')), (8, refused(properties => '{"a b"}')), (9, refused(properties => '{""}')), (10, refused(properties => '{a,NULL}')),
    (11, refused(properties => '{a,b,a}')), (12, refused(properties => ARRAY[repeat('w', 32)])), (13, refused(properties => '{é}')), (14, refused(properties => '{{a},{b}}')),
    (15, refused(properties => (SELECT array_agg('p' || n) FROM generate_series(1, 17) AS n))), (16, refused(properties => '{"a,b"}')), (17, refused(properties => '{"a;--"}')),
    (18, refused(NULL, seats => '{1/A}')), (19, refused(NULL, seats => ARRAY[' 1A'])), (20, refused(NULL, seats => ARRAY['1A '])), (21, refused(NULL, seats => ARRAY[E'1\tA'])),
    (22, refused(NULL, seats => ARRAY[E'1\x7f'])), (23, refused(NULL, seats => ARRAY[repeat('x', 32)])), (24, refused(NULL, seats => ARRAY['一二三四五六七八九十一'])),
    (25, refused(NULL, seats => '{""}')), (26, refused(NULL, seats => '{NULL}')), (27, refused(NULL, seats => '{a,b,a}')), (28, refused(NULL, coach => repeat('c', 32))),
    (29, refused(NULL, coach => '')), (30, refused(NULL, seats => (SELECT array_agg('s' || n) FROM generate_series(1, 65536) AS n) || '{last}'))) AS v (n, what) ORDER BY n;
-- Control characters and blanks of more than one byte: 0080 to 009F anywhere, a blank at an end.
SELECT to_hex(c), left(refused(NULL, seats => ARRAY[chr(c) || 'A']), 6) AS first, left(refused(NULL, seats => ARRAY['1' || chr(c) || 'A']), 6) AS inside, left(refused(NULL, seats => ARRAY['12' || chr(c)]), 6) AS last
FROM unnest('{127,128,133,159,160,161,5760,8191,8192,8202,8203,8232,8233,8239,8287,12287,12288,12289}'::int[]) AS c;
\set VERBOSITY default
INSERT INTO ticket_formation VALUES ('bad', '1', 'x', '{1A}');
INSERT INTO ticket_formation_seat (formation, coach, seat) VALUES ('bad', '1', '1B');
SELECT ticket_open('odd', '2031-05-02', 'bad');

-- Pool and tables agree, and no two live tickets meet on a seat.
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
\c :home
DROP DATABASE regression_coaches;
