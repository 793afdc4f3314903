-- pgbench: the seats left for a random trip on a half sold train of 2,000 seats
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT ticket_remaining('2', :from, :to, :date, 'second');
