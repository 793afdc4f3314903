# The background worker: holds and quotas run out by themselves, in every database, whatever
# clients, triggers, crashes and missing worker slots do meanwhile; and the worker is in nobody's
# way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
# Worker slots: one for logical replication's launcher, one for ours, one for sweepers (and one that a test takes).
my $node = new_server('worker', conf => "max_worker_processes = 3\nmax_prepared_transactions = 0\n" . parallel_setting() . ' = off');
my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher'};

sub set_up
{
	my ($database) = @_;
	make_train($node, $database, 'T1', 5);
	make_formation($node, $database, 'small', 40);
	open_departures($node, $database, 'T1', 'small', 2);
	return;
}

# Holds of one user; the ids, one a line.
sub hold
{
	my ($database, $user, $ttl, $count, $passengers) = @_;
	$passengers //= 'NULL';
	return $node->safe_psql($database, qq{SELECT DISTINCT h.order_id FROM generate_series(1, } . ($count // 1) . qq{) i,
		ticket_hold('T1', 'S1', 'S5', $user + 0 * i, '$day', passengers => $passengers, ttl => '$ttl') h});
}

sub expires
{
	my ($database, $user, $label) = @_;
	ok(becomes_true($node, $database, "SELECT bool_and(status = 'expired') FROM ticket_order WHERE user_id = $user"), $label);
	return;
}

sub is_held
{
	my ($database, $user, $label) = @_;
	is($node->safe_psql($database, "SELECT string_agg(DISTINCT status, ',') FROM ticket_order WHERE user_id = $user"), 'held', $label);
	return;
}

sub wait_for_log
{
	my ($offset, $pattern) = @_;
	return await(sub { slurp_file($node->logfile, $offset) =~ $pattern });
}

sub launcher_pid
{
	becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM ($launcher) l");
	return $node->safe_psql('postgres', $launcher);
}

set_up('postgres');

# What the worker looks like.
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher'
	AND datname IS NULL AND wait_event IS NOT NULL}), 'the launcher is in pg_stat_activity, waiting, in no database');

# Holds.
hold('postgres', 1, '300 milliseconds', 3);
hold('postgres', 1, '200 milliseconds', 1, 'ARRAY[1, 2, 3]');
hold('postgres', 2, '1 hour', 2);
expires('postgres', 1, 'holds run out by themselves');
is_held('postgres', 2, 'others do not');
is($node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S5', '$day')"), '38', 'the seats are free');
agrees($node, 'postgres', 'holds');

# A hold that is undone leaves nothing behind; a deadline that is set in a subtransaction counts.
$node->safe_psql('postgres', qq{
	BEGIN; SELECT ticket_hold('T1', 'S1', 'S5', 3, '$day', ttl => '100 milliseconds'); ROLLBACK;
	BEGIN; SAVEPOINT a; SELECT ticket_hold('T1', 'S1', 'S5', 4, '$day', ttl => '100 milliseconds'); RELEASE a; COMMIT});
expires('postgres', 4, 'a hold of a subtransaction runs out');

# Quotas.
my $reserve = sub { my ($when, $seats) = @_; return "ticket_reserve('T1', date '$day' + 1, 'second', 'agency', $seats, 'S1', 'S3', clock_timestamp() + interval '$when')" };
my $left = "ticket_remaining('T1', 'S1', 'S3', date '$day' + 1)";
$node->safe_psql('postgres', 'SELECT ' . $reserve->('300 milliseconds', 7));
$node->safe_psql('postgres', 'SELECT ' . $reserve->('1 hour', 5));
ok(becomes_true($node, 'postgres', "SELECT $left = 35"), 'a quota returns at its time');
is($node->safe_psql('postgres', "SELECT seats, status FROM ticket_reservation ORDER BY 1"), "5|open\n7|recycled", 'another one does not');

# Both while the server is down.
for my $how ('fast', 'immediate')
{
	my $user = $how eq 'fast' ? 5 : 6;
	hold('postgres', $user, '1 second', 2);
	$node->safe_psql('postgres', 'SELECT ' . $reserve->('1 second', 9));
	$node->stop($how);
	sleep 2;
	$node->start;
	expires('postgres', $user, "$how stop: what ran out while the server was down is free after the start");
	ok(becomes_true($node, 'postgres', "SELECT $left = 35"), "$how stop: so are quotas");
	is_held('postgres', 2, "$how stop: what did not is held");
}
# And after a restart in time.
$node->safe_psql('postgres', 'SELECT ' . $reserve->('4 seconds', 9));
hold('postgres', 7, '4 seconds', 2);
$node->restart;
expires('postgres', 7, 'what is known only from the tables runs out too');
ok(becomes_true($node, 'postgres', "SELECT $left = 35"), 'so do quotas');
agrees($node, 'postgres', 'restarts');

# The setting.
my $old = session($node);
$node->safe_psql('postgres', "ALTER SYSTEM SET ticketpool.hold_ttl = '1s'");
$node->reload;
ok(await(sub { $old->run('SHOW ticketpool.hold_ttl') eq '1s' }), 'a session that was there sees a reloaded hold_ttl');
$old->run("SELECT ticket_hold('T1', 'S1', 'S5', 8, '$day')");
is($node->safe_psql('postgres', "SELECT held_until - created_at < interval '1 minute' FROM ticket_order WHERE user_id = 8"), 't', 'its holds last that long');
expires('postgres', 8, 'and run out');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ticketpool.hold_ttl');
$node->reload;
$old->quit;

# Several databases, one of them without the extension.
for my $database (qw(one two))
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION ticketpool');
	set_up($database);
}
$node->safe_psql('postgres', 'CREATE DATABASE three');
hold($_, 1, '200 milliseconds', 2) for qw(one two postgres);
expires($_, 1, "database $_: holds run out") for qw(one two postgres);

# Databases can be copied and dropped while holds are pending, and when they run out.
hold('one', 2, '1 hour', 2);
for my $round (1 .. 4)
{
	my $user = 100 + $round;
	my $ttl = 100 * $round;
	hold('one', $user, "$ttl milliseconds", 3);
	select(undef, undef, undef, 0.05 * $round);
	is($node->psql('postgres', "CREATE DATABASE copy$round TEMPLATE one"), 0, "round $round: a database is copied");
	hold("copy$round", 201, "$ttl milliseconds", 3) if $round < 4;
	select(undef, undef, undef, 0.1 * rand $round);
	if ($round < 4)
	{
		is($node->psql('postgres', "DROP DATABASE copy$round"), 0, "round $round: and dropped");
	}
	expires('one', $user, "round $round: the original's holds run out");
}
{
	expires('copy4', 104, 'a copied hold runs out in the copy too');
}
is_held('copy4', 2, 'others stay');
agrees($node, $_, "database $_") for qw(one copy4);

# Without the extension, and with it again.
hold('two', 1, '200 milliseconds', 2);
$node->safe_psql('two', 'DROP EXTENSION ticketpool CASCADE');
$node->safe_psql('two', 'CREATE EXTENSION ticketpool');
set_up('two');
hold('two', 9, '200 milliseconds', 2);
expires('two', 9, 'an extension that was made anew works');
agrees($node, 'two', 'the extension made anew');

# A client has an order's row locked and does nothing.
for my $ticket (1, 2)
{
	{
	my ($mine, $others) = (10 + $ticket, 20 + $ticket);
	my $idle = session($node);
	# On a slow machine the hold may have run out before it is locked: then take another one.
	ok(await(sub {
		$mine += 1000;
		my $order = hold('postgres', $mine, '2 seconds', 1, 'ARRAY[1, 2]');
		$idle->run('BEGIN');
		return 1 if $idle->run("SELECT status FROM ticket_order WHERE order_id = $order AND ticket_no = $ticket FOR UPDATE") eq 'held';
		$idle->run('ROLLBACK');
		return 0;
	}), "ticket $ticket of an order is locked");
	hold('postgres', $others, '2200 milliseconds', 3);
	hold('one', $others, '2200 milliseconds', 3);
	expires('postgres', $others, "ticket $ticket locked: other orders run out");
	expires('one', $others, "ticket $ticket locked: also in other databases");
	is_held('postgres', $mine, "ticket $ticket locked: the order waits");
	$idle->run('COMMIT');
	expires('postgres', $mine, "ticket $ticket unlocked: the order runs out");
	$idle->quit;
	}
}

# A trigger that refuses.
$node->safe_psql('postgres', q{
	CREATE TABLE stubborn (user_id bigint);
	INSERT INTO stubborn VALUES (31);
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM public.stubborn s WHERE s.user_id = NEW.user_id) THEN RAISE 'not this one'; END IF;
		RETURN NEW;
	END $$;
	CREATE TRIGGER refuse BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION refuse()});
my $offset = -s $node->logfile;
hold('postgres', 31, '100 milliseconds', 2);
hold('postgres', 32, '300 milliseconds', 3);
expires('postgres', 32, 'a trigger that refuses one order does not stop the others');
ok(wait_for_log($offset, qr/WARNING:.*stays as it is: not this one/), 'the log says what was refused');
is_held('postgres', 31, 'the order is held');
agrees($node, 'postgres', 'a refusing trigger');
$node->safe_psql('postgres', 'TRUNCATE stubborn');
expires('postgres', 31, 'and runs out when the trigger lets it');

# More orders than fit in a batch are refused, all of them due before those that are not.
make_formation($node, 'postgres', 'big', 700);
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_stop SELECT 'T2', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'T1';
	SELECT ticket_open('T2', '$day', 'big', '2020-01-01');
	INSERT INTO stubborn VALUES (33);
	SELECT count(*) FROM generate_series(1, 520) i, ticket_hold('T2', 'S1', 'S5', 33 + 0 * i, '$day', ttl => '100 milliseconds')});
{
	hold('postgres', 34, '1 second', 3);
	expires('postgres', 34, 'nor do hundreds of orders that are refused');
}
$node->safe_psql('postgres', 'TRUNCATE stubborn');
expires('postgres', 33, 'they run out as well, then');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON ticket_order');

# Processes die. A sweeper is kept busy by a trigger that waits for a lock.
$node->safe_psql('postgres', q{
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
	CREATE TRIGGER wait BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.status = 'expired') EXECUTE FUNCTION wait()});
for my $way ('terminated sweeper', 'killed sweeper', 'terminated launcher', 'killed launcher')
{
	my ($how, $who) = split / /, $way;
	my $user = { 'terminated sweeper' => 41, 'killed sweeper' => 42, 'terminated launcher' => 43, 'killed launcher' => 44 }->{$way};
	my $before = launcher_pid();
	my $stopper = session($node);
	$stopper->run('SELECT pg_advisory_lock(1)');
	hold('postgres', $user, '200 milliseconds', 3);
	ok(becomes_true($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'ticketpool sweeper' AND wait_event = 'advisory'}),
		"$way: a sweeper is at work");
	# A sweeper waits for only 300 ms: the one that is seen may have ended by itself before it is
	# told to.
	my $victim = "FROM pg_stat_activity WHERE backend_type = 'ticketpool $who'" . ($who eq 'sweeper' ? " AND wait_event = 'advisory'" : '') . ' ORDER BY pid LIMIT 1';
	$offset = -s $node->logfile;
	if ($how eq 'killed')
	{
		await(sub {
			return 1 if slurp_file($node->logfile, $offset) =~ /was terminated by signal 9/;
			my (undef, $pid) = eval { $node->psql('postgres', "SELECT pid $victim") };
			kill 'KILL', $pid if $pid;
			return 0;
		});
		ok(wait_for_log($offset, qr/ready to accept connections/), "$way: the server restarts");
	}
	else
	{
		my $pid;
		ok(await(sub { $pid = $node->safe_psql('postgres', "SELECT pid FROM (SELECT pid, pg_terminate_backend(pid) AS is_told $victim) v WHERE is_told") }), "$way: done");
		ok(await(sub { !kill 0, $pid }), "$way: it is gone");
		$stopper->run('SELECT pg_advisory_unlock(1)');
	}
	$stopper->quit;
	expires('postgres', $user, "$way: holds run out all the same");
	is(launcher_pid() == $before ? 'same' : 'new', $way eq 'terminated sweeper' ? 'same' : 'new', "$way: there is a launcher");
	hold('postgres', $user, '200 milliseconds', 2);
	expires('postgres', $user, "$way: new holds too");
	in_flight_is_empty($node, 'postgres', $way);
	agrees($node, 'postgres', $way);
}
$node->safe_psql('postgres', 'DROP TRIGGER wait ON ticket_order');

# No room for a worker: another one has the last slot.
my $taker = session($node);
$taker->run($_) for 'SET ' . parallel_setting() . ' = on', 'SET max_parallel_workers = 8', 'SET max_parallel_workers_per_gather = 2';
$taker->send('SELECT pg_sleep(1000)');
ok(await(sub {
	return 1 if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}) eq '1';
	# A sweeper had the slot, and the leader itself sleeps: try again.
	if ($node->safe_psql('postgres', 'SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $taker->backend) eq 'PgSleep')
	{
		$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $taker->backend . ')');
		$taker->wait;
		$taker->send('SELECT pg_sleep(1000)');
	}
	return 0;
}), 'all worker slots are taken');
$offset = -s $node->logfile;
hold('postgres', 51, '200 milliseconds', 2);
ok(wait_for_log($offset, qr/WARNING:.*could not start a worker/), 'the log says that there is no room for a worker');
is_held('postgres', 51, 'holds stay');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $taker->backend . ')');
$taker->wait;
expires('postgres', 51, 'and run out when there is room again');
$taker->quit;
agrees($node, 'postgres', 'at last');

$node->stop;
done_testing();
