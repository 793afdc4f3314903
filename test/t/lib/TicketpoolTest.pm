# What the TAP tests share: servers with the extension, trains, sessions that several tests drive at
# once, and the proofs that pool and tables agree. The proofs use plain SQL on the order table, not
# what the extension says.
package TicketpoolTest;

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use File::Basename ();
use File::Copy ();
use File::Path ();
use File::Temp ();
use FindBin;
use IO::Handle;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest::Server;
use TicketpoolTest::Session;

our @EXPORT = qw(seed new_server installation_with keep_sessions load_data make_train make_formation open_departures session start_workers
  wait_workers stop_and_start parallel_setting becomes_true log_lines wait_log_lines await not_twice agrees items_agree indexes_are_whole in_flight_is_empty settles matrix crashes kill_9_of DAY);

# Far enough in the future that no test depends on the date it runs on.
use constant DAY => '2031-05-01';

$SIG{PIPE} = 'IGNORE';
# A shell starts background jobs with these two ignored, and what they start would ignore them as
# well: PgBouncer is stopped by one of them.
$SIG{$_} = 'DEFAULT' for qw(INT QUIT);
# The server's test library sends standard error to a file. What ends a test has to be seen.
$SIG{__DIE__} = sub { diag("died: $_[0]") if defined $^S && !$^S };

# A new cluster is a copy of the one that test/run has made with these options, which takes a fifth of
# the time of initdb. The server's test library of PostgreSQL 15 does not do that by itself.
my @cluster_options = ('--encoding=UTF8', '--no-locale');
{
	no warnings 'redefine';
	my $system_or_bail = \&PostgreSQL::Test::Utils::system_or_bail;
	*PostgreSQL::Test::Utils::system_or_bail = sub {
		my (@command) = @_;
		if ($ENV{TICKETPOOL_CLUSTER} && $command[0] eq 'initdb' && $command[1] eq '-D')
		{
			my $pgdata = splice @command, 2, 1;
			@command = "@command" eq "initdb -D -A trust -N @cluster_options" ? ('cp', '-RPp', $ENV{TICKETPOOL_CLUSTER}, $pgdata) : @_;
		}
		return $system_or_bail->(@command);
	};
}

# The seed of this run: TICKETPOOL_SEED, else a new one; printed, so that a failure can be replayed.
sub seed
{
	my $seed = $ENV{TICKETPOOL_SEED} // int(rand(2**31));
	srand($seed);
	diag("TICKETPOOL_SEED=$seed") if defined $ENV{TICKETPOOL_SEED};
	note("seed: set TICKETPOOL_SEED=$seed to replay");
	return $seed;
}

# A running server with the library preloaded and the extension in database postgres. conf: more
# settings; database => 0: no extension; streaming => 1: standbys can be made from it;
# install_path: see installation_with.
sub new_server
{
	my ($name, %options) = @_;
	my $node = keep_sessions(PostgreSQL::Test::Cluster->new($name, $options{install_path} ? (install_path => $options{install_path}) : ()));
	$node->init(allows_streaming => $options{streaming} // 0, extra => \@cluster_options);
	$node->append_conf('postgresql.conf', join("\n",
		"shared_preload_libraries = 'ticketpool'",
		'log_statement = none',
		'max_connections = 40',
		'restart_after_crash = on',
		'autovacuum = on',
		$options{conf} // '',
		# What test/long.sh requires of every server.
		split /;/, $ENV{TICKETPOOL_CONF} // ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION ticketpool') unless $options{plain};
	return $node;
}

# A PostgreSQL installation that has these extension scripts as well, for a node's install_path. A
# program finds its files by where it is, so programs are copied, and all the rest are links.
sub installation_with
{
	my (@scripts) = @_;
	my $root = Cwd::abs_path(PostgreSQL::Test::Utils::tempdir);
	my ($bindir, $pkglibdir, $sharedir) = map { my ($directory) = PostgreSQL::Test::Utils::run_command([ 'pg_config', "--$_" ]); $directory } qw(bindir pkglibdir sharedir);
	File::Path::make_path("$root$bindir", File::Basename::dirname("$root$pkglibdir"), "$root$sharedir/extension");
	for my $program (glob "$bindir/*") { File::Copy::cp($program, "$root$program") or die "$program: $!" }
	symlink $pkglibdir, "$root$pkglibdir" or die "$pkglibdir: $!";
	for my $script (@scripts) { File::Copy::cp($script, "$root$sharedir/extension") or die "$script: $!" }
	for my $file (grep { !-e "$root$_" } glob "$sharedir/* $sharedir/extension/*") { symlink $file, "$root$file" or die "$file: $!" }
	return File::Basename::dirname("$root$bindir");
}

# For a node that was made in another way: its psql and safe_psql do not start a process for each
# call either (TicketpoolTest::Server).
sub keep_sessions { my ($node) = @_; return TicketpoolTest::Server::keep($node) }

# restart() of the server's own test library takes no mode in PostgreSQL 15 and named parameters in later ones.
sub stop_and_start
{
	my ($node, $mode) = @_;
	$node->stop($mode);
	$node->start;
	return;
}

# The setting that makes queries parallel whether that pays or not; PostgreSQL 16 renamed it.
sub parallel_setting
{
	my ($version) = PostgreSQL::Test::Utils::run_command([ 'postgres', '--version' ]);
	return $version =~ /(\d+)/ && $1 >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
}

# The timetables of test/data: 'sample' (China) or 'edge' (India). Not both in one database.
sub load_data
{
	my ($node, $database, $which) = @_;
	my $dir = "$FindBin::RealBin/../data";
	$node->command_ok([ 'psql', '-XAtq', '-v', "dir=$dir", '-d', $node->connstr($database), '-f', "$dir/load_$which.sql" ],
		"timetable '$which' is loaded");
	return;
}

# A train with stops S1 … Sn (prefix S by default), ten minutes apart.
sub make_train
{
	my ($node, $database, $train, $stops, $prefix) = @_;
	$prefix //= 'S';
	$node->safe_psql($database, qq{
		INSERT INTO ticket_station SELECT '$prefix' || n, 'Station $prefix' || n FROM generate_series(1, $stops) n
			ON CONFLICT DO NOTHING;
		INSERT INTO ticket_stop SELECT '$train', n, '$prefix' || n, interval '10 minutes' * n, interval '10 minutes' * n
			FROM generate_series(1, $stops) n});
	return;
}

# A formation of one class with this many seats, 100 per coach, five per row.
sub make_formation
{
	my ($node, $database, $formation, $seats, $class) = @_;
	$class //= 'second';
	$node->safe_psql($database, qq{
		INSERT INTO ticket_formation (formation, coach, seat_class, seats)
		SELECT '$formation', to_char(i / 100 + 1, 'FM000'), '$class',
			array_agg((i % 100) / 5 + 1 || substr('ABCDF', i % 5 + 1, 1) ORDER BY i)
		FROM generate_series(0, $seats - 1) i GROUP BY i / 100});
	return;
}

# Puts a train on sale for this many days from DAY on.
sub open_departures
{
	my ($node, $database, $train, $formation, $days) = @_;
	my $day = DAY;
	$days //= 1;
	$node->safe_psql($database,
		"SELECT count(ticket_open('$train', date '$day' + n, '$formation', '2020-01-01')) FROM generate_series(0, $days - 1) n");
	return;
}

sub session
{
	my ($node, $database, %options) = @_;
	return TicketpoolTest::Session->new($node->connstr($database // 'postgres'), %options);
}

# ---------------------------------------------------------------------------------------------------------------------
# Workers: processes that each run a sub. What they print to their log is available to the test
# afterwards, line by line.
# ---------------------------------------------------------------------------------------------------------------------

# start_workers($count, sub { my ($number, $log) = @_; … }): each with its own random numbers, in the seed's order.
sub start_workers
{
	my ($count, $work) = @_;
	my $dir = File::Temp::tempdir(CLEANUP => 1);
	my @seeds = map { int(rand(2**31)) } 1 .. $count;
	my @pids;
	for my $number (0 .. $count - 1)
	{
		my $pid = fork();
		die "fork: $!" unless defined $pid;
		if ($pid == 0)
		{
			# Nothing that the parent does at its end happens here.
			my $status = 1;
			TicketpoolTest::Server::forget();
			srand($seeds[$number]);
			open(my $log, '>', "$dir/$number") or POSIX::_exit(2);
			$log->autoflush(1);
			$status = 0 if eval { $work->($number, $log); 1 };
			diag("worker $number: $@") if $status;
			close $log;
			POSIX::_exit($status);
		}
		push @pids, $pid;
	}
	return { pids => \@pids, dir => $dir };
}

# True if every worker ended well. As long as they write to their logs, the test reports that it
# makes progress.
sub wait_workers
{
	my ($workers) = @_;
	my ($failed, $told, $written) = (0, time(), 0);
	my @pids = @{ $workers->{pids} };
	while (@pids)
	{
		my $pid = waitpid($pids[0], POSIX::WNOHANG);
		if ($pid != 0)
		{
			$failed++ if $pid < 0 || $? != 0;
			shift @pids;
			next;
		}
		select(undef, undef, undef, 0.02);
		next if time() < $told + 20;
		my $now = 0;
		$now += -s "$workers->{dir}/$_" // 0 for 0 .. $#{ $workers->{pids} };
		note(@pids . ' workers are at work') if $now > $written;
		($told, $written) = (time(), $now);
	}
	return $failed == 0;
}

# The workers' whole lines so far, each with its worker's number in front.
sub log_lines
{
	my ($workers) = @_;
	my @lines;
	for my $number (0 .. $#{ $workers->{pids} })
	{
		open(my $log, '<', "$workers->{dir}/$number") or next;
		while (my $line = <$log>)
		{
			push @lines, "$number $1" if $line =~ /^(.*)\n$/;
		}
		close $log;
	}
	return @lines;
}

# Waits until the workers have written this many more lines.
sub wait_log_lines
{
	my ($workers, $count) = @_;
	return await(sub { scalar(log_lines($workers)) >= $count });
}

# Calls the sub until it returns true; false after the usual time limit of tests.
sub await
{
	my ($condition) = @_;
	# Most conditions are a psql of their own: waiting for long, it would take half a processor.
	my ($until, $pause) = (time() + $PostgreSQL::Test::Utils::timeout_default, 0.03);
	until ($condition->())
	{
		return 0 if time() > $until;
		select(undef, undef, undef, $pause);
		$pause *= 1.3 if $pause < 0.3;
	}
	return 1;
}

# Waits until the query says 't', also through a server's restart. (poll_query_until dies if psql
# could not connect.)
sub becomes_true
{
	my ($node, $database, $sql) = @_;
	return await(sub {
		my ($status, $out) = eval { $node->psql($database, $sql) };
		return defined $out && $out eq 't';
	});
}

# ---------------------------------------------------------------------------------------------------------------------
# Crashes
# ---------------------------------------------------------------------------------------------------------------------

sub start_again
{
	my ($node) = @_;
	# A killed postmaster's children may need a moment to notice. Each failed attempt is cleaned up
	# after.
	return await(sub { $node->start(fail_ok => 1) || ($node->stop('fast', fail_ok => 1) && 0) });
}

# Sends kill -9 to a process that meets the condition on pg_stat_activity; true when the server has
# restarted by itself. (A connection before that would only meet the end of the old one.)
sub kill_9_of
{
	my ($node, $condition) = @_;
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE $condition AND pid <> pg_backend_pid()
		ORDER BY state = 'active' DESC, random() LIMIT 1");
	my $offset = -s $node->logfile;
	kill 'KILL', $pid;
	return await(sub { slurp_file($node->logfile, $offset) =~ /ready to accept connections/ });
}

# Ways to end a server: what each is called, and a sub that does it and returns true once the server is up again.
sub crashes
{
	my ($node) = @_;
	return (
		'fast stop' => sub { $node->stop('fast'); start_again($node) },
		'immediate stop' => sub { $node->stop('immediate'); start_again($node) },
		'kill -9 of the postmaster' => sub { $node->kill9; start_again($node) },
		'kill -9 of a backend' => sub { kill_9_of($node, "backend_type = 'client backend'") });
}

# ---------------------------------------------------------------------------------------------------------------------
# Proofs
# ---------------------------------------------------------------------------------------------------------------------

# Every row of the extension's tables and their partitions has its entry in every index that wants
# one: rows are written without the executor, too.
sub indexes_are_whole
{
	my ($node, $database, $label) = @_;
	$node->safe_psql($database, 'CREATE EXTENSION IF NOT EXISTS amcheck');
	my ($status, $output, $error) = $node->psql($database, q{
		SELECT count(bt_index_check(i.indexrelid, true)) > 0 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
		WHERE c.relkind = 'i' AND i.indisvalid AND t.relname ~ '^(ticket|item)_'});
	return is("$output$error", 't', "$label: every row is in its indexes");
}

# No two live tickets hold one seat over one stretch.
sub not_twice
{
	my ($node, $database, $label) = @_;
	is($node->safe_psql($database, q{
		SELECT count(*) FROM (
			SELECT from_stop < max(to_stop) OVER (PARTITION BY departure_id, coach, seat ORDER BY from_stop, to_stop, order_id, ticket_no
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS twice
			FROM ticket_order WHERE status IN ('held', 'sold') AND seat IS NOT NULL) o WHERE twice}),
		'0', "$label: no seat is sold twice");
	return;
}

# For every pair of stops of every departure on sale, what the tables say must be left to everybody:
# one row for each where the matrix from memory differs. A seat is free over a trip where one of the
# gaps between its tickets and quotas covers the trip; a coach with unnumbered places has what its
# fullest stretch leaves.
my $differences = q{
	WITH class AS (
		SELECT d.departure_id, d.train, d.service_date, c.seat_class, r.stop_nos, r.stop_nos[1] AS first, r.stop_nos[cardinality(r.stop_nos)] AS last
		FROM ticket_departure d JOIN ticket_route r USING (route_id) JOIN ticket_layout_coach c USING (layout_id)
		WHERE d.status = 'open' AND %s GROUP BY d.departure_id, c.seat_class, r.stop_nos
	), stretch AS (
		SELECT departure_id, seat_class, coach, seat, from_stop, to_stop FROM ticket_order
		WHERE status IN ('held', 'sold') AND seat IS NOT NULL AND departure_id IN (SELECT departure_id FROM class)
		UNION ALL
		SELECT departure_id, seat_class, split_part(s, '/', 1), split_part(s, '/', 2), from_stop, to_stop
		FROM ticket_reservation, unnest(seat_list) s WHERE status = 'open' AND departure_id IN (SELECT departure_id FROM class)
		UNION ALL
		SELECT departure_id, c.seat_class, coach, seat, last, NULL
		FROM class c JOIN ticket_departure d USING (departure_id) JOIN ticket_layout_coach l USING (layout_id, seat_class), unnest(l.seats) seat
	), gap AS (
		SELECT departure_id, seat_class, from_stop AS gap_to,
			max(to_stop) OVER (PARTITION BY departure_id, seat_class, coach, seat ORDER BY from_stop, to_stop
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap_from
		FROM stretch
	), gaps AS MATERIALIZED (
		SELECT departure_id, seat_class, coalesce(gap_from, first) AS gap_from, gap_to, count(*) AS seats
		FROM gap JOIN class USING (departure_id, seat_class) WHERE coalesce(gap_from, first) < gap_to GROUP BY 1, 2, 3, 4
	), places AS MATERIALIZED (
		SELECT departure_id, c.seat_class, l.coach, stop, l.places - (SELECT count(*) FROM ticket_order o
			WHERE o.departure_id = c.departure_id AND o.coach = l.coach AND o.seat IS NULL AND o.seat_class = c.seat_class
				AND status IN ('held', 'sold') AND from_stop <= stop AND to_stop > stop) AS free
		FROM class c JOIN ticket_departure d USING (departure_id) JOIN ticket_layout_coach l USING (layout_id, seat_class), unnest(stop_nos) stop
		WHERE l.places > 0
	), left_in_coach AS MATERIALIZED (
		SELECT f.departure_id, f.seat_class, f.coach, f.stop AS from_stop, t.stop AS to_stop, min(b.free) AS free
		FROM places f JOIN places t USING (departure_id, seat_class, coach) JOIN places b USING (departure_id, seat_class, coach)
		WHERE f.stop < t.stop AND b.stop >= f.stop AND b.stop < t.stop GROUP BY 1, 2, 3, 4, 5
	), left_in_places AS MATERIALIZED (
		SELECT departure_id, seat_class, from_stop, to_stop, sum(left_in_coach.free) AS places FROM left_in_coach GROUP BY 1, 2, 3, 4
	)
	SELECT c.departure_id, c.seat_class, m.from_stop, m.to_stop, m.remaining AS in_memory, coalesce(sum(g.seats), 0) + coalesce(min(p.places), 0) AS in_tables
	FROM class c CROSS JOIN LATERAL ticket_remaining_matrix(c.train, c.service_date, c.seat_class) m
		LEFT JOIN gaps g ON g.departure_id = c.departure_id AND g.seat_class = c.seat_class AND gap_from <= m.from_stop AND gap_to >= m.to_stop
		LEFT JOIN left_in_places p ON p.departure_id = c.departure_id AND p.seat_class = c.seat_class AND p.from_stop = m.from_stop AND p.to_stop = m.to_stop
	GROUP BY c.departure_id, c.seat_class, m.from_stop, m.to_stop, m.remaining
	HAVING m.remaining <> coalesce(sum(g.seats), 0) + coalesce(min(p.places), 0)};

# Pool and tables agree, by our own SQL and by ticket_verify, and no seat is sold twice. Nothing may
# be running. where: a condition on ticket_departure d, to compare the matrices of some only.
sub agrees
{
	my ($node, $database, $label, $where) = @_;
	not_twice($node, $database, $label);
	is($node->safe_psql($database, sprintf($differences, $where // 'true')), '', "$label: the pool is what the tables say");
	is($node->safe_psql($database, 'SELECT * FROM ticket_verify()'), '', "$label: ticket_verify finds nothing");
	items_agree($node, $database, $label);
	return;
}

# The same for plain quantities: what is left of an item is what was put on sale less live orders,
# and never negative.
sub items_agree
{
	my ($node, $database, $label) = @_;
	is($node->safe_psql($database, q{
		SELECT item_id, sum(quantity - sold) FILTER (WHERE status <> 'closed'), item_remaining(item_id)
		FROM item_inventory i, LATERAL (SELECT coalesce(sum(buy_quantity), 0) AS sold FROM item_order o WHERE o.inventory_id = i.id AND o.item_id = i.item_id AND o.status IN ('held', 'sold')) o
		WHERE EXISTS (SELECT FROM item_inventory r WHERE r.item_id = i.item_id AND parent_id IS NULL)
		GROUP BY item_id HAVING coalesce(sum(quantity - sold) FILTER (WHERE status <> 'closed'), 0) <> item_remaining(item_id) OR min(quantity - sold) < 0}),
		'', "$label: of each item there is left what the tables say");
	is($node->safe_psql($database, 'SELECT * FROM item_verify()'), '', "$label: item_verify finds nothing");
	return;
}

# Until nothing happens by itself any more: every hold that runs out within a minute has done so, the
# waiting list has had what it freed, and no other session is in a transaction. The worker's own
# transactions would otherwise come between the two sides of a comparison of agrees.
sub settles
{
	my ($node, $database, $label) = @_;
	ok(becomes_true($node, $database, q{SELECT NOT EXISTS (SELECT FROM ticket_order WHERE status = 'held' AND held_until < clock_timestamp() + interval '1 minute')
		AND NOT EXISTS (SELECT FROM item_order WHERE status = 'held' AND held_until < clock_timestamp() + interval '1 minute')
		AND NOT EXISTS (SELECT FROM ticket_inflight)
		AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker')}), "$label: all is quiet");
	return;
}

# Transactions that ended left no claim behind. (It waits for a transaction that is being cleaned up
# after a lost client.)
sub in_flight_is_empty
{
	my ($node, $database, $label) = @_;
	ok(becomes_true($node, $database, 'SELECT count(*) = 0 FROM ticket_inflight'), "$label: no claim is left in flight");
	return;
}

# All counts of all departures on sale in one string.
sub matrix
{
	my ($node, $database) = @_;
	return $node->safe_psql($database, q{
		SELECT d.departure_id, m.from_stop, m.to_stop, m.remaining
		FROM ticket_departure d, LATERAL ticket_remaining_matrix(d.train, d.service_date, NULL) m ORDER BY 1, 2, 3});
}

1;
