# The waiting list where it meets the rest: rules, triggers, quotas, unnumbered places, classes,
# isolation levels, group sale.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('corners', conf => 'ticketpool.memory = 2MB');
make_train($node, 'postgres', 'T', 6);
make_formation($node, 'postgres', 'two', 2);
$node->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('standing', '1', 'standing', 2);
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('classes', '1', 'first', '{1A}'), ('classes', '2', 'second', '{1A}')});
my $next_day = 0;
my $user = 1000;
my $owner = session($node, 'postgres', verbosity => 'default');
my $other = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }
sub opened { my ($formation) = @_; my $date = run("SELECT date '$day' + " . $next_day++); run("SELECT ticket_open('T', '$date', '$formation', '2020-01-01')"); return $date }
sub buys { my ($date, $who, $more) = @_; return run("SELECT order_id FROM ticket_buy('T', 'S1', 'S6', $who, '$date'" . ($more // '') . ')') }
sub sold_out { my $date = opened('two'); return ($date, map { buys($date, $_) } 1, 2) }
# class and channel: of the option.
sub waits
{
	my ($date, %with) = @_;
	my $id = ++$user;
	my ($class, $channel) = map { my $value = delete $with{$_}; defined $value ? "'$value'" : 'NULL' } qw(class channel);
	my ($from, $to) = (delete $with{from} // 1, delete $with{to} // 6);
	my $more = join '', map { ", $_ => $with{$_}" } sort keys %with;
	return run("SELECT wait_id FROM ticket_wait($id, ARRAY[ROW('T', 'S$from', 'S$to', NULL, '$date', $class, NULL, NULL, $channel, NULL)]::ticket_request[]$more)");
}
sub user_of { my ($wait) = @_; return run("SELECT user_id FROM ticket_wait WHERE wait_id = $wait") }
sub status_of { my ($wait, $session) = @_; return ($session // $owner)->run("SELECT status FROM ticket_wait WHERE wait_id = $wait") }
sub refund { my ($order) = @_; run("SELECT count(*) FROM ticket_refund($order)"); return ok($owner->is_ok, 'the refund succeeds') }
sub reason_of { my ($wait) = @_; return run("SELECT reason FROM ticket_wait_status($wait)") }
sub passed_by { my ($wait) = @_; return run("SELECT detail->'passed' FROM ticket_event WHERE kind = 'awarded' AND wait_id = $wait") }

# ---------------------------------------------------------------------------------------------------------------------
# Rules and triggers
# ---------------------------------------------------------------------------------------------------------------------
{
	my ($date, $order, $more) = sold_out();
	my ($first, $second, $third) = map { waits($date) } 1 .. 3;
	my $refused = user_of($first);
	run(qq{CREATE TABLE not_these (user_id bigint); INSERT INTO not_these VALUES ($refused);
		CREATE FUNCTION not_these(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql AS 'SELECT ''not you'' FROM public.not_these WHERE user_id = \$2';
		INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.not_these', 'ticket')});
	refund($order);
	is(status_of($first), 'waiting', 'a rule refuses the first');
	is(status_of($second), 'awarded', 'the next is served');
	is(reason_of($first), 'not you', 'the reason is on record');
	like(passed_by($second), qr/"reason": "not you", "wait_id": $first|"wait_id": $first, "reason": "not you"/, 'and in the event');
	is(run("SELECT count(*) FROM ticket_verify()"), '0', 'that is no fault');
	run('TRUNCATE not_these');
	is(status_of($first), 'waiting', 'nothing is freed');
	refund($more);
	is(status_of($first), 'awarded', 'the first is asked again at the next refund');
	is(status_of($third), 'waiting', 'before who came later');
	run("DELETE FROM ticket_rule WHERE rule = 'public.not_these'");
}
{
	# What a rule leaves is for sale, and nobody waits for it any more.
	my ($date, $order) = sold_out();
	my $first = waits($date);
	my $refused = user_of($first);
	run(qq{INSERT INTO not_these VALUES ($refused); INSERT INTO ticket_rule (rule, on_kind) VALUES ('public.not_these', 'ticket')});
	refund($order);
	is(status_of($first), 'waiting', 'a rule refuses the only one');
	$other->run('BEGIN');
	is($other->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 4, '$date')"), '1', 'what is left is for sale');
	$other->run('COMMIT');
	run("DELETE FROM ticket_rule WHERE rule = 'public.not_these'");
}
{
	my ($date, $order) = sold_out();
	my ($first, $second) = map { waits($date) } 1 .. 2;
	my $refused = user_of($first);
	run(qq{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'not into this table'; END \$\$;
		CREATE TRIGGER refuse BEFORE INSERT ON ticket_order FOR EACH ROW WHEN (NEW.user_id = $refused) EXECUTE FUNCTION refuse()});
	refund($order);
	is(status_of($first), 'waiting', 'a trigger refuses the first');
	is(status_of($second), 'awarded', 'the next is served');
	like(reason_of($first), qr/not into this table/, 'the reason is on record');
	like(passed_by($second), qr/not into this table/, 'and in the event');
	run('DROP TRIGGER refuse ON ticket_order');
	# A trigger that leaves out the row without an error
	($date, $order) = sold_out();
	($first, $second) = map { waits($date) } 1 .. 2;
	$refused = user_of($first);
	run(qq{CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RETURN NULL; END \$\$;
		CREATE TRIGGER refuse BEFORE INSERT ON ticket_order FOR EACH ROW WHEN (NEW.user_id = $refused) EXECUTE FUNCTION refuse()});
	refund($order);
	is(status_of($first), 'waiting', 'a trigger leaves out the row');
	is(status_of($second), 'awarded', 'the next is served');
	run('DROP TRIGGER refuse ON ticket_order');
	# One on the rows of the list
	($date, $order) = sold_out();
	($first, $second) = map { waits($date) } 1 .. 2;
	run(qq{CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'the list stays'; END \$\$;
		CREATE TRIGGER refuse BEFORE UPDATE ON ticket_wait_option FOR EACH ROW WHEN (OLD.wait_id = $first) EXECUTE FUNCTION refuse()});
	refund($order);
	is(status_of($first), 'waiting', 'a trigger on the list refuses');
	is(status_of($second), 'awarded', 'the next is served');
	run('DROP TRIGGER refuse ON ticket_wait_option');
	# A trigger that sees to it that somebody else is served: the transaction frees more while it serves
	($date, $order, my $more) = sold_out();
	($first, $second) = map { waits($date) } 1 .. 2;
	$refused = user_of($first);
	run(qq{CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM public.ticket_refund($more); RETURN NULL; END \$\$;
		CREATE TRIGGER refuse AFTER INSERT ON ticket_order FOR EACH ROW WHEN (NEW.user_id = $refused) EXECUTE FUNCTION refuse()});
	refund($order);
	is(status_of($_), 'awarded', 'a refund in a trigger of an award serves, too') for $first, $second;
	run('DROP TRIGGER refuse ON ticket_order');
}

# ---------------------------------------------------------------------------------------------------------------------
# Quotas, places, classes
# ---------------------------------------------------------------------------------------------------------------------
{
	my $date = opened('two');
	run("SELECT ticket_reserve('T', '$date', 'second', 'agency', 1, 'S1', 'S6')");
	my $order = buys($date, 1, ", channel => 'agency'");
	buys($date, 2);
	my ($without, $elsewhere, $with) = (waits($date), waits($date, channel => 'web'), waits($date, channel => 'agency'));
	is(status_of($with), 'waiting', 'a quota is sold');
	refund($order);
	is(status_of($with), 'awarded', 'its seat goes to who waits in the channel');
	is(run("SELECT channel FROM ticket_order o JOIN ticket_wait w USING (order_id) WHERE wait_id = $with"), 'agency', 'from the channel');
	is(status_of($_), 'waiting', 'and not to others') for $without, $elsewhere;
	is($other->run("SELECT count(*) FROM ticket_verify()"), '0', 'which is as it has to be');

	# The same without a transaction
	run("SELECT count(*) FROM ticket_cancel((SELECT order_id FROM ticket_wait WHERE wait_id = $with))");
	is(status_of($without), 'waiting', 'a free seat of the quota is no seat for others');
	$other->run("BEGIN; SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 8, '$date', channel => 'agency')");
	my $late = waits($date, channel => 'agency');
	is(status_of($late), 'waiting', 'a claim in flight');
	$other->run('ROLLBACK');
	is($other->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 9, '$date', channel => 'agency')"), '0', 'a newcomer of the channel gets nothing');
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $late"), 'the worker serves from the quota');
	is(status_of($_), 'waiting', 'and not others') for $without, $elsewhere;
}
{
	my $date = opened('standing');
	my @orders = map { buys($date, $_) } 1, 2;
	my ($pair, $single) = (waits($date, passengers => 'ARRAY[5, 6]'), waits($date, from => 2, to => 3));
	refund($orders[0]);
	is(status_of($pair), 'waiting', 'two places are not free');
	is(status_of($single), 'awarded', 'an unnumbered place is');
	refund($orders[1]);
	is(status_of($pair), 'waiting', 'nor are they while one is taken on the way');
	refund(run("SELECT order_id FROM ticket_wait WHERE wait_id = $single AND 0 < (SELECT count(*) FROM ticket_confirm(order_id))"));
	is(status_of($pair), 'awarded', 'then they are');
}
{
	my $date = opened('classes');
	my $first_order = buys($date, 1, ", seat_class => 'first'");
	my $second_order = buys($date, 2, ", seat_class => 'second'");
	my ($a, $b) = (waits($date, class => 'first'), waits($date, class => 'second'));
	refund($second_order);
	is(status_of($a), 'waiting', 'a seat of another class is no seat');
	is(status_of($b), 'awarded', 'the class is freed');
	refund($first_order);
	is(status_of($a), 'awarded', 'and the other');
}

# ---------------------------------------------------------------------------------------------------------------------
# Isolation levels: the list is read as it is now
# ---------------------------------------------------------------------------------------------------------------------
for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my ($date, $order, $more) = sold_out();
	my $first = waits($date);
	$other->run("BEGIN ISOLATION LEVEL $level");
	$other->run('SELECT count(*) FROM ticket_wait');
	my $late = waits($date);
	run("SELECT count(*) FROM ticket_wait_extend($first, now() + interval '1 day')");
	$other->run("SELECT count(*) FROM ticket_refund($order)");
	ok($other->is_ok, "$level: a refund succeeds beside changes of the list") or diag($other->output);
	$other->run("SELECT count(*) FROM ticket_refund($more)");
	ok($other->is_ok, "$level: and another") or diag($other->output);
	$other->run('COMMIT');
	ok($other->is_ok, "$level: and the commit") or diag($other->output);
	for my $wait ($first, $late)
	{
		ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), "$level: and the waiters are served");
	}
	is(run("SELECT count(*) FROM ticket_event a JOIN ticket_event b USING (xid) WHERE a.wait_id = $first AND b.wait_id = $late AND a.kind = 'awarded' AND b.kind = 'awarded'"), '1', "$level: both by that transaction");
}

# ---------------------------------------------------------------------------------------------------------------------
# Group sale: the cashier, too, leaves to whoever waits what was given back without a transaction
# ---------------------------------------------------------------------------------------------------------------------
{
	my $group_sales = sub { return run('SELECT group_sales FROM ticket_pool_stat') };
	my $newcomer = session($node, 'postgres', verbosity => 'default');
	$newcomer->run("SET ticketpool.group_sale = 'always'");
	my $date = opened('two');
	my $before = $group_sales->();
	is($newcomer->run("SELECT from_stop, to_stop FROM ticket_buy('T', 'S1', 'S6', 1, '$date')"), '1|6', 'a group sale');
	cmp_ok($group_sales->(), '>', $before, 'by the cashier');
	$other->run('BEGIN');
	$other->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S6', 2, '$date')");
	my $wait = waits($date, from => 2, to => 4);
	my @workers = split /\n/, run("SELECT pid FROM pg_stat_activity WHERE backend_type IN ('ticketpool launcher', 'ticketpool sweeper') ORDER BY backend_type");
	kill 'STOP', $_ for @workers;
	$other->run('ROLLBACK');
	is(run("SELECT ticket_remaining('T', 'S1', 'S6', '$date')"), '1', 'a seat was given back');
	is($newcomer->run("SELECT from_stop FROM ticket_buy('T', 'S1', 'S6', 3, '$date')"), '', 'no group sells it');
	ok($newcomer->is_ok, 'that is no error') or diag($newcomer->output);
	is($newcomer->run("SELECT from_stop FROM ticket_buy('T', 'S4', 'S6', 3, '$date')"), '4', 'a trip that takes nothing from the waiter');
	kill 'CONT', $_ for @workers;
	ok(becomes_true($node, 'postgres', "SELECT status = 'awarded' FROM ticket_wait WHERE wait_id = $wait"), 'the worker serves');
	is(run("SELECT count(*) FROM ticket_verify()"), '0', 'and nobody is left');
	$newcomer->quit;
}

agrees($node, 'postgres', 'at the end');

done_testing();
