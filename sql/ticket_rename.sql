-- Departures that are sold as another train than they were opened as, in the transaction that renames them and after.
SET datestyle = 'ISO, YMD';
INSERT INTO ticket_station (station, name) SELECT 'RN' || c, 'Rename ' || c FROM unnest('{A,B,C}'::text[]) AS c;
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('RN1', 1, 'RNA', NULL, '8:00'), ('RN1', 2, 'RNB', '9:00', '9:02'), ('RN1', 3, 'RNC', '10:00', NULL),
    ('RN9', 1, 'RNA', NULL, '8:30'), ('RN9', 2, 'RNC', '9:30', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('RN-F', '01', 'second', '{1A,1B,1C,1D}'), ('RN-G', '01', 'second', '{1A,1B,1C,1D,1F}');
SELECT ticket_open('RN1', '2031-08-01', 'RN-F') AS old \gset
CREATE VIEW rn_found AS SELECT train, departs::time, remaining FROM ticket_search('RNA', 'RNC', '2031-08-01');
CREATE VIEW rn_pool AS SELECT train FROM ticket_pool WHERE departure_id IN (SELECT departure_id FROM ticket_departure WHERE service_date = '2031-08-01') ORDER BY 1;

-- Renamed, for all that ask: the new name is found and sold, the old one is nobody.
SELECT status FROM ticket_buy('RN1', 'RNA', 'RNC', 1, '2031-08-01');
UPDATE ticket_departure SET train = 'RN2' WHERE departure_id = :old;
SELECT * FROM rn_found;
SELECT * FROM rn_pool;
SELECT ticket_remaining('RN2', 'RNA', 'RNC', '2031-08-01');
SELECT departure_id = :old AS old FROM ticket_buy('RN2', 'RNA', 'RNC', 1, '2031-08-01');
SELECT outcome FROM ticket_why('RN2', 'RNA', 'RNC', '2031-08-01');
\set VERBOSITY default
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01');
SELECT ticket_remaining('RN2', 'RNC', 'RNA', '2031-08-01');
SELECT ticket_remaining('RN2', 'RNA', 'RNC', '2031-08-01', 'first');
\set VERBOSITY sqlstate
SELECT * FROM ticket_verify(:old);
-- It stays in memory: nothing is loaded anew.
SELECT rebuilds FROM ticket_pool_stat \gset
UPDATE ticket_departure SET train = 'RN3' WHERE departure_id = :old;
SELECT ticket_remaining('RN3', 'RNA', 'RNC', '2031-08-01'), ticket_remaining('RN3', 'RNA', 'RNC', '2031-08-01');
SELECT rebuilds - :rebuilds AS rebuilds FROM ticket_pool_stat;
-- Its name and its sale at once
UPDATE ticket_departure SET train = 'RN1', status = 'closed' WHERE departure_id = :old;
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01');
UPDATE ticket_departure SET status = 'open' WHERE departure_id = :old;
-- As another train's number, which has another stop list
UPDATE ticket_departure SET train = 'RN9' WHERE departure_id = :old;
SELECT * FROM rn_found;
SELECT ticket_open('RN9', '2031-08-01', 'RN-F');
UPDATE ticket_departure SET train = 'RN1' WHERE departure_id = :old;

-- Another vehicle: the old departure gives its name to a new one, and the tickets go there, in one transaction.
SELECT order_id AS first FROM ticket_order WHERE departure_id = :old ORDER BY order_id LIMIT 1 \gset
BEGIN;
UPDATE ticket_departure SET train = 'RN1-old' WHERE departure_id = :old;
SELECT * FROM ticket_buy('RN1', 'RNA', 'RNC', 8, '2031-08-01');
ROLLBACK;
BEGIN;
UPDATE ticket_departure SET train = 'RN1-old' WHERE departure_id = :old;
SELECT * FROM rn_found;
SELECT ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01');
SELECT ticket_open('RN1', '2031-08-01', 'RN-G') AS new \gset
SELECT * FROM rn_found;
SELECT departure_id = :new AS new, departure_id = :old AS old FROM ticket_buy('RN1', 'RNA', 'RNC', 8, '2031-08-01');
SELECT departure_id = :new AS new, departure_id = :old AS old FROM ticket_buy('RN1-old', 'RNA', 'RNC', 8, '2031-08-01');
SELECT departure_id = :new AS new, departure_id = :old AS old FROM ticket_hold('RN1', 'RNA', 'RNB', 8, '2031-08-01');
SELECT departure_id = :new AS new, departure_id = :old AS old, changed_from = :first AS changed FROM ticket_change(:first, 'RN1', 'RNA', 'RNC', '2031-08-01');
SELECT request_no, coach FROM ticket_buy_many(ARRAY[ROW('RN1', 'RNA', 'RNC', 9, '2031-08-01', NULL, NULL, NULL, NULL, NULL)::ticket_request]);
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01') AS new, ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01') AS old;
SELECT ticket_close('RN1-old', '2031-08-01');
SELECT * FROM ticket_buy('RN1-old', 'RNA', 'RNC', 8, '2031-08-01');
ROLLBACK;
SELECT * FROM rn_found;
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01');
BEGIN;
UPDATE ticket_departure SET train = 'RN1-old' WHERE departure_id = :old;
SELECT ticket_open('RN1', '2031-08-01', 'RN-G') AS new \gset
SELECT departure_id = :new AS new FROM ticket_change(:first, 'RN1', 'RNA', 'RNC', '2031-08-01');
COMMIT;
SELECT * FROM rn_found;
SELECT * FROM rn_pool;
SELECT departure_id = :new AS new FROM ticket_buy('RN1', 'RNA', 'RNC', 8, '2031-08-01');
SELECT departure_id = :old AS old FROM ticket_buy('RN1-old', 'RNA', 'RNC', 8, '2031-08-01');

-- Two that exchange their names, undone in part; cold and warm.
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01') AS new, ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01') AS old;
BEGIN;
SAVEPOINT a;
UPDATE ticket_departure SET train = 'x' WHERE departure_id = :old;
UPDATE ticket_departure SET train = 'RN1-old' WHERE departure_id = :new;
UPDATE ticket_departure SET train = 'RN1' WHERE departure_id = :old;
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01') AS old, ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01') AS new;
SELECT * FROM rn_found;
ROLLBACK TO a;
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01') AS new, ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01') AS old;
UPDATE ticket_departure SET train = 'x' WHERE departure_id = :old;
UPDATE ticket_departure SET train = 'RN1-old' WHERE departure_id = :new;
UPDATE ticket_departure SET train = 'RN1' WHERE departure_id = :old;
COMMIT;
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-01') AS old, ticket_remaining('RN1-old', 'RNA', 'RNC', '2031-08-01') AS new;
SELECT * FROM rn_found;
\c -
\set VERBOSITY sqlstate
SELECT * FROM rn_found;

-- Given away and opened again: by a rollback, a deletion, another day.
BEGIN;
INSERT INTO ticket_stop SELECT 'RN5', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'RN1';
SELECT ticket_open('RN5', '2031-08-02', 'RN-F') AS five \gset
DELETE FROM ticket_departure WHERE departure_id = :five;
SELECT ticket_remaining('RN5', 'RNA', 'RNC', '2031-08-02');
ROLLBACK;
SELECT ticket_open('RN1', '2031-08-02', 'RN-F') AS empty \gset
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-02');
BEGIN;
DELETE FROM ticket_departure WHERE departure_id = :empty;
SELECT ticket_open('RN1', '2031-08-02', 'RN-G') AS full \gset
SELECT departure_id = :full AS full, seat IS NOT NULL AS sold FROM ticket_buy('RN1', 'RNA', 'RNC', 8, '2031-08-02');
SELECT train, remaining FROM ticket_search('RNA', 'RNC', '2031-08-02');
COMMIT;
SELECT train, remaining FROM ticket_search('RNA', 'RNC', '2031-08-02');
BEGIN;
UPDATE ticket_departure SET train = 'RN8' WHERE departure_id = :full;
PREPARE TRANSACTION 'rename';
SELECT ticket_remaining('RN1', 'RNA', 'RNC', '2031-08-02');
SELECT * FROM ticket_verify();
-- The seats of a departure are those that it was opened with: by hand nothing else can be said.
\set VERBOSITY default
UPDATE ticket_departure SET formation = 'other' WHERE departure_id = :old;
UPDATE ticket_departure SET formation = 'RN-F', closes_at = NULL WHERE departure_id = :old;
-- A train's name is one that ticket_open takes.
UPDATE ticket_departure SET train = '' WHERE departure_id = :old;
UPDATE ticket_departure SET train = repeat('R', 64) WHERE departure_id = :old;
\set VERBOSITY sqlstate
SET session_replication_role = replica;
UPDATE ticket_departure SET formation = 'other' WHERE departure_id = :old;
RESET session_replication_role;
SELECT formation FROM ticket_departure WHERE departure_id = :old;
DROP VIEW rn_found, rn_pool;
