-- ticket_why: one row that explains.
INSERT INTO ticket_station (station, name) VALUES ('WHA', 'Why A'), ('WHB', 'Why B'), ('WHC', 'Why C'), ('WHX', 'Why X');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('WH1', 1, 'WHA', NULL, '8:00'), ('WH1', 2, 'WHB', '9:00', '9:02'), ('WH1', 3, 'WHC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('WH-F', '01', 'second', '{1A,1B}'), ('WH-2', '01', 'first', '{1A}'), ('WH-2', '02', 'second', '{1A,1B,1C}');
SELECT ticket_open('WH1', '2032-08-01', 'WH-F') > 0 AS opened, ticket_open('WH1', '2032-08-02', 'WH-2') > 0 AS opened, ticket_open('WH1', '2032-08-03', 'WH-F', '2031-06-01') > 0 AS opened,
       ticket_open('WH1', '2032-08-04', 'WH-F') > 0 AS opened, ticket_open('WH1', '2032-08-05', 'WH-F') > 0 AS opened;
SET ticketpool.allocation = first_fit;

-- Available
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'Why A', 'WHC', '2032-08-01', 'second', 2);
SELECT outcome, remaining FROM ticket_why(train => 'WH1', from_station => 'WHA', to_station => 'WHB', service_date => '2032-08-01', seat_class => 'second', seats => 3, channel => NULL);
-- Sold over parts of the way, on different seats: nobody finds one seat for the whole trip, but one could change.
SELECT seat FROM ticket_buy('WH1', 'WHA', 'WHB', 1, '2032-08-01', seat_choice => 'A');
SELECT order_id, seat FROM ticket_buy('WH1', 'WHB', 'WHC', 2, '2032-08-01', seat_choice => 'B') \gset
SELECT :'seat' AS seat;
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHB', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHB', '2032-08-01', seats => 2);
-- An unpaid hold may return; when at the latest is said.
SELECT order_id AS held FROM ticket_hold('WH1', 'WHA', 'WHB', 3, '2032-08-01') \gset
SELECT outcome, remaining, held, next_expiry = (SELECT held_until FROM ticket_order WHERE order_id = :held) AS its_deadline, with_seat_change FROM ticket_why('WH1', 'WHA', 'WHB', '2032-08-01');
SELECT outcome, remaining, held, next_expiry IS NOT NULL AS deadline FROM ticket_why('WH1', 'WHA', 'WHB', '2032-08-01', seats => 2);
SELECT outcome, remaining, held, next_expiry IS NOT NULL AS deadline FROM ticket_why('WH1', 'WHB', 'WHC', '2032-08-01');
SELECT status FROM ticket_confirm(:held);
SELECT * FROM ticket_why('WH1', 'WHA', 'WHB', '2032-08-01');
-- Given back: available.
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM ticket_why('WH1', 'WHB', 'WHC', '2032-08-01');
-- Two holds: the earlier deadline; both seats may return.
SELECT order_id AS late FROM ticket_hold('WH1', 'WHA', 'WHC', 4, '2032-08-05', ttl => '2 hours') \gset
SELECT order_id AS early FROM ticket_hold('WH1', 'WHA', 'WHC', 5, '2032-08-05', ttl => '1 hour') \gset
SELECT outcome, remaining, held, next_expiry = (SELECT held_until FROM ticket_order WHERE order_id = :early) AS the_earlier, with_seat_change FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-05', seats => 2);
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-05', seats => 3);
SELECT status FROM ticket_cancel(:early);
SELECT outcome, remaining, held, next_expiry = (SELECT held_until FROM ticket_order WHERE order_id = :late) AS the_later FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-05', seats => 2);
-- Classes: one, or all of them together.
SELECT seat_class FROM ticket_buy('WH1', 'WHA', 'WHC', 6, '2032-08-02', 'first');
SELECT outcome, remaining, held, with_seat_change FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'first');
SELECT outcome, remaining, held, with_seat_change FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second', 3);
SELECT outcome, remaining, held, with_seat_change FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02');
-- Quotas: the channel's own are available to it, and nothing that returns to others.
SELECT ticket_reserve('WH1', '2032-08-02', 'second', 'agency', 3, 'WHA', 'WHC') AS quota \gset
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second');
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second', 3, 'agency');
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second', channel => 'hotel');
SELECT count(*) FROM ticket_hold('WH1', 'WHA', 'WHC', 7, '2032-08-02', 'second', '{1,2}', channel => 'agency');
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second', 3, 'agency');
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-02', 'second', 1);
-- Own claims and own refunds of the transaction
BEGIN;
SELECT count(*) FROM ticket_buy('WH1', 'WHB', 'WHC', 8, '2032-08-01', passengers => '{1,2}');
SELECT remaining FROM ticket_why('WH1', 'WHB', 'WHC', '2032-08-01');
ROLLBACK;
SELECT outcome, remaining, held FROM ticket_why('WH1', 'WHB', 'WHC', '2032-08-01');
-- Not on sale: not yet, not any more, withdrawn.
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-03');
SELECT ticket_close('WH1', '2032-08-04');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-04');
SELECT ticket_withdraw('WH1', '2032-08-05');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-05');
-- No such trip: no such train, day, station, or not from there to there.
SELECT * FROM ticket_why('WH9', 'WHA', 'WHC', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-30');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHX', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'nowhere', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHC', 'WHA', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHA', '2032-08-01');
-- What it refuses
\set VERBOSITY sqlstate
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01', seats => 0);
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01', seats => -1);
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01', seats => NULL);
SELECT * FROM ticket_why(NULL, 'WHA', 'WHC', '2032-08-01');
SELECT * FROM ticket_why('WH1', NULL, 'WHC', '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', NULL, '2032-08-01');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', NULL);
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01', 'third');
SELECT * FROM ticket_why('WH1', 'WHA', 'WHC', '2032-08-01', channel => '');
\set VERBOSITY default
SELECT outcome, remaining FROM ticket_why('WH1', 'WHB', 'WHC', '2032-08-01', seats => 2147483647);
RESET ticketpool.allocation;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
