-- Peer: the order table itself refuses an overlap. Beginning at a random seat, a buyer looks for
-- one that is free by committed rows, and tries again if another buyer was faster (23P01, or a
-- deadlock of two that checked each other).
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE exclude_order (LIKE ticket_order INCLUDING ALL, seat_no int NOT NULL,
  EXCLUDE USING gist (departure_id WITH =, seat_no WITH =, int4range(from_stop, to_stop) WITH &&) WHERE (status IN ('held', 'sold')));

CREATE FUNCTION exclude_open(first bigint, departures int) RETURNS void LANGUAGE sql AS $$ SELECT $$;

CREATE FUNCTION exclude_remaining(departure bigint, a int, b int) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT 2000 - count(DISTINCT seat_no) FROM exclude_order
   WHERE departure_id = departure AND status IN ('held', 'sold') AND from_stop < b AND to_stop > a $$;

CREATE FUNCTION exclude_buy(departure bigint, a int, b int, buyer bigint, day date) RETURNS TABLE (id bigint, coach_no text, seat_label text) LANGUAGE plpgsql AS
$$
DECLARE
  start int;
  free_no int;
BEGIN
  FOR attempt IN 1 .. 100 LOOP
    start := floor(random() * 2000);
    SELECT candidate.n INTO free_no FROM (SELECT (start + i) % 2000 + 1 AS n FROM generate_series(0, 1999) AS i) AS candidate
    WHERE NOT EXISTS (SELECT FROM exclude_order AS o WHERE o.departure_id = departure AND o.seat_no = candidate.n
                        AND o.status IN ('held', 'sold') AND int4range(o.from_stop, o.to_stop) && int4range(a, b))
    LIMIT 1;
    EXIT WHEN free_no IS NULL;
    BEGIN
      RETURN QUERY INSERT INTO exclude_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, seat_no)
      VALUES (nextval('ticket_order_id_seq'), 1, departure, day, buyer, buyer, 'second', bench_coach(free_no), bench_seat(free_no), a, b, 'sold', free_no)
      RETURNING order_id, coach, seat;
      RETURN;
    EXCEPTION WHEN exclusion_violation OR deadlock_detected THEN
      NULL;
    END;
  END LOOP;
  PERFORM nextval('bench_refused');
END
$$;
