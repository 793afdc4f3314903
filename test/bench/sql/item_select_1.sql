-- pgbench: the floor of a call, next to the items' own
\set user random(1, 1000000)
SELECT 1;
