-- A hostile search_path: look-alikes of tables, functions, operators and types in front of everything.
INSERT INTO ticket_station (station, name) VALUES ('HOA', 'Hostile A'), ('HOB', 'Hostile B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('HO1', 1, 'HOA', NULL, '8:00'), ('HO1', 2, 'HOB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('HO-F', '01', 'second', '{1A,1B,1C}');
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('HO-S', '01', 'second', '{1A,F12,12下}'), ('HO-S', '02', 'first', '{1}'), ('HO-M', '09', 'second', '{1A}');
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, properties) VALUES ('HO-S', '01', '12下', 'bay', 3, '{lower,quiet}');
-- A feed that the role may read.
CREATE SCHEMA hostile_feed;
CREATE TABLE hostile_feed.stops (stop_id text, stop_name text);
CREATE TABLE hostile_feed.trips (route_id text, service_id text, trip_id text, trip_short_name text);
CREATE TABLE hostile_feed.stop_times (trip_id text, arrival_time text, departure_time text, stop_id text, stop_sequence text);
CREATE TABLE hostile_feed.calendar_dates (service_id text, date text, exception_type text);
CREATE TABLE hostile_feed.frequencies (trip_id text, start_time text, end_time text, headway_secs text);
INSERT INTO hostile_feed.stops VALUES ('HOA', 'Hostile A'), ('HOB', 'Hostile B');
INSERT INTO hostile_feed.trips VALUES ('r', 's', 'HO-t1', 'HO9'), ('r', 's', 'HO-t2', 'HO9');
INSERT INTO hostile_feed.stop_times VALUES ('HO-t1', '8:00', '8:00', 'HOA', '1'), ('HO-t1', '9:00', '9:00', 'HOB', '2'),
    ('HO-t2', '8:00', '8:00', 'HOA', '1'), ('HO-t2', '9:00', '9:00', 'HOB', '2');
INSERT INTO hostile_feed.calendar_dates VALUES ('s', '20310505', '1');
INSERT INTO hostile_feed.frequencies VALUES ('HO-t2', '10:00', '11:00', '1800');
CREATE ROLE regress_ticket_hostile;
CREATE SCHEMA hostile AUTHORIZATION regress_ticket_hostile;
GRANT USAGE ON SCHEMA hostile_feed TO regress_ticket_hostile;
GRANT SELECT ON ALL TABLES IN SCHEMA hostile_feed TO regress_ticket_hostile;
GRANT EXECUTE ON FUNCTION ticket_open, ticket_close, ticket_buy, ticket_refund, ticket_verify, ticket_seat_map,
    ticket_buy_seats, ticket_hold_seats, ticket_hold_extend, ticket_transfer, ticket_reseat, ticket_confirm, ticket_cancel, ticket_change, ticket_reserve_seats, ticket_recycle, ticket_retime, ticket_skip_stop, ticket_seat_svg, ticket_reform, ticket_import_gtfs, item_open, item_hold, item_confirm, item_cancel, item_refund, item_verify TO regress_ticket_hostile;
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
    FOREACH t IN ARRAY '{ticket_station,ticket_stop,ticket_formation,ticket_route,ticket_route_call,ticket_layout,ticket_layout_coach,ticket_departure,ticket_order}'::pg_catalog.text[] LOOP
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
    FOREACH f IN ARRAY '{md5(text),length(text),octet_length(text),array_to_string(text[]\,text),ticket_remaining(text\,text\,text\,date),lower(text),now(),row_number(),unnest(text[])}'::pg_catalog.text[] LOOP
        EXECUTE pg_catalog.format('CREATE FUNCTION hostile.%s RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT hostile.trap()::pg_catalog.text''', f);
    END LOOP;
    CREATE DOMAIN hostile.uuid AS pg_catalog.uuid CHECK (hostile.trap());
    CREATE DOMAIN hostile.bigint AS pg_catalog.int8 CHECK (hostile.trap());
    CREATE DOMAIN hostile.interval AS pg_catalog.interval CHECK (hostile.trap());
    CREATE DOMAIN hostile.date AS pg_catalog.date CHECK (hostile.trap());
END $do$;
SET search_path = hostile, pg_catalog, public;
SET ticketpool.allocation = first_fit;
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
SELECT pg_catalog.int8send(public.ticket_open('HO1', '2031-05-04', 'HO-S', stops_of => 'HO1', sale_margin => '00:10:00'::pg_catalog.interval)) IS NOT NULL AS opened;
SELECT seat, free, seat_group, x, properties FROM public.ticket_places('HO1', 'HOA', 'HOB', '2031-05-04', 'second');
SELECT pg_catalog.min(order_id) AS order_id FROM public.ticket_buy_seats('HO1', 'HOA#1', 'Hostile B', 1, '{01/1A,02/1}', '2031-05-04', request_id => '00000000-0000-0000-0000-0000000000e3') \gset
SELECT seat FROM public.ticket_buy_seats('HO1', 'HOA#1', 'Hostile B', 1, '{02/1,01/1A}', '2031-05-04', request_id => '00000000-0000-0000-0000-0000000000e3');
SELECT seat FROM public.ticket_reseat(:order_id, '{1}', '{01/F12}');
SELECT count(*) FROM public.ticket_reseat(:order_id, '{1}');
SELECT seat FROM public.ticket_reseat(:order_id, '{1}', '{01/12下}');
SELECT passenger_id FROM public.ticket_transfer(:order_id, 2, 7);
SELECT seat, seat_class FROM public.ticket_change(:order_id, 'HO1', 'HOA', 'HOB', '2031-05-04', ticket_nos => '{1}', request_id => '00000000-0000-0000-0000-0000000000e4');
SELECT seat FROM public.ticket_buy('HO1', 'HOA', 'HOB', 1, '2031-05-04', 'second', '{1}', '01/1A');
SELECT order_id FROM public.ticket_hold_seats('HO1', 'HOA', 'HOB', 1, '{01/F12}', '2031-05-04', ttl => '00:01:00'::pg_catalog.interval) \gset
SELECT status FROM public.ticket_hold_extend(:order_id, '00:02:00'::pg_catalog.interval);
SELECT status FROM public.ticket_cancel(:order_id, '{1}');
SELECT public.ticket_reserve_seats('HO1', '2031-05-04', 'agency', '{01/F12}') AS reservation \gset
SELECT public.ticket_recycle(:reservation);
SELECT pg_catalog.left(public.ticket_seat_svg('HO1', '2031-05-04'), 4);
SELECT seat FROM public.ticket_skip_stop('HO1', '2031-05-04', 'HOB') ORDER BY 1;
SELECT public.ticket_retime('HO1', '2031-05-04');
SELECT outcome, new_coach IS NULL AS nowhere FROM public.ticket_reform('HO1', '2031-05-01', 'HO-M', 'refund') ORDER BY 1;
SELECT train, trip_id FROM public.ticket_import_gtfs('hostile_feed', '2031-05-05', '2031-05-05', 'HO-S');
SELECT train, trip_id FROM public.ticket_import_gtfs('hostile_feed', '2031-05-05', '2031-05-05', 'HO-S');
SELECT pg_catalog.int8send(public.item_open(95001, 10)) IS NOT NULL AS opened;
SELECT order_id FROM public.item_hold(95001, 1, 3, '00000000-0000-0000-0000-0000000000e5') \gset
SELECT status FROM public.item_confirm(:order_id);
SELECT buy_quantity FROM public.item_refund(:order_id, 2, '00000000-0000-0000-0000-0000000000e6');
SELECT buy_quantity FROM public.item_refund(:order_id, 2, '00000000-0000-0000-0000-0000000000e6');
SELECT order_id FROM public.item_hold(95001, 1) \gset
SELECT status FROM public.item_cancel(:order_id);
SELECT problem FROM public.item_verify();
SELECT problem FROM public.ticket_verify();
SELECT public.ticket_close('HO1', '2031-05-01');
SHOW search_path;
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
SELECT coach, seat, free, seat_group FROM ticket_places(E'HO''"\\%s$1', E'HO''A', E'HO"B;--', '2031-05-03', E'se''cond"; --');
SELECT seat FROM ticket_buy_seats(E'HO''"\\%s$1', E'HO''A', E'HO"B;--', 1, array[E'''1"/1A'], '2031-05-03', channel => E'x''); --');
SELECT ticket_reserve_seats('HO1', '2031-05-04', E'x''"\\%s; --', '{01/F12}') > 0 AS reserved;
SELECT seat FROM ticket_buy_seats('HO1', 'HOA', 'HOB', 1, '{01/F12}', '2031-05-04', channel => E'x''"\\%s; --');
CREATE SCHEMA "Feed ""%s'; --";
CREATE TABLE "Feed ""%s'; --".trips AS SELECT service_id, trip_id, E'HO''"\\%s$1' AS "num""%s'; --" FROM hostile_feed.trips;
CREATE TABLE "Feed ""%s'; --".stops AS TABLE hostile_feed.stops;
CREATE TABLE "Feed ""%s'; --".stop_times AS TABLE hostile_feed.stop_times;
CREATE TABLE "Feed ""%s'; --".calendar_dates AS TABLE hostile_feed.calendar_dates;
SELECT train, trip_id FROM ticket_import_gtfs('Feed "%s''; --', '2031-05-05', '2031-05-05', E'HO''"\\%s', 'num"%s''; --');
SELECT ticket_import_gtfs('hostile_feed', '2031-05-05', '2031-05-05', 'x'' OR ''''=''');
SELECT ticket_import_gtfs('hostile_feed', '2031-05-05', '2031-05-05', 'HO-F', 'trip_id" = ''''; --');
SELECT ticket_import_gtfs('hostile_feed; --', '2031-05-05', '2031-05-05', 'HO-F');
SET client_min_messages = warning;
DROP SCHEMA "Feed ""%s'; --", hostile, hostile_feed CASCADE;
REVOKE ALL ON FUNCTION ticket_open, ticket_close, ticket_buy, ticket_refund, ticket_verify, ticket_seat_map,
    ticket_buy_seats, ticket_hold_seats, ticket_hold_extend, ticket_transfer, ticket_reseat, ticket_confirm, ticket_cancel, ticket_change, ticket_reserve_seats, ticket_recycle, ticket_retime, ticket_skip_stop, ticket_seat_svg, ticket_reform, ticket_import_gtfs, item_open, item_hold, item_confirm, item_cancel, item_refund, item_verify FROM regress_ticket_hostile;
REVOKE ALL ON SCHEMA public FROM regress_ticket_hostile;
REVOKE ALL ON DATABASE :"DBNAME" FROM regress_ticket_hostile;
DROP ROLE regress_ticket_hostile;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
