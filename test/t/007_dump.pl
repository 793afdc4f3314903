# pg_dump and restore: orders, departures and the identities behind them move, and sales go on in
# the new database.
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

# A train with unnumbered places, holds and quotas.
make_train($node, 'postgres', 'T3', 6);
make_formation($node, 'postgres', 'mixed', 40);
$node->safe_psql('postgres', q{INSERT INTO ticket_formation VALUES ('mixed', '010', 'second', NULL, 15), ('mixed', '011', 'standing', NULL, 20)});
# Berths with labels of any text.
$node->safe_psql('postgres', q{INSERT INTO ticket_formation VALUES ('mixed', '012', 'berth', ARRAY['12下', 'Cabin 7', 'a,b', '12上', 'F12', ''';--"']);
	INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, properties) VALUES
		('mixed', '012', '12下', 'bay, 6', 1, '{window,lower}'), ('mixed', '012', '12上', 'bay, 6', NULL, NULL), ('mixed', '012', 'a,b', NULL, -3, '{}')});
open_departures($node, 'postgres', 'T3', 'mixed', 1);
$node->safe_psql('postgres', qq{
	SELECT ticket_reserve('T3', '$day', 'second', 'agency', 8, 'S1', 'S4');
	SELECT ticket_reserve('T3', '$day', 'berth', 'agency', 2, 'S4', 'S6');
	SELECT count(*) FROM ticket_buy('T3', 'S1', 'S4', 3000, '$day', 'berth', passengers => ARRAY[1, 2, 3, 4]);
	SELECT ticket_reserve('T3', '$day', 'second', 'web', 5, 'S2', 'S6', now() + interval '1 day');
	SELECT ticket_recycle(ticket_reserve('T3', '$day', 'second', 'web', 3, 'S1', 'S3'));
	SELECT count(*) FROM generate_series(1, 5) i, ticket_buy('T3', 'S1', 'S3', i, '$day', 'second', channel => 'agency');
	SELECT count(*) FROM generate_series(1, 2) i, ticket_hold('T3', 'S2', 'S6', i, '$day', 'second', channel => 'web', ttl => '1 day');
	SELECT count(*) FROM generate_series(1, 34) i, ticket_hold('T3', 'S1', 'S6', 1000 + i, '$day', 'second', ttl => '1 day');
	SELECT count(*) FROM generate_series(1, 6) i, ticket_buy('T3', 'S' || i % 3 + 1, 'S5', 2000 + i, '$day', 'standing', passengers => ARRAY[1, 2]);
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE status = 'held' ORDER BY 1 LIMIT 4) o, ticket_confirm(order_id);
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE status = 'held' ORDER BY 1 LIMIT 3) o, ticket_cancel(order_id);
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id = 2001 AND ticket_no = 1) o, ticket_change(order_id, 'T3', 'S1', 'S2', '$day', 'second');
	UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_user_limit';
	CREATE FUNCTION not_user_9999(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql AS 'SELECT CASE \$2 WHEN 9999 THEN ''not you'' END';
	INSERT INTO ticket_rule VALUES ('public.not_user_9999', 'ticket')});

# Items: split, merged, refunded.
my $item_request = '3b6d17a0-5b3c-4c9e-9d4b-2f1f6e2f0a12';
$node->safe_psql('postgres', qq{
	SELECT item_open(1, 1000), item_open(2, 100);
	SELECT count(*) FROM generate_series(1, 50) i, item_buy(1, i, i % 4 + 1);
	SELECT count(*) FROM item_buy(1, 7, 5, '$item_request');
	SELECT count(*) FROM item_split(1, 3) UNION ALL SELECT count(*) FROM item_split(2, 2, '{70,71}');
	SELECT count(*) FROM generate_series(1, 50) i, item_buy(1, i, i % 4 + 1);
	SELECT count(*) FROM (SELECT order_id FROM item_order WHERE user_id % 5 = 0) o, item_refund(order_id);
	SELECT item_merge((SELECT min(id) FROM item_inventory WHERE item_id = 1 AND parent_id IS NOT NULL));
	SELECT count(*) FROM (SELECT order_id FROM item_order WHERE user_id % 7 = 0 AND status = 'sold') o, item_refund(order_id);
	SELECT count(*) FROM item_hold(1, 601, 3, ttl => '1 day') UNION ALL SELECT count(*) FROM item_hold(1, 602, 2) h, LATERAL item_cancel(h.order_id);
	SELECT count(*) FROM item_buy(1, 603, 9) b, LATERAL item_refund(b.order_id, 4, '$item_request');
	INSERT INTO item_question VALUES (1, 1, 'how many', 'five');
	SELECT item_ask(1, 7), item_answer(1, 7, 'five')});

my @tables = qw(item_inventory item_order item_refund_call item_question item_gate ticket_station ticket_stop ticket_formation ticket_formation_seat ticket_route ticket_route_call ticket_layout ticket_layout_coach
  ticket_departure ticket_reservation ticket_order);
# What each channel sees of the train with quotas, and what the rules are.
sub quotas
{
	my ($database) = @_;
	return $node->safe_psql($database, qq{
		SELECT c, class, f, t, ticket_remaining('T3', 'S' || f, 'S' || t, '$day', class, c)
		FROM unnest(ARRAY[NULL, 'agency', 'web']) c, unnest(ARRAY['second', 'standing', 'berth']) class, generate_series(1, 6) f, generate_series(f + 1, 6) t ORDER BY 1, 2, 3, 4;
		SELECT rule, on_kind, enabled FROM ticket_rule WHERE enabled;
		SELECT item_remaining(1), item_remaining(2);
		SELECT * FROM item_verify()});
}
sub contents
{
	my ($database) = @_;
	return join "\n", map {
		"$_ " . $node->safe_psql($database, "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text COLLATE \"C\")) FROM $_ t")
	} @tables;
}
my $contents = contents('postgres');
my $matrix = matrix($node, 'postgres');
my $quotas = quotas('postgres');
like($quotas, qr/^agency\|second\|1\|3\|[1-9]/m, 'a channel sees its quota');
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
	is(quotas($copy), $quotas, "$way: quotas and rules too");
	agrees($node, $copy, $way);
	is($node->safe_psql($copy, qq{SELECT order_id FROM ticket_buy('T1', 'S1', 'S2', 7, '$day', request_id => '$request')}),
		$known, "$way: a request that was answered before gets the same answer");

	is($node->safe_psql($copy, "SELECT count(*) FROM item_order o JOIN item_buy(1, 7, 5, '$item_request') b USING (order_id)"), '1',
		"$way: of an item, too");
	is($node->safe_psql($copy, qq{SELECT buy_quantity FROM item_refund((SELECT order_id FROM item_order WHERE user_id = 603), 4, '$item_request')}), '5',
		"$way: a refund that was made before is not made again");
	is($node->safe_psql($copy, qq{SELECT status, buy_quantity FROM item_confirm((SELECT order_id FROM item_order WHERE user_id = 601))}), 'sold|3', "$way: a hold of units can be paid");

	# Sales go on.
	is($node->safe_psql($copy, q{SELECT b.buy_quantity FROM item_buy(2, 1, 50, inventory_id => (SELECT id FROM item_inventory WHERE user_id = 71)) b}), '50',
		"$way: a seller sells on");
	is($node->safe_psql($copy, q{SELECT item_open(3, 5) > (SELECT max(id) FROM item_inventory WHERE item_id < 3)}), 't', "$way: inventory ids do not clash");
	is($node->safe_psql($copy, q{SELECT problem FROM item_verify()}), '', "$way: items agree with their rows");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM generate_series(1, 100) i, ticket_buy('T2', 'S1', 'S2', i, '$day')}),
		$node->safe_psql('postgres', "SELECT ticket_remaining('T2', 'S1', 'S2', '$day')"), "$way: what was left can be sold");
	is($node->safe_psql($copy, q{SELECT count(*) - count(DISTINCT order_id) FROM ticket_order WHERE ticket_no = 1}), '0', "$way: order ids do not clash");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE status = 'sold' AND service_date = '$day' LIMIT 1) o, ticket_refund(order_id)}) > 0,
		1, "$way: a restored order can be refunded");
	my ($held) = split /\n/, $node->safe_psql($copy, q{SELECT order_id FROM ticket_order WHERE status = 'held' ORDER BY 1});
	is($node->safe_psql($copy, "SELECT status FROM ticket_confirm($held)"), 'sold', "$way: a hold can be paid");
	like($node->safe_psql($copy, q{SELECT string_agg(ticket_recycle(reservation_id)::text, ' ') FROM ticket_reservation WHERE status = 'open'}), qr/^\d+ \d+ \d+$/, "$way: quotas can be returned");
	my ($status, undef, $err) = $node->psql($copy, "SELECT * FROM ticket_buy('T2', 'S1', 'S2', 9999, '$day')", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/TK004/, "$way: the rules are asked");
	($status, undef, $err) = $node->psql($copy, "SELECT * FROM ticket_buy('T1', 'S1', 'S2', 1, date '$day' + 2)", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/TK003/, "$way: what was closed is closed");
	is($node->safe_psql($copy, "SELECT string_agg(seat, ' ' ORDER BY seat COLLATE \"C\") FROM ticket_buy('T3', 'S4', 'S6', 1, '$day', 'berth', ARRAY[1, 2])"),
		'12上 12下', "$way: two berths of one bay");
	make_formation($node, $copy, 'new', 30);
	is($node->safe_psql($copy, qq{SELECT ticket_open('T1', date '$day' + 9, 'new', '2020-01-01') > (SELECT max(departure_id) FROM ticket_departure)}),
		't', "$way: departure ids do not clash");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S6', 1, date '$day' + 9)}), '1', "$way: a new day is on sale");
	is($node->safe_psql($copy, qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S12', 1, date '$day' + 1) HAVING count(*) <= 1}), $node->safe_psql('postgres',
		"SELECT least(1, ticket_remaining('T1', 'S1', 'S12', date '$day' + 1))"), "$way: an old one keeps its stops");
	{
		# As if the dump had been restored a day later.
		$node->safe_psql($copy, q{UPDATE ticket_order SET held_until = clock_timestamp() WHERE status = 'held'});
		ok(becomes_true($node, $copy, q{SELECT count(*) = 0 FROM ticket_order WHERE status = 'held'}), "$way: restored holds run out");
	}
	agrees($node, $copy, "$way, with new sales");
	is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order'), $orders, "$way: the original is untouched");
}

# A dump of the restored database: nothing gets lost the second time either.
$node->safe_psql('postgres', 'CREATE DATABASE again TEMPLATE template0');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/again", '-d', $node->connstr('copy_custom') ], 'again: dump');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('again'), "$dir/again" ], 'again: restore');
is(contents('again'), contents('copy_custom'), 'again: the tables are the same');
agrees($node, 'again', 'again');

$node->stop;
done_testing();
