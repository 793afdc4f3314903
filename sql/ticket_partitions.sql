-- Rows go into the partition that has their date, whatever it is called.
\set home :DBNAME
CREATE DATABASE regression_partitions;
\c regression_partitions
CREATE EXTENSION ticketpool;
INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
  ('T', 1, 'A', NULL, '8:00'), ('T', 2, 'B', '9:00', '9:02'), ('T', 3, 'C', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('F', '01', 'second', '{1A,1B,1C}');

-- A count, a purchase, a refund and another count on a day, and where its rows are.
CREATE FUNCTION use_day(day date, OUT remaining int, OUT seat text, OUT refunded text, OUT left_over int, OUT partitions text)
LANGUAGE plpgsql AS $$
DECLARE bought record;
BEGIN
  remaining := ticket_remaining('T', 'A', 'C', day);
  SELECT * INTO bought FROM ticket_buy('T', 'A', 'C', 1, day);
  seat := bought.seat;
  PERFORM ticket_buy('T', 'A', 'B', 2, day);
  SELECT status INTO refunded FROM ticket_refund(bought.order_id);
  left_over := ticket_remaining('T', 'A', 'C', day);
  SELECT string_agg(DISTINCT tableoid::regclass::text, ', ') INTO partitions FROM ticket_order WHERE service_date = day;
END $$;

SELECT count(ticket_open('T', day::date, 'F')) FROM generate_series(date '2031-05-01', '2031-05-04', '1 day') AS day;
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-01');

-- The names of two days exchanged, in this session and in a new one.
ALTER TABLE ticket_order_p20310502 RENAME TO other;
ALTER TABLE ticket_order_p20310503 RENAME TO ticket_order_p20310502;
ALTER TABLE other RENAME TO ticket_order_p20310503;
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-02');
\c -
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-03');
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-02');

-- Another table has the name, or nobody.
ALTER TABLE ticket_order_p20310504 RENAME TO somewhere;
CREATE TABLE ticket_order_p20310504 (LIKE ticket_order INCLUDING ALL);
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-04');
DROP TABLE ticket_order_p20310504;
\c -
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-04');

-- A partition of a month, with the name of its first day.
CREATE TABLE ticket_order_p20310601 PARTITION OF ticket_order FOR VALUES FROM ('2031-06-01') TO ('2031-07-01');
SELECT count(ticket_open('T', day::date, 'F')) FROM unnest(ARRAY['2031-06-01', '2031-06-30', '2031-07-01']) AS day;
SELECT day, remaining, left_over, refunded, partitions FROM unnest(ARRAY['2031-06-01', '2031-06-30', '2031-07-01']) AS day, use_day(day::date);

-- A partition without an end, and the default one, with names of days that they have and have not.
CREATE TABLE ticket_order_p20330101 PARTITION OF ticket_order FOR VALUES FROM ('2033-01-01') TO (MAXVALUE);
CREATE TABLE ticket_order_p20320101 PARTITION OF ticket_order DEFAULT;
SELECT count(ticket_open('T', day::date, 'F')) FROM unnest(ARRAY['2032-01-01', '2032-12-31', '2033-01-01', '2034-01-01']) AS day;
SELECT day, remaining, left_over, refunded, partitions FROM unnest(ARRAY['2032-01-01', '2032-12-31', '2033-01-01', '2034-01-01']) AS day, use_day(day::date);

-- A partition that is partitioned itself, named after its day.
CREATE TABLE ticket_order_p20310801 PARTITION OF ticket_order FOR VALUES FROM ('2031-08-01') TO ('2031-08-02') PARTITION BY RANGE (service_date);
SELECT ticket_open('T', '2031-08-01', 'F');
DROP TABLE ticket_order_p20310801;

-- Detached, it keeps its name and is no partition, or one of another table; another one takes its place.
ALTER TABLE ticket_order DETACH PARTITION ticket_order_p20310501;
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-01');
CREATE TABLE archive (LIKE ticket_order) PARTITION BY RANGE (service_date);
ALTER TABLE archive ATTACH PARTITION ticket_order_p20310501 FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-01');
CREATE TABLE fresh PARTITION OF ticket_order FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-01');
SELECT count(*) FROM ticket_order_p20310501;

SELECT problem FROM ticket_verify();
-- A table of an earlier version gets the columns that came later when it is attached.
DELETE FROM ticket_order WHERE service_date = '2031-05-01';
ALTER TABLE ticket_order DETACH PARTITION fresh;
ALTER TABLE fresh DROP COLUMN request_digest;
ALTER TABLE ticket_order ATTACH PARTITION fresh FOR VALUES FROM ('2031-05-01') TO ('2031-05-02');
SELECT remaining, left_over, refunded, partitions FROM use_day('2031-05-01');
SELECT request_digest IS NOT NULL AS digest FROM ticket_buy('T', 'B', 'C', 3, '2031-05-01', request_id => '00000000-0000-0000-0000-000000000001');

-- A column of the user's that is older than one of ours: each value comes back in its own column, from new and from old partitions.
ALTER TABLE ticket_order ADD COLUMN note text;
ALTER TABLE ticket_order DROP COLUMN request_digest, ADD COLUMN request_digest uuid;
ALTER TABLE item_order ADD COLUMN note text;
ALTER TABLE item_order DROP COLUMN request_digest, ADD COLUMN request_digest uuid;
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('F9', '01', 'second', '{1A,1B,1C,2A,2B,2C,3A,3B,3C}');
SELECT ticket_open('T', '2031-09-11', 'F9') > 0 AS opened;
SELECT b.note, request_digest IS NOT NULL AS digest, seat IS NOT NULL AS seat, changed_from FROM ticket_buy('T', 'A', 'C', 3, '2031-09-11', request_id => '00000000-0000-0000-0000-000000000001') AS b;
SELECT b.note, request_digest IS NOT NULL AS digest, seat IS NOT NULL AS seat FROM ticket_buy('T', 'A', 'C', 3, '2031-09-11', passengers => '{1,2}', request_id => '00000000-0000-0000-0000-000000000002') AS b;
SELECT b.note, request_digest IS NOT NULL AS digest FROM ticket_buy('T', 'A', 'C', 3, '2031-09-11', passengers => '{1,2}', request_id => '00000000-0000-0000-0000-000000000002') AS b;
SELECT o.order_id FROM ticket_order o WHERE request_id = '00000000-0000-0000-0000-000000000001' AND service_date = '2031-09-11' \gset
SELECT r.note, request_digest IS NOT NULL AS digest, status FROM ticket_refund(:order_id) AS r;
SELECT h.order_id FROM ticket_hold('T', 'A', 'C', 4, '2031-09-11', request_id => '00000000-0000-0000-0000-000000000003') AS h \gset
SELECT c.note, request_digest IS NOT NULL AS digest, status FROM ticket_confirm(:order_id) AS c;
SELECT count(*), count(DISTINCT request_digest) FROM ticket_order WHERE service_date = '2031-09-11' AND note IS NULL;
SELECT item_open(1, 10) > 0 AS opened;
SELECT b.note, request_digest IS NOT NULL AS digest, buy_quantity FROM item_buy(1, 1, 2, '00000000-0000-0000-0000-000000000001') AS b;
SELECT b.note, request_digest IS NOT NULL AS digest, buy_quantity FROM item_buy(1, 1, 2, '00000000-0000-0000-0000-000000000001') AS b;
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1, 1, 3, '00000000-0000-0000-0000-000000000001');
\set VERBOSITY default
SELECT * FROM ticket_verify();

\c :home
DROP DATABASE regression_partitions;
