-- pgbench: the same sale, in the way it is usually written
\set buyer :client_id + 1
\set units random(1, 3)
\set mood random(1, 20)
\if :mood = 1
BEGIN;
WITH taken AS (UPDATE row_inventory SET quantity = quantity - :units WHERE item_id = 1 AND quantity >= :units RETURNING item_id)
INSERT INTO row_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, create_time) SELECT nextval('row_order_id'), 1, item_id, :buyer, :units, 'sold', now() FROM taken;
ROLLBACK;
\elif :mood = 2
WITH last AS (SELECT max(order_id) AS order_id FROM row_order WHERE item_id = 1 AND user_id = :buyer AND status = 'sold'),
     returned AS (UPDATE row_order SET status = 'refunded' FROM last WHERE row_order.order_id = last.order_id RETURNING buy_quantity)
UPDATE row_inventory SET quantity = quantity + buy_quantity FROM returned WHERE item_id = 1;
\else
WITH taken AS (UPDATE row_inventory SET quantity = quantity - :units WHERE item_id = 1 AND quantity >= :units RETURNING item_id)
INSERT INTO row_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, create_time) SELECT nextval('row_order_id'), 1, item_id, :buyer, :units, 'sold', now() FROM taken;
\endif
