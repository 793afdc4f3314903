-- pgbench: a ticket on a random departure of all departures on sale
\set n random(1, :trips)
\set user random(1, 1000000)
SELECT order_id FROM national_trip, ticket_buy(train, a, b, :user, service_date, seat_class) WHERE n = :n;
