-- Loads every C, D and G train of China (March 2016) and every train of India (December 2017) into
-- the tables of timetables and formations. usage: psql -v part=100 -f load.sql, in the folder that
-- has the copy "data" of test/data
--        (part: per cent of the trains)
\set ON_ERROR_STOP 1
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
\set dir data
\i data/load_sample.sql
-- The sample was loaded for its formations. Its trains are among those that follow.
DELETE FROM ticket_stop;
DELETE FROM ticket_station;

CREATE TABLE raw_stop (train text, seq int, station text, name text, arrive time, depart time, day_arr int, day_dep int, km numeric);
CREATE TABLE cn_train (train text, train_code text, variant int, class text, origin text, destination text, n_stops int, run_dates text);
CREATE TABLE in_train (train text, name text, origin text, destination text, n_stops int);
CREATE TABLE coach_capacity (country text, class text, coach text, places int, layout text, source text);
\copy cn_train FROM PROGRAM 'gzip -dc data/cn2016hs_trains.csv.gz' (FORMAT csv, HEADER)
\copy in_train FROM PROGRAM 'gzip -dc data/in2017_trains.csv.gz' (FORMAT csv, HEADER)
\copy coach_capacity FROM data/coach_capacity.csv (FORMAT csv, HEADER)

-- Station codes are unique in one country only.
\copy raw_stop FROM PROGRAM 'gzip -dc data/in2017_stops.csv.gz' (FORMAT csv, HEADER)
UPDATE raw_stop SET station = 'IN-' || station;
\copy raw_stop FROM PROGRAM 'gzip -dc data/cn2016hs_stops.csv.gz' (FORMAT csv, HEADER)
DELETE FROM raw_stop WHERE abs(hashtext(train)) % 100 >= :part;
INSERT INTO ticket_station (station, name) SELECT station, min(name) FROM raw_stop GROUP BY station;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT train, seq, station, arrive::interval + day_arr * interval '24 hours', depart::interval + day_dep * interval '24 hours' FROM raw_stop;

-- Indian formations: coaches as coach_capacity.csv has them, in rows of eight berths or seats;
-- general coaches have unnumbered places. The number of coaches of each kind is made up here.
CREATE TABLE plan (formation text, seat_class text, class text, coach text, coaches int);
INSERT INTO plan VALUES
  ('IN-rajdhani', '1A', '1A', 'standard coach', 1), ('IN-rajdhani', '2A', '2A', 'LHB', 5), ('IN-rajdhani', '3A', '3A', 'LHB', 11),
  ('IN-shatabdi', 'CC', 'CC', 'LHB LWSCZAC (Shatabdi)', 14),
  ('IN-express', '2A', '2A', 'ICF', 2), ('IN-express', '3A', '3A', 'ICF', 4), ('IN-express', 'SL', 'SL', 'ICF', 10),
  ('IN-express', 'GEN', 'GEN', 'unreserved second class', 3),
  ('IN-passenger', '2S', '2S', 'ICF since 1995', 4), ('IN-passenger', 'GEN', 'GEN', 'unreserved second class', 6);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places)
SELECT formation, seat_class || '-' || n, seat_class,
       CASE WHEN seat_class <> 'GEN' THEN ARRAY(SELECT i / 8 + 1 || chr(65 + i % 8) FROM generate_series(0, places - 1) AS i ORDER BY i) END,
       CASE WHEN seat_class = 'GEN' THEN places END
FROM plan JOIN coach_capacity USING (class, coach), generate_series(1, coaches) AS n WHERE country = 'IN';

-- Which formation each train runs with, and on which days (run_dates: ALL, or days and ranges from
-- 2016-01-30 to 2016-03-29). Day 0 is 2016-03-10.
CREATE FUNCTION runs_on(run_dates text, day date) RETURNS boolean LANGUAGE sql IMMUTABLE AS
$$ SELECT run_dates = 'ALL' OR EXISTS (SELECT FROM unnest(string_to_array(run_dates, ';')) AS stretch
     WHERE day BETWEEN split_part(stretch, '..', 1)::date AND coalesce(nullif(split_part(stretch, '..', 2), ''), stretch)::date) $$;
CREATE TABLE national_train AS
SELECT train, run_dates, CASE WHEN train LIKE 'G%' THEN CASE WHEN n_stops <= 4 THEN 'CR400AF' ELSE 'CR400AF-A' END
                              WHEN train LIKE 'D%' THEN 'CRH2A' ELSE 'CRH380B' END AS formation
FROM cn_train WHERE abs(hashtext(train)) % 100 < :part
UNION ALL
SELECT train, 'ALL', CASE WHEN name ~ 'RAJ(DHANI)?\M' THEN 'IN-rajdhani' WHEN name ~ 'SHT?A?TA?BDI|JAN ?SHT' THEN 'IN-shatabdi'
                          WHEN name ~ '\m(PASS?|PA|PASSE.*|P|EMU|MEMU?|DE?MU|LO?C?A?L?|FAST)\M' THEN 'IN-passenger' ELSE 'IN-express' END
FROM in_train WHERE abs(hashtext(train)) % 100 < :part;
ANALYZE;
