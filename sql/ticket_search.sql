-- ticket_search and ticket_trains on small trains: night trains, stations called at twice, what is not on sale.
SET datestyle = 'ISO, YMD';
INSERT INTO ticket_station (station, name) SELECT 'SE' || c, 'Search ' || c FROM unnest('{A,B,C,D,X}'::text[]) AS c;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    -- two day trains, a night train that leaves A before midnight and B after it, one that takes two nights
    ('SE1', 1, 'SEA', NULL, '9:00'), ('SE1', 2, 'SEB', '10:00', '10:02'), ('SE1', 3, 'SEC', '11:00', NULL),
    ('SE2', 1, 'SEA', NULL, '7:30'), ('SE2', 2, 'SEC', '13:00', NULL),
    ('SEN', 1, 'SEA', NULL, '23:30'), ('SEN', 2, 'SEB', '24:40', '25:10'), ('SEN', 3, 'SEC', '32:00', NULL),
    ('SEL', 1, 'SED', NULL, '12:00'), ('SEL', 2, 'SEA', '1 day 8:00', '1 day 08:15'), ('SEL', 3, 'SEB', '47:59', '48:00'), ('SEL', 4, 'SEC', '2 days 06:00', NULL),
    -- round trips: A B C B A D A
    ('SER', 10, 'SEA', NULL, '6:00'), ('SER', 20, 'SEB', '6:30', '6:31'), ('SER', 30, 'SEC', '7:00', '7:01'), ('SER', 40, 'SEB', '7:30', '7:31'),
    ('SER', 50, 'SEA', '8:00', '8:01'), ('SER', 60, 'SED', '8:30', '8:31'), ('SER', 70, 'SEA', '9:00', NULL),
    -- twice round: A B A B
    ('SET', 1, 'SEA', NULL, '6:00'), ('SET', 2, 'SEB', '6:30', '6:31'), ('SET', 3, 'SEA', '7:00', '7:01'), ('SET', 4, 'SEB', '7:30', NULL),
    -- the shorter way is the later one: A C B A B
    ('SEU', 1, 'SEA', NULL, '6:00'), ('SEU', 2, 'SEC', '6:30', '6:31'), ('SEU', 3, 'SEB', '7:00', '7:01'), ('SEU', 4, 'SEA', '7:30', '7:31'), ('SEU', 5, 'SEB', '8:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('SE-F', '01', 'first', '{1A}'), ('SE-F', '02', 'second', '{1A,1B}'), ('SE-1', '01', 'second', '{1A,1B}');
SELECT count(ticket_open(t, d::date, 'SE-F')) FROM unnest('{SE1,SEN,SEL}'::text[]) AS t, generate_series('2031-05-01'::date, '2031-05-03', '1 day') AS d;
SELECT ticket_open('SE2', '2031-05-02', 'SE-1') > 0 AS opened, ticket_open('SER', '2031-05-10', 'SE-1') > 0 AS opened,
    ticket_open('SET', '2031-05-11', 'SE-1') > 0 AS opened, ticket_open('SEU', '2031-05-12', 'SE-1') > 0 AS opened;

-- In order of departure, a row a class; by code or name. The one that set out the day before is found by the day it leaves here.
SELECT * FROM ticket_search('SEA', 'SEC', '2031-05-02');
SELECT * FROM ticket_trains('Search A', 'Search C', '2031-05-02');
SELECT * FROM ticket_search('SEB', 'SEC', '2031-05-02');
-- The days before and after
SELECT d::date AS travel_date, t.train, t.service_date, t.departs FROM generate_series('2031-04-30'::date, '2031-05-06', '1 day') AS d, ticket_trains('SEB', 'SEC', d::date) AS t
ORDER BY d, t.departs;
-- Counts follow sales: taken over a part of the trip is taken for the whole.
SELECT seat FROM ticket_buy('SEN', 'SEA', 'SEB', 1, '2031-05-01', 'first');
SELECT train, service_date, seat_class, remaining FROM ticket_search('SEA', 'SEC', '2031-05-01') WHERE train = 'SEN';
SELECT train, service_date, seat_class, remaining FROM ticket_search('SEB', 'SEC', '2031-05-02') WHERE train = 'SEN';
-- Sold out is listed, closed is not, nor is a train that does not go from there to there.
SELECT count(*) FROM ticket_buy('SE2', 'SEA', 'SEC', 1, '2031-05-02', passengers => '{1,2}');
SELECT train, seat_class, remaining FROM ticket_search('SEA', 'SEC', '2031-05-02') WHERE train = 'SE2';
SELECT ticket_close('SE2', '2031-05-02');
SELECT train FROM ticket_trains('SEA', 'SEC', '2031-05-02');
SELECT train FROM ticket_search('SEC', 'SEA', '2031-05-02');
SELECT train FROM ticket_search('SEA', 'SEA', '2031-05-02');
SELECT train FROM ticket_search('SEA', 'SEX', '2031-05-02');
SELECT train FROM ticket_search('SEA', 'SEC', '2031-04-01');
SELECT train FROM ticket_search('SEA', 'SEC', 'infinity');
SELECT train FROM ticket_search('SEA', 'SEC', '-infinity');
SELECT count(*) FROM ticket_search('SEA', 'SEC');
-- What comes and goes is seen at once, also within a transaction.
BEGIN;
SELECT ticket_open('SE2', '2031-05-04', 'SE-1') > 0 AS opened;
SELECT train, remaining FROM ticket_search('SEA', 'SEC', '2031-05-04') WHERE train = 'SE2';
ROLLBACK;
SELECT train, remaining FROM ticket_search('SEA', 'SEC', '2031-05-04') WHERE train = 'SE2';
SELECT ticket_open('SE2', '2031-05-04', 'SE-1') > 0 AS opened;
SELECT train, remaining FROM ticket_search('SEA', 'SEC', '2031-05-04') WHERE train = 'SE2';
INSERT INTO ticket_stop VALUES ('SE3', 1, 'SEA', NULL, '5:00'), ('SE3', 2, 'SEC', '6:00', NULL);
SELECT ticket_open('SE3', '2031-05-04', 'SE-1') > 0 AS opened;
SELECT train, remaining FROM ticket_search('SEA', 'SEC', '2031-05-04') WHERE train IN ('SE2', 'SE3');

-- A station called at twice: the fewest stops, the earlier on a tie; from a station to itself is no trip.
SELECT f, t, s.from_stop, s.to_stop, s.departs::time, s.arrives::time FROM unnest('{SEA,SEB,SEC,SED}'::text[]) AS f, unnest('{SEA,SEB,SEC,SED}'::text[]) AS t,
    ticket_search(f, t, '2031-05-10') AS s WHERE s.train = 'SER' ORDER BY f, t;
SELECT f, t, b.from_stop, b.to_stop FROM (VALUES ('SEA', 'SEB'), ('SEB', 'SEA'), ('SEA', 'SED'), ('SEB', 'SED')) AS v (f, t), ticket_buy('SER', f, t, 1, '2031-05-10') AS b ORDER BY f, t;
SELECT from_station, to_station, from_stop, to_stop, remaining FROM ticket_remaining_matrix('SER', '2031-05-10', 'second') WHERE from_station = to_station ORDER BY 3, 4;
SELECT from_stop, to_stop FROM ticket_search('SEA', 'SEB', '2031-05-11');
SELECT from_stop, to_stop FROM ticket_buy('SET', 'SEA', 'SEB', 1, '2031-05-11', passengers => '{1,2}');
SELECT from_stop, to_stop FROM ticket_buy('SET', 'SEA', 'SEB', 1, '2031-05-11');
SELECT from_stop, to_stop FROM ticket_buy('SET', 'SEB', 'SEA', 1, '2031-05-11');
SELECT from_stop, to_stop FROM ticket_search('SEA', 'SEB', '2031-05-12');
SELECT from_stop, to_stop FROM ticket_buy('SEU', 'SEA', 'SEB', 1, '2031-05-12');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('SER', 'SEA', 'SEA', 1, '2031-05-10');
SELECT * FROM ticket_remaining('SER', 'SEB', 'SEB', '2031-05-10');
-- Errors
SELECT * FROM ticket_search('Nowhere', 'SEC', '2031-05-02');
SELECT * FROM ticket_search('SEA', 'Nowhere', '2031-05-02');
SELECT * FROM ticket_search(NULL, 'SEC', '2031-05-02');
SELECT * FROM ticket_search('SEA', NULL, '2031-05-02');
SELECT * FROM ticket_search('SEA', 'SEC', NULL);
SELECT * FROM ticket_trains('Nowhere', 'SEC', '2031-05-02');
SELECT * FROM ticket_trains(NULL, 'SEC', '2031-05-02');
INSERT INTO ticket_station (station, name) VALUES ('SEA2', 'Search A');
SELECT * FROM ticket_search('Search A', 'SEC', '2031-05-02');
DELETE FROM ticket_station WHERE station = 'SEA2';
SELECT count(*) FROM ticket_trains('Search A', 'SEC', '2031-05-02');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
