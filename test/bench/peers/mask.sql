-- Peer: a row for each seat with a bit for each segment (bit n - 1: from stop n to stop n + 1). The
-- mask is in no index and pages have room, so updates are heap-only. Buyers start at a random seat,
-- so they seldom meet.
CREATE TABLE mask_seat (departure_id bigint, seat_no int, taken bigint NOT NULL DEFAULT 0, PRIMARY KEY (departure_id, seat_no)) WITH (fillfactor = 70);
CREATE TABLE mask_order (LIKE ticket_order INCLUDING ALL);

CREATE FUNCTION mask_open(first bigint, departures int) RETURNS void LANGUAGE sql AS
$$ INSERT INTO mask_seat SELECT d, s FROM generate_series(first, first + departures - 1) AS d, generate_series(1, 2000) AS s $$;

CREATE FUNCTION mask_remaining(departure bigint, a int, b int) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT count(*) FROM mask_seat WHERE departure_id = departure AND taken & (((1::bigint << (b - a)) - 1) << (a - 1)) = 0 $$;

CREATE FUNCTION mask_buy(departure bigint, a int, b int, buyer bigint, day date) RETURNS TABLE (id bigint, coach_no text, seat_label text) LANGUAGE plpgsql AS
$$
DECLARE
  trip bigint := ((1::bigint << (b - a)) - 1) << (a - 1);
  start int := 1 + floor(random() * 2000);
  found_no int;
BEGIN
  UPDATE mask_seat SET taken = taken | trip
  WHERE departure_id = departure AND seat_no = (SELECT s.seat_no FROM mask_seat AS s
    WHERE s.departure_id = departure AND s.seat_no >= start AND s.taken & trip = 0 ORDER BY s.seat_no LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING seat_no INTO found_no;
  IF found_no IS NULL THEN
    UPDATE mask_seat SET taken = taken | trip
    WHERE departure_id = departure AND seat_no = (SELECT s.seat_no FROM mask_seat AS s
      WHERE s.departure_id = departure AND s.seat_no < start AND s.taken & trip = 0 ORDER BY s.seat_no LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING seat_no INTO found_no;
  END IF;
  IF found_no IS NULL THEN
    PERFORM nextval('bench_refused');
    RETURN;
  END IF;
  RETURN QUERY INSERT INTO mask_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
  VALUES (nextval('ticket_order_id_seq'), 1, departure, day, buyer, buyer, 'second', bench_coach(found_no), bench_seat(found_no), a, b, 'sold')
  RETURNING order_id, coach, seat;
END
$$;
