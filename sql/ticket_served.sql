-- ticket_served: the stations of what is on sale, each once a day.
INSERT INTO ticket_station (station, name) VALUES ('SVA', 'Served A'), ('SVB', 'Served B'), ('SVD', 'Served D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('SV1', 1, 'SVA', NULL, '8:00'), ('SV1', 2, 'SVB', '9:00', '9:02'), ('SV1', 3, 'SVC', '10:00', NULL),
    ('SV2', 1, 'SVB', NULL, '20:00'), ('SV2', 2, 'SVD', '33:00', NULL),
    ('SV3', 1, 'SVA', NULL, '8:00'), ('SV3', 2, 'SVB', '9:00', '9:02'), ('SV3', 3, 'SVA', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('SV-F', '01', 'second', '{1A}');
SELECT count(*) AS nothing FROM ticket_served() WHERE station LIKE 'SV_';
SET client_min_messages = warning;
SELECT ticket_open('SV1', '2032-09-01', 'SV-F') > 0 AND ticket_open('SV3', '2032-09-01', 'SV-F') > 0 AND ticket_open('SV2', '2032-09-02', 'SV-F', '2032-08-01') > 0 AS opened;
RESET client_min_messages;
-- Names where there are any; a departure whose sale is yet to begin counts.
SELECT * FROM ticket_served() WHERE station LIKE 'SV_';
SELECT station, service_date FROM ticket_served('SV3');
SELECT station, name FROM ticket_served(service_date => '2032-09-02');
SELECT count(*) FROM ticket_served('SV1', '2032-09-01') AS a, ticket_served('SV1', '2032-09-02') AS b;
SELECT count(*) AS none FROM ticket_served('no train');
-- Closed by hand or by the clock, withdrawn: not on sale.
SELECT ticket_close('SV3', '2032-09-01');
SELECT string_agg(station, ' ') FROM ticket_served(service_date => '2032-09-01');
SELECT ticket_withdraw('SV2', '2032-09-02');
SELECT count(*) AS none FROM ticket_served(service_date => '2032-09-02');
UPDATE ticket_departure SET closes_at = '2032-01-01' WHERE train = 'SV1';
SELECT count(*) AS still FROM ticket_served('SV1');
UPDATE ticket_departure SET closes_at = now() - interval '1 second' WHERE train = 'SV1';
SELECT count(*) AS none FROM ticket_served() WHERE station LIKE 'SV_';
UPDATE ticket_departure SET closes_at = NULL WHERE train = 'SV1';
-- Past: once the day of the last stop is.
SET client_min_messages = warning;
SELECT count(ticket_open(train, CURRENT_DATE - days, 'SV-F', '2020-01-01')) AS opened FROM unnest('{SV1,SV2}'::text[]) AS train, unnest('{0,1,2}'::int[]) AS days;
RESET client_min_messages;
SELECT CURRENT_DATE - service_date AS days_ago, string_agg(station, ' ' ORDER BY station) FROM ticket_served() WHERE service_date <= CURRENT_DATE AND station LIKE 'SV_' GROUP BY 1 ORDER BY 1;
SELECT count(*) AS past FROM ticket_served(service_date => CURRENT_DATE - 2) WHERE station LIKE 'SV_';
-- In read-only transactions
BEGIN READ ONLY;
SELECT count(*) FROM ticket_served(service_date => '2032-09-01');
COMMIT;
-- Nobody's but the owner's
CREATE ROLE regress_ticket_nobody;
SET ROLE regress_ticket_nobody;
\set VERBOSITY sqlstate
SELECT * FROM ticket_served();
RESET ROLE;
\set VERBOSITY default
-- It needs no right on a table.
GRANT EXECUTE ON FUNCTION ticket_served, ticket_get, ticket_unsettled TO regress_ticket_nobody;
SET ROLE regress_ticket_nobody;
SELECT count(*) FROM ticket_served(service_date => '2032-09-01');
SELECT count(*) FROM ticket_get(1);
SELECT count(*) >= 0 AS may FROM ticket_unsettled();
RESET ROLE;
DROP OWNED BY regress_ticket_nobody;
DROP ROLE regress_ticket_nobody;
SELECT count(ticket_withdraw(train, service_date)) AS withdrawn FROM ticket_departure WHERE train LIKE 'SV_' AND status = 'open';
