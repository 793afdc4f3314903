# Group sale, for tests: a cashier that comes when it is called, groups of exactly these statements,
# and crowds of buyers that write down what they were told.
package TicketpoolTest::Group;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TicketpoolTest;

our @EXPORT = qw(group_server cashier_of call_cashier queued_sessions is_queued in_one_group groups_of start_crowd end_crowd told_and_written last_rows pgbench_crowd);

# A server with trains T (five stops, 640 seats) and S (small: 40 seats), and items 1 and 2. Sessions
# of database postgres queue whenever they may.
sub group_server
{
	my ($name, %options) = @_;
	my $node = new_server($name, %options, conf => "max_connections = 90\n" . ($options{conf} // ''));
	set_up($node, 'postgres');
	return $node;
}

sub set_up
{
	my ($node, $database) = @_;
	make_train($node, $database, $_, 5) for 'T', 'S';
	make_formation($node, $database, 'large', 640);
	make_formation($node, $database, 'small', 40);
	open_departures($node, $database, 'T', 'large', 3);
	open_departures($node, $database, 'S', 'small', 8);
	$node->safe_psql($database, "SELECT item_open(1, 1000000000), item_open(2, 5);
		ALTER DATABASE $database SET ticketpool.group_sale = 'always'");
	return;
}

# The pid of a database's cashier, or ''.
sub cashier_of
{
	my ($node, $database) = @_;
	return $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier' AND datname = '$database'");
}

# Its pid once it is there, serving nobody. Whoever calls it buys a unit of item 1.
sub call_cashier
{
	my ($node, $database) = @_;
	$database //= 'postgres';
	my $session = session($node, $database);
	$session->run("SET ticketpool.group_sale = 'always'");
	$session->run('SELECT order_id FROM item_buy(1, 1)');
	die $session->output unless $session->is_ok;
	$session->quit;
	becomes_true($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier' AND datname = '$database' AND state = 'idle'")
	  or die 'no cashier comes';
	return cashier_of($node, $database);
}

# Sessions that wait for the cashier. (The wait has a name of its own from PostgreSQL 17 on.)
my $waiting = "backend_type = 'client backend' AND state = 'active' AND wait_event_type = 'Extension' AND wait_event IN ('Extension', 'TicketpoolGroupSale')";
sub queued_sessions
{
	my ($node, $database) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = '$database' AND $waiting");
}
sub is_queued
{
	my ($node, $session) = @_;
	return becomes_true($node, 'postgres', 'SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = ' . $session->backend . " AND $waiting");
}

# Runs each statement in the session next to it, all of them in one group: the cashier sleeps until
# all have queued in this order. Pairs of session and statement. `meanwhile` is called before the
# cashier wakes; `wait_for`: these sessions only.
sub in_one_group
{
	my ($node, $pairs, %options) = @_;
	my $database = $options{database} // 'postgres';
	my $cashier = call_cashier($node, $database);
	kill 'STOP', $cashier;
	for my $pair (@$pairs)
	{
		my ($session, $sql) = @$pair;
		$session->send($sql);
		is_queued($node, $session) or diag("does not queue: $sql") if $options{queue} // 1;
	}
	$options{meanwhile}->() if $options{meanwhile};
	kill 'CONT', $cashier;
	return map { $_->wait } $options{wait_for} ? @{ $options{wait_for} } : map { $_->[0] } @$pairs;
}

# Of all tickets that meet the condition: how many rows, how many orders and how many transactions.
sub groups_of
{
	my ($node, $database, $condition) = @_;
	return split /\|/, $node->safe_psql($database, "SELECT count(*), count(DISTINCT order_id), count(DISTINCT xmin::text) FROM ticket_order WHERE $condition");
}

# Clients that buy until the file is there or they have made so many calls: `purchase` makes the
# SQL of the next call from the client's number and the user id, which no other call has; its first
# column is the order id. In the log: client PID, try USER, bought USER ORDER, none USER, error USER SQLSTATE.
sub start_crowd
{
	my ($node, $database, $clients, %options) = @_;
	my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
	my $calls = $options{calls} // 1_000_000;
	my $workers = start_workers($clients, sub {
		my ($number, $log) = @_;
		my $user = ($options{first_user} // 0) + ($number + 1) * 1_000_000;
		my $session;
		while ($calls-- > 0 && !-e $stop)
		{
			if (!$session || $session->is_lost)
			{
				$session = eval { session($node, $database, verbosity => 'default') };
				if (!$session || $session->is_lost || !$session->is_ok) { eval { $session->quit if $session }; sleep 0.05; next }
				print $log "client $session->{psql}\n";
				$session->run($options{setting}) if $options{setting};
			}
			$user++;
			print $log "try $user\n";
			my $rows = $session->run($options{purchase}->($number, $user));
			if (!$session->is_ok) { print $log "error $user " . $session->sqlstate . ' ' . ($rows =~ s/\n/ /gr) . "\n" }
			elsif ($rows =~ /^(\d+)/m) { print $log "bought $user $1\n" }
			else { print $log "none $user\n" }
			sleep rand 0.02;    # the crowd is there for what others do meanwhile
		}
		$session->quit if $session;
	});
	return { workers => $workers, stop => $stop, node => $node, database => $database };
}

# Waits until the clients have made their calls, or makes them stop. Returns what they were told:
# lists of [user, order or SQLSTATE, text].
sub end_crowd
{
	my ($crowd, %options) = @_;
	if (!$options{wait})
	{
		open(my $mark, '>', $crowd->{stop}) or die;
		close $mark;
	}
	ok(wait_workers($crowd->{workers}), ($options{label} // 'a crowd') . ': the clients end well');
	unlink $crowd->{stop};
	my %told = map { $_ => [] } qw(try bought none error);
	for (log_lines($crowd->{workers}))
	{
		my (undef, $what, $user, $more, $text) = split / /, $_, 5;
		push @{ $told{$what} }, [ $user, $more, $text ];
	}
	return \%told;
}

# The tables have every order that was acknowledged, nothing for whom there was nothing, and nothing
# that was not asked for. `unknown`: answers may have been lost. Errors other than those allowed are
# shown.
sub told_and_written
{
	my ($node, $database, $told, $label, %options) = @_;
	my %written;
	for (split /\n/, $node->safe_psql($database, 'SELECT user_id, order_id FROM ticket_order UNION SELECT user_id, order_id FROM item_order'))
	{
		my ($user, $order) = split /\|/;
		$written{$user}{$order} = 1;
	}
	my @wrong;
	for (@{ $told->{bought} })
	{
		my ($user, $order) = @$_;
		push @wrong, "$user was told of $order" unless $written{$user}{$order};
		push @wrong, "$user has several orders" if keys %{ $written{$user} // {} } > 1;
	}
	for (@{ $told->{none} }) { push @wrong, "$_->[0] was told that nothing was sold" if $written{ $_->[0] } }
	my %allowed = map { $_ => 1 } @{ $options{errors} // [] };
	my %lost = map { $_ => 1 } qw(lost 57P01 57P02 57P03);
	my %counts;
	for (@{ $told->{error} })
	{
		my ($user, $state, $text) = @$_;
		$counts{$state}++;
		push @wrong, "$user met $state: " . ($text // '') unless $allowed{$state};
		push @wrong, "$user met $state, and has an order" if $written{$user} && !$lost{$state};
	}
	is(join("\n", @wrong > 5 ? (@wrong[ 0 .. 4 ], '…') : @wrong), '', "$label: the tables say what the clients were told");
	note("$label: tried " . @{ $told->{try} } . ', bought ' . @{ $told->{bought} } . ', none ' . @{ $told->{none} } . ', errors ' . join ' ', map { "$_ $counts{$_}" } sort keys %counts);
	return;
}

# The rows of the order that a statement has returned (all columns), as the table has them.
sub last_rows
{
	my ($node, $database, $output, $table) = @_;
	$table //= 'ticket_order';
	my ($order) = $output =~ /^(\d+)\|/ or return 'no order';
	my $number = $table eq 'ticket_order' ? ', ticket_no' : '';
	return $node->safe_psql($database, "SELECT * FROM $table WHERE order_id = $order ORDER BY order_id$number");
}

# So many clients of pgbench, each with so many transactions; the test fails if one of them fails.
sub pgbench_crowd
{
	my ($node, $database, $clients, $transactions, $mode, $label, @scripts) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my @files;
	for my $script (@scripts)
	{
		my $file = "$dir/script" . @files;
		append_to_file($file, $script);
		push @files, '-f', $file;
	}
	my ($out, $error) = run_command([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $transactions, '-M', $mode, @files, $node->connstr($database) ]);
	like($out, qr{^number of transactions actually processed: @{[ $clients * $transactions ]}/@{[ $clients * $transactions ]}$}m, "$label: no client of pgbench meets an error")
	  or diag("$out$error");
	return;
}

1;
