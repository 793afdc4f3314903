# Behind PgBouncer in transaction mode, fifty clients on ten connections: each transaction may meet
# another backend, and a backend serves the next client right afterwards. pgbench does the same over
# all three protocols, with and without the pooler.
# TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets its length.
use strict;
use warnings;

use File::Temp ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $operations = $ENV{TICKETPOOL_OPS} // 12;    # of each client
my $clients = 50;
my $day = DAY;
my $node = new_server('pgbouncer');
make_train($node, 'postgres', 'T1', 10);
make_formation($node, 'postgres', 'one', 400);
open_departures($node, 'postgres', 'T1', 'one', 6);
my $dir = File::Temp::tempdir(CLEANUP => 1);

# ---------------------------------------------------------------------------------------------------------------------
# pgbench: scripts that buy, give back and count, over one protocol. Its commits are counted by what
# pgbench reports.
# ---------------------------------------------------------------------------------------------------------------------
my %scripts = (
	buy => q{SELECT order_id FROM ticket_buy('T1', 'S' || :from::int, 'S' || :to::int, :client_id::int + 1, date '%s' + :day::int);},
	remaining => q{SELECT ticket_remaining('T1', 'S' || :from::int, 'S' || :to::int, date '%s' + :day::int);},
	give_back => q{BEGIN;
SELECT count(*) AS tickets, max(order_id) AS order_id FROM ticket_hold('T1', 'S' || :from::int, 'S' || :to::int, :client_id::int + 1, date '%s' + :day::int) \gset
\if :tickets > 0
SELECT status FROM ticket_confirm(:order_id::bigint);
SAVEPOINT s;
SELECT status FROM ticket_refund(:order_id::bigint);
\if :day > 3
ROLLBACK TO s;
\endif
\endif
COMMIT;},
	undone => q{BEGIN;
SELECT order_id FROM ticket_buy('T1', 'S' || :from::int, 'S' || :to::int, :client_id::int + 1, date '%s' + :day::int);
ROLLBACK;});
for my $name (keys %scripts)
{
	append_to_file("$dir/$name.sql", "\\set from random(1, 5)\n\\set to :from + random(1, 4)\n\\set day random(0, 5)\n" . sprintf($scripts{$name}, $day) . "\n");
}

sub pgbench
{
	my ($protocol, $host, $port, $label) = @_;
	my $transactions = 40;
	my ($out, $err) = run_command([ 'pgbench', '-n', '-h', $host, '-p', $port, '-M', $protocol, '-c', 8, '-j', 2, '-t', $transactions, "--random-seed=$seed",
		map({ ('-f', "$dir/$_.sql") } sort keys %scripts), 'postgres' ]);
	like($out, qr{^number of transactions actually processed: @{[ 8 * $transactions ]}/@{[ 8 * $transactions ]}$}m, "pgbench -M $protocol $label: every transaction is done");
	is($err =~ s/^pgbench: setting random seed to \d+\n?//mr, '', "pgbench -M $protocol $label: without an error");
	return;
}

# Seen by a directly connected client, all is well and nothing is left in flight.
sub all_is_well
{
	my ($label) = @_;
	in_flight_is_empty($node, 'postgres', $label);
	agrees($node, 'postgres', $label);
	return;
}

pgbench($_, $node->host, $node->port, 'to the server') for qw(simple extended prepared);
all_is_well('pgbench');

# ---------------------------------------------------------------------------------------------------------------------
# PgBouncer: a process of this test's own, with a socket of its own
# ---------------------------------------------------------------------------------------------------------------------
my ($pgbouncer) = grep { -x } '/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer', '/usr/bin/pgbouncer';
if (!$pgbouncer)
{
	SKIP: { skip 'pgbouncer is not installed', 1 }
	$node->stop;
	done_testing();
	exit;
}
my ($version) = run_command([ $pgbouncer, '--version' ]);
my ($major, $minor) = $version =~ /PgBouncer (\d+)\.(\d+)/;
my $has_prepared = $major > 1 || $minor >= 21;
note("PgBouncer $major.$minor");
my $user = $node->safe_psql('postgres', 'SELECT current_user');
append_to_file("$dir/users", qq{"$user" ""\n});
my $pool_pid;
END { local $?; stop_pooler() }

sub stop_pooler
{
	return unless $pool_pid;
	kill 'QUIT', $pool_pid;
	waitpid($pool_pid, 0);
	$pool_pid = undef;
	return;
}

# Its port and a connection string. reset: DISCARD ALL after each transaction, which by default happens in session mode only.
# prepared: it keeps track of prepared statements, which it can from 1.21 on.
sub start_pooler
{
	my ($reset, $prepared) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	append_to_file("$dir/$port.ini", qq{
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 10
max_client_conn = 100
server_reset_query = DISCARD ALL
server_reset_query_always = $reset
} . ($has_prepared ? sprintf("max_prepared_statements = %d\n", $prepared ? 100 : 0) : ''));
	$pool_pid = fork() // die "fork: $!";
	if ($pool_pid == 0)
	{
		open(STDOUT, '>', "$dir/$port.log");
		open(STDERR, '>&', \*STDOUT);
		exec($pgbouncer, '-q', "$dir/$port.ini") or POSIX::_exit(127);
	}
	my $connstr = "host=$dir port=$port dbname=postgres user=$user";
	ok(await(sub { my ($out) = run_command([ 'psql', '-XAtq', '-d', $connstr, '-c', 'SELECT 1' ]); $out eq '1' }), 'PgBouncer runs')
	  or diag(slurp_file("$dir/$port.log"));
	return ($port, $connstr);
}

# ---------------------------------------------------------------------------------------------------------------------
# The clients. What was acknowledged goes to the log: an order's id and its status from now on.
# ---------------------------------------------------------------------------------------------------------------------
my $client;

sub any { return $_[ rand @_ ] }

# SQL that must work; its output.
sub run
{
	my ($sql) = @_;
	my $output = $client->{session}->run($sql);
	die "$sql: " . $client->{session}->sqlstate . " $output" unless $client->{session}->is_ok;
	return $output;
}

sub acknowledge
{
	my ($id, $status) = @_;
	return if $id eq '';
	$client->{orders}{$id} = $status;
	print { $client->{log} } "$id $status\n";
	return;
}

sub order { my ($status) = @_; return any(sort { $a <=> $b } grep { $client->{orders}{$_} eq $status } keys %{ $client->{orders} }) }

sub take
{
	my ($function, $more) = @_;
	my $from = 1 + int(rand 9);
	my $to = $from + 1 + int(rand(10 - $from));
	return run(sprintf(q{SELECT DISTINCT order_id FROM %s('T1', 'S%d', 'S%d', %d, date '%s' + %d%s)}, $function, $from, $to, $client->{number}, $day, rand 6, $more // ''));
}

sub set_status
{
	my ($function, $from, $to) = @_;
	my $id = order($from) // return;
	my $got = run("SELECT DISTINCT status FROM $function($id)");
	die "$function($id): $got" if $got ne $to;
	acknowledge($id, $to);
	return;
}

# Some purchases in a transaction; a part is rolled back. The orders it is about to leave.
sub purchases
{
	run('BEGIN');
	my @orders = map { take('ticket_buy') } 1 .. 1 + int(rand 3);
	run('SAVEPOINT s');
	take('ticket_hold', q{, passengers => '{1,2,3}'});
	my $refunded = order('sold');
	run("SELECT FROM ticket_refund($refunded)") if defined $refunded;
	run('ROLLBACK TO s');
	push @orders, take('ticket_buy');
	return @orders;
}

sub connect_client { $client->{session} = TicketpoolTest::Session->new($client->{connstr}); return }

sub step
{
	my $kind = rand;
	if ($kind < 0.25) { acknowledge(take('ticket_buy'), 'sold') }
	elsif ($kind < 0.35) { acknowledge(take('ticket_hold', q{, passengers => '{1,2}'}), 'held') }
	elsif ($kind < 0.45) { set_status('ticket_confirm', 'held', 'sold') }
	elsif ($kind < 0.50) { set_status('ticket_cancel', 'held', 'cancelled') }
	elsif ($kind < 0.60) { set_status('ticket_refund', 'sold', 'refunded') }
	elsif ($kind < 0.70)
	{
		# The answer got lost, and the client asks again: another backend knows it as well.
		my $uuid = sprintf '%08x-0000-4000-8000-%012x', rand(2**32), rand(2**31);
		my $call = qq{SELECT order_id FROM ticket_buy('T1', 'S2', 'S4', $client->{number}, '$day', request_id => '$uuid')};
		my ($first, $second) = (run($call), run($call));
		die "twice sold: $first, $second" if $first ne $second;
		acknowledge($first, 'sold');
	}
	elsif ($kind < 0.82)
	{
		my @orders = purchases();
		my $end = any('COMMIT', 'COMMIT', 'ROLLBACK');
		run($end);
		$end eq 'COMMIT' and acknowledge($_, 'sold') for @orders;
	}
	elsif ($kind < 0.91)
	{
		purchases();
		$client->{session}->run(any('SELECT 1/0', q{SELECT ticket_remaining('T9', 'S1', 'S2')}, q{SELECT * FROM ticket_buy('T1', 'S2', 'S1', 1)}));
		die 'no error' if $client->{session}->is_ok;
		run('COMMIT');    # which is a ROLLBACK now
	}
	else
	{
		# The client disconnects in the middle of a transaction.
		purchases();
		$client->{session}->kill_client;
		connect_client();
	}
	return;
}

sub storm
{
	my ($connstr, $label) = @_;
	my $workers = start_workers($clients, sub {
		my ($number, $log) = @_;
		$client = { number => 1000 + $number, log => $log, connstr => $connstr, orders => {} };
		connect_client();
		step() for 1 .. $operations;
		$client->{session}->quit;
	});
	ok(wait_workers($workers), "$label: $clients clients sell, and none of them meets an error that it did not ask for");
	my %expected;
	for (log_lines($workers))
	{
		my (undef, $id, $status) = split / /;
		$expected{$id} = $status;
	}
	cmp_ok(scalar(keys %expected), '>', 3 * $clients, "$label: they sell much");
	is($node->safe_psql('postgres', q{SELECT DISTINCT order_id, status FROM ticket_order WHERE user_id >= 1000 ORDER BY 1}),
		join("\n", map { "$_|$expected{$_}" } sort { $a <=> $b } keys %expected), "$label: the tables say what was acknowledged");
	$node->safe_psql('postgres', 'DELETE FROM ticket_order WHERE user_id >= 1000');
	return;
}

for my $reset (0, 1)
{
	my $label = $reset ? 'transaction pooling with DISCARD ALL' : 'transaction pooling';
	my $prepared = $has_prepared && !$reset;
	my ($port, $connstr) = start_pooler($reset, $prepared);
	storm($connstr, $label);
	all_is_well($label);
	pgbench($_, $dir, $port, "through PgBouncer, reset $reset") for 'simple', 'extended', $prepared ? 'prepared' : ();
	cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()}), '<=', 10,
		"$label: ten connections have done it all");
	all_is_well("$label, pgbench");
	stop_pooler();
}

$node->stop;
done_testing();
