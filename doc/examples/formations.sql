-- Coaches as they are painted: of India, of China, a bus, a cinema and a ferry.
--   psql -f formations.sql        (after CREATE EXTENSION ticketpool)
-- Each formation has the labels that passengers see, and for each seat what a buyer may wish for and
-- where it is. The numbers of berths are those of real coaches (test/data/coach_capacity.csv).
SET client_encoding = 'UTF8';
BEGIN;

-- India: a sleeper coach (SL) and one with air conditioning (3A). Berths 1 to 72 are in nine bays of
-- eight: of each eight, six face each other across the bay, and two are along the aisle.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'india', coach, seat_class, ARRAY(SELECT n::text FROM generate_series(1, 72) AS n)
FROM (VALUES ('S1', 'SL'), ('B1', '3A')) AS c (coach, seat_class);
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, properties)
SELECT 'india', coach, berth::text, 'bay ' || bay + 1, bay * 3 + b.x, b.y, ARRAY[b.kind]
FROM unnest('{S1,B1}'::text[]) AS coach, generate_series(0, 8) AS bay,
     (VALUES (1, 'lower', 0, 0), (2, 'middle', 0, 1), (3, 'upper', 0, 2), (4, 'lower', 1, 0), (5, 'middle', 1, 1),
             (6, 'upper', 1, 2), (7, 'side-lower', 0, 4), (8, 'side-upper', 1, 4)) AS b (n, kind, x, y),
     LATERAL (SELECT bay * 8 + b.n) AS berths (berth);

-- China: a hard sleeper of 66 berths in eleven open bays, and a soft sleeper of 36 berths in nine
-- rooms. Labels are a number and the tier: 下 is the lower one, 中 the middle one, 上 the upper one.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
SELECT 'sleepers', '03', '硬卧', ARRAY(SELECT n || tier FROM generate_series(1, 22) AS n,
       unnest('{下,中,上}'::text[]) WITH ORDINALITY AS t (tier, height) ORDER BY n, height)
UNION ALL
SELECT 'sleepers', '09', '软卧', ARRAY(SELECT n || CASE WHEN n % 2 = 1 THEN '下' ELSE '上' END FROM generate_series(1, 36) AS n);
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, properties)
SELECT 'sleepers', '03', n || tier, 'bay ' || (n + 1) / 2, n, height, ARRAY[word]
FROM generate_series(1, 22) AS n, (VALUES ('下', 'lower', 0), ('中', 'middle', 1), ('上', 'upper', 2)) AS t (tier, word, height)
UNION ALL
SELECT 'sleepers', '09', n || CASE WHEN n % 2 = 1 THEN '下' ELSE '上' END, 'room ' || (n + 3) / 4,
       (n - 1) / 2, (n - 1) % 2, ARRAY[CASE WHEN n % 2 = 1 THEN 'lower' ELSE 'upper' END]
FROM generate_series(1, 36) AS n;

-- A bus: seats 1 to 49 in rows of four, and a last row of five.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
VALUES ('bus', '1', 'seat', ARRAY(SELECT n::text FROM generate_series(1, 49) AS n));
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, properties)
SELECT 'bus', '1', n::text, 'row ' || row + 1, row, CASE WHEN place >= 2 AND row < 11 THEN place + 1 ELSE place END,
       CASE WHEN place IN (0, CASE WHEN row < 11 THEN 3 ELSE 4 END) THEN '{window}'
            WHEN row < 11 OR place = 2 THEN '{aisle}' ELSE '{}' END::text[]
FROM generate_series(1, 49) AS n, LATERAL (SELECT least((n - 1) / 4, 11)) AS r (row), LATERAL (SELECT n - 1 - row * 4) AS p (place);

-- A cinema: rows A to H of 14 seats. F12 is row F, so no seat needs a row of its own here, except two
-- places for wheelchairs in row A.
INSERT INTO ticket_formation (formation, coach, seat_class, seats)
VALUES ('cinema', 'hall 1', 'seat', ARRAY(SELECT chr(row) || n FROM generate_series(ascii('A'), ascii('H')) AS row, generate_series(1, 14) AS n
                                          ORDER BY row, n));
INSERT INTO ticket_formation_seat (formation, coach, seat, properties) VALUES
    ('cinema', 'hall 1', 'A1', '{wheelchair}'), ('cinema', 'hall 1', 'A14', '{wheelchair}');

-- A ferry: cabins on two decks, outer ones with a window, and places on deck without a number.
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('ferry', 'Deck 5', 'cabin', ARRAY(SELECT 'Cabin ' || n FROM generate_series(1, 12) AS n), NULL),
    ('ferry', 'Deck 6', 'cabin', ARRAY(SELECT 'Cabin ' || n FROM generate_series(13, 20) AS n), NULL),
    ('ferry', 'Deck 7', 'deck', NULL, 300);
INSERT INTO ticket_formation_seat (formation, coach, seat, x, y, deck, properties)
SELECT 'ferry', 'Deck ' || deck, 'Cabin ' || n, n / 2, n % 2, deck,
       CASE WHEN n % 4 IN (0, 1) THEN '{outside,quiet}' ELSE '{inside}' END::text[]
FROM generate_series(1, 20) AS n, LATERAL (SELECT CASE WHEN n <= 12 THEN 5 ELSE 6 END) AS d (deck);
COMMIT;
