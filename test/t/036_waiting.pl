# Loads and withdrawals that are overtaken while they wait: what other sessions did meanwhile
# counts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use TicketpoolTest;

my $day = DAY;
my $node = new_server('waiting', conf => 'max_prepared_transactions = 10');
make_train($node, 'postgres', 'T1', 5);
make_formation($node, 'postgres', 'f', 20);
open_departures($node, 'postgres', 'T1', 'f', 3);

sub waits
{
	my ($session, $type) = @_;
	return becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = " . $session->backend . " AND wait_event_type = '$type'");
}

# ---------------------------------------------------------------------------------------------------------------------
# A loader waits for a lock whose holder then needs the departure: the holder takes over the load.
# When the loader itself ends, here because it is cancelled, it must not take away what the holder
# has loaded and sold from.
# ---------------------------------------------------------------------------------------------------------------------
for my $end ('cancelled', 'let go')
{
	$node->restart;
	my $owner = session($node);
	my $loader = session($node);
	$owner->run('BEGIN');
	$owner->run('LOCK TABLE ticket_order_p' . ($day =~ s/-//gr) . ' IN ACCESS EXCLUSIVE MODE');
	$loader->send("SELECT ticket_remaining('T1', 'S1', 'S5', '$day')");
	ok(waits($loader, 'Lock'), "a loader waits for a lock, and is to be $end");
	my $sold = $owner->run("SELECT count(*) FROM ticket_order WHERE service_date = '$day' AND status = 'sold'");
	is($owner->run("SELECT count(*) FROM generate_series(1, 3) i, ticket_buy('T1', 'S1', 'S5', i, '$day')"), '3', 'who has the lock loads and buys');
	if ($end eq 'cancelled')
	{
		$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $loader->backend . ')');
		$loader->wait;
		is($loader->sqlstate, '57014', 'the loader is cancelled');
	}
	is($owner->run("SELECT departure_id || ' ' || claims_in_flight FROM ticket_pool"), '1 3', 'the claims are on the departure that is found');
	is($owner->run("SELECT ticket_remaining('T1', 'S1', 'S5', '$day')"), 20 - $sold - 3, 'and counted');
	is($node->safe_psql('postgres', 'SELECT sum(claims) FROM ticket_inflight'), '3', 'and in flight');
	$owner->run('COMMIT');
	is($loader->wait, 20 - $sold - 3, 'the loader finds what was sold meanwhile') if $end ne 'cancelled';
	is($node->safe_psql('postgres', 'SELECT rebuilds FROM ticket_pool_stat'), '1', 'it was loaded once');
	$_->quit for $owner, $loader;
	agrees($node, 'postgres', "a load that was taken over, its loader $end");
}

# ---------------------------------------------------------------------------------------------------------------------
# A withdrawal waits for two buyers. One of them prepares, and that is committed: no session has
# settled it yet (the launcher is stopped), but it is decided, so nothing is in the way once the
# other buyer has ended.
# ---------------------------------------------------------------------------------------------------------------------
my $second = $node->safe_psql('postgres', "SELECT date '$day' + 1");
my @buyers = map { session($node) } 1 .. 2;
my $withdrawer = session($node);
my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher'});
for my $buyer (@buyers)
{
	$buyer->run('BEGIN');
	is($buyer->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 1, '$second')"), '1', 'a buyer');
}
$withdrawer->send("SELECT ticket_withdraw('T1', '$second')");
ok(waits($withdrawer, 'Lock'), 'a withdrawal waits for them');
ok(becomes_true($node, 'postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $launcher"), 'the launcher rests, and holds no lock');
kill 'STOP', $launcher;
$buyers[1]->run("PREPARE TRANSACTION 'decided'");
$buyers[1]->run("COMMIT PREPARED 'decided'");
$buyers[0]->run('COMMIT');
is($withdrawer->wait, '2', 'both tickets are withdrawn, also the one that was prepared meanwhile');
kill 'CONT', $launcher;
$_->quit for @buyers, $withdrawer;
in_flight_is_empty($node, 'postgres', 'withdrawn');
agrees($node, 'postgres', 'withdrawn');

# ---------------------------------------------------------------------------------------------------------------------
# An item whose inventories have changed by hand is loaded again, but not before a prepared purchase
# of it is decided: a session that wants it waits, and can be cancelled.
# ---------------------------------------------------------------------------------------------------------------------
my ($seller, $buyer) = map { session($node) } 1 .. 2;
$seller->run('SELECT item_open(1, 10)');
$seller->run('BEGIN');
is($seller->run('SELECT count(*) FROM item_buy(1, 1, 1)'), '1', 'units are bought');
$seller->run("PREPARE TRANSACTION 'units'");
$seller->run('INSERT INTO item_inventory (id, item_id, quantity, parent_id, root_id) SELECT 1000, 1, 5, id, id FROM item_inventory WHERE item_id = 1');
$buyer->run("SET statement_timeout = '1s'");
$buyer->send('SELECT count(*) FROM item_buy(1, 2, 1)');
$buyer->wait;
is($buyer->sqlstate, '57014', 'who waits for a prepared purchase can be cancelled');
await(sub { $buyer->run('RESET statement_timeout'); $buyer->is_ok });
$buyer->send('SELECT count(*) FROM item_buy(1, 2, 1)');
ok(becomes_true($node, 'postgres', 'SELECT state = \'active\' FROM pg_stat_activity WHERE pid = ' . $buyer->backend), 'another one waits');
$seller->run("COMMIT PREPARED 'units'");
is($buyer->wait, '1', 'until it is decided');
is($seller->run('SELECT item_remaining(1)'), '13', 'and the new inventory is there');
is($seller->run('SELECT * FROM item_verify()'), '', 'item_verify agrees');
$_->quit for $seller, $buyer;

# ---------------------------------------------------------------------------------------------------------------------
# A prepared transaction is decided while a loader reads which rows are undecided: the loader has
# seen the old version of a row undecided, and the new version, much further on, decided. Then it
# has to read again; else the old version's stretch is given back although the new version has it.
# The loader is stopped at moments spread over the first part of a load: none may go wrong.
# ---------------------------------------------------------------------------------------------------------------------
make_formation($node, 'postgres', 'big', 100_000);
my $third = $node->safe_psql('postgres', "SELECT date '$day' + 2");
make_train($node, 'postgres', 'T2', 5);
$node->safe_psql('postgres', qq{
	ALTER SYSTEM SET autovacuum = off;
	SELECT ticket_open('T2', '$third', 'big', '2020-01-01')});
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT row_number() OVER (), 1, departure_id, service_date, 1, 1, 'second', coach, s, 1, 3, 'sold'
	FROM ticket_departure JOIN ticket_layout_coach USING (layout_id), unnest(seats) s WHERE train = 'T2'});
my $whole = 0;
my @wrong;
for my $try (0 .. 10)
{
	# From another page each time: the same page may have room, and then the versions are
	# neighbours.
	$node->safe_psql('postgres', "BEGIN; UPDATE ticket_order SET to_stop = 4 WHERE service_date = '$third' AND order_id = ($try + 1) * 300; PREPARE TRANSACTION 'moved'");
	$node->restart;
	my ($loader, $decider) = map { session($node) } 1 .. 2;
	my $start = time();
	$loader->send("SELECT ticket_remaining('T2', 'S3', 'S4', '$third')");
	if ($try > 0)
	{
		usleep(int(1e6 * $whole * $try / 33));
		kill 'STOP', $loader->backend;
		# The loader may hold a lock that the decision needs: then this attempt misses.
		$decider->send("COMMIT PREPARED 'moved'");
		usleep(100_000);
		kill 'CONT', $loader->backend;
		$decider->wait;
	}
	push @wrong, "try $try: " . $loader->output if $loader->wait ne 100_000 - $try - 1;
	if ($try == 0)
	{
		$whole = time() - $start;
		$decider->run("COMMIT PREPARED 'moved'");
	}
	push @wrong, "try $try: $_" for split /\n/, $decider->run('SELECT * FROM ticket_verify()');
	$_->quit for $loader, $decider;
}
is(join("\n", @wrong), '', 'what is decided during a load is taken as it was, or as it is');

$node->stop;
done_testing();
