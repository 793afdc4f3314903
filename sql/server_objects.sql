-- The extension's objects: described, and where they belong.
CREATE TEMP VIEW member AS
SELECT classid, objid FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND deptype = 'e';
-- Each has a comment. (A sequence of an identity column is described by its table.)
SELECT pg_describe_object(classid, objid, 0) AS without_comment FROM member
WHERE obj_description(objid, classid::regclass::name) IS NULL
  AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = member.classid AND i.objid = member.objid AND i.deptype = 'i')
ORDER BY 1;
SELECT count(*) > 10 AS functions FROM member WHERE classid = 'pg_proc'::regclass;
-- Users' names for arguments and columns.
SELECT p.oid::regprocedure AS function, p.proargnames[1:p.pronargs] AS arguments FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE p.proname IN ('ticket_open', 'ticket_close', 'ticket_remaining', 'ticket_remaining_matrix', 'ticket_search', 'ticket_trains', 'ticket_buy', 'ticket_refund',
                    'ticket_verify', 'ticket_seat_map', 'ticket_hold', 'ticket_confirm', 'ticket_cancel', 'ticket_change', 'ticket_buy_many', 'ticket_withdraw',
                    'ticket_buy_seats', 'ticket_hold_seats', 'ticket_reserve_seats', 'ticket_reseat',
                    'ticket_places', 'ticket_seat_svg', 'ticket_retime', 'ticket_skip_stop', 'ticket_reform', 'ticket_hold_extend', 'ticket_transfer',
                    'ticket_import_gtfs', 'item_hold', 'item_confirm', 'item_cancel', 'item_refund',
                    'ticket_reserve', 'ticket_recycle', 'ticket_why') ORDER BY p.proname;
SELECT proname, pg_get_function_result(p.oid) AS result FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE p.proname IN ('ticket_open', 'ticket_close', 'ticket_remaining', 'ticket_remaining_matrix', 'ticket_search', 'ticket_trains', 'ticket_buy', 'ticket_refund',
                    'ticket_verify', 'ticket_seat_map', 'ticket_hold', 'ticket_confirm', 'ticket_cancel', 'ticket_change', 'ticket_buy_many', 'ticket_withdraw',
                    'ticket_buy_seats', 'ticket_hold_seats', 'ticket_reserve_seats', 'ticket_reseat',
                    'ticket_places', 'ticket_seat_svg', 'ticket_retime', 'ticket_skip_stop', 'ticket_reform', 'ticket_hold_extend', 'ticket_transfer',
                    'ticket_import_gtfs', 'item_hold', 'item_confirm', 'item_cancel', 'item_refund',
                    'ticket_reserve', 'ticket_recycle', 'ticket_why') ORDER BY p.proname;
-- The promised columns are there, in order, with their types. (There may be more.)
SELECT attrelid::regclass AS relation, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns FROM pg_attribute
WHERE attrelid IN ('ticket_station'::regclass, 'ticket_stop'::regclass, 'ticket_formation'::regclass, 'ticket_formation_seat'::regclass) AND attnum > 0 AND NOT attisdropped GROUP BY 1 ORDER BY 1::text;
SELECT v.name AS missing FROM unnest('{order_id,ticket_no,departure_id,service_date,user_id,passenger_id,seat_class,coach,seat,from_stop,to_stop,status,held_until,channel,request_id,created_at,changed_at}'::text[]) AS v (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ticket_order'::regclass AND attname = v.name);
SELECT v.name AS missing FROM unnest('{departure_id,train,service_date,formation,opens_at,closes_at,status}'::text[]) AS v (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ticket_departure'::regclass AND attname = v.name);
SELECT v.name AS missing FROM unnest('{reservation_id,departure_id,service_date,seat_class,channel,seats,from_stop,to_stop,release_at,status}'::text[]) AS v (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ticket_reservation'::regclass AND attname = v.name);
SELECT v.name AS missing FROM unnest('{rule,on_kind,enabled}'::text[]) AS v (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'ticket_rule'::regclass AND attname = v.name);
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS ticket_request FROM pg_attribute
WHERE attrelid = 'ticket_request'::regclass AND attnum > 0;
SELECT v.view, v.name AS missing FROM (VALUES ('ticket_inflight', 'pid'), ('ticket_inflight', 'claims'), ('ticket_inflight', 'since')) AS v (view, name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = v.view::regclass AND attname = v.name);
SELECT v.name AS missing FROM unnest('{order_id,item_id,inventory_id,user_id,buy_quantity,status,request_id,held_until}'::text[]) AS v (name)
WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'item_order'::regclass AND attname = v.name);
SELECT pg_get_function_arguments(p.oid) AS with_defaults FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid
WHERE p.proname IN ('ticket_open', 'ticket_cancel', 'ticket_change', 'item_hold', 'item_refund', 'ticket_buy_seats', 'ticket_hold_seats', 'ticket_reserve_seats', 'ticket_reseat', 'ticket_seat_svg', 'ticket_places',
                    'ticket_reform', 'ticket_import_gtfs') ORDER BY p.proname;
-- One function of each name: GRANT … ON FUNCTION name is unambiguous.
SELECT p.proname AS overloaded FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid GROUP BY 1 HAVING count(*) > 1;
-- Nothing may run in parallel workers, nor be thought to be stable; but rules read with the snapshot that they are given, what an index is over never changes, and a router may ask a standby.
SELECT p.proname FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid WHERE p.proparallel <> 'u' OR p.provolatile <> 'v' ORDER BY 1;
-- No function runs with another role's rights by itself, and none but C is there to be tricked.
SELECT p.proname FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid JOIN pg_language l ON l.oid = p.prolang WHERE p.prosecdef OR l.lanname <> 'c';
