ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

CREATE INDEX ticket_departure_day ON @extschema@.ticket_departure (service_date, route_id);

\new function ticket_sweep_status
\new view ticket_sweep_status

ALTER TABLE @extschema@.ticket_order ADD COLUMN request_digest uuid;
ALTER TABLE @extschema@.item_order ADD COLUMN request_digest uuid;

\new function ticket_route_days
CREATE INDEX ticket_route_days
    ON @extschema@.ticket_route (@extschema@.ticket_route_days(arrives, departs) DESC);

CREATE TABLE @extschema@.ticket_order_day (
    order_id     bigint NOT NULL,
    service_date date NOT NULL
);
CREATE INDEX ticket_order_day_order ON @extschema@.ticket_order_day (order_id);
ALTER TABLE @extschema@.ticket_order_day REPLICA IDENTITY FULL;
-- Orders that are there already
INSERT INTO @extschema@.ticket_order_day (order_id, service_date)
SELECT DISTINCT order_id, service_date FROM @extschema@.ticket_order
WHERE order_id OPERATOR(pg_catalog.>>) 37
    OPERATOR(pg_catalog.<>) (service_date OPERATOR(pg_catalog.-) date '2000-01-01');
-- The owner of the orders owns the table that says where they are.
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.ticket_order'::regclass);
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_order_day OWNER TO %s', owner);
END $$;

\new function ticket_call
