-- Who may do what with items: nothing for PUBLIC but item_remaining; a seller needs EXECUTE and no right on any table.
SELECT item_open(1601, 100) > 0 AS opened;
INSERT INTO item_question VALUES (1601, 1, 'q', 'a');
CREATE ROLE regress_item_public;
CREATE ROLE regress_item_seller;
CREATE ROLE regress_item_monitor IN ROLE pg_monitor;
GRANT EXECUTE ON FUNCTION item_buy, item_buy_many, item_hold, item_confirm, item_cancel, item_refund, item_ask, item_answer TO regress_item_seller;
\set VERBOSITY sqlstate
SET ROLE regress_item_public;
SELECT item_remaining(1601);
SELECT item_buy(1601, 1);
SELECT item_buy_many('{}');
SELECT item_hold(1601, 1);
SELECT item_confirm(1);
SELECT item_cancel(1);
SELECT item_refund(1);
SELECT item_open(1602, 1);
SELECT item_add(1601, 1);
SELECT item_split(1601, 1);
SELECT item_merge(1);
SELECT item_ask(1601, 1);
SELECT item_answer(1601, 1, 'a');
SELECT item_verify();
SELECT item_pool();
SELECT item_rule_user_limit(1601, 1, 1);
SELECT item_rule_question_gate(1601, 1, 1);
SELECT ticket_rule_question_gate(1601, 1, '{1}', 1, 2);
TABLE item_inventory;
TABLE item_order;
TABLE item_refund_call;
TABLE item_question;
TABLE item_gate;
TABLE item_pool;
SELECT nextval('item_order_id_seq');
SELECT nextval('item_inventory_id_seq');
INSERT INTO item_order DEFAULT VALUES;
SET ticketpool.gate_tries = 100;
SET ticketpool.gate_ttl = 1;
SET ticketpool.item_limit = 100;
RESET ROLE;
-- A seller, with every rule on, and a search_path of its own making
UPDATE ticket_rule SET enabled = true WHERE on_kind = 'item';
CREATE SCHEMA item_evil AUTHORIZATION regress_item_seller;
SET ROLE regress_item_seller;
CREATE TABLE item_evil.item_order (order_id bigint);
CREATE FUNCTION item_evil.lower(text) RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$;
SET search_path = item_evil, pg_catalog, public;
SELECT * FROM item_buy(1601, 1);
SELECT item_ask(1601, 1);
SELECT item_answer(1601, 1, 'b'), item_answer(1601, 1, 'A');
SELECT order_id AS mine FROM item_buy(1601, 1) \gset
SELECT status FROM item_refund(:mine, request_id => '00000000-0000-0000-0000-000000001601');
SELECT order_id AS held FROM item_hold(1601, 1, 2) \gset
SELECT status FROM item_confirm(:held);
SELECT order_id AS given_up FROM item_hold(1601, 1, 2) \gset
SELECT status FROM item_cancel(:given_up);
SELECT buy_quantity FROM item_refund(:held, 1, '00000000-0000-0000-0000-000000001601');
TABLE public.item_refund_call;
SELECT count(*) FROM item_buy_many(ARRAY[(1601, 1, 1, NULL, NULL)]::item_request[]);
SELECT * FROM item_buy(1601, 1, 100);
SELECT current_user, item_remaining(1601);
TABLE public.item_order;
TABLE public.item_inventory;
TABLE public.item_question;
TABLE public.item_gate;
UPDATE public.item_gate SET opened_until = 'infinity';
SELECT item_add(1601, 1);
RESET ROLE;
RESET search_path;
UPDATE ticket_rule SET enabled = false WHERE on_kind = 'item';
-- The rest can be granted, too.
GRANT EXECUTE ON FUNCTION item_open, item_add, item_split, item_merge, item_verify TO regress_item_seller;
SET ROLE regress_item_seller;
SELECT item_open(1602, 10) > 0 AS opened;
SELECT item_add(1602, 1);
SELECT count(*), min(id) AS part FROM item_split(1602, 2) \gset
SELECT item_merge(:part);
SELECT * FROM item_verify(1602);
RESET ROLE;
SET ROLE regress_item_monitor;
SELECT count(*) > 0 AS pool FROM item_pool;
SELECT items > 0 AS items FROM ticket_pool_stat;
RESET ROLE;
\set VERBOSITY default
-- Row security binds only under FORCE, and the pool always sees every row.
ALTER TABLE item_order ENABLE ROW LEVEL SECURITY;
SET ROLE regress_item_seller;
SELECT buy_quantity FROM item_buy(1601, 2, 1);
RESET ROLE;
SELECT * FROM item_verify(1601);
ALTER TABLE item_order DISABLE ROW LEVEL SECURITY;
DROP SCHEMA item_evil CASCADE;
DROP OWNED BY regress_item_seller;
DROP ROLE regress_item_public, regress_item_seller, regress_item_monitor;
-- Users' names for arguments and columns.
SELECT oid::regprocedure AS function, proargnames AS arguments, pg_get_function_result(oid) AS result FROM pg_proc
WHERE proname IN ('item_open', 'item_add', 'item_remaining', 'item_buy', 'item_buy_many', 'item_hold', 'item_confirm', 'item_cancel', 'item_refund', 'item_split', 'item_merge', 'item_ask', 'item_answer', 'item_verify') ORDER BY proname;
SELECT attrelid::regclass AS relation, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns FROM pg_attribute
WHERE attrelid IN ('item_inventory'::regclass, 'item_question'::regclass, 'item_order'::regclass, 'item_refund_call'::regclass, 'item_request'::regclass, 'item_pool'::regclass) AND attnum > 0 AND NOT attisdropped GROUP BY 1 ORDER BY 1::text;
