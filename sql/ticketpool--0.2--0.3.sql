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

-- ---------------------------------------------------------------------------
-- What a call with a request_id was asked: its repetition is told from another
-- request whatever became of the rows
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_order ADD COLUMN request_digest uuid;
COMMENT ON COLUMN @extschema@.ticket_order.request_digest IS 'what the call with the request_id was asked (train, stations, class, number of passengers), as a digest: another request with the same request_id is refused; NULL: without request_id, or before version 0.3';
ALTER TABLE @extschema@.item_order ADD COLUMN request_digest uuid;
COMMENT ON COLUMN @extschema@.item_order.request_digest IS 'what the call with the request_id was asked (item, quantity, inventory), as a digest: another request with the same request_id is refused; NULL: without request_id, or before version 0.3';

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

-- ---------------------------------------------------------------------------
-- Orders whose id does not name their service date. Not dumped: a restore
-- enters them again
-- ---------------------------------------------------------------------------

CREATE TABLE @extschema@.ticket_order_day (
    order_id     bigint NOT NULL,
    service_date date NOT NULL
);
COMMENT ON TABLE @extschema@.ticket_order_day IS 'where orders are whose id does not name their service date: imported ones (kept by triggers; an entry may be left behind, and is believed only after a look)';
CREATE INDEX ticket_order_day_order ON @extschema@.ticket_order_day (order_id);
COMMENT ON INDEX @extschema@.ticket_order_day_order IS 'the day of an imported order';
-- It is written only by INSERT; a publication FOR ALL TABLES must not keep anybody from tidying up.
-- No key: an order may have several entries. A publication FOR ALL TABLES must not keep anybody from tidying up.
ALTER TABLE @extschema@.ticket_order_day REPLICA IDENTITY FULL;
INSERT INTO @extschema@.ticket_order_day (order_id, service_date)
SELECT DISTINCT order_id, service_date FROM @extschema@.ticket_order
WHERE order_id OPERATOR(pg_catalog.>>) 37 OPERATOR(pg_catalog.<>) (service_date OPERATOR(pg_catalog.-) date '2000-01-01');
-- Whoever owns the orders owns what says where they are.
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.ticket_order'::regclass);
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_order_day OWNER TO %s', owner);
END $$;
