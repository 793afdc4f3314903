# The router's tables and administration: nodes, trains, stations, exchanges between nodes, and what
# router_status says. Two nodes and a router that preloads nothing; one more server is down.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $next = '2031-05-02';
my @node = (undef, map { new_server("node$_", streaming => 1, conf => 'ticketpool.memory = 4MB') } 1, 2);
for my $n (1, 2)
{
	$node[$n]->safe_psql('postgres', "SELECT ticket_node_set($n)");
	make_train($node[$n], 'postgres', $_, 4) for qw(A B);
	make_formation($node[$n], 'postgres', 'f', 3);
	$node[$n]->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('f', '9', 'first', '{1A,1B}')});
}
my $router = PostgreSQL::Test::Cluster->new('router');
$router->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$router->start;
keep_sessions($router);
$router->safe_psql('postgres', 'CREATE EXTENSION plproxy; CREATE EXTENSION ticketpool_router');

sub ask { my ($sql) = @_; return $router->safe_psql('postgres', $sql) }

# The SQLSTATE, the message and the warnings of a call through the router.
sub answer
{
	my ($sql) = @_;
	my ($out, $err) = ('', '');
	$router->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	return $err;
}

sub refused
{
	my ($sqlstate, $sql, $label) = @_;
	like(answer($sql), qr/ERROR:  $sqlstate:/, $label // $sql);
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Nodes
# ---------------------------------------------------------------------------------------------------------------------
my %at = map { $_ => $node[$_]->connstr('postgres') } 1, 2;
refused('22023', "SELECT router_node_add($_, 'dbname=x')") for 0, 128;
refused('22004', 'SELECT router_node_add(1, NULL)');
refused('22023', "SELECT router_node_add(1, '$_')") for '', 'postgresql://host/db', 'host=a user=me', "host=a PASSWORD = ''x y''", 'host', "host=''a", '=a';
unlike(answer("SELECT router_node_add(1, 'host=a password=secret')"), qr/ERROR.*secret/, 'a password is not repeated in the message');
is(answer('SELECT router_node_add(1, $$' . $at{1} . '$$)'), '', 'a node that answers is added without a word');
like(answer('SELECT router_node_add(3, $$' . $at{2} . '$$)'), qr/WARNING.*the server of node 3 has the number 2/, 'a wrong number is a warning');
ask('INSERT INTO router_node (node, conninfo) VALUES (6, $$' . $node[1]->connstr('template1') . '$$)');
like(ask('SELECT what, detail FROM router_status() WHERE node = 6'), qr/\Areachable\|It does not answer: .*ticket_call.* does not exist\. Create or update the extension ticketpool there, in the schema "public"/, 'a database without the extension is reached, and is not called down');
ask('DELETE FROM router_node WHERE node = 6');
like(answer(q{SELECT router_node_add(4, 'host=/nonexistent dbname=none', old_ids => true)}), qr/WARNING.*node 4 does not answer yet/, 'a node that is down is added with a warning');
refused('23505', 'SELECT router_node_add(2, $$' . $at{2} . '$$, old_ids => true)', 'one node has the ids from before');
is(answer('SELECT router_node_add(2, $$' . $at{2} . '$$)'), '', 'the second node');
my $options = q{SELECT string_agg(o, ' ' ORDER BY o) FROM pg_foreign_server, unnest(srvoptions) o WHERE srvname = '%s' AND o !~ '=host=/nonexistent$' AND o ~ '^p'};
my $servers = ask(sprintf $options, 'ticketpool');
is(ask(sprintf $options, 'ticketpool_read'), $servers, 'both servers lead to the same nodes');
is($servers, "p1=$at{1} p2=$at{2} p3=$at{2} p4=host=/nonexistent dbname=none", 'the foreign servers follow the table');
ask(q{BEGIN; UPDATE router_node SET via = 'dbname=other', read_conninfo = 'dbname=standby', read_via = 'dbname=pooled' WHERE node = 1; ROLLBACK});
is(ask(sprintf $options, 'ticketpool'), $servers, 'and what is rolled back is gone there, too');
ask(q{UPDATE router_node SET read_conninfo = 'dbname=standby', read_via = 'dbname=pooled' WHERE node = 2});
like(ask(sprintf $options, 'ticketpool_read'), qr/p2=dbname=pooled/, 'reads have a way of their own');
ask(q{UPDATE router_node SET read_conninfo = NULL, read_via = NULL WHERE node = 2; DELETE FROM router_node WHERE node = 3});
is(ask(sprintf $options, 'ticketpool'), "p1=$at{1} p2=$at{2} p4=host=/nonexistent dbname=none", 'a node that is deleted leads nowhere');
# As a subscription does it
ask(q{SET session_replication_role = replica; INSERT INTO router_node (node, conninfo) VALUES (5, 'dbname=five'); INSERT INTO router_node (node, conninfo) VALUES (5, 'dbname=fifth');
	INSERT INTO router_station VALUES ('x', '2031-01-01', 1); INSERT INTO router_station VALUES ('x', '2031-01-01', 1); RESET session_replication_role});
like(ask(sprintf $options, 'ticketpool'), qr/p5=dbname=fifth$/, 'rows that arrive by replication reach the servers, and twice is not too often');
ask('DELETE FROM router_node WHERE node IN (4, 5)');

# ---------------------------------------------------------------------------------------------------------------------
# Trains and items
# ---------------------------------------------------------------------------------------------------------------------
refused('22023', "SELECT router_assign('A', 7)");
refused('22004', 'SELECT router_assign(NULL, 1)');
refused('22023', "SELECT router_assign_item(1, 7)");
ask("SELECT router_assign('A', 1); SELECT router_assign('B', 2)");
is(ask("SELECT train, from_date, node FROM router_train ORDER BY 1"), "A|-infinity|1\nB|-infinity|2", 'a train that nobody has is given whole');
ask("SELECT ticket_open('A', '$day', 'f')");
ask("SELECT ticket_open('B', '$day', 'f')");
is(ask("SELECT station, node FROM router_station WHERE service_date = '$day' AND station ~ '1' ORDER BY 1, 2"),
	"S1|1\nS1|2\nStation S1|1\nStation S1|2", 'what is opened through the router is known at once');
is(ask("SELECT node FROM ticket_where('A', '$day')") . ask("SELECT conninfo FROM ticket_where('B', '$day')"), "1$at{2}", 'ticket_where says where a departure is');
refused('TK001', "SELECT * FROM ticket_where('C', '$day')");
refused('TK005', 'SELECT * FROM ticket_where(1)', 'an order that does not exist is nowhere');
ask("SELECT router_assign('A', 2)");
is(ask("SELECT from_date, node FROM router_train WHERE train = 'A' ORDER BY 1"), "-infinity|1\n$next|2", 'a node gets a train from the day after the last departure of another one');
refused('55000', "SELECT router_assign('A', 2, '$day')", 'a departure may not be cut off');
ask("SELECT router_assign('A', 1, '$next')");
ask('SELECT item_open(9, 5)') if ask('SELECT router_assign_item(9, 1)') eq '';
refused('55000', 'SELECT router_assign_item(9, 2)', 'an item stays where it is on sale');

# ---------------------------------------------------------------------------------------------------------------------
# Stations
# ---------------------------------------------------------------------------------------------------------------------
$node[1]->safe_psql('postgres', "SELECT ticket_open('B', '$next', 'f')");
ask("INSERT INTO router_station VALUES ('S1', '2030-01-01', 1), ('S1', '$day', 99)");
like(ask("SELECT detail FROM router_status() WHERE what = 'search' AND NOT ok"), qr/router_refresh/, 'the status says that departures are not found');
ask('SELECT router_refresh()');
is(ask("SELECT node, service_date, count(*) FROM router_station GROUP BY 1, 2 ORDER BY 1, 2"), "1|$day|8\n1|$next|8\n2|$day|8", 'router_refresh adds and takes away');

# A session that adds rows, and a refresh that takes some away, take turns: it asks the node again afterwards.
ask("INSERT INTO router_station VALUES ('S1', '2030-01-01', 1)");
$node[1]->safe_psql('postgres', "SELECT ticket_open('A', '$next', 'f')");
my $opener = session($router, 'postgres');
$opener->run("BEGIN; INSERT INTO router_station VALUES ('S1', '2030-01-02', 1)");
my $refresher = session($router, 'postgres');
$refresher->send('SELECT router_refresh()');
ok(becomes_true($router, 'postgres', q{SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'router_station'::regclass)}), 'router_refresh waits for a session that adds rows');
$opener->run('COMMIT');
$refresher->wait;
is(ask("SELECT DISTINCT service_date FROM router_station WHERE node = 1 ORDER BY 1"), "$day\n$next", 'and then takes away what is not served');
# A caller's search_path is not looked at.
ask(q{CREATE SCHEMA evil; CREATE FUNCTION evil.fail(date, date) RETURNS date LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$evil$$; END';
	CREATE AGGREGATE evil.min(date) (SFUNC = evil.fail, STYPE = date)});
ask("SELECT router_assign('C', 2, '2032-01-01')");
is(answer("SET search_path = evil, pg_catalog, public; SELECT router_assign('C', 2, '2031-01-01')"), '', 'a hostile search_path is not looked at');

# A departure is open although the question that follows was cancelled.
$node[2]->safe_psql('postgres', q{CREATE OR REPLACE FUNCTION ticket_route_days(arrives interval[], departs interval[]) RETURNS int LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
	AS $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$});
like(answer("SELECT ticket_open('B', '2031-05-09', 'f')"), qr/^(?!.*ERROR).*WARNING.*searches do not find the departure yet/s, 'a cancel after a departure was opened is a warning');
$node[2]->safe_psql('postgres', q{CREATE OR REPLACE FUNCTION ticket_route_days(arrives interval[], departs interval[]) RETURNS int
	AS '$libdir/ticketpool', 'ticket_route_days' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE});
$node[2]->safe_psql('postgres', "DELETE FROM ticket_departure WHERE train = 'B' AND service_date = '2031-05-09'");

# ---------------------------------------------------------------------------------------------------------------------
# Exchanges between nodes
# ---------------------------------------------------------------------------------------------------------------------
sub statuses { my ($n, $order) = @_; return $node[$n]->safe_psql('postgres', "SELECT string_agg(status, ',' ORDER BY ticket_no) FROM ticket_get($order)") }
sub buy { my ($train, $class, $passengers) = @_; return ask("SELECT DISTINCT order_id FROM ticket_buy('$train', 'S1', 'S4', 7, '$day', '$class', '$passengers', channel => 'web')") }

my $old = buy('A', 'second', '{1,2}');
my $columns = 'status, seat_class, passenger_id, channel, user_id, changed_from, held_until, request_id';
my $rid = '00000000-0000-0000-0000-000000000001';
is(ask("SELECT $columns FROM ticket_change($old, 'B', 'S1', 'S3', '$day', request_id => '$rid') ORDER BY ticket_no"),
	join("\n", map { "sold|second|$_|web|7|$old||$rid" } 1, 2), 'the new tickets are as after an exchange on one node');
is(statuses(1, $old), 'changed,changed', 'the old ones are changed');
is(ask("SELECT count(*) FROM ticket_change($old, 'B', 'S1', 'S3', '$day', request_id => '$rid')"), 2, 'the request_id returns the first rows');
refused('22023', "SELECT * FROM ticket_change($old, 'B', 'S1', 'S2', '$day', request_id => '$rid')", 'and is refused for another trip');
refused('TK005', "SELECT * FROM ticket_change($old, 'B', 'S1', 'S3', '$day')", 'without a request_id a second exchange is refused');
refused('25001', "BEGIN; SELECT * FROM ticket_change($old, 'B', 'S1', 'S3', '$day')");
is($node[1]->safe_psql('postgres', 'SELECT count(*) FROM ticket_unsettled()'), 0, 'nothing is left to settle');
$old = buy('A', 'second', '{1,2}');
is(ask("SELECT count(*) FROM ticket_change($old, 'B', 'S1', 'S3', '$day')"), 0, 'sold out: no row');
is(statuses(1, $old), 'sold,sold', 'and the old tickets stay');
refused('TK006', "SELECT * FROM ticket_change($old, 'B', 'S1', 'S3', '$day', 'third')");
refused('TK002', "SELECT * FROM ticket_change($old, 'B', 'S3', 'S1', '$day')");
refused('TK005', "SELECT * FROM ticket_change(" . ($old + 128 * 1000) . ", 'B', 'S1', 'S3', '$day')");
refused('TK005', "SELECT * FROM ticket_change($old, 'B', 'S1', 'S3', '$day', ticket_nos => '{3}')");
is(statuses(1, $old), 'sold,sold', 'errors leave the old tickets');

# What no node has: the answer of a node
is(ask("SELECT count(*) FROM ticket_get(5)"), 0, 'an order whose node does not exist has no rows');
is(ask("SELECT * FROM ticket_why('none', 'S1', 'S2', '$day')"), $node[1]->safe_psql('postgres', "SELECT * FROM ticket_why('none', 'S1', 'S2', '$day')"), 'a train that no node has is explained');
like(answer("SELECT $_->[0]"), qr/ERROR:  $_->[1]/, $_->[0]) for [ 'item_merge(5)', 'TK001: inventory 5 does not exist' ], [ 'ticket_recycle(5)', 'TK005: reservation 5 does not exist' ], [ 'ticket_confirm(5)', 'TK005: order 5 does not exist' ];
ask('UPDATE router_node SET old_ids = true WHERE node = 2');
$node[2]->safe_psql('postgres', 'INSERT INTO item_inventory (id, item_id, quantity) VALUES (129, 129, 5)');
my ($merge) = answer('SELECT item_merge(129)') =~ /ERROR:  (.*)/;
unlike($merge, qr/does not exist/, 'an inventory from before there were nodes is looked for where those are');
ask('UPDATE router_node SET old_ids = false');

# Some orders of that node and day may be on a node that is down: this one is not.
my $there = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
answer(q{SELECT router_node_add(4, 'host=/nonexistent dbname=none')});
ask("INSERT INTO router_moved VALUES (1, '$day', 4), (2, '$day', 4)");
is(ask("SELECT status FROM ticket_get($there)"), 'sold', 'an order is read although a node that might have it is down');
is(ask("SELECT node FROM ticket_where($there)"), 1, 'it is found');
my $here = ask("SELECT order_id FROM ticket_change($there, 'B', 'S1', 'S4', '$day', 'first')");
is(statuses(1, $there) . statuses(2, $here), 'changedsold', 'it is exchanged');
is(ask("SELECT status FROM ticket_refund($here)"), 'refunded', 'and refunded');
refused('08001', "SELECT * FROM $_") for map { "$_(" . ($there + 128 * 1000) . ')' } qw(ticket_get ticket_where ticket_refund);
ask('DELETE FROM router_moved; DELETE FROM router_node WHERE node = 4');

# An exchange whose old order is on its way to another node waits for it.
$there = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
ask("INSERT INTO router_moved VALUES (1, '$day', 2)");
my $parcel = '00000000-0000-0000-0000-000000000009';
$node[1]->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'A', '$day', 2)");
my $waiting = session($router, 'postgres');
$waiting->send("SELECT status FROM ticket_change($there, 'B', 'S1', 'S4', '$day', 'first')");
is(ask("SELECT node FROM ticket_where($there)"), 1, 'an order on its way is where it can be asked for');
ok(becomes_true($router, 'postgres', "SELECT wait_event = 'Extension' OR state <> 'active' FROM pg_stat_activity WHERE pid = " . $waiting->backend), 'an exchange of it waits');
$node[1]->safe_psql('postgres', "SELECT ticket_move_back('$parcel')");
is($waiting->wait, 'sold', 'until it has arrived');
is(statuses(1, $there), 'changed', 'and is made then');
ask("SELECT ticket_refund((SELECT changed_to FROM ticket_get($there)))");
# The seats were held when the old order was on another node. Now both are on one.
my $request = '00000000-0000-0000-0000-000000000008';
$there = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
$here = $node[2]->safe_psql('postgres',
	"SELECT order_id FROM ticket_exchange_hold($there, 7, '{1}', '{1}', '{first}', '{NULL}', 'B', 'S1', 'S4', '$day', 'first', ttl => '1 hour', request_id => '$request')");
ask("SELECT router_move('A', '$day', 2)");
is(ask("SELECT order_id, status FROM ticket_change($there, 'B', 'S1', 'S4', '$day', 'first', request_id => '$request')"), "$here|sold", 'an exchange goes on although the old order has moved to the new one');
is(statuses(2, $there), 'changed', 'and the old ticket is changed');
is(ask("SELECT order_id, status FROM ticket_change($there, 'B', 'S1', 'S4', '$day', 'first', request_id => '$request')"), "$here|sold", 'once');
# The new one moves, and this router does not know yet: the repeat is the same call, another trip is not.
my $again = "ticket_change($there, 'B', 'S1', 'S4', '$day', 'first', request_id => '$request')";
ask("SELECT router_move('B', '$day', 1); DELETE FROM router_train WHERE train = 'B'; INSERT INTO router_train VALUES ('B', '2020-01-01', 2)");
is(ask("SELECT order_id, status FROM $again"), "$here|sold", 'a repeat finds the new order where it has moved to');
refused('22023', 'SELECT * FROM ' . $again =~ s/S4/S3/r, 'another trip with its request_id is refused there');
ask("SELECT router_move('B', '$day', 2)");
$node[2]->safe_psql('postgres', "SELECT ticket_open('B', '2031-05-03', 'f', '2020-01-01')");
refused('22023', 'SELECT * FROM ' . $again =~ s/'$day'/'2031-05-03'/r, 'another day is, too');
$node[2]->safe_psql('postgres', "DELETE FROM ticket_departure WHERE service_date = '2031-05-03'");
ask("SELECT ticket_refund($here)");
# The old tickets cannot be locked: the hold stays, since another session that makes the same exchange may have
# got them.
$request = '00000000-0000-0000-0000-000000000007';
$there = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
$again = "ticket_change($there, 'B', 'S1', 'S4', '$day', 'first', request_id => '$request')";
ask("SELECT router_move('A', '$day', 1)");
$node[1]->safe_psql('postgres', q{CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '55P03'; END $$;
	CREATE TRIGGER busy BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION busy()});
refused('55P03', "SELECT * FROM $again", 'an exchange whose old ticket cannot be locked is refused');
is($node[2]->safe_psql('postgres', "SELECT status FROM ticket_order WHERE request_id = '$request'"), 'held', 'its hold stays');
$node[1]->safe_psql('postgres', 'DROP TRIGGER busy ON ticket_order');
is(ask("SELECT status FROM $again"), 'sold', 'and the repeat has it');
ask("SELECT ticket_refund((SELECT changed_to FROM ticket_get($there)))");
ask("SELECT router_move('A', '$day', 2)");
# An exchange on one node, and then the old order moves away.
$request = '00000000-0000-0000-0000-000000000006';
$there = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
$again = "ticket_change($there, 'B', 'S1', 'S4', '$day', 'first', request_id => '$request')";
$here = ask("SELECT order_id FROM $again");
ask("SELECT router_move('A', '$day', 1)");
is(ask("SELECT order_id, status FROM $again"), "$here|sold", 'the repeat of an exchange finds it after the old order has moved');
refused('22023', 'SELECT * FROM ' . $again =~ s/S4/S3/r, 'another trip with its request_id is refused');
refused('TK005', 'SELECT * FROM ' . $again =~ s/6'/5'/r, 'another request is, too');
ask("SELECT ticket_refund($here); SELECT router_move('A', '$day', 2)");
# What an attempt at a move has left on a node
$node[1]->safe_psql('postgres', qq{SELECT ticket_parcel_put('$parcel', 0, 'header', '{"train": "A", "service_date": "$day", "departure_id": 5, "to_node": 1, "parts": 2}')});
ask("SELECT router_move('A', '$day', 1)");
is($node[1]->safe_psql('postgres', "SELECT state FROM ticket_parcel WHERE parcel = '$parcel'"), 'refused', 'a parcel that will never arrive is given up');
is($node[1]->safe_psql('postgres', 'SELECT count(*) FROM ticket_parcel_part'), 0, 'with its parts');
# A move of which the target has refused the parcel, and then the router died
$parcel = '00000000-0000-0000-0000-00000000000a';
$node[1]->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'A', '$day', 2); SELECT ticket_move_ready('$parcel')");
$node[2]->safe_psql('postgres', "SELECT ticket_move_refuse('$parcel')");
is(answer("SELECT router_move('A', '$day', 2)"), '', 'the next move takes it back, and makes its own');
is(ask("SELECT node FROM ticket_where('A', '$day')"), 2, 'the departure is there');
ask("SELECT router_move('A', '$day', 1)");
ask('DELETE FROM router_moved');

# Left halfway after the point of no return: by a repetition, by router_settle, and undone
my $half = ask("SELECT count(*) FROM ticket_change($old, 'B', 'S1', 'S4', '$day', 'first', ticket_nos => '{1}')");
is($half, 1, 'one ticket, to another class');
is(statuses(1, $old), 'changed,sold', 'the other one stays');
sub left_halfway
{
	my ($order, $request) = @_;
	$request = $request ? "'$request'" : 'gen_random_uuid()';
	my $to = $node[2]->safe_psql('postgres',
		"SELECT order_id FROM ticket_exchange_hold($order, 7, '{1}', '{1}', '{first}', '{NULL}', 'B', 'S1', 'S4', '$day', 'first', ttl => '1 hour', request_id => $request)");
	$node[1]->safe_psql('postgres', "SELECT FROM ticket_change_away($order, $to, '{1}')");
	return $to;
}
my $another = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
my $to = left_halfway($another);
is(statuses(1, $another) . statuses(2, $to), 'changedheld', 'an exchange is left halfway');
$node[2]->stop('immediate');
like(answer('SELECT * FROM router_settle()'), qr/WARNING.*still unfinished.*WARNING.*node 2 was not asked/s, 'router_settle names what it cannot finish');
like(ask('SELECT node, what, detail FROM router_status() WHERE NOT ok'), qr/2\|reachable\|It does not answer/, 'router_status says that a node is down');
is(ask("SELECT count(*) FROM router_status() WHERE node = 1 AND what = 'reachable' AND ok"), 1, 'and that the other one is not');
like(answer('SELECT router_refresh()'), qr/WARNING.*node 2 did not say/, 'router_refresh warns');
is(ask("SELECT count(*) FROM router_station WHERE node = 2"), 8, 'and keeps what it knew');
$node[2]->start;
is(ask('SELECT * FROM router_settle()'), "$another|$to|sold", 'it is finished when the node is back');
is(ask('SELECT * FROM router_settle()'), '', 'once');
$another = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
ask("SELECT ticket_refund($to)");
$rid = '00000000-0000-0000-0000-000000000002';
$to = left_halfway($another, $rid);
is(ask("SELECT order_id, status, changed_from FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')"), "$to|sold|$another",
	'a repetition with the request_id finishes what was left halfway');
is(ask('SELECT * FROM router_settle()'), '', 'and nothing is left to settle');
ask("SELECT ticket_refund($to)");
$another = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
$to = left_halfway($another);
$node[2]->safe_psql('postgres', "SELECT ticket_cancel($to)");
my $rivals = ask("SELECT DISTINCT order_id FROM ticket_buy('A', 'S1', 'S4', 8, '$day', 'first', '{8,9}')");
like(answer('SELECT * FROM router_settle()'), qr/WARNING.*still unfinished.*the old seats are sold/s, 'an exchange is not undone over a seat that is sold again');
is(statuses(1, $another) . statuses(1, $rivals), 'changedsold,sold', 'nothing has changed');
ask("SELECT ticket_refund($rivals)");
is(ask('SELECT * FROM router_settle()'), "$another|$to|undone", 'an exchange whose new order is cancelled is undone');
is(statuses(1, $another), 'sold', 'the old ticket is back');
# The payment fails as if it was cancelled, after the point of no return.
$rid = '00000000-0000-0000-0000-000000000004';
$node[2]->safe_psql('postgres', q{CREATE FUNCTION cancelled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$;
	CREATE TRIGGER cancelled BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION cancelled()});
refused('08007', "SELECT FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')", 'no error says that nothing was done once the old ticket is changed');
is(statuses(1, $another), 'changed', 'it is changed');
$node[2]->safe_psql('postgres', 'DROP FUNCTION cancelled CASCADE');
is(ask("SELECT status FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')"), 'sold', 'and the repetition pays');
ask("SELECT ticket_refund(order_id) FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')");
$another = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
# The mark that nothing is left to be done fails: the caller has its tickets all the same.
$rid = '00000000-0000-0000-0000-000000000005';
$node[1]->safe_psql('postgres', q{CREATE FUNCTION cancelled() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'cancelled' USING ERRCODE = '57014'; END $$;
	CREATE TRIGGER cancelled BEFORE UPDATE ON ticket_order FOR EACH ROW WHEN (NEW.settled_at IS NOT NULL) EXECUTE FUNCTION cancelled()});
is(ask("SELECT status FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')"), 'sold', 'an exchange that is not marked as settled is paid');
$node[1]->safe_psql('postgres', 'DROP FUNCTION cancelled CASCADE');
like(ask('SELECT * FROM router_settle()'), qr/^$another\|\d+\|sold$/, 'and marked by router_settle');
$to = ask("SELECT order_id FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')");
ask("SELECT ticket_refund($to)");
$another = ask("SELECT order_id FROM ticket_buy('A', 'S1', 'S4', 7, '$day', 'first')");
# A refund comes between hold and fence: the hold waits for another call with its request_id, which is rolled back.
$rid = '00000000-0000-0000-0000-000000000003';
my $blocker = session($node[2], 'postgres');
$blocker->run("BEGIN; SELECT FROM ticket_exchange_hold($another, 7, '{1}', '{1}', '{first}', '{NULL}', 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')");
my $client = session($router, 'postgres');
$client->send("SELECT FROM ticket_change($another, 'B', 'S1', 'S4', '$day', 'first', request_id => '$rid')");
ok(becomes_true($node[2], 'postgres', 'SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)'), 'a hold waits');
ask("SELECT ticket_refund($another)");
$blocker->run('ROLLBACK');
$client->wait;
is($client->sqlstate, 'TK005', 'an exchange whose old ticket was refunded before the fence is refused');
is($node[2]->safe_psql('postgres', "SELECT status FROM ticket_order WHERE request_id = '$rid'"), 'cancelled', 'and its hold is given up');
is($node[$_]->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', "pool and tables of node $_ agree") for 1, 2;
not_twice($node[$_], 'postgres', "no seat twice on node $_") for 1, 2;

# ---------------------------------------------------------------------------------------------------------------------
# Status
# ---------------------------------------------------------------------------------------------------------------------
is(ask('SELECT node, what, detail FROM router_status() WHERE NOT ok'), '', 'all is well');
$node[1]->backup('start');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node[1], 'start', has_streaming => 1);
$standby->start;
my $where = $standby->connstr('postgres');
is(answer('SELECT router_node_add(1, $$' . $at{1} . '$$, $$' . $where . '$$)'), '', 'a node gets a standby for searches');
like(ask("SELECT ok, detail FROM router_status() WHERE what = 'standby'"), qr/^t\|It is a standby, [\d.]+ s old\.$/, 'the status says how old it is');
is(ask("SELECT train FROM ticket_search('S1', 'S4', '$day') WHERE seat_class = 'first' ORDER BY 1"), "A\nB", 'searches ask it');
$standby->stop;
is(ask('SELECT node, what FROM router_status() WHERE NOT ok'), '1|read side', 'and when it is gone');
ask('SELECT router_node_add(1, $$' . $at{2} . '$$, $$' . $at{2} . '$$)');
like(ask("SELECT string_agg(detail, ' ') FROM router_status() WHERE node = 1 AND NOT ok"), qr/same database as node 2.*Correct read_conninfo/, 'a wrong server is found on both sides');
ask('SELECT router_node_add(1, $$' . $at{1} . '$$)');
ask('SELECT router_node_add(3, $$' . $at{1} . '$$)');
is(ask('SELECT node, what FROM router_status() WHERE NOT ok ORDER BY 1, 2'), "1|database\n3|database\n3|number\n3|search", 'a database under two numbers is found');
ask(q{DELETE FROM router_node WHERE node = 3; ALTER SERVER ticketpool OPTIONS (SET p1 'dbname=elsewhere')});
like(ask("SELECT detail FROM router_status() WHERE what = 'foreign server' AND NOT ok"), qr/^ticketpool has other/, 'a server that was altered by hand is found');
ask('SELECT router_refresh()');
$node[2]->safe_psql('postgres', "UPDATE ticket_station SET name = 'other' WHERE station = 'S1'");
is(ask('SELECT node, what FROM router_status() WHERE NOT ok AND what <> $$search$$'), '2|stations', 'other stations are found');
$node[1]->safe_psql('postgres', "INSERT INTO ticket_parcel (parcel, direction, train, service_date, to_node, state, parts, created_at)
	VALUES (gen_random_uuid(), 'out', 'A', '$day', 2, 'packed', 1, now() - interval '1 hour')");
like(ask("SELECT detail FROM router_status() WHERE what = 'moves' AND NOT ok"), qr/Train A on $day .* router_move/, 'a move that stands still is found');
$node[1]->safe_psql('postgres', 'DELETE FROM ticket_parcel');

done_testing();
