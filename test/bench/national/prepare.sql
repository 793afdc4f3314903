-- For pgbench: the 100 busiest pairs of stations, and 10,000 trips by name, drawn from those on
-- sale.
CREATE TABLE national_pair AS
SELECT row_number() OVER () AS n, a, b, trains
FROM (SELECT f.station AS a, t.station AS b, count(DISTINCT f.train) AS trains
      FROM ticket_stop f JOIN ticket_stop t ON t.train = f.train AND t.stop_no > f.stop_no JOIN national_train r ON r.train = f.train
      WHERE runs_on(run_dates, '2016-03-10') AND f.station <> t.station GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 100) AS pair;
ALTER TABLE national_pair ADD PRIMARY KEY (n);
CREATE TABLE national_trip AS
SELECT row_number() OVER () AS n, d.train, d.service_date, f.station AS a, t.station AS b,
       (SELECT seat_class FROM ticket_formation AS c WHERE c.formation = d.formation ORDER BY seat_class DESC LIMIT 1) AS seat_class
FROM (SELECT * FROM ticket_departure ORDER BY random() LIMIT 10000) AS d
CROSS JOIN LATERAL (SELECT station, stop_no FROM ticket_stop WHERE train = d.train ORDER BY stop_no LIMIT 1) AS f
CROSS JOIN LATERAL (SELECT station, stop_no FROM ticket_stop WHERE train = d.train AND stop_no > f.stop_no AND station <> f.station ORDER BY random() LIMIT 1) AS t;
ALTER TABLE national_trip ADD PRIMARY KEY (n);
-- Every departure, in no order, with a trip over its first stretch.
CREATE TABLE national_all AS
SELECT row_number() OVER (ORDER BY hashint8(d.departure_id)) AS n, d.train, d.service_date, f.station AS a, t.station AS b
FROM ticket_departure AS d
JOIN LATERAL (SELECT station, stop_no FROM ticket_stop WHERE train = d.train ORDER BY stop_no LIMIT 1) AS f ON true
JOIN LATERAL (SELECT station FROM ticket_stop WHERE train = d.train AND stop_no > f.stop_no AND station <> f.station ORDER BY stop_no LIMIT 1) AS t ON true;
ALTER TABLE national_all ADD PRIMARY KEY (n);
VACUUM ANALYZE;
