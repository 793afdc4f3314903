-- A train of tomorrow comes with other coaches: what was sold moves, or keeps its seat
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places)
SELECT 'tomorrow', CASE WHEN f.coach = (SELECT max(coach) FROM ticket_formation WHERE formation = d.formation) THEN '99' ELSE f.coach END, f.seat_class, f.seats, f.places
FROM ticket_departure d JOIN ticket_formation f USING (formation) WHERE d.train = 'G125' AND d.service_date = CURRENT_DATE + 1;
SELECT seat_class, outcome, count(*), min(old_coach || '/' || old_seat || ' -> ' || new_coach || '/' || new_seat) AS for_example
FROM ticket_reform('G125', CURRENT_DATE + 1, 'tomorrow') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT count(*) AS problems FROM ticket_verify((SELECT departure_id FROM ticket_departure WHERE train = 'G125' AND service_date = CURRENT_DATE + 1));
