-- pgbench: the INSERT of insert.sql, returning what ticket_buy returns
\set n :n + 1
\set train CASE WHEN :hot = 1 THEN 1 + :n * :clients / 4000 % :hot_trains ELSE random(1, :trains) END
\set from random(1, 29)
\set to random(:from + 1, 30)
\set user random(1, 1000000)
INSERT INTO bench_order VALUES (nextval('ticket_order_id_seq'), 1, :train, :date, :user, :user, 'second', '12', '15F', :from, :to, 'sold', NULL, NULL, NULL, now(), NULL, NULL) RETURNING order_id, coach, seat;
