-- ticket_places: every numbered seat, whether it could be bought, and what is known of it.
INSERT INTO ticket_station (station, name) VALUES ('PQA', 'Places A'), ('PQB', 'Places B'), ('PQC', 'Places C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('PQ1', 1, 'PQA', NULL, '8:00'), ('PQ1', 5, 'PQB', '9:00', '9:05'), ('PQ1', 9, 'PQC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('PQ-F', '02', 'second', '{12F,12A,1A,Cabin 7,61}', NULL), ('PQ-F', '01', 'second', '{L4,L3}', NULL),
    ('PQ-F', '03', 'first', '{1A}', NULL), ('PQ-F', '04', 'second', NULL, 10);
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, deck, properties) VALUES
    ('PQ-F', '02', '61', 'bay 8', 3, -4, 2, '{window,lower}'), ('PQ-F', '02', 'Cabin 7', NULL, 1, NULL, NULL, NULL),
    ('PQ-F', '02', '1A', 'bay 8', NULL, NULL, NULL, '{}');
SELECT ticket_open('PQ1', '2031-08-01', 'PQ-F') > 0 AS opened;
SELECT * FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01');
SELECT coach, seat FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01', 'first');
-- As of the opening, whatever happens to the rows.
UPDATE ticket_formation_seat SET x = 77, properties = '{quiet}' WHERE formation = 'PQ-F';
SELECT x, properties FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01') WHERE seat = '61';

-- As many are free as ticket_remaining says of numbered seats: sold for a part of the way, and set aside for a channel.
SELECT count(*) FROM ticket_buy('PQ1', 'PQA', 'PQB', 1, '2031-08-01', 'second', passengers => '{1,2,3}');
SELECT ticket_reserve('PQ1', '2031-08-01', 'second', 'agency', 2, 'PQB', 'PQC') > 0 AS reserved;
SELECT f, t, c, count(*) FILTER (WHERE free) AS free,
       ticket_remaining('PQ1', f, t, '2031-08-01', 'second', c) - 10 AS remaining
FROM (VALUES ('PQA', 'PQB'), ('PQB', 'PQC'), ('PQA', 'PQC')) AS trip (f, t), (VALUES (NULL), ('agency'), ('other')) AS channel (c),
     ticket_places('PQ1', f, t, '2031-08-01', 'second', c)
GROUP BY f, t, c ORDER BY f, t, c NULLS FIRST;
-- What is free can be bought, and nothing else.
SELECT coach, seat FROM ticket_places('PQ1', 'PQB', 'PQC', '2031-08-01', 'second', 'agency') WHERE free
EXCEPT ALL
SELECT coach, seat FROM generate_series(1, 7) AS u, ticket_buy('PQ1', 'PQB', 'PQC', u, '2031-08-01', 'second', channel => 'agency');
SELECT count(*) FILTER (WHERE free) AS free FROM ticket_places('PQ1', 'PQB', 'PQC', '2031-08-01', 'second', 'agency');
-- A transaction sees its own refunds as free, others don't.
BEGIN;
SELECT count(*) FROM ticket_refund((SELECT max(order_id) FROM ticket_order WHERE departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'PQ1')));
SELECT count(*) FILTER (WHERE free) AS free, ticket_remaining('PQ1', 'PQB', 'PQC', '2031-08-01', 'second', 'agency') - 10 AS remaining
FROM ticket_places('PQ1', 'PQB', 'PQC', '2031-08-01', 'second', 'agency');
ROLLBACK;
SELECT count(*) FILTER (WHERE free) AS free FROM ticket_places('PQ1', 'PQB', 'PQC', '2031-08-01', 'second', 'agency');

-- Not on sale: every seat, and none is free.
SELECT ticket_open('PQ1', '2031-08-02', 'PQ-F', 'infinity') > 0 AS opened;
SELECT count(*), count(*) FILTER (WHERE free) AS free FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-02');
SELECT ticket_close('PQ1', '2031-08-01');
SELECT count(*), count(*) FILTER (WHERE free) AS free FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01');
-- Nor when the sale of the trip is over.
SELECT ticket_open('PQ1', CURRENT_DATE + 1, 'PQ-F', sale_margin => '3 days') > 0 AS opened;
SELECT count(*), count(*) FILTER (WHERE free) AS free FROM ticket_places('PQ1', 'PQA', 'PQC', CURRENT_DATE + 1);

-- A formation of unnumbered places has no row.
INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('PQ-S', '01', 'standing', 5);
SELECT ticket_open('PQ1', '2031-08-03', 'PQ-S') > 0 AS opened;
SELECT * FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-03');

-- Errors are those of ticket_remaining.
\set VERBOSITY sqlstate
SELECT * FROM ticket_places('PQ9', 'PQA', 'PQC', '2031-08-01');
SELECT * FROM ticket_places('PQ1', 'PQC', 'PQA', '2031-08-01');
SELECT * FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01', 'third');
SELECT * FROM ticket_places(NULL, 'PQA', 'PQC', '2031-08-01');
SELECT * FROM ticket_places('PQ1', NULL, 'PQC', '2031-08-01');
SELECT * FROM ticket_places('PQ1', 'PQA', NULL, '2031-08-01');
SELECT * FROM ticket_places('PQ1', 'PQA', 'PQC', NULL);
SELECT * FROM ticket_places('PQ1', 'PQA', 'PQC', '2031-08-01', NULL, '');
\set VERBOSITY default
SELECT * FROM ticket_verify();
