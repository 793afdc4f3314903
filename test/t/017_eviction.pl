# The smallest possible pool and ten thousand departures on sale, which need ten times its memory:
# everything works, only slower. Clients of all kinds sell over all of them at random; claims in
# flight stay where they are.
# TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets its length.
use strict;
use warnings;

use File::Temp ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(sum0);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $operations = $ENV{TICKETPOOL_OPS} // 300;    # of each client
my $day = DAY;
my $dir = File::Temp::tempdir(CLEANUP => 1);
my ($trains, $days, $stops) = (1000, 10, 20);
my %seats = (small => 200, medium => 600, large => 4000);
my $node = new_server('eviction', conf => "ticketpool.memory = 2MB\nmax_prepared_transactions = 40");
is($node->safe_psql('postgres', q{SELECT setting = min_val FROM pg_settings WHERE name = 'ticketpool.memory'}), 't', 'the memory is the least there can be');

make_formation($node, 'postgres', $_, $seats{$_}) for sort keys %seats;
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, $stops) n;
	INSERT INTO ticket_stop SELECT 'T' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, $trains) t, generate_series(1, $stops) n;
	ANALYZE});
# A ticket_open for each train and each day; the other rows are written as by a restore, which is
# quicker.
$node->safe_psql('postgres', qq{
	SELECT count(ticket_open('T' || t, '$day', CASE WHEN t % 50 = 0 THEN 'large' WHEN t % 3 = 0 THEN 'medium' ELSE 'small' END, '2020-01-01')) FROM generate_series(1, $trains) t;
	SELECT count(ticket_open('T1', date '$day' + n, 'small', '2020-01-01')) FROM generate_series(1, $days - 1) n;
	INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
		SELECT train, service_date + n, formation, opens_at, route_id, layout_id FROM ticket_departure, generate_series(1, $days - 1) n
		WHERE service_date = '$day' AND train <> 'T1';
	ANALYZE});
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_departure}), 10_000, 'ten thousand departures are on sale');

sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM ticket_pool_stat") }
sub any { return $_[ rand @_ ] }

# Trains from T901 on are this process's own; the clients sell the others.
my $touch_all = qq{SELECT count(*) FROM generate_series(1, 900) t, generate_series(0, $days - 1) n WHERE ticket_remaining('T' || t, 'S1', 'S2', date '$day' + n) < 0};
$node->safe_psql('postgres', $touch_all);
cmp_ok(stat_of('departures'), '<', 1000, 'the pool has room for less than a tenth of them');

# ---------------------------------------------------------------------------------------------------------------------
# Claims in flight, of a session and of a prepared transaction; a refund in flight; a quota, and claims on it
# ---------------------------------------------------------------------------------------------------------------------
my $pins = 30;    # more than a session has pins of its own
my $refunded = $node->safe_psql('postgres', "SELECT order_id FROM ticket_buy('T990', 'S1', 'S20', 1, '$day')");
my $holder = session($node);
$holder->run('BEGIN');
is($holder->run(qq{SELECT count(*) FROM generate_series(901, 900 + $pins) t, ticket_buy('T' || t, 'S1', 'S20', 1, '$day')}), $pins, 'a transaction claims seats on many departures');
is($holder->run("SELECT status FROM ticket_refund($refunded)"), 'refunded', 'and refunds one');
is($holder->run("SELECT ticket_reserve('T991', '$day', 'second', 'web', 7, 'S3', 'S9') IS NOT NULL"), 't', 'and sets a quota aside');
is($holder->run("SELECT count(*) FROM ticket_buy('T991', 'S3', 'S9', 1, '$day', passengers => '{1,2}', channel => 'web')"), 2, 'and sells from it');
my $preparer = session($node);
$preparer->run('BEGIN');
$preparer->run(qq{SELECT count(*) FROM generate_series(901, 900 + $pins) t, ticket_buy('T' || t, 'S5', 'S6', 2, date '$day' + 1)});
$preparer->run(q{PREPARE TRANSACTION 'long'});
is($preparer->sqlstate, '00000', 'another one is prepared');
$preparer->quit;

# One line: how far what is in memory differs from what it has to be.
my $pinned_wrong = join ' + ', map { "(SELECT count(*) FROM $_)" } (
	map({ my ($date, $trip) = @$_; qq{generate_series(901, 900 + $pins) t, ticket_departure d WHERE d.train = 'T' || t AND d.service_date = $date
		AND ticket_remaining(d.train, $trip, d.service_date) <> (SELECT sum(cardinality(seats)) - 1 FROM ticket_formation f WHERE f.formation = d.formation)} }
		[ "date '$day'", "'S1', 'S20'" ], [ "date '$day' + 1", "'S5', 'S6'" ]),
	qq{ticket_remaining('T990', 'S1', 'S20', '$day') r WHERE r <> 599},
	qq{ticket_remaining('T991', 'S3', 'S9', '$day') r WHERE r <> 193},
	# Nobody else sees a quota that has not committed.
	qq{ticket_remaining('T991', 'S3', 'S9', '$day', channel => 'web') r WHERE r <> 193});
my $pinned_away = 2 * $pins + 2 . qq{ - (SELECT count(*) FROM ticket_pool WHERE service_date = '$day' AND train IN ('T990', 'T991')
	OR service_date <= date '$day' + 1 AND train IN (SELECT 'T' || t FROM generate_series(901, 900 + $pins) t))};

# ---------------------------------------------------------------------------------------------------------------------
# The clients. What was acknowledged goes to the log: an order's id and its status from now on.
# ---------------------------------------------------------------------------------------------------------------------
my $client = {};

# SQL that must work; its output.
sub run
{
	my ($sql) = @_;
	my $output = $client->{session}->run($sql);
	die "$sql: " . $client->{session}->sqlstate . " $output" unless $client->{session}->is_ok;
	return $output;
}

# Half of all steps are on about a hundred departures, the others anywhere.
sub departure
{
	my $t = rand() < 0.5 ? 1 + int(rand 40) : 1 + int(rand 900);
	return ("'T$t'", sprintf("date '%s' + %d", $day, rand $days));
}

sub trip
{
	my $from = 1 + int(rand($stops - 1));
	my $to = $from + 1 + int(rand($stops - $from));
	return "'S$from', 'S$to'";
}

# In a transaction, what happens to orders is written down when it ends.
sub acknowledge
{
	my ($id, $status) = @_;
	if ($client->{changes}) { $client->{changes}{$id} = $status; return }
	$client->{orders}{$id} = $status;
	print { $client->{log} } "$id $status\n";
	return;
}

sub status_of { my ($id) = @_; return $client->{changes}{$id} // $client->{orders}{$id} }

sub order
{
	my (@statuses) = @_;
	my %all = (%{ $client->{orders} }, %{ $client->{changes} // {} });
	return any(sort { $a <=> $b } grep { my $s = $all{$_}; !$client->{locked}{$_} && grep { $_ eq $s } @statuses } keys %all);
}

sub take
{
	my ($train, $date) = departure();
	my ($call, $status) = rand() < 0.4 ? ('ticket_hold', 'held') : ('ticket_buy', 'sold');
	my $party = rand() < 0.7 ? '{1}' : '{1,2,3}';
	my $id = run("SELECT DISTINCT order_id FROM $call($train, ${\trip()}, $client->{number}, $date, passengers => '$party')");
	acknowledge($id, $status) if $id ne '';
	return;
}

sub set
{
	my ($call, $status, @from) = @_;
	my $id = order(@from) // return;
	my $is = run("SELECT DISTINCT status FROM $call($id)");
	die "$call($id): $is" if $is ne $status;
	acknowledge($id, $status);
	return;
}

sub change
{
	my $id = order('sold') // return;
	my ($train, $date) = departure();
	my $new = run("SELECT DISTINCT order_id FROM ticket_change($id, $train, ${\trip()}, $date)");
	return if $new eq '';
	acknowledge($id, 'changed');
	acknowledge($new, 'sold');
	return;
}

sub count_seats
{
	my ($train, $date) = departure();
	run("SELECT ticket_remaining($train, ${\trip()}, $date)");
	run("SELECT count(*) FROM ticket_remaining_matrix($train, $date, 'second')");
	return;
}

# Makes other departures leave memory.
sub wander { return run("SELECT count(ticket_remaining('T' || (1 + random() * 899)::int, 'S2', 'S3', date '$day' + (random() * 9)::int)) FROM generate_series(1, 300)") }

# A quota is set up and given back. Buyers of the open channel never see its seats.
sub quota
{
	my ($train, $date) = departure();
	my $id = run("SELECT ticket_reserve($train, $date, 'second', 'web', 5, 'S2', 'S12')");
	return if $id eq '';
	my $order = run("SELECT order_id FROM ticket_buy($train, 'S3', 'S5', $client->{number}, $date, channel => 'web')");
	acknowledge($order, 'sold') if $order ne '';
	wander();
	run("SELECT ticket_recycle($id)");
	return;
}

# Claims on several departures that stay open for a while; a part of it is rolled back.
sub transaction
{
	run('BEGIN');
	$client->{changes} = {};
	take() for 1 .. 1 + int(rand 8);
	wander() if rand() < 0.3;
	my %before = %{ $client->{changes} };
	run('SAVEPOINT s');
	step(0.6) for 1 .. 1 + int(rand 4);
	if (rand() < 0.5)
	{
		run('ROLLBACK TO s');
		$client->{changes} = \%before;
	}
	step(0.6) for 1 .. 1 + int(rand 2);
	my $changes = delete $client->{changes};
	my $end = rand;
	if ($end < 0.3) { run('ROLLBACK') }
	elsif ($end < 0.7)
	{
		run('COMMIT');
		acknowledge($_, $changes->{$_}) for keys %$changes;
	}
	else
	{
		my $name = "c$client->{number}." . ++$client->{prepared};
		run("PREPARE TRANSACTION '$name'");
		# The rows of its orders are locked until it is decided.
		$client->{locked}{$_} = 1 for keys %$changes;
		push @{ $client->{undecided} }, [ $name, $changes ];
		decide() if @{ $client->{undecided} } > 2;
	}
	return;
}

sub decide
{
	my ($name, $changes) = @{ shift @{ $client->{undecided} } // return };
	my $commit = rand() < 0.5;
	run(($commit ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$name'");
	delete $client->{locked}{$_} for keys %$changes;
	$commit and acknowledge($_, $changes->{$_}) for keys %$changes;
	return;
}

sub step
{
	my $kind = rand($_[0] // 1);
	if ($kind < 0.25) { take() }
	elsif ($kind < 0.32) { set('ticket_confirm', 'sold', 'held') }
	elsif ($kind < 0.36) { set('ticket_cancel', 'cancelled', 'held') }
	elsif ($kind < 0.44) { set('ticket_refund', 'refunded', 'sold') }
	elsif ($kind < 0.50) { change() }
	elsif ($kind < 0.60) { count_seats() }
	elsif ($kind < 0.66) { quota() }
	elsif ($kind < 0.70) { wander() }
	elsif ($kind < 0.72) { run(sprintf "SELECT count(*) FROM ticket_search('S%d', 'S20', date '$day' + %d)", 1 + rand 10, rand $days) }
	elsif ($kind < 0.90) { transaction() }
	else { decide() }
	return;
}

my $evictions = stat_of('evictions');
my $workers = start_workers(6, sub {
	my ($number, $log) = @_;
	$client = { number => 1000 + $number, log => $log, session => session($node), orders => {}, locked => {}, undecided => [], prepared => 0 };
	my $went_well = eval { step() for 1 .. $operations; decide() while @{ $client->{undecided} }; 1 };
	print $log "done\n";
	die $@ unless $went_well;
	$client->{session}->quit;
});
my $observer = session($node);
my ($looks, @trouble) = (0);
until (grep(/ done$/, log_lines($workers)) == 6)
{
	$observer->run("SELECT $pinned_away, $pinned_wrong");
	push @trouble, $observer->output if !$observer->is_ok || $observer->output ne '0|0';
	$looks++;
	last if @trouble >= 5;
}
ok(wait_workers($workers), 'clients sell over all departures, and none of them meets an error');
is(join("\n", @trouble), '', 'meanwhile claims, refunds and quotas in flight stay in memory, and their counts are exact');
note("$looks looks at them");
cmp_ok(stat_of('evictions'), '>', $evictions + 10_000, 'departures made room all the time, more of them than there are');
cmp_ok(stat_of('bytes_used'), '<=', 2 * 1024 * 1024, 'within the memory that is reserved');

is($node->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, 210) i, ticket_buy('T901', 'S1', 'S20', i, '$day')}), '199', 'others buy the rest, and no claimed seat');
$holder->run('COMMIT');
is($holder->sqlstate, '00000', 'the transaction commits');
$node->safe_psql('postgres', q{COMMIT PREPARED 'long'});
$node->safe_psql('postgres', $touch_all);
is($observer->run("SELECT ticket_remaining('T990', 'S1', 'S20', '$day'), ticket_remaining('T901', 'S1', 'S20', '$day'), ticket_remaining('T902', 'S1', 'S20', '$day'), ticket_remaining('T902', 'S5', 'S6', date '$day' + 1)"),
	'600|0|199|199', 'and all is as it was, loaded again');

my %expected;
for (log_lines($workers))
{
	my (undef, $id, $status) = split / /;
	$expected{$id} = $status if defined $status;
}
my @live = map { "$_ $expected{$_}" } sort { $a <=> $b } grep { $expected{$_} =~ /held|sold/ } keys %expected;
is($node->safe_psql('postgres', q{SELECT DISTINCT order_id, order_id || ' ' || status FROM ticket_order WHERE status IN ('held', 'sold') AND user_id BETWEEN 1000 AND 1005 ORDER BY 1}) =~ s/^\d+\|//mgr,
	join("\n", @live), 'the tables say what was acknowledged');
cmp_ok(scalar(@live), '>', $operations, 'which is much');
my %kinds = map { $_ => 1 } values %expected;
is(join(' ', sort keys %kinds), 'cancelled changed held refunded sold', 'of all kinds');
in_flight_is_empty($node, 'postgres', 'selling');
agrees($node, 'postgres', 'selling', q{d.departure_id IN (SELECT departure_id FROM ticket_order WHERE order_id % 10 = 3)});

# ---------------------------------------------------------------------------------------------------------------------
# Several transactions at once claim seats on more departures than fit: each is told so, and loses nothing
# ---------------------------------------------------------------------------------------------------------------------
my @endings = ('COMMIT', 'ROLLBACK', 'COMMIT', 'PREPARE');
my $greedy = start_workers(scalar(@endings), sub {
	my ($number, $log) = @_;
	my $session = session($node, 'postgres', verbosity => 'verbose');
	my ($held, $hint) = (0, 'none');
	$session->run('BEGIN');
	for my $t (1 .. 900)
	{
		$session->run('SAVEPOINT s');
		$session->run("SELECT count(*) FROM ticket_buy('T$t', 'S1', 'S2', 2000 + $number, date '$day' + $number + 2)");
		last unless $session->is_ok;
		$held += $session->output;
		$session->run('RELEASE s');
	}
	my $state = $session->sqlstate;
	$hint = 'memory' if $session->output =~ /HINT:.*ticketpool\.memory/;
	$session->run('ROLLBACK TO s');
	print $log "$state $hint $held\n";
	await(sub { -e "$dir/go$number" }) or die 'not told to go on';
	my $more = $session->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S2', 2000 + $number, date '$day' + $number + 2)");
	die "no seat on what is pinned: $more" unless $session->is_ok && $more eq '1';
	$session->run($endings[$number] eq 'PREPARE' ? "PREPARE TRANSACTION 'greedy'" : $endings[$number]);
	print $log $session->sqlstate, ' ', $session->output =~ /HINT:.*ticketpool\.memory/ ? 'memory' : 'none', "\n";
	$session->quit;
});
wait_log_lines($greedy, scalar @endings);
my @held = map { [ split / / ] } log_lines($greedy);
is(join(', ', map { "$_->[1] $_->[2]" } @held), join(', ', ('53200 memory') x @endings), 'the pool is full for each of them, and the hint names the setting');
is($node->safe_psql('postgres', 'SELECT sum(claims) FROM ticket_inflight'), sum0(map { $_->[3] } @held), 'their claims are all there');
is($node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S2', date '$day' + n + 2) >= 0 FROM generate_series(0, 3) n") , join("\n", ('t') x 4),
	'what is in memory is on sale to others');
# The claims of a prepared transaction need room of their own.
append_to_file("$dir/go3", '');
wait_log_lines($greedy, @endings + 1);
my $prepared = (log_lines($greedy))[-1];
like($prepared, qr/^3 (00000 none|53200 memory)$/, 'one of them is prepared, or told that there is no room for that');
my $is_prepared = $prepared =~ /00000/ || 0;
is($node->safe_psql('postgres', 'SELECT sum(claims) FROM ticket_inflight'), sum0(map({ $_->[3] } @held[ 0 .. 2 ]), $is_prepared * ($held[3][3] + 1)),
	'and keeps its claims, or gives them back');
append_to_file("$dir/go$_", '') for 0 .. 2;
ok(wait_workers($greedy), 'the others go on');
is(join(', ', (log_lines($greedy))[ 1, 3, 5 ]), '0 00000 none, 1 00000 none, 2 00000 none', 'and end well');
$node->safe_psql('postgres', $touch_all);
$node->safe_psql('postgres', q{COMMIT PREPARED 'greedy'}) if $is_prepared;
is($node->safe_psql('postgres', 'SELECT user_id, count(*) FROM ticket_order WHERE user_id BETWEEN 2000 AND 2003 GROUP BY 1 ORDER BY 1'),
	join("\n", map { 2000 + $_ . '|' . ($held[$_][3] + 1) } 0, 2, (3) x $is_prepared), 'no ticket of theirs is lost');
in_flight_is_empty($node, 'postgres', 'at last');
agrees($node, 'postgres', 'at last', q{d.departure_id IN (SELECT departure_id FROM ticket_order WHERE user_id >= 2000 AND order_id % 10 = 3)});

# ---------------------------------------------------------------------------------------------------------------------
# Which leaves first: the one that was asked for longest ago. (Use is remembered to the second.)
# ---------------------------------------------------------------------------------------------------------------------
# Nearly: a neighbour in memory leaves first where a hole has to be widened.
my $lasting = 'FROM (SELECT t FROM generate_series(1, 120) t WHERE t % 3 > 0 AND t % 50 > 0) t';
my $latest = 'FROM (SELECT t FROM generate_series(201, 500) t WHERE t % 3 > 0 AND t % 50 > 0) t';
$observer->run($touch_all);
$observer->run('SELECT pg_sleep(1.1)');
my $lasting_count = () = $observer->run("SELECT ticket_remaining('T' || t, 'S1', 'S2', '$day') $lasting") =~ /\d+/g;
$observer->run('SELECT pg_sleep(1.1)');
my $latest_count = () = $observer->run("SELECT ticket_remaining('T' || t, 'S1', 'S2', date '$day' + 1) $latest") =~ /\d+/g;
cmp_ok($observer->run("SELECT count(*) $lasting JOIN ticket_pool p ON p.train = 'T' || t AND p.service_date = '$day'"), '>', 0.8 * $lasting_count,
	'departures in use stay, where others were not asked for as long');
cmp_ok($observer->run("SELECT count(*) $latest JOIN ticket_pool p ON p.train = 'T' || t AND p.service_date = date '$day' + 1"), '>', 0.8 * $latest_count, 'and the latest do');
$observer->quit;

$node->stop;
done_testing();
