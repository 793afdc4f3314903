-- pgbench: the floor of a call; the numbers are drawn as in remaining.sql
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT 1;
