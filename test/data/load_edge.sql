-- Loads 44 awkward trains of India (2 to 118 stops, stations called at twice, up to a week on the way) and one formation for them:
-- 'SL', four sleeper coaches of 72 berths in nine bays of eight. Not into one database with load_sample.sql: station codes are
-- unique in one country only (HGH is Hangzhou East there, Haidergarh here).
-- usage: psql -v dir=test/data -f test/data/load_edge.sql        (dir: this folder, by default the current one)
\set ON_ERROR_STOP 1
\if :{?dir}
\else
\set dir .
\endif
SET client_encoding = 'UTF8';
BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TEMP TABLE sample_stop (train_no text, seq int, station_code text, station_name text, arrive time, depart time,
                               day_arr int, day_dep int, km numeric) ON COMMIT DROP;
\set copy '\\copy sample_stop FROM ''':dir'/small_edge_in2017_stops.csv'' (FORMAT csv, HEADER)'
:copy

-- Names are cut at 12 characters in the source: several stations may share one.
INSERT INTO ticket_station (station, name)
SELECT station_code, min(station_name) FROM sample_stop GROUP BY station_code;

INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT train_no, seq, station_code,
       arrive::interval + day_arr * interval '24 hours',
       depart::interval + day_dep * interval '24 hours'
FROM sample_stop;

INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'SL', 'S' || coach, 'sleeper',
       ARRAY(SELECT bay || berth FROM generate_series(1, 9) AS bay, unnest(string_to_array('ABCDEFGH', NULL)) AS berth
             ORDER BY bay, berth)
FROM generate_series(1, 4) AS coach;
COMMIT;
