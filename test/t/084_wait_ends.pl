# How waits end without their users: with their time, with the sale of their train, also if other
# sessions have them locked, if a trigger refuses, over a restart and by prepared transactions; and
# what a standby says of them.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('ends', streaming => 1, conf => "ticketpool.memory = 8MB\nmax_prepared_transactions = 5");
make_train($node, 'postgres', 'T', 4);
make_formation($node, 'postgres', 'two', 2);
my $next_day = 0;
my $user = 1000;
my $owner = session($node, 'postgres', verbosity => 'default');

sub run { my ($sql) = @_; my $output = $owner->run($sql); diag("$sql: " . $owner->output) unless $owner->is_ok; return $output }

# A departure of its own, sold out: its date.
sub sold_out
{
	my $date = run("SELECT date '$day' + " . $next_day++);
	run("SELECT ticket_open('T', '$date', 'two', '2020-01-01')");
	run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S4', 1, '$date', passengers => '{1,2}')");
	return $date;
}

sub option { my ($date) = @_; return "ROW('T', 'S1', 'S4', NULL, '$date', NULL, NULL, NULL, NULL, NULL)::ticket_request" }
sub waits
{
	my ($dates, %with) = @_;
	my $id = ++$user;
	my $more = join '', map { ", $_ => $with{$_}" } sort keys %with;
	return run("SELECT wait_id FROM ticket_wait($id, ARRAY[" . join(', ', map { option($_) } @$dates) . "]$more)");
}

# Nobody calls anything meanwhile: the worker does it.
sub becomes
{
	my ($wait, $status, $label) = @_;
	my $start = time;
	ok($node->poll_query_until('postgres', "SELECT status FROM ticket_wait WHERE wait_id = $wait", $status), "$label: $status");
	cmp_ok(time - $start, '<', 10, "$label: within seconds");
	is(run("SELECT count(*) FROM ticket_wait_option WHERE wait_id = $wait AND status = 'waiting'"), '0', "$label: no option is open");
	is(run("SELECT kind, count(*), count(DISTINCT departure_id) FROM ticket_event WHERE wait_id = $wait GROUP BY 1"), "wait_$status|1|1", "$label: an event says it");
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Time
# ---------------------------------------------------------------------------------------------------------------------
my @dates = map { sold_out() } 1 .. 3;
becomes(waits([@dates], deadline => "now() + interval '200 ms'"), 'expired', 'a deadline');
my $longer = waits([@dates], deadline => "now() + interval '1 day'");
run("SELECT FROM ticket_wait_extend($longer, now() + interval '200 ms')");
becomes($longer, 'expired', 'an earlier deadline');
my $kept = waits([@dates], deadline => "now() + interval '400 ms'");
run("SELECT FROM ticket_wait_extend($kept, now() + interval '1 day')");
run('SELECT pg_sleep(2)');
is(run("SELECT status FROM ticket_wait WHERE wait_id = $kept"), 'waiting', 'a later deadline: it waits on');
run("SELECT FROM ticket_wait_cancel($kept)");
# The train of one option leaves in a moment, the other stays.
my $leaves = sold_out();
my $two = waits([$leaves, $dates[0]]);
run("UPDATE ticket_departure SET closes_at = clock_timestamp() + interval '200 ms' WHERE service_date = '$leaves'");
ok($node->poll_query_until('postgres', "SELECT status FROM ticket_wait_option WHERE wait_id = $two AND option_no = 1", 'closed'), 'one option is closed');
is(run("SELECT status FROM ticket_wait WHERE wait_id = $two"), 'waiting', 'and the wait goes on');
is(run("SELECT count(*) FROM ticket_event WHERE wait_id = $two"), '0', 'no event says otherwise');
run("SELECT FROM ticket_wait_cancel($two)");

# ---------------------------------------------------------------------------------------------------------------------
# The sale ends, by hand or while a wait is locked
# ---------------------------------------------------------------------------------------------------------------------
my $hand = sold_out();
my $waiting = waits([$hand]);
run("UPDATE ticket_departure SET status = 'closed' WHERE service_date = '$hand'");
becomes($waiting, 'closed', 'a sale closed by hand');
my $locked = sold_out();
$waiting = waits([$locked]);
my $client = session($node, 'postgres');
$client->run("BEGIN; SELECT FROM ticket_wait WHERE wait_id = $waiting FOR UPDATE");
run("SELECT ticket_close('T', '$locked')");
is(run("SELECT status FROM ticket_wait WHERE wait_id = $waiting"), 'waiting', 'nobody waits for a locked wait');
like(run("SELECT reason FROM ticket_wait_status($waiting)"), qr/running transaction/, 'its status says so');
run('SELECT pg_sleep(2)');
$client->run('ROLLBACK');
becomes($waiting, 'closed', 'a wait that was locked');

# The end of the sale moves while a wait is locked: the worker looks again before it ends anything.
my $moved = sold_out();
run("UPDATE ticket_departure SET closes_at = clock_timestamp() + interval '1 s' WHERE service_date = '$moved'");
$waiting = waits([$moved]);
$client->run("BEGIN; SELECT FROM ticket_wait WHERE wait_id = $waiting FOR UPDATE");
run("UPDATE ticket_departure SET closes_at = clock_timestamp() + interval '1 day' WHERE service_date = '$moved'");
$client->run('ROLLBACK');
run('SELECT pg_sleep(3)');
is(run("SELECT w.status, ends_at = closes_at FROM ticket_wait AS w JOIN ticket_wait_option USING (wait_id) JOIN ticket_departure USING (departure_id) WHERE wait_id = $waiting"),
	'waiting|t', 'an end that has moved');
run("SELECT FROM ticket_wait_cancel($waiting)");

# A trigger refuses: the sale is closed all the same, and the worker comes back.
my $refused = sold_out();
$waiting = waits([$refused]);
run(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
	CREATE TRIGGER refuse BEFORE UPDATE ON ticket_wait FOR EACH ROW EXECUTE FUNCTION refuse()});
run("SELECT ticket_close('T', '$refused')");
is(run("SELECT status FROM ticket_departure WHERE service_date = '$refused'"), 'closed', 'a trigger on waits does not keep a sale open');
is(run("SELECT DISTINCT status FROM ticket_wait_option WHERE wait_id = $waiting"), 'waiting', 'what it refuses is undone as a whole');
run('DROP TRIGGER refuse ON ticket_wait');
becomes($waiting, 'closed', 'a trigger that refused');

# ---------------------------------------------------------------------------------------------------------------------
# Prepared transactions
# ---------------------------------------------------------------------------------------------------------------------
my $prepared = sold_out();
$client->run("BEGIN; SELECT wait_id FROM ticket_wait(1, ARRAY[" . option($prepared) . "], deadline => clock_timestamp() + interval '1 s'); PREPARE TRANSACTION 'wait'");
ok($client->is_ok, 'a wait is prepared');
run("COMMIT PREPARED 'wait'");
becomes(run("SELECT wait_id FROM ticket_wait WHERE user_id = 1"), 'expired', 'a prepared wait');
$waiting = waits([$prepared]);
$client->run("BEGIN; SELECT ticket_close('T', '$prepared'); PREPARE TRANSACTION 'close'");
is(run("SELECT status FROM ticket_wait WHERE wait_id = $waiting"), 'waiting', 'a closure is prepared');
run("COMMIT PREPARED 'close'");
becomes($waiting, 'closed', 'a prepared closure');

# ---------------------------------------------------------------------------------------------------------------------
# Many, and over a restart
# ---------------------------------------------------------------------------------------------------------------------
my $many = sold_out();
run("SELECT count(*) FROM generate_series(5001, 7000) AS u, ticket_wait(u, ARRAY[" . option($many) . ", " . option($dates[1]) . "])");
my $late = waits([$dates[2]], deadline => "clock_timestamp() + interval '1 s'");
run("SELECT ticket_withdraw('T', '$many')");
is(run("SELECT o.status, count(*) FROM ticket_wait_option AS o JOIN ticket_departure USING (departure_id) WHERE service_date = '$many' GROUP BY 1"), 'closed|2000', 'thousands end with their train');
is(run("SELECT count(*) FROM ticket_wait WHERE user_id BETWEEN 5001 AND 7000 AND status = 'waiting'"), '2000', 'and wait on for another');
$owner->quit;
$client->quit;
$node->stop('immediate');
sleep 2;
$node->start;
$owner = session($node, 'postgres', verbosity => 'default');
becomes($late, 'expired', 'what was over when the server started');

# ---------------------------------------------------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------------------------------------------------
$waiting = waits([$dates[1], $dates[2]]);
$node->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('two'));
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $expected = run("SELECT * FROM ticket_wait_status($waiting)");
like($expected, qr/\|2000\|sold out/, 'the primary says how many are ahead');
is($standby->safe_psql('postgres', "SELECT * FROM ticket_wait_status($waiting)"), $expected, 'a standby says the same');
my ($status, $output, $error) = $standby->psql('postgres', "SELECT ticket_wait_cancel($waiting)", extra_params => ['--set=VERBOSITY=sqlstate']);
like($error, qr/25006/, 'and changes nothing');
$standby->stop;
is(run('SELECT problem FROM ticket_verify()'), '', 'nothing is left');
$owner->quit;
done_testing();
