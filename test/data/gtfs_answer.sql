-- What a feed itself says of its busiest pairs of stations, read from its tables without the extension: table feed_answer. Times
-- that are left out, frequencies and exact stop types are for feeds in which the pairs do not need them.
-- usage: psql -v schema=FEED -v first=DAY -v last=DAY -v import_first=DAY -v pairs=N -f gtfs_answer.sql
-- The days of travel are first to last; runs before import_first do not count.
SET search_path = :"schema";
CREATE TEMP TABLE run AS
SELECT trip_id, day FROM trips JOIN
    (SELECT service_id, d::date AS day FROM calendar, generate_series(:'import_first'::date, :'last'::date, '1 day') AS d
     WHERE d::date BETWEEN start_date::date AND end_date::date AND (ARRAY[monday, tuesday, wednesday, thursday, friday, saturday, sunday])[extract(isodow FROM d)::int] = '1'
     UNION SELECT service_id, date::date FROM calendar_dates WHERE exception_type = '1'
     EXCEPT SELECT service_id, date::date FROM calendar_dates WHERE exception_type = '2') AS s USING (service_id)
WHERE day BETWEEN :'import_first' AND :'last';
CREATE TEMP TABLE call AS
SELECT trip_id, stop_sequence::int AS n, coalesce(nullif(parent_station, ''), stop_id) AS station, nullif(arrival_time, '')::interval AS arrives, nullif(departure_time, '')::interval AS departs
FROM stop_times JOIN stops USING (stop_id);
CREATE TEMP TABLE trip_pair AS
SELECT DISTINCT ON (a.trip_id, a.n, b.station) a.trip_id, a.station AS from_station, b.station AS to_station, a.n AS from_stop, b.n AS to_stop,
       coalesce(a.departs, a.arrives) AS departs, coalesce(b.arrives, b.departs) AS arrives
FROM call a JOIN call b ON a.trip_id = b.trip_id AND a.n < b.n AND a.station <> b.station ORDER BY a.trip_id, a.n, b.station, b.n;
ANALYZE run, trip_pair;
CREATE TEMP TABLE pair AS
SELECT from_station, to_station FROM trip_pair JOIN run USING (trip_id) WHERE (day + departs)::date BETWEEN :'first' AND :'last' GROUP BY 1, 2 ORDER BY count(*) DESC, 1, 2 LIMIT :pairs;
RESET search_path;
CREATE TABLE feed_answer AS
SELECT from_station, to_station, (day + departs)::date AS travel_date, trip_id, day AS service_date, from_stop, to_stop, day + departs AS departs, day + arrives AS arrives
FROM pair JOIN trip_pair USING (from_station, to_station) JOIN run USING (trip_id) WHERE (day + departs)::date BETWEEN :'first' AND :'last';
CREATE TABLE ticketpool_answer AS
SELECT from_station, to_station, day::date AS travel_date, trip_id, service_date, t.from_stop, t.to_stop, t.departs, t.arrives
FROM pair, generate_series(:'first'::date, :'last'::date, '1 day') AS day, ticket_search(from_station, to_station, day::date) AS t JOIN ticket_departure USING (train, service_date);
