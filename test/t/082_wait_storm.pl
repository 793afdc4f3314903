# A storm around the waiting list: clients buy, hold, pay, refund, give up, change, roll back and die,
# people wait for trips of all kinds, alone and in parties, and the server is killed now and then.
# Afterwards the log of orders and events is replayed: nobody was served before an earlier one who
# fitted, nobody was served twice, and nobody who fits is left.
#
# The replay. The orders' rows say when each ticket came and went, by transaction: an award and what
# it was made from have one xid. For each award of wait W the earlier waiters (smaller queue_no, same
# departure and class, overlapping trip) that were waiting then must not have fitted what that same
# transaction freed: the seats of the award, freed by the transaction, are free for the earlier
# waiter's trip too only if nobody else is on them; then the award's own record names the earlier
# one as passed over, or it was served in the same transaction.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TicketpoolTest;

seed();
my $seconds = $ENV{TICKETPOOL_SECONDS} // 25;
my ($stops, $days, $seats) = (6, 3, 12);
my $day = DAY;
my $node = new_server('storm', conf => "ticketpool.memory = 4MB\nticketpool.wait_limit = 1000\nmax_prepared_transactions = 4");
make_train($node, 'postgres', 'T', $stops);
make_formation($node, 'postgres', 'small', $seats);
open_departures($node, 'postgres', 'T', 'small', $days + 1);    # nobody waits for the last
# Sold out, and 500 wait already, for trips of all kinds, alone and in parties.
my $sold = $days * $seats;
is($node->safe_psql('postgres', "SELECT count(*) FROM generate_series(0, $sold - 1) n, ticket_buy('T', 'S1', 'S$stops', 100 + n, date '$day' + n % $days)"), $sold, 'all is sold');
is($node->safe_psql('postgres', qq{SELECT count(DISTINCT wait_id) FROM (SELECT n, n % ($stops - 1) + 1 AS f, (n / 7) % $stops + 1 AS t, (n / 3) % $days AS d, n % 10 % 3 AS more FROM generate_series(1, 500) n) w,
	ticket_wait(5_000_000 + n, ARRAY[ROW('T', 'S' || least(f, t), 'S' || greatest(t, f + (f = t)::int), NULL, date '$day' + d, 'second', NULL, NULL, NULL, NULL)]::ticket_request[],
		passengers => array_fill(5_000_000 + n, ARRAY[1 + more]))} =~ s/5_000_000/5000000/gr), '500', '500 wait');

sub any { return $_[ rand @_ ] }
sub trip { my ($from, $to) = sort { $a <=> $b } 1 + int rand $stops, 1 + int rand $stops; return $from < $to ? ($from, $to) : (1, $stops) }
sub date { return "date '$day' + " . int rand $days }

# What is expected of a busy server: sold out is no error, and another client was quicker.
my $expected = qr/^(22004|TK003|TK004|TK005|40001|40P01|23505|55P03|57P01|57014|25P02|3B001)$/;

my $until = time + $seconds;
my $buyers = start_workers(16, sub {
	my ($number, $log) = @_;
	my $session;
	while (time < $until)
	{
		if (!$session || $session->is_lost)
		{
			$session = eval { session($node, 'postgres', verbosity => 'default') };
			if (!$session || !$session->is_ok) { sleep 0.1; next }
			$session->run("SET ticketpool.group_sale = 'always'") if $number % 4 == 0;
		}
		my ($from, $to) = trip();
		my $date = "date '$day' + " . int rand $days + 1;
		my $user = 10_000 * ($number + 1) + int rand 1000;
		my $passengers = join ',', map { $user } 1 .. any(1, 1, 1, 2, 3);
		my $order = "(SELECT order_id FROM ticket_order WHERE status = '%s' ORDER BY random() LIMIT 1)";
		my @work = (
			("SELECT order_id FROM " . any('ticket_buy', 'ticket_hold') . "('T', 'S$from', 'S$to', $user, $date, passengers => ARRAY[$passengers])") x 4,
			"SELECT count(*) FROM ticket_hold('T', 'S$from', 'S$to', $user, $date, ttl => '300 milliseconds')",
			("SELECT count(*) FROM ticket_refund(" . sprintf($order, 'sold') . any('', ', ARRAY[1]') . ')') x 3,
			'SELECT count(*) FROM ticket_cancel(' . sprintf($order, 'held') . ')',
			'SELECT count(*) FROM ticket_confirm(' . sprintf($order, 'held') . ')',
			'SELECT count(*) FROM ticket_change(' . sprintf($order, 'sold') . ", 'T', 'S$from', 'S$to', $date)",
			'SELECT count(*) FROM ticket_reseat(' . sprintf($order, 'sold') . ')',
			"UPDATE ticket_order SET status = 'refunded' WHERE (order_id, ticket_no, service_date) = (SELECT order_id, ticket_no, service_date FROM ticket_order WHERE status = 'sold' ORDER BY random() LIMIT 1)");
		my @statements = map { any(@work) } 1 .. any(1, 1, 1, 2, 3);
		my $in_block = @statements > 1 || rand() < 0.3;
		$session->run('BEGIN' . any('', '', '', ' ISOLATION LEVEL REPEATABLE READ')) if $in_block;
		for my $sql (@statements)
		{
			last if $session->is_lost;
			$session->run('SAVEPOINT s') if $in_block && rand() < 0.3;
			$session->run($sql);
			if (!$session->is_ok && !$session->is_lost)
			{
				print $log "error ", $session->sqlstate, ' ', $session->output =~ s/\n/ /gr, " in $sql\n" unless $session->sqlstate =~ $expected;
			}
			sleep rand 0.01 if $in_block;
		}
		next if $session->is_lost || !$in_block;
		if (rand() < 0.03) { $session->run('SELECT pg_terminate_backend(pg_backend_pid())'); next }
		$session->run(any('COMMIT', 'COMMIT', 'ROLLBACK'));
		print $log "done\n";
	}
});
my $waiters = start_workers(2, sub {
	my ($number, $log) = @_;
	my ($session, $user) = (undef, 1_000_000 * ($number + 1));
	while (time < $until)
	{
		if (!$session || $session->is_lost)
		{
			$session = eval { session($node, 'postgres', verbosity => 'default') };
			if (!$session || !$session->is_ok) { sleep 0.1; next }
		}
		$user++;
		my @options = map { my ($from, $to) = trip(); 'ROW(' . join(', ', "'T'", "'S$from'", "'S$to'", 'NULL', date(), "'second'", 'NULL', 'NULL', 'NULL', 'NULL') . ')' } 1 .. any(1, 1, 2, 3);
		my $party = any(1, 1, 1, 2, 3);
		my $more = $party > 1 ? ', passengers => ARRAY[' . join(',', map { $user } 1 .. $party) . ']' . any('', ', min_tickets => 1') : '';
		$more .= any(", on_match => 'sell'", ", hold_ttl => interval '500 milliseconds'", '');
		$session->run('BEGIN') if my $block = rand() < 0.3;
		$session->run("SELECT wait_id FROM ticket_wait($user, ARRAY[" . join(', ', @options) . "]::ticket_request[]$more)");
		print $log "error ", $session->sqlstate, ' ', $session->output =~ s/\n/ /gr, "\n" unless $session->is_ok || $session->is_lost || $session->sqlstate =~ /^(22023|23505|TK003|57P01)$/;
		sleep rand 0.2 if $block;
		$session->run(any('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK')) if $block && !$session->is_lost;
		$session->run("SELECT count(*) FROM ticket_wait_cancel((SELECT wait_id FROM ticket_wait WHERE status = 'waiting' ORDER BY random() LIMIT 1))") if rand() < 0.1 && !$session->is_lost;
		sleep 0.02;
	}
});
if ($seconds >= 20)
{
	sleep $seconds / 2;
	ok(kill_9_of($node, "backend_type = 'client backend'"), 'the server restarts in the middle');
}
ok(wait_workers($_), 'the clients end well') for $buyers, $waiters;
my @errors = grep { /error/ } log_lines($buyers), log_lines($waiters);
is(join("\n", @errors[ 0 .. ($#errors > 4 ? 4 : $#errors) ]), '', 'no unexpected errors');

settles($node, 'postgres', 'after the storm');
agrees($node, 'postgres', 'after the storm');
indexes_are_whole($node, 'postgres', 'after the storm');
my ($awards, $left) = split /\|/, $node->safe_psql('postgres', q{SELECT count(*) FILTER (WHERE status = 'awarded'), count(*) FILTER (WHERE status = 'waiting') FROM ticket_wait});
cmp_ok($node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat'), '>', 0, 'and some of the sales were in groups');
cmp_ok($awards, '>', 20, "there were awards: $awards, and $left still wait");
is($node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT wait_id FROM ticket_wait_option WHERE status = 'awarded' GROUP BY wait_id HAVING count(*) > 1) t}), '0', 'nobody is served twice');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_wait w WHERE (status = 'awarded') <> EXISTS (SELECT FROM ticket_order o WHERE o.order_id = w.order_id)}), '0', 'each award has its order');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_wait w WHERE status = 'awarded' AND (SELECT count(*) FROM ticket_event e WHERE e.wait_id = w.wait_id AND e.kind = 'awarded')
	<> (SELECT count(*) FROM ticket_order o WHERE o.order_id = w.order_id)}), '0', 'and an event for each ticket');

# The replay: see above. An option was open from its entering transaction to the end of its wait.
my $unfair = $node->safe_psql('postgres', q{
	WITH awards AS (
		SELECT DISTINCT ON (e.wait_id) e.wait_id, e.xid, e.at, e.detail, o.departure_id, o.seat_class, o.queue_no, o.from_stop, o.to_stop, w.order_id
		FROM ticket_event e JOIN ticket_wait w USING (wait_id) JOIN ticket_wait_option o ON o.wait_id = w.wait_id AND o.status = 'awarded'
		WHERE e.kind = 'awarded' AND w.created_at < e.at
	)
	SELECT a.wait_id, p.wait_id, a.queue_no, p.queue_no FROM awards a
		JOIN ticket_wait_option p ON p.departure_id = a.departure_id AND p.seat_class = a.seat_class AND p.queue_no < a.queue_no
			AND p.from_stop >= a.from_stop AND p.to_stop <= a.to_stop AND p.need = 1
		JOIN ticket_wait pw ON pw.wait_id = p.wait_id
	WHERE pw.created_at < a.at - interval '2 seconds' AND (pw.status = 'waiting' OR pw.status = 'awarded' AND pw.changed_at > a.at + interval '2 seconds')
		AND NOT a.detail->'passed' @> jsonb_build_array(jsonb_build_object('wait_id', p.wait_id))
	LIMIT 5});
is($unfair, '', 'nobody was served before an earlier one who fitted the same seat');

done_testing();
