-- A party picks its seats on a map: A, B and C of a row with no seat taken, in a coach in which
-- somebody else has just bought a window seat. Rows of the coach before and after.
SET ticketpool.allocation = first_fit;
SELECT o.seat AS taken FROM ticket_buy('G13', '北京南', '上海虹桥', 1, CURRENT_DATE, 'second', seat_choice => 'window') AS o \gset
RESET ticketpool.allocation;
CREATE TEMP VIEW coach AS
SELECT coach, string_agg(CASE WHEN free THEN seat ELSE '(' || seat || ')' END, ' ' ORDER BY n) AS row_of_seats, seat_group::int AS row_no
FROM ticket_places('G13', '北京南', '上海虹桥', CURRENT_DATE, 'second') WITH ORDINALITY AS p (seat_class, coach, seat, free, seat_group, x, y, deck, properties, n)
WHERE coach = (SELECT coach FROM ticket_order WHERE user_id = 1 AND seat = :'taken' ORDER BY created_at DESC LIMIT 1)
GROUP BY coach, seat_group;
SELECT coach, row_of_seats AS "before, taken seats in brackets" FROM coach ORDER BY row_no LIMIT 4;
SELECT array_agg(coach || '/' || row_no || letter) AS picked
FROM (SELECT * FROM coach WHERE row_of_seats !~ '[(]' ORDER BY row_no LIMIT 1) AS c, unnest('{A,B,C}'::text[]) AS letter \gset
SELECT min(order_id) AS party FROM ticket_hold_seats('G13', '北京南', '上海虹桥', 2, :'picked', CURRENT_DATE, '{21,22,23}') \gset
SELECT ticket_no, passenger_id, coach, seat, status FROM ticket_confirm(:party) ORDER BY ticket_no;
SELECT coach, row_of_seats AS "after" FROM coach ORDER BY row_no LIMIT 4;
