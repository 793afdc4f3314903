-- Where the extension lives, and how it goes and comes.
\set home :DBNAME
CREATE DATABASE regression_schema;
\c regression_schema
CREATE SCHEMA "Tickets: of ours";
CREATE EXTENSION ticketpool SCHEMA "Tickets: of ours";
\set VERBOSITY sqlstate
ALTER EXTENSION ticketpool SET SCHEMA public;
\set VERBOSITY default
SELECT extnamespace::regnamespace AS schema, extrelocatable FROM pg_extension WHERE extname = 'ticketpool';
-- Everything is in it, partitions too, and works whatever the search_path.
CREATE PROCEDURE load_tickets(schema text) LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.ticket_station (station, name) VALUES (%L, %L), (%L, %L)', schema, 'XSA', 'Schema A', 'XSB', 'Schema B');
    EXECUTE format('INSERT INTO %I.ticket_stop (train, stop_no, station, arrives, departs) VALUES (%L, 1, %L, NULL, %L), (%L, 2, %L, %L, NULL)',
        schema, 'XS1', 'XSA', '8:00', 'XS1', 'XSB', '9:00');
    EXECUTE format('INSERT INTO %I.ticket_formation (formation, coach, seat_class, seats) VALUES (%L, %L, %L, %L)', schema, 'XS-F', '01', 'second', '{1A,1B,1C}');
    EXECUTE format('SELECT %I.ticket_open(%L, %L, %L)', schema, 'XS1', '2031-05-01', 'XS-F');
    EXECUTE format('SELECT %I.ticket_open(%L, %L, %L)', schema, 'XS1', '2031-05-02', 'XS-F');
END $$;
CALL load_tickets('Tickets: of ours');
SELECT order_id FROM "Tickets: of ours".ticket_buy('XS1', 'Schema A', 'XSB', 1, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000a1') \gset
SELECT order_id = :order_id AS same FROM "Tickets: of ours".ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-01', request_id => '00000000-0000-0000-0000-0000000000a1');
SELECT train, remaining FROM "Tickets: of ours".ticket_search('XSA', 'XSB', '2031-05-01');
SELECT status FROM "Tickets: of ours".ticket_refund(:order_id);
SELECT seats, free_seat_segments FROM "Tickets: of ours".ticket_pool WHERE service_date = '2031-05-01';
SELECT * FROM "Tickets: of ours".ticket_verify();
SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname LIKE 'ticket%' AND relkind IN ('r', 'p', 'v', 'S');
-- A renamed schema and rewritten tables and indexes are no problem for a session that knows them.
ALTER SCHEMA "Tickets: of ours" RENAME TO tickets;
SELECT status FROM tickets.ticket_buy('XS1', 'XSA', 'XSB', 2, '2031-05-01');
SELECT status FROM tickets.ticket_refund(:order_id);
SET search_path = tickets, public;
SELECT train, remaining FROM ticket_search('XSA', 'XSB', '2031-05-01');
REINDEX TABLE ticket_order;
VACUUM FULL ticket_departure;
SELECT status FROM ticket_buy('XS1', 'XSA', 'XSB', 3, '2031-05-01');
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-01'), ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02');
SELECT * FROM ticket_verify();
RESET search_path;

-- DROP and CREATE in one session: nothing of the old pool is left, nor of what the session knew.
DROP EXTENSION ticketpool;
DROP SCHEMA tickets;
SELECT count(*) AS left_behind FROM pg_class WHERE relname LIKE 'ticket%';
\set VERBOSITY sqlstate
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-01');
\set VERBOSITY default
CREATE EXTENSION ticketpool;
SELECT * FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-01');
SELECT count(*) FROM ticket_pool;
CALL load_tickets('public');
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-01');
SELECT count(*) FROM ticket_buy('XS1', 'Schema A', 'XSB', 1, '2031-05-01', passengers => '{1,2,3}', request_id => '00000000-0000-0000-0000-0000000000a1');
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-01');
SELECT * FROM ticket_verify();
-- A DROP that is rolled back takes nothing away.
BEGIN;
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-02');
SAVEPOINT a;
DROP EXTENSION ticketpool;
ROLLBACK TO a;
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-02');
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02');
ROLLBACK;
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02'), ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-01');
-- DROP while claims are open in the same transaction.
BEGIN;
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-02');
DROP EXTENSION ticketpool;
COMMIT;
-- Created and used in one transaction, and gone with it.
BEGIN;
CREATE EXTENSION ticketpool;
CALL load_tickets('public');
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-01');
ROLLBACK;
CREATE EXTENSION ticketpool;
CALL load_tickets('public');
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-01');
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-01');
SELECT * FROM ticket_verify();
-- An ended day leaves as a partition; what is on sale stays as it is.
DO $$ BEGIN EXECUTE format('DROP TABLE %s', (SELECT tableoid::regclass FROM ticket_order LIMIT 1)); END $$;
SELECT count(*) FROM ticket_order;
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-02');

-- Pool and tables agree, and no two live tickets meet on a seat.
\set VERBOSITY default
SELECT * FROM ticket_verify((SELECT departure_id FROM ticket_departure WHERE service_date = '2031-05-02'));
SELECT a.departure_id, a.coach, a.seat FROM ticket_order a JOIN ticket_order b USING (departure_id, coach, seat)
WHERE a.status IN ('held', 'sold') AND b.status IN ('held', 'sold') AND (a.order_id, a.ticket_no) < (b.order_id, b.ticket_no)
  AND a.from_stop < b.to_stop AND b.from_stop < a.to_stop;
-- A copy of the database has a pool of its own.
\c :home
CREATE DATABASE regression_schema_copy TEMPLATE regression_schema;
\c regression_schema_copy
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02');
SELECT count(*) FROM ticket_buy('XS1', 'XSA', 'XSB', 1, '2031-05-02', passengers => '{1,2}');
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02');
\c regression_schema
SELECT ticket_remaining('XS1', 'XSA', 'XSB', '2031-05-02');
\c :home
DROP DATABASE regression_schema_copy;
DROP DATABASE regression_schema;
