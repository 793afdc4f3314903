-- pgbench: one unit of the hot item
\set user random(1, 1000000)
SELECT order_id FROM item_buy(1, :user, 1);
