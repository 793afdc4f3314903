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
CREATE TABLE @extschema@.ticket_parcel (
    parcel       uuid PRIMARY KEY,
    direction    text NOT NULL CHECK (direction IN ('out', 'in')),
    train        text,
    service_date date,
    departure_id bigint,
    to_node      int,
    state        text NOT NULL
        CHECK (state IN ('packed', 'handed', 'done', 'coming', 'arrived', 'refused')),
    parts        int NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz
);
CREATE INDEX ticket_parcel_departure ON @extschema@.ticket_parcel (train, service_date);
CREATE TABLE @extschema@.ticket_parcel_part (
    parcel  uuid,
    part_no int,
    kind    text NOT NULL,
    rows    text NOT NULL,
    PRIMARY KEY (parcel, part_no)
);
CREATE TABLE @extschema@.ticket_moved (
    id     bigint,
    kind   text,
    parcel uuid,
    PRIMARY KEY (id, kind, parcel)
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_parcel', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_parcel_part', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_moved', '');
\new function ticket_move_columns ticket_move_check ticket_move_out ticket_parcel_state
\new function ticket_parcel_homes ticket_parcel_part ticket_parcel_put ticket_move_ready
\new function ticket_move_in ticket_move_refuse ticket_move_back ticket_move_done

-- The owner of the orders owns the tables that say where they are.
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.ticket_order'::regclass);
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_order_day OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_parcel OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_parcel_part OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_moved OWNER TO %s', owner);
END $$;
