-- pgbench: as many rows as search.sql, from an index that holds them in order
SELECT train, service_date, from_stop, to_stop, departs, arrives, seat_class, remaining
FROM bench_search WHERE from_station = 'N' AND to_station = 'S' AND travel_date = :date ORDER BY departs;
