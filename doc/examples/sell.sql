-- Sells tickets from a psql script, from search to refund: psql -f setup.sql, then psql -XAtq -f sell.sql
-- Errors have a SQLSTATE, in :SQLSTATE after each statement; "sold out" is not an error but an answer
-- without rows.
\set ON_ERROR_STOP on
SELECT CURRENT_DATE + 1 AS day, CURRENT_DATE + 2 AS after, CURRENT_DATE + 3 AS last \gset
-- The application makes a request_id, one for each click on "buy": a retry with it returns the same
-- tickets and sells nothing.
SELECT gen_random_uuid() AS request_id, gen_random_uuid() AS change_id \gset

SELECT 'found:', train, departs::time, arrives::time, seat_class, remaining FROM ticket_search('北京南', '上海虹桥', :'day');
SELECT 'remaining:', ticket_remaining('G1', '北京南', '上海虹桥', :'day');

-- Hold two seats while the user pays.
SELECT 'held:', ticket_no, coach || '/' || seat, held_until > now()
FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => 7, service_date => :'day', passengers => '{101,102}', seat_choice => 'AB',
                 request_id => :'request_id');
SELECT order_id FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => 7, service_date => :'day', passengers => '{101,102}', seat_choice => 'AB',
                                 request_id => :'request_id') LIMIT 1 \gset
\if :{?order_id}
    -- Paid. Payment callbacks are retried, too: the second confirmation changes nothing. No row would
    -- mean that the user paid too late and no seat is left.
    SELECT 'paid:', ticket_no, status FROM ticket_confirm(:order_id);
    SELECT 'again:', ticket_no, status FROM ticket_confirm(:order_id);
\else
    \echo sold out
\endif

-- Nine seats while eight are left: all or none, so no row. Nine people wait for what comes back.
SELECT count(*) = 0 AS is_sold_out FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 8, service_date => :'day', passengers => '{1,2,3,4,5,6,7,8,9}') \gset
\if :is_sold_out
    \echo sold out: no nine seats are left
\endif
SELECT wait_id FROM ticket_wait(8, ARRAY[('G1', '北京南', '上海虹桥', NULL, :'day', 'second', NULL, NULL, NULL, NULL)]::ticket_request[],
                                passengers => '{1,2,3,4,5,6,7,8,9}') \gset
SELECT 'nine seats:', status FROM ticket_wait WHERE wait_id = :wait_id;

-- Another day, in one step: it frees two seats, and whoever waits has them at once. Then one of the two
-- passengers stays at home.
SELECT order_id FROM ticket_change(:order_id, 'G1', '北京南', '上海虹桥', :'after', request_id => :'change_id') LIMIT 1 \gset
SELECT 'nine seats:', status FROM ticket_wait WHERE wait_id = :wait_id;
SELECT 'refund:', ticket_no, status FROM ticket_refund(:order_id, '{1}');

-- Errors that a shop has to expect: not on sale (TK003), refused by a rule (TK004).
SELECT FROM ticket_close('G1', :'last');
UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure';
\set ON_ERROR_STOP off
SELECT * FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 7, service_date => :'last');
\echo refused: :SQLSTATE :LAST_ERROR_MESSAGE
SELECT * FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 7, service_date => :'after', passengers => '{102}');
\echo refused: :SQLSTATE :LAST_ERROR_MESSAGE
\set ON_ERROR_STOP on

-- A batch: each request is all or none by itself; a request that is sold out has no row.
SELECT 'batch:', request_no, coach || '/' || seat
FROM ticket_buy_many(ARRAY[('G1', 'VNP', 'NKH', 9, :'after', NULL, '{201}', NULL, NULL, NULL),
                           ('G1', 'VNP', 'AOH', 9, :'after', NULL, '{1,2,3,4,5,6,7,8,9,10}', NULL, NULL, NULL),
                           ('G1', 'NKH', 'AOH', 9, :'after', NULL, '{202}', NULL, NULL, NULL)]::ticket_request[]);
