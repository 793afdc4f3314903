-- pgbench: the INSERT of insert_many.sql, returning what ticket_buy_many returns
\set n random(1, :batches)
INSERT INTO bench_order
SELECT nextval('ticket_order_id_seq'), 1, train, :date, user_id, user_id, 'second', '12', '15F', a, b, 'sold', NULL, NULL, NULL, now(), NULL, NULL
FROM bench_batch, unnest(trains, users, froms, tos) AS request(train, user_id, a, b) WHERE n = :n
RETURNING user_id, order_id, coach, seat;
