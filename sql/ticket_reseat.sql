-- ticket_reseat: other seats on the same train and trip, for held and sold tickets.
INSERT INTO ticket_station (station, name) VALUES ('XSA', 'Other A'), ('XSB', 'Other B'), ('XSC', 'Other C'), ('XSD', 'Other D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('XS1', 1, 'XSA', NULL, '8:00'), ('XS1', 2, 'XSB', '9:00', '9:02'), ('XS1', 3, 'XSC', '10:00', '10:02'), ('XS1', 4, 'XSD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('XS-F', '01', 'first', '{1A,1C,2A,2C}', NULL), ('XS-F', '02', 'second', '{1A,1B,1C,1D,1F}', NULL), ('XS-F', '03', 'second', '{1A,1B}', NULL),
    ('XS-P', '01', 'standing', NULL, 2), ('XS-P', '02', 'standing', NULL, 1), ('XS-Q', '01', 'mixed', NULL, 2), ('XS-Q', '02', 'mixed', '{1A}', NULL);
SELECT ticket_open('XS1', d::date, 'XS-F') > 0 AS opened FROM generate_series('2033-06-01'::date, '2033-06-04', '1 day') AS d;
SELECT ticket_open('XS1', '2033-06-05', 'XS-P') > 0 AS opened, ticket_open('XS1', '2033-06-06', 'XS-Q') > 0 AS opened;
CREATE FUNCTION seated(id bigint) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(format('%s %s %s/%s %s', ticket_no, passenger_id, coach, seat, status), ', ' ORDER BY ticket_no) FROM ticket_order WHERE order_id = id $$;

-- A named seat: same order, number, passenger and state; the old seat is free afterwards.
SELECT order_id FROM ticket_buy_seats('XS1', 'XSA', 'XSC', 1, '{02/1A,02/1B,02/1C}', '2033-06-01', passengers => '{11,12,13}') WHERE ticket_no = 1 \gset
SELECT r AS answer FROM ticket_reseat(:order_id, '{2}', '{03/1B}') r \gset
SELECT o::text = :'answer' AS same FROM ticket_order o WHERE order_id = :order_id AND ticket_no = 2;
SELECT seated(:order_id);
SELECT coach, seat FROM ticket_buy_seats('XS1', 'XSA', 'XSC', 2, '{02/1B}', '2033-06-01');
-- All of them, in order of the tickets; in the order that the numbers are named; a swap, and a round.
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, seats => '{02/1F,02/1D,02/1A}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, '{3,1}', '{02/1C,03/1A}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, '{3,1}', '{03/1A,02/1C}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{02/1D,03/1A,02/1C}');
-- Again: its rows. One stays where it is.
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{02/1D,03/1A,02/1C}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{02/1D,03/1B,02/1C}');
SELECT * FROM ticket_verify();
-- Taken: no row, nothing changed, whichever of them it is.
SELECT count(*) AS rows FROM ticket_reseat(:order_id, NULL, '{02/1A,02/1B,02/1C}');
SELECT count(*) AS rows FROM ticket_reseat(:order_id, '{2}', '{02/1D}');
SELECT seated(:order_id);
SELECT * FROM ticket_verify();

-- Any others: not the present ones, of the same class, together where possible.
SELECT order_id AS order_2 FROM ticket_buy_seats('XS1', 'XSA', 'XSD', 2, '{02/1A,03/1A,01/1A}', '2033-06-02', passengers => '{21,22,23}') WHERE ticket_no = 1 \gset
SELECT ticket_no, seat_class, coach FROM ticket_reseat(:order_2, '{1,2}');
SELECT count(*) AS present FROM ticket_order WHERE order_id = :order_2 AND coach || '/' || seat IN ('02/1A', '03/1A');
SELECT ticket_no, seat_class, coach, coach || '/' || seat <> '01/1A' AS other FROM ticket_reseat(:order_2) WHERE ticket_no = 3;
SELECT * FROM ticket_verify();
-- A held ticket stays held, and is paid for where it is now.
SELECT order_id AS order_3, held_until FROM ticket_hold_seats('XS1', 'XSA', 'XSD', 3, '{01/2A}', '2033-06-03') \gset
SELECT coach, seat, status, held_until = :'held_until' AS same FROM ticket_reseat(:order_3, seats => '{01/2C}');
SELECT coach, seat, status FROM ticket_confirm(:order_3);
SELECT coach, seat, status FROM ticket_refund(:order_3);
-- Nothing else is free: no row.
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSD', 4, '2033-06-02', 'first', passengers => '{1,2,3}');
SELECT count(*) AS rows FROM ticket_reseat(:order_2, '{3}');
SELECT count(*) AS rows FROM ticket_reseat(:order_2);
SELECT * FROM ticket_verify();

-- Rollback and savepoints
BEGIN;
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{03/1B,02/1D,02/1F}');
SAVEPOINT s;
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{02/1F,02/1C,02/1D}');
SELECT * FROM ticket_verify();
ROLLBACK TO s;
SELECT count(*) AS taken FROM ticket_buy_seats('XS1', 'XSA', 'XSB', 9, '{02/1F}', '2033-06-01');
-- Its old seat is free for the transaction itself.
SELECT coach, seat FROM ticket_buy_seats('XS1', 'XSA', 'XSB', 9, '{02/1C}', '2033-06-01');
SELECT * FROM ticket_verify();
ROLLBACK;
SELECT seated(:order_id);
SELECT ticket_remaining('XS1', 'XSA', 'XSC', '2033-06-01', 'second');
SELECT * FROM ticket_verify();
-- Bought and moved in one transaction
BEGIN;
SELECT order_id AS order_4 FROM ticket_buy_seats('XS1', 'XSB', 'XSD', 5, '{01/1A,01/1C}', '2033-06-03') WHERE ticket_no = 1 \gset
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_4, NULL, '{01/1C,01/1A}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_4, NULL, '{01/2A,01/1A}');
COMMIT;
SELECT ticket_remaining('XS1', 'XSB', 'XSD', '2033-06-03', 'first');
SELECT * FROM ticket_verify();

-- Quotas: seats of the ticket's own channel count as free, those of others do not.
SELECT ticket_reserve_seats('XS1', '2033-06-04', 'agency', '{02/1A,02/1B}') AS quota, ticket_reserve_seats('XS1', '2033-06-04', 'hotel', '{02/1C,02/1D,02/1F}') AS other \gset
SELECT order_id AS order_5 FROM ticket_buy_seats('XS1', 'XSA', 'XSC', 6, '{03/1A,02/1A}', '2033-06-04', channel => 'agency') WHERE ticket_no = 1 \gset
SELECT count(*) AS rows FROM ticket_reseat(:order_5, '{1}', '{02/1C}');
SELECT ticket_no, coach, seat, channel FROM ticket_reseat(:order_5, '{1}', '{02/1B}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_5, NULL, '{02/1A,02/1B}');
SELECT ticket_no, coach FROM ticket_reseat(:order_5);
SELECT count(*) AS rows FROM ticket_reseat(:order_5, '{2,1}', '{02/1B,02/1A}');
SELECT ticket_remaining('XS1', 'XSA', 'XSC', '2033-06-04', 'second') AS open, ticket_remaining('XS1', 'XSA', 'XSC', '2033-06-04', 'second', 'agency') AS agency;
SELECT * FROM ticket_verify();
SELECT ticket_recycle(:quota);
SELECT ticket_remaining('XS1', 'XSA', 'XSC', '2033-06-04', 'second') AS open;
SELECT * FROM ticket_verify();

-- Unnumbered places: another coach's place, or a seat.
SELECT order_id AS order_6, coach FROM ticket_buy('XS1', 'XSA', 'XSC', 7, '2033-06-05') \gset
SELECT :'coach' AS coach;
SELECT coach, seat FROM ticket_reseat(:order_6);
SELECT coach, seat FROM ticket_reseat(:order_6);
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSC', 8, '2033-06-05', passengers => '{1,2}');
SELECT count(*) AS rows FROM ticket_reseat(:order_6);
SELECT coach, seat FROM ticket_order WHERE order_id = :order_6;
SELECT order_id AS order_7 FROM ticket_buy('XS1', 'XSA', 'XSC', 7, '2033-06-06', passengers => '{1,2,3}') WHERE ticket_no = 1 \gset
SELECT order_id AS order_8 FROM ticket_refund(:order_7) WHERE seat IS NOT NULL \gset
SELECT order_id AS order_8, coach, seat FROM ticket_buy('XS1', 'XSA', 'XSC', 7, '2033-06-06', passengers => '{1,2}') WHERE ticket_no = 1 \gset
SELECT seated(:order_8);
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_8, '{1}');
SELECT count(*) AS rows FROM ticket_reseat(:order_8, '{2}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_8, '{1,2}', '{01/1A,02/1A}');
SELECT count(*) AS numbered_only FROM ticket_reseat(:order_8, '{1}');
SELECT * FROM ticket_verify();

-- Refused: another number of seats, unknown, repeated, another class, none (22023); no such live ticket (TK005); NULL (22004).
SELECT * FROM ticket_reseat(:order_id, NULL, '{02/1A}');
SELECT * FROM ticket_reseat(:order_id, '{1,1}', '{02/1A}');
SELECT * FROM ticket_reseat(:order_id, '{1,1}', '{02/1A,02/1F}');
SELECT * FROM ticket_reseat(:order_id, '{1}', '{02/7A}');
SELECT * FROM ticket_reseat(:order_id, '{1,2}', '{02/1A,02/1A}');
SELECT * FROM ticket_reseat(:order_id, '{1}', '{01/1A}');
SELECT * FROM ticket_reseat(:order_id, '{1}', '{}');
SELECT count(*) AS refunded FROM ticket_refund(:order_id, '{2}');
\set VERBOSITY sqlstate
SELECT * FROM ticket_reseat(:order_id, '{2}');
SELECT * FROM ticket_reseat(:order_id, '{1,2}', '{02/1A,02/1B}');
SELECT * FROM ticket_reseat(:order_id, '{4}');
SELECT * FROM ticket_reseat(1);
SELECT * FROM ticket_reseat(NULL);
SELECT * FROM ticket_reseat(:order_id, '{NULL}');
SELECT * FROM ticket_reseat(:order_id, '{1}', '{NULL}');
\set VERBOSITY default
-- Tickets that are over are left alone.
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_id, NULL, '{02/1A,02/1C}');
SELECT seated(:order_id);
SELECT count(*) AS refunded FROM ticket_refund(:order_id);
\set VERBOSITY sqlstate
SELECT * FROM ticket_reseat(:order_id);
\set VERBOSITY default
-- Closed: nothing is sold, but who has a ticket can be given another seat.
SELECT ticket_close('XS1', '2033-06-03');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_4, NULL, '{01/1C,01/2C}');
-- The user's triggers see a move, and may refuse it: then nothing has changed.
CREATE FUNCTION xs_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.seat = '2A' THEN RAISE EXCEPTION 'not 2A'; END IF; RETURN NEW; END $$;
CREATE TRIGGER xs_refuse BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION xs_refuse();
SELECT * FROM ticket_reseat(:order_4, NULL, '{01/1A,01/2A}');
SELECT ticket_no, coach, seat FROM ticket_reseat(:order_4, NULL, '{01/2C,01/1C}');
SELECT seated(:order_4);
SELECT * FROM ticket_verify();
DROP TRIGGER xs_refuse ON ticket_order;
DROP FUNCTION xs_refuse, seated;
