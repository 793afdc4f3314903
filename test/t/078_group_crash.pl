# Processes are killed at random moments while a crowd buys in groups: clients, backends, the
# cashier, the postmaster. What was acknowledged is there, whoever was told "nothing" has nothing,
# no seat is sold twice, and the pool is what the tables say. TICKETPOOL_SEED replays the choices.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TicketpoolTest;
use TicketpoolTest::Group;

my $day = DAY;
seed();
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 1;
my $node = group_server('crash', conf => "ticketpool.memory = 4MB\nmax_worker_processes = 12");
$node->safe_psql('postgres', "ALTER DATABASE postgres SET ticketpool.group_sale = on");
my %crash = crashes($node);
my $cashier = q{backend_type = 'ticketpool cashier'};
my $first = 0;

sub purchase
{
	my ($number, $user) = @_;
	my ($from, $to) = (1 + $user % 3, 4 + $user % 2);
	my $kind = rand;
	return "SELECT order_id FROM item_buy(1, $user, 1)" if $kind < 0.2;
	return "SELECT order_id FROM ticket_hold('T', 'S$from', 'S$to', $user, date '$day' + 1, ttl => '1 hour')" if $kind < 0.4;
	return sprintf "SELECT order_id FROM ticket_buy('T', 'S%d', 'S%d', %d, '%s', request_id => '00000000-0000-0000-0000-%012d')", $from, $to, $user, $day, $user if $kind < 0.6;
	return "SELECT order_id FROM ticket_buy('T', 'S$from', 'S$to', $user, date '$day' + 2, passengers => ARRAY[1, 2])" if $kind < 0.7;
	return "SELECT order_id FROM ticket_buy('T', 'S$from', 'S$to', $user, '$day')";
}

sub round
{
	my ($label, $kill, %options) = @_;
	my $crowd = start_crowd($node, 'postgres', 12, purchase => \&purchase, first_user => $first, setting => $options{setting});
	$first += 100_000_000;
	ok(wait_log_lines($crowd->{workers}, 200), "$label: clients are buying");
	becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE $cashier");
	sleep rand 0.3;
	ok($kill->($crowd), "$label: it is done");
	ok(becomes_true($node, 'postgres', 'SELECT true'), "$label: the server is up");
	wait_log_lines($crowd->{workers}, 100 + log_lines($crowd->{workers}));
	my $told = end_crowd($crowd, label => $label);
	in_flight_is_empty($node, 'postgres', $label);
	told_and_written($node, 'postgres', $told, $label, errors => [ 'lost', '57P01', '57P02', '57P03' ]);
	agrees($node, 'postgres', $label);
	return;
}

sub kill_clients
{
	my ($crowd) = @_;
	# Of each the one that is connected now; it then connects again.
	my %client = map { /^(\d+) client (\d+)/ ? ($1 => $2) : () } log_lines($crowd->{workers});
	my @clients = values %client;
	return kill('KILL', @clients[ 0 .. $#clients / 2 ]) > 0;
}

sub terminate_backends
{
	return $node->safe_psql('postgres', "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.5") > 0;
}

for my $n (1 .. $rounds)
{
	round("$n, kill -9 of clients", sub { my ($crowd) = @_; kill_clients($crowd); sleep 0.1; kill_clients($crowd) });
	round("$n, sessions are ended", sub { terminate_backends(); sleep 0.1; terminate_backends() }) if $n % 2;
	round("$n, kill -9 of a backend", sub { kill_9_of($node, q{backend_type = 'client backend'}) });
	round("$n, kill -9 of the cashier", sub { kill_9_of($node, $cashier) });
	round("$n, kill -9 of the postmaster", $crash{'kill -9 of the postmaster'});
	round("$n, immediate stop", $crash{'immediate stop'}) if $n % 2;
}
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT xmin::text) FROM ticket_order'), '>', 20, 'there were groups');
$node->stop;
done_testing();
