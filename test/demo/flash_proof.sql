-- The sale lasts from the first order to the order that took the last unit for the first time.
WITH way AS (
    SELECT 'item_buy' AS way, item_remaining(1) AS left, o.* FROM item_order o
    UNION ALL SELECT 'hot row', (SELECT quantity FROM row_inventory), o.* FROM row_order o),
running AS (
    SELECT way, "left", buy_quantity, status, create_time,
        sum(buy_quantity) OVER (PARTITION BY way ORDER BY create_time, order_id) AS sold_so_far, min(create_time) OVER (PARTITION BY way) AS first FROM way)
SELECT way, count(*) AS orders, sum(buy_quantity) FILTER (WHERE status = 'sold') AS "units sold", "left" AS "units left",
    count(*) FILTER (WHERE status = 'refunded') AS "orders refunded",
    round(extract(epoch FROM min(create_time) FILTER (WHERE sold_so_far >= 10000) - min(first)), 2) AS "seconds to sell 10,000"
FROM running GROUP BY way, "left" ORDER BY way DESC;
