-- The Beijing-Shanghai sample: 68 trains of three hours and more, formations of 8 and 16 coaches.
\set home :DBNAME
CREATE DATABASE regression_sample;
\c regression_sample
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
\set ECHO none
\set dir test/data
\i test/data/load_sample.sql
\set ECHO all
SET datestyle = 'ISO, YMD';
SELECT count(ticket_open(train, day::date, CASE WHEN stops <= 4 THEN 'CR400AF' ELSE 'CR400AF-A' END)) AS departures_opened
FROM (SELECT train, count(*) AS stops FROM ticket_stop WHERE train ~ '^G[0-9]+$' GROUP BY train) AS t, generate_series('2031-05-01'::date, '2031-05-02', '1 day') AS day;
SELECT train, service_date, from_stop, to_stop, departs, arrives, seat_class, remaining FROM ticket_search('北京南', '上海虹桥', '2031-05-01') LIMIT 6;
-- The model in plain SQL: of each train the pair of stops that is nearest, the earlier on a tie; by the day it leaves there.
CREATE TEMP VIEW search_model AS
SELECT d.train, d.service_date, t.from_station, t.to_station, t.from_stop, t.to_stop, d.service_date + t.departs AS departs, d.service_date + t.arrives AS arrives
FROM ticket_departure d JOIN
    (SELECT DISTINCT ON (a.train, a.station, b.station) a.train, a.station AS from_station, b.station AS to_station, a.stop_no AS from_stop, b.stop_no AS to_stop,
            coalesce(a.departs, a.arrives) AS departs, coalesce(b.arrives, b.departs) AS arrives
     FROM (SELECT *, row_number() OVER (PARTITION BY train ORDER BY stop_no) AS n FROM ticket_stop) a
     JOIN (SELECT *, row_number() OVER (PARTITION BY train ORDER BY stop_no) AS n FROM ticket_stop) b ON a.train = b.train AND a.n < b.n AND a.station <> b.station
     ORDER BY a.train, a.station, b.station, b.n - a.n, a.n) AS t USING (train);
SELECT count(*) AS found, count(*) FILTER (WHERE m.train IS NULL OR t.train IS NULL) AS differences FROM
    (SELECT f.station AS from_station, g.station AS to_station, t.* FROM ticket_station f, ticket_station g, ticket_trains(f.station, g.station, '2031-05-02') AS t) AS t
    FULL JOIN (SELECT * FROM search_model WHERE service_date = '2031-05-02') AS m USING (from_station, to_station, train, service_date, from_stop, to_stop, departs, arrives);
-- Sold with a mixed load, then counted: matrix, search and ticket_remaining say what the rows say.
SELECT setseed(0.5);
CREATE TEMP TABLE wish AS
SELECT train, f.station AS f, t.station AS t, CASE WHEN random() < 0.5 THEN 'second' WHEN random() < 0.5 THEN 'first' ELSE 'business' END AS class,
       1 + floor(random() * 5)::int AS party, CASE WHEN random() < 0.3 THEN 'F' WHEN random() < 0.3 THEN 'window' END AS choice, row_number() OVER () AS n
FROM (SELECT * FROM ticket_stop ORDER BY train, stop_no) f JOIN ticket_stop t USING (train), generate_series(1, 4)
WHERE f.stop_no < t.stop_no AND train IN ('G1', 'G3', 'G101', 'G102');
SELECT count(*) > 0 AS sold FROM wish, ticket_buy(train, f, t, n, '2031-05-01', class, (SELECT array_agg(i) FROM generate_series(1, party) AS i), choice);
SELECT count(*) AS wrong_party FROM (SELECT order_id FROM ticket_order JOIN wish ON n = user_id GROUP BY order_id, party HAVING count(*) <> party) AS x;
SELECT count(*) AS pairs_checked, count(*) FILTER (WHERE m.remaining <> seats - taken) AS wrong_in_matrix,
       count(*) FILTER (WHERE m.remaining <> ticket_remaining(train, m.from_station, m.to_station, '2031-05-01', class)) AS wrong_in_remaining,
       count(*) FILTER (WHERE m.remaining <> s.remaining) AS wrong_in_search
FROM ticket_departure d, unnest('{business,first,second}'::text[]) AS class, ticket_remaining_matrix(train, '2031-05-01', class) AS m,
    LATERAL (SELECT sum(cardinality(f.seats)) AS seats FROM ticket_formation f WHERE f.formation = d.formation AND f.seat_class = class) AS f,
    LATERAL (SELECT count(DISTINCT (coach, seat)) AS taken FROM ticket_order o
             WHERE o.departure_id = d.departure_id AND o.seat_class = class AND o.status = 'sold' AND o.from_stop < m.to_stop AND m.from_stop < o.to_stop) AS o,
    LATERAL (SELECT remaining FROM ticket_search(m.from_station, m.to_station, '2031-05-01') AS s WHERE s.train = d.train AND s.seat_class = class) AS s
WHERE d.service_date = '2031-05-01' AND d.train IN ('G1', 'G3', 'G101', 'G102');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
\c :home
DROP DATABASE regression_sample;
