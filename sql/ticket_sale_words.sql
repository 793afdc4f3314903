-- Changes of when a departure is on sale within one transaction: the last one holds, whoever made it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('WA', 'Sale Words A'), ('WB', 'Sale Words B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('W', 1, 'WA', NULL, '8:00'), ('W', 2, 'WB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('WF', '01', 'second', ARRAY['1A', '1B', '1C', '1D']);
SELECT count(ticket_open('W', '2031-05-01'::date + n, 'WF')) FROM generate_series(0, 3) AS n;

CREATE FUNCTION left_on(day int) RETURNS int LANGUAGE sql AS $$ SELECT ticket_remaining('W', 'WA', 'WB', '2031-05-01'::date + day) $$;
-- What the row says; a departure that is loaded again says the same.
CREATE FUNCTION agree(OUT day int, OUT status text, OUT on_sale boolean) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
  FOR day, status IN SELECT service_date - '2031-05-01', d.status FROM ticket_departure AS d WHERE train = 'W' ORDER BY 1 LOOP
    on_sale := left_on(day) > 0;
    RETURN NEXT;
  END LOOP;
END $$;
SELECT * FROM agree();

-- Opened by hand and withdrawn; withdrawn and opened by hand.
UPDATE ticket_departure SET status = 'closed' WHERE train = 'W';
SELECT * FROM agree();
BEGIN;
UPDATE ticket_departure SET status = 'open' WHERE train = 'W' AND service_date = '2031-05-01';
SELECT ticket_withdraw('W', '2031-05-01');
SELECT ticket_withdraw('W', '2031-05-02');
UPDATE ticket_departure SET status = 'open' WHERE train = 'W' AND service_date = '2031-05-02';
-- Opened by hand, closed again, opened again; and the other way round.
UPDATE ticket_departure SET status = 'open' WHERE train = 'W' AND service_date = '2031-05-03';
SELECT ticket_close('W', '2031-05-03');
UPDATE ticket_departure SET status = 'open' WHERE train = 'W' AND service_date = '2031-05-03';
UPDATE ticket_departure SET status = 'open' WHERE train = 'W' AND service_date = '2031-05-04';
SELECT ticket_close('W', '2031-05-04');
COMMIT;
SELECT * FROM agree();

-- What a savepoint takes back has not been.
UPDATE ticket_departure SET status = 'open' WHERE train = 'W';
SELECT * FROM agree();
BEGIN;
UPDATE ticket_departure SET opens_at = now() - interval '1 day' WHERE train = 'W';
SAVEPOINT one;
SELECT ticket_withdraw('W', '2031-05-01');
SELECT ticket_close('W', '2031-05-02');
UPDATE ticket_departure SET status = 'closed' WHERE train = 'W' AND service_date = '2031-05-03';
ROLLBACK TO one;
SELECT ticket_close('W', '2031-05-04');
SAVEPOINT two;
SELECT ticket_withdraw('W', '2031-05-04');
ROLLBACK TO two;
COMMIT;
SELECT * FROM agree();
-- Nothing is left that a later writer would wait for.
SELECT ticket_close('W', '2031-05-01'), ticket_close('W', '2031-05-02'), ticket_withdraw('W', '2031-05-03'), ticket_withdraw('W', '2031-05-04');
SELECT * FROM agree();
SELECT * FROM ticket_verify();

DROP FUNCTION agree(), left_on(int);
DELETE FROM ticket_departure WHERE train = 'W';
DELETE FROM ticket_formation WHERE formation = 'WF';
DELETE FROM ticket_stop WHERE train = 'W';
DELETE FROM ticket_station WHERE station IN ('WA', 'WB');
