-- pgbench: the rows that item_buy_many.sql writes, as one bare INSERT
\set n random(1, 32)
INSERT INTO bench_item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, create_time)
SELECT nextval('item_order_id_seq'), 1, 1, user_id, 1, 'sold', now() FROM bench_item_batch, unnest(users) AS user_id WHERE n = :n;
