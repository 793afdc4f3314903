# Stops, kills and crashes under load: what was acknowledged is there, what was not is either gone
# or complete, and the pool is rebuilt from the tables.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 2;
my $day = DAY;
my $node = new_server('restart', conf => 'ticketpool.memory = 4MB');
make_train($node, 'postgres', 'T1', 12);
make_train($node, 'postgres', 'T2', 80);
make_formation($node, 'postgres', 'small', 60);
open_departures($node, 'postgres', 'T1', 'small', 3);
open_departures($node, 'postgres', 'T2', 'small', 1);
my @trains = ([ 'T1', 12, 3 ], [ 'T1', 12, 3 ], [ 'T2', 80, 1 ]);

sub trip
{
	my ($train, $stops, $days) = @{ $trains[ rand @trains ] };
	my $from = 1 + int(rand($stops - 1));
	my $to = $from + 1 + int(rand($stops - $from));
	return sprintf(q{'%s', 'S%d', 'S%d', %%d, date '%s' + %d}, $train, $from, $to, $day, rand $days);
}

# Buys and refunds until the server stops. The log says what was tried and what was acknowledged:
#   bought ID        refunding ID / refunded ID        returned ID (bought and refunded in one transaction)
sub customer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my @orders;
	while (!$session->is_lost)
	{
		my $kind = rand;
		if ($kind < 0.5 || !@orders)
		{
			my $party = rand() < 0.25 ? ', passengers => ARRAY[1, 2, 3]' : '';
			$session->run('SELECT DISTINCT order_id FROM ticket_buy(' . sprintf(trip(), $number) . "$party)");
			my ($id) = $session->output =~ /^(\d+)$/m;
			next unless $session->is_ok && defined $id;
			print $log "bought $id\n";
			push @orders, $id;
		}
		elsif ($kind < 0.7)
		{
			my ($id) = splice(@orders, rand @orders, 1);
			print $log "refunding $id\n";
			$session->run("SELECT count(*) FROM ticket_refund($id)");
			print $log "refunded $id\n" if $session->is_ok;
		}
		elsif ($kind < 0.85)
		{
			# Two purchases and a refund, committed as one.
			$session->run('BEGIN');
			my @ids = map { $session->run('SELECT order_id FROM ticket_buy(' . sprintf(trip(), $number) . ')') } 1 .. 2;
			@ids = map { /^(\d+)$/m } @ids;
			my ($back) = splice(@orders, rand @orders, 1);
			print $log "refunding $back\n";
			$session->run("SELECT count(*) FROM ticket_refund($back)");
			$session->run('COMMIT');
			next unless $session->is_ok;
			print $log "bought $_\n" for @ids;
			print $log "refunded $back\n";
			push @orders, @ids;
		}
		else
		{
			# These have no effect.
			$session->run('BEGIN');
			$session->run('SELECT order_id FROM ticket_buy(' . sprintf(trip(), $number) . ')');
			$session->run("SELECT count(*) FROM ticket_refund($orders[0])");
			$session->run(rand() < 0.5 ? 'ROLLBACK' : 'SELECT 1/0');
			$session->run('ROLLBACK');
		}
	}
	return;
}

my %state;    # order id -> sold, refunded or, if tried and not acknowledged, either

sub check
{
	my ($label, $workers) = @_;
	my $acknowledged = 0;
	for (log_lines($workers))
	{
		my (undef, $what, $id) = split / /;
		$state{$id} = { bought => 'sold', refunding => 'either', refunded => 'refunded' }->{$what};
		$acknowledged++ if $what ne 'refunding';
	}
	my %found = map { my ($id, @statuses) = split /[|,]/; ($id => \@statuses) }
	  split /\n/, $node->safe_psql('postgres', q{SELECT order_id, string_agg(DISTINCT status, ',') FROM ticket_order GROUP BY 1});
	my (@lost, @undone, @torn);
	for my $id (keys %state)
	{
		my $statuses = $found{$id};
		if (!defined $statuses) { push @lost, $id; next; }
		push @torn, $id if @$statuses != 1;
		push @lost, $id if $state{$id} eq 'sold' && $statuses->[0] ne 'sold';
		push @undone, $id if $state{$id} eq 'refunded' && $statuses->[0] ne 'refunded';
		# What a crash decided stays decided.
		$state{$id} = $statuses->[0] if $state{$id} eq 'either';
	}
	is("@lost", '', "$label: every acknowledged purchase is there");
	is("@undone", '', "$label: every acknowledged refund is done");
	is("@torn", '', "$label: no order is half refunded");
	in_flight_is_empty($node, 'postgres', $label);
	agrees($node, 'postgres', $label);
	note("$label: $acknowledged acknowledged");
	return;
}

my %ways = crashes($node);
for my $round (1 .. $rounds)
{
	for my $way (sort keys %ways)
	{
		my $label = "$way, round $round";
		my $workers = start_workers(6, \&customer);
		ok(wait_log_lines($workers, 150 + int(rand 300)), "$label: customers are at work");
		ok($ways{$way}->(), "$label: the server is up again");
		ok(wait_workers($workers), "$label: the customers have noticed");
		check($label, $workers);
	}
}

# A restart with nothing going on keeps every count, and sales go on.
my $before = matrix($node, 'postgres');
$node->restart;
is(matrix($node, 'postgres'), $before, 'a restart changes no count');
my $free = $node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S2', '$day')");
is($node->safe_psql('postgres', "SELECT count(*) FROM generate_series(1, 100) i, ticket_buy('T1', 'S1', 'S2', i, '$day')"),
	$free, 'what is left can be sold, and no more');
is($node->safe_psql('postgres', 'SELECT count(*) = count(DISTINCT (order_id, ticket_no)) FROM ticket_order'), 't', 'order ids are unique');
agrees($node, 'postgres', 'at last');

$node->stop;
done_testing();
