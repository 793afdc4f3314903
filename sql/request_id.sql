-- request_id: a repeated call returns the first one's rows.
INSERT INTO ticket_station (station, name) VALUES ('RQA', 'Request A'), ('RQB', 'Request B'), ('RQC', 'Request C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT t, n, 'RQ' || substr('ABC', n, 1), n * interval '1 hour', n * interval '1 hour' FROM generate_series(1, 3) AS n, unnest('{RQ1,RQ2}'::text[]) AS t;
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('RQ-F', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open('RQ1', '2031-05-01', 'RQ-F') > 0 AS opened, ticket_open('RQ1', '2031-05-02', 'RQ-F') > 0 AS opened, ticket_open('RQ2', '2031-05-01', 'RQ-F') > 0 AS opened;
\set r1 '''00000000-0000-0000-0000-00000000f001'''
\set r2 '''00000000-0000-0000-0000-00000000f002'''
\set r3 '''00000000-0000-0000-0000-00000000f003'''
\set r4 '''00000000-0000-0000-0000-00000000f004'''
\set r5 '''00000000-0000-0000-0000-00000000f005'''
\set r6 '''00000000-0000-0000-0000-00000000f006'''

-- Again: the same row, and nothing sold. By a name or a code, and with another wish, it is the same trip.
SELECT b AS first FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1) AS b \gset
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1) AS b;
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'Request A', 'RQC', 1, '2031-05-01', 'second', seat_choice => 'window', request_id => :r1) AS b;
SELECT ticket_remaining('RQ1', 'RQA', 'RQC', '2031-05-01'), (SELECT count(*) FROM ticket_order WHERE request_id = :r1) AS rows;
-- In a new session.
\c
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1) AS b;
-- Other users, other days and other ids are other purchases; without an id every call is one.
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 2, '2031-05-01', request_id => :r1) AS b;
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-02', request_id => :r1) AS b;
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r2) AS b;
SELECT ticket_remaining('RQ1', 'RQA', 'RQC', '2031-05-01') AS left, ticket_remaining('RQ1', 'RQA', 'RQC', '2031-05-02') AS left_next_day;
-- Another train or trip
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('RQ2', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1);
SELECT * FROM ticket_buy('RQ1', 'RQA', 'RQB', 1, '2031-05-01', request_id => :r1);
SELECT * FROM ticket_buy('RQ1', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r1);
-- Mistakes stay mistakes.
SELECT * FROM ticket_buy('RQ1', 'RQC', 'RQA', 1, '2031-05-01', request_id => :r1);
SELECT * FROM ticket_buy('RQ9', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1);
\set VERBOSITY default
SELECT ticket_remaining('RQ2', 'RQA', 'RQC', '2031-05-01') AS nothing_sold;

-- A party: all its rows, in order.
SELECT array_agg(b::text) AS party FROM ticket_buy('RQ2', 'RQA', 'RQB', 1, '2031-05-01', passengers => '{30,20,10}', request_id => :r6) AS b \gset
SELECT array_agg(b::text) = :'party'::text[] AS same, array_agg(passenger_id) AS passengers
FROM ticket_buy('RQ2', 'RQA', 'RQB', 1, '2031-05-01', passengers => '{30,20,10}', request_id => :r6) AS b;
SELECT ticket_remaining('RQ2', 'RQA', 'RQB', '2031-05-01');

-- In one transaction, in one statement, and after rollbacks
BEGIN;
SELECT order_id FROM ticket_buy('RQ2', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r3) \gset
SELECT order_id = :order_id AS same FROM ticket_buy('RQ2', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r3);
ROLLBACK;
SELECT ticket_remaining('RQ2', 'RQB', 'RQC', '2031-05-01') AS nothing_sold;
SELECT order_id <> :order_id AS sold_anew FROM ticket_buy('RQ2', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r3);
BEGIN;
SAVEPOINT a;
SELECT order_id FROM ticket_buy('RQ2', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r4) \gset
ROLLBACK TO a;
SELECT order_id <> :order_id AS sold_anew FROM ticket_buy('RQ2', 'RQB', 'RQC', 1, '2031-05-01', request_id => :r4);
COMMIT;
SELECT count(*) AS tickets, count(DISTINCT b.order_id) AS orders FROM generate_series(1, 3) AS n,
    ticket_buy('RQ2', 'RQB', 'RQC', n * 0 + 3, '2031-05-01', request_id => :r4) AS b;
SELECT ticket_remaining('RQ2', 'RQB', 'RQC', '2031-05-01');
DO $$
DECLARE
    first bigint;
    second bigint;
BEGIN
    BEGIN
        SELECT order_id INTO first FROM ticket_buy('RQ2', 'RQB', 'RQC', 9, '2031-05-01', request_id => '00000000-0000-0000-0000-00000000f009');
        RAISE EXCEPTION 'away';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    SELECT order_id INTO second FROM ticket_buy('RQ2', 'RQB', 'RQC', 9, '2031-05-01', request_id => '00000000-0000-0000-0000-00000000f009');
    RAISE NOTICE 'sold anew: %', first <> second;
END $$;
-- REPEATABLE READ and SERIALIZABLE see what they may see.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1) AS b;
SELECT order_id FROM ticket_buy('RQ2', 'RQB', 'RQC', 11, '2031-05-01', request_id => :r3) \gset
SELECT order_id = :order_id AS same FROM ticket_buy('RQ2', 'RQB', 'RQC', 11, '2031-05-01', request_id => :r3);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT b::text = :'first' AS same FROM ticket_buy('RQ1', 'RQA', 'RQC', 1, '2031-05-01', request_id => :r1) AS b;
SELECT order_id = :order_id AS same FROM ticket_buy('RQ2', 'RQB', 'RQC', 11, '2031-05-01', request_id => :r3);
COMMIT;

-- Sold out is not remembered: no row was written.
SELECT ticket_remaining('RQ2', 'RQB', 'RQC', '2031-05-01');
SELECT count(*) FROM ticket_buy('RQ2', 'RQB', 'RQC', 12, '2031-05-01', request_id => :r5);
SELECT status FROM ticket_refund(:order_id);
SELECT status, passenger_id FROM ticket_buy('RQ2', 'RQB', 'RQC', 12, '2031-05-01', request_id => :r5);
-- After a refund the repetition still returns the first call's rows, as they are now.
SELECT status, user_id FROM ticket_buy('RQ2', 'RQB', 'RQC', 11, '2031-05-01', request_id => :r3);
SELECT ticket_remaining('RQ2', 'RQB', 'RQC', '2031-05-01');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
