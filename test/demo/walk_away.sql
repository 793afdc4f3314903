-- pgbench: a party of three buys seats, keeps its transaction open for a while, and rolls it back
\set user random(1, 1000000)
\set n random_exponential(1, :wishes, 10)
BEGIN;
SELECT count(*) FROM demo_wish w, ticket_buy(w.train, w.from_station, w.to_station, :user, w.service_date, w.seat_class, ARRAY[:user, :user + 1, :user + 2]::bigint[]) WHERE w.n = :n;
\sleep 200 ms
ROLLBACK;
