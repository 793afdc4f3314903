-- When a departure is on sale: opens_at, closes_at, ticket_close.
INSERT INTO ticket_station (station, name) VALUES ('CLA', 'Close A'), ('CLB', 'Close B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('CL1', 1, 'CLA', NULL, '8:00'), ('CL1', 2, 'CLB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('CL-F', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open('CL1', '2031-05-01', 'CL-F') > 0 AS open, ticket_open('CL1', '2031-05-02', 'CL-F', '2031-04-01 06:00+00') > 0 AS not_yet,
       ticket_open('CL1', '2031-05-03', 'CL-F', '2020-01-01', '2020-02-01 06:00+00') > 0 AS over;
SET timezone = 'UTC';

-- Too early, too late: an error for a purchase, 0 for a count, no row for a search.
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-02');
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-03');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-02');
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-03');
SELECT d, ticket_remaining('CL1', 'CLA', 'CLB', d), (SELECT sum(remaining) FROM ticket_remaining_matrix('CL1', d, 'second')) AS matrix,
       (SELECT count(*) FROM ticket_search('CLA', 'CLB', d)) AS found, (SELECT count(*) FROM ticket_trains('CLA', 'CLB', d)) AS trains
FROM unnest('{2031-05-01,2031-05-02,2031-05-03}'::date[]) AS d ORDER BY d;

-- By the wall clock, not by the transaction's start.
BEGIN;
SELECT ticket_open('CL1', '2031-05-04', 'CL-F', clock_timestamp() + '0.2 s') > 0 AS opened;
SELECT pg_sleep(0.3);
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-04');
SELECT seat IS NOT NULL AS sold, created_at = now() AS stamped FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-04');
COMMIT;
BEGIN;
SELECT ticket_open('CL1', '2031-05-05', 'CL-F', closes_at => clock_timestamp() + '0.2 s') > 0 AS opened;
SELECT pg_sleep(0.3);
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-05');
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-05');
ROLLBACK;

-- ticket_close stops the sale; orders stay, and can be refunded.
SELECT order_id FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000c1') \gset
SELECT ticket_close('CL1', '2031-05-01');
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-01');
\set VERBOSITY default
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-01');
\set VERBOSITY sqlstate
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-01'), (SELECT count(*) FROM ticket_search('CLA', 'CLB', '2031-05-01')) AS found,
       (SELECT count(*) FROM ticket_trains('CLA', 'CLB', '2031-05-01')) AS trains;
SELECT status FROM ticket_departure WHERE train = 'CL1' AND service_date = '2031-05-01';
SELECT status FROM ticket_order WHERE order_id = :order_id;
-- The repetition of an earlier purchase is no sale.
SELECT order_id = :order_id AS the_first_one FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000c1');
SELECT status FROM ticket_refund(:order_id);
SELECT ticket_close('CL1', '2031-05-01');
SELECT ticket_close('CL1', '2031-05-31');
SELECT ticket_close('CL-NONE', '2031-05-01');
SELECT ticket_close(NULL, '2031-05-01');
SELECT ticket_close('CL1', NULL);
BEGIN READ ONLY;
SELECT ticket_close('CL1', '2031-05-04');
ROLLBACK;
-- The same in a new session.
\c
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-01');

-- A close is part of its transaction: seen by it at once, undone by a rollback.
BEGIN;
SELECT ticket_close('CL1', '2031-05-04');
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-04');
SAVEPOINT a;
SELECT * FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-04');
ROLLBACK TO a;
ROLLBACK;
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-04');
BEGIN;
SAVEPOINT a;
SELECT ticket_close('CL1', '2031-05-04');
ROLLBACK TO a;
SELECT seat IS NOT NULL AS sold FROM ticket_buy('CL1', 'CLA', 'CLB', 1, '2031-05-04');
SAVEPOINT b;
SELECT ticket_close('CL1', '2031-05-04');
RELEASE b;
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-04');
COMMIT;
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-04');
SELECT count(*) AS stay FROM ticket_order WHERE departure_id IN (SELECT departure_id FROM ticket_departure WHERE train = 'CL1') AND status = 'sold';

-- Written by hand: '-infinity' is a time, and long over.
SELECT ticket_open('CL1', '2031-05-09', formation, '-infinity') > 0 AS opened FROM ticket_departure WHERE train = 'CL1' LIMIT 1;
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-09') > 0 AS on_sale;
UPDATE ticket_departure SET closes_at = '-infinity' WHERE train = 'CL1' AND service_date = '2031-05-09';
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-09') > 0 AS on_sale;
UPDATE ticket_departure SET closes_at = 'infinity' WHERE train = 'CL1' AND service_date = '2031-05-09';
SELECT ticket_remaining('CL1', 'CLA', 'CLB', '2031-05-09') > 0 AS on_sale;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
