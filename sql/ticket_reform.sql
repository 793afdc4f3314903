-- ticket_reform: other rolling stock for a departure that is on sale.
SET client_min_messages = warning;
SET ticketpool.allocation = 'first_fit';
DROP EXTENSION IF EXISTS ticketpool CASCADE;
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma'), ('D', 'Delta');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('T', 1, 'A', NULL, '8:00'), ('T', 2, 'B', '9:00', '9:02'), ('T', 3, 'C', '10:00', '10:02'), ('T', 4, 'D', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('old', '01', 'first', string_to_array('1A,1C,1D,1F', ','), NULL),
    ('old', '02', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL),
    ('old', '03', 'stand', NULL, 3),
    ('old', '04', 'stand', NULL, 3),
    -- coach 01 has lost a row, coach 02 has another number, and there is one coach to stand in
    ('new', '01', 'first', string_to_array('1A,1C', ','), NULL),
    ('new', '12', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL),
    ('new', '03', 'stand', NULL, 2),
    ('new', '05', 'stand', NULL, 4),
    ('small', '01', 'first', string_to_array('1A', ','), NULL),
    ('small', '02', 'second', string_to_array('1A,1B', ','), NULL),
    ('lacks', '02', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL);

CREATE FUNCTION tickets(day date DEFAULT '2031-05-01') RETURNS TABLE (user_id bigint, ticket_no int, class text, seat text, trip text, status text)
    LANGUAGE sql AS $$
    SELECT user_id, ticket_no, seat_class, concat_ws('/', coach, o.seat), from_stop || '-' || to_stop, o.status FROM ticket_order o
    WHERE service_date = day ORDER BY user_id, ticket_no $$;
CREATE FUNCTION reform(formation text, unseated text DEFAULT 'refuse', day date DEFAULT '2031-05-01')
    RETURNS TABLE (user_id bigint, ticket_no int, class text, old text, new text, outcome text) LANGUAGE sql AS $$
    SELECT o.user_id, r.ticket_no, r.seat_class, concat_ws('/', old_coach, old_seat), concat_ws('/', new_coach, new_seat), outcome
    FROM ticket_reform('T', day, formation, unseated) r JOIN ticket_order o USING (order_id, ticket_no) ORDER BY o.user_id, r.ticket_no $$;

SELECT ticket_open('T', '2031-05-01', 'old') > 0 AS opened;
-- Kept, moved, parties, holds, places
SELECT count(*) FROM ticket_buy_many(ARRAY[
    ROW('T', 'A', 'D', 1, '2031-05-01', 'first', ARRAY[101, 102], 'AC', NULL, NULL)::ticket_request,
    ROW('T', 'A', 'B', 2, '2031-05-01', 'first', NULL, 'F', NULL, NULL)::ticket_request,
    ROW('T', 'B', 'D', 3, '2031-05-01', 'second', ARRAY[301, 302, 303], NULL, NULL, NULL)::ticket_request,
    ROW('T', 'A', 'D', 4, '2031-05-01', 'stand', ARRAY[401, 402, 403], NULL, NULL, NULL)::ticket_request,
    ROW('T', 'A', 'D', 5, '2031-05-01', 'stand', ARRAY[501], NULL, NULL, NULL)::ticket_request]);
SELECT seat_class, status FROM ticket_hold('T', 'A', 'C', 6, '2031-05-01', 'second', ARRAY[601, 602]);
SELECT * FROM tickets();
-- One of class first finds no seat: nothing changes, and all classes are named
SELECT * FROM reform('new');
SELECT * FROM reform('small');
SELECT * FROM reform('lacks');
SELECT * FROM tickets();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'first'), ticket_remaining('T', 'A', 'D', '2031-05-01', 'second');
SELECT * FROM ticket_verify();
-- With refunds
BEGIN;
SELECT * FROM reform('new', 'refund');
SELECT formation, status FROM ticket_departure;
-- The transaction itself sells nothing more; counts are the old ones
SAVEPOINT s;
SELECT * FROM ticket_buy('T', 'A', 'B', 7, '2031-05-01', 'second');
ROLLBACK TO s;
SELECT ticket_reserve('T', '2031-05-01', 'second', 'x', 1, 'A', 'B');
ROLLBACK TO s;
UPDATE ticket_order SET coach = '02', seat = '2F' WHERE user_id = 3 AND ticket_no = 1;
ROLLBACK TO s;
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'second');
SELECT * FROM ticket_verify();
COMMIT;
SELECT * FROM tickets();
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'first'), ticket_remaining('T', 'A', 'D', '2031-05-01', 'second'),
    ticket_remaining('T', 'A', 'D', '2031-05-01', 'stand');
SELECT coach, seat FROM ticket_buy('T', 'C', 'D', 7, '2031-05-01', 'second', seat_choice => 'window');
-- The same again: nothing to list
SELECT * FROM reform('new');
SELECT * FROM ticket_verify();

-- Arguments
SELECT * FROM ticket_reform('X', '2031-05-01', 'new');
SELECT * FROM ticket_reform('T', '2031-05-01', 'nothing');
SELECT * FROM ticket_reform('T', '2031-05-01', 'new', 'maybe');
SELECT * FROM ticket_reform('T', '2031-05-01', NULL);
-- The formation itself is not changed by hand
UPDATE ticket_departure SET formation = 'old';

-- A rollback undoes all, a savepoint too
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM ticket_reform('T', '2031-05-01', 'old');
ROLLBACK TO s;
SELECT formation FROM ticket_departure;
SELECT coach, seat FROM ticket_buy('T', 'A', 'B', 8, '2031-05-01', 'second', seat_choice => 'window');
-- What this transaction has bought moves like the rest; a second reform plans from the rows of the first
SELECT * FROM reform('old');
SELECT * FROM reform('new');
SELECT * FROM reform('old');
COMMIT;
SELECT * FROM tickets() WHERE user_id IN (3, 7, 8);
SELECT * FROM ticket_verify();
-- A refund before and after it, in the same transaction
BEGIN;
SELECT r.status FROM (SELECT order_id FROM ticket_order WHERE user_id = 7) o, ticket_refund(o.order_id) r;
SELECT user_id, old, new FROM reform('new');
SELECT r.status FROM (SELECT order_id FROM ticket_order WHERE user_id = 8) o, ticket_refund(o.order_id) r;
COMMIT;
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'B', '2031-05-01', 'second');
-- A transaction that has reformed a departure is not prepared
BEGIN;
SELECT count(*) FROM ticket_reform('T', '2031-05-01', 'old');
PREPARE TRANSACTION 'reform';
SELECT * FROM ticket_verify();

-- Holds are paid, given up and expire on their new seats
SELECT c.coach, c.seat, c.status FROM (SELECT order_id FROM ticket_order WHERE user_id = 6 AND ticket_no = 1) o, ticket_confirm(o.order_id) c;
SELECT * FROM ticket_verify();

-- Parties: those that must move sit with those that stay, and the longest trips are first
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('p1', '1', 'c', string_to_array('1A,1B,1C,1D,2A,2B,2C,2D', ',')), ('p1', '2', 'c', string_to_array('1A,1B,1C,1D', ',')),
    ('p2', '1', 'c', string_to_array('1A,1B,1C,1D,2A,2B,2C,2D', ',')), ('p2', '3', 'c', string_to_array('1A', ',')),
    ('p3', '9', 'c', string_to_array('1A,1B', ','));
SELECT ticket_open('T', '2031-05-02', 'p1') > 0 AS opened;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT (11444 + s.number)::bigint << 37, s.ticket, departure_id, service_date, s.number, s.number, 'c', s.coach, s.seat, s.f, s.t, 'sold'
FROM ticket_departure, (VALUES (1, 1, '1', '2A', 1, 4), (1, 2, '2', '1A', 1, 4), (1, 3, '2', '1B', 1, 4),
    (2, 1, '2', '1C', 1, 2), (3, 1, '2', '1D', 2, 4), (4, 1, '1', '1A', 1, 3)) AS s (number, ticket, coach, seat, f, t)
WHERE service_date = '2031-05-02';
SELECT * FROM reform('p2', day => '2031-05-02');
SELECT * FROM ticket_verify();
-- Two seats for six tickets: the whole way first, then the longest of the rest
SELECT * FROM reform('p3', day => '2031-05-02');
SELECT * FROM reform('p3', 'refund', day => '2031-05-02');
SELECT * FROM ticket_verify();

-- Quotas: seats that exist and are free stay, others are replaced, then they shrink
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('q1', '1', 'c', string_to_array('1A,1B,1C,1D', ',')), ('q1', '2', 'c', string_to_array('1A,1B,1C,1D', ',')),
    ('q2', '1', 'c', string_to_array('1A,1B,1C,1D', ',')), ('q2', '3', 'c', string_to_array('1A,1B,1C', ',')),
    ('q3', '3', 'c', string_to_array('1A,1B', ',')),
    ('q4', '3', 'other', string_to_array('1A,1B', ','));
SELECT ticket_open('T', '2031-05-03', 'q1') > 0 AS opened;
SELECT ticket_reserve('T', '2031-05-03', 'c', 'agency', 6, 'A', 'D') > 0 AS reserved;
SELECT seats, seat_list FROM ticket_reservation;
SELECT coach, seat FROM ticket_buy('T', 'A', 'D', 1, '2031-05-03', 'c', ARRAY[1, 2], channel => 'agency');
SELECT coach, seat FROM ticket_buy('T', 'A', 'D', 2, '2031-05-03', 'c');
SELECT ticket_remaining('T', 'A', 'D', '2031-05-03', 'c') AS open, ticket_remaining('T', 'A', 'D', '2031-05-03', 'c', 'agency') AS agency;
SELECT * FROM reform('q2', day => '2031-05-03');
SELECT seats, seat_list FROM ticket_reservation;
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-03', 'c') AS open, ticket_remaining('T', 'A', 'D', '2031-05-03', 'c', 'agency') AS agency;
SET client_min_messages = notice;
SELECT * FROM reform('q3', 'refund', day => '2031-05-03');
SELECT seats, seat_list, status FROM ticket_reservation;
SELECT * FROM reform('q4', 'refund', day => '2031-05-03');
SELECT seats, status FROM ticket_reservation;
SELECT * FROM ticket_verify();

SET client_min_messages = warning;

-- Closed: reformed as well, and stays closed. Withdrawn: no
SELECT ticket_close('T', '2031-05-02');
SELECT * FROM reform('p1', day => '2031-05-02');
SELECT status, formation FROM ticket_departure WHERE service_date = '2031-05-02';
SELECT * FROM ticket_buy('T', 'A', 'D', 1, '2031-05-02');
SELECT ticket_withdraw('T', '2031-05-02');
SELECT * FROM ticket_reform('T', '2031-05-02', 'p2');
SELECT * FROM ticket_verify();

-- Rows by hand: by the seats that the departure has now
UPDATE ticket_order SET coach = '12', seat = '2F' WHERE user_id = 3 AND ticket_no = 1 AND service_date = '2031-05-01';
UPDATE ticket_order SET coach = '02', seat = '2F' WHERE user_id = 3 AND ticket_no = 1 AND service_date = '2031-05-01';
SELECT * FROM ticket_verify();

-- A late payment: the seat is gone, another one of the class is as good; the class is gone
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('l1', '1', 'c', string_to_array('1A,1B,1C,1D', ','), NULL), ('l1', '2', 's', NULL, 3),
    ('l2', '1', 'c', string_to_array('1A,1B', ','), NULL), ('l2', '7', 'c', string_to_array('1A', ','), NULL), ('l2', '8', 's', NULL, 2),
    ('l3', '1', 'c', string_to_array('1A,1B,1C', ','), NULL);
SELECT ticket_open('T', '2031-05-04', 'l1') > 0 AS opened;
SELECT order_id AS late_two FROM ticket_hold_seats('T', 'A', 'D', 1, ARRAY['1/1C', '1/1B'], '2031-05-04') WHERE ticket_no = 1 \gset
SELECT order_id AS late_place FROM ticket_hold('T', 'A', 'D', 2, '2031-05-04', 's') \gset
SELECT order_id AS late_one FROM ticket_hold_seats('T', 'B', 'C', 3, ARRAY['1/1D'], '2031-05-04') \gset
UPDATE ticket_order SET status = 'expired' WHERE service_date = '2031-05-04';
SELECT * FROM reform('l2', day => '2031-05-04');
SELECT coach, seat, status FROM ticket_confirm(:late_two);
SELECT coach, seat, status FROM ticket_confirm(:late_place);
SELECT coach, seat, status FROM ticket_confirm(:late_one);
SELECT coach, seat, status FROM ticket_confirm(:late_one);
SELECT * FROM ticket_verify();
UPDATE ticket_order SET status = 'expired' WHERE service_date = '2031-05-04' AND user_id = 2;
SELECT * FROM reform('l3', day => '2031-05-04');
-- To what it has already
SELECT * FROM reform('l3', day => '2031-05-04');
SELECT coach, seat, status FROM ticket_confirm(:late_place);
SELECT * FROM ticket_verify();
-- There and back in one transaction, to one seat for two: memory has what others see, which is no problem
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('v1', '1', 'c', '{1A,1B}'), ('v2', '2', 'c', '{1A,1B}');
SELECT ticket_open('T', '2031-05-05', 'v1') > 0 AS opened;
SELECT count(*) FROM ticket_buy_seats('T', 'A', 'B', 1, ARRAY['1/1A'], '2031-05-05') AS a, ticket_buy_seats('T', 'B', 'D', 2, ARRAY['1/1B'], '2031-05-05') AS b;
BEGIN;
SELECT outcome FROM reform('v2', day => '2031-05-05');
SELECT outcome FROM reform('v1', day => '2031-05-05');
SELECT * FROM ticket_verify();
COMMIT;
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-05');
DROP FUNCTION tickets, reform;
