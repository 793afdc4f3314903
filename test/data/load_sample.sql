-- Loads the Beijing-Shanghai sample: 27 stations, 68 G trains, and the Chinese EMU formations whose every seat is numbered.
-- usage: psql -v dir=test/data -f test/data/load_sample.sql      (dir: this folder, by default the current one)
-- The tables must be those of the extension, first in search_path; nothing of the sample may be in them yet.
\set ON_ERROR_STOP 1
\if :{?dir}
\else
\set dir .
\endif
SET client_encoding = 'UTF8';
BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TEMP TABLE sample_station (telecode text, name text, pinyin text, lat text, lon text) ON COMMIT DROP;
CREATE TEMP TABLE sample_train (train_no text, train_code text, variant int, class text, origin text, destination text,
                                n_stops int, run_dates text) ON COMMIT DROP;
CREATE TEMP TABLE sample_stop (train_no text, seq int, station_code text, station_name text, arrive time, depart time,
                               day_arr int, day_dep int, km numeric) ON COMMIT DROP;
CREATE TEMP TABLE sample_coach (line int GENERATED ALWAYS AS IDENTITY, series text, variant text, coach_no int, coach_type text,
                                class text, seats int, seat_letters text, full_rows int, leftover_seats int, source text) ON COMMIT DROP;
-- psql puts no variables into the arguments of \copy, but it runs a command that a variable holds.
\set copy '\\copy sample_station FROM ''':dir'/small_jinghu_stations.csv'' (FORMAT csv, HEADER)'
:copy
\set copy '\\copy sample_train FROM ''':dir'/small_jinghu_trains.csv'' (FORMAT csv, HEADER)'
:copy
\set copy '\\copy sample_stop FROM ''':dir'/small_jinghu_stops.csv'' (FORMAT csv, HEADER)'
:copy
\set copy '\\copy sample_coach (series, variant, coach_no, coach_type, class, seats, seat_letters, full_rows, leftover_seats, source) FROM ''':dir'/cn_emu_layouts.csv'' (FORMAT csv, HEADER)'
:copy

INSERT INTO ticket_station (station, name, city)
SELECT telecode, name, regexp_replace(name, '(虹桥|[东南西北])$', '') FROM sample_station;

-- Times count from midnight of the service date; hours, not days, so that they print as 25:10:00.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT t.train_code, s.seq, s.station_code,
       s.arrive::interval + s.day_arr * interval '24 hours',
       s.depart::interval + s.day_dep * interval '24 hours'
FROM sample_train t JOIN sample_stop s USING (train_no);

-- The first variant of a series has the series' name ('CR400AF'), another one the first word of its own too ('CR400AF-sample').
-- Rows are numbered on from class to class in one coach, so that no label comes twice there.
WITH variant AS (
    SELECT series, variant,
           CASE row_number() OVER (PARTITION BY series ORDER BY min(line))
               WHEN 1 THEN series ELSE series || '-' || substring(variant FROM '^[[:alnum:]]+') END AS formation
    FROM sample_coach
    GROUP BY series, variant
    HAVING bool_and(seat_letters IS NOT NULL OR seats = 0)
), coach AS (
    SELECT v.formation, c.coach_no, c.class, c.seats, c.seat_letters,
           coalesce(sum(ceil(c.seats::numeric / length(c.seat_letters)))
                    OVER (PARTITION BY v.formation, c.coach_no ORDER BY c.line
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)::int AS rows_before
    FROM sample_coach c JOIN variant v USING (series, variant)
    WHERE c.seats > 0
)
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT formation, to_char(coach_no, 'FM00'), class,
       ARRAY(SELECT rows_before + 1 + i / length(seat_letters) || substr(seat_letters, 1 + i % length(seat_letters), 1)
             FROM generate_series(0, seats - 1) AS i ORDER BY i)
FROM coach;
COMMIT;
