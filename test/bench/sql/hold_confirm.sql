-- pgbench: one ticket for a random trip on one of :trains departures, held, then paid: two
-- transactions
\set train random(1, :trains)
\set from random(1, 29)
\set to random(:from + 1, 30)
\set user random(1, 1000000)
SELECT coalesce(max(order_id), 0) AS held FROM ticket_hold(:train, :from, :to, :user, :date, 'second') \gset
SELECT order_id, coach, seat FROM ticket_confirm(:held);
