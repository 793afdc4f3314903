-- ticket_event: what happened to somebody's tickets without that user's own call.
SET client_min_messages = warning;
SET ticketpool.allocation = 'first_fit';
INSERT INTO ticket_station (station, name) VALUES ('EVA', 'Event A'), ('EVB', 'Event B'), ('EVC', 'Event C'), ('EV "D\', 'Event D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('EV1', 10, 'EVA', NULL, '7:40'), ('EV1', 20, 'EVB', '9:00', '9:02'), ('EV1', 30, 'EVC', NULL, NULL), ('EV1', 40, 'EV "D\', '1 day 1:10', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('EV-F', '1 "a\b''', 'second', ARRAY['1"A', '1\B', '1{C}', '1座', '2A', '2B'], NULL),
    ('EV-F', 'stand', 'stand', NULL, 2),
    ('EV-new', 'x\"y', 'second', ARRAY['9"A', '9\B', '9''C', '9座'], NULL),
    ('EV-new', 'stand 2', 'stand', NULL, 1);
SELECT ticket_open('EV1', d::date, 'EV-F') > 0 AS opened FROM generate_series('2033-05-01'::date, '2033-05-06', '1 day') AS d;
CREATE VIEW event_seen AS
    SELECT d.service_date - '2033-05-01'::date + 1 AS day, kind, user_id, ticket_no, wait_id, detail
    FROM ticket_event e JOIN ticket_departure d USING (departure_id) LEFT JOIN ticket_order o USING (order_id, ticket_no)
    WHERE d.train = 'EV1' ORDER BY event_id;
CREATE FUNCTION id_of(bigint) RETURNS bigint LANGUAGE sql AS
    $$ SELECT max(order_id) FROM ticket_order WHERE user_id = $1 AND service_date BETWEEN '2033-05-01' AND '2033-05-06' $$;

-- A user's own calls write none: purchases, payments, refunds, cancellations, exchanges, other seats.
SELECT count(*) FROM ticket_buy('EV1', 'EVA', 'EVC', 1, '2033-05-01', 'second', ARRAY[11, 12]);
SELECT count(*) FROM ticket_hold('EV1', 'EVA', 'EVC', 2, '2033-05-01', 'second', ARRAY[21, 22]);
SELECT status FROM ticket_hold('EV1', 'EVA', 'EVC', 3, '2033-05-01', 'second');
SELECT status FROM ticket_confirm(id_of(2));
SELECT status FROM ticket_cancel(id_of(3));
SELECT count(*) FROM ticket_reseat(id_of(1), ARRAY[1]);
SELECT passenger_id FROM ticket_transfer(id_of(1), 2, 13);
SELECT status FROM ticket_change(id_of(2), 'EV1', 'EVA', 'EVB', '2033-05-02', 'second', ticket_nos => ARRAY[2]);
SELECT ticket_no, status FROM ticket_refund(id_of(1));
SELECT count(*) FROM event_seen;

-- A hold that runs out: a row for each ticket, with the transaction that did it. (The hold is this transaction's own:
-- no worker can come first.)
BEGIN;
SELECT count(*) FROM ticket_hold('EV1', 'EVA', 'EVC', 4, '2033-05-03', 'second', ARRAY[41, 42, 43], ttl => '1 millisecond');
SELECT pg_sleep(0.01);
SELECT ticket_no, status FROM ticket_cancel(id_of(4), ARRAY[2]);
SELECT ticket_sweep() > 0 AS swept;
SELECT day, kind, user_id, ticket_no, wait_id, detail FROM event_seen;
SELECT bool_and(e.xid = pg_current_xact_id()) AS of_this_transaction, bool_and(at BETWEEN now() AND clock_timestamp()) AS now,
    array_agg(ticket_no ORDER BY event_id) AS in_order
FROM ticket_event e JOIN ticket_order o USING (order_id, ticket_no, departure_id) WHERE kind = 'expired' AND o.user_id = 4;
-- In a savepoint that is rolled back, the event goes with the change.
SAVEPOINT s;
SELECT count(*) FROM ticket_hold('EV1', 'EVA', 'EVC', 5, '2033-05-03', 'second', ttl => '1 millisecond');
SELECT pg_sleep(0.01);
SELECT ticket_sweep() > 0 AS swept;
SELECT count(*) FROM event_seen WHERE user_id = 5;
ROLLBACK TO s;
COMMIT;
SELECT day, kind, user_id, ticket_no FROM event_seen;
-- Units of an item are no tickets.
SELECT item_open(80801, 5) > 0 AS opened;
BEGIN;
SELECT status FROM item_hold(80801, 4, ttl => '1 millisecond');
SELECT pg_sleep(0.01);
SELECT ticket_sweep() > 0 AS swept;
SELECT count(*) FROM ticket_event WHERE xid = pg_current_xact_id();
COMMIT;

-- The train is withdrawn: a row for each live ticket.
SELECT count(*) FROM ticket_buy('EV1', 'EVA', 'EVC', 6, '2033-05-04', 'second', ARRAY[61, 62]);
SELECT status FROM ticket_hold('EV1', 'EVB', 'EVC', 7, '2033-05-04', 'second');
SELECT status FROM ticket_refund(id_of(6), ARRAY[1]);
BEGIN;
SELECT ticket_withdraw('EV1', '2033-05-04');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 4;
ROLLBACK;
SELECT count(*) FROM event_seen WHERE day = 4;
SELECT ticket_withdraw('EV1', '2033-05-04');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 4;
SELECT ticket_withdraw('EV1', '2033-05-04');
SELECT count(*) FROM event_seen WHERE day = 4;

-- Other rolling stock: a row for each ticket that ticket_reform lists.
SELECT count(*) FROM ticket_buy('EV1', 'EVA', 'EV "D\', 8, '2033-05-05', 'second', ARRAY[81, 82, 83]);
SELECT count(*) FROM ticket_hold('EV1', 'EVA', 'EVB', 9, '2033-05-05', 'second', ARRAY[91, 92]);
SELECT count(*) FROM ticket_buy('EV1', 'EVA', 'EVC', 10, '2033-05-05', 'stand', ARRAY[101, 102]);
SELECT * FROM ticket_reform('EV1', '2033-05-05', 'EV-new');
SELECT count(*) FROM event_seen WHERE day = 5;
SELECT o.user_id, r.ticket_no, old_coach, old_seat, new_coach, new_seat, outcome
FROM ticket_reform('EV1', '2033-05-05', 'EV-new', 'refund') r JOIN ticket_order o USING (order_id, ticket_no) ORDER BY o.user_id, r.ticket_no;
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 5;
SELECT o.user_id, e.ticket_no, detail ->> 'new_coach' = coach AND (detail ->> 'new_seat') IS NOT DISTINCT FROM seat AS as_it_is
FROM ticket_event e JOIN ticket_order o USING (order_id, ticket_no) WHERE kind = 'moved' AND o.service_date = '2033-05-05' ORDER BY event_id;
-- Again: all of them have kept their seats.
SELECT count(*) FROM ticket_reform('EV1', '2033-05-05', 'EV-new');
SELECT count(*) FROM event_seen WHERE day = 5;

-- Other times: a row for each live ticket, with the times of its stops where they are known.
SELECT count(*) FROM ticket_buy('EV1', 'EVA', 'EVB', 11, '2033-05-06', 'second', ARRAY[111, 112]);
SELECT status FROM ticket_hold('EV1', 'EVB', 'EVC', 12, '2033-05-06', 'second');
SELECT status FROM ticket_buy('EV1', 'EVC', 'EV "D\', 13, '2033-05-06', 'second');
SELECT ticket_no, status FROM ticket_refund(id_of(11), ARRAY[1]);
SELECT ticket_retime('EV1', '2033-05-06');
SELECT count(*) FROM event_seen WHERE day = 6;
UPDATE ticket_stop SET departs = departs + interval '20 minutes' WHERE train = 'EV1' AND stop_no <= 20;
SELECT ticket_retime('EV1', '2033-05-06');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6;
SELECT ticket_retime('EV1', '2033-05-06');
SELECT count(*) FROM event_seen WHERE day = 6;

-- A stop that is skipped: a row for each ticket that starts or ends there, once.
SELECT user_id FROM ticket_skip_stop('EV1', '2033-05-06', 'EVC');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6 AND kind = 'stop_skipped';
SELECT user_id FROM ticket_skip_stop('EV1', '2033-05-06', 'EVC');
SELECT count(*) FROM event_seen WHERE day = 6 AND kind = 'stop_skipped';
-- Another stop of the same ticket is news again.
SELECT user_id FROM ticket_skip_stop('EV1', '2033-05-06', 'EV "D\');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6 AND kind = 'stop_skipped';
-- The stops come back, which is news of times, and are skipped again.
SELECT ticket_retime('EV1', '2033-05-06');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6 OFFSET 6;
BEGIN;
SELECT user_id FROM ticket_skip_stop('EV1', '2033-05-06', 'EVB');
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6 OFFSET 9;
ROLLBACK;
SELECT count(*) FROM event_seen WHERE day = 6;

-- The caller needs no right on the table, and has none.
CREATE ROLE regress_event_seller;
GRANT EXECUTE ON FUNCTION ticket_skip_stop TO regress_event_seller;
SET ROLE regress_event_seller;
SELECT count(*) FROM ticket_skip_stop('EV1', '2033-05-06', 'EVB');
\set VERBOSITY sqlstate
SELECT count(*) FROM ticket_event;
INSERT INTO ticket_event (kind) VALUES ('expired');
\set VERBOSITY default
RESET ROLE;
DROP OWNED BY regress_event_seller;
DROP ROLE regress_event_seller;
SELECT kind, user_id, ticket_no, detail FROM event_seen WHERE day = 6 OFFSET 9;
-- A trigger of the user's may leave events out; the change itself is done.
CREATE FUNCTION event_none() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER event_none BEFORE INSERT ON ticket_event FOR EACH ROW EXECUTE FUNCTION event_none();
SELECT ticket_withdraw('EV1', '2033-05-06');
SELECT count(*) FROM event_seen WHERE kind = 'withdrawn' AND day = 6;
DROP TRIGGER event_none ON ticket_event;
DROP FUNCTION event_none();
-- Each transaction's events are in the order of their numbers, and its own.
SELECT count(DISTINCT xid) AS transactions, count(*) = count(DISTINCT event_id) AS numbered FROM ticket_event JOIN ticket_departure USING (departure_id) WHERE train = 'EV1';
DROP VIEW event_seen;
DROP FUNCTION id_of(bigint);
SELECT * FROM ticket_verify();
