# A pool that is much too small for what is on sale: cold departures make room, pinned ones stay, and large ones find
# a place among small ones. (017_eviction.pl: the same under many clients.)
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

seed();
my $day = DAY;
my $trains = 100;
my $days = 40;
my $node = new_server('memory', conf => 'ticketpool.memory = 2MB');
make_formation($node, 'postgres', 'tiny', 10);
make_formation($node, 'postgres', 'mid', 2500);       # 20 kB and more, at 39 segments
make_formation($node, 'postgres', 'large', 25_000);   # 200 kB and more
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, 40) n;
	INSERT INTO ticket_stop SELECT 'T' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, $trains) t, generate_series(1, 10) n;
	INSERT INTO ticket_stop SELECT x || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM unnest(ARRAY['M', 'L']) x, generate_series(1, 100) t, generate_series(1, 40) n});
is($node->safe_psql('postgres', qq{
	SELECT count(ticket_open('T' || t, date '$day' + n, 'tiny', '2020-01-01')) FROM generate_series(1, $trains) t, generate_series(0, $days - 1) n}),
	$trains * $days, 'thousands of departures are opened by one statement');
$node->safe_psql('postgres', qq{
	SELECT count(ticket_open('M' || t, '$day', 'mid', '2020-01-01')) FROM generate_series(1, 100) t;
	SELECT count(ticket_open('L' || t, '$day', 'large', '2020-01-01')) FROM generate_series(1, 5) t;
	ANALYZE});

sub stat_of { return $node->safe_psql('postgres', "SELECT $_[0] FROM ticket_pool_stat") }

my $touch_all = q{SELECT count(*) FROM ticket_departure d WHERE d.train LIKE 'T%' AND ticket_remaining(d.train, 'S1', 'S10', d.service_date) <> 10};
is($node->safe_psql('postgres', $touch_all), '0', 'all of them can be asked');
cmp_ok(stat_of('evictions'), '>=', 1500, 'most of them have made room again');
cmp_ok(stat_of('bytes_used'), '<=', 2 * 1024 * 1024, 'within the memory that is reserved');
cmp_ok(stat_of('departures'), '<', 1100, 'which has room for a part of them');
cmp_ok(stat_of('departures'), '>', 900, 'but for one every 2 kB');

# ---------------------------------------------------------------------------------------------------------------------
# Pinned: what an open transaction has claims on is not forgotten
# ---------------------------------------------------------------------------------------------------------------------
my $pins = 40;    # more than a backend has pins of its own
my $holder = session($node);
$holder->run('BEGIN');
is($holder->run(qq{SELECT count(*) FROM generate_series(1, $pins) t, ticket_buy('T' || 60 + t, 'S1', 'S10', 1, '$day')}), $pins,
	'a transaction has claims on many departures');
my $refunder = session($node);
my ($sold_train, $sold_date) = ('T50', $day);
my $sold_id = $node->safe_psql('postgres', "SELECT order_id FROM ticket_buy('$sold_train', 'S1', 'S4', 1, '$sold_date')");
my $ask_refunded = "SELECT ticket_remaining('$sold_train', 'S1', 'S2', '$sold_date')";
my $left = $node->safe_psql('postgres', $ask_refunded);
$refunder->run('BEGIN');
$refunder->run("SELECT count(*) FROM ticket_refund($sold_id)");
my $ask_pinned = qq{SELECT string_agg(DISTINCT ticket_remaining('T' || 60 + t, 'S1', 'S10', '$day')::text, ' ') FROM generate_series(1, $pins) t};
my $evictions = stat_of('evictions');
for my $round (1 .. 3)
{
	# Use is remembered to the second: now these are the coldest of all.
	sleep 2;
	$node->safe_psql('postgres', $touch_all);
	is($node->safe_psql('postgres', qq{SELECT count(*) FROM ticket_pool WHERE service_date = '$day' AND train IN (SELECT 'T' || 60 + t FROM generate_series(1, $pins) t)}),
		$pins, "round $round: they are all in memory still");
	is($node->safe_psql('postgres', $ask_pinned), '9', "round $round: and their claims count");
	is($node->safe_psql('postgres', $ask_refunded), $left, "round $round: a refund that has not committed frees nothing");
}
cmp_ok(stat_of('evictions'), '>', $evictions + 3000, 'while everything else made room');
is($node->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, 30) i, ticket_buy('T61', 'S1', 'S10', i, '$day')}), '9',
	'others buy the rest, and no claimed seat');
$holder->run('COMMIT');
is($holder->sqlstate, '00000', 'the transaction commits');
$refunder->run('COMMIT');
is($node->safe_psql('postgres', $ask_refunded), $left + 1, 'the refund frees its seat when it commits');
sleep 2;
$node->safe_psql('postgres', $touch_all);
is($node->safe_psql('postgres', $ask_pinned), '0 9', 'all is as it was after they were forgotten and loaded again');
$_->quit for $holder, $refunder;

# ---------------------------------------------------------------------------------------------------------------------
# All pinned: 53200, until the transaction ends
# ---------------------------------------------------------------------------------------------------------------------
for my $case ([ 'M', 100, 'memory' ], [ 'T', 2000, 'slots' ])
{
	my ($prefix, $most, $what) = @$case;
	for my $ending ('ROLLBACK', 'COMMIT')
	{
		my $label = "$what used up, $ending";
		my $greedy = session($node, 'postgres', verbosity => 'verbose');
		$greedy->run('BEGIN');
		my @list = split /\n/, $node->safe_psql('postgres',
			"SELECT train || ''', ''S1'', ''S10'', 1, ''' || service_date FROM ticket_departure WHERE train LIKE '$prefix%' ORDER BY departure_id DESC LIMIT $most");
		my $held = 0;
		for my $which (@list)
		{
			$greedy->run('SAVEPOINT s');
			$greedy->run("SELECT count(*) FROM ticket_buy('$which')");
			last unless $greedy->is_ok;
			$held += $greedy->output;
			$greedy->run('RELEASE s');
		}
		is($greedy->sqlstate, '53200', "$label: at some departure the pool is full");
		like($greedy->output, qr/HINT:  Raise "ticketpool\.memory", which is 2MB, and/, "$label: the hint names the setting and its value");
		my $pid = $greedy->backend;
		like($greedy->output, qr/^Process $pid, this session, keeps \d+ departures or items in memory \(claims: $held, since 2/m, "$label: the detail says that it is this session");
		$greedy->run('ROLLBACK TO s');
		my $other = session($node, 'postgres', verbosity => 'verbose');
		$other->run("SELECT ticket_remaining('L1', 'S1', 'S10', '$day')");
		is($other->sqlstate, '53200', "$label: others can't load anything large either");
		like($other->output, qr/^Process $pid keeps \d+ departures or items in memory \(claims: $held, since 2/m, "$label: and are told who keeps the pool full");
		like($other->output, qr/^Train "$prefix\d+" of \d{4}-\d\d-\d\d has \d+ bytes, and 1 claim in flight of process $pid\.$/m, "$label: and with what");
		my ($bytes) = $other->output =~ /^Train "$prefix\d+" of \d{4}-\d\d-\d\d has (\d+) bytes/m;
		is($node->safe_psql('postgres', "SELECT count(*) > 0 FROM ticket_pool WHERE bytes = $bytes AND train LIKE '$prefix%' AND claims_in_flight = 1"), 't', "$label: as ticket_pool says");
		$list[0] =~ /^(\w+)'.*'([-\d]+)$/;
		like($other->run("SELECT ticket_remaining('$1', 'S1', 'S10', '$2')"), qr/^\d+$/, "$label: what is in memory can be sold");
		is($node->safe_psql('postgres', 'SELECT claims FROM ticket_inflight'), $held, "$label: claims are shown");
		$greedy->run($ending);
		is($greedy->sqlstate, '00000', "$label: the transaction ends well");
		$other->run("SELECT ticket_remaining('L1', 'S1', 'S10', '$day')");
		is($other->sqlstate, '00000', "$label: and there is room again");
		$_->quit for $greedy, $other;
	}
}
in_flight_is_empty($node, 'postgres', 'all pinned');

# ---------------------------------------------------------------------------------------------------------------------
# Small ones all over the memory, then a large one
# ---------------------------------------------------------------------------------------------------------------------
my $client = session($node);
my %seats = (M => 2500, L => 25_000);
my @bad;
for my $round (1 .. 12)
{
	# Keep three small ones in use, wherever they are.
	$client->run("SELECT count(ticket_remaining('T' || (random() * 99 + 1)::int, 'S1', 'S10', date '$day' + (random() * 24)::int)) FROM generate_series(1, 700)");
	push @bad, 'small ' . $client->output unless $client->is_ok;
	my $keeper = session($node);
	$keeper->run('BEGIN');
	$keeper->run("SELECT count(*) FROM generate_series(1, 3) i, ticket_buy('T' || (random() * 99 + 1)::int, 'S1', 'S10', 1, date '$day' + (random() * 24)::int)");
	for my $train (map { (rand() < 0.7 ? 'M' . int(1 + rand 100) : 'L' . int(1 + rand 5)) } 1 .. 8)
	{
		$client->run("SELECT ticket_remaining('$train', 'S2', 'S9', '$day')");
		push @bad, "$train " . $client->output unless $client->is_ok && $client->output + 100 > $seats{ substr($train, 0, 1) };
	}
	$keeper->run('ROLLBACK');
	$keeper->quit;
}
is("@bad", '', 'large departures find room among small ones, and small among large');
$client->quit;
cmp_ok(stat_of('bytes_used'), '<=', 2 * 1024 * 1024, 'within the memory that is reserved');

# ---------------------------------------------------------------------------------------------------------------------
# Quotas set up and given back, or rolled back, again and again: their memory is used again
# ---------------------------------------------------------------------------------------------------------------------
my $planner = session($node);
my $one_quota = "ticket_reserve('L1', '$day', 'second', 'web', 20000, 'S1', 'S10')";
for my $round (1 .. 60)
{
	# 600 kB each: the pool has room for two or three of them.
	$planner->run($round % 2 ? "BEGIN; SELECT $one_quota; ROLLBACK" : "SELECT ticket_recycle($one_quota)");
	push @bad, 'quota ' . $planner->output unless $planner->is_ok;
}
is("@bad", '', 'quotas come and go without filling the memory');
$planner->quit;
agrees($node, 'postgres', 'at last', q{d.service_date = '2031-05-03'});

$node->stop;
done_testing();
