-- ticket_buy: its arguments, its errors, its row.
INSERT INTO ticket_station (station, name, city) VALUES ('BUA', '甲站', '甲'), ('BUB', 'Buy B', 'B'), ('BUC', 'Buy twin', 'C'), ('BUD', 'Buy twin', 'D'), ('BUX', 'Buy X', 'X');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('BU1', 1, 'BUA', NULL, '8:00'), ('BU1', 3, 'BUB', '9:00', '9:02'), ('BU1', 5, 'BUC', '10:00', '10:05'), ('BU1', 9, 'BUD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('BU-F', '05', 'second', '{3A,3B}'), ('BU-2', '01', 'first', '{1A}'), ('BU-2', '02', 'second', '{1A,1B}');
SELECT ticket_open('BU1', '2031-05-01', 'BU-F') > 0 AS opened, ticket_open('BU1', '2031-05-02', 'BU-2') > 0 AS opened;

-- The whole row, by a name and a code.
SELECT order_id, created_at FROM ticket_buy('BU1', '甲站', 'BUC', 77, '2031-05-01') \gset
SELECT departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'BU1' AND service_date = '2031-05-01') AS departure,
       ticket_no, service_date, user_id, passenger_id, seat_class, coach, seat IN ('3A', '3B') AS seat, from_stop, to_stop, status, held_until, channel,
       request_id, created_at = :'created_at' AS created, changed_at, order_id > 0 AND order_id < 2::bigint ^ 53 AS good_id
FROM ticket_order WHERE order_id = :order_id;
-- Every argument by name. The rest of the row comes back as it is stored.
SELECT order_id, b AS answer FROM ticket_buy(request_id => '00000000-0000-0000-0000-000000000b01', channel => NULL, seat_choice => 'B', passengers => '{501}',
    seat_class => 'second', service_date => '2031-05-01', user_id => 78, to_station => 'BUD', from_station => 'BUC', train => 'BU1') AS b \gset
SELECT o::text = :'answer' AS same, ticket_no, user_id, passenger_id, from_stop, to_stop, request_id FROM ticket_order o WHERE order_id = :order_id;

-- Sold out is no row and no error: not for one, not for a party.
SELECT seat IS NOT NULL AS sold FROM ticket_buy('BU1', 'BUA', 'BUB', 1, '2031-05-01');
SELECT ticket_no, seat FROM ticket_buy('BU1', 'BUA', 'BUB', 1, '2031-05-01');
SELECT ticket_no, seat FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-01');
SELECT ticket_no, seat FROM ticket_buy('BU1', 'BUB', 'BUC', 1, '2031-05-01', passengers => '{1,2}');
SELECT seat IS NOT NULL AS last_stretch FROM ticket_buy('BU1', 'BUB', 'BUC', 1, '2031-05-01');
SELECT ticket_no, seat FROM ticket_buy('BU1', 'BUB', 'BUC', 1, '2031-05-01', passengers => (SELECT array_agg(n) FROM generate_series(1, 100000) AS n));

-- Errors in words
SELECT * FROM ticket_buy('BU1', 'BUB', 'BUA', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'Nowhere', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'Buy twin', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'third');
SELECT * FROM ticket_buy('BU9', 'BUA', 'BUD', 1, '2031-05-02');
SELECT * FROM ticket_buy('BU1', NULL, 'BUD', 1, '2031-05-02');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'first', channel => '');

-- and in codes. Train and date: TK001
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('BU9', 'BUA', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-30', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, 'infinity', 'first');
SELECT * FROM ticket_buy('bu1', 'BUA', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('', 'BUA', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy(repeat('B', 1000000), 'BUA', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1);
-- The trip: TK002 for the wrong order, one station, stations that the train does not call at, that do not exist, names of several
SELECT * FROM ticket_buy('BU1', 'BUD', 'BUA', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUA', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', '甲站', 'BUA', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUX', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'Buy X', 'BUB', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'Nowhere', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', '', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', repeat('甲', 100000), 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'Buy twin', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'Buy twin', 1, '2031-05-02', 'first');
-- The class: TK006 where it is missing or unknown
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', NULL);
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', '');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'third');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-01', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', repeat('x', 1000000));
-- Where none may be NULL: 22004
SELECT * FROM ticket_buy(NULL, 'BUA', 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', NULL, 'BUD', 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', NULL, 1, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', NULL, '2031-05-02', 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, NULL, 'first');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'first', '{1,NULL}');
-- Malformed: 22023
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'first', '{}');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'second', '{{1,2}}');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'second', '{{1},{2}}');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'first', channel => '');
SELECT * FROM ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-05-02', 'first', channel => repeat('x', 1000000));
SELECT ticket_remaining('BU1', 'BUA', 'BUD', '2031-05-02', channel => '');
-- ticket_remaining has the same errors, and no class means all of them.
SELECT ticket_remaining('BU9', 'BUA', 'BUD', '2031-05-02');
SELECT ticket_remaining('BU1', 'BUD', 'BUA', '2031-05-02');
SELECT ticket_remaining('BU1', 'BUA', 'Nowhere', '2031-05-02');
SELECT ticket_remaining('BU1', 'BUA', 'BUD', '2031-05-02', 'third');
SELECT ticket_remaining(NULL, 'BUA', 'BUD', '2031-05-02');
SELECT ticket_remaining('BU1', NULL, 'BUD', '2031-05-02');
SELECT ticket_remaining('BU1', 'BUA', NULL, '2031-05-02');
SELECT ticket_remaining('BU1', 'BUA', 'BUD', NULL);
\set VERBOSITY default
SELECT ticket_remaining('BU1', 'BUA', 'BUD', '2031-05-02') AS both, ticket_remaining('BU1', 'BUA', 'BUD', '2031-05-02', 'first') AS first,
       ticket_remaining(train => 'BU1', from_station => '甲站', to_station => 'BUB', service_date => '2031-05-02', seat_class => 'second') AS second;

-- A lower bound of arrays is no matter; users and passengers may be any number.
SELECT ticket_no, user_id, passenger_id FROM ticket_buy('BU1', 'BUA', 'BUB', -9223372036854775808, '2031-05-02', 'second', '[5:6]={0,9223372036854775807}');
-- Names and codes stay right when the stations change.
SELECT seat IS NOT NULL AS sold FROM ticket_buy('BU1', 'Buy B', 'BUC', 1, '2031-05-02', 'second');
UPDATE ticket_station SET name = 'Buy B2' WHERE station = 'BUB';
SELECT seat IS NOT NULL AS sold FROM ticket_buy('BU1', 'Buy B2', 'BUC', 1, '2031-05-02', 'second');
SELECT seat IS NOT NULL AS sold FROM ticket_buy('BU1', 'Buy B', 'BUC', 1, '2031-05-02', 'first');
BEGIN;
UPDATE ticket_station SET name = 'Buy B3' WHERE station = 'BUB';
SELECT from_stop FROM ticket_buy('BU1', 'Buy B3', 'BUC', 1, '2031-05-02', 'first');
ROLLBACK;
SELECT from_stop FROM ticket_buy('BU1', 'Buy B3', 'BUC', 1, '2031-05-02', 'first');

-- Wherever SQL lets a function be called.
SELECT ticket_open('BU1', d::date, 'BU-F') > 0 AS opened FROM generate_series('2031-06-01'::date, '2031-06-03', '1 day') AS d;
SELECT (ticket_buy('BU1', 'BUA', 'BUD', 1, '2031-06-01')).status;
SELECT b.status, u FROM generate_series(1, 3) AS u, ticket_buy('BU1', 'BUA', 'BUB', u, '2031-06-02') AS b;
SELECT u, b.status FROM generate_series(1, 3) AS u LEFT JOIN LATERAL ticket_buy('BU1', 'BUC', 'BUD', u, '2031-06-02') AS b ON true ORDER BY u;
PREPARE buy (text, text, bigint, date) AS SELECT status, user_id FROM ticket_buy('BU1', $1, $2, $3, $4);
EXECUTE buy ('BUA', 'BUB', 4, '2031-06-03');
EXECUTE buy ('BUB', 'BUC', 5, '2031-06-03');
DEALLOCATE buy;
DO $$
DECLARE t ticket_order;
BEGIN
    SELECT * INTO t FROM ticket_buy('BU1', 'BUC', 'BUD', 6, '2031-06-03');
    RAISE NOTICE '% % %', t.user_id, t.status, FOUND;
    FOR i IN 1..8 LOOP
        PERFORM FROM ticket_buy('BU1', 'BUA', 'BUD', 7, '2031-06-03');
        RAISE NOTICE 'whole trip: %', FOUND;
        EXIT WHEN NOT FOUND;
    END LOOP;
END $$;
WITH bought AS (SELECT * FROM ticket_buy('BU1', 'BUB', 'BUC', 8, '2031-06-02')) SELECT count(*), min(user_id) FROM bought;
SELECT train, service_date, seats, segments, free_seat_segments, claims_in_flight FROM ticket_pool WHERE train = 'BU1' ORDER BY service_date;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
