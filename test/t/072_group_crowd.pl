# Crowds that buy in groups: groups form by themselves, every seat is sold and none twice, nobody is
# refused who could have had one, and no buyer notices what owners do to tables, departures and the
# extension meanwhile, except where the sale itself ends.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TicketpoolTest;
use TicketpoolTest::Group;

my $day = DAY;
my ($next, $third) = ('2031-05-02', '2031-05-03');
seed();
my $node = group_server('crowd', conf => "ticketpool.memory = 16MB\ndeadlock_timeout = 200ms");
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET ticketpool.group_sale = on');

# ---------------------------------------------------------------------------------------------------------------------
# Groups form by themselves
# ---------------------------------------------------------------------------------------------------------------------
pgbench_crowd($node, 'postgres', 32, 15, 'prepared', '32 clients', "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', :client_id, '$day') \\gset\n");
my ($rows, undef, $transactions) = groups_of($node, 'postgres', "service_date = '$day'");
is($rows, 32 * 15, '32 clients: all is sold');
cmp_ok($transactions, '<', $rows * 0.9, '32 clients: in fewer transactions');
cmp_ok($node->safe_psql('postgres', 'SELECT group_size FROM ticket_pool_stat'), '>', 1.5, '32 clients: groups have more than one and a half sales');
agrees($node, 'postgres', '32 clients');
pgbench_crowd($node, 'postgres', 8, 15, 'simple', 'items and tickets',
	"SELECT order_id FROM item_buy(1, :client_id) \\gset\n", "SELECT order_id FROM item_hold(1, :client_id, 2) \\gset\n",
	"SELECT order_id, ticket_no, seat FROM ticket_hold('T', 'S1', 'S3', :client_id, '$next', passengers => ARRAY[1, 2]);\n",
	"SELECT order_id FROM ticket_buy('T', 'S3', 'S5', :client_id, '$next', request_id => '00000000-0000-0000-0000-000000000001');\n");
agrees($node, 'postgres', 'items and tickets');
is($node->safe_psql('postgres', 'SELECT max(n) FROM (SELECT count(*) AS n FROM ticket_order WHERE request_id IS NOT NULL GROUP BY user_id) r'), '1', 'items and tickets: a request_id sells once');

# ---------------------------------------------------------------------------------------------------------------------
# To the last seat
# ---------------------------------------------------------------------------------------------------------------------
pgbench_crowd($node, 'postgres', 64, 10, 'prepared', '64 clients, 640 seats', "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', :client_id, '$third') \\gset\n");
is(join(' ', groups_of($node, 'postgres', "service_date = '$third' AND departure_id IN (SELECT departure_id FROM ticket_departure WHERE train = 'T')")) =~ s/ \d+$//r,
	'640 640', '64 clients, 640 seats: as many purchases as seats all get one');
pgbench_crowd($node, 'postgres', 64, 2, 'prepared', 'sold out', "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', :client_id, '$third');\n");
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE service_date = '$third' AND from_stop = 1"), '640', 'sold out: nobody gets one more');
for my $round (0 .. 7)
{
	my $date = $node->safe_psql('postgres', "SELECT date '$day' + $round");
	# 40 seats. Parties of three leave one that a later one takes; then nothing.
	my $party = $round % 2 ? ', passengers => ARRAY[1, 2, 3]' : '';
	pgbench_crowd($node, 'postgres', 64, 1, 'extended', "round $round", "SELECT order_id FROM ticket_buy('S', 'S1', 'S5', :client_id, '$date'$party);\n");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order JOIN ticket_departure d USING (departure_id) WHERE train = 'S' AND d.service_date = '$date'"),
		$party ? 39 : 40, "round $round: all seats that could be sold are sold");
}
agrees($node, 'postgres', 'to the last seat');
in_flight_is_empty($node, 'postgres', 'to the last seat');

# ---------------------------------------------------------------------------------------------------------------------
# What owners do meanwhile
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', "TRUNCATE ticket_order");
my @purchases = map { my $call = $_; sub { my ($number, $user) = @_; return sprintf $call, $user } }
  "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', %d, '$next')", "SELECT order_id FROM ticket_hold('T', 'S1', 'S2', %d, '$next', ttl => '1 hour')",
  "SELECT order_id FROM item_buy(1, %d)", "SELECT order_id FROM ticket_buy('T', 'S2', 'S4', %d, '$third', request_id => gen_random_uuid())";
sub while_buying
{
	my ($label, $work, %options) = @_;
	my $owner = session($node, 'postgres', verbosity => 'default');
	my ($first) = $node->safe_psql('postgres', q{SELECT coalesce(max(user_id), 0) / 1000000 * 1000000 FROM (SELECT user_id FROM ticket_order UNION ALL SELECT user_id FROM item_order) o});
	my $before = $node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat');
	my $crowd = start_crowd($node, 'postgres', 16, first_user => $first, purchase => $options{purchase} // sub { $purchases[ rand @purchases ]->(@_) }, setting => $options{setting});
	wait_log_lines($crowd->{workers}, 100);
	for my $sql (@$work)
	{
		$owner->run($sql);
		ok($owner->is_ok, "$label: $sql") or diag($owner->output);
		wait_log_lines($crowd->{workers}, 40 + log_lines($crowd->{workers}));
	}
	my $told = end_crowd($crowd, label => $label);
	$owner->quit;
	told_and_written($node, 'postgres', $told, $label, %options);
	cmp_ok($node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat') - $before, '>', 20, "$label: they bought in groups");
	agrees($node, 'postgres', $label);
	return $told;
}

while_buying('ALTER TABLE', [
	'ALTER TABLE ticket_order ADD COLUMN note text',
	'BEGIN; LOCK TABLE ticket_order IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.3); COMMIT',
	'BEGIN; LOCK TABLE ticket_order_p20310502 IN SHARE ROW EXCLUSIVE MODE; SELECT pg_sleep(0.3); COMMIT',
	'BEGIN; LOCK TABLE item_order IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.3); COMMIT',
	'ALTER TABLE ticket_order DROP COLUMN note',
	'CREATE INDEX note ON ticket_order (user_id)',
	'REINDEX TABLE item_order',
	'VACUUM FULL ticket_order_p20310502',
	"SELECT ticket_open('S', date '$day' + 100, 'small')",
	'ALTER TABLE ticket_order RENAME COLUMN channel TO sold_by',
	'ALTER TABLE ticket_order RENAME COLUMN sold_by TO channel',
	'DROP INDEX note' ], errors => ['42703']);    # while a column of ours has another name
while_buying('lock_timeout', [ 'BEGIN; LOCK TABLE ticket_order IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.5); COMMIT' ], setting => "SET lock_timeout = '100 ms'", errors => ['55P03']);
while_buying('departures', [
	"SELECT ticket_retime('T', '$next')", "SELECT ticket_skip_stop('T', '$third', 'S3')",
	"SELECT count(*) FROM ticket_reform('T', '$third', 'large')", "SELECT count(*) FROM ticket_reform('T', '$next', 'large')",
	"SELECT ticket_close('T', '$third')", "SELECT ticket_withdraw('T', '$next') > 0",
	'SELECT item_add(1, 1000)', 'SELECT count(*) FROM item_split(1, 2)' ], errors => [ 'TK003', 'TK002' ]);
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order JOIN ticket_departure d USING (departure_id) WHERE d.service_date = '$next' AND train = 'T' AND ticket_order.status IN ('held', 'sold')"),
	'0', 'departures: no ticket of a train that is withdrawn is left');
open_departures($node, 'postgres', 'T', 'large', 0);
$node->safe_psql('postgres', "INSERT INTO ticket_stop SELECT 'U', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'T'; SELECT count(ticket_open('U', date '$day' + n, 'large')) FROM generate_series(0, 2) n");
@purchases = map { my $call = $_; sub { my ($number, $user) = @_; return sprintf $call, $user } }
  "SELECT order_id FROM ticket_buy('U', 'S1', 'S5', %d, '$next')", "SELECT order_id FROM item_buy(1, %d)", "SELECT order_id FROM ticket_buy('U', 'S2', 'S4', %d, '$third', request_id => '00000000-0000-0000-0000-000000000001')";

# Rows go away while they are sold; what was acknowledged before that is not asked for any more.
for my $case ([ 'TRUNCATE', 'TRUNCATE ticket_order_p20310502' ], [ 'DELETE', "DELETE FROM ticket_order WHERE service_date = '$next'" ],
	[ 'a partition leaves and returns', 'ALTER TABLE ticket_order DETACH PARTITION ticket_order_p20310503', "ALTER TABLE ticket_order ATTACH PARTITION ticket_order_p20310503 FOR VALUES FROM ('2031-05-03') TO ('2031-05-04')" ],
	[ 'the extension is made again', 'DROP EXTENSION ticketpool CASCADE', 'CREATE EXTENSION ticketpool' ])
{
	my ($label, @work) = @$case;
	my $owner = session($node, 'postgres', verbosity => 'default');
	my $crowd = start_crowd($node, 'postgres', 16, first_user => 1_000_000_000, purchase => sub { $purchases[ rand @purchases ]->(@_) });
	wait_log_lines($crowd->{workers}, 100);
	for my $sql (@work)
	{
		# Buyers and the owner lock several tables, each in an order of its own.
		for (1 .. 20) { $owner->run($sql); last if $owner->sqlstate ne '40P01' }
		ok($owner->is_ok, "$label: $sql") or diag($owner->output);
		wait_log_lines($crowd->{workers}, 60 + log_lines($crowd->{workers}));
	}
	my $told = end_crowd($crowd, label => $label);
	$owner->quit;
	# The sale itself ends with the partition (until its indexes are there, too), and with the extension.
	my $allowed = $label =~ /extension/ ? qr/^(42883|42P01|TK001|42704|XX000|40P01)$/ : qr/^(23514|TK003|42704)$/;
	my %seen = map { ("$_->[1] " . ($_->[2] // '')) => 1 } grep { $_->[1] !~ $allowed } @{ $told->{error} };
	is(join("\n", keys %seen), '', "$label: no other errors than those of the sale's end");
	note(join ' ', map { "$_->[1] $_->[2]" } (@{ $told->{error} })[ 0 .. ($#{ $told->{error} } > 2 ? 2 : $#{ $told->{error} }) ]);
	cmp_ok(scalar @{ $told->{bought} }, '>', 0, "$label: there were sales");
	agrees($node, 'postgres', $label);
}
TicketpoolTest::Group::set_up($node, 'postgres');
pgbench_crowd($node, 'postgres', 16, 10, 'prepared', 'the new extension', "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', :client_id, '$day') \\gset\n");
($rows, undef, $transactions) = groups_of($node, 'postgres', 'true');
cmp_ok($transactions, '<', $rows, 'the new extension sells in groups');
agrees($node, 'postgres', 'the new extension');
$node->stop;
done_testing();
