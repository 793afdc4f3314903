# The waiting list: whatever frees a seat serves whoever waits for it, in its own transaction; what
# is freed without one is served by the worker, and no newcomer gets it meanwhile.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('waits', conf => "ticketpool.memory = 8MB\nmax_prepared_transactions = 5");
make_train($node, 'postgres', 'T', 6);
make_formation($node, 'postgres', 'two', 2);
$node->safe_psql('postgres', "INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('three', '001', 'second', '{1A,1B,1C}')");
my $next_day = 0;
my $user = 1000;
my $owner = session($node, 'postgres', verbosity => 'default');
my $other = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }
sub others { my ($sql) = @_; my $output = $other->run($sql); diag("$sql: " . $other->output) unless $other->is_ok; return $output }

# A departure of its own, sold out: its date, and the orders of its two seats.
sub sold_out
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my @orders = map { run("SELECT order_id FROM ticket_buy('T', 'S1', 'S6', $_, '$date')") } 1, 2;
	return ($date, @orders);
}

# Somebody waits: the wait_id.
sub waits
{
	my ($date, $from, $to, %with) = @_;
	my $id = ++$user;
	my $more = join '', map { ", $_ => $with{$_}" } sort keys %with;
	return run("SELECT wait_id FROM ticket_wait($id, ARRAY[ROW('T', 'S$from', 'S$to', NULL, '$date', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]$more)");
}

sub status_of { my ($wait, $session) = @_; return ($session // $owner)->run("SELECT status FROM ticket_wait WHERE wait_id = $wait") }
sub seats_of { my ($wait) = @_; return run("SELECT count(*) FROM ticket_wait JOIN ticket_order USING (order_id) WHERE wait_id = $wait AND ticket_order.status IN ('held', 'sold')") }

sub is_served
{
	my ($wait, $label) = @_;
	is(status_of($wait), 'awarded', "$label: the waiter is served");
	is(seats_of($wait), '1', "$label: and has a ticket");
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# In the transaction that frees
# ---------------------------------------------------------------------------------------------------------------------
my %paths = (
	'a refund' => sub { my ($date, $order) = @_; run("SELECT count(*) FROM ticket_refund($order)") },
	'an UPDATE by hand' => sub { my ($date, $order) = @_; run("UPDATE ticket_order SET status = 'refunded' WHERE order_id = $order AND service_date = '$date'") },
	'a DELETE by hand' => sub { my ($date, $order) = @_; run("DELETE FROM ticket_order WHERE order_id = $order AND service_date = '$date'") },
	'a change to another trip' => sub { my ($date, $order) = @_; run("SELECT count(*) FROM ticket_change($order, 'T', 'S4', 'S6', '$date')") },
	'a shorter trip by hand' => sub { my ($date, $order) = @_; run("UPDATE ticket_order SET from_stop = 4 WHERE order_id = $order AND service_date = '$date'") });
for my $path (sort keys %paths)
{
	my ($date, $order) = sold_out();
	my $wait = waits($date, 1, 3);
	is(status_of($wait), 'waiting', "$path: nothing is free");
	run('BEGIN');
	$paths{$path}->($date, $order);
	is_served($wait, $path);
	is(status_of($wait, $other), 'waiting', "$path: nobody sees it before the commit");
	is(others("SELECT ticket_remaining('T', 'S1', 'S3', '$date')"), '0', "$path: and nothing is free for others");
	run('COMMIT');
	is_served($wait, "$path, committed");
	is(others("SELECT ticket_remaining('T', 'S1', 'S3', '$date')"), '0', "$path: nor after it");

	($date, $order) = sold_out();
	$wait = waits($date, 1, 3);
	run('BEGIN');
	$paths{$path}->($date, $order);
	run('ROLLBACK');
	is(status_of($wait), 'waiting', "$path: a rollback takes the award back");
	is(seats_of($wait), '0', "$path: and its ticket");
	run('BEGIN; SAVEPOINT s');
	$paths{$path}->($date, $order);
	run('ROLLBACK TO s; COMMIT');
	is(status_of($wait), 'waiting', "$path: so does one to a savepoint");
	run('BEGIN');
	$paths{$path}->($date, $order);
	run("PREPARE TRANSACTION 'p'");
	is(status_of($wait), 'waiting', "$path: nor is it there while prepared");
	run("COMMIT PREPARED 'p'");
	is_served($wait, "$path, prepared and committed");
}

# Holds: given up, and run out
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my $hold = run("SELECT DISTINCT order_id FROM ticket_hold('T', 'S1', 'S6', 1, '$date', passengers => ARRAY[1, 2])");
	my @waits = map { waits($date, 1, 6) } 1 .. 3;
	run("SELECT count(*) FROM ticket_cancel($hold, ARRAY[2])");
	is_served($waits[0], 'a ticket of a hold is given up');
	is(status_of($waits[1]), 'waiting', 'one seat serves one waiter');
	run("UPDATE ticket_order SET held_until = now() - interval '1 second' WHERE order_id = $hold AND service_date = '$date' AND status = 'held'");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $waits[1]"), 'a hold that runs out serves the next');
	is(run("SELECT count(*) FROM ticket_event e JOIN ticket_event a USING (xid) WHERE e.kind = 'expired' AND a.kind = 'awarded' AND e.order_id = $hold AND a.wait_id = $waits[1]"), '1',
		'in the transaction that ends it');
	# An award is a hold, and runs out in its turn
	my $order = run("SELECT order_id FROM ticket_wait WHERE wait_id = $waits[0]");
	run("UPDATE ticket_order SET held_until = now() - interval '1 second' WHERE order_id = $order AND service_date = '$date'");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $waits[2]"), 'an award that runs out serves the next');
	is(status_of($waits[0]), 'awarded', 'and does not wait again');
}

# Quotas that return, another seat, another formation
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my $quota = run("SELECT ticket_reserve('T', '$date', 'second', 'agency', 1, 'S1', 'S6')");
	run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 1, '$date')");
	my $wait = waits($date, 1, 6);
	run("SELECT ticket_recycle($quota)");
	is_served($wait, 'a quota that is given back');
	my $more = waits($date, 2, 3);
	run("SELECT count(*) FROM ticket_reform('T', '$date', 'three')");
	is_served($more, 'a larger formation');

	$date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	run("SELECT ticket_reserve('T', '$date', 'second', 'agency', 1, 'S1', 'S6', now() + interval '1 second')");
	run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 1, '$date')");
	$wait = waits($date, 1, 6);
	run(q{CREATE TABLE recycled (xid xid8);
		CREATE FUNCTION note_xid() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.recycled VALUES (pg_current_xact_id()); RETURN NULL; END $$;
		CREATE TRIGGER note_xid AFTER UPDATE ON ticket_reservation FOR EACH ROW EXECUTE FUNCTION note_xid()});
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'release_at serves');
	is(run("SELECT count(*) FROM recycled JOIN ticket_event USING (xid) WHERE kind = 'awarded' AND wait_id = $wait"), '1', 'in the transaction that gives the quota back');
	run('DROP TRIGGER note_xid ON ticket_reservation');

	# The two halves of a seat are free; a ticket moves from the other seat to one of them
	$date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my $first = run("SELECT order_id FROM ticket_buy_seats('T', 'S1', 'S3', 1, '{001/1A}', '$date')");
	my $second = run("SELECT order_id FROM ticket_buy_seats('T', 'S4', 'S6', 2, '{001/1B}', '$date')");
	$wait = waits($date, 1, 6);
	is(status_of($wait), 'waiting', 'no seat is free all the way');
	run("SELECT count(*) FROM ticket_reseat($second, seats => '{001/1A}')");
	is_served($wait, 'another seat');
}

# ---------------------------------------------------------------------------------------------------------------------
# Order, and whom a seat fits
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order, $more) = sold_out();
	my $pair = waits($date, 1, 6, passengers => 'ARRAY[4, 5]');
	my $least = waits($date, 1, 6, passengers => 'ARRAY[6, 7]', min_tickets => 1);
	my $single = waits($date, 2, 4);
	my $later = waits($date, 4, 6);
	run("SELECT count(*) FROM ticket_refund($order)");
	is(status_of($pair), 'waiting', 'a party that does not fit keeps its place');
	is(status_of($least), 'awarded', 'who fits first is served');
	is(seats_of($least), '1', 'with what there is, if the party takes less');
	is(status_of($single), 'waiting', 'the next waits');
	run("SELECT count(*) FROM ticket_refund($more)");
	is(status_of($_->[0]), 'awarded', "then the $_->[1]") for [ $single, 'single one' ], [ $later, 'one on the rest of the seat' ];
	is(run("SELECT count(*) FROM ticket_event WHERE kind = 'awarded' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE service_date = '$date')"), '3', 'an event each');

	($date, $order) = sold_out();
	my @waits = map { waits($date, 1, 6) } 1 .. 3;
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_wait_extend($waits[0], now() + interval '1 day')");
	run("SELECT count(*) FROM ticket_refund($order)");
	is_served($waits[1], 'the first is locked: the next');
	like(run("SELECT detail FROM ticket_event WHERE kind = 'awarded' AND wait_id = $waits[1]"), qr/"wait_id": $waits[0]/, 'who was passed over is on record');
	$other->run('COMMIT');
	is(status_of($waits[0]), 'waiting', 'and keeps the place');
}

# ---------------------------------------------------------------------------------------------------------------------
# Without a transaction: the worker, and nobody else meanwhile
# ---------------------------------------------------------------------------------------------------------------------
for my $how ('a rollback', 'a dead session')
{
	my ($date, $order) = sold_out();
	# A seat is claimed by somebody who gives it back
	run("SELECT count(*) FROM ticket_refund($order)");
	my $claimer = session($node, 'postgres', verbosity => 'default');
	$claimer->run('BEGIN');
	$claimer->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 77, '$date')");
	my $wait = waits($date, 1, 6);
	is(status_of($wait), 'waiting', "$how: the seat is claimed");
	if ($how eq 'a rollback') { $claimer->run('ROLLBACK') } else { $node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $claimer->backend . ', 10000)') }
	is(others("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 78, '$date')"), '0', "$how: a newcomer does not get it");
	is(others("SELECT count(*) FROM ticket_buy('T', 'S2', 'S3', 78, '$date')"), '0', "$how: nor a part of it");
	is(others("SELECT count(*) FROM ticket_buy_seats('T', 'S2', 'S3', 78, '{001/$_}', '$date')"), '0', "$how: nor seat $_ by its name") for '1A', '1B';
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), "$how: the worker serves");
	$claimer->quit if $how eq 'a rollback';
}
{
	# What no waiter fits is for sale
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	run("SELECT count(*) FROM ticket_buy_seats('T', 'S1', 'S4', 1, '{001/1A}', '$date')");
	run("SELECT count(*) FROM ticket_buy_seats('T', 'S1', 'S4', 2, '{001/1B}', '$date')");
	my $wait = waits($date, 1, 2);
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_buy('T', 'S5', 'S6', 3, '$date')");
	$other->run('ROLLBACK');
	is(others("SELECT count(*) FROM ticket_buy('T', 'S4', 'S6', 4, '$date')"), '1', 'a waiter keeps nobody from what does not fit it');
	is(status_of($wait), 'waiting', 'and waits');
}

# ---------------------------------------------------------------------------------------------------------------------
# Several transactions, and what is undone
# ---------------------------------------------------------------------------------------------------------------------
sub option { my ($date, $from, $to) = @_; return "ROW('T', 'S$from', 'S$to', NULL, '$date', NULL, NULL, NULL, NULL, NULL)::ticket_request" }

# Who refuses one option of a wait keeps nobody from serving another one
{
	my ($date, $order) = sold_out();
	my ($date2, $order2) = sold_out();
	my $id = run("SELECT departure_id FROM ticket_departure WHERE service_date = '$date'");
	run("CREATE FUNCTION not_here(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql AS \$\$SELECT CASE \$1 WHEN $id THEN 'not here' END\$\$");
	run("INSERT INTO ticket_rule (rule, on_kind, enabled) VALUES ('public.not_here', 'ticket', true)");
	my $wait = run('SELECT wait_id FROM ticket_wait(' . ++$user . ', ARRAY[' . option($date, 1, 6) . ', ' . option($date2, 1, 6) . '])');
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_refund($order)");
	is($other->run("SELECT passed FROM ticket_wait_option WHERE wait_id = $wait AND option_no = 1"), 'not here', 'a refused option is on record');
	run("SET statement_timeout = '5s'");
	is(run("SELECT count(*) FROM ticket_refund($order2)"), '1', 'who frees a seat of the other option does not wait for that transaction');
	run('RESET statement_timeout');
	$other->run('COMMIT');
	run("DELETE FROM ticket_rule WHERE rule = 'public.not_here'");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'and the wait is served');
}

# A sweep by hand that is rolled back
{
	my ($date, $order) = sold_out();
	run("SELECT count(*) FROM ticket_refund($order)");
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 77, '$date')");
	my $wait = waits($date, 1, 6);
	run('BEGIN');
	run('LOCK TABLE ticket_wait IN SHARE ROW EXCLUSIVE MODE');  # the worker keeps out
	$other->run('ROLLBACK');
	run('SELECT ticket_sweep()');
	is(status_of($wait), 'awarded', 'a sweep by hand serves');
	run('ROLLBACK');
	is(others("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 78, '$date')"), '0', 'rolled back: a newcomer does not get the seat');
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'and the worker serves');
}

# A quota, wholly sold, that is given back while one of its tickets is
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	my $quota = run("SELECT ticket_reserve('T', '$date', 'second', 'agency', 1, 'S1', 'S6')");
	run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 1, '$date')");
	my $order = run("SELECT order_id FROM ticket_buy('T', 'S1', 'S6', 2, '$date', channel => 'agency')");
	my $wait = waits($date, 1, 6);
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_refund($order)");
	run("SELECT ticket_recycle($quota)");
	$other->run('COMMIT');
	is(others("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 78, '$date')"), '0', 'a seat of a quota that goes: a newcomer does not get it');
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'a waiter does');
}

# A stop that the train passes through
{
	my ($date, $order) = sold_out();
	my $wait = waits($date, 2, 4);
	run("SELECT count(*) FROM ticket_skip_stop('T', '$date', 'S2')");
	run("SELECT count(*) FROM ticket_refund($order)");
	is(status_of($wait), 'waiting', 'nobody gets a ticket from a stop that is skipped');
	is(run("SELECT count(*) FROM ticket_verify()"), '0', 'and that is no fault');
	run("SELECT ticket_retime('T', '$date')");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'the stop is back: the waiter is served');
}

# An award that fails each time is not tried for ever
{
	my ($date, $order) = sold_out();
	run('CREATE SEQUENCE public.tries');
	run('CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM nextval(\'public.tries\'); RAISE EXCEPTION \'not this user\'; END$$');
	my $wait = waits($date, 1, 6);
	run("CREATE TRIGGER refuse BEFORE INSERT ON ticket_order FOR EACH ROW WHEN (NEW.user_id = $user) EXECUTE FUNCTION refuse()");
	run("SELECT count(*) FROM ticket_refund($order)");
	is(run("SELECT passed FROM ticket_wait_option WHERE wait_id = $wait"), 'not this user', 'why an award fails is on record');
	sleep 3;
	my $tries = run('SELECT last_value FROM public.tries');
	sleep 3;
	is(run('SELECT last_value FROM public.tries'), $tries, 'it is not tried again without need');
	run('DROP TRIGGER refuse ON ticket_order');
	is(others("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 78, '$date')"), '1', 'and keeps nobody from the seat');
}

# A new waiter is prepared while the server restarts
{
	my ($date, $order) = sold_out();
	run('BEGIN');
	my $wait = waits($date, 1, 6);
	run("PREPARE TRANSACTION 'w'");
	$_->quit for $owner, $other;
	stop_and_start($node, 'immediate');
	$_ = session($node, 'postgres', verbosity => 'default') for $owner, $other;
	is(others("SELECT ticket_remaining('T', 'S1', 'S6', '$date')"), '0', 'the departure is loaded');
	run("COMMIT PREPARED 'w'");
	run("SELECT count(*) FROM ticket_refund($order)");
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'a waiter that was prepared before the restart is served');
}

# A restart
{
	my ($date, $order) = sold_out();
	run("SELECT count(*) FROM ticket_refund($order)");
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 77, '$date')");
	my $wait = waits($date, 1, 6);
	$_->quit for $owner, $other;
	stop_and_start($node, 'immediate');
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'after a restart the worker serves');
}
agrees($node, 'postgres', 'at the end');

done_testing();
