-- pgbench: one ticket for a random trip on one of :trains departures, or for all clients on the
-- same departure, the next one after 4,000 tickets
\set n :n + 1
\set train CASE WHEN :hot = 1 THEN 1 + :n * :clients / 4000 % :hot_trains ELSE random(1, :trains) END
\set from random(1, 29)
\set to random(:from + 1, 30)
\set user random(1, 1000000)
SELECT order_id, coach, seat FROM ticket_buy(:train, :from, :to, :user, :date, 'second');
