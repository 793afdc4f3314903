# Thousands of random steps of plain quantities (buy, hold, pay, give up, expire, refund all or some,
# add, split, merge, batches, savepoints, rollbacks, crashes) against a plain model, seen by the session that takes the steps
# and by another one.
# TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets its length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable qw(dclone);
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $operations = $ENV{TICKETPOOL_OPS} // 4000;
my $node = new_server('item_model', conf => "ticketpool.memory = 2MB\nmax_prepared_transactions = 5");
my @items = (1, 2, 3);

# The state: inventories { id, item, parent, seller, quantity, merged } and orders { id, item,
# inventory, quantity, status, requests }.
my $state = { inventories => {}, orders => {} };
# An open transaction: the state before it, its savepoints, and what it took from each item on the
# way.
my $transaction;
my ($step, @trouble, %count);
my ($session, $other);

sub is_live { my ($order) = @_; return $order->{status} eq 'held' || $order->{status} eq 'sold' }
sub any { return $_[ rand @_ ] }
sub sum { my $sum = 0; $sum += $_ for @_; return $sum }

sub trouble
{
	my ($what) = @_;
	push @trouble, "step $step: $what";
	diag($trouble[-1]) if @trouble <= 5;
	return;
}

sub run
{
	my ($sql) = @_;
	my $output = $session->run($sql);
	trouble("$sql: " . $session->sqlstate . " $output") unless $session->is_ok;
	return $output;
}

# What is sold of each inventory.
sub sold
{
	my ($in) = @_;
	my %sold;
	$sold{ $_->{inventory} } += $_->{quantity} for grep { is_live($_) } values %{ $in->{orders} };
	return \%sold;
}

# What can be bought from an inventory: its own unsold units, and what returns to children that were
# merged into it.
sub free_in
{
	my ($in, $inventory, $sold) = @_;
	$sold //= sold($in);
	return sum(map { $_->{quantity} - ($sold->{ $_->{id} } // 0) } $inventory, grep { $_->{merged} && $_->{parent} == $inventory->{id} } values %{ $in->{inventories} });
}

sub inventories_of { my ($in, $item) = @_; return sort { $a->{id} <=> $b->{id} } grep { $_->{item} == $item && !$_->{merged} } values %{ $in->{inventories} } }
sub root_of { my ($item) = @_; my ($root) = grep { !$_->{parent} } inventories_of($state, $item); return $root }
sub remaining { my ($in, $item) = @_; my $sold = sold($in); return sum(map { free_in($in, $_, $sold) } inventories_of($in, $item)) }

# The inventory that a purchase draws from: the named one, else the root, else the first child
# without a seller.
sub source_of
{
	my ($item, $quantity, $named) = @_;
	my $sold = sold($state);
	my ($source) = grep { free_in($state, $_, $sold) >= $quantity && (defined $named ? $_->{id} == $named : !$_->{seller}) } inventories_of($state, $item);
	return $source;
}

sub note_taken { my ($item, $quantity) = @_; $transaction->{taken}{$item} += $quantity if $transaction; return }

sub enter
{
	my ($sql, $item, $quantity, $named, $text, $status) = @_;
	my $source = source_of($item, $quantity, $named);
	my ($id, $inventory, $got) = split /\|/, $text;
	trouble("$sql: $text where " . ($source ? "inventory $source->{id}" : 'nothing') . ' was expected')
	  if defined $id ? !$source || $inventory != $source->{id} || $got != $quantity : $source;
	$count{defined $id ? 'bought' : 'sold out'}++;
	return unless defined $id;
	$state->{orders}{$id} = { id => $id, item => $item, inventory => $inventory, quantity => $quantity, status => $status // 'sold' };
	note_taken($item, $quantity);
	return;
}

sub buy
{
	my $item = any(@items);
	my $quantity = rand() < 0.5 ? 1 : 1 + int rand 40;
	my $named = rand() < 0.3 ? any(map { $_->{id} } inventories_of($state, $item)) : undef;
	my ($function, $status) = rand() < 0.4 ? ('item_hold', 'held') : ('item_buy', 'sold');
	my $sql = "SELECT order_id, inventory_id, buy_quantity FROM $function($item, 7, $quantity" . (defined $named ? ", inventory_id => $named" : '')
	  . ($status eq 'held' ? q{, ttl => '1 day')} : ')');
	enter($sql, $item, $quantity, $named, run($sql), $status);
	$count{$status}++;
	return;
}

sub buy_many
{
	my @wishes = map { [ any(@items), 1 + int rand 5 ] } 1 .. 2 + int rand 5;
	my $sql = 'SELECT request_no, order_id FROM item_buy_many(ARRAY[' . join(', ', map { "ROW($_->[0], 7, $_->[1], NULL, NULL)::item_request" } @wishes) . ']) ORDER BY 1';
	my %order = map { split /\|/ } split /\n/, run($sql);
	for my $no (1 .. @wishes)
	{
		my ($item, $quantity) = @{ $wishes[ $no - 1 ] };
		enter("$sql (request $no)", $item, $quantity, undef, $order{$no} ? run("SELECT order_id, inventory_id, buy_quantity FROM item_order WHERE order_id = $order{$no}") : '');
	}
	$count{batches}++;
	return;
}

sub any_order { my ($status) = @_; return any(sort { $a->{id} <=> $b->{id} } grep { !$status || $_->{status} eq $status } values %{ $state->{orders} }) }

# A call for an order, in a savepoint: the row that it has to return, or undef for TK005.
sub order_call
{
	my ($call, $order, $expected) = @_;
	my $sql = "SELECT order_id, inventory_id, buy_quantity, status FROM $call";
	$session->run('SAVEPOINT before_call') if $transaction;
	my $got = $session->run($sql);
	if (!$session->is_ok)
	{
		trouble("$sql: " . $session->sqlstate . " $got") if defined $expected || $session->sqlstate ne 'TK005';
		$session->run('ROLLBACK TO before_call') if $transaction;
		$count{TK005}++;
	}
	elsif (($expected // 'TK005') ne $got) { trouble("$sql: $got, not " . ($expected // 'TK005')) }
	return;
}
sub row_of { my ($order) = @_; return join '|', @$order{qw(id inventory quantity status)} }

# All units or some; a part with a request_id, which is asked for again sometimes.
sub refund
{
	my $order = any_order() // return;
	my ($id, $units) = @$order{qw(id quantity)};
	if ($order->{requests} && rand() < 0.5)
	{
		my ($request, $asked) = @{ any(@{ $order->{requests} }) };
		order_call("item_refund($id, $asked, '$request')", $order, row_of($order));
		$count{'the same request'}++;
	}
	elsif ($order->{status} ne 'sold' || $units == 1 || rand() < 0.6)
	{
		my $known = $order->{status} =~ /sold|refunded/;
		$count{ $order->{status} eq 'sold' ? 'refunded' : 'refunded again' }++ if $known;
		$order->{status} = 'refunded' if $known;
		order_call(any("item_refund($id)", "item_refund($id, $units)"), $order, $known ? row_of($order) : undef);
	}
	else
	{
		my $part = 1 + int rand($units - 1);
		my $request = sprintf '00000000-0000-0000-0000-%012d', $step;
		$order->{quantity} -= $part;
		order_call("item_refund($id, $part, '$request')", $order, row_of($order));
		push @{ $order->{requests} }, [ $request, $part ];
		$count{'refunded in part'}++;
	}
	return;
}

# Payment in time, late or again. Late: the units of the same inventory, or of the root that it was merged into.
sub confirm
{
	my $order = any_order(any('expired', undef)) // any_order() // return;
	my $status = $order->{status};
	return order_call("item_confirm($order->{id})", $order, undef) if $status =~ /refunded|cancelled/;
	if ($status eq 'expired')
	{
		my $inventory = $state->{inventories}{ $order->{inventory} };
		my $serves = $inventory->{merged} ? $state->{inventories}{ $inventory->{parent} } : $inventory;
		my $from = free_in($state, $serves) >= $order->{quantity} ? $serves : undef;
		$count{ $from ? 'paid late' : 'paid too late' }++;
		return order_call("item_confirm($order->{id})", $order, '') unless $from;
		$order->{inventory} = $from->{id};
		note_taken($order->{item}, $order->{quantity});
	}
	$count{ $status eq 'held' ? 'paid' : 'paid again' }++ if $status ne 'expired';
	$order->{status} = 'sold';
	order_call("item_confirm($order->{id})", $order, row_of($order));
	return;
}

sub cancel
{
	my $order = any_order(any('held', 'cancelled', undef)) // any_order() // return;
	return order_call("item_cancel($order->{id})", $order, undef) if $order->{status} =~ /sold|refunded/;
	$count{ $order->{status} eq 'held' ? 'cancelled' : 'cancelled again' }++;
	$order->{status} = 'cancelled' if $order->{status} eq 'held';
	order_call("item_cancel($order->{id})", $order, row_of($order));
	return;
}

# Its time is over. In a transaction of its own the worker may come first.
sub expire
{
	my $order = any_order('held') // return;
	run("UPDATE item_order SET held_until = clock_timestamp() WHERE order_id = $order->{id}");
	run('SELECT ticket_sweep()');
	trouble("order $order->{id} did not expire") unless await(sub { run("SELECT status FROM item_order WHERE order_id = $order->{id}") eq 'expired' });
	$order->{status} = 'expired';
	$count{expired}++;
	return;
}

sub add
{
	my $item = any(@items);
	my $root = root_of($item);
	my $quantity = any(-30, -10, -1, 1, 10, 50);
	my $fits = free_in($state, $root) + $quantity >= 0;
	$session->run('SAVEPOINT before_add') if $transaction;
	my $sql = "SELECT item_add($item, $quantity)";
	my $got = $session->run($sql);
	if ($session->is_ok)
	{
		trouble("$sql: $got, but only " . free_in($state, $root) . ' are unsold') unless $fits;
		$root->{quantity} += $quantity;
		note_taken($item, -$quantity) if $quantity < 0;
		trouble("$sql: $got, not " . remaining($state, $item)) if $got ne remaining($state, $item);
		$count{added}++;
	}
	else
	{
		trouble("$sql: " . $session->sqlstate . ' ' . $session->output) if $fits || $session->sqlstate =~ /^XX/;
		$session->run('ROLLBACK TO before_add') if $transaction;
		$count{'not added'}++;
	}
	return;
}

sub split_item
{
	my $item = any(@items);
	return if inventories_of($state, $item) > 8;
	my $root = root_of($item);
	my $parts = 1 + int rand 3;
	my $sellers = rand() < 0.5;
	my $free = free_in($state, $root);
	my $sql = "SELECT id, quantity, parent_id, root_id, user_id FROM item_split($item, $parts" . ($sellers ? ', ARRAY[' . join(', ', map { 100 + $_ } 1 .. $parts) . ']::bigint[]' : '') . ') ORDER BY id';
	my @rows = map { [ split /\|/, $_, -1 ] } split /\n/, run($sql);
	trouble("$sql: " . @rows . ' rows') if @rows != ($free > 0 ? $parts : 0);
	for my $i (0 .. $#rows)
	{
		my ($id, $quantity, $parent, $top, $seller) = @{ $rows[$i] };
		my $share = int($free / $parts) + ($i < $free % $parts ? 1 : 0);
		trouble("$sql: part $i is @{ $rows[$i] }, not $share")
		  if $quantity != $share || $parent != $root->{id} || $top != $root->{id} || $seller ne ($sellers ? 101 + $i : '');
		$state->{inventories}{$id} = { id => $id, item => $item, parent => $root->{id}, seller => $sellers, quantity => $quantity, merged => 0 };
	}
	$root->{quantity} -= $free;
	note_taken($item, $free);
	$count{ $free > 0 ? 'split' : 'nothing to split' }++;
	return;
}

sub merge
{
	my $child = any(sort { $a->{id} <=> $b->{id} } grep { $_->{parent} && !$_->{merged} } values %{ $state->{inventories} }) // return;
	my $free = free_in($state, $child);
	my $sql = "SELECT item_merge($child->{id})";
	my $got = run($sql);
	trouble("$sql: $got, not $free") if $got ne $free;
	$child->{quantity} -= $free;
	$child->{merged} = 1;
	$state->{inventories}{ $child->{parent} }{quantity} += $free;
	note_taken($child->{item}, $free);
	$count{merged}++;
	return;
}

sub begin { run('BEGIN'); $transaction = { before => dclone($state), taken => {}, savepoints => [] }; $count{transactions}++; return }

sub end_transaction
{
	my ($how) = @_;
	run($how);
	$state = $transaction->{before} if $how eq 'ROLLBACK';
	$transaction = undef;
	return;
}

sub savepoint
{
	if (@{ $transaction->{savepoints} } && rand() < 0.5)
	{
		$state = pop @{ $transaction->{savepoints} };
		run('ROLLBACK TO s' . @{ $transaction->{savepoints} });
		$count{'rolled back'}++;
	}
	else
	{
		run('SAVEPOINT s' . @{ $transaction->{savepoints} });
		push @{ $transaction->{savepoints} }, dclone($state);
	}
	return;
}

# Others see what is taken at once, and what is given back after the commit: exact outside a
# transaction, bounds inside, where units that were given back may have been bought again instead of
# others.
sub check
{
	my $item = any(@items);
	my $sql = "SELECT item_remaining($item)";
	my ($got, $mine) = (run($sql), remaining($state, $item));
	trouble("$sql is $got, not $mine") if $got ne $mine;
	$got = $other->run($sql);
	my $before = remaining($transaction ? $transaction->{before} : $state, $item);
	my $least = $before - ($transaction ? $transaction->{taken}{$item} // 0 : 0);
	trouble("$sql is $got for others, not $least to $before") if $got > $before || $got < $least;
	return;
}

# Orders that are over are no longer of use after a while.
sub forget
{
	return if $transaction;
	my @gone = grep { !is_live($_) && rand() < 0.05 } values %{ $state->{orders} };
	delete $state->{orders}{ $_->{id} } for @gone;
	return;
}

sub step
{
	my $kind = rand;
	if ($kind < 0.40) { buy() }
	elsif ($kind < 0.44) { buy_many() }
	elsif ($kind < 0.56) { refund() }
	elsif ($kind < 0.63) { confirm() }
	elsif ($kind < 0.68) { cancel() }
	elsif ($kind < 0.72) { expire() }
	elsif ($kind < 0.78) { add() }
	elsif ($kind < 0.81) { split_item() }
	elsif ($kind < 0.84) { merge() }
	elsif ($kind < 0.90) { begin() unless $transaction }
	elsif ($kind < 0.94) { savepoint() if $transaction }
	elsif ($kind < 0.98) { end_transaction(any('COMMIT', 'ROLLBACK')) if $transaction }
	elsif ($kind < 0.99)
	{
		my $found = run('SELECT * FROM item_verify()');
		trouble("item_verify: $found") if $found ne '';
	}
	check();
	forget();
	return;
}

sub connect_sessions { ($session, $other) = (session($node), session($node)); return }

connect_sessions();
for my $item (@items)
{
	my $id = run("SELECT item_open($item, 100)");
	$state->{inventories}{$id} = { id => $id, item => $item, parent => 0, seller => 0, quantity => 100, merged => 0 };
}
my %restarts = map { (1 + int(rand $operations)) => 1 } 1 .. 3;
for my $n (1 .. $operations)
{
	$step = $n;
	note("step $n") if $n % 500 == 0;
	step();
	if ($restarts{$n})
	{
		if ($transaction) { $state = $transaction->{before}; $transaction = undef; }
		$_->quit for $session, $other;
		stop_and_start($node, any('fast', 'immediate'));
		connect_sessions();
	}
	last if @trouble >= 5;
}
is(join("\n", @trouble), '', "$operations random operations are answered as the model says (TICKETPOOL_SEED=$seed)");
end_transaction('COMMIT') if $transaction;
is(run(q{SELECT order_id, inventory_id, buy_quantity, status FROM item_order WHERE status IN ('held', 'sold') ORDER BY 1}),
	join("\n", map { row_of($_) } sort { $a->{id} <=> $b->{id} } grep { is_live($_) } values %{ $state->{orders} }),
	'the live orders are what the model says');
my %on_sale;
$on_sale{ $_->{item} } += $_->{quantity} for values %{ $state->{inventories} };
is(run('SELECT item_id, sum(quantity) FROM item_inventory GROUP BY 1 ORDER BY 1'), join("\n", map { "$_|$on_sale{$_}" } @items), 'so is what was put on sale of each item');
is(run(q{SELECT string_agg(id::text, ' ' ORDER BY id) FROM item_inventory WHERE status = 'open'}),
	join(' ', sort { $a <=> $b } map { $_->{id} } grep { !$_->{merged} } values %{ $state->{inventories} }), 'so are the open inventories');
is(run('SELECT * FROM item_verify()'), '', 'item_verify finds nothing');
my @left = map { run("SELECT item_remaining($_)") } @items;
$_->quit for $session, $other;
in_flight_is_empty($node, 'postgres', 'model');
stop_and_start($node, 'immediate');
is(join(' ', map { $node->safe_psql('postgres', "SELECT item_remaining($_)") } @items), "@left", 'after a crash the tables lead to the same counts');
is(join(' ', map { remaining($state, $_) } @items), "@left", 'which are those of the model');
note(join ', ', map { "$_: $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>', 0, "there were: $_") for 'bought', 'sold out', 'batches', 'refunded', 'refunded again', 'refunded in part', 'the same request', 'held', 'paid', 'paid again', 'paid late', 'paid too late', 'cancelled', 'cancelled again', 'expired', 'TK005', 'added', 'not added', 'split', 'merged', 'rolled back', 'transactions';

$node->stop;
done_testing();
