-- Items: 1 is the hot one and never runs out, 2 is sold out. The floor is a plain table with the
-- columns, defaults and indexes of the orders.
SET client_min_messages = warning;
CREATE TABLE bench_item_order (LIKE item_order INCLUDING ALL);
SELECT item_open(1, 1000000000000), item_open(2, 1) \g /dev/null
SELECT count(*) FROM item_buy(2, 1, 1) \g /dev/null
CREATE TABLE bench_item_batch (n int PRIMARY KEY, requests item_request[], users bigint[]);
ALTER TABLE bench_item_batch ALTER requests SET STORAGE EXTERNAL, ALTER users SET STORAGE EXTERNAL;
INSERT INTO bench_item_batch
SELECT i % 32 + 1, array_agg(ROW(1, user_id, 1, NULL, NULL)::item_request), array_agg(user_id)
FROM (SELECT i, 1 + floor(random() * 1000000)::bigint AS user_id FROM generate_series(1, 32 * 1000) AS i) AS request GROUP BY 1;
\ir ../peers/items.sql
VACUUM ANALYZE;
