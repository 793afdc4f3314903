# Two routers over the same nodes, made by doc/examples/two_routers.sql: what is written on the first
# reaches the second, whose foreign servers follow; both sell, and each knows the orders of the other;
# what both write does not stop the replication; after a move the second finds the departure.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

require_plproxy();
my $day = DAY;
my $it = TicketpoolTest::Router->new('two', nodes => 2, router_conf => "wal_level = logical\nmax_wal_senders = 5\nmax_replication_slots = 5\n");
my $first = $it->router;
my $second = PostgreSQL::Test::Cluster->new('two_second');
$second->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$second->append_conf('postgresql.conf', "max_connections = 40\n");
$second = keep_sessions($second);
$second->start;
$second->safe_psql('postgres', 'SET client_min_messages = warning; CREATE EXTENSION ticketpool_router CASCADE');
$second->command_ok([ 'psql', '-X', '-q', '-v', 'first=' . $first->connstr('postgres'), '-v', 'second=' . $second->connstr('postgres'),
	'-f', "$FindBin::RealBin/../../doc/examples/two_routers.sql" ], 'the example makes the second router');

# SQL on the second router; its output.
sub ask_second { my ($sql) = @_; return $second->safe_psql('postgres', $sql) }
# Waits until the second router has what the first has.
my $rows = q{SELECT md5(string_agg(r::text, ';' ORDER BY r::text)) FROM (
	SELECT 'node', node::text, conninfo, coalesce(read_conninfo, ''), old_ids::text FROM router_node
	UNION ALL SELECT 'train', train, from_date::text, node::text, '' FROM router_train
	UNION ALL SELECT 'item', item_id::text, node::text, '', '' FROM router_item
	UNION ALL SELECT 'station', station, service_date::text, node::text, '' FROM router_station
	UNION ALL SELECT 'moved', node::text, service_date::text, to_node::text, '' FROM router_moved) r};
sub same_rows { my ($label) = @_; ok(await(sub { $it->ask($rows) eq ask_second($rows) }), "$label: both have the same rows"); return }

# ---------------------------------------------------------------------------------------------------------------------
# The second follows
# ---------------------------------------------------------------------------------------------------------------------
$it->reference('one', 100, T1 => 5, T2 => 5);
$it->assign(T1 => 1, T2 => 2);
$it->open_departures_of('one', 2, 'T1', 'T2');
same_rows('nodes, trains, stations');
is(ask_second(q{SELECT count(*) FROM pg_foreign_server s, pg_options_to_table(srvoptions) o WHERE srvname = 'ticketpool' AND option_name IN ('p1', 'p2') AND option_value LIKE '%dbname=node_%'}),
	'2', 'its foreign servers have the nodes');
is(ask_second('SELECT count(*) FROM router_status() WHERE NOT ok'), '0', 'router_status finds nothing wrong') or diag(ask_second('SELECT * FROM router_status() WHERE NOT ok'));
for my $train ('T1', 'T2')
{
	my $order = ask_second("SELECT order_id FROM ticket_buy('$train', 'S1', 'S5', 7, '$day')");
	like($order, qr/^\d+$/, "the second sells $train");
	is($it->ask("SELECT status FROM ticket_refund($order)"), 'refunded', 'the first brings it back');
	$order = $it->ask("SELECT order_id FROM ticket_buy('$train', 'S1', 'S5', 7, '$day')");
	is(ask_second("SELECT status FROM ticket_refund($order)"), 'refunded', 'and the other way round');
}
is(ask_second("SELECT count(*) FROM ticket_search('S1', 'S3', '$day')"), $it->ask("SELECT count(*) FROM ticket_search('S1', 'S3', '$day')"), 'both find the same');

# ---------------------------------------------------------------------------------------------------------------------
# Both write
# ---------------------------------------------------------------------------------------------------------------------
ask_second("SELECT ticket_open('T1', date '$day' + 5, 'one', '2020-01-01')");
is(ask_second("SELECT count(*) FROM ticket_search('S1', 'S3', date '$day' + 5)"), '1', 'the second knows what was opened through it');
$it->ask('SELECT router_refresh()');
is($it->ask("SELECT count(*) FROM ticket_search('S1', 'S3', date '$day' + 5)"), '1', 'the first knows it after router_refresh');
# The rows that the second has already have come to it again. What comes after them arrives.
ask_second(q{INSERT INTO router_train VALUES ('T9', '2020-01-01', 1)});
$it->ask(q{SELECT router_assign('T9', 2, '2020-01-01')});
$it->ask('SELECT router_assign_item(5, 2)');
same_rows('rows that both have written');
is(ask_second(q{SELECT node FROM router_train WHERE train = 'T9'}), '2', "the first's row counts");
is($first->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_replication'), '1', 'the replication goes on');
my $assign = q{SELECT router_assign('T9', 2, '2020-01-01')};
like(($second->psql('postgres', $assign))[2], qr/WARNING:  this router gets its tables from another router/, 'the second says that its rows stay with it');
is(($first->psql('postgres', $assign))[2], '', 'the first does not');

# ---------------------------------------------------------------------------------------------------------------------
# A node changes its place, a departure moves
# ---------------------------------------------------------------------------------------------------------------------
my $order = ask_second("SELECT order_id FROM ticket_buy('T1', 'S1', 'S5', 7, '$day', request_id => '00000000-0000-4000-8000-000000000001')");
$it->ask("SELECT router_move('T1', '$day', 2)");
# Whether its row is there yet or not: the second finds the departure.
is(ask_second("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 7, '$day')"), '1', 'the second sells what has moved');
same_rows('a move');
is(ask_second("SELECT order_id FROM ticket_buy('T1', 'S1', 'S5', 7, '$day', request_id => '00000000-0000-4000-8000-000000000001')"), $order, 'a repeat finds the order that moved along');
is(ask_second("SELECT status FROM ticket_refund($order)"), 'refunded', 'and brings it back');
is(ask_second("SELECT node FROM ticket_where('T1', '$day')"), '2', 'ticket_where says so as well');

my $alias = $it->conninfo($it->node(1)) . ' application_name=again';
$it->ask("SELECT router_node_add(1, '$alias')");
same_rows('a node at another address');
is(ask_second(q{SELECT option_value LIKE '%application_name=again%' FROM pg_foreign_server s, pg_options_to_table(srvoptions) o WHERE srvname = 'ticketpool' AND option_name = 'p1'}), 't', 'the second goes there');
# A route of the router's own stays its own.
ask_second('UPDATE router_node SET via = conninfo WHERE node = 1');
$it->ask('UPDATE router_node SET via = NULL, route_days = 4 WHERE node = 1');
ok(await(sub { ask_second('SELECT route_days FROM router_node WHERE node = 1') eq '4' }), 'a change arrives');
is(ask_second('SELECT via IS NOT NULL FROM router_node WHERE node = 1'), 't', 'and leaves how the second reaches the node');

$it->all_agree('two routers');
$second->safe_psql('postgres', 'ALTER SUBSCRIPTION router DISABLE; ALTER SUBSCRIPTION router SET (slot_name = NONE); DROP SUBSCRIPTION router');
$second->stop('fast', fail_ok => 1);
$it->stop;
done_testing();
