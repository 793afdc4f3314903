-- The peers of a purchase: departure 2001 is sold out, 2002 has sold what train 2 has, and :spread departures from 1 on are for spread sales.
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
SELECT count(*) FROM generate_series(1, 2000) AS n, exclude_buy(2001, 1, 30, n, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM half_sold, mask_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM half_sold, split_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
SELECT count(*) FROM half_sold, exclude_buy(2002, from_stop, to_stop, user_id, CURRENT_DATE) \g /dev/null
VACUUM ANALYZE;
