-- Stops without a time: such a train is sold; sale_margin has no say there, and searches show it on the day of the
-- nearest known time before it, with its times left out.
SET client_min_messages = warning;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('MT1', 1, 'MTA', NULL, '22:00'), ('MT1', 2, 'MTB', NULL, NULL), ('MT1', 3, 'MTC', '25:00', '25:10'), ('MT1', 4, 'MTD', NULL, NULL), ('MT1', 5, 'MTE', NULL, NULL),
    -- nights of a hotel: no time at all
    ('MT2', 1, 'MTA', NULL, NULL), ('MT2', 2, 'MTC', NULL, NULL), ('MT2', 3, 'MTE', NULL, NULL);
INSERT INTO ticket_formation VALUES ('MT-F', '01', 'second', '{1A,1B}');
SELECT count(ticket_open(train, '2032-09-01', 'MT-F')) FROM unnest('{MT1,MT2}'::text[]) AS train;
SELECT from_stop, to_stop FROM ticket_buy('MT1', 'MTB', 'MTD', 1, '2032-09-01');
SELECT from_station, to_station, remaining FROM ticket_remaining_matrix('MT1', '2032-09-01', NULL);
-- Trips that leave at a known time come first.
SELECT train, service_date, from_stop, to_stop, departs, arrives, remaining FROM ticket_search('MTA', 'MTC', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTA', 'MTB', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTB', 'MTC', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTC', 'MTE', '2032-09-01');
SELECT train, service_date, departs, arrives FROM ticket_trains('MTC', 'MTE', '2032-09-02');
SELECT train, service_date, departs, arrives FROM ticket_trains('MTD', 'MTE', '2032-09-02');
SELECT count(*) FROM ticket_trains('MTD', 'MTE', '2032-09-01');

-- A time is compared with the nearest known one before it.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('MT3', 1, 'MTA', NULL, '22:00'), ('MT3', 2, 'MTB', NULL, NULL), ('MT3', 3, 'MTC', '06:00', NULL),
    ('MT4', 1, 'MTA', NULL, '08:00'), ('MT4', 2, 'MTB', NULL, NULL), ('MT4', 3, 'MTC', '06:00', NULL);
SELECT ticket_open('MT3', '2032-09-01', 'MT-F');
SELECT ticket_open('MT4', '2032-09-01', 'MT-F') > 0 AS opened;

-- ticket_retime takes times away and gives them.
UPDATE ticket_stop SET arrives = NULL, departs = NULL WHERE train = 'MT1' AND stop_no IN (1, 3);
UPDATE ticket_stop SET arrives = '49:00' WHERE train = 'MT1' AND stop_no = 4;
SELECT ticket_retime('MT1', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTA', 'MTC', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTC', 'MTD', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTD', 'MTE', '2032-09-03');
BEGIN;
UPDATE ticket_stop SET arrives = '01:00' WHERE train = 'MT1' AND stop_no = 4;
SELECT ticket_retime('MT1', '2032-09-01');
SELECT train, departs, arrives FROM ticket_trains('MTD', 'MTE', '2032-09-01');
SELECT count(*) FROM ticket_trains('MTD', 'MTE', '2032-09-03');
ROLLBACK;
SELECT train, departs, arrives FROM ticket_trains('MTD', 'MTE', '2032-09-03');

-- sale_margin: where the stop has no time, closes_at alone ends the sale.
SELECT ticket_open('MT1', '2001-01-01', 'MT-F', now() - interval '1 day', sale_margin => '1 day') > 0 AS opened;
SELECT ticket_open('MT5', '2001-01-01', 'MT-F', now() - interval '1 day', now(), 'MT1', '1 day') > 0 AS opened;
SELECT ticket_remaining('MT1', 'MTC', 'MTE', '2001-01-01') AS no_time, ticket_remaining('MT1', 'MTD', 'MTE', '2001-01-01') AS over,
    ticket_remaining('MT5', 'MTC', 'MTE', '2001-01-01') AS closed;
SELECT from_stop, to_stop FROM ticket_hold('MT1', 'MTC', 'MTE', 1, '2001-01-01');
\set VERBOSITY sqlstate
SELECT ticket_buy('MT1', 'MTD', 'MTE', 1, '2001-01-01');
SELECT ticket_buy('MT5', 'MTC', 'MTE', 1, '2001-01-01');
\set VERBOSITY default

-- The rule of overlapping trips compares times where there are some, and stops of one train always.
BEGIN;
UPDATE ticket_rule SET enabled = true WHERE rule ~ 'no_overlap';
SELECT count(*) FROM ticket_buy('MT2', 'MTA', 'MTE', 2, '2032-09-01');
SELECT count(*) FROM ticket_buy('MT1', 'MTA', 'MTE', 2, '2032-09-01');
SELECT ticket_buy('MT2', 'MTC', 'MTE', 2, '2032-09-01');
ROLLBACK;
SELECT * FROM ticket_verify();
