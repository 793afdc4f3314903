/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

-- ---------------------------------------------------------------------------
-- Rules: how long trains are under way bounds the days on which a trip at the
-- same time may have begun
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.ticket_route_days(arrives interval[], departs interval[])
    RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ticket_route_days(interval[], interval[]) IS
    'midnights that a train with these times passes after its service date has begun';

CREATE INDEX ticket_route_days ON @extschema@.ticket_route (@extschema@.ticket_route_days(arrives, departs) DESC);
COMMENT ON INDEX @extschema@.ticket_route_days IS 'the stop list that is longest under way comes first';
