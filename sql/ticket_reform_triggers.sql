-- Triggers of users at the rows that ticket_reform writes: what they change of them is an error, and
-- so is what they do to other rows, if these would not be as planned.
SET ticketpool.allocation = 'first_fit';
INSERT INTO ticket_station (station, name) VALUES ('RFTA', 'Reform A'), ('RFTB', 'Reform B'), ('RFTC', 'Reform C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('RFT1', 1, 'RFTA', NULL, '8:00'), ('RFT1', 2, 'RFTB', '9:00', '9:05'), ('RFT1', 3, 'RFTC', '10:00', NULL);
-- (Coaches 07 and 08 have places to stand.)
INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('RFT-old', '07', 'stand', 2),
    ('RFT-new', '07', 'stand', 1), ('RFT-new', '08', 'stand', 1), ('RFT-moved', '07', 'stand', 1), ('RFT-moved', '08', 'stand', 1), ('RFT-other', '08', 'stand', 2);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
    ('RFT-old', '01', 'second', '{1A,1B,1C,1D}'), ('RFT-old', '02', 'second', '{1A,1B}'), ('RFT-old', '05', 'first', '{1A,1B,1C}'),
    ('RFT-new', '01', 'second', '{1A,1B}'), ('RFT-new', '03', 'second', '{1A,1B,1C}'),
    ('RFT-moved', '01', 'second', '{1A,1B}'), ('RFT-moved', '03', 'second', '{1A,1B,1C}'), ('RFT-moved', '05', 'first', '{1A,1B,1C}'),
    ('RFT-other', '01', 'second', '{1B,1C}'), ('RFT-other', '03', 'second', '{1A,1B,1C,1D}');
SELECT ticket_open('RFT1', '2031-05-03', 'RFT-old') AS departure \gset
-- One ticket keeps its seat and one its place, three are moved and one to another place, two find none; one quota shrinks, the other is given back.
SELECT min(order_id) AS party FROM ticket_buy_seats('RFT1', 'RFTA', 'RFTC', 1, '{01/1A,01/1C,01/1D}', '2031-05-03') \gset
SELECT min(order_id) AS hold FROM ticket_hold_seats('RFT1', 'RFTA', 'RFTC', 2, '{02/1A}', '2031-05-03') \gset
SELECT min(order_id) AS unseated FROM ticket_buy_seats('RFT1', 'RFTA', 'RFTB', 3, '{05/1A}', '2031-05-03') \gset
SELECT count(*) FROM ticket_hold_seats('RFT1', 'RFTA', 'RFTB', 4, '{05/1B}', '2031-05-03');
SELECT count(*) FROM ticket_buy('RFT1', 'RFTA', 'RFTC', 5, '2031-05-03', 'stand', '{5,6}');
SELECT ticket_reserve_seats('RFT1', '2031-05-03', 'agency', '{01/1B,02/1B}') AS agency, ticket_reserve_seats('RFT1', '2031-05-03', 'staff', '{05/1C}') AS staff \gset
SELECT count(set_config('rt.' || name, value, false)) FROM (VALUES ('departure', :'departure'), ('party', :'party'), ('hold', :'hold'), ('unseated', :'unseated'),
    ('agency', :'agency'), ('staff', :'staff')) AS s (name, value);
CREATE FUNCTION rt(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT current_setting('rt.' || name)::bigint $$;

-- What is wrong with the departure's rows.
CREATE FUNCTION wrong() RETURNS SETOF text LANGUAGE sql AS $$
    WITH live AS (SELECT * FROM ticket_order WHERE departure_id = rt('departure') AND status IN ('held', 'sold')),
        seats AS (SELECT c.coach, c.seat_class, seat FROM ticket_departure d JOIN ticket_layout_coach c USING (layout_id), unnest(c.seats) AS seat WHERE departure_id = rt('departure')),
        quotas AS (SELECT reservation_id, seat_class, seat FROM ticket_reservation, unnest(seat_list) AS seat WHERE departure_id = rt('departure') AND status = 'open')
    SELECT 'two on ' || a.coach || '/' || a.seat FROM live a JOIN live b USING (coach, seat, seat_class) WHERE (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
        AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop
    UNION ALL SELECT 'no seat ' || coach || '/' || seat FROM live WHERE seat IS NOT NULL AND (coach, seat_class, seat) NOT IN (SELECT coach, seat_class, seat FROM seats)
    UNION ALL SELECT 'too many in ' || coach FROM live JOIN ticket_departure d USING (departure_id) JOIN ticket_layout_coach c USING (layout_id, coach)
        WHERE seat IS NULL GROUP BY coach, c.places HAVING count(*) > coalesce(c.places, 0)
    UNION ALL SELECT 'no seat ' || seat || ' for a quota' FROM quotas WHERE (seat_class, seat) NOT IN (SELECT seat_class, coach || '/' || seat FROM seats)
    UNION ALL SELECT 'two quotas on ' || a.seat FROM quotas a JOIN quotas b USING (seat) WHERE a.reservation_id < b.reservation_id
    ORDER BY 1 $$;

-- The outcome of a reform while a trigger does this to rows of the table. Undone.
CREATE FUNCTION outcome(on_table text, fires text, body text, formation text DEFAULT 'RFT-new', each text DEFAULT 'ROW') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text;
BEGIN
    EXECUTE format('CREATE FUNCTION rt() RETURNS trigger LANGUAGE plpgsql AS %L',
        'BEGIN IF pg_trigger_depth() = 1 THEN ' || body || ' END IF; RETURN new; END');
    EXECUTE format('CREATE TRIGGER a_rt %s UPDATE ON %I FOR EACH %s EXECUTE FUNCTION rt()', fires, on_table, each);
    BEGIN
        SELECT string_agg(DISTINCT concat_ws('/', new_coach, new_seat, r.outcome), ' ') INTO got FROM ticket_reform('RFT1', '2031-05-03', formation, 'refund') AS r;
    EXCEPTION WHEN OTHERS THEN
        got := SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{6,}|(?<=departure )\d+', 'N');
    END;
    got := concat_ws(', ', got, (SELECT string_agg(problem, ', ') FROM wrong() AS problem), (SELECT string_agg(problem, ', ') FROM ticket_verify(rt('departure'))));
    RAISE EXCEPTION USING ERRCODE = 'TG000', MESSAGE = got;
EXCEPTION WHEN SQLSTATE 'TG000' THEN
    RETURN SQLERRM;
END $$;
SET client_min_messages = warning;

-- What a trigger makes of the row of a ticket: of one that finds no seat, and of one that is moved.
SELECT body, outcome('ticket_order', 'BEFORE', 'IF new.status NOT IN (''held'', ''sold'') THEN ' || body || ' END IF;') AS unseated, outcome('ticket_order', 'BEFORE', body, 'RFT-moved') AS moved
FROM unnest(ARRAY['NULL;', 'new.user_id := 9;', 'new.seat := ''1A'';', 'new.seat := NULL;', 'new.coach := ''01'';', 'new.seat := old.seat; new.coach := old.coach;',
    'new.seat_class := ''first'';', 'new.from_stop := 2;', 'new.to_stop := new.to_stop - 1;', 'new.departure_id := 999999;', 'new.service_date := ''2199-05-02'';', 'new.channel := ''agency'';',
    'new.status := ''sold'';', 'new.status := ''held'';', 'new.status := ''expired'';', 'new.status := ''refunded'';', 'new.status := ''nonsense'';', 'new.status := old.status;', 'RETURN NULL;',
    'IF new.status = ''held'' THEN RETURN NULL; END IF;', 'IF new.status = ''refunded'' THEN RETURN NULL; END IF;',
    'IF new.seat IS NULL THEN new.coach := ''07''; END IF;', 'IF new.seat IS NULL THEN new.coach := ''03''; new.seat := ''1A''; END IF;',
    -- On the seat of one that keeps it, of one that is moved before, and on one that the old formation has, but not the new one
    'IF new.order_id = public.rt(''party'') THEN new.coach := ''01''; new.seat := ''1A''; END IF;',
    'IF new.ticket_no = 3 THEN new.seat := ''1A''; new.coach := ''03''; END IF;', 'IF new.ticket_no = 3 THEN new.seat := ''1D''; new.coach := ''01''; END IF;']) AS body;

-- What it does to other rows.
SELECT body, outcome('ticket_order', 'AFTER', body)
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_reseat(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_reseat(new.order_id, ARRAY[new.ticket_no]);',
    'PERFORM public.ticket_refund(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_refund(public.rt(''party''), ''{2}'');',
    'IF new.status = ''sold'' THEN PERFORM public.ticket_refund(new.order_id, ARRAY[new.ticket_no]); END IF;',
    'IF new.status = ''sold'' THEN PERFORM public.ticket_refund(public.rt(''party''), ''{3}''); END IF;',
    'PERFORM public.ticket_cancel(public.rt(''hold''));', 'PERFORM public.ticket_confirm(public.rt(''hold''));',
    'IF new.status = ''held'' THEN PERFORM public.ticket_confirm(new.order_id); END IF;',
    'UPDATE public.ticket_order SET seat = ''1C'' WHERE order_id = public.rt(''party'') AND ticket_no = 1;',
    'UPDATE public.ticket_order SET coach = ''01'', seat = ''1A'' WHERE order_id = public.rt(''party'') AND ticket_no = 3;',
    'UPDATE public.ticket_order SET status = ''sold'' WHERE order_id = public.rt(''unseated'');',
    'UPDATE public.ticket_order SET to_stop = 2 WHERE order_id = public.rt(''party'') AND ticket_no = 1;',
    'DELETE FROM public.ticket_order WHERE order_id = public.rt(''party'') AND ticket_no = 1;', 'DELETE FROM public.ticket_order WHERE order_id = public.rt(''party'') AND ticket_no = 2;',
    'PERFORM public.ticket_buy(''RFT1'', ''RFTB'', ''RFTC'', 8, ''2031-05-03'', ''first'');', 'PERFORM public.ticket_recycle(public.rt(''agency''));',
    'PERFORM public.ticket_reserve_seats(''RFT1'', ''2031-05-03'', ''x'', ''{02/1B}'');',
    'UPDATE public.ticket_reservation SET seat_list = ''{01/1A,01/1B}'' WHERE reservation_id = public.rt(''agency'');',
    'UPDATE public.ticket_reservation SET channel = ''x'' WHERE reservation_id = public.rt(''agency'');',
    'DELETE FROM public.ticket_reservation WHERE reservation_id = public.rt(''agency'');',
    'PERFORM public.ticket_close(''RFT1'', ''2031-05-03'');', 'PERFORM public.ticket_withdraw(''RFT1'', ''2031-05-03'');',
    'PERFORM public.ticket_skip_stop(''RFT1'', ''2031-05-03'', ''RFTB'');', 'PERFORM public.ticket_retime(''RFT1'', ''2031-05-03'');',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-old'');', 'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-new'');',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');',
    'IF new.status = ''held'' THEN PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other''); END IF;']) AS body;
SELECT body, outcome('ticket_order', 'BEFORE', body, each => 'STATEMENT')
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_refund(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_refund(public.rt(''party''), ''{2}'');',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-new'', ''refund'');', 'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');']) AS body;
SELECT body, outcome('ticket_order', 'BEFORE', body)
FROM unnest(ARRAY['PERFORM public.ticket_refund(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_refund(public.rt(''party''), ''{2}'');',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');']) AS body;

-- Quotas.
SELECT body, outcome('ticket_reservation', 'BEFORE', body)
FROM unnest(ARRAY['NULL;', 'new.release_at := ''2031-05-01'';', 'new.seats := 5;', 'new.seat_list := old.seat_list;', 'new.seat_list := ''{01/1A}'';', 'new.seat_list := ''{}'';', 'new.channel := ''other'';', 'new.seat_class := ''first'';',
    'new.from_stop := 2;', 'new.to_stop := 2;', 'new.status := ''open'';', 'new.status := ''recycled'';', 'new.departure_id := 999999;', 'new.service_date := ''2199-05-02'';',
    'new.reservation_id := 999999;', 'RETURN NULL;', 'PERFORM public.ticket_refund(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_recycle(public.rt(''agency''));',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');']) AS body;
SELECT body, outcome('ticket_reservation', 'AFTER', body)
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_recycle(public.rt(''agency''));', 'PERFORM public.ticket_reseat(public.rt(''party''), ''{1}'');',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-old'');', 'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');',
    'UPDATE public.ticket_reservation SET seat_list = ''{01/1A}'', seats = 1 WHERE reservation_id = public.rt(''agency'');']) AS body;

-- The departure.
SELECT body, outcome('ticket_departure', 'BEFORE', body), outcome('ticket_departure', 'BEFORE', body, 'RFT-old') AS the_same
FROM unnest(ARRAY['NULL;', 'new.layout_id := old.layout_id;', 'new.formation := old.formation;', 'new.layout_id := old.layout_id; new.formation := old.formation;', 'new.layout_id := 999999;',
    'new.layout_id := old.layout_id; new.formation := old.formation; new.status := ''closed'';', 'new.formation := ''RFT-other'';',
    'new.status := ''closed'';', 'new.status := ''withdrawn'';', 'new.route_id := 999999;', 'new.opens_at := ''infinity'';', 'new.closes_at := ''-infinity'';', 'new.sale_margin := ''1 hour'';',
    'new.train := ''RFT2'';', 'new.service_date := ''2199-05-02'';', 'new.departure_id := 999999;', 'RETURN NULL;',
    'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');']) AS body;
SELECT body, outcome('ticket_departure', 'AFTER', body)
FROM unnest(ARRAY['NULL;', 'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-other'', ''refund'');', 'PERFORM public.ticket_reform(''RFT1'', ''2031-05-03'', ''RFT-old'');',
    'PERFORM public.ticket_close(''RFT1'', ''2031-05-03'');', 'PERFORM public.ticket_refund(public.rt(''party''), ''{1}'');', 'PERFORM public.ticket_reseat(public.rt(''party''), ''{1}'');',
    'PERFORM public.ticket_recycle(public.rt(''agency''));']) AS body;

-- Rules. Their statements are at the depth of the reform's own, and come before it.
SELECT tableoid::regclass AS partition FROM ticket_order WHERE order_id = :party LIMIT 1 \gset
CREATE FUNCTION outcome(rule text, formation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    got text;
BEGIN
    EXECUTE 'CREATE RULE rt AS ' || rule;
    BEGIN
        SELECT string_agg(DISTINCT concat_ws('/', new_coach, new_seat, r.outcome), ' ') INTO got FROM ticket_reform('RFT1', '2031-05-03', formation, 'refund') AS r;
    EXCEPTION WHEN OTHERS THEN
        got := SQLSTATE || ' ' || regexp_replace(SQLERRM, '\d{6,}|(?<=departure )\d+', 'N');
    END;
    got := concat_ws(', ', got, (SELECT string_agg(problem, ', ') FROM wrong() AS problem));
    RAISE EXCEPTION USING ERRCODE = 'TG000', MESSAGE = got;
EXCEPTION WHEN SQLSTATE 'TG000' THEN
    RETURN SQLERRM;
END $$;
SELECT rule, outcome('ON UPDATE TO ' || replace(rule, 'partition', :'partition'), formation)
FROM (VALUES ('ticket_order DO ALSO SELECT 1', 'RFT-new'), ('ticket_order DO INSTEAD NOTHING', 'RFT-new'), ('ticket_order WHERE old.ticket_no = 3 DO INSTEAD NOTHING', 'RFT-new'),
    ('ticket_order DO ALSO UPDATE partition SET coach = ''01'', seat = ''1A'' WHERE order_id = rt(''party'') AND ticket_no = 3', 'RFT-new'),
    ('ticket_order DO ALSO UPDATE partition SET coach = ''01'', seat = ''1A'' WHERE order_id = rt(''party'') AND ticket_no = 3', 'RFT-moved'),
    ('ticket_order DO ALSO UPDATE partition SET coach = ''03'', seat = ''1C'' WHERE order_id = rt(''party'') AND ticket_no = 1', 'RFT-moved'),
    ('ticket_reservation DO INSTEAD NOTHING', 'RFT-new'),
    ('ticket_reservation DO ALSO UPDATE partition SET coach = ''01'', seat = ''1B'' WHERE order_id = rt(''party'') AND ticket_no = 1', 'RFT-new'),
    ('ticket_departure DO INSTEAD NOTHING', 'RFT-new'),
    ('ticket_departure DO ALSO UPDATE ticket_reservation SET seat_list = ''{01/1A}'', seats = 1 WHERE reservation_id = rt(''agency'')', 'RFT-new')) AS r (rule, formation);

-- What is committed while a trigger refunds who is moved, and another one cancels at the commit.
CREATE FUNCTION rt_refund() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.ticket_refund(new.order_id, ARRAY[new.ticket_no]); RETURN new; END $$;
CREATE TRIGGER a_rt AFTER UPDATE ON ticket_order FOR EACH ROW WHEN (new.status = 'sold' AND new.seat IS DISTINCT FROM old.seat) EXECUTE FUNCTION rt_refund();
CREATE FUNCTION rt_cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.ticket_cancel(new.order_id); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER b_rt AFTER UPDATE ON ticket_order DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.status = 'held' AND new.seat IS DISTINCT FROM old.seat) EXECUTE FUNCTION rt_cancel();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT old_coach, old_seat, new_coach, new_seat, outcome FROM ticket_reform('RFT1', '2031-05-03', 'RFT-new', 'refund');
COMMIT;
DROP TRIGGER a_rt ON ticket_order;
DROP TRIGGER b_rt ON ticket_order;
SELECT user_id, ticket_no, coach, seat, status FROM ticket_order WHERE departure_id = :departure ORDER BY 1, 2;
SELECT channel, seats, seat_list, status FROM ticket_reservation WHERE departure_id = :departure ORDER BY 1;
SELECT * FROM wrong();
SELECT * FROM ticket_verify(:departure);
SELECT count(*) FROM ticket_buy_seats('RFT1', 'RFTA', 'RFTC', 5, '{03/1A,03/1C}', '2031-05-03');
SELECT * FROM ticket_verify(:departure);
DROP FUNCTION outcome(text, text, text, text, text), outcome(text, text), wrong(), rt_refund(), rt_cancel(), rt(text);
