-- pgbench: what is left of the hot item; the numbers are drawn for its floor's sake, select_1.sql
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT item_remaining(1);
