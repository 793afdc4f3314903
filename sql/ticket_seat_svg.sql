-- ticket_seat_svg: a picture of the coaches as they are.
INSERT INTO ticket_station (station, name) VALUES ('SGA', 'Svg A'), ('SGB', 'Svg B'), ('SGC', 'Svg C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('SG1', 1, 'SGA', NULL, '8:00'), ('SG1', 2, 'SGB', '9:00', '9:05'), ('SG1', 3, 'SGC', '10:00', NULL);
-- Rows of letters, a cinema's rows, bays of berths, seats without any group, seats with x, y and deck, and places.
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('SG-F', '01', 'second', ARRAY(SELECT n || l FROM generate_series(1, 8) AS n, unnest('{A,B,C,D,F}'::text[]) AS l), NULL),
    ('SG-F', '02', 'hall', '{F1,F2,F3,F4,F5,F6,G2,G3,G4,G5,G6,G7}', NULL),
    ('SG-F', '03', 'sleeper', ARRAY(SELECT n::text FROM generate_series(1, 18) AS n), NULL),
    ('SG-F', '04', 'bus', ARRAY(SELECT n::text FROM generate_series(1, 14) AS n), NULL),
    ('SG-F', '05', 'upper', '{L1,L2,U1,U2,Cabin 7,12下}', NULL),
    ('SG-F', '06', 'standing', NULL, 80);
INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group) SELECT 'SG-F', '03', n, 'bay ' || (n + 5) / 6 FROM generate_series(1, 18) AS n;
INSERT INTO ticket_formation_seat (formation, coach, seat, x, y, deck) VALUES
    ('SG-F', '05', 'L1', 0, 0, 0), ('SG-F', '05', 'L2', 20, 10, 0), ('SG-F', '05', 'U1', 0, 0, 1), ('SG-F', '05', 'U2', 1, 0, 1);
SELECT ticket_open('SG1', '2031-09-01', 'SG-F') > 0 AS opened;
SET ticketpool.allocation = first_fit;
SELECT coach, seat FROM ticket_buy('SG1', 'SGA', 'SGB', 1, '2031-09-01', 'second', '{1,2,3}');
SELECT coach, seat FROM ticket_buy('SG1', 'SGA', 'SGC', 1, '2031-09-01', 'sleeper', '{1,2}', '03/7,03/8');
SELECT coach, seat FROM ticket_buy('SG1', 'SGB', 'SGC', 1, '2031-09-01', 'standing', '{1,2}');
SELECT coach, seat FROM ticket_buy('SG1', 'SGB', 'SGC', 1, '2031-09-01', 'bus', seat_choice => '04/3');
RESET ticketpool.allocation;
-- As it was looked at in a browser.
\pset format unaligned
\pset tuples_only on
SELECT ticket_seat_svg('SG1', '2031-09-01');
\pset tuples_only off
\pset format aligned
-- One class, and one trip; one end alone is the way from the first stop or to the last.
CREATE FUNCTION seats_of(svg text, word text) RETURNS TABLE (seat text) LANGUAGE sql AS $$
    SELECT unnest(xpath('//s:g[@class="seat ' || word || '"]/s:title/text()', svg::xml, '{{s,http://www.w3.org/2000/svg}}'))::text $$;
SELECT string_agg(seat, ' ') FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', 'second'), 'taken') AS seat;
SELECT count(*) FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', 'second', 'SGB', 'SGC'), 'taken');
SELECT count(*) FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', 'second', NULL, 'SGB'), 'taken');
SELECT count(*) FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', 'second', 'SGB'), 'taken');
-- As many free seats as ticket_places shows.
SELECT count(*) FROM (SELECT seat FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', NULL, 'SGA', 'SGB'), 'free') AS seat
    EXCEPT ALL SELECT coach || '/' || seat FROM ticket_places('SG1', 'SGA', 'SGB', '2031-09-01') WHERE free) AS more;
SELECT count(*) FROM (SELECT coach || '/' || seat FROM ticket_places('SG1', 'SGA', 'SGB', '2031-09-01') WHERE free
    EXCEPT ALL SELECT seat FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', NULL, 'SGA', 'SGB'), 'free') AS seat) AS fewer;
-- A closed departure is drawn as it is, as ticket_seat_map shows it.
SELECT ticket_close('SG1', '2031-09-01');
SELECT count(*) FROM seats_of(ticket_seat_svg('SG1', '2031-09-01', 'second'), 'taken');

-- Whatever names hold, the picture is XML.
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES
    ('SG-X', E'<a b="1">', E'&lt;\x01\x1f\t\u0085', ARRAY['<', '>', '&', '"', '''', ']]>', '&amp;', '<!--', E'\uFFFE\uFFFF', E'\U0001F600', 'é́', '%s%n', '\', repeat('窗', 10)], NULL),
    ('SG-X', E'\x7F\x0b', '"''<', NULL, 3);
SELECT ticket_open('SG1', '2031-09-02', 'SG-X') > 0 AS opened;
SELECT xml_is_well_formed_document(ticket_seat_svg('SG1', '2031-09-02'));
SELECT seat FROM seats_of(ticket_seat_svg('SG1', '2031-09-02'), 'free') AS seat;
-- Coordinates of any size give a picture of a sensible size.
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('SG-Y', '1', 'all', '{a,b,c,d}');
INSERT INTO ticket_formation_seat (formation, coach, seat, x, y, deck) VALUES
    ('SG-Y', '1', 'a', -2147483648, 2147483647, 2147483647), ('SG-Y', '1', 'b', 2147483647, -2147483648, 2147483647),
    ('SG-Y', '1', 'c', -2147483647, 0, 2147483647), ('SG-Y', '1', 'd', 0, 1, 2147483647);
SELECT ticket_open('SG1', '2031-09-03', 'SG-Y') > 0 AS opened;
SELECT substring(ticket_seat_svg('SG1', '2031-09-03') FROM 'viewBox="[^"]*"');

\set VERBOSITY sqlstate
SELECT ticket_seat_svg('SG9', '2031-09-01');
SELECT ticket_seat_svg('SG1', '2031-09-01', 'third');
SELECT ticket_seat_svg('SG1', '2031-09-01', NULL, 'SGC', 'SGA');
SELECT ticket_seat_svg('SG1', '2031-09-01', NULL, NULL, 'SGA');
SELECT ticket_seat_svg(NULL, '2031-09-01');
SELECT ticket_seat_svg('SG1', NULL);
\set VERBOSITY default
DROP FUNCTION seats_of;
SELECT * FROM ticket_verify();
