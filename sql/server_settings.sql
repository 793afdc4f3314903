-- Settings
\set VERBOSITY sqlstate
SHOW ticketpool.allocation;
SELECT name, vartype, context, enumvals FROM pg_settings WHERE name IN ('ticketpool.allocation', 'ticketpool.memory') ORDER BY 1;
SET ticketpool.allocation = 'first_fit';
SET ticketpool.allocation = RANDOM;
SHOW ticketpool.allocation;
SET ticketpool.allocation = 'best_fit';
SET ticketpool.allocation = 'worst_fit';
SET ticketpool.allocation = '';
SET ticketpool.allocation = 1;
SHOW ticketpool.allocation;
SET LOCAL ticketpool.allocation = 'worst_fit';
ALTER DATABASE :"DBNAME" SET ticketpool.allocation = 'worst_fit';
CREATE FUNCTION settings_test() RETURNS text LANGUAGE sql SET ticketpool.allocation = 'first_fit' AS $$ SELECT current_setting('ticketpool.allocation') $$;
SELECT settings_test(), current_setting('ticketpool.allocation');
DROP FUNCTION settings_test;
-- Memory is reserved at the start of the server.
SET ticketpool.memory = '1GB';
ALTER SYSTEM SET ticketpool.memory = '1kB';
SELECT setting::bigint >= 2048 AS bounded FROM pg_settings WHERE name = 'ticketpool.memory';
-- The prefix is reserved: no setting can be invented.
SET ticketpool.nonsense = 1;
SET ticketpool.memory_limit = 1;
\set VERBOSITY default
SET ticketpool.allocatoin = 'random';
