-- What the items' runs left behind, as "what|count". Each count except the first ones, the rows of
-- the slices, should be 0.
SELECT 'items: order rows of ' || CASE item_id WHEN 1 THEN 'item' WHEN 101 THEN 'counter' WHEN 102 THEN 'advisory' ELSE 'parts' END, count(*)
FROM (SELECT item_id FROM item_order WHERE item_id = 1 UNION ALL SELECT item_id FROM peer_item_order) AS o GROUP BY item_id
UNION ALL
SELECT 'items: stock that the orders do not explain', 1000000000000 - item_remaining(1) - (SELECT coalesce(sum(buy_quantity), 0) FROM item_order WHERE item_id = 1)
UNION ALL
SELECT 'items: stock of ' || item_id || ' that the orders do not explain',
       1600000000 - sum(quantity) - (SELECT coalesce(sum(buy_quantity), 0) FROM peer_item_order AS o WHERE o.item_id = s.item_id)
FROM peer_item_stock AS s GROUP BY item_id
UNION ALL
SELECT 'items: sold beyond the stock', count(*) FROM item_order WHERE item_id = 2 HAVING count(*) > 1;
