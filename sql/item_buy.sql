-- Plain quantities: open, buy, remaining, refund, add; every argument; all or none.
SELECT item_open(1001, 10) AS inv \gset
SELECT item_remaining(1001);
SELECT inventory_id = :inv AS of_root, item_id, user_id, buy_quantity, status, request_id, create_time = now() AS now, modify_time FROM item_buy(1001, 7);
SELECT buy_quantity, status FROM item_buy(1001, 7, 4);
SELECT buy_quantity FROM item_buy(item_id => 1001, user_id => 8, quantity => 2, inventory_id => :inv);
SELECT item_remaining(1001), (SELECT quantity FROM item_inventory WHERE id = :inv) AS put_on_sale;
-- None is an answer: all or none, from memory.
SELECT * FROM item_buy(1001, 7, 4);
SELECT * FROM item_buy(1001, 7, 9223372036854775807);
SELECT item_remaining(1001);
SELECT order_id AS o3 FROM item_buy(1001, 9, 3) \gset
SELECT item_remaining(1001);
SELECT * FROM item_buy(1001, 7);
SELECT :o3 < 9007199254740992 AS below_2_to_53;
-- Refund: added back once.
SELECT buy_quantity, status, modify_time = now() AS now FROM item_refund(:o3);
SELECT item_remaining(1001);
SELECT buy_quantity, status FROM item_refund(:o3);
SELECT item_remaining(1001);
SELECT * FROM item_verify();
-- Stock comes and goes.
SELECT item_add(1001, 5);
SELECT item_add(1001, -8);
SELECT item_remaining(1001), (SELECT quantity FROM item_inventory WHERE id = :inv) AS put_on_sale;
SELECT * FROM item_buy(1001, 7);
SELECT item_add(1001, 2);
SELECT item_add(1001, -3);
SELECT item_add(1001, -9223372036854775808);
SELECT item_remaining(1001), (SELECT quantity FROM item_inventory WHERE id = :inv) AS put_on_sale;
SELECT * FROM item_verify();

-- Malformed arguments
SELECT item_open(1001, 5);
SELECT item_open(1002, 0);
SELECT item_open(1002, -1);
SELECT item_open(NULL, 1);
SELECT item_open(1002, NULL);
SELECT * FROM item_buy(1001, 7, 0);
SELECT * FROM item_buy(1001, 7, -9223372036854775808);
SELECT * FROM item_buy(NULL, 7, 1);
SELECT * FROM item_buy(1001, NULL, 1);
SELECT * FROM item_buy(1001, 7, NULL);
SELECT * FROM item_buy(1002, 7, 1);
SELECT * FROM item_buy(1001, 7, 1, inventory_id => -1);
SELECT item_add(1001, 0);
SELECT item_add(NULL, 1);
SELECT item_add(1001, NULL);
SELECT item_add(1002, 1);
SELECT item_remaining(NULL);
SELECT item_remaining(1002);
SELECT item_refund(NULL);
SELECT item_refund(-1);
SELECT * FROM item_verify(1002);

-- The largest quantity there is, and no more.
SELECT item_open(1003, 9223372036854775807) > 0 AS opened;
SELECT item_remaining(1003);
SELECT buy_quantity FROM item_buy(1003, 1, 9223372036854775807);
SELECT * FROM item_buy(1003, 1, 1);
SELECT item_add(1003, 1);
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE item_id = 1003));
SELECT item_remaining(1003);
SELECT count(*) FROM item_split(1003, 2);
SELECT item_add(1003, 1);
SELECT item_remaining(1003);
SELECT * FROM item_verify(1003);

-- Ids of any sign; user ids, too.
SELECT item_open(-9223372036854775808, 1) > 0 AS opened;
SELECT buy_quantity, user_id FROM item_buy(-9223372036854775808, -9223372036854775808);
SELECT item_remaining(-9223372036854775808);

-- What a session has cached survives an item that is deleted and opened again.
DELETE FROM item_order WHERE item_id = 1001;
DELETE FROM item_inventory WHERE item_id = 1001;
SELECT item_open(1001, 3) AS inv \gset
SELECT item_remaining(1001);
SELECT inventory_id = :inv AS of_the_new_one FROM item_buy(1001, 1);
BEGIN;
DELETE FROM item_order WHERE item_id = 1001;
DELETE FROM item_inventory WHERE item_id = 1001;
SELECT item_open(1001, 4) AS inv \gset
-- Others have the old one until the commit: nothing of either is sold.
SELECT inventory_id = :inv AS of_the_new_one FROM item_buy(1001, 1);
COMMIT;
SELECT inventory_id = :inv AS of_the_new_one FROM item_buy(1001, 1);
SELECT item_remaining(1001);
-- Not while somebody has claims on it.
BEGIN;
SELECT count(*) FROM item_buy(1001, 1);
\set VERBOSITY sqlstate
DELETE FROM item_inventory WHERE item_id = 1001;
\set VERBOSITY default
ROLLBACK;
SELECT item_remaining(1001);

-- An inventory that is closed by hand is not on sale once it is loaded.
INSERT INTO item_inventory (item_id, quantity, status) VALUES (1004, 5, 'closed');
SELECT item_remaining(1004);
SELECT * FROM item_buy(1004, 1);

-- More items than the directory has room for: the coldest make room, and come back from their rows.
INSERT INTO item_inventory (item_id, quantity) SELECT n, n FROM generate_series(2000000, 2040000) AS n;
SELECT evictions AS before FROM ticket_pool_stat \gset
SELECT sum(item_remaining(n)) = sum(n) AS all_there FROM generate_series(2000000, 2040000) AS n;
SELECT evictions > :before AS evicted FROM ticket_pool_stat;
SELECT sum(b.buy_quantity) FROM generate_series(2000000, 2000009) AS n, item_buy(n, 1, n - 2000000 + 1) AS b;
SELECT sum(item_remaining(n)) = sum(n) - 55 AS all_there FROM generate_series(2000000, 2040000) AS n;
SELECT sum(item_remaining(n)) = sum(n) - 55 AS all_there FROM generate_series(2000000, 2000009) AS n;
SELECT item_remaining(1001), item_remaining(1003);
SELECT * FROM item_verify(2000009);
DELETE FROM item_order WHERE item_id >= 2000000;
SELECT format('DELETE FROM item_inventory WHERE item_id BETWEEN %s AND %s', n, n + 3999) FROM generate_series(2000000, 2040000, 4000) AS n \gexec
SELECT count(*) FROM item_inventory WHERE item_id >= 2000000;
