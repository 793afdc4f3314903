-- A new session counts on every departure, in random order, three times; then as often on one. Prints
-- microseconds of a call: the first look, the second, the third, and on one departure.
SET client_min_messages = error;
CREATE TEMP TABLE look AS SELECT train::text FROM generate_series(1, :trains) AS train ORDER BY random();
CREATE TEMP TABLE took (n int, us float);
SELECT set_config('bench.date', :'date', false) \g /dev/null
DO $$
DECLARE
  day date := current_setting('bench.date');
  began timestamptz;
  calls bigint;
BEGIN
  PERFORM ticket_remaining('1', '1', '30', day, 'second');
  PERFORM count(train) FROM look;
  FOR n IN 1 .. 4 LOOP
    began := clock_timestamp();
    SELECT count(ticket_remaining(CASE WHEN n = 4 THEN '1' ELSE train END, '1', '30', day, 'second')) INTO calls FROM look;
    INSERT INTO took VALUES (n, extract(epoch FROM clock_timestamp() - began) * 1e6 / calls);
  END LOOP;
END
$$;
SELECT string_agg(round(us::numeric, 2)::text, ' ' ORDER BY n) FROM took;
