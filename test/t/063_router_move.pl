# A departure is moved between nodes by the router: its orders are found there, every step can fail
# or die, and buyers go on buying meanwhile.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $day = DAY;

my $nodes = new_server('nodes', plain => 1, conf => 'autovacuum = off');
my $router = TicketpoolTest::keep_sessions(PostgreSQL::Test::Cluster->new('router'));
$router->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$router->append_conf('postgresql.conf', "max_connections = 40\nrestart_after_crash = on");
$router->start;
for my $number (1, 2)
{
	$nodes->safe_psql('postgres', "CREATE DATABASE node$number");
	$nodes->safe_psql("node$number", "CREATE EXTENSION ticketpool; SELECT ticket_node_set($number)");
	make_train($nodes, "node$number", 'T1', 8);
	make_train($nodes, "node$number", 'T2', 8);
	make_formation($nodes, "node$number", 'F', 600);
}
$router->safe_psql('postgres', 'CREATE EXTENSION ticketpool_router CASCADE');
for my $number (1, 2)
{
	my $conninfo = 'host=' . $nodes->host . ' port=' . $nodes->port . " dbname=node$number";
	$router->safe_psql('postgres', "SELECT router_node_add($number, '$conninfo')");
}
$router->safe_psql('postgres', "SELECT router_assign('T$_', 1, '2020-01-01')") for 1, 2;
$router->safe_psql('postgres', "SELECT ticket_open('T2', '$day', 'F', '2020-01-01')");
$router->safe_psql('postgres', "SELECT ticket_open('T1', date '$day' + $_, 'F', '2020-01-01')") for 0 .. 2;

# SQLSTATE, or what was answered.
sub ask
{
	my ($sql, $server, $database) = @_;
	my $session = session($server // $router, $database);
	my $out = $session->run($sql);
	my $answer = $session->is_ok ? $out : $session->sqlstate;
	$session->quit;
	return $answer;
}
my $where = "SELECT string_agg(node::text, ',' ORDER BY n) FROM generate_series(0, 2) n, ticket_where('T1', date '$day' + n)";
sub both_agree
{
	my ($label) = @_;
	agrees($nodes, $_, "$label, $_") for 'node1', 'node2';
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# A move
# ---------------------------------------------------------------------------------------------------------------------

my %order = map { $_ => ask("SELECT order_id FROM ticket_buy('T1', 'S2', 'S5', 10, '$day', request_id => md5('$_')::uuid)") } qw(refund again change);
$order{hold} = ask("SELECT order_id FROM ticket_hold('T1', 'S2', 'S5', 11, '$day')");
$order{cancel} = ask("SELECT order_id FROM ticket_hold('T1', 'S2', 'S5', 12, '$day')");
$order{refunded} = ask("SELECT order_id FROM ticket_buy('T1', 'S2', 'S5', 13, '$day')");
ask("SELECT ticket_refund($order{refunded})");
my $quota = ask("SELECT ticket_reserve('T1', '$day', 'second', 'agency', 30, 'S1', 'S8')");
$order{neighbour} = ask("SELECT order_id FROM ticket_buy('T2', 'S2', 'S5', 14, '$day')");
is(ask("SELECT router_move('T1', '$day', 2)"), '', 'a departure is moved');
is(ask("SELECT status FROM ticket_get($order{neighbour})"), 'sold', 'an order of that day that stays is read');
is(ask("SELECT status FROM ticket_refund($order{neighbour})"), 'refunded', 'and refunded');
is(ask($where), '2,1,1', 'that day only');
is($nodes->safe_psql('node1', "SELECT count(*) FROM ticket_order WHERE service_date = '$day'"), '1', 'no order is left behind');
is($nodes->safe_psql('node2', "SELECT count(*) FROM ticket_order WHERE service_date = '$day'"), '6', 'all are on the other node');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S8', '$day')"), '565', 'counts are as they were');
is(ask("SELECT count(*) FROM ticket_search('S1', 'S8', '$day') WHERE train = 'T1'"), '1', 'it is found, once');
is(ask("SELECT order_id FROM ticket_buy('T1', 'S2', 'S5', 10, '$day', request_id => md5('again')::uuid)"), $order{again}, 'a repeat finds its order');
is(ask("SELECT status FROM ticket_get($order{refund})"), 'sold', 'an order is read');
is(ask("SELECT status FROM ticket_refund($order{refund})"), 'refunded', 'and refunded');
is(ask("SELECT status FROM ticket_refund($order{refunded})"), 'refunded', 'again');
is(ask("SELECT status FROM ticket_confirm($order{hold})"), 'sold', 'a hold is paid');
is(ask("SELECT status FROM ticket_cancel($order{cancel})"), 'cancelled', 'another one given up');
is(ask("SELECT ticket_recycle($quota)"), '30', 'the quota is given back');
is(ask("SELECT node FROM ticket_where($order{again})"), '2', 'orders are on the other node');
is(ask("SELECT status FROM ticket_change($order{change}, 'T1', 'S1', 'S3', date '$day' + 1)"), 'sold', 'a ticket is exchanged for one on the first node');
is(ask("SELECT order_id & 127 FROM ticket_buy('T1', 'S2', 'S5', 20, '$day')"), '2', 'new orders are born on the other node');
both_agree('moved');
is(ask("SELECT router_move('T1', '$day', 2)"), '', 'moved again to where it is: nothing happens');
is(ask("SELECT router_move('T1', '$day', 1)"), '', 'and back');
is(ask($where), '1,1,1', 'it is on the first node again');
is(ask("SELECT status FROM ticket_get($order{again})"), 'sold', 'its orders, too');
is(ask("SELECT count(*) FROM router_train WHERE train = 'T1' AND node = 2"), '0', 'no route leads to the other node');
both_agree('back');

# ---------------------------------------------------------------------------------------------------------------------
# What is refused
# ---------------------------------------------------------------------------------------------------------------------

is(ask("SELECT router_move('T9', '$day', 2)"), 'TK001', 'a train that no node has');
is(ask("SELECT router_move('T1', date '$day' + 30, 2)"), 'TK001', 'a day without departure');
is(ask("SELECT router_move('T1', '$day', 9)"), '22023', 'an unknown node');
is(ask("SELECT router_move('T1', '$day', NULL)"), '22004', 'NULL');
is(ask("BEGIN; SELECT router_move('T1', '$day', 2)"), '25001', 'in a transaction block');
is(ask("SET default_transaction_read_only = on; SELECT router_move('T1', '$day', 2)"), '25006', 'in a read-only session');
$router->safe_psql('postgres', 'CREATE ROLE seller LOGIN');
is(ask("SET ROLE seller; SELECT router_move('T1', '$day', 2)"), '42501', 'without the right to it');
$nodes->safe_psql('node1', 'ALTER TABLE ticket_order ADD COLUMN note text');
is(ask("SELECT router_move('T1', '$day', 2)"), '55000', 'with a column that the target lacks');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S2', '$day') > 0"), 't', 'and it goes on being sold');
$nodes->safe_psql('node1', 'SELECT count(*) FROM ticket_parcel') eq '0' or diag('a parcel is there');
$nodes->safe_psql('node2', 'ALTER TABLE ticket_order ADD COLUMN note text');
my $open = session($nodes, 'node1');
$open->run("BEGIN; SELECT order_id FROM ticket_buy('T1', 'S2', 'S5', 30, '$day')");
is(ask("SELECT router_move('T1', '$day', 2)"), '55P03', 'while a purchase is open for long');
$open->run('COMMIT');
$open->quit;

# Each step fails.
for my $broken ([ 'ticket_parcel_part', 'copying' ], [ 'ticket_departure', 'the arrival' ])
{
	my ($table, $what) = @$broken;
	$nodes->safe_psql('node2', "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END';
		CREATE TRIGGER broken BEFORE INSERT ON $table FOR EACH ROW EXECUTE FUNCTION broken()");
	is(ask("SELECT router_move('T1', '$day', 2)"), 'P0001', "$what fails");
	is(ask($where), '1,1,1', "$what: the departure stays");
	is(ask("SELECT count(*) FROM ticket_buy('T1', 'S2', 'S5', 30, '$day')"), '1', "$what: and is sold");
	is($nodes->safe_psql('node1', "SELECT count(*) FROM ticket_parcel WHERE direction = 'out' AND state <> 'done'"), '0', "$what: no parcel is left");
	$nodes->safe_psql('node2', 'DROP FUNCTION broken CASCADE');
	both_agree($what);
}

# A step is carried out, and its answer lost: the parcel was handed over.
my $self_conninfo = 'host=' . $nodes->host . ' port=' . $nodes->port . ' dbname=node1';
$nodes->safe_psql('node1', qq{CREATE EXTENSION dblink;
	CREATE OR REPLACE FUNCTION ticket_move_ready(parcel uuid) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
		PERFORM public.dblink_exec('$self_conninfo', pg_catalog.format('UPDATE public.ticket_parcel SET state = ''handed'' WHERE parcel = %L', parcel));
		RAISE EXCEPTION 'lost'; END \$\$});
is(ask("SELECT router_move('T1', '$day', 2)"), 'P0001', 'the answer of the last step of the source is lost');
is(ask($where), '1,1,1', 'an answer is lost: the departure stays');
is(ask("SELECT count(*) FROM ticket_buy('T1', 'S2', 'S5', 30, '$day')"), '1', 'an answer is lost: and is sold');
$nodes->safe_psql('node1', q{CREATE OR REPLACE FUNCTION ticket_move_ready(parcel uuid) RETURNS void AS '$libdir/ticketpool', 'ticket_move_ready' LANGUAGE C VOLATILE PARALLEL UNSAFE; DROP EXTENSION dblink});
both_agree('an answer is lost');

# ---------------------------------------------------------------------------------------------------------------------
# The router dies between two steps
# ---------------------------------------------------------------------------------------------------------------------

my $parcels = 0;
sub new_parcel { return sprintf '00000000-0000-0000-0000-%012d', ++$parcels }
sub steps
{
	my ($last, $later) = @_;
	my $parcel = new_parcel();
	my $parts = ask("SELECT ticket_move_out('$parcel', 'T1', date '$day' + " . ($later // 0) . ', 2)', $nodes, 'node1');
	return $parcel if $last eq 'out';
	for my $part (0 .. $parts - 1)
	{
		my ($kind, $rows) = split /\|/, ask("SELECT kind, rows FROM ticket_parcel_part('$parcel', $part)", $nodes, 'node1'), 2;
		$rows =~ s/'/''/g;
		ask("SELECT ticket_parcel_put('$parcel', $part, '$kind', '$rows')", $nodes, 'node2');
		return $parcel if $last eq 'part' && $part == 2;
	}
	ask("SELECT ticket_move_ready('$parcel')", $nodes, 'node1');
	return $parcel if $last eq 'ready';
	ask("SELECT ticket_move_in('$parcel')", $nodes, 'node2');
	return $parcel if $last eq 'in';
	ask("SELECT ticket_move_done('$parcel')", $nodes, 'node1');
	return $parcel;
}
for my $last (qw(out part ready in done))
{
	steps($last);
	if ($last eq 'in' || $last eq 'done')
	{
		# The routes are old, but the node that had it says where it is.
		is(ask("SELECT order_id & 127 FROM ticket_buy('T1', 'S2', 'S5', 40, '$day')"), '2', "died after $last: it is sold where it is");
		is(ask("SELECT status FROM ticket_get($order{again})"), 'sold', "died after $last: its orders are found");
	}
	else
	{
		is(ask("SELECT ticket_remaining('T1', 'S1', 'S8', '$day')"), '08001', "died after $last: nobody says that nothing is left");
	}
	is(ask("SELECT router_move('T1', '$day', 2)"), '', "died after $last: the next call finishes it");
	is(ask($where), '2,1,1', "died after $last: it is on the other node");
	is(ask("SELECT status FROM ticket_get($order{again})"), 'sold', "died after $last: with its orders");
	both_agree("died after $last");
	is(ask("SELECT router_move('T1', '$day', 1)"), '', "died after $last: and back");
}
# The router has never heard of any move of that day.
my $late = ask("SELECT order_id FROM ticket_buy('T1', 'S2', 'S5', 50, date '$day' + 2)");
steps('in', 2);
is(ask("SELECT status FROM ticket_get($late)"), 'sold', 'an order is read where its old node says it is');
is(ask("SELECT status FROM ticket_refund($late)"), 'refunded', 'and refunded there');
is(ask("SELECT router_move('T1', date '$day' + 2, 1)"), '', 'and brought back');
is(ask("SELECT status FROM ticket_get($late)"), 'refunded', 'as it is now');
# A call for another node takes back what is not handed over.
steps('part');
is(ask("SELECT router_move('T1', '$day', 1)"), '', 'a move is undone');
is(ask($where), '1,1,1', 'the departure stays');
# What was handed over arrives first, and is then brought back.
steps('ready');
is(ask("SELECT router_move('T1', '$day', 1)"), '', 'a move that cannot be undone is made in the other direction');
is(ask($where), '1,1,1', 'the departure is where it was');
both_agree('undone');
# The target has refused an attempt that could not be taken back at the time.
for my $last ('out', 'part', 'ready')
{
	my $parcel = steps($last);
	is(ask("SELECT ticket_move_refuse('$parcel')", $nodes, 'node2'), 't', "refused after $last");
	is(ask("SELECT router_move('T1', '$day', 2)"), '', "refused after $last: the next call begins a new move");
	is(ask($where), '2,1,1', "refused after $last: which ends");
	both_agree("refused after $last");
	is(ask("SELECT router_move('T1', '$day', 1)"), '', "refused after $last: and back");
}
# The target has opened the train meanwhile.
steps('ready');
is(ask("SELECT ticket_open('T1', '$day', 'F')", $nodes, 'node2'), '08001', 'a node that has given it away does not open it again');
$nodes->safe_psql('node2', "DELETE FROM ticket_parcel WHERE direction = 'out'; SELECT ticket_open('T1', '$day', 'F')");
is(ask("SELECT router_move('T1', '$day', 2)"), '23505', 'the target refuses what it has opened itself');
is(ask("SELECT status FROM ticket_get($order{again})"), 'sold', 'the orders are where they were');
is(ask("SELECT router_move('T1', '$day', 2)"), '55000', 'a departure that two nodes have opened is not moved');
is(ask($where), '1,1,1', 'and its route stays');
$nodes->safe_psql('node2', "DELETE FROM ticket_departure WHERE train = 'T1' AND service_date = '$day'");
both_agree('refused');

# ---------------------------------------------------------------------------------------------------------------------
# Under buyers, while backends of the router are killed
# ---------------------------------------------------------------------------------------------------------------------

# A server that restarts after a crash tells its sessions, and some hear it after a whole answer.
sub without_messages { my ($answer) = @_; return join "\n", grep { !/^psql:/ } split /\n/, $answer }

my $over_file = $router->basedir . '/over';
sub call
{
	my ($session, $sql) = @_;
	for (1 .. 400)
	{
		$$session = eval { session($router) } if !$$session || $$session->is_lost;
		if ($$session)
		{
			my $answer = $$session->run($sql);
			return without_messages($answer) if $$session->is_ok;
			my $state = $$session->sqlstate;
			die "$sql: $state: $answer" unless $state =~ /^(08\d\d\d|lost|57P\d\d)$/;
		}
		select undef, undef, undef, 0.05;
	}
	die "$sql: no answer";
}
sub buyer
{
	my ($number, $log) = @_;
	my $session;
	my $n = 0;
	until (-e $over_file)
	{
		my $uuid = sprintf '%08d-0000-0000-0000-%012d', $number, ++$n;
		my ($from, $to) = sort { $a <=> $b } 1 + int rand 7, 1 + int rand 7;
		$to++;
		my $hold = rand() < 0.3;
		my $order = call(\$session, 'SELECT DISTINCT order_id FROM ' . ($hold ? 'ticket_hold' : 'ticket_buy') . "('T1', 'S$from', 'S$to', 1000 + $number, '$day', request_id => '$uuid')");
		select(undef, undef, undef, rand 0.02);
		next if $order eq '';
		print $log "bought $order\n";
		print $log "paid $order\n" if $hold && rand() < 0.7 && call(\$session, "SELECT status FROM ticket_confirm($order)") eq 'sold';
		print $log "refunded $order\n" if !$hold && rand() < 0.6 && call(\$session, "SELECT status FROM ticket_refund($order)") eq 'refunded';
	}
	return;
}
my $buyers = start_workers(3, \&buyer);
ok(wait_log_lines($buyers, 20), 'the sale has begun');
my ($kills, $at) = (0, 1);
for my $round (1 .. 6)
{
	my $to = 3 - $at;
	my $mover = session($router);
	$mover->send("SELECT router_move('T1', '$day', $to)");
	if ($round % 2)
	{
		select undef, undef, undef, rand 0.3;
		kill 'KILL', $mover->backend;
		$kills++;
	}
	$mover->wait;
	my $done = await(sub { my $answer = eval { ask("SELECT router_move('T1', '$day', $to)") } // 'lost'; $answer eq '' });
	ok($done, "move $round to node $to");
	$at = $to;
	ok(wait_log_lines($buyers, scalar(log_lines($buyers)) + 15), 'the sale goes on');
}
append_to_file($over_file, '');
ok(wait_workers($buyers), 'no buyer has met an error');
both_agree('sold under moves');
my (%status, %requests);
for my $database ('node1', 'node2')
{
	for my $row (split /\n/, $nodes->safe_psql($database, "SELECT order_id, status, request_id FROM ticket_order WHERE user_id >= 1000"))
	{
		my ($order, $status, $request) = split /\|/, $row;
		push @{ $status{$order} }, $status;
		$requests{$request}++;
	}
}
is(join(' ', grep { $requests{$_} > 1 } keys %requests), '', 'no request was carried out twice');
my (@lost, %last);
for my $line (log_lines($buyers))
{
	my (undef, $what, $order) = split / /, $line;
	push @lost, $line unless @{ $status{$order} // [] } == 1;
	$last{$order} = $what;
}
is("@lost", '', 'every acknowledged order is there, once');
my %wanted = (bought => 'held|sold', paid => 'sold', refunded => 'refunded');
is(join(' ', grep { $status{$_}[0] !~ /^($wanted{$last{$_}})$/ } keys %last), '', 'in the state that was acknowledged');

done_testing();
