# The twins of a router: two nodes in one server, a router in a server without the library.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;

# Seats in their order, so that the test knows which ones are still free.
my $nodes = new_server('nodes', plain => 1, conf => 'ticketpool.allocation = first_fit');
my $router = TicketpoolTest::keep_sessions(PostgreSQL::Test::Cluster->new('router'));
$router->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$router->append_conf('postgresql.conf', "max_connections = 40");
$router->start;

for my $number (1, 2)
{
	my $database = "node$number";
	$nodes->safe_psql('postgres', "CREATE DATABASE $database");
	$nodes->safe_psql($database, "CREATE EXTENSION ticketpool; SELECT ticket_node_set($number)");
	make_train($nodes, $database, "T$number", 5);
	make_formation($nodes, $database, 'F', 10);
}
my $user = $nodes->safe_psql('postgres', 'SELECT current_user');
$router->safe_psql('postgres', 'CREATE EXTENSION ticketpool_router CASCADE');
for my $number (1, 2)
{
	my $conninfo = 'host=' . $nodes->host . ' port=' . $nodes->port . " dbname=node$number";
	$router->safe_psql('postgres', "SELECT router_node_add($number, '$conninfo')");
	$router->safe_psql('postgres', "INSERT INTO router_train VALUES ('T$number', '2020-01-01', $number)");
}

# What a session of the router is answered; an error as SQLSTATE, message, detail, hint.
sub ask
{
	my ($sql, $server, $database) = @_;
	my ($status, $out, $err) = ($server // $router)->psql($database // 'postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ s/^psql:.*?(ERROR|FATAL):/$1:/mr if $status != 0;
	return $out;
}

# ---------------------------------------------------------------------------------------------------------------------
# By the departure
# ---------------------------------------------------------------------------------------------------------------------

$nodes->safe_psql('node1', "DELETE FROM ticket_station WHERE station = 'S5'");
my (undef, undef, $notice) = $router->psql('postgres', "BEGIN; SELECT ticket_open('T1', '$day', 'F')");
like($notice, qr/25001|cannot run inside a transaction block/, 'not in a transaction block');
(undef, undef, $notice) = $router->psql('postgres', "SELECT ticket_open('T1', '$day'::date - 1, 'F')");
like($notice, qr/NOTICE:  train "T1" calls at a station .*"S5"\nDETAIL:  It is sold .*HINT:  Add it/s, 'a NOTICE of the node');
$nodes->safe_psql('node1', "INSERT INTO ticket_station VALUES ('S5', 'Station S5')");
like(ask("SELECT ticket_open('T1', '$day', 'F')"), qr/^\d+$/, 'a departure is opened through the router');
like(ask("SELECT ticket_open('T2', '$day', 'F')"), qr/^\d+$/, 'another on the other node');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S3', '$day')"), 10, 'seats are counted');
is(ask("SELECT order_id & 127, ticket_no, coach, status, service_date FROM ticket_buy('T1', 'S1', 'S3', 7, '$day')"),
	"1|1|001|sold|$day", 'a seat is sold on the first node');
is(ask("SELECT order_id & 127, ticket_no, coach, status FROM ticket_buy('T2', 'S1', 'S3', 7, '$day')"), '2|1|001|sold', 'on the second one');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S3', '$day')"), 9, 'one less');
is($nodes->safe_psql('node1', 'SELECT count(*) FROM ticket_order'), 1, 'one order on the node');
is(ask("SELECT ticket_close('T2', '$day')"), '', 'void');
like(ask("SELECT * FROM ticket_buy('T2', 'S1', 'S3', 7, '$day')"), qr/TK003/, 'closed');
is(ask("SET datestyle = 'SQL, DMY'; SET intervalstyle = sql_standard; SELECT count(*) FROM ticket_hold('T1', 'S1', 'S3', 8, '$day', ttl => '-1 +2:00:00'::interval * -1)"),
	1, 'whatever the date style is');

# ---------------------------------------------------------------------------------------------------------------------
# By id
# ---------------------------------------------------------------------------------------------------------------------

my $held = ask("SELECT order_id FROM ticket_hold('T1', 'S1', 'S3', 9, '$day')");
is(ask("SELECT status FROM ticket_confirm($held)"), 'sold', 'a hold is paid through the router');
is(ask("SELECT status FROM ticket_get($held)"), 'sold', 'and read');
is(ask("SELECT status FROM ticket_refund($held)"), 'refunded', 'and given back');
like(ask("SELECT * FROM ticket_cancel($held)"), qr/ERROR:  TK005: .*DETAIL:  Its status is "refunded"\..*HINT:  /s, 'the node refuses');
like(ask("SELECT * FROM ticket_refund($held + 128)"), qr/ERROR:  TK005: order \d+ does not exist.*DETAIL:  No row of ticket_order has/s, 'no such order');
like(ask("SELECT * FROM ticket_refund(77)"), qr/ERROR:  TK005: order 77 does not exist/, 'no such node');
is(ask("SELECT count(*) FROM ticket_get($held + 128)"), 0, 'an order that no node has has no rows');
is(ask("SELECT node FROM ticket_where($held)"), 1, 'where it is');
like(ask("SELECT node FROM ticket_where($held + 128)"), qr/TK005/, 'unknown');
is(ask("SELECT node FROM ticket_where('T2', '$day')"), 2, 'where a departure is');
like(ask("SELECT node FROM ticket_where('T3', '$day')"), qr/TK001/, 'unknown');
my $party = ask("SELECT min(order_id) FROM ticket_hold('T1', 'S1', 'S3', 9, '$day', passengers => '{91,92,93}')");
is(ask("SELECT ticket_no, status FROM ticket_cancel($party, '{2}')"), '2|cancelled', 'a part of a hold is given up');
is(ask("SELECT ticket_no, status, held_until > now() + interval '1 hour' FROM ticket_hold_extend($party, '2 hours')"), "1|held|t\n3|held|t", 'what is left is held for longer');
is(ask("SELECT ticket_no, passenger_id, status FROM ticket_transfer($party, 3, 94)"), '3|94|held', 'another passenger travels');
is(ask("SELECT ticket_no, passenger_id, status FROM ticket_confirm($party)"), "1|91|sold\n3|94|sold", 'and the rest is paid');
like(ask("SELECT ticket_hold_extend($party, NULL)"), qr/TK005: ticket 1 of order $party cannot be held for longer/, 'not for longer');
is(ask("SELECT count(*) FROM ticket_refund($party)"), 2, 'and given back');
my $seats = ask("SELECT min(order_id) FROM ticket_buy_seats('T1', 'S1', 'S3', 9, '{001/2C,001/2A}', '$day', '{95,96}')");
is(ask("SELECT ticket_no, passenger_id, coach || '/' || seat FROM ticket_get($seats)"), "1|95|001/2C\n2|96|001/2A", 'the very seats are sold');
is(ask("SELECT count(*) FROM ticket_hold_seats('T1', 'S2', 'S4', 9, '{001/2B,001/2A}', '$day', '{97,98}', ttl => '1 hour')"), 0, 'all or none');
is(ask("SELECT ticket_no, seat FROM ticket_reseat($seats, '{2,1}', '{001/2C,001/2A}')"), "1|2A\n2|2C", 'two passengers change seats');
my $blocked = ask("SELECT ticket_reserve_seats('T1', '$day', 'staff', '{001/2F}')");
is(ask("SELECT count(*) FROM ticket_buy_seats('T1', 'S1', 'S3', 9, '{001/2F}', '$day')"), 0, 'a seat is set aside');
is(ask("SELECT ticket_recycle($blocked), (SELECT count(*) FROM ticket_refund($seats))"), '1|2', 'and all is given back');
my $quota = ask("SELECT ticket_reserve('T1', '$day', 'second', 'web', 2, 'S1', 'S5')");
is(ask("SELECT ticket_recycle($quota)"), 2, 'a quota is set aside and returned');
like(ask("SELECT ticket_recycle($quota + 128)"), qr/TK005: reservation/, 'no such quota');

# ---------------------------------------------------------------------------------------------------------------------
# By item
# ---------------------------------------------------------------------------------------------------------------------

ask("INSERT INTO router_item VALUES (10, 1), (20, 2)");
like(ask('SELECT item_open(20, 5)'), qr/^\d+$/, 'an item is opened');
like(ask('SELECT item_open(10, 5)'), qr/^\d+$/, 'another');
my $bought = ask('SELECT order_id FROM item_buy(20, 7, 2)');
is($bought & 127, 2, 'an item order of the second node');
is(ask('SELECT item_remaining(20)'), 3, 'units are counted');
is(ask("SELECT buy_quantity, status FROM item_refund($bought)"), '2|refunded', 'and given back');
my $item_held = ask("SELECT order_id FROM item_hold(20, 7, 3, ttl => '1 hour')");
is($item_held & 127, 2, 'units are held on the second node');
is(ask("SELECT status, held_until IS NULL FROM item_confirm($item_held)"), 'sold|t', 'and paid');
my $part = "SELECT buy_quantity, status FROM item_refund($item_held, 1, '00000000-0000-0000-0000-0000000000d1')";
is(ask($part), '2|sold', 'one of them is given back');
is(ask($part), '2|sold', 'once');
is(ask("SELECT status FROM item_refund($item_held)"), 'refunded', 'and the rest');
is(ask("SELECT c.status FROM item_hold(20, 7) AS h, item_cancel(h.order_id) AS c"), 'cancelled', 'another one is given up');
like(ask("SELECT * FROM item_confirm($item_held + 128000)"), qr/TK005: order \d+ does not exist/, 'no such order');
is(ask('SELECT count(*) FROM item_split(20, 2)'), 2, 'split');
my $departure = $nodes->safe_psql('node2', "INSERT INTO item_question SELECT departure_id, 1, 'Why?', 'Because.' FROM ticket_departure RETURNING item_id");
is(ask("SELECT item_ask($departure, 7)"), 'Why?', "a departure's question");
is(ask("SELECT item_answer($departure, 7, 'because.')"), 't', 'is answered');
like(ask('SELECT item_remaining(30)'), qr/TK001: item 30 does not exist/, 'no such item');

# ---------------------------------------------------------------------------------------------------------------------
# Search
# ---------------------------------------------------------------------------------------------------------------------

is(ask("SELECT train, service_date, from_stop, to_stop, departs, seat_class, remaining FROM ticket_search('S1', 'S3', '$day')"),
	"T1|$day|1|3|$day 00:10:00|second|8", 'what one node has');
is(ask("SELECT ticket_open('T2', '$day'::date + 1, 'F') > 0, ticket_open('T1', '$day'::date + 1, 'F') > 0"), 't|t', 'both trains the day after');
is(ask("SELECT string_agg(train, ' ') FROM ticket_search('S1', 'S3', '$day'::date + 1)"), 'T1 T2', 'both nodes');
is(ask("SELECT string_agg(train, ' ') FROM ticket_trains('Station S1', 'S3', '$day'::date + 1)"), 'T1 T2', 'by a name');
is(ask("SELECT count(*) FROM ticket_search('S3', 'S1', '$day'::date + 1)"), 0, 'none');
# Trains of both nodes in turn, two classes each, the second of which comes first in the alphabet.
for my $train ([ 1, 'A1', 1 ], [ 2, 'A2', 2 ], [ 1, 'A3', 3 ], [ 2, 'A4', 0 ])
{
	my ($number, $name, $minutes) = @$train;
	$nodes->safe_psql("node$number", "INSERT INTO ticket_stop SELECT '$name', stop_no, 'R' || stop_no, arrives + interval '$minutes minutes', departs + interval '$minutes minutes' FROM ticket_stop WHERE train = 'T$number';
		INSERT INTO ticket_formation VALUES ('G', '01', 'second', '{1A}'), ('G', '02', 'first', '{1A}') ON CONFLICT DO NOTHING");
	ask("INSERT INTO router_train VALUES ('$name', '2020-01-01', $number)");
	ask("SELECT ticket_open('$name', '$day', 'G')");
}
is(ask("SELECT string_agg(train || ' ' || seat_class, ', ') FROM ticket_search('R1', 'R3', '$day')"),
	'A4 second, A4 first, A1 second, A1 first, A2 second, A2 first, A3 second, A3 first', 'in order of departure, classes as on the node');
like(ask("SELECT * FROM ticket_search('S1', 'Nowhere', '$day')"), qr/TK002: station "Nowhere" does not exist/, 'unknown station');
is(ask("SELECT count(*) FROM ticket_remaining_matrix('T1', '$day', 'second')"), 10, 'the matrix');
is(ask("SELECT count(*) FILTER (WHERE free) = ticket_remaining('T1', 'S1', 'S3', '$day'), min(seat), min(properties::text) FROM ticket_places('T1', 'S1', 'S3', '$day')"), 't|1A|{}', 'the seats');
is(ask("SELECT count(*) FROM ticket_skip_stop('A4', '$day', 'R2')"), 0, 'a train passes a stop: nobody is concerned');
is(ask("SELECT string_agg(train || ' ' || seat_class, ', ') FROM ticket_search('R1', 'R2', '$day') WHERE train > 'A3'"), '', 'and is not found there');
is(ask("SELECT ticket_retime('A4', '$day')"), '', 'it calls there again');
is(ask("SELECT count(*) FROM ticket_search('R1', 'R2', '$day') WHERE train > 'A3'"), 2, 'and is found');
is(ask("SELECT ticket_open('A4', '$day'::date + 9, 'G', '2020-01-01', stops_of => 'T2', sale_margin => '5 days') > 0"), 't', 'opened with the stops of another train');
is(ask("SELECT string_agg(DISTINCT train || ' ' || departs::time, ', ') FROM ticket_search('S1', 'S3', '$day'::date + 9)"), 'A4 00:10:00', 'and found there');

# ---------------------------------------------------------------------------------------------------------------------
# Batches
# ---------------------------------------------------------------------------------------------------------------------

my $next = "'$day'::date + 1";
is(ask("SELECT count(*) FROM ticket_buy_many('{}')"), 0, 'no request');
is(ask("SELECT request_no, order_id & 127, ticket_no FROM ticket_buy_many(ARRAY[
		('T1', 'S1', 'S2', 1, $next, NULL, '{1,2}', NULL, NULL, NULL),
		('T1', 'S1', 'S2', 3, $next, NULL, NULL, NULL, NULL, NULL)]::ticket_request[])"),
	"1|1|1\n1|1|2\n2|1|1", 'a batch for one node');
like(ask("SELECT * FROM ticket_buy_many(ARRAY[
		('T1', 'S1', 'S2', 1, $next, NULL, NULL, NULL, NULL, gen_random_uuid()),
		('T2', 'S1', 'S2', 3, $next, NULL, NULL, NULL, NULL, NULL)]::ticket_request[])"),
	qr/22023: request 2 has no request_id/, 'two nodes: each needs a request_id');
sub batch
{
	my ($to) = @_;
	return ask("SELECT request_no, order_id & 127, ticket_no FROM ticket_buy_many(ARRAY[
		('T1', 'S1', 'S2', 1, $next, NULL, NULL, NULL, NULL, '00000000-0000-0000-0000-000000000001'),
		('T2', 'S1', 'S2', 3, $next, NULL, '{4,5}', NULL, NULL, '00000000-0000-0000-0000-000000000002'),
		('T1', 'S1', 'S2', 3, $next, NULL, NULL, NULL, NULL, '00000000-0000-0000-0000-000000000003'),
		('T2', 'S1', '$to', 3, $next, NULL, NULL, NULL, NULL, '00000000-0000-0000-0000-000000000004')]::ticket_request[])");
}
like(batch('S9'), qr/TK002: request 4: station "S9"/, 'a malformed request is named by the number that the caller gave it');
is($nodes->safe_psql('node1', "SELECT count(*) FROM ticket_order WHERE request_id IS NOT NULL"), 0, 'and nothing was sold on the other node');
my $sold = "1|1|1\n2|2|1\n2|2|2\n3|1|1\n4|2|1";
is(batch('S3'), $sold, 'two nodes');
is(batch('S3'), $sold, 'again');
is($nodes->safe_psql('node1', "SELECT count(*) FROM ticket_order WHERE request_id IS NOT NULL"), 2, 'nothing was sold twice');
like(ask("SELECT * FROM ticket_buy_many(ARRAY[NULL]::ticket_request[])"), qr/22004: request 1 is NULL/, 'NULL');
like(ask("SELECT * FROM ticket_buy_many(NULL)"), qr/22004: argument "requests"/, 'NULL');
is(ask("SELECT request_no, item_id, buy_quantity FROM item_buy_many(ARRAY[
		(20, 1, 1, gen_random_uuid(), NULL), (10, 1, 2, gen_random_uuid(), NULL)]::item_request[])"), "1|20|1\n2|10|2", 'items');

# ---------------------------------------------------------------------------------------------------------------------
# Refusals
# ---------------------------------------------------------------------------------------------------------------------

my $buy = "ticket_buy('T1', 'S1', 'S3', 7, $next)";
like(ask("BEGIN; SELECT $buy; COMMIT"), qr/25001/, 'in a transaction block');
like(ask("DO \$\$ BEGIN PERFORM $buy; EXCEPTION WHEN division_by_zero THEN END \$\$"), qr/25001/, 'in a subtransaction');
like(ask("SET default_transaction_read_only = on; SELECT $buy"), qr/25006/, 'read only');
is(ask("BEGIN READ ONLY; SELECT ticket_remaining('T2', 'S1', 'S3', $next); COMMIT"), 7, 'reads are allowed');
is(ask("SELECT count(*) FROM generate_series(1, 2) i, LATERAL ticket_remaining('T2', 'S1', 'S3', $next + i * 0)"), 2, 'two calls in one statement');

is(ask("SELECT ticket_remaining('T1', 'S1', 'S3', $next), ticket_remaining('T2', 'S1', 'S3', $next), (ticket_search('S1', 'S3', $next)).train"),
	"5|7|T1\n5|7|T2", 'several calls in one SELECT list');

# ---------------------------------------------------------------------------------------------------------------------
# Rights
# ---------------------------------------------------------------------------------------------------------------------

$router->safe_psql('postgres', "CREATE ROLE seller");
like(ask("SET ROLE seller; SELECT $buy"), qr/42501: permission denied for function ticket_buy/, 'no right to sell');
$router->safe_psql('postgres', "GRANT EXECUTE ON FUNCTION ticket_buy TO seller");
is(ask("SET ROLE seller; SELECT count(*) FROM $buy"), 1, 'the right to call is enough');
like(ask("SET ROLE seller; SELECT * FROM router_node"), qr/42501/, 'no table');
like(ask("SET ROLE seller; SELECT ticketpool_router.node_call(1, 'ticket_sweep', NULL, NULL)"), qr/42501/, 'no way around');
is(ask("SET ROLE seller; SELECT ticket_remaining('T1', 'S1', 'S3', $next)"), 4, 'counting is open to all');
is(ask("CREATE SCHEMA evil; CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false';
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.eq);
	SET search_path = evil, pg_catalog, public; SELECT public.ticket_remaining('T1', 'S1', 'S3', $next)"), 4, 'with a search_path of somebody else');

# ---------------------------------------------------------------------------------------------------------------------
# A node that does not answer
# ---------------------------------------------------------------------------------------------------------------------

my $third = new_server('third');
$third->safe_psql('postgres', 'SELECT ticket_node_set(3)');
make_train($third, 'postgres', 'T3', 5);
make_formation($third, 'postgres', 'F', 10);
my $third_is = 'host=' . $third->host . ' port=' . $third->port . ' dbname=postgres';
ask("SELECT router_node_add(3, '$third_is'); INSERT INTO router_train VALUES ('T3', '2020-01-01', 3)");
ask("SELECT ticket_open('T3', $next, 'F')");
is(ask("SELECT string_agg(train, ' ') FROM ticket_search('S1', 'S3', $next)"), 'T1 T2 T3', 'three nodes');
my $third_buy = "ticket_buy('T3', 'S1', 'S3', 7, $next)";
is(ask("SELECT count(*) FROM $third_buy"), 1, 'the third one sells');

sub frozen
{
	my ($signal) = @_;
	my $postmaster = $third->{_pid};
	my @pids = ($postmaster, split /\s+/, `ps -o pid= --ppid $postmaster`);
	kill $signal, grep { /\d/ } @pids;
	return;
}
my $partial = "SET router.partial_search = on; SELECT string_agg(train, ' ') FROM ticket_search('S1', 'S3', $next)";
my $quick = 'SET router.call_timeout = 3000';    # the others have to answer within it, however busy the machine is
my ($out, $warnings);
like(ask("SELECT count(*) FROM $third_buy; SET router.region = 'north'; SHOW router.region"), qr/north/, 'an application may have settings router.* of its own');
is(ask("$quick; SELECT count(*) FROM $third_buy"), 1, 'a connection is there');
frozen('STOP');
like(ask("$quick; SELECT $third_buy"), qr/08007: the answer of node 3 to ticket_buy is lost.*DETAIL:  .*no answer came within 3000 ms/s, 'frozen: not known');
like(ask("$quick; SELECT ticket_remaining('T3', 'S1', 'S3', $next)"), qr/08001: could not reach node 3/, 'frozen: nothing was changed');
(undef, $out, $warnings) = $router->psql('postgres', "$quick; $partial");
is($out, 'T1 T2', 'a search goes on without it');
like($warnings, qr/WARNING:  ticket_search is without the trains of node 3/, 'and says so');
is(ask("SELECT count(*) FROM $buy"), 1, 'another node sells');
frozen('CONT');
is(ask("SELECT count(*) FROM $third_buy"), 1, 'it goes on');
$third->stop('immediate');
like(ask("SELECT $third_buy"), qr/080(01|07)/, 'gone');
like(ask("SELECT $third_buy"), qr/08001: could not reach node 3 for ticket_buy.*DETAIL:  Nothing was done: .*HINT:  /s, 'down: nothing was done');
like(ask("SELECT * FROM ticket_search('S1', 'S3', $next)"), qr/08001: could not reach node 3/, 'a search fails');
(undef, $out, $warnings) = $router->psql('postgres', $partial);
is($out, 'T1 T2', 'a search goes on without it');
like($warnings, qr/WARNING:  ticket_search is without the trains of node 3/, 'and says so');
is(ask("SELECT count(*) FROM $buy"), 1, 'another node sells');
ask("UPDATE router_node SET read_conninfo = 'host=/nonexistent' WHERE node = 1");
is(ask("SELECT count(*) FROM ticket_search('R1', 'R3', '$day')"), 8, 'the primary answers where the standby does not');
is(ask("SELECT count(*) FROM ticket_remaining_matrix('T1', '$day', 'second')"), 10, 'for the matrix, too');
is(ask("SELECT count(*) FROM ticket_places('T1', 'S1', 'S3', '$day')"), 10, 'and for the seats');
$third->start;
is(ask("SELECT count(*) FROM $third_buy"), 1, 'it is back');

# ---------------------------------------------------------------------------------------------------------------------
# The read side: a database that says that it was asked. Of all twins only searches, the matrix and the seats go there.
# ---------------------------------------------------------------------------------------------------------------------

$nodes->safe_psql('postgres', 'CREATE DATABASE read1');
$nodes->safe_psql('read1', q{
	CREATE FUNCTION ticket_call(function text, arguments text[], columns text[] DEFAULT NULL) RETURNS SETOF text[] LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the read side was asked'; END $$;
	CREATE FUNCTION ticket_call_part(nodes int[], function text, arguments text[], columns text[] DEFAULT NULL) RETURNS SETOF text[] LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the read side was asked'; END $$});
ask("UPDATE router_node SET read_conninfo = 'host=" . $nodes->host . ' port=' . $nodes->port . " dbname=read1' WHERE node = 1");
my %value = (train => q{'T1'}, from_station => q{'S1'}, to_station => q{'S3'}, station => q{'S9'}, service_date => "'$day'", travel_date => "'$day'", formation => q{'F'}, seat_class => q{'second'}, channel => q{'c'}, user_id => 7,
	order_id => 129, reservation => 129, item_id => 10, inventory_id => 129, seats => q{'{001/9Z}'}, ticket_no => 1, passenger_id => 1, ttl => q{'1 hour'}, quantity => 1, parts => 1, answer => q{'x'},
	requests => q{'{}'}, wait_id => 129, deadline => q{'2031-01-01'},
	options => qq{ARRAY[('T1', 'S1', 'S9', NULL, '$day', NULL, NULL, NULL, NULL, NULL)]});
my (@asked, @twins);
for (split /\n/, ask(q{SELECT p.proname || '|' || (SELECT string_agg(p.proargnames[n] || ' ' || format_type(p.proargtypes[n - 1], NULL), ',' ORDER BY n) FROM generate_series(1, p.pronargs - p.pronargdefaults) n)
	|| CASE WHEN p.proname ~ '_(search|trains)$' THEN ',travel_date date' WHEN p.proargnames[1:p.pronargs] @> '{service_date}' AND p.proname !~ '_(open|close|withdraw|retime|skip_stop|matrix|reserve|reserve_seats|change)$' THEN ',service_date date' ELSE '' END
	FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e' WHERE p.proname ~ '^(ticket|item)_' AND p.proname <> 'ticket_where' AND p.prosrc ~ '^router_' ORDER BY 1}))
{
	my ($name, $arguments) = split /\|/;
	my $row = $name =~ /^(ticket|item)_buy_many$/ ? $1 eq 'ticket' ? "ARRAY[('T1', 'S1', 'S9', 1, '$day', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]" : 'ARRAY[(10, 1, 0, NULL, NULL)]::item_request[]' : undef;
	my $call = "$name(" . join(', ', map { my ($argument, $type) = split / /, $_, 2; "$argument => " . ($argument eq 'requests' ? $row : ($argument eq 'seats' && $type eq 'integer' ? 0 : $value{$argument} // die "$name: $argument") . "::$type") } split /,/, $arguments) . ')';
	push @twins, $name;
	my $got = ask("SELECT count(*) FROM $call");
	note("$call: $got");
	push @asked, $name if $got =~ /the read side was asked/;
}
cmp_ok(scalar(@twins), '>=', 40, 'all twins are called');
is("@asked", 'ticket_places ticket_remaining_matrix ticket_search ticket_trains', 'only these ask the read side');
ask('UPDATE router_node SET read_conninfo = NULL WHERE node = 1');

done_testing();
