-- What once crashed, hung or misled.
\set VERBOSITY sqlstate
INSERT INTO ticket_station SELECT 'HD' || i, 'Hard ' || i FROM generate_series(0, 12) i;
INSERT INTO ticket_stop SELECT 'HD1', i, 'HD' || i, i * interval '1 hour', i * interval '1 hour' FROM generate_series(0, 12) i;
INSERT INTO ticket_stop SELECT 'HD3', i, 'HD' || i, i * interval '1 hour', i * interval '1 hour' FROM generate_series(0, 12) i;
INSERT INTO ticket_formation VALUES ('HD-P', '1', 'stand', NULL, 30), ('HD-S', '1', 'second', '{1A,1B}', NULL);
SELECT ticket_open('HD1', '2033-01-01', 'HD-P') > 0 AS opened, ticket_open('HD3', '2033-01-01', 'HD-S') > 0 AS opened;

-- Places of one coach, refunded over many stretches and bought again by a party: many take-overs.
CREATE TEMP TABLE mine AS SELECT b.order_id FROM generate_series(1, 12) i, ticket_buy('HD1', 'HD0', 'HD' || i, 1, '2033-01-01') b;
BEGIN;
SELECT count(*) FROM mine, ticket_refund(mine.order_id);
SELECT count(*) FROM ticket_buy('HD1', 'HD0', 'HD12', 2, '2033-01-01', passengers => ARRAY(SELECT generate_series(1, 12)::bigint));
SELECT count(*) FROM ticket_buy('HD1', 'HD0', 'HD12', 2, '2033-01-01', passengers => ARRAY(SELECT generate_series(1, 18)::bigint));
SELECT ticket_remaining('HD1', 'HD0', 'HD12', '2033-01-01');
ROLLBACK;
SELECT ticket_remaining('HD1', 'HD0', 'HD12', '2033-01-01');

-- A trigger that buys while its statement refunds.
CREATE FUNCTION hd_waitlist() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.status = 'refunded' AND new.user_id = 77 THEN
        PERFORM public.ticket_buy('HD3', 'HD0', 'HD1', 78, '2033-01-01');
    END IF;
    RETURN NULL;
END $$;
SELECT order_id FROM ticket_buy('HD1', 'HD0', 'HD12', 77, '2033-01-01', passengers => ARRAY(SELECT generate_series(1, 15)::bigint)) LIMIT 1 \gset
CREATE TRIGGER hd_waitlist AFTER UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION hd_waitlist();
SELECT count(*) FROM ticket_refund(:order_id);
DROP TRIGGER hd_waitlist ON ticket_order;
SELECT ticket_remaining('HD3', 'HD0', 'HD1', '2033-01-01');

-- An exchange that a rule refuses leaves the session as it was.
CREATE FUNCTION hd_no(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'no' $$;
SELECT order_id FROM ticket_buy('HD3', 'HD2', 'HD3', 1, '2033-01-01') \gset
INSERT INTO ticket_rule VALUES ('public.hd_no', 'ticket');
SELECT count(*) FROM ticket_change(:order_id, 'HD3', 'HD4', 'HD5', '2033-01-01');
SELECT status FROM ticket_order WHERE order_id = :order_id;
-- A party that no train could take asks no rule.
SELECT count(*) FROM ticket_buy('HD3', 'HD4', 'HD5', 1, '2033-01-01', passengers => ARRAY(SELECT generate_series(1, 100000)::bigint));
DELETE FROM ticket_rule WHERE rule = 'public.hd_no';

-- A list of tickets that is too long; stop times that no calendar has; a calls table edited by hand.
SELECT count(*) FROM ticket_refund(:order_id, ARRAY(SELECT generate_series(1, 100000)));
INSERT INTO ticket_stop VALUES ('HD4', 1, 'HD0', NULL, '1 hour'), ('HD4', 2, 'HD1', '200000000 days', NULL);
SELECT ticket_open('HD4', '2033-01-01', 'HD-S');
BEGIN;
INSERT INTO ticket_route_call SELECT 'HD0', route_id, 2000000000 FROM ticket_route WHERE train = 'HD3';
SELECT train FROM ticket_search('HD5', 'HD0', '2033-01-01');
ROLLBACK;

-- A departure in memory that is renamed by hand is found under its new name.
UPDATE ticket_departure SET train = 'HD2' WHERE train = 'HD1';
SET statement_timeout = '5min';
SELECT ticket_remaining('HD2', 'HD0', 'HD12', '2033-01-01');
RESET statement_timeout;

-- A column of ours with another type is refused, not misread.
BEGIN;
ALTER TABLE ticket_order ALTER COLUMN user_id TYPE numeric;
SELECT count(*) FROM ticket_buy('HD3', 'HD4', 'HD5', 1, '2033-01-01');
ROLLBACK;
-- So is an index with our name and other columns.
BEGIN;
DROP INDEX ticket_order_held;
CREATE INDEX ticket_order_held ON ticket_order (user_id);
SELECT count(*) FROM ticket_buy('HD3', 'HD4', 'HD5', 1, '2033-01-01');
ROLLBACK;

DROP FUNCTION hd_waitlist(), hd_no(bigint, bigint, bigint[], int, int);
SELECT * FROM ticket_verify();
