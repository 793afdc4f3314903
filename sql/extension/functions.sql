-- ---------------------------------------------------------------------------
-- Names cached by sessions follow changes by hand: see triggers.sql
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_cache_reset() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.ticket_cache_reset() IS
    'trigger: makes every session forget what it cached from the table';
REVOKE ALL ON FUNCTION @extschema@.ticket_cache_reset() FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- The pool follows what is written by hand: see triggers.sql
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_follow_order() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.ticket_follow_order() IS
    'trigger: claims and releases the seats of tickets that are written by hand';
REVOKE ALL ON FUNCTION @extschema@.ticket_follow_order() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_follow_departure() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.ticket_follow_departure() IS
    'trigger: tells the pool of departures that are changed by hand';
REVOKE ALL ON FUNCTION @extschema@.ticket_follow_departure() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_follow_reservation() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.ticket_follow_reservation() IS
    'trigger: tells the pool of quotas that are changed by hand';
REVOKE ALL ON FUNCTION @extschema@.ticket_follow_reservation() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_follow_order() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.item_follow_order() IS
    'trigger: claims and releases the units of orders that are written by hand';
REVOKE ALL ON FUNCTION @extschema@.item_follow_order() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_follow_inventory() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.item_follow_inventory() IS
    'trigger: tells the pool of inventories that are changed by hand';
REVOKE ALL ON FUNCTION @extschema@.item_follow_inventory() FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Putting departures on sale
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_open(train text, service_date date, formation text,
    opens_at timestamptz DEFAULT now(), closes_at timestamptz DEFAULT NULL,
    stops_of text DEFAULT NULL, sale_margin interval DEFAULT NULL, binding text DEFAULT 'now')
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_open(text, date, text, timestamptz, timestamptz, text,
    interval, text) IS
    'puts a departure on sale with the present formation and the present stop list of the train, '
    'or of the code stops_of; a trip is sold until sale_margin before the train leaves its boarding '
    'stop, or, if that is NULL, until closes_at or ticket_close; returns the id of the departure';
REVOKE ALL ON FUNCTION @extschema@.ticket_open(text, date, text, timestamptz, timestamptz, text,
    interval, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_import_gtfs(gtfs_schema name, first_day date,
    last_day date, formation text DEFAULT NULL, number_column text DEFAULT 'trip_short_name')
    RETURNS TABLE (train text, service_date date, departure_id bigint, trip_id text)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_import_gtfs(name, date, date, text, text) IS
    'puts the runs of a GTFS feed on sale that are not yet, for these days; the feed is in tables of '
    'the schema, which are read with the caller''s rights; returns what it opened';
REVOKE ALL ON FUNCTION @extschema@.ticket_import_gtfs(name, date, date, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_close(train text, service_date date)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_close(text, date) IS
    'stops the sale of a departure; orders stay';
REVOKE ALL ON FUNCTION @extschema@.ticket_close(text, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_retime(train text, service_date date)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_retime(text, date) IS
    'gives a departure the present times that ticket_stop has for the same stops of the code it was '
    'opened with, and brings skipped stops back; orders stay';
REVOKE ALL ON FUNCTION @extschema@.ticket_retime(text, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_skip_stop(train text, service_date date,
    station text)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_skip_stop(text, date, text) IS
    'the train passes through a stop: nobody boards or alights there from now on; returns the live '
    'tickets that start or end there';
REVOKE ALL ON FUNCTION @extschema@.ticket_skip_stop(text, date, text) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- What is left: from memory
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_remaining(train text, from_station text,
    to_station text, service_date date DEFAULT CURRENT_DATE, seat_class text DEFAULT NULL,
    channel text DEFAULT NULL)
    RETURNS integer AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_remaining(text, text, text, date, text, text) IS
    'seats that could be bought now over the whole trip; 0 when not on sale';

CREATE OR REPLACE FUNCTION @extschema@.ticket_remaining_matrix(train text, service_date date,
    seat_class text)
    RETURNS TABLE (from_station text, to_station text, from_stop int, to_stop int, remaining int)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_remaining_matrix(text, date, text) IS
    'seats left for every pair of stops, as for a purchase that names its stops as '
    'station#stop_no; all classes if seat_class is NULL';

CREATE OR REPLACE FUNCTION @extschema@.ticket_places(train text, from_station text,
    to_station text, service_date date DEFAULT CURRENT_DATE, seat_class text DEFAULT NULL,
    channel text DEFAULT NULL)
    RETURNS TABLE (seat_class text, coach text, seat text, free boolean, seat_group text, x int,
                   y int, deck int, properties text[])
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000;
COMMENT ON FUNCTION @extschema@.ticket_places(text, text, text, date, text, text) IS
    'every numbered seat, whether it could be bought now over the whole trip, and what is known of '
    'it; none is free when not on sale';

CREATE OR REPLACE FUNCTION @extschema@.ticket_search(from_station text, to_station text,
    travel_date date DEFAULT CURRENT_DATE)
    RETURNS TABLE (train text, service_date date, from_stop int, to_stop int, departs timestamp,
                   arrives timestamp, seat_class text, remaining int)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;
COMMENT ON FUNCTION @extschema@.ticket_search(text, text, date) IS
    'trains on sale that leave from_station on that day, in order of departure, with the seats '
    'left in each class; a train that calls there twice is listed once for each call';

CREATE OR REPLACE FUNCTION @extschema@.ticket_trains(from_station text, to_station text,
    travel_date date DEFAULT CURRENT_DATE)
    RETURNS TABLE (train text, service_date date, from_stop int, to_stop int, departs timestamp,
                   arrives timestamp)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 50;
COMMENT ON FUNCTION @extschema@.ticket_trains(text, text, date) IS
    'the part of ticket_search that a client may cache: trains and times without counts';

CREATE OR REPLACE FUNCTION @extschema@.ticket_seat_map(train text, service_date date,
    seat_class text)
    RETURNS SETOF text AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_seat_map(text, date, text) IS
    'a picture of one class: a line per seat, a column per segment; # taken, . free';
REVOKE ALL ON FUNCTION @extschema@.ticket_seat_map(text, date, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_seat_svg(train text, service_date date,
    seat_class text DEFAULT NULL, from_station text DEFAULT NULL, to_station text DEFAULT NULL)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_seat_svg(text, date, text, text, text) IS
    'an SVG picture of the coaches with the seats that are free over the trip, or over the whole '
    'way';
REVOKE ALL ON FUNCTION @extschema@.ticket_seat_svg(text, date, text, text, text) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Selling
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_buy(train text, from_station text, to_station text,
    user_id bigint, service_date date DEFAULT CURRENT_DATE, seat_class text DEFAULT NULL,
    passengers bigint[] DEFAULT NULL, seat_choice text DEFAULT NULL, channel text DEFAULT NULL,
    request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_buy(text, text, text, bigint, date, text, bigint[], text, text, uuid) IS
    'sells seats at once, one ticket per passenger, all or none; no row: sold out';
REVOKE ALL ON FUNCTION @extschema@.ticket_buy(text, text, text, bigint, date, text, bigint[], text, text, uuid)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_buy_many(requests @extschema@.ticket_request[])
    RETURNS TABLE (request_no int, order_id bigint, ticket_no int, coach text, seat text,
                   seat_class text, passenger_id bigint, departure_id bigint, service_date date,
                   from_stop int, to_stop int)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_buy_many(@extschema@.ticket_request[]) IS
    'many purchases in one call, each all or none by itself; those that are sold out, not on sale '
    'or refused by a rule have no row';
REVOKE ALL ON FUNCTION @extschema@.ticket_buy_many(@extschema@.ticket_request[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_check_many(requests @extschema@.ticket_request[])
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_check_many(@extschema@.ticket_request[]) IS
    'raises the error of ticket_buy_many if a request is malformed; sells nothing';
REVOKE ALL ON FUNCTION @extschema@.ticket_check_many(@extschema@.ticket_request[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_why(train text, from_station text, to_station text,
    service_date date DEFAULT CURRENT_DATE, seat_class text DEFAULT NULL, seats int DEFAULT 1,
    channel text DEFAULT NULL)
    RETURNS TABLE (outcome text, remaining int, held int, next_expiry timestamptz,
                   with_seat_change int)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_why(text, text, text, date, text, int, text) IS
    'explains in one row: available, sold_out, held_may_return, not_on_sale or no_such_trip; how '
    'many held seats may return and when, and how many passengers could travel if they changed '
    'seats';

CREATE OR REPLACE FUNCTION @extschema@.ticket_hold(train text, from_station text, to_station text,
    user_id bigint, service_date date DEFAULT CURRENT_DATE, seat_class text DEFAULT NULL,
    passengers bigint[] DEFAULT NULL, seat_choice text DEFAULT NULL, channel text DEFAULT NULL,
    request_id uuid DEFAULT NULL, ttl interval DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_hold(text, text, text, bigint, date, text, bigint[], text, text, uuid, interval) IS
    'locks seats while the user pays, for ttl or ticketpool.hold_ttl; no row: sold out';
REVOKE ALL ON FUNCTION @extschema@.ticket_hold(text, text, text, bigint, date, text, bigint[], text, text, uuid, interval)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_buy_seats(train text, from_station text, to_station text,
    user_id bigint, seats text[], service_date date DEFAULT CURRENT_DATE,
    passengers bigint[] DEFAULT NULL, channel text DEFAULT NULL, request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_buy_seats(text, text, text, bigint, text[], date, bigint[], text, uuid) IS
    'sells exactly these seats, named as coach/seat, to as many passengers; returns the tickets, or no '
    'row when one of the seats is taken';
REVOKE ALL ON FUNCTION @extschema@.ticket_buy_seats(text, text, text, bigint, text[], date, bigint[], text, uuid)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_hold_seats(train text, from_station text, to_station text,
    user_id bigint, seats text[], service_date date DEFAULT CURRENT_DATE,
    passengers bigint[] DEFAULT NULL, channel text DEFAULT NULL, request_id uuid DEFAULT NULL,
    ttl interval DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_hold_seats(text, text, text, bigint, text[], date, bigint[], text, uuid, interval) IS
    'locks exactly these seats, named as coach/seat, while the user pays, for ttl or '
    'ticketpool.hold_ttl; no row: one of them is taken';
REVOKE ALL ON FUNCTION @extschema@.ticket_hold_seats(text, text, text, bigint, text[], date, bigint[], text, uuid, interval)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_reseat(order_id bigint, ticket_nos int[] DEFAULT NULL,
    seats text[] DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_reseat(bigint, int[], text[]) IS
    'gives held or sold tickets of an order other seats on the same train and trip: those that are '
    'named as coach/seat, or any others of the same class; no row: not to be had, nothing changed';
REVOKE ALL ON FUNCTION @extschema@.ticket_reseat(bigint, int[], text[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_confirm(order_id bigint)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_confirm(bigint) IS
    'sells the seats of a hold that was paid; if it has run out, the same seats if they are free, '
    'else equal ones, else no row';
REVOKE ALL ON FUNCTION @extschema@.ticket_confirm(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_cancel(order_id bigint, ticket_nos int[] DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_cancel(bigint, int[]) IS
    'gives up all or some tickets of a hold; their seats are free once the transaction has committed';
REVOKE ALL ON FUNCTION @extschema@.ticket_cancel(bigint, int[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_hold_extend(order_id bigint, ttl interval)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_hold_extend(bigint, interval) IS
    'holds an unpaid order for ttl from now, if that is longer than it is held already';
REVOKE ALL ON FUNCTION @extschema@.ticket_hold_extend(bigint, interval) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_transfer(order_id bigint, ticket_no int, passenger_id bigint)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_transfer(bigint, int, bigint) IS
    'gives a held or sold ticket to another passenger, if the rules allow it';
REVOKE ALL ON FUNCTION @extschema@.ticket_transfer(bigint, int, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_change(order_id bigint, train text, from_station text,
    to_station text, service_date date, seat_class text DEFAULT NULL, seat_choice text DEFAULT NULL,
    ticket_nos int[] DEFAULT NULL, request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_change(bigint, text, text, text, date, text, text, int[], uuid) IS
    'exchanges sold tickets for another trip in one step; no row: the new tickets are not to be '
    'had, and the old ones stay';
REVOKE ALL ON FUNCTION @extschema@.ticket_change(bigint, text, text, text, date, text, text, int[], uuid)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_withdraw(train text, service_date date)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_withdraw(text, date) IS
    'cancels a departure: refunds every sold ticket and cancels every hold; returns how many '
    'tickets that were';
REVOKE ALL ON FUNCTION @extschema@.ticket_withdraw(text, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_reform(train text, service_date date, formation text,
    unseated text DEFAULT 'refuse')
    RETURNS TABLE(order_id bigint, ticket_no int, seat_class text, old_coach text, old_seat text,
        new_coach text, new_seat text, outcome text)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_reform(text, date, text, text) IS
    'gives a departure the seats of another formation; returns the tickets that got another seat. If '
    'some find none, nothing changes (TK007) or, with unseated => ''refund'', they are refunded or '
    'cancelled, and returned too';
REVOKE ALL ON FUNCTION @extschema@.ticket_reform(text, date, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_columns()
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_columns() IS
    'the columns with which the rows of a departure leave this node, for ticket_move_check';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_columns() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_check(train text, service_date date, columns text)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_check(text, date, text) IS
    'an error if a departure with these columns could not come to this node';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_check(text, date, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_out(parcel uuid, train text, service_date date, to_node int)
    RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_out(uuid, text, date, int) IS
    'takes a departure with its orders off this node, into a parcel for another node; how many parts '
    'the parcel has';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_out(uuid, text, date, int) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_parcel_state(train text, service_date date)
    RETURNS TABLE (parcel uuid, direction text, state text, to_node int, parts int,
        departure_id bigint) AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_parcel_state(text, date) IS
    'the parcels in which a departure has left this node or come to it, and a row "here" if the node '
    'has it now';
REVOKE ALL ON FUNCTION @extschema@.ticket_parcel_state(text, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_parcels()
    RETURNS TABLE (train text, service_date date, parcel uuid, state text, to_node int,
        since timestamptz)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_parcels() IS
    'departures that have left this node and whose move has not ended';
REVOKE ALL ON FUNCTION @extschema@.ticket_parcels() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_parcel_homes(parcel uuid)
    RETURNS TABLE (node int, service_date date) AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_parcel_homes(uuid) IS
    'the nodes and days that the ids in a parcel name: where a router looks for them';
REVOKE ALL ON FUNCTION @extschema@.ticket_parcel_homes(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_parcel_part(parcel uuid, part_no int)
    RETURNS TABLE (kind text, rows text) AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_parcel_part(uuid, int) IS
    'one part of a parcel, from 0; no row: there is no such part';
REVOKE ALL ON FUNCTION @extschema@.ticket_parcel_part(uuid, int) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_parcel_put(parcel uuid, part_no int, kind text, rows text)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_parcel_put(uuid, int, text, text) IS
    'takes one part of a parcel that comes to this node; part 0 first';
REVOKE ALL ON FUNCTION @extschema@.ticket_parcel_put(uuid, int, text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_ready(parcel uuid)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_ready(uuid) IS
    'from here on only the node that the parcel goes to decides whether it arrives';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_ready(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_in(parcel uuid)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_in(uuid) IS
    'brings a departure and its orders into the tables of this node; its id';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_in(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_refuse(parcel uuid)
    RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_refuse(uuid) IS
    'true: this parcel will never be brought in here; false: it has been';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_refuse(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_back(parcel uuid, refused boolean DEFAULT false)
    RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_back(uuid, boolean) IS
    'takes a parcel back: the departure stays on this node after all; false: there is no such parcel';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_back(uuid, boolean) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_move_done(parcel uuid)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_move_done(uuid) IS
    'ends the move of a departure that has arrived: drops the parts of its parcel';
REVOKE ALL ON FUNCTION @extschema@.ticket_move_done(uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_reserve(train text, service_date date,
    seat_class text, channel text, seats int, from_station text, to_station text,
    release_at timestamptz DEFAULT NULL)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_reserve(text, date, text, text, int, text, text, timestamptz) IS
    'sets seats aside for a channel over a stretch, as many as asked or none; returns the '
    'reservation, or NULL when too few are free';
REVOKE ALL ON FUNCTION @extschema@.ticket_reserve(text, date, text, text, int, text, text, timestamptz)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_reserve_seats(train text, service_date date,
    channel text, seats text[], from_station text DEFAULT NULL, to_station text DEFAULT NULL,
    release_at timestamptz DEFAULT NULL)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_reserve_seats(text, date, text, text[], text, text, timestamptz) IS
    'sets exactly these seats of one class, named as coach/seat, aside for a channel over a stretch, '
    'or over the whole way; a channel that no purchase names blocks them, such as a broken seat; '
    'returns the reservation, or NULL when one of them is not free';
REVOKE ALL ON FUNCTION @extschema@.ticket_reserve_seats(text, date, text, text[], text, text, timestamptz)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_recycle(reservation bigint)
    RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_recycle(bigint) IS
    'returns the unsold rest of a quota to general sale; returns how many of its seats that frees, '
    'at least in part';
REVOKE ALL ON FUNCTION @extschema@.ticket_recycle(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_sweep()
    RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_sweep() IS
    'lets overdue holds expire and overdue quotas return, up to 500 of each; returns how many. The '
    'background worker does the same by itself';
REVOKE ALL ON FUNCTION @extschema@.ticket_sweep() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_preload()
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_preload() IS
    'loads the departures that are on sale into memory, the earliest day first, as long as there '
    'is room; returns how many. With ticketpool.preload a background worker does the same after a '
    'start';
REVOKE ALL ON FUNCTION @extschema@.ticket_preload() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_refund(order_id bigint, ticket_nos int[] DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_refund(bigint, int[]) IS
    'gives back all or some tickets of a sold order; their seats are free once the transaction has '
    'committed';
REVOKE ALL ON FUNCTION @extschema@.ticket_refund(bigint, int[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_get(order_id bigint)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_get(bigint) IS
    'the tickets of an order as they are, also on a standby; no row: there is no such order';
REVOKE ALL ON FUNCTION @extschema@.ticket_get(bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Exchanges with another node, and what is on sale on this one
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_change_away(order_id bigint, to_order bigint,
    ticket_nos int[] DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_change_away(bigint, bigint, int[]) IS
    'exchanges sold tickets for an order that lives on another node; their seats are free once the '
    'transaction has committed';
REVOKE ALL ON FUNCTION @extschema@.ticket_change_away(bigint, bigint, int[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_exchange_hold(changed_from bigint, user_id bigint,
    old_ticket_nos int[], passengers bigint[], seat_classes text[], channels text[], train text,
    from_station text, to_station text, service_date date, seat_class text DEFAULT NULL,
    seat_choice text DEFAULT NULL, ticket_nos int[] DEFAULT NULL, ttl interval DEFAULT NULL,
    request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_exchange_hold(bigint, bigint, int[], bigint[], text[], text[], text, text, text, date, text, text, int[], interval, uuid) IS
    'holds the new tickets of an exchange whose old ones live on another node; no row: they are '
    'not to be had';
REVOKE ALL ON FUNCTION @extschema@.ticket_exchange_hold(bigint, bigint, int[], bigint[], text[], text[], text, text, text, date, text, text, int[], interval, uuid)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_unsettled()
    RETURNS TABLE (order_id bigint, ticket_nos int[], changed_to bigint, changed_at timestamptz)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.ticket_unsettled() IS
    'exchanges in favour of an order on another node that may still have to be paid there';
REVOKE ALL ON FUNCTION @extschema@.ticket_unsettled() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_settled(order_id bigint, to_order bigint)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_settled(bigint, bigint) IS
    'notes that the order on another node that replaces tickets of this one is paid';
REVOKE ALL ON FUNCTION @extschema@.ticket_settled(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_exchange_ask(order_id bigint,
    ticket_nos int[] DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_exchange_ask(bigint, int[]) IS
    'the tickets that ticket_change would exchange, or its error; changes nothing';
REVOKE ALL ON FUNCTION @extschema@.ticket_exchange_ask(bigint, int[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_change_back(order_id bigint, to_order bigint)
    RETURNS SETOF @extschema@.ticket_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_change_back(bigint, bigint) IS
    'undoes ticket_change_away if the order on the other node is cancelled: the tickets are sold '
    'again, or an error says that a seat is taken';
REVOKE ALL ON FUNCTION @extschema@.ticket_change_back(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_last_day(train text, before date DEFAULT NULL)
    RETURNS date AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_last_day(text, date) IS
    'the service date of the train''s last departure here, before a date if one is given';
REVOKE ALL ON FUNCTION @extschema@.ticket_last_day(text, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_served(train text DEFAULT NULL,
    service_date date DEFAULT NULL)
    RETURNS TABLE (station text, name text, service_date date)
    AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1000;
COMMENT ON FUNCTION @extschema@.ticket_served(text, date) IS
    'the stations of the departures that are open and not past, each once a service date; of one '
    'train or one date where they are named';
REVOKE ALL ON FUNCTION @extschema@.ticket_served(text, date) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Plain quantities
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.item_open(item_id bigint, quantity bigint)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_open(bigint, bigint) IS
    'puts an item on sale; returns the id of its inventory';
REVOKE ALL ON FUNCTION @extschema@.item_open(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_add(item_id bigint, quantity bigint)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_add(bigint, bigint) IS
    'adds stock to an item, or takes unsold stock out if quantity is negative; returns what is '
    'left then';
REVOKE ALL ON FUNCTION @extschema@.item_add(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_remaining(item_id bigint)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_remaining(bigint) IS
    'units left in all inventories of the item; from memory';

CREATE OR REPLACE FUNCTION @extschema@.item_buy(item_id bigint, user_id bigint,
    quantity bigint DEFAULT 1, request_id uuid DEFAULT NULL, inventory_id bigint DEFAULT NULL)
    RETURNS SETOF @extschema@.item_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.item_buy(bigint, bigint, bigint, uuid, bigint) IS
    'sells units of one inventory of the item at once; no row: no inventory has enough';
REVOKE ALL ON FUNCTION @extschema@.item_buy(bigint, bigint, bigint, uuid, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_buy_many(requests @extschema@.item_request[])
    RETURNS TABLE (request_no int, order_id bigint, item_id bigint, buy_quantity bigint)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_buy_many(@extschema@.item_request[]) IS
    'many purchases in one call, each all or none by itself; those that are sold out, not on sale '
    'or refused by a rule have no row';
REVOKE ALL ON FUNCTION @extschema@.item_buy_many(@extschema@.item_request[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_check_many(requests @extschema@.item_request[])
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_check_many(@extschema@.item_request[]) IS
    'raises the error of item_buy_many if a request is malformed; sells nothing';
REVOKE ALL ON FUNCTION @extschema@.item_check_many(@extschema@.item_request[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_hold(item_id bigint, user_id bigint,
    quantity bigint DEFAULT 1, request_id uuid DEFAULT NULL, inventory_id bigint DEFAULT NULL,
    ttl interval DEFAULT NULL)
    RETURNS SETOF @extschema@.item_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.item_hold(bigint, bigint, bigint, uuid, bigint, interval) IS
    'like item_buy, but the units are held while the user pays: for ttl, or ticketpool.hold_ttl if '
    'it is NULL';
REVOKE ALL ON FUNCTION @extschema@.item_hold(bigint, bigint, bigint, uuid, bigint, interval) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_confirm(order_id bigint)
    RETURNS SETOF @extschema@.item_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.item_confirm(bigint) IS
    'a hold is paid: it is sold. After it has expired, it gets units of its inventory if there are '
    'any; no row: there are too few';
REVOKE ALL ON FUNCTION @extschema@.item_confirm(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_cancel(order_id bigint)
    RETURNS SETOF @extschema@.item_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.item_cancel(bigint) IS
    'gives up a hold; its units are free once the transaction has committed';
REVOKE ALL ON FUNCTION @extschema@.item_cancel(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_refund(order_id bigint, quantity bigint DEFAULT NULL,
    request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.item_order
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.item_refund(bigint, bigint, uuid) IS
    'gives units of a sold order back, all of them if quantity is NULL; they are free once the '
    'transaction has committed. A second call with the request_id, or for an order that is '
    'refunded, returns its row, unchanged';
REVOKE ALL ON FUNCTION @extschema@.item_refund(bigint, bigint, uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_split(item_id bigint, parts int,
    user_ids bigint[] DEFAULT NULL)
    RETURNS SETOF @extschema@.item_inventory
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_split(bigint, int, bigint[]) IS
    'divides what is unsold in the root into inventories of their own, one for each seller if '
    'user_ids are given; no row: nothing is unsold';
REVOKE ALL ON FUNCTION @extschema@.item_split(bigint, int, bigint[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_merge(inventory_id bigint)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_merge(bigint) IS
    'gives what is unsold in a split-off inventory back to its parent; returns how much';
REVOKE ALL ON FUNCTION @extschema@.item_merge(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_ask(item_id bigint, user_id bigint)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_ask(bigint, bigint) IS
    'the question that the user has to answer, from the bank of the item';
REVOKE ALL ON FUNCTION @extschema@.item_ask(bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_answer(item_id bigint, user_id bigint, answer text)
    RETURNS boolean AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_answer(bigint, bigint, text) IS
    'whether the answer was right; if so, the gate is open for ticketpool.gate_ttl';
REVOKE ALL ON FUNCTION @extschema@.item_answer(bigint, bigint, text) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Many servers
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_call(function text, arguments text[],
    columns text[] DEFAULT NULL)
    RETURNS text[] AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_call(text, text[], text[]) IS
    'calls a function of the extension with arguments as texts; returns 00000 and the values of '
    'the columns, row by row, or the SQLSTATE of an error and its message, detail, hint, context, '
    'schema, table, column, type and constraint';

CREATE OR REPLACE FUNCTION @extschema@.ticket_call_part(nodes int[], function text,
    arguments text[], columns text[])
    RETURNS text[] AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_call_part(int[], text, text[], text[]) IS
    'ticket_call for PL/Proxy, which splits arrays over nodes: nodes and arguments have one element '
    'each, the arguments as a text; the answer begins with the node';

-- ---------------------------------------------------------------------------
-- Built-in rules
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_rule_one_per_departure(departure_id bigint,
    user_id bigint, passengers bigint[], from_stop int, to_stop int)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_rule_one_per_departure(bigint, bigint, bigint[], int, int) IS
    'rule: one live ticket per passenger, train and day';
REVOKE ALL ON FUNCTION @extschema@.ticket_rule_one_per_departure(bigint, bigint, bigint[], int, int)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_rule_no_overlap(departure_id bigint, user_id bigint,
    passengers bigint[], from_stop int, to_stop int)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_rule_no_overlap(bigint, bigint, bigint[], int, int) IS
    'rule: no two trips of one passenger at the same time, on any trains';
REVOKE ALL ON FUNCTION @extschema@.ticket_rule_no_overlap(bigint, bigint, bigint[], int, int)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_rule_user_limit(departure_id bigint, user_id bigint,
    passengers bigint[], from_stop int, to_stop int)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_rule_user_limit(bigint, bigint, bigint[], int, int) IS
    'rule: at most ticketpool.user_limit live tickets of one user per departure';
REVOKE ALL ON FUNCTION @extschema@.ticket_rule_user_limit(bigint, bigint, bigint[], int, int)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_rule_question_gate(departure_id bigint,
    user_id bigint, passengers bigint[], from_stop int, to_stop int)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_rule_question_gate(bigint, bigint, bigint[], int, int) IS
    'rule: the user has answered a question of the bank that has the departure''s id as item_id';
REVOKE ALL ON FUNCTION @extschema@.ticket_rule_question_gate(bigint, bigint, bigint[], int, int)
    FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_rule_user_limit(item_id bigint, user_id bigint,
    quantity bigint)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_rule_user_limit(bigint, bigint, bigint) IS
    'rule: at most ticketpool.item_limit units of an item in live orders of one user';
REVOKE ALL ON FUNCTION @extschema@.item_rule_user_limit(bigint, bigint, bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_rule_question_gate(item_id bigint, user_id bigint,
    quantity bigint)
    RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_rule_question_gate(bigint, bigint, bigint) IS
    'rule: the user has answered a question of the item, if it has any';
REVOKE ALL ON FUNCTION @extschema@.item_rule_question_gate(bigint, bigint, bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- How long trains are under way limits the days on which a trip at the same
-- time may have begun. The index is here because it needs the function
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_route_days(arrives interval[], departs interval[])
    RETURNS int AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.ticket_route_days(interval[], interval[]) IS
    'how many midnights a train with these times passes after the beginning of its service date';

CREATE INDEX ticket_route_days
    ON @extschema@.ticket_route (@extschema@.ticket_route_days(arrives, departs) DESC);
COMMENT ON INDEX @extschema@.ticket_route_days IS 'stop lists, the one that takes most days first';

-- ---------------------------------------------------------------------------
-- One of many servers
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_node_written() RETURNS trigger
    AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION @extschema@.ticket_node_written() IS
    'trigger: every session learns of the new number; a row with a number replaces one with 0';
REVOKE ALL ON FUNCTION @extschema@.ticket_node_written() FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_node_set(node int)
    RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_node_set(int) IS
    'gives this database its number among many servers, 1 to 127: every id that is drawn '
    'afterwards ends in it';
REVOKE ALL ON FUNCTION @extschema@.ticket_node_set(int) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_node_status(OUT node int, OUT version text,
    OUT server_version text, OUT schema name, OUT system_identifier bigint, OUT database oid,
    OUT now timestamptz, OUT in_recovery boolean, OUT received_lsn pg_lsn, OUT replayed_lsn pg_lsn,
    OUT replayed_at timestamptz, OUT replay_lag interval, OUT stations_digest text,
    OUT route_days int, OUT unsettled bigint)
    RETURNS record AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_node_status() IS
    'what a router compares among its nodes: number, versions, clock, age of a standby, stations';
REVOKE ALL ON FUNCTION @extschema@.ticket_node_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_node_status() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_next_id(sequence regclass)
    RETURNS bigint AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_next_id(regclass) IS
    'a new id of a departure, quota, inventory or wait, with the node number: the default of these '
    'columns. Takes the right to insert into the table, or USAGE of the sequence';

ALTER TABLE @extschema@.ticket_departure ALTER COLUMN departure_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_departure_departure_id_seq'::pg_catalog.regclass);
ALTER TABLE @extschema@.ticket_reservation ALTER COLUMN reservation_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_reservation_reservation_id_seq'::pg_catalog.regclass);
ALTER TABLE @extschema@.item_inventory ALTER COLUMN id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.item_inventory_id_seq'::pg_catalog.regclass);
ALTER TABLE @extschema@.ticket_wait ALTER COLUMN wait_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_wait_wait_id_seq'::pg_catalog.regclass);

-- ---------------------------------------------------------------------------
-- Waiting list
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_wait(user_id bigint,
    options @extschema@.ticket_request[], passengers bigint[] DEFAULT NULL,
    deadline timestamptz DEFAULT NULL, on_match text DEFAULT 'hold',
    hold_ttl interval DEFAULT NULL, min_tickets int DEFAULT NULL, request_id uuid DEFAULT NULL)
    RETURNS SETOF @extschema@.ticket_wait
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_wait(bigint, @extschema@.ticket_request[], bigint[],
    timestamptz, text, interval, int, uuid) IS
    'waits for one of these trips, in the order of preference; whatever is freed goes to whoever has '
    'waited longest for it; what can be had now is awarded at once';
REVOKE ALL ON FUNCTION @extschema@.ticket_wait(bigint, @extschema@.ticket_request[], bigint[],
    timestamptz, text, interval, int, uuid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_wait_add(wait_id bigint,
    options @extschema@.ticket_request[])
    RETURNS SETOF @extschema@.ticket_wait
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_wait_add(bigint, @extschema@.ticket_request[]) IS
    'adds trips to a wait; they queue behind whoever waits for them already';
REVOKE ALL ON FUNCTION @extschema@.ticket_wait_add(bigint, @extschema@.ticket_request[]) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_wait_extend(wait_id bigint, deadline timestamptz)
    RETURNS SETOF @extschema@.ticket_wait
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_wait_extend(bigint, timestamptz) IS
    'gives a wait another deadline; it keeps its place';
REVOKE ALL ON FUNCTION @extschema@.ticket_wait_extend(bigint, timestamptz) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_wait_cancel(wait_id bigint)
    RETURNS SETOF @extschema@.ticket_wait
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION @extschema@.ticket_wait_cancel(bigint) IS
    'gives up a wait; one that is over stays as it is';
REVOKE ALL ON FUNCTION @extschema@.ticket_wait_cancel(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_wait_status(wait_id bigint)
    RETURNS TABLE (option_no int, train text, service_date date, from_station text,
                   to_station text, seat_class text, ahead int, reason text)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;
COMMENT ON FUNCTION @extschema@.ticket_wait_status(bigint) IS
    'the trips of a wait, how many options of others are ahead of each, and why it has no ticket yet';
REVOKE ALL ON FUNCTION @extschema@.ticket_wait_status(bigint) FROM PUBLIC;

-- ---------------------------------------------------------------------------
-- Proof and monitoring
-- ---------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION @extschema@.ticket_verify(departure_id bigint DEFAULT NULL)
    RETURNS TABLE (departure_id bigint, problem text)
    AS 'MODULE_PATHNAME', 'ticket_verify' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_verify(bigint) IS
    'compares the pool in memory with the order table; no row: they agree';
REVOKE ALL ON FUNCTION @extschema@.ticket_verify(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.item_verify(item_id bigint DEFAULT NULL)
    RETURNS TABLE (item_id bigint, problem text)
    AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_verify(bigint) IS
    'compares the pool in memory with the tables of items; no row: they agree';
REVOKE ALL ON FUNCTION @extschema@.item_verify(bigint) FROM PUBLIC;

CREATE OR REPLACE FUNCTION @extschema@.ticket_pool(OUT departure_id bigint, OUT train text,
    OUT service_date date, OUT status text, OUT seats int, OUT segments int,
    OUT free_seat_segments bigint, OUT bytes bigint, OUT claims_in_flight bigint,
    OUT last_use timestamptz)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_pool() IS 'behind the view ticket_pool';
REVOKE ALL ON FUNCTION @extschema@.ticket_pool() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_pool() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.item_pool(OUT item_id bigint, OUT inventories int,
    OUT quantity bigint, OUT remaining bigint, OUT claims_in_flight bigint, OUT bytes bigint,
    OUT last_use timestamptz)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.item_pool() IS 'behind the view item_pool';
REVOKE ALL ON FUNCTION @extschema@.item_pool() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.item_pool() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_inflight(OUT pid int, OUT claims bigint,
    OUT since timestamptz)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_inflight() IS 'behind the view ticket_inflight';
REVOKE ALL ON FUNCTION @extschema@.ticket_inflight() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_inflight() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_pool_stat(OUT buys bigint, OUT refunds bigint,
    OUT sold_outs bigint, OUT lost_races bigint, OUT rebuilds bigint, OUT evictions bigint,
    OUT departures bigint, OUT bytes_used bigint, OUT bytes_reserved bigint, OUT items bigint,
    OUT pages text, OUT page_bytes bigint, OUT groups bigint, OUT group_sales bigint,
    OUT group_size double precision)
    RETURNS record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_pool_stat() IS 'behind the view ticket_pool_stat';
REVOKE ALL ON FUNCTION @extschema@.ticket_pool_stat() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_pool_stat() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_sweep_status(OUT database text, OUT sweeper int,
    OUT last_sweep timestamptz, OUT next_deadline timestamptz, OUT overdue boolean,
    OUT waits_for text)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_sweep_status() IS 'behind the view ticket_sweep_status';
REVOKE ALL ON FUNCTION @extschema@.ticket_sweep_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_sweep_status() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_worker_status(OUT worker text, OUT database text,
    OUT pid int, OUT state text, OUT started_at timestamptz, OUT last_round_at timestamptz,
    OUT last_round interval, OUT rounds bigint, OUT errors bigint, OUT last_error_at timestamptz,
    OUT last_error_sqlstate text, OUT last_error text, OUT due bigint, OUT lag interval,
    OUT waits_for text)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_worker_status() IS 'behind the view ticket_worker_status';
REVOKE ALL ON FUNCTION @extschema@.ticket_worker_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_worker_status() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_progress(OUT pid int, OUT datid oid,
    OUT datname text, OUT command text, OUT phase text, OUT object text, OUT done bigint,
    OUT total bigint, OUT started_at timestamptz)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_progress() IS 'behind the view ticket_progress';
REVOKE ALL ON FUNCTION @extschema@.ticket_progress() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_progress() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_memory(OUT kind text, OUT bytes bigint,
    OUT added boolean)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_memory() IS 'behind the view ticket_memory';
REVOKE ALL ON FUNCTION @extschema@.ticket_memory() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_memory() TO pg_monitor;

CREATE OR REPLACE FUNCTION @extschema@.ticket_waiting(OUT departure_id bigint, OUT train text,
    OUT service_date date, OUT seat_class text, OUT waits bigint, OUT tickets bigint,
    OUT oldest timestamptz, OUT first_wait bigint, OUT passed bigint, OUT first_passed text,
    OUT unserved boolean)
    RETURNS SETOF record AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION @extschema@.ticket_waiting() IS 'behind the view ticket_waiting';
REVOKE ALL ON FUNCTION @extschema@.ticket_waiting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.ticket_waiting() TO pg_monitor;
