# A sold-out train gets other rolling stock again and again while it is sold, refunded and held: no
# seat twice, no ticket lost. Then crashes at each step, a standby, and a dump.
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
my $node = new_server('reform', streaming => 1);
make_train($node, 'postgres', 'T1', 6);
make_train($node, 'postgres', 'T2', 6);
# 1,200 seats in twelve coaches; one of the others has other coaches, one only half of the same.
make_formation($node, 'postgres', 'old', 1200);
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'new', 'N' || coach, seat_class, seats FROM ticket_formation WHERE formation = 'old';
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'half', CASE WHEN coach < '007' THEN coach ELSE 'H' || coach END, seat_class, seats
		FROM ticket_formation WHERE formation = 'old'});
open_departures($node, 'postgres', 'T1', 'old', 2);
open_departures($node, 'postgres', 'T2', 'old', 1);
$node->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 300) i, ticket_buy('T1', 'S1', 'S6', 100000 + i, '$day', passengers => ARRAY[1, 2, 3]);
	SELECT count(*) FROM generate_series(1, 300) i, ticket_buy('T1', 'S1', 'S6', 200000 + i, '$day');
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id > 200250) o, ticket_refund(o.order_id)});
is($node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S6', '$day')"), '50', 'the train is sold out, except what the customers fight for');

# Buys, holds, pays, cancels and refunds on the train and on others. The log: s ORDER, and e ORDER
# when it is over, once each.
my $over_file = $node->basedir . '/over';
sub customer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my @orders;
	until (-e $over_file)
	{
		my $train = rand() < 0.7 ? 'T1' : 'T2';
		my ($from, $to) = sort { $a <=> $b } (1 + int rand 3, 4 + int rand 3);
		my $function = rand() < 0.5 ? 'ticket_buy' : 'ticket_hold';
		my ($order) = split /\n/, $session->run("SELECT order_id FROM $function('$train', 'S$from', 'S$to', $number, '$day')");
		die $session->output unless $session->is_ok || $session->sqlstate eq 'TK003';
		die 'another train is being changed' if !$session->is_ok && $train eq 'T2';
		print $log "changed\n" unless $session->is_ok;
		print $log "s $order\n" if $session->is_ok && $order;
		push @orders, [ $order, $function ] if $session->is_ok && $order;
		next if @orders < 3;
		my ($id, $how) = @{ splice @orders, rand @orders, 1 };
		if ($how eq 'ticket_hold')
		{
			my $end = rand() < 0.5 ? 'ticket_confirm' : 'ticket_cancel';
			$session->run("SELECT status FROM $end($id)");
			die "$end: " . $session->output unless $session->is_ok;
			print $log "e $id\n" if $end eq 'ticket_cancel';
			next if $end eq 'ticket_cancel';
		}
		$session->run("SELECT status FROM ticket_refund($id)");
		die 'refund: ' . $session->output unless $session->is_ok;
		print $log "e $id\n";
	}
	return;
}

my $workers = start_workers(16, \&customer);
ok(await(sub { 100 <= log_lines($workers) }), 'customers are at work');
ok(await(sub { 50 <= grep { /s \d/ } log_lines($workers) }), 'and have tickets');
my ($moved, $rounds) = (0, 0);
for my $formation (('new', 'old', 'half') x 3)
{
	$moved += $node->safe_psql('postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', '$formation')");
	$rounds++;
	my $lines = log_lines($workers);
	ok(await(sub { log_lines($workers) > $lines + 30 }), "$formation: the sale goes on") if $rounds % 3 == 0;
}
append_to_file($over_file, 'yes');
ok(wait_workers($workers), 'nobody met another error');
cmp_ok($moved, '>', 5000, 'tickets have moved');
my (%live, $sold);
for (map { /^\d+ (.*)/ } log_lines($workers))
{
	$live{$1} = 1, $sold++ if /^s (\d+)/;
	delete $live{$1} if /^e (\d+)/;
}
note("$sold tickets sold, $moved moved");
my $ids = join ',', keys %live;
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE order_id = ANY ('{$ids}') AND status IN ('held', 'sold')"), scalar(keys %live), 'each customer has the tickets that were not given back');
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id < 100000 AND status IN ('held', 'sold')"), scalar(keys %live), 'and no others');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order WHERE user_id > 100000 AND status = 'sold'"), '1150|1150', 'nobody who was there has lost a ticket');
in_flight_is_empty($node, 'postgres', 'rush');
agrees($node, 'postgres', 'rush', "d.train = 'T1'");

# kill -9 at each step: nothing of it remains, or all.
sub state { return $node->safe_psql('postgres', "SELECT formation, md5(string_agg(concat_ws('/', order_id, ticket_no, coach, seat, o.status), ' ' ORDER BY order_id, ticket_no)) FROM ticket_departure d JOIN ticket_order o USING (departure_id) WHERE train = 'T1' AND d.service_date = '$day' GROUP BY formation") }
my $waits = sub { my ($condition) = @_; becomes_true($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%ticket_reform(''T1''%' AND pid <> pg_backend_pid() AND $condition") };
my %steps = (
	# a purchase that is not decided keeps it waiting
	'waiting for claims' => [ "SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id = 200003) o, ticket_refund(o.order_id)", "wait_event = 'virtualxid'" ],
	# somebody writes a ticket's row, but has not used the pool
	'waiting for a row' => [ "SELECT count(*) FROM (SELECT FROM ticket_order WHERE user_id = 200001 AND status = 'sold' FOR UPDATE) o", "wait_event_type = 'Lock'" ],
	'written' => [ undef, "state = 'idle in transaction'" ]);
$node->safe_psql('postgres', "SELECT ticket_refund(order_id) FROM ticket_order WHERE user_id = 200002 AND status = 'sold'");
for my $step (sort keys %steps)
{
	my ($first, $condition) = @{ $steps{$step} };
	my $before = state();
	my ($other, $staff) = map { session($node) } 1 .. 2;
	$other->run($_) for 'BEGIN', $first // 'SELECT 1';
	$staff->run('BEGIN');
	$staff->send("SELECT count(*) FROM ticket_reform('T1', '$day', 'new')");
	ok($waits->($condition), "$step: it is there");
	kill_9_of($node, "query LIKE '%ticket_reform(''T1''%'");
	is(state(), $before, "$step: nothing has changed");
	agrees($node, 'postgres', $step, "d.train = 'T1'");
}
$node->safe_psql('postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', 'new')");
my $after = state();
isnt($after, '', 'committed');
stop_and_start($node, 'immediate');
is(state(), $after, 'a reform that is committed survives a crash');
agrees($node, 'postgres', 'after a crash', "d.train = 'T1'");

# A standby shows the seats that it has replayed.
my $backup = $node->backup('backup');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('reform_standby'));
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
my $free = sub { my ($server) = @_; $server->safe_psql('postgres', "SELECT string_agg(DISTINCT formation, ''), ticket_remaining('T1', 'S1', 'S6', '$day') FROM ticket_departure WHERE train = 'T1' AND service_date = '$day'") };
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($free->($standby), $free->($node), 'a standby counts the same seats');
$node->safe_psql('postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', 'old')");
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
ok(await(sub { $free->($standby) eq $free->($node) }), 'also after another reform');
is($standby->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'and its pool agrees with the rows');
$standby->promote;
is($standby->safe_psql('postgres', "SELECT count(*) > 0 FROM ticket_reform('T1', '$day', 'new')"), 't', 'once promoted it reforms');
is($standby->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'and agrees');
$standby->stop;

# Dumped and restored: the departure has its last seats, and sells on.
my $file = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, '-d', $node->connstr('postgres') ], 'dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('copy'), $file ], 'restored');
is($node->safe_psql('copy', 'SELECT count(*) FROM ticket_verify()'), '0', 'the copy agrees');
is($node->safe_psql('copy', "SELECT ticket_remaining('T1', 'S1', 'S6', '$day')"), $node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S6', '$day')"), 'and has as many seats left');
is($node->safe_psql('copy', "SELECT count(*) > 0 FROM ticket_reform('T1', '$day', 'new')"), 't', 'and is reformed again');
is($node->safe_psql('copy', 'SELECT count(*) FROM ticket_verify()'), '0', 'as is the original');

done_testing();
