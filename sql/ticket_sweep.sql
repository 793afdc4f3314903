-- A sweep that is cancelled while it works on a ticket ends as a whole, and leaves no subtransaction of its own behind.
INSERT INTO ticket_station (station, name) VALUES ('SWA', 'Sweep A'), ('SWB', 'Sweep B');
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('SW1', 1, 'SWA', NULL, '8:00'), ('SW1', 2, 'SWB', '9:00', NULL);
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('SW-F', '01', 'second', '{1A,1B,1C}');
SELECT ticket_open('SW1', '2031-05-01', 'SW-F') > 0 AS opened;
CREATE FUNCTION sweep_cancelled() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.status = 'expired' AND NEW.user_id = 4711 THEN RAISE EXCEPTION USING ERRCODE = '57014', MESSAGE = 'as if cancelled'; END IF; RETURN NEW; END $$;
CREATE TRIGGER sweep_cancelled BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION sweep_cancelled();
\set VERBOSITY terse
-- Nobody catches it. (The hold is this transaction's own: no worker can come first.)
DO $$
BEGIN
    PERFORM ticket_hold('SW1', 'SWA', 'SWB', 4711, '2031-05-01', ttl => '1 ms');
    PERFORM pg_sleep(0.01);
    PERFORM ticket_sweep();
END $$;
SELECT 'the next statement runs' AS then;
ROLLBACK;
-- Somebody does.
DO $$
BEGIN
    PERFORM ticket_hold('SW1', 'SWA', 'SWB', 4711, '2031-05-01', ttl => '1 ms');
    PERFORM pg_sleep(0.01);
    BEGIN
        PERFORM ticket_sweep();
    EXCEPTION WHEN query_canceled THEN
        RAISE NOTICE 'caught: %', SQLERRM;
    END;
    RAISE NOTICE 'held: %', (SELECT count(*) FROM ticket_order WHERE user_id = 4711 AND status = 'held');
    PERFORM ticket_cancel(order_id) FROM ticket_order WHERE user_id = 4711 AND status = 'held';
END $$;
ROLLBACK;
\set VERBOSITY default
DROP TRIGGER sweep_cancelled ON ticket_order;
DROP FUNCTION sweep_cancelled();
SELECT status FROM ticket_order WHERE user_id = 4711;
SELECT ticket_remaining('SW1', 'SWA', 'SWB', '2031-05-01');
SELECT count(*) FROM ticket_inflight;
SELECT * FROM ticket_verify();
