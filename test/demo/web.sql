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

-- Tomorrow some trains are nearly sold out: how many seats are to be left of which class.
SET ticketpool.allocation = random;
SELECT count(*) FROM (VALUES ('G1', 'business', 0), ('G1', 'first', 6), ('G1', 'second', 318), ('G105', 'business', 0), ('G105', 'first', 7), ('G11', 'second', 42), ('G107', 'first', 0))
        AS v (train, class, rest),
    generate_series(1, ticket_remaining(v.train, 'VNP', 'AOH', CURRENT_DATE + 1, v.class) - v.rest) AS i,
    ticket_buy(v.train, 'VNP', 'AOH', i, CURRENT_DATE + 1, v.class) \g /dev/null
-- G125 stops often: many short trips, so that its picture shows how a seat is sold again and again.
SELECT count(*) FROM demo_wish w, generate_series(1, 60) AS i,
    ticket_buy(w.train, w.from_station, w.to_station, i, w.service_date, CASE WHEN i % 9 = 0 THEN 'first' ELSE 'second' END)
WHERE w.train = 'G125' AND w.service_date = CURRENT_DATE + 1 AND i <= 1 + w.n % 60 \g /dev/null
