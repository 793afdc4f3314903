-- Sells tickets from a psql script: psql -f setup.sql, then psql -f sell.sql
-- Errors have a SQLSTATE, in :SQLSTATE after each statement; "sold out" is not an error but an answer
-- without rows.
\set ON_ERROR_STOP on
\set request_id 5f0c1e6e-41c3-4d4f-9a55-0b9c5b7c9a10
SELECT CURRENT_DATE + 1 AS day \gset

-- Hold two seats while the user pays. The application makes the request_id, one for each click on "buy":
-- a retry with it returns the same tickets and sells nothing.
SELECT order_id, coach, seat, held_until > now() AS held
FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => 7, service_date => :'day', passengers => '{101,102}', seat_choice => 'AB',
                 request_id => :'request_id');
SELECT order_id FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => 7, service_date => :'day', passengers => '{101,102}', seat_choice => 'AB',
                                 request_id => :'request_id') LIMIT 1 \gset
\if :{?order_id}
    -- Paid. Payment callbacks are retried, too: the second confirmation changes nothing. No row would
    -- mean that the user paid too late and no seat is left.
    SELECT ticket_no, status FROM ticket_confirm(:order_id);
    SELECT ticket_no, status FROM ticket_confirm(:order_id);
\else
    \echo sold out
\endif

-- Nine seats while eight are left: all or none, so no row.
SELECT count(*) AS tickets FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 8, service_date => :'day', passengers => '{1,2,3,4,5,6,7,8,9}') \gset
SELECT :tickets = 0 AS is_sold_out \gset
\if :is_sold_out
    \echo sold out: no nine seats are left on this day
\endif

-- Errors that a shop has to expect: not on sale (TK003), refused by a rule (TK004).
\set ON_ERROR_STOP off
SELECT ticket_close('G1', CURRENT_DATE + 3);
SELECT * FROM ticket_buy('G1', 'VNP', 'AOH', user_id => 8, service_date => CURRENT_DATE + 3);
\if :ERROR
    \echo not sold: :SQLSTATE
\endif
\set ON_ERROR_STOP on

-- A batch: each request is all or none by itself; a request that is sold out has no row.
SELECT request_no, coach, seat
FROM ticket_buy_many(ARRAY[('G1', 'VNP', 'NKH', 9, CURRENT_DATE + 2, NULL, NULL, NULL, NULL, NULL),
                           ('G1', 'VNP', 'AOH', 9, CURRENT_DATE + 2, NULL, '{1,2,3,4,5,6,7,8,9,10}', NULL, NULL, NULL),
                           ('G1', 'NKH', 'AOH', 9, CURRENT_DATE + 2, NULL, NULL, NULL, NULL, NULL)]::ticket_request[]);
