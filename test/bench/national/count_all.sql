-- pgbench: seats left on any of all departures, all classes
\set n random(1, :departures)
SELECT ticket_remaining(train, a, b, service_date) FROM national_all WHERE n = :n;
