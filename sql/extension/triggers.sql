-- ---------------------------------------------------------------------------
-- Names cached by sessions follow changes by hand
-- ---------------------------------------------------------------------------

CREATE TRIGGER ticket_cache_reset AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON @extschema@.ticket_station
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_cache_reset();
ALTER TABLE @extschema@.ticket_station ENABLE ALWAYS TRIGGER ticket_cache_reset;

CREATE TRIGGER ticket_cache_reset AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON @extschema@.ticket_route_call
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_cache_reset();
ALTER TABLE @extschema@.ticket_route_call ENABLE ALWAYS TRIGGER ticket_cache_reset;

CREATE TRIGGER ticket_cache_reset AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON @extschema@.ticket_rule
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_cache_reset();
ALTER TABLE @extschema@.ticket_rule ENABLE ALWAYS TRIGGER ticket_cache_reset;

CREATE TRIGGER ticket_cache_reset AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON @extschema@.ticket_departure
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_cache_reset();
ALTER TABLE @extschema@.ticket_departure ENABLE ALWAYS TRIGGER ticket_cache_reset;

-- ---------------------------------------------------------------------------
-- The pool follows what is written by hand
-- ---------------------------------------------------------------------------

CREATE TRIGGER ticket_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ticket_order
    FOR EACH ROW EXECUTE FUNCTION @extschema@.ticket_follow_order();
ALTER TABLE @extschema@.ticket_order ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.ticket_order IS
    'the pool follows tickets that are written by hand';

CREATE TRIGGER ticket_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ticket_departure
    FOR EACH ROW EXECUTE FUNCTION @extschema@.ticket_follow_departure();
ALTER TABLE @extschema@.ticket_departure ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.ticket_departure IS
    'the pool follows departures that are changed by hand';

CREATE TRIGGER ticket_follow_truncate BEFORE TRUNCATE ON @extschema@.ticket_departure
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_follow_departure();
ALTER TABLE @extschema@.ticket_departure ENABLE ALWAYS TRIGGER ticket_follow_truncate;
COMMENT ON TRIGGER ticket_follow_truncate ON @extschema@.ticket_departure IS
    'the pool follows TRUNCATE';

CREATE TRIGGER ticket_follow AFTER INSERT ON @extschema@.ticket_route
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_follow_departure();
ALTER TABLE @extschema@.ticket_route ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.ticket_route IS
    'an order written before its departure is complete waits for the departure, and the departure '
    'for the order';

CREATE TRIGGER ticket_follow AFTER INSERT ON @extschema@.ticket_layout_coach
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_follow_departure();
ALTER TABLE @extschema@.ticket_layout_coach ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.ticket_layout_coach IS
    'an order written before its departure is complete waits for the departure, and the departure '
    'for the order';

CREATE TRIGGER ticket_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ticket_reservation
    FOR EACH ROW EXECUTE FUNCTION @extschema@.ticket_follow_reservation();
ALTER TABLE @extschema@.ticket_reservation ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.ticket_reservation IS
    'the pool follows quotas that are changed by hand';

CREATE TRIGGER ticket_follow_truncate BEFORE TRUNCATE ON @extschema@.ticket_reservation
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_follow_reservation();
ALTER TABLE @extschema@.ticket_reservation ENABLE ALWAYS TRIGGER ticket_follow_truncate;
COMMENT ON TRIGGER ticket_follow_truncate ON @extschema@.ticket_reservation IS
    'the pool follows TRUNCATE';

CREATE TRIGGER ticket_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.item_order
    FOR EACH ROW EXECUTE FUNCTION @extschema@.item_follow_order();
ALTER TABLE @extschema@.item_order ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.item_order IS
    'the pool follows orders that are written by hand';

CREATE TRIGGER ticket_follow_truncate BEFORE TRUNCATE ON @extschema@.item_order
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.item_follow_order();
ALTER TABLE @extschema@.item_order ENABLE ALWAYS TRIGGER ticket_follow_truncate;
COMMENT ON TRIGGER ticket_follow_truncate ON @extschema@.item_order IS 'the pool follows TRUNCATE';

CREATE TRIGGER ticket_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.item_inventory
    FOR EACH ROW EXECUTE FUNCTION @extschema@.item_follow_inventory();
ALTER TABLE @extschema@.item_inventory ENABLE ALWAYS TRIGGER ticket_follow;
COMMENT ON TRIGGER ticket_follow ON @extschema@.item_inventory IS
    'the pool follows inventories that are changed by hand';

CREATE TRIGGER ticket_follow_truncate BEFORE TRUNCATE ON @extschema@.item_inventory
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.item_follow_inventory();
ALTER TABLE @extschema@.item_inventory ENABLE ALWAYS TRIGGER ticket_follow_truncate;
COMMENT ON TRIGGER ticket_follow_truncate ON @extschema@.item_inventory IS
    'the pool follows TRUNCATE';

CREATE TRIGGER ticket_node_written AFTER INSERT OR UPDATE OR DELETE ON @extschema@.ticket_node
    FOR EACH ROW EXECUTE FUNCTION @extschema@.ticket_node_written();
ALTER TABLE @extschema@.ticket_node ENABLE ALWAYS TRIGGER ticket_node_written;
COMMENT ON TRIGGER ticket_node_written ON @extschema@.ticket_node IS
    'every session learns of the new number';

CREATE TRIGGER ticket_node_truncated AFTER TRUNCATE ON @extschema@.ticket_node
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.ticket_node_written();
ALTER TABLE @extschema@.ticket_node ENABLE ALWAYS TRIGGER ticket_node_truncated;
COMMENT ON TRIGGER ticket_node_truncated ON @extschema@.ticket_node IS
    'every session learns of TRUNCATE';
