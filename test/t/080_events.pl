# Events: the worker, and nobody else, sends NOTIFY when there are some, also for those that become visible late; it
# deletes old ones; and a reader that goes by transactions sees each exactly once.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use TicketpoolTest;

seed();
my $day = DAY;
my $node = new_server('events', conf => 'max_prepared_transactions = 5');
my $writers = 6;
make_formation($node, 'postgres', 'small', 40);
for my $n (1 .. $writers)
{
	make_train($node, 'postgres', "T$n", 5);
	open_departures($node, 'postgres', "T$n", 'small', 1);
	$node->safe_psql('postgres', "SELECT count(*) FROM ticket_buy('T$n', 'S1', 'S5', $n, '$day', passengers => '{1,2,3}')");
}

# Each live ticket of the train gets an event.
sub retime { my ($n) = @_; return "UPDATE ticket_stop SET departs = departs + interval '1 second' WHERE train = 'T$n' AND stop_no = 1; SELECT ticket_retime('T$n', '$day')" }

# So does a hold that runs out in its own transaction.
sub expire { my ($n, $user) = @_; return "SELECT ticket_hold('T$n', 'S1', 'S5', $user, '$day', ttl => '1 microsecond'); SELECT ticket_sweep()" }

my $listener;
my @heard;    # [payload, pid] of every notification so far

# How many notifications came since the last call.
sub hear
{
	my $before = @heard;
	my $output = $listener->run('SELECT 1');
	push @heard, [ $1, $2 ] while $output =~ /notification "ticketpool" with payload "(\d*)" received from server process with PID (\d+)/g;
	return @heard - $before;
}
sub hears { my ($label) = @_; return ok(await(sub { hear() > 0 }), $label) }

sub hears_nothing
{
	my ($seconds, $label) = @_;
	my $count = 0;
	for (1 .. 10 * $seconds) { $count += hear(); select(undef, undef, undef, 0.1) }
	return is($count, 0, $label);
}

my (@client, $listener_pid);
sub connect_all
{
	$listener = session($node);
	$listener->run('LISTEN ticketpool');
	@client = map { session($node) } 1 .. 3;
	return;
}
sub quit_all { $_->quit for $listener, @client; return }
my $last_event = 'SELECT max(event_id) FROM ticket_event';

# ---------------------------------------------------------------------------------------------------------------------
# Off: nothing is sent
# ---------------------------------------------------------------------------------------------------------------------

connect_all();
$client[0]->run(retime(1));
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_event WHERE kind = 'retimed'}), '3', 'events are written');
$node->safe_psql('postgres', "SELECT ticket_hold('T1', 'S1', 'S5', 100, '$day', passengers => '{1,2}', ttl => '100 milliseconds')");
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 2 FROM ticket_event e JOIN ticket_order o USING (order_id, ticket_no) WHERE e.kind = 'expired' AND o.user_id = 100}),
	'the worker writes them, too: one for each ticket');
hears_nothing(3, 'nothing is sent with the setting off');

# ---------------------------------------------------------------------------------------------------------------------
# On, for the database
# ---------------------------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'ALTER DATABASE postgres SET ticketpool.notify = on');
hears('what was written before is told once it is on');
is($heard[-1][0], $node->safe_psql('postgres', $last_event), 'the payload is the highest event_id');
quit_all();
connect_all();
my %pid = map { $_->backend => 1 } @client, $listener;

# Sessions know the setting by now: their commits wake the worker, long before its regular round.
my @seconds;
for my $n (1 .. 4)
{
	my $start = Time::HiRes::time();
	$client[0]->run(retime(1));
	hears("events of a client are told ($n)");
	push @seconds, Time::HiRes::time() - $start;
	is($heard[-1][0], $node->safe_psql('postgres', $last_event), 'with the highest event_id');
}
# (One of them may have met a regular round.)
my (undef, $second) = sort { $a <=> $b } @seconds;
cmp_ok($second, '<', 8, 'within seconds');
$node->safe_psql('postgres', "SELECT ticket_hold('T1', 'S1', 'S5', 101, '$day', ttl => '100 milliseconds')");
ok(becomes_true($node, 'postgres', q{SELECT bool_and(status = 'expired') FROM ticket_order WHERE user_id = 101}), 'a hold runs out');
hears('events of the worker are told');

# Plain sales and users' own calls.
hear();
$client[0]->run("SELECT ticket_refund(order_id) FROM ticket_buy('T2', 'S1', 'S5', 102, '$day')");
$client[0]->run("SELECT ticket_cancel(order_id) FROM ticket_hold('T2', 'S1', 'S5', 102, '$day')");
$client[0]->run("BEGIN; " . retime(2) . '; ROLLBACK');
hears_nothing(3, 'nothing is sent for sales, refunds and cancellations, or after a rollback');

# Whoever commits late is told of, although its numbers are lower than those that were told.
$client[0]->run('BEGIN; ' . retime(1));
my $low = $client[0]->run($last_event);
$client[1]->run(retime(2));
hears('events of a transaction that commits first are told');
cmp_ok($heard[-1][0], '>', $low, 'they have the higher numbers');
select(undef, undef, undef, 1.5);
hear();
$client[0]->run('COMMIT');
hears('events with lower numbers that are committed later are told');

# What an older transaction kept from readers is told again when they can see it.
my $readable = 'SELECT count(*) FROM ticket_event WHERE xid < pg_snapshot_xmin(pg_current_snapshot())';
ok(becomes_true($node, 'postgres', "SELECT ($readable) = (SELECT count(*) FROM ticket_event)"), 'all is readable');
select(undef, undef, undef, 1.5);
hear();
my $before = $node->safe_psql('postgres', $readable);
$client[0]->run('BEGIN; SELECT pg_current_xact_id()');
$client[1]->run(retime(2));
hears('events are told while an older transaction runs');
is($node->safe_psql('postgres', $readable), $before, 'a careful reader waits for that one');
hears_nothing(3, 'they are not told again meanwhile');
$client[1]->run('BEGIN; ' . retime(1));
$client[2]->run(retime(2));
hears('nor does it keep those of others from being told');
select(undef, undef, undef, 1.5);
hear();
$client[1]->run('COMMIT');
hears('or those with lower numbers that are committed later');
select(undef, undef, undef, 1.5);
hear();
$client[0]->run('ROLLBACK');
hears('they are told when it has ended');
is($node->safe_psql('postgres', $readable), $before + 9, 'and a careful reader finds them');

# Prepared transactions.
select(undef, undef, undef, 1.5);
hear();
$client[0]->run('BEGIN; ' . expire(3, 103) . q{; PREPARE TRANSACTION 'p'});
ok($client[0]->is_ok, 'events are prepared');
$client[1]->run(retime(2));
hears('others are told');
select(undef, undef, undef, 2.5);
hear();
$client[0]->run(q{COMMIT PREPARED 'p'});
hears('a prepared transaction is told of when it is committed');

# At most one a second, however often the worker is there. (A reload makes the launcher look at once.)
select(undef, undef, undef, 1.5);
hear();
my ($start, $count) = (Time::HiRes::time(), 0);
for my $n (1 .. 40)
{
	$client[ $n % 2 ]->run(retime(1 + $n % 2));
	$client[2]->run('SELECT pg_reload_conf()');
	$count += hear();
	select(undef, undef, undef, 0.1);
}
my $elapsed = Time::HiRes::time() - $start;
cmp_ok($count, '<=', $elapsed + 1, "at most one a second: $count in $elapsed s");
cmp_ok($count, '>', 0, 'and not none');
is(scalar(grep { $pid{ $_->[1] } } @heard), 0, 'no client ever sent one');
is($node->safe_psql('postgres', 'SELECT count(*) FROM unnest(ARRAY[' . join(',', map { $_->[0] } @heard) . ']::bigint[]) n WHERE NOT EXISTS (SELECT FROM ticket_event WHERE event_id = n)'),
	'0', 'each payload is a committed event_id');

# ---------------------------------------------------------------------------------------------------------------------
# A careful reader, while writers commit and roll back in any order
# ---------------------------------------------------------------------------------------------------------------------

hear();
my $workers = start_workers($writers, sub {
	my ($number, $log) = @_;
	my $n = $number + 1;
	my $session = session($node);
	for my $round (1 .. 25)
	{
		$session->run('BEGIN');
		for (0 .. int(rand 3))
		{
			$session->run(rand() < 0.5 ? retime($n) : expire($n, 200 + $n));
			$session->is_ok or die $session->output;
			$session->run('SELECT pg_sleep(' . rand(0.15) . ')') if rand() < 0.7;
		}
		$session->run(rand() < 0.25 ? 'ROLLBACK' : 'COMMIT');
		$session->is_ok or die $session->output;
		print $log "$round\n";
	}
	$session->quit;
});
my $reader = session($node);
my ($xid, $event, @seen, $by_number, %missed_by_number) = (0, 0);
$by_number = 0;
sub read_on
{
	my @rows = map { [ split /\|/ ] } split /\n/, $reader->run("SELECT xid, event_id FROM ticket_event WHERE (xid, event_id) > ('$xid'::xid8, $event)
		AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, event_id LIMIT 100");
	push @seen, map { $_->[1] } @rows;
	($xid, $event) = @{ $rows[-1] } if @rows;
	return scalar @rows;
}
# A careless one goes by event_id. What it has not seen when it has passed it, it never sees.
my %careless;
sub read_on_by_number
{
	my @rows = split /\n/, $reader->run("SELECT event_id FROM ticket_event WHERE event_id > $by_number ORDER BY 1");
	$careless{$_} = 1 for @rows;
	$by_number = $rows[-1] if @rows;
	return;
}
my $finished = 0;
until ($finished)
{
	$finished = scalar(log_lines($workers)) >= 25 * $writers || !grep { kill 0, $_ } @{ $workers->{pids} };
	read_on();
	read_on_by_number();
	select(undef, undef, undef, 0.02);
}
ok(wait_workers($workers), 'all writers have ended well');
hears('what they wrote is told');
ok(await(sub { read_on(); $node->safe_psql('postgres', "SELECT count(*) = $#seen + 1 FROM ticket_event") eq 't' }), 'the reader comes to the end');
my %times;
$times{$_}++ for @seen;
is(join(' ', sort { $a <=> $b } keys %times), join(' ', split /\n/, $node->safe_psql('postgres', 'SELECT event_id FROM ticket_event ORDER BY 1')), 'it has seen every row');
is(scalar(grep { $_ > 1 } values %times), 0, 'exactly once');
read_on_by_number();
note(@seen . ' rows, of which a reader that goes by event_id missed ' . (grep { !$careless{$_} } @seen));
$reader->quit;
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_event e WHERE kind = 'expired' AND NOT EXISTS (SELECT FROM ticket_order o
	WHERE o.order_id = e.order_id AND o.ticket_no = e.ticket_no AND o.status = 'expired')}), '0', 'no event is about what was rolled back');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_order o WHERE status = 'expired' AND (SELECT count(*) FROM ticket_event e
	WHERE o.order_id = e.order_id AND o.ticket_no = e.ticket_no AND e.kind = 'expired') <> 1}), '0', 'each expired ticket has one');

# ---------------------------------------------------------------------------------------------------------------------
# What is old is deleted
# ---------------------------------------------------------------------------------------------------------------------

# Several batches; what is younger than event_days, and what is not over, stays.
$node->safe_psql('postgres', q{
	ALTER DATABASE postgres SET ticketpool.event_days = 10;
	DELETE FROM ticket_event;
	INSERT INTO ticket_event (kind, at, order_id) SELECT 'expired', now() - interval '11 days', n FROM generate_series(1, 50) n;
	INSERT INTO ticket_event (kind, at, order_id) SELECT 'expired', now() - interval '9 days', 100000 + n FROM generate_series(1, 10) n;
	INSERT INTO ticket_event (kind, at, order_id) SELECT 'expired', now() - interval '11 days', n FROM generate_series(51, 8000) n;
	INSERT INTO ticket_wait (wait_id, user_id, status, changed_at) VALUES
		(1, 1, 'expired', now() - interval '11 days'), (2, 1, 'awarded', now() - interval '9 days'), (3, 1, 'waiting', now() - interval '11 days'),
		(4, 1, 'cancelled', now() - interval '12 days');
	INSERT INTO ticket_wait (wait_id, user_id, status, changed_at) SELECT 1000 + n, 1, 'closed', now() - interval '20 days' FROM generate_series(1, 1200) n;
	INSERT INTO ticket_wait_option (wait_id, option_no, queue_no, departure_id, from_stop, to_stop, seat_class, user_id, need, status)
		SELECT wait_id, n, wait_id, 1, n, n + 1, 'second', 1, 1, status FROM ticket_wait, generate_series(1, 2) n});
quit_all();
$node->restart;
# A hold that runs out at the same time need not wait for that.
$node->safe_psql('postgres', "SELECT ticket_hold('T4', 'S1', 'S5', 300, '$day', ttl => '100 milliseconds')");
ok(becomes_true($node, 'postgres', q{SELECT bool_and(status = 'expired') FROM ticket_order WHERE user_id = 300}), 'holds run out');
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 10 FROM ticket_event WHERE at < now() - interval '1 day'}), 'old events are deleted');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_event WHERE order_id > 100000 AND order_id <= 100010}), '10', 'younger ones are not');
ok(becomes_true($node, 'postgres', q{SELECT string_agg(wait_id::text, ' ' ORDER BY wait_id) = '2 3' FROM ticket_wait}), 'so are waits that were over long ago');
is($node->safe_psql('postgres', q{SELECT string_agg(wait_id || '/' || option_no, ' ' ORDER BY wait_id, option_no) FROM ticket_wait_option}), '2/1 2/2 3/1 3/2', 'with their options');
agrees($node, 'postgres', 'events');

$node->stop;
done_testing();
