-- Where passengers may board and alight; the stop list of another code; binding.
SET client_min_messages = warning;
INSERT INTO ticket_station VALUES ('SFA', 'Alpha'), ('SFB', 'Beta'), ('SFC', 'Gamma'), ('SFD', 'Delta');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, boarding, alighting) VALUES
    ('SF1', 1, 'SFA', NULL, '08:00', true, true),
    ('SF1', 2, 'SFB', '09:00', '09:05', true, false),   -- takes passengers on
    ('SF1', 3, 'SFC', '10:00', '10:05', false, true),   -- lets passengers alight
    ('SF1', 4, 'SFD', '11:00', NULL, true, true),
    -- a loop: it may not be left at its first call at SFB, and not be boarded at its second
    ('SF2', 1, 'SFA', NULL, '08:00', true, true),
    ('SF2', 2, 'SFB', '09:00', '09:05', true, false),
    ('SF2', 3, 'SFC', '10:00', '10:05', true, true),
    ('SF2', 4, 'SFB', '11:00', '11:05', false, true),
    ('SF2', 5, 'SFD', '12:00', NULL, true, true);
INSERT INTO ticket_formation VALUES ('SF-F', '01', 'second', ARRAY['1A', '1B', '1C'], NULL);
SELECT ticket_open('SF1', '2032-05-01', 'SF-F') > 0 AS opened, ticket_open('SF2', '2032-05-01', 'SF-F') > 0 AS opened;
SELECT train, boarding, alighting, skipped FROM ticket_route WHERE train LIKE 'SF_' ORDER BY train;
-- What is sold, and why not
SELECT from_stop, to_stop FROM ticket_buy('SF1', 'SFA', 'SFC', 1, '2032-05-01');
SELECT ticket_buy('SF1', 'SFC', 'SFD', 1, '2032-05-01');
SELECT ticket_buy('SF1', 'SFA', 'SFB', 1, '2032-05-01');
SELECT ticket_hold('SF1', 'Gamma', 'SFD', 1, '2032-05-01');
SELECT ticket_remaining('SF1', 'SFA', 'Beta', '2032-05-01');
SELECT ticket_buy('SF1', 'SFD', 'SFA', 1, '2032-05-01');
SELECT ticket_buy('SF1', 'SFC#3', 'SFD#4', 1, '2032-05-01');
\set VERBOSITY sqlstate
SELECT ticket_buy('SF1', 'SFC', 'SFD', 1, '2032-05-01');
\set VERBOSITY default
SELECT (ticket_why('SF1', 'SFC', 'SFD', '2032-05-01')).outcome, (ticket_why('SF1', 'SFB', 'SFD', '2032-05-01')).outcome;
SELECT * FROM ticket_buy_many(ARRAY[('SF1', 'SFC', 'SFD', 1, '2032-05-01', NULL, NULL, NULL, NULL, NULL)::ticket_request]);
-- Not in the matrix, and not found
SELECT from_stop, to_stop, remaining FROM ticket_remaining_matrix('SF1', '2032-05-01', NULL);
SELECT train, from_stop, to_stop, remaining FROM ticket_search('SFC', 'SFD', '2032-05-01');
SELECT train, from_stop, to_stop FROM ticket_trains('SFA', 'SFB', '2032-05-01');
SELECT train, from_stop, to_stop, remaining FROM ticket_search('SFB', 'SFC', '2032-05-01') ORDER BY train;
-- A loop: the calls where one may board and alight
SELECT from_stop, to_stop FROM ticket_buy('SF2', 'SFA', 'SFB', 2, '2032-05-01');
SELECT from_stop, to_stop FROM ticket_buy('SF2', 'SFB', 'SFD', 2, '2032-05-01');
SELECT train, from_stop, to_stop FROM ticket_trains('SFB', 'SFD', '2032-05-01') ORDER BY train;
SELECT train, from_stop, to_stop FROM ticket_trains('SFA', 'SFB', '2032-05-01') ORDER BY train;
SELECT from_stop, to_stop FROM ticket_buy('SF2', 'SFB#2', 'SFB#4', 2, '2032-05-01');
-- A quota may begin and end anywhere
SELECT ticket_reserve('SF1', '2032-05-01', 'second', 'staff', 1, 'SFC', 'SFD') > 0 AS reserved;
-- A retry finds its rows, whatever has become of the stop
SELECT order_id AS first FROM ticket_buy('SF1', 'SFB', 'SFD', 3, '2032-05-01', request_id => '00000000-0000-0000-0000-000000000001') \gset
SELECT count(*) FROM ticket_skip_stop('SF1', '2032-05-01', 'SFB');
SELECT order_id = :first AS same FROM ticket_buy('SF1', 'SFB', 'SFD', 3, '2032-05-01', request_id => '00000000-0000-0000-0000-000000000001');
SELECT order_id = :first AS same FROM ticket_buy('SF1', 'Beta', 'Delta', 3, '2032-05-01', request_id => '00000000-0000-0000-0000-000000000001');
-- One train number that runs differently on different days
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('SF1/sunday', 1, 'SFA', NULL, '10:00'), ('SF1/sunday', 4, 'SFD', '12:00', NULL);
SELECT ticket_open('SF1', '2032-05-02', 'SF-F', stops_of => 'SF1/sunday') > 0 AS opened;
SELECT train, from_stop, to_stop, departs, arrives FROM ticket_trains('SFA', 'SFD', '2032-05-02');
SELECT from_stop, to_stop FROM ticket_buy('SF1', 'SFA', 'SFD', 4, '2032-05-02');
SELECT ticket_buy('SF1', 'SFA', 'SFC', 4, '2032-05-02');
SELECT ticket_open('SF1', '2032-05-03', 'SF-F', stops_of => 'SF1/monday');
-- binding
SELECT ticket_open('SF1', '2032-05-03', 'SF-F', binding => 'late');
SELECT ticket_open('SF1', '2032-05-03', 'SF-F', binding => NULL);
SELECT ticket_open('SF1', '2032-05-03', 'SF-F', binding => 'now') > 0 AS opened;
SELECT * FROM ticket_verify();
