-- Peer: a row for each free stretch of a seat. A sale takes one that covers the trip. What is left
-- of it on either side stays or becomes a row. The stretch is in no index, so shortening one is a
-- heap-only update.
CREATE TABLE split_free (departure_id bigint, seat_no int, from_stop int NOT NULL, to_stop int NOT NULL) WITH (fillfactor = 70);
CREATE INDEX ON split_free (departure_id, seat_no);
CREATE TABLE split_order (LIKE ticket_order INCLUDING ALL);

CREATE FUNCTION split_open(first bigint, departures int) RETURNS void LANGUAGE sql AS
$$ INSERT INTO split_free SELECT d, s, 1, 30 FROM generate_series(first, first + departures - 1) AS d, generate_series(1, 2000) AS s $$;

CREATE FUNCTION split_remaining(departure bigint, a int, b int) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT count(*) FROM split_free WHERE departure_id = departure AND from_stop <= a AND to_stop >= b $$;

CREATE FUNCTION split_buy(departure bigint, a int, b int, buyer bigint, day date) RETURNS TABLE (id bigint, coach_no text, seat_label text) LANGUAGE plpgsql AS
$$
DECLARE
  start int := 1 + floor(random() * 2000);
  place tid;
  found split_free;
BEGIN
  SELECT ctid, s.* INTO place, found.departure_id, found.seat_no, found.from_stop, found.to_stop FROM split_free AS s
  WHERE s.departure_id = departure AND s.seat_no >= start AND s.from_stop <= a AND s.to_stop >= b ORDER BY s.seat_no LIMIT 1 FOR UPDATE SKIP LOCKED;
  IF place IS NULL THEN
    SELECT ctid, s.* INTO place, found.departure_id, found.seat_no, found.from_stop, found.to_stop FROM split_free AS s
    WHERE s.departure_id = departure AND s.seat_no < start AND s.from_stop <= a AND s.to_stop >= b ORDER BY s.seat_no LIMIT 1 FOR UPDATE SKIP LOCKED;
  END IF;
  IF place IS NULL THEN
    PERFORM nextval('bench_refused');
    RETURN;
  END IF;
  IF found.from_stop < a THEN
    UPDATE split_free SET to_stop = a WHERE ctid = place;
    IF b < found.to_stop THEN
      INSERT INTO split_free VALUES (departure, found.seat_no, b, found.to_stop);
    END IF;
  ELSIF b < found.to_stop THEN
    UPDATE split_free SET from_stop = b WHERE ctid = place;
  ELSE
    DELETE FROM split_free WHERE ctid = place;
  END IF;
  RETURN QUERY INSERT INTO split_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
  VALUES (nextval('ticket_order_id_seq'), 1, departure, day, buyer, buyer, 'second', bench_coach(found.seat_no), bench_seat(found.seat_no), a, b, 'sold')
  RETURNING order_id, coach, seat;
END
$$;
