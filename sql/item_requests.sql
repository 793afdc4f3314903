-- request_id, batches, and writing rows where something asks for the executor.
SELECT item_open(1501, 100) AS inv \gset
SELECT order_id AS first FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501') \gset
SELECT order_id = :first AS same, buy_quantity, request_id FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501');
SELECT order_id = :first AS same FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501', :inv);
SELECT item_remaining(1501);
-- Another user's is another; another item, quantity or inventory is an error.
SELECT order_id = :first AS same FROM item_buy(1501, 2, 3, '00000000-0000-0000-0000-000000001501');
SELECT item_open(1502, 100) AS inv2 \gset
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1502, 1, 3, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy(1501, 1, 4, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501', :inv2);
\set VERBOSITY default
-- A refunded first call is still the first call; one that rolled back is none; sold out is no call.
SELECT status FROM item_refund(:first);
SELECT order_id = :first AS same, status FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501');
BEGIN;
SELECT buy_quantity FROM item_buy(1501, 1, 1, '00000000-0000-0000-0000-000000001502');
ROLLBACK;
SELECT buy_quantity FROM item_buy(1501, 1, 2, '00000000-0000-0000-0000-000000001502');
SELECT * FROM item_buy(1501, 1, 1000, '00000000-0000-0000-0000-000000001503');
SELECT buy_quantity FROM item_buy(1501, 1, 1, '00000000-0000-0000-0000-000000001503');

-- Batches
SELECT b.request_no, b.order_id > 0 AS id, b.item_id, b.buy_quantity FROM item_buy_many(ARRAY[
    (1501, 3, 5, NULL, NULL), (1501, 3, 1000, NULL, NULL), (1502, 3, NULL, NULL, NULL), (1501, 4, 2, '00000000-0000-0000-0000-000000001504', NULL),
    (1501, 4, 2, '00000000-0000-0000-0000-000000001504', NULL), (1501, 1, 3, '00000000-0000-0000-0000-000000001501', NULL), (1501, 5, 1, NULL, :inv)]::item_request[]) AS b;
SELECT count(*) FROM item_buy_many('{}');
SELECT item_remaining(1501), item_remaining(1502);
SELECT count(*), sum(b.buy_quantity), min(request_no), max(request_no) FROM item_buy_many(ARRAY(SELECT (1502, n, 1, NULL, NULL)::item_request FROM generate_series(1, 5000) AS n)) AS b;
SELECT item_remaining(1502);
SELECT count(DISTINCT order_id), sum(buy_quantity) FROM item_order WHERE item_id = 1502;
SELECT * FROM item_buy_many(NULL);
SELECT * FROM item_buy_many(ARRAY[(1501, 1, 1, NULL, NULL), NULL]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[(1501, 1, 1, NULL, NULL), (1501, 1, 0, NULL, NULL)]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[(1501, 1, 1, NULL, NULL), (1501, NULL, 1, NULL, NULL)]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[(1501, 1, 1, NULL, NULL), (1599, 1, 1, NULL, NULL)]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[(1501, 1, 1, NULL, NULL), (1501, 1, 1, NULL, -5)]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[ARRAY[(1501, 1, 1, NULL, NULL)], ARRAY[(1501, 1, 1, NULL, NULL)]]::item_request[]);
SELECT item_remaining(1501);
SELECT * FROM item_verify();

\set VERBOSITY terse
-- Compared is what the first call was asked, not what its row has become; rows of before 0.3 are compared themselves.
UPDATE item_order SET buy_quantity = 2 WHERE order_id = :first;
SELECT order_id = :first AS same, buy_quantity FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy_many(ARRAY[(1501, 9, 1, NULL, NULL), (1501, 1, 2, '00000000-0000-0000-0000-000000001501', NULL)]::item_request[]);
SELECT * FROM item_buy_many(ARRAY[(1501, 9, 1, '00000000-0000-0000-0000-000000001509', NULL), (1501, 9, 2, '00000000-0000-0000-0000-000000001509', NULL)]::item_request[]);
SELECT * FROM item_buy(1502, 1, 3, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy(1599, 1, 3, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501', :inv2);
UPDATE item_order SET request_digest = NULL WHERE order_id = :first;
SELECT order_id = :first AS same FROM item_buy(1501, 1, 2, '00000000-0000-0000-0000-000000001501');
SELECT * FROM item_buy(1501, 1, 3, '00000000-0000-0000-0000-000000001501');
UPDATE item_order SET buy_quantity = 3 WHERE order_id = :first;
SELECT count(request_digest) AS digests, count(request_id) - 1 AS ids FROM item_order WHERE item_id = 1501;
\set VERBOSITY default
-- The item has gone: the row is there still.
SELECT item_open(1503, 5) AS inv3 \gset
SELECT order_id AS gone FROM item_buy(1503, 1, 1, '00000000-0000-0000-0000-000000001510', :inv3) \gset
SELECT status FROM item_refund(:gone);
DELETE FROM item_inventory WHERE item_id = 1503;
SELECT order_id = :gone AS same FROM item_buy(1503, 1, 1, '00000000-0000-0000-0000-000000001510', :inv3);
SELECT order_id = :gone AS same FROM item_buy_many(ARRAY[(1503, 1, 1, '00000000-0000-0000-0000-000000001510', :inv3)]::item_request[]);

-- Rows are written straight into the table as long as nothing asks for more.
CREATE FUNCTION item_stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.buy_quantity := new.buy_quantity; RAISE NOTICE 'row of %', new.user_id; RETURN new; END $$;
CREATE TRIGGER item_stamp BEFORE INSERT ON item_order FOR EACH ROW EXECUTE FUNCTION item_stamp();
SELECT buy_quantity FROM item_buy(1501, 6, 1);
DROP TRIGGER item_stamp ON item_order;
SELECT buy_quantity FROM item_buy(1501, 7, 1);
ALTER TABLE item_order ADD CONSTRAINT item_few CHECK (buy_quantity < 4) NOT VALID;
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1501, 8, 4);
\set VERBOSITY default
SELECT buy_quantity FROM item_buy(1501, 8, 3);
ALTER TABLE item_order DROP CONSTRAINT item_few;
-- Also where it takes the place of ours, and looks at the status alone.
BEGIN;
ALTER TABLE item_order DROP CONSTRAINT item_order_status_check, ADD CONSTRAINT item_order_status_check CHECK (status <> 'sold') NOT VALID;
\set VERBOSITY sqlstate
SELECT * FROM item_buy(1501, 8, 1);
\set VERBOSITY default
ROLLBACK;
ALTER TABLE item_order ADD COLUMN note text DEFAULT 'none';
SELECT buy_quantity, note FROM item_buy(1501, 8, 1);
ALTER TABLE item_order DROP COLUMN note;
SELECT buy_quantity FROM item_buy(1501, 8, 1);
CREATE INDEX item_order_extra ON item_order (create_time);
SELECT buy_quantity FROM item_buy(1501, 8, 1);
DROP INDEX item_order_extra;
REINDEX TABLE item_order;
VACUUM FULL item_order;
SELECT buy_quantity FROM item_buy(1501, 8, 1);
-- A row that a trigger leaves out is an error, not a loss.
CREATE FUNCTION item_drop() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER item_drop BEFORE INSERT OR UPDATE ON item_order FOR EACH ROW EXECUTE FUNCTION item_drop();
SELECT item_remaining(1501) AS before \gset
SELECT * FROM item_buy(1501, 8, 1);
\set VERBOSITY sqlstate
SELECT item_refund((SELECT max(order_id) FROM item_order WHERE item_id = 1501 AND status = 'sold'));
\set VERBOSITY default
SELECT item_remaining(1501) = :before AS unchanged;
DROP TRIGGER item_drop ON item_order;
DROP FUNCTION item_stamp(), item_drop();
SELECT * FROM item_verify();
-- An order that is written while triggers are switched off is a difference that item_verify shows, as is a quantity.
BEGIN;
ALTER TABLE item_order DISABLE TRIGGER ticket_follow;
INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status) VALUES (-1, :inv, 1501, 1, 1, 'sold'), (-2, -1, 1501, 1, 1, 'sold');
SELECT item_id, regexp_replace(problem, '\d+', 'N', 'g') AS problem FROM item_verify(1501);
ROLLBACK;
BEGIN;
ALTER TABLE item_inventory DISABLE TRIGGER ticket_follow;
UPDATE item_inventory SET quantity = quantity + 1 WHERE id = :inv;
SELECT item_id, regexp_replace(problem, '\d+', 'N', 'g') AS problem FROM item_verify(1501);
ROLLBACK;
BEGIN;
ALTER TABLE item_inventory DISABLE TRIGGER ticket_follow;
UPDATE item_inventory SET quantity = 1 WHERE id = :inv;
SELECT item_id, regexp_replace(problem, '\d+', 'N', 'g') AS problem FROM item_verify(1501);
ROLLBACK;
SELECT * FROM item_verify();
