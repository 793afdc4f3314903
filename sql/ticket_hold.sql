-- ticket_hold, ticket_confirm, ticket_cancel: seats locked while the user pays, and what becomes of a hold that ran out.
INSERT INTO ticket_station (station, name) VALUES ('HLA', 'Hold A'), ('HLB', 'Hold B'), ('HLC', 'Hold C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('HL1', 1, 'HLA', NULL, '8:00'), ('HL1', 2, 'HLB', '9:00', '9:02'), ('HL1', 3, 'HLC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('HL-F', '01', 'second', '{1A,1B,1C,1D,1F}'), ('HL-2', '01', 'second', '{1A,1B}'),
    ('HL-3', '01', 'first', '{1A}'), ('HL-3', '02', 'second', '{1A}');
SELECT ticket_open('HL1', '2032-01-01', 'HL-F') > 0 AS opened, ticket_open('HL1', '2032-01-02', 'HL-2') > 0 AS opened, ticket_open('HL1', '2032-01-03', 'HL-3') > 0 AS opened,
       ticket_open('HL1', '2032-01-04', 'HL-F', '2031-06-01') > 0 AS opened;
-- Waits until every hold of a user that ran out has expired, whoever sees to it, and as many seats are free again.
CREATE FUNCTION hold_runs_out(who bigint, day date, free int, origin text DEFAULT 'HLA') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM ticket_sweep();
        IF NOT EXISTS (SELECT FROM ticket_order WHERE user_id = who AND status = 'held' AND service_date = day)
           AND ticket_remaining('HL1', origin, 'HLC', day) = free THEN
            RETURN 'expired';
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'still held, or ' || ticket_remaining('HL1', origin, 'HLC', day) || ' free';
END $$;

-- A hold takes its seat at once; its row says for how long.
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01') \gset
SELECT ticket_no, user_id, passenger_id, seat_class, from_stop, to_stop, status, channel, request_id, changed_at, held_until - created_at BETWEEN '10 min' AND '11 min' AS ten_minutes
FROM ticket_order WHERE order_id = :order_id;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');
-- What is not there yet, is that: held tickets are neither refunded nor exchanged.
\set VERBOSITY sqlstate
SELECT * FROM ticket_refund(:order_id);
SELECT * FROM ticket_refund(:order_id, '{1}');
SELECT * FROM ticket_change(:order_id, 'HL1', 'HLA', 'HLB', '2032-01-01');
\set VERBOSITY default
-- Paid: sold, with no deadline. Again: its rows, unchanged.
SELECT c AS answer FROM ticket_confirm(:order_id) AS c \gset
SELECT o::text = :'answer' AS same, status, held_until, changed_at >= created_at AS changed FROM ticket_order o WHERE order_id = :order_id;
SELECT c::text = :'answer' AS unchanged FROM ticket_confirm(order_id => :order_id) AS c;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');
-- A sold one is not cancelled.
\set VERBOSITY sqlstate
SELECT * FROM ticket_cancel(:order_id);
-- A refunded one is neither confirmed nor cancelled.
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM ticket_confirm(:order_id);
SELECT * FROM ticket_cancel(:order_id);
\set VERBOSITY default

-- Given up: the seat is free. Again: its rows, unchanged, also when the seat is somebody else's by now.
SELECT order_id, seat FROM ticket_hold('HL1', 'HLA', 'HLC', 2, '2032-01-02') \gset
SELECT count(*) FROM ticket_hold('HL1', 'HLA', 'HLC', 3, '2032-01-02');
SELECT count(*) AS sold_out FROM ticket_hold('HL1', 'HLB', 'HLC', 4, '2032-01-02');
SELECT count(*) AS sold_out FROM ticket_buy('HL1', 'HLA', 'HLB', 4, '2032-01-02');
SELECT c AS answer FROM ticket_cancel(:order_id) AS c \gset
SELECT o::text = :'answer' AS same, status FROM ticket_order o WHERE order_id = :order_id;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-02');
SELECT seat = :'seat' AS same_seat FROM ticket_buy('HL1', 'HLA', 'HLC', 4, '2032-01-02');
SELECT c::text = :'answer' AS unchanged FROM ticket_cancel(order_id => :order_id) AS c;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-02');
\set VERBOSITY sqlstate
SELECT * FROM ticket_confirm(:order_id);
SELECT * FROM ticket_refund(:order_id);
SELECT * FROM ticket_change(:order_id, 'HL1', 'HLA', 'HLB', '2032-01-02');

-- Orders that are not there, and NULL
SELECT * FROM ticket_confirm(-1);
SELECT * FROM ticket_confirm(0);
SELECT * FROM ticket_confirm(9223372036854775807);
SELECT * FROM ticket_cancel(-1);
SELECT * FROM ticket_cancel(:order_id + 1000);
SELECT * FROM ticket_confirm(NULL);
SELECT * FROM ticket_cancel(NULL);
-- How long: more than nothing, and no longer than a year.
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '0');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '-1 second');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '-10 years');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '1 day -24 hours');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '100 years');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '178000000 years');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '367 days');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '-178000000 years');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '2147483647 days');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', ttl => '2562047788 hours');
-- The other arguments are those of ticket_buy, with its errors.
SELECT * FROM ticket_hold(NULL, 'HLA', 'HLC', 1, '2032-01-01');
SELECT * FROM ticket_hold('HL1', NULL, 'HLC', 1, '2032-01-01');
SELECT * FROM ticket_hold('HL1', 'HLA', NULL, 1, '2032-01-01');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', NULL, '2032-01-01');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, NULL);
SELECT * FROM ticket_hold('HL9', 'HLA', 'HLC', 1, '2032-01-01');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-30');
SELECT * FROM ticket_hold('HL1', 'HLC', 'HLA', 1, '2032-01-01');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-03');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-03', 'third');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-04');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', passengers => '{}');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', passengers => '{1,NULL}');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', seat_choice => 'no seat');
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 1, '2032-01-01', channel => '');
\set VERBOSITY default
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');

-- Every argument, in order; ttl wins over the setting.
SET ticketpool.hold_ttl = '1h';
SELECT ticket_no, passenger_id, seat_class, coach, seat, status, channel, request_id, held_until - created_at BETWEEN '30 min' AND '31 min' AS half_an_hour
FROM ticket_hold('HL1', 'HLB', 'HLC', 5, '2032-01-03', 'first', '{6}', 'A', 'agency', '00000000-0000-0000-0000-0000000000b1', '30 min');
SELECT held_until - created_at BETWEEN '60 min' AND '61 min' AS an_hour FROM ticket_hold('HL1', 'HLA', 'HLB', 5, '2032-01-03', 'second', ttl => NULL);
RESET ticketpool.hold_ttl;
SELECT held_until - created_at > '365 days' AS a_year FROM ticket_hold('HL1', 'HLB', 'HLC', 5, '2032-01-03', 'second', ttl => '365 days 23 hours');
-- The same request again: the same rows, whatever became of them; and nothing else is held.
SELECT status, seat FROM ticket_hold('HL1', 'HLB', 'HLC', 5, '2032-01-03', 'first', request_id => '00000000-0000-0000-0000-0000000000b1');
SELECT c.status FROM ticket_order o, ticket_confirm(o.order_id) AS c WHERE o.user_id = 5 AND o.service_date = '2032-01-03' AND o.request_id IS NOT NULL;
SELECT status, held_until FROM ticket_hold('HL1', 'HLB', 'HLC', 5, '2032-01-03', 'first', request_id => '00000000-0000-0000-0000-0000000000b1');
\set VERBOSITY sqlstate
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 5, '2032-01-03', 'first', request_id => '00000000-0000-0000-0000-0000000000b1');
\set VERBOSITY default
SELECT ticket_remaining('HL1', 'HLA', 'HLB', '2032-01-03', 'first'), (SELECT count(*) FROM ticket_order WHERE service_date = '2032-01-03' AND user_id = 5) AS tickets;

-- A party: all or none, and payment and cancellation are the order's.
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 7, '2032-01-01', passengers => '{71,72,73}') WHERE ticket_no = 1 \gset
SELECT count(*) AS too_many FROM ticket_hold('HL1', 'HLA', 'HLC', 8, '2032-01-01', passengers => '{81,82,83}');
SELECT ticket_no, passenger_id, status FROM ticket_confirm(:order_id);
SELECT ticket_no, status FROM ticket_confirm(:order_id);
SELECT ticket_no, status FROM ticket_refund(:order_id, '{2}');
-- Paid before, one refunded since: the payment callback comes again.
SELECT ticket_no, status FROM ticket_confirm(:order_id);
SELECT order_id AS order_2 FROM ticket_hold('HL1', 'HLA', 'HLC', 8, '2032-01-01', passengers => '{81,82,83}') WHERE ticket_no = 1 \gset
SELECT ticket_no, status FROM ticket_cancel(:order_2);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');
SELECT count(*) FROM ticket_refund(:order_id);
SELECT * FROM ticket_verify();

-- It runs out: expired, and the seat is free; the sweep of the server and the one by hand do the same.
SELECT order_id, seat FROM ticket_hold('HL1', 'HLA', 'HLC', 10, '2032-01-01', ttl => '1 ms') \gset
SELECT hold_runs_out(10, '2032-01-01', 5);
SELECT status, changed_at >= created_at AS changed FROM ticket_order WHERE order_id = :order_id;
-- To cancel it is no error, and changes nothing. Refund and exchange are.
SELECT status FROM ticket_cancel(:order_id);
\set VERBOSITY sqlstate
SELECT * FROM ticket_refund(:order_id);
SELECT * FROM ticket_change(:order_id, 'HL1', 'HLA', 'HLB', '2032-01-01');
\set VERBOSITY default
-- The payment comes late, and the seat is free still: the same.
SELECT seat = :'seat' AS same_seat, status, held_until FROM ticket_confirm(:order_id);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');
SELECT status FROM ticket_confirm(:order_id);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-01');
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM ticket_verify();

-- The seat was sold on: an equal one.
SELECT ticket_open('HL1', '2032-01-05', 'HL-2') > 0 AS opened;
SELECT order_id, seat FROM ticket_hold('HL1', 'HLA', 'HLC', 11, '2032-01-05', seat_choice => 'A', ttl => '1 ms') \gset
SELECT hold_runs_out(11, '2032-01-05', 2);
SELECT seat = :'seat' AS sold_on FROM ticket_buy('HL1', 'HLA', 'HLB', 12, '2032-01-05', seat_choice => 'A');
SELECT ticket_no, seat <> :'seat' AS another, coach, from_stop, to_stop, status FROM ticket_confirm(:order_id);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-05') AS whole, ticket_remaining('HL1', 'HLB', 'HLC', '2032-01-05') AS part;
SELECT * FROM ticket_verify();
-- Nothing is left: no row, and the order stays as it is. When there is something again, it can be paid.
SELECT order_id AS order_2 FROM ticket_hold('HL1', 'HLB', 'HLC', 13, '2032-01-05', ttl => '1 ms') \gset
SELECT hold_runs_out(13, '2032-01-05', 1, 'HLB');
SELECT count(*) FROM ticket_buy('HL1', 'HLB', 'HLC', 14, '2032-01-05');
SELECT o AS before FROM ticket_order o WHERE order_id = :order_2 \gset
SELECT * FROM ticket_confirm(:order_2);
SELECT o::text = :'before' AS untouched, status FROM ticket_order o WHERE order_id = :order_2;
SELECT status FROM ticket_refund(:order_id);
SELECT status FROM ticket_confirm(:order_2);
SELECT * FROM ticket_verify();
-- A party whose seats are partly sold on: all get seats, or none.
SELECT ticket_open('HL1', '2032-01-06', 'HL-F') > 0 AS opened;
SET ticketpool.allocation = first_fit;
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 15, '2032-01-06', passengers => '{151,152}', ttl => '1 ms') WHERE ticket_no = 1 \gset
SELECT hold_runs_out(15, '2032-01-06', 5);
SELECT count(*) FROM ticket_buy('HL1', 'HLA', 'HLC', 16, '2032-01-06', seat_choice => 'A');
SELECT ticket_no, passenger_id, status FROM ticket_confirm(:order_id);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-06');
SELECT order_id AS order_2 FROM ticket_hold('HL1', 'HLA', 'HLC', 17, '2032-01-06', passengers => '{171,172}', ttl => '1 ms') WHERE ticket_no = 1 \gset
SELECT hold_runs_out(17, '2032-01-06', 2);
SELECT count(*) FROM ticket_buy('HL1', 'HLB', 'HLC', 18, '2032-01-06');
SELECT * FROM ticket_confirm(:order_2);
SELECT status, count(*) FROM ticket_order WHERE order_id = :order_2 GROUP BY 1;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-06');
RESET ticketpool.allocation;
SELECT * FROM ticket_verify();

-- The train closed meanwhile: an unpaid hold is paid all the same, one that expired is not.
SELECT ticket_open('HL1', '2032-01-07', 'HL-F') > 0 AS opened;
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 19, '2032-01-07', ttl => '1 ms') \gset
SELECT hold_runs_out(19, '2032-01-07', 5);
SELECT order_id AS order_2 FROM ticket_hold('HL1', 'HLA', 'HLC', 20, '2032-01-07') \gset
SELECT ticket_close('HL1', '2032-01-07');
SELECT * FROM ticket_confirm(:order_id);
SELECT status FROM ticket_order WHERE order_id = :order_id;
SELECT status FROM ticket_confirm(:order_2);
\set VERBOSITY sqlstate
SELECT * FROM ticket_hold('HL1', 'HLA', 'HLC', 21, '2032-01-07');
\set VERBOSITY default

-- A rollback of each
SELECT ticket_open('HL1', '2032-01-08', 'HL-2') > 0 AS opened;
BEGIN;
SELECT count(*) FROM ticket_hold('HL1', 'HLA', 'HLC', 22, '2032-01-08', passengers => '{221,222}');
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08');
ROLLBACK;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08'), (SELECT count(*) FROM ticket_order WHERE user_id = 22 AND service_date = '2032-01-08') AS tickets;
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 23, '2032-01-08') \gset
BEGIN;
SELECT status FROM ticket_confirm(:order_id);
ROLLBACK;
SELECT status, held_until IS NOT NULL AS has_deadline FROM ticket_order WHERE order_id = :order_id;
-- What it gave up a transaction may take again; after the rollback the hold is back.
BEGIN;
SAVEPOINT a;
SELECT status FROM ticket_cancel(:order_id);
SELECT count(*) FROM ticket_buy('HL1', 'HLA', 'HLC', 24, '2032-01-08', passengers => '{241,242}');
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08');
ROLLBACK TO a;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08');
SELECT status FROM ticket_confirm(:order_id);
COMMIT;
SELECT status FROM ticket_order WHERE order_id = :order_id;
SELECT * FROM ticket_verify();
-- Late payment, rolled back
SELECT order_id FROM ticket_hold('HL1', 'HLA', 'HLC', 25, '2032-01-08', ttl => '1 ms') \gset
SELECT hold_runs_out(25, '2032-01-08', 1);
BEGIN;
SELECT status FROM ticket_confirm(:order_id);
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08');
ROLLBACK;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08'), (SELECT status FROM ticket_order WHERE order_id = :order_id);
-- Held and given up in one transaction, held and paid in one
BEGIN;
SELECT order_id AS order_2 FROM ticket_hold('HL1', 'HLA', 'HLC', 26, '2032-01-08') \gset
SELECT status FROM ticket_cancel(:order_2);
SELECT order_id AS order_3 FROM ticket_hold('HL1', 'HLA', 'HLC', 27, '2032-01-08') \gset
SELECT status FROM ticket_confirm(:order_3);
COMMIT;
SELECT ticket_remaining('HL1', 'HLA', 'HLC', '2032-01-08');
SELECT user_id, status FROM ticket_order WHERE service_date = '2032-01-08' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'HL1' AND service_date = '2032-01-08') ORDER BY 1;
DROP FUNCTION hold_runs_out;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
