/* ticketpool 0.2 to 0.3. A fresh installation runs ticketpool--0.2.sql and then this script: there is no second source. */

-- complain if script is sourced in psql rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION ticketpool UPDATE TO '0.3'" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Rules: no key can be had (a restore brings enabled built-in rules a second
-- time), and a publication FOR ALL TABLES refuses an UPDATE without identity
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

-- ---------------------------------------------------------------------------
-- What a call with a request_id was asked: its repetition is told from another
-- request whatever became of the rows
-- ---------------------------------------------------------------------------

ALTER TABLE @extschema@.ticket_order ADD COLUMN request_digest uuid;
COMMENT ON COLUMN @extschema@.ticket_order.request_digest IS 'what the call with the request_id was asked (train, stations, class, number of passengers), as a digest: another request with the same request_id is refused; NULL: without request_id, or before version 0.3';
ALTER TABLE @extschema@.item_order ADD COLUMN request_digest uuid;
COMMENT ON COLUMN @extschema@.item_order.request_digest IS 'what the call with the request_id was asked (item, quantity, inventory), as a digest: another request with the same request_id is refused; NULL: without request_id, or before version 0.3';

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
-- It is written only by INSERT; a publication FOR ALL TABLES must not keep anybody from tidying up.
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
