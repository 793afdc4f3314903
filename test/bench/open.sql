-- Fresh departures for one slice: :trains of them on the :day-th day from today.
SELECT count(ticket_open(train::text, CURRENT_DATE + :day, 'bench')) FROM generate_series(1, :trains) AS train \g /dev/null
