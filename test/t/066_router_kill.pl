# kill -9 of the router's backend, the node's backend, the node and PgBouncer at each step of
# purchases (of any seats and of very seats, paid and held), a batch, whatever is done with a ticket,
# holds and refunds of units, and an exchange between nodes. Whoever repeats the call with
# its request_id gets its tickets once; an exchange never loses the old ticket without the new one and
# never keeps both. A node that is down or frozen costs a bounded wait, and the other one sells on.
# TICKETPOOL_OPS sets the rounds of all of it (1).
use strict;
use warnings;

use FindBin;
use IO::Select;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

seed();
my $rounds = $ENV{TICKETPOOL_OPS} ? 1 + int($ENV{TICKETPOOL_OPS} / 1000) : 1;
my $day = DAY;
my $fleet = TicketpoolTest::Router->new('router_kill', nodes => 2, servers => 1, pooler => 1);
if (!$fleet->has_pooler)
{
	$fleet->stop;
	plan skip_all => 'pgbouncer is not installed';
}
$fleet->reference('many', 400, K1 => 5, K2 => 5);
$fleet->assign(K1 => 1, K2 => 2);
$fleet->open_departures_of('many', 1, 'K1', 'K2');
$fleet->ask('SELECT router_assign_item(5, 1)');
$fleet->ask('SELECT item_open(5, 1000)');

# ---------------------------------------------------------------------------------------------------------------------
# Places to stop on a node: whoever inserts or updates tickets of user 7, or commits them, waits for a
# lock while the test holds it.
# ---------------------------------------------------------------------------------------------------------------------
my %gate = (insert => 1, update => 2, commit => 3, delete => 4);
$fleet->everywhere(q{
	CREATE TABLE public.noted (order_id bigint);
	CREATE FUNCTION public.stop_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint); RETURN NULL; END $$;
	CREATE FUNCTION public.note_it() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.noted VALUES (NEW.order_id); RETURN NULL; END $$;
	CREATE TRIGGER stop_insert AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.stop_here(1);
	CREATE TRIGGER stop_update AFTER UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.stop_here(2);
	CREATE TRIGGER stop_delete AFTER DELETE ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.stop_here(4);
	CREATE TRIGGER stop_note AFTER INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION public.note_it();
	CREATE TRIGGER stop_insert AFTER INSERT ON item_order FOR EACH ROW EXECUTE FUNCTION public.stop_here(1);
	CREATE TRIGGER stop_update AFTER UPDATE ON item_order FOR EACH ROW EXECUTE FUNCTION public.stop_here(2);
	CREATE TRIGGER stop_note AFTER INSERT OR UPDATE ON item_order FOR EACH ROW EXECUTE FUNCTION public.note_it();
	CREATE CONSTRAINT TRIGGER stop_commit AFTER INSERT ON public.noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.stop_here(3)});

# Who waits at a gate of a node.
sub waiting
{
	my ($number, $place) = @_;
	return $fleet->on($number, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $gate{$place} AND NOT granted LIMIT 1");
}

my $client;
sub client { $client = $fleet->connect_to() if !$client || $client->is_lost; return $client }

my %strike = (
	router => sub { $fleet->kill_backend(undef, $client->backend) },
	backend => sub { my ($number, $pid) = @_; $fleet->kill_backend($number, $pid) },
	node => sub { my ($number) = @_; $fleet->kill_node($number); $fleet->start_node($number) },
	pooler => sub { $fleet->stop_pooler('KILL'); $fleet->start_pooler; 1 });
my @victims = sort keys %strike;
# Nothing dies: the client gives up waiting, before the answer comes.
$strike{cancel} = sub {
	return $fleet->ask('SELECT pg_cancel_backend(' . $client->backend . ')') eq 't'
	  && await(sub { $fleet->ask("SELECT state <> 'active' FROM pg_stat_activity WHERE pid = " . $client->backend) eq 't' });
};

# Sends a call through the router, lets it get to a place on a node, and strikes. answered: the node
# has committed, but its answer is still on the way. The outcome that the client sees.
sub struck
{
	my ($label, $call, $number, $place, $victim) = @_;
	my $guard = $fleet->connect_to($number);
	my $gate = $place eq 'answered' ? 'commit' : $place;
	outcome($guard, "SELECT pg_advisory_lock($gate{$gate})");
	client()->send("SELECT * FROM $call");
	my $pid = '';
	ok(await(sub { ($pid = waiting($number, $gate)) ne '' }), "$label: the call has come to $gate on node $number");
	if ($place eq 'answered')
	{
		kill 'STOP', $fleet->{pooler};
		outcome($guard, "SELECT pg_advisory_unlock($gate{$gate})");
		ok(await(sub { $fleet->on($number, "SELECT state FROM pg_stat_activity WHERE pid = $pid") eq 'idle' }), "$label: the node has committed");
	}
	my $pooler = $fleet->{pooler};
	ok($strike{$victim}->($number, $pid), "$label: " . ($victim eq 'cancel' ? 'done' : 'kill -9, and up again'));
	kill 'CONT', $pooler if $place eq 'answered' && $victim ne 'pooler';
	outcome($guard, "SELECT pg_advisory_unlock($gate{$gate})") if $place ne 'answered';
	$guard->quit;
	client()->wait if !$client->is_lost;
	my $got = answer($client, $client->output);
	return $got;
}

# What a client may be told: that its connection is lost, that the router does not know, or the answer.
sub is_honest
{
	my ($label, $got, $place, $victim) = @_;
	my $expected = $victim eq 'router' ? qr/^(?:lost|57P02|08006)$/ : $place eq 'answered' ? qr/^(?:08007|00000)$/ : qr/^08007$/;
	like($got->{state}, $expected, "$label: the client is told so") or note(explain $got);
	like($got->{hint} // '', qr/repeat/i, "$label: and that it may repeat the call") if $got->{state} eq '08007';
	return;
}

# Repeats a call until it is answered.
sub repeated
{
	my ($label, $call) = @_;
	my $got;
	ok(await(sub { $got = outcome(client(), "SELECT * FROM $call"); $got->{state} !~ /^(?:08|57P0|lost)/ }), "$label: the repeat is answered");
	is($got->{state}, '00000', "$label: with rows") or note(explain $got);
	return $got;
}

my $last = 0;
sub new_request { return sprintf '%08x-0000-4000-8000-000000000000', ++$last }
sub live { my ($number, $where) = @_; return $fleet->on($number, "SELECT count(*) FROM ticket_order WHERE status IN ('held', 'sold') AND $where") }

for my $round (1 .. $rounds)
{
	# -----------------------------------------------------------------------------------------------------------------
	# A purchase: of any two seats, and of two very seats that are named the other way round when it is
	# repeated; sold and held in turn
	# -----------------------------------------------------------------------------------------------------------------
	my $turn = 0;
	for my $place (qw(insert commit answered))
	{
		for my $victim (@victims, 'cancel')
		{
			my $label = "a purchase, $place, $victim";
			my $request = new_request();
			my $verb = ++$turn % 2 ? 'buy' : 'hold';
			my ($call, $repeat) = ("ticket_$verb('K1', 'S1', 'S3', 7, '$day', passengers => '{1,2}', request_id => '$request')") x 2;
			if ($turn % 4 > 1)
			{
				my @seats = split /\n/, $fleet->on(1, "SELECT coach || '/' || seat FROM ticket_places('K1', 'S1', 'S3', '$day') WHERE free LIMIT 2");
				($call, $repeat) = map { "ticket_${verb}_seats('K1', 'S1', 'S3', 7, '{" . join(',', @$_) . "}', '$day', request_id => '$request')" } [@seats], [ reverse @seats ];
				$label = "very seats, $place, $victim";
			}
			is_honest($label, struck($label, $call, 1, $place, $victim), $place, $victim);
			is(scalar(@{ repeated($label, $repeat)->{rows} }), 2, "$label: two tickets");
			is(live(1, "request_id = '$request'"), '2', "$label: and no more");
		}
	}

	# -----------------------------------------------------------------------------------------------------------------
	# A batch over two nodes: one has sold, the other one is hit
	# -----------------------------------------------------------------------------------------------------------------
	for my $victim (@victims)
	{
		for my $place (qw(insert commit))
		{
			my $label = "a batch, $place, $victim";
			my @requests = (new_request(), new_request(), new_request());
			my $call = sprintf q{ticket_buy_many(ARRAY[('K2', 'S1', 'S2', 7, '%1$s', NULL, NULL, NULL, NULL, '%2$s'), ('K1', 'S3', 'S5', 7, '%1$s', NULL, '{3,4}', NULL, NULL, '%3$s'), ('K2', 'S2', 'S4', 7, '%1$s', NULL, NULL, NULL, NULL, '%4$s')]::ticket_request[])},
				$day, @requests;
			is_honest($label, struck($label, $call, 2, $place, $victim), $place, $victim);
			is(scalar(@{ repeated($label, $call)->{rows} }), 4, "$label: four tickets");
			is(live(1, "request_id = '$requests[1]'") . live(2, "request_id IN ('$requests[0]', '$requests[2]')"), '22', "$label: and no more");
		}
	}

	# -----------------------------------------------------------------------------------------------------------------
	# A wait that gets seats at once
	# -----------------------------------------------------------------------------------------------------------------
	for my $number (0 .. $#victims)
	{
		my ($victim, $place) = ($victims[$number], (qw(insert commit))[ ($number + $round) % 2 ]);
		my $label = "a wait, $place, $victim";
		my $request = new_request();
		my $user = 9000 + $last;
		my $call = "ticket_wait($user, ARRAY[('K1', 'S1', 'S3', NULL, '$day', NULL, NULL, NULL, NULL, NULL)]::ticket_request[], '{1,2}', on_match => 'sell', request_id => '$request')";
		is_honest($label, struck($label, $call, 1, $place, $victim), $place, $victim);
		is(scalar(@{ repeated($label, $call)->{rows} }), 1, "$label: one wait");
		is($fleet->on(1, "SELECT string_agg(w.status || ' ' || o.status, ', ') FROM ticket_wait w JOIN ticket_order o USING (order_id) WHERE w.user_id = $user"), 'awarded sold, awarded sold', "$label: with two tickets");
		is(live(1, "user_id = $user"), '2', "$label: and no more");
	}

	# -----------------------------------------------------------------------------------------------------------------
	# Paid, given up, refunded, held for longer, another passenger: without a request_id they may be
	# repeated as they are
	# -----------------------------------------------------------------------------------------------------------------
	my @calls = (
		[ 'ticket_confirm(%d)', 'ticket_hold', 'sold 1, sold 2' ], [ 'ticket_cancel(%d)', 'ticket_hold', 'cancelled 1, cancelled 2' ], [ 'ticket_refund(%d)', 'ticket_buy', 'refunded 1, refunded 2' ],
		[ q{ticket_cancel(%d, '{2}')}, 'ticket_hold', 'held 1, cancelled 2' ], [ q{ticket_hold_extend(%d, '3 hours')}, 'ticket_hold', 'held 1, held 2' ], [ 'ticket_transfer(%d, 1, 4711)', 'ticket_buy', 'sold 4711, sold 2' ]);
	for my $number (0 .. $#calls)
	{
		my $victim = $victims[ ($number + $round) % @victims ];
		my ($function, $first, $expected) = @{ $calls[$number] };
		my $place = (qw(update commit))[ ($number + $round) % 2 ];
		my $label = "$function, $place, $victim";
		my $id = outcome(client(), "SELECT min(order_id) FROM $first('K1', 'S1', 'S2', 7, '$day', passengers => '{1,2}')")->{rows}[0];
		my $call = sprintf $function, $id;
		is_honest($label, struck($label, $call, 1, $place, $victim), $place, $victim);
		repeated($label, $call);
		is($fleet->on(1, "SELECT string_agg(status || ' ' || passenger_id, ', ' ORDER BY ticket_no) FROM ticket_order WHERE order_id = $id"), $expected, "$label: $expected");
		is($fleet->on(1, "SELECT bool_and(held_until > now() + interval '2 hours') FROM ticket_order WHERE order_id = $id"), 't', "$label: for longer") if $function =~ /extend/;
	}
	# Other seats: the repeat could move the passenger again. The client is told to look.
	for my $place (qw(update commit))
	{
		my $label = "ticket_reseat, $place";
		my $id = outcome(client(), "SELECT order_id FROM ticket_buy('K1', 'S1', 'S2', 7, '$day')")->{rows}[0];
		my $old = $fleet->on(1, "SELECT coach, seat FROM ticket_order WHERE order_id = $id");
		my $got = struck($label, "ticket_reseat($id)", 1, $place, 'backend');
		is($got->{state}, '08007', "$label: the client is told so") or note(explain $got);
		like($got->{hint} // '', qr/Look whether it was done/, "$label: and to look");
		my $seen;
		ok(await(sub { $seen = outcome(client(), "SELECT coach, seat FROM ticket_get($id)"); $seen->{state} eq '00000' }), "$label: it looks");
		is(join('', @{ $seen->{rows} }), $old, "$label: nothing was done");
	}

	# -----------------------------------------------------------------------------------------------------------------
	# Units: a hold and a refund of some of them, with a request_id
	# -----------------------------------------------------------------------------------------------------------------
	for my $number (0 .. $#victims)
	{
		my ($victim, $place) = ($victims[$number], (qw(update commit))[ ($number + $round) % 2 ]);
		my ($hold, $refund) = (new_request(), new_request());
		my $label = "item_hold, $victim";
		my $call = "item_hold(5, 7, 4, '$hold')";
		is_honest($label, struck($label, $call, 1, $place eq 'update' ? 'insert' : 'commit', $victim), 'insert', $victim);
		is(scalar(@{ repeated($label, $call)->{rows} }), 1, "$label: held");
		is($fleet->on(1, "SELECT string_agg(buy_quantity || ' ' || status, ', ') FROM item_order WHERE request_id = '$hold'"), '4 held', "$label: once");
		my $id = $fleet->on(1, "SELECT order_id FROM item_order WHERE request_id = '$hold'");
		repeated('item_confirm', "item_confirm($id)");
		$label = "item_refund, $place, $victim";
		$call = "item_refund($id, 1, '$refund')";
		is_honest($label, struck($label, $call, 1, $place, $victim), $place, $victim);
		repeated($label, $call);
		is($fleet->on(1, "SELECT buy_quantity || ' ' || status FROM item_order WHERE order_id = $id"), '3 sold', "$label: once");
	}

	# -----------------------------------------------------------------------------------------------------------------
	# An exchange between nodes: hold on node 2, fence on node 1, payment on node 2. Half of them are
	# repeated by the client, half are left to router_settle.
	# -----------------------------------------------------------------------------------------------------------------
	my %step = (hold => [ 2, 'insert' ], 'hold at its commit' => [ 2, 'commit' ], fence => [ 1, 'update' ], 'fence at its commit' => [ 1, 'commit' ], payment => [ 2, 'update' ]);
	my @steps = sort keys %step;
	for my $scenario (0 .. @steps * @victims - 1)
	{
		my ($step, $victim) = ($steps[ $scenario % @steps ], $victims[ int($scenario / @steps) ]);
		# In a short run, half of them.
		if ($rounds > 1 || $scenario % 2 == 0)
		{
			my $by_settle = rand() < 0.5;
			my ($number, $place) = @{ $step{$step} };
			my $label = "an exchange, $step, $victim, " . ($by_settle ? 'settled' : 'repeated');
			my $passenger = ++$last;
			my $old = outcome(client(), "SELECT DISTINCT order_id FROM ticket_buy('K1', 'S1', 'S2', 7, '$day', passengers => '{$passenger}')")->{rows}[0];
			my $request = new_request();
			my $call = "ticket_change($old, 'K2', 'S3', 'S4', '$day', request_id => '$request')";
			is_honest($label, struck($label, $call, $number, $place, $victim), $place, $victim);
			if ($by_settle)
			{
				my $got;
				ok(await(sub { $got = outcome(client(), 'SELECT * FROM router_settle()'); $got->{state} !~ /^(?:08|57P0|lost)/ }), "$label: router_settle ends");
				is($got->{state}, '00000', "$label: router_settle does its work") or note(explain $got);
			}
			else { repeated($label, $call) }
			# A hold that was not fenced is nothing yet: it is found again, or it runs out. (Without
			# PgBouncer a node may still be at work on what it was sent; then the next settlement has it.)
			my ($now, $one_ticket) = ('', $by_settle ? qr/^(?:sold (?:none|held)|changed sold)$/ : qr/^changed sold$/);
			await(sub {
				$now = $fleet->on(1, "SELECT status FROM ticket_order WHERE order_id = $old") . ' ' . $fleet->on(2, "SELECT coalesce(string_agg(status, ' '), 'none') FROM ticket_order WHERE passenger_id = $passenger AND status <> 'cancelled'");
				return $now =~ $one_ticket || ($by_settle && !outcome(client(), 'SELECT * FROM router_settle()'));
			});
			like($now, $one_ticket, "$label: one ticket");
			is(scalar(@{ repeated("$label, again", $call)->{rows} }), 1, "$label: the repeat has the new ticket") if $by_settle;
			is($fleet->on(1, "SELECT status FROM ticket_order WHERE order_id = $old") . ' ' . live(2, "passenger_id = $passenger AND status = 'sold'"), 'changed 1', "$label: the old one is changed, the new one is sold");
		}
	}
	ok(await(sub { outcome(client(), 'SELECT * FROM router_settle()'); $fleet->on(1, 'SELECT count(*) FROM ticket_unsettled()') eq '0' }), 'router_settle leaves nothing');
}

# ---------------------------------------------------------------------------------------------------------------------
# A move: while the old node takes the orders out, and while the new one takes them in. Whoever repeats
# the move finishes it, with every order in one place.
# ---------------------------------------------------------------------------------------------------------------------
if ($fleet->ask("SELECT count(*) FROM pg_proc WHERE proname = 'router_move'"))
{
	my $all_orders = "SELECT count(*) || ' ' || md5(string_agg(concat_ws(' ', o.order_id, o.ticket_no, o.status, o.seat, o.changed_to), ',' ORDER BY o.order_id, o.ticket_no)) FROM ticket_order o JOIN ticket_departure d USING (departure_id) WHERE d.train = 'K1' HAVING count(*) > 0";
	my $before = $fleet->on(1, $all_orders);
	my ($from, $to) = (1, 2);
	for my $round (1 .. $rounds)
	{
		for my $victim (@victims)
		{
			for my $place (qw(delete insert))
			{
				my $label = "a move, $place, $victim";
				my $got = struck($label, "router_move('K1', '$day', $to)", $place eq 'delete' ? $from : $to, $place, $victim);
				like($got->{state}, qr/^(?:lost|57P02|08\w\w\w)$/, "$label: the caller is told so") or note(explain $got);
				ok(await(sub { $got = outcome(client(), "SELECT router_move('K1', '$day', $to)"); $got->{state} !~ /^(?:08|57P0|55|lost)/ }), "$label: the repeat ends");
				is($got->{state}, '00000', "$label: the departure is moved") or note(explain $got);
				is($fleet->on($to, $all_orders), $before, "$label: with every order");
				is($fleet->on($from, $all_orders), '', "$label: and none is left behind");
				($from, $to) = ($to, $from);
			}
		}
	}
	outcome(client(), "SELECT router_move('K1', '$day', 1)") if $from != 1;
}

# ---------------------------------------------------------------------------------------------------------------------
# Down: nothing was done, and the other node sells on
# ---------------------------------------------------------------------------------------------------------------------
my $orders = $fleet->on(1, 'SELECT count(*) FROM ticket_order');
my $buy = "ticket_buy('K1', 'S1', 'S3', 8, '$day')";
my $other = "ticket_buy('K2', 'S1', 'S3', 8, '$day')";
$fleet->stop_pooler('KILL');
for my $call ($buy, $other, "ticket_remaining('K1', 'S1', 'S3', '$day')", "ticket_search('S1', 'S3', '$day')")
{
	# The first call may be sent on a connection that has just ended.
	my $got = outcome(client(), "SELECT * FROM $call");
	like($got->{state}, qr/^0800[17]$/, "without PgBouncer: 08xxx, $call") or note(explain $got);
	$got = outcome(client(), "SELECT * FROM $call");
	is($got->{state}, '08001', "without PgBouncer: 08001, $call") or note(explain $got);
}
$fleet->start_pooler;
is(outcome(client(), "SELECT * FROM $buy")->{state}, '00000', 'with PgBouncer again: sold');
$fleet->kill_node(1);
my $got = outcome(client(), "SELECT * FROM $buy");
like($got->{state}, qr/^0800[17]$/, 'a node is down: an answer') or note(explain $got);
$got = outcome(client(), "SELECT * FROM $buy");
is($got->{state}, '08001', 'a node is down, no connection to it is left: nothing was done') or note(explain $got);
like("$got->{detail} $got->{message}", qr/node 1\b/, 'the error names the node');
is(outcome(client(), "SELECT ticket_remaining('K1', 'S1', 'S3', '$day')")->{state}, '08001', 'a count of it: 08001');
is(outcome(client(), "SELECT * FROM $other")->{state}, '00000', 'the other node sells');
is(outcome(client(), "SELECT * FROM ticket_search('S1', 'S3', '$day')")->{state}, '08001', 'a search that needs it: 08001');
my $partial = outcome(client(), 'SET router.partial_search = on');
is($partial->{state}, '00000', 'router.partial_search can be set');
$got = outcome(client(), "SELECT train FROM ticket_search('S1', 'S3', '$day')");
is(same_answer($got), "00000\nK2", 'router.partial_search: what the other one has');
like("@{ $got->{notices} }", qr/WARNING: .*node 1\b|WARNING: .*\b1\b/, 'with a warning that names the node');
outcome(client(), 'RESET router.partial_search');
ok($fleet->start_node(1), 'the node is back');
ok(await(sub { outcome(client(), "SELECT * FROM $buy")->{state} eq '00000' }), 'and sells again');
is($fleet->on(1, 'SELECT count(*) FROM ticket_order'), $orders + 2, 'nothing was sold in between');

# ---------------------------------------------------------------------------------------------------------------------
# Frozen: an answer within the law's 10 seconds (a busy machine may add to that), others unaffected
# ---------------------------------------------------------------------------------------------------------------------
my %waits = map { $_ => $fleet->connect_to() } qw(cancel buy count search);
outcome($_, "SELECT ticket_remaining('K1', 'S1', 'S3', '$day')") for values %waits;
$fleet->freeze(1);
my $began = time();
# The connection that PgBouncer has is the first one's: its call gets as far as the node.
$waits{cancel}->send("SELECT * FROM $buy");
my $active = sub { my ($what, $function) = @_; return $fleet->ask(sprintf q{SELECT %s(pid) FROM pg_stat_activity WHERE pid = %d AND state = 'active'}, $function, $waits{$what}->backend) };
ok(await(sub { $active->('cancel', 'to_hex') ne '' }), 'a node is frozen: a call waits for it');
$waits{buy}->send("SELECT * FROM $buy");
$waits{count}->send("SELECT ticket_remaining('K1', 'S1', 'S3', '$day')");
$waits{search}->send("SELECT * FROM ticket_search('S1', 'S3', '$day')");
is(outcome(client(), "SELECT status FROM $other")->{rows}[0], 'sold', 'the other one sells at once');
is($active->('cancel', 'pg_cancel_backend'), 't', 'the call that waits is cancelled');
ok(!IO::Select->new($waits{buy}{from})->can_read(0), 'while its own callers wait');
my %state;
for my $what (sort keys %waits)
{
	my $answer = answer($waits{$what}, $waits{$what}->wait);
	$state{$what} = $answer->{state};
	note(explain $answer) if $answer->{state} !~ /^08/;
	note("$what: $answer->{state} after " . (time() - $began) . ' seconds');
}
my $waited = time() - $began;
cmp_ok($waited, '<=', 15, "answers come after $waited seconds");
like($state{cancel}, qr/^(?:57014|0800[17])$/, 'a cancelled purchase from a frozen node: cancelled, or 08xxx');
like($state{buy}, qr/^0800[17]$/, 'a purchase from a frozen node: 08xxx');
is($state{count}, '08001', 'a count: 08001');
is($state{search}, '08001', 'a search: 08001');
is($waits{count}->run("SELECT ticket_remaining('K2', 'S1', 'S2', '$day') > 0"), 't', 'the same session goes on with the other node');
$fleet->thaw(1);
ok(await(sub { outcome(client(), "SELECT * FROM $buy")->{state} eq '00000' }), 'a node that goes on is used again');
$_->quit for values %waits;

$fleet->all_agree('at the end');
$fleet->stop;
done_testing();
