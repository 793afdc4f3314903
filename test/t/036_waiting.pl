# Loads and withdrawals that are overtaken while they wait: what somebody else did meanwhile counts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
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
# A loader waits for a lock of one who then needs the departure: that one takes the load over. The loader's own end, here
# that it is cancelled, must not take away what the other has loaded and sold from.
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
# A withdrawal waits for two buyers. One of them prepares, and that is committed: nobody has settled it yet (the launcher
# is stopped), but it is decided, so nothing is in the way once the other one has ended.
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
kill 'STOP', $launcher;
$buyers[1]->run("PREPARE TRANSACTION 'decided'");
$buyers[1]->run("COMMIT PREPARED 'decided'");
$buyers[0]->run('COMMIT');
is($withdrawer->wait, '2', 'both tickets are withdrawn, also the one that was prepared meanwhile');
kill 'CONT', $launcher;
$_->quit for @buyers, $withdrawer;
in_flight_is_empty($node, 'postgres', 'withdrawn');
agrees($node, 'postgres', 'withdrawn');

$node->stop;
done_testing();
