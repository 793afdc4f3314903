-- Sells :orders tickets on each of 20 departures with many seats, for first_touch_time.sql.
CREATE TABLE touched AS
SELECT d.train, d.service_date, f.station AS a, (SELECT station FROM ticket_stop AS s WHERE s.train = d.train AND s.stop_no > f.stop_no ORDER BY s.stop_no LIMIT 1) AS b,
       (SELECT station FROM ticket_stop AS s WHERE s.train = d.train ORDER BY s.stop_no DESC LIMIT 1) AS z
FROM ticket_departure AS d JOIN ticket_stop AS f ON f.train = d.train AND f.stop_no = 1
WHERE d.formation = 'CR400AF-A' AND (SELECT count(*) FROM ticket_stop AS s WHERE s.train = d.train) >= 8 ORDER BY random() LIMIT 21;
-- Half of the orders are over the first stretch, the other half over the rest of the route, so each
-- seat is sold up to twice.
SELECT count(*) FROM touched, LATERAL (SELECT array_agg(ROW(train, CASE WHEN i % 2 = 0 THEN a ELSE b END, CASE WHEN i % 2 = 0 THEN b ELSE z END, i, service_date,
                                                             'second', NULL, NULL, NULL, NULL)::ticket_request) AS requests FROM generate_series(1, :orders) AS i) AS r,
  ticket_buy_many(requests);
