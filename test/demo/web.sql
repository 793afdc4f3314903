-- What is only in the web demo: station names for those who do not read Chinese, and trains on which
-- something is to be seen. Days are those of the server's time zone.
\set ON_ERROR_STOP 1
CREATE TEMP TABLE spelling (station text, name text, pinyin text, lat text, lon text);
\set copy '\\copy spelling FROM ''':stations''' (FORMAT csv, HEADER)'
:copy
-- 北京南 is Beijing Nan; 济南 is one word.
UPDATE ticket_station t SET name = t.name || ' ' || initcap(CASE WHEN char_length(s.name) < 3 THEN pinyin
    ELSE regexp_replace(pinyin, '(hongqiao|dong|xi|nan|bei)$', ' \1') END)
FROM spelling s WHERE s.station = t.station;

-- Tomorrow's nine o'clock express: business class is sold out, of first class little is left.
SELECT ticket_remaining('G1', 'VNP', 'AOH', CURRENT_DATE + 1, 'business') AS business,
       ticket_remaining('G1', 'VNP', 'AOH', CURRENT_DATE + 1, 'first') - 6 AS first \gset
SET ticketpool.allocation = random;
SELECT count(*) FROM generate_series(1, :business) AS n, ticket_buy('G1', 'VNP', 'AOH', n, CURRENT_DATE + 1, 'business') \g /dev/null
SELECT count(*) FROM generate_series(1, :first) AS n, ticket_buy('G1', 'VNP', 'AOH', n, CURRENT_DATE + 1, 'first') \g /dev/null
-- And some of each coach of second class.
SELECT count(*) FROM generate_series(1, 220) AS n, ticket_buy('G1', 'VNP', 'AOH', n, CURRENT_DATE + 1, 'second') \g /dev/null
-- G125 stops often: many short trips, so that its picture shows how a seat is sold again and again.
SELECT count(*) FROM demo_wish w, generate_series(1, 60) AS i,
    ticket_buy(w.train, w.from_station, w.to_station, i, w.service_date, CASE WHEN i % 9 = 0 THEN 'first' ELSE 'second' END)
WHERE w.train = 'G125' AND w.service_date = CURRENT_DATE + 1 AND i <= 1 + w.n % 60 \g /dev/null
