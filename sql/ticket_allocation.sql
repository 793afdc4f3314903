-- Which seat: one seat sold for many stretches, and the policies of ticketpool.allocation.
INSERT INTO ticket_station (station, name) SELECT 'AL' || c, 'Alloc ' || c FROM unnest('{A,B,C,D,E,F,G}'::text[]) AS c;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs)
SELECT 'AL1', n, 'AL' || substr('ABCDEFG', n, 1), n * interval '1 hour', n * interval '1 hour' FROM generate_series(1, 7) AS n;
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('AL-1', '01', 'second', '{1A}'), ('AL-3', '01', 'second', '{1A,1B,1C}'),
    ('AL-W', '01', 'second', '{1A,1B,1F}'), ('AL-9', '01', 'second', '{1A,1B,1C,2A,2B,2C,3A,3B,3C}');
SELECT count(ticket_open('AL1', d::date, 'AL-1')) FROM generate_series('2031-05-01'::date, '2031-05-03', '1 day') AS d;
SELECT count(ticket_open('AL1', d::date, 'AL-3')) FROM generate_series('2031-06-01'::date, '2031-06-09', '1 day') AS d;
SELECT count(ticket_open('AL1', d::date, 'AL-9')) FROM generate_series('2031-07-01'::date, '2031-07-03', '1 day') AS d;

-- One seat, sold three times: A to B, B to C, C to D; then nothing that touches any of them.
SELECT seat, from_stop, to_stop FROM ticket_buy('AL1', 'ALB', 'ALC', 1, '2031-05-01');
SELECT seat, from_stop, to_stop FROM ticket_buy('AL1', 'ALA', 'ALB', 2, '2031-05-01');
SELECT seat, from_stop, to_stop FROM ticket_buy('AL1', 'ALC', 'ALD', 3, '2031-05-01');
SELECT f, t, seat FROM (VALUES ('ALA', 'ALB'), ('ALA', 'ALC'), ('ALA', 'ALG'), ('ALB', 'ALC'), ('ALB', 'ALD'), ('ALC', 'ALD'), ('ALC', 'ALE')) AS v (f, t)
    LEFT JOIN LATERAL ticket_buy('AL1', f, t, 4, '2031-05-01') ON true ORDER BY f, t;
SELECT ticket_remaining('AL1', 'ALD', 'ALG', '2031-05-01') AS rest, ticket_remaining('AL1', 'ALC', 'ALG', '2031-05-01') AS more;
SELECT seat, from_stop, to_stop FROM ticket_buy('AL1', 'ALD', 'ALG', 5, '2031-05-01');
SELECT seat FROM ticket_buy('AL1', 'ALF', 'ALG', 6, '2031-05-01');

-- Best fit (the default): short trips fill the gaps of one seat, the others stay whole.
SHOW ticketpool.allocation;
DO $$
BEGIN
    FOR day IN 0..8 LOOP  -- equally good seats are taken at random: several days
        PERFORM FROM ticket_buy('AL1', 'ALC', 'ALE', 1, date '2031-06-01' + day);
        PERFORM FROM ticket_buy('AL1', 'ALA', 'ALB', 2, date '2031-06-01' + day);
        PERFORM FROM ticket_buy('AL1', 'ALB', 'ALC', 3, date '2031-06-01' + day);
        PERFORM FROM ticket_buy('AL1', 'ALE', 'ALF', 4, date '2031-06-01' + day);
        PERFORM FROM ticket_buy('AL1', 'ALF', 'ALG', 5, date '2031-06-01' + day);
    END LOOP;
END $$;
SELECT service_date, count(DISTINCT seat) AS seats_touched FROM ticket_order
WHERE departure_id IN (SELECT departure_id FROM ticket_departure WHERE formation = 'AL-3') GROUP BY 1 ORDER BY 1;
SELECT ticket_remaining('AL1', 'ALA', 'ALG', '2031-06-01') AS whole;
-- Of gaps of 2, 3 and 6 stretches the one that is just long enough.
SELECT ticket_open('AL1', '2031-06-10', 'AL-3') > 0 AS opened;
SELECT order_id FROM ticket_buy('AL1', 'ALA', 'ALG', 1, '2031-06-10', passengers => '{1,2,3}') WHERE ticket_no = 1 \gset
SELECT count(*) FROM ticket_refund(:order_id);
SELECT seat AS gap_of_2 FROM ticket_buy('AL1', 'ALC', 'ALG', 1, '2031-06-10') \gset
SELECT seat AS gap_of_3 FROM ticket_buy('AL1', 'ALA', 'ALD', 1, '2031-06-10') \gset
SELECT :'gap_of_2' <> :'gap_of_3' AS two_seats;
SELECT seat = :'gap_of_3' AS best FROM ticket_buy('AL1', 'ALD', 'ALF', 1, '2031-06-10');
SELECT seat = :'gap_of_2' AS best FROM ticket_buy('AL1', 'ALA', 'ALB', 1, '2031-06-10');
SELECT seat = :'gap_of_2' AS best FROM ticket_buy('AL1', 'ALB', 'ALC', 1, '2031-06-10');
SELECT seat NOT IN (:'gap_of_2', :'gap_of_3') AS the_whole_one FROM ticket_buy('AL1', 'ALA', 'ALF', 1, '2031-06-10');

-- Also among the seats that have a wish, and next to a seat that the transaction gave back itself.
DO $$
DECLARE
    gap text;
    best text;
    refunded bigint;
BEGIN
    FOR day IN 11..18 LOOP
        PERFORM ticket_open('AL1', date '2031-06-01' + day - 1, CASE WHEN day < 15 THEN 'AL-W' ELSE 'AL-3' END);
    END LOOP;
    FOR day IN 11..14 LOOP
        PERFORM FROM ticket_buy('AL1', 'ALC', 'ALG', 1, date '2031-06-01' + day - 1, seat_choice => 'A');
        SELECT seat INTO best FROM ticket_buy('AL1', 'ALA', 'ALB', 2, date '2031-06-01' + day - 1, seat_choice => 'window');
        IF best <> '1A' THEN RAISE WARNING 'window %, not 1A', best; END IF;
    END LOOP;
    FOR day IN 15..18 LOOP
        SELECT seat INTO gap FROM ticket_buy('AL1', 'ALA', 'ALD', 1, date '2031-06-01' + day - 1);
        SELECT order_id INTO refunded FROM ticket_buy('AL1', 'ALA', 'ALG', 2, date '2031-06-01' + day - 1);
        COMMIT;
        PERFORM ticket_refund(refunded);
        SELECT seat INTO best FROM ticket_buy('AL1', 'ALD', 'ALF', 2, date '2031-06-01' + day - 1);
        IF best <> gap THEN RAISE WARNING 'seat %, not %', best, gap; END IF;
        COMMIT;
    END LOOP;
END $$;

-- First fit: always the first free seat, although it cuts a long run.
SET ticketpool.allocation = first_fit;
SELECT seat FROM generate_series(1, 10) AS u LEFT JOIN LATERAL ticket_buy('AL1', 'ALA', 'ALD', u, '2031-07-01') ON true ORDER BY u;
SELECT seat FROM ticket_buy('AL1', 'ALE', 'ALF', 1, '2031-07-01');
SELECT seat FROM ticket_buy('AL1', 'ALD', 'ALF', 1, '2031-07-01');
SELECT order_id FROM ticket_order WHERE user_id = 5 AND departure_id =
    (SELECT departure_id FROM ticket_departure WHERE train = 'AL1' AND service_date = '2031-07-01') \gset
SELECT seat FROM ticket_refund(:order_id);
SELECT seat FROM ticket_buy('AL1', 'ALB', 'ALC', 1, '2031-07-01');

-- Random: any free seat, and all of them in the end.
SET ticketpool.allocation = random;
SELECT count(*), count(DISTINCT seat) AS different
FROM generate_series(1, 12) AS u, ticket_buy('AL1', 'ALA', 'ALG', u, '2031-07-02');
DO $$
BEGIN
    -- 30 times the first purchase of an empty train: were it always one seat, it would not be random
    FOR i IN 1..30 LOOP
        PERFORM ticket_refund(order_id) FROM ticket_buy('AL1', 'ALA', 'ALB', i, '2031-07-03');
        COMMIT;
    END LOOP;
END $$;
SELECT count(DISTINCT seat) > 1 AS varies FROM ticket_order WHERE service_date = '2031-07-03' AND departure_id =
    (SELECT departure_id FROM ticket_departure WHERE train = 'AL1' AND service_date = '2031-07-03');
RESET ticketpool.allocation;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
