-- What the peers' runs left behind, as "what|count". Each count should be 0.
CREATE TEMP VIEW peer_ticket AS
SELECT 'mask' AS peer, departure_id, coach, seat, from_stop, to_stop FROM mask_order
UNION ALL SELECT 'split', departure_id, coach, seat, from_stop, to_stop FROM split_order
UNION ALL SELECT 'exclude', departure_id, coach, seat, from_stop, to_stop FROM exclude_order;
CREATE TEMP VIEW peer_stretch AS
TABLE peer_ticket UNION ALL SELECT 'split', departure_id, bench_coach(seat_no), bench_seat(seat_no), from_stop, to_stop FROM split_free;
SELECT 'peers: stretches of a seat that overlap', count(*)
FROM (SELECT from_stop, max(to_stop) OVER (PARTITION BY peer, departure_id, coach, seat ORDER BY from_stop, to_stop
                                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_to FROM peer_stretch) AS stretch
WHERE from_stop < taken_to
UNION ALL
SELECT 'mask: seats whose mask is not their orders''', count(*)
FROM mask_seat LEFT JOIN (SELECT departure_id, coach, seat, sum(((1::bigint << (to_stop - from_stop)) - 1) << (from_stop - 1)) AS sold
                          FROM mask_order GROUP BY 1, 2, 3) AS o
  ON o.departure_id = mask_seat.departure_id AND coach = bench_coach(seat_no) AND seat = bench_seat(seat_no)
WHERE taken <> coalesce(sold, 0)
UNION ALL
SELECT 'split: seat-segments lost or made', coalesce(abs(sum(to_stop - from_stop) - count(DISTINCT departure_id) * 2000 * 29), 0)
FROM peer_stretch WHERE peer = 'split'
UNION ALL
SELECT 'peers: order rows of ' || peer, count(*) FILTER (WHERE departure_id NOT IN (2001, 2002)) FROM peer_ticket GROUP BY peer ORDER BY 1;
