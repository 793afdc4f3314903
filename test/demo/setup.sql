-- What is only in the demo: a seller that may call functions but not touch any of the extension's
-- tables, and what its customers want.
\set ON_ERROR_STOP 1
CREATE ROLE seller LOGIN;
GRANT EXECUTE ON FUNCTION ticket_buy, ticket_refund, ticket_search, ticket_remaining TO seller;

-- Every trip of every train on sale, the nearest days first: pgbench picks from the top more often.
CREATE TABLE demo_wish (n int PRIMARY KEY, train text, from_station text, to_station text, service_date date, seat_class text);
INSERT INTO demo_wish
SELECT row_number() OVER (ORDER BY d.service_date, random()), d.train, a.station, b.station, d.service_date,
       CASE WHEN random() < 0.03 THEN 'business' WHEN random() < 0.1 THEN 'first' ELSE 'second' END
FROM ticket_departure d JOIN ticket_stop a USING (train) JOIN ticket_stop b USING (train)
WHERE a.stop_no < b.stop_no AND d.service_date > CURRENT_DATE;
ANALYZE demo_wish;
GRANT SELECT ON demo_wish TO seller;
