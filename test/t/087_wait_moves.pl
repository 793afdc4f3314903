# The waiting list where the server itself moves: restarts, tables that somebody has locked, a memory
# that is too small, a dump and its restore, a standby that is promoted; and rows of others that point
# to it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('moves', streaming => 1, conf => "ticketpool.memory = 2MB\nmax_prepared_transactions = 5\nwal_keep_size = 64MB");
make_train($node, 'postgres', 'T', 4);
make_formation($node, 'postgres', 'two', 2);
my ($next_day, $user) = (0, 1000);
my $owner = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }

# A departure of its own, sold out: its date, and the orders of its two seats.
sub sold_out
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	return ($date, map { run("SELECT order_id FROM ticket_buy('T', 'S1', 'S4', $_, '$date')") } 1, 2);
}
sub option { my ($date) = @_; return "ROW('T', 'S1', 'S4', NULL, '$date', NULL, NULL, NULL, NULL, NULL)::ticket_request" }
sub waits { my ($date, $more) = @_; $user++; return run("SELECT wait_id FROM ticket_wait($user, ARRAY[" . option($date) . ']' . ($more // '') . ')') }
sub status_of { my ($wait) = @_; return run("SELECT status FROM ticket_wait WHERE wait_id = $wait") }
sub becomes { my ($wait, $status, $label) = @_; return ok($node->poll_query_until('postgres', "SELECT status FROM ticket_wait WHERE wait_id = $wait", $status), $label) }
sub refunds { my ($order) = @_; run("SELECT count(*) FROM ticket_refund($order)"); return ok($owner->is_ok, 'the refund succeeds') }
sub connect_again { $owner = session($node, 'postgres', verbosity => 'default'); return }

# ---------------------------------------------------------------------------------------------------------------------
# After a restart, the worker serves what was freed before it. A departure that it cannot read keeps it from no other.
# ---------------------------------------------------------------------------------------------------------------------
{
	my @dates = map { [ sold_out() ] } 1 .. 4;
	my @waits = map { waits($_->[0]) } @dates;
	my $client = session($node, 'postgres');
	$client->run('BEGIN');
	$client->run("SELECT FROM ticket_wait WHERE wait_id IN (" . join(', ', @waits) . ') FOR UPDATE');
	refunds($_->[1]) for @dates;
	is(status_of($_), 'waiting', 'whose row is locked is not served') for @waits;
	# The first and the third by the order in which they were opened
	my @partitions = map { 'ticket_order_p' . $dates[$_][0] =~ s/-//gr } 0, 2;
	$owner->run('BEGIN');
	run("LOCK TABLE $_ IN ACCESS EXCLUSIVE MODE") for @partitions;
	run("PREPARE TRANSACTION 'partitions'");
	$_->quit for $owner, $client;
	stop_and_start($node, 'immediate');
	connect_again();
	becomes($waits[$_], 'awarded', "restart: departure $_ is served") for 1, 3;
	is(status_of($waits[$_]), 'waiting', "restart: departure $_ cannot be read") for 0, 2;
	run("ROLLBACK PREPARED 'partitions'");
	becomes($waits[$_], 'awarded', "restart: departure $_ is served when it can be") for 0, 2;
}

# ---------------------------------------------------------------------------------------------------------------------
# The list is locked, or has been pointed to
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order) = sold_out();
	my $wait = waits($date, ", deadline => clock_timestamp() + interval '500 ms'");
	my ($other) = sold_out();
	run("SELECT count(*) FROM ticket_refund((SELECT min(order_id) FROM ticket_order WHERE service_date = '$other'))");
	my $client = session($node, 'postgres');
	$client->run('BEGIN');
	$client->run('LOCK TABLE ticket_wait_option IN ACCESS EXCLUSIVE MODE');
	my $held = run("SELECT order_id FROM ticket_hold('T', 'S1', 'S4', 9, '$other', ttl => '300 ms')");
	ok($node->poll_query_until('postgres', "SELECT DISTINCT status FROM ticket_order WHERE order_id = $held", 'expired'), 'a hold expires while somebody has the list locked');
	is(status_of($wait), 'waiting', 'a wait does not');
	$client->run('ROLLBACK');
	becomes($wait, 'expired', 'but after that');
	$client->quit;
}
{
	my ($date, $order) = sold_out();
	my $wait = waits($date);
	run('CREATE TABLE mail (wait_id bigint REFERENCES ticket_wait)');
	my $client = session($node, 'postgres');
	$client->run('BEGIN');
	$client->run("INSERT INTO mail VALUES ($wait)");
	ok($client->is_ok, 'a row of an open transaction points to a wait') or diag($client->output);
	is(run("SELECT reason FROM ticket_wait_status($wait)"), 'sold out', 'which is not in use by that');
	refunds($order);
	is(status_of($wait), 'awarded', 'and is served');
	$client->run('COMMIT');
	ok($client->is_ok, 'the row stays');
	$client->quit;
	run('DROP TABLE mail');
}

# ---------------------------------------------------------------------------------------------------------------------
# A memory that is too small for all departures
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order, $more) = sold_out();
	my ($first, $second) = map { waits($date) } 1 .. 2;
	run(q{INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(5, 20) n;
		INSERT INTO ticket_stop SELECT 'L' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n FROM generate_series(1, 200) t, generate_series(1, 20) n});
	make_formation($node, 'postgres', 'large', 4000);
	run("SELECT count(ticket_open('L' || t, '$day', 'large', '2020-01-01')) FROM generate_series(1, 200) t");
	my $evict = "SELECT sum(ticket_remaining('L' || t, 'S1', 'S4', '$day')) FROM generate_series(1, 200) t";
	my $is_loaded = "SELECT count(*) FROM ticket_pool WHERE train = 'T' AND service_date = '$date'";
	for my $case ([ 'the refund', $order, $first ], [ 'the next', $more, $second ])
	{
		my ($label, $freed, $wait) = @$case;
		for (1 .. 60) { last if run($is_loaded) eq '0'; run($evict) }
		is(run($is_loaded), '0', "$label: the departure has left the memory");
		refunds($freed);
		is(status_of($wait), 'awarded', "$label: and serves who waits");
	}
	# A claim that is given back without a transaction keeps its departure where it is.
	my $late = waits($date);
	run('SELECT count(*) FROM ticket_cancel((SELECT order_id FROM ticket_wait WHERE wait_id = ' . $second . '))');
	is(status_of($late), 'awarded', 'the next is served');
}

# ---------------------------------------------------------------------------------------------------------------------
# A dump and its restore
# ---------------------------------------------------------------------------------------------------------------------
my ($date, $order, $more) = sold_out();
my ($first, $second, $third) = map { waits($date) } 1 .. 3;
{
	my $file = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
	$node->command_ok([ 'pg_dump', '--no-sync', '-f', $file, $node->connstr('postgres') ], 'pg_dump');
	$node->safe_psql('postgres', 'CREATE DATABASE restored');
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d', $node->connstr('restored'), '-f', $file ], 'and its restore');
	for my $table ('ticket_wait', 'ticket_wait_option')
	{
		my $rows = "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)), count(*) FROM $table t";
		is($node->safe_psql('restored', $rows), run($rows), "$table is the same");
	}
	is($node->safe_psql('restored', 'SELECT count(*) FROM ticket_event'), '0', 'events stay: their transactions are those of this server');
	is($node->safe_psql('restored', "SELECT count(*) FROM ticket_refund($order)"), '1', 'a refund there');
	is($node->safe_psql('restored', "SELECT string_agg(wait_id || ' ' || status, ', ' ORDER BY wait_id) FROM ticket_wait WHERE wait_id IN ($first, $second, $third)"),
		"$first awarded, $second waiting, $third waiting", 'serves who has waited longest');
	cmp_ok($node->safe_psql('restored', 'SELECT wait_id FROM ticket_wait(1, ARRAY[' . option($date) . '])'), '>', $third, 'whoever joins there');
	is($node->safe_psql('restored', "SELECT (SELECT max(queue_no) FROM ticket_wait_option) = queue_no FROM ticket_wait_option WHERE user_id = 1"), 't', 'is behind all');
	is($node->safe_psql('restored', 'SELECT problem FROM ticket_verify()'), '', 'nobody who fits is left');
	is(status_of($first), 'waiting', 'here nothing has happened');
	TicketpoolTest::Server::release_all('DROP DATABASE');
	run('DROP DATABASE restored WITH (FORCE)');
}

# ---------------------------------------------------------------------------------------------------------------------
# A standby that is promoted
# ---------------------------------------------------------------------------------------------------------------------
{
	$node->backup('start');
	my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('two'));
	$standby->init_from_backup($node, 'start', has_streaming => 1);
	$standby->start;
	my $catch_up = sub { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')) };
	$catch_up->();
	is($standby->safe_psql('postgres', "SELECT ticket_remaining('T', 'S1', 'S4', '$date')"), '0', 'a standby has the departure');
	refunds($order);
	# One more is freed that nobody gets yet: its waiter's row is locked when the primary dies.
	my $client = session($node, 'postgres');
	$client->run('BEGIN');
	$client->run("SELECT FROM ticket_wait WHERE wait_id IN ($second, $third) FOR UPDATE");
	refunds($more);
	is(status_of($second), 'waiting', 'one is left over');
	$catch_up->();
	is($standby->safe_psql('postgres', "SELECT status FROM ticket_wait WHERE wait_id = $first"), 'awarded', 'an award is on the standby');
	$_->quit for $client, $owner;
	$node->stop('immediate');
	$standby->promote;
	ok($standby->poll_query_until('postgres', "SELECT status FROM ticket_wait WHERE wait_id = $second", 'awarded'), 'promoted, its worker serves who was left over');
	is($standby->safe_psql('postgres', "SELECT count(*) FROM ticket_cancel((SELECT order_id FROM ticket_wait WHERE wait_id = $first))"), '1', 'what is given up there');
	is($standby->safe_psql('postgres', "SELECT status FROM ticket_wait WHERE wait_id = $third"), 'awarded', 'serves the next');
	is($standby->safe_psql('postgres', 'SELECT problem FROM ticket_verify()'), '', 'nobody who fits is left there');
	agrees($standby, 'postgres', 'promoted');
	$standby->stop;
}
done_testing();
