# An award where its own transaction has been at the rows of the list before, where statements end
# in unusual ways, and where the tables of the list and of the events have been altered.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('own', conf => 'ticketpool.memory = 4MB');
make_train($node, 'postgres', 'T', 4);
make_formation($node, 'postgres', 'two', 2);
my ($next_day, $user) = (0, 1000);
my $owner = session($node, 'postgres', verbosity => 'default');
my $other = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }
sub sold_out
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	return ($date, map { run("SELECT order_id FROM ticket_buy('T', 'S1', 'S4', $_, '$date')") } 1, 2);
}
sub option { my ($date) = @_; return "ROW('T', 'S1', 'S4', NULL, '$date', NULL, NULL, NULL, NULL, NULL)::ticket_request" }
sub waits { my (@dates) = @_; $user++; return run("SELECT wait_id FROM ticket_wait($user, ARRAY[" . join(', ', map { option($_) } @dates) . '])') }
sub status_of { my ($wait) = @_; my $status = run("SELECT status FROM ticket_wait WHERE wait_id = $wait"); note(run("SELECT option_no, reason FROM ticket_wait_status($wait)")) if $status eq 'waiting'; return $status }
sub checkpointer { return run(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'}) }
sub refund { my ($order) = @_; run("SELECT count(*) FROM ticket_refund($order)"); return ok($owner->is_ok, 'the refund succeeds') }

# ---------------------------------------------------------------------------------------------------------------------
# Statements whose triggers free something, and that end in no executor
# ---------------------------------------------------------------------------------------------------------------------
my $started = checkpointer();
run(q{CREATE TABLE batch (order_id bigint, note text);
	CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE public.ticket_order SET status = 'refunded' WHERE order_id = NEW.order_id; RETURN NULL; END $$;
	CREATE TRIGGER give_up AFTER INSERT ON batch FOR EACH ROW EXECUTE FUNCTION give_up()});
{
	my ($date, $order) = sold_out();
	my $wait = waits($date);
	run('BEGIN');
	$owner->run("COPY batch (order_id) FROM PROGRAM 'echo $order'");
	ok($owner->is_ok, 'a COPY whose trigger refunds') or diag($owner->output);
	is(status_of($wait), 'awarded', 'serves when it ends');
	run('SELECT 1');
	run('COMMIT');
	is(status_of($wait), 'awarded', 'for good');
	($date, $order) = sold_out();
	$wait = waits($date);
	run(qq{CREATE FUNCTION give_up_all() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN UPDATE public.ticket_order SET status = 'refunded' WHERE order_id = $order; RETURN NULL; END \$\$;
		CREATE TRIGGER give_up_all AFTER TRUNCATE ON batch FOR EACH STATEMENT EXECUTE FUNCTION give_up_all()});
	run('BEGIN; TRUNCATE batch');
	is(status_of($wait), 'awarded', 'so does a TRUNCATE');
	run('COMMIT');
}
{
	run('DROP TRIGGER give_up ON batch; CREATE CONSTRAINT TRIGGER give_up AFTER INSERT ON batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION give_up()');
	for my $end ('SET CONSTRAINTS ALL IMMEDIATE', 'COMMIT')
	{
		my ($date, $order) = sold_out();
		my $wait = waits($date);
		run('BEGIN');
		run("INSERT INTO batch VALUES ($order)");
		is(status_of($wait), 'waiting', "$end: nothing is freed before it");
		run($end);
		run('SELECT 1');
		is(status_of($wait), 'awarded', "$end: serves") if $end ne 'COMMIT';
		run('COMMIT') if $end ne 'COMMIT';
		ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), "$end: the waiter is served in the end");
	}
	run('DROP TABLE batch');
}
is(checkpointer(), $started, 'the server goes on');

# ---------------------------------------------------------------------------------------------------------------------
# The transaction has locked or changed the wait itself
# ---------------------------------------------------------------------------------------------------------------------
{
	# It has put on record that a rule refuses an option of it.
	my ($first, $first_order) = sold_out();
	my ($second, $second_order) = sold_out();
	my $both = waits($first, $second);
	my $behind = waits($second);
	my $refused = run("SELECT departure_id FROM ticket_departure WHERE service_date = '$first'");
	run(qq{CREATE TABLE not_there (departure_id bigint); INSERT INTO not_there VALUES ($refused);
		CREATE FUNCTION not_there(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql AS 'SELECT ''not there'' FROM public.not_there WHERE departure_id = \$1';
		INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.not_there', 'ticket')});
	run('BEGIN');
	refund($_) for $first_order, $second_order;
	run('COMMIT');
	is(run("SELECT passed FROM ticket_wait_option WHERE wait_id = $both AND option_no = 1"), 'not there', 'a rule refuses the one option');
	is(status_of($both), 'awarded', 'the same transaction serves the other');
	is(status_of($behind), 'waiting', 'before who came later');
	run("DELETE FROM ticket_rule WHERE rule = 'public.not_there'");
}
for my $case ([ 'a later deadline', sub { my ($wait) = @_; run("SELECT count(*) FROM ticket_wait_extend($wait, now() + interval '1 day')") } ],
	[ 'other times', sub { my ($wait, $date) = @_; run("UPDATE ticket_stop SET departs = departs + interval '1 minute' WHERE train = 'T' AND stop_no = 1; SELECT count(*) FROM ticket_retime('T', '$date')") } ],
	[ 'a lock', sub { my ($wait) = @_; run("SELECT FROM ticket_wait WHERE wait_id = $wait FOR UPDATE") } ],
	[ 'a change by hand', sub { my ($wait) = @_; run("UPDATE ticket_wait SET hold_ttl = '1 hour' WHERE wait_id = $wait; UPDATE ticket_wait_option SET seat_choice = 'A' WHERE wait_id = $wait") } ])
{
	my ($label, $work) = @$case;
	my ($date, $order) = sold_out();
	my ($wait, $behind) = map { waits($date) } 1, 2;
	run('BEGIN');
	$work->($wait, $date);
	refund($order);
	run('COMMIT');
	is(status_of($wait), 'awarded', "$label in the same transaction is in nobody's way");
	is(status_of($behind), 'waiting', "$label: who came later waits");
}
{
	my ($date) = sold_out();
	my $free = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$free', 'two', '2020-01-01')");
	my $wait = waits($date);
	is(run("SELECT status FROM ticket_wait_add($wait, ARRAY[" . option($free) . '])'), 'awarded', 'an option that is free is awarded when it is added');
}
{
	# A trigger of the award changes the row of the wait.
	my ($date, $order) = sold_out();
	my $wait = waits($date);
	my ($waiter) = run("SELECT user_id FROM ticket_wait WHERE wait_id = $wait");
	run(q{ALTER TABLE ticket_wait ADD note text; ALTER TABLE ticket_wait_option ADD note text;
		CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			UPDATE public.ticket_wait SET note = 'served' WHERE user_id = NEW.user_id; UPDATE public.ticket_wait_option SET note = 'served' WHERE user_id = NEW.user_id; RETURN NULL; END $$;
		CREATE TRIGGER note_it AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION note_it()});
	refund($order);
	note(status_of($wait));
	is(run("SELECT w.status, w.note, o.status, o.note FROM ticket_wait w JOIN ticket_wait_option o USING (wait_id) WHERE wait_id = $wait"), 'awarded|served|awarded|served', 'a trigger on the order changes the rows of its wait');
	run('DROP TRIGGER note_it ON ticket_order; ALTER TABLE ticket_wait DROP note; ALTER TABLE ticket_wait_option DROP note');
}

# ---------------------------------------------------------------------------------------------------------------------
# Others
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order, $more) = sold_out();
	my ($wait, $behind) = map { waits($date) } 1, 2;
	$other->run("BEGIN; SELECT FROM ticket_wait WHERE wait_id = $wait FOR KEY SHARE");
	refund($order);
	is(status_of($wait), 'awarded', 'a row of another session that points to the wait is in nobody\'s way');
	$other->run('ROLLBACK');
	$other->run("BEGIN; SELECT FROM ticket_wait WHERE wait_id = $behind FOR SHARE");
	refund($more);
	is(status_of($behind), 'waiting', 'whose row another session has locked is passed over');
	$other->run('ROLLBACK');
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $behind"), 'until that one has ended');
	is(run("SELECT passed FROM ticket_wait_option WHERE wait_id = $behind"), '', 'and nothing else stays of it');
}

# Two serializable refunds on one departure, with waiters and without: the list is no cause for 40001.
for my $with (0, 1)
{
	my ($date, @orders) = sold_out();
	my @waits = $with ? map { waits($date) } 1 .. 3 : ();
	for my $session ($owner, $other)
	{
		$session->run('BEGIN ISOLATION LEVEL SERIALIZABLE');
		$session->run("SELECT count(*) FROM ticket_refund($orders[ $session == $other ])");
		ok($session->is_ok, "serializable, $with: a refund") or diag($session->output);
	}
	for my $session ($owner, $other)
	{
		$session->run('COMMIT');
		ok($session->is_ok, "serializable, $with: is committed") or diag($session->output);
	}
	is(join(' ', map { status_of($_) } @waits), $with ? 'awarded awarded waiting' : '', "serializable, $with: and both served");
}

# A wait with a request_id, and one with several options.
{
	my ($date, $order) = sold_out();
	my ($second) = sold_out();
	my $id = '00000000-0000-0000-0000-000000000001';
	my $call = "SELECT wait_id, status FROM ticket_wait(77, ARRAY[" . option($date) . ', ' . option($second) . "], request_id => '$id')";
	my ($wait) = split /\|/, run($call);
	refund($order);
	is(run($call), "$wait|awarded", 'a request_id finds a wait that was awarded');
	is(run("SELECT string_agg(status, ' ' ORDER BY option_no) FROM ticket_wait_option WHERE wait_id = $wait"), 'awarded cancelled', 'its other option is over');
}

# ---------------------------------------------------------------------------------------------------------------------
# Altered tables
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order) = sold_out();
	my ($blocked, $behind) = map { waits($date) } 1, 2;
	my $who = run("SELECT user_id FROM ticket_wait WHERE wait_id = $blocked");
	run(q{CREATE TABLE blocked (user_id bigint);
		CREATE FUNCTION is_blocked(bigint) RETURNS boolean STABLE LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.blocked WHERE user_id = $1)';
		ALTER TABLE ticket_wait ADD CONSTRAINT not_blocked CHECK (NOT is_blocked(user_id))});
	run("INSERT INTO blocked VALUES ($who)");
	refund($order);
	is(status_of($blocked), 'waiting', 'a check of the user\'s is asked');
	is(status_of($behind), 'awarded', 'and the next is served');
	run('ALTER TABLE ticket_wait DROP CONSTRAINT not_blocked');
}
for my $change ('ALTER TABLE ticket_event ALTER ticket_no TYPE bigint', 'DROP INDEX ticket_event_xid', 'ALTER TABLE ticket_event ADD note text DEFAULT $$x$$')
{
	run($change);
	my ($date, $order) = sold_out();
	my $wait = waits($date);
	refund($order);
	is(status_of($wait), 'awarded', "$change: awards go on");
	is(run("SELECT kind, ticket_no FROM ticket_event WHERE wait_id = $wait"), 'awarded|1', "$change: and their events");
}
is(run('SELECT count(*) FROM ticket_verify()'), '0', 'nobody who fits is left');
indexes_are_whole($node, 'postgres', 'at the end');
agrees($node, 'postgres', 'at the end');
is(checkpointer(), $started, 'the server has not been started again');
done_testing();
