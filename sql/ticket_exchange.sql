-- ticket_change with a request_id, and ticket_exchange_hold: the new half of an exchange whose old tickets live on another server.
INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('XC1', 1, 'XCA', NULL, '8:00'), ('XC1', 2, 'XCB', '9:00', '9:02'), ('XC1', 3, 'XCC', '10:00', NULL);
INSERT INTO ticket_stop SELECT 'XC2', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'XC1';
INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('XC-F', '01', 'first', '{1A,1C}'), ('XC-F', '02', 'second', '{1A,1B,1C,1D,1F,2A}'), ('XC-1', '01', 'second', '{1A}');
SET client_min_messages = warning;
SELECT count(ticket_open(t, d, 'XC-F')) AS opened FROM unnest('{XC1,XC2}'::text[]) AS t, unnest('{2032-11-01,2032-11-02,2032-11-03}'::date[]) AS d;
SELECT ticket_open('XC1', '2032-11-04', 'XC-1') > 0 AS opened;
RESET client_min_messages;
CREATE FUNCTION rq(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT ('00000000-0000-0000-0000-' || lpad('e' || n, 12, '0'))::uuid $$;
CREATE FUNCTION raised(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(format('%s %s | %s | %s', SQLSTATE, SQLERRM, detail, hint), '(order) \d{10,}', '\1 N', 'gi');
END $$;

-- A repetition returns the rows of the new order, and changes nothing.
SELECT order_id AS old FROM ticket_buy('XC1', 'XCA', 'XCC', 1, '2032-11-01', 'second', passengers => '{11,12}') LIMIT 1 \gset
SELECT order_id AS new FROM ticket_change(:old, 'XC2', 'XCA', 'XCC', '2032-11-02', request_id => rq(1)) LIMIT 1 \gset
SELECT string_agg(c::text, ' ') = (SELECT string_agg(o::text, ' ' ORDER BY ticket_no) FROM ticket_order o WHERE order_id = :new) AS same, count(*), min(changed_from) = :old AS points,
       bool_and(request_id = rq(1)) AS its_id FROM ticket_change(:old, 'XC2', 'XCA', 'XCC', '2032-11-02', request_id => rq(1)) AS c;
SELECT count(*) AS orders FROM ticket_order WHERE changed_from = :old AND ticket_no = 1;
SELECT status, count(*) FROM ticket_get(:old) GROUP BY 1;
-- As they are now, and also if the train is sold no more, by another name of a station, or by the class that it was
SELECT status FROM ticket_refund(:new, '{2}');
SELECT ticket_close('XC2', '2032-11-02');
SELECT ticket_no, status FROM ticket_change(:old, 'XC2', 'XCA#1', 'XCC', '2032-11-02', 'second', request_id => rq(1));
SELECT ticket_no, status FROM ticket_change(:old, 'XC2', 'XCA', 'XCC', '2032-11-02', seat_choice => 'A', ticket_nos => '{2,1,1}', request_id => rq(1));
-- Another train, trip, class, tickets, order; another date is another request.
SELECT raised(format($$SELECT ticket_change(%s, 'XC1', 'XCA', 'XCC', '2032-11-02', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCB', '2032-11-02', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCC', '2032-11-02', 'first', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCC', '2032-11-02', ticket_nos => '{1}', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCC', '2032-11-03', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCC', '2032-11-02', request_id => rq(1))$$, :new));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'nowhere', '2032-11-02', request_id => rq(1))$$, :old));
SELECT raised(format($$SELECT ticket_change(1, 'XC2', 'XCA', 'XCC', '2032-11-02', request_id => rq(1))$$));
SELECT raised(format($$SELECT ticket_change(%s, 'XC2', 'XCA', 'XCC', '2032-11-02', ticket_nos => '{3}', request_id => rq(1))$$, :old));
-- An exchange is not a purchase.
SELECT raised($$SELECT ticket_buy('XC2', 'XCA', 'XCC', 1, '2032-11-02', 'second', '{11,12}', request_id => rq(1))$$);
SELECT raised($$SELECT ticket_buy_many(ARRAY[ROW('XC2', 'XCA', 'XCC', 1, '2032-11-02', 'second', '{11,12}', NULL, NULL, rq(1))::ticket_request])$$);
SELECT order_id AS bought FROM ticket_buy('XC1', 'XCA', 'XCC', 2, '2032-11-01', 'second', request_id => rq(2)) \gset
SELECT raised(format($$SELECT ticket_change(%s, 'XC1', 'XCA', 'XCC', '2032-11-01', request_id => rq(2))$$, :bought));
-- Named tickets, and of a mixed order the class that was named
SELECT order_id AS old FROM ticket_buy('XC1', 'XCA', 'XCB', 3, '2032-11-01', 'second', passengers => '{31,32,33}') LIMIT 1 \gset
SELECT count(*), min(passenger_id) AS passenger FROM ticket_change(:old, 'XC1', 'XCA', 'XCB', '2032-11-03', 'first', ticket_nos => '{2}', request_id => rq(3));
SELECT count(*), min(passenger_id) AS passenger FROM ticket_change(:old, 'XC1', 'XCA', 'XCB', '2032-11-03', 'first', ticket_nos => '{2}', request_id => rq(3));
SELECT raised(format($$SELECT ticket_change(%s, 'XC1', 'XCA', 'XCB', '2032-11-03', 'first', request_id => rq(3))$$, :old));
SELECT raised(format($$SELECT ticket_change(%s, 'XC1', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{2}', request_id => rq(3))$$, :old));
SELECT count(*) AS the_rest FROM ticket_change(:old, 'XC1', 'XCA', 'XCB', '2032-11-03', request_id => rq(4));
SELECT count(*) AS the_rest FROM ticket_change(:old, 'XC1', 'XCA', 'XCB', '2032-11-03', request_id => rq(4));
-- Sold out, rolled back, refused: nothing is kept, and a repetition tries again.
SELECT order_id AS single FROM ticket_buy('XC1', 'XCA', 'XCC', 4, '2032-11-04') \gset
SELECT order_id AS old FROM ticket_buy('XC1', 'XCA', 'XCC', 5, '2032-11-01', 'second') \gset
SELECT count(*) AS sold_out FROM ticket_change(:old, 'XC1', 'XCA', 'XCC', '2032-11-04', request_id => rq(5));
SELECT status FROM ticket_refund(:single);
BEGIN;
SELECT status FROM ticket_change(:old, 'XC1', 'XCA', 'XCC', '2032-11-04', request_id => rq(5));
SELECT status FROM ticket_change(:old, 'XC1', 'XCA', 'XCC', '2032-11-04', request_id => rq(5));
ROLLBACK;
SELECT status FROM ticket_get(:old);
SELECT status FROM ticket_change(:old, 'XC1', 'XCA', 'XCC', '2032-11-04', request_id => rq(5));
SELECT order_id = :old AS own_again, status FROM ticket_get(:old);
SELECT * FROM ticket_verify();

-- The new half: held, for the passengers, classes and channels that it is told, of one order that points to the old.
SELECT count(ticket_reserve('XC2', '2032-11-01', 'second', 'web', 1, 'XCA', 'XCC')) AS quota;
SELECT order_id AS new FROM ticket_exchange_hold(4711, 6, '{1,3,7}', '{61,62,63}', '{second,first,second}', '{NULL,NULL,web}', 'XC2', 'XCA', 'XCC', '2032-11-01', ttl => '1 hour') LIMIT 1 \gset
SELECT ticket_no, user_id, passenger_id, seat_class, channel, status, held_until > now() + interval '59 minutes' AS held, changed_from, request_id FROM ticket_get(:new);
SELECT ticket_remaining('XC2', 'XCA', 'XCC', '2032-11-01', 'second') AS second, ticket_remaining('XC2', 'XCA', 'XCC', '2032-11-01', 'second', 'web') AS web, ticket_remaining('XC2', 'XCA', 'XCC', '2032-11-01', 'first') AS first;
-- Paid it is what an exchange on one server leaves.
SELECT ticket_no, status, held_until, changed_from FROM ticket_confirm(:new);
-- One class for all; a choice goes ticket by ticket.
SELECT ticket_no, passenger_id, seat_class, seat, status FROM ticket_exchange_hold(4712, 6, '{1,2}', '{61,62}', '{second,first}', '{NULL,NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', 'second', 'DA');
-- With a request_id: its rows, whatever is told of the old tickets; 22023 if it is another exchange.
SELECT order_id AS new FROM ticket_exchange_hold(4713, 7, '{1,2}', '{71,72}', '{first,first}', '{NULL,NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6)) LIMIT 1 \gset
SELECT ticket_no, status, order_id = :new AS same FROM ticket_exchange_hold(4713, 7, '{}', '{}', '{}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6));
SELECT raised($$SELECT ticket_exchange_hold(4714, 7, '{}', '{}', '{}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6))$$);
SELECT raised($$SELECT ticket_exchange_hold(4713, 7, '{}', '{}', '{}', '{}', 'XC1', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6))$$);
SELECT raised($$SELECT ticket_exchange_hold(4713, 7, '{}', '{}', '{}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03', request_id => rq(6))$$);
-- ticket_change finds it as well, and it ticket_change's.
SELECT count(*) AS nothing FROM ticket_exchange_hold(4713, 7, '{}', '{}', '{}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03', request_id => rq(7));
SELECT status FROM ticket_exchange_hold(:old, 5, '{}', '{}', '{}', '{}', 'XC1', 'XCA', 'XCC', '2032-11-04', request_id => rq(5));
-- Given up or run out, it does not block its request_id.
SELECT status FROM ticket_cancel(:new);
SELECT order_id AS again, order_id <> :new AS anew, status, request_id = rq(6) AS its_id FROM ticket_exchange_hold(4713, 7, '{1,2}', '{71,72}', '{first,first}', '{NULL,NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6)) LIMIT 1 \gset
SELECT :'anew' AS anew, :'status' AS status, :'its_id' AS its_id;
SELECT status, request_id FROM ticket_get(:new);
UPDATE ticket_order SET held_until = now() - interval '1 minute' WHERE order_id = :again;
SELECT ticket_sweep() >= 0 AS swept;
SELECT status, count(*) FROM ticket_get(:again) GROUP BY 1;
-- With nothing told of the old tickets it is not in vain: they may be changed in favour of it.
SELECT status, request_id = rq(6) AS its_id FROM ticket_exchange_hold(4713, 7, '{}', '{}', '{}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6));
SELECT count(*) AS anew FROM ticket_exchange_hold(4713, 7, '{1,2}', '{71,72}', '{first,first}', '{NULL,NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', ticket_nos => '{1,2}', request_id => rq(6));
-- Paid late in the meantime it is the answer.
SELECT order_id AS late FROM ticket_exchange_hold(4715, 8, '{1}', '{81}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', request_id => rq(8)) \gset
UPDATE ticket_order SET status = 'expired' WHERE order_id = :late;
SELECT status FROM ticket_confirm(:late);
SELECT order_id = :late AS same, status FROM ticket_exchange_hold(4715, 8, '{1}', '{81}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', request_id => rq(8));
-- Sold out: no row, and nothing is left of the part that was to be had.
SELECT count(*) AS sold_out FROM ticket_exchange_hold(4716, 9, '{1,2,3}', '{1,2,3}', '{second,first,first}', '{NULL,NULL,NULL}', 'XC2', 'XCA', 'XCC', '2032-11-01');
SELECT ticket_remaining('XC2', 'XCA', 'XCC', '2032-11-01', 'second') AS second;
-- Errors
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{third}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{NULL}', 'XC9', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{NULL}', 'XC2', 'XCB', 'XCA', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-02')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1,2}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{NULL}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{{1}}', '{1}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{""}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, NULL, '{1}', '{1}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', NULL)$$);
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{1}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03', ttl => '0')$$);
-- Rules are asked about the new tickets.
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure';
SELECT raised($$SELECT ticket_exchange_hold(1, 1, '{1}', '{81}', '{second}', '{NULL}', 'XC2', 'XCA', 'XCB', '2032-11-03')$$);
UPDATE ticket_rule SET enabled = false WHERE rule = 'ticket_rule_one_per_departure';
-- The id is taken off also where the user's trigger asks for SQL.
CREATE FUNCTION ex_touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER ex_touch BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION ex_touch();
SELECT order_id AS new FROM ticket_exchange_hold(4717, 10, '{1}', '{10}', '{second}', '{NULL}', 'XC1', 'XCA', 'XCB', '2032-11-02', request_id => rq(9)) \gset
SELECT status FROM ticket_cancel(:new);
SELECT order_id <> :new AS anew, status FROM ticket_exchange_hold(4717, 10, '{1}', '{10}', '{second}', '{NULL}', 'XC1', 'XCA', 'XCB', '2032-11-02', request_id => rq(9));
SELECT status, request_id FROM ticket_get(:new);
DROP TRIGGER ex_touch ON ticket_order;
DROP FUNCTION ex_touch;
SELECT * FROM ticket_verify();
DROP FUNCTION rq;
DROP FUNCTION raised;
