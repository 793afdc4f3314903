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

SET ticketpool.allocation = first_fit;
-- Another request: told by what the first call was asked. Passengers themselves, wishes and channels are not asked about.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('RQ-2', '01', 'first', '{1A,1C,1D,1F}'), ('RQ-2', '02', 'second', '{1A,1B,1C,1D}');
INSERT INTO ticket_stop SELECT t, stop_no, station, arrives, departs FROM ticket_stop, unnest('{RQ3,RQ4}'::text[]) AS t WHERE train = 'RQ1';
SELECT ticket_open('RQ3', '2031-05-03', 'RQ-2') > 0 AS opened;
CREATE FUNCTION rq(id int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('00000000-0000-0000-0000-0000000a' || lpad(id::text, 4, '0'))::uuid $$;
CREATE FUNCTION rq_try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    answer text;
    detail text;
BEGIN
    EXECUTE 'SELECT count(*) || '' of '' || count(DISTINCT order_id) FROM ' || call INTO answer;
    RETURN answer;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN SQLSTATE || ': ' || SQLERRM || '. ' || regexp_replace(detail, '\d{9,}', 'N');
END $$;
SELECT order_id AS o FROM ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1)) WHERE ticket_no = 1 \gset
SELECT call, rq_try('ticket_buy(' || call || ', request_id => rq(1))') FROM (VALUES
    ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}'$$), ($$'RQ3', 'Request A', 'Request C', 1, '2031-05-03', 'second', '{8,9}', 'A', 'agency'$$),
    ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second'$$), ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2,3}'$$),
    ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'first', '{1,2}'$$), ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', NULL, '{1,2}'$$), ($$'RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'third', '{1,2}'$$),
    ($$'RQ3', 'RQA', 'RQB', 1, '2031-05-03', 'second', '{1,2}'$$), ($$'RQ3', 'RQA', 'nowhere', 1, '2031-05-03', 'second', '{1,2}'$$),
    ($$'RQ4', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}'$$)) AS calls (call);
-- ticket_hold, and a batch, have the same ids; so do twins inside a batch.
SELECT rq_try($$ticket_hold('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1))$$), rq_try($$ticket_hold('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', request_id => rq(1))$$);
SELECT request_no, ticket_no, order_id = :o AS same FROM ticket_buy_many(ARRAY[('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', NULL, NULL, rq(1)), ('RQ3', 'RQB', 'RQC', 1, '2031-05-03', 'first', NULL, NULL, NULL, rq(2)),
    ('RQ3', 'RQB', 'RQC', 1, '2031-05-03', 'first', NULL, NULL, NULL, rq(2))]::ticket_request[]);
SELECT rq_try($$ticket_buy_many(ARRAY[('RQ3', 'RQA', 'RQC', 2, '2031-05-03', 'first', NULL, NULL, NULL, NULL), ('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1}', NULL, NULL, rq(1))]::ticket_request[])$$);
SELECT rq_try($$ticket_buy_many(ARRAY[('RQ3', 'RQA', 'RQC', 2, '2031-05-03', 'first', NULL, NULL, NULL, rq(3)), ('RQ3', 'RQA', 'RQC', 2, '2031-05-03', 'second', NULL, NULL, NULL, rq(3))]::ticket_request[])$$);
SELECT ticket_remaining('RQ3', 'RQA', 'RQC', '2031-05-03', 'first') AS first, ticket_remaining('RQ3', 'RQA', 'RQC', '2031-05-03', 'second') AS second;
-- What became of the rows does not matter: changed by hand, refunded in part, closed, moved to other seats, sold under another name, or another train under this one.
SELECT rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 5, '2031-05-01', request_id => rq(4))$$);
UPDATE ticket_order SET from_stop = 2, to_stop = 3, seat = '1D' WHERE order_id = :o AND ticket_no = 1;
UPDATE ticket_order SET seat_class = 'first', coach = '01', seat = '1F' WHERE order_id = :o AND ticket_no = 2;
SELECT ticket_no, status FROM ticket_refund(:o, '{1}');
SELECT ticket_close('RQ3', '2031-05-03');
SELECT ticket_no, seat_class, seat, from_stop, status, order_id = :o AS same FROM ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1));
SELECT rq_try($$ticket_buy('RQ3', 'RQB', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1))$$), rq_try($$ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'first', '{1,2}', request_id => rq(1))$$);
UPDATE ticket_departure SET train = 'RQ3-old' WHERE train = 'RQ3';
SELECT ticket_no, order_id = :o AS same FROM ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1));
SELECT request_no, ticket_no, order_id = :o AS same FROM ticket_buy_many(ARRAY[('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', NULL, NULL, rq(1))]::ticket_request[]);
SELECT rq_try($$ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2,3}', request_id => rq(1))$$), rq_try($$ticket_buy('RQ3-old', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1))$$);
DELETE FROM ticket_stop WHERE train = 'RQ3' AND stop_no = 1;
SELECT ticket_open('RQ3', '2031-05-03', 'RQ-F') > 0 AS opened;
SELECT ticket_no, order_id = :o AS same FROM ticket_buy('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', request_id => rq(1));
SELECT request_no, ticket_no, order_id = :o AS same FROM ticket_buy_many(ARRAY[('RQ3', 'RQA', 'RQC', 1, '2031-05-03', 'second', '{1,2}', NULL, NULL, rq(1))]::ticket_request[]);
-- A class that was left out is the only one, and may be written the next time.
SELECT rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', request_id => rq(5))$$), rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', 'second', request_id => rq(5))$$),
       rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', 'first', request_id => rq(5))$$), rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', 'second', '{1,2}', request_id => rq(5))$$);
SELECT rq_try($$ticket_buy('RQ1', 'RQB', 'RQC', 6, '2031-05-02', 'second', request_id => rq(6))$$), rq_try($$ticket_buy('RQ1', 'Request B', 'RQC', 6, '2031-05-02', request_id => rq(6))$$);
-- Rows of before 0.3, which do not say what was asked, are compared themselves.
UPDATE ticket_order SET request_digest = NULL WHERE request_id = rq(5);
SELECT rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', request_id => rq(5))$$), rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', 'second', request_id => rq(5))$$),
       rq_try($$ticket_buy('RQ2', 'RQA', 'RQB', 6, '2031-05-02', request_id => rq(5))$$), rq_try($$ticket_buy('RQ1', 'RQA', 'RQC', 6, '2031-05-02', request_id => rq(5))$$), rq_try($$ticket_buy('RQ1', 'RQA', 'RQB', 6, '2031-05-02', passengers => '{1,2}', request_id => rq(5))$$);
-- Without request_id there is no digest; an exchange has none.
SELECT count(request_digest) AS digests, count(request_id) AS ids FROM ticket_order WHERE service_date = '2031-05-01' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'RQ1' AND service_date = '2031-05-01');
-- By way of SQL, where a trigger asks for it
CREATE FUNCTION rq_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER rq_touch BEFORE INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION rq_touch();
SELECT rq_try($$ticket_buy('RQ1', 'RQB', 'RQC', 7, '2031-05-02', request_id => rq(7))$$), rq_try($$ticket_buy('RQ1', 'RQB', 'RQC', 7, '2031-05-02', request_id => rq(7))$$), rq_try($$ticket_buy('RQ1', 'RQB', 'RQC', 7, '2031-05-02', passengers => '{1,2}', request_id => rq(7))$$);
SELECT count(*) FROM ticket_order o, ticket_refund(order_id) WHERE o.request_id = rq(7);
SELECT count(*) AS kept FROM ticket_order WHERE request_id = rq(7) AND request_digest IS NOT NULL AND status = 'refunded';
DROP TRIGGER rq_touch ON ticket_order;
DROP FUNCTION rq_touch(), rq, rq_try;
RESET ticketpool.allocation;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
