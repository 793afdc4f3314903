-- ticket_change: sold tickets exchanged for others in one step, or left alone.
INSERT INTO ticket_station (station, name) VALUES ('CHA', 'Change A'), ('CHB', 'Change B'), ('CHC', 'Change C'), ('CHD', 'Change D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('CH1', 1, 'CHA', NULL, '8:00'), ('CH1', 2, 'CHB', '9:00', '9:02'), ('CH1', 3, 'CHC', '10:00', '10:02'), ('CH1', 4, 'CHD', '11:00', NULL),
    ('CH2', 1, 'CHA', NULL, '12:00'), ('CH2', 5, 'CHC', '14:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('CH-F', '01', 'second', '{1A,1B,1C,1D,1F}'), ('CH-1', '01', 'second', '{1A}'),
    ('CH-2', '01', 'first', '{1A,1C}'), ('CH-2', '02', 'second', '{1A,1B,1C}');
SELECT ticket_open('CH1', '2032-02-01', 'CH-F') > 0 AS opened, ticket_open('CH1', '2032-02-02', 'CH-2') > 0 AS opened, ticket_open('CH2', '2032-02-01', 'CH-1') > 0 AS opened,
       ticket_open('CH1', '2032-02-03', 'CH-1') > 0 AS opened;

-- Another train: the new ticket is the passenger's, sold, of a new order that points to the old; the old one is 'changed' and its seat free.
SELECT order_id FROM ticket_buy('CH1', 'CHA', 'CHC', 1, '2032-02-01', passengers => '{11}') \gset
SELECT c AS answer, order_id AS order_2 FROM ticket_change(:order_id, 'CH2', 'CHA', 'Change C', '2032-02-01') AS c \gset
SELECT o::text = :'answer' AS same, order_id <> :order_id AS new, changed_from = :order_id AS points, ticket_no, user_id, passenger_id, seat, from_stop, to_stop, status, held_until, changed_at
FROM ticket_order o WHERE order_id = :order_2;
SELECT status, changed_at >= created_at AS changed FROM ticket_order WHERE order_id = :order_id;
SELECT ticket_remaining('CH1', 'CHA', 'CHC', '2032-02-01') AS old, ticket_remaining('CH2', 'CHA', 'CHC', '2032-02-01') AS new;
-- The old one is neither changed nor refunded again; the new one can be both.
\set VERBOSITY sqlstate
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHC', '2032-02-01');
SELECT * FROM ticket_refund(:order_id);
SELECT * FROM ticket_cancel(:order_id);
SELECT * FROM ticket_confirm(:order_id);
\set VERBOSITY default
-- Twice: another date and class
SELECT order_id AS order_3, changed_from = :order_2 AS points, seat_class, service_date, status FROM ticket_change(order_id => :order_2, train => 'CH1', from_station => 'CHB', to_station => 'CHD', service_date => '2032-02-02', seat_class => 'first') \gset
SELECT :'points' AS points, :'seat_class' AS seat_class, :'service_date' AS service_date, :'status' AS status;
SELECT ticket_remaining('CH2', 'CHA', 'CHC', '2032-02-01') AS old, ticket_remaining('CH1', 'CHB', 'CHD', '2032-02-02', 'first') AS new;
SELECT status FROM ticket_refund(:order_3);
SELECT ticket_remaining('CH1', 'CHB', 'CHD', '2032-02-02', 'first');
SELECT status, count(*) FROM ticket_order WHERE order_id IN (:order_id, :order_2, :order_3) GROUP BY 1 ORDER BY 1;
SELECT * FROM ticket_verify();

-- The train is full: an own seat is kept, made longer or shorter.
SELECT order_id, seat FROM ticket_buy('CH1', 'CHB', 'CHC', 2, '2032-02-03') \gset
SELECT count(*) AS sold_out FROM ticket_buy('CH1', 'CHA', 'CHD', 3, '2032-02-03');
SELECT order_id, seat = :'seat' AS kept, from_stop, to_stop FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-03') \gset
SELECT :'kept' AS kept, :from_stop AS from_stop, :to_stop AS to_stop, ticket_remaining('CH1', 'CHB', 'CHC', '2032-02-03') AS middle, ticket_remaining('CH1', 'CHC', 'CHD', '2032-02-03') AS last;
SELECT order_id, seat = :'seat' AS kept, from_stop, to_stop FROM ticket_change(:order_id, 'CH1', 'CHC', 'CHD', '2032-02-03') \gset
SELECT :'kept' AS kept, :from_stop AS from_stop, :to_stop AS to_stop, ticket_remaining('CH1', 'CHA', 'CHC', '2032-02-03') AS first, ticket_remaining('CH1', 'CHC', 'CHD', '2032-02-03') AS last;
-- The same trip again is an exchange too.
SELECT order_id, seat = :'seat' AS kept, changed_from = :order_id AS points FROM ticket_change(:order_id, 'CH1', 'CHC', 'CHD', '2032-02-03') \gset
SELECT :'kept' AS kept, :'points' AS points;
SELECT * FROM ticket_verify();
-- Not to be had: no row, and nothing has happened.
SELECT count(*) FROM ticket_buy('CH1', 'CHA', 'CHC', 4, '2032-02-03');
SELECT o AS before FROM ticket_order o WHERE order_id = :order_id \gset
SELECT count(*) AS orders FROM ticket_order \gset
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHB', 'CHD', '2032-02-03');
SELECT o::text = :'before' AS untouched FROM ticket_order o WHERE order_id = :order_id;
SELECT count(*) = :orders AS no_row FROM ticket_order;
SELECT count(*) AS still_sold FROM ticket_buy('CH1', 'CHC', 'CHD', 5, '2032-02-03');
SELECT count(*) AS claims FROM ticket_inflight;
BEGIN;
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHB', 'CHD', '2032-02-03');
SELECT count(*) AS still_sold FROM ticket_buy('CH1', 'CHC', 'CHD', 5, '2032-02-03');
SELECT status FROM ticket_refund(:order_id);
SELECT count(*) AS bought_again FROM ticket_buy('CH1', 'CHC', 'CHD', 5, '2032-02-03');
ROLLBACK;
SELECT o::text = :'before' AS untouched FROM ticket_order o WHERE order_id = :order_id;
SELECT * FROM ticket_verify();

-- Some tickets of a party; the others stay.
SELECT order_id FROM ticket_buy('CH1', 'CHA', 'CHD', 6, '2032-02-01', passengers => '{61,62,63,64}') WHERE ticket_no = 1 \gset
SELECT ticket_no, passenger_id, status, changed_from = :order_id AS points FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{4,2,4}');
SELECT ticket_no, passenger_id, status FROM ticket_order WHERE order_id = :order_id ORDER BY 1;
SELECT ticket_remaining('CH1', 'CHA', 'CHD', '2032-02-01');
\set VERBOSITY sqlstate
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{1,2}');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{5}');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{0}');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{}');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{1,NULL}');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second', ticket_nos => '{{1},{3}}');
\set VERBOSITY default
SELECT ticket_no, status FROM ticket_order WHERE order_id = :order_id ORDER BY 1;
-- All of them are those that are sold still; too few seats for all: none.
SELECT count(*) AS none FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHB', '2032-02-02', 'second');
SELECT ticket_no, passenger_id FROM ticket_change(:order_id, 'CH1', 'CHB', 'CHD', '2032-02-02', 'second');
SELECT status, count(*) FROM ticket_order WHERE order_id = :order_id GROUP BY 1;
SELECT ticket_remaining('CH1', 'CHA', 'CHD', '2032-02-01') AS old, ticket_remaining('CH1', 'CHA', 'CHB', '2032-02-02', 'second') AS first, ticket_remaining('CH1', 'CHB', 'CHD', '2032-02-02', 'second') AS rest;
SELECT * FROM ticket_verify();

-- A wish for the seat
SELECT order_id FROM ticket_buy('CH1', 'CHA', 'CHD', 7, '2032-02-01', seat_choice => 'A') \gset
SELECT seat, order_id AS order_2 FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-01', seat_choice => 'F') \gset
SELECT :'seat' AS seat;
SELECT seat FROM ticket_change(:order_2, 'CH1', 'CHA', 'CHD', '2032-02-01', NULL, 'window', '{1}') WHERE seat IN ('1A', '1F') AND ticket_no = 1 \gset
SELECT :'seat' IN ('1A', '1F') AS window;
SELECT order_id FROM ticket_order WHERE user_id = 7 AND status = 'sold' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'CH1' AND service_date = '2032-02-01') \gset

-- What it refuses, all of it before anything is touched
SELECT ticket_open('CH1', '2032-02-05', 'CH-F', '2031-06-01') > 0 AS opened, ticket_open('CH1', '2032-02-06', 'CH-F') > 0 AS opened;
SELECT ticket_close('CH1', '2032-02-06');
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('CH-3', '01', 'first', '{1A,1C}');
SELECT ticket_open('CH1', '2032-02-08', 'CH-3') > 0 AS opened;
\set VERBOSITY sqlstate
SELECT * FROM ticket_change(:order_id, 'CH9', 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-20');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHD', 'CHA', '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'nowhere', '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-05');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-06');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-08');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-02', 'third');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-01', seat_choice => 'AB');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', '2032-02-01', seat_choice => '?');
SELECT * FROM ticket_change(-1, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:order_id + 1000, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(NULL, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:order_id, NULL, 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', NULL, 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', NULL, '2032-02-01');
SELECT * FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHD', NULL);
-- A hold, a cancelled and a refunded one
SELECT order_id AS held FROM ticket_hold('CH1', 'CHA', 'CHD', 8, '2032-02-01') \gset
SELECT * FROM ticket_change(:held, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT status FROM ticket_cancel(:held);
SELECT * FROM ticket_change(:held, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT order_id AS refunded FROM ticket_buy('CH1', 'CHA', 'CHD', 8, '2032-02-01') \gset
SELECT status FROM ticket_refund(:refunded);
SELECT * FROM ticket_change(:refunded, 'CH1', 'CHA', 'CHD', '2032-02-01');
SELECT * FROM ticket_change(:refunded, 'CH1', 'CHA', 'CHD', '2032-02-01', ticket_nos => '{1}');
\set VERBOSITY default
SELECT status FROM ticket_order WHERE order_id = :order_id;
-- Away from a train whose sale is over
SELECT ticket_open('CH1', '2032-02-07', 'CH-F') > 0 AS opened;
SELECT order_id AS closed FROM ticket_buy('CH1', 'CHA', 'CHB', 9, '2032-02-07') \gset
SELECT ticket_close('CH1', '2032-02-07');
SELECT service_date, status FROM ticket_change(:closed, 'CH1', 'CHA', 'CHB', '2032-02-01');

-- Rolled back: the old tickets are sold, the new ones never were.
BEGIN;
SELECT order_id AS order_2 FROM ticket_change(:order_id, 'CH2', 'CHA', 'CHC', '2032-02-01') \gset
SELECT count(*) AS sold_out FROM ticket_buy('CH2', 'CHA', 'CHC', 10, '2032-02-01');
-- The freed seat is this transaction's to sell, while nobody else has it yet.
SELECT ticket_remaining('CH1', 'CHA', 'CHD', '2032-02-01');
SAVEPOINT a;
SELECT count(*) FROM ticket_buy('CH1', 'CHA', 'CHD', 10, '2032-02-01', passengers => '{1,2,3,4}');
ROLLBACK TO a;
SELECT status FROM ticket_refund(:order_2);
ROLLBACK;
SELECT status FROM ticket_order WHERE order_id = :order_id;
SELECT ticket_remaining('CH1', 'CHA', 'CHD', '2032-02-01') AS old, ticket_remaining('CH2', 'CHA', 'CHC', '2032-02-01') AS new;
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM ticket_change(:order_id, 'CH2', 'CHA', 'CHC', '2032-02-01');
ROLLBACK TO a;
SELECT count(*) FROM ticket_change(:order_id, 'CH1', 'CHA', 'CHC', '2032-02-01');
COMMIT;
SELECT ticket_remaining('CH1', 'CHA', 'CHD', '2032-02-01') AS old, ticket_remaining('CH2', 'CHA', 'CHC', '2032-02-01') AS new;
-- An error later in the same statement undoes it too.
SELECT order_id FROM ticket_order WHERE user_id = 7 AND status = 'sold' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'CH1' AND service_date = '2032-02-01') \gset
\set VERBOSITY sqlstate
SELECT 1 / (count(*) - 1) FROM ticket_change(:order_id, 'CH2', 'CHA', 'CHC', '2032-02-01');
\set VERBOSITY default
SELECT status FROM ticket_order WHERE order_id = :order_id;
SELECT ticket_remaining('CH2', 'CHA', 'CHC', '2032-02-01');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
