CREATE OR REPLACE VIEW @extschema@.ticket_pool AS SELECT * FROM @extschema@.ticket_pool();
COMMENT ON VIEW @extschema@.ticket_pool IS
    'departures of this database in memory; one that is not here is loaded when it is asked for';
COMMENT ON COLUMN @extschema@.ticket_pool.segments IS 'stretches between two stops';
COMMENT ON COLUMN @extschema@.ticket_pool.free_seat_segments IS
    'how many of seats * segments are free, those of quotas not counted';
COMMENT ON COLUMN @extschema@.ticket_pool.claims_in_flight IS
    'claims of transactions that have not ended';
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
COMMENT ON COLUMN @extschema@.ticket_pool_stat.sold_outs IS
    'how often too few seats or units were free: the call returned no row, or NULL';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.lost_races IS
    'how often a seat was taken by another buyer at the last moment, and the purchase looked again';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.rebuilds IS
    'how often a departure or item was loaded from the tables';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.evictions IS
    'how often one had to make room: many of them, and ticketpool.memory is too small';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.pages IS
    'how sessions map the pool: huge or transparent huge pages, else pages that are populated many '
    'at a time, or single ones';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.page_bytes IS
    'the size of such a page';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.groups IS
    'commits in which the purchases of several sessions were carried out together';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.group_sales IS
    'purchases in these commits';
COMMENT ON COLUMN @extschema@.ticket_pool_stat.group_size IS
    'their mean number: group_sales / groups';
GRANT SELECT ON @extschema@.ticket_pool_stat TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_sweep_status AS
    SELECT * FROM @extschema@.ticket_sweep_status();
COMMENT ON VIEW @extschema@.ticket_sweep_status IS
    'the databases of the server in which holds expire and quotas return: the last sweep, the '
    'earliest deadline, whether it is overdue (by more than ten seconds), and what the sweep waits '
    'for if so';
GRANT SELECT ON @extschema@.ticket_sweep_status TO pg_monitor;
