-- Kinds of constraints and columns that not every server has. Where they are missing, the expected output has this part
-- skipped (ticket_newer_columns_1.out: PostgreSQL 15 to 17).
\set home :DBNAME
CREATE DATABASE regression_newer_columns;
\c regression_newer_columns
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
RESET client_min_messages;
INSERT INTO ticket_station (station, name) VALUES ('NCA', 'Newer A'), ('NCB', 'Newer B'), ('NCC', 'Newer C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
  ('NC1', 1, 'NCA', NULL, '8:00'), ('NC1', 2, 'NCB', '9:00', '9:02'), ('NC1', 3, 'NCC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('NC-F', '01', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F}');
SELECT ticket_open('NC1', '2031-05-01', 'NC-F') > 0 AS opened;
SELECT order_id AS before FROM ticket_buy('NC1', 'NCA', 'NCC', 13, '2031-05-01') \gset
SELECT order_id AS held FROM ticket_hold('NC1', 'NCA', 'NCC', 13, '2031-05-01', ttl => '1 day') \gset

-- A check that is not valid holds for what is written from now on, which is the refund of an old row, too, and its expiry.
ALTER TABLE ticket_order ADD CONSTRAINT no_user_13 CHECK (user_id <> 13) NOT VALID;
\set VERBOSITY sqlstate
SELECT * FROM ticket_refund(:before);
SELECT * FROM ticket_cancel(:held);
SELECT * FROM ticket_buy('NC1', 'NCA', 'NCC', 13, '2031-05-01');
\set VERBOSITY default
SELECT ticket_remaining('NC1', 'NCA', 'NCC', '2031-05-01');
UPDATE ticket_order SET user_id = 14 WHERE user_id = 13;
SELECT status FROM ticket_refund(:before);
SELECT status FROM ticket_cancel(:held);
SELECT ticket_remaining('NC1', 'NCA', 'NCC', '2031-05-01');
ALTER TABLE ticket_order DROP CONSTRAINT no_user_13;

SELECT current_setting('server_version_num')::int >= 180000 AS has_them \gset
\if :has_them
-- A check that is not enforced costs nothing: rows are written directly, without a call of the extension's trigger.
SET track_functions = 'all';
ALTER TABLE ticket_order ADD CONSTRAINT no_user_15 CHECK (user_id <> 15) NOT ENFORCED;
SELECT ticket_open('NC1', '2031-05-02', 'NC-F') > 0 AS opened;
BEGIN;
SELECT order_id FROM ticket_buy('NC1', 'NCA', 'NCC', 15, '2031-05-01') \gset
SELECT count(*) FROM ticket_buy('NC1', 'NCA', 'NCC', 15, '2031-05-02');
SELECT status FROM ticket_refund(:order_id);
SELECT pg_stat_get_xact_function_calls('ticket_follow_order'::regproc) AS calls;
ROLLBACK;
-- One that is, is asked.
ALTER TABLE ticket_order DROP CONSTRAINT no_user_15, ADD CONSTRAINT no_user_15 CHECK (user_id <> 15);
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('NC1', 'NCA', 'NCC', 15, '2031-05-01');
\set VERBOSITY default
BEGIN;
SELECT count(*) FROM ticket_buy('NC1', 'NCA', 'NCC', 16, '2031-05-01');
SELECT pg_stat_get_xact_function_calls('ticket_follow_order'::regproc) AS calls;
ROLLBACK;
ALTER TABLE ticket_order DROP CONSTRAINT no_user_15;
RESET track_functions;

-- A virtual column is in every answer, of days from before and after it, and may be checked.
ALTER TABLE ticket_order ADD COLUMN legs int GENERATED ALWAYS AS (to_stop - from_stop) VIRTUAL;
SELECT ticket_open('NC1', '2031-05-03', 'NC-F') > 0 AS opened;
SELECT order_id, legs FROM ticket_buy('NC1', 'NCA', 'NCC', 21, '2031-05-01') \gset
SELECT :legs AS legs;
SELECT user_id, legs FROM ticket_buy('NC1', 'NCA', 'NCB', 22, '2031-05-03', passengers => '{1,2}');
SELECT status, legs FROM ticket_refund(:order_id);
SELECT status, legs FROM ticket_hold('NC1', 'NCB', 'NCC', 23, '2031-05-03');
SELECT status, legs FROM ticket_confirm((SELECT order_id FROM ticket_order WHERE user_id = 23));
SELECT status, legs FROM ticket_change((SELECT order_id FROM ticket_order WHERE user_id = 23), 'NC1', 'NCA', 'NCC', '2031-05-01');
SELECT user_id, status, legs FROM ticket_order WHERE user_id > 20 ORDER BY user_id, ticket_no, status;
ALTER TABLE ticket_order ADD CONSTRAINT short CHECK (legs < 2) NOT VALID;
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('NC1', 'NCA', 'NCC', 24, '2031-05-03');
\set VERBOSITY default
SELECT legs FROM ticket_buy('NC1', 'NCA', 'NCB', 24, '2031-05-03');
SELECT ticket_remaining('NC1', 'NCA', 'NCB', '2031-05-03'), ticket_remaining('NC1', 'NCB', 'NCC', '2031-05-03');
ALTER TABLE ticket_order DROP COLUMN legs;

-- NOT NULL that is not valid: what is sold from now on has a value, and an old row without one stays as it is until it has.
SELECT order_id AS before FROM ticket_buy('NC1', 'NCA', 'NCC', 31, '2031-05-02') \gset
ALTER TABLE ticket_order ADD COLUMN note text;
ALTER TABLE ticket_order ADD CONSTRAINT has_note NOT NULL note NOT VALID;
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('NC1', 'NCA', 'NCC', 32, '2031-05-02');
SELECT * FROM ticket_refund(:before);
\set VERBOSITY default
SELECT ticket_remaining('NC1', 'NCA', 'NCC', '2031-05-02');
ALTER TABLE ticket_order ALTER COLUMN note SET DEFAULT 'none';
SELECT note FROM ticket_buy('NC1', 'NCA', 'NCC', 33, '2031-05-02');
SELECT ticket_open('NC1', '2031-05-04', 'NC-F') > 0 AS opened;
SELECT note FROM ticket_buy('NC1', 'NCA', 'NCC', 34, '2031-05-04');
UPDATE ticket_order SET note = 'old' WHERE note IS NULL;
SELECT status, note FROM ticket_refund(:before);
ALTER TABLE ticket_order DROP COLUMN note;
\endif

SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_newer_columns;
