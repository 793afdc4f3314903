-- G3 in two weeks: business class is sold out, and three wait for it. Then two tickets are refunded,
-- one after the other.
SELECT ticket_remaining('G3', '北京南', '上海虹桥', CURRENT_DATE + 14, 'business') AS seats \gset
CREATE TEMP TABLE sold AS
SELECT o.* FROM generate_series(1, :seats) AS user_id, ticket_buy('G3', '北京南', '上海虹桥', user_id, CURRENT_DATE + 14, 'business') AS o;
CREATE TEMP TABLE waiter AS
SELECT 1 AS n, 'a party of two' AS who, wait_id FROM ticket_wait(501, ARRAY[('G3', '北京南', '上海虹桥', NULL, CURRENT_DATE + 14, 'business', NULL, NULL, NULL, NULL)]::ticket_request[], passengers => '{501,502}')
UNION ALL SELECT 2, 'one from 南京南', wait_id FROM ticket_wait(503, ARRAY[('G3', '南京南', '上海虹桥', NULL, CURRENT_DATE + 14, 'business', NULL, NULL, NULL, NULL)]::ticket_request[])
UNION ALL SELECT 3, 'one all the way', wait_id FROM ticket_wait(504, ARRAY[('G3', '北京南', '上海虹桥', NULL, CURRENT_DATE + 14, 'business', NULL, NULL, NULL, NULL)]::ticket_request[]);
CREATE TEMP VIEW answer AS
SELECT n, coalesce((SELECT 'has ' || coach || '/' || seat FROM ticket_order o WHERE o.order_id = w.order_id), 'waits: ' || s.reason) AS answer
FROM waiter JOIN ticket_wait w USING (wait_id), ticket_wait_status(wait_id) s;
CREATE TEMP TABLE after AS SELECT 0 AS refunds, * FROM answer;
SELECT count(*) FROM ticket_refund((SELECT min(order_id) FROM sold)) \g /dev/null
INSERT INTO after SELECT 1, * FROM answer;
SELECT count(*) FROM ticket_refund((SELECT max(order_id) FROM sold)) \g /dev/null
INSERT INTO after SELECT 2, * FROM answer;
SELECT who, max(answer) FILTER (WHERE refunds = 0) AS "sold out", max(answer) FILTER (WHERE refunds = 1) AS "one ticket is refunded", max(answer) FILTER (WHERE refunds = 2) AS "another one"
FROM waiter JOIN after USING (n) GROUP BY n, who ORDER BY n;
SELECT kind, wait_id, coach || '/' || seat AS seat, held_until IS NOT NULL AS "to be paid" FROM ticket_event JOIN ticket_order USING (order_id, ticket_no) WHERE kind = 'awarded' ORDER BY event_id;
