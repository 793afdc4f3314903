-- ticket_remaining_matrix against a model in plain SQL: for each pair of stops the seats that no live ticket meets.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'MX-F', coach, CASE coach WHEN '01' THEN 'first' ELSE 'second' END,
       ARRAY(SELECT r || l FROM generate_series(1, 4) AS r, unnest('{A,B,C,D,F}'::text[]) AS l ORDER BY r, l)
FROM unnest('{01,02,03}'::text[]) AS coach;
-- Trains of 2, 5, 65, 66, 130 and 257 stops: words of 64 segments begin and end there. Stop numbers have gaps.
INSERT INTO ticket_station (station, name) SELECT 'MX-' || n, 'MX-' || n FROM generate_series(1, 257) AS n;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT 'MX' || size, n * 3, 'MX-' || n, n * interval '10 minutes', n * interval '10 minutes'
FROM unnest('{2,5,65,66,130,257}'::int[]) AS size, generate_series(1, size) AS n;
SELECT train, ticket_open(train, '2031-05-01', 'MX-F') > 0 AS opened FROM (SELECT DISTINCT train FROM ticket_stop WHERE train ~ '^MX') AS t ORDER BY length(train), train;

CREATE FUNCTION matrix_differences(a_train text, a_class text) RETURNS bigint LANGUAGE sql AS $$
    WITH seat AS MATERIALIZED (
        SELECT count(*) AS seats FROM ticket_formation f, unnest(f.seats) WHERE formation = 'MX-F' AND (a_class IS NULL OR seat_class = a_class)
    ), live AS MATERIALIZED (
        SELECT o.coach || o.seat AS seat, o.from_stop, o.to_stop FROM ticket_order o JOIN ticket_departure d USING (departure_id)
        WHERE d.train = a_train AND o.status IN ('held', 'sold') AND (a_class IS NULL OR o.seat_class = a_class)
    ), model AS (
        SELECT a.station AS from_station, b.station AS to_station, a.stop_no AS from_stop, b.stop_no AS to_stop,
               (SELECT seats FROM seat) - count(DISTINCT live.seat) AS remaining
        FROM ticket_stop a JOIN ticket_stop b ON b.train = a.train AND b.stop_no > a.stop_no
            LEFT JOIN live ON live.from_stop < b.stop_no AND a.stop_no < live.to_stop
        WHERE a.train = a_train GROUP BY 1, 2, 3, 4
    )
    SELECT count(*) FROM model FULL JOIN ticket_remaining_matrix(a_train, '2031-05-01', a_class) AS m USING (from_station, to_station, from_stop, to_stop)
    WHERE m.remaining IS DISTINCT FROM model.remaining
$$;
-- Each pair once.
SELECT train, (SELECT count(*) FROM ticket_remaining_matrix(train, '2031-05-01', NULL)) = stops * (stops - 1) / 2 AS complete, matrix_differences(train, NULL) AS differences
FROM (SELECT train, count(*) AS stops FROM ticket_stop WHERE train ~ '^MX' GROUP BY train) AS t ORDER BY stops;

-- Trips of all lengths, parties, refunds, both classes, drawn with a fixed seed.
CREATE PROCEDURE matrix_sell(a_train text, trips int) LANGUAGE plpgsql AS $$
DECLARE
    stops int := (SELECT count(*) FROM ticket_stop WHERE train = a_train);
    a int;
    b int;
    bought bigint;
BEGIN
    FOR i IN 1..trips LOOP
        a := 1 + floor(random() * (stops - 1));
        b := CASE WHEN i % 3 = 0 THEN a + 1 ELSE a + 1 + floor(random() * (stops - a)) END;
        SELECT max(order_id) INTO bought FROM ticket_buy(a_train, 'MX-' || a, 'MX-' || b, i, '2031-05-01', CASE WHEN random() < 0.4 THEN 'first' ELSE 'second' END,
            passengers => CASE WHEN i % 4 = 0 THEN ARRAY[i, i + 1, i + 2]::bigint[] END);
        IF i % 5 = 0 AND bought IS NOT NULL THEN
            PERFORM ticket_refund(bought, CASE WHEN i % 10 = 0 THEN '{1}'::int[] END);
        END IF;
    END LOOP;
END $$;
SELECT setseed(0.42);
CALL matrix_sell('MX2', 30);
CALL matrix_sell('MX5', 100);
CALL matrix_sell('MX65', 150);
CALL matrix_sell('MX66', 150);
CALL matrix_sell('MX130', 120);
CALL matrix_sell('MX257', 120);
SELECT train, matrix_differences(train, 'second') AS second, CASE WHEN stops < 100 THEN matrix_differences(train, 'first') + matrix_differences(train, NULL) END AS others
FROM (SELECT train, count(*) AS stops FROM ticket_stop WHERE train ~ '^MX' GROUP BY train) AS t ORDER BY stops;
-- The same counts one by one.
SELECT train, count(*) AS pairs, count(*) FILTER (WHERE m.remaining <> ticket_remaining(train, m.from_station, m.to_station, '2031-05-01', 'second')) AS differences
FROM unnest('{MX2,MX5,MX66,MX130}'::text[]) AS train, ticket_remaining_matrix(train, '2031-05-01', 'second') AS m GROUP BY train ORDER BY pairs;

-- What the transaction refunded itself counts as free for it, by its own rows too; bought again it does not.
BEGIN;
SELECT count(*) > 0 AS refunded FROM (SELECT DISTINCT order_id FROM ticket_order JOIN ticket_departure USING (departure_id)
    WHERE train = 'MX130' AND ticket_order.status = 'sold' AND user_id % 3 = 0) AS o, ticket_refund(o.order_id);
SELECT matrix_differences('MX130', 'first') AS first, matrix_differences('MX130', 'second') AS second, matrix_differences('MX130', NULL) AS both;
CALL matrix_sell('MX130', 60);
SELECT matrix_differences('MX130', 'first') AS first, matrix_differences('MX130', 'second') AS second;
SELECT * FROM ticket_verify();
ROLLBACK;
SELECT matrix_differences('MX130', NULL);
BEGIN;
SELECT count(*) > 0 AS refunded FROM (SELECT DISTINCT order_id FROM ticket_order JOIN ticket_departure USING (departure_id)
    WHERE train = 'MX257' AND ticket_order.status = 'sold' AND user_id % 2 = 0) AS o, ticket_refund(o.order_id);
CALL matrix_sell('MX257', 40);
COMMIT;
SELECT matrix_differences('MX257', NULL);

\set VERBOSITY sqlstate
SELECT * FROM ticket_remaining_matrix('MX9', '2031-05-01', 'first');
SELECT * FROM ticket_remaining_matrix('MX2', '2031-05-02', 'first');
SELECT * FROM ticket_remaining_matrix('MX2', '2031-05-01', 'third');
SELECT * FROM ticket_remaining_matrix(NULL, '2031-05-01', 'first');
SELECT * FROM ticket_remaining_matrix('MX2', NULL, 'first');
DROP PROCEDURE matrix_sell;
DROP FUNCTION matrix_differences;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
