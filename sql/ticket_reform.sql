-- ticket_reform: other rolling stock for a departure that is on sale.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS ticketpool CASCADE;
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma'), ('D', 'Delta');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('T', 1, 'A', NULL, '8:00'), ('T', 2, 'B', '9:00', '9:02'), ('T', 3, 'C', '10:00', '10:02'), ('T', 4, 'D', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('old', '01', 'first', string_to_array('1A,1C,1D,1F', ','), NULL),
    ('old', '02', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL),
    ('old', '03', 'stand', NULL, 3),
    ('old', '04', 'stand', NULL, 3),
    -- coach 01 has lost a row, coach 02 has another number, and there is one coach to stand in
    ('new', '01', 'first', string_to_array('1A,1C', ','), NULL),
    ('new', '12', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL),
    ('new', '03', 'stand', NULL, 2),
    ('new', '05', 'stand', NULL, 4),
    ('small', '01', 'first', string_to_array('1A', ','), NULL),
    ('small', '02', 'second', string_to_array('1A,1B', ','), NULL),
    ('lacks', '02', 'second', string_to_array('1A,1B,1C,1D,1F,2A,2B,2C,2D,2F', ','), NULL);

CREATE FUNCTION tickets(day date DEFAULT '2031-05-01') RETURNS TABLE (user_id bigint, ticket_no int, class text, seat text, trip text, status text)
    LANGUAGE sql AS $$
    SELECT user_id, ticket_no, seat_class, concat_ws('/', coach, o.seat), from_stop || '-' || to_stop, o.status FROM ticket_order o
    WHERE service_date = day ORDER BY user_id, ticket_no $$;
CREATE FUNCTION reform(formation text, unseated text DEFAULT 'refuse', day date DEFAULT '2031-05-01')
    RETURNS TABLE (user_id bigint, ticket_no int, class text, old text, new text, outcome text) LANGUAGE sql AS $$
    SELECT o.user_id, r.ticket_no, r.seat_class, concat_ws('/', old_coach, old_seat), concat_ws('/', new_coach, new_seat), outcome
    FROM ticket_reform('T', day, formation, unseated) r JOIN ticket_order o USING (order_id, ticket_no) ORDER BY o.user_id, r.ticket_no $$;

SELECT ticket_open('T', '2031-05-01', 'old') > 0 AS opened;
-- Kept, moved, parties, holds, places
SELECT count(*) FROM ticket_buy_many(ARRAY[
    ROW('T', 'A', 'D', 1, '2031-05-01', 'first', ARRAY[101, 102], 'AC', NULL, NULL)::ticket_request,
    ROW('T', 'A', 'B', 2, '2031-05-01', 'first', NULL, 'F', NULL, NULL)::ticket_request,
    ROW('T', 'B', 'D', 3, '2031-05-01', 'second', ARRAY[301, 302, 303], NULL, NULL, NULL)::ticket_request,
    ROW('T', 'A', 'D', 4, '2031-05-01', 'stand', ARRAY[401, 402, 403], NULL, NULL, NULL)::ticket_request,
    ROW('T', 'A', 'D', 5, '2031-05-01', 'stand', ARRAY[501], NULL, NULL, NULL)::ticket_request]);
SELECT seat_class, status FROM ticket_hold('T', 'A', 'C', 6, '2031-05-01', 'second', ARRAY[601, 602]);
SELECT * FROM tickets();
-- One of class first finds no seat: nothing changes, and all classes are named
SELECT * FROM reform('new');
SELECT * FROM reform('small');
SELECT * FROM reform('lacks');
SELECT * FROM tickets();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'first'), ticket_remaining('T', 'A', 'D', '2031-05-01', 'second');
SELECT * FROM ticket_verify();
-- With refunds
BEGIN;
SELECT * FROM reform('new', 'refund');
SELECT formation, status FROM ticket_departure;
-- The transaction itself sells nothing more; counts are the old ones
SAVEPOINT s;
SELECT * FROM ticket_buy('T', 'A', 'B', 7, '2031-05-01', 'second');
ROLLBACK TO s;
SELECT ticket_reserve('T', '2031-05-01', 'second', 'x', 1, 'A', 'B');
ROLLBACK TO s;
UPDATE ticket_order SET coach = '02', seat = '2F' WHERE user_id = 3 AND ticket_no = 1;
ROLLBACK TO s;
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'second');
SELECT * FROM ticket_verify();
COMMIT;
SELECT * FROM tickets();
SELECT * FROM ticket_verify();
SELECT ticket_remaining('T', 'A', 'D', '2031-05-01', 'first'), ticket_remaining('T', 'A', 'D', '2031-05-01', 'second'),
    ticket_remaining('T', 'A', 'D', '2031-05-01', 'stand');
SELECT coach, seat FROM ticket_buy('T', 'C', 'D', 7, '2031-05-01', 'second', seat_choice => 'window');
-- The same again: nothing to list
SELECT * FROM reform('new');
SELECT * FROM ticket_verify();
