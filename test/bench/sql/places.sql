-- 2,000 seats in coaches of 100, of which everything is known; a third of them are sold. And a table
-- of the same rows.
CREATE EXTENSION IF NOT EXISTS ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('AAA', 'A'), ('BBB', 'B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('P1', 1, 'AAA', NULL, '8:00'), ('P1', 2, 'BBB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'P-F', lpad(c::text, 2, '0'), 'second', ARRAY(SELECT n || l FROM generate_series(1, 20) AS n, unnest('{A,B,C,D,F}'::text[]) AS l) FROM generate_series(1, 20) AS c;
INSERT INTO ticket_formation_seat (formation, coach, seat, x, y, deck, properties)
SELECT 'P-F', coach, seat, n / 5, n % 5, 1, CASE n % 5 WHEN 0 THEN '{window,quiet}'::text[] WHEN 2 THEN '{aisle}' ELSE '{}' END
FROM ticket_formation, unnest(seats) WITH ORDINALITY AS s (seat, n) WHERE formation = 'P-F';
SELECT ticket_open('P1', '2031-01-01', 'P-F') > 0 AS opened;
SELECT count(*) FROM generate_series(1, 666) AS u, ticket_buy('P1', 'AAA', 'BBB', u, '2031-01-01');
CREATE TABLE places AS SELECT row_number() OVER () AS n, p.* FROM ticket_places('P1', 'AAA', 'BBB', '2031-01-01') AS p;
CREATE UNIQUE INDEX ON places (n) INCLUDE (seat_class, coach, seat, free, seat_group, x, y, deck, properties);
VACUUM (ANALYZE, FREEZE) places;
-- Of a table that has these rows only.
ALTER DATABASE :DBNAME SET enable_seqscan = off;
ALTER DATABASE :DBNAME SET enable_bitmapscan = off;
