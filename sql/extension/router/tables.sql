-- ---------------------------------------------------------------------------
-- Where everything is. These tables are small and change rarely. Several routers have the same rows
-- by logical replication: the triggers below are made for that.
-- ---------------------------------------------------------------------------

CREATE TABLE @extschema@.router_node (
    node          int PRIMARY KEY CHECK (node BETWEEN 1 AND 127),
    conninfo      text NOT NULL CHECK (conninfo <> ''),
    read_conninfo text CHECK (read_conninfo <> ''),
    old_ids       boolean NOT NULL DEFAULT false,
    via           text CHECK (via <> ''),
    read_via      text CHECK (read_via <> ''),
    route_days    int NOT NULL DEFAULT 3 CHECK (route_days BETWEEN 0 AND 366)
);
COMMENT ON TABLE @extschema@.router_node IS
    'the nodes. The foreign servers ticketpool and ticketpool_read follow what is written here';
COMMENT ON COLUMN @extschema@.router_node.node IS
    'number of the node (ticket_node_set): what its ids end in';
COMMENT ON COLUMN @extschema@.router_node.conninfo IS
    'how clients reach the node: keywords and values of libpq, without user and password';
COMMENT ON COLUMN @extschema@.router_node.read_conninfo IS
    'where searches go instead, for example a standby of the node; NULL: to the node';
COMMENT ON COLUMN @extschema@.router_node.old_ids IS
    'whether ids from before there were nodes are asked here; one node at most';
COMMENT ON COLUMN @extschema@.router_node.via IS
    'how the router itself reaches the node, for example through its PgBouncer; NULL: conninfo';
COMMENT ON COLUMN @extschema@.router_node.read_via IS
    'how the router itself reaches read_conninfo; NULL: read_conninfo';
COMMENT ON COLUMN @extschema@.router_node.route_days IS
    'how many days after its service date a train of this node can still be boarded: a search for '
    'a day asks for the service dates from so many days before (kept by router_refresh)';
CREATE UNIQUE INDEX router_node_old_ids ON @extschema@.router_node (old_ids) WHERE old_ids;
COMMENT ON INDEX @extschema@.router_node_old_ids IS 'one node at most has the ids from before';

CREATE TABLE @extschema@.router_train (
    train     text,
    from_date date,
    node      int NOT NULL REFERENCES @extschema@.router_node (node),
    PRIMARY KEY (train, from_date)
);
COMMENT ON TABLE @extschema@.router_train IS
    'which node has a train, from a service date on, until the next row of that train '
    '(router_assign)';
COMMENT ON COLUMN @extschema@.router_train.from_date IS 'first service date';
COMMENT ON COLUMN @extschema@.router_train.node IS 'the node that has the train from that date on';

CREATE TABLE @extschema@.router_item (
    item_id bigint PRIMARY KEY,
    node    int NOT NULL REFERENCES @extschema@.router_node (node)
);
COMMENT ON TABLE @extschema@.router_item IS 'which node has an item (router_assign_item)';
COMMENT ON COLUMN @extschema@.router_item.node IS 'the node that has the item';

CREATE TABLE @extschema@.router_station (
    station      text,
    service_date date,
    node         int,
    PRIMARY KEY (station, service_date, node)
);
COMMENT ON TABLE @extschema@.router_station IS
    'which nodes a search asks: those that have departures on sale which call at both stations '
    '(kept by router_refresh, and by ticket_open through the router)';
COMMENT ON COLUMN @extschema@.router_station.station IS
    'code of a station, and in a row of its own its name';
COMMENT ON COLUMN @extschema@.router_station.service_date IS 'the day on which the train sets out';

CREATE TABLE @extschema@.router_moved (
    node         int CHECK (node BETWEEN 0 AND 127),
    service_date date,
    to_node      int REFERENCES @extschema@.router_node (node),
    PRIMARY KEY (node, service_date, to_node)
);
COMMENT ON TABLE @extschema@.router_moved IS
    'where an id is looked for besides the node that it ends in (written by router_move)';
COMMENT ON COLUMN @extschema@.router_moved.node IS 'what the id ends in (id & 127)';
COMMENT ON COLUMN @extschema@.router_moved.service_date IS
    'day of the id; an id without a day is looked for wherever ids of any day went';
COMMENT ON COLUMN @extschema@.router_moved.to_node IS 'the node to ask';

SELECT pg_catalog.pg_extension_config_dump('@extschema@.router_node', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.router_train', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.router_item', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.router_station', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.router_moved', '');

-- ---------------------------------------------------------------------------
-- The foreign servers follow router_node, also where its rows arrive by replication or from a dump:
-- ENABLE ALWAYS, and by the row, because a subscription fires no other triggers.
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.router_node_follow() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER;
COMMENT ON FUNCTION @extschema@.router_node_follow() IS
    'trigger: sets the partitions of the foreign servers ticketpool and ticketpool_read';
REVOKE ALL ON FUNCTION @extschema@.router_node_follow() FROM PUBLIC;

CREATE TRIGGER router_node_follow AFTER INSERT OR UPDATE OR DELETE ON @extschema@.router_node
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_node_follow();
COMMENT ON TRIGGER router_node_follow ON @extschema@.router_node IS
    'the foreign servers follow the table';
ALTER TABLE @extschema@.router_node ENABLE ALWAYS TRIGGER router_node_follow;

CREATE TRIGGER router_node_follow_truncate AFTER TRUNCATE ON @extschema@.router_node
    FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.router_node_follow();
COMMENT ON TRIGGER router_node_follow_truncate ON @extschema@.router_node IS
    'the foreign servers follow the table';
ALTER TABLE @extschema@.router_node ENABLE ALWAYS TRIGGER router_node_follow_truncate;

-- ---------------------------------------------------------------------------
-- Two routers may write the same row: each learns of a departure that is opened through it. What
-- arrives by replication must not stop at a row that is there already, so it takes its place.
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.router_arrival() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C SECURITY DEFINER;
COMMENT ON FUNCTION @extschema@.router_arrival() IS
    'trigger: a row that arrives by replication replaces the one with the same key (its columns '
    'are the arguments)';
REVOKE ALL ON FUNCTION @extschema@.router_arrival() FROM PUBLIC;

CREATE TRIGGER router_arrival BEFORE INSERT ON @extschema@.router_node
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_arrival('node');
COMMENT ON TRIGGER router_arrival ON @extschema@.router_node IS
    'a row that arrives by replication replaces the one that is there';
ALTER TABLE @extschema@.router_node ENABLE REPLICA TRIGGER router_arrival;

CREATE TRIGGER router_arrival BEFORE INSERT ON @extschema@.router_train
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_arrival('train', 'from_date');
COMMENT ON TRIGGER router_arrival ON @extschema@.router_train IS
    'a row that arrives by replication replaces the one that is there';
ALTER TABLE @extschema@.router_train ENABLE REPLICA TRIGGER router_arrival;

CREATE TRIGGER router_arrival BEFORE INSERT ON @extschema@.router_item
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_arrival('item_id');
COMMENT ON TRIGGER router_arrival ON @extschema@.router_item IS
    'a row that arrives by replication replaces the one that is there';
ALTER TABLE @extschema@.router_item ENABLE REPLICA TRIGGER router_arrival;

CREATE TRIGGER router_arrival BEFORE INSERT ON @extschema@.router_station
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_arrival('station', 'service_date', 'node');
COMMENT ON TRIGGER router_arrival ON @extschema@.router_station IS
    'a row that arrives by replication is skipped where it is there';
ALTER TABLE @extschema@.router_station ENABLE REPLICA TRIGGER router_arrival;

CREATE TRIGGER router_arrival BEFORE INSERT ON @extschema@.router_moved
    FOR EACH ROW EXECUTE FUNCTION @extschema@.router_arrival('node', 'service_date', 'to_node');
COMMENT ON TRIGGER router_arrival ON @extschema@.router_moved IS
    'a row that arrives by replication is skipped where it is there';
ALTER TABLE @extschema@.router_moved ENABLE REPLICA TRIGGER router_arrival;
