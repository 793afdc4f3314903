-- pgbench: a customer buys; one in twenty gives up before paying, one in twenty returns what it
-- bought last.
\set buyer :client_id + 1
\set units random(1, 3)
\set mood random(1, 20)
\if :mood = 1
BEGIN;
SELECT count(*) FROM item_buy(1, :buyer, :units);
ROLLBACK;
\elif :mood = 2
SELECT count(*) FROM (SELECT max(order_id) AS order_id FROM item_order WHERE item_id = 1 AND user_id = :buyer AND status = 'sold' HAVING count(*) > 0) AS last, item_refund(last.order_id);
\else
SELECT count(*) FROM item_buy(1, :buyer, :units);
\endif
