-- pgbench: a SELECT with the five arguments of remaining.sql
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT '2'::text, :from::text, :to::text, :date::date, 'second'::text;
