# However a transaction with open claims ends, exactly its seats are free again; and a load that is
# cut off is taken over by a session that waits for it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('disconnect', conf => 'ticketpool.memory = 16MB');
make_train($node, 'postgres', 'T1', 9);
make_train($node, 'postgres', 'T2', 150);
make_formation($node, 'postgres', 'small', 40);
open_departures($node, 'postgres', 'T1', 'small', 30);
open_departures($node, 'postgres', 'T2', 'small', 2);
$node->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 8) i, ticket_buy('T1', 'S' || i, 'S' || i + 1, i, '$day', passengers => ARRAY[i, i + 1]);
	SELECT count(*) FROM generate_series(1, 9) i, ticket_buy('T2', 'S' || i * 10, 'S' || i * 16, i, '$day')});
my $before = digest();
my $orders = $node->safe_psql('postgres', 'SELECT count(*) FROM ticket_order');
my $a_sold_one = $node->safe_psql('postgres', 'SELECT min(order_id) FROM ticket_order');
my $free = "SELECT ticket_remaining('T1', 'S1', 'S9', '$day')";

# Claims of every kind: single, party, in a kept and in an undone savepoint, over 64 segments, on 30 departures
# (more than a backend has pins of its own), refunds, and a seat bought again in its own refund's place.
sub open_claims
{
	my ($session) = @_;
	$session->run($_) for
		'BEGIN',
		"SELECT count(*) FROM ticket_buy('T1', 'S1', 'S9', 1, '$day')",
		"SELECT count(*) FROM ticket_buy('T1', 'S2', 'S5', 1, '$day', passengers => ARRAY[1, 2, 3, 4])",
		'SAVEPOINT kept',
		"SELECT count(*) FROM ticket_buy('T2', 'S1', 'S150', 1, '$day', passengers => ARRAY[1, 2])",
		'RELEASE kept',
		'SAVEPOINT undone',
		"SELECT count(*) FROM ticket_buy('T2', 'S3', 'S90', 1, '$day')",
		'ROLLBACK TO undone',
		'RELEASE undone',
		"SELECT count(*) FROM generate_series(0, 29) i, ticket_buy('T1', 'S1', 'S9', 1, date '$day' + i)",
		"SELECT count(*) FROM ticket_refund($a_sold_one)",
		"SELECT count(*) FROM generate_series(1, 39) i, ticket_buy('T1', 'S1', 'S3', i, '$day')";
	is($session->sqlstate, '00000', 'claims are open');
	return;
}

# Compares digests: the whole matrix would flood the log.
sub digest
{
	return $node->safe_psql('postgres', q{
		SELECT md5(string_agg(concat_ws('|', d.departure_id, m.from_stop, m.to_stop, m.remaining), ',' ORDER BY d.departure_id, m.from_stop, m.to_stop))
		FROM ticket_departure d, LATERAL ticket_remaining_matrix(d.train, d.service_date, NULL) m});
}

sub unchanged
{
	my ($label) = @_;
	in_flight_is_empty($node, 'postgres', $label);
	is(digest(), $before, "$label: every count is what it was");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM ticket_order'), $orders, "$label: no order is left");
	is($node->safe_psql('postgres', 'SELECT sum(claims_in_flight) FROM ticket_pool'), '0', "$label: the pool shows no claim");
	return;
}

my %endings = (
	'ROLLBACK' => sub { $_[0]->run('ROLLBACK') },
	'error and ROLLBACK' => sub { $_[0]->run('SELECT 1/0'); $_[0]->run('ROLLBACK') },
	'error and COMMIT' => sub { $_[0]->run('SELECT 1/0'); $_[0]->run('COMMIT') },
	'aborted transaction, still open' => sub { $_[0]->run('SELECT 1/0') },
	'goodbye without COMMIT' => sub { $_[0]->quit },
	'kill -9 of an idle client' => sub { $_[0]->kill_client },
	'kill -9 of a client with a query under way' => sub {
		$_[0]->run("SET client_connection_check_interval = '50ms'");
		$_[0]->send('SELECT pg_sleep(600)');
		becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		$_[0]->kill_client;
	},
	'pg_terminate_backend, idle' => sub {
		$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $_[0]->backend . ')');
	},
	'pg_terminate_backend, in a query' => sub {
		$_[0]->send("SELECT count(*) FROM ticket_buy('T1', 'S4', 'S6', 1, '$day'), pg_sleep(600)");
		becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $_[0]->backend . ')');
		$_[0]->wait;
	},
	'pg_cancel_backend' => sub {
		$_[0]->send("SELECT count(*) FROM ticket_buy('T1', 'S4', 'S6', 1, '$day'), pg_sleep(600)");
		becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
		$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $_[0]->backend . ')');
		$_[0]->wait;
		is($_[0]->sqlstate, '57014', 'the query is cancelled');
	},
	'statement_timeout' => sub {
		$_[0]->run("SET statement_timeout = '50ms'");
		$_[0]->run("SELECT count(*) FROM ticket_buy('T1', 'S4', 'S6', 1, '$day'), pg_sleep(600)");
		is($_[0]->sqlstate, '57014', 'the query is cancelled');
	},
	'idle_in_transaction_session_timeout' => sub { $_[0]->run("SET idle_in_transaction_session_timeout = '50ms'") },
	'a deadlock' => sub {
		my $other = session($node);
		$other->run('BEGIN');
		$other->run('SELECT pg_advisory_xact_lock(2)');
		$_[0]->run("SET deadlock_timeout = '50ms'");
		$_[0]->run('SELECT pg_advisory_xact_lock(1)');
		$other->run("SET deadlock_timeout = '1h'");
		$other->send('SELECT pg_advisory_xact_lock(1)');
		becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted");
		$_[0]->run('SELECT pg_advisory_xact_lock(2)');
		is($_[0]->sqlstate, '40P01', 'the transaction is the victim');
		$other->wait;
	});

for my $ending (sort keys %endings)
{
	my $session = session($node);
	open_claims($session);
	isnt(digest(), $before, "$ending: others see the claims");
	$endings{$ending}->($session);
	unchanged($ending);
	$session->quit;
}

# One statement that fails half way: the claims of its rows go with it, and the transaction's earlier ones stay.
my $buyer = session($node);
$buyer->run('BEGIN');
$buyer->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S9', 1, '$day')");
my $one_less = $node->safe_psql('postgres', $free);
$buyer->run('SAVEPOINT s');
$buyer->run("SELECT 1 / (i - 5) FROM generate_series(1, 9) i, ticket_buy('T1', 'S1', 'S9', i, '$day')");
is($buyer->sqlstate, '22012', 'a statement fails at its fifth ticket');
is($node->safe_psql('postgres', $free), $one_less, 'its claims are given back before ROLLBACK TO already');
$buyer->run('ROLLBACK TO s');
$buyer->run(qq{DO \$\$ BEGIN
	PERFORM ticket_buy('T1', 'S1', 'S9', 1, '$day');
	BEGIN
		PERFORM ticket_buy('T1', 'S1', 'S9', 2, '$day');
		PERFORM ticket_refund($a_sold_one);
		RAISE 'no';
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
	PERFORM ticket_buy('T1', 'S1', 'S9', 3, '$day');
\$\$ END});
is($buyer->sqlstate, '42601', 'a block that does not parse claims nothing');
$buyer->run('ROLLBACK');
$buyer->run('BEGIN');
$buyer->run(qq{DO \$\$ BEGIN
	PERFORM ticket_buy('T1', 'S1', 'S9', 1, '$day');
	BEGIN
		PERFORM ticket_buy('T1', 'S1', 'S9', 2, '$day');
		PERFORM ticket_refund($a_sold_one);
		RAISE 'no';
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
	PERFORM ticket_buy('T1', 'S1', 'S9', 3, '$day');
END \$\$});
is($node->safe_psql('postgres', $free), $one_less - 1, 'an EXCEPTION block gives back what was claimed in it');
is($node->safe_psql('postgres', 'SELECT pid, claims FROM ticket_inflight'), $buyer->backend . '|2', 'ticket_inflight shows the two others');
$buyer->run('ROLLBACK');
unchanged('EXCEPTION block');

# ---------------------------------------------------------------------------------------------------------------------
# A load is cut off. It is stuck where it opens the day's orders, which another session has locked.
# ---------------------------------------------------------------------------------------------------------------------
my ($partition) = split /\n/, $node->safe_psql('postgres',
	"SELECT DISTINCT tableoid::regclass FROM ticket_order WHERE service_date = '$day'");
my $rows = $node->safe_psql('postgres', $free);

sub loads_stand_still
{
	$node->restart;
	my $session = session($node);
	$session->run('BEGIN');
	$session->run("LOCK TABLE $partition IN ACCESS EXCLUSIVE MODE");
	return $session;
}

# How many sessions wait as the loader and for the loader.
sub loading
{
	my ($loaders, $waiters) = @_;
	return becomes_true($node, 'postgres', qq{
		SELECT count(*) FILTER (WHERE wait_event_type = 'Lock') = $loaders
			AND count(*) FILTER (WHERE wait_event_type = 'Extension') = $waiters
			FROM pg_stat_activity WHERE query LIKE '%T1%' AND pid <> pg_backend_pid()});
}

my %cuts = (
	'pg_cancel_backend' => sub { $node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $_[0]->backend . ')') },
	'pg_terminate_backend' => sub { $node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $_[0]->backend . ')') });
for my $cut (sort keys %cuts)
{
	my $lock = loads_stand_still();
	my @sessions = map { session($node) } 1 .. 4;
	my $first = shift @sessions;
	$first->send($free);
	ok(loading(1, 0), "$cut: a load is under way");
	$_->send($free) for @sessions;
	ok(await(sub { $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()}) eq '4' }),
		"$cut: three others wait for it");
	$cuts{$cut}->($first);
	$first->wait;
	is($first->sqlstate, $first->is_lost ? 'lost' : '57014', "$cut: the load is cut off");
	ok(becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}),
		"$cut: another one has taken over");
	# A waiter that gives up does no harm either.
	my ($loader) = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'});
	my ($quitter) = grep { $_->backend ne $loader } @sessions;
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $quitter->backend . ')');
	$quitter->wait;
	is($quitter->sqlstate, '57014', "$cut: a waiter can be cancelled");
	$lock->run('COMMIT');
	for my $session (grep { $_ != $quitter } @sessions)
	{
		is($session->wait, $rows, "$cut: who waited is answered");
	}
	is($node->safe_psql('postgres', 'SELECT rebuilds FROM ticket_pool_stat'), '1', "$cut: the departure was loaded once");
	$_->quit for @sessions, $first, $lock;
	unchanged("$cut of a load");
}

# Loads that are cut off again and again, even in a subtransaction, leave no memory behind.
my $lock = loads_stand_still();
my $loader = session($node);
my @used;
for my $try (1 .. 30)
{
	$loader->run('BEGIN') if $try % 3 == 0;
	$loader->run('SAVEPOINT s') if $try % 3 == 0;
	$loader->send($try % 2 ? $free : "SELECT count(*) FROM ticket_buy('T1', 'S1', 'S9', 1, '$day')");
	becomes_true($node, 'postgres', q{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = } . $loader->backend);
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $loader->backend . ')');
	$loader->wait;
	is($loader->sqlstate, '57014', 'a load is cut off') if $try == 1 || $try == 30;
	$loader->run('ROLLBACK TO s') if $try % 3 == 0;
	$loader->run('COMMIT') if $try % 3 == 0;
	push @used, $node->safe_psql('postgres', 'SELECT departures, bytes_used FROM ticket_pool_stat');
}
is($used[-1], $used[0], 'cut off loads leave no memory behind');
$lock->run('COMMIT');
is($node->safe_psql('postgres', $free), $rows, 'and the next one succeeds');
unchanged('loads that were cut off');
agrees($node, 'postgres', 'at last');

$node->stop;
done_testing();
