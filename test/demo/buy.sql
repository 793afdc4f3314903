-- pgbench: one ticket for any trip
\set user random(1, 1000000)
\set n random_exponential(1, :wishes, 10)
SELECT count(*) FROM demo_wish w, ticket_buy(w.train, w.from_station, w.to_station, :user, w.service_date, w.seat_class) WHERE w.n = :n;
