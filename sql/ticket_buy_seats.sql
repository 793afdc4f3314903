-- ticket_buy_seats, ticket_hold_seats: exactly the seats that the caller names.
INSERT INTO ticket_station (station, name) VALUES ('VSA', 'Very A'), ('VSB', 'Very B'), ('VSC', 'Very C'), ('VSD', 'Very D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('VS1', 1, 'VSA', NULL, '8:00'), ('VS1', 2, 'VSB', '9:00', '9:02'), ('VS1', 3, 'VSC', '10:00', '10:02'), ('VS1', 4, 'VSD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('VS-F', '01', 'first', '{1A,1C,2A,2C}', NULL), ('VS-F', '02', 'second', '{1A,1B,1C,1D,1F}', NULL), ('VS-F', 'x/3', 'second', '{1A,1B}', NULL),
    ('VS-F', '04', 'second', NULL, 2);
SELECT ticket_open('VS1', d::date, 'VS-F') > 0 AS opened FROM generate_series('2033-04-01'::date, '2033-04-05', '1 day') AS d;

-- One seat; the row is as one of ticket_buy.
SELECT b AS answer, order_id FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1C}', '2033-04-01') AS b \gset
SELECT o::text = :'answer' AS same, ticket_no, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, held_until, channel, request_id FROM ticket_order o WHERE order_id = :order_id;
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSB', 'VSD', 2, '{02/1C}', '2033-04-01');
SELECT coach, seat, from_stop, to_stop FROM ticket_buy_seats('VS1', 'VSC', 'VSD', 2, '{02/1C}', '2033-04-01');
-- Several, of two classes, in a coach whose name has a slash: ticket n is for passenger n, in the order named.
SELECT ticket_no, passenger_id, seat_class, coach, seat, status FROM ticket_buy_seats(train => 'VS1', from_station => 'Very A', to_station => 'VSD', user_id => 3, seats => '{x/3/1B,01/2C,02/1A,01/1A}', service_date => '2033-04-01', passengers => '{33,31,34,32}');
-- All for the user where no passengers are named.
SELECT ticket_no, user_id, passenger_id, coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 4, '{02/1D,02/1B}', '2033-04-01');
-- All or none: one of them is taken, wherever it is in the list.
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 5, '{02/1F,01/2A,01/1A}', '2033-04-01');
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 5, '{02/1A,02/1F,01/2A}', '2033-04-01');
SELECT count(*) AS had FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 5, '{02/1F,01/2A}', '2033-04-01');
SELECT ticket_remaining('VS1', 'VSA', 'VSD', '2033-04-01', 'first') AS first, ticket_remaining('VS1', 'VSA', 'VSD', '2033-04-01', 'second') AS second;
SELECT * FROM ticket_verify();

-- Held, paid, given up
SELECT order_id, status, held_until - now() BETWEEN '59 minutes' AND '61 minutes' AS soon FROM ticket_hold_seats('VS1', 'VSA', 'VSD', 6, '{01/1A,02/1A}', '2033-04-02', ttl => '1 hour') WHERE ticket_no = 1 \gset
SELECT :'status' AS status, :'soon' AS soon;
SELECT count(*) AS taken FROM ticket_hold_seats('VS1', 'VSA', 'VSB', 7, '{02/1A}', '2033-04-02');
SELECT ticket_no, seat_class, coach, seat, status FROM ticket_confirm(:order_id);
SELECT order_id FROM ticket_hold_seats('VS1', 'VSA', 'VSD', 6, '{01/1C}', '2033-04-02') \gset
SELECT held_until > now() AS later, status FROM ticket_order WHERE order_id = :order_id;
SELECT coach, seat, status FROM ticket_cancel(:order_id);
SELECT coach, seat, status FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 6, '{01/1C}', '2033-04-02');

-- In a transaction: what it refunded is free for it, and what it bought is not; a rollback gives back.
BEGIN;
SELECT order_id FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 8, '{02/1F,01/2A}', '2033-04-02') WHERE ticket_no = 1 \gset
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSB', 8, '{01/2A}', '2033-04-02');
SELECT status FROM ticket_refund(:order_id);
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 8, '{01/2A,01/2C,02/1F}', '2033-04-02');
SAVEPOINT s;
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSC', 'VSD', 8, '{01/2A,02/1F}', '2033-04-02');
ROLLBACK TO s;
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSC', 'VSD', 9, '{02/1F,01/2A}', '2033-04-02');
SELECT * FROM ticket_verify();
ROLLBACK;
SELECT ticket_remaining('VS1', 'VSA', 'VSD', '2033-04-02', 'first') AS first, ticket_remaining('VS1', 'VSA', 'VSD', '2033-04-02', 'second') AS second;

-- Quotas: the channel's own count, others' do not.
SELECT ticket_reserve('VS1', '2033-04-03', 'second', 'agency', 7, 'VSA', 'VSC') AS quota \gset
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSB', 1, '{02/1A}', '2033-04-03');
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSB', 1, '{02/1A}', '2033-04-03', channel => 'hotel');
SELECT count(*) AS beyond FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 1, '{02/1A}', '2033-04-03', channel => 'agency');
SELECT ticket_no, seat_class, coach, seat, channel FROM ticket_buy_seats('VS1', 'VSA', 'VSB', 1, '{x/3/1A,01/2A,02/1A}', '2033-04-03', channel => 'agency');
SELECT count(*) AS taken FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{01/1A,02/1A}', '2033-04-03', channel => 'agency');
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSB', 'VSC', 1, '{02/1A}', '2033-04-03', channel => 'agency');
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSC', 'VSD', 1, '{02/1A}', '2033-04-03');
BEGIN;
SELECT ticket_recycle(:quota);
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 2, '{02/1F,01/1A}', '2033-04-03');
SELECT * FROM ticket_verify();
COMMIT;
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 2, '{02/1D,01/1C}', '2033-04-03');
SELECT * FROM ticket_verify();

-- A request repeated: its rows, also for the same seats in another order, and after they are sold out.
SELECT order_id FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,01/1A}', '2033-04-04', passengers => '{11,12}', request_id => '00000000-0000-0000-0000-000000000001') WHERE ticket_no = 1 \gset
SELECT order_id = :order_id AS same, ticket_no, passenger_id, coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,01/1A}', '2033-04-04', passengers => '{11,12}', request_id => '00000000-0000-0000-0000-000000000001');
SELECT order_id = :order_id AS same, ticket_no, passenger_id, coach, seat FROM ticket_buy_seats('VS1', 'Very A', 'VSC', 1, '{01/1A,02/1A}', '2033-04-04', passengers => '{12,11}', request_id => '00000000-0000-0000-0000-000000000001');
SELECT count(*) AS refunded FROM ticket_refund(:order_id);
SELECT order_id = :order_id AS same, status FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{01/1A,02/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000001');
\set VERBOSITY terse
-- Other seats, another trip, train or number of passengers; another kind of purchase.
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,01/1C}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000001');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000001');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSB', 1, '{02/1A,01/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000001');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,01/1A}', '2033-04-04', passengers => '{11}', request_id => '00000000-0000-0000-0000-000000000001');
SELECT * FROM ticket_buy('VS1', 'VSA', 'VSC', 1, '2033-04-04', 'first', passengers => '{11,12}', request_id => '00000000-0000-0000-0000-000000000001');
SELECT count(*) FROM ticket_buy('VS1', 'VSA', 'VSC', 1, '2033-04-04', 'second', request_id => '00000000-0000-0000-0000-000000000002');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{01/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000002');
-- Taken: nothing was sold, so the request is free for another try.
SELECT order_id FROM ticket_hold_seats('VS1', 'VSA', 'VSC', 2, '{01/1A}', '2033-04-04') \gset
SELECT count(*) AS taken FROM ticket_hold_seats('VS1', 'VSA', 'VSC', 1, '{01/1C,01/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000003');
SELECT status FROM ticket_cancel(:order_id);
SELECT coach, seat, status FROM ticket_hold_seats('VS1', 'VSA', 'VSC', 1, '{01/1C,01/1A}', '2033-04-04', request_id => '00000000-0000-0000-0000-000000000003');
\set VERBOSITY default

-- Malformed: 22023, and 22004 for NULL.
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{{02/1A},{02/1B}}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,02/1B,02/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,02/1B}', '2033-04-05', passengers => '{1,2,3}');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05', passengers => '{1,2}');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,02/9A}', '2033-04-05');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{""}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{01/1B}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{04/}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{3/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A,NULL}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, NULL, '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', NULL, '{02/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats(NULL, 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', NULL);
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05', channel => '');
SELECT * FROM ticket_hold_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05', ttl => '0');
SELECT * FROM ticket_buy_seats('VS9', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05');
SELECT * FROM ticket_buy_seats('VS1', 'VSC', 'VSA', 1, '{02/1A}', '2033-04-05');
SELECT ticket_close('VS1', '2033-04-04');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-04');
\set VERBOSITY default
BEGIN READ ONLY;
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1A}', '2033-04-05');
ROLLBACK;

-- Rules are asked as for a purchase.
CREATE FUNCTION very_refused(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN 13 = ANY (passengers) THEN 'no seat for 13 of ' || cardinality(passengers) END $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.very_refused', 'ticket');
SELECT * FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1F,01/2A}', '2033-04-05', passengers => '{12,13}');
SELECT coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSC', 1, '{02/1F,01/2A}', '2033-04-05', passengers => '{12,14}');
DELETE FROM ticket_rule WHERE rule = 'public.very_refused';
DROP FUNCTION very_refused;

-- Labels of any text
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('VS-L', 'hall 1', 'any', '{F12,"Cabin 7",37,12下,"a,b"}');
SELECT ticket_open('VS1', '2033-04-06', 'VS-L') > 0 AS opened;
SELECT ticket_no, coach, seat FROM ticket_buy_seats('VS1', 'VSA', 'VSD', 1, '{hall 1/12下,hall 1/37,"hall 1/a,b",hall 1/Cabin 7}', '2033-04-06');
SELECT r.ticket_no, r.coach, r.seat FROM ticket_order o, ticket_reseat(o.order_id, '{1}', '{hall 1/F12}') AS r WHERE o.departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'VS1' AND service_date = '2033-04-06') AND o.ticket_no = 1;

-- A train of more than 64 segments: a seat is several words.
INSERT INTO ticket_station (station, name) SELECT 'VW' || i, 'Very wide ' || i FROM generate_series(1, 200) i;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) SELECT 'VW', i, 'VW' || i, make_interval(mins => i * 10), make_interval(mins => i * 10 + 1) FROM generate_series(1, 200) i;
SELECT ticket_open('VW', '2033-04-01', 'VS-F') > 0 AS opened;
SELECT coach, seat FROM ticket_buy_seats('VW', 'VW1', 'VW200', 1, '{02/1A,01/1A}', '2033-04-01');
SELECT coach, seat FROM ticket_buy_seats('VW', 'VW60', 'VW70', 1, '{02/1B}', '2033-04-01');
SELECT count(*) AS taken FROM ticket_buy_seats('VW', 'VW1', 'VW200', 1, '{01/1C,02/1B}', '2033-04-01');
SELECT coach, seat FROM ticket_buy_seats('VW', 'VW70', 'VW200', 1, '{01/1C,02/1B}', '2033-04-01');
SELECT ticket_remaining('VW', 'VW1', 'VW70', '2033-04-01', 'first') AS first, ticket_remaining('VW', 'VW1', 'VW60', '2033-04-01', 'second') AS second;
SELECT * FROM ticket_verify();
