# Nothing keeps holds from running out: no setting of a database, no other database that is locked,
# half dropped or kept busy by a trigger; and where something does, log and ticket_sweep_status say
# so. One psql per session.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('expiry', streaming => 1, conf => "max_prepared_transactions = 5\nmax_worker_processes = 8");

sub set_up
{
	my ($database) = @_;
	make_train($node, $database, 'T1', 5);
	make_formation($node, $database, 'small', 400);
	open_departures($node, $database, 'T1', 'small', 2);
	return;
}

my %session;

sub run_in
{
	my ($database, $sql) = @_;
	my $output = $session{$database}->run($sql);
	diag("$database: $sql: $output") unless $session{$database}->is_ok;
	return $output;
}

# This many holds of one user, which run out at once.
sub hold
{
	my ($database, $user, $count) = @_;
	return run_in($database, qq{SELECT count(*) FROM generate_series(1, @{[ $count // 1 ]}) i,
		ticket_hold('T1', 'S1', 'S5', $user + 0 * i, '$day', ttl => '50 milliseconds')});
}

sub is_true
{
	my ($database, $sql) = @_;
	return await(sub { $session{$database}->run($sql) eq 't' });
}

sub expires
{
	my ($database, $user, $label) = @_;
	ok(is_true($database, "SELECT bool_and(status = 'expired') FROM ticket_order WHERE user_id = $user"), $label);
	return;
}

sub wait_for_log
{
	my ($offset, $pattern) = @_;
	return await(sub { slurp_file($node->logfile, $offset) =~ $pattern });
}

set_up('postgres');
for my $database (qw(one two other))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION ticketpool');
	set_up($database);
}
$session{$_} = session($node, $_) for qw(postgres one two other);

# ---------------------------------------------------------------------------------------------------------------------
# Settings of a database or a role. (The session was connected before, so they apply to the workers
# only.)
# ---------------------------------------------------------------------------------------------------------------------

my @hostile = (
	[ 'statement_timeout', '1ms' ], [ 'lock_timeout', '1ms' ], [ 'idle_in_transaction_session_timeout', '1ms' ],
	[ 'idle_session_timeout', '1ms' ], [ 'default_transaction_read_only', 'on' ], [ 'default_transaction_isolation', 'serializable' ],
	[ 'default_transaction_deferrable', 'on' ], [ 'row_security', 'off' ], [ 'search_path', 'evil' ],
	[ 'session_replication_role', 'replica' ], [ 'synchronous_commit', 'remote_apply' ], [ 'client_min_messages', 'error' ],
	[ 'enable_indexscan', 'off' ], [ 'enable_partition_pruning', 'off' ], [ 'plan_cache_mode', 'force_generic_plan' ],
	[ 'default_tablespace', 'pg_global' ], [ 'temp_tablespaces', '' ], [ 'check_function_bodies', 'off' ],
	[ 'transform_null_equals', 'on' ], [ 'role', 'regress_expiry_nobody' ], [ parallel_setting(), 'on' ], [ 'work_mem', '64kB' ]);
push @hostile, [ 'transaction_timeout', '12ms' ] if run_in('postgres', 'SHOW server_version_num') >= 170000;
run_in('postgres', $_) for 'CREATE ROLE regress_expiry_nobody', 'CREATE SCHEMA evil',
	q{CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2020-01-01' $$},
	# Rows are written by SQL, which fires triggers.
	q{CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$},
	'CREATE TRIGGER noticed BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION noticed()',
	# A standby that does not exist: only what waits for it can hang.
	'SET synchronous_commit = off', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'}, 'SELECT pg_reload_conf()';
# The settings that stopped a sweep, each alone; the rest together.
my %alone = map { $_ => 1 } qw(default_transaction_read_only synchronous_commit transaction_timeout);
my $user = 100;
for my $setting (grep { $alone{ $_->[0] } } @hostile)
{
	run_in('postgres', "ALTER DATABASE postgres SET $setting->[0] = '$setting->[1]'");
	hold('postgres', ++$user, 2);
	expires('postgres', $user, "$setting->[0] of the database: holds run out");
	run_in('postgres', "ALTER DATABASE postgres RESET $setting->[0]");
}
for my $whose ('DATABASE postgres', 'ROLE ALL')
{
	run_in('postgres', "ALTER $whose SET $_->[0] = '$_->[1]'") for @hostile;
	hold('postgres', ++$user, 2);
	expires('postgres', $user, "all settings of $whose: holds run out");
	run_in('postgres', "ALTER $whose RESET ALL");
}
run_in('postgres', 'DROP TRIGGER noticed ON ticket_order');
run_in('postgres', $_) for 'ALTER SYSTEM RESET synchronous_standby_names', 'SELECT pg_reload_conf()';

# ---------------------------------------------------------------------------------------------------------------------
# Another database is locked, as by a template copy, a move or a slow DROP DATABASE
# ---------------------------------------------------------------------------------------------------------------------

my $offset = -s $node->logfile;
my $locker = session($node);
# Nobody may be connected to it, so its hold is made before, long enough ago or not.
my $locked = 0;
for (my $ttl = 4; !$locked && $ttl < 300; $ttl *= 2)
{
	my $until = run_in('other', "SELECT held_until FROM ticket_hold('T1', 'S1', 'S5', 2, '$day', ttl => '$ttl s')");
	$session{other}->quit;
	$locker->run($_) for 'BEGIN', 'ALTER DATABASE other RENAME TO another';
	$locked = $locker->is_ok && $locker->run("SELECT clock_timestamp() < '$until'") eq 't';
	next if $locked;
	$locker->run('ROLLBACK');
	$session{other} = session($node, 'other');
}
ok($locked, 'a database is locked before its hold runs out');
hold('postgres', 2, 3);
expires('postgres', 2, 'holds of another database run out');
# Prepared transactions are settled meanwhile: their deadlines count.
run_in('postgres', $_) for 'BEGIN', "SELECT ticket_hold('T1', 'S1', 'S5', 3, '$day', ttl => '50 milliseconds')", q{PREPARE TRANSACTION 'p'}, q{COMMIT PREPARED 'p'};
expires('postgres', 3, 'a hold that was prepared, too');
ok(is_true('postgres', q{SELECT overdue AND waits_for ~ 'lock on the database' FROM ticket_sweep_status WHERE database = 'other'}), 'it is overdue, and the view says why');
is(run_in('postgres', q{SELECT overdue FROM ticket_sweep_status WHERE database = 'postgres'}), 'f', 'nothing else is');
ok(wait_for_log($offset, qr/LOG:  holds or quotas in database "other" are overdue\n.*DETAIL:.*lock on the database/), 'the log says so');
hold('postgres', 10, 3);
expires('postgres', 10, 'holds of other databases still run out');
$locker->run('ROLLBACK');
$session{other} = session($node, 'other');
expires('other', 2, 'once it is unlocked its holds run out');
ok(is_true('postgres', q{SELECT NOT overdue AND waits_for IS NULL AND last_sweep IS NOT NULL FROM ticket_sweep_status WHERE database = 'other'}), 'it is up to date');
my @lines = slurp_file($node->logfile, $offset) =~ /database "other" are overdue/g;
is(scalar @lines, 1, 'there was one line in the log');

# ---------------------------------------------------------------------------------------------------------------------
# A sweeper is kept busy
# ---------------------------------------------------------------------------------------------------------------------

run_in('other', $_) for q{CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		WHILE NOT pg_try_advisory_xact_lock(1) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN NEW; END $$},
	q{CREATE TRIGGER wait BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION wait()};
my $stopper = session($node, 'other');
$stopper->run('SELECT pg_advisory_lock(1)');
hold('other', 4, 3);
ok(is_true('postgres', q{SELECT sweeper IS NOT NULL FROM ticket_sweep_status WHERE database = 'other'}), 'a sweeper is stuck in a trigger');
hold('postgres', 4, 3);
expires('postgres', 4, 'holds of another database run out');
hold('other', 5, 3);
hold('postgres', 5, 3);
expires('postgres', 5, 'again');
is(run_in('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ticketpool sweeper' AND datname = 'other'}), '1', 'it is not started twice');
# The launcher ends, and its successor knows of the sweeper.
my $launcher = run_in('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher'});
run_in('postgres', "SELECT pg_terminate_backend($launcher)");
ok(is_true('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher' AND pid <> $launcher"), 'there is another launcher');
hold('postgres', 6, 3);
expires('postgres', 6, 'it serves other databases');
is(run_in('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'ticketpool sweeper' AND datname = 'other'}), '1', 'and leaves the one at work alone');
$stopper->run('SELECT pg_advisory_unlock(1)');
expires('other', $_, 'the stuck one goes on') for 4, 5;

# A long sweep is not in the way of a session that wants the database for itself.
$stopper->quit;
run_in('other', q{CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.25); RETURN NEW; END $$});
hold('other', 7, 200);
ok(is_true('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ticketpool sweeper' AND datname = 'other' AND wait_event = 'PgSleep'}), 'a long sweep is at work');
$session{other}->quit;
run_in('postgres', 'ALTER DATABASE other RENAME TO another');
ok($session{postgres}->is_ok, 'its database is renamed meanwhile');
run_in('postgres', 'DROP DATABASE another');
ok($session{postgres}->is_ok, 'and dropped');

# A database has one entry, whatever was dropped before it.
for my $database (qw(one two))
{
	hold($database, 1);
	expires($database, 1, "database $database: holds run out");
}
# The view shows them in the order of their places. The first one's place is free once that database
# is dropped and its deadline is over.
my ($first, $later) = split /\n/, run_in('postgres', q{SELECT database FROM ticket_sweep_status WHERE database IN ('one', 'two')});
my $until = run_in($first, "SELECT held_until FROM ticket_hold('T1', 'S1', 'S5', 2, '$day', ttl => '3 s')");
$session{$first}->quit;
run_in('postgres', "DROP DATABASE $first");
ok(is_true('postgres', "SELECT clock_timestamp() > '$until'"), 'one is dropped');
for (2, 3, 4)
{
	hold($later, $_);
	expires($later, $_, 'holds of the other one run out as before');
}
is(run_in('postgres', "SELECT count(*) FROM ticket_sweep_status WHERE database = '$later'"), '1', 'it has one entry');

# Holds that fail, each after a while, fill the time that a sweep has. Holds that ran out later get
# their turn all the same.
run_in($later, $_) for q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RAISE 'not now'; END $$},
	q{CREATE TRIGGER fail BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.user_id = 5) EXECUTE FUNCTION fail()};
hold($later, 5, 7);
hold($later, 6);
expires($later, 6, 'a hold behind holds that fail runs out');
run_in($later, 'DROP TRIGGER fail ON ticket_order');
expires($later, 5, 'and so do these once nothing fails');

# ---------------------------------------------------------------------------------------------------------------------
# A database that an interrupted DROP DATABASE has left behind
# ---------------------------------------------------------------------------------------------------------------------

run_in('postgres', $_) for 'CREATE DATABASE broken', q{UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'broken'};
# Preloading sees what forced row security hides from a plain owner.
run_in('postgres', $_) for q{ALTER SYSTEM SET ticketpool.preload = on}, q{DO $$ DECLARE r regclass; BEGIN
		FOR r IN SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname ~ '^(ticket|item)_' LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO regress_expiry_nobody', r);
		END LOOP; END $$},
	'ALTER TABLE ticket_departure ENABLE ROW LEVEL SECURITY', 'ALTER TABLE ticket_departure FORCE ROW LEVEL SECURITY';
$session{$_}->quit for 'postgres', $later;
$offset = -s $node->logfile;
$node->restart;
$session{$_} = session($node, $_) for 'postgres', $later;
# Each is swept once after the start, in the order of pg_database.
ok(is_true('postgres', "SELECT count(last_sweep) = 2 FROM ticket_sweep_status WHERE database IN ('postgres', '$later')"), 'all databases are swept');
hold('postgres', 8);
expires('postgres', 8, 'holds run out');
ok(is_true('postgres', 'SELECT count(*) = 2 FROM ticket_pool'), 'what is on sale is in memory');
unlike(slurp_file($node->logfile, $offset), qr/invalid database/, 'nobody connects to one that was dropped half-way');
run_in('postgres', 'DROP DATABASE broken');

# ---------------------------------------------------------------------------------------------------------------------
# The launcher itself finds no worker slot
# ---------------------------------------------------------------------------------------------------------------------

$session{$_}->quit for 'postgres', $later;
$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
$node->restart;
$offset = -s $node->logfile;
$session{postgres} = session($node);
ok(await(sub { hold('postgres', 9); slurp_file($node->logfile, $offset) =~ /LOG:  ticketpool's launcher is not running/ }), 'no launcher: the log says so');
ok(is_true('postgres', q{SELECT overdue AND waits_for ~ 'launcher.*max_worker_processes' FROM ticket_sweep_status WHERE database = 'postgres'}), 'the view says so');
hold('postgres', 9);
@lines = slurp_file($node->logfile, $offset) =~ /launcher is not running/g;
is(scalar @lines, 1, 'once');
run_in('postgres', 'SELECT pg_sleep(0.1), ticket_sweep()');
expires('postgres', 9, 'holds run out by hand');
$session{postgres}->quit;

# The launcher has the only slot: no database has been looked into yet, and nothing else is said of
# any.
$node->append_conf('postgresql.conf', "max_worker_processes = 1\nmax_logical_replication_workers = 0");
$node->restart;
$offset = -s $node->logfile;
$session{postgres} = session($node);
ok(wait_for_log($offset, qr/LOG:  holds or quotas in database "postgres" may be overdue\n.*DETAIL:  Since .* waits for a worker slot/), 'no sweeper: the log says what is not known');
unlike(slurp_file($node->logfile, $offset), qr/are overdue/, 'and nothing that is not');
agrees($node, 'postgres', 'at last');
$session{postgres}->quit;

$node->stop;
done_testing();
