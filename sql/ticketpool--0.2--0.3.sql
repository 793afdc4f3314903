/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

-- ---------------------------------------------------------------------------
-- What the background worker is late with
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.ticket_sweep_status(OUT database text, OUT sweeper int, OUT last_sweep timestamptz,
    OUT next_deadline timestamptz, OUT overdue boolean, OUT waits_for text)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_sweep_status() IS 'behind the view ticket_sweep_status';
REVOKE ALL ON FUNCTION @extschema@.ticket_sweep_status() FROM PUBLIC;
CREATE VIEW @extschema@.ticket_sweep_status AS SELECT * FROM @extschema@.ticket_sweep_status();
COMMENT ON VIEW @extschema@.ticket_sweep_status IS 'the databases of the server in which holds expire and quotas return: the last sweep, the earliest deadline, whether that is overdue (by more than ten seconds), and then what it waits for';
GRANT SELECT ON @extschema@.ticket_sweep_status TO pg_monitor;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_sweep_status() TO pg_monitor;
