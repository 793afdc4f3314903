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
CREATE SERVER ticketpool FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping '1',
    p0 'host=/nonexistent', p1 'host=/nonexistent', p2 'host=/nonexistent',
    p3 'host=/nonexistent', p4 'host=/nonexistent', p5 'host=/nonexistent',
    p6 'host=/nonexistent', p7 'host=/nonexistent', p8 'host=/nonexistent',
    p9 'host=/nonexistent', p10 'host=/nonexistent', p11 'host=/nonexistent',
    p12 'host=/nonexistent', p13 'host=/nonexistent', p14 'host=/nonexistent',
    p15 'host=/nonexistent', p16 'host=/nonexistent', p17 'host=/nonexistent',
    p18 'host=/nonexistent', p19 'host=/nonexistent', p20 'host=/nonexistent',
    p21 'host=/nonexistent', p22 'host=/nonexistent', p23 'host=/nonexistent',
    p24 'host=/nonexistent', p25 'host=/nonexistent', p26 'host=/nonexistent',
    p27 'host=/nonexistent', p28 'host=/nonexistent', p29 'host=/nonexistent',
    p30 'host=/nonexistent', p31 'host=/nonexistent', p32 'host=/nonexistent',
    p33 'host=/nonexistent', p34 'host=/nonexistent', p35 'host=/nonexistent',
    p36 'host=/nonexistent', p37 'host=/nonexistent', p38 'host=/nonexistent',
    p39 'host=/nonexistent', p40 'host=/nonexistent', p41 'host=/nonexistent',
    p42 'host=/nonexistent', p43 'host=/nonexistent', p44 'host=/nonexistent',
    p45 'host=/nonexistent', p46 'host=/nonexistent', p47 'host=/nonexistent',
    p48 'host=/nonexistent', p49 'host=/nonexistent', p50 'host=/nonexistent',
    p51 'host=/nonexistent', p52 'host=/nonexistent', p53 'host=/nonexistent',
    p54 'host=/nonexistent', p55 'host=/nonexistent', p56 'host=/nonexistent',
    p57 'host=/nonexistent', p58 'host=/nonexistent', p59 'host=/nonexistent',
    p60 'host=/nonexistent', p61 'host=/nonexistent', p62 'host=/nonexistent',
    p63 'host=/nonexistent', p64 'host=/nonexistent', p65 'host=/nonexistent',
    p66 'host=/nonexistent', p67 'host=/nonexistent', p68 'host=/nonexistent',
    p69 'host=/nonexistent', p70 'host=/nonexistent', p71 'host=/nonexistent',
    p72 'host=/nonexistent', p73 'host=/nonexistent', p74 'host=/nonexistent',
    p75 'host=/nonexistent', p76 'host=/nonexistent', p77 'host=/nonexistent',
    p78 'host=/nonexistent', p79 'host=/nonexistent', p80 'host=/nonexistent',
    p81 'host=/nonexistent', p82 'host=/nonexistent', p83 'host=/nonexistent',
    p84 'host=/nonexistent', p85 'host=/nonexistent', p86 'host=/nonexistent',
    p87 'host=/nonexistent', p88 'host=/nonexistent', p89 'host=/nonexistent',
    p90 'host=/nonexistent', p91 'host=/nonexistent', p92 'host=/nonexistent',
    p93 'host=/nonexistent', p94 'host=/nonexistent', p95 'host=/nonexistent',
    p96 'host=/nonexistent', p97 'host=/nonexistent', p98 'host=/nonexistent',
    p99 'host=/nonexistent', p100 'host=/nonexistent', p101 'host=/nonexistent',
    p102 'host=/nonexistent', p103 'host=/nonexistent', p104 'host=/nonexistent',
    p105 'host=/nonexistent', p106 'host=/nonexistent', p107 'host=/nonexistent',
    p108 'host=/nonexistent', p109 'host=/nonexistent', p110 'host=/nonexistent',
    p111 'host=/nonexistent', p112 'host=/nonexistent', p113 'host=/nonexistent',
    p114 'host=/nonexistent', p115 'host=/nonexistent', p116 'host=/nonexistent',
    p117 'host=/nonexistent', p118 'host=/nonexistent', p119 'host=/nonexistent',
    p120 'host=/nonexistent', p121 'host=/nonexistent', p122 'host=/nonexistent',
    p123 'host=/nonexistent', p124 'host=/nonexistent', p125 'host=/nonexistent',
    p126 'host=/nonexistent', p127 'host=/nonexistent');
COMMENT ON SERVER ticketpool IS
    'the nodes by number, for calls that go to a primary (kept from router_node)';
CREATE USER MAPPING FOR CURRENT_USER SERVER ticketpool;

CREATE SERVER ticketpool_read FOREIGN DATA WRAPPER plproxy OPTIONS (modular_mapping '1',
    p0 'host=/nonexistent', p1 'host=/nonexistent', p2 'host=/nonexistent',
    p3 'host=/nonexistent', p4 'host=/nonexistent', p5 'host=/nonexistent',
    p6 'host=/nonexistent', p7 'host=/nonexistent', p8 'host=/nonexistent',
    p9 'host=/nonexistent', p10 'host=/nonexistent', p11 'host=/nonexistent',
    p12 'host=/nonexistent', p13 'host=/nonexistent', p14 'host=/nonexistent',
    p15 'host=/nonexistent', p16 'host=/nonexistent', p17 'host=/nonexistent',
    p18 'host=/nonexistent', p19 'host=/nonexistent', p20 'host=/nonexistent',
    p21 'host=/nonexistent', p22 'host=/nonexistent', p23 'host=/nonexistent',
    p24 'host=/nonexistent', p25 'host=/nonexistent', p26 'host=/nonexistent',
    p27 'host=/nonexistent', p28 'host=/nonexistent', p29 'host=/nonexistent',
    p30 'host=/nonexistent', p31 'host=/nonexistent', p32 'host=/nonexistent',
    p33 'host=/nonexistent', p34 'host=/nonexistent', p35 'host=/nonexistent',
    p36 'host=/nonexistent', p37 'host=/nonexistent', p38 'host=/nonexistent',
    p39 'host=/nonexistent', p40 'host=/nonexistent', p41 'host=/nonexistent',
    p42 'host=/nonexistent', p43 'host=/nonexistent', p44 'host=/nonexistent',
    p45 'host=/nonexistent', p46 'host=/nonexistent', p47 'host=/nonexistent',
    p48 'host=/nonexistent', p49 'host=/nonexistent', p50 'host=/nonexistent',
    p51 'host=/nonexistent', p52 'host=/nonexistent', p53 'host=/nonexistent',
    p54 'host=/nonexistent', p55 'host=/nonexistent', p56 'host=/nonexistent',
    p57 'host=/nonexistent', p58 'host=/nonexistent', p59 'host=/nonexistent',
    p60 'host=/nonexistent', p61 'host=/nonexistent', p62 'host=/nonexistent',
    p63 'host=/nonexistent', p64 'host=/nonexistent', p65 'host=/nonexistent',
    p66 'host=/nonexistent', p67 'host=/nonexistent', p68 'host=/nonexistent',
    p69 'host=/nonexistent', p70 'host=/nonexistent', p71 'host=/nonexistent',
    p72 'host=/nonexistent', p73 'host=/nonexistent', p74 'host=/nonexistent',
    p75 'host=/nonexistent', p76 'host=/nonexistent', p77 'host=/nonexistent',
    p78 'host=/nonexistent', p79 'host=/nonexistent', p80 'host=/nonexistent',
    p81 'host=/nonexistent', p82 'host=/nonexistent', p83 'host=/nonexistent',
    p84 'host=/nonexistent', p85 'host=/nonexistent', p86 'host=/nonexistent',
    p87 'host=/nonexistent', p88 'host=/nonexistent', p89 'host=/nonexistent',
    p90 'host=/nonexistent', p91 'host=/nonexistent', p92 'host=/nonexistent',
    p93 'host=/nonexistent', p94 'host=/nonexistent', p95 'host=/nonexistent',
    p96 'host=/nonexistent', p97 'host=/nonexistent', p98 'host=/nonexistent',
    p99 'host=/nonexistent', p100 'host=/nonexistent', p101 'host=/nonexistent',
    p102 'host=/nonexistent', p103 'host=/nonexistent', p104 'host=/nonexistent',
    p105 'host=/nonexistent', p106 'host=/nonexistent', p107 'host=/nonexistent',
    p108 'host=/nonexistent', p109 'host=/nonexistent', p110 'host=/nonexistent',
    p111 'host=/nonexistent', p112 'host=/nonexistent', p113 'host=/nonexistent',
    p114 'host=/nonexistent', p115 'host=/nonexistent', p116 'host=/nonexistent',
    p117 'host=/nonexistent', p118 'host=/nonexistent', p119 'host=/nonexistent',
    p120 'host=/nonexistent', p121 'host=/nonexistent', p122 'host=/nonexistent',
    p123 'host=/nonexistent', p124 'host=/nonexistent', p125 'host=/nonexistent',
    p126 'host=/nonexistent', p127 'host=/nonexistent');
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
