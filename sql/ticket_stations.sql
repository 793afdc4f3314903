-- What a caller may write for a station: a code, a name, a call; and stop lists whose times fall.
SET datestyle = 'ISO, YMD';
\set VERBOSITY default
INSERT INTO ticket_station (station, name) VALUES ('STA', 'St A'), ('STB', 'St B'), ('STM1', 'Main'), ('STM2', 'Main'), ('STM3', 'Main'), ('STB#3', 'St Hash'), ('STN', 'STX');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    -- circular, with a code that ticket_station does not have: A B X A B A
    ('ST1', 1, 'STA', NULL, '8:00'), ('ST1', 2, 'STB', '9:00', '9:05'), ('ST1', 4, 'STX', '10:00', '10:05'), ('ST1', 5, 'STA', '25:00', '25:05'), ('ST1', 7, 'STB', '26:00', '26:05'), ('ST1', 9, 'STA', '27:00', NULL),
    -- one station of a name that three have; two of them
    ('ST2', 1, 'STA', NULL, '8:30'), ('ST2', 2, 'STM2', '9:30', NULL),
    ('ST3', 1, 'STA', NULL, '8:40'), ('ST3', 2, 'STM1', '9:30', '9:40'), ('ST3', 3, 'STM3', '10:00', NULL),
    -- a station whose code looks like a call
    ('ST4', 1, 'STB', NULL, '7:00'), ('ST4', 2, 'STA', '8:00', '8:10'), ('ST4', 3, 'STB#3', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('ST-F', '01', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F}');
SELECT count(ticket_open(t, '2031-09-01', 'ST-F')) FROM unnest('{ST1,ST2,ST3,ST4}'::text[]) AS t;
-- Many days in a transaction: said once
SELECT count(ticket_open('ST1', '2031-10-01'::date + d, 'ST-F')) FROM generate_series(0, 2) AS d;
-- Not said of a departure that is on sale
SELECT ticket_skip_stop('ST1', '2031-10-01', 'STA#5');
SELECT ticket_retime('ST1', '2031-10-01');

-- A code without a name is a station like others; and where another station has it for a name, the code goes first.
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA', 'STX', 1, '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_search('STB', 'STX', '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_trains('STX', 'St A', '2031-09-01');
SELECT outcome FROM ticket_why('ST1', 'STX', 'STB', '2031-09-01');
SELECT ticket_reserve('ST1', '2031-09-01', 'second', 'agency', 1, 'STX', 'STB') > 0 AS reserved;
SELECT * FROM ticket_search('STA', 'nowhere', '2031-09-01');

-- A name that several stations have: the one where the train calls.
SELECT from_stop, to_stop FROM ticket_buy('ST2', 'STA', 'Main', 1, '2031-09-01');
SELECT ticket_remaining('ST3', 'STA', 'Main', '2031-09-01');
SELECT outcome FROM ticket_why('ST3', 'STA', 'Main', '2031-09-01');
SELECT ticket_remaining('ST4', 'STA', 'Main', '2031-09-01');
SELECT from_stop, to_stop FROM ticket_buy('ST3', 'STA', 'Main#3', 1, '2031-09-01');
SELECT train, from_stop, to_stop, arrives FROM ticket_search('STA', 'Main', '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_search('Main', 'Main', '2031-09-01');

-- By names the nearest pair; by calls that very trip. Each boarding call is found, on the day it leaves.
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA', 'STB', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA#5', 'STB', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA', 'STB#7', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA#1', 'STB#7', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_hold('ST1', 'St A#5', 'STA#9', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_buy('ST1', 'STA#1', 'STA#9', 1, '2031-09-01');
SELECT request_no, seat IS NOT NULL AS sold FROM ticket_buy_many(ARRAY[ROW('ST1', 'STB#7', 'STA', 1, '2031-09-01', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]);
SELECT ticket_remaining('ST1', 'STA#1', 'STA#5', '2031-09-01'), (SELECT remaining FROM ticket_remaining_matrix('ST1', '2031-09-01', 'second') WHERE from_stop = 1 AND to_stop = 5) AS matrix;
SELECT outcome FROM ticket_why('ST1', 'STA#1', 'STA#9', '2031-09-01');
SELECT c.from_stop, c.to_stop FROM (SELECT order_id FROM ticket_order WHERE service_date = '2031-09-01' AND from_stop = 1 AND to_stop = 4) AS o, ticket_change(o.order_id, 'ST1', 'STA#1', 'STB#7', '2031-09-01') AS c;
SELECT train, from_stop, to_stop, departs FROM ticket_search('STA', 'STB', '2031-09-01');
SELECT train, from_stop, to_stop, departs FROM ticket_search('STA', 'STB', '2031-09-02');
SELECT train, from_stop, to_stop FROM ticket_search('STA#1', 'STB#7', '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_search('STA#5', 'STB', '2031-09-02');
SELECT train, from_stop, to_stop FROM ticket_search('STA#1', 'STA#9', '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_search('STA', 'STA', '2031-09-01');
SELECT train, from_stop, to_stop FROM ticket_search('STA#1', 'STA', '2031-09-01');
-- Every pair of the matrix can be asked for and sold.
SELECT count(*) AS pairs, count(*) FILTER (WHERE ticket_remaining('ST1', from_station || '#' || from_stop, to_station || '#' || to_stop, '2031-09-01') = remaining) AS same
FROM ticket_remaining_matrix('ST1', '2031-09-01', 'second');
-- What is no call of the train, or no call at all
SELECT ticket_remaining('ST1', 'STA', 'STA', '2031-09-01');
SELECT ticket_remaining('ST1', 'STA#1', 'STA', '2031-09-01');
SELECT ticket_remaining('ST1', 'STA#7', 'STB', '2031-09-01');
SELECT ticket_remaining('ST1', 'STA#3', 'STB', '2031-09-01');
SELECT ticket_remaining('ST1', 'STB#7', 'STA#1', '2031-09-01');
SELECT ticket_remaining('ST1', 'nowhere#1', 'STA', '2031-09-01');
\set VERBOSITY sqlstate
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{STA#}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{STA#x}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{STA#1.0}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{STA#-}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{STA#99999999999999999999}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{#1}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{#}'::text[]) AS call;
SELECT ticket_remaining('ST1', call, 'STB', '2031-09-01') FROM unnest('{""}'::text[]) AS call;
SELECT ticket_remaining('ST1', repeat('x', 1000) || '#1', 'STB', '2031-09-01');
SELECT count(*) FROM ticket_search(repeat('x', 1000), 'STB', '2031-09-01');
-- Any stop_no, to the ends of its type.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('ST5', -2147483648, 'STA', NULL, '8:00'), ('ST5', -1, 'STB', '9:00', '9:05'), ('ST5', 2147483647, 'STA', '10:00', NULL);
SELECT ticket_open('ST5', '2031-09-03', 'ST-F') > 0 AS opened;
SELECT from_stop, to_stop FROM ticket_buy('ST5', 'STA#-2147483648', 'STA#2147483647', 1, '2031-09-03');
SELECT train, from_stop, to_stop, remaining FROM ticket_search('STA#-2147483648', 'STB#-1', '2031-09-03');
SELECT ticket_remaining('ST5', 'STA#-2147483649', 'STB', '2031-09-03');
SELECT ticket_remaining('ST5', 'STB', 'STA#2147483648', '2031-09-03');
-- A code is taken as it is before # is looked at, also where the train does not call.
SELECT from_stop, to_stop FROM ticket_buy('ST4', 'STA', 'STB#3', 1, '2031-09-01');
SELECT from_stop, to_stop FROM ticket_search('STA', 'STB#3', '2031-09-01');
SELECT ticket_remaining('ST1', 'STA', 'STB#3', '2031-09-01');
-- Names follow ticket_station at once.
UPDATE ticket_station SET name = 'St Z' WHERE station = 'STA';
SELECT ticket_remaining('ST2', 'St A', 'STM2', '2031-09-01');
SELECT ticket_remaining('ST2', 'St Z', 'STM2', '2031-09-01');
DELETE FROM ticket_station WHERE station = 'STA';
SELECT ticket_remaining('ST2', 'St Z', 'STM2', '2031-09-01');
SELECT ticket_remaining('ST2', 'STA', 'STM2', '2031-09-01'), (SELECT count(*) FROM ticket_search('STA', 'STM2', '2031-09-01')) AS found;

-- Times fall by two hours at most, from one known time to the next.
\set VERBOSITY default
CREATE FUNCTION st_open(times text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM ticket_stop WHERE train = 'ST9';
  INSERT INTO ticket_stop SELECT 'ST9', n, 'STB', nullif(split_part(t, '/', 1), '')::interval, nullif(split_part(t, '/', 2), '')::interval FROM regexp_split_to_table(times, ' ') WITH ORDINALITY AS s (t, n);
  DELETE FROM ticket_departure WHERE train = 'ST9';
  RETURN ticket_open('ST9', '2031-09-02', 'ST-F');
END $$;
SELECT st_open('/22:00 23:50/00:10 06:00/');
SELECT st_open('/22:00 01:00/01:10 03:00/');
SELECT st_open('/22:00 20:00/20:10 20:20/') > 0 AS two_hours;
SELECT st_open('/22:00 19:59:59/20:10 20:20/');
SELECT st_open('/22:00 23:00/20:59 22:00/');
SELECT st_open('/26:55 26:10/26:10 27:00/') > 0 AS autumn;
SELECT st_open('/8:00 10:00/10:10 8:10/ /8:30') > 0 AS falls;
SELECT st_open('/8:00 10:00/10:10 8:15/8:15 /6:14') > 0 AS falls_twice;
SELECT st_open('/22:00 22:30/ /20:00 21:00/');
SELECT st_open('/1day 23:00/') > 0 AS one_hour;
SELECT st_open('/22:00 25:00/25:10 27:00/') > 0 AS night;
SELECT st_open('24:00/ 12:00/12:10 27:00/');

DROP FUNCTION st_open;
SELECT * FROM ticket_verify();
