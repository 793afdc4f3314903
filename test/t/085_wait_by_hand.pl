# Rows of the waiting list that somebody has written by hand and that make no sense, and arguments
# that nobody means: nothing crashes or loops, whoever frees a seat is not hindered, and the next
# waiter is served.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('hand', conf => 'ticketpool.memory = 8MB');
make_train($node, 'postgres', 'T', 4);
make_formation($node, 'postgres', 'two', 2);
my $next_day = 0;
my $user = 1000;
my $owner = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }
sub options { my ($date) = @_; return "ARRAY[ROW('T', 'S1', 'S4', NULL, '$date', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]" }
sub waits { my ($date) = @_; $user++; return run('SELECT wait_id FROM ticket_wait(' . $user . ', ' . options($date) . ')') }
sub started { return run('SELECT pg_postmaster_start_time(), (SELECT count(*) FROM pg_stat_activity WHERE backend_type = \'checkpointer\')') }
# The checkpointer is started again after a crash.
sub checkpointer { return run(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'}) }
my $started = checkpointer();

# ---------------------------------------------------------------------------------------------------------------------
# Rows
# ---------------------------------------------------------------------------------------------------------------------
# What is done to the first waiter, and whether it may be served then.
my %rows = (
	'need is 0' => [ "UPDATE ticket_wait_option SET need = 0 WHERE wait_id = %1\$s" ],
	'need is negative' => [ "UPDATE ticket_wait_option SET need = -2147483648 WHERE wait_id = %1\$s" ],
	'need is huge' => [ "UPDATE ticket_wait_option SET need = 2147483647 WHERE wait_id = %1\$s" ],
	'need is less than min_tickets' => [ "UPDATE ticket_wait SET passengers = '{1,2,3}', min_tickets = 3 WHERE wait_id = %1\$s" ],
	'no such class' => [ "UPDATE ticket_wait_option SET seat_class = 'third' WHERE wait_id = %1\$s" ],
	'an empty class' => [ "UPDATE ticket_wait_option SET seat_class = '' WHERE wait_id = %1\$s" ],
	'the stops are reversed' => [ "UPDATE ticket_wait_option SET from_stop = 4, to_stop = 1 WHERE wait_id = %1\$s" ],
	'the stops are one' => [ "UPDATE ticket_wait_option SET to_stop = from_stop WHERE wait_id = %1\$s" ],
	'no such stops' => [ "UPDATE ticket_wait_option SET from_stop = -2147483648, to_stop = 2147483647 WHERE wait_id = %1\$s" ],
	'no such departure' => [ "UPDATE ticket_wait_option SET departure_id = 9223372036854775807 WHERE wait_id = %1\$s" ],
	'a negative departure' => [ "UPDATE ticket_wait_option SET departure_id = -9223372036854775808 WHERE wait_id = %1\$s" ],
	'passengers is empty' => [ "UPDATE ticket_wait SET passengers = '{}' WHERE wait_id = %1\$s" ],
	'passengers has two dimensions' => [ "UPDATE ticket_wait SET passengers = '{{1,2},{3,4}}' WHERE wait_id = %1\$s" ],
	'passengers has NULL' => [ "UPDATE ticket_wait SET passengers = '{1,NULL,3}' WHERE wait_id = %1\$s" ],
	'passengers is NULL alone' => [ "UPDATE ticket_wait SET passengers = '{NULL}' WHERE wait_id = %1\$s" ],
	'passengers is huge' => [ "UPDATE ticket_wait SET passengers = array_fill(1::bigint, ARRAY[1000000]) WHERE wait_id = %1\$s" ],
	'passengers is huge, and all of it needed' => [ "UPDATE ticket_wait SET passengers = array_fill(1::bigint, ARRAY[1000000]) WHERE wait_id = %1\$s; UPDATE ticket_wait_option SET need = 1000000 WHERE wait_id = %1\$s" ],
	'hold_ttl is a million years' => [ "UPDATE ticket_wait SET hold_ttl = '1000000 years' WHERE wait_id = %1\$s" ],
	'hold_ttl is negative' => [ "UPDATE ticket_wait SET hold_ttl = '-1000 years' WHERE wait_id = %1\$s" ],
	'hold_ttl is out of range' => [ "UPDATE ticket_wait SET hold_ttl = '-170000000 years' WHERE wait_id = %1\$s" ],
	'the option is without its wait' => [ "DELETE FROM ticket_wait WHERE wait_id = %1\$s" ],
	'the wait is without its option' => [ "DELETE FROM ticket_wait_option WHERE wait_id = %1\$s" ],
	'the wait is over, its option is not' => [ "UPDATE ticket_wait SET status = 'cancelled' WHERE wait_id = %1\$s" ],
	'the option is over, its wait is not' => [ "UPDATE ticket_wait_option SET status = 'closed' WHERE wait_id = %1\$s" ],
	'the channel is empty' => [ "UPDATE ticket_wait_option SET channel = '' WHERE wait_id = %1\$s" ],
	'the channel is huge' => [ "UPDATE ticket_wait_option SET channel = repeat('x', 1000000) WHERE wait_id = %1\$s" ],
	'the choice is no choice' => [ "UPDATE ticket_wait_option SET seat_choice = repeat('?', 1000000) WHERE wait_id = %1\$s" ],
	'another user' => [ "UPDATE ticket_wait SET user_id = -9223372036854775808 WHERE wait_id = %1\$s" ],
	'the option ends at -infinity' => [ "UPDATE ticket_wait_option SET ends_at = '-infinity' WHERE wait_id = %1\$s" ],
	'the option ends at infinity' => [ "UPDATE ticket_wait_option SET ends_at = 'infinity' WHERE wait_id = %1\$s" ],
	'places in the queue are the same' => [ "UPDATE ticket_wait_option SET queue_no = 9223372036854775807 WHERE wait_id IN (%1\$s, %2\$s)" ],
	'the place in the queue is the smallest' => [ "UPDATE ticket_wait_option SET queue_no = -9223372036854775808 WHERE wait_id = %1\$s" ],
	'passed is huge' => [ "UPDATE ticket_wait_option SET passed = repeat('x', 1000000) WHERE wait_id = %1\$s" ]);
my @waits;
for my $case (sort keys %rows)
{
	next if $ENV{CASE} && $case !~ /$ENV{CASE}/;
	note($case);
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my @orders = map { run("SELECT order_id FROM ticket_buy('T', 'S1', 'S4', $_, '$date')") } 1, 2;
	my ($first, $second) = (waits($date), waits($date));
	run(sprintf $rows{$case}[0], $first, $second);
	run("SELECT count(*) FROM ticket_refund($orders[0])");
	ok($owner->is_ok, "$case: a refund succeeds");
	run("SELECT count(*) FROM ticket_refund($orders[1])");
	ok($owner->is_ok, "$case: so does another");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $second"), "$case: the next is served");
	$owner->run("SELECT * FROM ticket_wait_status($first)");
	$owner->run("SELECT * FROM ticket_remaining_matrix('T', '$date', NULL)");
	is(checkpointer(), $started, "$case: no crash");
	last if checkpointer() ne $started;
	push @waits, $first;
}
is(run(q{SELECT count(*) FROM ticket_wait w JOIN ticket_order o USING (order_id) WHERE w.status = 'awarded' AND o.passenger_id IS NULL}), '0', 'whoever was served has tickets');
is(run(q{SELECT count(*) FROM ticket_wait w WHERE status = 'awarded' AND NOT EXISTS (SELECT FROM ticket_order o WHERE o.order_id = w.order_id)}), '0', 'and an order');

# The worker meets them all again
$owner->quit;
stop_and_start($node, 'immediate');
$owner = session($node, 'postgres', verbosity => 'default');
$started = checkpointer();
my $date = run("SELECT date '$day' + " . $next_day++);
run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S4', 2, '$date')");
my $last = run("SELECT order_id FROM ticket_buy('T', 'S1', 'S4', 1, '$date')");
my $wait = waits($date);
$owner->run("BEGIN; SELECT count(*) FROM ticket_refund($last)");
is(run("SELECT status FROM ticket_wait WHERE wait_id = $wait"), 'awarded', 'after a restart the list is served as before');
$owner->run('ROLLBACK');
run("BEGIN; SELECT count(*) FROM ticket_refund($last); DELETE FROM ticket_wait WHERE wait_id = $wait; COMMIT");
for my $id (@waits)
{
	$owner->run("SELECT * FROM ticket_wait_status($id)");
	unlike($owner->output, qr/XX000|lost/, "ticket_wait_status of wait $id");
	$owner->run("SELECT * FROM ticket_wait_extend($id, 'infinity')");
	$owner->run('SELECT * FROM ticket_wait_add(' . "$id, " . options($date) . ')');
	unlike($owner->output, qr/XX000|lost/, "ticket_wait_add to wait $id");
	$owner->run("SELECT * FROM ticket_wait_cancel($id)");
}
ok(!$owner->is_lost, 'no session is lost');
run('SELECT count(*) FROM ticket_verify()');
is(checkpointer(), $started, 'no crash');
$owner->quit;
agrees($node, 'postgres', 'at the end');

done_testing();
