-- A node of the benchmark: the timetable, the same on each node, and the trains that are on sale here.
-- For the first day, node 1 has all of the 24 trains; for the second, nodes 1 and 2 have 12 each; for
-- the third, each of four nodes has 6.
\set ON_ERROR_STOP 1
CREATE EXTENSION ticketpool;
SELECT ticket_node_set(:node) \g /dev/null
INSERT INTO ticket_station SELECT n, 'station ' || n FROM generate_series(1, 10) AS n;
INSERT INTO ticket_stop
SELECT train, n, n, CASE WHEN n > 1 THEN n * interval '10 min' + train * interval '20 min' END,
    CASE WHEN n < 10 THEN n * interval '10 min' + interval '2 min' + train * interval '20 min' END
FROM generate_series(1, 24) AS train, generate_series(1, 10) AS n;
INSERT INTO ticket_formation
SELECT 'bench', coach, 'second', ARRAY(SELECT line || letter FROM generate_series(1, 20) AS line, unnest('{A,B,C,D,F}'::text[]) AS letter)
FROM generate_series(1, 20) AS coach;
SELECT count(ticket_open(train::text, :'today'::date + day, 'bench'))
FROM generate_series(1, 24) AS train, (VALUES (1, 1), (2, 2), (3, 4)) AS spread (day, nodes)
WHERE train % nodes + 1 = :node \g /dev/null
SELECT count(ticket_remaining(train, '1', '10', service_date)) FROM ticket_departure \g /dev/null
