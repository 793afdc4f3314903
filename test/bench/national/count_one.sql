-- pgbench: count_all.sql with the same row looked up, on one departure
\set n random(1, :departures)
SELECT ticket_remaining(:one_train, :one_a, :one_b, :one_date) FROM national_all WHERE n = :n AND train <> '';
