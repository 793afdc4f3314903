-- Triggers of users that change what the extension's own statements write, or that call its
-- functions in the middle of them: an error, and nothing is half done.
INSERT INTO ticket_station (station, name) VALUES ('TGA', 'Trigger A'), ('TGB', 'Trigger B'), ('TGC', 'Trigger C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('TG1', 1, 'TGA', NULL, '8:00'), ('TG1', 2, 'TGB', '9:00', '9:05'), ('TG1', 3, 'TGC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('TG-F', '01', 'second', '{1A,1B,1C,1D,2A,2B,2C,2D}'), ('TG-F', '02', 'first', '{1A,1B}');
SELECT ticket_open('TG1', '2031-05-01', 'TG-F') > 0 AS opened;
SELECT min(order_id) AS order_id FROM ticket_buy_seats('TG1', 'TGA', 'TGC', 1, '{01/1A,01/1B}', '2031-05-01') \gset
SELECT ticket_reserve_seats('TG1', '2031-05-01', 'agency', '{01/2D}') AS reservation \gset
SELECT set_config('tg.order', :'order_id', false) IS NOT NULL AND set_config('tg.reservation', :'reservation', false) IS NOT NULL AS set;

-- The outcome of a call while a trigger does this to rows of the table, and what pool and tables
-- then differ in. Undone.
CREATE FUNCTION outcome(called text, on_table text, fires text, body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text;
BEGIN
    EXECUTE format('CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS %L',
        'BEGIN IF pg_trigger_depth() = 1 THEN ' || body || ' END IF; RETURN new; END');
    EXECUTE format('CREATE TRIGGER a_tg %s INSERT OR UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION tg()', fires, on_table);
    BEGIN
        EXECUTE called INTO got;
    EXCEPTION WHEN OTHERS THEN
        got := SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{6,}', 'N');
    END;
    got := concat_ws(', ', got, (SELECT string_agg(problem, ', ') FROM ticket_verify()));
    RAISE EXCEPTION USING ERRCODE = 'TG000', MESSAGE = got;
EXCEPTION WHEN SQLSTATE 'TG000' THEN
    RETURN SQLERRM;
END $$;
\set reseat 'SELECT string_agg(seat, \',\') FROM ticket_reseat(current_setting(\'tg.order\')::bigint, NULL, \'{01/1B,01/2A}\')'
SELECT body, outcome(:'reseat', 'ticket_order', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.seat := ''2C'';', 'new.seat := NULL;', 'new.coach := ''02'';', 'new.seat_class := ''first'';', 'new.to_stop := 2;',
    'new.departure_id := 999999;', 'new.channel := ''agency'';', 'new.status := ''refunded'';']) AS body;
SELECT body, outcome(:'reseat', 'ticket_order', 'AFTER', body)
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_reseat(new.order_id);', 'PERFORM public.ticket_reseat(new.order_id, ''{2}'');', 'PERFORM public.ticket_refund(new.order_id);',
    'PERFORM public.ticket_refund(new.order_id, ''{2}'');',
    'UPDATE public.ticket_order SET seat = ''2C'' WHERE order_id = new.order_id AND ticket_no = 2;', 'DELETE FROM public.ticket_order WHERE order_id = new.order_id AND ticket_no = 2;']) AS body;
SELECT body, outcome('SELECT string_agg(seat, '','') FROM ticket_buy_seats(''TG1'', ''TGA'', ''TGC'', 2, ''{01/1C,01/1D}'', ''2031-05-01'')', 'ticket_order', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.seat := ''2C'';', 'new.departure_id := 999999;', 'new.channel := ''agency'';', 'new.status := ''refunded'';']) AS body;
-- Quotas.
SELECT body, outcome('SELECT ticket_reserve_seats(''TG1'', ''2031-05-01'', ''staff'', ''{01/2B,01/2C}'') > 0', 'ticket_reservation', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.seats := 1;', 'new.seat_list := ''{01/2A}'';', 'new.seat_list := NULL;', 'new.channel := ''other'';', 'new.seat_class := ''first'';',
    'new.from_stop := 2;', 'new.to_stop := 2;', 'new.status := ''recycled'';', 'new.departure_id := 999999;', 'new.service_date := ''2199-05-02'';',
    'new.release_at := ''2031-05-01'';', 'PERFORM public.ticket_recycle(current_setting(''tg.reservation'')::bigint);']) AS body;
SELECT body, outcome('SELECT ticket_recycle(current_setting(''tg.reservation'')::bigint)', 'ticket_reservation', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.status := ''open'';', 'RETURN NULL;', 'new.seats := 5;']) AS body;
-- Departures.
\set skip 'SELECT count(*) FROM ticket_skip_stop(\'TG1\', \'2031-05-01\', \'TGB\')'
SELECT body, outcome(:'skip', 'ticket_departure', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.route_id := old.route_id;', 'new.route_id := 999999;', 'new.status := ''closed'';', 'new.layout_id := 999999;', 'new.opens_at := ''infinity'';',
    'new.closes_at := ''-infinity'';', 'new.sale_margin := ''1 hour'';', 'new.train := ''TG2'';', 'new.formation := ''TG-G'';', 'new.service_date := ''2199-05-02'';', 'RETURN NULL;']) AS body;
SELECT body, outcome('SELECT ticket_close(''TG1'', ''2031-05-01'')', 'ticket_departure', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.status := ''open'';', 'new.route_id := 999999;', 'new.opens_at := ''infinity'';']) AS body;
SELECT body, outcome('SELECT ticket_withdraw(''TG1'', ''2031-05-01'')', 'ticket_departure', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.status := ''open'';', 'new.closes_at := ''infinity'';', 'RETURN NULL;']) AS body;
SELECT body, outcome(:'skip', 'ticket_departure', 'AFTER', body)
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_close(''TG1'', ''2031-05-01'');', 'PERFORM public.ticket_skip_stop(''TG1'', ''2031-05-01'', ''TGB'');',
    'PERFORM public.ticket_retime(''TG1'', ''2031-05-01'');', 'UPDATE public.ticket_departure SET closes_at = ''2031-04-01'' WHERE departure_id = new.departure_id;']) AS body;
DROP FUNCTION outcome(text, text, text, text);
SELECT ticket_no, coach, seat, status FROM ticket_order WHERE order_id = :order_id;
SELECT * FROM ticket_verify();
