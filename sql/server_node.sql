-- The number of a node: every id that is drawn ends in it. In a database of its own, since a number stays.
SELECT current_database() AS home \gset
CREATE DATABASE regress_ticket_node TEMPLATE template0;
\c regress_ticket_node
CREATE EXTENSION ticketpool;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('NO1', 1, 'NOA', NULL, '8:00'), ('NO1', 2, 'NOB', '9:00', NULL);
INSERT INTO ticket_station VALUES ('NOA', 'Node A', NULL), ('NOB', 'Node B', 'B,"');
INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'NO-F', '01', 'second', array_agg(n || 'A') FROM generate_series(1, 200) AS n;
-- What a purchase of each kind draws
CREATE FUNCTION draw(OUT departure bigint, OUT departure_by_hand bigint, OUT quota bigint, OUT quota_by_hand bigint, OUT ticket bigint, OUT changed bigint,
    OUT inventory bigint, OUT part bigint, OUT inventory_by_hand bigint, OUT item bigint) LANGUAGE plpgsql AS $$
DECLARE
    day date := (SELECT coalesce(max(service_date), '2032-01-01') + 1 FROM ticket_departure);
    item_no bigint := (SELECT coalesce(max(item_id), 0) + 1 FROM item_inventory);
BEGIN
    departure := ticket_open('NO1', day, 'NO-F', '2020-01-01');
    INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
        SELECT train || '-' || draw.departure, service_date, formation, opens_at, route_id, layout_id FROM ticket_departure d WHERE d.departure_id = draw.departure RETURNING departure_id INTO departure_by_hand;
    quota := ticket_reserve('NO1', day, 'second', 'agency', 2, 'NOA', 'NOB');
    INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, status, seat_list)
        VALUES (departure, day, 'second', 'agency', 1, 1, 2, 'recycled', '{01/9A}') RETURNING reservation_id INTO quota_by_hand;
    ticket := (SELECT order_id FROM ticket_buy('NO1', 'NOA', 'NOB', 1, day));
    changed := (SELECT order_id FROM ticket_change(ticket, 'NO1', 'NOA', 'NOB', day));
    inventory := item_open(item_no, 10);
    part := (SELECT id FROM item_split(item_no, 1));
    INSERT INTO item_inventory (item_id, quantity, parent_id, root_id, status) VALUES (item_no, 0, inventory, inventory, 'closed') RETURNING id INTO inventory_by_hand;
    item := (SELECT order_id FROM item_buy(item_no, 1));
END $$;
CREATE FUNCTION numbers() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT key || ' ' || (value::bigint & 127) FROM draw() AS d, json_each_text(row_to_json(d)) WHERE value::bigint < 2::bigint ^ 53 $$;
-- Without a number, ids are what the sequences give.
SELECT node FROM ticket_node;
SELECT departure, departure_by_hand, quota, quota_by_hand, ticket & (1::bigint << 37) - 1 AS ticket, inventory, part, inventory_by_hand, item FROM draw() AS d;
-- What is not a number
SELECT ticket_node_set(NULL);
SELECT ticket_node_set(128);
SELECT ticket_node_set(-1);
\set VERBOSITY sqlstate
SELECT ticket_node_set(NULL);
SELECT ticket_node_set(128);
\set VERBOSITY default
-- Back to 0 as long as nothing has been drawn
SELECT ticket_node_set(0);
SELECT ticket_node_set(5);
SELECT node FROM ticket_node;
SELECT ticket_node_set(5);
SELECT ticket_node_set(0);
SELECT node FROM ticket_node;
SELECT (draw()).departure;
-- With a number: ids of each kind end in it, and keep clear of those that another database drew before it had a number.
SELECT ticket_node_set(5);
SELECT * FROM numbers();
SELECT departure, quota, ticket & (1::bigint << 37) - 1 AS ticket, inventory, item FROM draw() AS d;
SELECT bool_and(order_id >> 37 = service_date - date '2000-01-01') AS ids_name_days FROM ticket_order;
SELECT ticket_node_set(0);
\set VERBOSITY sqlstate
SELECT ticket_node_set(0);
\set VERBOSITY default
SELECT ticket_node_set(127);
SELECT * FROM numbers();
SELECT count(*) AS ids, count(DISTINCT id) AS distinct FROM (SELECT departure_id FROM ticket_departure UNION ALL SELECT id + (1::bigint << 60) FROM item_inventory
    UNION ALL SELECT order_id + (1::bigint << 61) FROM ticket_order UNION ALL SELECT reservation_id + (1::bigint << 62) FROM ticket_reservation) AS t (id);
SELECT * FROM ticket_verify();
SELECT * FROM item_verify();
-- A transaction that sets it draws with it, and what is rolled back was not.
BEGIN;
SELECT ticket_node_set(9);
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
SAVEPOINT s;
SELECT ticket_node_set(10);
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
ROLLBACK TO s;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
ROLLBACK;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
BEGIN READ ONLY;
SELECT ticket_node_set(9);
ROLLBACK;
-- The row, written by hand
UPDATE ticket_node SET node = 11;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
INSERT INTO ticket_node VALUES (12);
INSERT INTO ticket_node VALUES (0), (0);
SELECT node FROM ticket_node;
UPDATE ticket_node SET node = 128;
DELETE FROM ticket_node;
SELECT order_id & (1::bigint << 36) AS number FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
COPY ticket_node FROM STDIN;
12
\.
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
TRUNCATE ticket_node;
SELECT order_id & (1::bigint << 36) AS number FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
INSERT INTO ticket_node VALUES (0);
INSERT INTO ticket_node VALUES (0);
SELECT node FROM ticket_node;
SET session_replication_role = replica;
INSERT INTO ticket_node VALUES (13);
RESET session_replication_role;
SELECT node FROM ticket_node;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
ALTER TABLE ticket_node DISABLE TRIGGER ALL;
UPDATE ticket_node SET node = 14;
ALTER TABLE ticket_node ENABLE TRIGGER ALL;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
SELECT node FROM numbers() AS n, LATERAL split_part(n, ' ', 2) AS node GROUP BY 1;
-- What a restore without triggers may leave: the row with a number counts.
BEGIN;
ALTER TABLE ticket_node DISABLE TRIGGER ALL;
INSERT INTO ticket_node VALUES (0);
ALTER TABLE ticket_node ENABLE TRIGGER ALL;
SELECT order_id & 127 AS node FROM ticket_buy('NO1', 'NOA', 'NOB', 1, '2032-01-02');
SELECT ticket_node_set(15);
SELECT node FROM ticket_node;
ROLLBACK;
-- Who may insert draws the default; ticket_next_id serves these columns and no one else.
CREATE ROLE regress_ticket_writer;
SET ROLE regress_ticket_writer;
SELECT ticket_node_set(1);
SELECT * FROM ticket_node_status();
SELECT ticket_next_id('item_inventory_id_seq');
RESET ROLE;
GRANT INSERT (item_id, quantity, status), SELECT (id) ON item_inventory TO regress_ticket_writer;
SET ROLE regress_ticket_writer;
INSERT INTO item_inventory (item_id, quantity, status) VALUES (900, 1, 'closed') RETURNING id & 127 AS node;
SELECT ticket_next_id('ticket_departure_departure_id_seq');
RESET ROLE;
GRANT USAGE ON SEQUENCE ticket_departure_departure_id_seq TO regress_ticket_writer;
SET ROLE regress_ticket_writer;
SELECT ticket_next_id('ticket_departure_departure_id_seq') & 127 AS node;
RESET ROLE;
SELECT ticket_next_id('ticket_order_id_seq');
SELECT ticket_next_id(NULL);
BEGIN;
SELECT setval('item_inventory_id_seq', (1::bigint << 46) - (1::bigint << 33) - 2);
SELECT ticket_next_id('item_inventory_id_seq') < 1::bigint << 53 AS last_one;
SELECT ticket_next_id('item_inventory_id_seq');
ROLLBACK;
-- Orders count on from the beginning.
SELECT setval('ticket_order_id_seq', (1::bigint << 37) - 1);
\c
SELECT ticket_node_set(5);
SELECT count(*) AS orders, bool_and(order_id & 127 = 5) AS of_node, bool_and(order_id >> 37 = service_date - date '2000-01-01') AS of_day
FROM generate_series(1, 3), ticket_buy('NO1', 'NOA', 'NOB', 2, '2032-01-02');
-- What a router asks
SELECT node, version = (SELECT extversion FROM pg_extension WHERE extname = 'ticketpool') AS version, server_version = current_setting('server_version') AS server, schema,
    system_identifier = (SELECT system_identifier FROM pg_control_system()) AS identifier, database = (SELECT oid FROM pg_database WHERE datname = current_database()) AS database,
    now >= clock_timestamp() - interval '1 minute' AS now, in_recovery, received_lsn, replayed_lsn, replayed_at, replay_lag, route_days, unsettled FROM ticket_node_status();
SELECT stations_digest AS before FROM ticket_node_status() \gset
UPDATE ticket_station SET city = '"' WHERE station = 'NOB';
SELECT stations_digest <> :'before' AS other_stations FROM ticket_node_status();
UPDATE ticket_station SET city = 'B,"' WHERE station = 'NOB';
SELECT stations_digest = :'before' AS same_stations FROM ticket_node_status();
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('NO2', 1, 'NOA', NULL, '8:00'), ('NO2', 2, 'NOB', '57:00', NULL);
SELECT ticket_open('NO2', '2032-01-02', 'NO-F') > 0 AS opened;
SELECT route_days FROM ticket_node_status();
SELECT ticket_close('NO2', '2032-01-02');
SELECT route_days FROM ticket_node_status();
SELECT DISTINCT order_id FROM ticket_buy('NO1', 'NOA', 'NOB', 3, '2032-01-02', passengers => '{31,32}') \gset
SELECT count(*) FROM ticket_change_away(:order_id, 333);
SELECT unsettled = (SELECT count(*) FROM ticket_unsettled()) AS same, unsettled FROM ticket_node_status();
SELECT ticket_settled(:order_id, 333);
SELECT unsettled FROM ticket_node_status();
SET default_transaction_read_only = on;
SELECT node FROM ticket_node_status();
RESET default_transaction_read_only;
\c :home
DROP DATABASE regress_ticket_node;
DROP ROLE regress_ticket_writer;
