-- ticket_check_many and item_check_many raise what ticket_buy_many and item_buy_many raise for a malformed request, and sell nothing.
INSERT INTO ticket_station (station, name) VALUES ('CKA', 'Check A'), ('CKB', 'Check B'), ('CKC', 'Check C');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('CK1', 1, 'CKA', NULL, '8:00'), ('CK1', 2, 'CKB', '9:00', '9:02'), ('CK1', 3, 'CKC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('CK-F', '01', 'first', '{1A}'), ('CK-F', '02', 'second', '{1A,1B}');
SELECT ticket_open('CK1', '2032-10-01', 'CK-F') > 0 AND ticket_open('CK1', '2032-10-02', 'CK-F') > 0 AS opened;
SELECT ticket_close('CK1', '2032-10-02');
SELECT item_open(77, 5) > 0 AS opened;
CREATE FUNCTION request(train text, origin text, destination text, who bigint, day date, class text DEFAULT 'second', people bigint[] DEFAULT NULL, choice text DEFAULT NULL,
    channel text DEFAULT NULL, id uuid DEFAULT NULL) RETURNS ticket_request LANGUAGE sql AS $$ SELECT ROW(train, origin, destination, who, day, class, people, choice, channel, id)::ticket_request $$;
-- What a statement raises
CREATE FUNCTION raised(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(format('%s %s | %s | %s', SQLSTATE, SQLERRM, detail, hint), 'Order \d+', 'Order N');
END $$;
SELECT count(*) FROM ticket_buy('CK1', 'CKA', 'CKC', 1, '2032-10-01', 'second', request_id => '00000000-0000-0000-0000-0000000000c1');
SELECT count(*) FROM item_buy(77, 1, 1, '00000000-0000-0000-0000-0000000000c2');
SELECT (SELECT count(*) FROM ticket_order) AS tickets, (SELECT count(*) FROM item_order) AS items, ticket_remaining('CK1', 'CKA', 'CKC', '2032-10-01') AS seats, item_remaining(77) AS units \gset
CREATE TEMP TABLE batch (no int GENERATED ALWAYS AS IDENTITY, requests text);
INSERT INTO batch (requests) VALUES
    ($$request('CK9', 'CKA', 'CKB', 1, '2032-10-01')$$), ($$request('CK1', 'CKB', 'CKA', 1, '2032-10-01')$$), ($$request('CK1', 'CKA', 'nowhere', 1, '2032-10-01')$$),
    ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', NULL)$$), ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', 'third')$$), ($$request('CK1', 'CKA', 'CKB', NULL, '2032-10-01')$$),
    ($$request(NULL, 'CKA', 'CKB', 1, '2032-10-01')$$), ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', people => '{}')$$), ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', people => '{1,NULL}')$$),
    ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', choice => 'sofa')$$), ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', channel => '')$$),
    ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', id => '00000000-0000-0000-0000-0000000000c1')$$), ($$NULL::ticket_request$$),
    -- Not malformed: on sale or not, more than there are, a repetition whose train is named otherwise by now
    ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-02')$$), ($$request('CK1', 'CKA', 'CKB', 1, '2032-10-01', people => '{1,2,3,4}')$$),
    ($$request('CK1', 'CKA', 'CKC', 1, '2032-10-01', id => '00000000-0000-0000-0000-0000000000c1')$$);
SELECT no, raised(format($$SELECT ticket_check_many(ARRAY[request('CK1', 'CKA', 'CKB', 9, '2032-10-02'), %s])$$, requests)) AS checked,
       raised(format($$SELECT ticket_check_many(ARRAY[request('CK1', 'CKA', 'CKB', 9, '2032-10-02'), %s])$$, requests)) =
       raised(format($$SELECT ticket_buy_many(ARRAY[request('CK1', 'CKA', 'CKB', 9, '2032-10-02'), %s])$$, requests)) AS same
FROM batch ORDER BY no;
TRUNCATE batch RESTART IDENTITY;
INSERT INTO batch (requests) VALUES ('(78,1,1,,)'), ('(77,1,0,,)'), ('(77,1,-1,,)'), ('(77,,1,,)'), ('(,1,1,,)'), ('(77,1,1,,999999)'), ('(77,1,2,00000000-0000-0000-0000-0000000000c2,)'),
    ('(77,1,,,)'), ('(77,1,1000,,)'), ('(77,1,1,00000000-0000-0000-0000-0000000000c2,)');
SELECT no, raised(format($$SELECT item_check_many(ARRAY['(77,1,1000,,)', %L]::item_request[])$$, requests)) AS checked,
       raised(format($$SELECT item_check_many(ARRAY['(77,1,1000,,)', %L]::item_request[])$$, requests)) = raised(format($$SELECT item_buy_many(ARRAY['(77,1,1000,,)', %L]::item_request[])$$, requests)) AS same
FROM batch ORDER BY no;
-- The whole argument
SELECT ticket_check_many('{}'), item_check_many('{}');
SELECT raised('SELECT ticket_check_many(NULL)') = raised('SELECT ticket_buy_many(NULL)') AS same, raised('SELECT item_check_many(NULL)') = raised('SELECT item_buy_many(NULL)') AS same;
SELECT raised($$SELECT ticket_check_many(ARRAY[ARRAY[request('CK1', 'CKA', 'CKB', 1, '2032-10-01')]])$$);
-- It claims nothing, writes nothing and works in a read-only transaction. A NULL date is today's, as in ticket_buy_many.
DELETE FROM ticket_order WHERE user_id IN (1, 9) AND request_id IS NULL AND departure_id IN (SELECT departure_id FROM ticket_departure WHERE train = 'CK1');
DELETE FROM item_order WHERE item_id = 77 AND request_id IS NULL;
BEGIN READ ONLY;
SELECT ticket_check_many(ARRAY[request('CK1', 'CKA', 'CKC', 1, '2032-10-01'), request('CK1', 'CKA', 'CKC', 1, '2032-10-01', id => '00000000-0000-0000-0000-0000000000c3')]);
SELECT item_check_many('{"(77,1,1,,)"}');
SELECT claims FROM ticket_inflight WHERE pid = pg_backend_pid() AND claims > 0;
SELECT count(*) AS request_locks FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid();
COMMIT;
SELECT raised($$SELECT ticket_check_many(ARRAY[request('CK1', 'CKA', 'CKB', 1, NULL)])$$) LIKE 'TK001 request 1: %' AS today;
SELECT (SELECT count(*) FROM ticket_order) = :tickets AS tickets, (SELECT count(*) FROM item_order) = :items AS items, ticket_remaining('CK1', 'CKA', 'CKC', '2032-10-01') = :seats AS seats, item_remaining(77) = :units AS units;
DROP FUNCTION request;
DROP FUNCTION raised;
SELECT * FROM ticket_verify();
