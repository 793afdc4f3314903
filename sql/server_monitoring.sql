-- The views on workers, running calls, memory and the waiting list: what they have, and who may read them.
CREATE TEMP VIEW monitoring AS SELECT unnest('{ticket_worker_status,ticket_progress,ticket_memory,ticket_waiting}'::text[]) AS name;
SELECT name, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns
FROM monitoring JOIN pg_attribute ON attrelid = name::regclass WHERE attnum > 0 GROUP BY 1 ORDER BY 1;
SELECT name, obj_description(name::regclass) <> '' AS described, has_table_privilege('pg_monitor', name, 'SELECT') AS pg_monitor,
    has_function_privilege('pg_monitor', name || '()', 'EXECUTE') AS function, relacl::text ~ '[{,]=' AS public
FROM monitoring JOIN pg_class ON oid = name::regclass ORDER BY 1;

-- The launcher is there, and every row of a database belongs to one that exists.
SELECT worker, database, state, pid IS NOT NULL AS pid, waits_for FROM ticket_worker_status WHERE worker = 'launcher';
SELECT count(*) AS strange FROM ticket_worker_status WHERE worker <> 'launcher' AND database NOT IN (SELECT datname FROM pg_database);
SELECT DISTINCT worker FROM ticket_worker_status WHERE worker NOT IN ('launcher', 'sweeper', 'cashier', 'preloader');

-- Nothing of this session runs, and what is running is a process.
SELECT count(*) FROM ticket_progress WHERE pid = pg_backend_pid();

-- Memory: the kinds sum up, and what is undone gives back what it took.
SELECT kind, added FROM ticket_memory;
SELECT sum(bytes) FILTER (WHERE NOT added) = pg_size_bytes(current_setting('ticketpool.memory')) AS sums_up, min(bytes) >= 0 AS none_is_negative FROM ticket_memory;
SELECT m.bytes_used = u.bytes AS used FROM ticket_pool_stat AS m (buys, refunds, sold_outs, lost_races, rebuilds, evictions, departures, bytes_used),
    (SELECT sum(bytes) AS bytes FROM ticket_memory WHERE kind IN ('departures', 'items', 'routes', 'layouts', 'prepared', 'allocator')) AS u;
INSERT INTO ticket_stop VALUES ('MO-T', 1, 'MO-A', NULL, '08:00'), ('MO-T', 2, 'MO-B', '09:00', '09:05'), ('MO-T', 3, 'MO-C', '10:00', NULL);
INSERT INTO ticket_formation VALUES ('MO-F', '1', 'second', '{1A,1B}'), ('MO-F', '2', 'first', '{1A}');
SET client_min_messages = warning;
BEGIN;
SELECT ticket_open('MO-T', '2031-05-01', 'MO-F') > 0 AS opened, ticket_remaining('MO-T', 'MO-A', 'MO-C', '2031-05-01'), item_open(987001, 10) > 0 AS item, item_remaining(987001);
SELECT kind, bytes > 0 AS used FROM ticket_memory WHERE kind IN ('departures', 'items', 'routes', 'layouts') ORDER BY 1;
ROLLBACK;
-- What was rolled back is freed by whoever needs memory next, so once more.
CREATE TEMP TABLE before AS SELECT kind, bytes FROM ticket_memory;
BEGIN;
SELECT ticket_open('MO-T', '2031-05-01', 'MO-F') > 0 AS opened, ticket_remaining('MO-T', 'MO-A', 'MO-C', '2031-05-01'), item_open(987001, 10) > 0 AS item, item_remaining(987001);
ROLLBACK;
SELECT kind, m.bytes - b.bytes AS more FROM ticket_memory AS m JOIN before AS b USING (kind) WHERE m.bytes <> b.bytes ORDER BY 1;

-- The waiting list, by departure and class.
SELECT ticket_open('MO-T', '2031-05-01', 'MO-F') > 0 AS opened;
SELECT count(*) FROM ticket_buy('MO-T', 'MO-A', 'MO-C', 1, '2031-05-01', 'second', '{1,2}');
SELECT count(*) FROM ticket_buy('MO-T', 'MO-A', 'MO-C', 1, '2031-05-01', 'first');
SELECT status FROM ticket_wait(21, ARRAY[ROW('MO-T', 'MO-A', 'MO-C', NULL, '2031-05-01', 'second', NULL, NULL, NULL, NULL)]::ticket_request[], passengers => '{1,2}');
SELECT status FROM ticket_wait(22, ARRAY[ROW('MO-T', 'MO-A', 'MO-B', NULL, '2031-05-01', 'second', NULL, NULL, NULL, NULL), ROW('MO-T', 'MO-B', 'MO-C', NULL, '2031-05-01', 'second', NULL, NULL, NULL, NULL),
    ROW('MO-T', 'MO-A', 'MO-C', NULL, '2031-05-01', 'first', NULL, NULL, NULL, NULL)]::ticket_request[]);
SELECT train, service_date, seat_class, waits, tickets, oldest <= clock_timestamp() AS oldest, (SELECT user_id FROM ticket_wait WHERE wait_id = first_wait) AS first_user, passed, first_passed, unserved
FROM ticket_waiting WHERE train = 'MO-T' ORDER BY seat_class;
SELECT count(*) FROM ticket_withdraw('MO-T', '2031-05-01');
SELECT count(*) FROM ticket_waiting WHERE train = 'MO-T';
DELETE FROM ticket_stop WHERE train = 'MO-T';
DELETE FROM ticket_formation WHERE formation = 'MO-F';
