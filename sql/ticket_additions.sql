-- What users add to ticket_order: columns, checks, triggers, indexes, policies. Purchases and refunds respect all of it.
\set home :DBNAME
CREATE DATABASE regression_additions;
\c regression_additions
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
RESET client_min_messages;
INSERT INTO ticket_station (station, name) VALUES ('ADA', 'Add A'), ('ADB', 'Add B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('AD1', 1, 'ADA', NULL, '8:00'), ('AD1', 2, 'ADB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('AD-F', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open('AD1', '2031-05-01', 'AD-F') > 0 AS opened;
CREATE FUNCTION free(day date DEFAULT '2031-05-01') RETURNS int LANGUAGE sql AS $$ SELECT ticket_remaining('AD1', 'ADA', 'ADB', day) $$;
-- Buys on the old day and on a new one each time: partitions made before and after an addition.
SELECT user_id, status FROM ticket_buy('AD1', 'ADA', 'ADB', 1, '2031-05-01');

-- Rows are written directly, and the extension's triggers, which have nothing to tell of them, are not called. A user's
-- trigger is, also with the name of one of the extension's.
SET track_functions = 'all';
BEGIN;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 101, '2031-05-01');
SELECT pg_stat_get_xact_function_calls('ticket_follow_order'::regproc) AS calls;
ROLLBACK;
CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% %', TG_NAME, TG_OP; RETURN NULL; END $$;
CREATE TRIGGER ticket_follow_truncate BEFORE INSERT ON ticket_order FOR EACH STATEMENT EXECUTE FUNCTION mine();
BEGIN;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 101, '2031-05-01');
SELECT pg_stat_get_xact_function_calls('ticket_follow_order'::regproc) AS calls;
ROLLBACK;
DROP TRIGGER ticket_follow_truncate ON ticket_order;
DROP FUNCTION mine();
RESET track_functions;

-- A column without a default, one with, a generated one. The answer has them too.
ALTER TABLE ticket_order ADD COLUMN note text;
SELECT user_id, status, note FROM ticket_buy('AD1', 'ADA', 'ADB', 2, '2031-05-01');
ALTER TABLE ticket_order ADD COLUMN price numeric NOT NULL DEFAULT 9.5, ADD COLUMN vat numeric GENERATED ALWAYS AS (price * 0.06) STORED;
SELECT ticket_open('AD1', '2031-05-02', 'AD-F') > 0 AS opened;
SELECT user_id, note, price, vat FROM ticket_buy('AD1', 'ADA', 'ADB', 3, '2031-05-01');
SELECT user_id, note, price, vat FROM ticket_buy('AD1', 'ADA', 'ADB', 4, '2031-05-02', passengers => '{1,2}');
SELECT user_id, note, price, vat FROM ticket_order ORDER BY user_id, ticket_no;
UPDATE ticket_order SET price = 20 WHERE user_id = 4;
SELECT order_id FROM ticket_order WHERE user_id = 4 LIMIT 1 \gset
SELECT ticket_no, status, price, vat FROM ticket_refund(:order_id);
SELECT user_id, price, vat FROM ticket_buy('AD1', 'ADA', 'ADB', 5, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000a1');
SELECT user_id, price, vat FROM ticket_buy('AD1', 'ADA', 'ADB', 5, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000a1');
-- Dropped again: columns of old and new partitions have different numbers.
ALTER TABLE ticket_order DROP COLUMN vat, DROP COLUMN note;
SELECT ticket_open('AD1', '2031-05-03', 'AD-F') > 0 AS opened;
SELECT user_id, price, service_date FROM unnest('{2031-05-01,2031-05-02,2031-05-03}'::date[]) AS d, ticket_buy('AD1', 'ADA', 'ADB', 6, d) ORDER BY service_date;
ALTER TABLE ticket_order DROP COLUMN price;
SELECT ticket_open('AD1', '2031-05-04', 'AD-F') > 0 AS opened;
-- What the type of a column adds: the default of a domain, and a domain that refuses NULL, also one that begins to.
BEGIN;
CREATE DOMAIN source AS text DEFAULT 'web';
CREATE DOMAIN remark AS text;
ALTER TABLE ticket_order ADD COLUMN source source, ADD COLUMN remark remark;
ALTER TABLE item_order ADD COLUMN source source, ADD COLUMN remark remark;
SELECT item_open(1, 5) > 0 AS opened;
SELECT user_id, source, remark FROM ticket_buy('AD1', 'ADA', 'ADB', 8, '2031-05-04', passengers => '{1,2}');
SELECT user_id, source, remark FROM item_buy(1, 8);
UPDATE ticket_order SET remark = '';
UPDATE item_order SET remark = '';
ALTER DOMAIN remark SET NOT NULL;
SAVEPOINT refused;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 10, '2031-05-04');
ROLLBACK TO refused;
SELECT user_id FROM item_buy(1, 10);
ROLLBACK;
SELECT b AS answer, order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 7, '2031-05-04', request_id => '00000000-0000-0000-0000-0000000000a2') AS b \gset
SELECT o::text = :'answer' AS same FROM ticket_order o WHERE order_id = :order_id;
SELECT b::text = :'answer' AS same FROM ticket_buy('AD1', 'ADA', 'ADB', 7, '2031-05-04', request_id => '00000000-0000-0000-0000-0000000000a2') AS b;
SELECT b AS answer, order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 7, '2031-05-03', request_id => '00000000-0000-0000-0000-0000000000a2') AS b \gset
SELECT o::text = :'answer' AS same FROM ticket_order o WHERE order_id = :order_id;
SELECT b::text = :'answer' AS same FROM ticket_buy('AD1', 'ADA', 'ADB', 7, '2031-05-03', request_id => '00000000-0000-0000-0000-0000000000a2') AS b;
SELECT status, user_id FROM ticket_refund(:order_id);
SELECT * FROM ticket_verify();

-- A CHECK: what it refuses is not sold.
SELECT free('2031-05-04');
ALTER TABLE ticket_order ADD CONSTRAINT no_user_13 CHECK (user_id <> 13);
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 13, '2031-05-04');
\set VERBOSITY default
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 14, '2031-05-04');
SELECT free('2031-05-04');
ALTER TABLE ticket_order DROP CONSTRAINT no_user_13;

-- Triggers: an audit of what happened, one that changes a row, one that refuses, one that swallows.
-- Rows are written with a search_path of the extension's own: names in trigger functions are qualified.
CREATE TABLE audit (n int GENERATED ALWAYS AS IDENTITY, what text, user_id bigint, status text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.audit (what, user_id, status) VALUES (TG_WHEN || ' ' || TG_OP, NEW.user_id, NEW.status);
    RETURN NEW;
END $$;
CREATE TRIGGER audit_after AFTER INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION audit();
SELECT order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 21, '2031-05-02', passengers => '{1,2}') WHERE ticket_no = 1 \gset
SELECT ticket_no, status FROM ticket_refund(:order_id, '{2}');
BEGIN;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 22, '2031-05-02');
ROLLBACK;
SELECT what, user_id, status FROM audit ORDER BY n;
SELECT ticket_open('AD1', '2031-05-05', 'AD-F') > 0 AS opened;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 23, '2031-05-05');
SELECT what, user_id, status FROM audit ORDER BY n DESC LIMIT 1;
DROP TRIGGER audit_after ON ticket_order;
CREATE TRIGGER audit_before BEFORE INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION audit();
SELECT order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 24, '2031-05-05') \gset
SELECT status FROM ticket_refund(:order_id);
SELECT what, user_id, status FROM audit WHERE user_id = 24 ORDER BY n;
DROP TRIGGER audit_before ON ticket_order;
ALTER TABLE ticket_order ADD COLUMN note text;
CREATE FUNCTION change_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'changed by a trigger'; RETURN NEW; END $$;
CREATE TRIGGER change_row BEFORE INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION change_row();
SELECT user_id, note FROM ticket_buy('AD1', 'ADA', 'ADB', 25, '2031-05-05');
DROP TRIGGER change_row ON ticket_order;
ALTER TABLE ticket_order DROP COLUMN note;
-- It refuses: the error comes through, the seat is free again.
SELECT free('2031-05-05');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today' USING ERRCODE = 'AB123'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION refuse();
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 26, '2031-05-05');
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 25));
\set VERBOSITY default
SELECT free('2031-05-05'), (SELECT status FROM ticket_order WHERE user_id = 25) AS still;
DROP TRIGGER refuse ON ticket_order;
-- It swallows the row: an error as well, for a party as a whole, for a refund too.
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.passenger_id = 99 THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION swallow();
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 99, '2031-05-05');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 99, '2031-05-05');
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 27, '2031-05-05', passengers => '{1,99}');
SELECT free('2031-05-05'), (SELECT count(*) FROM ticket_order WHERE user_id IN (27, 99)) AS rows;
SELECT passenger_id FROM ticket_buy('AD1', 'ADA', 'ADB', 27, '2031-05-05', passengers => '{1,2}');
DROP TRIGGER swallow ON ticket_order;
CREATE TRIGGER swallow BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.passenger_id = 2) EXECUTE FUNCTION swallow();
CREATE OR REPLACE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
SELECT * FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 27 AND ticket_no = 1));
SELECT free('2031-05-05'), (SELECT count(*) FROM ticket_order WHERE user_id = 27 AND status = 'sold') AS still;
DROP TRIGGER swallow ON ticket_order;
-- A trigger that buys, and one on a partition alone.
CREATE TABLE basket (user_id bigint, day date);
CREATE FUNCTION buy_basket() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM FROM public.ticket_buy('AD1', 'ADA', 'ADB', NEW.user_id, NEW.day); IF NOT FOUND THEN RAISE 'sold out'; END IF; RETURN NEW; END $$;
CREATE TRIGGER buy_basket BEFORE INSERT ON basket FOR EACH ROW EXECUTE FUNCTION buy_basket();
SELECT ticket_open('AD1', '2031-05-06', 'AD-F') > 0 AS opened;
INSERT INTO basket SELECT n, '2031-05-06' FROM generate_series(31, 33) AS n;
INSERT INTO basket SELECT n, '2031-05-06' FROM generate_series(34, 36) AS n;
SELECT free('2031-05-06'), (SELECT count(*) FROM basket) AS baskets;
DO $$ BEGIN EXECUTE format('CREATE TRIGGER audit_one AFTER INSERT ON %s FOR EACH ROW EXECUTE FUNCTION audit()',
    (SELECT tableoid::regclass FROM ticket_order WHERE service_date = '2031-05-06' LIMIT 1)); END $$;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 37, '2031-05-06');
SELECT what, user_id FROM audit WHERE user_id = 37;

-- Indexes: of the whole table, of one partition, on an expression, unique.
CREATE INDEX ON ticket_order (passenger_id);
CREATE UNIQUE INDEX one_a_day ON ticket_order (service_date, passenger_id, departure_id) WHERE status = 'sold' AND passenger_id > 1000;
SELECT ticket_open('AD1', '2031-05-07', 'AD-F') > 0 AS opened;
SELECT passenger_id FROM ticket_buy('AD1', 'ADA', 'ADB', 41, '2031-05-07', passengers => '{1001,1002}');
SELECT * FROM ticket_buy('AD1', 'ADA', 'ADB', 42, '2031-05-07', passengers => '{1003,1001}');
SELECT free('2031-05-07');
SET enable_seqscan = off;
SELECT count(*) AS by_index FROM ticket_order WHERE passenger_id = 1002;
RESET enable_seqscan;
DROP INDEX one_a_day;
SELECT passenger_id FROM ticket_buy('AD1', 'ADA', 'ADB', 42, '2031-05-07', passengers => '{1003,1001}');

-- A foreign key to the tickets
SELECT ticket_open('AD1', '2031-05-08', 'AD-F') > 0 AS opened;
CREATE TABLE payment (order_id bigint, ticket_no int, service_date date, FOREIGN KEY (order_id, ticket_no, service_date) REFERENCES ticket_order);
SELECT order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 51, '2031-05-08') \gset
INSERT INTO payment VALUES (:order_id, 1, '2031-05-08');
SELECT status FROM ticket_refund(:order_id);
DROP TABLE payment;
\set VERBOSITY default

-- Row security binds under FORCE only, and only what is written; the pool sees every row.
CREATE ROLE regress_ticket_owner;
CREATE ROLE regress_ticket_seller;
GRANT EXECUTE ON FUNCTION ticket_buy, ticket_refund TO regress_ticket_seller;
SELECT ticket_open('AD1', '2031-05-09', 'AD-F') > 0 AS opened;
DO $$
DECLARE r regclass;
BEGIN
    FOR r IN SELECT objid::regclass FROM pg_depend JOIN pg_class c ON c.oid = objid
             WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND deptype = 'e' AND relkind IN ('r', 'p')
             UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass
    LOOP EXECUTE format('ALTER TABLE %s OWNER TO regress_ticket_owner', r);
    END LOOP;
    ALTER SEQUENCE ticket_order_id_seq OWNER TO regress_ticket_owner;
END $$;
CREATE POLICY even_users ON ticket_order USING (user_id % 2 = 0);
ALTER TABLE ticket_order ENABLE ROW LEVEL SECURITY;
SET ROLE regress_ticket_seller;
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 61, '2031-05-09');
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 62, '2031-05-09');
RESET ROLE;
ALTER TABLE ticket_order FORCE ROW LEVEL SECURITY;
SET ROLE regress_ticket_seller;
SELECT order_id FROM ticket_buy('AD1', 'ADA', 'ADB', 64, '2031-05-09') \gset
\set VERBOSITY sqlstate
SELECT user_id FROM ticket_buy('AD1', 'ADA', 'ADB', 65, '2031-05-09');
\set VERBOSITY default
SELECT status FROM ticket_refund(:order_id);
RESET ROLE;
SELECT free('2031-05-09');
SELECT user_id, status FROM ticket_order WHERE service_date = '2031-05-09' ORDER BY user_id;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;

-- A copy of the database builds its pool anew: from all rows, not from those that the policy shows.
\c :home
CREATE DATABASE regression_additions_copy TEMPLATE regression_additions;
\c regression_additions_copy
SELECT d::date AS day, free(d::date) FROM generate_series('2031-05-01'::date, '2031-05-09', '1 day') AS d;
SELECT * FROM ticket_verify();
SELECT d::date AS day, 5 - count(*) AS free FROM generate_series('2031-05-01'::date, '2031-05-09', '1 day') AS d JOIN ticket_order ON service_date = d AND status = 'sold' GROUP BY d ORDER BY d;
\c :home
DROP DATABASE regression_additions_copy;
DROP DATABASE regression_additions;
DROP ROLE regress_ticket_owner, regress_ticket_seller;
