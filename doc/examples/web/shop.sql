-- The web shop's roles, tables and functions: what its two programs may do, and nothing else.
--   psql -v ON_ERROR_STOP=1 -f shop.sql
-- Run it once, as a superuser, in a database that has ticketpool. The extension's schema must be in
-- the search_path.
BEGIN;

-- The shop sells. It has no right on any table: it calls functions.
CREATE ROLE web_shop LOGIN CONNECTION LIMIT 20;
ALTER ROLE web_shop SET statement_timeout = '10s';
GRANT EXECUTE ON FUNCTION ticket_hold, ticket_hold_seats, ticket_confirm, ticket_cancel, ticket_refund, ticket_change,
    ticket_wait, ticket_wait_status, ticket_wait_cancel, ticket_served TO web_shop;

-- The operations page looks. It can read the pool's views and pictures, and write nothing.
CREATE ROLE web_operations LOGIN CONNECTION LIMIT 5;
ALTER ROLE web_operations SET statement_timeout = '10s';
ALTER ROLE web_operations SET default_transaction_read_only = on;
GRANT SELECT ON ticket_pool, ticket_pool_stat, ticket_inflight, ticket_sweep_status TO web_operations;
-- A view calls its function with the rights of whoever reads the view.
GRANT EXECUTE ON FUNCTION ticket_pool, ticket_pool_stat, ticket_inflight, ticket_sweep_status, ticket_seat_map, ticket_seat_svg,
    ticket_served TO web_operations;

-- Owns the functions below. It reads what a visitor may see of the visitor's own orders and waits.
CREATE ROLE web_shop_owner NOLOGIN;
GRANT SELECT ON ticket_order, ticket_departure, ticket_route, ticket_station, ticket_wait, ticket_wait_option TO web_shop_owner;

-- A visitor's live tickets are found by this index. It has the form that purchases write fastest
-- (doc/rules.md).
CREATE INDEX ticket_order_user ON ticket_order (user_id) WHERE status IN ('held', 'sold');

CREATE SCHEMA web_shop AUTHORIZATION web_shop_owner;
GRANT USAGE ON SCHEMA web_shop TO web_shop;
SET LOCAL ROLE web_shop_owner;

-- Who has which cookie. Only a digest of it is kept: whoever reads this table can't act for a visitor.
CREATE TABLE web_shop.visitor (
    user_id    bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000000001) PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE web_shop.passenger (
    passenger_id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000000001) PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES web_shop.visitor ON DELETE CASCADE,
    name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 60),
    UNIQUE (user_id, name)
);

-- Every stop of every departure, with its name and local times.
CREATE VIEW web_shop.stop AS
SELECT d.departure_id, d.train, u.stop_no, u.station, coalesce(s.name, u.station) AS name,
       d.service_date + coalesce(u.arrives, u.departs) AS arrives, d.service_date + coalesce(u.departs, u.arrives) AS departs
FROM ticket_departure d JOIN ticket_route r USING (route_id),
     LATERAL unnest(r.stop_nos, r.stations, r.arrives, r.departs) AS u (stop_no, station, arrives, departs)
     LEFT JOIN ticket_station s USING (station);

-- A ticket as its owner sees it.
CREATE VIEW web_shop.ticket AS
SELECT o.user_id, o.order_id, o.ticket_no, o.status,
       CASE o.status WHEN 'held' THEN greatest(0, ceil(extract(epoch FROM o.held_until - clock_timestamp())))::int END AS seconds_left,
       f.train, o.service_date, f.station AS from_station, f.name AS from_name, t.station AS to_station, t.name AS to_name,
       f.departs, t.arrives, o.seat_class, o.coach, o.seat, p.name AS passenger, o.changed_from
FROM ticket_order o
     JOIN web_shop.stop f ON f.departure_id = o.departure_id AND f.stop_no = o.from_stop
     JOIN web_shop.stop t ON t.departure_id = o.departure_id AND t.stop_no = o.to_stop
     LEFT JOIN web_shop.passenger p ON p.passenger_id = o.passenger_id AND p.user_id = o.user_id;

-- The functions that the shop calls run with the rights of their owner. Their bodies are parsed now,
-- so that no search_path of a caller can give a name in them another meaning.

-- The user that a cookie stands for; NULL if nobody has bought with it.
CREATE FUNCTION web_shop.find_user(token_hash bytea) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
BEGIN ATOMIC
    SELECT v.user_id FROM web_shop.visitor v WHERE v.token_hash = find_user.token_hash;
END;

-- The same, for somebody who buys: makes the user if there is none.
CREATE FUNCTION web_shop.make_user(token_hash bytea) RETURNS bigint LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    INSERT INTO web_shop.visitor (token_hash) VALUES (make_user.token_hash) ON CONFLICT DO NOTHING;
    SELECT v.user_id FROM web_shop.visitor v WHERE v.token_hash = make_user.token_hash;
END;

-- The ids of a visitor's passengers, by their names and in their order.
CREATE FUNCTION web_shop.passengers(of_user bigint, names text[]) RETURNS bigint[] LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    INSERT INTO web_shop.passenger (user_id, name)
    SELECT DISTINCT of_user, n FROM unnest(names) AS n ORDER BY n ON CONFLICT DO NOTHING;
    SELECT array_agg(p.passenger_id ORDER BY n.no)
    FROM unnest(names) WITH ORDINALITY AS n (name, no) JOIN web_shop.passenger p ON p.user_id = of_user AND p.name = n.name;
END;

-- The tickets of an order, if it is this user's.
CREATE FUNCTION web_shop.order_of(of_user bigint, of_order bigint) RETURNS SETOF web_shop.ticket LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT t.* FROM web_shop.ticket t WHERE t.user_id = of_user AND t.order_id = of_order ORDER BY t.ticket_no;
END;

-- What this user has bought or holds.
CREATE FUNCTION web_shop.tickets_of(of_user bigint) RETURNS SETOF web_shop.ticket LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT t.* FROM web_shop.ticket t WHERE t.user_id = of_user AND t.status IN ('held', 'sold')
    ORDER BY t.departs, t.order_id, t.ticket_no;
END;

-- What this user waits, or waited, for. The shop gives every wait one option and a request_id.
CREATE FUNCTION web_shop.waits_of(of_user bigint)
    RETURNS TABLE (wait_id bigint, status text, order_id bigint, tickets int, train text, from_name text, to_name text, departs timestamp,
                   arrives timestamp, seat_class text)
    LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT w.wait_id, w.status, w.order_id, cardinality(w.passengers), f.train, f.name, t.name, f.departs, t.arrives, x.seat_class
    FROM ticket_wait w JOIN ticket_wait_option x USING (wait_id)
         JOIN web_shop.stop f ON f.departure_id = x.departure_id AND f.stop_no = x.from_stop
         JOIN web_shop.stop t ON t.departure_id = x.departure_id AND t.stop_no = x.to_stop
    WHERE w.user_id = of_user AND w.request_id IS NOT NULL
    ORDER BY w.wait_id DESC;
END;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA web_shop FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA web_shop TO web_shop;
COMMIT;
