-- Tomorrow's G1 is sold out in second class, and its train is not the one that was planned: a coach
-- is missing, and then the train that comes is twice as long.
SELECT formation AS planned, (SELECT formation FROM ticket_departure WHERE train = 'G111' AND service_date = CURRENT_DATE + 1) AS long_train
FROM ticket_departure WHERE train = 'G1' AND service_date = CURRENT_DATE + 1 \gset
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places)
SELECT 'without a coach', coach, seat_class, seats, places FROM ticket_formation f
WHERE formation = :'planned' AND coach <> (SELECT max(coach) FROM ticket_formation WHERE formation = f.formation AND seat_class = 'second');
CREATE TEMP TABLE step (n int GENERATED ALWAYS AS IDENTITY, step text, kept bigint, moved bigint, answer text);
DO $$
DECLARE detail text;
BEGIN
  PERFORM ticket_reform('G1', CURRENT_DATE + 1, 'without a coach');
EXCEPTION WHEN SQLSTATE 'TK007' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  INSERT INTO step (step, answer) VALUES ('a coach is missing', 'TK007: ' || detail);
END $$;
CREATE TEMP TABLE moved AS SELECT * FROM ticket_reform('G1', CURRENT_DATE + 1, :'long_train');
INSERT INTO step (step, kept, moved, answer)
SELECT 'the train is longer', count(*) FILTER (WHERE m.order_id IS NULL), count(m.order_id), coalesce(min(old_coach || '/' || old_seat || ' -> ' || new_coach || '/' || new_seat), '')
FROM ticket_departure JOIN ticket_order o USING (departure_id, service_date) LEFT JOIN moved m USING (order_id, ticket_no)
WHERE train = 'G1' AND service_date = CURRENT_DATE + 1 AND o.status = 'sold';
INSERT INTO step (step, answer) SELECT 'more seats to sell', ticket_remaining('G1', '北京南', '上海虹桥', CURRENT_DATE + 1, 'second') || ' of second class';
SELECT step, kept, moved, answer FROM step ORDER BY n;
SELECT count(*) AS problems FROM ticket_verify((SELECT departure_id FROM ticket_departure WHERE train = 'G1' AND service_date = CURRENT_DATE + 1));
