-- ticket_withdraw: the train is cancelled, every live ticket with it.
INSERT INTO ticket_station (station, name) VALUES ('WIA', 'Withdraw A'), ('WIB', 'Withdraw B'), ('WIC', 'Withdraw C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('WI1', 1, 'WIA', NULL, '8:00'), ('WI1', 2, 'WIB', '9:00', '9:02'), ('WI1', 3, 'WIC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('WI-F', '01', 'second', '{1A,1B,1C,1D,1F}');
INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('WI-F', '02', 'standing', 3);
SELECT ticket_open('WI1', d::date, 'WI-F') > 0 AS opened FROM generate_series('2032-03-01'::date, '2032-03-04', '1 day') AS d;

-- One of each kind: sold, held, given back before, expired, exchanged, from a quota, on a place.
SELECT order_id AS sold FROM ticket_buy('WI1', 'WIA', 'WIC', 1, '2032-03-01', 'second', '{11,12}') WHERE ticket_no = 1 \gset
SELECT order_id AS held FROM ticket_hold('WI1', 'WIA', 'WIB', 2, '2032-03-01', 'second') \gset
SELECT order_id AS refunded FROM ticket_buy('WI1', 'WIA', 'WIC', 3, '2032-03-01', 'second') \gset
SELECT status FROM ticket_refund(:refunded);
SELECT ticket_reserve('WI1', '2032-03-01', 'second', 'agency', 2, 'WIA', 'WIC') AS reservation \gset
SELECT count(*) AS from_quota FROM ticket_buy('WI1', 'WIA', 'WIC', 4, '2032-03-01', 'second', channel => 'agency');
SELECT count(*) FROM ticket_buy('WI1', 'WIA', 'WIC', 5, '2032-03-01', 'standing', '{51,52}');
SELECT order_id AS changed FROM ticket_buy('WI1', 'WIA', 'WIC', 6, '2032-03-01', 'standing') \gset
SELECT order_id AS other FROM ticket_change(:changed, 'WI1', 'WIA', 'WIC', '2032-03-02', 'standing') \gset
-- Rolled back: as if nothing had happened, and on sale.
BEGIN;
SELECT ticket_withdraw('WI1', '2032-03-01');
SELECT status, count(*) FROM ticket_order WHERE departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'WI1' AND service_date = '2032-03-01') GROUP BY 1 ORDER BY 1;
SELECT ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-01');
\set VERBOSITY sqlstate
SAVEPOINT a;
SELECT * FROM ticket_buy('WI1', 'WIA', 'WIC', 9, '2032-03-01', 'second');
ROLLBACK TO a;
ROLLBACK;
\set VERBOSITY default
SELECT status, count(*) FROM ticket_order WHERE departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'WI1' AND service_date = '2032-03-01') GROUP BY 1 ORDER BY 1;
SELECT ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-01', 'second') AS open, ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-01', 'second', 'agency') AS agency,
       ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-01', 'standing') AS standing;
SELECT * FROM ticket_verify();
BEGIN;
SAVEPOINT a;
SELECT ticket_withdraw('WI1', '2032-03-01') AS tickets;
ROLLBACK TO a;
SELECT count(*) AS on_sale FROM ticket_buy('WI1', 'WIA', 'WIC', 9, '2032-03-01', 'standing');
ROLLBACK;

-- For good: how many tickets, and what becomes of each.
SELECT ticket_withdraw(train => 'WI1', service_date => '2032-03-01') AS tickets;
SELECT user_id, ticket_no, status, changed_at IS NOT NULL AS changed FROM ticket_order
WHERE departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'WI1' AND service_date = '2032-03-01') ORDER BY 1, 2;
SELECT status FROM ticket_departure WHERE train = 'WI1' AND service_date = '2032-03-01';
SELECT status FROM ticket_reservation WHERE reservation_id = :reservation;
-- A day that is not concerned
SELECT status FROM ticket_order WHERE order_id = :other;
-- Again: nothing left to do.
SELECT ticket_withdraw('WI1', '2032-03-01') AS tickets;
-- It sells nothing any more, in no way, and shows nothing.
SELECT ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-01'), (SELECT count(*) FROM ticket_search('WIA', 'WIC', '2032-03-01')) AS found;
SELECT outcome, remaining, held FROM ticket_why('WI1', 'WIA', 'WIC', '2032-03-01', 'second');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('WI1', 'WIA', 'WIC', 9, '2032-03-01', 'second');
SELECT * FROM ticket_hold('WI1', 'WIA', 'WIC', 9, '2032-03-01', 'second');
SELECT * FROM ticket_change(:other, 'WI1', 'WIA', 'WIC', '2032-03-01', 'standing');
SELECT ticket_reserve('WI1', '2032-03-01', 'second', 'agency', 1, 'WIA', 'WIC');
SELECT * FROM ticket_confirm(:held);
SELECT ticket_open('WI1', '2032-03-01', 'WI-F');
\set VERBOSITY default
SELECT count(*) AS rows FROM ticket_buy_many(ARRAY[ROW('WI1', 'WIA', 'WIC', 9, '2032-03-01', 'second', NULL, NULL, NULL, NULL)::ticket_request]);
SELECT DISTINCT status FROM ticket_refund(:sold);
SELECT status FROM ticket_cancel(:held);
SELECT ticket_recycle(:reservation);
SELECT free_seat_segments FROM ticket_pool WHERE train = 'WI1' AND service_date = '2032-03-01';
SELECT * FROM ticket_verify();

-- A train nobody bought of; one whose sale was closed before; own purchases of the same transaction.
SELECT ticket_withdraw('WI1', '2032-03-04') AS tickets;
SELECT count(*) FROM ticket_buy('WI1', 'WIA', 'WIC', 7, '2032-03-03', 'second', '{1,2,3,4,5}');
SELECT ticket_close('WI1', '2032-03-03');
BEGIN;
SELECT ticket_withdraw('WI1', '2032-03-03') AS tickets;
COMMIT;
BEGIN;
SELECT count(*) FROM ticket_buy('WI1', 'WIA', 'WIB', 8, '2032-03-02', 'second', '{81,82}');
SELECT count(*) FROM ticket_hold('WI1', 'WIB', 'WIC', 8, '2032-03-02', 'second');
SELECT status FROM ticket_refund(:other);
SELECT ticket_withdraw('WI1', '2032-03-02') AS tickets;
COMMIT;
SELECT status, count(*) FROM ticket_order WHERE user_id = 8 AND service_date = '2032-03-02' AND departure_id IN (SELECT departure_id FROM ticket_departure WHERE train = 'WI1') GROUP BY 1 ORDER BY 1;
SELECT d.status, count(o.*) FILTER (WHERE o.status IN ('held', 'sold')) AS live FROM ticket_departure d LEFT JOIN ticket_order o USING (departure_id) WHERE d.train = 'WI1' GROUP BY d.departure_id, d.status ORDER BY d.departure_id;

-- Its times were changed by hand before, in the same transaction: it is still withdrawn.
SELECT ticket_open('WI1', '2032-03-05', 'WI-F') > 0 AS opened;
SELECT ticket_remaining('WI1', 'WIA', 'WIC', '2032-03-05', 'second');
BEGIN;
UPDATE ticket_departure SET opens_at = opens_at - interval '1 minute' WHERE train = 'WI1' AND service_date = '2032-03-05';
SELECT ticket_withdraw('WI1', '2032-03-05') AS tickets;
COMMIT;
SELECT d.status, p.status AS in_memory FROM ticket_departure d JOIN ticket_pool p USING (departure_id) WHERE d.train = 'WI1' AND d.service_date = '2032-03-05';

-- What it refuses
\set VERBOSITY sqlstate
SELECT ticket_withdraw('WI9', '2032-03-01');
SELECT ticket_withdraw('WI1', '2032-03-30');
SELECT ticket_withdraw(NULL, '2032-03-01');
SELECT ticket_withdraw('WI1', NULL);

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
