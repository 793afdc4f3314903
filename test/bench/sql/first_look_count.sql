-- pgbench: the seats left for a random trip on one of :trains departures
\set train CASE WHEN :hot = 1 THEN 1 ELSE random(1, :trains) END
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT ticket_remaining(:train, :from, :to, :date, 'second');
