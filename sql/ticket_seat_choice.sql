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

-- No choice at all: 22023, and nothing is sold.
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

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
