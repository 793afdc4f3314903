-- ticket_buy_many: many purchases in one call, each all or none by itself.
INSERT INTO ticket_station (station, name) VALUES ('BMA', 'Many A'), ('BMB', 'Many B'), ('BMC', 'Many C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('BM1', 1, 'BMA', NULL, '8:00'), ('BM1', 2, 'BMB', '9:00', '9:02'), ('BM1', 3, 'BMC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('BM-F', '01', 'second', '{1A,1B,1C}'), ('BM-2', '01', 'first', '{1A}'), ('BM-2', '02', 'second', '{1A,1B}'),
    ('BM-L', '01', 'second', array(SELECT r || l FROM generate_series(1, 200) AS r, unnest('{A,B,C,D,F}'::text[]) AS l));
SELECT ticket_open('BM1', '2032-07-01', 'BM-F') > 0 AS opened, ticket_open('BM1', '2032-07-02', 'BM-2') > 0 AS opened, ticket_open('BM1', '2032-07-03', 'BM-L') > 0 AS opened,
       ticket_open('BM1', '2032-07-04', 'BM-F', '2031-06-01') > 0 AS opened, ticket_open('BM1', '2032-07-05', 'BM-F') > 0 AS opened;
SELECT ticket_close('BM1', '2032-07-05');
CREATE FUNCTION many(who bigint, origin text, destination text, day date DEFAULT '2032-07-01', people bigint[] DEFAULT NULL, request uuid DEFAULT NULL, class text DEFAULT NULL, choice text DEFAULT NULL,
    channel text DEFAULT NULL) RETURNS ticket_request LANGUAGE sql AS $$ SELECT ROW('BM1', origin, destination, who, day, class, people, choice, channel, request)::ticket_request $$;

-- In order of the requests, tickets in order of number; what cannot be had has no row and stops nothing.
SELECT request_no, ticket_no, passenger_id, from_stop, to_stop, service_date, seat_class, coach, seat IS NOT NULL AS seat FROM ticket_buy_many(ARRAY[
    many(1, 'BMA', 'BMC', people => '{11,12}'), many(2, 'BMA', 'BMC', people => '{21,22}'), many(3, 'BMA', 'BMB'), many(4, 'BMA', 'BMB'), many(5, 'BMB', 'Many C')]);
SELECT user_id, ticket_no, passenger_id, status FROM ticket_order WHERE departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'BM1' AND service_date = '2032-07-01') ORDER BY 1, 2;
SELECT request_no, coach, seat, seat_class FROM ticket_buy_many(requests => ARRAY[many(6, 'BMA', 'BMC', '2032-07-02', class => 'second', choice => 'B', channel => 'agency')]);
SELECT seat, channel, status FROM ticket_order WHERE user_id = 6 AND service_date = '2032-07-02';
-- Different dates and classes; not on sale yet and any more are no errors.
SELECT request_no, service_date, seat_class FROM ticket_buy_many(ARRAY[many(7, 'BMA', 'BMB', '2032-07-03'), many(7, 'BMA', 'BMC', '2032-07-02', class => 'first'), many(7, 'BMA', 'BMC', '2032-07-04'),
    many(7, 'BMA', 'BMC', '2032-07-05'), many(7, 'BMA', 'BMB', '2032-07-03'), many(7, 'BMA', 'BMC', '2032-07-02', class => 'second'), many(7, 'BMA', 'BMC', '2032-07-02', class => 'second')]);
SELECT count(*) AS nothing FROM ticket_buy_many('{}');
SELECT * FROM ticket_verify();

-- Malformed ones are named by their number and fail the call, before anything is sold.
SELECT count(*) AS orders FROM ticket_order \gset
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03'), many(8, 'BMA', 'BMA', '2032-07-03')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03'), many(8, 'BMA', 'BMB', '2032-07-03'), ROW('BM9', 'BMA', 'BMB', 8, '2032-07-03', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-02')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03'), many(8, 'BMA', 'BMB', '2032-07-03', '{}')]);
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMB', 'BMA', '2032-07-03')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'nowhere', 'BMA', '2032-07-03')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-30')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-02', class => 'third')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03', choice => 'AB')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03', channel => '')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03', people => '{1,NULL}')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03', people => '{{1},{2}}')]);
SELECT * FROM ticket_buy_many(ARRAY[many(NULL, 'BMA', 'BMB', '2032-07-03')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, NULL, 'BMB', '2032-07-03')]);
SELECT * FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-03'), NULL]);
SELECT * FROM ticket_buy_many(NULL);
SELECT * FROM ticket_buy_many(ARRAY[ARRAY[many(8, 'BMA', 'BMB', '2032-07-03')], ARRAY[many(8, 'BMA', 'BMB', '2032-07-03')]]);
\set VERBOSITY default
SELECT count(*) - :orders AS sold FROM ticket_order;
SELECT ticket_remaining('BM1', 'BMA', 'BMB', '2032-07-03');
-- A party larger than the train is sold out, not malformed.
SELECT count(*) AS too_many FROM ticket_buy_many(ARRAY[many(8, 'BMA', 'BMB', '2032-07-02', people => '{1,2,3,4}', class => 'first')]);

-- One request twice, in a call and across calls, by itself and in a batch: the rows of the first.
SELECT request_no, ticket_no, passenger_id FROM ticket_buy_many(ARRAY[many(9, 'BMA', 'BMB', '2032-07-03', '{91,92}', '00000000-0000-0000-0000-0000000000f1'), many(9, 'BMA', 'BMB', '2032-07-03'),
    many(9, 'BMA', 'BMB', '2032-07-03', '{91,92}', '00000000-0000-0000-0000-0000000000f1'), many(9, 'BMA', 'BMB', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f2')]);
SELECT count(*) AS tickets FROM ticket_order WHERE user_id = 9 AND service_date = '2032-07-03';
SELECT request_no, ticket_no, passenger_id FROM ticket_buy_many(ARRAY[many(9, 'BMA', 'BMB', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f2'), many(9, 'BMA', 'BMB', '2032-07-03', '{91,92}', '00000000-0000-0000-0000-0000000000f1')]);
SELECT ticket_no, passenger_id FROM ticket_buy('BM1', 'BMA', 'BMB', 9, '2032-07-03', passengers => '{91,92}', request_id => '00000000-0000-0000-0000-0000000000f1');
SELECT count(*) AS tickets, count(DISTINCT order_id) AS orders FROM ticket_order WHERE user_id = 9 AND service_date = '2032-07-03';
-- It is another user's or another date's: a request of its own. For another trip: an error.
SELECT request_no FROM ticket_buy_many(ARRAY[many(10, 'BMA', 'BMB', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f2')]);
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy_many(ARRAY[many(9, 'BMB', 'BMC', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f2')]);
SELECT * FROM ticket_buy_many(ARRAY[many(11, 'BMA', 'BMB', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f3'), many(11, 'BMA', 'BMC', '2032-07-03', NULL, '00000000-0000-0000-0000-0000000000f3')]);
\set VERBOSITY default
SELECT count(*) AS tickets FROM ticket_order WHERE user_id = 11 AND service_date = '2032-07-03';
SELECT * FROM ticket_verify();

-- Thousands in one call, until nothing is left: of a thousand seats, some are sold over parts of the way.
SELECT ticket_open('BM1', '2032-07-06', 'BM-L') > 0 AS opened;
BEGIN;
SELECT count(*), min(request_no), max(request_no), count(DISTINCT request_no) AS requests FROM ticket_buy_many(array(SELECT many(100 + i, 'BMA', 'BMC', '2032-07-06') FROM generate_series(1, 3000) AS i));
SELECT ticket_remaining('BM1', 'BMA', 'BMC', '2032-07-06');
ROLLBACK;
SELECT ticket_remaining('BM1', 'BMA', 'BMC', '2032-07-06'), (SELECT count(*) FROM ticket_order WHERE service_date = '2032-07-06' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'BM1' AND service_date = '2032-07-06')) AS tickets;
SELECT count(*), count(DISTINCT (coach, seat, from_stop)) AS seats FROM ticket_buy_many(array(SELECT many(100 + i, CASE i % 2 WHEN 0 THEN 'BMA' ELSE 'BMB' END, CASE i % 2 WHEN 0 THEN 'BMB' ELSE 'BMC' END, '2032-07-06') FROM generate_series(1, 3000) AS i));
SELECT ticket_remaining('BM1', 'BMA', 'BMB', '2032-07-06') AS first, ticket_remaining('BM1', 'BMB', 'BMC', '2032-07-06') AS last;
SELECT count(*), count(DISTINCT order_id) AS orders FROM ticket_order WHERE service_date = '2032-07-06' AND status = 'sold' AND user_id > 100 AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'BM1' AND service_date = '2032-07-06');
SELECT * FROM ticket_verify();
-- Rolled back in part
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM ticket_buy_many(ARRAY[many(12, 'BMA', 'BMC', '2032-07-03'), many(12, 'BMA', 'BMC', '2032-07-03')]);
ROLLBACK TO a;
SELECT count(*) FROM ticket_buy_many(ARRAY[many(13, 'BMA', 'BMC', '2032-07-03')]);
COMMIT;
SELECT user_id, count(*) FROM ticket_order WHERE user_id IN (12, 13) AND service_date = '2032-07-03' GROUP BY 1;
DROP FUNCTION many;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
