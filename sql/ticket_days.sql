-- Days that come with a partition as ticket_order is, and days that went with theirs.
\set home :DBNAME
CREATE DATABASE regression_days;
\c regression_days
SET datestyle = 'ISO, YMD';
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma');
INSERT INTO ticket_stop SELECT t, n, s, a, d FROM unnest('{T1,T2,T3}'::text[]) AS t, (VALUES (1, 'A', NULL, interval '8:00'), (2, 'B', interval '9:00', '9:02'), (3, 'C', '10:00', NULL)) AS v (n, s, a, d);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('F', '01', 'second', '{1A,1B}');
CREATE VIEW offered AS
SELECT day, ticket_remaining('T1', 'A', 'C', day) AS remaining, (SELECT count(*) FROM ticket_search('A', 'C', day)) AS found, (SELECT count(*) FROM ticket_trains('A', 'C', day)) AS trains,
    (SELECT outcome FROM ticket_why('T1', 'A', 'C', day)) AS why, (SELECT sum(remaining) FROM ticket_remaining_matrix('T1', day, 'second')) AS matrix
FROM (SELECT DISTINCT service_date AS day FROM ticket_departure) AS d ORDER BY day;
SELECT count(ticket_open('T1', day::date, 'F')) FROM generate_series(date '2031-05-01', '2031-05-03', '1 day') AS day;
SELECT seat IS NOT NULL AS sold FROM ticket_buy('T1', 'A', 'C', 1, '2031-05-02', passengers => '{1,2}');
SELECT * FROM offered;

-- Detached: nothing of the day is offered, nor sold, nor set aside, and no train of the day opens beside it.
ALTER TABLE ticket_order DETACH PARTITION ticket_order_p20310502;
SELECT * FROM offered;
SELECT ticket_open('T2', '2031-05-02', 'F');
SELECT ticket_open('T1', '2031-05-02', 'F');
SELECT * FROM ticket_buy('T1', 'A', 'C', 2, '2031-05-02');
SELECT * FROM ticket_hold('T1', 'A', 'C', 2, '2031-05-02');
SELECT request_no FROM ticket_buy_many(ARRAY[ROW('T1', 'A', 'C', 2, '2031-05-02', NULL, NULL, NULL, NULL, NULL), ROW('T1', 'A', 'C', 2, '2031-05-01', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]);
SELECT ticket_reserve('T1', '2031-05-02', 'second', 'agency', 1, 'A', 'C');
SELECT count(*) AS partitions FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass;
\c -
SET datestyle = 'ISO, YMD';
SELECT * FROM offered WHERE day = '2031-05-02';
-- Attached again, it is as it was, and others may open.
ALTER TABLE ticket_order ATTACH PARTITION ticket_order_p20310502 FOR VALUES FROM ('2031-05-02') TO ('2031-05-03');
SELECT * FROM offered WHERE day = '2031-05-02';
SELECT ticket_open('T2', '2031-05-02', 'F') > 0 AS opened;
-- In the transaction that detaches or drops
BEGIN;
ALTER TABLE ticket_order DETACH PARTITION ticket_order_p20310502;
SELECT * FROM offered WHERE day = '2031-05-02';
SAVEPOINT a;
SELECT ticket_open('T3', '2031-05-02', 'F');
ROLLBACK TO a;
ROLLBACK;
SELECT * FROM offered WHERE day = '2031-05-02';
-- Gone for good: once its departures are gone, too, the day may begin again.
DROP TABLE ticket_order_p20310502;
SELECT ticket_open('T3', '2031-05-02', 'F');
DELETE FROM ticket_departure WHERE service_date = '2031-05-02';
SELECT ticket_open('T3', '2031-05-02', 'F') > 0 AS opened;
SELECT * FROM offered WHERE day <> '2031-05-02';
SELECT train, remaining FROM ticket_search('A', 'C', '2031-05-02');
-- Many departures, by hand and of this transaction: they are known as well.
BEGIN;
INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
SELECT 'H' || n, '2031-05-09', 'F', now(), route_id, layout_id FROM ticket_departure, generate_series(1, 7) AS n WHERE train = 'T1' AND service_date = '2031-05-01';
SELECT ticket_open('T1', '2031-05-09', 'F');
ROLLBACK;
SELECT ticket_open('T1', '2031-05-09', 'F') > 0 AS opened;

-- A new day lies where ticket_order lies, whatever the session has set and whoever it is.
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE regress_orders LOCATION '';
CREATE TABLESPACE regress_session LOCATION '';
CREATE VIEW shape AS
SELECT c.relname, t.spcname, m.amname, c.relreplident, (SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid AND x.indisreplident) AS identity,
    (SELECT count(DISTINCT i.reltablespace) FILTER (WHERE i.reltablespace <> 0) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid) AS spaces_of_indexes
FROM pg_class c LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace LEFT JOIN pg_am m ON m.oid = c.relam WHERE c.relispartition AND c.relkind = 'r' ORDER BY 1;
CREATE ROLE regress_opener;
GRANT CREATE ON SCHEMA public TO regress_opener;
GRANT EXECUTE ON FUNCTION ticket_open TO regress_opener;
CREATE ACCESS METHOD regress_other TYPE TABLE HANDLER heap_tableam_handler;
SET default_tablespace = regress_session;
SET default_table_access_method = regress_other;
SET SESSION AUTHORIZATION regress_opener;
SET default_tablespace = regress_session;
SELECT ticket_open('T1', '2031-06-01', 'F') > 0 AS opened;
RESET SESSION AUTHORIZATION;
SHOW default_tablespace;
SHOW default_table_access_method;
ALTER TABLE ticket_order SET TABLESPACE regress_orders;
SELECT ticket_open('T1', '2031-06-02', 'F') > 0 AS opened;
RESET default_tablespace;
RESET default_table_access_method;
-- And a subscriber hears of its rows as of ticket_order's.
ALTER TABLE ticket_order REPLICA IDENTITY FULL;
SELECT ticket_open('T1', '2031-06-03', 'F') > 0 AS opened;
ALTER TABLE ticket_order REPLICA IDENTITY NOTHING;
SELECT ticket_open('T1', '2031-06-04', 'F') > 0 AS opened;
CREATE UNIQUE INDEX mine ON ticket_order (ticket_no, order_id, service_date);
ALTER TABLE ticket_order REPLICA IDENTITY USING INDEX mine;
SELECT ticket_open('T1', '2031-06-05', 'F') > 0 AS opened;
ALTER TABLE ticket_order REPLICA IDENTITY DEFAULT;
SELECT ticket_open('T1', '2031-06-06', 'F') > 0 AS opened;
SELECT * FROM shape WHERE relname >= 'ticket_order_p203106';
DROP INDEX mine;
-- Columns are kept as ticket_order keeps them.
ALTER TABLE ticket_order ALTER COLUMN channel SET STORAGE EXTERNAL, ALTER COLUMN coach SET COMPRESSION pglz;
SELECT ticket_open('T1', '2031-06-07', 'F') > 0 AS opened;
SELECT attname, attstorage, attcompression FROM pg_attribute WHERE attrelid = 'ticket_order_p20310607'::regclass AND attname IN ('channel', 'coach', 'seat') ORDER BY 1;
SELECT count(*) AS sold FROM generate_series(date '2031-06-01', '2031-06-07', '1 day') AS day, ticket_buy('T1', 'A', 'C', 1, day::date);
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_days;
DROP TABLESPACE regress_orders;
DROP TABLESPACE regress_session;
DROP ROLE regress_opener;
