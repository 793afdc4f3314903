-- What expires: whatever is held in an order when its time is over, whichever ticket numbers it has, on whichever day it is;
-- whatever policies the tables have; and with few locks. (Each transaction's holds are its own: no worker can come first.)
INSERT INTO ticket_station (station, name) VALUES ('EXA', 'Expiry A'), ('EXB', 'Expiry B'), ('EXC', 'Expiry C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
    SELECT t, n, s, a, d FROM unnest('{EX1,EX2}'::text[]) t, (VALUES (1, 'EXA', NULL::interval, '8:00'::interval), (2, 'EXB', '9:00', '9:01'), (3, 'EXC', '10:00', NULL)) v (n, s, a, d);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('EX-F', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT count(ticket_open(t, '2032-06-01'::date + d, 'EX-F')) AS opened FROM unnest('{EX1,EX2}'::text[]) t, generate_series(0, 29) d;

CREATE FUNCTION held(passengers bigint[]) RETURNS bigint LANGUAGE sql AS
    $$ SELECT order_id FROM ticket_hold('EX1', 'EXA', 'EXC', 1, '2032-06-01', passengers => $1, ttl => '1 ms') LIMIT 1 $$;
CREATE FUNCTION imported(order_id bigint, ticket_no int, seat text, until timestamptz, day date DEFAULT '2032-06-01', train text DEFAULT 'EX1', status text DEFAULT 'held')
    RETURNS void LANGUAGE sql AS $$
    INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, held_until)
    SELECT $1, $2, departure_id, $5, 1, 1, 'second', '01', $3, 1, 3, $7, $4 FROM ticket_departure d WHERE d.train = $6 AND d.service_date = $5 $$;
CREATE VIEW tickets AS SELECT d.train, d.service_date AS day, ticket_no AS no, o.status FROM ticket_order o JOIN ticket_departure d USING (departure_id)
    WHERE d.train IN ('EX1', 'EX2') ORDER BY train, day, order_id, no;
CREATE FUNCTION remaining(day date DEFAULT '2032-06-01', train text DEFAULT 'EX1') RETURNS int LANGUAGE sql AS $$ SELECT ticket_remaining($2, 'EXA', 'EXC', $1) $$;

-- Ticket 1 is gone, one way or another.
BEGIN;
SELECT held('{1,2,3}') AS o \gset
UPDATE ticket_order SET status = 'cancelled' WHERE order_id = :o AND ticket_no = 1;
SELECT pg_sleep(0.01), ticket_sweep();
TABLE tickets;
SELECT remaining(), ticket_sweep();
ROLLBACK;
BEGIN;
SELECT held('{1,2,3}') AS o \gset
DELETE FROM ticket_order WHERE order_id = :o AND ticket_no = 1;
SELECT pg_sleep(0.01), ticket_sweep();
TABLE tickets;
SELECT remaining();
ROLLBACK;
BEGIN;
SELECT held('{1,2,3}') AS o \gset
UPDATE ticket_order SET order_id = order_id + 1000000 WHERE order_id = :o AND ticket_no = 1;
SELECT pg_sleep(0.01), ticket_sweep();
TABLE tickets;
SELECT remaining();
ROLLBACK;
-- Or is paid already.
BEGIN;
SELECT held('{1,2,3}') AS o \gset
UPDATE ticket_order SET status = 'sold' WHERE order_id = :o AND ticket_no = 1;
SELECT pg_sleep(0.01), ticket_sweep();
TABLE tickets;
SELECT remaining();
ROLLBACK;
-- Or never was: numbers from 0, ticket 2 only, under ids that name no day.
BEGIN;
SELECT imported(7, 0, '1A', now()), imported(7, 1, '1B', now()), imported(8, 2, '1C', now());
SELECT remaining(), ticket_sweep(), remaining();
TABLE tickets;
ROLLBACK;
-- Ids that name no day, on several days, and one on two trains of a day: each ticket by its own time.
BEGIN;
SELECT imported(9, 1, '1A', now()), imported(109, 2, '1A', now(), '2032-06-02'), imported(209, 3, '1A', now() + interval '1 h', '2032-06-03'),
    imported(9, 4, '1A', now(), '2032-06-01', 'EX2'), imported(9, 5, '1B', now() + interval '1 h', '2032-06-01', 'EX2');
SELECT ticket_sweep();
TABLE tickets;
SELECT remaining(), remaining('2032-06-02'), remaining('2032-06-03'), remaining('2032-06-01', 'EX2');
SELECT * FROM ticket_verify();
ROLLBACK;
-- A time that is still to come counts; no time at all goes with the rest of the order, and alone is for ever.
BEGIN;
SELECT imported(10, 1, '1A', now()), imported(10, 2, '1B', NULL), imported(10, 3, '1C', now() + interval '1 h'), imported(11, 1, '1D', NULL);
SELECT ticket_sweep();
TABLE tickets;
SELECT ticket_sweep();
ROLLBACK;

-- Only days with something due are locked, and days whose holds run: the others are looked into and left.
BEGIN;
SELECT count(*) FROM generate_series(0, 29) d, ticket_hold('EX1', 'EXA', 'EXB', 1, '2032-06-01'::date + d, ttl => '1 hour');
COMMIT;
BEGIN;
SELECT count(*) FROM ticket_hold('EX1', 'EXB', 'EXC', 1, '2032-06-20', ttl => '1 ms');
SELECT pg_sleep(0.01), ticket_sweep();
SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass)
    AND mode <> 'AccessShareLock' ORDER BY 1, 2;
SELECT count(DISTINCT relation) AS days_locked FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass);
ROLLBACK;
SELECT count(*) FROM ticket_order o JOIN ticket_departure USING (departure_id), ticket_cancel(order_id) WHERE train = 'EX1' AND o.status = 'held';
DELETE FROM ticket_order o USING ticket_departure d WHERE d.departure_id = o.departure_id AND train = 'EX1';

-- Forced row security binds the owner's statements, and triggers, but not expiry, quotas that return, and preloading.
BEGIN;
CREATE ROLE regress_expiry_owner;
GRANT USAGE, CREATE ON SCHEMA public TO regress_expiry_owner;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO regress_expiry_owner;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO regress_expiry_owner;
SET LOCAL client_min_messages = error;
DO $$ DECLARE r regclass; BEGIN
    FOR r IN SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname ~ '^(ticket|item)_' LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO regress_expiry_owner', r);
    END LOOP;
    FOREACH r IN ARRAY '{ticket_order,ticket_reservation,ticket_departure}'::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', r);
    END LOOP;
END $$;
CREATE POLICY by_user ON ticket_order USING (user_id::text = current_setting('app.tenant', true));
CREATE POLICY by_channel ON ticket_reservation USING (channel = current_setting('app.channel', true));
CREATE POLICY by_train ON ticket_departure USING (train = current_setting('app.train', true));
CREATE TABLE seen (orders bigint);
GRANT ALL ON seen TO regress_expiry_owner;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen SELECT count(*) FROM public.ticket_order; RETURN NEW; END $$;
CREATE TRIGGER look BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION look();
SET LOCAL app.tenant = '1'; SET LOCAL app.channel = 'agency'; SET LOCAL app.train = 'EX1';
SELECT held('{1,2}') AS o \gset
SELECT ticket_reserve('EX1', '2032-06-01', 'second', 'agency', 2, 'EXA', 'EXC', clock_timestamp() + interval '10 ms') > 0 AS reserved;
SELECT remaining();
SET LOCAL app.tenant = ''; SET LOCAL app.channel = ''; SET LOCAL app.train = '';
\set VERBOSITY sqlstate
SAVEPOINT s;
SELECT ticket_cancel(:o);
ROLLBACK TO s;
SELECT pg_sleep(0.02), ticket_sweep();
TABLE tickets;
SELECT status FROM ticket_reservation ORDER BY reservation_id DESC LIMIT 1;
SELECT remaining();
SELECT * FROM seen;
-- The plans that a sweep keeps are no one else's.
SET LOCAL app.tenant = '1'; SELECT held('{3}') AS o \gset
SET LOCAL app.tenant = '';
SAVEPOINT s;
SELECT ticket_cancel(:o);
ROLLBACK TO s;
\set VERBOSITY default
SELECT * FROM ticket_verify();
ROLLBACK;

-- A database is there once.
SELECT count(*), count(next_deadline) <= 1 AS one_deadline FROM ticket_sweep_status WHERE database = current_database();
DROP VIEW tickets;
DROP FUNCTION held(bigint[]), imported(bigint, int, text, timestamptz, date, text, text), remaining(date, text);
