# Hand-written SQL from outside: logical replication, pg_restore --disable-triggers into a server
# that sells, and sales while partitions are vacuumed, clustered, detached and attached.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;

sub set_up
{
	my ($node) = @_;
	make_train($node, 'postgres', 'T1', 12);
	make_formation($node, 'postgres', 'small', 60);
	open_departures($node, 'postgres', 'T1', 'small', 3);
	$node->safe_psql('postgres', 'SELECT item_open(1, 1000), item_open(2, 500)');
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Logical replication: the subscriber has the same timetable and departures and applies the
# publisher's orders. Its pool follows, and what it sells itself keeps the publisher's orders out.
# ---------------------------------------------------------------------------------------------------------------------
my $publisher = new_server('publisher', conf => "wal_level = logical\nmax_wal_senders = 5\nmax_replication_slots = 5");
my $subscriber = new_server('subscriber');
set_up($_) for $publisher, $subscriber;
$publisher->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 40) i, ticket_buy('T1', 'S' || i % 11 + 1, 'S12', i, date '$day' + i % 3);
	CREATE PUBLICATION orders FOR TABLE ticket_order, ticket_reservation WITH (publish_via_partition_root = true)});
$subscriber->safe_psql('postgres', qq{SELECT ticket_remaining('T1', 'S1', 'S12', '$day')});    # in memory before
my $connstr = $publisher->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION orders CONNECTION '$connstr' PUBLICATION orders");
$subscriber->wait_for_subscription_sync($publisher, 'orders');
is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), 'the first copy: the same seats are left');
agrees($subscriber, 'postgres', 'the first copy');
$publisher->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 40) i, ticket_buy('T1', 'S1', 'S' || i % 11 + 2, 100 + i, date '$day' + i % 3);
	SELECT count(*) FROM (SELECT DISTINCT order_id FROM ticket_order WHERE user_id % 4 = 0) o, ticket_refund(order_id);
	UPDATE ticket_order SET to_stop = to_stop - 1 WHERE user_id = 101;
	DELETE FROM ticket_order WHERE user_id = 5});
$publisher->wait_for_catchup('orders');
is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), 'changes are applied: the same seats are left');
agrees($subscriber, 'postgres', 'changes applied');
# A quota and tickets of it in one transaction.
$publisher->safe_psql('postgres', qq{
	BEGIN;
	SELECT ticket_reserve('T1', '$day', 'second', 'web', 5, 'S1', 'S12');
	SELECT count(*) FROM generate_series(1, 3) i, ticket_buy('T1', 'S1', 'S' || i + 6, 200 + i, '$day', channel => 'web');
	COMMIT});
$publisher->wait_for_catchup('orders');
my $web = qq{SELECT string_agg(ticket_remaining('T1', 'S1', 'S' || i, '$day', channel => 'web')::text, ' ' ORDER BY i) FROM generate_series(2, 12) i};
is($subscriber->safe_psql('postgres', $web), $publisher->safe_psql('postgres', $web), 'a quota is applied with its tickets');
is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), 'and its seats are not for others');
agrees($subscriber, 'postgres', 'quota applied');
$publisher->safe_psql('postgres', 'SELECT ticket_recycle(reservation_id) FROM ticket_reservation');
$publisher->safe_psql('postgres', 'TRUNCATE ticket_order');
$publisher->wait_for_catchup('orders');
is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), 'TRUNCATE is applied');
agrees($subscriber, 'postgres', 'TRUNCATE applied');

# The subscriber sells a seat which the publisher sells too: the apply worker is refused until it is free.
my $offset = -s $subscriber->logfile;
my $rival = $subscriber->safe_psql('postgres', qq{SELECT order_id FROM ticket_buy('T1', 'S1', 'S12', 900, '$day', passengers => ARRAY(SELECT generate_series(1, 60)::bigint)) LIMIT 1});
$publisher->safe_psql('postgres', qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S12', 901, '$day')});
ok($subscriber->wait_for_log(qr/seat \w+ of coach 001 is taken/, $offset), 'a row on a seat that is sold here is refused');
is($subscriber->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id = 901"), '0', 'and not there');
$subscriber->safe_psql('postgres', "SELECT count(*) FROM ticket_refund($rival)");
ok(becomes_true($subscriber, 'postgres', 'SELECT count(*) = 1 FROM ticket_order WHERE user_id = 901'), 'it comes once the seat is free');
agrees($subscriber, 'postgres', 'after the conflict');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION orders');

# Other times and a skipped stop of a departure with tickets, and what is sold by them.
$publisher->safe_psql('postgres', 'CREATE PUBLICATION whole FOR TABLE ticket_order, ticket_reservation, ticket_route, ticket_route_call, ticket_departure WITH (publish_via_partition_root = true)');
$subscriber->safe_psql('postgres', 'TRUNCATE ticket_order');
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION whole CONNECTION '$connstr' PUBLICATION whole WITH (copy_data = false)");
$publisher->safe_psql('postgres', 'TRUNCATE ticket_order');
$publisher->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, 10) i, ticket_buy('T1', 'S1', 'S12', i, date '$day' + i % 3)});
$publisher->wait_for_catchup('whole');
$subscriber->safe_psql('postgres', qq{SELECT ticket_remaining('T1', 'S1', 'S12', date '$day' + i) FROM generate_series(0, 2) i});    # in memory before
$publisher->safe_psql('postgres', qq{
	SELECT count(*) FROM ticket_skip_stop('T1', '$day', 'S5');
	UPDATE ticket_stop SET departs = departs + interval '7 minutes', arrives = arrives + interval '7 minutes' WHERE train = 'T1';
	SELECT ticket_retime('T1', date '$day' + 1);
	SELECT count(*) FROM generate_series(1, 10) i, ticket_buy('T1', 'S1', 'S12', 20 + i, date '$day' + i % 3)});
$publisher->wait_for_catchup('whole');
my $found = qq{SELECT string_agg(t::text, ' ' ORDER BY t) FROM generate_series(0, 2) i, ticket_search('S4', 'S6', date '$day' + i) t};
is($subscriber->safe_psql('postgres', $found), $publisher->safe_psql('postgres', $found), 'other times are applied');
my $passed = qq{SELECT count(*) FROM ticket_search('S1', 'S5', '$day')};
is($subscriber->safe_psql('postgres', $passed), '0', 'and a skipped stop');
is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), 'the same seats are left');
agrees($subscriber, 'postgres', 'times applied');
$publisher->safe_psql('postgres', "SELECT ticket_retime('T1', '$day')");
$publisher->wait_for_catchup('whole');
is($subscriber->safe_psql('postgres', $passed), $publisher->safe_psql('postgres', $passed), 'a stop that is not skipped any more is applied');
my $new = qq{SELECT count(*) FROM ticket_search('S2', 'S3', date '$day' + 10)};
my $searching = session($subscriber);
is($searching->run($new), '0', 'nothing is on sale on another day');
$_->safe_psql('postgres', qq{SELECT ticket_open('T1', date '$day' + 10, 'small', '2020-01-01'); SELECT ticket_withdraw('T1', date '$day' + 10)}) for $subscriber;    # makes the partition
$subscriber->safe_psql('postgres', qq{DELETE FROM ticket_departure WHERE service_date = date '$day' + 10});
is($searching->run($new), '0', 'nor is what is not there any more');
$publisher->safe_psql('postgres', qq{SELECT ticket_open('T1', date '$day' + 10, 'small', '2020-01-01')});
$publisher->wait_for_catchup('whole');
is($searching->run($new), '1', 'a departure that a subscription brings is found by a session that has searched before');
$searching->quit;

# Other rolling stock: tickets and quotas that move, also to seats that others leave in the same transaction, and
# tickets that find no seat.
$publisher->safe_psql('postgres', q{
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES
		('two classes', '001', 'first', '{1A,1B,1C,1D,1F}'), ('two classes', '002', 'second', '{1A,1B,1C,1D,1F,2A,2B}'),
		('swapped', '001', 'second', '{1A,1B,1C,1D,1F,2A,2B}'), ('swapped', '002', 'first', '{1A,1B,1C,1D,1F}'),
		('renamed', '001', 'second', '{1A,1B,1C,1D,1F,2A,2B}'), ('renamed', '002', 'first', '{1A,1B,1C,1D,1F}'),
		('short', '001', 'second', '{1A,1B,1C,1D}'), ('short', '002', 'first', '{1A,1B,1C,1D}'),
		('standing', '001', 'second', '{1A,1B,1C,1D}'), ('standing', '002', 'first', '{1A,1B,1C,1D}');
	INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('standing', '003', 'second', 4);
	ALTER PUBLICATION whole ADD TABLE ticket_layout, ticket_layout_coach});
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION whole REFRESH PUBLICATION WITH (copy_data = false)');
my $stock = "date '$day' + 20";
$subscriber->safe_psql('postgres', qq{SELECT ticket_open('T1', $stock, 'small', '2020-01-01'); SELECT ticket_withdraw('T1', $stock)});    # makes the partition
$subscriber->safe_psql('postgres', qq{DELETE FROM ticket_departure WHERE service_date = $stock});
$publisher->safe_psql('postgres', qq{
	SELECT ticket_open('T1', $stock, 'two classes', '2020-01-01');
	SELECT count(*) FROM generate_series(1, 4) i, ticket_buy('T1', 'S1', 'S12', 300 + i, $stock, 'first');
	SELECT count(*) FROM generate_series(1, 5) i, ticket_buy('T1', 'S1', 'S12', 310 + i, $stock, 'second');
	SELECT ticket_reserve('T1', $stock, 'second', 'web', 2, 'S1', 'S12');
	SELECT count(*) FROM ticket_buy('T1', 'S1', 'S12', 320, $stock, 'second', channel => 'web')});
my $seats = qq{
	SELECT count(*) > 0, d.formation, string_agg(concat_ws(' ', user_id, o.seat_class, coach, seat, o.status), ', ' ORDER BY user_id, coach, seat), (
		SELECT string_agg(concat(r.status, ' ', r.seat_list), ', ' ORDER BY reservation_id) FROM ticket_reservation r WHERE r.departure_id = d.departure_id)
	FROM ticket_departure d LEFT JOIN ticket_order o USING (departure_id) WHERE d.service_date = $stock GROUP BY d.departure_id};
sub follows
{
	my ($label) = @_;
	ok(becomes_true($subscriber, 'postgres', sprintf(q{SELECT (SELECT t::text FROM (%s) t) = $$%s$$}, $seats, $publisher->safe_psql('postgres', qq{SELECT t::text FROM ($seats) t}))), "$label is applied");
	$publisher->wait_for_catchup('whole');
	is(matrix($subscriber, 'postgres'), matrix($publisher, 'postgres'), "$label: the same seats are left");
	is($subscriber->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S12', $stock, 'second', 'web')"), $publisher->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S12', $stock, 'second', 'web')"), "$label: and of the quota");
	agrees($subscriber, 'postgres', $label);
	return;
}
sub reform
{
	my ($formation, $unseated) = @_;
	return $publisher->safe_psql('postgres', sprintf(q{SELECT string_agg(n || ' ' || outcome, ', ' ORDER BY outcome) FROM (SELECT outcome, count(*) AS n FROM ticket_reform('T1', %s, '%s', '%s') GROUP BY 1) AS o}, $stock, $formation, $unseated // 'refuse'));
}
follows('what is opened with a new formation');
is(reform('swapped'), '10 moved', 'tickets of two classes change coaches');
follows('other rolling stock');
reform('renamed');
follows('a formation with the same seats');
is(reform('short', 'refund'), '1 moved, 2 refunded', 'tickets find no seat');
follows('rolling stock without a seat for everybody');
$publisher->safe_psql('postgres', qq{
	BEGIN;
	UPDATE ticket_order SET seat = CASE seat WHEN '1A' THEN '1B' ELSE '1A' END WHERE coach = '001' AND seat IN ('1A', '1B') AND status = 'sold' AND service_date = $stock;
	SELECT count(*) FROM ticket_reform('T1', $stock, 'two classes');
	SELECT count(*) FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 301));
	SELECT count(*) FROM ticket_reform('T1', $stock, 'standing');
	COMMIT;
	SELECT count(*) FROM generate_series(1, 3) i, ticket_buy('T1', 'S1', 'S12', 330 + i, $stock, 'second')});
follows('a second change in one transaction, and what is sold after it');
# What the subscriber itself has sold: those who are at it are waited for, and a ticket without a seat in the new
# formation keeps it out.
reform('swapped');
follows('the way back');
$subscriber->safe_psql('postgres', q{SELECT setval('ticket_order_id_seq', 1000000)});
my $selling = session($subscriber);
$selling->run("BEGIN; SELECT user_id FROM ticket_buy_seats('T1', 'S1', 'S12', 902, '{002/1F}', $stock)");
$offset = -s $subscriber->logfile;
reform('short', 'refund');
ok(becomes_true($subscriber, 'postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted}), 'a transaction that sells is waited for');
$selling->run('COMMIT');
$selling->quit;
ok($subscriber->wait_for_log(qr/ticket 1 of order \d+ is on a seat that the departure does not have/, $offset), 'a ticket that would have no seat keeps the change out');
is($subscriber->safe_psql('postgres', "SELECT seat FROM ticket_order WHERE user_id = 902"), '1F', 'and stays where it is');
agrees($subscriber, 'postgres', 'a change kept out');
$subscriber->safe_psql('postgres', 'SELECT ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 902)); DELETE FROM ticket_order WHERE user_id = 902');
follows('the change after a refund');
# A session that gets hold of a ticket here while the change waits for another one: it moves nobody behind the change's back.
reform('swapped');
follows('the way back again');
$selling = session($subscriber);
$selling->run("BEGIN; SELECT user_id FROM ticket_buy_seats('T1', 'S1', 'S2', 903, '{002/1F}', $stock)");
$publisher->safe_psql('postgres', qq{INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'swapped and more', coach, seat_class, seats || '{9X}' FROM ticket_formation WHERE formation = 'swapped'});
reform('swapped and more');
ok(becomes_true($subscriber, 'postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted}), 'the change waits');
my $moving = session($subscriber);
my $rider = q{SELECT order_id FROM ticket_order WHERE user_id = 303};
my $home = $subscriber->safe_psql('postgres', "SELECT coach || '/' || seat FROM ticket_order WHERE user_id = 303");
my $empty = $subscriber->safe_psql('postgres', qq{SELECT '002/' || s FROM unnest('{1A,1B,1C,1D}'::text[]) s WHERE s NOT IN (SELECT seat FROM ticket_order WHERE coach = '002' AND status = 'sold' AND service_date = $stock) LIMIT 1});
is($moving->run("BEGIN; SELECT coach || '/' || seat FROM ticket_reseat(($rider), '{1}', '{$empty}')"), $empty, 'a ticket is reseated meanwhile');
$selling->run('ROLLBACK');
$selling->quit;
ok(becomes_true($subscriber, 'postgres', q{SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted}), 'which the change waits for, too');
$moving->run('COMMIT');
ok(becomes_true($subscriber, 'postgres', qq{SELECT formation = 'swapped and more' FROM ticket_departure WHERE service_date = $stock}), 'before it is applied');
agrees($subscriber, 'postgres', 'a ticket reseated meanwhile');
is($moving->run("SELECT coach || '/' || seat FROM ticket_reseat(($rider), '{1}', '{$home}')"), $home, 'it goes back');
$moving->quit;
follows('more seats');
# Where departures are not replicated, the same call makes room for the rows. It may have seated others elsewhere.
$subscriber->safe_psql('postgres', q{
	ALTER SUBSCRIPTION whole DISABLE;
	SELECT setval('ticket_layout_layout_id_seq', 1000);
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('longer', '001', 'second', '{1A,1B,1C,1D,1F,2A,9Y}'), ('longer', '003', 'first', '{1A,1B,1C,1D,1F}')});
$publisher->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('longer', '001', 'second', '{1A,1B,1C,1D,1F,2A,9Y}'), ('longer', '003', 'first', '{1A,1B,1C,1D,1F}')});
$publisher->safe_psql('postgres', 'ALTER PUBLICATION whole DROP TABLE ticket_departure, ticket_layout, ticket_layout_coach');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION whole ENABLE');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION whole REFRESH PUBLICATION WITH (copy_data = false)');
$publisher->safe_psql('postgres', qq{SELECT count(*) FROM ticket_refund((SELECT order_id FROM ticket_order WHERE user_id = 302))});
$publisher->wait_for_catchup('whole');
$offset = -s $subscriber->logfile;
is(reform('longer'), '2 moved', 'a coach gets another number');
$publisher->safe_psql('postgres', qq{SELECT count(*) FROM ticket_buy_seats('T1', 'S1', 'S12', 340, '{001/9Y}', $stock)});
ok($subscriber->wait_for_log(qr/ticket 1 of order \d+ is on a seat that the departure does not have/, $offset), 'without its departure a ticket on a new seat is refused');
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION whole DISABLE');
$subscriber->safe_psql('postgres', qq{
	SELECT count(*) FROM ticket_reform('T1', $stock, 'longer');
	UPDATE ticket_order o SET seat = (SELECT seat FROM ticket_order WHERE user_id = 607 - o.user_id) WHERE user_id IN (303, 304)});
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION whole ENABLE');
follows('a change by a call on both servers');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION whole');

# Plain quantities: orders and inventories, with splits and merges, and what is changed by hand there.
sub units
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{SELECT item_id, item_remaining(item_id), (SELECT string_agg(id || ' ' || quantity || ' ' || status, ', ' ORDER BY id)
		FROM item_inventory i WHERE i.item_id = r.item_id) FROM item_inventory r WHERE parent_id IS NULL ORDER BY 1});
}
$subscriber->safe_psql('postgres', 'TRUNCATE item_inventory');
$publisher->safe_psql('postgres', q{
	SELECT count(*) FROM generate_series(1, 50) i, item_buy(1 + i % 2, i, i);
	CREATE PUBLICATION items FOR TABLE item_order, item_inventory});
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION items CONNECTION '$connstr' PUBLICATION items");
$subscriber->wait_for_subscription_sync($publisher, 'items');
is(units($subscriber), units($publisher), 'the first copy: the same units are left');
items_agree($subscriber, 'postgres', 'the first copy');
$publisher->safe_psql('postgres', q{
	SELECT count(*) FROM (SELECT order_id FROM item_order WHERE user_id % 3 = 0) o, item_refund(order_id);
	SELECT count(*) FROM item_split(1, 3, '{7,8,9}');
	SELECT count(*) FROM item_buy(1, 200, 2, inventory_id => (SELECT max(id) FROM item_inventory WHERE item_id = 1));
	SELECT item_add(1, 50);
	SELECT count(*) FROM item_buy(1, 201, 30);
	UPDATE item_inventory SET quantity = quantity + 5 WHERE item_id = 2;
	UPDATE item_order SET buy_quantity = 1 WHERE user_id = 50;
	DELETE FROM item_order WHERE user_id < 10;
	SELECT item_open(3, 10);
	SELECT count(*) FROM item_buy(3, 202, 4)});
$publisher->wait_for_catchup('items');
is(units($subscriber), units($publisher), 'changes are applied: the same units are left');
items_agree($subscriber, 'postgres', 'changes applied');
$publisher->safe_psql('postgres', 'SELECT item_merge((SELECT max(id) FROM item_inventory WHERE item_id = 1))');
$publisher->wait_for_catchup('items');
is(units($subscriber), units($publisher), 'a merge is applied');
items_agree($subscriber, 'postgres', 'a merge applied');
# The subscriber sells units which the publisher sells too.
$offset = -s $subscriber->logfile;
$subscriber->safe_psql('postgres', q{SELECT setval('item_order_id_seq', 1000000)});
$rival = $subscriber->safe_psql('postgres', 'SELECT order_id FROM item_buy(3, 900, 6)');
$publisher->safe_psql('postgres', 'SELECT count(*) FROM item_buy(3, 901, 6)');
ok($subscriber->wait_for_log(qr/inventory \d+ of item 3 has too few units left/, $offset), 'an order of units that are sold here is refused');
$subscriber->safe_psql('postgres', "SELECT count(*) FROM item_refund($rival)");
ok(becomes_true($subscriber, 'postgres', 'SELECT count(*) = 1 FROM item_order WHERE user_id = 901'), 'it comes once they are free');
items_agree($subscriber, 'postgres', 'after the conflict of units');
$publisher->safe_psql('postgres', 'TRUNCATE item_order');
$publisher->wait_for_catchup('items');
is(units($subscriber), units($publisher), 'TRUNCATE is applied to items');
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION items');
$publisher->safe_psql('postgres', 'SELECT count(*) FROM generate_series(1, 20) i, item_buy(1 + i % 2, i, i)');
$subscriber->stop;

# ---------------------------------------------------------------------------------------------------------------------
# pg_restore --data-only, with and without --disable-triggers, into a database whose departures are in memory.
# ---------------------------------------------------------------------------------------------------------------------
my $node = $publisher;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $session = session($node);
$node->safe_psql('postgres', qq{
	TRUNCATE ticket_order;
	SELECT count(*) FROM generate_series(1, 60) i, ticket_buy('T1', 'S' || i % 11 + 1, 'S12', i, date '$day' + i % 3);
	SELECT ticket_reserve('T1', '$day', 'second', 'web', 5, 'S1', 'S4');
	SELECT count(*) FROM ticket_buy('T1', 'S1', 'S3', 70, '$day', channel => 'web')});
my $matrix = matrix($node, 'postgres');
my $units = units($node);
my $web = "SELECT ticket_remaining('T1', 'S1', 'S3', '$day', channel => 'web')";
my $left = $session->run($web);
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/data", '-d', $node->connstr('postgres') ], 'dump');
for my $options ([ '--data-only' ], [ '--data-only', '--disable-triggers' ], [ '--data-only', '--disable-triggers', '-1' ], [ '--data-only', '-1' ], [ '--data-only', '-j2' ])
{
	my $way = "@$options";
	my $empty = 'ticket_reservation, ticket_departure, ticket_station, ticket_stop, ticket_formation, ticket_route, ticket_route_call, ticket_layout, ticket_layout_coach';
	# As a deployment does it: one session that has seen the old rows deletes them, and the dump is
	# restored.
	$session->run('TRUNCATE ticket_order; TRUNCATE item_order, item_inventory');
	is($session->run("TRUNCATE $empty"), '', "$way: emptied");
	$session->run("DELETE FROM ticket_rule WHERE NOT builtin");
	(undef, my $errors) = PostgreSQL::Test::Utils::run_command([ 'pg_restore', @$options, '-d', $node->connstr('postgres'), "$dir/data" ]);
	is($errors, '', "$way: no error");
	is(matrix($node, 'postgres'), $matrix, "$way: the same seats are left");
	is(units($node), $units, "$way: the same units are left");
	is($session->run($web), $left, "$way: a session that was there before sees the quota");
	agrees($node, 'postgres', $way);
	is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT tgenabled::text, '') FROM pg_trigger WHERE tgname LIKE 'ticket\_follow%'}), 'A', "$way: our triggers fire always");
}
# Only orders, while the departures stay and are in memory.
$session->run('DELETE FROM ticket_order');
my @leaves = split /\n/, $node->safe_psql('postgres', q{SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass});
$session->run($web);
$node->command_ok([ 'pg_restore', '--data-only', '--disable-triggers', (map { ('-t', $_) } @leaves), '-d', $node->connstr('postgres'), "$dir/data" ], 'orders come back with triggers disabled');
is($session->run($web), $left, 'the session sees them');
is(matrix($node, 'postgres'), $matrix, 'everybody does');
agrees($node, 'postgres', 'orders came back');

# ---------------------------------------------------------------------------------------------------------------------
# Sales go on while tables are vacuumed, clustered and analysed; what is detached and attached again counts as it is.
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'TRUNCATE ticket_order');
my $workers = start_workers(4, sub {
	my ($number, $log) = @_;
	my $mine = session($node);
	for my $i (1 .. 150)
	{
		my $date = int(rand(3));
		my $from = 1 + int(rand(11));
		my $order = $mine->run("SELECT order_id FROM ticket_buy('T1', 'S$from', 'S@{[$from + 1]}', $number, date '$day' + $date)");
		print $log $mine->sqlstate, "\n" if $mine->sqlstate ne '00000';
		if ($order =~ /^\d+$/ && $i % 3 == 0)
		{
			$mine->run("SELECT count(*) FROM ticket_refund($order)");
			print $log $mine->sqlstate, "\n" if $mine->sqlstate ne '00000';
		}
	}
	$mine->quit;
});
$node->safe_psql('postgres', "VACUUM FULL $leaves[0]; CLUSTER $leaves[1] USING $leaves[1]_pkey; VACUUM ANALYZE ticket_order; VACUUM FULL ticket_departure; CLUSTER ticket_reservation USING ticket_reservation_pkey; VACUUM FULL") for 1 .. 3;
wait_workers($workers);
is(join(' ', log_lines($workers)), '', 'nobody fails meanwhile');
agrees($node, 'postgres', 'VACUUM FULL and CLUSTER during sales');

my $before = matrix($node, 'postgres');
$node->safe_psql('postgres', "ALTER TABLE ticket_order DETACH PARTITION $leaves[0] CONCURRENTLY");
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_trigger WHERE tgrelid = '$leaves[0]'::regclass"), '0', 'a detached day needs the extension no more');
my $offered = 'SELECT sum(m.remaining) FROM ticket_departure d, ticket_remaining_matrix(d.train, d.service_date, NULL) m WHERE d.service_date =';
my $date = $node->safe_psql('postgres', "SELECT min(service_date) FROM $leaves[0]");
is($node->safe_psql('postgres', "$offered '$date'"), '0', 'nothing of a detached day is offered');
agrees($node, 'postgres', 'a day detached', "d.service_date <> '$date'");
$node->safe_psql('postgres', "ALTER TABLE ticket_order ATTACH PARTITION $leaves[0] FOR VALUES FROM ('$date') TO (date '$date' + 1)");
is(matrix($node, 'postgres'), $before, 'attached again');
agrees($node, 'postgres', 'a day attached');
$date = $node->safe_psql('postgres', "SELECT min(service_date) FROM $leaves[1]");
$node->safe_psql('postgres', "DROP TABLE $leaves[1]");
is($node->safe_psql('postgres', "$offered '$date'"), '0', 'nor of one that was dropped');
agrees($node, 'postgres', 'a day dropped', "d.service_date <> '$date'");

$node->stop;
done_testing();
