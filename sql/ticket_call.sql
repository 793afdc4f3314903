-- ticket_call: a function by its name, values as texts, and errors as answers.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET ticketpool.allocation = first_fit;
INSERT INTO ticket_station (station, name) VALUES ('TCA', 'Call A'), ('TCB', 'Call "B", {x}\y'), ('TCC', 'Call C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('TC1', 1, 'TCA', NULL, '8:00'), ('TC1', 2, 'TCB', '9:00', '9:02'), ('TC1', 3, 'TCC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('TC-F', '01', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F,3A,3B,3C,3D,3F}');
-- Scalars, defaults that are computed (opens_at), NULLs
SELECT (ticket_call('ticket_open', '{TC1,2033-03-01,TC-F}'))[1] AS opened, (ticket_call('ticket_open', '{TC1,2033-03-02,TC-F,2033-01-01,NULL}'))[1] AS opened;
SELECT ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}') AS counted, ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}', '{ticket_remaining}') AS by_name;
SELECT ticket_call('ticket_close', '{TC1,2033-03-02}') AS nothing;
-- Columns of a row, in any order and twice; none at all; the row as a whole; sold out is no row.
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat,status,seat,held_until,from_stop}') AS bought;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01,NULL,"{70,71}"}', '{ticket_no,seat,passenger_id}') AS two_rows;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,5,2033-03-01,second,"{50}",D}', '{}') AS no_columns;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01,second,"{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}"}', '{seat}') AS sold_out;
SELECT a[1] AS state, (a[2]::ticket_order).seat, (a[2]::ticket_order).user_id FROM ticket_call('ticket_buy', ARRAY['TC1', 'Call "B", {x}\y', 'TCC', '8', '2033-03-01']) AS a;
SELECT ticket_call('ticket_remaining_matrix', '{TC1,2033-03-01,second}', '{from_stop,to_stop,remaining}') AS many_rows;
SELECT ticket_call('ticket_remaining_matrix', '{TC1,2033-03-01,second}') AS whole_rows;
SELECT ticket_call('ticket_search', ARRAY['TCA', 'TCB', '2033-03-01'], '{train,departs,remaining}') AS found;
-- Arrays of composites
SELECT ticket_call('ticket_buy_many', ARRAY['{"(TC1,TCA,TCC,9,2033-03-01)"}'], '{request_no,seat}') AS malformed;
SELECT (ticket_call('ticket_buy_many', ARRAY[ARRAY[ROW('TC1', 'TCA', 'TCC', 9, '2033-03-01', NULL, NULL, NULL, NULL, NULL)::ticket_request]::text], '{request_no,seat}')) AS many;
-- A single value that is a record
SELECT (ticket_call('ticket_pool_stat', '{}', '{items}'))[1] AS record, cardinality(ticket_call('ticket_pool_stat', '{}')) AS whole;

-- The part of one node of a call that PL/Proxy splits: its number comes first, also before an error.
SELECT ticket_call_part('{3}', 'ticket_remaining', ARRAY['{TC1,TCA,TCC,2033-03-01}'], NULL) AS answered;
SELECT (ticket_call_part('{3}', 'ticket_remaining', ARRAY['{TC9,"TCA",TCC,2033-03-01}'], '{ticket_remaining}'))[1:2] AS no_departure;
SELECT (ticket_call_part('{3,4}', 'ticket_remaining', '{"{}"}', NULL))[1:3] AS two_nodes, (ticket_call_part('{3}', 'ticket_remaining', '{}', NULL))[1:3] AS no_list,
    (ticket_call_part('{3}', 'ticket_remaining', '{"{"}', NULL))[1:2] AS malformed, (ticket_call_part('{3}', 'ticket_call_part', '{"{}"}', NULL))[1:2] AS itself,
    (ticket_call_part(NULL, 'ticket_remaining', '{"{}"}', NULL))[1:2] AS no_number;

-- The settings of the session are in no value: dates, intervals.
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SELECT ticket_call('ticket_search', ARRAY['TCA', 'TCB', '2033-03-01'], '{service_date,departs,arrives}') AS found;
SELECT (ticket_call('ticket_hold', '{TC1,TCB,TCC,9,2033-03-01,NULL,NULL,NULL,NULL,NULL,P1DT2H}', '{service_date}'))[1:2] AS held;
SELECT current_setting('datestyle') AS datestyle, current_setting('intervalstyle') AS intervalstyle;
RESET datestyle;
RESET intervalstyle;
-- Columns of a user's own: of a type of any style
ALTER TABLE ticket_order ADD COLUMN own interval DEFAULT '1 day 2 hours';
SELECT ticket_call('ticket_refund', ARRAY[(SELECT order_id FROM ticket_order WHERE user_id = 5 AND service_date = '2033-03-01')::text], '{status,own}') AS with_own;
ALTER TABLE ticket_order DROP COLUMN own;
SELECT ticket_call('ticket_refund', ARRAY[(SELECT order_id FROM ticket_order WHERE user_id = 5 AND service_date = '2033-03-01')::text], '{status,own}') AS without;
SELECT ticket_call('ticket_refund', ARRAY[(SELECT order_id FROM ticket_order WHERE user_id = 5 AND service_date = '2033-03-01')::text], '{status,refunded}') AS never_was;

-- Errors are answers: SQLSTATE, message, detail, hint, context, schema, table, column, type, constraint.
SELECT ticket_call('ticket_buy', '{TC9,TCA,TCC,7,2033-03-01}', '{seat}') AS no_departure;
SELECT ticket_call('ticket_remaining', '{TC1,TCC,TCA,2033-03-01}') AS no_trip;
SELECT (ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-02}', '{seat}'))[1:4] AS closed;
SELECT ticket_call('ticket_refund', '{1}', '{status}') AS no_order;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01,first}', '{seat}') AS no_class;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,NULL,2033-03-01}', '{seat}') AS no_user;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,seven,2033-03-01}', '{seat}') AS no_number;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-02-30}', '{seat}') AS no_date;
SELECT a[1:3] AS open_already, a[5] LIKE 'SQL statement%' AS context, a[6:] AS names FROM ticket_call('ticket_open', '{TC1,2033-03-01,TC-F}') AS a;
CREATE FUNCTION ticket_call_rule(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    CASE $2 WHEN 100 THEN RETURN 'not you'; WHEN 101 THEN PERFORM pg_sleep(600);
        WHEN 102 THEN RAISE EXCEPTION USING ERRCODE = 'ZZ123', MESSAGE = 'mine', DETAIL = '', HINT = 'a "hint"', SCHEMA = 's', TABLE = 't', COLUMN = 'c', DATATYPE = 'd', CONSTRAINT = 'k';
        ELSE RETURN NULL; END CASE; RETURN NULL; END $$;
INSERT INTO ticket_rule (rule, on_kind, enabled) VALUES ('ticket_call_rule', 'ticket', true);
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,100,2033-03-01}', '{seat}') AS rule;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,102,2033-03-01}', '{seat}') AS every_field;
-- A cancelled call is an error, not an answer.
\set VERBOSITY sqlstate
SET statement_timeout = '100ms';
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,101,2033-03-01}', '{seat}') AS never;
RESET statement_timeout;
\set VERBOSITY terse
DELETE FROM ticket_rule WHERE rule = 'ticket_call_rule';

-- A call inside a call, of the same function, after which what is kept about it is void
CREATE FUNCTION ticket_call_again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.user_id = 110 THEN
        EXECUTE 'CREATE OR REPLACE FUNCTION public.ticket_call_other() RETURNS int LANGUAGE sql AS ''SELECT 1''';
        RAISE NOTICE 'inner %', public.ticket_call('ticket_buy', '{TC1,TCA,TCB,111,2033-03-01}', '{seat,user_id}');
        RAISE NOTICE 'inner %', (public.ticket_call('ticket_buy', '{TC1,TCA,TCB,112,2033-03-32}', '{seat,user_id}'))[1:2];
    END IF; RETURN NULL; END $$;
CREATE TRIGGER ticket_call_again AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION ticket_call_again();
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,110,2033-03-01}', '{seat,user_id}') AS outer;
DROP TRIGGER ticket_call_again ON ticket_order;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,113,2033-03-01}', '{seat,user_id}') AS afterwards;
DROP FUNCTION ticket_call_again, ticket_call_other;

-- What was claimed before the error is free again, and the transaction goes on.
CREATE FUNCTION ticket_call_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE check_violation USING MESSAGE = 'refused'; END $$;
CREATE TRIGGER ticket_call_refuse AFTER INSERT ON ticket_order FOR EACH ROW WHEN (NEW.user_id = 103) EXECUTE FUNCTION ticket_call_refuse();
BEGIN;
SELECT (ticket_call('ticket_buy', '{TC1,TCA,TCB,103,2033-03-01}', '{seat}'))[1:2] AS refused;
SELECT ticket_remaining('TC1', 'TCA', 'TCB', '2033-03-01') AS still_there;
SELECT sum(claims) IS NULL AS no_claims FROM ticket_inflight;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,104,2033-03-01}', '{seat}') AS bought;
COMMIT;
DROP TRIGGER ticket_call_refuse ON ticket_order;
SELECT count(*) AS tickets FROM ticket_order WHERE user_id IN (103, 104) AND service_date = '2033-03-01';
SELECT * FROM ticket_verify();

-- What is not a function for it
SELECT ticket_call('ticket_bye', '{}') AS unknown;
SELECT ticket_call('public.ticket_buy', '{}') AS with_schema;
SELECT ticket_call('now', '{}') AS not_ours;
SELECT (ticket_call(repeat('ticket_remaining', 10), '{}'))[1] AS long;
SELECT ticket_call('ticket_call', '{ticket_remaining,"{}"}') AS itself;
SELECT ticket_call('ticket_follow_order', '{}') AS trigger;
SELECT ticket_call('ticket_remaining', '{TC1,TCA}') AS too_few;
SELECT ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01,NULL,NULL,NULL}') AS too_many;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat,ctid}') AS unknown_column;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat,NULL}') AS null_column;
SELECT ticket_call(NULL, '{}') AS null_name, ticket_call('ticket_remaining', NULL) AS null_arguments;
SELECT (ticket_call('ticket_remaining_matrix', '{TC1,2033-03-01,second}', array_fill('remaining'::text, '{1665}')))[1:2] AS wide;

-- The rights are the caller's, and are asked each time.
CREATE ROLE regress_call;
SET ROLE regress_call;
SELECT ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}') AS everybody;
SELECT ticket_call('ticket_buy', '{TC1,TCA,TCB,7,2033-03-01}', '{seat}') AS nobody;
RESET ROLE;
SELECT ticket_call('ticket_buy', '{TC1,TCB,TCC,99,2033-03-01}', '{seat}') AS owner;
GRANT EXECUTE ON FUNCTION ticket_refund TO regress_call;
SET ROLE regress_call;
SELECT (ticket_call('ticket_refund', '{1}', '{seat}'))[1] AS granted;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION ticket_refund FROM regress_call;
SET ROLE regress_call;
SELECT (ticket_call('ticket_refund', '{1}', '{seat}'))[1] AS revoked;
RESET ROLE;
DROP ROLE regress_call;

-- A hostile search_path and functions of the same names change nothing.
CREATE SCHEMA call_trap;
CREATE FUNCTION call_trap.ticket_remaining(text, text, text, date, text, text) RETURNS int LANGUAGE sql AS 'SELECT 666';
CREATE FUNCTION call_trap.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
CREATE FUNCTION public.ticket_remaining(train text) RETURNS int LANGUAGE sql AS 'SELECT 667';
CREATE DOMAIN call_trap.text AS pg_catalog.text CHECK (VALUE = 'x');
SET search_path = call_trap, pg_catalog, public;
SELECT public.ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}') AS counted, public.ticket_call('ticket_remaining', '{TC1}'::pg_catalog.text[]) AS trapped;
RESET search_path;
DROP SCHEMA call_trap CASCADE;
DROP FUNCTION public.ticket_remaining(text);

-- What is kept follows changes: a new name, settings of a function, another result.
ALTER FUNCTION ticket_remaining(text, text, text, date, text, text) RENAME TO ticket_left;
SELECT (ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}'))[1:2] AS old_name, ticket_call('ticket_left', '{TC1,TCA,TCC,2033-03-01}') AS new_name;
ALTER FUNCTION ticket_left(text, text, text, date, text, text) RENAME TO ticket_remaining;
SELECT ticket_call('ticket_remaining', '{TC1,TCA,TCC,2033-03-01}') AS old_name;
ALTER FUNCTION ticket_remaining(text, text, text, date, text, text) SET datestyle = 'German';
SELECT ticket_call('ticket_remaining', '{TC9,TCA,TCC,2033-03-01}') AS its_setting;
ALTER FUNCTION ticket_remaining(text, text, text, date, text, text) RESET datestyle;
SELECT ticket_call('ticket_remaining', '{TC9,TCA,TCC,2033-03-01}') AS its_setting;
DROP FUNCTION ticket_call_rule, ticket_call_refuse;
-- The extension again, in the same session
CREATE DATABASE regress_call;
\c regress_call
CREATE EXTENSION ticketpool;
SELECT (ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat}'))[1] AS state;
DROP EXTENSION ticketpool;
CREATE SCHEMA elsewhere;
CREATE EXTENSION ticketpool SCHEMA elsewhere;
SELECT (elsewhere.ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat}'))[1] AS state;
ALTER SCHEMA elsewhere RENAME TO nowhere;
SELECT (nowhere.ticket_call('ticket_buy', '{TC1,TCA,TCC,7,2033-03-01}', '{seat}'))[1] AS state;
\c regression
DROP DATABASE regress_call;
