ALTER TABLE @extschema@.ticket_rule REPLICA IDENTITY FULL;

CREATE INDEX ticket_departure_day ON @extschema@.ticket_departure (service_date, route_id);

\new function ticket_sweep_status ticket_worker_status ticket_progress ticket_memory ticket_waiting
\new view ticket_sweep_status ticket_worker_status ticket_progress ticket_memory ticket_waiting

-- The result has more columns. The view stays the same object, with the users' grants on it and the
-- users' views over it.
ALTER FUNCTION @extschema@.ticket_pool_stat() RENAME TO ticket_pool_stat_0_2;
\new function ticket_pool_stat
\changed view ticket_pool_stat
DROP FUNCTION @extschema@.ticket_pool_stat_0_2();

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
CREATE TABLE @extschema@.ticket_parcel (
    parcel       uuid PRIMARY KEY,
    direction    text NOT NULL CHECK (direction IN ('out', 'in')),
    train        text,
    service_date date,
    departure_id bigint,
    to_node      int,
    state        text NOT NULL
        CHECK (state IN ('packed', 'handed', 'done', 'coming', 'arrived', 'refused')),
    parts        int NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    changed_at   timestamptz
);
CREATE INDEX ticket_parcel_departure ON @extschema@.ticket_parcel (train, service_date);
CREATE TABLE @extschema@.ticket_parcel_part (
    parcel  uuid,
    part_no int,
    kind    text NOT NULL,
    rows    text NOT NULL,
    PRIMARY KEY (parcel, part_no)
);
CREATE TABLE @extschema@.ticket_moved (
    id     bigint,
    kind   text,
    parcel uuid,
    PRIMARY KEY (id, kind, parcel)
);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_parcel', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_parcel_part', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_moved', '');
\new function ticket_move_columns ticket_move_check ticket_move_out ticket_parcel_state
\new function ticket_parcels ticket_parcel_homes ticket_parcel_part ticket_parcel_put ticket_move_ready
\new function ticket_move_in ticket_move_refuse ticket_move_back ticket_move_done

-- The owner of the orders owns the tables that say where they are.
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.ticket_order'::regclass);
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_order_day OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_parcel OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_parcel_part OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_moved OWNER TO %s', owner);
END $$;

\new function ticket_call ticket_call_part

-- Ids end in the number of the node. Identity columns draw from their sequence alone, so three of
-- them get a default. Each sequence is made again, with its name and its last value.
CREATE TABLE @extschema@.ticket_node (
    node int NOT NULL CHECK (node BETWEEN 0 AND 127)
);
CREATE UNIQUE INDEX ticket_node_one ON @extschema@.ticket_node ((true)) WHERE node <> 0;
ALTER TABLE @extschema@.ticket_node REPLICA IDENTITY FULL;
INSERT INTO @extschema@.ticket_node VALUES (0);
CREATE SEQUENCE @extschema@.ticket_node_drawn_seq;
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class WHERE oid = '@extschema@.ticket_order'::regclass);
    place record;
    last record;
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_node OWNER TO %s', owner);
    EXECUTE pg_catalog.format('ALTER SEQUENCE @extschema@.ticket_node_drawn_seq OWNER TO %s', owner);
    FOR place IN SELECT v.*, c.relowner::regrole AS owner
        FROM (VALUES ('@extschema@.ticket_departure', 'departure_id', '@extschema@.ticket_departure_departure_id_seq'),
                     ('@extschema@.ticket_reservation', 'reservation_id', '@extschema@.ticket_reservation_reservation_id_seq'),
                     ('@extschema@.item_inventory', 'id', '@extschema@.item_inventory_id_seq')) AS v (relation, key, sequence)
        JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) v.relation::regclass
    LOOP
        EXECUTE pg_catalog.format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', place.relation);
        EXECUTE pg_catalog.format('SELECT last_value, is_called FROM %s', place.sequence) INTO last;
        EXECUTE pg_catalog.format('ALTER EXTENSION ticketpool DROP SEQUENCE %s', place.sequence);
        EXECUTE pg_catalog.format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', place.relation, place.key);
        EXECUTE pg_catalog.format('CREATE SEQUENCE %s', place.sequence);
        EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNER TO %s', place.sequence, place.owner);
        EXECUTE pg_catalog.format('ALTER SEQUENCE %s OWNED BY %s.%I', place.sequence, place.relation, place.key);
        PERFORM pg_catalog.setval(place.sequence::regclass, last.last_value, last.is_called);
    END LOOP;
END $$;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_departure_departure_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_reservation_reservation_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.item_inventory_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_node', 'WHERE node <> 0');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_node_drawn_seq', '');
\new function ticket_next_id ticket_node_set ticket_node_status ticket_node_written
\new trigger ticket_node_written ticket_node_truncated
ALTER TABLE @extschema@.ticket_departure ALTER COLUMN departure_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_departure_departure_id_seq'::pg_catalog.regclass);
ALTER TABLE @extschema@.ticket_reservation ALTER COLUMN reservation_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_reservation_reservation_id_seq'::pg_catalog.regclass);
ALTER TABLE @extschema@.item_inventory ALTER COLUMN id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.item_inventory_id_seq'::pg_catalog.regclass);
\new function ticket_places ticket_seat_svg
\new function ticket_get ticket_check_many item_check_many
\new function ticket_exchange_ask ticket_change_back ticket_last_day
\new function ticket_change_away ticket_exchange_hold ticket_unsettled ticket_settled ticket_served

-- Real coaches: what is known of a seat, where passengers may board and alight, when sales end
ALTER TABLE @extschema@.ticket_stop ADD COLUMN boarding boolean NOT NULL DEFAULT true,
    ADD COLUMN alighting boolean NOT NULL DEFAULT true;
CREATE TABLE @extschema@.ticket_formation_seat (
    formation  text,
    coach      text,
    seat       text,
    seat_group text,
    x          int,
    y          int,
    deck       int,
    properties text[],
    PRIMARY KEY (formation, coach, seat)
);
DO $$
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.ticket_formation_seat OWNER TO %s',
        (SELECT relowner::regrole FROM pg_catalog.pg_class
         WHERE oid OPERATOR(pg_catalog.=) '@extschema@.ticket_formation'::regclass));
END $$;
ALTER TABLE @extschema@.ticket_route ADD COLUMN boarding boolean[], ADD COLUMN alighting boolean[],
    ADD COLUMN skipped boolean[];
ALTER TABLE @extschema@.ticket_layout_coach ADD COLUMN seat_groups text[], ADD COLUMN xs int[],
    ADD COLUMN ys int[], ADD COLUMN decks int[], ADD COLUMN properties text[];
ALTER TABLE @extschema@.ticket_departure ADD COLUMN sale_margin interval, ADD COLUMN trip_id text,
    ADD COLUMN trip_start interval;
\new function ticket_import_gtfs
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_formation_seat', '');

-- Other rolling stock
\new function ticket_reform

-- Items that are held while they are paid
ALTER TABLE @extschema@.item_order ADD COLUMN held_until timestamptz;
ALTER TABLE @extschema@.item_order DROP CONSTRAINT item_order_status_check,
    ADD CONSTRAINT item_order_status_check
        CHECK (status IN ('held', 'sold', 'refunded', 'cancelled', 'expired'));
DROP INDEX @extschema@.item_order_live;
CREATE INDEX item_order_live ON @extschema@.item_order (item_id, user_id)
    WHERE status IN ('held', 'sold');
CREATE INDEX item_order_held ON @extschema@.item_order (held_until) WHERE status = 'held';
CREATE TABLE @extschema@.item_refund_call (
    order_id    bigint,
    request_id  uuid,
    quantity    bigint,
    create_time timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, request_id)
);
DO $$
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.item_refund_call OWNER TO %s',
        (SELECT relowner::regrole FROM pg_catalog.pg_class
         WHERE oid OPERATOR(pg_catalog.=) '@extschema@.item_order'::regclass));
END $$;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.item_refund_call', '');
\new function item_hold item_confirm item_cancel

-- The very seat
\new function ticket_buy_seats ticket_hold_seats ticket_reserve_seats ticket_reseat

-- Part of a hold, longer holds, another passenger
\new function ticket_hold_extend ticket_transfer

-- Functions that have new arguments at their end. Each new function takes the place of the old one,
-- with the rights that users have granted on it and the settings that they have given it. GRANT
-- would make the grants part of the extension here, and pg_dump would omit them; so the list itself
-- is copied, and the roles in it are noted. A view or an SQL-standard function body that calls the
-- old function cannot follow: the update names it. The block after the new functions has the same
-- list.
ALTER FUNCTION @extschema@.ticket_change(bigint, text, text, text, date, text, text, int[])
    RENAME TO ticket_change_0_2;
ALTER FUNCTION @extschema@.ticket_open(text, date, text, timestamptz, timestamptz)
    RENAME TO ticket_open_0_2;
ALTER FUNCTION @extschema@.ticket_cancel(bigint) RENAME TO ticket_cancel_0_2;
ALTER FUNCTION @extschema@.item_refund(bigint) RENAME TO item_refund_0_2;
\new function item_refund ticket_cancel ticket_change ticket_open ticket_retime ticket_skip_stop
DO $$
DECLARE
    one record;
    old_oid oid;
    new_oid oid;
    owner oid;
    dependents text;
BEGIN
    FOR one IN SELECT * FROM (VALUES
        ('ticket_change', '(bigint, text, text, text, date, text, text, int[])',
            '(bigint, text, text, text, date, text, text, int[], uuid)'),
        ('ticket_open', '(text, date, text, timestamptz, timestamptz)',
            '(text, date, text, timestamptz, timestamptz, text, interval, text)'),
        ('ticket_cancel', '(bigint)', '(bigint, int[])'),
        ('item_refund', '(bigint)', '(bigint, bigint, uuid)')
        ) AS replaced (name, old_arguments, new_arguments)
    LOOP
        old_oid := ('@extschema@.' OPERATOR(pg_catalog.||) one.name OPERATOR(pg_catalog.||) '_0_2'
            OPERATOR(pg_catalog.||) one.old_arguments)::pg_catalog.regprocedure;
        new_oid := ('@extschema@.' OPERATOR(pg_catalog.||) one.name
            OPERATOR(pg_catalog.||) one.new_arguments)::pg_catalog.regprocedure;
        owner := (SELECT proowner FROM pg_catalog.pg_proc WHERE oid OPERATOR(pg_catalog.=) old_oid);
        dependents := (
            SELECT pg_catalog.string_agg(DISTINCT pg_catalog.pg_describe_object(
                CASE WHEN r.oid IS NULL THEN d.classid ELSE 'pg_catalog.pg_class'::pg_catalog.regclass END,
                COALESCE(r.ev_class, d.objid), 0), ', ')
            FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_rewrite r
                ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
                    AND r.oid OPERATOR(pg_catalog.=) d.objid
            WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
                AND d.refobjid OPERATOR(pg_catalog.=) old_oid);
        IF dependents IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'dependent_objects_still_exist',
                MESSAGE = pg_catalog.format('function %s cannot be replaced because other objects depend on it', one.name),
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
        EXECUTE pg_catalog.format('DROP FUNCTION %s', old_oid::pg_catalog.regprocedure);
    END LOOP;
END $$;

-- Waiting list and events
CREATE SEQUENCE @extschema@.ticket_wait_wait_id_seq;
CREATE SEQUENCE @extschema@.ticket_wait_queue_seq;
CREATE TABLE @extschema@.ticket_wait (
    wait_id     bigint PRIMARY KEY,
    user_id     bigint NOT NULL,
    passengers  bigint[],
    deadline    timestamptz,
    on_match    text NOT NULL DEFAULT 'hold' CHECK (on_match IN ('hold', 'sell')),
    hold_ttl    interval,
    min_tickets int,
    request_id  uuid,
    status      text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'awarded', 'expired', 'cancelled', 'closed')),
    order_id    bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz
);
ALTER SEQUENCE @extschema@.ticket_wait_wait_id_seq OWNED BY @extschema@.ticket_wait.wait_id;
COMMENT ON COLUMN @extschema@.ticket_wait.passengers IS
    'one ticket each; NULL: one ticket for the user';
COMMENT ON COLUMN @extschema@.ticket_wait.deadline IS
    'when the wait ends (wall clock); NULL: each option ends when the train leaves its boarding stop';
COMMENT ON COLUMN @extschema@.ticket_wait.hold_ttl IS
    'how long an awarded hold lasts, from the award on; NULL: ticketpool.hold_ttl at the award';
COMMENT ON COLUMN @extschema@.ticket_wait.min_tickets IS
    'how many tickets the party takes if not all fit; NULL: all';
COMMENT ON COLUMN @extschema@.ticket_wait.status IS
    'waiting; awarded: order_id has the tickets; expired: time is over; cancelled by the user; '
    'closed: no option is on sale any more';
CREATE UNIQUE INDEX ticket_wait_request ON @extschema@.ticket_wait (user_id, request_id)
    WHERE request_id IS NOT NULL;
CREATE INDEX ticket_wait_user ON @extschema@.ticket_wait (user_id) WHERE status = 'waiting';
CREATE INDEX ticket_wait_over ON @extschema@.ticket_wait (changed_at) WHERE status <> 'waiting';
CREATE TABLE @extschema@.ticket_wait_option (
    wait_id      bigint,
    option_no    int,
    queue_no     bigint NOT NULL,
    departure_id bigint NOT NULL,
    from_stop    int NOT NULL,
    to_stop      int NOT NULL,
    seat_class   text NOT NULL,
    seat_choice  text,
    channel      text,
    status       text NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'awarded', 'expired', 'cancelled', 'closed')),
    user_id      bigint NOT NULL,
    need         int NOT NULL,
    ends_at      timestamptz,
    passed       text,
    PRIMARY KEY (wait_id, option_no)
);
COMMENT ON COLUMN @extschema@.ticket_wait_option.status IS
    'waiting; awarded: its trip was; expired: its train has left, or the deadline is over; closed: '
    'its departure is; else as the wait';
COMMENT ON COLUMN @extschema@.ticket_wait_option.ends_at IS
    'when the option ends (wall clock); NULL: with the sale of its departure';
COMMENT ON COLUMN @extschema@.ticket_wait_option.passed IS
    'why it was passed over when it fitted: what a rule said, or an error; NULL: it was not. It is '
    'asked again when something is freed on the departure';
CREATE INDEX ticket_wait_option_queue ON @extschema@.ticket_wait_option
    (departure_id, from_stop, to_stop, need, queue_no) WHERE status = 'waiting';
CREATE INDEX ticket_wait_option_end ON @extschema@.ticket_wait_option (ends_at)
    WHERE status = 'waiting';
CREATE UNIQUE INDEX ticket_wait_option_user ON @extschema@.ticket_wait_option
    (user_id, departure_id, seat_class, from_stop, to_stop) WHERE status = 'waiting';
CREATE TABLE @extschema@.ticket_event (
    event_id     bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    xid          xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind         text NOT NULL,
    order_id     bigint,
    ticket_no    int,
    departure_id bigint,
    wait_id      bigint,
    detail       jsonb
);
COMMENT ON TABLE @extschema@.ticket_event IS
    'what happened to somebody''s tickets or wait without that user''s own call, one row a ticket; a '
    'reader that must miss none reads in order of (xid, event_id) what has an xid before '
    'pg_snapshot_xmin(pg_current_snapshot())';
COMMENT ON COLUMN @extschema@.ticket_event.event_id IS
    'rises within a transaction; two transactions may commit in another order';
CREATE INDEX ticket_event_xid ON @extschema@.ticket_event (xid, event_id);
DO $$
DECLARE
    owner regrole := (SELECT relowner FROM pg_catalog.pg_class
        WHERE oid OPERATOR(pg_catalog.=) '@extschema@.ticket_order'::regclass);
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ticket_wait', 'ticket_wait_option', 'ticket_event'] LOOP
        EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I OWNER TO %s', name, owner);
    END LOOP;
    EXECUTE pg_catalog.format('ALTER SEQUENCE @extschema@.ticket_wait_queue_seq OWNER TO %s', owner);
END $$;
\new function ticket_wait ticket_wait_add ticket_wait_extend ticket_wait_cancel ticket_wait_status
ALTER TABLE @extschema@.ticket_wait ALTER COLUMN wait_id SET DEFAULT
    @extschema@.ticket_next_id('@extschema@.ticket_wait_wait_id_seq'::pg_catalog.regclass);
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_wait', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_wait_option', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_wait_wait_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ticket_wait_queue_seq', '');
