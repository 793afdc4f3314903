-- Rules: who may buy. The built-in ones, own ones, and what they cannot do.
INSERT INTO ticket_station (station, name) VALUES ('RUA', 'Rules A'), ('RUB', 'Rules B'), ('RUC', 'Rules C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('RU1', 1, 'RUA', NULL, '8:00'), ('RU1', 2, 'RUB', '9:00', '9:10'), ('RU1', 3, 'RUC', '10:00', NULL),
    ('RU2', 1, 'RUA', NULL, '9:05'), ('RU2', 2, 'RUC', '11:00', NULL), ('RU3', 1, 'RUC', NULL, '10:00'), ('RU3', 2, 'RUA', '12:00', NULL),
    ('RUN', 1, 'RUA', NULL, '23:00'), ('RUN', 2, 'RUB', '32:30', '32:40'), ('RUN', 3, 'RUC', '34:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('RU-F', '01', 'second', array(SELECT r || l FROM generate_series(1, 4) AS r, unnest('{A,B,C,D,F}'::text[]) AS l));
SELECT ticket_open(t, d, 'RU-F') > 0 AS opened FROM (VALUES ('RU1', '2032-10-01'::date), ('RU1', '2032-10-02'), ('RU2', '2032-10-01'), ('RU3', '2032-10-01'), ('RUN', '2032-09-30'), ('RUN', '2032-10-01')) AS v (t, d);
-- What an attempt gives: a row, none, or why not.
CREATE FUNCTION rules_try(train text, origin text, destination text, who bigint, day date, people bigint[] DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE why text; n int;
BEGIN
    SELECT count(*) INTO n FROM ticket_buy(rules_try.train, origin, destination, who, day, passengers => people);
    RETURN n || ' sold';
EXCEPTION WHEN SQLSTATE 'TK004' THEN
    GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
    RETURN SQLSTATE || ': ' || why;
END $$;

-- None is on by default.
SELECT rule, on_kind, enabled FROM ticket_rule WHERE on_kind = 'ticket' ORDER BY 1;
SELECT rules_try('RU1', 'RUA', 'RUC', 1, '2032-10-01', '{11,11}');

-- One live ticket per passenger, train and day
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure';
SELECT rules_try('RU1', 'RUA', 'RUC', 2, '2032-10-01', '{21,22}');
SELECT rules_try('RU1', 'RUA', 'RUB', 2, '2032-10-01', '{21}') LIKE 'TK004: %21%' AS refused;
SELECT rules_try('RU1', 'RUA', 'RUB', 3, '2032-10-01', '{23,22}') LIKE 'TK004: %22%' AS refused_for_another_user;
SELECT rules_try('RU1', 'RUA', 'RUB', 3, '2032-10-01', '{24,24}') LIKE 'TK004: %24%' AS refused_twice_in_a_party;
SELECT rules_try('RU1', 'RUA', 'RUB', 2, '2032-10-01') AS the_user_is_no_passenger_yet, rules_try('RU1', 'RUA', 'RUC', 2, '2032-10-02', '{21}') AS another_day, rules_try('RU2', 'RUA', 'RUC', 2, '2032-10-01', '{21}') AS another_train;
-- The error says whose decision it was.
SELECT * FROM ticket_buy('RU1', 'RUA', 'RUC', 2, '2032-10-01', passengers => '{21}');
-- Holds count, and are refused too; what was given back does not count, also in the same transaction.
SELECT order_id FROM ticket_hold('RU1', 'RUA', 'RUC', 4, '2032-10-01') \gset
SELECT rules_try('RU1', 'RUA', 'RUC', 4, '2032-10-01') LIKE 'TK004: %' AS refused;
SELECT status FROM ticket_confirm(:order_id);
\set VERBOSITY sqlstate
SELECT * FROM ticket_hold('RU1', 'RUA', 'RUC', 4, '2032-10-01');
\set VERBOSITY default
BEGIN;
SELECT status FROM ticket_refund(:order_id);
SELECT rules_try('RU1', 'RUA', 'RUB', 4, '2032-10-01'), rules_try('RU1', 'RUB', 'RUC', 4, '2032-10-01') LIKE 'TK004: %' AS refused;
ROLLBACK;
-- An exchange gives the old ticket up, and is asked about the new one.
SELECT count(*) FROM ticket_change(:order_id, 'RU1', 'RUA', 'RUB', '2032-10-01');
SELECT order_id FROM ticket_buy('RU1', 'RUA', 'RUB', 5, '2032-10-02', passengers => '{22}') \gset
\set VERBOSITY sqlstate
SELECT * FROM ticket_change(:order_id, 'RU1', 'RUA', 'RUB', '2032-10-01');
\set VERBOSITY default
SELECT status FROM ticket_order WHERE order_id = :order_id;
-- In one statement, the second sees the first.
SELECT count(*) FROM generate_series(1, 2) AS i, ticket_buy('RU1', 'RUA', 'RUC', 6, '2032-10-01', passengers => ARRAY[60 + i]);
\set VERBOSITY sqlstate
SELECT count(*) FROM generate_series(1, 2) AS i, ticket_buy('RU1', 'RUA', 'RUC', 7 + 0 * i, '2032-10-01');
\set VERBOSITY default
-- The same request again is no second purchase.
SELECT status FROM ticket_buy('RU1', 'RUA', 'RUC', 8, '2032-10-01', request_id => '00000000-0000-0000-0000-0000000000e1');
SELECT status FROM ticket_buy('RU1', 'RUA', 'RUC', 8, '2032-10-01', request_id => '00000000-0000-0000-0000-0000000000e1');
-- In a batch the refused have no row; the second of a passenger is one of them.
SELECT request_no, passenger_id FROM ticket_buy_many(ARRAY[ROW('RU1', 'RUA', 'RUC', 9, '2032-10-01', NULL, '{91}', NULL, NULL, NULL), ROW('RU1', 'RUA', 'RUB', 9, '2032-10-01', NULL, '{91}', NULL, NULL, NULL),
    ROW('RU1', 'RUA', 'RUC', 9, '2032-10-01', NULL, '{21,92}', NULL, NULL, NULL), ROW('RU1', 'RUA', 'RUC', 9, '2032-10-01', NULL, '{92}', NULL, NULL, NULL)]::ticket_request[]);
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_one_per_departure';
SELECT rules_try('RU1', 'RUA', 'RUC', 2, '2032-10-02', '{21}') AS off_again;
SELECT * FROM ticket_verify();

-- No two trips of one passenger at the same time, on any trains
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_no_overlap';
SELECT rules_try('RU1', 'RUA', 'RUB', 20, '2032-10-01') AS until_9_00;
SELECT rules_try('RU2', 'RUA', 'RUC', 20, '2032-10-01') AS from_9_05;
SELECT rules_try('RU1', 'RUB', 'RUC', 20, '2032-10-01') LIKE 'TK004: %20%' AS refused_from_9_10;
SELECT rules_try('RU3', 'RUC', 'RUA', 20, '2032-10-01') LIKE 'TK004: %' AS refused_from_10_00, rules_try('RU1', 'RUA', 'RUC', 20, '2032-10-02') AS next_day, rules_try('RU1', 'RUB', 'RUC', 20, '2032-10-01', '{299}') AS another_passenger;
-- One arrives when the other leaves.
SELECT rules_try('RU1', 'RUA', 'RUC', 25, '2032-10-01') AS until_10_00, rules_try('RU3', 'RUC', 'RUA', 25, '2032-10-01') AS from_10_00;
-- Past midnight: the train of the day before is on its way until 10:00.
SELECT rules_try('RUN', 'RUA', 'RUB', 26, '2032-09-30') AS until_8_30;
SELECT rules_try('RU1', 'RUA', 'RUB', 26, '2032-10-01') LIKE 'TK004: %' AS refused_from_8_00, rules_try('RU1', 'RUB', 'RUC', 26, '2032-10-01') AS from_9_10;
SELECT rules_try('RU1', 'RUA', 'RUC', 27, '2032-10-01') AS until_10_00, rules_try('RUN', 'RUB', 'RUC', 27, '2032-09-30') LIKE 'TK004: %' AS refused_from_8_40, rules_try('RUN', 'RUA', 'RUC', 27, '2032-10-01') AS next_night;
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_no_overlap';

-- So many tickets of one user for a train and day
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_user_limit';
SHOW ticketpool.user_limit;
SET ticketpool.user_limit = 2;
SELECT rules_try('RU3', 'RUC', 'RUA', 30, '2032-10-01', '{1,2,3}') LIKE 'TK004: %2%' AS refused, rules_try('RU3', 'RUC', 'RUA', 30, '2032-10-01', '{1,2}');
SELECT rules_try('RU3', 'RUC', 'RUA', 30, '2032-10-01', '{3}') LIKE 'TK004: %' AS refused, rules_try('RU3', 'RUC', 'RUA', 31, '2032-10-01', '{1}') AS another_user, rules_try('RU2', 'RUA', 'RUC', 30, '2032-10-01', '{1}') AS another_train;
SET ticketpool.user_limit = 3;
SELECT rules_try('RU3', 'RUC', 'RUA', 30, '2032-10-01', '{3}'), rules_try('RU3', 'RUC', 'RUA', 30, '2032-10-01', '{4}') LIKE 'TK004: %' AS refused;
RESET ticketpool.user_limit;
-- A seller cannot raise it for himself.
CREATE ROLE regress_ticket_rules;
SET ROLE regress_ticket_rules;
\set VERBOSITY sqlstate
SET ticketpool.user_limit = 1000;
\set VERBOSITY default
RESET ROLE;
DROP ROLE regress_ticket_rules;
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_user_limit';

-- One of your own, told about the trip
CREATE FUNCTION rules_own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT 'user ' || $2 || ' on ' || (SELECT train FROM public.ticket_departure d WHERE d.departure_id = $1) || ' with ' || pg_catalog.array_to_string($3, '+') || ' from ' || $4 || ' to ' || $5 WHERE $2 = 40 $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.rules_own', 'ticket');
SELECT rules_try('RUN', 'RUB', 'RUC', 40, '2032-09-30', '{41,42}'), rules_try('RUN', 'RUB', 'RUC', 41, '2032-09-30', '{41,42}');
-- A rule on items is not asked about tickets.
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.rules_of_items', 'item');
SELECT rules_try('RUN', 'RUB', 'RUC', 43, '2032-09-30');
-- Neither its search_path nor its caller's has any say: the operator and the table are those of the system.
CREATE SCHEMA rules_evil;
CREATE FUNCTION rules_evil.equal(bigint, int) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR rules_evil.= (FUNCTION = rules_evil.equal, LEFTARG = bigint, RIGHTARG = int);
CREATE FUNCTION rules_evil.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';
CREATE TABLE rules_evil.ticket_rule (rule text, on_kind text, enabled boolean);
CREATE TABLE rules_evil.ticket_order (LIKE ticket_order);
SET search_path = rules_evil, pg_catalog, public;
SELECT public.rules_try('RUN', 'RUB', 'RUC', 40, '2032-09-30', '{41}');
UPDATE public.ticket_rule SET enabled = true WHERE rule OPERATOR(pg_catalog.=) 'ticket_rule_one_per_departure';
SELECT public.rules_try('RUN', 'RUB', 'RUC', 44, '2032-09-30', '{42}');
RESET search_path;
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_one_per_departure';
SET client_min_messages = warning;
DROP SCHEMA rules_evil CASCADE;
RESET client_min_messages;
-- Its errors are its own; it may be replaced, and disabled.
CREATE OR REPLACE FUNCTION rules_own(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (1 / (user_id - 45))::text;
END $$;
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('RUN', 'RUB', 'RUC', 45, '2032-09-30');
SELECT * FROM ticket_buy('RUN', 'RUB', 'RUC', 46, '2032-09-30');
-- Gone: a clear error, and nothing is sold past it.
DROP FUNCTION rules_own;
\set VERBOSITY default
SELECT * FROM ticket_buy('RUN', 'RUB', 'RUC', 46, '2032-09-30');
\set VERBOSITY sqlstate
UPDATE ticket_rule SET rule = 'no.such.thing; DROP TABLE ticket_rule' WHERE rule = 'public.rules_own';
SELECT * FROM ticket_buy('RUN', 'RUB', 'RUC', 46, '2032-09-30');
\set VERBOSITY default
SELECT count(*) AS sold_nothing FROM ticket_order WHERE user_id = 46 AND service_date = '2032-09-30';
DELETE FROM ticket_rule WHERE NOT builtin;
SELECT rules_try('RUN', 'RUB', 'RUC', 46, '2032-09-30');
-- A rule that is enabled in a transaction holds there, and nowhere after a rollback.
BEGIN;
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure';
SELECT rules_try('RUN', 'RUB', 'RUC', 46, '2032-09-30') LIKE 'TK004: %' AS refused;
ROLLBACK;
SELECT rules_try('RUN', 'RUB', 'RUC', 46, '2032-09-30');
-- A rule that refuses claims nothing.
SELECT sum(claims_in_flight) AS claims FROM ticket_pool;
DROP FUNCTION rules_try;
SELECT rule FROM ticket_rule WHERE enabled;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
