-- The plan node that calls functions of orders in FROM: it does what a FunctionScan does.
INSERT INTO ticket_station (station, name) VALUES ('CSA', 'Call Alpha'), ('CSB', 'Call Beta'), ('CSC', 'Call Gamma');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
  ('CS1', 1, 'CSA', NULL, '8:00'), ('CS1', 2, 'CSB', '9:00', '9:02'), ('CS1', 3, 'CSC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
  SELECT 'CSF', '01', 'second', array_agg(r || l) FROM generate_series(1, 20) r, unnest('{A,B,C,D,F}'::text[]) l;
SELECT ticket_open('CS1', '2032-06-01', 'CSF') > 0 AS opened;
CREATE VIEW cs_sold AS SELECT count(*) AS sold FROM ticket_order WHERE service_date = '2032-06-01' AND status IN ('held', 'sold');
CREATE FUNCTION cs_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line !~ 'InitPlan|Result|Replaces' THEN RETURN NEXT line; END IF;
  END LOOP;
END $$;

-- One call with constants and parameters; what the plan shows, and that it sells nothing yet.
SELECT cs_plan($$SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01') WHERE seat <> 'none'$$);
SELECT * FROM cs_sold;
-- A FunctionScan where the argument changes from row to row, where the row is wanted whole, where rows are numbered,
-- where several functions stand side by side, and where the function is set to run otherwise.
SELECT cs_plan($$SELECT seat FROM generate_series(1, 2) n, ticket_buy('CS1', 'CSA', 'CSC', n, '2032-06-01')$$);
SELECT cs_plan($$SELECT o FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01') o$$);
SELECT cs_plan($$SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01') WITH ORDINALITY$$);
SELECT cs_plan($$SELECT seat FROM ROWS FROM (ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01'), generate_series(1, 2)) AS o$$);
SELECT cs_plan($$SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', (SELECT 1), '2032-06-01')$$);
BEGIN;
ALTER FUNCTION ticket_buy SET work_mem = '1MB';
SELECT cs_plan($$SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01')$$);
ROLLBACK;

-- Not where the planner knows that nothing comes of it.
SET constraint_exclusion = on;
SELECT cs_plan($$SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01') WHERE order_id = 1 AND order_id IS NULL$$);
RESET constraint_exclusion;

-- Columns in any order, none at all, filters, several rows, sold out.
SELECT status, user_id, from_stop FROM ticket_buy('CS1', 'CSA', 'CSC', 1, '2032-06-01');
SELECT count(*) FROM ticket_buy('CS1', 'CSA', 'CSC', 2, '2032-06-01', passengers => '{21,22,23}');
SELECT passenger_id FROM ticket_buy('CS1', 'CSA', 'CSC', 3, '2032-06-01', passengers => '{31,32,33}') WHERE ticket_no <> 2 ORDER BY 1 DESC;
SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 4, '2032-06-01') WHERE false;
SELECT count(*) FROM ticket_buy('CS1', 'CSA', 'CSC', 4, '2032-06-01', passengers => (SELECT array_agg(n) FROM generate_series(1, 101) n));
SELECT count(seat) FROM ticket_buy('CS1', 'CSA', 'CSC', 4, '2032-06-01', passengers => ARRAY(SELECT generate_series(1, 94)));
SELECT * FROM cs_sold;

-- Once, however often the node is read again: in a join, in a correlated subquery, backwards.
SELECT count(*), count(DISTINCT order_id) FROM generate_series(1, 3) n LEFT JOIN ticket_buy('CS1', 'CSA', 'CSB', 5, '2032-06-01') ON n > 0;
SELECT n, (SELECT o.user_id FROM ticket_buy('CS1', 'CSA', 'CSC', 5, '2032-06-01') o WHERE o.user_id = n) AS mine FROM generate_series(4, 6) n;
SELECT * FROM cs_sold;
SELECT (ticket_refund(order_id)).status FROM (SELECT DISTINCT order_id FROM ticket_order WHERE user_id = 2 AND service_date = '2032-06-01') o;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT passenger_id FROM ticket_buy('CS1', 'CSA', 'CSC', 6, '2032-06-01', passengers => '{61,62,63}');
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
CLOSE c;
DECLARE c CURSOR FOR SELECT ticket_no FROM ticket_buy('CS1', 'CSA', 'CSC', 6, '2032-06-01', passengers => '{61,62}');
FETCH 2 FROM c;
FETCH PRIOR FROM c;
CLOSE c;
-- A single row, which needs no store: to and fro over it, and over its ends.
DECLARE c SCROLL CURSOR FOR SELECT user_id, channel FROM ticket_buy('CS1', 'CSA', 'CSC', 6, '2032-06-01', channel => 'web');
FETCH 1 FROM c;
FETCH 1 FROM c;
FETCH 2 FROM c;
FETCH PRIOR FROM c;
FETCH PRIOR FROM c;
FETCH PRIOR FROM c;
FETCH FIRST FROM c;
FETCH LAST FROM c;
FETCH ALL FROM c;
MOVE ABSOLUTE 0 FROM c;
FETCH ALL FROM c;
CLOSE c;
SELECT * FROM cs_sold;
ROLLBACK;
SELECT * FROM cs_sold;

-- Parameters: of prepared statements, planned for their values and for any; of PL/pgSQL.
PREPARE cs_buy(bigint, text) AS SELECT user_id, seat_class, channel FROM ticket_buy('CS1', 'CSA', 'CSC', $1, '2032-06-01', channel => lower($2));
SET plan_cache_mode = force_generic_plan;
EXECUTE cs_buy(7, 'WEB');
EXECUTE cs_buy(7, NULL);
SET plan_cache_mode = force_custom_plan;
EXECUTE cs_buy(8, 'App');
RESET plan_cache_mode;
CREATE FUNCTION cs_change(user_id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE held record; word text := '';
BEGIN
  FOR held IN SELECT order_id, status FROM ticket_order o WHERE o.user_id = cs_change.user_id AND service_date = '2032-06-01' AND status = 'sold' ORDER BY 1 LOOP
    SELECT word || status || ' ' INTO word FROM ticket_refund(held.order_id);
    SELECT word || count(*) || ' ' INTO word FROM ticket_refund(held.order_id, ticket_nos => '{1}');
    SELECT word || status || ' ' INTO word FROM ticket_hold('CS1', 'CSA', 'CSC', cs_change.user_id, '2032-06-01');
  END LOOP;
  RETURN word;
EXCEPTION WHEN OTHERS THEN RETURN word || sqlerrm;
END $$;
SELECT cs_change(8), cs_change(8), cs_change(99);
SELECT cs_change(7);
SELECT c.status FROM ticket_hold('CS1', 'CSA', 'CSC', 8, '2032-06-01') h, ticket_confirm(h.order_id) c;

-- Rights, NULL, errors.
CREATE ROLE cs_nobody;
GRANT USAGE ON SCHEMA public TO cs_nobody;
SET ROLE cs_nobody;
SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 9, '2032-06-01');
EXPLAIN (COSTS OFF) SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', 9, '2032-06-01');
RESET ROLE;
REVOKE USAGE ON SCHEMA public FROM cs_nobody;
DROP ROLE cs_nobody;
SELECT seat FROM ticket_buy('CS1', 'CSA', 'CSC', NULL, '2032-06-01');
SELECT seat FROM ticket_confirm(1);

-- The row type changes while a plan is kept.
PREPARE cs_row AS SELECT user_id, status FROM ticket_buy('CS1', 'CSB', 'CSC', 10, '2032-06-01');
EXECUTE cs_row;
ALTER TABLE ticket_order ADD COLUMN cs_note text DEFAULT 'new';
EXECUTE cs_row;
SELECT user_id, cs_note FROM ticket_buy('CS1', 'CSB', 'CSC', 11, '2032-06-01');
SELECT cs_note, status FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 11 AND service_date = '2032-06-01'));
ALTER TABLE ticket_order DROP COLUMN cs_note;
-- A column of the user's that wants nothing: it has its value in what comes back.
ALTER TABLE ticket_order ADD COLUMN cs_memo text;
SELECT order_id AS held, cs_memo FROM ticket_hold('CS1', 'CSB', 'CSC', 11, '2032-06-01') \gset
UPDATE ticket_order SET cs_memo = 'by the window' WHERE order_id = :held;
SELECT cs_memo, status FROM ticket_confirm(:held);
SELECT cs_memo, status FROM ticket_confirm(:held);
ALTER TABLE ticket_order DROP COLUMN cs_memo;
EXECUTE cs_row;
DEALLOCATE ALL;

-- Joined to a table whose rows are locked or changed.
CREATE TABLE cs_basket (user_id bigint, seat text);
INSERT INTO cs_basket VALUES (12, NULL);
UPDATE cs_basket b SET seat = 'bought' FROM ticket_buy('CS1', 'CSB', 'CSC', 12, '2032-06-01') o WHERE o.user_id = b.user_id RETURNING b.seat;
SELECT b.user_id, o.status FROM cs_basket b, ticket_buy('CS1', 'CSB', 'CSC', 12, '2032-06-01') o WHERE o.user_id = b.user_id FOR UPDATE OF b;
DROP TABLE cs_basket;

-- Plain quantities.
SELECT item_open(640001, 3) > 0 AS opened;
SELECT buy_quantity, status FROM item_buy(640001, 1, 2);
SELECT count(*) FROM item_buy(640001, 1, 2);
SELECT r.status, item_remaining(640001) FROM item_order o, item_refund(o.order_id) r WHERE o.item_id = 640001;
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE item_id = 640001));
SELECT problem FROM ticket_verify();
SELECT problem FROM item_verify();
DROP FUNCTION cs_change, cs_plan;
DROP VIEW cs_sold;
