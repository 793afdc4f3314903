-- pgbench: the floor of a call with five parameters
\set train random(1, :trains)
\set from random(1, 29)
\set to random(:from + 1, 30)
SELECT length(:train::text) + length(:from::text) + length(:to::text) + extract(day FROM :date::date)::int + length('second'::text);
