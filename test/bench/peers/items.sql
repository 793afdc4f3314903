-- Peers of item_buy: three ways to take from a hot row, each with one order row. A stock of
-- 1,600,000,000 never runs out here.
--   101 counter   UPDATE ... WHERE quantity >= n: a buyer waits for the row until the one before it
--                 has committed
--   102 advisory  the same behind pg_try_advisory_xact_lock: a buyer that does not get the lock tries
--                 again instead of waiting for the row
--   103 parts     16 sub-rows, from a random one on, SKIP LOCKED: the stock is not in one exact
--                 number, and no purchase can be larger than what a part has left
CREATE TABLE peer_item_stock (item_id bigint, part int, quantity bigint NOT NULL CHECK (quantity >= 0), PRIMARY KEY (item_id, part)) WITH (fillfactor = 10);
INSERT INTO peer_item_stock VALUES (101, 1, 1600000000), (102, 1, 1600000000);
INSERT INTO peer_item_stock SELECT 103, part, 100000000 FROM generate_series(1, 16) AS part;
CREATE TABLE peer_item_order (LIKE item_order INCLUDING ALL);

CREATE FUNCTION peer_item_row(item bigint, buyer bigint, n bigint) RETURNS bigint LANGUAGE sql AS
$$ INSERT INTO peer_item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, create_time)
   VALUES (nextval('item_order_id_seq'), 1, item, buyer, n, 'sold', now()) RETURNING order_id $$;

CREATE FUNCTION counter_buy(item bigint, buyer bigint, n bigint) RETURNS SETOF bigint LANGUAGE plpgsql AS
$$
BEGIN
  UPDATE peer_item_stock SET quantity = quantity - n WHERE item_id = item AND part = 1 AND quantity >= n;
  IF FOUND THEN
    RETURN NEXT peer_item_row(item, buyer, n);
  ELSE
    PERFORM nextval('bench_refused');
  END IF;
END
$$;

CREATE FUNCTION advisory_buy(item bigint, buyer bigint, n bigint) RETURNS SETOF bigint LANGUAGE plpgsql AS
$$
BEGIN
  FOR attempt IN 1 .. 100000 LOOP
    IF pg_try_advisory_xact_lock(item) THEN
      RETURN QUERY SELECT * FROM counter_buy(item, buyer, n);
      RETURN;
    END IF;
    PERFORM pg_sleep(0.0002);
  END LOOP;
  PERFORM nextval('bench_refused');
END
$$;

CREATE FUNCTION parts_buy(item bigint, buyer bigint, n bigint) RETURNS SETOF bigint LANGUAGE plpgsql AS
$$
DECLARE
  first int := 1 + floor(random() * 16);
BEGIN
  -- If all parts are locked or too small, the second round waits for them.
  UPDATE peer_item_stock SET quantity = quantity - n
  WHERE item_id = item AND part = (SELECT p.part FROM peer_item_stock AS p WHERE p.item_id = item AND p.quantity >= n
                                   ORDER BY (p.part + first) % 16 LIMIT 1 FOR UPDATE SKIP LOCKED);
  IF NOT FOUND THEN
    UPDATE peer_item_stock SET quantity = quantity - n
    WHERE item_id = item AND part = (SELECT p.part FROM peer_item_stock AS p WHERE p.item_id = item AND p.quantity >= n
                                     ORDER BY (p.part + first) % 16 LIMIT 1 FOR UPDATE);
  END IF;
  IF FOUND THEN
    RETURN NEXT peer_item_row(item, buyer, n);
  ELSE
    PERFORM nextval('bench_refused');
  END IF;
END
$$;
