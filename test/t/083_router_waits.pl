# Waits through a router: on the node of their options, with the node's rows and errors, repeated
# after an answer is lost, and served by what another call through the router frees.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TicketpoolTest;
use TicketpoolTest::Router;

my $day = DAY;
my $fleet = TicketpoolTest::Router->new('waits', nodes => 3, servers => 1, pooler => 1, conf => 'ticketpool.wait_limit = 100');
$fleet->reference('two', 2, A1 => 5, A2 => 5, B1 => 5, C1 => 5);
$fleet->assign(A1 => 1, A2 => 1, B1 => 2, C1 => 3);
$fleet->open_departures_of('two', 3, qw(A1 A2 B1 C1));
my $router = $fleet->connect_to();
my %node = map { $_ => $fleet->connect_to($_) } $fleet->numbers;

sub rows { my ($sql, $session) = @_; my $got = outcome($session // $router, $sql); return $got->{state} eq '00000' ? join("\n", @{ $got->{rows} }) : "$got->{state}: " . ($got->{message} // '') }

# Options: 'A1' or 'A1+1' (the day after), from S1 to S3.
sub options
{
	return 'ARRAY[' . join(', ', map { my ($train, $days) = split /\+/; "('$train', 'S1', 'S3', NULL, date '$day' + " . ($days // 0) . ', NULL, NULL, NULL, NULL, NULL)' } @_) . ']::ticket_request[]';
}
my $user = 100;
# A departure that is sold out; its orders.
sub sell_out { my ($train, $days) = @_; return map { rows("SELECT order_id FROM ticket_buy('$train', 'S1', 'S5', 1, date '$day' + $days)") } 1 .. 2 }
my @sold = sell_out('A1', 0);
sell_out($_, 0) for qw(A2 B1 C1);
sell_out($_, 1) for qw(A1 A2 B1 C1);

# ---------------------------------------------------------------------------------------------------------------------
# Where a wait is
# ---------------------------------------------------------------------------------------------------------------------
my %wait;
for my $number (1, 2)
{
	my $train = (undef, 'A1', 'B1')[$number];
	$user++;
	my $got = outcome($router, "SELECT * FROM ticket_wait($user, " . options($train, "$train+1") . ", '{7,8}', '2031-01-01 12:00+00', 'sell', '1 day 2 hours', 1, '00000000-0000-4000-8000-00000000000$number')");
	is($got->{state}, '00000', "a wait on node $number") or note(explain $got);
	($wait{$number}) = $got->{rows}[0] =~ /^(\d+)\|/;
	is($wait{$number} & 127, $number, 'its id says so');
	is(join("\n", @{ $got->{rows} }), rows("SELECT * FROM ticket_wait WHERE wait_id = $wait{$number}", $node{$number}), 'its row is that of the node');
	is(rows("SELECT status, passengers, on_match, hold_ttl = '26 hours', min_tickets FROM ticket_wait WHERE wait_id = $wait{$number}", $node{$number}), 'waiting|{7,8}|sell|t|1', 'with all arguments');
	is(rows("SELECT string_agg(train || ' ' || service_date - '$day', ', ' ORDER BY option_no) FROM ticket_wait_option JOIN ticket_departure USING (departure_id) WHERE wait_id = $wait{$number}", $node{$number}), "$train 0, $train 1", 'and its options');
	is($fleet->on(3 - $number, "SELECT count(*) FROM ticket_wait WHERE user_id = $user"), '0', 'and nothing on the other node');
	is(rows("SELECT * FROM ticket_wait_status($wait{$number})"), rows("SELECT * FROM ticket_wait_status($wait{$number})", $node{$number}), 'its status is that of the node');
	like(rows("SELECT * FROM ticket_wait_status($wait{$number})"), qr/^1\|$train\|$day\|S1\|S3\|second\|0\|.*\n2\|$train\|/, 'with a row for each option');
}

# ---------------------------------------------------------------------------------------------------------------------
# Options on two nodes
# ---------------------------------------------------------------------------------------------------------------------
sub waits { return join ' ', map { $fleet->on($_, 'SELECT count(*) || \'/\' || (SELECT count(*) FROM ticket_wait_option) FROM ticket_wait') } $fleet->numbers }
my $before = waits();
my $two = outcome($router, 'SELECT * FROM ticket_wait(7, ' . options('A1+1', 'A2', 'B1', 'C1') . ')');
is($two->{state}, '0A000', 'options on two nodes');
is($two->{message}, 'the options of ticket_wait are on two nodes', 'it says so');
is($two->{detail}, qq{Train "A1" of 2031-05-02 is on node 1, train "B1" of $day on node 2.}, 'and which');
ok($two->{hint}, 'and what to do');
$two = outcome($router, "SELECT * FROM ticket_wait_add($wait{1}, " . options('A2', 'B1') . ')');
is($two->{state}, '0A000', 'two nodes for a wait that is there');
$two = outcome($router, "SELECT * FROM ticket_wait_add($wait{1}, " . options('B1') . ')');
is($two->{state}, '0A000', 'another node than that of the wait');
is($two->{message}, "the options are on another node than wait $wait{1}", 'it says so');
is($two->{detail}, qq{Train "B1" of $day is on node 2, the wait on node 1.}, 'and which');
ok($two->{hint}, 'and what to do');
is(waits(), $before, 'and nothing was done');

# ---------------------------------------------------------------------------------------------------------------------
# Changing it
# ---------------------------------------------------------------------------------------------------------------------
is(rows("SELECT wait_id, status FROM ticket_wait_add($wait{1}, " . options('A2') . ')'), "$wait{1}|waiting", 'an option is added');
is(rows("SELECT count(*) FROM ticket_wait_option WHERE wait_id = $wait{1}", $node{1}), '3', 'on the node');
is(rows("SELECT count(*), max(train) FROM ticket_wait_status($wait{1})"), '3|A2', 'and in its status');
for my $turn (1, 2)
{
	is(rows("SELECT wait_id, deadline = '2031-02-01 12:00+00' FROM ticket_wait_extend($wait{1}, '2031-02-01 12:00+00')"), "$wait{1}|t", "another deadline, $turn");
	is(rows("SELECT wait_id, status FROM ticket_wait_cancel($wait{2})"), "$wait{2}|cancelled", "cancelled, $turn");
}
is(rows("SELECT deadline = '2031-02-01 12:00+00' FROM ticket_wait WHERE wait_id = $wait{1}", $node{1}) . rows("SELECT status FROM ticket_wait WHERE wait_id = $wait{2}", $node{2}), 'tcancelled', 'on the nodes');
like(rows("SELECT reason FROM ticket_wait_status($wait{2}) LIMIT 1"), qr/^(?!\w{5}: )/, 'a wait that is over has a status');

# ---------------------------------------------------------------------------------------------------------------------
# Repeated
# ---------------------------------------------------------------------------------------------------------------------
my $call = "SELECT * FROM ticket_wait(200, " . options('B1+1') . ", request_id => '00000000-0000-4000-8000-0000000000aa')";
my $first = rows($call);
like($first, qr/^\d+\|200\|/, 'a wait with a request_id');
{
	my $other = $fleet->connect_to(undef, $fleet->has_pooler ? (connstr => $fleet->pooled_connstr) : ());
	is(rows($call, $other), $first, 'repeated through another connection: the same row');
	is(rows($call, $node{2}), $first, 'and on the node itself');
	$other->quit;
}
is($fleet->on(2, 'SELECT count(*) FROM ticket_wait WHERE user_id = 200'), '1', 'one wait');

# ---------------------------------------------------------------------------------------------------------------------
# Errors: as from the node itself
# ---------------------------------------------------------------------------------------------------------------------
my $no_wait = $wait{1} + 128000;
sub option { my (%with) = @_; return 'ARRAY[(' . join(', ', map { $with{$_} // 'NULL' } qw(train from to user date class passengers choice channel request)) . ')]::ticket_request[]' }
my %trip = (train => q{'A1'}, from => q{'S1'}, to => q{'S3'}, date => "'$day'");
for my $case ([ '22004' => 'ticket_wait(NULL, ' . options('A1') . ')' ], [ '22004' => 'ticket_wait(7, NULL)' ], [ '22023' => q{ticket_wait(7, '{}')} ], [ '22004' => q{ticket_wait(7, '{NULL}')} ],
	[ '22023' => 'ticket_wait(7, ARRAY[' . options('A1') . '])' ], [ '22004' => 'ticket_wait(7, ' . option(%trip, train => 'NULL') . ')' ], [ '22004' => 'ticket_wait(7, ' . option(%trip, from => 'NULL') . ')' ],
	[ '22023' => 'ticket_wait(7, ' . option(%trip, user => 7) . ')' ], [ '22023' => 'ticket_wait(7, ' . option(%trip, passengers => q{'{1}'}) . ')' ], [ TK002 => 'ticket_wait(7, ' . option(%trip, to => q{'no such'}) . ')' ],
	[ TK006 => 'ticket_wait(7, ' . option(%trip, class => q{'third'}) . ')' ], [ '22023' => 'ticket_wait(7, ' . options('A1', 'A1') . ')' ], [ TK001 => 'ticket_wait(7, ' . options('A1', 'A1+300') . ')' ],
	[ '22023' => 'ticket_wait(7, ' . options('A1') . q{, min_tickets => 2)} ], [ '22023' => 'ticket_wait(7, ' . options('A1') . q{, on_match => 'sold')} ], [ '22004' => 'ticket_wait(7, ' . options('A1') . q{, on_match => NULL)} ],
	[ '22023' => 'ticket_wait(7, ' . options('A1') . q{, deadline => '2020-01-01')} ], [ '22023' => 'ticket_wait(7, ' . options('A1') . q{, passengers => '{}')} ], [ '22023' => 'ticket_wait(7, ' . options('A1') . q{, hold_ttl => '-1 hour')} ],
	[ TK005 => "ticket_wait_status($no_wait)" ], [ TK005 => "ticket_wait_cancel($no_wait)" ], [ TK005 => "ticket_wait_extend($no_wait, '2031-01-01')" ], [ TK005 => "ticket_wait_add($no_wait, " . options('A1') . ')' ],
	[ '22004' => 'ticket_wait_status(NULL)' ], [ '22004' => 'ticket_wait_cancel(NULL)' ], [ '22004' => "ticket_wait_extend($wait{1}, NULL)" ], [ '22004' => "ticket_wait_extend(NULL, '2031-01-01')" ], [ '22023' => "ticket_wait_extend($wait{1}, '2020-01-01')" ],
	[ '22004' => "ticket_wait_add($wait{1}, NULL)" ], [ '22004' => 'ticket_wait_add(NULL, ' . options('A1') . ')' ], [ '22023' => "ticket_wait_add($wait{1}, '{}')" ], [ '22004' => "ticket_wait_add($wait{1}, '{NULL}')" ],
	[ '23505' => "ticket_wait_add($wait{1}, " . options('A1') . ')' ], [ TK001 => "ticket_wait_add($wait{1}, " . options('A2', 'A1+300') . ')' ])
{
	my ($state, $error) = @$case;
	my ($there, $here) = map { outcome($_, "SELECT * FROM $error") } $node{1}, $router;
	is(same_answer($here), same_answer($there), "$state: $error");
	is($there->{state}, $state, "$state is what a node says to $error");
}
for my $case ([ TK005 => 'ticket_wait_status(' . ($wait{1} - 1 + 99) . ')' ], [ TK005 => 'ticket_wait_cancel(' . ($wait{1} - 1 + 99) . ')' ], [ TK005 => 'ticket_wait_add(' . ($wait{1} - 1 + 99) . ', ' . options('A1') . ')' ],
	[ TK001 => 'ticket_wait(7, ' . options('A1', 'no such') . ')' ], [ TK001 => 'ticket_wait(7, ' . option(%trip, train => q{'A1'}, date => q{'2019-12-31'}) . ')' ])
{
	my ($state, $error) = @$case;
	my $here = outcome($router, "SELECT * FROM $error");
	is($here->{state}, $state, "the router finds $state: $error");
	ok(defined $here->{detail} && defined $here->{hint}, 'with a detail and a hint');
}
# An option without a date is for the caller's day.
for my $zone ('Pacific/Kiritimati', 'Etc/GMT+12')
{
	my $session = $fleet->connect_to();
	$session->run("SET timezone = '$zone'");
	my $today = rows("SELECT CURRENT_DATE", $session);
	is(rows('SELECT * FROM ticket_wait(7, ' . option(%trip, date => 'NULL') . ')', $session), qq{TK001: option 1: train "A1" has no departure on $today}, "today in $zone");
	$session->quit;
}

# ---------------------------------------------------------------------------------------------------------------------
# Transactions
# ---------------------------------------------------------------------------------------------------------------------
for my $changing ('ticket_wait(7, ' . options('A1') . ')', "ticket_wait_add($wait{1}, " . options('A2+1') . ')', "ticket_wait_extend($wait{1}, '2031-01-01')", "ticket_wait_cancel($wait{1})")
{
	outcome($router, 'BEGIN');
	is(outcome($router, "SELECT * FROM $changing")->{state}, '25001', "in a block: $changing");
	outcome($router, 'ROLLBACK');
	outcome($router, 'SET default_transaction_read_only = on');
	is(outcome($router, "SELECT * FROM $changing")->{state}, '25006', "in a read-only session: $changing");
	outcome($router, 'SET default_transaction_read_only = off');
}
outcome($router, 'BEGIN READ ONLY');
is(rows("SELECT count(*) FROM ticket_wait_status($wait{1})"), '3', 'a status is read in a read-only block');
outcome($router, 'COMMIT');
is(rows("SELECT status FROM ticket_wait WHERE wait_id = $wait{1}", $node{1}), 'waiting', 'and nothing was done');

# ---------------------------------------------------------------------------------------------------------------------
# Served
# ---------------------------------------------------------------------------------------------------------------------
is(rows("SELECT status FROM ticket_wait_cancel($wait{1})"), 'cancelled', 'the first one gives up');
my ($served, $behind) = map { rows("SELECT wait_id FROM ticket_wait($_, " . options('A1') . ", hold_ttl => '1 hour')") } 301, 302;
is(rows("SELECT option_no, ahead FROM ticket_wait_status($behind)"), '1|1', 'one is ahead');
is(rows("SELECT status FROM ticket_refund($sold[0])"), 'refunded', 'a ticket is given back through the router');
is(rows("SELECT status FROM ticket_wait WHERE wait_id = $served", $node{1}), 'awarded', 'the first one has the seat');
my $order = rows("SELECT order_id FROM ticket_wait WHERE wait_id = $served", $node{1});
is(rows("SELECT user_id, status, held_until > now() + interval '50 minutes' FROM ticket_get($order)"), '301|held|t', 'held for the user');
is(rows("SELECT order_id FROM ticket_wait_cancel($served)"), $order, 'a call about a wait that is over has its row, with the order');
is(rows("SELECT status FROM ticket_confirm($order)"), 'sold', 'it is paid through the router');
is(rows("SELECT count(*) FROM ticket_wait_status($served)"), rows("SELECT count(*) FROM ticket_wait_status($served)", $node{1}), 'the status is that of the node');
is(rows("SELECT option_no, ahead FROM ticket_wait_status($behind)"), '1|0', 'nobody is ahead of the second one');
is(rows("SELECT status, order_id & 127 FROM ticket_wait(303, " . options('A2+2') . ')'), 'awarded|1', 'what is free is awarded at once');

# ---------------------------------------------------------------------------------------------------------------------
# Moves
# ---------------------------------------------------------------------------------------------------------------------
my $move = outcome($router, "SELECT router_move('A1', '$day', 2)");
is($move->{state}, '55006', 'a departure with an open wait is not moved') or note(explain $move);
is(rows("SELECT node FROM ticket_where('A1', '$day')"), '1', 'it stays');
is($fleet->on(1, "SELECT count(*) FROM ticket_parcel WHERE direction = 'out' AND state <> 'done'"), '0', 'no parcel is left');
is(rows("SELECT option_no, ahead FROM ticket_wait_status($behind)"), '1|0', 'and the wait goes on');
# Over, the wait stays where it was, and the departure can be moved.
my $retry = "SELECT * FROM ticket_wait(304, " . options('A2+2') . ", request_id => '00000000-0000-4000-8000-0000000000bb')";
my $awarded = rows($retry);
like($awarded, qr/^\d+\|304\|.*\|awarded\|/, 'awarded');
is(rows("SELECT router_move('A2', date '$day' + 2, 2)"), '', 'a departure without open waits is moved');
is(rows($retry), $awarded, 'a repeat of what was awarded before finds it');
is(join(' ', map { $fleet->on($_, 'SELECT count(*) FROM ticket_wait WHERE user_id = 304') } 1, 2), '1 0', 'and waits no second time');
like(rows('SELECT * FROM ticket_wait_cancel(' . ($awarded =~ /^(\d+)/)[0] . ')'), qr/^\d+\|304\|.*\|awarded\|/, 'by its id, too');
is(rows("SELECT status, order_id & 127 FROM ticket_wait(305, " . options('A2+2') . ", request_id => '00000000-0000-4000-8000-0000000000cc')"), 'waiting|', 'a new one waits on the other node');
is($fleet->on(2, 'SELECT count(*) FROM ticket_wait WHERE user_id = 305'), '1', 'as the route says');
is(outcome($router, 'SELECT * FROM ticket_wait(306, ' . options('A2+2', 'A2') . ')')->{state}, '0A000', 'days of one train are on two nodes now');
# A router that does not know of the move yet.
my $routes = $fleet->ask(q{SELECT string_agg(format('(%L, %L, %s)', train, from_date, node), ', ') FROM router_train});
$fleet->ask(q{DELETE FROM router_train WHERE train = 'A2'; INSERT INTO router_train VALUES ('A2', '2020-01-01', 1)});
is(rows('SELECT status FROM ticket_wait(307, ' . options('A2+2') . ')'), 'waiting', 'a router with old routes');
is($fleet->on(2, 'SELECT count(*) FROM ticket_wait WHERE user_id = 307'), '1', 'follows the node that had the departure');
$fleet->ask("DELETE FROM router_train; INSERT INTO router_train VALUES $routes");

# ---------------------------------------------------------------------------------------------------------------------
# Ids from before there were nodes
# ---------------------------------------------------------------------------------------------------------------------
$fleet->on(3, 'UPDATE ticket_node SET node = 0');
my $old = $fleet->on(3, 'SELECT wait_id FROM ticket_wait(400, ' . options('C1') . ')');
$fleet->on(3, 'UPDATE ticket_node SET node = 3');
$fleet->ask(sprintf q{SELECT router_node_add(3, '%s', old_ids => true)}, $fleet->conninfo($fleet->node(3)));
$fleet->ask(sprintf q{UPDATE router_node SET via = '%s' WHERE node = 3}, $fleet->via($fleet->node(3))) if $fleet->has_pooler;
is(rows("SELECT option_no, train, ahead FROM ticket_wait_status($old)"), '1|C1|0', "an old id, $old");
is(rows("SELECT wait_id FROM ticket_wait_extend($old, '2031-01-01')"), $old, 'is extended');
is(rows("SELECT wait_id FROM ticket_wait_add($old, " . options('C1+1') . ')'), $old, 'gets an option');
is(outcome($router, "SELECT * FROM ticket_wait_add($old, " . options('A1+1') . ')')->{state}, '0A000', 'but none of another node');
is(rows("SELECT status FROM ticket_wait_cancel($old)"), 'cancelled', 'is cancelled');
is(rows("SELECT option_no, ahead FROM ticket_wait_status($behind)"), '1|0', 'others are found as before');
is(outcome($router, "SELECT * FROM ticket_wait_status($no_wait)")->{state}, 'TK005', 'and one that does not exist is not');

# ---------------------------------------------------------------------------------------------------------------------
# A node that does not answer
# ---------------------------------------------------------------------------------------------------------------------
my $on_b = rows('SELECT wait_id FROM ticket_wait(500, ' . options('B1') . ')');
my $n = 0;
for my $fault (qw(frozen down))
{
	$n++;
	$fault eq 'frozen' ? $fleet->freeze(2) : $fleet->kill_node(2);
	# Departures of node 1 were moved to the node that does not answer. Its waits were not.
	my $start = time;
	is(rows("SELECT option_no, ahead FROM ticket_wait_status($behind)"), '1|0', "$fault: a wait of another node is read");
	cmp_ok(time - $start, '<', 2, "$fault: at once");
	for my $case ([ "ticket_wait(50$n, " . options('B1') . ')', 1 ], [ "ticket_wait_add($on_b, " . options('B1+1') . ')', 1 ], [ "ticket_wait_extend($on_b, '2031-01-01')", 1 ], [ "ticket_wait_cancel($on_b)", 1 ], [ "ticket_wait_status($on_b)", 0 ])
	{
		my ($to, $changes) = @$case;
		my $start = time;
		my $got = outcome($router, "SELECT * FROM $to");
		my $took = time - $start;
		like($got->{state}, $changes ? qr/^080(?:01|07)$/ : qr/^08001$/, "$fault: $to");
		cmp_ok($took, '<', 10.5, sprintf '%s: after %.1f s', $fault, $took);
	}
	$fault eq 'frozen' ? $fleet->thaw(2) : $fleet->start_node(2);
	ok(await(sub { rows("SELECT option_no FROM ticket_wait_status($on_b)") =~ /^1\b/ }), "$fault: it answers again");
}
ok(await(sub { rows("SELECT wait_id, status FROM ticket_wait_cancel($on_b)") eq "$on_b|cancelled" }), 'and it goes on');

$fleet->all_agree('at the end');
$fleet->stop;
done_testing();
