# Eight buyers behind a router, with random time-outs and repeats, while nodes, backends of nodes and
# of the router, and PgBouncer are killed and departures move between the nodes. At the end each
# passenger has the ticket that was acknowledged, once; each departure is on one node; nothing is
# unsettled. TICKETPOOL_SEED replays the choices, TICKETPOOL_OPS sets the length (25: a second).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

seed();
my $seconds = $ENV{TICKETPOOL_OPS} ? 10 + $ENV{TICKETPOOL_OPS} / 25 : 15;
my $day = DAY;
my $fleet = TicketpoolTest::Router->new('router_soak', nodes => 3, servers => 1, pooler => 1);
if (!$fleet->has_pooler)
{
	$fleet->stop;
	plan skip_all => 'pgbouncer is not installed';
}
my @trains = qw(K1 K2 K3);
my $days = 2;
$fleet->reference('some', 300, map { $_ => 5 } @trains);
$fleet->assign(K1 => 1, K2 => 2, K3 => 3);
$fleet->open_departures_of('some', $days, @trains);
my $over_file = $fleet->router->basedir . '/over';

sub any { return $_[ rand @_ ] }

# ---------------------------------------------------------------------------------------------------------------------
# A buyer. Each purchase is for a passenger of its own, so that the tickets of a passenger tell what
# became of it. The log has a line for each passenger whenever it is known how many paid tickets there
# must be: "passenger least most order".
# ---------------------------------------------------------------------------------------------------------------------

# What a call may be told while all this goes on.
my $fault = qr/^(?:08\w{3}|57014|57P0\d|lost|40001|40P01|55P03)$/;

sub same_rows
{
	my ($first, $second, $or_more) = @_;
	my %second = map { $_ => 1 } @$second;
	return (!grep { !$second{$_} } @$first) && ($or_more || @$first == @$second);
}

sub buyer
{
	my ($number, $log) = @_;
	my ($session, $passenger, $request, %order) = (undef, 1000000 * (1 + $number), 0);
	my $over = sub { -e $over_file };

	# One attempt: 'fault', or the rows.
	my $once = sub {
		my ($sql) = @_;
		$session = undef if $session && $session->is_lost;
		$session //= eval { $fleet->connect_to() };
		return 'fault' if !$session || $session->is_lost;
		my $timeout = rand() < 0.3 ? 1 + int(rand() * rand() * 150) : 0;
		my $got = outcome($session, "SET statement_timeout = $timeout");
		return 'fault' if $got->{state} ne '00000';
		$got = outcome($session, $sql);
		return 'fault' if $got->{state} =~ $fault;
		print $log "trouble $sql: ", same_answer($got) =~ s/\n/ /gr, "\n" if $got->{state} ne '00000';
		return $got;
	};
	# Repeats until there is an answer. undef: the end came first.
	my $call = sub {
		my ($sql) = @_;
		while (!$over->())
		{
			my $got = $once->($sql);
			if (ref $got)
			{
				# Once more, although it was answered: the same rows, and in a batch perhaps others that were
				# sold out the first time.
				return $got if rand() > 0.2 || $got->{state} ne '00000' || $sql !~ /[0-9a-f]-0000-4000-/ || !@{ $got->{rows} };
				my $again = $once->($sql);
				print $log "trouble $sql: @{ $got->{rows} }; again: ", same_answer($again) =~ s/\n/ /gr, "\n" if ref $again && !same_rows($got->{rows}, $again->{rows}, $sql =~ /many/);
				return $got;
			}
			return if rand() < 0.02;
			select undef, undef, undef, 0.01 + rand() * 0.1;
		}
		return;
	};
	my $new_request = sub { return sprintf '%08x-0000-4000-8000-%012x', $number, ++$request };
	my $trip = sub {
		my ($from, $to) = sort { $a <=> $b } 1 + int rand 4, 1 + int rand 4;
		return sprintf "'%s', 'S%d', 'S%d'", any(@trains), $from, $to + 1;
	};
	my $date = sub { return "date '$day' + " . int rand $days };
	# Any seat, or a very seat.
	my $sale = sub {
		my ($verb, $mine) = @_;
		my ($trip, $date, $request) = ($trip->(), $date->(), $new_request->());
		return "ticket_$verb($trip, $number, $date, passengers => '{$mine}', request_id => '$request')" if rand() < 0.6;
		my $seat = sprintf '001/%d%s', 1 + int rand 2, any(qw(A B C D F));
		return "ticket_${verb}_seats($trip, $number, '{$seat}', $date, '{$mine}', request_id => '$request')";
	};
	my $know = sub {
		my ($who, $least, $most, $order) = @_;
		print $log "$who $least $most ", $order // '', "\n";
		if (defined $order && $least == 1 && $most == 1) { $order{$who} = $order }
		else { delete $order{$who} }
	};

	until ($over->())
	{
		my $who = any(keys %order);
		my $what = !defined $who || keys %order < 4 ? any(qw(buy buy hold batch)) : any(qw(buy hold batch refund refund refund change change change));
		if ($what eq 'buy')
		{
			my $mine = ++$passenger;
			$know->($mine, 0, 1);
			my $got = $call->("SELECT order_id, ticket_no FROM @{[ $sale->('buy', $mine) ]}");
			$know->($mine, 1, 1, $got->{rows}[0] =~ /^(\d+)/) if $got && @{ $got->{rows} };
		}
		elsif ($what eq 'hold')
		{
			my $mine = ++$passenger;
			$know->($mine, 0, 1);
			my $got = $call->("SELECT order_id FROM @{[ $sale->('hold', $mine) ]}");
			my $order = $got && $got->{rows}[0] or next;
			$got = $call->(rand() < 0.8 ? "SELECT status FROM ticket_confirm($order)" : "SELECT status FROM ticket_cancel($order)") or next;
			my $status = $got->{rows}[0] // '';
			$know->($mine, 1, 1, $order) if $status eq 'sold';
			# Another seat changes nothing that is counted here.
			$once->("SELECT status FROM ticket_reseat($order)") if $status eq 'sold' && rand() < 0.3;
			$know->($mine, 0, 0) if $status eq 'cancelled';
		}
		elsif ($what eq 'batch')
		{
			my @mine = map { ++$passenger } 1 .. 3;
			$know->($_, 0, 1) for @mine;
			my $requests = join ', ', map { "(@{[ $trip->() ]}, $number, @{[ $date->() ]}, NULL, '{$_}', NULL, NULL, '@{[ $new_request->() ]}')" } @mine;
			my $got = $call->("SELECT request_no, order_id FROM ticket_buy_many(ARRAY[$requests]::ticket_request[]) ORDER BY 1") or next;
			for (@{ $got->{rows} }) { my ($n, $order) = /^(\d+)\|(\d+)$/ or next; $know->($mine[ $n - 1 ], 1, 1, $order) }
		}
		elsif ($what eq 'refund')
		{
			my $order = $order{$who};
			$know->($who, 0, 1);
			my $got = $call->("SELECT status FROM ticket_refund($order)");
			$know->($who, 0, 0) if $got && ($got->{rows}[0] // '') eq 'refunded';
			print $log "trouble refund of $order: ", same_answer($got) =~ s/\n/ /gr, "\n" if $got && ($got->{rows}[0] // '') ne 'refunded';
		}
		else
		{
			# Old ticket or new one, never both and never neither.
			my $order = $order{$who};
			$know->($who, 1, 1);
			my $got = $call->("SELECT order_id FROM ticket_change($order, @{[ $trip->() ]}, @{[ $date->() ]}, request_id => '@{[ $new_request->() ]}')") or next;
			$know->($who, 1, 1, $got->{rows}[0] // $order) if $got->{state} eq '00000';
		}
	}
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Moves and settlements, by a worker of its own
# ---------------------------------------------------------------------------------------------------------------------
sub mover
{
	my ($log) = @_;
	my $session;
	my %count;
	until (-e $over_file)
	{
		$session = undef if $session && $session->is_lost;
		$session //= eval { $fleet->connect_to() };
		next if !$session || $session->is_lost;
		outcome($session, 'SET statement_timeout = ' . (rand() < 0.3 ? 1 + int rand 300 : 0));
		my $settle = rand() < 0.3;
		my $got = outcome($session, $settle ? 'SELECT count(*) FROM router_settle()' : sprintf("SELECT router_move('%s', date '$day' + %d, %d)", any(@trains), int rand $days, any($fleet->numbers)));
		print $log "trouble move: ", same_answer($got) =~ s/\n/ /gr, "\n" if $got->{state} !~ /^(?:00000|55000|55006)$/ && $got->{state} !~ $fault;
		$count{ $settle ? 'settle' : 'move' }{ $got->{state} }++;
		select undef, undef, undef, rand() * 0.5;
	}
	print $log "count $_ ", join(' ', map { my $what = $_; map { "$what:$_=$count{$what}{$_}" } sort keys %{ $count{$what} } } sort keys %count), "\n" for 1;
	return;
}

my $buyers = 8;
my $workers = start_workers($buyers + 1, sub { my ($number, $log) = @_; return $number < $buyers ? buyer($number, $log) : mover($log) });

# ---------------------------------------------------------------------------------------------------------------------
# Kills
# ---------------------------------------------------------------------------------------------------------------------
# True if there is none, too: PgBouncer may just have ended.
sub kill_a_backend
{
	my ($server) = @_;
	my $of_clients = "backend_type = 'client backend' AND pid <> pg_backend_pid()";
	return $server->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE $of_clients") == 0 || kill_9_of($server, $of_clients);
}
# PgBouncer: from 1.23 on, SIGTERM waits for its clients to leave, and these stay.
my %strike = (
	'a backend of the router' => sub { kill_a_backend($fleet->router) },
	'a backend of a node' => sub { kill_a_backend($fleet->node(any($fleet->numbers))->{server}) },
	'a node' => sub { my $number = any($fleet->numbers); $fleet->kill_node($number); select undef, undef, undef, rand; $fleet->start_node($number) },
	'PgBouncer' => sub { $fleet->stop_pooler(any('KILL', 'KILL', 'QUIT')); select undef, undef, undef, rand() * 0.5; $fleet->start_pooler; 1 },
	'a frozen node' => sub { my $number = any($fleet->numbers); $fleet->freeze($number); select undef, undef, undef, rand; $fleet->thaw($number); 1 });
my $end = time() + $seconds;
my %struck;
while (time() < $end)
{
	select undef, undef, undef, 0.3 + rand() * 2;
	my $what = any(sort keys %strike);
	my $up = eval { $strike{$what}->() };
	$struck{$what}++;
	ok($up, "$what: up again") or diag($@), last;
}
open(my $over, '>', $over_file) or die "over: $!";
close $over;
ok(wait_workers($workers), 'every worker ended well');
note(join ', ', map { "$_: $struck{$_}" } sort keys %struck);

# ---------------------------------------------------------------------------------------------------------------------
# What is left
# ---------------------------------------------------------------------------------------------------------------------
my (%known, @trouble, $counts);
for my $line (log_lines($workers))
{
	$line =~ s/^(\d+) //;
	if ($line =~ /^(\d+) ([01]) ([01]) (\d*)$/) { $known{$1} = { least => $2, most => $3, order => $4 } }
	elsif ($line =~ /^count /) { $counts = $line }
	else { push @trouble, $line }
}
note($counts) if defined $counts;
is(join("\n", @trouble > 5 ? @trouble[ 0 .. 4 ] : @trouble), '', 'no call had another answer than these faults explain');

my $client;
sub client { $client = $fleet->connect_to() if !$client || $client->is_lost; return $client }
sub finally { my ($sql) = @_; my $got; await(sub { $got = outcome(client(), $sql); $got->{state} !~ $fault }); return $got }
for my $train (@trains)
{
	for my $n (0 .. $days - 1)
	{
		my @on = grep { $fleet->on($_, "SELECT count(*) FROM ticket_departure WHERE train = '$train' AND service_date = date '$day' + $n") } $fleet->numbers;
		cmp_ok(scalar @on, '<=', 1, "$train, day $n: on one node at most");
		my $to = any($fleet->numbers);
		my $got = finally("SELECT router_move('$train', date '$day' + $n, $to)");
		is($got->{state}, '00000', "$train, day $n: a last move ends") or note(explain $got);
		is(join(',', grep { $fleet->on($_, "SELECT count(*) FROM ticket_departure WHERE train = '$train' AND service_date = date '$day' + $n") } $fleet->numbers), $to, "$train, day $n: on the node that it was moved to");
		is(finally("SELECT node FROM ticket_where('$train', date '$day' + $n)")->{rows}[0], $to, "$train, day $n: found there");
	}
}
is($fleet->on($_, "SELECT count(*) FROM ticket_parcel WHERE direction = 'out' AND state <> 'done' OR state = 'coming'"), 0, "node $_: nothing is on its way") for $fleet->numbers;
my $settled;
ok(await(sub { $settled = finally('SELECT * FROM router_settle()'); !grep { $fleet->on($_, 'SELECT count(*) FROM ticket_unsettled()') } $fleet->numbers }), 'router_settle leaves nothing unsettled') or note(explain $settled);
$fleet->all_agree('at the end');

my (%sold, %seen, %request);
for my $number ($fleet->numbers)
{
	for (split /\n/, $fleet->on($number, 'SELECT order_id, ticket_no, passenger_id, status, coalesce(request_id::text, order_id::text) FROM ticket_order'))
	{
		my ($order, $ticket_no, $passenger, $status, $request) = split /\|/;
		push @{ $seen{"$order $ticket_no"} }, $number;
		$sold{$passenger}{$order} = 1 if $status eq 'sold';
		$request{$request}{$order} = 1 if $status eq 'sold';
	}
}
is(join(', ', grep { @{ $seen{$_} } > 1 } sort keys %seen), '', 'no order is on two nodes');
is(join(', ', grep { keys %{ $request{$_} } > 1 } sort keys %request), '', 'no request_id has sold twice');
my @wrong = grep { my $n = keys %{ $sold{$_} // {} }; $n < $known{$_}{least} || $n > $known{$_}{most} } sort keys %known;
is(join(', ', map { "$_: @{[ join ' ', keys %{ $sold{$_} // {} } ]}, not $known{$_}{least}..$known{$_}{most}" } @wrong), '', 'each passenger has the tickets that were acknowledged');
my @named = grep { $known{$_}{order} ne '' } sort keys %known;
is(join(', ', grep { !$sold{$_}{ $known{$_}{order} } } @named), '', 'under the order that was acknowledged');
my @strangers = grep { !$known{$_} } keys %sold;
is("@strangers", '', 'nobody else has any');
cmp_ok(scalar @named, '>=', 8, 'tickets were sold');
note(scalar(keys %known) . ' passengers, ' . @named . ' tickets at the end');
my $first = $named[0];
is(finally("SELECT status FROM ticket_get($known{$first}{order})")->{rows}[0], 'sold', 'and are found through the router') if @named;
$fleet->stop;
done_testing();
