-- Unnumbered places: a coach that counts, segment by segment.
INSERT INTO ticket_station (station, name) VALUES ('PLA', 'Places A'), ('PLB', 'Places B'), ('PLC', 'Places C'), ('PLD', 'Places D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('PL1', 1, 'PLA', NULL, '8:00'), ('PL1', 2, 'PLB', '9:00', '9:02'), ('PL1', 3, 'PLC', '10:00', '10:02'), ('PL1', 4, 'PLD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES ('PL-P', '01', 'standing', NULL, 2), ('PL-M', '01', 'second', '{1A,1B}', NULL), ('PL-M', '02', 'second', NULL, 3),
    ('PL-M', '03', 'second', NULL, 1), ('PL-M', '04', 'first', '{1A}', NULL), ('PL-X', '01', 'standing', NULL, 1000000);
SELECT ticket_open('PL1', '2032-05-01', 'PL-P') > 0 AS opened, ticket_open('PL1', '2032-05-02', 'PL-M') > 0 AS opened, ticket_open('PL1', '2032-05-03', 'PL-X') > 0 AS opened;

-- A ticket has its coach and no seat.
SELECT order_id, ticket_no, seat_class, coach, seat, from_stop, to_stop, status FROM ticket_buy('PL1', 'PLA', 'PLB', 1, '2032-05-01') \gset
SELECT ticket_no, seat_class, coach, seat, from_stop, to_stop, status FROM ticket_order WHERE order_id = :order_id;
-- They are never in pieces: what is sold for parts of the way leaves the rest for everybody.
SELECT count(*) FROM ticket_buy('PL1', 'PLB', 'PLC', 2, '2032-05-01');
SELECT count(*) FROM ticket_buy('PL1', 'PLC', 'PLD', 3, '2032-05-01');
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-01');
SELECT coach, seat FROM ticket_buy('PL1', 'PLA', 'PLD', 4, '2032-05-01');
SELECT count(*) AS sold_out FROM ticket_buy('PL1', 'PLA', 'PLB', 5, '2032-05-01');
SELECT * FROM ticket_remaining_matrix('PL1', '2032-05-01', 'standing');
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM ticket_remaining_matrix('PL1', '2032-05-01', NULL) WHERE from_stop = 1;
SELECT status FROM ticket_refund(:order_id);
SELECT seat_class, remaining FROM ticket_search('PLA', 'PLB', '2032-05-01');
SELECT * FROM ticket_verify();
-- Held, paid, given up, exchanged
SELECT order_id FROM ticket_hold('PL1', 'PLA', 'PLB', 6, '2032-05-01') \gset
SELECT count(*) AS sold_out FROM ticket_hold('PL1', 'PLA', 'PLB', 7, '2032-05-01');
SELECT status, coach, seat FROM ticket_confirm(:order_id);
SELECT order_id, coach, seat FROM ticket_change(:order_id, 'PL1', 'PLA', 'PLB', '2032-05-01') \gset
SELECT count(*) AS sold_out FROM ticket_change(:order_id, 'PL1', 'PLA', 'PLC', '2032-05-01');
SELECT status FROM ticket_refund(:order_id);
SELECT order_id FROM ticket_hold('PL1', 'PLA', 'PLB', 6, '2032-05-01') \gset
SELECT status FROM ticket_cancel(:order_id);
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01');
-- Rolled back, in whole and in part; what a transaction refunded it sells again.
BEGIN;
SELECT count(*) FROM ticket_buy('PL1', 'PLA', 'PLB', 8, '2032-05-01');
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01');
ROLLBACK;
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01');
SELECT order_id FROM ticket_order WHERE user_id = 4 AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'PL1' AND service_date = '2032-05-01') \gset
BEGIN;
SELECT status FROM ticket_refund(:order_id);
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01') AS first, ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-01') AS whole;
SAVEPOINT a;
SELECT count(*) FROM ticket_buy('PL1', 'PLA', 'PLB', 9, '2032-05-01', passengers => '{1,2}');
SELECT count(*) AS sold_out FROM ticket_buy('PL1', 'PLA', 'PLB', 9, '2032-05-01');
ROLLBACK TO a;
SELECT count(*) FROM ticket_buy('PL1', 'PLA', 'PLD', 9, '2032-05-01');
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01') AS first, ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-01') AS whole;
COMMIT;
SELECT ticket_remaining('PL1', 'PLA', 'PLB', '2032-05-01') AS first, ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-01') AS whole;
SELECT * FROM ticket_verify();

-- Seats and places in one class: numbered seats first, and a party over both.
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02', 'second'), ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02') AS all_classes;
SELECT coach, seat IS NOT NULL AS seated FROM ticket_buy('PL1', 'PLA', 'PLD', 1, '2032-05-02', 'second');
SELECT count(*) AS tickets, count(seat) AS seated, count(*) FILTER (WHERE coach = '02') AS coach_2, count(*) FILTER (WHERE coach = '03') AS coach_3, count(DISTINCT ticket_no) AS numbers
FROM ticket_buy('PL1', 'PLA', 'PLD', 2, '2032-05-02', 'second', '{1,2,3,4,5}');
SELECT count(*) AS sold_out FROM ticket_buy('PL1', 'PLB', 'PLC', 3, '2032-05-02', 'second');
SELECT count(*) AS too_many FROM ticket_buy('PL1', 'PLB', 'PLC', 3, '2032-05-02', 'second', '{1,2,3,4,5,6,7}');
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02', 'second') AS second, ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02', 'first') AS first;
SELECT * FROM ticket_verify();
SELECT order_id FROM ticket_order WHERE user_id = 2 AND ticket_no = 1 AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'PL1' AND service_date = '2032-05-02') \gset
SELECT count(*) FROM ticket_refund(:order_id, '{2,3}');
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02', 'second');
SELECT count(*) FROM ticket_refund(:order_id);
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-02', 'second');
SELECT outcome, remaining, held, with_seat_change FROM ticket_why('PL1', 'PLA', 'PLD', '2032-05-02', 'second', 5);
-- A wish cannot be met by a place, and costs no sale.
SELECT count(*) FROM ticket_buy('PL1', 'PLA', 'PLD', 4, '2032-05-02', 'second', '{1,2,3,4,5}', 'window');
SELECT * FROM ticket_verify();

-- Many
SELECT count(*) AS tickets, count(seat) AS seated FROM ticket_buy('PL1', 'PLA', 'PLC', 1, '2032-05-03', passengers => array(SELECT generate_series(1, 5000)));
SELECT ticket_remaining('PL1', 'PLA', 'PLD', '2032-05-03') AS whole, ticket_remaining('PL1', 'PLC', 'PLD', '2032-05-03') AS rest;
SELECT * FROM ticket_verify();
SELECT bytes < 100000 AS small FROM ticket_pool WHERE train = 'PL1' AND service_date = '2032-05-03';

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
-- Many seats of which something is known, in tables that nobody has analyzed: their number squared
-- would take minutes.
BEGIN;
INSERT INTO ticket_stop (train, stop_no, station, departs) VALUES ('PLBIG', 1, 'PLA', '8:00'), ('PLBIG', 2, 'PLB', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'PL-BIG', '1', '2', array_agg('s' || n || 'x') FROM generate_series(1, 20000) AS n;
INSERT INTO ticket_formation_seat (formation, coach, seat, properties) SELECT 'PL-BIG', '1', 's' || n || 'x', array['p' || n % 3] FROM generate_series(1, 20000) AS n;
SET LOCAL statement_timeout = '20s';
SET LOCAL client_min_messages = warning;
SELECT ticket_open('PLBIG', '2031-05-01', 'PL-BIG') > 0 AS opened;
SELECT properties, count(*), min(seat) FROM ticket_places('PLBIG', 'PLA', 'PLB', '2031-05-01') GROUP BY 1 ORDER BY 1;
ROLLBACK;
