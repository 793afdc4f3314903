-- A trip that was sold out is not looked for again until something is given back; then it is, by everybody.
INSERT INTO ticket_station (station, name) VALUES ('SOA', 'Sold A'), ('SOB', 'Sold B'), ('SOC', 'Sold C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
  ('SO1', 1, 'SOA', NULL, '8:00'), ('SO1', 2, 'SOB', '9:00', '9:02'), ('SO1', 3, 'SOC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('SOF', '01', 'second', '{1A,1B,1C}'), ('SOF', '02', 'first', '{1A}');
SELECT ticket_open('SO1', '2033-07-01', 'SOF') > 0 AS opened, ticket_open('SO1', '2033-07-02', 'SOF') > 0 AS opened;
CREATE FUNCTION so_buy(user_id bigint, a text DEFAULT 'SOA', b text DEFAULT 'SOC', day date DEFAULT '2033-07-01', seat_class text DEFAULT 'second', party int DEFAULT 1)
RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM ticket_buy('SO1', a, b, user_id, day, seat_class, ARRAY(SELECT so_buy.user_id + generate_series(1, party))) $$;
CREATE FUNCTION so_refund(wanted bigint) RETURNS text LANGUAGE sql AS $$
  SELECT string_agg(status, ' ') FROM (SELECT DISTINCT order_id FROM ticket_order WHERE user_id = wanted AND status = 'sold' AND service_date BETWEEN '2033-07-01' AND '2033-07-02') o, ticket_refund(o.order_id) $$;

-- Sold out, twice; the other class, the other day and the part of the way that is left are not meant.
SELECT so_buy(1, party => 2), so_buy(2, 'SOA', 'SOB');
SELECT so_buy(3), so_buy(3);
SELECT so_buy(4, 'SOB', 'SOC'), so_buy(4, 'SOB', 'SOC'), so_buy(4, 'SOB', 'SOC');
SELECT so_buy(5, seat_class => 'first'), so_buy(5, seat_class => 'first');
SELECT so_buy(6, party => 4, day => '2033-07-02'), so_buy(6, party => 3, day => '2033-07-02'), so_buy(6, day => '2033-07-02'), so_buy(6, day => '2033-07-02');
-- A refund, a rollback, an expiry of the claim of a part of a transaction: each gives back.
SELECT so_refund(2);
SELECT so_buy(3), so_buy(3, 'SOA', 'SOB'), so_buy(3, 'SOA', 'SOB');
SELECT so_refund(1);
BEGIN;
SELECT so_buy(7, party => 2);
SELECT so_buy(8), so_buy(8);
SAVEPOINT before;
SELECT so_refund(7);
SELECT so_buy(8);
ROLLBACK TO before;
SELECT so_buy(8), so_buy(8);
ROLLBACK;
SELECT so_buy(8, party => 3), so_buy(8, party => 2), so_buy(8);

-- The departure leaves the memory and comes back with a seat that nobody has given back in the memory.
SELECT so_buy(9), so_buy(9);
ALTER TABLE ticket_order_p20330701 DISABLE TRIGGER ALL;
DELETE FROM ticket_order WHERE user_id = 8 AND service_date = '2033-07-01' AND ticket_no = 1;
ALTER TABLE ticket_order_p20330701 ENABLE TRIGGER ALL;
SELECT so_buy(9), so_buy(9);
-- Again, so that the count of what was given back is the same before and after.
ALTER TABLE ticket_order_p20330701 DISABLE TRIGGER ALL;
DELETE FROM ticket_order WHERE user_id = 8 AND service_date = '2033-07-01' AND ticket_no = 2;
ALTER TABLE ticket_order_p20330701 ENABLE TRIGGER ALL;
SELECT so_buy(9), so_buy(9);
SELECT problem FROM ticket_verify();
DROP FUNCTION so_buy, so_refund;
