# Random statements of a grammar (TicketpoolTest::Fuzz), by several sessions at once: every
# function, with NULLs, absurd dates, megabyte strings, arrays of a million elements and valid
# arguments; as owner, as a seller and as a role without any right, with look-alikes of everything
# in front of the search_path; in transactions, savepoints, cursors, prepared transactions,
# cancelled here and there. Every answer is one of the SQLSTATEs that are listed here, and
# afterwards pool and tables agree and nothing is left behind.
# TICKETPOOL_SEED replays a run (as far as several sessions can), TICKETPOOL_FUZZ_SECONDS sets its
# length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes 'time';
use TicketpoolTest;
use TicketpoolTest::Fuzz;
use TicketpoolTest::FuzzWorker;

my $seed = seed();
my $seconds = $ENV{TICKETPOOL_FUZZ_SECONDS} // 40;
my $node = new_server('fuzz', conf => join("\n", 'ticketpool.memory = 2MB', 'max_prepared_transactions = 20', 'log_min_error_statement = panic',
		q{log_line_prefix = '%m [%p] %e '}, 'deadlock_timeout = 100ms', 'autovacuum_naptime = 5'));

# Answers that are allowed: the extension's contract …
my %contract = map { $_ => 1 } (
	'TK001' .. 'TK007', '22023', '22004',
	'23505', '23514', '23P01',    # opened twice; a row by hand on no seat; an exchange is taken back, and its seat is sold
	'25006', '40001', '42501',    # read-only, serialization failure or hidden twin, no right
	'53200', '54000',             # the pool is full; more than the limits allow
	'55000', '55006',             # not in this state; withdraw meets prepared claims
	'3F000', '42P01', '42703',    # a feed that is not there
	'08001',                      # a departure that is on its way to another node, or has moved there
	'0A000', '57014', '22003',             # not supported; cancelled; stock beyond bigint
	'39P01');                     # a trigger function that was called, or does not belong to that table
# … and the server's own errors about the statements around the calls.
my %server = map { $_ => 1 } (
	'40P01', '55P03',                               # deadlock, lock time-out
	'25P01', '25P02', '25001', '3B001', '34000',    # no transaction, a failed one, one already, no savepoint, no cursor
	'42P03', '42P05', '26000', '42P07', '24000',    # cursor, prepared statement or table there already or not there; cursor's state
	'42704', '42710', '55P02',                      # prepared transactions: no such, twice
	'42P16');                                       # a table with a column of void

# ---------------------------------------------------------------------------------------------------------------------
# What is on sale
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'CREATE ROLE seller LOGIN; CREATE ROLE nobody LOGIN');
my @functions = functions_of($node, 'postgres');
hostile_schema($node, 'postgres');
evil_rules($node, 'postgres');
make_train($node, 'postgres', 'T1', 4);
make_train($node, 'postgres', 'N2', 40);
make_train($node, 'postgres', 'W3', 257);
# More than there is room for.
make_formation($node, 'postgres', 'large', 10_000);
make_train($node, 'postgres', "L$_", 40) for 1 .. 12;
open_departures($node, 'postgres', "L$_", 'large', 3) for 1 .. 12;
# A train that calls at its stations again and again.
$node->safe_psql('postgres', q{
	INSERT INTO ticket_stop SELECT 'P4', 10 * n, 'S' || 1 + n % 4, interval '20 hours' + interval '1 hour' * n, interval '20 hours' + interval '1 hour' * n FROM generate_series(1, 12) n;
	INSERT INTO ticket_formation SELECT f, c::text, 'second', ARRAY(SELECT r || l FROM generate_series(1, 6) r, unnest('{A,B,C,D,F}'::text[]) l), NULL
		FROM unnest('{F1,F2}'::text[]) f, generate_series(1, 3) c;
	INSERT INTO ticket_formation VALUES ('F1', '9', 'standing', NULL, 15), ('tiny', '1', 'second', '{1A,1B}', NULL),
		('painted', '1', 'second', '{1A,1B,12下,F12,"Cabin 7","a,b",61}', NULL), ('painted', '9', 'standing', NULL, 5);
	INSERT INTO ticket_formation_seat SELECT 'painted', '1', s, CASE WHEN s ~ '[A-Z]$' THEN 'bay' END, n, 1, n % 2, ARRAY['quiet', CASE WHEN n % 2 = 0 THEN 'window' ELSE 'lower' END]
		FROM unnest('{1B,12下,F12,"a,b"}'::text[]) WITH ORDINALITY AS u (s, n);
	SELECT count(ticket_open(t, d::date, f, '2020-01-01'))
		FROM unnest('{T1,N2,W3,P4}'::text[], '{F1,F2,F1,painted}'::text[]) o(t, f), generate_series('2031-05-01'::date, '2031-05-03', '1 day') d;
	SELECT ticket_reserve('T1', '2031-05-01', 'second', 'web', 5, 'S1', 'S3');
	SELECT count(item_open(i, 60 * i)) FROM generate_series(1, 6) i;
	SELECT count(*) FROM item_split(5, 3); SELECT count(*) FROM item_split(6, 2, '{1,2}');
	INSERT INTO item_question SELECT i, n, 'The answer to everything?', '42' FROM generate_series(1, 4) i, generate_series(1, 2) n;
	CREATE SCHEMA feed;
	CREATE TABLE feed.stops AS SELECT 'S' || n AS stop_id, 'G' || n AS stop_name, CASE WHEN n > 3 THEN 'S1' END AS parent_station FROM generate_series(1, 4) n;
	CREATE TABLE feed.routes AS SELECT 'r' AS route_id, 'R' AS route_short_name;
	CREATE TABLE feed.trips AS SELECT 'r' AS route_id, 's' || n % 3 AS service_id, 't' || n AS trip_id, 'G' || n % 4 AS number FROM generate_series(1, 12) n;
	CREATE TABLE feed.stop_times AS SELECT trip_id, 'S' || 1 + n AS stop_id, n::text AS stop_sequence, CASE WHEN n <> 1 THEN n || substr(':00:0x', 1, 6 - length(trip_id) % 2) || '0' END AS departure_time
		FROM feed.trips, generate_series(0, 3) n;
	CREATE TABLE feed.calendar_dates AS SELECT 's' || n % 2 AS service_id, '2031050' || n AS date, '1' AS exception_type FROM generate_series(1, 4) n;
	CREATE TABLE feed.frequencies AS SELECT 't4' AS trip_id, '5:00:00' AS start_time, '05:20:00' AS end_time, '600' AS headway_secs;
	GRANT USAGE ON SCHEMA feed TO seller; GRANT SELECT ON ALL TABLES IN SCHEMA feed TO seller;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO seller;
	GRANT CREATE ON SCHEMA public TO seller;
	GRANT SELECT ON pg_backend_memory_contexts TO seller, nobody;
	GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts() TO seller, nobody});
ok(@functions > 35, scalar(@functions) . ' functions of the extension are called');

# A departure that does not fit makes everything else leave memory. What is used then should never
# grow.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION ticketpool');
make_formation($node, 'other', 'too large', 55_000);
make_train($node, 'other', 'M', 200);
open_departures($node, 'other', 'M', 'too large');
sub used_when_empty
{
	my $session = session($node, 'other');
	$session->run("SELECT ticket_remaining('M', 'S1', 'S200', '2031-05-01')");
	my $state = $session->sqlstate;
	$session->quit;
	return "$state " . $node->safe_psql('other', 'SELECT bytes_used, departures, items FROM ticket_pool_stat');
}
my $empty = used_when_empty();
like($empty, qr/^53200 \d+\|0\|0$/, 'the pool can be emptied');
my $log_begins = -s $node->logfile;

# ---------------------------------------------------------------------------------------------------------------------
# The sessions
# ---------------------------------------------------------------------------------------------------------------------
# who: the role; hostile: may put look-alikes into its search_path; prepares: uses two-phase commit.
my @kinds = (
	{ who => 'owner', owner => 1, prepares => 1 },
	{ who => 'seller', hostile => 1 },
	{ who => 'seller', prepares => 1, hostile => 1 },
	{ who => 'nobody', nobody => 1, hostile => 1 });

sub fuzz
{
	my ($number, $log, $until) = @_;
	my $kind = $kinds[$number];
	my $user = $kind->{owner} ? '' : " user=$kind->{who}";
	my $session = TicketpoolTest::Session->new($node->connstr('postgres') . "$user application_name=fuzz options='-c statement_timeout=3s'");
	my $worker = TicketpoolTest::FuzzWorker->new(%$kind, number => $number, log => $log, session => $session, functions => \@functions, fine => { %contract, %server });
	$worker->run('SET search_path = hostile, pg_catalog, public') if $kind->{hostile};
	my ($statements, $next) = (0, time() + 20);
	# Even on the slowest machine, each function gets its turn a few times.
	while (time() < $until || $statements < 6 * @functions)
	{
		my @statement = TicketpoolTest::Fuzz::statement($worker);
		$worker->run(@statement);
		$statements++;
		if (time() > $next) { note("session $number: $statements statements"); $next = time() + 20 }
		if ($worker->{session}->is_lost) { print $log "bad connection lost: $statement[0]\n"; last }
	}
	$worker->run_through(@$_)
	  for [ 'ROLLBACK' ], [ 'SET statement_timeout = 0' ], (map { [ "ROLLBACK PREPARED '$_'", 'decided' ] } @{ $worker->{prepared} }),
	  [ 'DISCARD ALL' ], [ 'SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts' ];
	print $log "memory $kind->{who} ", $worker->{session}->output, "\n";
	print $log "statements $statements\n";
	print $log "state $_ $worker->{states}{$_}\n" for sort keys %{ $worker->{states} };
	print $log "called $_ $worker->{called}{$_}\n" for sort keys %{ $worker->{called} };
	print $log "succeeded $_\n" for sort keys %{ $worker->{succeeded} };
	$worker->{session}->quit;
	return;
}

my $until = time() + $seconds;
my $workers = start_workers(scalar(@kinds), sub { fuzz(@_, $until) });
ok(wait_workers($workers), "the fuzzers came to their end (TICKETPOOL_SEED=$seed)");

# ---------------------------------------------------------------------------------------------------------------------
# What they met
# ---------------------------------------------------------------------------------------------------------------------
my (@bad, %states, %called, %succeeded, %memory, $statements);
for (log_lines($workers))
{
	my ($number, $what, $rest) = split / /, $_, 3;
	push @bad, "$number: $rest" if $what eq 'bad';
	$statements += $rest if $what eq 'statements';
	if ($what eq 'state') { my ($state, $count) = split / /, $rest; $states{$state} += $count }
	$succeeded{$rest} = 1 if $what eq 'succeeded';
	if ($what eq 'called') { my ($name, $count) = split / /, $rest; $called{$name} += $count }
	$memory{"$number ($1)"} = $2 if $what eq 'memory' && $rest =~ /^(\w+) (\d+)$/;
}
note("$statements statements: ", join(', ', map { "$_ $states{$_}" } sort keys %states));
note('never got through: ', join(' ', grep { !$succeeded{$_} } map { $_->{name} } grep { !$_->{trigger} } @functions));
is(join("\n", map { substr($_, 0, 2000) } @bad[ 0 .. ($#bad < 20 ? $#bad : 20) ]), '', "every answer has a SQLSTATE that it may have (TICKETPOOL_SEED=$seed)");
is(join(' ', grep { !$called{ $_->{name} } } @functions), '', 'every function was called');
cmp_ok($states{'00000'} // 0, '>', 0.1 * $statements, 'many calls got through');
cmp_ok(scalar(grep { $states{$_} } keys %contract), '>=', 8, 'and many sorts of refusal were met');
is(scalar(keys %memory), scalar(@kinds), 'each session told what memory it has at the end');
cmp_ok($memory{$_}, '<', 24 * 1024 * 1024, "session $_ keeps little memory") for sort keys %memory;

# ---------------------------------------------------------------------------------------------------------------------
# What they left
# ---------------------------------------------------------------------------------------------------------------------
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is prepared');
in_flight_is_empty($node, 'postgres', 'at last');
not_twice($node, 'postgres', 'at last');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'ticket_verify finds nothing');
is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', 'item_verify finds nothing');
is(used_when_empty(), $empty, 'no shared memory was lost');
my $log = slurp_file($node->logfile, $log_begins);
is(join("\n", $log =~ /^(.*(?:terminated by signal|PANIC|TRAP:| FATAL:(?!.*terminating (?:autovacuum|background))).*)$/mg), '', 'no process of the server died');
is(join("\n", $log =~ /^(.* XX[0-9A-Z]{3} .*)$/mg), '', 'nothing internal was reported');
my ($longest) = sort { $b <=> $a } map { length } grep { !/^\t/ } split /\n/, $log;
cmp_ok($longest, '<', 2000, 'a megabyte in an argument makes no megabyte in the log');
$node->restart;
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify() UNION ALL SELECT * FROM item_verify()'), '', 'and the same is found after a restart');
$node->stop('fast');
done_testing();
