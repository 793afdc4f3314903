-- Orders whose tickets are in different states: what is left of one is paid, given up, refunded and exchanged as a whole order would be.
INSERT INTO ticket_station (station, name) VALUES ('OMA', 'Order mix A'), ('OMB', 'Order mix B'), ('OMC', 'Order mix C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('OM1', 1, 'OMA', NULL, '8:00'), ('OM1', 2, 'OMB', '9:00', '9:02'), ('OM1', 3, 'OMC', '10:00', NULL);
INSERT INTO ticket_stop SELECT 'OM2', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'OM1';
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('OM-F', '01', 'second', '{1A,1B,1C,1D,1F}'),
    ('OM-2', '01', 'first', '{1A,1C}'), ('OM-2', '02', 'second', '{1A,1B,1C}'), ('OM-1', '01', 'first', '{1A,1C,1D,1F}');
SELECT ticket_open('OM1', '2032-08-01', 'OM-F') > 0 AS opened, ticket_open('OM1', '2032-08-02', 'OM-F') > 0 AS opened, ticket_open('OM2', '2032-08-01', 'OM-F') > 0 AS opened,
       ticket_open('OM1', '2032-08-03', 'OM-2') > 0 AS opened, ticket_open('OM2', '2032-08-03', 'OM-2') > 0 AS opened, ticket_open('OM2', '2032-08-02', 'OM-1') > 0 AS opened;

-- An order by hand, ticket by ticket in the states named, numbered from `first`, two apart; seats 1A, 1B, ...
CREATE FUNCTION mix(number int, states text[], first int, day date DEFAULT '2032-08-01') RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, held_until)
    SELECT (day - date '2000-01-01')::bigint << 37 | number, first + 2 * (n::int - 1), departure_id, service_date, 1, n, 'second', '01', '1' || chr(64 + n::int), 1, 3, state,
           CASE WHEN state IN ('held', 'expired') THEN now() + interval '1 day' END
    FROM unnest(states) WITH ORDINALITY AS u (state, n), ticket_departure WHERE train = 'OM1' AND service_date = day;
    SELECT (day - date '2000-01-01')::bigint << 37 | number;
$$;
-- What a call makes of it: the tickets returned, those of the order afterwards, and how many seats are free then; all of it undone.
CREATE FUNCTION outcome(call text, states text[], first int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id bigint;
    answer text;
    message text;
    detail text;
BEGIN
    BEGIN
        id := mix(70000, states, first);
        BEGIN
            EXECUTE format('SELECT string_agg(ticket_no || '' '' || status, '', '' ORDER BY ticket_no) FROM %s AS t', format(call, id)) INTO answer;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
            answer := SQLSTATE || ' ' || replace(message, id::text, 'N') || ' ' || detail;
        END;
        SELECT format('%s; now %s; %s free', coalesce(answer, 'no row'), string_agg(status, ', ' ORDER BY ticket_no), ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-01'))
        INTO answer FROM ticket_order WHERE order_id = id;
        IF EXISTS (SELECT FROM ticket_verify((SELECT departure_id FROM ticket_departure WHERE train = 'OM1' AND service_date = '2032-08-01'))) THEN
            answer := answer || ', pool and tables differ';
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'TKXXX', MESSAGE = answer;
    EXCEPTION WHEN SQLSTATE 'TKXXX' THEN
        answer := SQLERRM;
    END;
    RETURN answer;
END $$;
CREATE TABLE mixes (n serial, states text[], first int);
INSERT INTO mixes (states, first) VALUES ('{held,held}', 0), ('{held,cancelled}', 1), ('{cancelled,held}', 1), ('{cancelled,cancelled,held}', 0), ('{held,sold}', 1), ('{sold,held}', 4),
    ('{held,refunded}', 1), ('{held,changed}', 1), ('{held,expired}', 1), ('{expired,expired}', 7), ('{expired,cancelled}', 1), ('{expired,sold}', 1), ('{expired,held,sold,cancelled}', 0),
    ('{expired,refunded}', 1), ('{sold,cancelled}', 1), ('{cancelled,sold,refunded,changed}', 1), ('{cancelled,cancelled}', 1), ('{cancelled,refunded}', 1), ('{refunded,changed}', 1),
    ('{changed,cancelled}', 1), ('{expired,changed}', 2);
SELECT states, first, outcome('ticket_confirm(%s)', states, first) AS confirm FROM mixes ORDER BY n;
SELECT states, first, outcome('ticket_cancel(%s)', states, first) AS cancel FROM mixes ORDER BY n;
SELECT states, first, outcome('ticket_refund(%s)', states, first) AS refund FROM mixes ORDER BY n;
SELECT states, first, outcome('ticket_change(%s, ''OM2'', ''OMA'', ''OMC'', ''2032-08-01'')', states, first) AS change FROM mixes ORDER BY n;
-- Held for longer are the tickets that are held.
SELECT states, first, outcome('ticket_hold_extend(%s, ''2 days'')', states, first) AS extend FROM mixes ORDER BY n;
-- Tickets that are named have to be held, or cancelled or expired already, whatever the others are.
SELECT outcome('ticket_cancel(%s, ''{1}'')', '{held,sold}', 1) AS held_of_held_and_sold, outcome('ticket_cancel(%s, ''{1,3}'')', '{held,sold}', 1) AS both, outcome('ticket_cancel(%s, ''{1,3,5}'')', '{held,expired,cancelled}', 1) AS what_is_over_stays,
       outcome('ticket_cancel(%s, ''{1}'')', '{refunded,held}', 1) AS refunded, outcome('ticket_cancel(%s, ''{1}'')', '{changed,held}', 1) AS changed;
-- A held ticket without a time stays so; one whose time is over is over, and so is the order.
SELECT mix(5, '{held,held}', 1) AS id \gset
UPDATE ticket_order SET held_until = NULL WHERE order_id = :id AND ticket_no = 1;
SELECT ticket_no, held_until IS NULL AS without, held_until > now() + interval '47 hours' AS longer FROM ticket_hold_extend(:id, '2 days');
BEGIN;
UPDATE ticket_order SET held_until = now() - interval '1 hour' WHERE order_id = :id AND ticket_no = 3;
\set VERBOSITY sqlstate
SELECT * FROM ticket_hold_extend(:id, '2 days');
\set VERBOSITY default
ROLLBACK;
SELECT count(*) FROM ticket_cancel(:id);
-- Tickets that are named have to be sold, each of them.
SELECT outcome('ticket_refund(%s, ''{1}'')', '{sold,held}', 1), outcome('ticket_refund(%s, ''{3}'')', '{sold,held}', 1), outcome('ticket_refund(%s, ''{1,3}'')', '{sold,cancelled}', 1);
SELECT outcome('ticket_change(%s, ''OM2'', ''OMA'', ''OMC'', ''2032-08-01'', ticket_nos => ''{3}'')', '{held,sold}', 1), outcome('ticket_change(%s, ''OM2'', ''OMA'', ''OMC'', ''2032-08-01'', ticket_nos => ''{1,3}'')', '{held,sold}', 1);

-- Twice is once.
SELECT mix(1, '{held,cancelled,expired}', 1) AS id \gset
SELECT array_agg(c::text) AS first FROM ticket_confirm(:id) AS c \gset
SELECT array_agg(c::text) = :'first'::text[] AS unchanged FROM ticket_confirm(:id) AS c;
SELECT ticket_no, status, changed_at IS NOT NULL AS changed, held_until IS NULL AS no_deadline FROM ticket_order WHERE order_id = :id ORDER BY 1;
SELECT array_agg(c::text) AS first FROM ticket_refund(:id) AS c \gset
SELECT array_agg(c::text) = :'first'::text[] AS unchanged FROM ticket_refund(:id) AS c;
SELECT mix(2, '{held,cancelled,expired}', 1) AS id \gset
SELECT array_agg(c::text) AS first FROM ticket_cancel(:id) AS c \gset
SELECT array_agg(c::text) = :'first'::text[] AS unchanged FROM ticket_cancel(:id) AS c;
-- Partly sold: refunded first, then the rest is given up.
SELECT mix(3, '{held,sold}', 1) AS id \gset
SELECT ticket_no, status FROM ticket_refund(:id);
SELECT ticket_no, status FROM ticket_refund(:id);
SELECT ticket_no, status FROM ticket_cancel(:id);
SELECT ticket_no, status FROM ticket_cancel(:id);
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-01');
-- A row deleted, or moved to an order of its own
SELECT mix(4, '{held,held,held}', 1) AS id \gset
DELETE FROM ticket_order WHERE order_id = :id AND ticket_no = 1;
UPDATE ticket_order SET order_id = order_id + 1 WHERE order_id = :id AND ticket_no = 5;
SELECT ticket_no, status FROM ticket_confirm(:id);
SELECT ticket_no, status FROM ticket_confirm(:id + 1);
SELECT count(*) FROM generate_series(:id, :id + 1) AS i, ticket_refund(i);
-- A late payment gets seats for all that ran out, or none at all.
SELECT mix(6, '{expired,held,expired,cancelled}', 1) AS id \gset
SELECT count(*) FROM ticket_buy('OM1', 'OMA', 'OMB', 2, '2032-08-01', passengers => '{1,2,3}');
SELECT count(*) AS none FROM ticket_confirm(:id);
SELECT string_agg(status, ', ' ORDER BY ticket_no) FROM ticket_order WHERE order_id = :id;
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-01'), ticket_remaining('OM1', 'OMB', 'OMC', '2032-08-01');
SELECT count(*) FROM ticket_order o, ticket_refund(o.order_id) WHERE o.user_id = 2 AND o.ticket_no = 1 AND o.service_date = '2032-08-01';
SELECT ticket_no, status FROM ticket_confirm(:id);
SELECT count(*) FROM ticket_refund(:id);
SELECT * FROM ticket_verify();

-- Classes, trips, trains and channels in one order: paid late, each ticket gets what it had. All of them or none.
SELECT departure_id AS other FROM ticket_departure WHERE train = 'OM2' AND service_date = '2032-08-03' \gset
SELECT mix(7, '{expired,expired,expired,expired}', 1, '2032-08-03') AS id \gset
UPDATE ticket_order SET seat_class = 'first' WHERE order_id = :id AND ticket_no = 1;
UPDATE ticket_order SET coach = '02', to_stop = 2 WHERE order_id = :id AND ticket_no = 3;
UPDATE ticket_order SET coach = '02', channel = 'agency' WHERE order_id = :id AND ticket_no = 5;
UPDATE ticket_order SET coach = '02', departure_id = :other, seat = '1A' WHERE order_id = :id AND ticket_no = 7;
BEGIN;
SELECT count(*) FROM ticket_buy('OM2', 'OMA', 'OMC', 3, '2032-08-03', 'second', passengers => '{1,2,3}');
SELECT count(*) AS none FROM ticket_confirm(:id);
SELECT DISTINCT status FROM ticket_order WHERE order_id = :id;
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-03', 'first') AS first, ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-03', 'second') AS second;
ROLLBACK;
SELECT ticket_no, departure_id = :other AS other, seat_class, coach, seat, from_stop, to_stop, status, channel FROM ticket_confirm(:id);
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-03', 'first') AS first, ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-03', 'second') AS second,
       ticket_remaining('OM1', 'OMB', 'OMC', '2032-08-03', 'second') AS second_part, ticket_remaining('OM2', 'OMA', 'OMC', '2032-08-03', 'second') AS other;
SELECT * FROM ticket_verify();
-- Refunded, each seat is free on its own train, and nobody else's.
SELECT seat FROM ticket_buy('OM1', 'OMA', 'OMC', 4, '2032-08-03', 'second', seat_choice => 'A');
SELECT ticket_no, status FROM ticket_refund(:id);
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-03', 'second') AS second, ticket_remaining('OM2', 'OMA', 'OMC', '2032-08-03', 'second') AS other;
SELECT * FROM ticket_verify();
-- The same by way of SQL, where a trigger of the user's asks for the executor
CREATE FUNCTION mix_touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
CREATE TRIGGER mix_touch BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION mix_touch();
SELECT mix(8, '{held,sold}', 1, '2032-08-02') AS id \gset
SELECT departure_id AS other FROM ticket_departure WHERE train = 'OM2' AND service_date = '2032-08-02' \gset
UPDATE ticket_order SET departure_id = :other, seat_class = 'first', seat = '1A' WHERE order_id = :id AND ticket_no = 1;
SELECT ticket_no, status FROM ticket_confirm(:id);
SELECT ticket_no, status FROM ticket_refund(:id);
SELECT ticket_no, status FROM ticket_refund(:id);
SELECT ticket_remaining('OM1', 'OMA', 'OMC', '2032-08-02') AS mx1, ticket_remaining('OM2', 'OMA', 'OMC', '2032-08-02') AS mx2;
SELECT * FROM ticket_verify();
DROP TRIGGER mix_touch ON ticket_order;
DROP FUNCTION mix_touch();

-- An order that is not there, and one that a snapshot may hide
SELECT * FROM ticket_refund(12345);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM ticket_refund(12345);
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM item_refund(12345678901);
ROLLBACK;

-- An exchange without seat_class: each ticket keeps its class, also where an order has several, and the new tickets are in order of the old.
SELECT mix(9, '{expired,expired,cancelled,expired}', 1, '2032-08-03') AS id \gset
UPDATE ticket_order SET passenger_id = 100 + ticket_no, seat_class = CASE ticket_no WHEN 3 THEN 'first' ELSE 'second' END, coach = CASE ticket_no WHEN 3 THEN '01' ELSE '02' END,
    seat = CASE ticket_no WHEN 3 THEN '1A' WHEN 7 THEN '1B' ELSE '1A' END WHERE order_id = :id;
SELECT count(*) FROM ticket_confirm(:id);
SELECT order_id AS new, changed_from = :id AS points FROM ticket_change(:id, 'OM2', 'OMA', 'OMB', '2032-08-03') WHERE ticket_no = 1 \gset
SELECT ticket_no, passenger_id, seat_class, coach, from_stop, to_stop, status FROM ticket_order WHERE order_id = :new ORDER BY 1;
SELECT ticket_no, seat_class, status FROM ticket_order WHERE order_id = :id ORDER BY 1;
-- The same trip again: everybody keeps the seat.
SELECT array_agg((ticket_no, passenger_id, seat_class, coach, seat)::text ORDER BY ticket_no) AS seats FROM ticket_order WHERE order_id = :new \gset
SELECT array_agg((ticket_no, passenger_id, seat_class, coach, seat)::text ORDER BY ticket_no) = :'seats'::text[] AS kept, min(order_id) AS new FROM ticket_change(:new, 'OM2', 'OMA', 'OMC', '2032-08-03') \gset
SELECT :'kept' AS kept;
-- Wishes go by ticket, also where the classes differ.
SELECT ticket_no, seat_class, seat FROM ticket_change(:new, 'OM2', 'OMA', 'OMC', '2032-08-03', seat_choice => 'ACB') ORDER BY 1;
SELECT order_id AS new FROM ticket_order WHERE status = 'sold' AND service_date = '2032-08-03' AND passenger_id = 101 \gset
\set VERBOSITY sqlstate
SELECT * FROM ticket_change(:new, 'OM2', 'OMA', 'OMC', '2032-08-03', seat_choice => 'ACBA');
-- One of the classes is not there: TK006, also where the departure has one class only; or it is full: no row. Nothing has happened either way.
SELECT * FROM ticket_change(:new, 'OM2', 'OMA', 'OMC', '2032-08-02');
SELECT * FROM ticket_change(:new, 'OM1', 'OMA', 'OMC', '2032-08-01');
\set VERBOSITY default
SELECT count(*) FROM ticket_buy('OM1', 'OMA', 'OMC', 5, '2032-08-03', 'first', passengers => '{1,2}');
SELECT count(*) AS none FROM ticket_change(:new, 'OM1', 'OMA', 'OMC', '2032-08-03');
SELECT status, count(*) FROM ticket_order WHERE order_id = :new GROUP BY 1;
-- With a class named, all are in it.
SELECT ticket_no, passenger_id, seat_class FROM ticket_change(:new, 'OM2', 'OMA', 'OMC', '2032-08-02', 'first');
SELECT * FROM ticket_verify();
DROP TABLE mixes;
DROP FUNCTION mix, outcome;
