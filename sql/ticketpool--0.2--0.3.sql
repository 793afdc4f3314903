/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

-- ---------------------------------------------------------------------------
-- Stations: what a caller may write for one
-- ---------------------------------------------------------------------------

COMMENT ON TABLE @extschema@.ticket_station IS 'stations: names for the codes that stop lists use';
COMMENT ON COLUMN @extschema@.ticket_station.name IS 'name; functions take it for the station of this name that the train calls at, searches for any';
COMMENT ON COLUMN @extschema@.ticket_stop.station IS 'code; a row of ticket_station gives it a name';
COMMENT ON COLUMN @extschema@.ticket_stop.arrives IS 'since midnight of the service date; past 24:00 for a night train; NULL at the first stop. Falls by two hours at most';
COMMENT ON COLUMN @extschema@.ticket_stop.departs IS 'since midnight of the service date; past 24:00 for a night train; NULL at the last stop. Falls by two hours at most';
COMMENT ON COLUMN @extschema@.ticket_departure.formation IS 'whose seats it was opened with';
COMMENT ON FUNCTION @extschema@.ticket_remaining_matrix(text, date, text) IS
    'seats left for every pair of stops, sold between calls named as station#stop_no; all classes where seat_class is NULL';
COMMENT ON FUNCTION @extschema@.ticket_search(text, text, date) IS
    'trains on sale that leave from_station on that day, in order of departure, with the seats left in each class; a train that calls twice there comes once for each call';

-- ---------------------------------------------------------------------------
-- Search: departures are found by day and stop list, whatever train they are
-- sold as; and a day that lost its partition is known by its departures
-- ---------------------------------------------------------------------------

CREATE INDEX ticket_departure_day ON @extschema@.ticket_departure (service_date, route_id);
COMMENT ON INDEX @extschema@.ticket_departure_day IS 'the departures of a day with a stop list: behind ticket_search';
