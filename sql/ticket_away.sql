-- An exchange whose new order lives on another server: ticket_get, ticket_change_away, ticket_unsettled, ticket_settled.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('AW1', 1, 'AWA', NULL, '8:00'), ('AW1', 2, 'AWB', '9:00', '9:02'), ('AW1', 3, 'AWC', '10:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('AW-F', '01', 'second', '{1A,1B,1C,1D}');
SET client_min_messages = warning;
SELECT count(ticket_open('AW1', d, 'AW-F')) AS opened FROM unnest('{2032-08-01,2032-08-02,2032-08-03}'::date[]) AS d;
RESET client_min_messages;

-- What a statement raises, without ids
CREATE FUNCTION raised(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(format('%s %s | %s | %s', SQLSTATE, SQLERRM, detail, hint), 'order \d{10,}', 'order N');
END $$;
-- ticket_get: the rows as they are in the table, in order of number; none is not an error.
SELECT order_id AS party FROM ticket_buy('AW1', 'AWA', 'AWC', 1, '2032-08-01', passengers => '{11,12,13}', channel => 'web', request_id => '00000000-0000-0000-0000-0000000000a1') LIMIT 1 \gset
SELECT string_agg(g::text, ' ' ORDER BY ticket_no) = (SELECT string_agg(o::text, ' ' ORDER BY ticket_no) FROM ticket_order o WHERE order_id = :party) AS same, count(*), array_agg(ticket_no) AS in_order
FROM ticket_get(order_id => :party) AS g;
SELECT count(*) AS none FROM ticket_get(1) AS a, ticket_get(:party + 1) AS b;
SELECT count(*) AS none FROM ticket_get(9007199254740991);
SELECT ticket_get(NULL);
-- Imported orders are found by ticket_order_day, and rows that fired no trigger by looking everywhere.
INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
SELECT 4242, 1, departure_id, service_date, 2, 2, 'second', '01', '1D', 1, 2, 'sold' FROM ticket_departure WHERE train = 'AW1' AND service_date = '2032-08-01';
SELECT service_date, seat, status FROM ticket_get(4242);
DELETE FROM ticket_order_day WHERE order_id = 4242;
SELECT service_date, seat, status FROM ticket_get(4242);
DELETE FROM ticket_order WHERE order_id = 4242;
SELECT count(*) AS gone FROM ticket_get(4242);
-- What the transaction itself has written, also in the same statement
BEGIN;
SELECT count(*) AS same_statement FROM ticket_buy('AW1', 'AWA', 'AWB', 800003, '2032-08-02') AS b, ticket_get(b.order_id);
SELECT count(*) AS own FROM ticket_order AS o, ticket_get(o.order_id) WHERE o.user_id = 800003;
ROLLBACK;
-- Under SERIALIZABLE and in read-only transactions; policies count only where they are forced.
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT count(*) FROM ticket_get(:party);
COMMIT;
BEGIN;
ALTER TABLE ticket_order ENABLE ROW LEVEL SECURITY;
SELECT count(*) AS not_forced FROM ticket_get(:party);
ALTER TABLE ticket_order FORCE ROW LEVEL SECURITY;
CREATE ROLE regress_ticket_reader;
GRANT EXECUTE ON FUNCTION ticket_get TO regress_ticket_reader;
CREATE POLICY one ON ticket_order FOR SELECT USING (ticket_no <> 2);
DO $$ DECLARE t text; BEGIN  -- superusers are bound by no policy
    CREATE ROLE regress_ticket_owner;
    GRANT CREATE, USAGE ON SCHEMA public TO regress_ticket_owner;
    FOR t IN SELECT oid::regclass FROM pg_class WHERE relname LIKE 'ticket\_%' AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO regress_ticket_owner', t);
    END LOOP;
END $$;
SET ROLE regress_ticket_reader;
SELECT ticket_no AS forced FROM ticket_get(:party);
ROLLBACK;

-- The fence: sold tickets become changed, in favour of an order that nobody here knows. Their seats are free.
SELECT ticket_remaining('AW1', 'AWA', 'AWC', '2032-08-01') AS before;
SELECT ticket_no, status, changed_to, settled_at, changed_at >= created_at AS changed FROM ticket_change_away(:party, 770, '{2}');
SELECT ticket_remaining('AW1', 'AWA', 'AWC', '2032-08-01') AS one_more;
-- Again: its rows, unchanged, with or without the numbers.
SELECT changed_at AS first_time FROM ticket_order WHERE order_id = :party AND ticket_no = 2 \gset
SELECT ticket_no, status, changed_at = :'first_time' AS unchanged FROM ticket_change_away(:party, 770, '{2}');
SELECT ticket_no, status, changed_at = :'first_time' AS unchanged FROM ticket_change_away(:party, 770);
-- One order is in favour of one exchange: no further ticket joins it.
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :party, 770, '{1,2}'));
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :party, 770, '{3}'));
-- With another: TK005, for the ticket that is gone and for what it names.
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :party, 771, '{2}'));
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :party, 771, '{1,2}'));
-- The rest is another exchange.
SELECT ticket_no, changed_to FROM ticket_change_away(:party, 771);
SELECT raised(format('SELECT ticket_change_away(%L, %L)', :party, 772));
SELECT ticket_remaining('AW1', 'AWA', 'AWC', '2032-08-01') AS all_free;
\set VERBOSITY sqlstate
SELECT * FROM ticket_refund(:party);
SELECT * FROM ticket_change(:party, 'AW1', 'AWA', 'AWB', '2032-08-02');
SELECT count(*) AS confirm_shows FROM ticket_confirm(:party);
-- Arguments, and orders that cannot be changed
SELECT * FROM ticket_change_away(NULL, 1);
SELECT * FROM ticket_change_away(:party, NULL);
SELECT * FROM ticket_change_away(:party, 1, '{NULL}');
SELECT * FROM ticket_change_away(:party, 1, '{{1}}');
SELECT * FROM ticket_change_away(:party, :party);
SELECT * FROM ticket_change_away(:party, 0);
\set VERBOSITY default
SELECT raised(format('SELECT ticket_change_away(%L, %L)', 1, 2));
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', 4242, 2, '{1}'));
SELECT order_id AS mixed FROM ticket_buy('AW1', 'AWA', 'AWB', 4, '2032-08-02', passengers => '{41,42,43}') LIMIT 1 \gset
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :mixed, 773, '{4}'));
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :mixed, 773, '{1,4}'));
SELECT order_id AS hold FROM ticket_hold('AW1', 'AWB', 'AWC', 5, '2032-08-02') \gset
SELECT raised(format('SELECT ticket_change_away(%L, %L)', :hold, 774));
SELECT status FROM ticket_cancel(:hold);
SELECT raised(format('SELECT ticket_change_away(%L, %L)', :hold, 774));
-- A mixed order: what is sold; named: all or none.
SELECT status FROM ticket_refund(:mixed, '{1}');
SELECT raised(format('SELECT ticket_change_away(%L, %L, %L)', :mixed, 775, '{1,2}'));
SELECT ticket_no, changed_to FROM ticket_change(:mixed, 'AW1', 'AWA', 'AWB', '2032-08-03', ticket_nos => '{2}');
SELECT ticket_no, status, changed_to FROM ticket_change_away(:mixed, 775);
SELECT ticket_no, status, changed_to FROM ticket_get(:mixed);
SELECT ticket_no, status, changed_to FROM ticket_change_away(:mixed, 775);
SELECT raised(format('SELECT ticket_change_away(%L, %L)', :mixed, 776));
\set VERBOSITY default
-- A rollback takes it back.
SELECT order_id AS single FROM ticket_buy('AW1', 'AWB', 'AWC', 6, '2032-08-02') \gset
BEGIN;
SELECT status, changed_to FROM ticket_change_away(:single, 777);
SELECT ticket_remaining('AW1', 'AWB', 'AWC', '2032-08-02') AS own;
ROLLBACK;
SELECT status, changed_to, ticket_remaining('AW1', 'AWB', 'AWC', '2032-08-02') FROM ticket_get(:single);

-- What may still have to be paid elsewhere, and what is.
SELECT CASE order_id WHEN :party THEN 'party' WHEN :mixed THEN 'mixed' END AS orders, ticket_nos, changed_to, changed_at IS NOT NULL AS at FROM ticket_unsettled() ORDER BY changed_to;
SELECT ticket_settled(:party, 771);
SELECT ticket_settled(:party, 771);
SELECT ticket_no, changed_to, settled_at IS NOT NULL AS settled FROM ticket_get(:party);
SELECT settled_at AS first_time FROM ticket_get(:party) WHERE ticket_no = 1 \gset
SELECT ticket_settled(:party, 771);
SELECT settled_at = :'first_time' AS unchanged, status FROM ticket_get(:party) WHERE ticket_no = 1;
SELECT ticket_nos, changed_to FROM ticket_unsettled() ORDER BY changed_to;
SELECT raised(format('SELECT ticket_settled(%L, %L)', :party, 772));
SELECT raised(format('SELECT ticket_settled(%L, %L)', 1, 2));
\set VERBOSITY sqlstate
SELECT ticket_settled(NULL, 2);
SELECT ticket_settled(:party, NULL);
BEGIN READ ONLY;
SELECT * FROM ticket_change_away(:single, 777);
ROLLBACK;
BEGIN READ ONLY;
SELECT ticket_settled(:party, 770);
ROLLBACK;
\set VERBOSITY default
-- An index has only these.
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT order_id FROM ticket_order WHERE changed_to IS NOT NULL AND settled_at IS NULL AND service_date = '2032-08-01';
SELECT ticket_no, changed_to FROM ticket_order WHERE changed_to IS NOT NULL AND settled_at IS NULL AND service_date = '2032-08-01';
RESET enable_seqscan;
SELECT ticket_settled(order_id, changed_to) FROM ticket_unsettled();
SELECT count(*) AS left FROM ticket_unsettled();

-- The same where the user's trigger asks for SQL.
CREATE FUNCTION aw_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER aw_touch BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION aw_touch();
SELECT ticket_no, status, changed_to FROM ticket_change_away(:single, 778);
SELECT ticket_no, status, changed_to FROM ticket_change_away(:single, 778);
SELECT ticket_remaining('AW1', 'AWB', 'AWC', '2032-08-02') AS free;
SELECT ticket_nos, changed_to FROM ticket_unsettled();
SELECT ticket_settled(:single, 778);
SELECT ticket_settled(:single, 778);
SELECT status, changed_to, settled_at IS NOT NULL AS settled FROM ticket_get(:single);
DROP TRIGGER aw_touch ON ticket_order;
DROP FUNCTION aw_touch();

-- By hand: the columns mean nothing to the pool.
UPDATE ticket_order SET changed_to = 779, settled_at = NULL WHERE order_id = :single;
SELECT ticket_nos, changed_to FROM ticket_unsettled();
UPDATE ticket_order SET changed_to = NULL WHERE order_id = :single;
SELECT count(*) AS left FROM ticket_unsettled();
-- A partition from before has the columns and the index after it is attached.
CREATE TABLE aw_old (LIKE ticket_order INCLUDING DEFAULTS);
ALTER TABLE aw_old DROP COLUMN changed_to, DROP COLUMN settled_at;
ALTER TABLE ticket_order ATTACH PARTITION aw_old FOR VALUES FROM ('2032-08-20') TO ('2032-08-21');
SET client_min_messages = warning;
SELECT ticket_open('AW1', '2032-08-20', 'AW-F') > 0 AS opened;
RESET client_min_messages;
SELECT order_id AS late FROM ticket_buy('AW1', 'AWA', 'AWC', 7, '2032-08-20') \gset
SELECT status, changed_to FROM ticket_change_away(:late, 780);
SELECT ticket_nos, changed_to FROM ticket_unsettled();
SELECT ticket_settled(:late, 780);
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'aw_old'::regclass AND pg_get_expr(indpred, indrelid) ~ 'changed_to';
SELECT * FROM ticket_verify();
DROP FUNCTION raised;
