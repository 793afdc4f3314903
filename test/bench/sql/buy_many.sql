-- pgbench: :size purchases in one call
\set n random(1, :batches)
SELECT request_no, order_id, coach, seat FROM bench_batch, ticket_buy_many(requests) WHERE n = :n;
