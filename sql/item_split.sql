-- Split and merge: inventories of their own, transactional, exact.
SELECT item_open(1201, 10) AS root \gset
SELECT count(*) FROM item_buy(1201, 1, 2);
SELECT id AS first, root_id = :root AND parent_id = :root AS of_root, item_id, quantity, user_id, status FROM item_split(1201, 3) LIMIT 1 \gset
SELECT quantity, user_id, status, parent_id = :root AS of_root FROM item_inventory WHERE item_id = 1201 ORDER BY id;
SELECT item_remaining(1201), (SELECT sum(quantity) FROM item_inventory WHERE item_id = 1201) AS put_on_sale;
SELECT * FROM item_verify(1201);
SELECT inventories, quantity, remaining FROM item_pool WHERE item_id = 1201;
-- The root has nothing left, so its buyers get the parts in order; never from two at once.
SELECT inventory_id - :first AS part, buy_quantity FROM item_buy(1201, 1, 2);
SELECT inventory_id - :first AS part, buy_quantity FROM item_buy(1201, 1, 2);
SELECT inventory_id - :first AS part, buy_quantity FROM item_buy(1201, 1, 2);
SELECT * FROM item_buy(1201, 1, 2);
SELECT inventory_id - :first AS part, buy_quantity FROM item_buy(1201, 1, 1, inventory_id => :first + 1);
SELECT * FROM item_buy(1201, 1, 1, inventory_id => :first + 1);
SELECT item_remaining(1201);
-- Merged: its unsold part goes back, and so does what is refunded later.
SELECT item_merge(:first);
SELECT item_merge(:first);
SELECT quantity, status FROM item_inventory WHERE item_id = 1201 ORDER BY id;
SELECT item_remaining(1201);
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1201, 1, 1, inventory_id => :first);
\set VERBOSITY default
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE inventory_id = :first));
SELECT item_remaining(1201);
SELECT quantity, status FROM item_inventory WHERE item_id = 1201 ORDER BY id;
SELECT inventory_id = :root AS of_root FROM item_buy(1201, 1, 3);
SELECT * FROM item_verify(1201);
-- A copy of the database builds all of it from the rows.
\set home :DBNAME
CREATE DATABASE regression_item_copy TEMPLATE :"home";
\c regression_item_copy
SELECT item_remaining(1201);
SELECT * FROM item_verify(1201);
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE inventory_id = :first + 2));
SELECT item_remaining(1201);
-- An order of an inventory that was merged before the item was loaded, as if it were still to be refunded
UPDATE item_inventory SET quantity = 2 WHERE id = :first;
UPDATE item_order SET status = 'sold' WHERE inventory_id = :first;
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE inventory_id = :first));
SELECT item_remaining(1201);
SELECT quantity FROM item_inventory WHERE item_id = 1201 ORDER BY id;
SELECT * FROM item_verify(1201);
-- What came back to a merged inventory by itself is sold to the root's buyers, whoever the seller was, and merged again.
INSERT INTO item_inventory (item_id, quantity) VALUES (1298, 2);
INSERT INTO item_inventory (item_id, quantity, parent_id, root_id, user_id, status) SELECT 1298, 3, id, id, 5, 'merged' FROM item_inventory WHERE item_id = 1298
    RETURNING id AS merged \gset
SELECT item_remaining(1298);
\set VERBOSITY sqlstate
SELECT inventory_id = :merged AS of_merged FROM item_buy(1298, 1, 1, inventory_id => :merged);
\set VERBOSITY default
SELECT inventory_id = :merged AS of_merged FROM item_buy(1298, 1, 3);
SELECT inventory_id = :merged AS of_merged FROM item_buy(1298, 1, 1);
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE inventory_id = :merged));
SELECT item_remaining(1298);
SELECT quantity FROM item_inventory WHERE item_id = 1298 ORDER BY id;
SELECT item_merge(:merged);
SELECT * FROM item_verify(1298);
\c :home
DROP DATABASE regression_item_copy;

-- Sellers: their parts are sold only when they are named.
SELECT item_open(1202, 7) AS root \gset
SELECT id AS a FROM item_split(1202, 2, '{501,502}') LIMIT 1 \gset
SELECT id - :a AS part, user_id, quantity FROM item_inventory WHERE item_id = 1202 AND parent_id IS NOT NULL ORDER BY id;
SELECT * FROM item_buy(1202, 1, 1);
SELECT inventory_id - :a AS part FROM item_buy(1202, 1, 4, inventory_id => :a);
SELECT * FROM item_buy(1202, 1, 1, inventory_id => :a);
SELECT item_remaining(1202);
SELECT item_add(1202, 5);
SELECT inventory_id = :root AS of_root FROM item_buy(1202, 1, 1);
SELECT item_merge(:a + 1);
SELECT item_remaining(1202);
SELECT * FROM item_buy(1202, 1, 8);
SELECT inventory_id = :root AS of_root FROM item_buy(1202, 1, 7);
SELECT * FROM item_split(1202, 3);
SELECT * FROM item_verify(1202);

-- In a transaction: hidden until the commit, undone by a rollback.
SELECT item_open(1203, 9) AS root \gset
BEGIN;
SELECT count(*) FROM item_buy(1203, 1, 1);
SELECT id AS a FROM item_split(1203, 2) LIMIT 1 \gset
SELECT inventory_id = :a AS of_a FROM item_buy(1203, 1, 3);
SELECT inventory_id = :a + 1 AS of_b, order_id AS of_b FROM item_buy(1203, 1, 4) \gset
SELECT item_remaining(1203);
SELECT status FROM item_refund(:of_b);
SELECT item_remaining(1203);
SELECT * FROM item_verify(1203);
SELECT item_merge(:a + 1);
SELECT item_remaining(1203);
SELECT inventory_id = :root AS of_root FROM item_buy(1203, 1, 2);
SELECT * FROM item_verify(1203);
ROLLBACK;
SELECT item_remaining(1203);
SELECT inventory_id = :root AS of_root FROM item_buy(1203, 1, 9);
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE item_id = 1203));
BEGIN;
SELECT id AS a FROM item_split(1203, 2) LIMIT 1 \gset
SELECT order_id AS early FROM item_buy(1203, 1, 1, inventory_id => :a) \gset
SAVEPOINT s;
SELECT item_merge(:a);
-- It comes back after the merge: to the root.
SELECT status FROM item_refund(:early);
SELECT inventory_id = :root AS of_root FROM item_buy(1203, 1, 5);
ROLLBACK TO s;
SELECT item_remaining(1203);
SELECT inventory_id - :a AS part FROM item_buy(1203, 1, 4);
SAVEPOINT s;
SELECT item_merge(:a);
SELECT item_merge(:a + 1);
SELECT status FROM item_refund(:early);
COMMIT;
SELECT item_remaining(1203);
SELECT quantity, status FROM item_inventory WHERE item_id = 1203 ORDER BY id;
SELECT * FROM item_verify(1203);
SELECT inventory_id = :root AS of_root FROM item_buy(1203, 1, 5);
-- A split that is rolled back leaves nothing behind, also where the transaction commits.
SELECT item_open(1204, 5) AS root \gset
BEGIN;
SAVEPOINT s;
SELECT id AS a FROM item_split(1204, 2) LIMIT 1 \gset
ROLLBACK TO s;
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1204, 1, 1, inventory_id => :a);
\set VERBOSITY default
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT id AS a FROM item_split(1204, 2) LIMIT 1 \gset
ROLLBACK TO s;
COMMIT;
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1204, 1, 1, inventory_id => :a);
\set VERBOSITY default
SELECT item_remaining(1204);
SELECT inventories, remaining FROM item_pool WHERE item_id = 1204;
SELECT * FROM item_verify(1204);

-- More parts than units; many parts; and what is no split.
SELECT quantity FROM item_split(1204, 7) ORDER BY id;
SELECT item_open(1205, 100000) > 0 AS opened;
SELECT count(*), sum(quantity), min(quantity), max(quantity) FROM item_split(1205, 9999);
SELECT item_remaining(1205);
SELECT buy_quantity FROM item_buy(1205, 1, 11);
SELECT * FROM item_buy(1205, 1, 12);
SELECT item_split(1204, 0);
SELECT item_split(1204, -1);
SELECT item_split(1204, 10001);
SELECT item_split(1204, NULL);
SELECT item_split(NULL, 1);
SELECT item_split(1299, 1);
SELECT item_split(1204, 2, '{1}');
SELECT item_split(1204, 2, '{}');
SELECT item_split(1204, 2, '{1,NULL}');
SELECT item_split(1204, 4, '{{1,2},{3,4}}');
SELECT count(*) FROM item_split(1203, 2, '[5:6]={71,72}');
SELECT item_merge(NULL);
SELECT item_merge(-1);
\set VERBOSITY sqlstate
SELECT item_merge(:root);
\set VERBOSITY default
SELECT * FROM item_verify();
-- No inventory has sold more than was put on sale there, and nothing of an item was lost.
SELECT i.id FROM item_inventory i WHERE quantity < (SELECT sum(buy_quantity) FROM item_order o WHERE o.inventory_id = i.id AND status = 'sold');
SELECT item_id FROM item_inventory i WHERE item_id BETWEEN 1201 AND 1205 GROUP BY item_id
HAVING sum(quantity) <> item_remaining(item_id) + coalesce((SELECT sum(buy_quantity) FROM item_order o WHERE o.item_id = i.item_id AND status = 'sold'), 0);
