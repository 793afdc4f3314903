# ticket_verify reports nothing while eight clients buy, refund, and change their minds.
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
my $transactions = $ENV{TICKETPOOL_OPS} // 700;
my $script = PostgreSQL::Test::Utils::tempdir . '/sale.sql';
# One level of \if only: some releases of pgbench look into an inner one whose outer one is false.
PostgreSQL::Test::Utils::append_to_file($script, q{
\set a random(1, 11)
\set b random(:a + 1, 12)
\set day random(0, 5)
\set what random(1, 100)
\set user random(1, 1000000)
\set bought 0
\if :what <= 40
SELECT coalesce(max(order_id), 0) AS bought FROM ticket_buy('T1', 'S' || :a, 'S' || :b, :user, date '2031-05-01' + :day::int) \gset
\elif :what <= 60
BEGIN;
SELECT count(*) FROM ticket_buy('T1', 'S' || :a, 'S' || :b, :user, date '2031-05-01' + :day::int, passengers => ARRAY[1, 2, 3]);
SAVEPOINT s;
SELECT count(*) FROM ticket_buy('T1', 'S' || :a, 'S' || :b, :user, date '2031-05-01' + :day::int, passengers => ARRAY[1, 2]);
ROLLBACK TO s;
SELECT count(*) FROM ticket_buy('T2', 'S' || :a::int * 8, 'S' || :b::int * 8, :user, date '2031-05-01');
ROLLBACK;
\elif :what <= 80
BEGIN;
SELECT coalesce(max(order_id), 0) AS bought FROM ticket_buy('T2', 'S' || :a::int * 8, 'S' || :b::int * 8, :user, date '2031-05-01', passengers => ARRAY[1, 2]) \gset
\elif :what <= 95
SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE service_date = date '2031-05-01' + :day::int AND status = 'sold' LIMIT 1 OFFSET :user::bigint % 7) o, ticket_refund(order_id);
\else
SELECT count(ticket_remaining(train, 'S1', 'S12', service_date)) FROM ticket_departure WHERE train = 'T1';
\endif
\if :what <= 20 and :bought > 0
SELECT count(*) FROM ticket_refund(:bought);
\elif :what > 60 and :what <= 80 and :bought > 0
SELECT count(*) FROM ticket_refund(:bought, ARRAY[2]);
SELECT count(*) FROM ticket_buy('T2', 'S' || :a::int * 8, 'S' || :a::int * 8 + 1, :user, date '2031-05-01');
\endif
\if :what > 60 and :what <= 80
COMMIT;
\endif
});

# Twice: with memory for all, and with so little that departures are loaded and evicted all the
# time.
for my $case ([ 'room for all', '64MB', 0 ], [ 'comings and goings', '2MB', 1200 ])
{
	my ($label, $memory, $more) = @$case;
	my $node = new_server('verify' . ($more ? '_small' : ''), conf => "ticketpool.memory = '$memory'");
	make_train($node, 'postgres', 'T1', 12);
	make_train($node, 'postgres', 'T2', 100);
	make_formation($node, 'postgres', 'small', 60);
	make_formation($node, 'postgres', 'tiny', 5);
	open_departures($node, 'postgres', 'T1', 'small', 6);
	open_departures($node, 'postgres', 'T2', 'small', 1);
	$node->safe_psql('postgres', qq{
		INSERT INTO ticket_stop SELECT 'M' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
			FROM generate_series(1, $more) t, generate_series(1, 3) n;
		SELECT count(ticket_open('M' || t, '$day', 'tiny', '2020-01-01')) FROM generate_series(1, $more) t});
	my $load = start_workers(1, sub {
		my ($number, $log) = @_;
		my ($out, $err) = PostgreSQL::Test::Utils::run_command([ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', $transactions,
			"--random-seed=$seed", '-M', 'prepared', '-f', $script, $node->connstr('postgres') ]);
		print $log "$_\n" for split /\n/, "$out\n$err";
	});
	# And a client that makes departures cold, if memory is short.
	my $others = start_workers($more ? 1 : 0, sub {
		my $session = session($node);
		while (!$session->is_lost)
		{
			$session->run("SELECT count(ticket_remaining(train, 'S1', 'S3', service_date)) FROM ticket_departure WHERE train LIKE 'M%'");
		}
	});
	my $verifier = session($node);
	my ($looks, @found) = (0);
	my $only = $more ? q{SELECT v.* FROM ticket_departure d, ticket_verify(d.departure_id) v WHERE d.train LIKE 'T%'} : 'SELECT * FROM ticket_verify()';
	until (grep { /number of transactions actually processed|aborted|error|FATAL/ } log_lines($load))
	{
		$verifier->run($only);
		push @found, $verifier->output if $verifier->output ne '' || !$verifier->is_ok;
		$looks++;
	}
	ok(wait_workers($load), "$label: the load has ended");
	my ($done) = map { /actually processed: (\S+)/ } log_lines($load);
	is($done, $transactions * 8 . '/' . $transactions * 8, "$label: without an error") or diag(join "\n", log_lines($load));
	cmp_ok($looks, '>=', 3, "$label: there was time to look");
	is("@found", '', "$label: ticket_verify never reports anything");
	note("$label: $looks looks, statistics " . $node->safe_psql('postgres', 'SELECT s FROM ticket_pool_stat s'));
	$verifier->quit;
	if ($more)
	{
		$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
		wait_workers($others);
		cmp_ok($node->safe_psql('postgres', 'SELECT evictions FROM ticket_pool_stat'), '>', 100, "$label: departures came and went");
	}
	in_flight_is_empty($node, 'postgres', $label);
	agrees($node, 'postgres', $label);

	# And it does report when there is something: rows written by hand without the pool's knowledge,
	# which takes switching its triggers off and loading the departure before the rows change.
	$node->safe_psql('postgres', qq{
		ALTER TABLE ticket_order DISABLE TRIGGER USER;
		CREATE TEMP TABLE picked AS SELECT order_id, ticket_no, departure_id FROM ticket_order WHERE status = 'sold' AND service_date = '$day' LIMIT 1;
		SELECT * FROM ticket_verify((SELECT departure_id FROM picked));
		UPDATE ticket_order SET status = 'refunded' WHERE (order_id, ticket_no) IN (SELECT order_id, ticket_no FROM picked)});
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM ticket_verify()'), '>=', 1, "$label: a row changed by hand is found");
	$node->stop;
}

done_testing();
