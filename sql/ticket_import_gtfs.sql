-- ticket_import_gtfs: what a feed may look like, which runs it opens under which names, and what it says of the rest.
\set home :DBNAME
CREATE DATABASE regression_gtfs;
\c regression_gtfs
SET client_min_messages = warning;
SET IntervalStyle = postgres;
SET DateStyle = ISO;
CREATE EXTENSION ticketpool;
INSERT INTO ticket_formation VALUES ('GT-F', '1', 'second', '{1A,1B,2A}'), ('GT-BAD', '1', 'second', '{1A,1A}');

-- A feed with two stations of two platforms each; columns in any order, others besides. 2031-05-01 is a Thursday.
CREATE SCHEMA feed;
SET search_path = public, feed;
CREATE TABLE feed.stops (stop_name text, stop_id text, wheelchair_boarding text, parent_station text);
CREATE TABLE feed.routes (route_long_name text, route_id text, route_short_name text);
CREATE TABLE feed.trips (route_id text, service_id text, trip_id text, trip_short_name text);
CREATE TABLE feed.stop_times (trip_id text, arrival_time text, departure_time text, stop_id text, stop_sequence text, pickup_type text, drop_off_type text);
CREATE TABLE feed.calendar (service_id text, monday text, tuesday text, wednesday text, thursday text, friday text, saturday text, sunday text, start_date text, end_date text);
CREATE TABLE feed.calendar_dates (service_id text, date text, exception_type text);
CREATE TABLE feed.frequencies (trip_id text, start_time text, end_time text, headway_secs text);
INSERT INTO feed.stops VALUES ('Alpha', 'A', '', ''), ('Alpha track 1', 'A1', '1', 'A'), ('Alpha track 2', 'A2', '', 'A'),
    ('Beta', 'B', NULL, NULL), ('Gamma', 'C', '', ''), ('', 'D', '', ''), ('Nobody calls here', 'N', '', ''), ('Delta track', 'E1', '', 'E');
INSERT INTO feed.routes VALUES ('Long', 'r', '77'), ('', 'r2', '');
INSERT INTO feed.calendar VALUES ('week', '1', '1', '1', '1', '1', '0', '0', '20310429', '20310506'), ('end', '0', '0', '0', '0', '0', '1', '1', '20310101', '20311231');
INSERT INTO feed.calendar_dates VALUES ('week', '20310502', '2'), ('week', '20310503', '1'), ('week', '20320503', '1'), ('only', '20310504', '1'), ('end', '20310504', '2');
INSERT INTO feed.trips VALUES
    ('r', 'week', 'plain', 'P 1'), ('r', 'only', 'night', 'N1'), ('r', 'only', 'loop', ' L1 '), ('r2', 'only', 'gaps', ''), ('r2', 'only', 'nobody', NULL),
    ('r', 'only', 'twin late', 'T'), ('r', 'only', 'twin a', 'T'), ('r', 'only', 'twin b', 'T'), ('r', 'only', 'alone', 'X'), ('r', 'only', 'often', 'F'), ('r', 'end', 'end', 'E');
INSERT INTO feed.stop_times VALUES
    ('plain', '8:00:00', '8:05:00', 'A1', '10', '', ''), ('plain', '7:40:00', '07:45:00', 'B', '3', NULL, NULL), ('plain', '', '7:30:00', 'C', '1', '0', '0'),
    -- past midnight; where passengers may board and alight
    ('night', '', '22:00:00', 'A', '1', '', '1'), ('night', '23:50:00', '24:10:00', 'B', '2', '1', ''), ('night', '25:30:00', '25:30:00', 'C', '3', '2', '3'), ('night', '30:00:00', '', 'D', '4', '1', '0'),
    -- the same station twice, by two platforms
    ('loop', '', '10:00:00', 'A1', '1', '', ''), ('loop', '10:30:00', '10:31:00', 'B', '2', '', ''), ('loop', '11:00:00', '11:01:00', 'A2', '3', '', ''), ('loop', '12:00:00', '', 'C', '4', '', ''),
    -- times that are left out
    ('gaps', '', '10:00:00', 'A', '1', '', ''), ('gaps', '', '', 'B', '2', '', ''), ('gaps', NULL, NULL, 'C', '3', '', ''), ('gaps', '10:30:00', '10:31:00', 'D', '4', '', ''), ('gaps', '', '', 'E1', '5', '', ''), ('gaps', '10:32:01', NULL, 'A', '6', '', ''),
    ('nobody', '06:00:00', '06:00:00', 'A', '1', '1', '1'), ('nobody', '07:00:00', '07:00:00', 'B', '2', '', ''),
    ('twin late', '09:00:00', '09:00:00', 'A', '1', '', ''), ('twin late', '10:00:00', '10:00:00', 'B', '2', '', ''),
    ('twin a', '08:00:00', '08:00:00', 'A', '1', '', ''), ('twin a', '09:00:00', '09:00:00', 'B', '2', '', ''),
    ('twin b', '08:00:00', '08:00:00', 'B', '1', '', ''), ('twin b', '09:00:00', '09:00:00', 'A', '2', '', ''),
    ('alone', '08:00:00', '08:00:00', 'A', '1', '', ''),
    ('often', '08:03:00', '08:05:00', 'A', '1', '', ''), ('often', '08:20:00', '08:20:00', 'B', '2', '', ''),
    ('end', '08:00:00', '08:00:00', 'A', '1', '', ''), ('end', '09:00:00', '09:00:00', 'B', '2', '', '');
INSERT INTO feed.frequencies VALUES ('often', '6:00:00', '06:30:00', '600'), ('often', '06:20:00', '06:41:00', '1200'), ('often', '25:00:00', '25:00:01', '60'), ('often', '07:00:00', '07:00:00', '60');

-- What a call of its own sees of the stop lists.
CREATE VIEW lists AS SELECT d.train, d.service_date, d.trip_id, string_agg(concat(stop_no, ' ', station, ' ', coalesce(c.arrives::text, '-'), ' ', coalesce(c.departs::text, '-'),
    CASE WHEN NOT c.boarding THEN ' no boarding' END, CASE WHEN NOT c.alighting THEN ' no alighting' END), ' | ' ORDER BY stop_no) AS calls
FROM ticket_departure AS d JOIN ticket_route AS r USING (route_id), unnest(stop_nos, stations, arrives, departs, boarding, alighting) AS c (stop_no, station, arrives, departs, boarding, alighting)
GROUP BY 1, 2, 3;
SELECT count(*) = count(departure_id) AS ids FROM ticket_import_gtfs('feed', '2031-04-25', '2031-05-10', 'GT-F');
SELECT train, min(service_date) AS first, max(service_date) AS last, count(*) FROM ticket_departure GROUP BY 1 ORDER BY 1;
SELECT service_date FROM ticket_departure WHERE train = 'P 1' ORDER BY 1;
SELECT DISTINCT train, trip_id, calls FROM lists WHERE train !~ '^F' ORDER BY 1;
SELECT train, trip_start, calls FROM lists JOIN ticket_departure USING (train, service_date) WHERE train ~ '^F' ORDER BY trip_start;
SELECT * FROM ticket_station ORDER BY 1;
SELECT count(*) AS rows_of_stops FROM ticket_stop;
SELECT train, from_stop, to_stop, departs, arrives, remaining FROM ticket_search('Alpha', 'Gamma', '2031-05-04');
-- Nobody may board the night train at Beta.
SELECT train, departs FROM ticket_search('Beta', 'Gamma', '2031-05-05');
SELECT train, service_date, departs FROM ticket_search('Gamma', 'D', '2031-05-05');
SELECT count(seat) FROM ticket_buy('T/2', 'Beta', 'Alpha', 7, '2031-05-04');
SELECT * FROM ticket_verify();

-- Again: nothing is new. What is new is opened; what is open keeps its name, also if it is not the first any more, and its times.
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-04-25', '2031-05-10', 'GT-F');
INSERT INTO feed.trips VALUES ('r', 'only', 'twin early', 'T');
INSERT INTO feed.stop_times SELECT 'twin early', '05:00:00', '05:00:00', stop_id, stop_sequence FROM feed.stop_times WHERE trip_id = 'twin a';
UPDATE feed.stop_times SET arrival_time = '05:30:00', departure_time = '05:30:00' WHERE trip_id = 'twin early' AND stop_sequence = '2';
DELETE FROM feed.trips WHERE trip_id = 'twin a';
UPDATE feed.stop_times SET departure_time = '07:59:00', arrival_time = '07:59:00' WHERE trip_id = 'twin b' AND stop_sequence = '1';
UPDATE feed.frequencies SET end_time = '06:31:00' WHERE headway_secs = '600';
INSERT INTO feed.calendar_dates VALUES ('only', '20310511', '1');
SELECT train, service_date, trip_id FROM ticket_import_gtfs('feed', '2031-04-25', '2031-05-10', 'GT-F') ORDER BY 1;
SELECT train, service_date, trip_id FROM ticket_import_gtfs('feed', '2031-05-11', '2031-05-11', 'GT-F') WHERE train ~ '^T' ORDER BY 1;
-- Another edition has other ids: the same stops at the same times are the same run. A run with other times stays as it is.
UPDATE feed.trips SET trip_id = 'new ' || trip_id;
UPDATE feed.stop_times SET trip_id = 'new ' || trip_id;
UPDATE feed.frequencies SET trip_id = 'new ' || trip_id;
UPDATE feed.stop_times SET arrival_time = '09:05:00', departure_time = '09:05:00' WHERE trip_id = 'new twin late' AND stop_sequence = '1';
UPDATE feed.stop_times SET arrival_time = '07:50:00', departure_time = '07:50:00' WHERE trip_id = 'new twin b' AND stop_sequence = '1';
UPDATE feed.stop_times SET stop_id = 'C' WHERE trip_id = 'new nobody' AND stop_sequence = '1';
SELECT train, service_date, trip_id FROM ticket_import_gtfs('feed', '2031-05-04', '2031-05-04', 'GT-F') ORDER BY 1;
-- What was opened without a feed is the run of its name, whatever its stops are. G1/2 may be a second G1 or a number of its own.
INSERT INTO ticket_stop VALUES ('H', 1, 'X', NULL, '8:00'), ('H', 2, 'Y', '9:00', NULL), ('K/2', 1, 'X', NULL, '8:00'), ('K/2', 2, 'Y', '9:00', NULL);
SELECT count(ticket_open(train, '2031-05-04', 'GT-F')) FROM unnest('{H,K/2}'::text[]) AS train;
INSERT INTO feed.trips VALUES ('r', 'only', 'h1', 'H'), ('r', 'only', 'h2', 'H'), ('r', 'only', 'k', 'K'), ('r', 'only', 'm1', 'M'), ('r', 'only', 'm2', 'M'), ('r', 'only', 'm3', 'M'), ('r', 'only', 'm/2', 'M/2'), ('r', 'only', 'm/2b', 'M/2');
INSERT INTO feed.stop_times SELECT trip, hour || ':00:00', hour || ':00:00', stop, n FROM (VALUES ('h1', 8), ('h2', 9), ('k', 8), ('m1', 8), ('m2', 9), ('m3', 9), ('m/2', 7), ('m/2b', 8)) AS t (trip, h), (VALUES ('A', 1), ('B', 2)) AS s (stop, n), LATERAL (SELECT h + n) AS l (hour);
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-04', '2031-05-04', 'GT-F') ORDER BY 1;
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-04', '2031-05-04', 'GT-F') ORDER BY 1;
SELECT train, trip_id FROM ticket_departure WHERE train ~ '^M' AND service_date = '2031-05-04' ORDER BY 1;

-- The column with the numbers: of trips, else of routes
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', 'route_short_name');
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', 'trip_id');
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', 'route_color');
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', 'ctid');
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', repeat('x', 1000000));
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-06', '2031-05-06', 'GT-F', NULL);

-- What cannot be opened is told, and the rest is opened.
CREATE SCHEMA bad;
CREATE TABLE bad.stops AS SELECT * FROM feed.stops;
CREATE TABLE bad.trips (trip_id text, service_id text, trip_short_name text);
CREATE TABLE bad.stop_times (trip_id text, stop_id text, stop_sequence text, arrival_time text, departure_time text, pickup_type text);
CREATE TABLE bad.calendar_dates (service_id text, date text, exception_type text);
CREATE TABLE bad.calendar (LIKE feed.calendar);
CREATE TABLE bad.frequencies (LIKE feed.frequencies);
INSERT INTO bad.stops VALUES ('Long', repeat('l', 64));
INSERT INTO bad.calendar_dates VALUES ('s', '20310601', '1'), ('bad day', '20310631', '1'), ('bad day', '20310601', '1'), ('bad type', '20310601', 'x');
INSERT INTO bad.calendar VALUES ('bad week', '1', '1', '1', '1', '1', '1', 'yes', '20310101', '20311231'), ('bad end', '1', '1', '1', '1', '1', '1', '1', '20310101', '2031-12-31');
INSERT INTO bad.trips SELECT trip, CASE WHEN trip IN ('bad day', 'bad type', 'bad week', 'bad end', 'no service') THEN trip ELSE 's' END FROM unnest('{good,minutes,word,negative,fall,small fall,end,unknown stop,twice,sequence,pickup,long code,many,none,
    one,bad day,bad type,bad week,bad end,no service,doubled,doubled,headway,headway 0,start,too late}'::text[]) AS trip;
INSERT INTO bad.trips VALUES (repeat('t', 64), 's'), ('null service', NULL), (NULL, 's'), ('', 's');
INSERT INTO bad.stop_times SELECT trip_id, stop, n, (7 + n) || ':00:00', (7 + n) || ':00:00', '' FROM bad.trips, (VALUES ('A', 1), ('B', 2), ('C', 3)) AS s (stop, n) WHERE trip_id NOT IN ('many', 'none', 'doubled', 'one') OR n = 1 AND trip_id IN ('doubled', 'one');
UPDATE bad.stop_times SET arrival_time = '09:60:00' WHERE trip_id = 'minutes' AND stop_sequence = '2';
UPDATE bad.stop_times SET departure_time = 'noon' WHERE trip_id = 'word' AND stop_sequence = '2';
UPDATE bad.stop_times SET departure_time = '-1:00:00' WHERE trip_id = 'negative' AND stop_sequence = '2';
UPDATE bad.stop_times SET arrival_time = '06:59:59' WHERE trip_id = 'fall' AND stop_sequence = '3';
UPDATE bad.stop_times SET arrival_time = '07:00:00', departure_time = '07:00:00' WHERE trip_id = 'small fall' AND stop_sequence = '3';
UPDATE bad.stop_times SET arrival_time = '', departure_time = ' ' WHERE trip_id = 'end' AND stop_sequence = '3';
UPDATE bad.stop_times SET stop_id = 'nowhere' WHERE trip_id = 'unknown stop' AND stop_sequence = '3';
UPDATE bad.stop_times SET stop_sequence = '2' WHERE trip_id = 'twice' AND stop_sequence = '3';
UPDATE bad.stop_times SET stop_sequence = '-3' WHERE trip_id = 'sequence' AND stop_sequence = '3';
UPDATE bad.stop_times SET pickup_type = '4' WHERE trip_id = 'pickup' AND stop_sequence = '3';
UPDATE bad.stop_times SET stop_id = repeat('l', 64) WHERE trip_id = 'long code' AND stop_sequence = '3';
INSERT INTO bad.stop_times SELECT 'many', 'A', n, n || ':00:00', n || ':00:00' FROM generate_series(1, 300) AS n;
INSERT INTO bad.frequencies VALUES ('headway', '08:00:00', '09:00:00', '-60'), ('headway 0', '08:00:00', '09:00:00', '0'), ('start', '8 o''clock', '09:00:00', '60'), ('too late', '8783:30:00', '8784:00:00', '60');
SELECT train, service_date, trip_id FROM ticket_import_gtfs('bad', '2031-06-01', '2031-06-01', 'GT-F') ORDER BY 1;

-- Formations by trip
CREATE TABLE bad.trip_formation (formation text, trip_id text);
DELETE FROM bad.trips WHERE trip_id NOT IN ('good', 'fall', 'small fall', 'word', 'pickup', 'end') OR trip_id IS NULL;
INSERT INTO bad.trip_formation VALUES ('GT-F', 'small fall'), ('GT-F', 'twice'), ('GT-X', 'good'), ('GT-BAD', 'headway'), ('GT-F', 'headway 0'), ('GT-G', 'headway 0'), ('', 'start');
INSERT INTO bad.trips VALUES ('twice', 's'), ('headway', 's'), ('headway 0', 's'), ('start', 's');
UPDATE bad.stop_times SET stop_sequence = 3 WHERE trip_id = 'twice' AND stop_id = 'C';
DELETE FROM bad.trips WHERE trip_id IN ('fall', 'word', 'pickup');
TRUNCATE bad.frequencies;
UPDATE bad.calendar_dates SET date = '20310602' WHERE service_id = 's';
SELECT train, service_date, trip_id FROM ticket_import_gtfs('bad', '2031-06-02', '2031-06-02') ORDER BY 1;

-- One clear error for what makes the call senseless
SELECT * FROM ticket_import_gtfs('feed', '2031-05-02', '2031-05-01', 'GT-F');
SELECT * FROM ticket_import_gtfs('feed', '-infinity', '2031-05-01', 'GT-F');
SELECT * FROM ticket_import_gtfs(NULL, '2031-05-01', '2031-05-01', 'GT-F');
SELECT * FROM ticket_import_gtfs('feed', NULL, '2031-05-01', 'GT-F');
SELECT * FROM ticket_import_gtfs('feed', '2031-05-01', '2031-05-01', 'GT-X');
SELECT * FROM ticket_import_gtfs('feed', '2031-05-01', '2031-05-01', 'GT-BAD');
SELECT * FROM ticket_import_gtfs('feed', '2031-05-01', '2031-05-01');
SELECT * FROM ticket_import_gtfs('nowhere', '2031-05-01', '2031-05-01', 'GT-F');
BEGIN;
ALTER TABLE bad.stop_times DROP COLUMN stop_id;
SELECT * FROM ticket_import_gtfs('bad', '2031-05-01', '2031-05-01', 'GT-F');
ROLLBACK;
BEGIN;
DROP TABLE bad.stops;
SELECT * FROM ticket_import_gtfs('bad', '2031-05-01', '2031-05-01', 'GT-F');
ROLLBACK;
BEGIN;
DROP TABLE bad.calendar, bad.calendar_dates;
SELECT * FROM ticket_import_gtfs('bad', '2031-05-01', '2031-05-01', 'GT-F');
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM ticket_import_gtfs('feed', '2031-05-01', '2031-05-01', 'GT-F');
ROLLBACK;
-- A feed with nothing that may be missing
BEGIN;
DROP TABLE bad.calendar, bad.frequencies;
ALTER TABLE bad.stops DROP COLUMN parent_station, DROP COLUMN stop_name;
ALTER TABLE bad.stop_times DROP COLUMN pickup_type, DROP COLUMN arrival_time;
UPDATE bad.calendar_dates SET date = '20310603' WHERE service_id = 's';
SELECT train, trip_id FROM ticket_import_gtfs('bad', '2031-06-03', '2031-06-03', 'GT-F') ORDER BY 1;
ROLLBACK;

-- A rollback takes all of it back, also to a savepoint.
BEGIN;
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-07', '2031-05-20', 'GT-F');
SAVEPOINT s;
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-21', '2031-06-20', 'GT-F');
ROLLBACK TO s;
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-21', '2031-06-20', 'GT-F');
SELECT count(*) FROM ticket_buy('E', 'A', 'B', 7, '2031-05-10');
ROLLBACK;
SELECT count(*) FROM ticket_departure WHERE service_date > '2031-05-11' AND trip_id <> 'small fall' AND train IN ('E', 'P 1');
SELECT * FROM ticket_verify();

-- Views of a feed, columns of other types of the server; a user's trigger may refuse some.
CREATE SCHEMA typed;
CREATE VIEW typed.stops AS SELECT stop_id::varchar(5) FROM feed.stops;
CREATE VIEW typed.trips AS SELECT trip_id::name, 1 AS service_id, 5 AS trip_short_name FROM feed.trips WHERE trip_id ~ '^m';
CREATE VIEW typed.stop_times AS SELECT trip_id, stop_sequence::int, stop_id::char(4), arrival_time::interval AS arrival_time FROM feed.stop_times;
CREATE VIEW typed.calendar_dates AS SELECT 1::smallint AS service_id, d::int AS date, 1 AS exception_type FROM unnest('{20310701,20310702}'::int[]) AS d;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.trip_id = 'm2' AND NEW.service_date = '2031-07-02' THEN RAISE 'no % today', NEW.train; END IF; RETURN NEW; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON ticket_departure FOR EACH ROW EXECUTE FUNCTION refuse();
SELECT train, service_date, trip_id FROM ticket_import_gtfs('typed', '2031-07-01', '2031-07-02', 'GT-F') ORDER BY 2, 1;
DROP TRIGGER refuse ON ticket_departure;
SELECT train, service_date, trip_id FROM ticket_import_gtfs('typed', '2031-07-01', '2031-07-02', 'GT-F') ORDER BY 2, 1;

-- The caller's rights read, the owner's write. Nothing of a feed is ever run: not by names, values, types or a search_path.
CREATE ROLE regress_ticket_gtfs;
GRANT USAGE ON SCHEMA feed TO regress_ticket_gtfs;
GRANT CREATE ON DATABASE regression_gtfs TO regress_ticket_gtfs;
SET ROLE regress_ticket_gtfs;
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-07', '2031-05-07', 'GT-F');
RESET ROLE;
GRANT EXECUTE ON FUNCTION ticket_import_gtfs TO regress_ticket_gtfs;
SET ROLE regress_ticket_gtfs;
SELECT count(*) FROM ticket_import_gtfs('bad', '2031-05-07', '2031-05-07', 'GT-F');
\set VERBOSITY terse
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-10', '2031-05-10', 'GT-F');
RESET ROLE;
GRANT SELECT ON feed.trips, feed.stop_times, feed.calendar, feed.frequencies TO regress_ticket_gtfs;
GRANT SELECT (stop_id, stop_name, parent_station) ON feed.stops TO regress_ticket_gtfs;
SET ROLE regress_ticket_gtfs;
SELECT count(*) FROM ticket_import_gtfs('feed', '2031-05-10', '2031-05-10', 'GT-F');
RESET ROLE;
\set VERBOSITY default
GRANT SELECT ON feed.calendar_dates TO regress_ticket_gtfs;
INSERT INTO feed.calendar_dates VALUES ('only', '20310517', '1');
ALTER TABLE feed.trips ENABLE ROW LEVEL SECURITY;
CREATE POLICY ends ON feed.trips USING (trip_id ~ 'end');
SET ROLE regress_ticket_gtfs;
SELECT train, trip_id FROM ticket_import_gtfs('feed', '2031-05-17', '2031-05-17', 'GT-F');
CREATE SCHEMA "h'os""tile; DROP TABLE ticket_order --";
SET search_path = "h'os""tile; DROP TABLE ticket_order --", pg_catalog, public;
CREATE TABLE stops (stop_id text, stop_name text, "parent_station" text);
CREATE TABLE trips (trip_id text, service_id text, "trip'; --" text);
CREATE TABLE stop_times (trip_id text, stop_id text, stop_sequence text, departure_time text);
CREATE TABLE calendar_dates (service_id text, date text, exception_type text);
INSERT INTO stops VALUES ('A''; --', $$'||(SELECT 1/0)||'$$, '$1'), ('B\', E'new\nline', '"');
INSERT INTO trips VALUES ($$t'); DROP TABLE x; --$$, 's', $$G"'\$1%s%n$$);
INSERT INTO stop_times VALUES ($$t'); DROP TABLE x; --$$, 'A''; --', '1', '8:00:00'), ($$t'); DROP TABLE x; --$$, 'B\', '2', '9:00:00');
INSERT INTO calendar_dates VALUES ('s', '20310801', '1');
CREATE FUNCTION hijack(anyelement) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'run by %', current_user; END $$;
CREATE FUNCTION btrim(text, text) RETURNS text LANGUAGE sql AS 'SELECT hijack($1)';
CREATE FUNCTION same(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'run by %', current_user; END $$;
CREATE OPERATOR = (LEFTARG = text, RIGHTARG = text, FUNCTION = same);
SELECT train, trip_id FROM public.ticket_import_gtfs($$h'os"tile; DROP TABLE ticket_order --$$, '2031-08-01', '2031-08-01', 'GT-F', $$trip'; --$$);
-- A view may run what it likes: as the caller, as in any query.
DROP OPERATOR = (text, text);
CREATE FUNCTION who() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT current_user::text';
ALTER TABLE calendar_dates RENAME TO dates;
CREATE VIEW calendar_dates AS SELECT service_id, date, exception_type, who() FROM dates;
ALTER TABLE stops RENAME TO places;
CREATE VIEW stops AS SELECT stop_id, who() AS stop_name, NULL::text AS parent_station FROM places;
UPDATE dates SET date = '20310802';
UPDATE stop_times SET stop_id = 'C"' WHERE stop_sequence = '2';
UPDATE places SET stop_id = 'C"' WHERE stop_id = 'B\';
SELECT train, trip_id FROM public.ticket_import_gtfs($$h'os"tile; DROP TABLE ticket_order --$$, '2031-08-01', '2031-08-02', 'GT-F', $$trip'; --$$);
-- A type of one's own would bring its own casts.
CREATE TYPE word AS ENUM ('s');
CREATE FUNCTION cast_word(word) RETURNS text LANGUAGE sql AS 'SELECT hijack(1)';
CREATE CAST (word AS text) WITH FUNCTION cast_word(word);
ALTER TABLE trips ALTER COLUMN service_id TYPE word USING 's';
SELECT train, trip_id FROM public.ticket_import_gtfs($$h'os"tile; DROP TABLE ticket_order --$$, '2031-08-01', '2031-08-02', 'GT-F', $$trip'; --$$);
RESET ROLE;
RESET search_path;
SELECT name FROM ticket_station WHERE station = 'C"';
SELECT train, stations FROM ticket_departure JOIN ticket_route USING (route_id, train) WHERE service_date >= '2031-08-01' ORDER BY service_date;
SELECT * FROM ticket_verify();
\c :home
DROP DATABASE regression_gtfs;
DROP ROLE regress_ticket_gtfs;
