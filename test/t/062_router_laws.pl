# The router's functions are a node's: the same signatures by catalog, the same errors to the last
# hint, the same rows under any setting of sessions, databases and servers, in every place of a query
# that is allowed, and 25001 or 25006 in every place that is not.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

my $day = DAY;
# A schema that must be quoted, and that is in nobody's search_path.
my $schema = '"Ticket Sales"';
my $fleet = TicketpoolTest::Router->new('laws', nodes => 3, pooler => 1, schema => $schema);
my $router = $fleet->connect_to();
my %node = map { $_ => $fleet->connect_to($_) } $fleet->numbers;

# ---------------------------------------------------------------------------------------------------------------------
# Signatures
# ---------------------------------------------------------------------------------------------------------------------
# What has a twin: sections of the reference; a function that the node does not have yet is left out.
my @twins = qw(
	ticket_open ticket_close ticket_withdraw ticket_remaining ticket_remaining_matrix ticket_search ticket_trains ticket_buy ticket_hold ticket_confirm
	ticket_cancel ticket_refund ticket_change ticket_buy_many ticket_reserve ticket_recycle ticket_why
	item_open item_add item_remaining item_buy item_buy_many item_refund item_split item_merge item_ask item_answer
	ticket_places ticket_buy_seats ticket_hold_seats ticket_retime ticket_skip_stop ticket_reserve_seats ticket_reseat ticket_hold_extend ticket_transfer
	item_hold item_confirm item_cancel ticket_wait ticket_wait_add ticket_wait_extend ticket_wait_cancel ticket_wait_status ticket_get);
my $names = join ', ', map { "'$_'" } @twins;
my $signatures = qq{
	SELECT p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.proretset,
		EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) WHERE grantee = 0) AS is_public
	FROM pg_proc p WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proname IN ($names)
	ORDER BY p.proname, pg_get_function_identity_arguments(p.oid)};
my %rows = (node => outcome($node{1}, $signatures), router => outcome($router, $signatures));
cmp_ok(scalar(@{ $rows{node}{rows} }), '>=', 27, 'a node has these functions');
is(join("\n", @{ $rows{router}{rows} }), join("\n", @{ $rows{node}{rows} }), 'every twin has a node\'s arguments, defaults, columns and right of PUBLIC');
my @known = (@twins, qw(ticket_import_gtfs ticket_verify ticket_seat_map ticket_seat_svg ticket_reform));
my $more = sprintf q{SELECT string_agg(DISTINCT proname, ' ' ORDER BY proname) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	WHERE p.prorettype <> 'trigger'::regtype AND p.proname ~ '^(ticket|item)_' AND p.proname NOT IN (%s)}, join(', ', map { "'$_'" } @known);
note('not twins, on a node: ' . join ' ', @{ outcome($node{1}, $more)->{rows} });
for my $type (qw(ticket_order ticket_wait ticket_request item_order item_request item_inventory))
{
	my $columns = qq{SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '$type'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum};
	is(same_answer(outcome($router, $columns)), same_answer(outcome($node{1}, $columns)), "$type has the same columns");
}
is($fleet->ask(qq{SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = quote_ident(current_schema())::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL}), '',
	'every function of the router has a comment');

# ---------------------------------------------------------------------------------------------------------------------
# Something to sell: A1 on node 1, B1 on node 2, C1 on node 3. Names that must be quoted somewhere.
# ---------------------------------------------------------------------------------------------------------------------
my %hard = (train => q{D'1 "x",{2}\\}, class => q{first "A" {b},\\ ''}, station => q{S"'\\,{}NULL}, channel => q{NULL}, formation => q{f'"\\});
sub literal { my ($text) = @_; return q{E'} . ($text =~ s/(['\\])/\\$1/gr) . q{'} }
my %hard_sql = map { $_ => literal($hard{$_}) } keys %hard;
$fleet->reference('one', 20, A1 => 5, B1 => 5, C1 => 5);
$fleet->everywhere(qq{
	INSERT INTO ticket_formation VALUES ('two', '1', 'first', '{1A,1F,2A,2F}'), ('two', '2', 'second', '{1A,1B,1C,1D,1F}'), ('two', '3', 'second', NULL, 3);
	INSERT INTO ticket_formation VALUES ($hard_sql{formation}, 'c"1', $hard_sql{class}, '{1A,1F}'), ($hard_sql{formation}, 'c,2', 'NULL', '{1A,1F}');
	INSERT INTO ticket_station VALUES ($hard_sql{station}, 'NULL', NULL);
	INSERT INTO ticket_stop VALUES ($hard_sql{train}, 1, $hard_sql{station}, NULL, '08:00'), ($hard_sql{train}, 2, 'S2', '09:00', NULL)} =~ s/\('two', '1', 'first', '\{1A,1F,2A,2F\}'\)/('two', '1', 'first', '{1A,1F,2A,2F}', NULL)/r =~ s/'\{1A,1B,1C,1D,1F\}'\)/'{1A,1B,1C,1D,1F}', NULL)/r =~ s/'\{1A,1F\}'\)/'{1A,1F}', NULL)/gr);
$fleet->assign(A1 => 1, B1 => 2, C1 => 3);
is($fleet->ask("SELECT router_assign($hard_sql{train}, 2, '2020-01-01') IS NOT NULL"), 't', 'a train with a hard name is assigned');
$fleet->open_departures_of('one', 3, qw(A1 B1 C1));
$fleet->ask("SELECT ticket_open('A1', date '$day' + 3, 'two', '2020-01-01'), ticket_open('A1', date '$day' + 4, 'one', 'infinity')");
$fleet->ask("SELECT ticket_open('A1', date '$day' + 5, 'one', '2020-01-01')");
$fleet->ask("SELECT ticket_close('A1', date '$day' + 5)");
$fleet->ask("SELECT router_assign_item(77, 3), router_assign_item(78, 3), router_assign_item(80, 3)");
$fleet->ask('SELECT item_open(77, 10)');
is($fleet->on(1, 'SELECT count(*) FROM ticket_departure') . $fleet->on(2, 'SELECT count(*) FROM ticket_departure') . $fleet->on(3, 'SELECT count(*) FROM ticket_departure'), '633',
	'departures are opened on the node of their train');

# ---------------------------------------------------------------------------------------------------------------------
# Errors: through the router as from the node itself
# ---------------------------------------------------------------------------------------------------------------------
sub buy { my ($function, $more) = @_; return outcome($node{1}, "SELECT DISTINCT order_id FROM $function('A1', 'S1', 'S2', 7, '$day'" . ($more // '') . ')')->{rows}[0] }
my ($sold, $held, $cancelled, $refunded) = (buy('ticket_buy'), buy('ticket_hold'), buy('ticket_hold'), buy('ticket_buy'));
outcome($node{1}, "SELECT ticket_cancel($cancelled)");
outcome($node{1}, "SELECT ticket_refund($refunded)");
my $uuid = '00000000-0000-4000-8000-00000000000a';
buy('ticket_buy', ", request_id => '$uuid'");
my $item_order = outcome($node{3}, q{SELECT order_id FROM item_buy(77, 5, 2)})->{rows}[0];
my $no_order = $sold + 128 * 1000000;
my $no_date = 1 << 7 | 1;
my $trip = "'A1', 'S1', 'S2'";

sub same_error
{
	my ($state, $call, $number) = @_;
	my ($there, $here) = map { outcome($_, "SELECT * FROM $call") } $node{ $number // 1 }, $router;
	is(same_answer($here), same_answer($there), "$state: $call");
	is($there->{state}, $state, "$state is what a node says to $call") if $there->{state} ne $state;
	return;
}
same_error(@$_) for (
	[ TK001 => "ticket_buy($trip, 7, '2031-12-31')" ], [ TK001 => "ticket_hold($trip, 7, '2031-12-31')" ], [ TK001 => "ticket_remaining($trip, '2031-12-31')" ],
	[ TK001 => "ticket_remaining_matrix('A1', '2031-12-31', NULL)" ], [ TK001 => "ticket_close('A1', '2031-12-31')" ], [ TK001 => "ticket_withdraw('A1', '2031-12-31')" ],
	[ TK001 => "ticket_open('A1', '2031-12-31', 'no such')" ], [ TK001 => "ticket_reserve('A1', '2031-12-31', 'second', 'c', 2, 'S1', 'S2')" ],
	[ TK001 => "ticket_change($sold, 'A1', 'S1', 'S2', '2031-12-31')" ], [ TK001 => "ticket_buy_many(ARRAY[('A1', 'S1', 'S2', 7, '2031-12-31', NULL, NULL, NULL, NULL, NULL)]::ticket_request[])" ],
	[ '23505' => "ticket_open('A1', '$day', 'one')" ], [ '23505' => 'item_open(77, 10)', 3 ],
	[ TK002 => "ticket_buy('A1', 'S2', 'S1', 7, '$day')" ], [ TK002 => "ticket_buy('A1', 'S1', 'no such', 7, '$day')" ], [ TK002 => "ticket_remaining('A1', 'S1', 'S1', '$day')" ],
	[ TK002 => "ticket_reserve('A1', '$day', 'second', 'c', 2, 'S3', 'S2')" ], [ TK002 => "ticket_change($sold, 'A1', 'S2', 'S1', '$day')" ],
	[ TK002 => "ticket_buy_many(ARRAY[('A1', 'S2', 'S1', 7, '$day', NULL, NULL, NULL, NULL, NULL)]::ticket_request[])" ],
	[ TK003 => "ticket_buy($trip, 7, date '$day' + 4)" ], [ TK003 => "ticket_hold($trip, 7, date '$day' + 5)" ], [ TK003 => "ticket_change($sold, $trip, date '$day' + 5)" ],
	[ TK005 => "ticket_refund($no_order)" ], [ TK005 => "ticket_confirm($no_order)" ], [ TK005 => "ticket_cancel($no_order)" ], [ TK005 => "ticket_refund($held)" ],
	[ TK005 => "ticket_cancel($sold)" ], [ TK005 => "ticket_confirm($cancelled)" ], [ TK005 => "ticket_change($held, $trip, '$day')" ], [ TK005 => "ticket_change($refunded, $trip, '$day')" ],
	[ TK005 => "ticket_refund($sold, '{9}')" ], [ TK005 => "ticket_refund($no_date)" ],
	[ TK005 => "ticket_cancel($held, '{1,9}')" ], [ TK005 => "ticket_cancel($sold, '{1}')" ], [ TK005 => "ticket_hold_extend($sold, '1 hour')" ], [ TK005 => "ticket_hold_extend($no_order, NULL)" ],
	[ TK001 => "ticket_places($trip, '2031-12-31')" ], [ TK002 => "ticket_places('A1', 'S2', 'S1', '$day')" ], [ TK006 => "ticket_places($trip, '$day', 'third')" ],
	[ TK001 => "ticket_retime('A1', '2031-12-31')" ], [ TK002 => "ticket_skip_stop('A1', '$day', 'no such')" ], [ TK001 => "ticket_skip_stop('A1', '2031-12-31', 'S2')" ],
	[ '22023' => "ticket_open('A1', '2031-12-31', 'one', sale_margin => '-1 hour')" ], [ '22023' => "ticket_open('A1', '2031-12-31', 'one', binding => 'late')" ], [ TK001 => "ticket_open('A1', '2031-12-31', 'one', stops_of => 'no such')" ],
	[ TK001 => "ticket_buy_seats($trip, 7, '{001/1A}', '2031-12-31')" ], [ TK002 => "ticket_hold_seats('A1', 'S2', 'S1', 7, '{001/1A}', '$day')" ], [ '22023' => "ticket_buy_seats($trip, 7, '{1/no such}', '$day')" ],
	[ '22023' => "ticket_buy_seats($trip, 7, '{}', '$day')" ], [ TK003 => "ticket_hold_seats($trip, 7, '{001/1A}', date '$day' + 5)" ], [ '22023' => "ticket_reserve_seats('A1', '$day', 'c', '{1/no such}')" ],
	[ TK005 => "ticket_reseat($cancelled)" ], [ TK005 => "ticket_reseat($no_order)" ], [ '22023' => "ticket_reseat($sold, '{1}', '{1/no such}')" ],
	[ '22023' => "ticket_hold_extend($held, '-1 hour')" ], [ '22023' => "ticket_cancel($held, '{}')" ], [ '22004' => "ticket_cancel($held, '{NULL}')" ],
	[ TK005 => "ticket_transfer($cancelled, 1, 8)" ], [ TK005 => "ticket_transfer($sold, 2, 8)" ], [ TK005 => "ticket_transfer($no_order, 1, 8)" ],
	[ TK005 => 'item_refund(' . ($item_order + 128 * 1000) . ')', 3 ], [ TK005 => 'item_confirm(' . ($item_order + 128 * 1000) . ')', 3 ], [ TK005 => 'item_cancel(' . ($item_order + 128 * 1000) . ')', 3 ],
	[ TK005 => "item_cancel($item_order)", 3 ], [ '22023' => "item_refund($item_order, 3)", 3 ], [ '22023' => "item_refund($item_order, 0)", 3 ], [ '22023' => "item_hold(77, 5, 0)", 3 ],
	[ '22023' => "item_hold(77, 5, 1, ttl => '-1 hour')", 3 ],
	[ TK006 => "ticket_buy($trip, 7, date '$day' + 3)" ], [ TK006 => "ticket_buy($trip, 7, '$day', 'third')" ], [ TK006 => "ticket_remaining($trip, '$day', 'third')" ],
	[ TK006 => "ticket_reserve('A1', '$day', 'third', 'c', 2, 'S1', 'S2')" ],
	[ '22023' => "ticket_buy($trip, 7, '$day', passengers => '{}')" ], [ '22023' => "ticket_buy($trip, 7, '$day', seat_choice => '?')" ],
	[ '22023' => "ticket_buy($trip, 7, '$day', seat_choice => 'ABC')" ], [ '22023' => "ticket_buy($trip, 7, '$day', channel => '')" ],
	[ '22023' => "ticket_buy('A1', 'S1', 'S3', 7, '$day', request_id => '$uuid')" ], [ '22023' => "ticket_hold($trip, 7, '$day', ttl => '-1 minute')" ],
	[ '22023' => "ticket_reserve('A1', '$day', 'second', 'c', 0, 'S1', 'S2')" ],
	[ '22023' => "ticket_refund($sold, '{}')" ], [ '22023' => 'item_buy(77, 5, 0)', 3 ], [ '22023' => 'item_buy(77, 5, -1)', 3 ], [ '22023' => 'item_split(77, 0)', 3 ], [ '22023' => 'item_add(77, -100)', 3 ],
	[ '22023' => "ticket_buy_many(ARRAY[('A1', 'S1', 'S2', 7, '$day', NULL, '{}', NULL, NULL, NULL)]::ticket_request[])" ],
	[ '22004' => "ticket_buy_many(NULL)" ]) , ();

# NULL in the place of each argument without a default, and of each with one.
for my $case ([ ticket_buy => 1, "'A1'", "'S1'", "'S2'", 7, "'$day'" ], [ ticket_hold => 1, "'A1'", "'S1'", "'S2'", 7, "'$day'" ], [ ticket_remaining => 1, "'A1'", "'S1'", "'S2'", "'$day'" ],
	[ ticket_open => 1, "'A1'", "'2031-12-30'", "'one'", "'2020-01-01'" ], [ ticket_close => 1, "'A1'", "'$day'" ], [ ticket_withdraw => 1, "'A1'", "'$day'" ],
	[ ticket_remaining_matrix => 1, "'A1'", "'$day'" ], [ ticket_refund => 1, $sold ], [ ticket_confirm => 1, $sold ], [ ticket_cancel => 1, $cancelled, "'{1}'" ],
	[ ticket_places => 1, "'A1'", "'S1'", "'S2'", "'$day'" ], [ ticket_retime => 1, "'A1'", "'$day'" ], [ ticket_skip_stop => 1, "'A1'", "'$day'", "'S2'" ],
	[ ticket_buy_seats => 1, "'A1'", "'S1'", "'S2'", 7, "'{001/1A}'", "'$day'" ], [ ticket_hold_seats => 1, "'A1'", "'S1'", "'S2'", 7, "'{001/1A}'", "'$day'" ],
	[ ticket_reserve_seats => 1, "'A1'", "'$day'", "'c'", "'{001/1A}'" ], [ ticket_reseat => 1, $sold, "'{1}'" ],
	[ ticket_wait => 1, 7, "ARRAY[('A1', 'S1', 'S2', NULL, '2031-12-31', NULL, NULL, NULL, NULL, NULL)]::ticket_request[]", 'NULL', 'NULL', "'hold'" ], [ ticket_wait_add => 1, 129, "'{NULL}'" ], [ ticket_wait_extend => 1, 129, "'infinity'" ], [ ticket_wait_cancel => 1, 129 ], [ ticket_wait_status => 1, 129 ],
	[ ticket_hold_extend => 1, $held, "'1 hour'" ], [ ticket_transfer => 1, $sold, 1, 8 ],
	[ ticket_change => 1, $sold, "'A1'", "'S1'", "'S2'", "'$day'" ], [ ticket_reserve => 1, "'A1'", "'$day'", "'second'", "'c'", 1, "'S1'", "'S2'" ],
	[ ticket_search => 1, "'S1'", "'S2'", "'$day'" ], [ ticket_trains => 1, "'S1'", "'S2'", "'$day'" ], [ ticket_why => 1, "'A1'", "'S1'", "'S2'", "'$day'" ], [ ticket_recycle => 1, 1 ],
	[ item_buy => 3, 77, 5, 1 ], [ item_open => 3, 78, 5 ], [ item_add => 3, 77, 1 ], [ item_remaining => 3, 77 ], [ item_refund => 3, $item_order ], [ item_hold => 3, 77, 5, 1 ], [ item_confirm => 3, $item_order ], [ item_cancel => 3, $item_order ], [ item_split => 3, 77, 2 ], [ item_merge => 3, 1 ],
	[ item_ask => 3, 77, 5 ], [ item_answer => 3, 77, 5, "'x'" ])
{
	my ($function, $number, @arguments) = @$case;
	for my $null (0 .. $#arguments)
	{
		my @with = @arguments;
		$with[$null] = 'NULL';
		my $call = "$function(" . join(', ', @with) . ($function eq 'ticket_remaining_matrix' ? ', NULL)' : ')');
		my ($there, $here) = map { outcome($_, "SELECT * FROM $call") } $node{$number}, $router;
		next if $there->{state} eq '00000';    # what NULL means there: seats, orders, another time
		is(same_answer($here), same_answer($there), "NULL: $call");
	}
}

# What only the router can find.
for my $case ([ TK001 => "ticket_buy('never assigned', 'S1', 'S2', 7, '$day')" ], [ TK001 => "ticket_buy('A1', 'S1', 'S2', 7, '2019-12-31')" ], [ TK001 => "ticket_remaining('never assigned', 'S1', 'S2', '$day')" ],
	[ TK001 => "item_buy(99, 5)" ], [ TK001 => 'item_hold(99, 5)' ], [ TK005 => 'item_confirm(' . (($item_order & ~127) | 99) . ')' ], [ TK001 => 'item_remaining(99)' ], [ TK005 => 'ticket_refund(' . (($sold & ~127) | 99) . ')' ], [ TK005 => 'ticket_refund(-1)' ], [ TK005 => 'ticket_confirm(9223372036854775807)' ],
	[ TK005 => 'item_refund(' . (($item_order & ~127) | 99) . ')' ], [ TK002 => "ticket_search('no such', 'S2', '$day')" ], [ TK002 => "ticket_trains('S1', 'no such', '$day')" ],
	[ TK001 => "ticket_where('never assigned', '$day')" ], [ TK005 => 'ticket_where(' . (($sold & ~127) | 99) . ')' ])
{
	my ($state, $call) = @$case;
	my $here = outcome($router, "SELECT * FROM $call");
	is($here->{state}, $state, "the router finds $state: $call");
	ok(defined $here->{detail} && defined $here->{hint}, "with a detail and a hint: $call") or note(explain $here);
}

# Errors that a rule, a trigger or a deferred constraint raises on the node: of any class, with any
# text, with all the fields that an error can have.
my @raised = (
	[ TK004 => 'TK004', 'a rule says no' ], [ '40001' => '40001', 'serialization' ], [ '40P01' => '40P01', 'deadlock' ], [ '53200' => '53200', 'full' ], [ P0001 => 'P0001', '[node1] REMOTE ERROR: not remote' ],
	[ XX000 => 'XX000', "PL/Proxy function x(1): 100% 'quoted' \"twice\" %s %m" ], [ '08006' => '08006', 'connection failure that was none' ], [ '08001' => '08001', 'nothing has moved' ], [ '08P01' => '08P01', 'query_wait_timeout' ],
	[ '23514' => '23514', "two\nlines" ], [ '55P03' => '55P03', 'lock not available' ]);
$fleet->on(1, q{
	CREATE TABLE public.to_raise (state text, message text, at_commit boolean);
	CREATE FUNCTION public.raise_it() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE r record;
		BEGIN
			SELECT * INTO r FROM public.to_raise;
			IF FOUND AND r.at_commit = (TG_ARGV[0] = 'commit') THEN
				RAISE EXCEPTION USING ERRCODE = r.state, MESSAGE = r.message, DETAIL = 'detail: ' || r.message, HINT = 'hint: ' || r.message,
					SCHEMA = 's c', TABLE = 't"a', COLUMN = 'c', DATATYPE = 'd', CONSTRAINT = 'k';
			END IF;
			RETURN NULL;
		END $$;
	CREATE TABLE public.noted (order_id bigint);
	CREATE FUNCTION public.note_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.noted VALUES (NEW.order_id); RETURN NULL; END $$;
	CREATE TRIGGER note_it AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.note_it();
	CREATE TRIGGER raise_now AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.raise_it('now');
	CREATE CONSTRAINT TRIGGER raise_at_commit AFTER INSERT ON public.noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.raise_it('commit')});
my $orders = $fleet->on(1, 'SELECT count(*) FROM ticket_order');
for my $at_commit (0, 1)
{
	for my $case (@raised)
	{
		my ($state, $code, $message) = @$case;
		my $text = literal($message);
		$fleet->on(1, "DELETE FROM public.to_raise; INSERT INTO public.to_raise VALUES ('$code', $text, '$at_commit')");
		my ($there, $here) = map { outcome($_, "SELECT * FROM ticket_buy($trip, 7, '$day')") } $node{1}, $router;
		my $when = $at_commit ? 'at the node\'s commit' : 'on the node';
		is($there->{state}, $state, "$state is raised $when");
		# At the commit the node has nothing to catch it with: what PL/Proxy lets through is the state,
		# and the text that it puts its own in front of.
		if ($at_commit && $state =~ /^(?:08|XX)/) { like($here->{state}, qr/^(?:0800[17]|$state)$/, "$state $when: its own state, or the router does not know"); next }
		is(same_answer($here), same_answer($there), "$state $when: the same through the router");
		is(join('|', map { $here->{$_} // '' } 'schema name', 'table name', 'column name', 'datatype name', 'constraint name'), 's c|t"a|c|d|k', "$state $when: with its fields") if !$at_commit;
	}
}
$fleet->on(1, 'DROP TRIGGER note_it ON ticket_order; DROP TRIGGER raise_now ON ticket_order');
is($fleet->on(1, 'SELECT count(*) FROM ticket_order'), $orders, 'none of them has sold anything');

# ---------------------------------------------------------------------------------------------------------------------
# Hostile settings and names
# ---------------------------------------------------------------------------------------------------------------------
# What is sold under settings of the session, of the router's database or of the node's: the right day,
# and the rows that a session without them would see.
sub sells_the_right_day
{
	my ($label, @settings) = @_;
	my $session = $fleet->connect_to();
	$session->run($_) for @settings;
	my $got = outcome($session, qq{SELECT order_id, passenger_id, extract(epoch FROM held_until - created_at) BETWEEN 89 AND 90.9, service_date = date '2031-05-02', extract(epoch FROM created_at - now()) BETWEEN -60 AND 60
		FROM ticket_hold('B1', 'S1', 'S3', 7, make_date(2031, 5, 2), passengers => '{11,12}', request_id => gen_random_uuid(), ttl => interval '1 minute 30 seconds')});
	my ($id) = ($got->{rows}[0] // '') =~ /^(\d+)/;
	is(join("\n", $got->{state}, map { s/^\d+\|//r } @{ $got->{rows} }), "00000\n11|t|t|t\n12|t|t|t", "$label: rows are right") or note(explain $got);
	is($fleet->on(2, "SELECT DISTINCT service_date = make_date(2031, 5, 2), status FROM ticket_order WHERE order_id = " . ($id // 0)), 't|held', "$label: the node has sold the right day");
	my $counted = outcome($session, q{SELECT ticket_remaining('B1', 'S1', 'S3', make_date(2031, 5, 2)), (SELECT count(*) FROM ticket_search('S1', 'S3', make_date(2031, 5, 2)) s WHERE s.service_date = make_date(2031, 5, 2) AND s.departs = timestamp '2031-05-02 00:10')
		} =~ s/timestamp '2031-05-02 00:10'/make_timestamp(2031, 5, 2, 0, 10, 0)/r);
	is(same_answer($counted), "00000\n18|3", "$label: counted and searched as well");
	is(outcome($session, "SELECT DISTINCT status FROM ticket_cancel($id)")->{rows}[0], 'cancelled', "$label: given back") if $id;
	$session->quit;
	return;
}
my @hostile = ("SET datestyle = 'SQL, DMY'", "SET datestyle = 'German'", "SET datestyle = 'Postgres, MDY'", "SET intervalstyle = 'sql_standard'", "SET intervalstyle = 'postgres_verbose'", "SET timezone = 'Pacific/Kiritimati'",
	"SET timezone = 'America/St_Johns'", 'SET array_nulls = off', 'SET quote_all_identifiers = on', 'SET standard_conforming_strings = off', "SET client_encoding = 'LATIN1'", 'SET transform_null_equals = on',
	"SET default_transaction_isolation = 'serializable'", 'SET extra_float_digits = -15', "SET bytea_output = 'escape'", 'SET jit = on', 'SET enable_indexscan = off', "SET lc_messages = 'C'", 'SET row_security = off');
sells_the_right_day('no setting');
sells_the_right_day($_, $_) for @hostile[ 0, 1, 3, 5, 7, 9, 10, 12 ];
sells_the_right_day('all of a session', @hostile);
# Of databases: each in turn, new sessions on both sides. (PL/Proxy's own casts and arrays go by the
# settings of the router's role on the node, which router_config.sh makes.)
my $role = $fleet->router->safe_psql('postgres', 'SELECT quote_ident(current_user)');
$fleet->node(1)->{server}->safe_psql('postgres', "ALTER ROLE $role SET array_nulls = on; ALTER ROLE $role SET search_path = pg_catalog");
sub of_databases
{
	my ($which) = @_;
	for my $setting (@hostile)
	{
		my ($name, $value) = $setting =~ /^SET (\w+) = (.*)$/;
		next if $name eq 'client_encoding';
		$fleet->router->safe_psql('postgres', "ALTER DATABASE postgres SET $name = $value") if $which =~ /router/;
		if ($which =~ /node/) { $fleet->node($_)->{server}->safe_psql('postgres', "ALTER DATABASE node$_ SET $name = $value") for $fleet->numbers }
	}
	$fleet->new_connections;
	sells_the_right_day("settings of the $which");
	$fleet->router->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
	$fleet->node($_)->{server}->safe_psql('postgres', "ALTER DATABASE node$_ RESET ALL") for $fleet->numbers;
	$fleet->new_connections;
	return;
}
of_databases($_) for 'router', 'nodes', 'router and nodes';
$router = $fleet->connect_to();

# Look-alikes in front of the search_path, on the router and on a node: functions, operators, types and
# tables that would say something else, or shout.
my $look_alikes = q{
	CREATE SCHEMA IF NOT EXISTS evil;
	CREATE OR REPLACE FUNCTION evil.shout(what text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil: %', what; END $$;
	CREATE OR REPLACE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.shout('text = text') IS NULL $$;
	CREATE OR REPLACE FUNCTION evil.eq(int, int) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.shout('int = int') IS NULL $$;
	CREATE OR REPLACE FUNCTION evil.eq(bigint, bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.shout('bigint = bigint') IS NULL $$;
	CREATE OR REPLACE FUNCTION evil.eq(date, date) RETURNS boolean LANGUAGE sql AS $$ SELECT evil.shout('date = date') IS NULL $$;
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, PROCEDURE = evil.eq);
	CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, PROCEDURE = evil.eq);
	CREATE OPERATOR evil.= (LEFTARG = bigint, RIGHTARG = bigint, PROCEDURE = evil.eq);
	CREATE OPERATOR evil.= (LEFTARG = date, RIGHTARG = date, PROCEDURE = evil.eq);
	CREATE OPERATOR evil.<= (LEFTARG = date, RIGHTARG = date, PROCEDURE = evil.eq);
	CREATE OPERATOR evil.>= (LEFTARG = date, RIGHTARG = date, PROCEDURE = evil.eq);
	CREATE OR REPLACE FUNCTION evil.ticket_call(text, text[], text[] DEFAULT NULL) RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY[evil.shout('ticket_call')] $$;
	CREATE OR REPLACE FUNCTION evil.node_call(int, text, text[], text[]) RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY[evil.shout('node_call')] $$;
	CREATE OR REPLACE FUNCTION evil.array_prepend(text, text[]) RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY[evil.shout('array_prepend')] $$;
	CREATE OR REPLACE FUNCTION evil.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil: unnest'; END $$;
	CREATE OR REPLACE FUNCTION evil.max(date) RETURNS date LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'evil: max'; END $$;
	CREATE TYPE evil.ticket_order AS (evil text);
	CREATE TABLE evil.router_node (node int, conninfo text); CREATE TABLE evil.router_train (train text, from_date date, node int); CREATE TABLE evil.router_item (item_id bigint, node int);
	CREATE TABLE evil.router_station (station text, service_date date, node int); CREATE TABLE evil.router_moved (node int, service_date date, to_node int);
	CREATE DOMAIN evil.text AS pg_catalog.int4; CREATE DOMAIN evil.date AS pg_catalog.int4; CREATE DOMAIN evil.bigint AS pg_catalog.text};
$fleet->router->safe_psql('postgres', $look_alikes);
$fleet->node($_)->{server}->safe_psql("node$_", $look_alikes) for $fleet->numbers;
$fleet->router->safe_psql('postgres', "ALTER DATABASE postgres SET search_path = evil, pg_catalog");
$fleet->node($_)->{server}->safe_psql('postgres', "ALTER DATABASE node$_ SET search_path = evil, pg_catalog") for $fleet->numbers;
$fleet->new_connections;
{
	my $session = TicketpoolTest::Session->new($fleet->router->connstr('postgres'), verbosity => 'verbose');
	my $request = "('B1'::pg_catalog.text, 'S1', 'S2', 9, '$day', NULL, NULL, NULL, NULL, pg_catalog.gen_random_uuid())::$schema.ticket_request";
	for my $case ([ "order_id FROM $schema.ticket_buy('B1', 'S1', 'S2', 9, '$day')", qr/^\d+$/ ], [ "$schema.ticket_remaining('B1', 'S1', 'S2', '$day')", qr/^\d+$/ ], [ "pg_catalog.count(*) FROM $schema.ticket_search('S1', 'S2', '$day')", qr/^3$/ ],
		[ "pg_catalog.count(*) FROM $schema.ticket_buy_many(ARRAY[$request, $request])", qr/^2$/ ], [ "status FROM $schema.item_buy(77, 9)", qr/^sold$/ ], [ "$schema.ticket_open('C1', '2031-06-01', 'one')", qr/^\d+$/ ],
		[ "node FROM $schema.ticket_where('A1', '$day')", qr/^1$/ ], [ "pg_catalog.count(*) FROM $schema.router_settle()", qr/^0$/ ])
	{
		my ($call, $expected) = @$case;
		my $got = outcome($session, "SELECT $call");
		like(join("\n", $got->{state}, @{ $got->{rows} }, $got->{message} // ()), qr/^00000\n@{[ $expected =~ s{\^|\$}{}gr ]}$/, "look-alikes in front of the path: $call") or note(explain $got);
	}
	$session->quit;
}
$fleet->router->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
$fleet->node($_)->{server}->safe_psql('postgres', "ALTER DATABASE node$_ RESET ALL") for $fleet->numbers;
$fleet->new_connections;
$router = $fleet->connect_to();

# Names that SQL, array literals and connection strings would each read in another way.
my $hard_day = "date '$day' + 7";
like(join('', @{ outcome($router, "SELECT ticket_open($hard_sql{train}, $hard_day, $hard_sql{formation}, '2020-01-01')")->{rows} }), qr/^\d+$/, 'hard names: opened');
for my $class ($hard_sql{class}, "'NULL'")
{
	my $got = outcome($router, "SELECT seat_class, coach, channel, status FROM ticket_buy($hard_sql{train}, $hard_sql{station}, 'S2', 7, $hard_day, $class, channel => $hard_sql{channel})");
	is(same_answer($got), join('|', "00000\n" . ($class eq "'NULL'" ? 'NULL|c,2' : "$hard{class}|c\"1"), 'NULL', 'sold'), "hard names: sold in class $class");
}
is(same_answer(outcome($router, "SELECT train, seat_class, remaining FROM ticket_search($hard_sql{station}, 'S2', $hard_day) ORDER BY 2")), "00000\n" . join("\n", sort("$hard{train}|$hard{class}|1", "$hard{train}|NULL|1")),
	'hard names: found by station code');
is(outcome($router, "SELECT count(*) FROM ticket_search('NULL', 'S2', $hard_day)")->{rows}[0], '2', 'hard names: found by the station\'s name, NULL');
is(same_answer(outcome($router, "SELECT coach FROM ticket_buy_many(ARRAY[($hard_sql{train}, $hard_sql{station}, 'S2', 7, $hard_day, $hard_sql{class}, NULL, NULL, $hard_sql{channel}, NULL)]::ticket_request[])")), "00000\nc\"1",
	'hard names: bought in a batch');
same_error(TK002 => "ticket_buy($hard_sql{train}, 'S2', $hard_sql{station}, 7, $hard_day)", 2);

# ---------------------------------------------------------------------------------------------------------------------
# Places of a query
# ---------------------------------------------------------------------------------------------------------------------
sub live { my ($number, $where) = @_; return $fleet->on($number, "SELECT count(*) FROM ticket_order WHERE status IN ('held', 'sold') AND $where") }
my $c1 = "'C1', 'S1', 'S2'";
is(same_answer(outcome($router, "SELECT ticket_remaining($c1, '$day'), ticket_remaining('A1', 'S4', 'S5', '$day'), ticket_remaining('B1', 'S4', 'S5', '$day'), ticket_remaining($c1, date '$day' + 1)")), "00000\n20|20|20|20",
	'four counts of three nodes in one SELECT list');
is(outcome($router, "SELECT (ticket_buy($c1, 101, '$day')).status, (ticket_buy($c1, 101, date '$day' + 1)).passenger_id")->{state}, '00000', 'purchases in a SELECT list');
is(join("\n", @{ outcome($router, "SELECT (ticket_buy($c1, 102, '$day', passengers => '{1,2,3}')).passenger_id, (ticket_buy('B1', 'S4', 'S5', 102, '$day', passengers => '{4,5}')).passenger_id")->{rows} }), "1|4\n2|5\n3|",
	'two purchases, of three rows and of two, in one SELECT list: every row is there');
is(live(3, 'user_id = 102') . live(2, 'user_id = 102'), '32', 'and sold once');
is(same_answer(outcome($router, "SELECT n, b.passenger_id FROM generate_series(1, 3) n, LATERAL ticket_buy($c1, 103, date '$day' + n - 1, passengers => ARRAY[n, n + 10]) b ORDER BY 1, 2")),
	"00000\n1|1\n1|11\n2|2\n2|12\n3|3\n3|13", 'LATERAL: a purchase for each row');
is(live(3, 'user_id = 103'), '6', 'and each is sold once');
is(same_answer(outcome($router, "SELECT train, r FROM (VALUES ('A1'), ('B1'), ('C1')) t(train), LATERAL ticket_remaining(train, 'S4', 'S5', date '$day' + 2) r ORDER BY 1")), "00000\nA1|20\nB1|20\nC1|20", 'LATERAL: a count from each node');
is(same_answer(outcome($router, "WITH bought AS (SELECT * FROM ticket_buy($c1, 104, date '$day' + 2)) SELECT count(*), (SELECT status FROM bought) FROM bought")), "00000\n1|sold", 'a CTE that is read twice sells once');
is(same_answer(outcome($router, "SELECT count(*) FROM ticket_search('S1', 'S5', '$day') a JOIN ticket_search('S1', 'S5', '$day') b USING (train)")), "00000\n3", 'two searches in one query');
is(same_answer(outcome($router, "SELECT status FROM ticket_buy($c1, 105, date '$day' + 2, passengers => '{1,2,3}') LIMIT 1")), "00000\nsold", 'LIMIT');
is(live(3, 'user_id = 105'), '3', 'and all are sold');
is(same_answer(outcome($router, "CREATE TEMP TABLE kept AS SELECT * FROM ticket_buy($c1, 106, date '$day' + 2)")), '00000', 'CREATE TABLE AS keeps the rows');
is(same_answer(outcome($router, 'SELECT user_id, status FROM kept')), "00000\n106|sold", 'as they are');
is(same_answer(outcome($router, "EXPLAIN (COSTS OFF) SELECT * FROM ticket_buy($c1, 107, '$day')") ) =~ /^00000/ && live(3, 'user_id = 107'), '0', 'EXPLAIN sells nothing');
is(same_answer(outcome($router, "SELECT * FROM ticket_buy($c1, 107, '$day', passengers => ARRAY(SELECT generate_series(1, 21)))")), '00000', 'sold out is an answer without a row');
# Reads in transactions, read-only ones, cursors.
outcome($router, 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
is(same_answer(outcome($router, "SELECT ticket_remaining('C1', 'S4', 'S5', date '$day' + 2)")), "00000\n20", 'a read-only block counts');
outcome($router, "DECLARE c CURSOR FOR SELECT train FROM ticket_search('S1', 'S5', '$day')");
is(same_answer(outcome($router, 'FETCH 2 FROM c')), "00000\nA1\nB1", 'a cursor');
is(same_answer(outcome($router, "SELECT count(*) FROM ticket_trains('S1', 'S5', '$day')")), "00000\n3", 'a search while the cursor is open');
is(same_answer(outcome($router, 'FETCH ALL FROM c')), "00000\nC1", 'the rest of the cursor');
is(outcome($router, "SELECT ticket_remaining('C1', 'S5', 'S4', '$day')")->{state}, 'TK002', 'an error in a block');
is(outcome($router, 'SELECT 1')->{state}, '25P02', 'aborts it, as any error does');
outcome($router, 'ROLLBACK');
outcome($router, 'BEGIN');
outcome($router, 'SAVEPOINT s');
is(outcome($router, "SELECT ticket_remaining('C1', 'S5', 'S4', '$day')")->{state}, 'TK002', 'an error after a savepoint');
outcome($router, 'ROLLBACK TO s');
is(same_answer(outcome($router, "SELECT ticket_remaining('C1', 'S4', 'S5', '$day')")), "00000\n20", 'and the block goes on');
outcome($router, 'ROLLBACK');

# ---------------------------------------------------------------------------------------------------------------------
# 25001 and 25006
# ---------------------------------------------------------------------------------------------------------------------
my $before = join ' ', map { $fleet->on($_, 'SELECT count(*), count(*) FILTER (WHERE status IN (\'held\', \'sold\')) FROM ticket_order') } $fleet->numbers;
my $request = "('C1', 'S1', 'S2', 7, '$day', NULL, NULL, NULL, NULL, NULL)";
my $option = "('C1', 'S1', 'S2', NULL, '$day', NULL, NULL, NULL, NULL, NULL)";
my @changes = ("ticket_buy($c1, 7, '$day')", "ticket_hold($c1, 7, '$day')", "ticket_confirm($held)", "ticket_cancel($held)", "ticket_cancel($held, '{1}')", "ticket_hold_extend($held, '1 hour')", "ticket_transfer($held, 1, 9)", "ticket_reseat($held)", "ticket_buy_seats($c1, 7, '{001/1A}', '$day')", "ticket_hold_seats($c1, 7, '{001/1A}', '$day')", "ticket_reserve_seats('C1', '$day', 'c', '{001/1A}')", "ticket_refund($sold)", "ticket_change($sold, $c1, '$day')", "ticket_buy_many(ARRAY[$request]::ticket_request[])",
	"ticket_open('C1', '2031-07-01', 'one')", "ticket_close('C1', '$day')", "ticket_retime('C1', '$day')", "ticket_wait(7, ARRAY[$option]::ticket_request[])", "ticket_wait_add(129, ARRAY[$option]::ticket_request[])", "ticket_wait_extend(129, 'infinity')", 'ticket_wait_cancel(129)', "ticket_skip_stop('C1', '$day', 'S2')", "ticket_withdraw('C1', '$day')", "ticket_reserve('C1', '$day', 'second', 'c', 2, 'S1', 'S2')", 'ticket_recycle(1)',
	'item_open(80, 5)', 'item_add(77, 5)', 'item_buy(77, 5)', 'item_buy_many(ARRAY[(77, 5, 1, NULL, NULL)]::item_request[])', "item_refund($item_order)", "item_refund($item_order, 1, '$uuid')", 'item_hold(77, 5)', "item_confirm($item_order)", "item_cancel($item_order)", 'item_split(77, 2)', 'item_merge(3)', "item_answer(77, 5, 'x')",
	'router_settle()');
sub is_refused
{
	my ($state, $label, $got) = @_;
	is($got->{state}, $state, "$label: $state");
	ok(defined $got->{message} && defined $got->{hint}, "$label: with a hint") or note(explain $got) if $state eq '25001';
	return;
}
for my $call (@changes)
{
	outcome($router, 'BEGIN');
	is_refused('25001', "in a block, $call", outcome($router, "SELECT * FROM $call"));
	outcome($router, 'ROLLBACK');
	is(outcome($router, "SELECT 1\\; SELECT * FROM $call")->{state}, '25001', "second of two statements, $call: 25001");
	is(outcome($router, "SELECT * FROM $call\\; SELECT 1")->{state}, '25001', "first of two statements, $call: 25001");
	is(outcome($router, "DO \$\$ BEGIN BEGIN PERFORM * FROM $call; EXCEPTION WHEN division_by_zero THEN NULL; END; END \$\$")->{state}, '25001', "in a subtransaction, $call: 25001");
	outcome($router, 'SET default_transaction_read_only = on');
	is_refused('25006', "in a read-only session, $call", outcome($router, "SELECT * FROM $call"));
	outcome($router, 'SET default_transaction_read_only = off');
	outcome($router, 'BEGIN READ ONLY');
	is(outcome($router, "SELECT * FROM $call")->{state}, '25006', "in a read-only block, $call: 25006");
	outcome($router, 'ROLLBACK');
}
outcome($router, 'BEGIN');
outcome($router, 'SAVEPOINT s');
is(outcome($router, "SELECT * FROM ticket_buy($c1, 7, '$day')")->{state}, '25001', 'after a savepoint: 25001');
outcome($router, 'ROLLBACK TO s');
is(outcome($router, "SELECT * FROM ticket_buy($c1, 7, '$day')")->{state}, '25001', 'after ROLLBACK TO: 25001');
outcome($router, 'ROLLBACK');
outcome($router, 'BEGIN');
outcome($router, "PREPARE p AS SELECT * FROM ticket_buy($c1, 7, '$day')");
is(outcome($router, 'EXECUTE p')->{state}, '25001', 'EXECUTE in a block: 25001');
outcome($router, 'ROLLBACK');
is(join(' ', map { $fleet->on($_, 'SELECT count(*), count(*) FILTER (WHERE status IN (\'held\', \'sold\')) FROM ticket_order') } $fleet->numbers), $before, 'nothing of it was carried out');

# ---------------------------------------------------------------------------------------------------------------------
# Rights
# ---------------------------------------------------------------------------------------------------------------------
$fleet->router->safe_psql('postgres', "CREATE ROLE seller LOGIN; CREATE ROLE nobody LOGIN; GRANT USAGE ON SCHEMA $schema TO seller, nobody; GRANT EXECUTE ON FUNCTION $schema.ticket_buy TO seller");
{
	my ($seller, $nobody) = map { $fleet->connect_to(undef, user => $_) } qw(seller nobody);
	is(same_answer(outcome($seller, "SELECT status, user_id FROM ticket_buy($c1, 201, '$day')")), "00000\nsold|201", 'a seller sells with EXECUTE alone');
	is(outcome($seller, "SELECT * FROM ticket_refund($sold)")->{state}, '42501', 'and may not call what was not granted');
	is(outcome($nobody, "SELECT * FROM ticket_buy($c1, 201, '$day')")->{state}, '42501', 'nobody may not buy');
	is(same_answer(outcome($nobody, "SELECT ticket_remaining('C1', 'S4', 'S5', '$day'), (SELECT count(*) FROM ticket_search('S1', 'S5', '$day'))")), "00000\n20|3", 'counting and searching are open to everybody');
	for my $sql ('SELECT * FROM router_train', 'SELECT * FROM router_node', 'DELETE FROM router_moved', "SELECT router_assign('C1', 1)", "SELECT router_node_add(9, 'dbname=x')", 'SELECT * FROM router_settle()', "SELECT router_move('C1', '$day', 1)",
		"SELECT ticketpool_router.node_call(1, 'ticket_refund', ARRAY['$sold'], NULL)", 'SELECT umoptions FROM pg_user_mapping')
	{
		next if $sql =~ /router_move/ && !$fleet->ask("SELECT count(*) FROM pg_proc WHERE proname = 'router_move'");
		is(outcome($nobody, $sql)->{state}, '42501', "nobody may not: $sql");
	}
	is($fleet->router->safe_psql('postgres', q{SELECT count(*) FROM pg_foreign_server, unnest(srvoptions) o WHERE o ~ 'password|user='}), '0', 'connect strings that everybody sees have no user and no password');
	outcome($nobody, 'SET ROLE seller');
	$_->quit for $seller, $nobody;
}

$fleet->all_agree('at the end', "opens_at < 'infinity'");
$fleet->stop;
done_testing();
