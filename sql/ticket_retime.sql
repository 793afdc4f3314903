-- ticket_retime: other times for a departure on sale.
SET client_min_messages = warning;
CREATE FUNCTION times() RETURNS TABLE (from_stop int, to_stop int, departs text, arrives text) LANGUAGE sql AS
    $$ SELECT from_stop, to_stop, departs::text, arrives::text FROM ticket_trains('RTA', 'RTC', '2032-06-01') ORDER BY 3, 1 $$;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, alighting) VALUES
    ('RT1', 1, 'RTA', NULL, '22:00', true), ('RT1', 2, 'RTB', '23:00', '23:05', false), ('RT1', 5, 'RTC', '26:00', NULL, true);
INSERT INTO ticket_formation VALUES ('RT-F', '01', 'second', ARRAY['1A', '1B', '1C'], NULL);
SELECT ticket_open(train, '2032-06-01', 'RT-F', stops_of => 'RT1') > 0 AS opened FROM unnest(ARRAY['RT1', 'RT2']) AS train;
SELECT * FROM times();
-- Nothing has changed: nothing is written
SELECT ticket_retime('RT1', '2032-06-01');
SELECT count(*) FROM ticket_route WHERE train = 'RT1';
-- Flags of ticket_stop are not taken, times are; the other departure keeps its own
SELECT status FROM ticket_buy('RT1', 'RTA', 'RTC', 1, '2032-06-01');
UPDATE ticket_stop SET departs = '22:30', alighting = false WHERE train = 'RT1' AND stop_no = 1;
UPDATE ticket_stop SET arrives = '23:30', departs = '23:35', alighting = true WHERE train = 'RT1' AND stop_no = 2;
SELECT ticket_retime('RT1', '2032-06-01');
SELECT * FROM times();
SELECT stations, departs, alighting, skipped FROM ticket_route JOIN ticket_departure d USING (route_id) WHERE d.train = 'RT1';
SELECT ticket_buy('RT1', 'RTA', 'RTB', 1, '2032-06-01');
-- A rollback, also to a savepoint, undoes it; the transaction itself sees it at once
BEGIN;
UPDATE ticket_stop SET departs = '22:50' WHERE train = 'RT1' AND stop_no = 1;
SELECT ticket_retime('RT1', '2032-06-01');
SELECT * FROM times();
SAVEPOINT here;
UPDATE ticket_stop SET departs = '21:00' WHERE train = 'RT1' AND stop_no = 1;
SELECT ticket_retime('RT1', '2032-06-01');
SELECT ticket_retime('RT2', '2032-06-01');
SELECT * FROM times();
ROLLBACK TO here;
SELECT * FROM times();
SELECT to_stop FROM ticket_buy('RT1', 'RTB', 'RTC', 2, '2032-06-01');
ROLLBACK;
SELECT * FROM times();
-- Twice in one transaction, and back to the first
BEGIN;
UPDATE ticket_stop SET departs = '22:10' WHERE train = 'RT1' AND stop_no = 1;
SELECT ticket_retime('RT1', '2032-06-01');
UPDATE ticket_stop SET departs = '22:30' WHERE train = 'RT1' AND stop_no = 1;
SELECT ticket_retime('RT1', '2032-06-01');
COMMIT;
SELECT * FROM times();
-- A departure that was opened just now
BEGIN;
SELECT ticket_open('RT3', '2032-06-01', 'RT-F', stops_of => 'RT1') > 0 AS opened;
SAVEPOINT here;
UPDATE ticket_stop SET departs = '20:00' WHERE train = 'RT1' AND stop_no = 1;
SELECT ticket_retime('RT3', '2032-06-01');
SELECT * FROM times();
ROLLBACK TO here;
SELECT * FROM times();
COMMIT;
SELECT * FROM times();
-- Rules see the new times: the same passenger cannot be on two trains
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_no_overlap';
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('RT9', 1, 'RTX', NULL, '27:00'), ('RT9', 2, 'RTY', '28:00', NULL);
SELECT ticket_open('RT9', '2032-06-01', 'RT-F') > 0 AS opened;
SELECT status FROM ticket_buy('RT9', 'RTX', 'RTY', 1, '2032-06-01');
SELECT order_id AS paid FROM ticket_order WHERE user_id = 1 AND to_stop = 2 AND service_date = '2032-06-01' \gset
SELECT status FROM ticket_refund(:paid);
UPDATE ticket_stop SET arrives = '27:30' WHERE train = 'RT1' AND stop_no = 5;
SELECT ticket_retime('RT1', '2032-06-01');
\set VERBOSITY sqlstate
SELECT ticket_buy('RT9', 'RTX', 'RTY', 1, '2032-06-01');
\set VERBOSITY default
-- What cannot be
UPDATE ticket_stop SET arrives = '20:00', departs = '20:05' WHERE train = 'RT1' AND stop_no = 2;
SELECT ticket_retime('RT1', '2032-06-01');
UPDATE ticket_stop SET station = 'RTZ' WHERE train = 'RT1' AND stop_no = 2;
SELECT ticket_retime('RT1', '2032-06-01');
DELETE FROM ticket_stop WHERE train = 'RT1';
SELECT ticket_retime('RT1', '2032-06-01');
SELECT ticket_retime('RT1', '2032-06-02');
SELECT ticket_retime(NULL, '2032-06-01');
SELECT ticket_retime('RT1', NULL);
SELECT * FROM ticket_verify();
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_no_overlap';
DROP FUNCTION times();
