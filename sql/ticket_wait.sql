-- The waiting list: entering, adding to, extending, cancelling and ending waits. (Awards: ticket_wait_award.)
INSERT INTO ticket_station (station, name) VALUES ('WAA', 'Wait A'), ('WAB', 'Wait B'), ('WAC', 'Wait C'), ('WAD', 'Wait D');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('WA1', 10, 'WAA', NULL, '8:00'), ('WA1', 20, 'WAB', '9:00', '9:02'), ('WA1', 30, 'WAC', '10:00', '10:02'), ('WA1', 40, 'WAD', '11:00', NULL),
    ('WA2', 1, 'WAA', NULL, NULL), ('WA2', 2, 'WAB', NULL, NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES ('WA-F', '01', 'first', '{1A}', NULL), ('WA-F', '02', 'second', '{1A,1B,1F}', NULL),
    ('WA-G', '01', 'second', '{1A}', NULL);
SELECT ticket_open('WA1', d::date, 'WA-F', sale_margin => CASE WHEN d = '2032-11-02' THEN interval '20 minutes' END) > 0 AS opened FROM generate_series(date '2032-11-01', '2032-11-06', '1 day') AS d;
SELECT ticket_open('WA2', '2032-11-01', 'WA-G', closes_at => '2032-10-01 12:00+00') > 0 AS opened, ticket_open('WA2', '2032-11-02', 'WA-G') > 0 AS opened,
    ticket_open('WA2', '2032-11-03', 'WA-G', opens_at => '2032-10-01') > 0 AS opened;
-- All seats are taken.
SELECT count(*) FROM generate_series(date '2032-11-01', '2032-11-06', '1 day') AS d, ticket_buy('WA1', 'WAA', 'WAD', 1, d::date, 'second', '{1,2,3}');
SELECT count(*) FROM generate_series(date '2032-11-01', '2032-11-06', '1 day') AS d, ticket_buy('WA1', 'WAA', 'WAD', 1, d::date, 'first');
SELECT count(*) FROM ticket_buy('WA2', 'WAA', 'WAB', 1, '2032-11-01') AS a, ticket_buy('WA2', 'WAA', 'WAB', 1, '2032-11-02') AS b;
-- An option, with what is left out NULL
CREATE FUNCTION o(train text DEFAULT 'WA1', from_station text DEFAULT 'WAA', to_station text DEFAULT 'WAD', day date DEFAULT '2032-11-01', class text DEFAULT 'second',
    choice text DEFAULT NULL, channel text DEFAULT NULL) RETURNS ticket_request LANGUAGE sql AS $$ SELECT ROW($1, $2, $3, NULL, $4, $5, NULL, $6, $7, NULL)::ticket_request $$;
-- What an attempt gives: the wait's status and its number of options, or why not.
CREATE FUNCTION attempt(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE id bigint; answer text; message text; detail text; hint text;
BEGIN
    EXECUTE format('SELECT wait_id FROM %s', call) INTO STRICT id;
    RETURN (SELECT format('%s %s', status, (SELECT count(*) FROM ticket_wait_option AS p WHERE p.wait_id = id)) FROM ticket_wait AS w WHERE w.wait_id = id);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || regexp_replace(regexp_replace(concat_ws(' | ', message, detail, hint), 'wait \d+', 'wait N', 'g'), '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^.]*', 'T', 'g');
END $$;
CREATE VIEW options AS SELECT option_no AS no, w.user_id, train, service_date AS day, from_stop, to_stop, seat_class, seat_choice AS choice, channel, p.status, need,
    ends_at, p.wait_id, queue_no FROM ticket_wait_option AS p JOIN ticket_wait AS w USING (wait_id) LEFT JOIN ticket_departure USING (departure_id);

-- A wait and all of its columns
SELECT wait_id AS first FROM ticket_wait(7, ARRAY[o(day => '2032-11-03'), o('WA1', 'Wait B', 'WAC#30', '2032-11-01', 'second', 'F', 'agency'), o(class => 'first')]) \gset
SELECT user_id, passengers, deadline, on_match, hold_ttl, min_tickets, request_id, status, order_id, created_at <= now() AS created, changed_at FROM ticket_wait WHERE wait_id = :first;
SELECT no, user_id, train, day, from_stop, to_stop, seat_class, choice, channel, status, need FROM options WHERE wait_id = :first ORDER BY queue_no;
SELECT wait_id AS second FROM ticket_wait(8, ARRAY[o(), o(day => '2032-11-02')], '{81,82,83}', deadline => '2032-10-31 12:00+00', on_match => 'sell', hold_ttl => '7 min', min_tickets => 2,
    request_id => '00000000-0000-0000-0000-00000000aa01') \gset
SELECT user_id, passengers, deadline = '2032-10-31 12:00+00' AS deadline, on_match, hold_ttl, min_tickets, request_id, status, order_id, changed_at FROM ticket_wait WHERE wait_id = :second;
SELECT no, user_id, day, from_stop, to_stop, seat_class, status, need FROM options WHERE wait_id = :second ORDER BY queue_no;
SELECT min(queue_no) FILTER (WHERE user_id = 8) > max(queue_no) FILTER (WHERE user_id = 7) AS behind FROM options WHERE user_id IN (7, 8);
-- When an option ends: at the deadline, when the train leaves the boarding stop, sale_margin earlier, at closes_at, or with its departure
CREATE FUNCTION local(t timestamp) RETURNS timestamptz LANGUAGE sql AS $$ SELECT t AT TIME ZONE (SELECT setting FROM pg_file_settings WHERE lower(name) = 'timezone' ORDER BY seqno DESC LIMIT 1) $$;
SELECT no, user_id, ends_at = CASE WHEN user_id = 8 THEN timestamptz '2032-10-31 12:00+00' ELSE local(day + CASE from_stop WHEN 10 THEN time '8:00' ELSE '9:02' END) END AS as_expected
FROM options WHERE user_id IN (7, 8) ORDER BY user_id, no;
SELECT count(*) FROM ticket_wait(9, ARRAY[o(day => '2032-11-02'), o('WA2', 'WAA', 'WAB', '2032-11-01', NULL), o('WA2', 'WAA', 'WAB', '2032-11-02', NULL)]);
SELECT no, ends_at = CASE no WHEN 1 THEN local('2032-11-02 7:40') WHEN 2 THEN timestamptz '2032-10-01 12:00+00' END AS as_expected, ends_at IS NULL AS unknown FROM options WHERE user_id = 9 ORDER BY no;

-- NULL, and what is no wait
SELECT attempt('ticket_wait(NULL, ARRAY[o()])') UNION ALL SELECT attempt('ticket_wait(1, NULL)') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], on_match => NULL)')
UNION ALL SELECT attempt('ticket_wait(1, ''{}'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(), NULL])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[[o()], [o()]])');
SELECT attempt('ticket_wait(1, ARRAY[o()], on_match => ''buy'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], min_tickets => 0)') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], min_tickets => 2)')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], ''{1,2}'', min_tickets => 3)') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], deadline => ''2000-01-01'')')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], deadline => ''-infinity'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], hold_ttl => ''0'')')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], hold_ttl => ''-1 min'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], hold_ttl => ''400 days'')')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], ''{}'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], ''{1,NULL}'')') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], ''{{1},{2}}'')')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o()], ''{1,2,3,4}'')');
-- Options, by their number
SELECT attempt('ticket_wait(1, ARRAY[o(), o(NULL)])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(), o(from_station => NULL)])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(to_station => NULL)])')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(), o(''WA9'')])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(day => ''2031-01-01'')])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(), o(from_station => ''WAD'')])')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(to_station => ''nowhere'')])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(class => NULL)])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(class => ''third'')])')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(), o(''WA2'', ''WAA'', ''WAB'', ''2032-11-03'', NULL)])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(choice => ''ABC'')])')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(choice => repeat('' '', 200) || ''A'')])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(channel => '''')])')
UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(channel => repeat(''x'', 1000))])') UNION ALL SELECT attempt('ticket_wait(1, ARRAY[o(day => ''1999-01-01'')])');
SELECT attempt($$ticket_wait(1, ARRAY[o(), ROW('WA1', 'WAA', 'WAD', 1, '2032-11-01', 'second', NULL, NULL, NULL, NULL)::ticket_request])$$)
UNION ALL SELECT attempt($$ticket_wait(1, ARRAY[o(), ROW('WA1', 'WAA', 'WAD', NULL, '2032-11-01', 'second', '{1}', NULL, NULL, NULL)::ticket_request])$$)
UNION ALL SELECT attempt($$ticket_wait(1, ARRAY[o(), ROW('WA1', 'WAA', 'WAD', NULL, '2032-11-01', 'second', NULL, NULL, NULL, '00000000-0000-0000-0000-00000000aa01')::ticket_request])$$);
-- The same trip twice, also if it is written in another way; a trip for which the user waits already
SELECT attempt('ticket_wait(1, ARRAY[o(), o(class => ''first''), o(from_station => ''Wait A'', choice => ''F'')])') AS twice;
SELECT attempt('ticket_wait(7, ARRAY[o(day => ''2032-11-02''), o(day => ''2032-11-03'')])') AS again;
SELECT count(*) AS nothing_entered FROM ticket_wait WHERE user_id = 1;
-- service_date NULL is today, when WA1 does not run.
SELECT starts_with(attempt('ticket_wait(1, ARRAY[o(day => NULL)])'), format('TK001 option 1: train "WA1" has no departure on %s', current_date)) AS today;
-- A departure that is not on sale any more
SELECT ticket_close('WA1', '2032-11-06');
SELECT attempt('ticket_wait(1, ARRAY[o(day => ''2032-11-06'')])');
BEGIN READ ONLY;
SELECT attempt('ticket_wait(1, ARRAY[o()])') UNION ALL SELECT attempt('ticket_wait_add(999999999, ARRAY[o()])') UNION ALL SELECT attempt('ticket_wait_extend(999999999, ''2040-01-01'')') UNION ALL SELECT attempt('ticket_wait_cancel(999999999)');
COMMIT;

-- request_id: the first call's row, whatever the second one says, and whatever has become of it
SELECT wait_id = :second AS same, status FROM ticket_wait(8, ARRAY[o(day => '2032-11-05')], request_id => '00000000-0000-0000-0000-00000000aa01');
SELECT count(*) FROM ticket_wait(6, ARRAY[o(day => '2032-11-05')], request_id => '00000000-0000-0000-0000-00000000aa01') WHERE wait_id <> :second;
SELECT count(*) FROM ticket_wait WHERE user_id = 8;
BEGIN;
SELECT wait_id AS undone FROM ticket_wait(5, ARRAY[o()], request_id => '00000000-0000-0000-0000-00000000aa02') \gset
SELECT wait_id = :undone AS same FROM ticket_wait(5, ARRAY[o()], request_id => '00000000-0000-0000-0000-00000000aa02');
ROLLBACK;
SELECT wait_id <> :undone AS another FROM ticket_wait(5, ARRAY[o()], request_id => '00000000-0000-0000-0000-00000000aa02');

-- Limits
BEGIN;
SET LOCAL ticketpool.wait_options = 2;
SELECT attempt('ticket_wait(2, ARRAY[o(), o(day => ''2032-11-02''), o(day => ''2032-11-03'')])'), attempt('ticket_wait(2, array_fill(o(), ARRAY[100000]))');
SELECT attempt('ticket_wait(2, ARRAY[o(), o(day => ''2032-11-02'')])'), attempt(format('ticket_wait_add(%s, ARRAY[o(day => ''2032-11-03'')])', (SELECT max(wait_id) FROM ticket_wait)));
SET LOCAL ticketpool.wait_limit = 2;
SELECT attempt('ticket_wait(2, ARRAY[o(day => ''2032-11-03'')])'), attempt('ticket_wait(2, ARRAY[o(day => ''2032-11-04'')])');
-- One that is over does not count.
SELECT attempt(format('ticket_wait_cancel(%s)', max(wait_id))) FROM ticket_wait WHERE user_id = 2;
SELECT attempt('ticket_wait(2, ARRAY[o(day => ''2032-11-04'')])');
ROLLBACK;

-- More options queue behind.
SELECT attempt(format('ticket_wait_add(%s, ARRAY[o(day => ''2032-11-04''), o(''WA1'', ''WAA'', ''WAB'', ''2032-11-04'')])', :first));
SELECT no, day, from_stop, to_stop, need FROM options WHERE wait_id = :first ORDER BY queue_no;
SELECT min(queue_no) FILTER (WHERE no > 3 AND user_id = 7) > max(queue_no) FILTER (WHERE user_id IN (5, 6, 8, 9)) AS behind FROM options;
SELECT attempt(format('ticket_wait_add(%s, ARRAY[o(''WA1'', ''WAA'', ''WAB'', ''2032-11-05''), o(day => ''2032-11-04'')])', :first)) AS again;
SELECT attempt(format('ticket_wait_add(%s, ''{}'')', :first)) UNION ALL SELECT attempt(format('ticket_wait_add(%s, NULL)', :first)) UNION ALL SELECT attempt('ticket_wait_add(NULL, ARRAY[o()])')
UNION ALL SELECT attempt('ticket_wait_add(999999999, ARRAY[o()])') UNION ALL SELECT attempt(format('ticket_wait_add(%s, ARRAY[o(class => ''third'')])', :first));
-- The party is that of the wait.
SELECT attempt(format('ticket_wait_add(%s, ARRAY[o(class => ''first'')])', :second));
SELECT attempt(format('ticket_wait_add(%s, ARRAY[o(day => ''2032-11-03'')])', :second));
SELECT need, ends_at = '2032-10-31 12:00+00' AS deadline FROM options WHERE wait_id = :second AND no = 3;

-- Another deadline: the place is kept.
SELECT string_agg(queue_no::text, ',' ORDER BY no) AS places FROM options WHERE wait_id = :second \gset
SELECT deadline = '2032-11-02 00:00+00' AS longer, changed_at IS NOT NULL AS changed, status FROM ticket_wait_extend(:second, '2032-11-02 00:00+00');
SELECT no, ends_at = least(local(day + CASE day WHEN '2032-11-02' THEN time '7:40' ELSE '8:00' END), '2032-11-02 00:00+00') AS as_expected FROM options WHERE wait_id = :second ORDER BY no;
SELECT string_agg(queue_no::text, ',' ORDER BY no) = :'places' AS kept FROM options WHERE wait_id = :second;
SELECT deadline = '2032-10-01 00:00+00' AS shorter FROM ticket_wait_extend(:second, '2032-10-01 00:00+00');
SELECT DISTINCT ends_at = '2032-10-01 00:00+00' AS deadline FROM options WHERE wait_id = :second;
SELECT deadline FROM ticket_wait_extend(:second, 'infinity');
SELECT attempt(format('ticket_wait_extend(%s, NULL)', :second)) UNION ALL SELECT attempt(format('ticket_wait_extend(%s, ''2000-01-01'')', :second)) UNION ALL SELECT attempt('ticket_wait_extend(NULL, ''2040-01-01'')')
UNION ALL SELECT attempt('ticket_wait_extend(999999999, ''2040-01-01'')') UNION ALL SELECT attempt('ticket_wait_cancel(999999999)') UNION ALL SELECT attempt('ticket_wait_cancel(NULL)');

-- Who is ahead: of the same departure and class, with a smaller queue_no and an overlapping trip; not the wait's own
SELECT * FROM ticket_wait_status(:first);
SELECT * FROM ticket_wait_status(:second);
SELECT option_no, ahead, reason FROM ticket_wait(4, ARRAY[o(), o('WA1', 'WAA', 'WAB'), o('WA1', 'WAC', 'WAD')]) AS w, ticket_wait_status(w.wait_id);
SELECT ticket_wait_status(999999999);
SELECT ticket_wait_status(NULL);
-- Reasons
SELECT order_id AS refunded FROM ticket_order JOIN ticket_departure USING (departure_id) WHERE train = 'WA1' AND ticket_order.service_date = '2032-11-05' AND seat_class = 'second' LIMIT 1 \gset
BEGIN;
UPDATE ticket_order SET status = 'refunded' WHERE order_id = :refunded AND ticket_no < 3;
SELECT wait_id AS three FROM ticket_wait(3, ARRAY[o(day => '2032-11-05')], '{31,32,33}') \gset
SELECT ahead, reason FROM ticket_wait_status(:three);
UPDATE ticket_wait_option SET passed = 'refused by a rule: no' WHERE wait_id = :three;
SELECT reason FROM ticket_wait_status(:three);
ROLLBACK;

-- Cancelled: the wait and its open options; again, extended or added to: unchanged
SELECT status, changed_at IS NOT NULL AS changed FROM ticket_wait_cancel(:second);
SELECT no, status FROM options WHERE wait_id = :second ORDER BY no;
SELECT w::text AS row FROM ticket_wait AS w WHERE wait_id = :second \gset
SELECT w::text = :'row' AS unchanged FROM ticket_wait_cancel(:second) AS w;
SELECT w::text = :'row' AS unchanged FROM ticket_wait_extend(:second, '2040-01-01') AS w;
SELECT w::text = :'row' AS unchanged FROM ticket_wait_add(:second, ARRAY[o(day => '2032-11-04')]) AS w;
SELECT count(*) FROM options WHERE wait_id = :second;
SELECT option_no, ahead, reason FROM ticket_wait_status(:second);
SELECT wait_id = :second AS same, status FROM ticket_wait(8, ARRAY[o()], request_id => '00000000-0000-0000-0000-00000000aa01');
-- The trips may be waited for again.
SELECT attempt('ticket_wait(8, ARRAY[o()])');

-- The sale is closed, or the train is withdrawn: the options are closed, and waits without another one.
SELECT wait_id AS both FROM ticket_wait(20, ARRAY[o(day => '2032-11-03'), o(day => '2032-11-04')]) \gset
SELECT wait_id AS one FROM ticket_wait(21, ARRAY[o(day => '2032-11-04', class => 'first')]) \gset
BEGIN;
SELECT ticket_close('WA1', '2032-11-04');
SELECT user_id, no, o.status, w.status, w.changed_at IS NOT NULL AS changed FROM options AS o JOIN ticket_wait AS w USING (wait_id, user_id) WHERE wait_id IN (:both, :one) ORDER BY 1, 2;
ROLLBACK;
SELECT DISTINCT status FROM options WHERE wait_id IN (:both, :one);
SELECT ticket_close('WA1', '2032-11-04');
SELECT user_id, no, o.status, w.status, w.changed_at IS NOT NULL AS changed FROM options AS o JOIN ticket_wait AS w USING (wait_id, user_id) WHERE wait_id IN (:both, :one) ORDER BY 1, 2;
SELECT option_no, reason FROM ticket_wait_status(:both);
SELECT ticket_withdraw('WA1', '2032-11-03');
SELECT no, o.status, w.status FROM options AS o JOIN ticket_wait AS w USING (wait_id) WHERE wait_id = :both ORDER BY 1;
SELECT user_id, no, day, o.status, w.status FROM options AS o JOIN ticket_wait AS w USING (wait_id, user_id) WHERE wait_id = :first ORDER BY 1, 2;
-- Time: by hand what the worker does
BEGIN;
SELECT wait_id AS soon FROM ticket_wait(22, ARRAY[o(), o(day => '2032-11-02')], deadline => clock_timestamp() + interval '30 ms') \gset
SELECT pg_sleep(0.05);
SELECT ticket_sweep() > 0 AS swept;
SELECT no, o.status, w.status FROM options AS o JOIN ticket_wait AS w USING (wait_id) WHERE wait_id = :soon ORDER BY 1;
COMMIT;
-- The sale of one option is closed by hand, the time of the other is over.
CREATE FUNCTION wait_for(id bigint, wanted text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..3000 LOOP
        EXIT WHEN (SELECT status FROM ticket_wait WHERE wait_id = id) = wanted;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN (SELECT status FROM ticket_wait WHERE wait_id = id);
END $$;
SELECT ticket_open('WA1', '2032-11-07', 'WA-G') > 0 AS opened;
SELECT count(*) FROM ticket_buy('WA1', 'WAA', 'WAD', 1, '2032-11-07');
SELECT wait_id AS by_hand FROM ticket_wait(23, ARRAY[o(day => '2032-11-07')]) \gset
UPDATE ticket_departure SET status = 'closed' WHERE train = 'WA1' AND service_date = '2032-11-07';
SELECT wait_for(:by_hand, 'closed');
UPDATE ticket_departure SET status = 'open' WHERE train = 'WA1' AND service_date = '2032-11-07';
-- closes_at and sale_margin by hand: the option ends sooner or later.
SELECT wait_id AS by_hand FROM ticket_wait(23, ARRAY[o(day => '2032-11-07')]) \gset
UPDATE ticket_departure SET closes_at = '2032-10-05 00:00+00' WHERE train = 'WA1' AND service_date = '2032-11-07';
SELECT ends_at = '2032-10-05 00:00+00' AS sooner FROM options WHERE wait_id = :by_hand;
UPDATE ticket_departure SET closes_at = NULL, sale_margin = '1 day 1 hour' WHERE train = 'WA1' AND service_date = '2032-11-07';
SELECT ends_at = local('2032-11-06 7:00') AS later FROM options WHERE wait_id = :by_hand;
-- The train leaves at another time.
UPDATE ticket_stop SET departs = '8:10' WHERE train = 'WA1' AND stop_no = 10;
SELECT ticket_retime('WA1', '2032-11-07');
SELECT ends_at = local('2032-11-06 7:10') AS retimed FROM options WHERE wait_id = :by_hand;
UPDATE ticket_departure SET closes_at = clock_timestamp() + interval '50 ms' WHERE train = 'WA1' AND service_date = '2032-11-07';
SELECT wait_for(:by_hand, 'closed');
-- A departure that is deleted
SELECT ticket_open('WA2', '2032-11-08', 'WA-G') > 0 AS opened;
SELECT ticket_reserve('WA2', '2032-11-08', 'second', 'agency', 1, 'WAA', 'WAB') > 0 AS reserved;
SELECT wait_id AS deleted FROM ticket_wait(24, ARRAY[o('WA2', 'WAA', 'WAB', '2032-11-08', NULL)]) \gset
DELETE FROM ticket_departure WHERE train = 'WA2' AND service_date = '2032-11-08';
SELECT wait_for(:deleted, 'closed');
SELECT * FROM ticket_wait_status(:deleted);
-- A departure for which somebody waits stays on its node.
SELECT ticket_move_out('00000000-0000-0000-0000-00000000aa09', 'WA1', '2032-11-01', 2);

-- Who may: nobody without EXECUTE; a seller needs no right on a table.
CREATE ROLE regress_wait_nobody;
CREATE ROLE regress_wait_seller;
GRANT EXECUTE ON FUNCTION ticket_wait, ticket_wait_add, ticket_wait_extend, ticket_wait_cancel, ticket_wait_status TO regress_wait_seller;
SET ROLE regress_wait_nobody;
\set VERBOSITY sqlstate
SELECT ticket_wait(30, '{}');
SELECT ticket_wait_add(1, '{}');
SELECT ticket_wait_extend(1, '2040-01-01');
SELECT ticket_wait_cancel(1);
SELECT ticket_wait_status(1);
SELECT FROM ticket_wait;
SELECT FROM ticket_wait_option;
SELECT nextval('ticket_wait_queue_seq');
SET ROLE regress_wait_seller;
SELECT FROM ticket_wait;
\set VERBOSITY default
SELECT wait_id AS sellers FROM ticket_wait(30, ARRAY[o(day => '2032-11-05')]) \gset
SELECT status FROM ticket_wait_add(:sellers, ARRAY[o(day => '2032-11-02')]);
SELECT status FROM ticket_wait_extend(:sellers, '2032-11-01');
SELECT option_no, ahead, reason FROM ticket_wait_status(:sellers);
SELECT status FROM ticket_wait_cancel(:sellers);
RESET ROLE;
DROP OWNED BY regress_wait_seller;
DROP ROLE regress_wait_nobody, regress_wait_seller;
SELECT * FROM ticket_verify();
DROP VIEW options;
DROP FUNCTION o, attempt, local, wait_for;
