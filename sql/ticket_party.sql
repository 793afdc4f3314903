-- Parties: all or none; in one row, else in one coach, else anywhere.
INSERT INTO ticket_station (station, name) VALUES ('PAA', 'Party A'), ('PAB', 'Party B'), ('PAC', 'Party C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('PA1', 1, 'PAA', NULL, '8:00'), ('PA1', 2, 'PAB', '9:00', '9:02'), ('PA1', 3, 'PAC', '10:00', NULL);
-- Two coaches of three rows of five.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'PA-F', coach, 'second', ARRAY(SELECT r || l FROM generate_series(1, 3) AS r, unnest('{A,B,C,D,F}'::text[]) AS l ORDER BY r, l)
FROM unnest('{01,02}'::text[]) AS coach;
SELECT count(ticket_open('PA1', d::date, 'PA-F')) FROM generate_series('2031-05-01'::date, '2031-05-08', '1 day') AS d;

-- Sells the whole train to one party and refunds the named seats ('01/1A'): nothing but these is free.
CREATE FUNCTION party_leave_free(day date, VARIADIC free text[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    sold bigint;
    refunded int;
BEGIN
    SELECT order_id INTO sold FROM ticket_buy('PA1', 'PAA', 'PAC', 1, day, passengers => (SELECT array_agg(n) FROM generate_series(1, 30) AS n)) WHERE ticket_no = 1;
    SELECT count(*) INTO refunded FROM ticket_refund(sold, (SELECT array_agg(ticket_no) FROM ticket_order WHERE order_id = sold AND coach || '/' || seat = ANY (free)));
    RETURN refunded;
END $$;

-- On an empty train a party of any size up to five has a row for itself, one of six to fifteen a coach.
BEGIN;
SELECT size, count(*) AS tickets, min(ticket_no), max(ticket_no), count(DISTINCT order_id) AS orders, count(DISTINCT coach) AS coaches,
       count(DISTINCT substr(seat, 1, 1)) AS rows
FROM (SELECT n AS size, b.* FROM generate_series(1, 5) AS n, ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-01', passengers => (SELECT array_agg(p) FROM generate_series(1, n) AS p)) AS b) AS t
GROUP BY size ORDER BY size;
ROLLBACK;
BEGIN;
SELECT size, count(*) AS tickets, count(DISTINCT coach) AS coaches
FROM (SELECT n AS size, b.* FROM (VALUES (6), (15)) AS v (n), ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-01', passengers => (SELECT array_agg(p) FROM generate_series(1, n) AS p)) AS b) AS t
GROUP BY size ORDER BY size;
ROLLBACK;
-- One ticket each, in the order of the passengers.
SELECT ticket_no, user_id, passenger_id, from_stop, to_stop, status FROM ticket_buy('PA1', 'PAB', 'PAC', 9, '2031-05-01', passengers => '{33,11,22}');

-- Same row before anything: three free in row 1 of coach 01, three spread over coach 02.
SELECT party_leave_free('2031-05-02', '01/1A', '01/1C', '01/1F', '02/1A', '02/2A', '02/3A');
SELECT coach, seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-02', passengers => '{1,2,3}') ORDER BY 1, 2;
-- No row has room: the same coach.
SELECT count(*), count(DISTINCT coach) AS coaches, min(coach) FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-02', passengers => '{1,2}');
SELECT ticket_remaining('PA1', 'PAA', 'PAC', '2031-05-02') AS one_left;
SELECT party_leave_free('2031-05-03', '01/1A', '01/2A', '02/1B', '02/2B', '02/3B');
SELECT coach, seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-03', passengers => '{1,2,3}') ORDER BY 1, 2;
-- No coach has room: anywhere; and if not all can travel, nobody does.
SELECT party_leave_free('2031-05-04', '01/1A', '01/2A', '02/1B');
SELECT seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-04', passengers => '{1,2,3,4}');
SELECT ticket_remaining('PA1', 'PAA', 'PAC', '2031-05-04') AS nothing_taken;
SELECT coach, seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-04', passengers => '{1,2,3}') ORDER BY 1, 2;
-- A seat that is free over a part of the trip is not free.
SELECT party_leave_free('2031-05-05', '01/1A', '01/1B', '01/1C');
SELECT seat IS NOT NULL AS sold FROM ticket_buy('PA1', 'PAB', 'PAC', 1, '2031-05-05');
SELECT seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-05', passengers => '{1,2,3}');
SELECT count(*) FROM ticket_buy('PA1', 'PAA', 'PAB', 1, '2031-05-05', passengers => '{1,2,3}');
SELECT count(*) FROM ticket_buy('PA1', 'PAB', 'PAC', 1, '2031-05-05', passengers => '{1,2}');
SELECT ticket_remaining('PA1', 'PAA', 'PAB', '2031-05-05'), ticket_remaining('PA1', 'PAB', 'PAC', '2031-05-05');

-- The whole train, one too many, and the other policies.
SELECT count(*) FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-06', passengers => (SELECT array_agg(n) FROM generate_series(1, 31) AS n));
SELECT count(*), count(DISTINCT (coach, seat)) FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-06', passengers => (SELECT array_agg(n) FROM generate_series(1, 30) AS n));
SELECT ticket_remaining('PA1', 'PAA', 'PAB', '2031-05-06');
SET ticketpool.allocation = first_fit;
SELECT coach, seat FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-07') ORDER BY 1, 2;
SELECT count(*), count(DISTINCT (coach, substr(seat, 1, 1))) AS rows FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-07', passengers => '{1,2,3,4,5}');
SET ticketpool.allocation = random;
SELECT count(*), count(DISTINCT (coach, substr(seat, 1, 1))) AS rows FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-07', passengers => '{1,2,3,4,5}');
SELECT count(*) FROM ticket_buy('PA1', 'PAA', 'PAC', 1, '2031-05-07', passengers => (SELECT array_agg(n) FROM generate_series(1, 19) AS n));
SELECT ticket_remaining('PA1', 'PAA', 'PAC', '2031-05-07');
RESET ticketpool.allocation;
DROP FUNCTION party_leave_free;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
