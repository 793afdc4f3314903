-- A hostile search_path: look-alikes of tables, functions, operators and types in front of everything.
INSERT INTO ticket_station (station, name) VALUES ('HOA', 'Hostile A'), ('HOB', 'Hostile B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('HO1', 1, 'HOA', NULL, '8:00'), ('HO1', 2, 'HOB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('HO-F', '01', 'second', '{1A,1B,1C}'), ('HO-G', '01', 'second', '{1A,1C,12下}'), ('HO-G', '02', 'first', '{1A}');
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, properties) VALUES ('HO-G', '01', '12下', 'g', 7, '{quiet,lower}');
INSERT INTO ticket_station (station, name) VALUES ('HOC', 'Hostile C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('HO2', 1, 'HOA', NULL, '8:00'), ('HO2', 2, 'HOB', '9:00', '9:01'), ('HO2', 3, 'HOC', '10:00', NULL);
CREATE ROLE regress_ticket_hostile;
CREATE SCHEMA hostile AUTHORIZATION regress_ticket_hostile;
GRANT EXECUTE ON FUNCTION ticket_open, ticket_close, ticket_buy, ticket_refund, ticket_verify, ticket_seat_map, ticket_seat_svg, ticket_buy_seats, ticket_hold_seats,
    ticket_confirm, ticket_cancel, ticket_hold_extend, ticket_transfer, ticket_reseat, ticket_reserve_seats, ticket_recycle, ticket_change, ticket_retime, ticket_skip_stop,
    ticket_reform, ticket_import_gtfs, item_open, item_hold, item_confirm, item_cancel, item_refund, item_verify TO regress_ticket_hostile;
GRANT CREATE ON SCHEMA public TO regress_ticket_hostile;
GRANT TEMPORARY ON DATABASE :"DBNAME" TO regress_ticket_hostile;
SET ROLE regress_ticket_hostile;
DO $do$
DECLARE
    t pg_catalog.text;
    f pg_catalog.text;
    kind pg_catalog.text;
BEGIN
    CREATE FUNCTION hostile.trap() RETURNS pg_catalog.bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''trapped, as %'', CURRENT_USER; END';
    FOREACH t IN ARRAY '{ticket_station,ticket_stop,ticket_formation,ticket_formation_seat,ticket_route,ticket_route_call,ticket_layout,ticket_layout_coach,ticket_departure,ticket_order,ticket_reservation,ticket_rule,item_inventory,item_order,item_refund_call}'::pg_catalog.text[] LOOP
        EXECUTE pg_catalog.format('CREATE VIEW hostile.%I AS SELECT hostile.trap() AS train, 1 AS departure_id', t);
    END LOOP;
    -- operators of every type that the extension's own SQL compares
    FOREACH t IN ARRAY '{text,bigint,integer,date,timestamptz,uuid,interval,boolean}'::pg_catalog.text[] LOOP
        EXECUTE pg_catalog.format('CREATE FUNCTION hostile.op_%1$s(pg_catalog.%2$s, pg_catalog.%2$s) RETURNS pg_catalog.bool LANGUAGE sql AS ''SELECT hostile.trap()''', t,
            CASE t WHEN 'bigint' THEN 'int8' WHEN 'integer' THEN 'int4' WHEN 'boolean' THEN 'bool' ELSE t END);
        FOREACH f IN ARRAY '{=,<>,<,>,<=,>=}'::pg_catalog.text[] LOOP
            EXECUTE pg_catalog.format('CREATE OPERATOR hostile.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%2$s, FUNCTION = hostile.op_%s)', f,
                CASE t WHEN 'bigint' THEN 'int8' WHEN 'integer' THEN 'int4' WHEN 'boolean' THEN 'bool' ELSE t END, t);
        END LOOP;
    END LOOP;
    CREATE FUNCTION hostile.op_concat(pg_catalog.text, pg_catalog.text) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT hostile.trap()::pg_catalog.text';
    CREATE OPERATOR hostile.|| (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = hostile.op_concat);
    CREATE FUNCTION hostile.op_plus(pg_catalog.int4, pg_catalog.int4) RETURNS pg_catalog.int4 LANGUAGE sql AS 'SELECT hostile.trap()::pg_catalog.int4';
    CREATE OPERATOR hostile.+ (LEFTARG = pg_catalog.int4, RIGHTARG = pg_catalog.int4, FUNCTION = hostile.op_plus);
    CREATE OPERATOR hostile.- (LEFTARG = pg_catalog.int4, RIGHTARG = pg_catalog.int4, FUNCTION = hostile.op_plus);
    CREATE FUNCTION hostile.op_date(pg_catalog.date, pg_catalog.int4) RETURNS pg_catalog.date LANGUAGE sql AS 'SELECT hostile.trap()::pg_catalog.text::pg_catalog.date';
    CREATE OPERATOR hostile.+ (LEFTARG = pg_catalog.date, RIGHTARG = pg_catalog.int4, FUNCTION = hostile.op_date);
    -- functions
    FOREACH f IN ARRAY '{md5(text),length(text),octet_length(text),array_to_string(text[]\,text),ticket_remaining(text\,text\,text\,date),lower(text),now(),row_number(),unnest(text[]),btrim(text),split_part(text\,text\,int),to_char(date\,text),generate_series(int\,int),clock_timestamp()}'::pg_catalog.text[] LOOP
        EXECUTE pg_catalog.format('CREATE FUNCTION hostile.%s RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT hostile.trap()::pg_catalog.text''', f);
    END LOOP;
    CREATE DOMAIN hostile.uuid AS pg_catalog.uuid CHECK (hostile.trap());
    CREATE DOMAIN hostile.bigint AS pg_catalog.int8 CHECK (hostile.trap());
    CREATE DOMAIN hostile.interval AS pg_catalog.interval CHECK (hostile.trap());
    CREATE DOMAIN hostile.date AS pg_catalog.date CHECK (hostile.trap());
END $do$;
SET search_path = hostile, pg_catalog, public;
CREATE TEMP TABLE ticket_order (trapped pg_catalog.text);
CREATE TEMP TABLE ticket_departure (trapped pg_catalog.text);
-- It does bite.
\set VERBOSITY terse
SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text;
SELECT md5('a'::pg_catalog.text);
\set VERBOSITY default

SELECT pg_catalog.int8send(public.ticket_open('HO1', '2031-05-01', 'HO-F')) IS NOT NULL AS opened;
SELECT public.ticket_remaining('HO1', 'Hostile A', 'HOB', '2031-05-01');
SELECT order_id, seat IS NOT NULL AS sold FROM public.ticket_buy('HO1', 'HOA', 'Hostile B', 1, '2031-05-01', 'second', '{1}', 'A', NULL, '00000000-0000-0000-0000-0000000000e1') \gset
SELECT status, coach, seat FROM public.ticket_buy('HO1', 'HOA', 'HOB', 1, '2031-05-01', 'second', '{1}', 'A', NULL, '00000000-0000-0000-0000-0000000000e1');
SELECT status FROM public.ticket_buy('HO1', 'HOA', 'HOB', 2, '2031-05-01', passengers => '{1,2}');
SELECT train, remaining FROM public.ticket_search('HOA', 'HOB', '2031-05-01');
SELECT train FROM public.ticket_trains('HOA', 'Hostile B', '2031-05-01');
SELECT from_stop, to_stop, remaining FROM public.ticket_remaining_matrix('HO1', '2031-05-01', 'second');
SELECT * FROM public.ticket_seat_map('HO1', '2031-05-01', 'second');
SELECT status FROM public.ticket_refund(:order_id);
SELECT status FROM public.ticket_refund(:order_id, '{1}');
SELECT problem FROM public.ticket_verify();
SELECT public.ticket_close('HO1', '2031-05-01');
SHOW search_path;
-- The very seat, other seats, parts of a hold, another passenger
SELECT pg_catalog.int8send(public.ticket_open('HO2', '2031-05-03', 'HO-G', stops_of => 'HO2', sale_margin => '1 hour')) IS NOT NULL AS opened;
SELECT seat_class, coach, seat, free, seat_group, x, properties FROM public.ticket_places('HO2', 'HOA', 'Hostile B', '2031-05-03', 'second');
SELECT pg_catalog.min(order_id) AS seats FROM public.ticket_hold_seats('HO2', 'HOA', 'HOC', 1, '{01/1A,01/12下}', '2031-05-03', '{1,2}', ttl => '1 hour') \gset
SELECT ticket_no, seat FROM public.ticket_reseat(:seats, '{2,1}', '{01/1A,01/12下}');
SELECT ticket_no, passenger_id FROM public.ticket_transfer(:seats, 1, 3);
SELECT ticket_no, status FROM public.ticket_cancel(:seats, '{2}');
SELECT ticket_no, status FROM public.ticket_hold_extend(:seats, '2 hours');
SELECT ticket_no, status FROM public.ticket_confirm(:seats);
SELECT order_id AS changed FROM public.ticket_change(:seats, 'HO2', 'HOA#1', 'HOB#2', '2031-05-03', seat_choice => '01/1C', request_id => '00000000-0000-0000-0000-0000000000e3') \gset
SELECT order_id OPERATOR(pg_catalog.=) :changed AS same, seat FROM public.ticket_change(:seats, 'HO2', 'HOA#1', 'HOB#2', '2031-05-03', seat_choice => '01/1C', request_id => '00000000-0000-0000-0000-0000000000e3');
SELECT seat FROM public.ticket_buy_seats('HO2', 'HOB', 'HOC', 1, '{01/1C}', '2031-05-03', request_id => '00000000-0000-0000-0000-0000000000e4');
SELECT seat FROM public.ticket_buy_seats('HO2', 'HOB', 'HOC', 1, '{01/1C}', '2031-05-03', request_id => '00000000-0000-0000-0000-0000000000e4');
SELECT seat FROM public.ticket_buy('HO2', 'HOA', 'HOC', 1, '2031-05-03', 'second', seat_choice => 'quiet');
SELECT public.ticket_reserve_seats('HO2', '2031-05-03', 'staff', '{02/1A}') AS reservation \gset
SELECT public.ticket_recycle(:reservation);
SELECT pg_catalog.regexp_matches(public.ticket_seat_svg('HO2', '2031-05-03', 'second', 'HOA', 'HOB'), 'class="seat [^<]*<title>[^<]*', 'g');
-- Other times, stops and coaches
SELECT public.ticket_retime('HO2', '2031-05-03');
SELECT from_stop, seat FROM public.ticket_skip_stop('HO2', '2031-05-03', 'Hostile B');
SELECT from_stop, to_stop FROM public.ticket_remaining_matrix('HO2', '2031-05-03', 'second');
SELECT old_seat, new_coach, new_seat, outcome FROM public.ticket_reform('HO2', '2031-05-03', 'HO-F');
SELECT from_stop, to_stop, departs FROM public.ticket_search('HOA', 'HOC', '2031-05-03');
-- Units held while paid
SELECT pg_catalog.int8send(public.item_open(20310503, 10)) IS NOT NULL AS opened;
SELECT order_id AS units FROM public.item_hold(20310503, 1, 4, '00000000-0000-0000-0000-0000000000e5', ttl => '1 hour') \gset
SELECT status FROM public.item_confirm(:units);
SELECT buy_quantity FROM public.item_refund(:units, 3, '00000000-0000-0000-0000-0000000000e6');
SELECT buy_quantity FROM public.item_refund(:units, 3, '00000000-0000-0000-0000-0000000000e6');
SELECT c.status FROM public.item_hold(20310503, 1) AS h, public.item_cancel(h.order_id) AS c;
SELECT problem FROM public.item_verify();
-- A feed, the tables of which are the role's own
CREATE TABLE hostile.stops AS SELECT s AS stop_id, s AS stop_name FROM (VALUES ('HOA'), ('HOB')) AS v (s);
CREATE TABLE hostile.trips AS SELECT 't1' AS trip_id, 's' AS service_id, 'HO9' AS trip_short_name;
CREATE TABLE hostile.stop_times AS SELECT 't1' AS trip_id, s.* FROM (VALUES ('HOA', '1', '8:00:00'), ('HOB', '2', '9:00:00')) AS s (stop_id, stop_sequence, departure_time);
CREATE TABLE hostile.calendar AS SELECT 's' AS service_id, '20310501' AS start_date, '20310508' AS end_date, '1' AS monday, '1' AS tuesday, '1' AS wednesday, '1' AS thursday, '1' AS friday, '1' AS saturday, '0' AS sunday;
CREATE TABLE hostile.calendar_dates AS SELECT 's' AS service_id, '20310505' AS date, '2' AS exception_type;
CREATE TABLE hostile.frequencies AS SELECT 't1' AS trip_id, '8:00' AS start_time, '9:00:00' AS end_time, '1800' AS headway_secs;
CREATE TABLE hostile.trip_formation AS SELECT 't1' AS trip_id, 'HO-F' AS formation;
SELECT train, service_date, trip_id FROM public.ticket_import_gtfs('hostile', '2031-05-03', '2031-05-05');
SELECT problem FROM public.ticket_verify();
-- The same with temporary objects in front, and in a session that has resolved nothing yet.
SET search_path = pg_temp, hostile, pg_catalog, public;
SELECT pg_catalog.int8send(public.ticket_open('HO1', '2031-05-02', 'HO-F')) IS NOT NULL AS opened;
RESET ROLE;
RESET search_path;
\c
SET ROLE regress_ticket_hostile;
SET search_path = hostile, pg_catalog, public;
CREATE TEMP TABLE ticket_order (trapped pg_catalog.text);
SELECT train, remaining FROM public.ticket_search('HOA', 'HOB', '2031-05-02');
SELECT status FROM public.ticket_buy('HO1', 'HOA', 'HOB', 2, '2031-05-02', passengers => '{1,2}', request_id => '00000000-0000-0000-0000-0000000000e2');
SELECT pg_catalog.int8send(public.ticket_open('HO2', '2031-05-06', 'HO-G', stops_of => 'HO1', sale_margin => '1 hour')) IS NOT NULL AS opened;
SELECT train, service_date, trip_id FROM public.ticket_import_gtfs('hostile', '2031-05-05', '2031-05-06');
SELECT pg_catalog.min(order_id) AS seats FROM public.ticket_hold_seats('HO2', 'HOA', 'HOB', 1, '{01/1A,01/12下}', '2031-05-06', '{1,2}', request_id => '00000000-0000-0000-0000-0000000000e7') \gset
SELECT coach, seat, free FROM public.ticket_places('HO2', 'HOA', 'HOB', '2031-05-06');
SELECT old_seat, new_coach, new_seat, outcome FROM public.ticket_reform('HO2', '2031-05-06', 'HO-F');
SELECT seat FROM public.ticket_reseat(:seats, '{2}');
SELECT public.ticket_retime('HO2', '2031-05-06'), (SELECT pg_catalog.count(*) FROM public.ticket_skip_stop('HO2', '2031-05-06', 'HOB')) AS concerned;
SELECT pg_catalog.length(public.ticket_seat_svg('HO2', '2031-05-06')) OPERATOR(pg_catalog.>) 100 AS drawn;
SELECT status, buy_quantity FROM public.item_hold(20310503, 1, 2);
SELECT problem FROM public.ticket_verify();
-- Names are data, not SQL.
\set VERBOSITY sqlstate
SELECT public.ticket_open('HO1''; DROP TABLE ticket_order; --', '2031-05-03', 'HO-F');
SELECT public.ticket_open('HO1', '2031-05-03', 'x'' OR ''''=''');
SELECT * FROM public.ticket_buy('HO1', '"; SELECT 1; --', 'HOB', 1, '2031-05-02');
SELECT * FROM public.ticket_search(E'\\''; DROP TABLE ticket_order; --', 'HOB', '2031-05-02');
RESET ROLE;
RESET search_path;
\c
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES (E'HO''"\\%s$1', 1, E'HO''A', NULL, '8:00'), (E'HO''"\\%s$1', 2, E'HO"B;--', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES (E'HO''"\\%s', E'''1"', E'se''cond"; --', '{1A}');
SELECT ticket_open(E'HO''"\\%s$1', '2031-05-03', E'HO''"\\%s') > 0 AS opened;
SELECT seat_class, coach, seat FROM ticket_buy(E'HO''"\\%s$1', E'HO''A', E'HO"B;--', 1, '2031-05-03', E'se''cond"; --');
SELECT status FROM ticket_refund((SELECT order_id FROM ticket_order WHERE service_date = '2031-05-03' AND seat_class = E'se''cond"; --'));
SET client_min_messages = warning;
DROP SCHEMA hostile CASCADE;
DROP OWNED BY regress_ticket_hostile;
REVOKE ALL ON SCHEMA public FROM regress_ticket_hostile;
REVOKE ALL ON DATABASE :"DBNAME" FROM regress_ticket_hostile;
DROP ROLE regress_ticket_hostile;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
