-- Orders and inventories of items written by hand: the pool follows, or the statement is refused.
\set home :DBNAME
CREATE DATABASE regression_by_hand_items;
\c regression_by_hand_items
SET client_min_messages = warning;
CREATE EXTENSION ticketpool;
RESET client_min_messages;
SELECT item_open(1, 10) AS root \gset
SELECT setval('item_order_id_seq', 100000) \gset
-- Left in all, then of each inventory: what it has by its rows.
CREATE FUNCTION left_of(item bigint DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', item_remaining($1), '|', (SELECT string_agg((quantity - (SELECT COALESCE(sum(buy_quantity), 0) FROM item_order o
        WHERE o.inventory_id = i.id AND o.item_id = $1 AND o.status = 'sold'))::text, ' ' ORDER BY id) FROM item_inventory i WHERE item_id = $1)) $$;
CREATE PROCEDURE write_order(order_id bigint, units bigint, inventory bigint, status text DEFAULT 'sold', item bigint DEFAULT 1) LANGUAGE sql AS $$
    INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) VALUES ($1, $3, $5, 1, $2, $4) $$;

-- INSERT claims at once; a rollback gives back.
CALL write_order(1, 3, :root);
SELECT left_of();
BEGIN;
CALL write_order(2, 4, :root);
SAVEPOINT a;
CALL write_order(3, 3, :root);
SELECT left_of();
ROLLBACK TO a;
SELECT left_of();
ROLLBACK;
SELECT left_of();
CALL write_order(4, 5, :root, 'refunded');
SELECT left_of();
-- More than there is, nothing at all, an unknown status
CALL write_order(5, 8, :root);
\set VERBOSITY terse
CALL write_order(5, 0, :root);
CALL write_order(5, -3, :root);
CALL write_order(5, 1, :root, 'paid');
\set VERBOSITY default
SELECT left_of();
-- UPDATE of quantity, status, inventory; several rows in any order of taking and giving
UPDATE item_order SET buy_quantity = 10 WHERE order_id = 1;
SELECT left_of();
UPDATE item_order SET buy_quantity = 11 WHERE order_id = 1;
UPDATE item_order SET buy_quantity = 6 WHERE order_id = 1;
SELECT count(*) FROM item_buy(1, 1, 4);
UPDATE item_order SET status = CASE order_id WHEN 1 THEN 'refunded' ELSE 'sold' END WHERE order_id IN (1, 4);
SELECT left_of();
UPDATE item_order SET buy_quantity = CASE order_id WHEN 4 THEN 6 ELSE 4 END WHERE status = 'sold';
SELECT left_of();
UPDATE item_order SET modify_time = now(), user_id = 2;
SELECT left_of();
-- DELETE: free for the transaction itself, for others after the commit
BEGIN;
DELETE FROM item_order WHERE order_id = 4;
SELECT left_of();
SELECT count(*) FROM item_buy(1, 1, 5);
SELECT left_of();
ROLLBACK;
SELECT left_of();
DELETE FROM item_order;
SELECT left_of();
SELECT * FROM item_verify();

-- Several rows at once, of which one is too much; ON CONFLICT; MERGE
INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) SELECT n, :root, 1, n, 3, 'sold' FROM generate_series(1, 4) AS n;
INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) SELECT n, :root, 1, n, 3, 'sold' FROM generate_series(1, 3) AS n;
INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) SELECT n, :root, 1, n, 3, 'sold' FROM generate_series(1, 3) AS n
    ON CONFLICT (order_id) DO UPDATE SET buy_quantity = 2;
SELECT left_of();
MERGE INTO item_order o USING generate_series(1, 4) AS n ON o.order_id = n
WHEN MATCHED AND n = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET status = 'refunded'
WHEN NOT MATCHED THEN INSERT (order_id, inventory_id, item_id, user_id, buy_quantity, status) VALUES (n, :root, 1, n, 10, 'sold');
SELECT left_of();
DO $$ BEGIN CALL write_order(9, 1, 1); EXCEPTION WHEN check_violation THEN RAISE NOTICE 'refused: %', SQLERRM; END $$;
-- As a replica: the pool follows all the same.
SET session_replication_role = replica;
DELETE FROM item_order WHERE order_id = 4;
CALL write_order(5, 4, :root);
UPDATE item_inventory SET quantity = 12 WHERE id = :root;
\set VERBOSITY terse
CALL write_order(6, 9, :root);
\set VERBOSITY default
RESET session_replication_role;
SELECT left_of();
SELECT * FROM item_verify();

-- The quantity: never below what is sold.
UPDATE item_inventory SET quantity = 20 WHERE id = :root;
SELECT left_of();
UPDATE item_inventory SET quantity = 4 WHERE id = :root;
SELECT left_of();
UPDATE item_inventory SET quantity = 3 WHERE id = :root;
BEGIN;
UPDATE item_inventory SET quantity = 30 WHERE id = :root;
SELECT left_of();
SELECT count(*) FROM item_buy(1, 1, 26);
UPDATE item_inventory SET quantity = 29 WHERE id = :root;
ROLLBACK;
BEGIN;
UPDATE item_inventory SET quantity = 30 WHERE id = :root;
DELETE FROM item_order WHERE order_id = 5;
UPDATE item_inventory SET quantity = 8 WHERE id = :root;
COMMIT;
SELECT left_of();
SELECT * FROM item_verify();
-- Closed and opened; a seller
UPDATE item_inventory SET status = 'closed' WHERE id = :root;
\set VERBOSITY terse
SELECT * FROM item_buy(1, 1, 1);
BEGIN;
UPDATE item_inventory SET status = 'open' WHERE id = :root;
ROLLBACK;
SELECT * FROM item_buy(1, 1, 1);
UPDATE item_inventory SET status = 'open' WHERE id = :root;
SELECT count(*) FROM item_buy(1, 1, 1);
SELECT count(*) FROM item_split(1, 2);
SELECT max(id) AS child FROM item_inventory WHERE item_id = 1 \gset
UPDATE item_inventory SET user_id = 5 WHERE id = :child;
SELECT inventory_id = :child AS of_seller FROM item_buy(1, 1, 3);
SELECT count(*) FROM item_buy(1, 1, 1);
SELECT inventory_id = :child AS of_seller FROM item_buy(1, 1, 1, inventory_id => :child);
-- Orders of a child; what functions are for
CALL write_order(20, 2, :child);
SELECT left_of();
CALL write_order(21, 1, :child);
UPDATE item_inventory SET parent_id = NULL WHERE id = :child;
UPDATE item_inventory SET id = 1000000 WHERE id = :child;
UPDATE item_inventory SET item_id = 2 WHERE id = :child;
UPDATE item_inventory SET status = 'merged' WHERE id = :child;
SELECT count(*) FROM item_buy(1, 1, 1, inventory_id => :child);
UPDATE item_inventory SET status = 'open' WHERE id = :child;
SELECT count(*) FROM item_buy(1, 1, 1, inventory_id => :child);
SELECT item_merge(:child);
UPDATE item_order SET status = 'refunded' WHERE order_id = 20;
SELECT left_of();
CALL write_order(22, 1, :child);
CALL write_order(23, 2, :child);
SELECT left_of();
SELECT * FROM item_verify();
-- After a rebuild the same is left, and what is merged takes back what comes back.
ALTER TABLE item_order DISABLE TRIGGER ticket_follow;
ALTER TABLE item_order ENABLE ALWAYS TRIGGER ticket_follow;
SELECT left_of();
UPDATE item_order SET status = 'refunded' WHERE order_id = 22;
SELECT left_of();
SELECT item_merge(:child);
ALTER TABLE item_inventory DISABLE TRIGGER ticket_follow;
ALTER TABLE item_inventory ENABLE ALWAYS TRIGGER ticket_follow;
CALL write_order(24, 1, :child);
UPDATE item_inventory SET quantity = 2 WHERE id = :child;
CALL write_order(24, 1, :child);
SELECT left_of();

-- Inventories come: a root, children of it; with orders before and after.
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (500, 2, 10, 500);
SELECT left_of(2);
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id, user_id) VALUES (501, 2, 5, 500, 500, 7);
SELECT left_of(2);
CALL write_order(501, 5, 501, item => 2);
CALL write_order(502, 1, 501, item => 2);
BEGIN;
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) VALUES (502, 2, 3, 500, 500);
CALL write_order(503, 2, 502, item => 2);
SELECT left_of(2);
COMMIT;
SELECT left_of(2);
BEGIN;
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) VALUES (503, 2, 3, 500, 500);
CALL write_order(504, 4, 503, item => 2);
ROLLBACK;
SELECT left_of(2);
SELECT count(*) FROM item_buy(2, 1, 1, inventory_id => 502);
SELECT * FROM item_verify();
-- Orders first: accepted, and counted when their inventory comes.
CALL write_order(601, 4, 600, item => 3);
CALL write_order(602, 4, 600, item => 3);
SELECT item_remaining(3);
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (600, 3, 7, 600);
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (600, 3, 9, 600);
SELECT left_of(3);
CALL write_order(603, 2, 600, item => 3);
CALL write_order(610, 2, 601, item => 3);
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) VALUES (601, 3, 1, 600, 600);
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) VALUES (601, 3, 3, 600, 600);
SELECT left_of(3);
SELECT * FROM item_verify();
BEGIN;
CALL write_order(701, 4, 700, item => 4);
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (700, 4, 7, 700);
SELECT left_of(4);
CALL write_order(702, 4, 700, item => 4);
ROLLBACK;
SELECT left_of(4);

-- Inventories go: not while anything of them is sold.
DELETE FROM item_inventory WHERE id = 601;
DELETE FROM item_order WHERE order_id = 610;
DELETE FROM item_inventory WHERE id = 600;
SELECT left_of(3);
DELETE FROM item_inventory WHERE id = 601;
SELECT left_of(3);
BEGIN;
DELETE FROM item_order WHERE item_id = 3;
DELETE FROM item_inventory WHERE id = 600;
SELECT count(*) FROM item_buy(3, 1, 1);
ROLLBACK;
SELECT left_of(3);
-- No inventory is left without its root.
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (650, 5, 10, 650);
INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) VALUES (651, 5, 5, 650, 650);
DELETE FROM item_inventory WHERE id = 650;
SELECT left_of(5);
DELETE FROM item_inventory WHERE item_id = 5;
SELECT item_remaining(5);
-- What goes and comes in one transaction
BEGIN;
CREATE TEMP TABLE kept_orders ON COMMIT DROP AS SELECT * FROM item_order WHERE item_id = 3;
CREATE TEMP TABLE kept_inventories ON COMMIT DROP AS SELECT * FROM item_inventory WHERE item_id = 3;
DELETE FROM item_order WHERE item_id = 3;
DELETE FROM item_inventory WHERE item_id = 3;
INSERT INTO item_inventory SELECT * FROM kept_inventories;
INSERT INTO item_order SELECT * FROM kept_orders;
COMMIT;
SELECT left_of(3);
DELETE FROM item_inventory WHERE item_id = 3;
BEGIN;
DELETE FROM item_order WHERE item_id = 3;
DELETE FROM item_inventory WHERE item_id = 3;
COMMIT;
SELECT item_remaining(3);
SELECT * FROM item_buy(3, 1, 1);
SELECT item_open(3, 5) > 0 AS opened;
SELECT left_of(3);
SELECT * FROM item_verify();

-- COPY, TRUNCATE
COPY item_order TO '/tmp/ticketpool_by_hand_items.orders';
COPY item_inventory TO '/tmp/ticketpool_by_hand_items.inventories';
SELECT left_of(1) AS one, left_of(2) AS two \gset
COPY item_order FROM '/tmp/ticketpool_by_hand_items.orders';
BEGIN;
TRUNCATE item_order;
SELECT left_of(1), left_of(2);
SELECT count(*) FROM item_buy(2, 1, 15);
ROLLBACK;
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
TRUNCATE item_order;
SELECT left_of(1), left_of(2);
COPY item_order FROM '/tmp/ticketpool_by_hand_items.orders';
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
TRUNCATE item_inventory;
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
BEGIN;
TRUNCATE item_inventory, item_order;
SELECT count(*) FROM item_buy(2, 1, 1);
ROLLBACK;
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
TRUNCATE item_inventory, item_order;
SELECT item_remaining(1);
COPY item_order FROM '/tmp/ticketpool_by_hand_items.orders';
COPY item_inventory FROM '/tmp/ticketpool_by_hand_items.inventories';
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
BEGIN;
TRUNCATE item_inventory, item_order;
COPY item_inventory FROM '/tmp/ticketpool_by_hand_items.inventories';
COPY item_order FROM '/tmp/ticketpool_by_hand_items.orders';
COMMIT;
SELECT left_of(1) = :'one' AND left_of(2) = :'two' AS same;
SELECT * FROM item_verify();
\! rm -f /tmp/ticketpool_by_hand_items.*

-- Triggers switched off: what is written meanwhile counts once they are on again.
ALTER TABLE item_order DISABLE TRIGGER ALL;
DELETE FROM item_order WHERE order_id = 501;
ALTER TABLE item_order ENABLE TRIGGER ALL;
SELECT left_of(2);
SELECT string_agg(DISTINCT tgenabled::text, '') AS enabled FROM pg_trigger WHERE tgname LIKE 'ticket\_follow%';
SELECT * FROM item_verify();

-- Users' triggers: other columns may be changed, and rows be written; not the units.
CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.buy_quantity := NEW.buy_quantity + 1; RETURN NEW; END $$;
CREATE TRIGGER spoil BEFORE INSERT ON item_order FOR EACH ROW EXECUTE FUNCTION spoil();
SELECT count(*) FROM item_buy(2, 1, 1);
DROP TRIGGER spoil ON item_order;
CREATE TRIGGER spoil BEFORE UPDATE ON item_order FOR EACH ROW EXECUTE FUNCTION spoil();
SELECT count(*) FROM item_refund((SELECT max(order_id) FROM item_order WHERE item_id = 2 AND status = 'sold'));
DROP TRIGGER spoil ON item_order;
CREATE FUNCTION bonus() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.user_id <> 99 THEN
        INSERT INTO public.item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) VALUES (NEW.order_id + 1000000, NEW.inventory_id, NEW.item_id, 99, 1, 'sold');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER bonus AFTER INSERT ON item_order FOR EACH ROW EXECUTE FUNCTION bonus();
SELECT left_of(2);
SELECT count(*) FROM item_buy(2, 1, 2);
SELECT left_of(2);
SELECT count(*) FROM item_buy_many(ARRAY[ROW(2, 1, 1, NULL, NULL), ROW(2, 1, 1, NULL, NULL)]::item_request[]);
CALL write_order(800, 1, 500, item => 2);
SELECT left_of(2);
DROP TRIGGER bonus ON item_order;
SELECT * FROM item_verify();

-- Users' rules: what they write besides, at the same depth as the extension itself, is written by hand.
SELECT order_id AS sold FROM item_buy(2, 1, 1) \gset
CREATE RULE more AS ON UPDATE TO item_order WHERE NEW.status = 'refunded'
    DO ALSO UPDATE item_inventory SET quantity = quantity + 5 WHERE id = 500;
SELECT left_of(2);
SELECT status FROM item_refund(:sold);
DROP RULE more ON item_order;
SELECT left_of(2);
SELECT order_id AS sold FROM item_buy(2, 1, 1) \gset
CREATE RULE less AS ON UPDATE TO item_order WHERE NEW.status = 'refunded'
    DO ALSO DELETE FROM item_order WHERE order_id = 1000800;
SELECT status FROM item_refund(:sold);
DROP RULE less ON item_order;
SELECT left_of(2), (SELECT count(*) FROM item_order WHERE order_id = 1000800) AS kept;
SELECT * FROM item_verify();

-- PREPARE: orders and quantities can be, what is loaded anew cannot.
BEGIN;
CALL write_order(900, 1, 500, item => 2);
UPDATE item_inventory SET quantity = quantity + 5 WHERE id = 500;
DELETE FROM item_order WHERE order_id = 800;
PREPARE TRANSACTION 'by hand';
SELECT item_remaining(2);
COMMIT PREPARED 'by hand';
SELECT left_of(2);
SELECT * FROM item_verify();
BEGIN;
INSERT INTO item_inventory (id, item_id, quantity, root_id) VALUES (9000, 9, 10, 9000);
PREPARE TRANSACTION 'by hand';
BEGIN;
UPDATE item_inventory SET status = 'closed' WHERE id = 500;
PREPARE TRANSACTION 'by hand';
SELECT left_of(2);

-- The function behind the triggers lets itself be called by nothing else.
CREATE TABLE other (id int);
CREATE TRIGGER other AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION item_follow_order();
INSERT INTO other VALUES (1);
CREATE OR REPLACE TRIGGER other AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION item_follow_inventory();
INSERT INTO other VALUES (1);
SELECT item_follow_order();
\c :home
DROP DATABASE regression_by_hand_items;
