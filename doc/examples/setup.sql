-- A train, a formation of ten seats and three days on sale, for the examples in this folder:
--   psql -f setup.sql
CREATE EXTENSION IF NOT EXISTS ticketpool;
INSERT INTO ticket_station VALUES ('VNP', '北京南'), ('NKH', '南京南'), ('AOH', '上海虹桥');
INSERT INTO ticket_stop VALUES ('G1', 1, 'VNP', NULL, '09:00'), ('G1', 2, 'NKH', '12:39', '12:41'), ('G1', 3, 'AOH', '13:48', NULL);
INSERT INTO ticket_formation VALUES ('short', '1', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F}');
SELECT ticket_open('G1', CURRENT_DATE + day, 'short') FROM generate_series(1, 3) AS day;
