-- ---------------------------------------------------------------------------
-- Where is it?
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.ticket_where(train text, service_date date)
    RETURNS TABLE (node int, conninfo text)
    AS 'MODULE_PATHNAME', 'router_where_train' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_where(text, date) IS
    'the node of a departure, for clients that go straight to it';
REVOKE ALL ON FUNCTION @extschema@.ticket_where(text, date) FROM PUBLIC;

CREATE FUNCTION @extschema@.ticket_where(order_id bigint)
    RETURNS TABLE (node int, conninfo text)
    AS 'MODULE_PATHNAME', 'router_where_order' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_where(bigint) IS
    'the node that has an order of tickets, for clients that go straight to it';
REVOKE ALL ON FUNCTION @extschema@.ticket_where(bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Nodes, and what is where
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.router_node_add(node int, conninfo text,
    read_conninfo text DEFAULT NULL, old_ids boolean DEFAULT false)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.router_node_add(int, text, text, boolean) IS
    'adds a node, or says where a known node is now; warns if it cannot be reached there';
REVOKE ALL ON FUNCTION @extschema@.router_node_add(int, text, text, boolean) FROM PUBLIC;

CREATE FUNCTION @extschema@.router_assign(train text, node int, from_date date DEFAULT NULL)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.router_assign(text, int, date) IS
    'gives a train to a node from a service date on; NULL: from the day after the last departure '
    'that another node has of it';
REVOKE ALL ON FUNCTION @extschema@.router_assign(text, int, date) FROM PUBLIC;

CREATE FUNCTION @extschema@.router_assign_item(item_id bigint, node int)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.router_assign_item(bigint, int) IS 'gives an item to a node';
REVOKE ALL ON FUNCTION @extschema@.router_assign_item(bigint, int) FROM PUBLIC;

CREATE FUNCTION @extschema@.router_refresh()
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.router_refresh() IS
    'asks the nodes which stations they serve on which days, and sets the foreign servers again';
REVOKE ALL ON FUNCTION @extschema@.router_refresh() FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Exchanges between nodes; the state of everything
-- ---------------------------------------------------------------------------

CREATE FUNCTION @extschema@.router_settle()
    RETURNS TABLE (order_id bigint, changed_to bigint, status text)
    AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.router_settle() IS
    'finishes exchanges between nodes that were left halfway, or undoes them; a row for each: the '
    'old order, the new one and what has become of the new one';
REVOKE ALL ON FUNCTION @extschema@.router_settle() FROM PUBLIC;

CREATE FUNCTION @extschema@.router_status()
    RETURNS TABLE (node int, what text, ok boolean, detail text)
    AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION @extschema@.router_status() IS
    'checks nodes and router: a row for each node and thing that was looked at, whether it is as '
    'it should be, and in words what was found and what to do';
REVOKE ALL ON FUNCTION @extschema@.router_status() FROM PUBLIC;

CREATE FUNCTION @extschema@.router_move(train text, service_date date, node int)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.router_move(text, date, int) IS
    'takes a departure with its orders to another node, or finishes or undoes a move that was left '
    'halfway';
REVOKE ALL ON FUNCTION @extschema@.router_move(text, date, int) FROM PUBLIC;

CREATE FUNCTION @extschema@.router_progress(OUT pid int, OUT datid oid, OUT datname text,
    OUT command text, OUT phase text, OUT object text, OUT done bigint, OUT total bigint,
    OUT started_at timestamptz)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.router_progress() IS
    'moves that are running now, and how far they are; on a router whose server has ticketpool in '
    'shared_preload_libraries';
REVOKE ALL ON FUNCTION @extschema@.router_progress() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.router_progress() TO pg_monitor;
