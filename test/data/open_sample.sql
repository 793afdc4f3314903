-- Puts the sample trains on sale: the expresses (up to four stops) with an 8-car set, the others with a 16-car set.
-- usage: psql -v days=15 -f test/data/open_sample.sql            (days: from today on, by default 15)
--        psql -v margin='5 min' -f test/data/open_sample.sql      (margin: the sale of a trip ends that long before the train leaves)
-- What is on sale already stays as it is, so that a daily run opens just the new last day.
\set ON_ERROR_STOP 1
\if :{?days}
\else
\set days 15
\endif
\if :{?margin}
\else
\set margin ''
\endif
SELECT count(ticket_open(train, day, formation, sale_margin => nullif(:'margin', '')::interval)) AS departures_opened
FROM (SELECT train, CASE WHEN count(*) <= 4 THEN 'CR400AF' ELSE 'CR400AF-A' END AS formation
      FROM ticket_stop WHERE train ~ '^G[0-9]+$' GROUP BY train ORDER BY train) AS t,
     LATERAL (SELECT CURRENT_DATE + n AS day FROM generate_series(0, :days - 1) AS n) AS d
WHERE NOT EXISTS (SELECT FROM ticket_departure p WHERE p.train = t.train AND p.service_date = d.day);
