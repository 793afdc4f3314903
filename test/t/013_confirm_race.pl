# Payment against expiry: holds of a few milliseconds are paid, given up in part and held for longer
# while several sessions sweep and others buy. Either payment or expiry wins, nothing runs out before
# its time, and a seat that was sold on stays with its buyer.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 900;
my $day = DAY;
my $node = new_server('race');
make_train($node, 'postgres', 'T1', 4);
make_formation($node, 'postgres', 'small', 12);
open_departures($node, 'postgres', 'T1', 'small', 1);
my $over_file = $node->basedir . '/race_is_over';
my $columns = q{order_id, ticket_no, coach || seat, status};

sub nap { my ($seconds) = @_; select(undef, undef, undef, $seconds); return }

# Rows of $columns as { ticket => [ order, seat, status ] }.
sub rows { my ($text) = @_; return join ' ', map { my (undef, $no, $seat, $status) = split /\|/; "$no:$seat:$status" } sort split /\n/, $text }

# Is the order in the table as it was acknowledged? Only its owner may change it once it is sold.
sub check_order
{
	my ($session, $order, $expected, $what) = @_;
	my $now = rows($session->run("SELECT $columns FROM ticket_order WHERE order_id = $order AND status <> 'cancelled'"));
	die "$what $order was ($expected) and is ($now)" if $now ne $expected;
	return;
}

# Gives up the second ticket. True: it was in time.
sub give_up_part
{
	my ($session, $order, $log) = @_;
	my $given = rows($session->run("SELECT $columns FROM ticket_cancel($order, '{2}')"));
	die $session->output unless $session->is_ok;
	die "ticket 2 of $order was given up and is ($given)" unless $given =~ /^2:\w+:(cancelled|expired)$/;
	print $log "part $1\n";
	return $1 eq 'cancelled';
}

# Asks for more time. After that nothing may run out before it is over.
sub hold_longer
{
	my ($session, $order, $log) = @_;
	my $held = $session->run("SELECT string_agg(status, ' ') FROM ticket_hold_extend($order, '6 ms')");
	if (!$session->is_ok)
	{
		die $session->output unless $session->sqlstate eq 'TK005';
		print $log "too late\n";
		return;
	}
	die "held for longer: $held" unless $held =~ /^held( held)?$/;
	print $log "held longer\n";
	my $early = $session->run("SELECT count(*) FROM ticket_order WHERE order_id = $order AND status = 'expired' AND clock_timestamp() < held_until");
	die "order $order ran out before its time" if $early ne '0';
	return;
}

sub payer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my %kept;
	for my $round (1 .. $rounds)
	{
		my $ttl = 2 + int rand 12;
		my $party = rand() < 0.3 ? 2 : 1;
		my $held = rows($session->run(q{SELECT } . $columns . qq{ FROM ticket_hold('T1', 'S1', 'S4', $number, '$day',
			passengers => ARRAY[}  . join(', ', 1 .. $party) . qq{]::bigint[], ttl => '$ttl milliseconds')}));
		die $session->output unless $session->is_ok;
		my ($order) = $session->output =~ /^(\d+)/;
		if (!defined $order)
		{
			print $log "nothing to hold\n";
		}
		else
		{
			$held =~ s/ .*// if $party == 2 && rand() < 0.3 && give_up_part($session, $order, $log);
			nap($ttl / 1000 * (0.5 + rand) / 2);
			hold_longer($session, $order, $log) if rand() < 0.3;
			nap($ttl / 1000 * (0.5 + rand) / 2);
			my $paid = rows($session->run("SELECT $columns FROM ticket_confirm($order)"));
			die $session->output unless $session->is_ok;
			(my $in_place = $held) =~ s/held/sold/g;
			my $now = rows($session->run("SELECT $columns FROM ticket_order WHERE order_id = $order AND status <> 'cancelled'"));
			if ($paid eq '')
			{
				# Expired, and no seats are left for it: its old seats are in the row, and it is not
				# a live ticket.
				(my $gone = $held) =~ s/held/expired/g;
				die "order $order was refused and is ($now), not ($gone)" if $now ne $gone;
				print $log "refused\n";
			}
			else
			{
				die "order $order: paid ($paid), is ($now)" if $paid ne $now || grep { !/:sold$/ } split / /, $paid;
				print $log $paid eq $in_place ? "same seats\n" : "other seats\n";
				check_order($session, $order, rows($session->run("SELECT $columns FROM ticket_confirm($order)")), 'order paid twice');
				$kept{$order} = $paid;
			}
		}
		# Keeps its seats for a while: afterwards they must be as they were.
		my @orders = sort keys %kept;
		if (@orders && (@orders > 2 || rand() < 0.6))
		{
			my $old = $orders[ rand @orders ];
			check_order($session, $old, delete $kept{$old}, 'a paid order');
			$session->run("SELECT count(*) FROM ticket_refund($old)");
			die $session->output unless $session->is_ok;
		}
	}
	check_order($session, $_, $kept{$_}, 'a paid order') for keys %kept;
	return;
}

sub buyer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my %kept;
	until (-e $over_file)
	{
		my $bought = rows($session->run(qq{SELECT $columns FROM ticket_buy('T1', 'S1', 'S4', $number, '$day')}));
		die $session->output unless $session->is_ok;
		my ($order) = $session->output =~ /^(\d+)/;
		print $log defined $order ? "bought\n" : "sold out\n";
		$kept{$order} = $bought if defined $order;
		nap(0.003 * rand);
		my ($old) = grep { rand() < 0.3 } sort keys %kept;
		next unless defined $old;
		check_order($session, $old, delete $kept{$old}, 'a purchase');
		$session->run("SELECT count(*) FROM ticket_refund($old)");
		die $session->output unless $session->is_ok;
	}
	check_order($session, $_, $kept{$_}, 'a purchase') for keys %kept;
	return;
}

sub sweeper
{
	my ($number, $log) = @_;
	my $session = session($node);
	until (-e $over_file)
	{
		my $count = $session->run('SELECT ticket_sweep()');
		die $session->output unless $session->is_ok;
		print $log "swept $count\n" if $count > 0;
		# At no moment is a seat live twice.
		my $twice = $session->run(q{SELECT coach || seat FROM ticket_order WHERE status IN ('held', 'sold') GROUP BY 1 HAVING count(*) > 1});
		die "seat $twice is sold twice" if $twice ne '' || !$session->is_ok;
	}
	return;
}

my $others = start_workers(5, sub { my ($number, $log) = @_; return $number < 3 ? sweeper($number, $log) : buyer(100 + $number, $log) });
my $payers = start_workers(3, \&payer);
ok(wait_workers($payers), 'every payment had one outcome, and kept it');
append_to_file($over_file, 'yes');
ok(wait_workers($others), 'purchases were left alone, and no seat was ever live twice');
my %count;
$count{$_}++ for map { /^\d+ ([a-z ]+[a-z])/ } log_lines($payers), log_lines($others);
note(join ', ', map { "$_: $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>', 0, "there was: $_") for 'same seats', 'other seats', 'refused', 'swept', 'bought', 'part cancelled', 'held longer', 'too late';

# What is still held runs out, and no hold remains.
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 0 FROM ticket_order WHERE status = 'held'}), 'what was not paid runs out');
settles($node, 'postgres', 'race');
agrees($node, 'postgres', 'race');

# One after the other, without chance: the first decides.
my ($pay, $sweep, $buy) = map { session($node) } 1 .. 3;
$node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT DISTINCT order_id FROM ticket_order WHERE status = 'sold') o, ticket_refund(order_id)});
for my $first ('payment', 'expiry')
{
	my $order = $pay->run(qq{SELECT order_id FROM ticket_hold('T1', 'S1', 'S4', 1, '$day', ttl => '1 hour')});
	# The worker knows of no deadline within the next hour.
	my $over = "UPDATE ticket_order SET held_until = clock_timestamp() - interval '1 second' WHERE order_id = $order";
	if ($first eq 'payment')
	{
		$pay->run($_) for 'BEGIN', "SELECT FROM ticket_confirm($order)";
		is($sweep->run('SELECT ticket_sweep()'), '0', 'a payment under way is passed over');
		$pay->run('COMMIT');
		$sweep->run($over);
		is($sweep->run('SELECT ticket_sweep()'), '0', 'what is paid does not run out');
		is($sweep->run("SELECT status FROM ticket_order WHERE order_id = $order"), 'sold', 'it stays sold');
	}
	else
	{
		# In a transaction, so that the worker's own look does not find anything first.
		$sweep->run($_) for 'BEGIN', $over;
		is($sweep->run('SELECT ticket_sweep()'), '1', 'a hold runs out');
		$pay->send("SELECT count(*) FROM ticket_confirm($order)");
		ok(becomes_true($node, 'postgres', 'SELECT wait_event_type IS NOT DISTINCT FROM $$Lock$$ FROM pg_stat_activity WHERE pid = ' . $pay->backend),
			'the payment waits for its end');
		# Its seat is free once that has committed, and the first to claim it has it.
		$sweep->run('COMMIT');
		is($pay->wait, '1', 'the late payer gets a seat while there is one');
		is($pay->run("SELECT status FROM ticket_order WHERE order_id = $order"), 'sold', 'and it is sold');
		$pay->run("SELECT count(*) FROM ticket_refund($order)");
		my $second = $pay->run(qq{SELECT order_id FROM ticket_hold('T1', 'S1', 'S4', 1, '$day', ttl => '1 hour')});
		$over =~ s/$order/$second/;
		$sweep->run($_) for 'BEGIN', $over;
		is($sweep->run('SELECT ticket_sweep()'), '1', 'another one runs out');
		$sweep->run('COMMIT');
		like($buy->run(qq{SELECT count(*) FROM generate_series(1, 20) i, ticket_buy('T1', 'S1', 'S4', i, '$day')}), qr/^1\d$/, 'everything is sold on');
		is($pay->run("SELECT count(*) FROM ticket_confirm($second)"), '0', 'the late payer gets nothing');
	}
	agrees($node, 'postgres', "$first first");
}

$node->stop;
done_testing();
