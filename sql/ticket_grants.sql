-- Who may do what: nothing for PUBLIC but harmless questions; a seller needs EXECUTE and no right on any table.
INSERT INTO ticket_station (station, name) VALUES ('GRA', 'Grant A'), ('GRB', 'Grant B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('GR1', 1, 'GRA', NULL, '8:00'), ('GR1', 2, 'GRB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('GR-F', '01', 'second', '{1A,1B,1C}');
SELECT ticket_open('GR1', '2031-05-01', 'GR-F') > 0 AS opened;
CREATE ROLE regress_ticket_public;
CREATE ROLE regress_ticket_seller;
CREATE ROLE regress_ticket_monitor IN ROLE pg_monitor;
GRANT EXECUTE ON FUNCTION ticket_buy, ticket_refund TO regress_ticket_seller;

-- What PUBLIC holds: these functions, and no table.
SELECT p.proname FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND d.deptype = 'e'
  AND has_function_privilege('regress_ticket_public', p.oid, 'EXECUTE') ORDER BY 1;
SELECT c.relname FROM pg_depend d JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND d.deptype = 'e' AND c.relkind IN ('r', 'p', 'v', 'S')
  AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege('regress_ticket_public', c.oid, 'USAGE, SELECT, UPDATE')
      ELSE has_table_privilege('regress_ticket_public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') END ORDER BY 1;
-- Partitions made by ticket_open are no exception.
SELECT c.relname FROM pg_inherits JOIN pg_class c ON inhrelid = c.oid WHERE inhparent = 'ticket_order'::regclass
  AND has_table_privilege('regress_ticket_public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');

SET ROLE regress_ticket_public;
\set VERBOSITY sqlstate
SELECT ticket_remaining('GR1', 'Grant A', 'GRB', '2031-05-01'), (SELECT count(*) FROM ticket_search('GRA', 'GRB', '2031-05-01')) AS found,
       (SELECT count(*) FROM ticket_trains('GRA', 'Grant B', '2031-05-01')) AS trains, (SELECT sum(remaining) FROM ticket_remaining_matrix('GR1', '2031-05-01', 'second')) AS matrix;
SELECT * FROM ticket_buy('GR1', 'GRA', 'GRB', 1, '2031-05-01');
SELECT * FROM ticket_refund(1);
SELECT outcome, remaining FROM ticket_why('GR1', 'Grant A', 'GRB', '2031-05-01');
SELECT * FROM ticket_hold('GR1', 'GRA', 'GRB', 1, '2031-05-01');
SELECT * FROM ticket_confirm(1);
SELECT * FROM ticket_cancel(1);
SELECT * FROM ticket_change(1, 'GR1', 'GRA', 'GRB', '2031-05-01');
SELECT * FROM ticket_buy_many('{}');
SELECT ticket_withdraw('GR1', '2031-05-01');
SELECT ticket_reserve('GR1', '2031-05-01', 'second', 'agency', 1, 'GRA', 'GRB');
SELECT ticket_recycle(1);
SELECT * FROM ticket_buy_seats('GR1', 'GRA', 'GRB', 1, '{01/1A}', '2031-05-01');
SELECT * FROM ticket_hold_seats('GR1', 'GRA', 'GRB', 1, '{01/1A}', '2031-05-01');
SELECT ticket_reserve_seats('GR1', '2031-05-01', 'agency', '{01/1A}');
SELECT * FROM ticket_reseat(1);
SELECT * FROM ticket_hold_extend(1, '1 hour');
SELECT * FROM ticket_transfer(1, 1, 1);
SELECT ticket_retime('GR1', '2031-05-01');
SELECT * FROM ticket_skip_stop('GR1', '2031-05-01', 'GRA');
SELECT * FROM ticket_reform('GR1', '2031-05-01', 'GR-F');
SELECT * FROM ticket_import_gtfs('public', '2031-05-01', '2031-05-01');
SELECT ticket_seat_svg('GR1', '2031-05-01');
SELECT count(*) AS places FROM ticket_places('GR1', 'GRA', 'GRB', '2031-05-01');
SELECT ticket_sweep();
SELECT ticket_rule_user_limit(1, 1, '{1}', 1, 2);
SELECT ticket_rule_no_overlap(1, 1, '{1}', 1, 2);
SELECT ticket_rule_one_per_departure(1, 1, '{1}', 1, 2);
SELECT ticket_open('GR1', '2031-05-02', 'GR-F');
SELECT ticket_close('GR1', '2031-05-01');
SELECT * FROM ticket_verify();
SELECT * FROM ticket_seat_map('GR1', '2031-05-01', 'second');
SELECT * FROM ticket_pool();
SELECT * FROM ticket_inflight();
SELECT ticket_pool_stat();
TABLE ticket_pool;
TABLE ticket_inflight;
TABLE ticket_pool_stat;
TABLE ticket_station;
TABLE ticket_stop;
TABLE ticket_formation;
TABLE ticket_departure;
TABLE ticket_order;
TABLE ticket_reservation;
TABLE ticket_rule;
TABLE ticket_route;
TABLE ticket_layout;
INSERT INTO ticket_order DEFAULT VALUES;
DELETE FROM ticket_departure;
SELECT nextval('ticket_order_id_seq');
CREATE TRIGGER t AFTER INSERT ON ticket_station FOR EACH STATEMENT EXECUTE FUNCTION ticket_cache_reset();
SELECT ticket_cache_reset();
RESET ROLE;

-- A seller buys and refunds; rows belong to nobody but the tables' owner.
SET ROLE regress_ticket_seller;
SELECT order_id AS order_1 FROM ticket_buy('GR1', 'Grant A', 'GRB', 1, '2031-05-01') \gset
SELECT order_id AS order_2 FROM ticket_buy('GR1', 'GRA', 'Grant B', 1, '2031-05-01', passengers => '{1,2}', request_id => '00000000-0000-0000-0000-0000000000d1') WHERE ticket_no = 1 \gset
SELECT count(*) FROM ticket_buy('GR1', 'GRA', 'GRB', 1, '2031-05-01', passengers => '{1,2}', request_id => '00000000-0000-0000-0000-0000000000d1');
SELECT status FROM ticket_refund(:order_2, '{2}');
SELECT current_user, ticket_remaining('GR1', 'GRA', 'GRB', '2031-05-01');
SELECT * FROM ticket_buy('GR1', 'GRA', 'GRA', 1, '2031-05-01');
SELECT current_user;
SELECT * FROM ticket_refund(1);
SELECT current_user;
TABLE ticket_order;
UPDATE ticket_order SET status = 'refunded';
SELECT ticket_open('GR1', '2031-05-02', 'GR-F');
SELECT ticket_close('GR1', '2031-05-01');
-- After an error inside a function, in a block that goes on
\set VERBOSITY default
DO $$
BEGIN
    BEGIN
        PERFORM ticket_refund(1);
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE '% as %, search_path %', SQLSTATE, current_user, current_setting('search_path');
    END;
    PERFORM FROM ticket_order;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'no right on the table';
END $$;
\set VERBOSITY sqlstate
RESET ROLE;
SELECT status, count(*) FROM ticket_order WHERE order_id IN (:order_1, :order_2) GROUP BY 1 ORDER BY 1;

-- All that a seller does, with rules on, which read the orders too.
UPDATE ticket_rule SET enabled = true WHERE on_kind = 'ticket';
GRANT EXECUTE ON FUNCTION ticket_hold, ticket_confirm, ticket_cancel, ticket_change, ticket_buy_many TO regress_ticket_seller;
SET ROLE regress_ticket_seller;
SELECT order_id AS order_3 FROM ticket_hold('GR1', 'GRA', 'GRB', 11, '2031-05-01') \gset
SELECT status FROM ticket_confirm(:order_3);
SELECT order_id AS order_4 FROM ticket_change(:order_3, 'GR1', 'GRA', 'GRB', '2031-05-01') \gset
SELECT status FROM ticket_refund(:order_4);
SELECT order_id AS order_5 FROM ticket_hold('GR1', 'GRA', 'GRB', 11, '2031-05-01') \gset
SELECT * FROM ticket_buy('GR1', 'GRA', 'GRB', 11, '2031-05-01');
SELECT status FROM ticket_cancel(:order_5);
SELECT order_id AS order_6 FROM ticket_buy_many(ARRAY[ROW('GR1', 'GRA', 'GRB', 12, '2031-05-01', NULL, NULL, NULL, NULL, NULL)::ticket_request]) \gset
SELECT passenger_id, status FROM ticket_refund(:order_6);
SELECT current_user;
SELECT * FROM ticket_hold('GR1', 'GRA', 'GRA', 1, '2031-05-01');
SELECT * FROM ticket_confirm(1);
SELECT * FROM ticket_change(:order_4, 'GR1', 'GRA', 'GRB', '2031-05-01');
SELECT current_user;
TABLE ticket_order;
TABLE ticket_rule;
SELECT ticket_withdraw('GR1', '2031-05-01');
RESET ROLE;
UPDATE ticket_rule SET enabled = false WHERE on_kind = 'ticket';

-- The very seat
SELECT ticket_open('GR1', '2031-05-03', 'GR-F') > 0 AS opened;
GRANT EXECUTE ON FUNCTION ticket_buy_seats, ticket_hold_seats, ticket_reseat, ticket_reserve_seats TO regress_ticket_seller;
SET ROLE regress_ticket_seller;
SELECT order_id AS order_7 FROM ticket_hold_seats('GR1', 'GRA', 'GRB', 13, '{01/1B}', '2031-05-03') \gset
SELECT status FROM ticket_reseat(:order_7);
SELECT status FROM ticket_cancel(:order_7);
SELECT order_id AS order_8, seat FROM ticket_buy_seats('GR1', 'GRA', 'GRB', 13, '{01/1B}', '2031-05-03') \gset
SELECT status FROM ticket_refund(:order_8);
SELECT ticket_reserve_seats('GR1', '2031-05-03', 'agency', '{01/1B}') AS reservation_2 \gset
SELECT current_user;
RESET ROLE;
SELECT ticket_recycle(:reservation_2);
-- A hold in parts, and what the railway does: still no right on a table of the extension. A feed is read with the caller's own rights.
CREATE SCHEMA gr_feed;
CREATE TABLE gr_feed.stops AS SELECT s AS stop_id, s AS stop_name FROM (VALUES ('GRA'), ('GRB')) AS v (s);
CREATE TABLE gr_feed.trips AS SELECT 't1' AS trip_id, 's' AS service_id, 'GR9' AS trip_short_name;
CREATE TABLE gr_feed.stop_times AS SELECT 't1' AS trip_id, s.* FROM (VALUES ('GRA', '1', '8:00:00'), ('GRB', '2', '9:00:00')) AS s (stop_id, stop_sequence, departure_time);
CREATE TABLE gr_feed.calendar_dates AS SELECT 's' AS service_id, '20310503' AS date, '1' AS exception_type;
GRANT EXECUTE ON FUNCTION ticket_hold, ticket_confirm, ticket_cancel, ticket_change, ticket_hold_extend, ticket_transfer, ticket_open, ticket_retime, ticket_skip_stop, ticket_reform, ticket_seat_svg, ticket_import_gtfs
    TO regress_ticket_seller;
SET ROLE regress_ticket_seller;
SELECT min(order_id) AS order_9 FROM ticket_hold('GR1', 'GRA', 'GRB', 13, '2031-05-03', passengers => '{1,2}') \gset
SELECT status FROM ticket_cancel(:order_9, '{2}');
SELECT status FROM ticket_hold_extend(:order_9, '1 hour');
SELECT passenger_id, status FROM ticket_transfer(:order_9, 1, 3);
SELECT status FROM ticket_confirm(:order_9);
SELECT status FROM ticket_change(:order_9, 'GR1', 'GRA', 'GRB', '2031-05-03', request_id => '00000000-0000-0000-0000-0000000000d2');
SELECT count(*) FROM ticket_places('GR1', 'GRA', 'GRB', '2031-05-03') WHERE free;
SELECT ticket_seat_svg('GR1', '2031-05-03') LIKE '<svg%' AS drawn;
SELECT ticket_open('GR2', '2031-05-03', 'GR-F', stops_of => 'GR1', sale_margin => '1 hour') > 0 AS opened;
SELECT ticket_retime('GR1', '2031-05-03');
SELECT passenger_id FROM ticket_skip_stop('GR1', '2031-05-03', 'GRB');
SELECT count(*) FROM ticket_reform('GR1', '2031-05-03', 'GR-F');
SELECT * FROM ticket_import_gtfs('gr_feed', '2031-05-03', '2031-05-03', 'GR-F');
SELECT current_user;
RESET ROLE;
GRANT USAGE ON SCHEMA gr_feed TO regress_ticket_seller;
GRANT SELECT ON ALL TABLES IN SCHEMA gr_feed TO regress_ticket_seller;
SET ROLE regress_ticket_seller;
SELECT train, trip_id FROM ticket_import_gtfs('gr_feed', '2031-05-03', '2031-05-03', 'GR-F');
SELECT current_user;
TABLE ticket_station;
RESET ROLE;
DROP SCHEMA gr_feed CASCADE;
REVOKE ALL ON FUNCTION ticket_hold, ticket_confirm, ticket_cancel, ticket_change, ticket_hold_extend, ticket_transfer, ticket_open, ticket_retime, ticket_skip_stop, ticket_reform, ticket_seat_svg, ticket_import_gtfs
    FROM regress_ticket_seller;
REVOKE ALL ON FUNCTION ticket_buy_seats, ticket_hold_seats, ticket_reseat, ticket_reserve_seats FROM regress_ticket_seller;

-- The dispatcher's part can be granted as well.
GRANT EXECUTE ON FUNCTION ticket_open, ticket_close, ticket_seat_map, ticket_verify, ticket_reserve, ticket_recycle, ticket_withdraw, ticket_sweep TO regress_ticket_seller;
SET ROLE regress_ticket_seller;
SELECT ticket_reserve('GR1', '2031-05-01', 'second', 'agency', 1, 'GRA', 'GRB') AS reservation \gset
SELECT ticket_recycle(:reservation);
SELECT ticket_sweep() >= 0 AS swept;
SELECT ticket_open('GR1', '2031-05-02', 'GR-F') > 0 AS opened;
SELECT count(*) FROM ticket_buy('GR1', 'GRA', 'GRB', 1, '2031-05-02');
SELECT count(*) AS lines FROM ticket_seat_map('GR1', '2031-05-02', 'second');
SELECT ticket_close('GR1', '2031-05-02');
SELECT ticket_withdraw('GR1', '2031-05-02');
SELECT * FROM ticket_verify();
RESET ROLE;
SELECT relowner::regrole = (SELECT relowner FROM pg_class WHERE oid = 'ticket_order'::regclass) AS owned_like_its_parent
FROM pg_class WHERE oid = (SELECT tableoid FROM ticket_order WHERE service_date = '2031-05-02' LIMIT 1);
-- Monitoring
SET ROLE regress_ticket_monitor;
SELECT count(*) >= 0 AS pool FROM ticket_pool;
SELECT count(*) AS inflight FROM ticket_inflight;
SELECT buys > 0 AS buys, refunds > 0 AS refunds, departures > 0 AS departures, bytes_used > 0 AND bytes_used < bytes_reserved AS bytes FROM ticket_pool_stat;
RESET ROLE;
REVOKE ALL ON FUNCTION ticket_buy, ticket_refund, ticket_open, ticket_close, ticket_seat_map, ticket_verify, ticket_hold, ticket_confirm, ticket_cancel,
    ticket_change, ticket_buy_many, ticket_reserve, ticket_recycle, ticket_withdraw, ticket_sweep FROM regress_ticket_seller;
DROP ROLE regress_ticket_public, regress_ticket_seller, regress_ticket_monitor;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
