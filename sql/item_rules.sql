-- Rules on items: the built-in limit, functions of users' own, and that rules of tickets are not asked.
SELECT item_open(1401, 1000) > 0 AS opened;
SELECT rule, enabled, builtin FROM ticket_rule WHERE on_kind = 'item' ORDER BY 1;
UPDATE ticket_rule SET enabled = true WHERE rule = 'item_rule_user_limit';
SELECT buy_quantity FROM item_buy(1401, 1, 3);
SELECT * FROM item_buy(1401, 1, 3);
SELECT * FROM item_buy(1401, 2, 9223372036854775807);
SELECT buy_quantity FROM item_buy(1401, 1, 2);
SELECT * FROM item_buy(1401, 1, 1);
SELECT buy_quantity FROM item_buy(1401, 2, 5);
SELECT item_remaining(1401);
-- Refunded units do not count.
SELECT status FROM item_refund((SELECT order_id FROM item_order WHERE item_id = 1401 AND user_id = 1 AND buy_quantity = 3));
SELECT buy_quantity FROM item_buy(1401, 1, 3);
SET ticketpool.item_limit = 8;
SELECT buy_quantity FROM item_buy(1401, 1, 3);
RESET ticketpool.item_limit;
-- In a batch a refusal is no row; what was bought before in the batch counts.
SELECT b.request_no, b.item_id, b.buy_quantity FROM item_buy_many(ARRAY[(1401,3,4,NULL,NULL),(1401,3,2,NULL,NULL),(1401,4,1,NULL,NULL),(1401,3,1,NULL,NULL)]::item_request[]) AS b;
SELECT user_id, sum(buy_quantity) FROM item_order WHERE item_id = 1401 AND user_id IN (3, 4) GROUP BY 1 ORDER BY 1;
UPDATE ticket_rule SET enabled = false WHERE rule = 'item_rule_user_limit';
-- One of a user's own, which buys nothing and is given everything.
CREATE FUNCTION public.item_rules_own(item_id bigint, user_id bigint, quantity bigint) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT CASE WHEN quantity % 2 = 0 THEN format('no %s for %s of %s', quantity, user_id, item_id) END $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.item_rules_own', 'item');
SELECT * FROM item_buy(1401, 9, 2);
SELECT buy_quantity FROM item_buy(1401, 9, 1);
-- A sold-out item asks first, too: the reason comes before the count. A request_id that was used does not.
SELECT buy_quantity FROM item_buy(1401, 9, 3, '00000000-0000-0000-0000-000000001401');
DELETE FROM ticket_rule WHERE rule = 'public.item_rules_own';
CREATE FUNCTION public.item_rules_never(bigint, bigint, bigint) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'never' $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.item_rules_never', 'item');
SELECT * FROM item_buy(1401, 9, 1);
SELECT buy_quantity FROM item_buy(1401, 9, 3, '00000000-0000-0000-0000-000000001401');
UPDATE ticket_rule SET on_kind = 'ticket' WHERE rule = 'public.item_rules_never';
SELECT buy_quantity FROM item_buy(1401, 9, 1);
-- A function that does not fit
INSERT INTO ticket_rule (rule, on_kind) VALUES ('ticket_rule_user_limit', 'item');
SELECT * FROM item_buy(1401, 9, 1);
DELETE FROM ticket_rule WHERE NOT builtin OR rule = 'ticket_rule_user_limit' AND on_kind = 'item';
SELECT buy_quantity FROM item_buy(1401, 9, 1);
-- A rule that buys something else: the item stays where it is.
SELECT item_open(1402, 10) > 0 AS opened;
CREATE FUNCTION public.item_rules_buys(item_id bigint, user_id bigint, quantity bigint) RETURNS text LANGUAGE plpgsql
    AS $$ BEGIN IF item_id = 1401 THEN PERFORM FROM public.item_buy(1402, user_id, 1); END IF; RETURN NULL; END $$;
INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.item_rules_buys', 'item');
SELECT item_id, buy_quantity FROM item_buy(1401, 9, 1);
SELECT item_remaining(1402);
DELETE FROM ticket_rule WHERE NOT builtin;
DROP FUNCTION public.item_rules_own, public.item_rules_never, public.item_rules_buys;
SELECT * FROM item_verify();
