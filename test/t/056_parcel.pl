# A departure moves from one node to another, step by step: what each side says meanwhile, what is
# repeated, undone and refused, and that nothing is lost or there twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $day = DAY;
my $from = new_server('from', conf => "max_prepared_transactions = 2");
my $to = new_server('to');
for my $node ($from, $to)
{
	make_train($node, 'postgres', 'T1', 10);
	make_train($node, 'postgres', 'T2', 10);
	make_formation($node, 'postgres', 'big', 400);
	$node->safe_psql('postgres', q{INSERT INTO ticket_formation VALUES ('big', '100', 'second', ARRAY['12下', 'Cabin 7', 'a,b', ''';"']);
		INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, deck, properties) VALUES ('big', '100', '12下', 'bay, "6"', 1, -1, NULL, '{window,lower}')});
}
open_departures($from, 'postgres', 'T1', 'big', 3);
open_departures($from, 'postgres', 'T2', 'big', 1);
# Other numbers of stop lists, layouts and departures, as two nodes have them.
$to->safe_psql('postgres', q{SELECT setval('ticket_departure_departure_id_seq', 1000); SELECT setval('ticket_order_id_seq', 100000); SELECT setval('ticket_reservation_reservation_id_seq', 1000)});
open_departures($to, 'postgres', 'T2', 'big', 1);

my $parcels = 0;
sub new_parcel { return sprintf '00000000-0000-0000-0000-%012d', ++$parcels }
my $departure = "departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'T1' AND service_date = '$day')";
my $all_orders = "SELECT o.* FROM ticket_order o WHERE $departure ORDER BY order_id, ticket_no";

# Copies all parts; skip: a part that is left out.
sub copy_parts
{
	my ($source, $target, $parcel, $skip) = @_;
	my $parts = $source->safe_psql('postgres', "SELECT parts FROM ticket_parcel WHERE parcel = '$parcel'");
	for my $part (0 .. $parts - 1)
	{
		next if defined $skip && $part == $skip;
		my ($kind, $rows) = split /\|/, $source->safe_psql('postgres', "SELECT kind, rows FROM ticket_parcel_part('$parcel', $part)"), 2;
		$rows =~ s/'/''/g;
		$target->safe_psql('postgres', "SELECT ticket_parcel_put('$parcel', $part, '$kind', '$rows')");
	}
	return $parts;
}
sub error_of
{
	my ($node, $sql) = @_;
	my $session = session($node);
	$session->run($sql);
	my $answer = $session->is_ok ? 'ok' : $session->sqlstate;
	$session->quit;
	return $answer;
}
sub output_of { my ($node, $sql) = @_; my $session = session($node, 'postgres', verbosity => 'default'); my $out = $session->run($sql); $session->quit; return $out }

# Sold, held, refunded, cancelled, expired, changed, a party, a quota with a ticket, a question.
$from->safe_psql('postgres', qq{
	-- An imported order, whose id does not name its day
	INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT 77, 1, departure_id, '$day', 77, 77, 'second', '004', '20F', 1, 10, 'sold' FROM ticket_departure WHERE train = 'T1' AND service_date = '$day';
	SELECT ticket_reserve('T1', '$day', 'second', 'agency', 20, 'S1', 'S10', clock_timestamp() + interval '1 hour');
	SELECT count(*) FROM generate_series(1, 5) i, ticket_buy('T1', 'S1', 'S10', i, '$day', channel => 'agency');
	SELECT count(*) FROM generate_series(1, 100) i, ticket_buy('T1', 'S2', 'S8', i, '$day', request_id => md5(i::text)::uuid);
	SELECT count(*) FROM generate_series(1, 10) i, ticket_hold('T1', 'S1', 'S10', 200 + i, '$day', passengers => ARRAY[1, 2, 3]);
	SELECT count(*) FROM generate_series(1, 3) i, ticket_hold('T1', 'S1', 'S10', 300 + i, '$day', ttl => '1 hour');
	INSERT INTO item_question SELECT departure_id, 1, 'Why?', 'so' FROM ticket_departure WHERE train = 'T1' AND service_date = '$day';
	SELECT count(*) FROM ticket_order o, ticket_refund(o.order_id) WHERE o.user_id IN (11, 12) AND o.status = 'sold';
	SELECT count(*) FROM ticket_order o, ticket_cancel(o.order_id) WHERE o.user_id = 201 AND o.ticket_no = 1;});
my $orders = $from->safe_psql('postgres', $all_orders);
my $remaining = $from->safe_psql('postgres', "SELECT * FROM ticket_remaining_matrix('T1', '$day', NULL)");
my $quota = $from->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S10', '$day', channel => 'agency')");
my $id = $from->safe_psql('postgres', "SELECT order_id FROM ticket_order WHERE user_id = 21");
my $reservation = $from->safe_psql('postgres', 'SELECT reservation_id FROM ticket_reservation');

# What a node that has given the departure away says.
sub says_moved
{
	my ($node, $label) = @_;
	my %calls = (
		buy => "SELECT ticket_buy('T1', 'S1', 'S10', 1, '$day')", hold => "SELECT ticket_hold('T1', 'S1', 'S10', 1, '$day')",
		count => "SELECT ticket_remaining('T1', 'S1', 'S10', '$day')", matrix => "SELECT ticket_remaining_matrix('T1', '$day', 'second')",
		why => "SELECT ticket_why('T1', 'S1', 'S10', '$day')", map => "SELECT ticket_seat_map('T1', '$day', 'second')",
		many => "SELECT ticket_buy_many(ARRAY[ROW('T1', 'S1', 'S10', 1, '$day', NULL, NULL, NULL, NULL, NULL)::ticket_request])",
		close => "SELECT ticket_close('T1', '$day')", withdraw => "SELECT ticket_withdraw('T1', '$day')",
		open => "SELECT ticket_open('T1', '$day', 'big')", reserve => "SELECT ticket_reserve('T1', '$day', 'second', 'x', 1, 'S1', 'S10')",
		confirm => "SELECT ticket_confirm($id)", cancel => "SELECT ticket_cancel($id)", refund => "SELECT ticket_refund($id)", get => "SELECT ticket_get($id)",
		part => "SELECT ticket_refund($id, ARRAY[1])", give_up => "SELECT ticket_cancel($id, ARRAY[1])", extend => "SELECT ticket_hold_extend($id, '1 hour')",
		transfer => "SELECT ticket_transfer($id, 1, 8)", reseat => "SELECT ticket_reseat($id)", set => "SELECT ticket_buy_seats('T1', 'S1', 'S10', 1, '{001/1A}', '$day')",
		hold_set => "SELECT ticket_hold_seats('T1', 'S1', 'S10', 1, '{001/1A}', '$day')", reserve_set => "SELECT ticket_reserve_seats('T1', '$day', 'x', '{001/1A}')", retime => "SELECT ticket_retime('T1', '$day')",
		skip => "SELECT ticket_skip_stop('T1', '$day', 'S3')", imported => 'SELECT ticket_refund(77)',
		change => "SELECT ticket_change($id, 'T2', 'S1', 'S10', '$day')", recycle => "SELECT ticket_recycle($reservation)");
	is(join(' ', map { my $got = error_of($node, $calls{$_}); $got eq '08001' ? () : "$_: $got" } sort keys %calls), '', "$label: every call is told that it has moved");
	like(output_of($node, "SELECT ticket_buy('T1', 'S1', 'S10', 1, '$day')"), qr/has moved to another node.*Node 2 has it/s, "$label: and where to");
	is(error_of($node, "SELECT ticket_buy('T1', 'S1', 'S10', 1, date '$day' + 7)"), 'TK001', "$label: what never was is still TK001");
	is(error_of($node, 'SELECT ticket_refund(78)'), 'TK005', "$label: and TK005");
	return;
}

# Out, and back again.
my $parcel = new_parcel();
is($from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2) > 5"), 't', 'the departure is packed');
is($from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2) = parts FROM ticket_parcel"), 't', 'once, however often that is asked');
says_moved($from, 'packed');
agrees($from, 'postgres', 'packed');
is($from->safe_psql('postgres', "SELECT direction, state, to_node FROM ticket_parcel_state('T1', '$day')"), 'out|packed|2', 'the parcel is listed');
is(error_of($from, "SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 3)"), '08001', 'it cannot be packed a second time');
is(error_of($from, "SELECT ticket_move_done('$parcel')"), '55000', 'a move that has not been handed over cannot end');
is($from->safe_psql('postgres', "SELECT ticket_move_back('$parcel')"), 't', 'it is taken back');
is($from->safe_psql('postgres', "SELECT ticket_move_back('$parcel')"), 'f', 'once');
is($from->safe_psql('postgres', $all_orders), $orders, 'all orders are there as before');
is($from->safe_psql('postgres', "SELECT * FROM ticket_remaining_matrix('T1', '$day', NULL)"), $remaining, 'and all counts');
is($from->safe_psql('postgres', 'SELECT (SELECT count(*) FROM ticket_parcel) + (SELECT count(*) FROM ticket_parcel_part) + (SELECT count(*) FROM ticket_moved)'), '0', 'and nothing else');
agrees($from, 'postgres', 'back');

# A move that a transaction rolls back.
my $session = session($from);
$session->run("BEGIN; SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2)");
is(error_of($from, "SELECT ticket_buy('T1', 'S1', 'S10', 1, '$day')"), '08001', 'while it moves, nothing is sold');
like(output_of($from, "SELECT ticket_buy('T1', 'S1', 'S10', 1, '$day')"), qr/is being moved/, 'and says so');
is($from->safe_psql('postgres', "SELECT * FROM ticket_remaining_matrix('T1', '$day', NULL)"), $remaining, 'counts stay');
is($from->safe_psql('postgres', "SELECT count(*) FROM ticket_search('S1', 'S10', '$day') WHERE train = 'T1'"), '1', 'it is found');
is($session->run("SELECT ticket_remaining('T1', 'S1', 'S10', '$day')") && $session->sqlstate, '08001', 'its own transaction has it no more');
$session->run('ROLLBACK');
is($from->safe_psql('postgres', "SELECT count(*) FROM ticket_buy('T1', 'S9', 'S10', 1, '$day') b, ticket_refund(b.order_id)"), '1', 'after a rollback it is sold again');
agrees($from, 'postgres', 'rolled back');
$orders = $from->safe_psql('postgres', $all_orders);

# Claims in flight, and prepared ones.
$session->run("BEGIN; SELECT * FROM ticket_buy('T1', 'S9', 'S10', 1, '$day')");
is(error_of($from, "SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2)"), '55P03', 'it does not wait for ever for open purchases');
is(error_of($from, "SELECT ticket_buy('T1', 'S9', 'S10', 5, '$day')"), 'ok', 'and the sale goes on');
$session->run("PREPARE TRANSACTION 'p'");
is(error_of($from, "SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2)"), '55006', 'nor for prepared ones');
$from->safe_psql('postgres', "ROLLBACK PREPARED 'p'");
is(error_of($from, "BEGIN; SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2); PREPARE TRANSACTION 'q'"), '0A000', 'a move cannot be prepared');
# Its caller has given up: the departure must not leave any more.
$session->run('BEGIN; LOCK TABLE ticket_order IN SHARE MODE');
my $mover = session($from);
$mover->send("SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2)");
ok(becomes_true($from, 'postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^SELECT ticket_move_out' AND clock_timestamp() > query_start + interval '4100 ms')"), 'a move waits for a lock for long');
$session->run('COMMIT');
$mover->wait;
is($mover->sqlstate, '55P03', 'and fails when it gets it');
$mover->quit;
agrees($from, 'postgres', 'still here');

# Columns that the target lacks are refused before anything is done.
$from->safe_psql('postgres', 'ALTER TABLE ticket_order ADD COLUMN note text, ADD COLUMN legs int GENERATED ALWAYS AS (to_stop - from_stop) STORED');
$from->safe_psql('postgres', "UPDATE ticket_order SET note = 'it''s ' || user_id WHERE user_id = 30");
my $columns = $from->safe_psql('postgres', 'SELECT ticket_move_columns()');
is(error_of($to, "SELECT ticket_move_check('T1', '$day', '$columns')"), '55000', 'a column that the target lacks is an error');
$to->safe_psql('postgres', 'ALTER TABLE ticket_order ADD COLUMN first text, ADD COLUMN note text');
is(error_of($to, "SELECT ticket_move_check('T1', '$day', '$columns')"), 'ok', 'a column that the source computes is not sent');
is(error_of($to, "SELECT ticket_move_check('T2', '$day', '$columns')"), '23505', 'a departure that the target has is an error');
$orders = $from->safe_psql('postgres', $all_orders);

# Over to the other node; a hold that runs out there.
$from->safe_psql('postgres', "SELECT count(*) FROM ticket_hold('T1', 'S1', 'S10', 999, '$day', ttl => '3 seconds')");
my $held_id = $from->safe_psql('postgres', "SELECT order_id FROM ticket_order WHERE user_id = 999");
$parcel = new_parcel();
$from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2)");
copy_parts($from, $to, $parcel, 3);
is(error_of($to, "SELECT ticket_move_in('$parcel')"), '55000', 'an incomplete parcel is not brought in');
copy_parts($from, $to, $parcel);
$from->safe_psql('postgres', "SELECT ticket_move_ready('$parcel')") for 1, 2;
is(error_of($from, "SELECT ticket_move_back('$parcel')"), '55000', 'now only the target decides');
stop_and_start($from, 'immediate');
$to->safe_psql('postgres', "SELECT ticket_move_in('$parcel')") for 1, 2;
is($to->safe_psql('postgres', "SELECT ticket_move_refuse('$parcel')"), 'f', 'what has arrived cannot be refused');
copy_parts($from, $to, $parcel);
$from->safe_psql('postgres', "SELECT ticket_move_done('$parcel')") for 1, 2;
is($from->safe_psql('postgres', 'SELECT count(*) FROM ticket_parcel_part'), '0', 'the parts are dropped');
is($to->safe_psql('postgres', 'SELECT count(*) FROM ticket_parcel_part'), '0', 'on the target, too');
says_moved($from, 'moved');
agrees($from, 'postgres', 'moved, source');
agrees($to, 'postgres', 'moved, target');
is($to->safe_psql('postgres', "SELECT note FROM ticket_order WHERE user_id = 30"), "it's 30", "a user's column has come along");
is($to->safe_psql('postgres', "SELECT order_id FROM ticket_buy('T1', 'S2', 'S8', 21, '$day', request_id => md5('21')::uuid)"), $id, 'a buyer who repeats finds the first purchase');
is($to->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S10', '$day', channel => 'agency') - ticket_remaining('T1', 'S1', 'S10', '$day')"), '15', 'the quota is there');
is($to->safe_psql('postgres', 'SELECT question FROM item_question'), 'Why?', 'the question, too');
is($to->safe_psql('postgres', 'SELECT count(*), (SELECT count(DISTINCT layout_id) FROM ticket_departure) FROM ticket_layout'), '1|1', 'its seats are those that the target knows');
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_refund($id) WHERE status = 'refunded'"), '1', 'a refund on the target');
is($to->safe_psql('postgres', 'SELECT count(*) FROM ticket_refund(77)'), '1', 'of an imported order, too');
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_order o, ticket_confirm(o.order_id) c WHERE o.user_id = 301 AND c.status = 'sold'"), '1', 'a payment on the target');
ok(becomes_true($to, 'postgres', "SELECT status = 'expired' FROM ticket_order WHERE order_id = $held_id"), 'a hold that was moved runs out on the target');
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_recycle($reservation) WHERE ticket_recycle > 0"), '1', 'the quota is given back there');
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_search('S1', 'S10', '$day') WHERE train = 'T1'"), '1', 'it is found there');
is($from->safe_psql('postgres', "SELECT count(*) FROM ticket_search('S1', 'S10', '$day') WHERE train = 'T1'"), '0', 'and no more here');
agrees($to, 'postgres', 'sold on');
like($from->safe_psql('postgres', "SELECT string_agg(node || ' ' || service_date, ',') FROM ticket_parcel_homes('$parcel')"), qr/77 2000-01-01.*\d $day/, 'the ids of the parcel name nodes and days');

# At once, not only when it looks at everything.
my $brief = $from->safe_psql('postgres', "SELECT order_id FROM ticket_hold('T1', 'S1', 'S10', 1, date '$day' + 2, ttl => '2 minutes')");
my $short = new_parcel();
$from->safe_psql('postgres', "SELECT ticket_move_out('$short', 'T1', date '$day' + 2, 2)");
copy_parts($from, $to, $short);
$from->safe_psql('postgres', "SELECT ticket_move_ready('$short')");
$to->safe_psql('postgres', "SELECT ticket_move_in('$short')");
$from->safe_psql('postgres', "SELECT ticket_move_done('$short')");
is($to->safe_psql('postgres', "SELECT s.next_deadline <= o.held_until FROM ticket_sweep_status s, ticket_order o WHERE s.database = 'postgres' AND o.order_id = $brief"), 't', 'the sweeper knows of a hold that comes without anything else');

# Real coaches: labels and what is known of seats, stops where nobody boards or alights, the end of the
# sale, seats that are blocked, a hold that is given up in part and held for longer. The target has
# neither the stop list nor the formation.
$from->safe_psql('postgres', qq{
	INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, boarding, alighting) VALUES ('L1', 1, 'S1', NULL, '8:00', true, true), ('L1', 2, 'S2', '9:00', '9:05', false, true),
		('L1', 4, 'S3', '10:00', '10:05', true, false), ('L1', 7, 'S4', '11:00', NULL, true, true);
	INSERT INTO ticket_formation VALUES ('sleeper', 'Wagen 1', 'soft', '{12下,12上,"Cabin 7",A12,37,12F}', NULL), ('sleeper', '2', 'hard', NULL, 4);
	INSERT INTO ticket_formation_seat VALUES ('sleeper', 'Wagen 1', '12下', 'bay 12', 1, 2, 0, '{lower,window}'), ('sleeper', 'Wagen 1', '12上', 'bay 12', NULL, NULL, 1, '{upper}');
	SELECT ticket_open('L1', '$day', 'sleeper', '2020-01-01', NULL, NULL, '90 minutes');
	SELECT ticket_reserve_seats('L1', '$day', 'staff', '{Wagen 1/37}');
	SELECT count(*) FROM ticket_hold_seats('L1', 'S1', 'S4', 900, '{Wagen 1/12上,Wagen 1/A12,Wagen 1/12下}', '$day', '{1,2,3}');
	SELECT count(*) FROM ticket_order o, ticket_cancel(o.order_id, '{2}') WHERE o.user_id = 900 AND o.ticket_no = 1;
	SELECT count(*) FROM ticket_order o, ticket_hold_extend(o.order_id, '5 hours') WHERE o.user_id = 900 AND o.ticket_no = 1;
	SELECT count(*) FROM ticket_order o, ticket_transfer(o.order_id, 3, 4) WHERE o.user_id = 900 AND o.ticket_no = 3});
my $coaches = qq{SELECT d.train, d.formation, d.sale_margin, to_jsonb(r) - 'route_id' - 'digest', (SELECT jsonb_agg(to_jsonb(c) - 'layout_id' ORDER BY position) FROM ticket_layout_coach c WHERE c.layout_id = d.layout_id)
	FROM ticket_departure d JOIN ticket_route r USING (route_id) WHERE d.train = 'L1';
	SELECT to_jsonb(o) - 'first' - 'note' - 'legs' FROM ticket_order o JOIN ticket_departure USING (departure_id) WHERE train = 'L1' ORDER BY order_id, ticket_no;
	SELECT m.* FROM unnest('{soft,hard}'::text[]) c, ticket_remaining_matrix('L1', '$day', c) m; SELECT ticket_seat_map('L1', '$day', 'soft')};
my $whole = $from->safe_psql('postgres', $coaches);
my $real = new_parcel();
$from->safe_psql('postgres', "SELECT ticket_move_out('$real', 'L1', '$day', 2)");
copy_parts($from, $to, $real);
$from->safe_psql('postgres', "SELECT ticket_move_ready('$real')");
$to->safe_psql('postgres', "SELECT ticket_move_in('$real')");
$from->safe_psql('postgres', "SELECT ticket_move_done('$real')");
is($to->safe_psql('postgres', $coaches), $whole, 'labels, groups, properties, flags, margin, quota and orders have come along');
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_buy_seats('L1', 'S1', 'S4', 1, '{Wagen 1/37}', '$day')"), '0', 'a seat that is blocked stays so');
is($to->safe_psql('postgres', "SELECT c.ticket_no, c.passenger_id, c.coach, c.seat, c.status FROM ticket_order o, ticket_confirm(o.order_id) c WHERE o.user_id = 900 AND o.ticket_no = 1"),
	"1|1|Wagen 1|12上|sold\n3|4|Wagen 1|12下|sold", 'what is left of a hold is paid');
is($to->safe_psql('postgres', "SELECT seat FROM ticket_buy_seats('L1', 'S1', 'S4', 1, '{Wagen 1/A12}', '$day')"), 'A12', 'and what was given up is sold');
is(error_of($to, "SELECT ticket_buy('L1', 'S1', 'S3', 1, '$day', 'soft')"), 'TK002', 'nobody may alight where nobody might');
# A stop that it passes, and home with that; the first node has the stop list and undoes it.
is($to->safe_psql('postgres', "SELECT count(*) FROM ticket_skip_stop('L1', '$day', 'S1')"), '3', 'a stop is skipped on the target: the tickets from there');
is(error_of($to, "SELECT ticket_retime('L1', '$day')"), '22023', 'its stop list is not on this node');
$from->safe_psql('postgres', 'ALTER TABLE ticket_order ADD COLUMN first text');
$real = new_parcel();
$to->safe_psql('postgres', "SELECT ticket_move_out('$real', 'L1', '$day', 2)");
copy_parts($to, $from, $real);
$to->safe_psql('postgres', "SELECT ticket_move_ready('$real')");
$from->safe_psql('postgres', "SELECT ticket_move_in('$real')");
$to->safe_psql('postgres', "SELECT ticket_move_done('$real')");
is(error_of($from, "SELECT ticket_buy('L1', 'S1', 'S4', 1, '$day', 'soft')"), 'TK002', 'it is skipped at home, too');
$from->safe_psql('postgres', "UPDATE ticket_stop SET arrives = arrives + interval '7 min' WHERE train = 'L1'; SELECT ticket_retime('L1', '$day')");
is($from->safe_psql('postgres', "SELECT arrives[4], boarding, skipped FROM ticket_departure d JOIN ticket_route USING (route_id) WHERE d.train = 'L1'"), '11:07:00|{t,f,t,t}|', 'the new times, and the stop is called at again');
is($from->safe_psql('postgres', "SELECT seat FROM ticket_buy_seats('L1', 'S1', 'S4', 1, '{Wagen 1/12F}', '$day')"), '12F', 'and sold');
agrees($to, 'postgres', 'real coaches');

# And back to the first node, by a move of its own: nothing there remembers the first one.
$orders = $to->safe_psql('postgres', $all_orders);
my $second = new_parcel();
$to->safe_psql('postgres', "SELECT ticket_move_out('$second', 'T1', '$day', 2)");
says_moved($to, 'second move');
copy_parts($to, $from, $second);
$to->safe_psql('postgres', "SELECT ticket_move_ready('$second')");
$from->safe_psql('postgres', "SELECT ticket_move_in('$second')");
$to->safe_psql('postgres', "SELECT ticket_move_done('$second')");
is($from->safe_psql('postgres', "SELECT string_agg(direction, ',') FROM ticket_parcel WHERE train = 'T1' AND service_date = '$day'"), 'in', 'the first move is forgotten');
is($from->safe_psql('postgres', "SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order WHERE $departure"), join('|', (scalar split /\n/, $orders) x 2), 'all orders are back');
agrees($from, 'postgres', 'home, source');
agrees($to, 'postgres', 'home, target');

# The target opens the train meanwhile: it refuses, and the departure stays.
$parcel = new_parcel();
$from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', date '$day' + 1, 2)");
open_departures($to, 'postgres', 'T1', 'big', 0);
$to->safe_psql('postgres', "SELECT ticket_open('T1', date '$day' + 1, 'big', '2020-01-01')");
copy_parts($from, $to, $parcel);
$from->safe_psql('postgres', "SELECT ticket_move_ready('$parcel')");
is(error_of($to, "SELECT ticket_move_in('$parcel')"), '23505', 'a train that the target has opened is not brought in');
is($to->safe_psql('postgres', "SELECT ticket_move_refuse('$parcel')"), 't', 'the target refuses the parcel') for 1, 2;
is(error_of($to, "SELECT ticket_move_in('$parcel')"), '55000', 'for good');
is(error_of($to, "SELECT ticket_parcel_put('$parcel', 0, 'header', '{\"parts\": 1}')"), '55000', 'and takes no more parts');
is($from->safe_psql('postgres', "SELECT ticket_move_back('$parcel', true)"), 't', 'then it is taken back');
is(error_of($from, "SELECT ticket_move_ready('$parcel')"), '42704', 'and whoever comes late is told');
agrees($from, 'postgres', 'refused, source');
# A parcel of which nothing has come can be refused, too.
my $unknown = new_parcel();
is($to->safe_psql('postgres', "SELECT ticket_move_refuse('$unknown')"), 't', 'a parcel that has not come is refused');
is(error_of($to, "SELECT ticket_parcel_put('$unknown', 0, 'header', '{\"parts\": 1}')"), '55000', 'and does not come later');

# What no node sends: refused before anything is written.
is(error_of($from, "SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', $_)"), '22023', "node $_ is no target") for 0, -1, 128;
$to->safe_psql('postgres', 'SELECT ticket_node_set(2)');
is(error_of($to, "SELECT ticket_move_out('" . new_parcel() . "', 'T2', '$day', 2)"), '22023', 'nor is the node itself');
$to->safe_psql('postgres', 'SELECT ticket_node_set(0)');
my $odd = new_parcel();
my $header = q{"train": "T3", "service_date": "2031-05-01", "departure_id": 5, "to_node": 1, "parts": 1};
is(error_of($to, "SELECT ticket_parcel_put('$odd', 0, 'header', '$_')"), '22023', "a header without its departure: $_") for '{"parts": 1}', '{"parts": 1, "train": "T3", "departure_id": 5, "to_node": 1}';
for my $columns ('', ', "columns": null', ', "columns": "order"', ', "columns": {"order": [null]}')
{
	$odd = new_parcel();
	$to->safe_psql('postgres', "SELECT ticket_parcel_put('$odd', 0, 'header', '{$header$columns}')");
	is(error_of($to, "SELECT ticket_move_in('$odd')"), '22023', "a header without its columns$columns");
}

# A trigger of the target keeps an order out: then the departure is not there without it.
$parcel = new_parcel();
my $whole = $from->safe_psql('postgres', $all_orders);
$from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2)");
is($from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2) > 1"), 't', 'the same move again');
is(error_of($from, "SELECT ticket_move_out('$parcel', $_)"), '22023', "its parcel for another: $_") for "'T2', '$day', 2", "'T1', date '$day' + 1, 2", "'T1', '$day', 3";
copy_parts($from, $to, $parcel);
$from->safe_psql('postgres', "SELECT ticket_move_ready('$parcel')");
$to->safe_psql('postgres', q{CREATE FUNCTION keep_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.user_id <> 40 THEN NEW END; END $$;
	CREATE TRIGGER keep_out BEFORE INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION keep_out()});
is(error_of($to, "SELECT ticket_move_in('$parcel')"), '55000', 'a departure is not brought in without one of its orders');
$to->safe_psql('postgres', 'DROP TRIGGER keep_out ON ticket_order');

is($to->safe_psql('postgres', "SELECT ticket_move_refuse('$parcel')"), 't', 'it is refused');
is($from->safe_psql('postgres', "SELECT ticket_move_back('$parcel', true)"), 't', 'and taken back');
is($from->safe_psql('postgres', $all_orders), $whole, 'with all its orders');

# Both nodes have opened a departure of one name, and both send it: the one that arrives does not wipe
# out the one that is on its way.
my ($here, $there) = (new_parcel(), new_parcel());
$from->safe_psql('postgres', "SELECT ticket_buy('T2', 'S1', 'S10', 1, '$day'); SELECT ticket_move_out('$here', 'T2', '$day', 2)");
$to->safe_psql('postgres', "SELECT ticket_move_out('$there', 'T2', '$day', 1)");
copy_parts($to, $from, $there);
$to->safe_psql('postgres', "SELECT ticket_move_ready('$there')");
is(error_of($from, "SELECT ticket_move_in('$there')"), '55000', 'a departure does not take the place of one that is on its way');
is($from->safe_psql('postgres', "SELECT ticket_move_refuse('$there')"), 't', 'it is refused');
is($to->safe_psql('postgres', "SELECT ticket_move_back('$there', true)"), 't', 'and taken back');
is($from->safe_psql('postgres', "SELECT ticket_move_back('$here')"), 't', 'the other one, too');
is($from->safe_psql('postgres', "SELECT count(*) FROM ticket_order o JOIN ticket_departure d USING (departure_id) WHERE d.train = 'T2'"), '1', 'with its order');
agrees($from, 'postgres', 'odd parcels, source');
agrees($to, 'postgres', 'odd parcels, target');

# A dump in the middle of a move keeps the orders.
$parcel = new_parcel();
my $before = $from->safe_psql('postgres', $all_orders);
$from->safe_psql('postgres', "SELECT ticket_move_out('$parcel', 'T1', '$day', 2)");
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$from->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'a dump is taken while the departure is in a parcel');
$from->safe_psql('postgres', 'CREATE DATABASE restored');
$from->command_ok([ 'pg_restore', '-d', $from->connstr('restored'), $dump ], 'and restored');
says_moved($from, 'dumped');
is($from->safe_psql('restored', "SELECT ticket_move_back('$parcel')"), 't', 'the restored database can take it back');
is($from->safe_psql('restored', 'SELECT count(*) FROM ticket_verify()'), '0', 'and its pool agrees');
is($from->safe_psql('restored', "SELECT count(*) FROM ticket_order WHERE $departure"), scalar(split /\n/, $before), 'with all orders');
$from->safe_psql('postgres', "SELECT ticket_move_back('$parcel')");
is($from->safe_psql('postgres', $all_orders), $before, 'and so can the first one');

# Nobody else may.
$from->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
is(error_of($from, "SET ROLE stranger; SELECT ticket_move_out('" . new_parcel() . "', 'T1', '$day', 2)"), '42501', 'a stranger moves nothing');
is(error_of($from, "SELECT ticket_move_out(NULL, 'T1', '$day', 2)"), '22004', 'NULL is refused');

done_testing();
