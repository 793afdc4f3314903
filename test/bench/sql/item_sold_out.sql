-- pgbench: a purchase of an item that is sold out. Two numbers are drawn, as in select_1.sql.
\set user random(1, 1000000)
\set other random(1, 1000000)
SELECT order_id FROM item_buy(2, :user, 1);
