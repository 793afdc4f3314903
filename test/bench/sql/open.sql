-- Fresh departures for one slice: :trains of them on the :day-th day from today. Each is looked at
-- once, so that it is in memory before the slice.
SELECT count(ticket_open(train::text, :'today'::date + :day, 'bench')) FROM generate_series(1, :trains) AS train \g /dev/null
SELECT count(ticket_remaining(train::text, '1', '30', :'today'::date + :day, 'second')) FROM generate_series(1, :trains) AS train \g /dev/null
