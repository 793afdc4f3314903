-- pgbench: the row that hold_confirm.sql writes, as a bare INSERT and an UPDATE by primary key
\set train random(1, :trains)
\set from random(1, 29)
\set to random(:from + 1, 30)
\set user random(1, 1000000)
INSERT INTO bench_order VALUES (nextval('ticket_order_id_seq'), 1, :train, :date, :user, :user, 'second', '12', '15F', :from, :to, 'held', now() + interval '10 min', NULL, NULL, now(), NULL, NULL) RETURNING order_id AS held \gset
UPDATE bench_order SET status = 'sold', held_until = NULL, changed_at = now() WHERE order_id = :held AND ticket_no = 1 AND service_date = :date;
