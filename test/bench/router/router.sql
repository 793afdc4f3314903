-- The router of the benchmark, and a proxy as one would write it by hand: the floor of any router
-- that is made with PL/Proxy.
\set ON_ERROR_STOP 1
CREATE EXTENSION ticketpool_router CASCADE;
SELECT router_node_add(n, format('host=%s/node%s dbname=bench', :'private', n)) FROM generate_series(1, 4) AS n \g /dev/null
UPDATE router_node SET via = format('host=%s/pooler port=6432 dbname=node%s', :'private', node);
INSERT INTO router_train
SELECT train, :'today'::date + day, train % nodes + 1
FROM generate_series(1, 24) AS train, (VALUES (1, 1), (2, 2), (3, 4)) AS spread (day, nodes);
INSERT INTO router_station
SELECT DISTINCT station.*, t.from_date, t.node
FROM router_train t, generate_series(1, 10) AS n, LATERAL (VALUES (n::text), ('station ' || n)) AS station;
-- Connections from PgBouncer to each node
SELECT count(*) FROM ticket_search('1', '10', :'today'::date + 3) \g /dev/null
SELECT count(*) FROM ticket_remaining('1', '1', '10', :'today'::date + 1) \g /dev/null
CREATE SCHEMA floor;
CREATE FUNCTION floor.ticket_remaining(train text, from_station text, to_station text, service_date date) RETURNS int LANGUAGE plproxy AS $$
    CLUSTER 'ticketpool'; RUN ON 1; TARGET public.ticket_remaining; $$;
CREATE FUNCTION floor.ticket_buy(train text, from_station text, to_station text, user_id bigint, service_date date) RETURNS SETOF ticket_order LANGUAGE plproxy AS $$
    CLUSTER 'ticketpool'; RUN ON 1; TARGET public.ticket_buy; $$;
