-- pgbench: a purchase of a random trip on a train that is sold out
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT order_id, coach, seat FROM ticket_buy('1', :from, :to, 1, :date, 'second');
