ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

CREATE INDEX ticket_departure_day ON @extschema@.ticket_departure (service_date, route_id);

\new function ticket_sweep_status
\new view ticket_sweep_status

ALTER TABLE @extschema@.ticket_order ADD COLUMN request_digest uuid;
ALTER TABLE @extschema@.item_order ADD COLUMN request_digest uuid;
ALTER TABLE @extschema@.ticket_order ADD COLUMN changed_to bigint, ADD COLUMN settled_at timestamptz;
CREATE INDEX ticket_order_unsettled ON @extschema@.ticket_order (order_id)
    WHERE changed_to IS NOT NULL AND settled_at IS NULL;

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

\new function ticket_get ticket_check_many item_check_many
\new function ticket_change_away ticket_exchange_hold ticket_unsettled ticket_settled ticket_served

-- ticket_change has one more argument. The new function takes the place of the old one, with the
-- rights that users have granted on it and the settings that they have given it. GRANT would make
-- the grants part of the extension here, and pg_dump would omit them; so the list itself is copied,
-- and the roles in it are noted. A view or an SQL-standard function body that calls the old
-- function cannot follow: the update names it.
ALTER FUNCTION @extschema@.ticket_change(bigint, text, text, text, date, text, text, int[])
    RENAME TO ticket_change_0_2;
\new function ticket_change
DO $$
DECLARE
    old_oid oid := '@extschema@.ticket_change_0_2(bigint, text, text, text, date, text, text, int[])'::pg_catalog.regprocedure;
    new_oid oid := '@extschema@.ticket_change(bigint, text, text, text, date, text, text, int[], uuid)'::pg_catalog.regprocedure;
    owner oid := (SELECT proowner FROM pg_catalog.pg_proc WHERE oid OPERATOR(pg_catalog.=) old_oid);
    dependents text := (
        SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(
            CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,
            COALESCE(r.ev_class, d.objid), 0), ', ')
        FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_rewrite r
            ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                AND r.oid OPERATOR(pg_catalog.=) d.objid
        WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
            AND d.refobjid OPERATOR(pg_catalog.=) old_oid);
BEGIN
    IF dependents IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = 'function ticket_change cannot be replaced because other objects depend on it',
            DETAIL = pg_catalog.format('These call it with its old arguments: %s.', dependents),
            HINT = 'Drop them, update the extension, and create them again.';
    END IF;
    EXECUTE pg_catalog.format('ALTER FUNCTION %s OWNER TO %s', new_oid::pg_catalog.regprocedure, owner::pg_catalog.regrole);
    UPDATE pg_catalog.pg_proc n SET proacl = o.proacl, proconfig = o.proconfig
    FROM pg_catalog.pg_proc o WHERE n.oid OPERATOR(pg_catalog.=) new_oid AND o.oid OPERATOR(pg_catalog.=) old_oid;
    INSERT INTO pg_catalog.pg_shdepend (dbid, classid, objid, objsubid, refclassid, refobjid, deptype)
    SELECT dbid, classid, new_oid, objsubid, refclassid, refobjid, deptype FROM pg_catalog.pg_shdepend
    WHERE dbid OPERATOR(pg_catalog.=) (SELECT oid FROM pg_catalog.pg_database WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database())
        AND classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND objid OPERATOR(pg_catalog.=) old_oid AND deptype OPERATOR(pg_catalog.=) 'a';
END $$;
DROP FUNCTION @extschema@.ticket_change_0_2(bigint, text, text, text, date, text, text, int[]);
