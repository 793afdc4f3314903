-- One order id, one service date: by hand, in every way that there is. In a database of its own: it counts the entries.
\set home :DBNAME
CREATE DATABASE regression_order_days;
\c regression_order_days
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
  ('T', 1, 'A', NULL, '8:00'), ('T', 2, 'B', '9:00', '9:02'), ('T', 3, 'C', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('F', '01', 'second', '{1A,1B,1C,1D,2A,2B,2C,2D}');
CREATE TABLE ticket_order_october PARTITION OF ticket_order FOR VALUES FROM ('2031-10-01') TO ('2031-11-01');
SELECT count(ticket_open('T', day::date, 'F')) FROM unnest('{2031-05-01,2031-05-02,2031-05-03,2031-10-01,2031-10-02}'::text[]) AS day;
-- An order by hand: a ticket on each of the days, on the seats named.
CREATE FUNCTION import(id bigint, days date[], seats text[], first int DEFAULT 1) RETURNS void LANGUAGE sql AS $$
    INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
    SELECT id, first - 1 + n, departure_id, service_date, 1, 1, 'second', '01', seat, 1, 3, 'refunded'
    FROM unnest(days, seats) WITH ORDINALITY AS u (day, seat, n) JOIN ticket_departure ON service_date = day;
$$;
CREATE FUNCTION native(day date, number bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT (day - date '2000-01-01')::bigint << 37 | number $$;

-- Imported orders keep their ids, whatever their bits say, and are found; ids of ours need no entry.
SELECT import(id, '{2031-05-01,2031-05-01}', '{1A,1B}') FROM unnest(ARRAY[1001, -5, 1750000000000000000, native('2031-05-02', 907)]) WITH ORDINALITY AS u (id, n);
SELECT import(native('2031-05-02', 908), '{2031-05-02}', '{1A}');
SELECT count(*), count(DISTINCT order_id), min(service_date), max(service_date) FROM ticket_order_day;
SELECT ticket_no, service_date, status FROM ticket_refund(1001, '{2}');
SELECT count(*) FROM unnest(ARRAY[-5, 1750000000000000000, native('2031-05-02', 907), native('2031-05-02', 908)]) AS id, ticket_refund(id);
-- A function that looks for one locks its partition, and not all.
BEGIN;
SELECT status FROM ticket_refund(1001, '{1}');
SELECT count(DISTINCT relation) FROM pg_locks JOIN pg_class c ON c.oid = relation WHERE pid = pg_backend_pid() AND relname LIKE 'ticket_order_p%' AND relkind = 'r';
ROLLBACK;
-- A day that is detached and attached again and again leaves no more entries than there are orders.
SELECT relname AS day FROM pg_class WHERE oid = (SELECT tableoid FROM ticket_order WHERE order_id = 1001 LIMIT 1) \gset
SELECT count(*) FROM ticket_order_day WHERE service_date = '2031-05-01';
ALTER TABLE ticket_order DETACH PARTITION :"day";
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
ALTER TABLE ticket_order DETACH PARTITION :"day";
BEGIN;
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
ROLLBACK;
BEGIN;
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
ALTER TABLE ticket_order DETACH PARTITION :"day";
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
SELECT count(*), count(DISTINCT order_id) FROM ticket_order_day WHERE service_date = '2031-05-01';
COMMIT;
SELECT count(*), count(DISTINCT order_id) FROM ticket_order_day WHERE service_date = '2031-05-01';
BEGIN;
DELETE FROM ticket_order WHERE service_date = '2031-05-01' AND order_id <> 1001;
ALTER TABLE ticket_order DETACH PARTITION :"day";
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
ALTER TABLE ticket_order DETACH PARTITION :"day";
ALTER TABLE ticket_order ATTACH PARTITION :"day" FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
SELECT count(*) FROM ticket_order_day WHERE order_id = 1001;
ROLLBACK;

-- Two days in one statement, and in two
SELECT import(2001, '{2031-05-01,2031-05-02}', '{1A,1A}');
SELECT import(2002, '{2031-05-02}', '{1B}');
SELECT import(2002, '{2031-05-03}', '{1B}', 2);
SELECT import(2002, '{2031-05-02}', '{1C}', 2);
SELECT service_date, ticket_no FROM ticket_order WHERE order_id IN (2001, 2002) ORDER BY 1, 2;
-- Two days of one partition are two days.
SELECT import(2003, '{2031-10-01,2031-10-02}', '{1A,1A}');
SELECT import(2003, '{2031-10-01}', '{1A}');
SELECT import(2003, '{2031-10-02}', '{1A}', 2);
-- An id that names its day, and a ticket elsewhere; the other way round
SELECT import(native('2031-05-03', 901), '{2031-05-03}', '{1A}');
SELECT import(native('2031-05-03', 901), '{2031-05-02}', '{2A}', 2);
SELECT import(native('2031-05-03', 902), '{2031-05-02}', '{2A}');
SELECT import(native('2031-05-03', 902), '{2031-05-03}', '{1B}', 2);
SELECT import(native('2031-05-03', 903), '{2031-05-02,2031-05-03}', '{2B,1B}');
SELECT import(native('2031-10-02', 904), '{2031-10-02}', '{1B}');
SELECT import(native('2031-10-02', 904), '{2031-10-01}', '{1B}', 2);
-- An order of a function's
SELECT order_id AS o FROM ticket_buy('T', 'A', 'C', 9, '2031-05-03', passengers => '{1,2}') WHERE ticket_no = 1 \gset
\set VERBOSITY sqlstate
SELECT import(:o, '{2031-05-02}', '{2C}', 3);
-- UPDATE: a part moves to another day, or joins an order of another day
UPDATE ticket_order o SET service_date = d.service_date, departure_id = d.departure_id FROM ticket_departure d WHERE o.order_id = :o AND ticket_no = 2 AND d.service_date = '2031-05-02';
UPDATE ticket_order o SET order_id = :o, ticket_no = 3 WHERE o.order_id = 2002 AND ticket_no = 1;
UPDATE ticket_order o SET order_id = 2002, ticket_no = 3 WHERE o.order_id = :o AND ticket_no = 1;
-- All of it moves, there and back, in one statement; and a part of it back
UPDATE ticket_order o SET service_date = d.service_date, departure_id = d.departure_id, seat = '2' || chr(66 + ticket_no) FROM ticket_departure d WHERE o.order_id = :o AND d.service_date = '2031-05-02';
UPDATE ticket_order o SET service_date = d.service_date, departure_id = d.departure_id FROM ticket_departure d WHERE o.order_id = :o AND ticket_no = 2 AND d.service_date = '2031-05-03';
SELECT service_date, count(*) FROM ticket_order WHERE order_id = :o GROUP BY 1;
SELECT count(*) FROM ticket_refund(:o);
UPDATE ticket_order o SET service_date = d.service_date, departure_id = d.departure_id FROM ticket_departure d WHERE o.order_id = :o AND d.service_date = '2031-05-03';
UPDATE ticket_order o SET service_date = d.service_date, departure_id = d.departure_id FROM ticket_departure d WHERE o.order_id = :o AND ticket_no = 2 AND d.service_date = '2031-05-02';
SELECT count(*) FROM ticket_refund(:o);
-- Its tickets have gone: the id is free. Deleted and written again in one transaction, too.
DELETE FROM ticket_order WHERE order_id = 2002;
SELECT import(2002, '{2031-05-03}', '{2C}');
BEGIN;
DELETE FROM ticket_order WHERE order_id = 2002;
SELECT import(2002, '{2031-05-02}', '{1B}');
COMMIT;
SELECT ticket_no, service_date, status FROM ticket_refund(2002);
-- COPY, and ON CONFLICT, a MERGE
COPY ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) FROM STDIN;
2004	1	1	2031-05-01	1	1	second	01	1A	1	3	refunded
2004	2	2	2031-05-02	1	1	second	01	1A	1	3	refunded
\.
MERGE INTO ticket_order o USING (SELECT 2002 AS id) s ON o.order_id = s.id AND o.service_date = '2031-05-02'
WHEN MATCHED THEN UPDATE SET service_date = '2031-05-03', departure_id = (SELECT departure_id FROM ticket_departure WHERE service_date = '2031-05-03');
SELECT service_date, status FROM ticket_order WHERE order_id = 2002;
-- A rolled back entry was none.
BEGIN;
SELECT import(2005, '{2031-05-01}', '{1D}');
ROLLBACK;
SELECT import(2005, '{2031-05-02}', '{1D}');

-- A partition that comes back brings its orders along, and may bring an id that is elsewhere by now.
ALTER TABLE ticket_order DETACH PARTITION ticket_order_p20310502;
SELECT import(2005, '{2031-05-03}', '{2D}');
ALTER TABLE ticket_order ATTACH PARTITION ticket_order_p20310502 FOR VALUES FROM ('2031-05-02') TO ('2031-05-03');
DELETE FROM ticket_order WHERE order_id = 2005;
TRUNCATE ticket_order_day;
ALTER TABLE ticket_order ATTACH PARTITION ticket_order_p20310502 FOR VALUES FROM ('2031-05-02') TO ('2031-05-03');
SELECT count(*) > 0 AS entered FROM ticket_order_day;
SELECT import(2005, '{2031-05-03}', '{2D}', 2);
\set VERBOSITY default
-- Without entries orders are found all the same.
TRUNCATE ticket_order_day;
SELECT ticket_no, status FROM ticket_refund(2005);

-- Where every id names its day, nothing is entered and no other day is locked.
CREATE TABLE row_of AS SELECT departure_id FROM ticket_departure WHERE service_date = '2031-05-01';
BEGIN;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT native('2031-05-01', 100 + n), 1, departure_id, '2031-05-01', 1, 1, 'second', '01', NULL, 1, 3, 'refunded' FROM row_of, generate_series(1, 1000) AS n;
SELECT count(*) FILTER (WHERE relname LIKE 'ticket_order_p________') AS days, bool_or(relname LIKE '%october%') AS october FROM pg_locks JOIN pg_class c ON c.oid = relation WHERE pid = pg_backend_pid();
ROLLBACK;
SELECT count(*) FROM ticket_order_day;
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_order_days;
