-- A second router beside a first one. What is where is written on the first: nodes are added, trains
-- assigned and departures moved there. The second has the same rows by logical replication, and its
-- foreign servers follow them. A third router needs a subscription of another name.
-- The first router's server needs wal_level = logical; the second router's database has the extension
-- and empty tables: CREATE EXTENSION ticketpool_router CASCADE
-- usage: psql -X -v first='host=router1 dbname=router' -v second='host=router2 dbname=router' -f two_routers.sql
\set ON_ERROR_STOP 1

\connect -reuse-previous=off :"first"
-- via and read_via are left out: how a router reaches the nodes through a PgBouncer of its own is its
-- own business. router_config.sh writes them on each router.
CREATE PUBLICATION router FOR TABLE
    router_node (node, conninfo, read_conninfo, old_ids, route_days),
    router_train, router_item, router_station, router_moved;

\connect -reuse-previous=off :"second"
CREATE SUBSCRIPTION router CONNECTION :'first' PUBLICATION router;

-- Then, on the second router's machine: router_config.sh, for its PgBouncer and the password. Run it
-- there again after a node was added or handed over (router_failover.sh --then 'ssh router2 …').
-- Departures that are opened through the second router are known there at once, and to the first
-- after its next router_refresh().
