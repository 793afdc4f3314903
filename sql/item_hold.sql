-- Units that are held while they are paid: hold, pay, give up, expire, pay late; each call twice; refunds of some units.
CREATE FUNCTION left_of(item bigint) RETURNS text LANGUAGE sql AS $$ SELECT item_remaining($1) || ' left, ' || coalesce(sum(buy_quantity), 0) || ' live' FROM item_order WHERE item_id = $1 AND status IN ('held', 'sold') $$;
CREATE FUNCTION rid(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-0000-0000-' || lpad($1::text, 12, '0'))::uuid $$;
-- In one transaction, so that no worker is quicker.
CREATE FUNCTION expire(id bigint) RETURNS text LANGUAGE sql AS $$ UPDATE item_order SET held_until = clock_timestamp() WHERE order_id = $1; SELECT ticket_sweep(); SELECT status FROM item_order WHERE order_id = $1 $$;
SELECT item_open(1701, 10) AS inv \gset

-- A hold takes its units at once, says until when, and is live.
SELECT inventory_id = :inv AS here, user_id, buy_quantity, status, request_id, modify_time, request_digest, held_until - clock_timestamp() BETWEEN '59 min' AND '1 h' AS an_hour
FROM item_hold(1701, 7, 4, ttl => '1 hour');
SELECT left_of(1701);
SELECT order_id AS h FROM item_order WHERE item_id = 1701 \gset
SHOW ticketpool.hold_ttl;
SELECT held_until - clock_timestamp() BETWEEN current_setting('ticketpool.hold_ttl')::interval - interval '1 min' AND current_setting('ticketpool.hold_ttl')::interval AS as_set, buy_quantity FROM item_hold(1701, 8);
SELECT * FROM item_hold(1701, 7, 6);
SELECT * FROM item_verify(1701);
-- Paid, and again
SELECT order_id = :h AS same, buy_quantity, status, modify_time IS NOT NULL AS modified, held_until FROM item_confirm(:h);
SELECT order_id = :h AS same, buy_quantity, status, held_until FROM item_confirm(:h);
SELECT left_of(1701);
-- Given up, and again; its units are free
SELECT order_id AS c FROM item_order WHERE item_id = 1701 AND user_id = 8 \gset
SELECT status, buy_quantity, held_until IS NOT NULL AS keeps_its_time FROM item_cancel(:c);
SELECT status, buy_quantity FROM item_cancel(:c);
SELECT left_of(1701);
-- What does not go
\set SHOW_CONTEXT never
CREATE PROCEDURE try(call text) LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE 'SELECT FROM ' || call;
    RAISE NOTICE 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RAISE NOTICE '% % | % | %', SQLSTATE, regexp_replace(SQLERRM, 'order \d+', 'order N'), CASE SQLSTATE WHEN '23514' THEN '' ELSE regexp_replace(detail, 'order \d+', 'order N', 'i') END, hint;
END $$;
SELECT order_id AS held FROM item_hold(1701, 7) \gset
CALL try(format('item_cancel(%s)', :h));
CALL try(format('item_confirm(%s)', :c));
CALL try(format('item_refund(%s)', :c));
CALL try(format('item_refund(%s)', :held));
CALL try(format('item_refund(%s, 1, rid(1))', :held));
CALL try('item_confirm(-1)');
CALL try('item_cancel(-1)');
CALL try('item_confirm(NULL)');
CALL try('item_cancel(NULL)');
CALL try('item_hold(NULL, 1)');
CALL try('item_hold(1701, NULL)');
CALL try('item_hold(1701, 1, NULL)');
CALL try('item_hold(1701, 1, 0)');
CALL try('item_hold(1799, 1)');
CALL try('item_hold(1701, 1, inventory_id => 5)');
CALL try('item_hold(1701, 1, ttl => ''0'')');
CALL try('item_hold(1701, 1, ttl => ''-1 s'')');
CALL try('item_hold(1701, 1, ttl => ''1 year'')');
CALL try('item_hold(1701, 1, ttl => ''367 days'')');
SELECT status FROM item_cancel(:held);

-- Expiry and late payment: units if there are any
SELECT order_id AS e FROM item_hold(1701, 9, 5) \gset
SELECT left_of(1701), expire(:e), left_of(1701);
SELECT status, held_until IS NOT NULL AS keeps_its_time FROM item_order WHERE order_id = :e;
SELECT status FROM item_cancel(:e);
CALL try(format('item_refund(%s)', :e));
BEGIN;
SELECT buy_quantity FROM item_buy(1701, 1, 2);
SELECT * FROM item_confirm(:e);
SELECT status FROM item_order WHERE order_id = :e;
ROLLBACK;
SELECT inventory_id = :inv AS here, buy_quantity, status, held_until FROM item_confirm(:e);
SELECT status FROM item_confirm(:e);
SELECT left_of(1701);
SELECT status FROM item_refund(:e);
CALL try(format('item_confirm(%s)', :e));
CALL try(format('item_cancel(%s)', :e));
-- Not before its time; a hold without a time never; one that was lengthened by hand later
SELECT order_id AS e FROM item_hold(1701, 9, 1) \gset
SELECT count(ticket_sweep()) FROM generate_series(1, 2);
UPDATE item_order SET held_until = NULL WHERE order_id = :e;
SELECT count(ticket_sweep()) FROM generate_series(1, 2);
SELECT status FROM item_confirm(:e);
SELECT status FROM item_refund(:e);
-- Rollbacks, savepoints, exceptions
BEGIN;
SELECT order_id AS r FROM item_hold(1701, 1, 6) \gset
SELECT left_of(1701);
SAVEPOINT a;
SELECT status FROM item_cancel(:r);
SELECT left_of(1701);
SELECT buy_quantity FROM item_buy(1701, 2, 6);
ROLLBACK TO a;
SELECT left_of(1701);
SELECT status FROM item_confirm(:r);
SAVEPOINT b;
SELECT buy_quantity FROM item_refund(:r, 2);
SELECT left_of(1701);
ROLLBACK TO b;
SELECT left_of(1701);
SELECT * FROM item_verify(1701);
COMMIT;
SELECT left_of(1701);
SELECT status FROM item_refund(:r);
BEGIN;
SELECT order_id AS r FROM item_hold(1701, 1, 6) \gset
SELECT expire(:r), left_of(1701);
SELECT status FROM item_confirm(:r);
SELECT left_of(1701);
ROLLBACK;
SELECT left_of(1701);

-- request_id: as item_buy's
SELECT order_id AS q FROM item_hold(1701, 3, 2, rid(1)) \gset
SELECT order_id = :q AS same, status FROM item_hold(1701, 3, 2, rid(1));
SELECT order_id = :q AS same FROM item_hold(1701, 3, 2, rid(1), :inv);
SELECT order_id = :q AS same FROM item_buy(1701, 3, 2, rid(1));
CALL try('item_hold(1701, 3, 1, rid(1))');
CALL try('item_hold(1702, 3, 2, rid(1))');
CALL try('item_hold(1701, 3, 2, rid(1), 17)');
SELECT count(*) FROM item_confirm(:q);
SELECT buy_quantity FROM item_refund(:q, 1);
SELECT order_id = :q AS same, status, buy_quantity FROM item_hold(1701, 3, 2, rid(1));
CALL try('item_hold(1701, 3, 1, rid(1))');
SELECT left_of(1701);

-- Some of the units
SELECT order_id AS p FROM item_buy(1701, 4, 5) \gset
SELECT order_id = :p AS same, buy_quantity, status, modify_time IS NOT NULL AS modified FROM item_refund(:p, 2);
SELECT left_of(1701);
CALL try(format('item_refund(%s, 4)', :p));
CALL try(format('item_refund(%s, 0)', :p));
CALL try(format('item_refund(%s, -1)', :p));
CALL try(format('item_refund(%s, -1, rid(1))', :p));
CALL try('item_refund(NULL, 1)');
CALL try('item_refund(-1, 1)');
CALL try('item_refund(''-1'')');
-- A retry changes nothing more, also when the first call was for all.
SELECT buy_quantity, status FROM item_refund(:p, 1, rid(2));
SELECT buy_quantity, status FROM item_refund(:p, 1, rid(2));
CALL try(format('item_refund(%s, 2, rid(2))', :p));
CALL try(format('item_refund(%s, NULL, rid(2))', :p));
SELECT left_of(1701);
SELECT buy_quantity, status FROM item_refund(:p, NULL, rid(3));
SELECT buy_quantity, status FROM item_refund(:p, NULL, rid(3));
SELECT buy_quantity, status FROM item_refund(:p, 1, rid(2));
CALL try(format('item_refund(%s, 1, rid(3))', :p));
SELECT buy_quantity, status FROM item_refund(:p);
SELECT buy_quantity, status FROM item_refund(:p, 2);
CALL try(format('item_refund(%s, 3)', :p));
SELECT left_of(1701);
SELECT quantity, right(request_id::text, 1) AS request FROM item_refund_call WHERE order_id = :p ORDER BY request_id;
-- The last units by number; a request that rolled back was none; one order's request_id is not another's.
SELECT order_id AS p FROM item_buy(1701, 4, 5) \gset
BEGIN;
SELECT buy_quantity FROM item_refund(:p, 2, rid(2));
SAVEPOINT a;
SELECT buy_quantity FROM item_refund(:p, 1, rid(4));
ROLLBACK TO a;
SELECT buy_quantity FROM item_refund(:p, 1, rid(4));
ROLLBACK;
SELECT buy_quantity FROM item_refund(:p, 2, rid(2));
SELECT buy_quantity, status FROM item_refund(:p, 3, rid(4));
SELECT buy_quantity, status FROM item_refund(:p, 3, rid(4));
SELECT left_of(1701);
-- An order of before 0.3: what its request asked for is known once some of it is given back.
SELECT order_id AS p FROM item_buy(1701, 5, 5, rid(5)) \gset
UPDATE item_order SET request_digest = NULL WHERE order_id = :p;
SELECT buy_quantity FROM item_refund(:p, 3);
SELECT order_id = :p AS same, buy_quantity FROM item_buy(1701, 5, 5, rid(5));
CALL try('item_buy(1701, 5, 2, rid(5))');
SELECT status FROM item_refund(:p);

-- A limit counts what is held. The gate is asked, also when the payment is late.
UPDATE ticket_rule SET enabled = true WHERE rule ~ 'item_rule_user_limit';
SET ticketpool.item_limit = 3;
SELECT order_id AS l FROM item_hold(1701, 21, 2) \gset
CALL try('item_hold(1701, 21, 2)');
CALL try('item_buy(1701, 21, 2)');
SELECT expire(:l);
SELECT order_id AS more FROM item_buy(1701, 21, 2) \gset
CALL try(format('item_confirm(%s)', :l));
SELECT status FROM item_refund(:more);
SELECT status FROM item_confirm(:l);
SELECT status FROM item_refund(:l);
UPDATE ticket_rule SET enabled = false WHERE rule ~ 'item_rule_user_limit';
RESET ticketpool.item_limit;

-- item_add never takes out what is held.
SELECT left_of(1701);
SELECT order_id AS a FROM item_hold(1701, 1, 4) \gset
SELECT item_add(1701, -1);
CALL try('item_add(1701, -2)');
SELECT item_add(1701, 5);
SELECT status FROM item_cancel(:a);

-- Sellers, inventories that are named, closed and merged
SELECT item_open(1703, 10) AS root \gset
SELECT id AS child FROM item_split(1703, 1, ARRAY[77]) \gset
SELECT count(*) FROM item_hold(1703, 1);
SELECT order_id AS s, inventory_id = :child AS of_child FROM item_hold(1703, 1, 4, inventory_id => :child) \gset
SELECT expire(:s), left_of(1703);
UPDATE item_inventory SET status = 'closed' WHERE id = :child;
CALL try(format('item_hold(1703, 1, inventory_id => %s)', :child));
SELECT count(*) AS rows_of_a_late_payment FROM item_confirm(:s);
UPDATE item_inventory SET status = 'open' WHERE id = :child;
SELECT status, inventory_id = :child AS of_child FROM item_confirm(:s);
-- A payment in time needs no sale.
SELECT order_id AS t FROM item_hold(1703, 1, 2, inventory_id => :child) \gset
UPDATE item_inventory SET status = 'closed' WHERE id = :child;
SELECT status FROM item_confirm(:t);
UPDATE item_inventory SET status = 'open' WHERE id = :child;
SELECT buy_quantity FROM item_refund(:t, 1);
-- Merged: holds stay with the child, and what they give back goes to the root.
SELECT order_id AS u FROM item_hold(1703, 1, 2, inventory_id => :child) \gset
SELECT order_id AS v FROM item_hold(1703, 1, 1, inventory_id => :child) \gset
SELECT order_id AS w FROM item_hold(1703, 1, 1, inventory_id => :child) \gset
SELECT item_merge(:child);
SELECT left_of(1703);
SELECT status FROM item_cancel(:u);
SELECT expire(:v);
SELECT status FROM item_confirm(:w);
SELECT buy_quantity FROM item_refund(:s, 3);
SELECT left_of(1703);
SELECT id = :root AS root, quantity FROM item_inventory WHERE item_id = 1703 ORDER BY id;
-- Paid late, it becomes the root's.
SELECT status, inventory_id = :root AS of_root FROM item_confirm(:v);
SELECT left_of(1703);
SELECT * FROM item_verify();

-- By hand: a hold takes units, runs out like any other, and may be paid.
INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, held_until) VALUES (17001, :inv, 1701, 31, 2, 'held', now() + interval '1 h');
SELECT left_of(1701);
UPDATE item_order SET status = 'expired' WHERE order_id = 17001;
SELECT left_of(1701);
UPDATE item_order SET status = 'held' WHERE order_id = 17001;
UPDATE item_order SET buy_quantity = 1 WHERE order_id = 17001;
SELECT left_of(1701), expire(17001), left_of(1701);
UPDATE item_order SET status = 'held', held_until = now() + interval '1 h' WHERE order_id = 17001;
SELECT status FROM item_confirm(17001);
UPDATE item_order SET status = 'cancelled' WHERE order_id = 17001;
SELECT left_of(1701);
DELETE FROM item_order WHERE order_id = 17001;
SELECT * FROM item_verify();

-- Where something asks for the executor; a trigger that changes the units, a policy that hides the row
CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% % %', TG_OP, NEW.status, NEW.buy_quantity; RETURN NEW; END $$;
CREATE TRIGGER noticed BEFORE INSERT OR UPDATE ON item_order FOR EACH ROW EXECUTE FUNCTION noticed();
SELECT order_id AS x FROM item_hold(1701, 1, 3) \gset
SELECT status FROM item_confirm(:x);
SELECT buy_quantity FROM item_refund(:x, 1);
SELECT status FROM item_refund(:x);
SELECT order_id AS x FROM item_hold(1701, 1, 3, ttl => '1 day') \gset
BEGIN;
SELECT expire(:x);
SELECT status FROM item_confirm(:x);
ROLLBACK;
SELECT status FROM item_cancel(:x);
CREATE OR REPLACE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.buy_quantity := NEW.buy_quantity + 1; RETURN NEW; END $$;
CALL try('item_hold(1701, 1, 3)');
ALTER TABLE item_order DISABLE TRIGGER noticed;
SELECT order_id AS x FROM item_hold(1701, 1, 3) \gset
ALTER TABLE item_order ENABLE TRIGGER noticed;
CALL try(format('item_confirm(%s)', :x));
CALL try(format('item_cancel(%s)', :x));
CREATE OR REPLACE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.status := CASE NEW.status WHEN 'sold' THEN 'cancelled' ELSE 'sold' END; RETURN NEW; END $$;
CALL try(format('item_confirm(%s)', :x));
CALL try(format('item_cancel(%s)', :x));
CREATE OR REPLACE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CALL try(format('item_confirm(%s)', :x));
CALL try(format('item_cancel(%s)', :x));
DROP TRIGGER noticed ON item_order;
SELECT status FROM item_confirm(:x);
CREATE TRIGGER noticed BEFORE INSERT ON item_refund_call FOR EACH ROW EXECUTE FUNCTION noticed();
CALL try(format('item_refund(%s, 1, rid(6))', :x));
SELECT left_of(1701);
DROP TRIGGER noticed ON item_refund_call;
-- What a trigger has lengthened since the sweep has found it is held on.
CREATE OR REPLACE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE public.item_order SET held_until = 'infinity' WHERE user_id = 42; RETURN NULL; END $$;
BEGIN;
SELECT count(*) FROM item_hold(1701, 41) a, item_hold(1701, 42) b;
CREATE TRIGGER noticed AFTER UPDATE ON item_order FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION noticed();
UPDATE item_order SET held_until = clock_timestamp() + user_id * interval '1 ms' - interval '1 s' WHERE user_id IN (41, 42);
SELECT count(ticket_sweep());
SELECT user_id, status, held_until = 'infinity' AS on_and_on FROM item_order WHERE user_id IN (41, 42) ORDER BY user_id;
ROLLBACK;
-- A check of the user's that refuses held orders is asked.
ALTER TABLE item_order ADD CONSTRAINT paid CHECK (status <> 'held') NOT VALID;
CALL try('item_hold(1701, 1)');
SELECT buy_quantity FROM item_buy(1701, 1);
ALTER TABLE item_order DROP CONSTRAINT paid;
SELECT * FROM item_verify();
-- Reading
SET default_transaction_read_only = on;
CALL try('item_hold(1701, 1)');
CALL try(format('item_confirm(%s)', :x));
CALL try(format('item_cancel(%s)', :x));
RESET default_transaction_read_only;
DROP FUNCTION left_of, rid, expire, noticed;
DROP PROCEDURE try;
