-- pgbench: a search of one of the busiest pairs on a random day
\set n random(1, :pairs)
\set day random(0, :days - 1)
SELECT s.* FROM national_pair, ticket_search(a, b, CURRENT_DATE + :day::int) AS s WHERE n = :n;
