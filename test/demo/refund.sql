-- pgbench: a customer buys, then returns the ticket
\set user random(1, 1000000)
\set n random_exponential(1, :wishes, 10)
SELECT coalesce(max(t.order_id), 0) AS bought FROM demo_wish w, ticket_buy(w.train, w.from_station, w.to_station, :user, w.service_date, w.seat_class) t WHERE w.n = :n \gset
\if :bought > 0
SELECT count(*) FROM ticket_refund(:bought);
\endif
