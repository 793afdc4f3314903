-- Brings all departures into memory, in no order.
SELECT count(ticket_remaining(train::text, '1', '30', :'date', 'second')) FROM (SELECT train FROM generate_series(1, :trains) AS train ORDER BY hashint4(train)) AS mixed;
