-- ---------------------------------------------------------------------------
-- The way to the nodes: PL/Proxy functions that only the owner may call. They
-- call one function of a node, ticket_call, which answers with rows or with
-- an error as data: an error that PL/Proxy itself saw would cost the
-- connection
-- ---------------------------------------------------------------------------

CREATE SCHEMA ticketpool_router;
COMMENT ON SCHEMA ticketpool_router IS
    'the inside of extension ticketpool_router: calls of the nodes, by number';
REVOKE ALL ON SCHEMA ticketpool_router FROM PUBLIC;

-- A partition's number is that of its node. PL/Proxy wraps numbers that are out of range, so all
-- are there: those without a node lead nowhere.
DO $$
DECLARE
    server name;
BEGIN
    FOREACH server IN ARRAY ARRAY['ticketpool', 'ticketpool_read'] LOOP
        EXECUTE pg_catalog.format('CREATE SERVER %I FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping ''1'', %s)', server,
            (SELECT pg_catalog.string_agg(pg_catalog.format('p%s ''host=/nonexistent''', number), ', ')
             FROM pg_catalog.generate_series(0, 127) AS number));
    END LOOP;
END $$;
COMMENT ON SERVER ticketpool IS
    'the nodes by number, for calls that go to a primary (kept from router_node)';
CREATE USER MAPPING FOR CURRENT_USER SERVER ticketpool;
COMMENT ON SERVER ticketpool_read IS
    'the nodes by number, for searches, which a standby may answer (kept from router_node)';
CREATE USER MAPPING FOR CURRENT_USER SERVER ticketpool_read;

CREATE FUNCTION ticketpool_router.node_call(node int, function text, arguments text[],
    columns text[])
    RETURNS text[] LANGUAGE plproxy VOLATILE PARALLEL UNSAFE AS $$
        CLUSTER 'ticketpool';
        RUN ON node;
        SELECT @extschema@.ticket_call(function, arguments, columns);
    $$;
COMMENT ON FUNCTION ticketpool_router.node_call(int, text, text[], text[]) IS
    'calls a function of a node';
REVOKE ALL ON FUNCTION ticketpool_router.node_call(int, text, text[], text[]) FROM PUBLIC;

CREATE FUNCTION ticketpool_router.node_call_read(node int, function text, arguments text[],
    columns text[])
    RETURNS text[] LANGUAGE plproxy VOLATILE PARALLEL UNSAFE AS $$
        CLUSTER 'ticketpool_read';
        RUN ON node;
        SELECT @extschema@.ticket_call(function, arguments, columns);
    $$;
COMMENT ON FUNCTION ticketpool_router.node_call_read(int, text, text[], text[]) IS
    'calls a function of a node, or of its standby';
REVOKE ALL ON FUNCTION ticketpool_router.node_call_read(int, text, text[], text[]) FROM PUBLIC;

-- Each element of arguments is a text[] in text form. The answers begin with the node's number. A
-- node is asked once, so its part of the arrays has one element.
CREATE FUNCTION ticketpool_router.nodes_call(nodes int[], arguments text[], function text,
    columns text[])
    RETURNS SETOF text[] LANGUAGE plproxy VOLATILE PARALLEL UNSAFE AS $$
        CLUSTER 'ticketpool';
        SPLIT nodes, arguments;
        RUN ON nodes;
        SELECT @extschema@.ticket_call_part(nodes, function, arguments, columns);
    $$;
COMMENT ON FUNCTION ticketpool_router.nodes_call(int[], text[], text, text[]) IS
    'calls a function of several nodes at the same time';
REVOKE ALL ON FUNCTION ticketpool_router.nodes_call(int[], text[], text, text[]) FROM PUBLIC;

CREATE FUNCTION ticketpool_router.nodes_call_read(nodes int[], arguments text[], function text,
    columns text[])
    RETURNS SETOF text[] LANGUAGE plproxy VOLATILE PARALLEL UNSAFE AS $$
        CLUSTER 'ticketpool_read';
        SPLIT nodes, arguments;
        RUN ON nodes;
        SELECT @extschema@.ticket_call_part(nodes, function, arguments, columns);
    $$;
COMMENT ON FUNCTION ticketpool_router.nodes_call_read(int[], text[], text, text[]) IS
    'calls a function of several nodes, or of their standbys, at the same time';
REVOKE ALL ON FUNCTION ticketpool_router.nodes_call_read(int[], text[], text, text[]) FROM PUBLIC;
