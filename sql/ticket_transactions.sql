-- Claims follow transactions: ROLLBACK, savepoints, exceptions, errors.
INSERT INTO ticket_station (station, name) VALUES ('TXA', 'Transaction A'), ('TXB', 'Transaction B'), ('TXC', 'Transaction C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('TX1', 1, 'TXA', NULL, '8:00'), ('TX1', 2, 'TXB', '9:00', '9:02'), ('TX1', 3, 'TXC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('TX-F', '01', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F}');
SELECT ticket_open('TX1', '2031-05-01', 'TX-F') > 0 AS opened, ticket_open('TX1', '2031-05-02', 'TX-F') > 0 AS opened;
-- What the pool says is free of the ten seats, what the tables say, and how many claims are in flight. Both count own rows alike.
CREATE VIEW tx_state AS
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-01') AS free,
       10 - (SELECT count(*) FROM ticket_order o JOIN ticket_departure USING (departure_id) WHERE train = 'TX1' AND o.service_date = '2031-05-01' AND o.status = 'sold') AS free_by_rows,
       (SELECT sum(claims) FROM ticket_inflight WHERE pid = pg_backend_pid()) AS claims,
       (SELECT claims_in_flight FROM ticket_pool WHERE train = 'TX1' AND service_date = '2031-05-01') AS claims_on_it;
CREATE FUNCTION tx_buy(party int DEFAULT 1) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 1, '2031-05-01', passengers => (SELECT array_agg(n) FROM generate_series(1, party) AS n))
$$;
SELECT tx_buy(2);
TABLE tx_state;

-- ROLLBACK
BEGIN;
SELECT tx_buy(), tx_buy(3);
TABLE tx_state;
ROLLBACK;
TABLE tx_state;

-- ROLLBACK TO at several depths, and again to the same
BEGIN;
SELECT tx_buy();
SAVEPOINT a;
SELECT tx_buy();
SAVEPOINT b;
SELECT tx_buy(2);
SAVEPOINT c;
SELECT tx_buy();
TABLE tx_state;
ROLLBACK TO c;
TABLE tx_state;
SELECT tx_buy(4);
TABLE tx_state;
SELECT tx_buy();
ROLLBACK TO a;
TABLE tx_state;
SELECT tx_buy(2);
ROLLBACK TO a;
TABLE tx_state;
COMMIT;
TABLE tx_state;

-- RELEASE hands the claims to the outer level; its rollback takes them back.
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SELECT tx_buy();
RELEASE b;
SELECT tx_buy();
TABLE tx_state;
SAVEPOINT c;
SELECT tx_buy();
RELEASE c;
ROLLBACK TO a;
TABLE tx_state;
SAVEPOINT d;
SELECT tx_buy();
RELEASE d;
TABLE tx_state;
COMMIT;
TABLE tx_state;
BEGIN;
SAVEPOINT a;
SELECT tx_buy();
RELEASE a;
ROLLBACK;
TABLE tx_state;

-- A savepoint after a RELEASE is a new one: its rollback leaves alone what was released before.
BEGIN;
SAVEPOINT a;
SELECT tx_buy();
RELEASE a;
SAVEPOINT b;
SELECT tx_buy();
ROLLBACK TO b;
TABLE tx_state;
ROLLBACK;
TABLE tx_state;

-- The same name twice, and depth
BEGIN;
SAVEPOINT s;
SELECT tx_buy();
SAVEPOINT s;
SELECT tx_buy();
ROLLBACK TO s;
RELEASE s;
TABLE tx_state;
ROLLBACK TO s;
TABLE tx_state;
COMMIT;
DO $$
DECLARE depth int;
BEGIN
    FOR depth IN 1..50 LOOP
        BEGIN
            PERFORM tx_buy(3);
            BEGIN
                PERFORM tx_buy(1);
                RAISE EXCEPTION 'inner';
            EXCEPTION WHEN raise_exception THEN NULL;
            END;
            RAISE EXCEPTION 'outer';
        EXCEPTION WHEN raise_exception THEN NULL;
        END;
    END LOOP;
END $$;
TABLE tx_state;

-- PL/pgSQL: EXCEPTION blocks give back, what is outside stays.
DO $$
BEGIN
    PERFORM tx_buy();
    BEGIN
        PERFORM tx_buy(2);
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        RAISE NOTICE 'free after the exception: %', (SELECT free FROM tx_state);
    END;
    BEGIN
        PERFORM tx_buy();
    EXCEPTION WHEN OTHERS THEN
        RAISE;
    END;
END $$;
TABLE tx_state;
-- Procedures that end transactions
CREATE PROCEDURE tx_procedure() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tx_buy(2);
    ROLLBACK;
    RAISE NOTICE 'after ROLLBACK: %', (SELECT free FROM tx_state);
    PERFORM tx_buy();
    COMMIT;
    RAISE NOTICE 'after COMMIT: %', (SELECT free FROM tx_state);
    PERFORM tx_buy();
    RAISE EXCEPTION 'at the end';
END $$;
CALL tx_procedure();
TABLE tx_state;

-- An error after the claim, in the same statement and in the same transaction
SELECT 1 / (ticket_no - ticket_no) FROM ticket_buy('TX1', 'TXA', 'TXC', 1, '2031-05-01');
TABLE tx_state;
SELECT tx_buy(), 1 / (tx_buy() - 1);
TABLE tx_state;
SELECT seat, CASE u WHEN 2 THEN 1 / (u - 2) END FROM generate_series(1, 2) AS u, ticket_buy('TX1', 'TXA', 'TXC', u, '2031-05-01');
TABLE tx_state;
BEGIN;
SELECT tx_buy();
SELECT * FROM ticket_buy('TX1', 'TXC', 'TXA', 1, '2031-05-01');
SELECT 1;
COMMIT;
TABLE tx_state;
-- A deferred constraint fails at COMMIT: no sale.
CREATE TABLE tx_basket (n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
BEGIN;
SELECT tx_buy();
INSERT INTO tx_basket VALUES (1), (1);
COMMIT;
TABLE tx_state;
DROP TABLE tx_basket;
-- A statement_timeout, and a cursor whose rest is never fetched
BEGIN;
SELECT tx_buy();
SET LOCAL statement_timeout = 50;
SELECT pg_sleep(10);
ROLLBACK;
TABLE tx_state;
BEGIN;
DECLARE c CURSOR FOR SELECT ticket_no FROM ticket_buy('TX1', 'TXA', 'TXC', 1, '2031-05-01', passengers => '{1,2}');
FETCH 1 FROM c;
CLOSE c;
TABLE tx_state;
ROLLBACK;
TABLE tx_state;

-- Many departures and many tickets in one transaction
SELECT count(ticket_open('TX1', d::date, 'TX-F')) FROM generate_series('2031-06-01'::date, '2031-07-30', '1 day') AS d;
CREATE VIEW tx_many AS SELECT count(*) AS days, min(ticket_remaining('TX1', 'TXA', 'TXC', d::date)), max(ticket_remaining('TX1', 'TXA', 'TXC', d::date))
FROM generate_series('2031-06-01'::date, '2031-07-30', '1 day') AS d;
BEGIN;
SELECT count(*) FROM generate_series('2031-06-01'::date, '2031-07-30', '1 day') AS d, ticket_buy('TX1', 'TXA', 'TXC', 1, d::date, passengers => '{1,2}');
SAVEPOINT a;
SELECT count(*) FROM generate_series('2031-06-01'::date, '2031-07-30', '1 day') AS d, ticket_buy('TX1', 'TXA', 'TXC', 1, d::date, passengers => '{1,2,3}');
TABLE tx_many;
ROLLBACK TO a;
TABLE tx_many;
SELECT claims FROM ticket_inflight WHERE pid = pg_backend_pid();
COMMIT;
TABLE tx_many;
BEGIN;
SELECT count(*) FROM generate_series('2031-06-01'::date, '2031-07-30', '1 day') AS d, ticket_buy('TX1', 'TXA', 'TXC', 1, d::date, passengers => '{1,2}');
SELECT count(*) FROM (SELECT DISTINCT order_id FROM ticket_order o JOIN ticket_departure d USING (departure_id) WHERE train = 'TX1' AND o.service_date >= '2031-06-01') AS o, ticket_refund(o.order_id);
TABLE tx_many;
ROLLBACK;
TABLE tx_many;
BEGIN;
SELECT sum((SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXB', n, '2031-06-01', passengers => '{1,2,3,4,5,6,7,8}') AS b, ticket_refund(b.order_id, ARRAY[b.ticket_no]))) AS bought_and_refunded
FROM generate_series(1, 700) AS n;
SELECT ticket_remaining('TX1', 'TXA', 'TXB', '2031-06-01');
COMMIT;
TABLE tx_many;
DROP VIEW tx_many;

-- Refund and rebuy in one transaction: what it refunded is free for it, and stays its own.
SELECT order_id, seat AS seat_1 FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02') \gset
SELECT order_id AS order_3 FROM ticket_buy('TX1', 'TXA', 'TXC', 1, '2031-05-02', passengers => '{1,2,3,4,5,6,7,8,9}') WHERE ticket_no = 1 \gset
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
BEGIN;
SELECT status FROM ticket_refund(:order_id);
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02') AS own, (SELECT remaining FROM ticket_search('TXA', 'TXC', '2031-05-02')) AS by_search,
       (SELECT min(remaining) FROM ticket_remaining_matrix('TX1', '2031-05-02', 'second')) AS by_matrix;
SELECT order_id AS order_2, seat = :'seat_1' AS same_seat FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02') \gset
SELECT :'same_seat' AS same_seat, ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
SELECT seat FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02');
SELECT * FROM ticket_verify();
COMMIT;
SELECT status, ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02') FROM ticket_order WHERE order_id IN (:order_id, :order_2) ORDER BY order_id = :order_2;
SELECT * FROM ticket_verify();
-- Over a part of the trip, and the whole rolled back
BEGIN;
SELECT status FROM ticket_refund(:order_2);
SELECT seat = :'seat_1' AS same_seat, from_stop, to_stop FROM ticket_buy('TX1', 'TXB', 'TXC', 7, '2031-05-02');
SELECT ticket_remaining('TX1', 'TXA', 'TXB', '2031-05-02') AS before, ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02') AS after;
ROLLBACK;
SELECT ticket_remaining('TX1', 'TXA', 'TXB', '2031-05-02') AS before, ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02') AS after;
SELECT * FROM ticket_verify();
-- ROLLBACK TO between the refund and the purchase: the refund still stands, the seat is free again for us.
BEGIN;
SELECT status FROM ticket_refund(:order_2);
SAVEPOINT a;
SELECT seat = :'seat_1' AS same_seat FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02');
ROLLBACK TO a;
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
SELECT seat = :'seat_1' AS same_seat FROM ticket_buy('TX1', 'TXA', 'TXB', 7, '2031-05-02');
COMMIT;
SELECT ticket_remaining('TX1', 'TXA', 'TXB', '2031-05-02') AS before, ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02') AS after;
SELECT * FROM ticket_verify();
-- ROLLBACK TO before the refund: sold as before, whatever came after.
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM ticket_refund(:order_3);
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02', passengers => '{1,2,3}');
SAVEPOINT b;
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 7, '2031-05-02', passengers => '{1,2,3}');
RELEASE b;
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
ROLLBACK TO a;
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02'), (SELECT count(*) FROM ticket_order WHERE order_id = :order_3 AND status = 'sold') AS sold;
COMMIT;
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
SELECT * FROM ticket_verify();
-- Refund what was bought in the same transaction, buy it, refund it.
BEGIN;
SELECT order_id AS order_4 FROM ticket_buy('TX1', 'TXB', 'TXC', 8, '2031-05-02') \gset
SELECT status FROM ticket_refund(:order_4);
SELECT order_id AS order_5 FROM ticket_buy('TX1', 'TXB', 'TXC', 8, '2031-05-02') \gset
SELECT status FROM ticket_refund(:order_5);
SELECT ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02');
SAVEPOINT a;
SELECT order_id AS order_6 FROM ticket_buy('TX1', 'TXB', 'TXC', 8, '2031-05-02') \gset
SELECT status FROM ticket_refund(:order_6);
ROLLBACK TO a;
SELECT ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02');
COMMIT;
SELECT ticket_remaining('TX1', 'TXB', 'TXC', '2031-05-02');
SELECT status, count(*) FROM ticket_order WHERE order_id IN (:order_4, :order_5) GROUP BY 1;

-- Modes
SELECT count(*) FROM (SELECT DISTINCT order_id FROM ticket_order JOIN ticket_departure USING (departure_id, service_date)
                      WHERE train = 'TX1' AND service_date = '2031-05-01' AND ticket_order.status = 'sold') AS o, ticket_refund(o.order_id);
\set VERBOSITY sqlstate
BEGIN READ ONLY;
SELECT tx_buy();
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM ticket_refund(:order_3);
ROLLBACK;
BEGIN READ ONLY;
SELECT ticket_remaining('TX1', 'TXA', 'TXB', '2031-05-02') AS remaining, (SELECT count(*) FROM ticket_search('TXA', 'TXB', '2031-05-02')) AS found,
       (SELECT count(*) FROM ticket_verify()) AS problems, (SELECT count(*) FROM ticket_seat_map('TX1', '2031-05-02', 'second')) AS seats;
COMMIT;
BEGIN ISOLATION LEVEL READ UNCOMMITTED; SELECT tx_buy(); COMMIT;
BEGIN ISOLATION LEVEL READ COMMITTED; SELECT tx_buy(); COMMIT;
BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT tx_buy(); COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT tx_buy(); COMMIT;
TABLE tx_state;
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT tx_buy(); ROLLBACK;
TABLE tx_state;

-- Two-phase commit: a claim stays, and a release waits, until the transaction is decided.
SELECT count(*) AS free_seat FROM ticket_refund(:order_3, '{1}');
BEGIN;
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 9, '2031-05-02');
PREPARE TRANSACTION 'tx_buy';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02'), (SELECT count(*) FROM pg_prepared_xacts) AS prepared;
SELECT pid, claims FROM ticket_inflight;
SELECT claims_in_flight FROM ticket_pool WHERE train = 'TX1' AND service_date = '2031-05-02';
SELECT * FROM ticket_verify();
SELECT ticket_withdraw('TX1', '2031-05-02');
ROLLBACK PREPARED 'tx_buy';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
BEGIN;
SELECT count(*) FROM ticket_refund(:order_3, '{2}');
PREPARE TRANSACTION 'tx_refund';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02'), (SELECT count(*) FROM pg_prepared_xacts) AS prepared;
COMMIT PREPARED 'tx_refund';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
-- A PREPARE that fails gives everything back, once.
BEGIN;
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 9, '2031-05-02');
PREPARE TRANSACTION 'tx_buy';
BEGIN;
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 9, '2031-05-02');
PREPARE TRANSACTION 'tx_buy';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02'), (SELECT count(*) FROM pg_prepared_xacts) AS prepared;
COMMIT PREPARED 'tx_buy';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
\set VERBOSITY default
-- One that holds no claim may be prepared.
BEGIN;
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
SAVEPOINT a;
SELECT count(*) FROM ticket_buy('TX1', 'TXA', 'TXC', 9, '2031-05-02');
ROLLBACK TO a;
PREPARE TRANSACTION 'tx_nothing';
COMMIT PREPARED 'tx_nothing';
SELECT ticket_remaining('TX1', 'TXA', 'TXC', '2031-05-02');
-- A payment that is prepared takes part as well: the train can't be withdrawn until it is decided.
SELECT ticket_open('TX1', '2031-05-03', 'TX-F') > 0 AS opened;
SELECT order_id AS held FROM ticket_hold('TX1', 'TXA', 'TXC', 1, '2031-05-03') \gset
BEGIN;
SELECT status FROM ticket_confirm(:held);
PREPARE TRANSACTION 'tx_pay';
SET statement_timeout = '5min';
\set VERBOSITY sqlstate
SELECT ticket_withdraw('TX1', '2031-05-03');
\set VERBOSITY default
RESET statement_timeout;
COMMIT PREPARED 'tx_pay';
SELECT ticket_withdraw('TX1', '2031-05-03');
SELECT status FROM ticket_order WHERE order_id = :held;

SELECT count(*) AS left_behind FROM ticket_inflight;
DROP VIEW tx_state;
DROP FUNCTION tx_buy;
DROP PROCEDURE tx_procedure;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
