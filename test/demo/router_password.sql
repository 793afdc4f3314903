-- The password of the router's role, from a file that only this user can read.
\set password `cat password`
SET log_statement = 'none';
ALTER ROLE ticketpool_router PASSWORD :'password';
