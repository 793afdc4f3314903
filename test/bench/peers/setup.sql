-- The peers of a purchase: departure 2001 is sold out, 2002 has sold what train 2 has sold, and
-- :spread departures from 1 on are for spread sales.
SET client_min_messages = warning;
CREATE FUNCTION bench_coach(seat_no int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT ((seat_no - 1) / 100 + 1)::text $$;
CREATE FUNCTION bench_seat(seat_no int) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT ((seat_no - 1) % 100 / 5 + 1) || substr('ABCDF', (seat_no - 1) % 5 + 1, 1) $$;
\ir mask.sql
\ir split.sql
\ir exclude.sql
SELECT mask_open(1, :spread), split_open(1, :spread), mask_open(2001, 2), split_open(2001, 2) \g /dev/null
SELECT count(*) FROM generate_series(1, 2000) AS n, mask_buy(2001, 1, 30, n, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM generate_series(1, 2000) AS n, split_buy(2001, 1, 30, n, CURRENT_DATE) \g /dev/null
-- The rows of 2,000 calls of exclude_buy(2001, 1, 30, ...), made ten times faster.
INSERT INTO exclude_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, seat_no)
SELECT nextval('ticket_order_id_seq'), 1, 2001, CURRENT_DATE, n, n, 'second', bench_coach(n), bench_seat(n), 1, 30, 'sold', n FROM generate_series(1, 2000) AS n;
SELECT count(*) FROM half_sold, mask_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM half_sold, split_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM half_sold, exclude_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
VACUUM ANALYZE;
