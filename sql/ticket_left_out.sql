-- Rows that a user's trigger or rule leaves out: an error that says so, and nothing sold or lost.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('LOA', 'Left Out A'), ('LOB', 'Left Out B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('LO1', 1, 'LOA', NULL, '8:00'), ('LO1', 2, 'LOB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('LO-F', '01', 'second', ARRAY['1A', '1B', '1C']);
SELECT ticket_open('LO1', '2031-06-01', 'LO-F') > 0 AS opened;
SELECT status FROM ticket_buy('LO1', 'LOA', 'LOB', 1, '2031-06-01');
SELECT ticket_reserve('LO1', '2031-06-01', 'second', 'web', 1, 'LOA', 'LOB') AS reservation \gset
INSERT INTO item_question VALUES (732, 1, 'Which?', 'This');
CREATE FUNCTION left_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;

-- By a trigger.
\set ON_ERROR_ROLLBACK on
BEGIN;
CREATE TRIGGER a_left_out BEFORE INSERT OR UPDATE ON ticket_departure FOR EACH ROW EXECUTE FUNCTION left_out();
CREATE TRIGGER a_left_out BEFORE INSERT OR UPDATE ON ticket_reservation FOR EACH ROW EXECUTE FUNCTION left_out();
CREATE TRIGGER a_left_out BEFORE INSERT OR UPDATE ON item_inventory FOR EACH ROW EXECUTE FUNCTION left_out();
SELECT ticket_open('LO1', '2031-06-02', 'LO-F');
\set VERBOSITY sqlstate
SELECT ticket_close('LO1', '2031-06-01');
SELECT ticket_withdraw('LO1', '2031-06-01');
SELECT ticket_reserve('LO1', '2031-06-01', 'second', 'web', 1, 'LOA', 'LOB');
SELECT ticket_recycle(:reservation);
SELECT item_open(732, 10);
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-01');
ROLLBACK;

-- By a rule.
BEGIN;
CREATE RULE left_out_i AS ON INSERT TO ticket_departure DO INSTEAD NOTHING;
CREATE RULE left_out_u AS ON UPDATE TO ticket_departure DO INSTEAD NOTHING;
CREATE RULE left_out_i AS ON INSERT TO ticket_reservation DO INSTEAD NOTHING;
CREATE RULE left_out_u AS ON UPDATE TO ticket_reservation DO INSTEAD NOTHING;
CREATE RULE left_out_i AS ON INSERT TO item_inventory DO INSTEAD NOTHING;
CREATE RULE left_out_u AS ON UPDATE TO item_gate DO INSTEAD NOTHING;
SELECT ticket_open('LO1', '2031-06-02', 'LO-F');
SELECT ticket_close('LO1', '2031-06-01');
SELECT ticket_withdraw('LO1', '2031-06-01');
SELECT ticket_reserve('LO1', '2031-06-01', 'second', 'web', 1, 'LOA', 'LOB');
SELECT ticket_recycle(:reservation);
SELECT item_open(732, 10);
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-01');
ROLLBACK;
BEGIN;
SELECT item_open(732, 10) > 0 AS opened;
SELECT item_ask(732, 1);
CREATE RULE left_out_u AS ON UPDATE TO item_gate DO INSTEAD NOTHING;
SELECT item_answer(732, 1, 'This');
DROP RULE left_out_u ON item_gate;
CREATE TRIGGER a_left_out BEFORE UPDATE ON item_gate FOR EACH ROW EXECUTE FUNCTION left_out();
SELECT item_answer(732, 1, 'This');
DROP TRIGGER a_left_out ON item_gate;
SELECT item_answer(732, 1, 'This');
ROLLBACK;
\set ON_ERROR_ROLLBACK off
\set VERBOSITY default

-- A second closing or withdrawal has nothing to change, and is no error.
SELECT ticket_close('LO1', '2031-06-01'), ticket_close('LO1', '2031-06-01');
SELECT ticket_withdraw('LO1', '2031-06-01'), ticket_withdraw('LO1', '2031-06-01');
SELECT ticket_close('LO1', '2031-06-01');

-- A purchase in a deferred trigger, at PREPARE TRANSACTION, is in the prepared transaction like any other.
SELECT ticket_open('LO1', '2031-06-03', 'LO-F') > 0 AS opened;
CREATE TABLE left_out_later (user_id bigint);
CREATE FUNCTION buy_later() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM ticket_buy('LO1', 'LOA', 'LOB', NEW.user_id, '2031-06-03');
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER buy_later AFTER INSERT ON left_out_later DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION buy_later();
BEGIN;
INSERT INTO left_out_later VALUES (1);
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-03');
PREPARE TRANSACTION 'left out';
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-03');
ROLLBACK PREPARED 'left out';
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-03');
BEGIN;
INSERT INTO left_out_later VALUES (1), (2);
PREPARE TRANSACTION 'left out';
COMMIT PREPARED 'left out';
SELECT ticket_remaining('LO1', 'LOA', 'LOB', '2031-06-03'), (SELECT count(*) FROM ticket_order JOIN ticket_departure d USING (departure_id) WHERE d.train = 'LO1' AND d.service_date = '2031-06-03') AS orders;
SELECT * FROM ticket_verify() WHERE departure_id IN (SELECT departure_id FROM ticket_departure WHERE train = 'LO1');

SELECT ticket_withdraw('LO1', '2031-06-03');
DROP TABLE left_out_later;
DROP FUNCTION buy_later(), left_out();
DELETE FROM item_question WHERE item_id = 732;
DELETE FROM ticket_formation WHERE formation = 'LO-F';
DELETE FROM ticket_stop WHERE train = 'LO1';
DELETE FROM ticket_station WHERE station IN ('LOA', 'LOB');
