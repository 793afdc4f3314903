-- What the run left behind, as "what|count". Each count except the first, the rows of the slices,
-- should be 0.
SELECT 'order rows', count(*) FROM ticket_order WHERE service_date > :'today'
UNION ALL
SELECT 'seats sold twice', count(*)
FROM (SELECT from_stop, max(to_stop) OVER (PARTITION BY departure_id, coach, seat ORDER BY from_stop, to_stop
                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_to
      FROM ticket_order WHERE status IN ('held', 'sold')) AS ticket
WHERE from_stop < taken_to
UNION ALL
SELECT 'differences between pool and tables', count(*) FROM ticket_verify()
UNION ALL
-- One trip of each departure, counted from the rows.
SELECT 'departures with a wrong ticket_remaining', count(*)
FROM (SELECT trip.train, trip.service_date, a, b, count(DISTINCT (coach, seat)) FILTER (WHERE order_id IS NOT NULL) AS taken
      FROM (SELECT *, departure_id % 29 + 1 AS a, departure_id % 29 + 2 + departure_id / 29 % (29 - departure_id % 29) AS b
            FROM ticket_departure WHERE train ~ '^[0-9]+$') AS trip
      LEFT JOIN ticket_order AS o ON o.departure_id = trip.departure_id AND o.service_date = trip.service_date
                                     AND o.status IN ('held', 'sold') AND from_stop < b AND a < to_stop
      GROUP BY 1, 2, 3, 4) AS counted
WHERE ticket_remaining(train, a::text, b::text, service_date, 'second') <> 2000 - taken
UNION ALL
SELECT 'claims left in flight', count(*) FROM ticket_inflight
UNION ALL
SELECT 'departures evicted in between', evictions FROM ticket_pool_stat;
