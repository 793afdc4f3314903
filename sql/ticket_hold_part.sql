-- A part of a hold given up, a hold that lasts longer, and a ticket for another passenger.
INSERT INTO ticket_station (station, name) VALUES ('HPA', 'Part A'), ('HPB', 'Part B'), ('HPC', 'Part C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('HP1', 1, 'HPA', NULL, '8:00'), ('HP1', 2, 'HPB', '9:00', '9:02'), ('HP1', 3, 'HPC', '10:00', NULL);
INSERT INTO ticket_stop SELECT 'HP2', stop_no, station, arrives + interval '30 min', departs + interval '30 min' FROM ticket_stop WHERE train = 'HP1';
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('HP-F', '01', 'first', '{1A,1C}'), ('HP-F', '02', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open(t, d, 'HP-F') > 0 AS opened FROM unnest('{HP1,HP2}'::text[]) AS t, unnest('{2032-11-01,2032-11-02}'::date[]) AS d;
CREATE FUNCTION free(train text DEFAULT 'HP1', day date DEFAULT '2032-11-01') RETURNS int LANGUAGE sql AS $$ SELECT ticket_remaining($1, 'HPA', 'HPC', $2, 'second') $$;
-- What an attempt gives: who travels in which state, or why not.
CREATE FUNCTION attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE answer text; message text; detail text; hint text;
BEGIN
    EXECUTE format('SELECT string_agg(format(''%%s:%%s %%s'', ticket_no, passenger_id, status), '', '' ORDER BY ticket_no) FROM %s AS t', call) INTO answer;
    RETURN coalesce(answer, 'no row');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || regexp_replace(concat_ws(' | ', message, detail, hint), '\d{6,}', 'N', 'g');
END $$;
CREATE FUNCTION expired(id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        PERFORM ticket_sweep();
        IF NOT EXISTS (SELECT FROM ticket_order WHERE order_id = id AND status = 'held') THEN
            RETURN (SELECT string_agg(ticket_no || ' ' || status, ', ' ORDER BY ticket_no) FROM ticket_order WHERE order_id = id);
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN 'still held';
END $$;

-- Some tickets of a hold are given up: their seats are free, the others are held as before. Again: the rows, unchanged.
SELECT order_id FROM ticket_hold('HP1', 'HPA', 'HPC', 1, '2032-11-01', 'second', '{11,12,13,14}', request_id => '00000000-0000-0000-0000-00000000a001') WHERE ticket_no = 1 \gset
SELECT free(), attempt(format('ticket_cancel(%s, ''{4,2}'')', :order_id)), free();
SELECT c AS answer FROM ticket_cancel(:order_id, ticket_nos => '{2}') AS c \gset
SELECT count(*), min(o::text) = :'answer' AS unchanged FROM ticket_order AS o WHERE order_id = :order_id AND ticket_no = 2;
SELECT attempt(format('ticket_cancel(%s, ''{2,3,2}'')', :order_id)) AS mixed_and_repeated, free();
-- The request comes back: its rows, whatever has become of them. Compared is what was asked.
SELECT attempt($$ticket_hold('HP1', 'HPA', 'HPC', 1, '2032-11-01', 'second', '{11,12,13,14}', request_id => '00000000-0000-0000-0000-00000000a001')$$);
SELECT attempt($$ticket_hold('HP1', 'HPA', 'Part C', 1, '2032-11-01', 'second', '{11,12,13,14}', request_id => '00000000-0000-0000-0000-00000000a001')$$) AS written_otherwise;
SELECT attempt($$ticket_hold('HP1', 'HPA', 'HPC', 1, '2032-11-01', 'second', '{11}', request_id => '00000000-0000-0000-0000-00000000a001')$$) AS another_party;
-- What is left is paid, and paid again, and refunded, and the cancelled ones stay.
SELECT attempt(format('ticket_confirm(%s)', :order_id)), attempt(format('ticket_confirm(%s)', :order_id)) AS again, free();
SELECT attempt(format('ticket_cancel(%s, ''{1}'')', :order_id)) AS sold, attempt(format('ticket_cancel(%s, ''{1,2}'')', :order_id)) AS one_is_sold, attempt(format('ticket_cancel(%s, ''{2}'')', :order_id)) AS cancelled_already;
SELECT attempt(format('ticket_refund(%s, ''{2}'')', :order_id)) AS cancelled, attempt(format('ticket_refund(%s)', :order_id)), free();
-- Numbers that the order does not have, and what is no list of numbers
SELECT attempt(format('ticket_cancel(%s, ''{5}'')', :order_id)), attempt(format('ticket_cancel(%s, ''{2,5}'')', :order_id)), attempt(format('ticket_cancel(%s, ''{}'')', :order_id)),
       attempt(format('ticket_cancel(%s, ''{1,NULL}'')', :order_id)), attempt('ticket_cancel(1, ''{1}'')'), attempt('ticket_cancel(NULL, ''{1}'')');

-- What is left runs out, and is paid late; the cancelled one is not.
SELECT order_id FROM ticket_hold('HP1', 'HPA', 'HPC', 2, '2032-11-01', 'second', '{21,22,23}', ttl => '200 ms') WHERE ticket_no = 1 \gset
BEGIN;
SELECT attempt(format('ticket_cancel(%s, ''{1}'')', :order_id));
COMMIT;
SELECT expired(:order_id), free();
SELECT attempt(format('ticket_cancel(%s, ''{2}'')', :order_id)) AS expired, attempt(format('ticket_confirm(%s)', :order_id)), free(), attempt(format('ticket_refund(%s)', :order_id));
-- All given up, one by one: as the whole
SELECT order_id FROM ticket_hold('HP1', 'HPA', 'HPC', 3, '2032-11-01', 'second', '{31,32}') WHERE ticket_no = 1 \gset
SELECT attempt(format('ticket_cancel(%s, ''{2}'')', :order_id)), attempt(format('ticket_cancel(%s, ''{1}'')', :order_id)), attempt(format('ticket_cancel(%s)', :order_id)) AS again, attempt(format('ticket_confirm(%s)', :order_id));
-- A rollback and a savepoint take it back; what a transaction gave up it may take again itself.
SELECT order_id FROM ticket_hold('HP1', 'HPA', 'HPC', 4, '2032-11-01', 'second', '{41,42,43,44,45}') WHERE ticket_no = 1 \gset
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM ticket_cancel(:order_id, '{2,5}');
SELECT free(), (SELECT count(*) FROM ticket_buy('HP1', 'HPA', 'HPC', 5, '2032-11-01', 'second', '{51,52}')) AS bought, free();
ROLLBACK TO a;
SELECT free(), attempt(format('ticket_cancel(%s, ''{3}'')', :order_id)), free();
ROLLBACK;
SELECT free(), (SELECT count(*) FROM ticket_cancel(:order_id)) AS cancelled, free();
SELECT * FROM ticket_verify();

-- For longer: from now, and never shorter.
SELECT order_id FROM ticket_hold('HP1', 'HPA', 'HPC', 6, '2032-11-01', 'second', '{61,62,63}', ttl => '1 h') WHERE ticket_no = 1 \gset
SELECT count(*) FROM ticket_cancel(:order_id, '{2}');
SELECT ticket_no, status, held_until - clock_timestamp() BETWEEN '119 min' AND '120 min' AS two_hours, changed_at >= created_at AS changed FROM ticket_hold_extend(:order_id, '2 h');
SELECT ticket_no, held_until - clock_timestamp() BETWEEN '119 min' AND '120 min' AS two_hours_still FROM ticket_hold_extend(:order_id, '1 min');
SELECT ticket_no, held_until - clock_timestamp() BETWEEN '119 min' AND '120 min' AS two_hours_still FROM ticket_hold_extend(order_id => :order_id, ttl => NULL);
SELECT ticket_no, status, held_until - created_at BETWEEN '59 min' AND '61 min' AS as_it_was FROM ticket_order WHERE order_id = :order_id AND ticket_no = 2;
SET ticketpool.hold_ttl = '5 h';
SELECT ticket_no, held_until - clock_timestamp() BETWEEN '299 min' AND '300 min' AS five_hours FROM ticket_hold_extend(:order_id, NULL);
RESET ticketpool.hold_ttl;
SELECT attempt(format('ticket_hold_extend(%s, %L)', :order_id, ttl)) FROM unnest('{0,-1 s,1 month,367 days}'::text[]) AS ttl;
SELECT attempt('ticket_hold_extend(NULL, ''1 h'')'), attempt('ticket_hold_extend(1, ''1 h'')');
-- Over: paid, given up, run out, also if nobody has seen to it yet
SELECT order_id AS order_2 FROM ticket_hold('HP1', 'HPA', 'HPC', 7, '2032-11-01', 'second') \gset
BEGIN;
SELECT status FROM ticket_confirm(:order_2);
SELECT attempt(format('ticket_hold_extend(%s, ''1 h'')', :order_2));
ROLLBACK;
BEGIN;
SELECT status FROM ticket_cancel(:order_2);
SELECT attempt(format('ticket_hold_extend(%s, ''1 h'')', :order_2));
ROLLBACK;
SELECT count(*) FROM ticket_cancel(:order_2);
BEGIN;
SELECT order_id AS order_2 FROM ticket_hold('HP1', 'HPA', 'HPC', 7, '2032-11-01', 'second', ttl => '1 ms') \gset
SELECT pg_sleep(0.002);
SELECT regexp_replace(attempt(format('ticket_hold_extend(%s, ''1 h'')', :order_2)), 'until [^|]*\.', 'until T.');
ROLLBACK;
SELECT order_id AS order_2 FROM ticket_hold('HP1', 'HPA', 'HPC', 7, '2032-11-01', 'second', ttl => '1 ms') \gset
SELECT expired(:order_2), attempt(format('ticket_hold_extend(%s, ''1 h'')', :order_2));
-- The worker goes by the new time: it expires, and not before.
BEGIN;
SELECT order_id AS order_2 FROM ticket_hold('HP1', 'HPA', 'HPC', 7, '2032-11-01', 'second', ttl => '100 ms') \gset
SELECT count(*) FROM ticket_hold_extend(:order_2, '400 ms');
COMMIT;
SELECT expired(:order_2);
SELECT held_until - created_at >= '400 ms' AS extended, clock_timestamp() >= held_until AS not_before FROM ticket_order WHERE order_id = :order_2;
-- A rollback: the old time
BEGIN;
SELECT count(*) FROM ticket_hold_extend(:order_id, '100 h');
ROLLBACK;
SELECT bool_and(held_until - created_at < '6 h') AS as_before FROM ticket_order WHERE order_id = :order_id;
SELECT attempt(format('ticket_confirm(%s)', :order_id)), free();

-- Another passenger, for a sold ticket and for one that is held; to the same: unchanged.
SELECT attempt(format('ticket_transfer(%s, 3, 64)', :order_id)), attempt(format('ticket_transfer(order_id => %s, ticket_no => 1, passenger_id => 64)', :order_id)) AS no_rule_forbids_it, free();
SELECT o AS before FROM ticket_order AS o WHERE order_id = :order_id AND ticket_no = 3 \gset
SELECT t::text = :'before' AS unchanged FROM ticket_transfer(:order_id, 3, 64) AS t;
SELECT ticket_no, user_id, passenger_id, seat_class, from_stop, to_stop, status, held_until IS NULL AS not_held, changed_at > created_at AS changed FROM ticket_order WHERE order_id = :order_id ORDER BY 1;
SELECT order_id AS held FROM ticket_hold('HP1', 'HPA', 'HPC', 8, '2032-11-01', 'second') \gset
SELECT attempt(format('ticket_transfer(%s, 1, 81)', :held)), attempt(format('ticket_confirm(%s)', :held)), attempt(format('ticket_refund(%s)', :held));
-- Not for tickets that are over, and not for numbers that the order does not have.
SELECT attempt(format('ticket_transfer(%s, 2, 65)', :order_id)) AS cancelled, attempt(format('ticket_transfer(%s, 1, 81)', :held)) AS refunded_to_the_same,
       attempt(format('ticket_transfer(%s, 4, 65)', :order_id)) AS no_such_ticket, attempt('ticket_transfer(1, 1, 65)') AS no_such_order;
SELECT attempt('ticket_transfer(NULL, 1, 65)'), attempt('ticket_transfer(1, NULL, 65)'), attempt('ticket_transfer(1, 1, NULL)');
-- The request comes back: the passengers as they are now; the number of passengers is compared.
SELECT order_id FROM ticket_buy('HP1', 'HPA', 'HPC', 9, '2032-11-01', 'second', '{91,92}', request_id => '00000000-0000-0000-0000-00000000a002') WHERE ticket_no = 1 \gset
SELECT attempt(format('ticket_transfer(%s, 1, 93)', :order_id)), attempt($$ticket_buy('HP1', 'HPA', 'HPC', 9, '2032-11-01', 'second', '{91,92}', request_id => '00000000-0000-0000-0000-00000000a002')$$),
       attempt($$ticket_buy('HP1', 'HPA', 'HPC', 9, '2032-11-01', 'second', '{91,92,93}', request_id => '00000000-0000-0000-0000-00000000a002')$$);
SELECT attempt(format('ticket_refund(%s)', :order_id));

-- The rules are asked as for a purchase, and do not count the ticket itself: the built-in ones, ...
CREATE FUNCTION with_rules() RETURNS TABLE (what text, answer text) LANGUAGE plpgsql AS $$
DECLARE first bigint; other bigint; train_2 bigint;
BEGIN
    UPDATE ticket_rule SET enabled = true WHERE rule IN ('ticket_rule_one_per_departure', 'ticket_rule_no_overlap', 'ticket_rule_user_limit');
    PERFORM set_config('ticketpool.user_limit', '2', true);
    SELECT order_id INTO first FROM ticket_hold('HP1', 'HPA', 'HPC', 100, '2032-11-02', 'second', '{101,102}');
    SELECT order_id INTO other FROM ticket_buy('HP1', 'HPA', 'HPB', 110, '2032-11-02', 'second', '{111}');
    SELECT order_id INTO train_2 FROM ticket_buy('HP2', 'HPA', 'HPC', 120, '2032-11-02', 'second', '{121}');
    RETURN QUERY SELECT v.what, attempt(format('ticket_transfer(%s, %s, %s)', id, no, passenger)) FROM (VALUES
        ('a free passenger, with the user at the limit', first, 1, 103), ('the same', first, 1, 103), ('the party''s other passenger', first, 1, 102),
        ('a passenger of another order', first, 2, 111), ('a passenger of another train at that time', first, 2, 121), ('back to the first passenger', first, 1, 101),
        ('the other way', other, 1, 102), ('a passenger of the first train', train_2, 1, 102)) AS v (what, id, no, passenger);
    PERFORM set_config('ticketpool.user_limit', '1', true);
    RETURN QUERY SELECT 'the user is above the limit by now', attempt(format('ticket_transfer(%s, 1, 104)', first));
    RETURN QUERY SELECT 'the same, above the limit', attempt(format('ticket_transfer(%s, 1, 101)', first));
    RETURN QUERY SELECT 'afterwards', string_agg(format('%s:%s %s', ticket_no, passenger_id, status), ', ' ORDER BY ticket_no) FROM ticket_order WHERE order_id = first;
    RETURN QUERY SELECT 'paid', attempt(format('ticket_confirm(%s)', first));
    -- ... and one of the user's, which counts all of a user's tickets. It is told of this passenger, trip and departure.
    UPDATE ticket_rule SET enabled = false WHERE rule LIKE 'ticket_rule_%';
    CREATE FUNCTION hold_part_rule(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql STABLE SET search_path FROM CURRENT AS $rule$
        SELECT format('%s live, wanted %s from %s to %s of %s', count(*), $3, $4, $5, (SELECT train FROM ticket_departure AS d WHERE d.departure_id = $1))
        FROM ticket_order AS o WHERE o.user_id = $2 AND o.service_date = '2032-11-02' AND o.status IN ('held', 'sold') HAVING count(*) >= current_setting('regress.most')::int $rule$;
    INSERT INTO ticket_rule (rule, on_kind, enabled) VALUES (format('%I.hold_part_rule', current_schema()), 'ticket', true);
    PERFORM set_config('regress.most', '2', true);
    RETURN QUERY SELECT 'one besides it', attempt(format('ticket_transfer(%s, 2, 105)', first));
    PERFORM set_config('regress.most', '1', true);
    RETURN QUERY SELECT 'one besides it is too many', attempt(format('ticket_transfer(%s, 2, 106)', first));
    RETURN QUERY SELECT 'the last one', attempt(format('ticket_transfer(%s, 1, 112)', other));
    RETURN QUERY SELECT 'problems', string_agg(problem, ', ') FROM ticket_verify();
END $$;
ALTER FUNCTION with_rules() SET search_path FROM CURRENT;
BEGIN;
SELECT * FROM with_rules();
ROLLBACK;
-- The same where the executor writes the rows, for the sake of a trigger
CREATE FUNCTION hold_part_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE hold_part_seen (way text, what text, answer text);
CREATE FUNCTION see(way text) RETURNS SETOF hold_part_seen LANGUAGE plpgsql AS $$
DECLARE seen hold_part_seen[];
BEGIN
    BEGIN
        IF way = 'executor' THEN
            CREATE TRIGGER hold_part BEFORE INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION hold_part_trigger();
        END IF;
        seen := ARRAY(SELECT ROW(way, r.what, r.answer)::hold_part_seen FROM with_rules() AS r);
        RAISE EXCEPTION USING ERRCODE = 'TKXXX';
    EXCEPTION WHEN SQLSTATE 'TKXXX' THEN
        NULL;
    END;
    RETURN QUERY SELECT * FROM unnest(seen);
END $$;
SELECT d.what, d.answer, e.answer FROM see('direct') AS d FULL JOIN see('executor') AS e USING (what) WHERE d.answer IS DISTINCT FROM e.answer;
DROP FUNCTION see, with_rules, hold_part_trigger, attempt, expired, free(text, date);
DROP TABLE hold_part_seen;

-- Pool and tables agree, and no two live tickets meet on a seat.
SELECT * FROM ticket_verify();
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
