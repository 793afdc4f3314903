-- ticket_verify finds what does not agree: rows damaged by hand, behind the triggers' back, in transactions that are rolled back.
INSERT INTO ticket_station (station, name) VALUES ('VEA', 'Verify A'), ('VEB', 'Verify B'), ('VEC', 'Verify C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('VE1', 1, 'VEA', NULL, '8:00'), ('VE1', 2, 'VEB', '9:00', '9:02'), ('VE1', 3, 'VEC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('VE-F', '01', 'second', '{1A,1B}');
SELECT ticket_open('VE1', '2031-05-01', 'VE-F') AS id \gset
SELECT ticket_open('VE1', '2031-05-02', 'VE-F') AS other \gset
SET ticketpool.allocation = first_fit;
SELECT order_id FROM ticket_buy('VE1', 'VEA', 'VEC', 1, '2031-05-01') \gset
SELECT seat FROM ticket_buy('VE1', 'VEA', 'VEB', 2, '2031-05-01');
SELECT * FROM ticket_verify();
SELECT * FROM ticket_verify(:id);
-- A row that is gone, or not live any more: taken, but not sold.
BEGIN;
ALTER TABLE ticket_order DISABLE TRIGGER ALL;
UPDATE ticket_order SET status = 'cancelled' WHERE order_id = :order_id;
SELECT departure_id = :id AS this, problem FROM ticket_verify();
SELECT count(*) AS problems FROM ticket_verify(:id);
SELECT count(*) AS problems FROM ticket_verify(:other);
ROLLBACK;
BEGIN;
ALTER TABLE ticket_order DISABLE TRIGGER ALL;
UPDATE ticket_order SET to_stop = 2 WHERE order_id = :order_id;
SELECT departure_id = :id AS this, problem FROM ticket_verify();
ROLLBACK;
-- A row that nobody claimed for: sold, but free.
BEGIN;
ALTER TABLE ticket_order DISABLE TRIGGER ALL;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (1, 1, :id, '2031-05-01', 3, 3, 'second', '01', '1B', 2, 3, 'sold');
SELECT departure_id = :id AS this, problem FROM ticket_verify();
ROLLBACK;
-- Two live tickets on one seat and stretch
BEGIN;
ALTER TABLE ticket_order DISABLE TRIGGER ALL;
UPDATE ticket_order SET seat = '1A' WHERE user_id = 2 AND departure_id = :id;
SELECT count(*) > 0 AS found FROM ticket_verify(:id) WHERE problem LIKE '%another live ticket%';
ROLLBACK;
-- A held ticket is as live as a sold one.
BEGIN;
ALTER TABLE ticket_order DISABLE TRIGGER ALL;
UPDATE ticket_order SET status = 'held' WHERE order_id = :order_id;
SELECT * FROM ticket_verify();
ROLLBACK;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
