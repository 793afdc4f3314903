# pg_dump and restore: orders, departures and the identities behind them move, and sales go on there.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('dump');
make_train($node, 'postgres', 'T1', 12);
make_train($node, 'postgres', 'T2', 100);
make_formation($node, 'postgres', 'small', 60);
make_formation($node, 'postgres', 'other', 20, 'first');
open_departures($node, 'postgres', 'T1', 'small', 3);
open_departures($node, 'postgres', 'T2', 'other', 2);
my $request = '3b6d17a0-5b3c-4c9e-9d4b-2f1f6e2f0a11';
$node->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 200) i, ticket_buy('T1', 'S' || i % 11 + 1, 'S' || i % 11 + 1 + 1 + i % (11 - i % 11), i, date '$day' + i % 3);
	SELECT count(*) FROM generate_series(1, 60) i, ticket_buy('T2', 'S' || i, 'S' || i + 40, i, date '$day' + i % 2, passengers => ARRAY[i, i]);
	SELECT count(*) FROM ticket_buy('T1', 'S1', 'S2', 7, '$day', request_id => '$request');
	SELECT count(*) FROM (SELECT DISTINCT order_id FROM ticket_order WHERE order_id % 7 = 0) o, ticket_refund(order_id);
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE ticket_no = 2 AND order_id % 3 = 0) o, ticket_refund(order_id, ARRAY[2]);
	SELECT ticket_close('T1', date '$day' + 2);
	-- The train's present stops are others than those on sale.
	DELETE FROM ticket_stop WHERE train = 'T1' AND stop_no > 6;
	DELETE FROM ticket_formation WHERE formation = 'other'});

my @tables = qw(ticket_station ticket_stop ticket_formation ticket_route ticket_route_call ticket_layout ticket_layout_coach
  ticket_departure ticket_order);
sub contents
{
	my ($database) = @_;
	return join "\n", map {
		"$_ " . $node->safe_psql($database, "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")) FROM $_ t")
	} @tables;
}
my $contents = contents('postgres');
my $matrix = matrix($node, 'postgres');
my $orders = $node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order');
my $known = $node->safe_psql('postgres', "SELECT order_id FROM ticket_order WHERE request_id = '$request'");
my $dir = PostgreSQL::Test::Utils::tempdir;
my $connstr = $node->connstr('postgres');

my %ways = (
	plain => [ [ 'pg_dump', '-f', "$dir/plain.sql", '-d', $connstr ],
		sub { [ 'psql', '-XAtq', '-o', "$dir/out", '-f', "$dir/plain.sql", '-d', $node->connstr($_[0]) ] } ],
	inserts => [ [ 'pg_dump', '--inserts', '--rows-per-insert=50', '-f', "$dir/inserts.sql", '-d', $connstr ],
		sub { [ 'psql', '-XAtq', '-o', "$dir/out", '-f', "$dir/inserts.sql", '-d', $node->connstr($_[0]) ] } ],
	custom => [ [ 'pg_dump', '-Fc', '-f', "$dir/custom", '-d', $connstr ],
		sub { [ 'pg_restore', '-d', $node->connstr($_[0]), "$dir/custom" ] } ],
	parallel => [ [ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/parallel", '-d', $connstr ],
		sub { [ 'pg_restore', '-j', '3', '-d', $node->connstr($_[0]), "$dir/parallel" ] } ]);
for my $way (sort keys %ways)
{
	my $copy = "copy_$way";
	$node->safe_psql('postgres', "CREATE DATABASE $copy TEMPLATE template0");
	$node->command_ok($ways{$way}[0], "$way: dump");
	# Errors do not stop it, so that what follows shows how bad they are.
	(undef, my $errors) = PostgreSQL::Test::Utils::run_command($ways{$way}[1]->($copy));
	is($errors, '', "$way: restore without errors");
	is(contents($copy), $contents, "$way: the tables are the same");
	is(matrix($node, $copy), $matrix, "$way: the same seats are left");
	agrees($node, $copy, $way);
	is($node->safe_psql($copy, qq{SELECT order_id FROM ticket_buy('T1', 'S1', 'S2', 7, '$day', request_id => '$request')}),
		$known, "$way: a request that was answered before gets the same answer");

	# Sales go on.
	is($node->safe_psql($copy, qq{SELECT count(*) FROM generate_series(1, 100) i, ticket_buy('T2', 'S1', 'S2', i, '$day')}),
		$node->safe_psql('postgres', "SELECT ticket_remaining('T2', 'S1', 'S2', '$day')"), "$way: what was left can be sold");
	is($node->safe_psql($copy, q{SELECT count(*) - count(DISTINCT order_id) FROM ticket_order WHERE ticket_no = 1}), '0', "$way: order ids do not clash");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE status = 'sold' AND service_date = '$day' LIMIT 1) o, ticket_refund(order_id)}) > 0,
		1, "$way: a restored order can be refunded");
	my ($status, undef, $err) = $node->psql($copy, "SELECT * FROM ticket_buy('T1', 'S1', 'S2', 1, date '$day' + 2)", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/TK003/, "$way: what was closed is closed");
	make_formation($node, $copy, 'new', 30);
	is($node->safe_psql($copy, qq{SELECT ticket_open('T1', date '$day' + 9, 'new', '2020-01-01') > (SELECT max(departure_id) FROM ticket_departure)}),
		't', "$way: departure ids do not clash");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S6', 1, date '$day' + 9)}), '1', "$way: a new day is on sale");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S12', 1, date '$day' + 1) HAVING count(*) <= 1}), $node->safe_psql('postgres',
		"SELECT least(1, ticket_remaining('T1', 'S1', 'S12', date '$day' + 1))"), "$way: an old one keeps its stops");
	agrees($node, $copy, "$way, with new sales");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order'), $orders, "$way: the original is untouched");
}

# Dump of the restored: nothing gets lost on the second way either.
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE template0');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/again", '-d', $node->connstr('copy_custom') ], 'again: dump');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('again'), "$dir/again" ], 'again: restore');
is(contents('again'), contents('copy_custom'), 'again: the tables are the same');
agrees($node, 'again', 'again');

$node->stop;
done_testing();
