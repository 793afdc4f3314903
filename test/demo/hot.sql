-- pgbench: everybody wants tomorrow's nine o'clock express
\set user random(1, 1000000)
SELECT count(*) FROM ticket_buy('G1', '北京南', '上海虹桥', :user, CURRENT_DATE + 1, 'second');
