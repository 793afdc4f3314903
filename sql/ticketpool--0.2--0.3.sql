/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

-- ---------------------------------------------------------------------------
-- Search: departures are found by day and stop list, whatever train they are
-- sold as; and a day that lost its partition is known by its departures
-- ---------------------------------------------------------------------------

CREATE INDEX ticket_departure_day ON @extschema@.ticket_departure (service_date, route_id);
COMMENT ON INDEX @extschema@.ticket_departure_day IS 'the departures of a day with a stop list: behind ticket_search';
