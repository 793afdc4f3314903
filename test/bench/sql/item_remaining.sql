-- pgbench: what is left of the hot item
SELECT item_remaining(1);
