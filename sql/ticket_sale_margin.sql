-- The end of the sale at each stop: sale_margin, by the clock of ticketpool.timezone. Times are
-- relative to now: the trains of this file left their first stop an hour ago.
SET client_min_messages = warning;
SHOW ticketpool.timezone;
SET ticketpool.timezone = 'Asia/Tokyo';
-- The service date, and the time of day in the server's zone, an hour ago
SELECT set_config('timezone', (SELECT setting FROM pg_file_settings WHERE lower(name) = 'timezone' ORDER BY seqno DESC LIMIT 1), false) \g /dev/null
SELECT (now() - interval '1 hour')::date AS today, date_trunc('second', (now() - interval '1 hour')::time)::interval AS past \gset
SET regress.today = :'today';
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES
    ('MA1', 1, 'MAA', NULL, :'past'), ('MA1', 2, 'MAB', interval :'past' + '2 hours', interval :'past' + '2 hours 5 minutes'),
    ('MA1', 3, 'MAC', interval :'past' + '4 hours', interval :'past' + '4 hours'), ('MA1', 4, 'MAD', interval :'past' + '6 hours', NULL),
    -- a loop whose first call at MAB is over
    ('MA2', 1, 'MAB', NULL, :'past'), ('MA2', 2, 'MAC', interval :'past' + '10 minutes', NULL),
    ('MA2', 3, 'MAB', interval :'past' + '3 hours', NULL), ('MA2', 4, 'MAX', interval :'past' + '4 hours', NULL),
    ('MA2', 5, 'MAC', interval :'past' + '5 hours', NULL);
INSERT INTO ticket_formation VALUES ('MA-F', '01', 'second', ARRAY['1A', '1B', '1C'], NULL);
SELECT ticket_open('MA1', :'today', 'MA-F', now() - interval '1 day', sale_margin => '0') > 0 AS opened,
    ticket_open('MA2', :'today', 'MA-F', now() - interval '1 day', sale_margin => '1 minute') > 0 AS opened;
-- The first stop is over, the others are not
SELECT from_stop, to_stop FROM ticket_buy('MA1', 'MAB', 'MAD', 1, :'today');
\set VERBOSITY sqlstate
SELECT ticket_buy('MA1', 'MAA', 'MAD', 1, :'today');
SELECT ticket_hold('MA1', 'MAA', 'MAD', 1, :'today');
\set VERBOSITY terse
-- The message has no time in it, the detail has
DO $$
DECLARE
    message text;
    detail text;
BEGIN
    PERFORM ticket_buy('MA1', 'MAA', 'MAD', 1, current_setting('regress.today')::date);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RAISE INFO '% / %', regexp_replace(message, 'of \S+ is', 'of DAY is'), regexp_replace(detail, 'at .*$', 'at TIME.');
END $$;
\set VERBOSITY default
SELECT ticket_remaining('MA1', 'MAA', 'MAD', :'today') AS over, ticket_remaining('MA1', 'MAC', 'MAD', :'today') AS on_sale;
SELECT (ticket_why('MA1', 'MAA', 'MAD', :'today')).outcome, (ticket_why('MA1', 'MAC', 'MAD', :'today')).outcome;
SELECT from_stop, to_stop, remaining FROM ticket_remaining_matrix('MA1', :'today', NULL);
SELECT train, from_stop, to_stop, remaining FROM ticket_search('MAA', 'MAD', :'today');
SELECT train, from_stop, to_stop FROM ticket_trains('MAA', 'MAD', :'today');
SELECT train, from_stop, to_stop, remaining FROM ticket_search('MAC', 'MAD', ((now() + interval '3 hours')::date)) ORDER BY train;
SELECT count(*) FROM ticket_buy_many(ARRAY[('MA1', 'MAA', 'MAD', 1, :'today', NULL, NULL, NULL, NULL, NULL)::ticket_request]);
-- A train that calls twice: the call that can still be boarded, also if the trip has more stops
SELECT from_stop, to_stop FROM ticket_buy('MA2', 'MAB', 'MAC', 2, :'today');
SELECT train, from_stop, to_stop FROM ticket_trains('MAB', 'MAC', (now() + interval '2 hours')::date) WHERE train = 'MA2';
\set VERBOSITY sqlstate
SELECT ticket_buy('MA2', 'MAB#1', 'MAC', 2, :'today');
\set VERBOSITY default
-- A hold that was made in time may still be paid; an exchange to a trip that is over is not sold
SELECT order_id AS held FROM ticket_hold('MA1', 'MAC', 'MAD', 3, :'today') \gset
UPDATE ticket_departure SET sale_margin = '5 hours' WHERE train = 'MA1' AND service_date = :'today';
SELECT ticket_remaining('MA1', 'MAC', 'MAD', :'today') AS over;
SELECT status FROM ticket_confirm(:held);
\set VERBOSITY sqlstate
SELECT ticket_change(:held, 'MA1', 'MAB', 'MAD', :'today');
\set VERBOSITY default
SELECT status FROM ticket_refund(:held);
-- No margin: until closes_at alone
UPDATE ticket_departure SET sale_margin = NULL WHERE train = 'MA1' AND service_date = :'today';
SELECT from_stop, to_stop FROM ticket_buy('MA1', 'MAA', 'MAB', 4, :'today');
BEGIN;
UPDATE ticket_departure SET sale_margin = '5 hours' WHERE train = 'MA1' AND service_date = :'today';
ROLLBACK;
SELECT ticket_remaining('MA1', 'MAC', 'MAD', :'today') > 0 AS on_sale;
-- What is no margin
SELECT ticket_open('MA3', :'today', 'MA-F', sale_margin => '-1 minute');
SELECT ticket_open('MA3', :'today', 'MA-F', sale_margin => '1 month');
SELECT ticket_open('MA3', :'today', 'MA-F', sale_margin => '367 days');
SELECT ticket_open('MA3', :'today', 'MA-F', sale_margin => '2000000000 days');
-- A day has 24 hours
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) SELECT 'MA3', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'MA1';
SELECT ticket_open('MA3', (:'today')::date + 2, 'MA-F', now() - interval '1 day', sale_margin => '1 day') > 0 AS opened;
SELECT ticket_remaining('MA3', 'MAA', 'MAD', (:'today')::date + 2) AS on_sale;
UPDATE ticket_departure SET sale_margin = '2 days' WHERE train = 'MA3';
SELECT ticket_remaining('MA3', 'MAA', 'MAD', (:'today')::date + 2) AS over;
-- The zone: another one moves the end of the sale
ALTER SYSTEM SET ticketpool.timezone = 'Nowhere/Atlantis';
SELECT * FROM ticket_verify();
