-- ticket_reform together with other calls, in one transaction and one after the other.
SET client_min_messages = warning;
SET ticketpool.allocation = 'first_fit';
DROP EXTENSION IF EXISTS ticketpool CASCADE;
CREATE EXTENSION ticketpool;
-- Of equal tickets that of the earlier order is placed first, by the order's number: whoever sold it.
ALTER SEQUENCE ticket_order_id_seq CACHE 1;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma'), ('D', 'Delta');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('T', 1, 'A', NULL, '8:00'), ('T', 2, 'B', '9:00', '9:02'), ('T', 3, 'C', '10:00', '10:02'), ('T', 4, 'D', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('old', '01', 'second', string_to_array('1A,1B,1C,1D', ','), NULL), ('old', '02', 'stand', NULL, 2),
    ('new', '11', 'second', string_to_array('1A,1B,1C,1D', ','), NULL), ('new', '12', 'stand', NULL, 2),
    ('large', '11', 'second', string_to_array('1A,1B,1C,1D,2A,2B', ','), NULL), ('large', '12', 'stand', NULL, 3),
    ('half', '01', 'second', string_to_array('1A,1B', ','), NULL), ('half', '21', 'second', string_to_array('1A,1B', ','), NULL), ('half', '12', 'stand', NULL, 2),
    ('stools', '31', 'second', NULL, 4);

CREATE FUNCTION tickets(day date) RETURNS TABLE (user_id bigint, ticket_no int, seat text, trip text, status text)
    LANGUAGE sql AS $$
    SELECT user_id, ticket_no, concat_ws('/', coach, o.seat), from_stop || '-' || to_stop, o.status FROM ticket_order o
    WHERE service_date = day ORDER BY user_id, created_at, ticket_no $$;
CREATE FUNCTION reform(formation text, day date, unseated text DEFAULT 'refuse')
    RETURNS TABLE (user_id bigint, ticket_no int, old text, new text, outcome text) LANGUAGE sql AS $$
    SELECT o.user_id, r.ticket_no, concat_ws('/', old_coach, old_seat), concat_ws('/', new_coach, new_seat), outcome
    FROM ticket_reform('T', day, formation, unseated) r JOIN ticket_order o USING (order_id, ticket_no) ORDER BY o.user_id, r.ticket_no $$;
CREATE FUNCTION buy(user_id bigint, day date, from_station text DEFAULT 'A', to_station text DEFAULT 'D', seat_class text DEFAULT 'second')
    RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws('/', coach, seat) FROM ticket_buy('T', from_station, to_station, user_id, day, seat_class) $$;
CREATE FUNCTION order_of(wanted bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT max(order_id) FROM ticket_order WHERE user_id = wanted $$;

-- Opened, sold and reformed in one transaction
BEGIN;
SELECT ticket_open('T', '2031-05-01', 'old') > 0 AS opened;
SELECT buy(1, '2031-05-01');
SELECT * FROM reform('new', '2031-05-01');
SAVEPOINT s;
SELECT buy(1, '2031-05-01');
ROLLBACK TO s;
COMMIT;
SELECT buy(2, '2031-05-01');
SELECT * FROM tickets('2031-05-01');
SELECT * FROM ticket_verify();
BEGIN;
SELECT ticket_open('T', '2031-05-02', 'old') > 0 AS opened;
SELECT * FROM reform('new', '2031-05-02');
ROLLBACK;
SELECT ticket_open('T', '2031-05-02', 'old') > 0 AS opened;
SELECT buy(1, '2031-05-02');
SELECT * FROM ticket_verify();

-- Savepoints: of two reforms the inner one is undone, then the outer one; the rest of the transaction buys again
BEGIN;
SELECT buy(2, '2031-05-02');
SAVEPOINT outside;
SELECT * FROM reform('new', '2031-05-02');
SAVEPOINT inside;
SELECT * FROM reform('half', '2031-05-02');
SELECT r.status FROM ticket_refund(order_of(1)) r;
ROLLBACK TO inside;
SELECT * FROM tickets('2031-05-02');
SELECT buy(3, '2031-05-02');
ROLLBACK TO outside;
SELECT buy(3, '2031-05-02');
SELECT r.status FROM ticket_refund(order_of(3)) r;
SELECT buy(4, '2031-05-02');
-- An error in the middle of it undoes it, too
DO $$ BEGIN PERFORM ticket_reform('T', '2031-05-02', 'large'); PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END $$;
SELECT buy(5, '2031-05-02');
RELEASE outside;
COMMIT;
SELECT * FROM tickets('2031-05-02');
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-02', 'second');
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('two', '41', 'second', string_to_array('1A,1B', ','));
-- Too few seats: nothing has changed
SELECT * FROM reform('two', '2031-05-02');
SELECT buy(7, '2031-05-02', seat_class => 'stand');
SELECT * FROM ticket_verify();

-- Who was told that it is sold out looks again
SELECT buy(8, '2031-05-02') FROM generate_series(1, 3);
SELECT count(*) FROM ticket_buy('T', 'A', 'D', 8, '2031-05-02', 'second');
SELECT count(*) FROM reform('large', '2031-05-02');
SELECT count(*) FROM ticket_buy('T', 'A', 'D', 8, '2031-05-02', 'second', ARRAY[81, 82]);
SELECT * FROM ticket_verify();

-- Two departures in one transaction
BEGIN;
SELECT user_id, new FROM reform('old', '2031-05-01');
SELECT count(*) FROM reform('half', '2031-05-02', 'refund');
COMMIT;
SELECT formation FROM ticket_departure ORDER BY service_date;
SELECT * FROM ticket_verify();

-- Other times and skipped stops, before it and in the same transaction
SELECT ticket_open('T', '2031-05-03', 'old') > 0 AS opened;
SELECT buy(1, '2031-05-03', 'B', 'D'), buy(2, '2031-05-03', 'A', 'B');
SELECT user_id FROM ticket_skip_stop('T', '2031-05-03', 'B') ORDER BY user_id;
SELECT * FROM reform('new', '2031-05-03');
SELECT buy(3, '2031-05-03', 'B', 'D');
SELECT buy(3, '2031-05-03', 'A', 'C');
SELECT * FROM ticket_verify();
UPDATE ticket_stop SET departs = '8:30' WHERE stop_no = 1;
BEGIN;
SELECT ticket_retime('T', '2031-05-03');
SELECT * FROM reform('half', '2031-05-03');
COMMIT;
SELECT buy(4, '2031-05-03', 'B', 'D');
SELECT departs, seat_class, remaining FROM ticket_search('A', 'D', '2031-05-03');
SELECT * FROM ticket_verify();
BEGIN;
SELECT count(*) FROM reform('old', '2031-05-03');
SELECT user_id FROM ticket_skip_stop('T', '2031-05-03', 'C') ORDER BY user_id;
COMMIT;
SELECT buy(5, '2031-05-03', 'C', 'D');
SELECT * FROM ticket_verify();
BEGIN;
SELECT count(*) FROM reform('new', '2031-05-03');
SELECT ticket_retime('T', '2031-05-03');
SELECT count(*) FROM reform('half', '2031-05-03');
ROLLBACK;
SELECT buy(5, '2031-05-03', 'C', 'D');
SELECT * FROM ticket_verify();
-- Closed in the same transaction, and after it
BEGIN;
SELECT ticket_close('T', '2031-05-03');
SELECT count(*) FROM reform('new', '2031-05-03');
COMMIT;
SELECT buy(5, '2031-05-03', 'A', 'D');
BEGIN;
SELECT count(*) FROM reform('old', '2031-05-01');
SELECT ticket_close('T', '2031-05-01');
COMMIT;
SELECT buy(5, '2031-05-01', 'A', 'D');
SELECT ticket_withdraw('T', '2031-05-01');
BEGIN;
SELECT count(*) FROM reform('large', '2031-05-02');
SELECT ticket_withdraw('T', '2031-05-02');
SELECT * FROM ticket_reform('T', '2031-05-02', 'old');
ROLLBACK;
SELECT buy(9, '2031-05-02', 'A', 'D');
SELECT * FROM ticket_verify();

-- Expired holds are paid late on other seats, if theirs have gone with their coach
SELECT ticket_open('T', '2031-05-04', 'old') > 0 AS opened;
SELECT count(*) FROM ticket_hold('T', 'A', 'D', 1, '2031-05-04', 'second', ARRAY[11, 12], ttl => '1 ms');
SELECT count(*) FROM ticket_hold('T', 'A', 'D', 2, '2031-05-04', 'stand', ttl => '1 ms');
SELECT count(*) FROM ticket_hold('T', 'A', 'D', 3, '2031-05-04', 'second', ttl => '1 ms');
SELECT pg_sleep(0.05), ticket_sweep() > 0 AS swept \gset
SELECT * FROM reform('new', '2031-05-04');
SELECT coach, seat, status FROM ticket_confirm(order_of(1));
SELECT coach, seat, status FROM ticket_confirm(order_of(2));
SELECT * FROM ticket_verify();
SELECT * FROM reform('stools', '2031-05-04');
SELECT count(*) FROM reform('stools', '2031-05-04', 'refund');
SELECT coach, seat, status FROM ticket_confirm(order_of(3));
SELECT * FROM tickets('2031-05-04');
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-04');

-- A request that comes back gets its rows, wherever they are now
SELECT ticket_open('T', '2031-05-05', 'old') > 0 AS opened;
SELECT coach, seat FROM ticket_buy_seats('T', 'A', 'D', 1, ARRAY['01/1B', '01/1A'], '2031-05-05', request_id => '00000000-0000-0000-0000-000000000001');
SELECT coach, seat FROM ticket_buy('T', 'A', 'D', 2, '2031-05-05', 'second', request_id => '00000000-0000-0000-0000-000000000002');
SELECT count(*) FROM reform('new', '2031-05-05');
SELECT coach, seat FROM ticket_buy_seats('T', 'A', 'D', 1, ARRAY['01/1A', '01/1B'], '2031-05-05', request_id => '00000000-0000-0000-0000-000000000001');
SELECT coach, seat FROM ticket_buy('T', 'A', 'D', 2, '2031-05-05', 'second', request_id => '00000000-0000-0000-0000-000000000002');
SELECT coach, seat FROM ticket_buy('T', 'B', 'D', 2, '2031-05-05', 'second', request_id => '00000000-0000-0000-0000-000000000002');
-- The very seat, another one, another passenger, a longer hold, an exchange: on the new seats
SELECT coach, seat FROM ticket_reseat(order_of(2), NULL, ARRAY['11/1D']);
SELECT coach, seat FROM ticket_reseat(order_of(2), NULL, ARRAY['01/1D']);
BEGIN;
SELECT count(*) FROM reform('half', '2031-05-05');
SAVEPOINT s;
SELECT coach, seat FROM ticket_reseat(order_of(2));
ROLLBACK TO s;
SELECT coach, seat FROM ticket_change(order_of(2), 'T', 'A', 'C', '2031-05-05');
ROLLBACK TO s;
SELECT coach, seat, passenger_id FROM ticket_transfer(order_of(2), 1, 22);
COMMIT;
SELECT coach, seat FROM ticket_change(order_of(2), 'T', 'A', 'C', '2031-05-05');
SELECT coach, seat, passenger_id FROM ticket_reseat(order_of(2));
SELECT * FROM ticket_verify();

-- Quotas of very seats keep them or get others; what is sold from a quota stays in it
SELECT ticket_open('T', '2031-05-06', 'old') > 0 AS opened;
SELECT ticket_reserve_seats('T', '2031-05-06', 'broken', ARRAY['01/1A']) > 0 AS blocked;
SELECT ticket_reserve_seats('T', '2031-05-06', 'agency', ARRAY['01/1B', '01/1C'], 'A', 'C') > 0 AS reserved;
SELECT coach, seat FROM ticket_buy('T', 'A', 'B', 1, '2031-05-06', 'second', channel => 'agency');
SELECT coach, seat FROM ticket_buy('T', 'C', 'D', 2, '2031-05-06', 'second');
SET client_min_messages = notice;
SELECT * FROM reform('half', '2031-05-06');
SELECT channel, seats, seat_list FROM ticket_reservation WHERE service_date = '2031-05-06' ORDER BY 1;
SELECT coach, seat FROM ticket_buy('T', 'B', 'C', 3, '2031-05-06', 'second', channel => 'agency');
SELECT * FROM reform('new', '2031-05-06');
SELECT channel, seats, seat_list FROM ticket_reservation WHERE service_date = '2031-05-06' ORDER BY 1;
SELECT * FROM ticket_verify();
-- They shrink, and a rollback gives them their seats back
BEGIN;
SELECT * FROM reform('two', '2031-05-06');
SELECT channel, status, seats, seat_list FROM ticket_reservation WHERE service_date = '2031-05-06' ORDER BY 1;
ROLLBACK;
SELECT channel, status, seats, seat_list FROM ticket_reservation WHERE service_date = '2031-05-06' ORDER BY 1;
SELECT * FROM ticket_verify();
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('one', '41', 'second', string_to_array('1A', ','));
SELECT * FROM reform('one', '2031-05-06');
SELECT * FROM reform('one', '2031-05-06', 'refund');
SELECT channel, status, seats, seat_list FROM ticket_reservation WHERE service_date = '2031-05-06' ORDER BY 1;
SELECT * FROM tickets('2031-05-06');
SELECT * FROM ticket_verify();
SET client_min_messages = warning;

-- Rows by hand: those of the new formation are claimed, those of the old one are refused
SELECT ticket_open('T', '2031-05-07', 'old') > 0 AS opened;
SELECT buy(1, '2031-05-07'), buy(2, '2031-05-07', seat_class => 'stand');
CREATE TABLE by_hand AS SELECT * FROM ticket_order WHERE service_date = '2031-05-07' AND user_id = 1;
UPDATE by_hand SET order_id = order_id + 1000, user_id = 3, passenger_id = 3, seat = '1C';
SELECT count(*) FROM reform('new', '2031-05-07');
INSERT INTO ticket_order SELECT * FROM by_hand;
UPDATE by_hand SET coach = '11';
INSERT INTO ticket_order SELECT * FROM by_hand;
UPDATE ticket_order SET seat = '1A' WHERE user_id = 3 AND service_date = '2031-05-07';
UPDATE ticket_order SET coach = '01' WHERE user_id = 3 AND service_date = '2031-05-07';
UPDATE ticket_order SET coach = '02' WHERE user_id = 2 AND service_date = '2031-05-07';
SELECT count(*) FROM ticket_buy('T', 'A', 'D', 4, '2031-05-07', 'second', ARRAY[41, 42, 43]);
SELECT count(*) FROM ticket_buy('T', 'A', 'D', 4, '2031-05-07', 'second', ARRAY[41, 42]);
SELECT * FROM ticket_verify();
-- An old ticket is over, and its row stays as it was; alive again it needs a seat that there is
SELECT count(*) FROM ticket_refund(order_of(1));
SELECT count(*) FROM reform('old', '2031-05-07');
UPDATE ticket_order SET status = 'sold' WHERE user_id = 1 AND service_date = '2031-05-07';
UPDATE ticket_order SET status = 'sold', coach = '01', seat = '1C' WHERE user_id = 1 AND service_date = '2031-05-07';
SELECT * FROM tickets('2031-05-07');
SELECT * FROM ticket_verify();
-- A quota by hand, too
INSERT INTO ticket_reservation (reservation_id, departure_id, service_date, seat_class, channel, seats, seat_list, from_stop, to_stop, status)
SELECT 1000, departure_id, service_date, 'second', 'x', 1, '{11/1D}', 1, 4, 'open' FROM ticket_departure WHERE service_date = '2031-05-07';
-- Rows that nobody checked (a seat of the old formation, one seat twice) are seated by the next reform
SET session_replication_role = replica;
ALTER TABLE ticket_order DISABLE TRIGGER USER;
UPDATE ticket_order SET coach = '99' WHERE user_id = 1 AND service_date = '2031-05-07';
ALTER TABLE ticket_order ENABLE TRIGGER USER;
RESET session_replication_role;
SELECT count(*) AS problems FROM ticket_verify();
SELECT * FROM reform('new', '2031-05-07');
SELECT * FROM ticket_verify();

-- Prepared transactions that are not decided are in the way; one that has taken a reform back is prepared
SELECT ticket_open('T', '2031-05-08', 'old') > 0 AS opened;
SELECT buy(1, '2031-05-08');
BEGIN;
SELECT buy(2, '2031-05-08');
PREPARE TRANSACTION 'buyer';
DO $$ BEGIN PERFORM ticket_reform('T', '2031-05-08', 'new'); EXCEPTION WHEN object_in_use THEN RAISE WARNING '%', sqlerrm; END $$;
SELECT buy(3, '2031-05-08');
COMMIT PREPARED 'buyer';
BEGIN;
SELECT r.status FROM ticket_refund(order_of(1)) r;
PREPARE TRANSACTION 'refund';
DO $$ BEGIN PERFORM ticket_reform('T', '2031-05-08', 'new'); EXCEPTION WHEN object_in_use THEN RAISE WARNING '%', sqlerrm; END $$;
ROLLBACK PREPARED 'refund';
BEGIN;
SAVEPOINT s;
SELECT count(*) FROM reform('new', '2031-05-08');
ROLLBACK TO s;
SELECT buy(4, '2031-05-08');
PREPARE TRANSACTION 'buyer';
COMMIT PREPARED 'buyer';
SELECT * FROM reform('new', '2031-05-08');
SELECT * FROM ticket_verify();
DROP FUNCTION tickets, reform, buy, order_of;
DROP TABLE by_hand;
