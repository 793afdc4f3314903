# What shows while it runs, and after it has failed: each long call is a row of ticket_progress, seen
# from another session, that is gone when the call returns, is cancelled, is ended or dies; and each
# background worker says what went wrong last. Locks hold the calls, never the clock.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('progress', conf => "ticketpool.memory = 8MB\nmax_prepared_transactions = 2");
make_train($node, 'postgres', 'T', 5);
make_formation($node, 'postgres', 'ten', 10);
make_formation($node, 'postgres', 'twenty', 20);
open_departures($node, 'postgres', 'T', 'ten', 3);
$node->safe_psql('postgres', q{
	SELECT item_open(n, 5) FROM generate_series(1, 2) n;
	CREATE ROLE watcher LOGIN; GRANT pg_monitor TO watcher;
	-- Holds whoever writes a row with this train, or lets this order expire, until nobody has the lock.
	CREATE FUNCTION hold_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		WHILE NOT pg_try_advisory_xact_lock_shared(4711) LOOP PERFORM pg_sleep(0.02); END LOOP;
		RETURN NEW; END $$;
	CREATE TRIGGER hold_up BEFORE INSERT ON ticket_departure FOR EACH ROW WHEN (NEW.train = 'B') EXECUTE FUNCTION hold_up();
	CREATE TRIGGER hold_up BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.status = 'expired' AND NEW.user_id = 77) EXECUTE FUNCTION hold_up();
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'nothing expires today'; END $$;
	CREATE SCHEMA feed;
	CREATE TABLE feed.stops (stop_id text, stop_name text);
	CREATE TABLE feed.trips (trip_id text, service_id text, trip_short_name text);
	CREATE TABLE feed.stop_times (trip_id text, stop_sequence text, stop_id text, arrival_time text, departure_time text);
	CREATE TABLE feed.calendar_dates (service_id text, date text, exception_type text);
	INSERT INTO feed.stops VALUES ('F1', 'First'), ('F2', 'Second');
	INSERT INTO feed.trips SELECT 'trip ' || n, 'daily', n FROM unnest('{A,B,C}'::text[]) n;
	INSERT INTO feed.stop_times SELECT 'trip ' || n, s::text, 'F' || s, '0' || 7 + s || ':00:00', '0' || 7 + s || ':00:00' FROM unnest('{A,B,C}'::text[]) n, generate_series(1, 2) s;
	INSERT INTO feed.calendar_dates VALUES ('daily', '20310601', '1')});
my @departure = split /\n/, $node->safe_psql('postgres', 'SELECT departure_id FROM ticket_departure ORDER BY 1');
my @partition = split /\n/, $node->safe_psql('postgres', "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass ORDER BY 1");

# An older version elsewhere on the server: its holds are nobody's, and that shows (at the end).
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{CREATE EXTENSION ticketpool VERSION '0.2'});

my ($watcher, $blocker);

sub connect_all
{
	$watcher = TicketpoolTest::Session->new($node->connstr('postgres') . ' user=watcher');
	$blocker = session($node);
	return;
}

# The row of a backend: command|phase|object|done|total.
sub row_of
{
	my ($pid) = @_;
	return $watcher->run("SELECT concat_ws('|', command, phase, coalesce(object, '-'), done, coalesce(total::text, '-')) FROM ticket_progress WHERE pid = $pid AND datname = 'postgres' AND started_at <= clock_timestamp()");
}

# shows LABEL, SQL, SHOWN, held_by => SQL of another session, by which the call waits, release => what lets it go, same =>
# SQL that says what must be as before if the call is cut short. The call is made and cut short in each way, and made and
# let go.
sub shows
{
	my ($label, $sql, $shown, %more) = @_;
	my $state = $more{same} ? $node->safe_psql('postgres', $more{same}) : '';
	my $let_go = sub { $blocker->run($more{release} // 'ROLLBACK'); return };
	for my $end (qw(cancel timeout terminate return))
	{
		my $session = session($node);
		$session->run("SET statement_timeout = '700ms'") if $end eq 'timeout';
		$blocker->run($more{held_by});
		die $blocker->output unless $blocker->is_ok;
		$session->send($sql);
		my $pid = $session->backend;
		my $row = '';
		# A time-out may be quicker than this look.
		ok(await(sub { ($row = row_of($pid)) =~ $shown }), "$label, to be ended by $end: it shows") or diag("row: '$row'") if $end ne 'timeout';
		$let_go->() if $end eq 'return';
		$node->safe_psql('postgres', $end eq 'cancel' ? "SELECT pg_cancel_backend($pid)" : "SELECT pg_terminate_backend($pid)") if $end =~ /cancel|terminate/;
		$session->wait;
		is($session->sqlstate, { cancel => '57014', timeout => '57014', terminate => 'lost', return => '00000' }->{$end}, "$label: $end") or diag($session->output);
		ok(await(sub { row_of($pid) eq '' }), "$label, $end: the row is gone");
		is($node->safe_psql('postgres', $more{same}), $state, "$label, $end: nothing is half done") if $more{same} && $end ne 'return';
		if ($end =~ /cancel|timeout/)
		{
			is($session->run('SELECT count(*) FROM ticket_progress WHERE pid = pg_backend_pid()'), '0', "$label, $end: nor does the next statement have one");
		}
		$let_go->() unless $end eq 'return';
		$session->quit unless $end eq 'terminate';
	}
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------------------------------------------------
connect_all();
is($watcher->run('SELECT count(*) FROM ticket_progress'), '0', 'nothing runs');

my $locked = "BEGIN; LOCK TABLE $partition[1] IN ACCESS EXCLUSIVE MODE";
shows('ticket_verify', 'SELECT count(*) FROM ticket_verify()', qr/^ticket_verify\|comparing\|$departure[1]\|1\|3$/, held_by => $locked);
shows('item_verify', 'SELECT count(*) FROM item_verify()', qr/^item_verify\|comparing\|\d+\|0\|2$/, held_by => 'BEGIN; LOCK TABLE item_order IN ACCESS EXCLUSIVE MODE');
shows('ticket_import_gtfs', q{SELECT count(*) FROM ticket_import_gtfs('feed', '2031-06-01', '2031-06-01', 'ten')}, qr/^ticket_import_gtfs\|opening runs\|B\|2\|3$/,
	held_by => 'SELECT pg_advisory_lock(4711)', release => 'SELECT pg_advisory_unlock(4711)',
	same => 'SELECT (SELECT count(*) FROM ticket_departure), (SELECT count(*) FROM ticket_station), (SELECT count(*) FROM ticket_route), (SELECT count(*) FROM ticket_pool WHERE service_date = \'2031-06-01\')');
my $claim = "BEGIN; SELECT count(*) FROM ticket_buy('T', 'S1', 'S5', 1, date '$day' + 1)";
my $on_sale = "SELECT ticket_remaining('T', 'S1', 'S2', date '$day' + 1) > 0, (SELECT string_agg(formation || status, ',' ORDER BY departure_id) FROM ticket_departure), (SELECT count(*) FROM ticket_event)";
shows('ticket_reform', "SELECT count(*) FROM ticket_reform('T', date '$day' + 1, 'twenty')", qr/^ticket_reform\|waiting for claims\|T 2031-05-02\|0\|-$/, held_by => $claim, same => $on_sale);
shows('ticket_withdraw', "SELECT ticket_withdraw('T', date '$day' + 1)", qr/^ticket_withdraw\|waiting for claims\|T 2031-05-02\|0\|-$/, held_by => $claim, same => $on_sale);

# An error that is caught leaves no row behind.
my $nested = session($node);
is($nested->run(q{DO $$ BEGIN PERFORM ticket_withdraw('T', '2031-01-01'); EXCEPTION WHEN OTHERS THEN
	IF (SELECT count(*) FROM ticket_progress) <> 0 THEN RAISE EXCEPTION 'a row is left'; END IF; END $$; SELECT 'fine'}), 'fine', 'a subtransaction that is rolled back takes its row with it')
  or diag($nested->output);
$nested->quit;

# ---------------------------------------------------------------------------------------------------------------------
# A killed process: everything is made again
# ---------------------------------------------------------------------------------------------------------------------
my $victim = session($node);
$blocker->run($locked);
$victim->send('SELECT count(*) FROM ticket_verify()');
ok(await(sub { row_of($victim->backend) =~ /comparing/ }), 'a call that is to be killed shows');
my $offset = -s $node->logfile;
kill 'KILL', $victim->backend;
$victim->wait;
ok(await(sub { slurp_file($node->logfile, $offset) =~ /ready to accept connections/ }), 'the server is back');
connect_all();
is($watcher->run('SELECT count(*) FROM ticket_progress'), '0', 'and no row is left');
is($watcher->run("SELECT last_error_sqlstate, errors FROM ticket_worker_status WHERE worker = 'launcher'"), '57P02|1', 'the launcher knows that the server has restarted');

# Nothing is in memory now: the preload, by hand.
shows('ticket_preload', 'SELECT ticket_preload()', qr/^ticket_preload\|loading departures\|$departure[2]\|1\|\d+$/,
	held_by => "BEGIN; LOCK TABLE $partition[2] IN ACCESS EXCLUSIVE MODE");

# ---------------------------------------------------------------------------------------------------------------------
# Workers
# ---------------------------------------------------------------------------------------------------------------------

# columns of a worker of database postgres (of the launcher: of none).
sub worker
{
	my ($worker, $columns) = @_;
	return $watcher->run("SELECT $columns FROM ticket_worker_status WHERE worker = '$worker' AND coalesce(database, 'postgres') = 'postgres'");
}

sub worker_becomes
{
	my ($worker, $columns, $expected, $label) = @_;
	my $is = '';
	ok(await(sub { ($is = worker($worker, $columns)) =~ $expected }), $label) or diag("$worker: '$is'");
	return;
}

worker_becomes('launcher', 'state, pid IS NOT NULL, rounds > 0, last_round IS NOT NULL', qr/^running\|t\|t\|t$/, 'the launcher goes its rounds');
worker_becomes('sweeper', 'state, errors, due, rounds > 0, lag', qr/^idle\|0\|0\|t\|00:00:00$/, 'the sweeper has nothing to do');
is(worker('cashier', 'count(*)') . worker('preloader', 'count(*)'), '00', 'there is no cashier and no preloader');

# A trigger that raises: the hold stays, and the reason shows.
my $hold = $node->safe_psql('postgres', "CREATE TRIGGER refuse BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.status = 'expired' AND NEW.user_id = 5) EXECUTE FUNCTION refuse();
	SELECT order_id FROM ticket_hold('T', 'S1', 'S5', 5, '$day', ttl => '1 millisecond')");
worker_becomes('sweeper', 'state, last_error_sqlstate, due, last_error', qr/^failed\|P0001\|1\|hold $hold stays as it is: nothing expires today$/, 'a trigger that raises shows');
worker_becomes('sweeper', 'errors > 0, last_error_at > started_at, lag > interval \'0\'', qr/^t\|t\|t$/, 'with its time, and how late the hold is');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON ticket_order');
worker_becomes('sweeper', 'state, due, last_error_sqlstate', qr/^idle\|0\|P0001$/, 'when it is gone, the hold expires; what the last error was stays on record');

# A sweep that takes long is a row of ticket_progress; a sweeper that is ended shows.
$blocker->run('SELECT pg_advisory_lock(4711)');
$node->safe_psql('postgres', "SELECT count(*) FROM ticket_hold('T', 'S1', 'S5', 77, '$day', ttl => '1 millisecond')");
worker_becomes('sweeper', 'state, pid IS NOT NULL', qr/^running\|t$/, 'a sweeper is at work');
my $sweeper;
ok(await(sub { ($sweeper = $watcher->run(q{SELECT pid FROM ticket_progress WHERE command = 'ticket_sweep' AND phase = 'expiring holds' AND total = 1 AND done = 0})) =~ /^\d+$/ }), 'and its progress shows');
is($watcher->run("SELECT pid = $sweeper FROM ticket_worker_status WHERE worker = 'sweeper' AND database = 'postgres'"), 't', 'of that process');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($sweeper)"), 't', 'it is ended');
worker_becomes('sweeper', "state, coalesce(pid, 0) <> $sweeper, last_error_sqlstate", qr/^(?:failed|running)\|t\|57P01$/, 'and that shows, with the reason');
ok(await(sub { $watcher->run("SELECT count(*) FROM ticket_progress WHERE pid = $sweeper") eq '0' }), 'its progress is gone');
$blocker->run('SELECT pg_advisory_unlock(4711)');
worker_becomes('sweeper', 'state, due', qr/^idle\|0$/, 'the next one does the work');

# The launcher
my $launcher = worker('launcher', 'pid');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)"), 't', 'the launcher is ended');
worker_becomes('launcher', "state, pid <> $launcher, last_error_sqlstate, errors", qr/^running\|t\|57P01\|2$/, 'the next one knows');

# The preloader. A lock that outlives a restart: a prepared transaction has it.
$node->safe_psql('postgres', "ALTER SYSTEM SET ticketpool.preload = on; BEGIN; LOCK TABLE $partition[2] IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'in the way'");
$_->quit for $watcher, $blocker;
$node->restart;
connect_all();
is(worker('launcher', 'errors'), '0', 'a restart on purpose is no error');
worker_becomes('preloader', 'state, last_error_sqlstate, waits_for', qr/^failed\|55P03\|the end of the next sweep$/, 'a preloader that fails shows');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'in the way'");
worker_becomes('preloader', 'state, due, rounds', qr/^done\|0\|1$/, 'it is started again, and done');
is($watcher->run("SELECT state, last_error_sqlstate, last_error ~ 'version 0.2 there, and the library at' FROM ticket_worker_status WHERE database = 'old'"), 'passed over|55000|t', 'a database whose extension is older is passed over, which shows');

# Who may look
my $nobody = session($node);
$nobody->run('CREATE ROLE nobody; SET ROLE nobody');
for my $view (qw(ticket_progress ticket_worker_status ticket_memory ticket_waiting))
{
	$nobody->run("SELECT * FROM $view");
	is($nobody->sqlstate, '42501', "$view is not for everybody");
	$watcher->run("SELECT * FROM $view");
	ok($watcher->is_ok, "$view is for pg_monitor") or diag($watcher->output);
}
is($watcher->run(q{SELECT sum(bytes) FILTER (WHERE NOT added) = 8 * 1024 * 1024, min(bytes) >= 0 FROM ticket_memory}), 't|t', 'the kinds of memory sum up');
agrees($node, 'postgres', 'in the end');
$_->quit for $watcher, $blocker, $nobody;
$node->stop;

done_testing();
