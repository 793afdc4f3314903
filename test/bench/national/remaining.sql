-- pgbench: seats left on a random departure of all departures on sale
\set n random(1, :trips)
SELECT ticket_remaining(train, a, b, service_date) FROM national_trip WHERE n = :n;
