-- One item in the pool, and the same stock as a row that every buyer updates.
SELECT item_open(1, 10000) AS inventory \gset
CREATE TABLE row_inventory (item_id bigint PRIMARY KEY, quantity bigint NOT NULL);
INSERT INTO row_inventory VALUES (1, 10000);
CREATE TABLE row_order (LIKE item_order INCLUDING ALL);
CREATE SEQUENCE row_order_id CACHE 32;
GRANT ALL ON row_inventory, row_order, row_order_id TO seller;
GRANT SELECT ON item_order TO seller;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO seller;
