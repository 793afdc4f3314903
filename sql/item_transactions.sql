-- Claim at once, release after commit: transactions, savepoints, exceptions, and what a transaction sees of its own.
SELECT item_open(1101, 10) > 0 AS opened;
BEGIN;
SELECT buy_quantity FROM item_buy(1101, 1, 4);
SELECT item_remaining(1101);
SELECT claims FROM ticket_inflight WHERE pid = pg_backend_pid();
SELECT claims_in_flight FROM item_pool WHERE item_id = 1101;
ROLLBACK;
SELECT item_remaining(1101), (SELECT count(*) FROM item_order WHERE item_id = 1101) AS orders;
SELECT claims_in_flight FROM item_pool WHERE item_id = 1101;
-- Savepoints
BEGIN;
SELECT count(*) FROM item_buy(1101, 1, 1);
SAVEPOINT a;
SELECT count(*) FROM item_buy(1101, 1, 2);
SAVEPOINT b;
SELECT count(*) FROM item_buy(1101, 1, 3);
SELECT item_remaining(1101);
ROLLBACK TO b;
SELECT item_remaining(1101);
SELECT count(*) FROM item_buy(1101, 1, 4);
RELEASE b;
SELECT item_remaining(1101);
ROLLBACK TO a;
SELECT item_remaining(1101);
COMMIT;
SELECT item_remaining(1101);
SELECT * FROM item_verify(1101);
-- What a released savepoint claimed is not undone with the next one of that depth.
BEGIN;
SAVEPOINT a;
SELECT count(*) FROM item_buy(1101, 1, 2);
RELEASE a;
SAVEPOINT b;
SELECT count(*) FROM item_buy(1101, 1, 3);
ROLLBACK TO b;
SELECT item_remaining(1101);
SELECT * FROM item_verify(1101);
ROLLBACK;
SELECT item_remaining(1101);
-- EXCEPTION blocks
DO $$
BEGIN
    FOR i IN 1..3 LOOP
        BEGIN
            PERFORM FROM item_buy(1101, 1, 2);
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN
            RAISE NOTICE '% left', item_remaining(1101);
        END;
    END LOOP;
END $$;
-- Own refunds are free for the transaction, at once and for it alone; a rollback takes them back.
SELECT order_id AS mine FROM item_buy(1101, 1, 9) \gset
BEGIN;
SELECT status FROM item_refund(:mine);
SELECT item_remaining(1101);
SELECT buy_quantity FROM item_buy(1101, 2, 5);
SELECT item_remaining(1101);
SAVEPOINT a;
SELECT buy_quantity FROM item_buy(1101, 2, 4);
SELECT * FROM item_buy(1101, 2, 1);
ROLLBACK TO a;
SELECT item_remaining(1101);
SELECT * FROM item_verify(1101);
COMMIT;
SELECT item_remaining(1101);
SELECT * FROM item_verify(1101);
BEGIN;
SELECT order_id AS other FROM item_buy(1101, 2, 4) \gset
SELECT status FROM item_refund(:other);
SELECT item_remaining(1101);
SELECT buy_quantity FROM item_buy(1101, 2, 3);
SELECT * FROM item_buy(1101, 2, 2);
ROLLBACK;
SELECT item_remaining(1101);
BEGIN;
SAVEPOINT a;
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE item_id = 1101 AND status = 'sold' AND user_id = 2));
ROLLBACK TO a;
SELECT item_remaining(1101);
COMMIT;
SELECT item_remaining(1101);
-- item_add in a transaction
BEGIN;
SELECT item_add(1101, 10);
SELECT buy_quantity FROM item_buy(1101, 3, 12);
SELECT item_add(1101, -2);
SELECT * FROM item_buy(1101, 3, 1);
SELECT * FROM item_verify(1101);
ROLLBACK;
SELECT item_remaining(1101);
BEGIN;
SELECT item_add(1101, 10);
SELECT item_add(1101, -3);
COMMIT;
SELECT item_remaining(1101), (SELECT quantity FROM item_inventory WHERE item_id = 1101) AS put_on_sale;
SELECT * FROM item_verify(1101);
-- An item that is opened here is nobody's after a rollback.
BEGIN;
SELECT item_open(1102, 5) > 0 AS opened;
SELECT buy_quantity FROM item_buy(1102, 1, 2);
SAVEPOINT a;
SELECT count(*) FROM item_split(1102, 2);
SELECT item_remaining(1102);
ROLLBACK TO a;
SELECT item_remaining(1102);
ROLLBACK;
SELECT item_remaining(1102);
BEGIN;
SAVEPOINT a;
SELECT item_open(1102, 5) > 0 AS opened;
SELECT buy_quantity FROM item_buy(1102, 1, 2);
ROLLBACK TO a;
SELECT item_open(1102, 6) > 0 AS opened;
SELECT buy_quantity FROM item_buy(1102, 1, 2);
COMMIT;
SELECT item_remaining(1102);
SELECT * FROM item_verify(1102);
-- A cursor, a function called many times in one statement, a failing statement
BEGIN;
SELECT count(*) FROM generate_series(1, 10) AS n, item_buy(1102, n, 1);
SELECT item_remaining(1102);
SELECT 1 / (item_remaining(1102) - 0) FROM item_refund((SELECT min(order_id) FROM item_order WHERE item_id = 1102 AND status = 'sold'));
ROLLBACK;
SELECT item_remaining(1102);
SELECT 1 / (buy_quantity - 2) FROM item_buy(1102, 1, 2);
SELECT item_remaining(1102);
-- PREPARE TRANSACTION as for seats; READ ONLY transactions buy nothing.
BEGIN;
SELECT count(*) FROM item_buy(1102, 1, 1);
PREPARE TRANSACTION 'item';
SELECT item_remaining(1102);
ROLLBACK PREPARED 'item';
SELECT item_remaining(1102);
BEGIN READ ONLY;
SELECT item_remaining(1102);
SELECT count(*) FROM item_buy(1102, 1, 1);
ROLLBACK;
-- Ten thousand claims in one transaction
SELECT item_open(1103, 10000) > 0 AS opened;
BEGIN;
SELECT sum(b.buy_quantity) FROM generate_series(1, 10000) AS n, item_buy(1103, n) AS b;
SELECT item_remaining(1103);
ROLLBACK;
SELECT item_remaining(1103);
SELECT * FROM item_verify();
