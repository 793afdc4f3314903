SELECT train, to_char(departs, 'HH24:MI') AS "北京南", to_char(arrives, 'HH24:MI') AS "上海虹桥",
       max(remaining) FILTER (WHERE seat_class = 'business') AS business,
       max(remaining) FILTER (WHERE seat_class = 'first') AS first,
       max(remaining) FILTER (WHERE seat_class = 'second') AS second
FROM ticket_search('北京南', '上海虹桥', CURRENT_DATE + 1)
WHERE departs::time BETWEEN '08:30' AND '10:00'
GROUP BY train, departs, arrives
ORDER BY departs;
