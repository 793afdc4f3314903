-- pgbench: 1,000 purchases in one call
\set n random(1, 32)
SELECT request_no, order_id FROM bench_item_batch, item_buy_many(requests) WHERE n = :n;
