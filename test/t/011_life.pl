# Crashes under a load of a ticket's whole life: what was acknowledged is found afterwards, what was
# not has happened or has not, and the pool is rebuilt from the tables.
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
my $node = new_server('life', conf => 'ticketpool.memory = 4MB');
make_train($node, 'postgres', 'T1', 12);
make_train($node, 'postgres', 'T2', 80);
make_formation($node, 'postgres', 'small', 60);
$node->safe_psql('postgres', q{INSERT INTO ticket_formation VALUES ('small', '009', 'second', NULL, 10)});
open_departures($node, 'postgres', 'T1', 'small', 3);
open_departures($node, 'postgres', 'T2', 'small', 1);
my @trains = ([ 'T1', 12, 3 ], [ 'T1', 12, 3 ], [ 'T2', 80, 1 ]);
my @channels = ('NULL', 'NULL', q{'web'}, q{'agency'});

sub any { return $_[ rand @_ ] }

# Train, stations and date, and the other arguments of a purchase.
sub trip
{
	my ($train, $stops, $days) = @{ any(@trains) };
	my $from = 1 + int(rand($stops - 1));
	my $to = $from + 1 + int(rand($stops - $from));
	return ("'$train'", "'S$from'", "'S$to'", sprintf("date '%s' + %d", $day, rand $days));
}

sub wish
{
	my ($user) = @_;
	my ($train, $from, $to, $date) = trip();
	my $passengers = rand() < 0.25 ? 'ARRAY[1, 2, 3]' : 'NULL';
	return "$train, $from, $to, $user, $date, passengers => $passengers, channel => " . any(@channels);
}

# Takes tickets through their lives until the server stops. The log says what was tried and what was
# acknowledged:
#   is ID STATUS          the order is so
#   try ID STATUS         it may be so
#   change OLD            it may have become another order
#   changed OLD NEW       it has
#   quota ID STATUS, try-quota ID STATUS
sub customer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my (@held, @sold, @quotas);
	my $step = sub {
		my ($order, $status, $function) = @_;
		print $log "try $order $status\n";
		my $rows = $session->run("SELECT DISTINCT status FROM $function($order)");
		return undef unless $session->is_ok;
		print $log "is $order $rows\n" if $rows =~ /^\w+$/;
		# No row: a late payment for which nothing was left.
		print $log "is $order expired\n" if $rows eq '';
		return $rows;
	};
	my $take = sub { my ($list) = @_; return splice(@$list, rand @$list, 1) };
	my $ids = sub { return $session->is_ok ? $session->output =~ /^(\d+)/mg : () };
	while (!$session->is_lost)
	{
		my $kind = rand;
		if ($kind < 0.25)
		{
			my $ttl = any("'30 milliseconds'", "'1 hour'", "'1 hour'");
			$session->run('SELECT DISTINCT order_id FROM ticket_hold(' . wish($number) . ", ttl => $ttl)");
			for ($ids->()) { print $log "is $_ held\n"; push @held, $_; }
		}
		elsif ($kind < 0.40 && @held)
		{
			my $order = $take->(\@held);
			my $status = $step->($order, 'sold', 'ticket_confirm');
			push @sold, $order if defined $status && $status eq 'sold';
		}
		elsif ($kind < 0.47 && @held) { $step->($take->(\@held), 'cancelled', 'ticket_cancel') }
		elsif ($kind < 0.60 && @sold) { $step->($take->(\@sold), 'refunded', 'ticket_refund') }
		elsif ($kind < 0.72 && @sold)
		{
			my $order = $take->(\@sold);
			print $log "change $order\n";
			my ($train, $from, $to, $date) = trip();
			$session->run("SELECT DISTINCT order_id FROM ticket_change($order, $train, $from, $to, $date)");
			my ($new) = $ids->();
			if (defined $new) { print $log "changed $order $new\n"; push @sold, $new; }
			elsif ($session->is_ok) { print $log "is $order sold\n"; push @sold, $order; }
		}
		elsif ($kind < 0.77)
		{
			my ($train, $from, $to, $date) = trip();
			my $release = any('NULL', "clock_timestamp() + interval '50 milliseconds'");
			$session->run("SELECT ticket_reserve($train, $date, 'second', " . any(@channels[ 2, 3 ]) . ', ' . (1 + int rand 4) . ", $from, $to, $release)");
			for ($ids->()) { print $log "quota $_ open\n"; push @quotas, $_ if $release eq 'NULL'; }
		}
		elsif ($kind < 0.82 && @quotas)
		{
			my $quota = $take->(\@quotas);
			print $log "try-quota $quota recycled\n";
			$session->run("SELECT ticket_recycle($quota)");
			print $log "quota $quota recycled\n" if $session->is_ok;
		}
		elsif ($kind < 0.90)
		{
			my @requests = map {
				my ($train, $from, $to, $date) = trip();
				"ROW($train, $from, $to, $number, $date, 'second', NULL, NULL, " . any(@channels) . ', NULL)::ticket_request' } 1 .. 5;
			$session->run('SELECT DISTINCT order_id FROM ticket_buy_many(ARRAY[' . join(', ', @requests) . '])');
			for ($ids->()) { print $log "is $_ sold\n"; push @sold, $_; }
		}
		else
		{
			# These have no effect.
			$session->run('BEGIN');
			$session->run('SELECT order_id FROM ticket_hold(' . wish($number) . ", ttl => '30 milliseconds')");
			$session->run("SELECT FROM ticket_confirm($held[0])") if @held && rand() < 0.5;
			my ($train, $from, $to, $date) = trip();
			$session->run("SELECT FROM ticket_change($sold[0], $train, $from, $to, $date)") if @sold;
			$session->run("SELECT ticket_recycle($quotas[0])") if @quotas;
			$session->run(rand() < 0.5 ? 'ROLLBACK' : 'SELECT 1/0');
			$session->run('ROLLBACK');
		}
	}
	return;
}

my (%order, %quota);    # id -> the statuses that it may have, as { status => 1 }

# What a status can become by itself.
sub later { my ($status) = @_; return { $status => 1, $status eq 'held' ? (expired => 1) : () } }

sub check
{
	my ($label, $workers) = @_;
	my ($acknowledged, %changed) = (0);
	for (log_lines($workers))
	{
		my (undef, $what, $id, $status) = split / /;
		if ($what eq 'is') { $order{$id} = later($status) }
		elsif ($what eq 'try') { $order{$id}{$status} = 1 }
		elsif ($what eq 'change') { $order{$id}{changed} = 1 }
		elsif ($what eq 'changed') { $order{$id} = { changed => 1 }; $order{$status} = { sold => 1 }; $changed{$id} = $status; }
		elsif ($what eq 'quota') { $quota{$id} = { $status => 1, recycled => 1 } }
		elsif ($what eq 'try-quota') { $quota{$id}{$status} = 1 }
		$acknowledged++ unless $what =~ /^(?:try|try-quota|change)$/;
	}
	my %found = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
		q{SELECT order_id, string_agg(DISTINCT status, ',') FROM ticket_order GROUP BY 1});
	my @wrong;
	for my $id (sort keys %order)
	{
		my $status = $found{$id} // 'lost';
		push @wrong, "$id is $status, not " . join ' or ', sort keys %{ $order{$id} } unless $order{$id}{$status};
		# What a crash decided stays decided.
		$order{$id} = later($status);
	}
	is(join("\n", @wrong), '', "$label: every acknowledged step of an order is there");
	my %quotas = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT reservation_id, status FROM ticket_reservation');
	is(join(' ', grep { !$quota{$_}{ $quotas{$_} // 'lost' } } sort keys %quota), '', "$label: and of a quota");
	$quota{$_} = { ($quotas{$_} // 'lost') => 1, recycled => 1 } for keys %quota;
	is($node->safe_psql('postgres', q{
		SELECT o.order_id FROM ticket_order o LEFT JOIN ticket_order n ON n.changed_from = o.order_id AND n.ticket_no = 1
		WHERE o.ticket_no = 1 AND (o.status = 'changed') <> (n.order_id IS NOT NULL)}), '', "$label: an exchange is whole");
	my %from = map { split /\|/ } split /\n/, $node->safe_psql('postgres', 'SELECT changed_from, order_id FROM ticket_order WHERE changed_from IS NOT NULL AND ticket_no = 1');
	is(join(' ', grep { ($from{$_} // '') ne $changed{$_} } sort keys %changed), '', "$label: acknowledged exchanges lead to their new orders");
	ok(becomes_true($node, 'postgres', q{SELECT NOT EXISTS (SELECT FROM ticket_order WHERE status = 'held' AND held_until < clock_timestamp())
		AND NOT EXISTS (SELECT FROM ticket_reservation WHERE status = 'open' AND release_at < clock_timestamp())}), "$label: what ran out meanwhile is given back");
	settles($node, 'postgres', $label);
	agrees($node, 'postgres', $label);
	note("$label: $acknowledged acknowledged");
	return;
}

my %ways = crashes($node);
$ways{'kill -9 of the launcher'} = sub { return kill_9_of($node, "backend_type = 'ticketpool launcher'") };
for my $round (1 .. $rounds)
{
	for my $way (grep { $_ ne 'fast stop' || $round == 1 } sort keys %ways)
	{
		my $label = "$way, round $round";
		my $workers = start_workers(6, \&customer);
		ok(wait_log_lines($workers, 300 + int(rand 600)), "$label: customers are at work");
		ok($ways{$way}->(), "$label: the server is up again");
		ok(wait_workers($workers), "$label: the customers have noticed");
		check($label, $workers);
	}
}
my $kinds = $node->safe_psql('postgres', q{SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM ticket_order});
is($kinds, 'cancelled changed expired held refunded sold', 'there was everything in a ticket\'s life');
note($node->safe_psql('postgres', 'SELECT status, count(*) FROM ticket_order GROUP BY 1 ORDER BY 1'));

my $before = matrix($node, 'postgres');
$node->restart;
is(matrix($node, 'postgres'), $before, 'a restart changes no count');

indexes_are_whole($node, 'postgres', 'at the end');
$node->stop;
done_testing();
