-- Real timetables with awkward trains: 118 stops, stations called at twice, a week on the way.
\set home :DBNAME
CREATE DATABASE regression_edge;
\c regression_edge
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
\set ECHO none
\set dir test/data
\i test/data/load_edge.sql
\set ECHO all
SELECT count(*) AS stations FROM ticket_station;
SELECT count(DISTINCT train) AS trains, max(stop_no) AS longest FROM ticket_stop;
SELECT count(ticket_open(train, day::date, 'SL')) FROM (SELECT DISTINCT train FROM ticket_stop) AS t, generate_series('2031-05-01'::date, '2031-05-05', '1 day') AS day;
-- The model in plain SQL: of each train each call with its next call at the other station, by the day it leaves there.
CREATE TEMP VIEW search_model AS
SELECT d.train, d.service_date, t.from_station, t.to_station, t.from_stop, t.to_stop, d.service_date + t.departs AS departs, d.service_date + t.arrives AS arrives
FROM ticket_departure d JOIN
    (SELECT DISTINCT ON (a.train, a.stop_no, b.station) a.train, a.station AS from_station, b.station AS to_station, a.stop_no AS from_stop, b.stop_no AS to_stop,
            coalesce(a.departs, a.arrives) AS departs, coalesce(b.arrives, b.departs) AS arrives
     FROM (SELECT *, row_number() OVER (PARTITION BY train ORDER BY stop_no) AS n FROM ticket_stop) a
     JOIN (SELECT *, row_number() OVER (PARTITION BY train ORDER BY stop_no) AS n FROM ticket_stop) b ON a.train = b.train AND a.n < b.n AND a.station <> b.station
     ORDER BY a.train, a.stop_no, b.station, b.n) AS t USING (train);
-- Many pairs of stations of long trains and round trips, on each day that any of them leaves.
CREATE TEMP TABLE pair AS
SELECT from_station, to_station, day::date AS day FROM (SELECT DISTINCT from_station, to_station FROM search_model m
      WHERE train IN ('53041', '13007', '15905', '79445', '64091', '290', '52595')) AS p, generate_series('2031-05-01'::date, '2031-05-11', '1 day') AS day
WHERE hashtext(from_station || to_station) % 23 = 0 OR from_station = 'DSJ';
SELECT count(*) > 500 AS many FROM pair;
CREATE TEMP TABLE found AS
SELECT p.*, t.* FROM pair p, ticket_trains(p.from_station, p.to_station, p.day) WITH ORDINALITY AS t (train, service_date, from_stop, to_stop, departs, arrives, n);
SELECT count(*) > 200 AS many, count(*) FILTER (WHERE service_date < day) > 0 AS night_trains, count(*) FILTER (WHERE departs::date <> day) AS wrong_day FROM found;
SELECT count(*) AS differences FROM
    (SELECT from_station, to_station, train, service_date, from_stop, to_stop, departs, arrives FROM found) AS f
    FULL JOIN (SELECT m.* FROM search_model m JOIN pair p ON p.from_station = m.from_station AND p.to_station = m.to_station AND p.day = m.departs::date) AS m
    USING (from_station, to_station, train, service_date, from_stop, to_stop, departs, arrives)
WHERE f.train IS NULL OR m.train IS NULL;
SELECT count(*) AS out_of_order FROM (SELECT departs < lag(departs) OVER (PARTITION BY from_station, to_station, day ORDER BY n) AS wrong FROM found) AS o WHERE wrong;
SELECT count(*) AS differences FROM pair p, LATERAL (SELECT (SELECT count(*) FROM ticket_search(p.from_station, p.to_station, p.day)) AS a,
    (SELECT count(*) FROM ticket_trains(p.from_station, p.to_station, p.day)) AS b) AS c WHERE a <> b;

-- The longest: 117 segments, two words a seat. The whole way, a stretch across the words, the ends.
SELECT from_stop, to_stop FROM ticket_buy('53041', (SELECT station FROM ticket_stop WHERE train = '53041' AND stop_no = 1),
    (SELECT station FROM ticket_stop WHERE train = '53041' AND stop_no = 118), 1, '2031-05-01');
SELECT from_stop, to_stop FROM ticket_buy('53041', (SELECT station FROM ticket_stop WHERE train = '53041' AND stop_no = 60),
    (SELECT station FROM ticket_stop WHERE train = '53041' AND stop_no = 70), 1, '2031-05-01', passengers => '{1,2,3}');
SELECT from_stop, to_stop, remaining FROM ticket_remaining_matrix('53041', '2031-05-01', 'sleeper')
WHERE (from_stop, to_stop) IN ((1, 118), (1, 60), (59, 61), (64, 65), (65, 66), (69, 70), (70, 71), (117, 118)) ORDER BY 1, 2;
-- A round trip: out from the first call.
SELECT train, from_stop, to_stop FROM ticket_trains('DSJ', 'JP', '2031-05-01');
SELECT stop_no, station FROM ticket_stop WHERE train = '290' AND station = 'DSJ' ORDER BY 1;
-- Every segment of every train, where station names leave no choice.
SELECT count(*) AS segments, count(b.seat) AS sold, count(*) FILTER (WHERE b.from_stop <> s.stop_no OR b.to_stop <> s.next_no) AS other_pair
FROM (SELECT train, stop_no, station, lead(station) OVER w AS next, lead(stop_no) OVER w AS next_no FROM ticket_stop WINDOW w AS (PARTITION BY train ORDER BY stop_no)) AS s
    LEFT JOIN LATERAL ticket_buy(s.train, s.station, s.next, 1, '2031-05-03') AS b ON true
WHERE s.next IS NOT NULL AND s.station <> s.next AND NOT EXISTS (SELECT FROM ticket_stop x WHERE x.train = s.train AND x.stop_no <> s.stop_no AND x.station = s.station)
  AND NOT EXISTS (SELECT FROM ticket_stop x WHERE x.train = s.train AND x.stop_no <> s.next_no AND x.station = s.next);

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
\c :home
DROP DATABASE regression_edge;
