-- ticket_refund: all or some tickets, again, and what it refuses.
INSERT INTO ticket_station (station, name) VALUES ('REA', 'Refund A'), ('REB', 'Refund B'), ('REC', 'Refund C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('RE1', 1, 'REA', NULL, '8:00'), ('RE1', 2, 'REB', '9:00', '9:02'), ('RE1', 3, 'REC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('RE-F', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open('RE1', '2031-05-01', 'RE-F') > 0 AS opened;

-- The whole order: its rows as they are now, each seat free again.
SELECT order_id FROM ticket_buy('RE1', 'REA', 'REC', 1, '2031-05-01', passengers => '{1,2,3,4,5}') WHERE ticket_no = 1 \gset
SELECT seat FROM ticket_buy('RE1', 'REA', 'REB', 2, '2031-05-01');
SELECT r AS answer FROM ticket_refund(:order_id) AS r WHERE ticket_no = 2 \gset
SELECT o::text = :'answer' AS same, status, changed_at >= created_at AS changed FROM ticket_order o WHERE order_id = :order_id AND ticket_no = 2;
SELECT ticket_no, passenger_id, status FROM ticket_refund(order_id => :order_id);
SELECT ticket_remaining('RE1', 'REA', 'REC', '2031-05-01');
-- Again: its rows, unchanged; it frees nothing, also not when the seats are sold to somebody else by now.
SELECT order_id AS order_2 FROM ticket_buy('RE1', 'REA', 'REC', 3, '2031-05-01', passengers => '{1,2,3,4,5}') WHERE ticket_no = 1 \gset
SELECT r AS again FROM ticket_refund(:order_id) AS r WHERE ticket_no = 2 \gset
SELECT :'again' = :'answer' AS unchanged;
SELECT count(*), count(DISTINCT status) FROM ticket_refund(:order_id, '{1,5}');
SELECT ticket_remaining('RE1', 'REA', 'REC', '2031-05-01');
SELECT seat FROM ticket_buy('RE1', 'REA', 'REB', 2, '2031-05-01');
SELECT * FROM ticket_verify();

-- Some tickets: in order of number, each once, whatever the list looks like.
SELECT ticket_no, status FROM ticket_refund(:order_2, '{4,2,4}');
SELECT ticket_no, status FROM ticket_order WHERE order_id = :order_2 ORDER BY 1;
SELECT ticket_remaining('RE1', 'REA', 'REC', '2031-05-01');
SELECT ticket_no, status FROM ticket_refund(:order_2, '[7:8]={5,4}');
SELECT ticket_remaining('RE1', 'REA', 'REC', '2031-05-01');
-- and then the rest: all of the order come back.
SELECT ticket_no, status FROM ticket_refund(:order_2, NULL);
SELECT ticket_remaining('RE1', 'REA', 'REC', '2031-05-01');

-- What it refuses
SELECT * FROM ticket_refund(-1);
SELECT * FROM ticket_refund(NULL);
SELECT order_id AS order_3 FROM ticket_buy('RE1', 'REB', 'REC', 4, '2031-05-01', passengers => '{1,2}') WHERE ticket_no = 1 \gset
\set VERBOSITY sqlstate
SELECT * FROM ticket_refund(-1);
SELECT * FROM ticket_refund(0);
SELECT * FROM ticket_refund(9223372036854775807);
SELECT * FROM ticket_refund(:order_3 + 1000);
SELECT * FROM ticket_refund(:order_3, '{3}');
SELECT * FROM ticket_refund(:order_3, '{1,3}');
SELECT * FROM ticket_refund(:order_3, '{0}');
SELECT * FROM ticket_refund(:order_3, '{-1}');
SELECT * FROM ticket_refund(-1, '{1}');
SELECT * FROM ticket_refund(NULL);
SELECT * FROM ticket_refund(NULL, '{1}');
SELECT * FROM ticket_refund(:order_3, '{1,NULL}');
SELECT * FROM ticket_refund(:order_3, '{NULL}');
SELECT * FROM ticket_refund(:order_3, '{}');
SELECT * FROM ticket_refund(:order_3, '{{1,2}}');
SELECT * FROM ticket_refund(:order_3, '{{1},{2}}');
-- A hold is not refunded.
UPDATE ticket_order SET status = 'held' WHERE order_id = :order_3;
SELECT * FROM ticket_refund(:order_3);
SELECT * FROM ticket_refund(:order_3, '{1}');
UPDATE ticket_order SET status = 'sold' WHERE order_id = :order_3;
SELECT count(*) AS untouched FROM ticket_order WHERE order_id = :order_3 AND status = 'sold' AND changed_at IS NULL;
SELECT ticket_remaining('RE1', 'REB', 'REC', '2031-05-01');

-- Several orders in one statement; the order id alone finds its day.
SELECT ticket_open('RE1', '2031-05-02', 'RE-F') > 0 AS opened, ticket_open('RE1', '2099-12-31', 'RE-F') > 0 AS opened;
SELECT count(*) FROM unnest('{2031-05-01,2031-05-02,2099-12-31}'::date[]) AS d, ticket_buy('RE1', 'REA', 'REC', 99, d);
SELECT r.service_date, r.status FROM (SELECT order_id FROM ticket_order WHERE user_id = 99 AND departure_id IN
    (SELECT departure_id FROM ticket_departure WHERE train = 'RE1')) AS o, ticket_refund(o.order_id) AS r ORDER BY 1;
SELECT d, ticket_remaining('RE1', 'REA', 'REB', d) FROM unnest('{2031-05-01,2031-05-02,2099-12-31}'::date[]) AS d ORDER BY d;
-- An order that was written by hand with an id of its own is found as well.
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 42, 1, departure_id, service_date, 5, 5, 'second', '01', '1A', 1, 3, 'refunded' FROM ticket_departure WHERE train = 'RE1' AND service_date = '2031-05-02';
SELECT order_id, ticket_no, status FROM ticket_refund(42);
\set VERBOSITY default
-- A ticket that the order does not have is not said to be an order that is not there.
SELECT order_id, ticket_no, status FROM ticket_refund(42, '{7}');
SELECT order_id, ticket_no, status FROM ticket_refund(42, '{1,7}');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
