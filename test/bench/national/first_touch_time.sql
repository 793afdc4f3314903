-- After a restart: the time of the first ticket_remaining of each departure, and of a second one.
-- The first departure takes what a session does once, and is not counted.
CREATE TEMP TABLE touch (nth int, orders bigint, first_us float, second_us float);
DO $$
DECLARE
  d record;
  at timestamptz[];
  nth int := 0;
BEGIN
  FOR d IN SELECT * FROM touched LOOP
    at[1] := clock_timestamp();
    PERFORM ticket_remaining(d.train, d.a, d.z, d.service_date, 'second');
    at[2] := clock_timestamp();
    PERFORM ticket_remaining(d.train, d.a, d.z, d.service_date, 'second');
    at[3] := clock_timestamp();
    nth := nth + 1;
    INSERT INTO touch SELECT nth, count(*), extract(epoch FROM at[2] - at[1]) * 1e6, extract(epoch FROM at[3] - at[2]) * 1e6
    FROM ticket_order JOIN ticket_departure USING (departure_id, service_date) WHERE train = d.train AND service_date = d.service_date;
  END LOOP;
END
$$;
SELECT round(avg(orders)), percentile_cont(0.5) WITHIN GROUP (ORDER BY first_us), min(first_us), max(first_us),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY second_us) FROM touch WHERE nth > 1;
