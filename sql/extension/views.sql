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

CREATE OR REPLACE VIEW @extschema@.ticket_worker_status AS
    SELECT * FROM @extschema@.ticket_worker_status();
COMMENT ON VIEW @extschema@.ticket_worker_status IS
    'the background workers of the server: the launcher, and of each database the sweeper, the '
    'cashier (if somebody has sold in groups) and the preloader (with ticketpool.preload); what '
    'each did last, and its last error, also when the worker is gone';
COMMENT ON COLUMN @extschema@.ticket_worker_status.database IS 'NULL: the launcher serves all';
COMMENT ON COLUMN @extschema@.ticket_worker_status.pid IS 'NULL: no process is at work';
COMMENT ON COLUMN @extschema@.ticket_worker_status.state IS
    'running; idle: nothing is due; failed: the last process, or something in its last round, ended '
    'with an error; launcher: also not running, standby; sweeper: also late (overdue, and nobody '
    'comes), passed over (the extension is of another version there); cashier: also no desk; '
    'preloader: also not started, done, incomplete (the memory was full)';
COMMENT ON COLUMN @extschema@.ticket_worker_status.started_at IS 'of the last process';
COMMENT ON COLUMN @extschema@.ticket_worker_status.last_round_at IS
    'the end of the last round: a look at all databases, a sweep, a queue of purchases that was '
    'served, the loading of what is on sale';
COMMENT ON COLUMN @extschema@.ticket_worker_status.last_round IS 'how long it took';
COMMENT ON COLUMN @extschema@.ticket_worker_status.rounds IS
    'since the server started, as all counters';
COMMENT ON COLUMN @extschema@.ticket_worker_status.last_error IS
    'its beginning: the log has all of it';
COMMENT ON COLUMN @extschema@.ticket_worker_status.due IS
    'what the last round left undone: databases that are overdue (launcher); holds, quotas and '
    'waits (sweeper); departures that are not in memory (preloader). Purchases that queue now '
    '(cashier)';
COMMENT ON COLUMN @extschema@.ticket_worker_status.lag IS
    'how late the first thing is that is due in the database; of the launcher: in any of them';
COMMENT ON COLUMN @extschema@.ticket_worker_status.waits_for IS
    'why it does not go on; NULL: nothing is in its way';
GRANT SELECT ON @extschema@.ticket_worker_status TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_progress AS SELECT * FROM @extschema@.ticket_progress();
COMMENT ON VIEW @extschema@.ticket_progress IS
    'calls that may take long and are running now, in all databases of the server: ticket_preload, '
    'ticket_verify, item_verify, ticket_import_gtfs, ticket_reform, ticket_withdraw, ticket_sweep, '
    'moves to other nodes, and the workers that do the same';
COMMENT ON COLUMN @extschema@.ticket_progress.object IS
    'what it is about, or is looking at: the id of a departure or item, train and day, the number '
    'of a train, the schema of a feed';
COMMENT ON COLUMN @extschema@.ticket_progress.done IS 'in this phase';
COMMENT ON COLUMN @extschema@.ticket_progress.total IS
    'how much there is to do in this phase; NULL: that is not known';
GRANT SELECT ON @extschema@.ticket_progress TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_memory AS SELECT * FROM @extschema@.ticket_memory();
COMMENT ON VIEW @extschema@.ticket_memory IS
    'what the memory of the pool is used for; the rows that are not "added" sum up to '
    'ticketpool.memory';
COMMENT ON COLUMN @extschema@.ticket_memory.kind IS
    'departures (with their quotas), items, routes and layouts that departures share, prepared '
    '(transactions), free, allocator; the rest has a size that does not change while the server runs';
COMMENT ON COLUMN @extschema@.ticket_memory.added IS
    'reserved besides ticketpool.memory';
GRANT SELECT ON @extschema@.ticket_memory TO pg_monitor;

CREATE OR REPLACE VIEW @extschema@.ticket_waiting AS SELECT * FROM @extschema@.ticket_waiting();
COMMENT ON VIEW @extschema@.ticket_waiting IS
    'the waiting list: a row for each departure and class for which somebody waits';
COMMENT ON COLUMN @extschema@.ticket_waiting.waits IS
    'how many wait for it; a wait with options on several departures is counted in each';
COMMENT ON COLUMN @extschema@.ticket_waiting.tickets IS 'how many tickets they need at least';
COMMENT ON COLUMN @extschema@.ticket_waiting.oldest IS
    'when the wait began that has waited longest';
COMMENT ON COLUMN @extschema@.ticket_waiting.first_wait IS 'the wait that is first in the queue';
COMMENT ON COLUMN @extschema@.ticket_waiting.passed IS
    'options that were passed over although they fitted: refused by a rule, or an error';
COMMENT ON COLUMN @extschema@.ticket_waiting.first_passed IS
    'why the first in the queue was; NULL: it was not, so what is free does not fit it';
COMMENT ON COLUMN @extschema@.ticket_waiting.unserved IS
    'something may be free that somebody fits, and the worker is to serve the list; NULL: the '
    'departure is not in memory';
GRANT SELECT ON @extschema@.ticket_waiting TO pg_monitor;
