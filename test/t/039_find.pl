# Sessions look for departures, by name and by id, without a lock, while departures leave memory and
# come back all the time, are renamed, are opened and rolled back, are sold and refunded. The number
# of seats tells which departure was found: it has to be the one that was asked for.
# TICKETPOOL_SEED replays a run, TICKETPOOL_SECONDS sets its length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use Time::HiRes qw(time);

seed();
my $seconds = $ENV{TICKETPOOL_SECONDS} // 6;
my $day = DAY;
my ($trains, $own, $sizes) = (2000, 100, 20);    # the last $own of them are those that change
my $still = $trains - $own;
my $node = new_server('find', conf => "ticketpool.memory = 2MB");
make_formation($node, 'postgres', "f$_", 50 + 10 * $_) for 0 .. $sizes - 1;
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, 5) n;
	INSERT INTO ticket_stop SELECT 'T' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, $trains) t, generate_series(1, 5) n;
	INSERT INTO ticket_stop SELECT 'N' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, 50) t, generate_series(1, 5) n;
	SELECT count(ticket_open('T' || t, '$day', 'f' || t % $sizes, '2020-01-01')) FROM generate_series(1, $trains) t});

# Each returns SQL that reports what was found wrong, or one step of what the others do.
my %look = (
	'by name' => sub { qq{SELECT string_agg(format('%s has %s', t, r), ', ') FROM (SELECT 1 + (random() * ($still - 1))::int FROM generate_series(1, 300)) AS drawn (t),
		ticket_remaining('T' || t, 'S1', 'S5', '$day') AS r WHERE r IS DISTINCT FROM 50 + 10 * (t % $sizes)} },
	'the same few, by name' => sub { qq{SELECT string_agg(format('%s has %s', t, r), ', ') FROM generate_series(1, 20) AS drawn (t), generate_series(1, 20),
		ticket_remaining('T' || t, 'S1', 'S5', '$day') AS r WHERE r IS DISTINCT FROM 50 + 10 * (t % $sizes)} },
	'by id' => sub { qq{SELECT string_agg(format('%s has %s', train, remaining), ', ') FROM ticket_search('S1', 'S5', '$day')
		WHERE train ~ '^T' AND substr(train, 2)::int <= $still AND remaining IS DISTINCT FROM 50 + 10 * (substr(train, 2)::int % $sizes)} },
	'one at a time' => sub { my $t = 1 + int rand $still; qq{SELECT string_agg(train, ', ') FROM ticket_departure WHERE train = 'T$t' AND ticket_remaining('T$t', 'S1', 'S5', '$day') IS NULL} });
my %change = (
	'renames' => sub { my $t = $still + 1 + int rand $own; "UPDATE ticket_departure SET train = CASE WHEN train ~ '^T' THEN 'R' ELSE 'T' END || substr(train, 2) WHERE train IN ('T$t', 'R$t')" },
	'openings' => sub { my $t = 1 + int rand 50; "BEGIN; SELECT ticket_open('N$t', '$day', 'f3', '2020-01-01'); SELECT ticket_remaining('N$t', 'S1', 'S5', '$day'); ROLLBACK" },
	'sales' => sub { my $t = $still + 1 + int rand $own; "SELECT ticket_refund(order_id) FROM ticket_departure d, ticket_buy(d.train, 'S1', 'S3', 1, '$day') WHERE d.train IN ('T$t', 'R$t')" });

my @work = (map({ [ $_, $look{$_} ] } 'by name', 'by name', 'the same few, by name', 'by id', 'one at a time'), map { [ $_, $change{$_} ] } sort keys %change);
my $until = time + $seconds;
my $workers = start_workers(scalar @work, sub {
	my ($number, $log) = @_;
	my ($name, $sql) = @{ $work[$number] };
	my $session = session($node);
	my $times = 0;
	while (time < $until)
	{
		my $answer = $session->run($sql->());
		# A train may be renamed between the reading of its name and the sale.
		die "$name: " . $session->sqlstate . " $answer" unless $session->is_ok || $name eq 'sales' && $session->sqlstate eq 'TK001';
		print $log "wrong: $answer\n" if $look{$name} && $answer ne '';
		$times++;
	}
	print $log "$times times: $name\n";
	$session->quit;
});
ok(wait_workers($workers), 'all come to their end');
my @lines = log_lines($workers);
note($_) for @lines;
is(scalar(grep { / times: / } @lines), scalar @work, 'and did something');
is(join("\n", grep { /wrong/ } @lines), '', 'what was found was what was looked for');
cmp_ok($node->safe_psql('postgres', 'SELECT evictions FROM ticket_pool_stat'), '>', 1000, 'departures left memory and came back meanwhile');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'pool and tables agree');
done_testing();
