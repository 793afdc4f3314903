-- What the built-in rules read: which tickets they find, by which index, and that this costs no locks and no plans.
\set home :DBNAME
CREATE DATABASE regression_rule_reads;
\c regression_rule_reads
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
RESET client_min_messages;
INSERT INTO ticket_station SELECT s, 'Station ' || s FROM unnest('{A,B,C,D}'::text[]) AS s;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('T1', 1, 'A', NULL, '8:00'), ('T1', 2, 'B', '9:00', '9:05'), ('T1', 3, 'C', '10:00', '10:05'), ('T1', 4, 'D', '11:00', NULL),
    ('T2', 1, 'A', NULL, '8:30'), ('T2', 2, 'D', '10:30', NULL),
    ('DEP1', 1, 'A', NULL, '8:00'), ('DEP1', 2, 'B', NULL, '9:00'), ('DEP1', 3, 'C', NULL, '10:00'),
    ('DEP2', 1, 'A', NULL, '8:00'), ('DEP2', 2, 'B', NULL, '9:00'), ('DEP2', 3, 'C', NULL, '10:00'),
    ('ARR1', 1, 'A', '8:00', NULL), ('ARR1', 2, 'B', '9:00', NULL), ('ARR1', 3, 'C', '10:00', NULL),
    ('BACK', 1, 'A', NULL, '2:30'), ('BACK', 2, 'B', '2:10', '2:12'), ('BACK', 3, 'C', '3:00', NULL),
    ('EARLY', 1, 'A', NULL, '2:15'), ('EARLY', 2, 'B', '2:45', NULL),
    ('SHIP', 1, 'A', NULL, '20:00'), ('SHIP', 2, 'C', '10 days 8:00', '10 days 9:00'), ('SHIP', 3, 'D', '11 days 14:00', NULL);
-- A hotel: nights are segments, from 15:00 to 11:00.
INSERT INTO ticket_stop SELECT h, n, 'n' || n, CASE WHEN n > 0 THEN n * interval '1 day' + interval '11:00' END, CASE WHEN n < 40 THEN n * interval '1 day' + interval '15:00' END
FROM unnest('{HOTEL1,HOTEL2}'::text[]) AS h, generate_series(0, 40) AS n;
INSERT INTO ticket_station (station, name) SELECT 'n' || n, 'night ' || n FROM generate_series(0, 40) AS n;
INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'F', c, 'second', array(SELECT r || l FROM generate_series(1, 9) AS r, unnest('{A,B,C,D}'::text[]) AS l) FROM unnest('{1,2,3}'::text[]) AS c;
CREATE FUNCTION try(train text, origin text, destination text, who bigint, day date, people bigint[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE why text; n int;
BEGIN
    SELECT count(*) INTO n FROM ticket_buy(try.train, origin, destination, who, day, passengers => people);
    RETURN n || ' sold';
EXCEPTION WHEN SQLSTATE 'TK004' THEN
    GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
    RETURN why;
END $$;

-- Locks: those of the user and of the passenger, and no more, however many days there are. (Asked for the second time: what a
-- session has to find out at first is found out.)
CREATE FUNCTION locks() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ticket_buy('T1', 'A', 'D', 1, '2033-03-02');
    RETURN (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid());
END $$;
CREATE FUNCTION enable(which text[]) RETURNS void LANGUAGE sql AS $$ UPDATE ticket_rule SET enabled = rule = ANY (which) $$;
CREATE FUNCTION builtin() RETURNS text[] LANGUAGE sql AS $$ SELECT '{ticket_rule_one_per_departure,ticket_rule_no_overlap,ticket_rule_user_limit,ticket_rule_question_gate}'::text[] $$;
SELECT ticket_open('T1', '2033-03-02', 'F') > 0 AS opened;
BEGIN; SELECT FROM locks(); ROLLBACK;
BEGIN; SELECT locks() AS without \gset
ROLLBACK;
SELECT enable(builtin());
BEGIN; SELECT FROM locks(); ROLLBACK;
BEGIN; SELECT locks() - :without AS more; ROLLBACK;
SELECT count(ticket_open(t, '2033-02-20'::date + d, 'F')) FROM generate_series(0, 40) AS d, unnest('{T1,SHIP}'::text[]) AS t WHERE (t, d) <> ('T1', 10);
BEGIN; SELECT FROM locks(); ROLLBACK;
BEGIN; SELECT locks() - :without AS more_with_41_days; ROLLBACK;
CREATE INDEX ticket_order_passenger ON ticket_order (passenger_id) WHERE status IN ('held', 'sold');
CREATE INDEX ticket_order_user ON ticket_order (user_id) WHERE status IN ('held', 'sold');
BEGIN; SELECT FROM locks(); ROLLBACK;
BEGIN; SELECT locks() - :without AS more_with_two_indexes; ROLLBACK;
-- A batch asks many times, and holds no more: a user and twenty passengers.
SELECT enable('{ticket_rule_one_per_departure,ticket_rule_no_overlap}');
BEGIN; SELECT FROM locks(); ROLLBACK;
BEGIN;
SELECT count(*) FROM ticket_buy_many(array(SELECT ROW('T1', 'A', 'D', 1, '2033-03-02', NULL, ARRAY[p], NULL, NULL, NULL)::ticket_request FROM generate_series(1, 20) AS p));
SELECT count(*) - :without AS more FROM pg_locks WHERE pid = pg_backend_pid();
ROLLBACK;
SELECT enable(builtin());
-- Nothing is parsed and planned but the statement itself.
BEGIN; SELECT FROM locks(); ROLLBACK;
SET client_min_messages = log;
\set VERBOSITY terse
SET log_parser_stats = on;
SELECT count(*) FROM ticket_buy('T1', 'A', 'D', 1, '2033-03-02');
SELECT count(*) FROM ticket_buy('T1', 'A', 'D', 2, '2033-03-02');
SET log_parser_stats = off;
RESET client_min_messages;
\set VERBOSITY default
-- A rule of a user's in SQL is parsed once in a transaction at most.
UPDATE ticket_rule SET enabled = false;
CREATE FUNCTION own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'no' FROM public.ticket_station WHERE station = 'A' AND $2 = 13 $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.own', 'ticket');
SET client_min_messages = log;
\set VERBOSITY terse
SET log_parser_stats = on;
SELECT request_no FROM ticket_buy_many(ARRAY[ROW('T1', 'A', 'D', 11, '2033-03-02', NULL, NULL, NULL, NULL, NULL), ROW('T1', 'A', 'D', 12, '2033-03-02', NULL, NULL, NULL, NULL, NULL), ROW('T1', 'A', 'D', 13, '2033-03-02', NULL, NULL, NULL, NULL, NULL), ROW('T1', 'A', 'D', 14, '2033-03-02', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]);
SET log_parser_stats = off;
RESET client_min_messages;
\set VERBOSITY default
-- It is never asked with what the server knew before: of a table that has changed, of a call that failed.
CREATE TABLE listed (user_id bigint PRIMARY KEY);
INSERT INTO listed VALUES (21), (22);
CREATE OR REPLACE FUNCTION own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'listed' || 1 / ($2 - 29) FROM public.listed AS l WHERE l.user_id = $2 $$;
BEGIN;
SELECT try('T1', 'A', 'D', 21, '2033-03-02'), try('T1', 'A', 'D', 20, '2033-03-02');
ALTER TABLE listed DROP CONSTRAINT listed_pkey;
SELECT try('T1', 'A', 'D', 22, '2033-03-02'), try('T1', 'A', 'D', 23, '2033-03-02');
ALTER TABLE listed ALTER user_id TYPE numeric;
INSERT INTO listed VALUES (23), (29);
SELECT try('T1', 'A', 'D', 22, '2033-03-02'), try('T1', 'A', 'D', 23, '2033-03-02');
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT try('T1', 'A', 'D', 29, '2033-03-02');
\set VERBOSITY default
ROLLBACK TO s;
SELECT try('T1', 'A', 'D', 22, '2033-03-02'), try('T1', 'A', 'D', 24, '2033-03-02');
COMMIT;
SELECT try('T1', 'A', 'D', 22, '2033-03-02'), try('T1', 'A', 'D', 24, '2033-03-02');
-- One that buys, under rules again.
CREATE OR REPLACE FUNCTION own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE n int;
BEGIN
    IF $2 >= 35 THEN RETURN CASE $2 WHEN 36 THEN 'not 36' END; END IF;
    SELECT count(*) INTO n FROM public.ticket_buy('T1', 'A', 'D', $2 + 1, '2033-03-03');
    RETURN CASE WHEN $2 % 2 = 0 THEN 'bought ' || n END;
END $$;
SELECT try('T1', 'A', 'D', 34, '2033-03-02'), try('T1', 'A', 'D', 33, '2033-03-02'), try('T1', 'A', 'D', 35, '2033-03-02'), try('T1', 'A', 'D', 36, '2033-03-02'), try('T1', 'A', 'D', 33, '2033-03-02');
-- One that reads tickets, as doc/rules.md says: it locks the partition of the day, not those of all days.
CREATE OR REPLACE FUNCTION own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    day date := (SELECT d.service_date FROM public.ticket_departure AS d WHERE d.departure_id = own.departure_id);
    n bigint;
BEGIN
    EXECUTE 'SELECT count(*) FROM public.ticket_order WHERE departure_id = $1 AND service_date = $2 AND user_id = $3 AND status = $4'
        INTO n USING departure_id, day, user_id, 'held'::text;
    RETURN CASE WHEN n >= 2 THEN 'pay first' END;
END $$;
SELECT count(*) FROM ticket_hold('T1', 'A', 'D', 37, '2033-03-02', passengers => '{1,2}');
SELECT try('T1', 'A', 'D', 37, '2033-03-02'), try('T1', 'A', 'D', 38, '2033-03-02');
BEGIN; SELECT locks() < 50 AS few_locks; ROLLBACK;
DELETE FROM ticket_rule WHERE NOT builtin;
DROP FUNCTION own;
-- A built-in rule keeps to settings that it was given.
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_user_limit';
SELECT try('T1', 'A', 'D', 41, '2033-03-02', '{1,2,3}');
ALTER FUNCTION ticket_rule_user_limit(bigint, bigint, bigint[], int, int) SET ticketpool.user_limit = 4;
SELECT try('T1', 'A', 'D', 41, '2033-03-02', '{4,5}'), try('T1', 'A', 'D', 41, '2033-03-02', '{4}');
ALTER FUNCTION ticket_rule_user_limit(bigint, bigint, bigint[], int, int) RESET ALL;
SELECT try('T1', 'A', 'D', 41, '2033-03-02', '{5}'), try('T1', 'A', 'D', 41, '2033-03-02', '{6}');
UPDATE ticket_rule SET enabled = false;
DROP INDEX ticket_order_passenger, ticket_order_user;

-- No overlap: a stop with one time only arrives and departs then.
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_no_overlap';
SELECT count(ticket_open(t, '2033-05-01', 'F')) FROM unnest('{T1,T2,DEP1,DEP2,ARR1,BACK,EARLY}'::text[]) AS t;
SELECT try('DEP1', 'A', 'C', 1, '2033-05-01') AS departs_only, try('DEP2', 'A', 'C', 1, '2033-05-01') AS twice, try('ARR1', 'A', 'B', 1, '2033-05-01') AS arrives_only, try('T1', 'B', 'C', 1, '2033-05-01') AS timed;
SELECT try('T1', 'B', 'C', 2, '2033-05-01') AS timed, try('DEP1', 'A', 'C', 2, '2033-05-01') AS departs_only, try('ARR1', 'B', 'C', 2, '2033-05-01') AS arrives_only, try('DEP1', 'A', 'B', 2, '2033-05-01') AS before_it;
SELECT try('ARR1', 'A', 'B', 3, '2033-05-01') AS until_9, try('DEP2', 'B', 'C', 3, '2033-05-01') AS from_9;
-- Nobody sits in two seats, whatever the clock says: within a party, within a request of a batch, on one train.
SELECT try('T1', 'A', 'B', 4, '2033-05-01', '{41,42,41}') AS twice_in_a_party;
SELECT request_no, passenger_id FROM ticket_buy_many(ARRAY[ROW('T1', 'A', 'B', 4, '2033-05-01', NULL, '{43,43}', NULL, NULL, NULL), ROW('T1', 'A', 'B', 4, '2033-05-01', NULL, '{44}', NULL, NULL, NULL), ROW('T2', 'A', 'D', 4, '2033-05-01', NULL, '{44}', NULL, NULL, NULL)]::ticket_request[]);
SELECT try('BACK', 'A', 'B', 5, '2033-05-01') AS over_the_change_of_the_clock, try('BACK', 'A', 'B', 5, '2033-05-01') AS again, try('EARLY', 'A', 'B', 5, '2033-05-01') AS another, try('BACK', 'B', 'C', 5, '2033-05-01') AS goes_on;
-- Trains that run for many days, either way round; and what ends before the other begins.
SELECT ticket_open('SHIP', '2033-05-01', 'F') > 0 AS ship, ticket_open('T1', '2033-05-11', 'F') > 0 AS d11, ticket_open('T1', '2033-05-12', 'F') > 0 AS d12, ticket_open('T1', '2033-05-13', 'F') > 0 AS d13;
SELECT try('SHIP', 'C', 'D', 6, '2033-05-01') AS sails_11th_to_12th, try('T1', 'A', 'D', 6, '2033-05-12') AS on_the_12th, try('T1', 'A', 'B', 6, '2033-05-11') AS before_it, try('T1', 'A', 'D', 6, '2033-05-11') AS into_it, try('T1', 'A', 'D', 6, '2033-05-13') AS after_it;
SELECT try('T1', 'A', 'D', 7, '2033-05-12') AS on_the_12th, try('SHIP', 'C', 'D', 7, '2033-05-01') AS sails, try('SHIP', 'A', 'C', 7, '2033-05-01') AS leaves_before;
SELECT try('SHIP', 'A', 'D', 8, '2033-05-01') AS sails, try('T1', 'A', 'D', 8, '2033-05-01') AS before_it, try('T1', 'A', 'B', 8, '2033-05-11') AS on_the_way;
SELECT count(ticket_open(h, '2033-05-01', 'F')) FROM unnest('{HOTEL1,HOTEL2}'::text[]) AS h;
SELECT try('HOTEL1', 'n10', 'n12', 9, '2033-05-01') AS two_nights, try('HOTEL2', 'n11', 'n13', 9, '2033-05-01') AS one_of_them, try('T1', 'A', 'D', 9, '2033-05-12') AS in_the_morning, try('HOTEL2', 'n12', 'n13', 9, '2033-05-01') AS next_night, try('T1', 'A', 'D', 9, '2033-05-13') AS leaves_before_check_out;
-- What is bought in the same statement, and what is no longer there.
SELECT count(*) FROM unnest('{T1,T2}'::text[]) AS t, LATERAL (SELECT try(t, 'A', 'D', 10, '2033-05-01') AS r) AS x WHERE r = '1 sold';
UPDATE ticket_order SET status = 'refunded' WHERE user_id = 10;
SELECT try('T2', 'A', 'D', 10, '2033-05-01'), try('T1', 'A', 'D', 10, '2033-05-01');
-- A partition of several days, in which columns have other numbers.
CREATE TABLE june (mine int, LIKE ticket_order INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE june DROP COLUMN mine;
ALTER TABLE ticket_order ATTACH PARTITION june FOR VALUES FROM ('2033-06-01') TO ('2033-07-01');
SELECT count(ticket_open(t, d::date, 'F')) FROM unnest('{T1,T2,SHIP}'::text[]) AS t, generate_series('2033-06-01'::date, '2033-06-20', '1 day') AS d;
SELECT try('SHIP', 'C', 'D', 11, '2033-06-01'), try('T1', 'A', 'D', 11, '2033-06-12'), try('T1', 'A', 'D', 11, '2033-06-13'), try('T2', 'A', 'D', 11, '2033-06-13');
UPDATE ticket_rule SET enabled = false;

-- Which index is read, and whether rows go into it without the executor, which would call the extension's trigger.
SET track_functions = 'all';
CREATE FUNCTION calls() RETURNS bigint LANGUAGE sql AS $$ SELECT coalesce(pg_stat_get_xact_function_calls('ticket_follow_order'::regproc), 0) $$;
CREATE FUNCTION shape(definition text, which text, OUT answer text, OUT read boolean, OUT direct boolean) LANGUAGE plpgsql AS $$
DECLARE before bigint;
BEGIN
    PERFORM enable(ARRAY[which]);
    IF definition <> '' THEN EXECUTE 'CREATE ' || replace(definition, 'INDEX', 'INDEX probe ON ticket_order_p20330302'); END IF;
    before := calls();
    PERFORM try('T1', 'A', 'D', 201, '2033-03-02', '{201}');
    direct := calls() = before;
    answer := try('T1', 'A', 'D', 201, '2033-03-02', CASE which WHEN 'ticket_rule_user_limit' THEN '{202,203,204,205,206}'::bigint[] ELSE '{201}' END);
    IF definition <> '' THEN
        read := pg_stat_get_xact_numscans('probe'::regclass) > 0;
        DROP INDEX probe;
    END IF;
    DELETE FROM ticket_order WHERE user_id = 201;
END $$;
SELECT d AS definition, (shape(d, 'ticket_rule_one_per_departure')).* FROM unnest(ARRAY['', 'INDEX (passenger_id) WHERE status IN (''held'', ''sold'')', 'INDEX (passenger_id DESC)', 'INDEX (passenger_id, user_id) INCLUDE (seat) WHERE status IN (''sold'', ''held'')',
    'UNIQUE INDEX (passenger_id, order_id)', 'INDEX (passenger_id) WHERE status = ''sold''', 'INDEX ((passenger_id + 0))', 'INDEX USING hash (passenger_id)', 'INDEX (user_id, passenger_id)']) AS d;
SELECT d AS definition, (shape(d, r)).* FROM (VALUES ('ticket_rule_no_overlap', ''), ('ticket_rule_no_overlap', 'INDEX (passenger_id) WHERE status IN (''held'', ''sold'')'), ('ticket_rule_user_limit', ''), ('ticket_rule_user_limit', 'INDEX (user_id)'), ('ticket_rule_user_limit', 'INDEX (passenger_id)')) AS v (r, d);
-- Plain indexes have what the table has, whatever becomes of a ticket.
SELECT enable('{}');
CREATE INDEX plain_passenger ON ticket_order (passenger_id) WHERE status IN ('held', 'sold');
CREATE INDEX plain_user ON ticket_order (user_id, status);
BEGIN;
SELECT calls() AS before \gset
SELECT order_id AS held FROM ticket_hold('T1', 'A', 'C', 301, '2033-03-04', passengers => '{301,302}') LIMIT 1 \gset
SELECT order_id AS paid FROM ticket_hold('T1', 'A', 'C', 301, '2033-03-04', passengers => '{303,304}') LIMIT 1 \gset
SELECT order_id AS sold FROM ticket_buy('T1', 'A', 'C', 301, '2033-03-04', passengers => '{305,306,307}') LIMIT 1 \gset
SELECT count(*) FROM ticket_buy_many(array(SELECT ROW('T1', 'A', 'D', 301, '2033-03-04', NULL, ARRAY[p], NULL, NULL, NULL)::ticket_request FROM generate_series(310, 389) AS p));
SELECT ticket_no, status FROM ticket_cancel(:held);
SELECT ticket_no, status FROM ticket_confirm(:paid);
SELECT ticket_no, status FROM ticket_refund(:sold, '{2}');
SELECT ticket_no, status FROM ticket_change(:sold, 'T1', 'A', 'D', '2033-03-05', ticket_nos => '{3}');
SELECT calls() - :before AS calls_of_the_trigger;
COMMIT;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
BEGIN;
CREATE TABLE by_passenger AS SELECT passenger_id, status FROM ticket_order WHERE passenger_id BETWEEN 301 AND 399 AND status IN ('held', 'sold') AND service_date IN ('2033-03-04', '2033-03-05');
CREATE TABLE by_user AS SELECT passenger_id, status FROM ticket_order WHERE user_id = 301 AND service_date IN ('2033-03-04', '2033-03-05');
SELECT pg_stat_get_xact_numscans('ticket_order_p20330304_passenger_id_idx'::regclass) > 0 AS by_passenger, pg_stat_get_xact_numscans('ticket_order_p20330304_user_id_status_idx'::regclass) > 0 AS by_user;
COMMIT;
RESET enable_seqscan;
RESET enable_bitmapscan;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SET enable_indexonlyscan = off;
SELECT count(*) FROM by_passenger;
SELECT count(*) FROM by_user;
(SELECT passenger_id, status FROM ticket_order WHERE user_id = 301 AND status IN ('held', 'sold') EXCEPT ALL TABLE by_passenger) UNION ALL (TABLE by_passenger EXCEPT ALL SELECT passenger_id, status FROM ticket_order WHERE user_id = 301);
(SELECT passenger_id, status FROM ticket_order WHERE user_id = 301 EXCEPT ALL TABLE by_user) UNION ALL (TABLE by_user EXCEPT ALL SELECT passenger_id, status FROM ticket_order WHERE user_id = 301);
RESET enable_indexscan;
RESET enable_bitmapscan;
RESET enable_indexonlyscan;
RESET track_functions;
-- The same of items.
CREATE INDEX plain_items ON item_order (user_id) WHERE status = 'sold';
SELECT item_open(1, 100) > 0 AS opened;
SELECT count(*) FROM item_buy_many(ARRAY[ROW(1, 5, 3, NULL, NULL), ROW(1, 6, 2, NULL, NULL)]::item_request[]);
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE user_id = 6));
SET enable_seqscan = off;
SELECT user_id, buy_quantity FROM item_order WHERE user_id IN (5, 6) AND status = 'sold';
RESET enable_seqscan;

-- Called in SQL: reasons, and what there is nothing to say of.
SELECT departure_id AS departure FROM ticket_departure WHERE train = 'T1' AND service_date = '2033-03-04' \gset
SELECT ticket_rule_one_per_departure(:departure, 1, '{310,NULL}', 1, 4), ticket_rule_one_per_departure(:departure, 1, '{1,NULL,NULL}', 1, 4), ticket_rule_one_per_departure(:departure, 1, '{}', 1, 4), ticket_rule_one_per_departure(:departure, 1, '{1,2,1}', 1, 4);
SELECT ticket_rule_no_overlap(:departure, 1, '{310}', 1, 2), ticket_rule_no_overlap(:departure, 1, '{303}', 3, 4), ticket_rule_no_overlap(:departure, 1, '{310}', 77, 78), ticket_rule_no_overlap(0, 1, '{310}', 1, 2);
SELECT ticket_rule_user_limit(:departure, 301, '{1}', 1, 4), ticket_rule_user_limit(:departure, 999, '{1,2,3,4,5}', 1, 4), ticket_rule_user_limit(:departure, 999, '{1,2,3,4,5,NULL}', 1, 4), ticket_rule_user_limit(:departure, NULL, '{1}', 1, 4);
SELECT ticket_rule_question_gate(:departure, 301, '{1}', 1, 4), item_rule_question_gate(1, 5, 1), item_rule_user_limit(1, 5, 2), item_rule_user_limit(1, 5, 3);
-- In any snapshot: what is asked is what is committed now.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT ticket_rule_user_limit(:departure, 301, '{1}', 1, 4) IS NOT NULL AS refused;
COMMIT;

-- Row security hides nothing from a rule.
CREATE ROLE regress_ticket_owner;
GRANT USAGE, CREATE ON SCHEMA public TO regress_ticket_owner;
GRANT ALL ON ALL FUNCTIONS IN SCHEMA public TO regress_ticket_owner;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO regress_ticket_owner;
ALTER TABLE ticket_order ADD COLUMN tenant text DEFAULT current_setting('app.tenant', true);
DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP EXECUTE format('ALTER TABLE %s OWNER TO regress_ticket_owner', r); END LOOP; END $$;
ALTER TABLE ticket_order ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket_order FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON ticket_order USING (tenant = current_setting('app.tenant', true));
SET app.tenant = 'one';
SELECT try('T1', 'A', 'D', 401, '2033-03-06', '{401,402,403}');
SET app.tenant = 'two';
SELECT enable(builtin());
SELECT try('T1', 'A', 'D', 402, '2033-03-06', '{401}');
SELECT enable('{ticket_rule_no_overlap}');
SELECT try('T1', 'B', 'C', 402, '2033-03-06', '{402}');
SELECT enable('{ticket_rule_user_limit}');
SELECT try('T1', 'A', 'D', 401, '2033-03-06', '{404,405,406}'), try('T1', 'A', 'D', 402, '2033-03-06', '{404,405,406}');
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_rule_reads;
DROP ROLE regress_ticket_owner;
