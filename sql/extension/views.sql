CREATE OR REPLACE VIEW @extschema@.ticket_pool AS SELECT * FROM @extschema@.ticket_pool();
COMMENT ON VIEW @extschema@.ticket_pool IS 'departures of this database in memory';
GRANT SELECT ON @extschema@.ticket_pool TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.item_pool AS SELECT * FROM @extschema@.item_pool();
COMMENT ON VIEW @extschema@.item_pool IS 'items of this database in memory';
GRANT SELECT ON @extschema@.item_pool TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_inflight AS SELECT * FROM @extschema@.ticket_inflight();
COMMENT ON VIEW @extschema@.ticket_inflight IS
    'transactions that hold claims and have not ended; pid is NULL for a prepared one (since: when '
    'the pool learned of it, after a restart)';
GRANT SELECT ON @extschema@.ticket_inflight TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_pool_stat AS SELECT * FROM @extschema@.ticket_pool_stat();
COMMENT ON VIEW @extschema@.ticket_pool_stat IS
    'counters of the whole server since it started, and memory';
GRANT SELECT ON @extschema@.ticket_pool_stat TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_sweep_status AS
    SELECT * FROM @extschema@.ticket_sweep_status();
COMMENT ON VIEW @extschema@.ticket_sweep_status IS
    'the databases of the server in which holds expire and quotas return: the last sweep, the '
    'earliest deadline, whether it is overdue (by more than ten seconds), and what the sweep waits '
    'for if so';
GRANT SELECT ON @extschema@.ticket_sweep_status TO pg_monitor;
