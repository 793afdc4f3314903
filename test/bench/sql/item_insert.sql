-- pgbench: the row that item_buy.sql writes, as a bare INSERT
\set user random(1, 1000000)
INSERT INTO bench_item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, create_time)
VALUES (nextval('item_order_id_seq'), 1, 1, :user, 1, 'sold', now());
