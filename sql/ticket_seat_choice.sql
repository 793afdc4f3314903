-- seat_choice: letters, window, aisle; a wish, not a condition.
INSERT INTO ticket_station (station, name) VALUES ('SCA', 'Choice A'), ('SCB', 'Choice B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('SC1', 1, 'SCA', NULL, '8:00'), ('SC1', 2, 'SCB', '9:00', NULL);
-- A row of five is A B C | D F, of four A C | D F.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('SC-5', '01', 'second', '{1A,1B,1C,1D,1F}'),
    ('SC-4', '01', 'first', '{1A,1C,1D,1F}'),
    ('SC-55', '01', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F,3A,3B,3C,3D,3F}');
SELECT count(ticket_open('SC1', d::date, 'SC-5')) FROM generate_series('2031-05-01'::date, '2031-05-10', '1 day') AS d;
SELECT count(ticket_open('SC1', d::date, 'SC-4')) FROM generate_series('2031-06-01'::date, '2031-06-03', '1 day') AS d;
SELECT count(ticket_open('SC1', d::date, 'SC-55')) FROM generate_series('2031-07-01'::date, '2031-07-03', '1 day') AS d;

-- One passenger, each letter.
SELECT letter, seat FROM unnest('{F,C,A,D,B}'::text[]) AS letter, ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-01', seat_choice => letter) ORDER BY letter;
-- A wish that cannot be met costs no sale.
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-02', seat_choice => 'A');
SELECT seat <> '1A' AS another FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-02', seat_choice => 'A');
SELECT seat <> '1A' AS another FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-02', seat_choice => 'E');
SELECT count(*) FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-02', passengers => '{1,2}', seat_choice => 'AA');
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-02', seat_choice => 'A');
-- Window and aisle, in rows of five and of four.
SELECT seat IN ('1A', '1F') AS window, count(*) FROM generate_series(1, 2) AS u, ticket_buy('SC1', 'SCA', 'SCB', u, '2031-05-03', seat_choice => 'window') GROUP BY 1;
SELECT seat IN ('1C', '1D') AS aisle, count(*) FROM generate_series(1, 2) AS u, ticket_buy('SC1', 'SCA', 'SCB', u, '2031-05-03', seat_choice => 'aisle') GROUP BY 1;
SELECT seat AS the_middle FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-03', seat_choice => 'window');
SELECT seat IN ('1A', '1F') AS window, count(*) FROM generate_series(1, 2) AS u, ticket_buy('SC1', 'SCA', 'SCB', u, '2031-06-01', seat_choice => 'window') GROUP BY 1;
SELECT seat IN ('1C', '1D') AS aisle, count(*) FROM generate_series(1, 2) AS u, ticket_buy('SC1', 'SCA', 'SCB', u, '2031-06-01', seat_choice => 'aisle') GROUP BY 1;
-- One letter a passenger, in their order; fewer letters than passengers leave the rest to us.
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-04', passengers => '{101,102}', seat_choice => 'FA') ORDER BY ticket_no;
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-04', passengers => '{103,104,105}', seat_choice => 'DCB') ORDER BY ticket_no;
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-06-02', passengers => '{101,102}', seat_choice => 'C') WHERE passenger_id = 101;
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-05', passengers => '{101,102,103,104,105}', seat_choice => 'FDCBA') ORDER BY ticket_no;
-- Sitting together goes before letters: B and C of row 1, not A of row 2 and F of row 3.
SELECT order_id FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-07-01', passengers => (SELECT array_agg(n) FROM generate_series(1, 15) AS n)) WHERE ticket_no = 1 \gset
SELECT count(*) FROM ticket_refund(:order_id, (SELECT array_agg(ticket_no) FROM ticket_order WHERE order_id = :order_id AND seat IN ('1B', '1C', '2A', '3F')));
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-07-01', passengers => '{1,2}', seat_choice => 'AF') ORDER BY seat;
-- Of several rows with room the one that has the letters.
SELECT order_id FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-07-02', passengers => (SELECT array_agg(n) FROM generate_series(1, 15) AS n)) WHERE ticket_no = 1 \gset
SELECT count(*) FROM ticket_refund(:order_id, (SELECT array_agg(ticket_no) FROM ticket_order WHERE order_id = :order_id AND seat IN ('1B', '1C', '2A', '2F', '3C', '3D')));
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-07-02', passengers => '{1,2}', seat_choice => 'FA') ORDER BY ticket_no;
SELECT passenger_id, seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-07-02', passengers => '{1,2}', seat_choice => 'DC') ORDER BY ticket_no;
-- The same under the other policies.
SET ticketpool.allocation = first_fit;
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-06', seat_choice => 'F');
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-06');
SET ticketpool.allocation = random;
SELECT seat FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-06', seat_choice => 'B');
RESET ticketpool.allocation;

-- Words: properties of the class, and the very seat. A sleeper has berths in bays of six.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('SC-S', '01', 'sleeper', ARRAY(SELECT n::text FROM generate_series(1, 18) AS n)),
    ('SC-S', '02', 'sleeper', ARRAY(SELECT n || side FROM generate_series(1, 2) AS n, unnest('{上,中,下}'::text[]) AS side)),
    ('SC-S', '03', 'seats', '{1A,1B,1C,1D,1F}');
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, properties)
SELECT 'SC-S', '01', n::text, 'bay ' || (n + 5) / 6,
       ARRAY[CASE WHEN n % 3 = 1 THEN 'lower' WHEN n % 3 = 2 THEN 'middle' ELSE 'upper' END] || CASE WHEN n > 12 THEN '{quiet}'::text[] ELSE '{}' END
FROM generate_series(1, 18) AS n;
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, properties) VALUES
    ('SC-S', '02', '1上', '1', '{upper}'), ('SC-S', '02', '1下', '1', '{lower,a}'), ('SC-S', '03', '1B', NULL, '{window,table}'), ('SC-S', '03', '1A', NULL, NULL);
SELECT count(ticket_open('SC1', d::date, 'SC-S')) FROM generate_series('2031-08-01'::date, '2031-08-12', '1 day') AS d;
CREATE FUNCTION berths(day date, choice text, passengers bigint[] DEFAULT '{1}', of_class text DEFAULT 'sleeper', OUT berths text) LANGUAGE sql
AS $$ SELECT string_agg(coach || '/' || seat, ' ' ORDER BY ticket_no) FROM ticket_buy('SC1', 'SCA', 'SCB', 1, day, of_class, passengers, choice) $$;
-- Until all lower berths that the class has are gone; then another.
SELECT count(DISTINCT b.berths), bool_and(b.berths ~ '01/(1|4|7|10|13|16)$|1下') AS lower FROM generate_series(1, 7) AS n, berths('2031-08-01'::date + n - n, 'lower') AS b;
SELECT berths('2031-08-01', 'lower') !~ '01/(1|4|7|10|13|16)$|1下' AS another;
-- One word is for all: the bay has two of each, and sitting together goes before wishes.
SELECT berths('2031-08-02', 'quiet', '{1,2,3,4,5,6}') ~ '01/1[3-8] ' AS quiet;
SELECT count(*) FILTER (WHERE s[1]::int % 3 = 1) AS lower, count(DISTINCT (s[1]::int + 5) / 6) AS bays
FROM regexp_matches(berths('2031-08-03', 'lower', '{1,2,3,4}'), '01/(\d+)', 'g') AS s;
-- One word a passenger, in their order; blanks around commas do not matter.
SELECT berths('2031-08-04', ' upper,lower , middle', '{1,2,3}') ~ '^01/(3|6|9|12|15|18) 01/(1|4|7|10|13|16) 01/(2|5|8|11|14|17)$' AS as_wished;
SELECT berths('2031-08-04', 'lower,upper', '{1,2}') ~ '^0(1/(1|4|7|10|13|16)|2/1下) 0(1/(3|6|9|12|15|18)|2/1上)$' AS as_wished;
-- The very seat; taken or not there, it costs no sale.
SELECT berths('2031-08-05', '01/8'), berths('2031-08-05', '02/2中'), berths('2031-08-05', '02/1上,01/9', '{1,2}') IS NOT NULL AS sold;
SELECT berths('2031-08-05', '01/8') <> '01/8' AS another, berths('2031-08-05', '01/99') IS NOT NULL AS sold, berths('2031-08-05', '09/1') IS NOT NULL AS sold,
       berths('2031-08-05', '03/1A') !~ '^03' AS in_class;
-- A party sits together around a seat that one of them wishes for, who gets it.
SELECT berths('2031-08-06', '01/11,01/12,lower', '{1,2,3}') ~ '^01/11 01/12 01/(7|10)$' AS as_wished;
SELECT berths('2031-08-07', '01/14', '{1,2,3}') ~ '01/14' AS has_it;
-- The party sits in the bay that can honour both wishes.
SELECT berths('2031-08-07', 'upper,a', '{1,2}');
-- If no group has room for the party, it sits in one coach. There, words go before neighbouring seats; among seats without groups, window and aisle do, too.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('SC-G', '1', 'bus', ARRAY(SELECT n::text FROM generate_series(1, 12) AS n)), ('SC-G', '2', 'rows', ARRAY(SELECT n || l FROM generate_series(1, 4) AS n, unnest('{A,B,C}'::text[]) AS l));
INSERT INTO ticket_formation_seat (formation, coach, seat, properties) VALUES
    ('SC-G', '1', '1', '{window}'), ('SC-G', '1', '2', '{lower}'), ('SC-G', '1', '7', '{quiet}'), ('SC-G', '1', '9', '{lower,quiet}'), ('SC-G', '1', '12', '{window}'),
    ('SC-G', '2', '1A', '{table}'), ('SC-G', '2', '4C', '{table}');
SELECT count(ticket_open('SC1', d::date, 'SC-G')) FROM generate_series('2031-09-01'::date, '2031-09-05', '1 day') AS d;
SELECT berths('2031-09-01', 'lower', '{1,2}', 'bus') AS lower, berths('2031-09-01', 'window', '{1,2}', 'bus') AS window;
SELECT berths('2031-09-02', '1/11,1/3', '{1,2}', 'bus') AS very_seats, berths('2031-09-02', 'quiet,window,lower', '{1,2,3}', 'bus') AS as_wished;
SELECT berths('2031-09-03', 'lower', '{1,2,3}', 'bus') ~ '^1/[29] 1/[29] 1/[3-8]$' AS on_the_shortest_stretch;
SELECT berths('2031-09-01', 'table', '{1,2,3,4}', 'rows') ~ '^2/(1A|4C) 2/(1A|4C) ' AS as_wished;
SELECT count(DISTINCT s[1]) AS rows FROM regexp_matches(berths('2031-09-02', 'AAAA', '{1,2,3,4}', 'rows'), '2/(\d)', 'g') AS s;
SELECT berths('2031-09-03', 'table', '{1,2,3}', 'rows') ~ '^2/(1A 2/1[BC] 2/1[BC]|4C 2/4[AB] 2/4[AB])$' AS in_a_row;
-- A class in which seats have the property window goes by properties for this word and for aisle.
SELECT berths('2031-08-08', 'window', '{1}', 'seats') AS window, berths('2031-08-08', 'WINDOW', '{1}', 'seats') <> '03/1B' AS another;
SELECT berths('2031-08-08', 'aisle', '{1}', 'seats') IS NOT NULL AS sold, berths('2031-08-09', 'table,D', '{1,2}', 'seats');
-- A channel's wish is met from its quota or from the open pool, whichever can.
SELECT ticket_reserve('SC1', '2031-08-10', 'sleeper', 'agency', 6, 'SCA', 'SCB') > 0 AS reserved;
SELECT bool_and(coach || '/' || seat = wish) AS as_wished FROM (SELECT '01/' || n AS wish FROM generate_series(1, 18) AS n) AS w,
    ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-08-10', 'sleeper', seat_choice => wish, channel => 'agency');
SELECT count(*) FROM generate_series(1, 6) AS n, ticket_buy('SC1', 'SCA', 'SCB', n, '2031-08-10', 'sleeper', seat_choice => 'lower', channel => 'agency');
-- An exchange, too.
SELECT order_id FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-08-11', 'sleeper', '{1,2}', seat_choice => '01/1,01/2') WHERE ticket_no = 1 \gset
SELECT coach, seat FROM ticket_change(:order_id, 'SC1', 'SCA', 'SCB', '2031-08-11', seat_choice => '01/16,01/15') ORDER BY ticket_no;
-- A batch.
SELECT request_no, coach, seat FROM ticket_buy_many(ARRAY[
    ('SC1', 'SCA', 'SCB', 1, '2031-08-12', 'sleeper', NULL, '01/5', NULL, NULL), ('SC1', 'SCA', 'SCB', 1, '2031-08-12', 'sleeper', '{1,2}', '01/5,01/6', NULL, NULL)]::ticket_request[])
WHERE seat IN ('5', '6') ORDER BY 1;

-- No choice at all: 22023, and nothing is sold.
SELECT berths('2031-08-12', 'quiet,lower', '{1,2,3}');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => 'AB');
\set VERBOSITY sqlstate
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => 'AB');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', passengers => '{1,2}', seat_choice => 'ABC');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => 'windows');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', passengers => '{1,2,3,4,5}', seat_choice => 'door');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => '1');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', passengers => '{1,2}', seat_choice => '1A');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => '?');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => '窗');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => 'Z');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', passengers => '{1,2}', seat_choice => 'A;');
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => repeat('A', 1000000));
SELECT * FROM ticket_buy('SC1', 'SCA', 'SCB', 1, '2031-05-10', seat_choice => repeat('?', 1000000));
SELECT ticket_remaining('SC1', 'SCA', 'SCB', '2031-05-10');
SELECT berths('2031-08-12', 'table');
SELECT berths('2031-08-12', 'Lower');
SELECT berths('2031-08-12', 'lower quiet', '{1,2}');
SELECT berths('2031-08-12', 'lower,', '{1,2}');
SELECT berths('2031-08-12', 'lower,,quiet', '{1,2,3}');
SELECT berths('2031-08-12', 'lower,quiet', '{1}');
SELECT berths('2031-08-12', '01/');
SELECT berths('2031-08-12', '/1');
DROP FUNCTION berths;

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
