-- Orders, departures and quotas written by hand: the pool follows, or the statement is refused.
\set home :DBNAME
CREATE DATABASE regression_by_hand;
\c regression_by_hand
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
RESET client_min_messages;
INSERT INTO ticket_station (station, name) VALUES ('BHA', 'Hand A'), ('BHB', 'Hand B'), ('BHC', 'Hand C'), ('BHD', 'Hand D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('BH1', 1, 'BHA', NULL, '8:00'), ('BH1', 2, 'BHB', '9:00', '9:02'), ('BH1', 3, 'BHC', '10:00', '10:02'), ('BH1', 4, 'BHD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES ('BH-F', '01', 'second', '{1A,1B,1C}', NULL), ('BH-F', '02', 'second', NULL, 2);
SELECT ticket_open('BH1', '2032-03-01', 'BH-F') AS id \gset
SELECT ticket_open('BH1', '2032-03-02', 'BH-F') AS other \gset
CREATE FUNCTION bh_free(day date DEFAULT '2032-03-01') RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(ticket_remaining('BH1', f, t, day)::text, ' ') FROM (VALUES ('BHA', 'BHB'), ('BHB', 'BHC'), ('BHC', 'BHD'), ('BHA', 'BHD')) AS v (f, t) $$;
-- Writes one ticket by hand.
CREATE PROCEDURE bh_write(order_id bigint, seat text, from_stop int, to_stop int, status text DEFAULT 'sold', coach text DEFAULT '01', day date DEFAULT '2032-03-01', channel text DEFAULT NULL) LANGUAGE sql AS $$
    INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, channel)
    SELECT $1, 1, departure_id, $7, $1, $1, 'second', $6, $2, $3, $4, $5, $8 FROM ticket_departure WHERE train = 'BH1' AND service_date = $7 $$;
CREATE VIEW bh_twice AS SELECT a.order_id, b.order_id AS other FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no) AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
SET ticketpool.allocation = first_fit;
\set VERBOSITY default

-- INSERT claims at once; a rollback gives back.
SELECT bh_free();
CALL bh_write(1, '1A', 1, 3);
SELECT bh_free();
BEGIN;
CALL bh_write(2, '1A', 3, 4);
CALL bh_write(3, '1B', 1, 4, 'held');
SELECT bh_free();
ROLLBACK;
SELECT bh_free();
-- What is taken is refused, in so many words; what is not live needs no seat.
CALL bh_write(2, '1A', 2, 4);
CALL bh_write(2, '1A', 2, 4, 'refunded');
DELETE FROM ticket_order WHERE order_id = 2;
SELECT order_id AS bought, seat FROM ticket_buy('BH1', 'BHA', 'BHD', 9, '2032-03-01', seat_choice => 'B') \gset
\set VERBOSITY terse
CALL bh_write(2, '1B', 1, 2);
-- So is what its departure does not have.
\set VERBOSITY sqlstate
CALL bh_write(2, '9F', 1, 2);
CALL bh_write(2, '1C', 1, 7);
CALL bh_write(2, '1C', 3, 2);
CALL bh_write(2, '1C', 1, 2, coach => '07');
CALL bh_write(2, '1C', 1, 2, 'lost');
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (2, 1, :id, '2032-03-02', 2, 2, 'second', '01', '1C', 1, 2, 'sold');
-- Unnumbered places
CALL bh_write(20, NULL, 1, 3, coach => '02');
CALL bh_write(21, NULL, 2, 4, coach => '02');
SELECT bh_free();
\set VERBOSITY terse
CALL bh_write(22, NULL, 1, 4, coach => '02');
CALL bh_write(22, NULL, 3, 4, coach => '02');
DELETE FROM ticket_order WHERE order_id IN (20, 22);
SELECT bh_free();
SELECT * FROM ticket_verify(:id);

-- UPDATE of seat, stops, status; a bought ticket is like any other.
UPDATE ticket_order SET seat = '1C' WHERE order_id = 1;
SELECT bh_free();
UPDATE ticket_order SET to_stop = 4 WHERE order_id = 1;
SELECT bh_free();
UPDATE ticket_order SET seat = '1B' WHERE order_id = 1;
UPDATE ticket_order SET status = 'refunded' WHERE order_id = :bought;
UPDATE ticket_order SET seat = '1B' WHERE order_id = 1;
UPDATE ticket_order SET status = 'sold' WHERE order_id = :bought;
SELECT status FROM ticket_order WHERE order_id = :bought;
UPDATE ticket_order SET status = 'held', seat = '1C' WHERE order_id = :bought;
SELECT order_id = :bought AS same, seat, status FROM ticket_order WHERE status IN ('held', 'sold') AND seat IS NOT NULL ORDER BY seat;
-- Passengers change seats: two in one statement, three in a circle. The refused way leaves all as it was.
CALL bh_write(4, '1A', 1, 4);
UPDATE ticket_order SET seat = CASE seat WHEN '1B' THEN '1C' ELSE '1B' END WHERE order_id IN (1, :bought);
SELECT string_agg(seat, ' ' ORDER BY order_id) AS seats FROM ticket_order WHERE order_id IN (1, 4, :bought);
UPDATE ticket_order SET seat = CASE seat WHEN '1A' THEN '1B' WHEN '1B' THEN '1C' ELSE '1A' END WHERE order_id IN (1, 4, :bought);
SELECT string_agg(seat, ' ' ORDER BY order_id) AS seats FROM ticket_order WHERE order_id IN (1, 4, :bought);
UPDATE ticket_order SET seat = CASE seat WHEN '1A' THEN '1B' ELSE '1C' END WHERE order_id IN (1, 4);
SELECT * FROM bh_twice;
SELECT * FROM ticket_verify(:id);
-- With a user's trigger that writes in between
CREATE TABLE bh_audit (n int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION bh_audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.bh_audit (what) VALUES (TG_OP || ' ' || COALESCE(NEW.seat, OLD.seat)); RETURN NULL; END $$;
CREATE TRIGGER bh_audit AFTER INSERT OR UPDATE OR DELETE ON ticket_order FOR EACH ROW EXECUTE FUNCTION bh_audit();
CREATE TRIGGER zz_audit AFTER INSERT OR UPDATE OR DELETE ON ticket_order FOR EACH ROW EXECUTE FUNCTION bh_audit();
UPDATE ticket_order SET seat = CASE seat WHEN '1B' THEN '1C' WHEN '1C' THEN '1A' ELSE '1B' END WHERE order_id IN (1, 4, :bought);
SELECT count(*) AS audited FROM bh_audit;
SELECT status FROM ticket_cancel(:bought);
DROP TRIGGER bh_audit ON ticket_order;
DROP TRIGGER zz_audit ON ticket_order;
SELECT * FROM ticket_verify(:id);
-- To another day and back
UPDATE ticket_order SET service_date = '2032-03-02', departure_id = :other WHERE order_id = 1;
SELECT bh_free(), bh_free('2032-03-02');
UPDATE ticket_order SET service_date = '2032-03-01', departure_id = :id WHERE order_id = 1;
SELECT bh_free(), bh_free('2032-03-02');

-- DELETE; and what a transaction gave up it may take again itself, others only after the commit.
BEGIN;
DELETE FROM ticket_order WHERE order_id = 4 RETURNING seat;
SELECT bh_free();
SELECT count(*) FROM ticket_buy('BH1', 'BHA', 'BHD', 5, '2032-03-01', passengers => '{1,2}');
CALL bh_write(4, '1A', 1, 4);
ROLLBACK;
SELECT seat AS seat_4 FROM ticket_order WHERE order_id = 4 \gset
BEGIN;
DELETE FROM ticket_order WHERE order_id = 4;
CALL bh_write(4, :'seat_4', 1, 4);
ROLLBACK;
SELECT * FROM ticket_verify(:id);
WITH gone AS (DELETE FROM ticket_order WHERE order_id = 4 RETURNING *)
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 40, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status FROM gone;
WITH gone AS (DELETE FROM ticket_order WHERE order_id = 40)
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 4, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status FROM ticket_order WHERE order_id = 40;
SELECT * FROM ticket_verify(:id);

-- Savepoints, exception blocks
BEGIN;
DELETE FROM ticket_order WHERE order_id IN (1, 4);
SAVEPOINT a;
CALL bh_write(6, '1A', 1, 4);
CALL bh_write(7, '1B', 1, 2);
ROLLBACK TO a;
CALL bh_write(8, '1B', 2, 4);
SAVEPOINT b;
DELETE FROM ticket_order WHERE order_id = 8;
ROLLBACK TO b;
SELECT bh_free();
COMMIT;
DO $$ BEGIN CALL bh_write(10, '1B', 1, 3); EXCEPTION WHEN exclusion_violation THEN RAISE NOTICE 'refused: %', SQLERRM; END $$;
SELECT bh_free();
SELECT * FROM ticket_verify(:id);

-- Several rows at once; ON CONFLICT; MERGE
CREATE TEMP TABLE bh_rows AS SELECT n AS order_id, 1 AS ticket_no, :id AS departure_id, date '2032-03-01' AS service_date, n AS user_id, n AS passenger_id, 'second' AS seat_class, '01' AS coach, seat, 1 AS from_stop, 2 AS to_stop, 'sold' AS status
FROM (VALUES (51, '1A'), (52, '1B'), (53, '1C')) AS v (n, seat);
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) SELECT * FROM bh_rows;
SELECT bh_free();
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) SELECT * FROM bh_rows ON CONFLICT DO NOTHING;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) SELECT * FROM bh_rows
ON CONFLICT (order_id, ticket_no, service_date) DO UPDATE SET status = 'refunded';
SELECT bh_free();
MERGE INTO ticket_order o USING bh_rows r ON o.order_id = r.order_id AND o.service_date = '2032-03-01'
WHEN MATCHED AND r.order_id = 53 THEN DELETE WHEN MATCHED THEN UPDATE SET status = 'sold', seat = CASE o.seat WHEN '1A' THEN '1B' ELSE '1A' END
WHEN NOT MATCHED THEN DO NOTHING;
SELECT order_id, seat, status FROM ticket_order WHERE order_id IN (51, 52, 53) ORDER BY 1;
SELECT * FROM bh_twice;
SELECT * FROM ticket_verify(:id);
-- Two rows of one statement on one seat
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT n, 1, :id, '2032-03-01', n, n, 'second', '01', '1C', 1, 2, 'sold' FROM generate_series(61, 62) AS n;
-- As a replica: the pool follows all the same.
SET session_replication_role = replica;
CALL bh_write(61, '1C', 1, 2);
CALL bh_write(62, '1C', 1, 2);
DELETE FROM ticket_order WHERE order_id IN (51, 52, 53);
RESET session_replication_role;
SELECT bh_free();
SELECT * FROM ticket_verify(:id);

-- COPY of what leaves and comes
COPY (SELECT order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status FROM ticket_order WHERE departure_id = :id AND status = 'sold') TO '/tmp/ticketpool_by_hand.copy';
DELETE FROM ticket_order WHERE departure_id = :id AND status = 'sold';
SELECT bh_free();
COPY ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) FROM '/tmp/ticketpool_by_hand.copy';
SELECT bh_free();
COPY ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) FROM '/tmp/ticketpool_by_hand.copy';
-- TRUNCATE of a partition and of all
SELECT tableoid::regclass AS partition FROM ticket_order WHERE departure_id = :id LIMIT 1 \gset
BEGIN;
TRUNCATE :partition;
SELECT bh_free();
CALL bh_write(70, '1A', 1, 4);
SELECT bh_free();
ROLLBACK;
SELECT bh_free();
SELECT * FROM ticket_verify(:id);
BEGIN;
TRUNCATE ticket_order;
COPY ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status) FROM '/tmp/ticketpool_by_hand.copy';
COMMIT;
SELECT bh_free();
SELECT * FROM ticket_verify(:id);
TRUNCATE :partition;
SELECT bh_free();
\! rm -f /tmp/ticketpool_by_hand.copy

-- Quotas by hand: seats of one are its channel's.
SELECT count(*) FROM ticket_buy('BH1', 'BHB', 'BHC', 80, '2032-03-01', seat_choice => 'A');
INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, seat_list) VALUES (:id, '2032-03-01', 'second', 'web', 2, 1, 3, '{01/1A,01/1B}') RETURNING reservation_id AS quota \gset
SELECT bh_free(), ticket_remaining('BH1', 'BHA', 'BHC', '2032-03-01', channel => 'web') AS web;
SELECT * FROM ticket_verify(:id);
CALL bh_write(81, '1B', 1, 2);
CALL bh_write(81, '1B', 1, 2, channel => 'web');
SELECT ticket_remaining('BH1', 'BHA', 'BHC', '2032-03-01', channel => 'web') AS web;
UPDATE ticket_order SET status = 'refunded' WHERE order_id = 81;
SELECT ticket_remaining('BH1', 'BHA', 'BHC', '2032-03-01', channel => 'web') AS web;
\set VERBOSITY sqlstate
INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, seat_list) VALUES (:id, '2032-03-01', 'second', 'app', 1, 1, 2, '{01/1B}');
INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, seat_list) VALUES (:id, '2032-03-01', 'second', 'app', 1, 1, 2, '{01/9B}');
UPDATE ticket_reservation SET from_stop = 2, to_stop = 4, seat_list = '{01/1A}' WHERE reservation_id = :quota;
UPDATE ticket_reservation SET to_stop = 2 WHERE reservation_id = :quota;
SELECT bh_free(), ticket_remaining('BH1', 'BHA', 'BHB', '2032-03-01', channel => 'web') AS web;
BEGIN;
DELETE FROM ticket_reservation WHERE reservation_id = :quota;
ROLLBACK;
SELECT bh_free(), ticket_remaining('BH1', 'BHA', 'BHB', '2032-03-01', channel => 'web') AS web;
UPDATE ticket_reservation SET status = 'recycled' WHERE reservation_id = :quota;
SELECT bh_free();
SELECT * FROM ticket_verify(:id);
SELECT ticket_reserve('BH1', '2032-03-01', 'second', 'web', 1, 'BHC', 'BHD') > 0 AS reserved;
TRUNCATE ticket_reservation;
SELECT bh_free();
-- A ticket that was there before its quota goes back to the quota, however it is given back.
SELECT order_id AS early, seat FROM ticket_buy('BH1', 'BHC', 'BHD', 83, '2032-03-01', seat_choice => 'C') \gset
INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, seat_list) VALUES (:id, '2032-03-01', 'second', 'web', 1, 3, 4, ARRAY['01/' || :'seat']);
SELECT ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01', channel => 'web') - ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01') AS web;
SELECT status FROM ticket_refund(:early);
SELECT ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01', channel => 'web') - ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01') AS web;
SELECT * FROM ticket_verify(:id);
UPDATE ticket_order SET status = 'sold' WHERE order_id = :early;
UPDATE ticket_order SET status = 'sold', channel = 'web' WHERE order_id = :early;
DELETE FROM ticket_order WHERE order_id = :early;
SELECT ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01', channel => 'web') - ticket_remaining('BH1', 'BHC', 'BHD', '2032-03-01') AS web;
SELECT * FROM ticket_verify(:id);
DELETE FROM ticket_reservation;

-- Departures by hand: sale times and status at commit.
UPDATE ticket_departure SET opens_at = now() + interval '1 day' WHERE departure_id = :id;
SELECT * FROM ticket_buy('BH1', 'BHA', 'BHB', 90, '2032-03-01');
UPDATE ticket_departure SET opens_at = now() - interval '1 day', closes_at = now() - interval '1 hour' WHERE departure_id = :id;
SELECT * FROM ticket_buy('BH1', 'BHA', 'BHB', 90, '2032-03-01');
BEGIN;
UPDATE ticket_departure SET closes_at = NULL WHERE departure_id = :id;
ROLLBACK;
SELECT ticket_remaining('BH1', 'BHA', 'BHB', '2032-03-01');
UPDATE ticket_departure SET closes_at = NULL, status = 'closed' WHERE departure_id = :id;
SELECT * FROM ticket_buy('BH1', 'BHA', 'BHB', 90, '2032-03-01');
UPDATE ticket_departure SET status = 'open' WHERE departure_id = :id;
SELECT count(*) FROM ticket_buy('BH1', 'BHA', 'BHB', 90, '2032-03-01');
-- It cannot go, nor become another, under its tickets.
DELETE FROM ticket_departure WHERE departure_id = :id;
\set VERBOSITY sqlstate
UPDATE ticket_departure SET departure_id = departure_id + 1000000 WHERE departure_id = :id;
UPDATE ticket_departure SET service_date = '2032-03-03' WHERE departure_id = :id;
TRUNCATE ticket_departure;
SELECT count(*) FROM ticket_buy('BH1', 'BHA', 'BHB', 91, '2032-03-01');
BEGIN;
DELETE FROM ticket_order WHERE departure_id = :id;
DELETE FROM ticket_departure WHERE departure_id = :id RETURNING train;
ROLLBACK;
SELECT count(*) FROM ticket_buy('BH1', 'BHA', 'BHB', 92, '2032-03-01');
SELECT * FROM ticket_verify(:id);
CREATE TEMP TABLE bh_kept AS SELECT * FROM ticket_departure WHERE departure_id = :other;
DELETE FROM ticket_departure WHERE departure_id = :other;
SELECT ticket_remaining('BH1', 'BHA', 'BHB', '2032-03-02');
-- An order may come before its departure; it counts when that is there.
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (95, 1, :other, '2032-03-02', 1, 1, 'second', '01', '1A', 1, 4, 'sold');
INSERT INTO ticket_departure SELECT * FROM bh_kept;
SELECT bh_free('2032-03-02');
SELECT * FROM ticket_verify();
UPDATE ticket_order SET status = 'cancelled' WHERE order_id = 95;
SELECT bh_free('2032-03-02');
DELETE FROM ticket_departure WHERE departure_id = :other;
BEGIN;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (96, 1, :other, '2032-03-02', 1, 1, 'second', '01', '1B', 1, 2, 'sold');
INSERT INTO ticket_departure SELECT * FROM bh_kept;
SELECT bh_free('2032-03-02');
CALL bh_write(97, '1B', 1, 2, day => '2032-03-02');
ROLLBACK;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (96, 1, :other, '2032-03-01', 1, 1, 'second', '01', '1B', 1, 2, 'sold');
INSERT INTO ticket_departure SELECT * FROM bh_kept;
DELETE FROM ticket_order WHERE order_id = 96;
-- Two of them on one seat: the departure is refused.
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 96, n, :other, '2032-03-02', 1, 1, 'second', '01', '1B', n, n + 2, 'sold' FROM generate_series(1, 2) AS n;
INSERT INTO ticket_departure SELECT * FROM bh_kept;
UPDATE ticket_order SET from_stop = 3, to_stop = 4 WHERE order_id = 96 AND ticket_no = 2;
INSERT INTO ticket_departure SELECT * FROM bh_kept;
SELECT bh_free('2032-03-02');
DELETE FROM ticket_order WHERE order_id = 96;
-- One that fits nowhere is not loaded, and named.
DELETE FROM ticket_departure WHERE departure_id = :other;
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
VALUES (96, 1, :other, '2032-03-02', 1, 1, 'second', '01', '7B', 1, 2, 'sold');
INSERT INTO ticket_departure SELECT * FROM bh_kept;
SELECT bh_free('2032-03-02');
SELECT problem FROM ticket_verify(:other);
DELETE FROM ticket_order WHERE order_id = 96;
SELECT bh_free('2032-03-02');

-- What fires no trigger: the departure is loaded anew. Detached, changed, attached again; triggers off and on.
SELECT bh_free();
ALTER TABLE ticket_order DETACH PARTITION :partition;
SELECT bh_free();
SELECT * FROM ticket_buy('BH1', 'BHA', 'BHD', 1, '2032-03-01');
SELECT count(*) AS triggers FROM pg_trigger WHERE tgrelid = :'partition'::regclass;
UPDATE :partition SET status = 'sold', seat = '1C', from_stop = 1, to_stop = 4 WHERE user_id = 92;
ALTER TABLE ticket_order ATTACH PARTITION :partition FOR VALUES FROM ('2032-03-01') TO ('2032-03-02');
SELECT bh_free();
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = :'partition'::regclass ORDER BY 1;
SELECT * FROM ticket_verify(:id);
ALTER TABLE :partition DISABLE TRIGGER ALL;
UPDATE :partition SET from_stop = 3 WHERE user_id = 92;
ALTER TABLE :partition ENABLE TRIGGER ALL;
SELECT bh_free();
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = :'partition'::regclass AND NOT tgisinternal ORDER BY 1;
ALTER TABLE ticket_order DISABLE TRIGGER USER;
DELETE FROM ticket_order WHERE user_id = 92;
ALTER TABLE ticket_order ENABLE TRIGGER USER;
SELECT bh_free();
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = :'partition'::regclass AND NOT tgisinternal ORDER BY 1;
ALTER TABLE ticket_departure DISABLE TRIGGER ALL;
UPDATE ticket_departure SET status = 'closed' WHERE departure_id = :id;
ALTER TABLE ticket_departure ENABLE TRIGGER ALL;
SELECT bh_free();
UPDATE ticket_departure SET status = 'open' WHERE departure_id = :id;
-- What says nothing of the rows reloads nothing.
SELECT rebuilds FROM ticket_pool_stat \gset
SELECT bh_free();
VACUUM ticket_order;
ANALYZE ticket_order;
CREATE INDEX ON ticket_order (user_id);
CREATE INDEX bh_clustered ON :partition (user_id);
VACUUM FULL :partition;
CLUSTER :partition USING bh_clustered;
SELECT bh_free();
SELECT rebuilds - :rebuilds AS rebuilds FROM ticket_pool_stat;

-- A trigger of the user's between function and table may not move a ticket, nor veto half of a refund.
CREATE FUNCTION bh_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF TG_OP = 'INSERT' THEN NEW.seat := '1A'; ELSE NEW.status := OLD.status; END IF; RETURN NEW; END $$;
CREATE TRIGGER bh_move BEFORE INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION bh_move();
SELECT * FROM ticket_buy('BH1', 'BHC', 'BHD', 98, '2032-03-01', seat_choice => 'C');
SELECT * FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 80));
DROP TRIGGER bh_move ON ticket_order;
-- One that writes by hand while the extension writes
CREATE FUNCTION bh_twin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.user_id = 99 THEN
        INSERT INTO public.ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
        VALUES (NEW.order_id, NEW.ticket_no + 10, NEW.departure_id, NEW.service_date, 100, 100, NEW.seat_class, NEW.coach, NEW.seat, NEW.from_stop, NEW.to_stop, 'sold');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bh_twin AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION bh_twin();
SELECT * FROM ticket_buy('BH1', 'BHC', 'BHD', 99, '2032-03-01');
DROP TRIGGER bh_twin ON ticket_order;

-- The functions are good for nothing else.
\set VERBOSITY default
SELECT ticket_follow_order();
CREATE TABLE bh_mine (LIKE ticket_order);
CREATE TRIGGER bh_mine AFTER INSERT ON bh_mine FOR EACH ROW EXECUTE FUNCTION ticket_follow_order();
INSERT INTO bh_mine SELECT * FROM ticket_order LIMIT 1;

-- Pool and tables agree, and no two live tickets meet on a seat.
SELECT * FROM ticket_verify();
SELECT * FROM bh_twice;

-- Departures that are loaded in the middle of it, in a copy of the database, where none is in memory: while a statement
-- has deleted some of its rows, and after a TRUNCATE. A rollback finds the pool as it was.
\c :home
CREATE DATABASE regression_by_hand_copy TEMPLATE regression_by_hand;
\c regression_by_hand_copy
SELECT count(*) AS live FROM ticket_order WHERE status IN ('held', 'sold');
CREATE SEQUENCE bh_row;
CREATE FUNCTION bh_look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF nextval('public.bh_row') = 3 THEN PERFORM public.ticket_remaining('BH1', 'BHA', 'BHB', '2032-03-01'); END IF; RETURN OLD; END $$;
CREATE TRIGGER bh_look BEFORE DELETE ON ticket_order FOR EACH ROW EXECUTE FUNCTION bh_look();
BEGIN;
DELETE FROM ticket_order;
ROLLBACK;
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_by_hand_copy;
CREATE DATABASE regression_by_hand_copy TEMPLATE regression_by_hand;
\c regression_by_hand_copy
BEGIN;
TRUNCATE ticket_order;
SELECT bh_free();
ROLLBACK;
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_by_hand_copy;
DROP DATABASE regression_by_hand;
