-- ticket_seat_map: a line a seat, a column a segment.
INSERT INTO ticket_station (station, name) SELECT 'SM' || n, 'SM' || n FROM generate_series(1, 100) AS n;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT 'SM1', n, 'SM' || n, n * interval '1 hour', n * interval '1 hour' FROM generate_series(1, 5) AS n;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT 'SM100', n, 'SM' || n, n * interval '1 hour', n * interval '1 hour' FROM generate_series(1, 100) AS n;
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('SM-F', '02', 'second', '{1A,1B,2A}'), ('SM-F', '01', 'first', '{1C}'), ('SM-F', '10', 'second', '{11F}');
SELECT ticket_open('SM1', '2031-05-01', 'SM-F') > 0 AS opened, ticket_open('SM100', '2031-05-01', 'SM-F') > 0 AS opened;
SET ticketpool.allocation = first_fit;
SELECT coach, seat FROM ticket_buy('SM1', 'SM2', 'SM4', 1, '2031-05-01', 'second');
SELECT coach, seat FROM ticket_buy('SM1', 'SM1', 'SM5', 1, '2031-05-01', 'second', seat_choice => 'F');
SELECT coach, seat FROM ticket_buy('SM1', 'SM4', 'SM5', 1, '2031-05-01', 'first');
SELECT * FROM ticket_seat_map('SM1', '2031-05-01', 'second');
SELECT * FROM ticket_seat_map('SM1', '2031-05-01', 'first');
-- All classes; any number of segments.
SELECT count(*) AS lines FROM ticket_seat_map('SM1', '2031-05-01', NULL);
SELECT coach, seat FROM ticket_buy('SM100', 'SM64', 'SM67', 1, '2031-05-01', 'first');
SELECT substring(m FROM '[.#]+$') = repeat('.', 63) || '###' || repeat('.', 33) AS right FROM ticket_seat_map('SM100', '2031-05-01', 'first') AS m;
RESET ticketpool.allocation;
\set VERBOSITY sqlstate
SELECT * FROM ticket_seat_map('SM9', '2031-05-01', 'first');
SELECT * FROM ticket_seat_map('SM1', '2031-05-02', 'first');
SELECT * FROM ticket_seat_map('SM1', '2031-05-01', 'third');
SELECT * FROM ticket_seat_map(NULL, '2031-05-01', 'first');
SELECT * FROM ticket_seat_map('SM1', NULL, 'first');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
