-- pgbench: a purchase of an item that is sold out
\set user random(1, 1000000)
SELECT order_id FROM item_buy(2, :user, 1);
