-- ticket_skip_stop: the train passes through.
SET client_min_messages = warning;
INSERT INTO ticket_station VALUES ('SKB', 'Middle');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('SK1', 1, 'SKA', NULL, '08:00'), ('SK1', 2, 'SKB', '09:00', '09:05'), ('SK1', 3, 'SKC', '10:00', '10:05'),
    ('SK1', 4, 'SKB', '11:00', '11:05'), ('SK1', 5, 'SKD', '12:00', NULL);
INSERT INTO ticket_formation VALUES ('SK-F', '01', 'second', ARRAY['1A', '1B', '1C', '1D'], NULL);
SELECT ticket_open(train, '2032-07-01', 'SK-F', stops_of => 'SK1') > 0 AS opened FROM unnest(ARRAY['SK1', 'SK2']) AS train;
CREATE FUNCTION trips() RETURNS text LANGUAGE sql AS
    $$ SELECT string_agg(from_stop || '-' || to_stop, ' ' ORDER BY from_stop, to_stop) FROM ticket_remaining_matrix('SK1', '2032-07-01', NULL) $$;
SELECT trips();
-- Tickets that start or end at a call, and one that goes through
SELECT from_stop, to_stop FROM ticket_buy('SK1', 'SKA', 'SKB', 1, '2032-07-01');
SELECT from_stop, to_stop FROM ticket_hold('SK1', 'SKB#4', 'SKD', 2, '2032-07-01');
SELECT from_stop, to_stop FROM ticket_buy('SK1', 'SKA', 'SKD', 3, '2032-07-01');
SELECT order_id AS gone FROM ticket_buy('SK1', 'SKA', 'SKB', 4, '2032-07-01') \gset
SELECT status FROM ticket_refund(:gone);
-- One call
SELECT user_id, from_stop, to_stop, status FROM ticket_skip_stop('SK1', '2032-07-01', 'SKB#4');
SELECT trips();
SELECT from_stop, to_stop FROM ticket_buy('SK1', 'SKB', 'SKD', 5, '2032-07-01');
SELECT ticket_buy('SK1', 'SKB#4', 'SKD', 5, '2032-07-01');
-- All of them; again
SELECT user_id, from_stop, to_stop, status FROM ticket_skip_stop('SK1', '2032-07-01', 'Middle');
SELECT user_id FROM ticket_skip_stop('SK1', '2032-07-01', 'SKB');
SELECT trips();
SELECT ticket_buy('SK1', 'SKB', 'SKD', 5, '2032-07-01');
SELECT ticket_buy('SK1', 'SKA', 'SKB', 5, '2032-07-01');
SELECT train, from_stop, to_stop FROM ticket_trains('SKA', 'SKB', '2032-07-01');
SELECT train, from_stop, to_stop FROM ticket_trains('SKB', 'SKD', '2032-07-01') ORDER BY 1, 2;
SELECT skipped FROM ticket_route JOIN ticket_departure d USING (route_id) WHERE d.train IN ('SK1', 'SK2') ORDER BY d.train;
-- The tickets stay: the hold can be paid, and rebooked, like the others
SELECT status FROM ticket_confirm((SELECT order_id FROM ticket_order WHERE user_id = 2 AND service_date = '2032-07-01'));
SELECT from_stop, to_stop FROM ticket_change((SELECT order_id FROM ticket_order WHERE user_id = 1 AND service_date = '2032-07-01'), 'SK1', 'SKA', 'SKC', '2032-07-01');
SELECT user_id FROM ticket_skip_stop('SK1', '2032-07-01', 'SKB');
-- A hold that has run out is not sold again from there
SELECT order_id AS late FROM ticket_hold('SK1', 'SKC', 'SKD', 6, '2032-07-01', ttl => '1 microsecond') \gset
SELECT count(*) >= 0 AS swept FROM ticket_sweep();
SELECT user_id, status FROM ticket_skip_stop('SK1', '2032-07-01', 'SKC');
SELECT count(*) FROM ticket_confirm(:late);
-- In a transaction that is rolled back, and in one that is not
BEGIN;
SELECT user_id FROM ticket_skip_stop('SK1', '2032-07-01', 'SKA');
SELECT trips();
SAVEPOINT here;
SELECT user_id FROM ticket_skip_stop('SK1', '2032-07-01', 'SKD');
SELECT trips();
ROLLBACK TO here;
SELECT trips();
ROLLBACK;
SELECT trips();
-- ticket_retime brings skipped stops back
SELECT ticket_retime('SK1', '2032-07-01');
SELECT trips();
SELECT d.train, skipped FROM ticket_route JOIN ticket_departure d USING (route_id) WHERE d.train IN ('SK1', 'SK2') ORDER BY 1;
-- What cannot be
SELECT ticket_skip_stop('SK1', '2032-07-01', 'SKX');
SELECT ticket_skip_stop('SK1', '2032-07-01', 'SKB#3');
INSERT INTO ticket_station VALUES ('SKX', 'Elsewhere');
SELECT ticket_skip_stop('SK1', '2032-07-01', 'SKX');
SELECT ticket_skip_stop('SK1', '2032-07-02', 'SKB');
SELECT ticket_skip_stop('SK1', '2032-07-01', NULL);
-- By hand: a stop list with the same stops is taken, others are not while there are tickets.
SELECT count(*) > 0 AS tickets FROM ticket_order JOIN ticket_departure USING (departure_id) WHERE train = 'SK1' AND ticket_order.status = 'sold';
INSERT INTO ticket_route (digest, train, stop_nos, stations, arrives, departs, skipped)
SELECT gen_random_uuid(), r.train, stop_nos, stations, arrives, departs, '{f,t,f,f,f}' FROM ticket_route r JOIN ticket_departure d USING (route_id) WHERE d.train = 'SK1'
RETURNING route_id AS same_stops \gset
INSERT INTO ticket_route (digest, train, stop_nos, stations, arrives, departs)
SELECT gen_random_uuid(), r.train, '{1,2,3,4,6}', stations, arrives, departs FROM ticket_route r JOIN ticket_departure d USING (route_id) WHERE d.train = 'SK1'
RETURNING route_id AS other_number \gset
INSERT INTO ticket_route (digest, train, stop_nos, stations, arrives, departs)
SELECT gen_random_uuid(), r.train, stop_nos, '{SKA,SKB,SKC,SKX,SKD}', arrives, departs FROM ticket_route r JOIN ticket_departure d USING (route_id) WHERE d.train = 'SK1'
RETURNING route_id AS other_station \gset
\set VERBOSITY terse
UPDATE ticket_departure SET route_id = :other_number WHERE train = 'SK1';
UPDATE ticket_departure SET route_id = :other_station WHERE train = 'SK1';
UPDATE ticket_departure SET route_id = -1 WHERE train = 'SK1';
\set VERBOSITY default
BEGIN;
UPDATE ticket_departure SET route_id = :same_stops WHERE train = 'SK1';
ROLLBACK;
SELECT trips();
UPDATE ticket_departure SET route_id = :same_stops, closes_at = '2032-06-30' WHERE train = 'SK1';
SELECT trips();
SELECT ticket_retime('SK1', '2032-07-01');
SELECT trips();
SELECT * FROM ticket_verify();
DROP FUNCTION trips();
