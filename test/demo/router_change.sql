-- A ticket for today's last express, exchanged for one of a train that another node has.
CREATE TEMP TABLE moment (n int GENERATED ALWAYS AS IDENTITY, moment text, order_id bigint, status text, node int);
SELECT order_id AS bought FROM ticket_buy('G1', '北京南', '上海虹桥', 100, CURRENT_DATE + 3, 'first') \gset
SELECT a.train AS other FROM router_train a JOIN router_train b ON b.train = 'G1' AND b.from_date = a.from_date AND b.node <> a.node
WHERE a.from_date = CURRENT_DATE AND a.train IN ('G3', 'G11', 'G13', 'G15', 'G17') ORDER BY a.train LIMIT 1 \gset
INSERT INTO moment (moment, order_id, status) SELECT 'bought: G1', order_id, status FROM ticket_get(:bought);
SELECT order_id AS changed FROM ticket_change(:bought, :'other', '北京南', '上海虹桥', CURRENT_DATE + 3, 'first') \gset
INSERT INTO moment (moment, order_id, status) SELECT 'afterwards: G1', order_id, status FROM ticket_get(:bought);
INSERT INTO moment (moment, order_id, status) SELECT 'afterwards: ' || :'other', order_id, status FROM ticket_get(:changed);
SELECT moment, order_id, status, (SELECT w.node FROM ticket_where(m.order_id) w) AS node FROM moment m ORDER BY n;
-- An exchange keeps one of the two, whatever dies when. What was left halfway is settled.
SELECT count(*) AS "exchanges left halfway" FROM router_settle();
