-- ticket_reserve, ticket_recycle: seats set aside for a channel over a stretch.
INSERT INTO ticket_station (station, name) VALUES ('QUA', 'Quota A'), ('QUB', 'Quota B'), ('QUC', 'Quota C'), ('QUD', 'Quota D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('QU1', 1, 'QUA', NULL, '8:00'), ('QU1', 2, 'QUB', '9:00', '9:02'), ('QU1', 3, 'QUC', '10:00', '10:02'), ('QU1', 4, 'QUD', '11:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('QU-F', '01', 'second', '{1A,1B,1C,1D,1F}'), ('QU-2', '01', 'first', '{1A,1C}'), ('QU-2', '02', 'second', '{1A,1B,1C}');
SELECT ticket_open('QU1', d::date, 'QU-F') > 0 AS opened FROM generate_series('2032-04-01'::date, '2032-04-04', '1 day') AS d;
SELECT ticket_open('QU1', '2032-04-05', 'QU-2') > 0 AS opened;
CREATE FUNCTION quota_left(day date, OUT open int, OUT agency int, OUT hotel int) LANGUAGE sql AS $$
    SELECT ticket_remaining('QU1', 'QUA', 'QUC', day), ticket_remaining('QU1', 'QUA', 'QUC', day, NULL, 'agency'), ticket_remaining('QU1', 'QUA', 'QUC', day, channel => 'hotel') $$;

-- Two of five seats, A to C, for the agency: others do not see them, but for the rest of their way.
SELECT ticket_reserve('QU1', '2032-04-01', 'second', 'agency', 2, 'QUA', 'QUC') AS quota \gset
SELECT * FROM quota_left('2032-04-01');
SELECT ticket_remaining('QU1', 'QUC', 'QUD', '2032-04-01') AS rest, ticket_remaining('QU1', 'QUB', 'QUC', '2032-04-01') AS part, ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-01', channel => 'agency') AS beyond;
SELECT train, service_date, seat_class, channel, seats, from_stop, to_stop, release_at, r.status FROM ticket_reservation r JOIN ticket_departure USING (departure_id, service_date) WHERE reservation_id = :quota;
SELECT count(*) AS rest FROM ticket_buy('QU1', 'QUC', 'QUD', 1, '2032-04-01', passengers => '{1,2,3,4,5}');
SELECT count(*) AS open FROM ticket_buy('QU1', 'QUA', 'QUC', 2, '2032-04-01', passengers => '{1,2,3}');
SELECT count(*) AS sold_out FROM ticket_buy('QU1', 'QUA', 'QUC', 3, '2032-04-01');
SELECT count(*) AS sold_out FROM ticket_buy('QU1', 'QUA', 'QUB', 3, '2032-04-01');
SELECT count(*) AS sold_out FROM ticket_buy('QU1', 'QUA', 'QUB', 3, '2032-04-01', channel => 'hotel');
SELECT * FROM quota_left('2032-04-01');
-- The agency sells within its stretch; its tickets carry the channel.
SELECT order_id, channel, status FROM ticket_buy('QU1', 'QUA', 'QUB', 4, '2032-04-01', channel => 'agency') \gset
SELECT :'channel' AS channel, :'status' AS status;
SELECT channel FROM ticket_buy('QU1', 'QUB', 'QUC', 5, '2032-04-01', channel => 'agency');
SELECT order_id AS order_2 FROM ticket_hold('QU1', 'QUA', 'QUC', 6, '2032-04-01', channel => 'agency') \gset
SELECT count(*) AS sold_out FROM ticket_buy('QU1', 'QUA', 'QUB', 6, '2032-04-01', channel => 'agency');
SELECT * FROM ticket_verify();
-- What it gives back returns to the agency while the quota lasts.
SELECT status FROM ticket_cancel(:order_2);
SELECT * FROM quota_left('2032-04-01');
SELECT count(*) AS sold_out FROM ticket_buy('QU1', 'QUA', 'QUC', 7, '2032-04-01');
SELECT order_id AS order_2 FROM ticket_buy('QU1', 'QUA', 'QUC', 7, '2032-04-01', channel => 'agency') \gset
SELECT status FROM ticket_refund(:order_id);
SELECT ticket_remaining('QU1', 'QUA', 'QUB', '2032-04-01') AS open, ticket_remaining('QU1', 'QUA', 'QUB', '2032-04-01', channel => 'agency') AS agency;
-- Recycled: one seat is sold out, of the other one segment returns.
SELECT ticket_recycle(:quota);
SELECT status FROM ticket_reservation WHERE reservation_id = :quota;
SELECT ticket_remaining('QU1', 'QUA', 'QUB', '2032-04-01') AS open, ticket_remaining('QU1', 'QUA', 'QUB', '2032-04-01', channel => 'agency') AS agency;
SELECT ticket_recycle(reservation => :quota) AS again;
-- and a refund after that goes to the open pool.
SELECT status FROM ticket_refund(:order_2);
SELECT * FROM quota_left('2032-04-01');
SELECT count(*) AS open FROM ticket_buy('QU1', 'QUA', 'QUC', 8, '2032-04-01');
SELECT * FROM ticket_verify();

-- As many as asked, or none.
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 6, 'QUA', 'QUD') AS too_many;
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 2147483647, 'QUA', 'QUD') AS too_many;
SELECT * FROM quota_left('2032-04-02');
SELECT order_id FROM ticket_buy('QU1', 'QUB', 'QUC', 1, '2032-04-02') \gset
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 5, 'QUA', 'QUD') AS too_many, ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 5, 'QUC', 'QUD') > 0 AS other_stretch;
SELECT status FROM ticket_refund(:order_id);
SELECT count(*) AS reservations FROM ticket_reservation r JOIN ticket_departure USING (departure_id) WHERE train = 'QU1' AND r.service_date = '2032-04-02';
-- Class NULL where there is one; the last argument by name.
SELECT ticket_reserve(train => 'QU1', service_date => '2032-04-02', seat_class => NULL, channel => 'hotel', seats => 1, from_station => 'Quota A', to_station => 'QUC', release_at => '2031-06-30') > 0 AS reserved;
SELECT * FROM quota_left('2032-04-02');
SELECT ticket_recycle(reservation_id) FROM ticket_reservation r JOIN ticket_departure USING (departure_id) WHERE train = 'QU1' AND r.service_date = '2032-04-02' ORDER BY 1;
SELECT * FROM quota_left('2032-04-02');

-- A channel sells from its quota first, then from the open pool; a party may be of both.
SELECT ticket_reserve('QU1', '2032-04-03', 'second', 'agency', 2, 'QUA', 'QUC') AS quota \gset
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUC', 1, '2032-04-03', channel => 'agency');
SELECT * FROM quota_left('2032-04-03');
SELECT order_id FROM ticket_buy('QU1', 'QUA', 'QUC', 2, '2032-04-03', passengers => '{1,2,3}', channel => 'agency') WHERE ticket_no = 1 \gset
SELECT * FROM quota_left('2032-04-03');
SELECT count(*) AS too_many FROM ticket_buy('QU1', 'QUA', 'QUC', 3, '2032-04-03', passengers => '{1,2}', channel => 'agency');
SELECT count(*) AS last FROM ticket_buy('QU1', 'QUA', 'QUC', 3, '2032-04-03', channel => 'agency');
SELECT * FROM quota_left('2032-04-03');
SELECT count(*) FROM ticket_refund(:order_id);
SELECT * FROM quota_left('2032-04-03');
SELECT * FROM ticket_verify();
-- Two quotas of one channel add up.
SELECT ticket_reserve('QU1', '2032-04-03', 'second', 'agency', 1, 'QUA', 'QUD') AS quota_2 \gset
SELECT * FROM quota_left('2032-04-03');
SELECT count(DISTINCT seat) FROM ticket_buy('QU1', 'QUA', 'QUC', 4, '2032-04-03', passengers => '{1,2,3}', channel => 'agency');
SELECT * FROM ticket_verify();

-- Handed over to another channel in one transaction: no seat is lost, none is anybody else's meanwhile.
SELECT ticket_reserve('QU1', '2032-04-04', 'second', 'agency', 3, 'QUA', 'QUD') AS quota \gset
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-04', passengers => '{1,2}');
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUB', 2, '2032-04-04', channel => 'agency');
BEGIN;
SELECT ticket_recycle(:quota);
SELECT ticket_reserve('QU1', '2032-04-04', 'second', 'hotel', 3, 'QUA', 'QUD') AS too_many, ticket_reserve('QU1', '2032-04-04', 'second', 'hotel', 3, 'QUB', 'QUD') > 0 AS reserved;
SELECT * FROM quota_left('2032-04-04');
ROLLBACK;
SELECT * FROM quota_left('2032-04-04');
SELECT status FROM ticket_reservation WHERE reservation_id = :quota;
SELECT * FROM ticket_verify();
BEGIN;
SELECT ticket_recycle(:quota);
SELECT ticket_reserve('QU1', '2032-04-04', 'second', 'hotel', 2, 'QUA', 'QUD') > 0 AS reserved, ticket_reserve('QU1', '2032-04-04', 'second', 'hotel', 1, 'QUB', 'QUD') > 0 AS reserved;
COMMIT;
SELECT * FROM quota_left('2032-04-04');
SELECT ticket_remaining('QU1', 'QUB', 'QUD', '2032-04-04') AS open, ticket_remaining('QU1', 'QUB', 'QUD', '2032-04-04', channel => 'hotel') AS hotel;
SELECT count(*) FROM ticket_buy('QU1', 'QUB', 'QUD', 3, '2032-04-04', passengers => '{1,2,3}', channel => 'hotel');
SELECT * FROM ticket_verify();
-- The rollback of a reservation; made, used and returned in one transaction.
BEGIN;
SELECT ticket_reserve('QU1', '2032-04-05', 'first', 'agency', 2, 'QUA', 'QUD') > 0 AS reserved;
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-05', 'first', channel => 'agency');
ROLLBACK;
SELECT ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-05', 'first') AS open;
BEGIN;
SAVEPOINT a;
SELECT ticket_reserve('QU1', '2032-04-05', 'second', 'agency', 2, 'QUA', 'QUD') > 0 AS reserved;
ROLLBACK TO a;
SELECT ticket_reserve('QU1', '2032-04-05', 'second', 'agency', 3, 'QUA', 'QUD') AS quota \gset
SELECT count(*) AS none FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-05', 'second');
SELECT order_id FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-05', 'second', channel => 'agency') \gset
SELECT ticket_recycle(:quota);
SELECT count(*) AS open FROM ticket_buy('QU1', 'QUA', 'QUD', 2, '2032-04-05', 'second', '{1,2}');
SELECT status FROM ticket_refund(:order_id);
COMMIT;
SELECT ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-05', 'second') AS open;
SELECT * FROM ticket_verify();

-- Back at its time by itself
SELECT ticket_open('QU1', '2032-04-06', 'QU-F') > 0 AS opened;
SELECT ticket_reserve('QU1', '2032-04-06', 'second', 'agency', 4, 'QUA', 'QUD', clock_timestamp() + '200 ms') AS quota \gset
DO $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM ticket_sweep();
        EXIT WHEN ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-06') = 5;
        PERFORM pg_sleep(0.01);
    END LOOP;
END $$;
SELECT status FROM ticket_reservation WHERE reservation_id = :quota;
SELECT * FROM quota_left('2032-04-06');
SELECT count(*) AS open FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-06', passengers => '{1,2,3,4,5}');

-- A whole plan in one statement
SELECT ticket_open('QU1', '2032-04-07', 'QU-2') > 0 AS opened;
CREATE TABLE quota_plan (line int, seat_class text, channel text, seats int, origin text, destination text);
INSERT INTO quota_plan VALUES (1, 'first', 'agency', 1, 'QUA', 'QUB'), (2, 'first', 'hotel', 1, 'QUA', 'QUD'), (3, 'second', 'agency', 2, 'QUA', 'QUD'), (4, 'second', 'hotel', 2, 'QUA', 'QUD');
SELECT line, ticket_reserve('QU1', '2032-04-07', seat_class, channel, seats, origin, destination) > 0 AS reserved FROM (TABLE quota_plan ORDER BY line) AS p;
SELECT from_station, to_station, remaining FROM ticket_remaining_matrix('QU1', '2032-04-07', 'first');
SELECT sum(ticket_recycle(reservation_id)) FROM ticket_reservation r JOIN ticket_departure USING (departure_id) WHERE train = 'QU1' AND r.service_date = '2032-04-07';
SELECT ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-07');
DROP TABLE quota_plan;

-- What it refuses
SELECT ticket_open('QU1', '2032-04-08', 'QU-F', '2031-06-01') > 0 AS opened, ticket_open('QU1', '2032-04-09', 'QU-F') > 0 AS opened;
SELECT ticket_close('QU1', '2032-04-09');
\set VERBOSITY sqlstate
SELECT ticket_reserve('QU9', '2032-04-02', 'second', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-30', 'second', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, 'QUD', 'QUA');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, 'QUA', 'nowhere');
SELECT ticket_reserve('QU1', '2032-04-02', 'third', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-05', NULL, 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 0, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', -1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', '', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', repeat('x', 64), 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, 'QUA', 'QUD', '2020-01-01');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, 'QUA', 'QUD', '-infinity');
SELECT ticket_reserve('QU1', '2032-04-09', 'second', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve(NULL, '2032-04-02', 'second', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', NULL, 'second', 'agency', 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', NULL, 1, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', NULL, 'QUA', 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, NULL, 'QUD');
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 1, 'QUA', NULL);
SELECT ticket_recycle(NULL);
SELECT ticket_recycle(-1);
SELECT ticket_recycle(9223372036854775807);
\set VERBOSITY default
-- A ticket of a quota that is refunded where the same transaction has returned the quota goes back to everybody, not to a
-- quota that is about to close; rolled back, the quota has its ticket again.
SELECT ticket_open('QU1', '2032-04-11', 'QU-F') > 0 AS opened;
SELECT ticket_reserve('QU1', '2032-04-11', 'second', 'agency', 2, 'QUA', 'QUC') AS quota \gset
SELECT order_id FROM ticket_buy('QU1', 'QUA', 'QUC', 1, '2032-04-11', channel => 'agency') \gset
BEGIN;
SELECT ticket_recycle(:quota);
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM quota_left('2032-04-11');
SELECT * FROM ticket_verify();
SAVEPOINT all_five;
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUD', 2, '2032-04-11', passengers => '{1,2,3,4,5}');
ROLLBACK TO all_five;
ROLLBACK;
SELECT * FROM quota_left('2032-04-11');
BEGIN;
SELECT ticket_recycle(:quota);
SELECT status FROM ticket_refund(:order_id);
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUD', 2, '2032-04-11', passengers => '{1,2,3,4,5}', channel => 'agency');
COMMIT;
SELECT * FROM quota_left('2032-04-11');
SELECT * FROM ticket_verify();
-- The longest name of a channel; one that is on nobody's list sells from the open pool. Quotas are set before the sale begins.
SELECT ticket_reserve('QU1', '2032-04-02', 'second', repeat('x', 63), 1, 'QUA', 'QUD') > 0 AS reserved, ticket_reserve('QU1', '2032-04-08', 'second', 'agency', 2, 'QUA', 'QUD') > 0 AS reserved;
SELECT ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-02', channel => repeat('x', 63)) AS own, ticket_remaining('QU1', 'QUA', 'QUD', '2032-04-02', channel => 'nobody') AS nobody;
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUD', 1, '2032-04-02', channel => 'nobody');

-- A copy of the database builds its pool from the tables: quotas, what is sold of them, and what is not.
SELECT ticket_reserve('QU1', '2032-04-02', 'second', 'agency', 2, 'QUA', 'QUC') > 0 AS reserved;
SELECT order_id FROM ticket_buy('QU1', 'QUA', 'QUB', 1, '2032-04-02', channel => 'agency') \gset
SELECT * FROM ticket_verify();
SELECT current_database() AS here \gset
\connect template1
SET client_min_messages = warning;
DROP DATABASE IF EXISTS quota_copy;
CREATE DATABASE quota_copy TEMPLATE :here;
\connect quota_copy
SELECT * FROM quota_left('2032-04-02');
SELECT ticket_remaining('QU1', 'QUB', 'QUC', '2032-04-02', channel => 'agency') AS second_part;
SELECT status FROM ticket_refund(:order_id);
SELECT * FROM quota_left('2032-04-02');
SELECT count(*) FROM ticket_buy('QU1', 'QUA', 'QUC', 2, '2032-04-02', passengers => '{1,2}', channel => 'agency');
SELECT sum(ticket_recycle(reservation_id)) AS returned FROM ticket_reservation r JOIN ticket_departure USING (departure_id) WHERE train = 'QU1' AND r.service_date = '2032-04-02' AND r.status = 'open';
SELECT * FROM quota_left('2032-04-02');
SELECT * FROM ticket_verify();
\connect :here
SET client_min_messages = warning;
DROP DATABASE quota_copy;
RESET client_min_messages;
DROP FUNCTION quota_left;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
