-- pgbench: what is left of the hot item. The numbers are drawn because its floor, select_1.sql,
-- draws them, too.
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT item_remaining(1);
