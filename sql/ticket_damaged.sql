-- Stop lists and coaches that are kept for departures, damaged by hand: the departures cannot be
-- read, and say so. No function reads past them.
INSERT INTO ticket_station (station, name) VALUES ('DMA', 'Damage A'), ('DMB', 'Damage B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('DM1', 1, 'DMA', NULL, '8:00'), ('DM1', 2, 'DMB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('DM-F', '01', 'second', '{1A,1B}');
INSERT INTO ticket_formation_seat (formation, coach, seat, properties) VALUES ('DM-F', '01', '1A', '{window}');
SELECT ticket_open('DM1', '2031-05-01', 'DM-F') > 0 AS opened;

-- The outcome of looking at a departure whose coach, or stop list, is the one of DM1 with this
-- change.
CREATE FUNCTION damaged(kept text, change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    layout bigint;
    route bigint;
    seen text;
BEGIN
    INSERT INTO ticket_layout (digest) VALUES (gen_random_uuid()) RETURNING layout_id INTO layout;
    INSERT INTO ticket_layout_coach SELECT layout, position, coach, seat_class, seats, places, seat_groups, xs, ys, decks, properties
    FROM ticket_layout_coach JOIN ticket_departure USING (layout_id) WHERE train = 'DM1';
    INSERT INTO ticket_route (digest, train, stop_nos, stations, arrives, departs)
    SELECT gen_random_uuid(), r.train, stop_nos, stations, arrives, departs
    FROM ticket_route r JOIN ticket_departure USING (route_id) WHERE r.train = 'DM1' RETURNING route_id INTO route;
    EXECUTE format('UPDATE %s SET %s WHERE %s', kept, change,
        CASE kept WHEN 'ticket_route' THEN 'route_id = ' || route ELSE 'layout_id = ' || layout END);
    INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
    VALUES ('DM2', '2031-05-01', 'DM-F', '2020-01-01', route, layout);
    SELECT string_agg(concat_ws(' ', seat, free, length(seat_group), cardinality(properties)), ', ') INTO seen
    FROM ticket_places('DM2', 'DMA', 'DMB', '2031-05-01');
    PERFORM ticket_seat_svg('DM2', '2031-05-01');
    RAISE EXCEPTION USING ERRCODE = 'DM000', MESSAGE = seen;  -- undo it
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, 'row \d+', 'row N');
END $$;
SELECT change, damaged(kept, change) FROM (VALUES
    ('ticket_layout_coach', 'seat_groups = array[repeat(''g'', 63), NULL]'),
    ('ticket_layout_coach', 'seat_groups = array[repeat(''g'', 64), NULL]'),
    ('ticket_layout_coach', 'seat_groups = array[NULL, repeat(''g'', 100000)]'),
    ('ticket_layout_coach', 'seat_groups = ''{g}'''),
    ('ticket_layout_coach', 'properties = array[(SELECT string_agg(''p'' || i, '' '') FROM generate_series(1, 16) i), '''']'),
    ('ticket_layout_coach', 'properties = array[(SELECT string_agg(''p'' || i, '' '') FROM generate_series(1, 17) i), '''']'),
    ('ticket_layout_coach', 'properties = array[(SELECT string_agg(''p'' || i, '' '') FROM generate_series(1, 10000) i), '''']'),
    ('ticket_layout_coach', 'properties = array[repeat(''p'', 32), NULL]'),
    ('ticket_layout_coach', 'properties = array['' p'', NULL]'),
    ('ticket_layout_coach', 'properties = array[''p '', NULL]'),
    ('ticket_layout_coach', 'properties = array[''p  q'', NULL]'),
    ('ticket_layout_coach', 'xs = array[2147483647, -2147483648], ys = array[-2147483648, 2147483647], decks = array[2147483647, -2147483648]'),
    ('ticket_layout_coach', 'xs = array[1, 2, 3]'),
    ('ticket_layout_coach', 'seats = array[''1A'', repeat(''x'', 32)]'),
    ('ticket_layout_coach', 'seats = array[''1A'', NULL]'),
    ('ticket_layout_coach', 'places = 3'),
    ('ticket_layout_coach', 'seats = NULL, properties = NULL, places = -1'),
    ('ticket_layout_coach', 'seats = NULL, properties = NULL, places = 1000001'),
    ('ticket_layout_coach', 'layout_id = -1'),
    ('ticket_route', 'departs = array[interval ''2147483647 days'', NULL]'),
    ('ticket_route', 'departs = array[interval ''-2147483648 days'', NULL]'),
    ('ticket_route', 'arrives = array[NULL, interval ''2562047788:00:54.775807'']'),
    ('ticket_route', 'arrives = array[interval ''1 s'']'),
    ('ticket_route', 'boarding = ''{}'', alighting = ''{NULL,NULL,f}'', skipped = ''{{f,f}}'''),
    ('ticket_route', 'skipped = ''{t}'''),
    ('ticket_route', 'stop_nos = array[-2147483648, 2147483647]'),
    ('ticket_route', 'stations = array[''DMA'', repeat(''x'', 10000)]')) AS changes (kept, change);
DROP FUNCTION damaged(text, text);
-- A day of which an order id has no room is not sold. The departure may be deleted.
CREATE TABLE damaged_day (LIKE ticket_order INCLUDING ALL);
ALTER TABLE ticket_order ATTACH PARTITION damaged_day FOR VALUES FROM ('1999-12-31') TO ('2000-01-01');
INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
SELECT 'DM3', day::date, formation, opens_at, route_id, layout_id FROM ticket_departure, unnest(array['1999-12-31', '2179-06-07', 'infinity']) AS day WHERE train = 'DM1';
SELECT ticket_buy('DM3', 'DMA', 'DMB', 1, '1999-12-31');
SELECT ticket_remaining('DM3', 'DMA', 'DMB', '1999-12-31');
SELECT ticket_remaining('DM3', 'DMA', 'DMB', '2179-06-07');
SELECT ticket_remaining('DM3', 'DMA', 'DMB', 'infinity');
SELECT ticket_preload() >= 0 AS preloaded;
DELETE FROM ticket_departure WHERE train = 'DM3';
ALTER TABLE ticket_order DETACH PARTITION damaged_day;
DROP TABLE damaged_day;
-- The departure itself is as it was.
SELECT seat, free, properties FROM ticket_places('DM1', 'DMA', 'DMB', '2031-05-01');
SELECT * FROM ticket_verify();
