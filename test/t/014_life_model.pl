# Thousands of random steps of a ticket's whole life (hold, hold for longer, pay, cancel, run out,
# refund, change, take the very seat or another one, give to another passenger, quotas, channels,
# batches, unnumbered places, rules, other rolling stock) against a plain model, seen by the session
# that takes the steps and by another one.
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
my $operations = $ENV{TICKETPOOL_OPS} // 5000;
my $day = DAY;
my $node = new_server('life_model', conf => "ticketpool.memory = 2MB\nticketpool.user_limit = 12");
make_train($node, 'postgres', 'T1', 8);
make_train($node, 'postgres', 'T2', 30);
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation VALUES
		('mixed', '01', 'first', '{1A,1C,1D,1F}', NULL),
		('mixed', '02', 'second', '{1A,1B,1C,1D,1F,2A,2B,2C,2D,2F}', NULL),
		('mixed', '03', 'second', NULL, 4),
		('mixed', '04', 'standing', NULL, 5),
		('mixed', '05', 'standing', NULL, 3),
		-- as many seats, half of them elsewhere
		('other', '01', 'first', '{1A,1C,2A,2C}', NULL),
		('other', '12', 'second', '{1A,1B,1C,1D,1F}', NULL),
		('other', '02', 'second', '{1F,1D,1C,1B,1A}', NULL),
		('other', '03', 'second', NULL, 2),
		('other', '06', 'second', NULL, 3),
		('other', '05', 'standing', NULL, 8),
		-- too few; a coach is of the other class
		('short', '01', 'second', '{1A,1C,1D,1F}', NULL),
		('short', '02', 'first', '{1A,1B,1C,1D}', NULL),
		('short', '03', 'second', NULL, 4),
		('short', '04', 'standing', NULL, 4)});
$node->safe_psql('postgres', q{
	CREATE FUNCTION no_third(bigint, bigint, bigint[], from_stop int, int) RETURNS text STABLE LANGUAGE sql AS
		$$ SELECT 'nobody gets on at the third stop' WHERE from_stop = 3 $$;
	INSERT INTO ticket_rule VALUES ('public.no_third', 'ticket', false)});
open_departures($node, 'postgres', 'T1', 'mixed', 2);
open_departures($node, 'postgres', 'T2', 'mixed', 1);
my @departures = (
	{ train => 'T1', date => "date '$day'", stops => 8 }, { train => 'T1', date => "date '$day' + 1", stops => 8 },
	{ train => 'T2', date => "date '$day'", stops => 30 });
# formation => class => seats; formation => class => coach => places
my %seats_of = (
	mixed => { first => [ map { "01/$_" } qw(1A 1C 1D 1F) ], second => [ map { "02/$_" } qw(1A 1B 1C 1D 1F 2A 2B 2C 2D 2F) ], standing => [] },
	other => { first => [ map { "01/$_" } qw(1A 1C 2A 2C) ], second => [ map({ "12/$_" } qw(1A 1B 1C 1D 1F)), map({ "02/$_" } qw(1F 1D 1C 1B 1A)) ], standing => [] },
	short => { first => [ map { "02/$_" } qw(1A 1B 1C 1D) ], second => [ map { "01/$_" } qw(1A 1C 1D 1F) ], standing => [] });
my %places_of = (
	mixed => { first => {}, second => { '03' => 4 }, standing => { '04' => 5, '05' => 3 } },
	other => { first => {}, second => { '03' => 2, '06' => 3 }, standing => { '05' => 8 } },
	short => { first => {}, second => { '03' => 4 }, standing => { '04' => 4 } });
my @channels = (undef, undef, 'web', 'agency');

# The state: orders, quotas, each departure's formation, and calls with a request_id that can be
# repeated: [ SQL, its first answer ]. A ticket: [ ticket_no, seat or undef, coach, passenger ]; the
# passenger is there only if the ticket was transferred. Orders that are no longer of use are removed.
#   order: { id, on (departure's number), class, from, to, channel, status, tickets }
#   quota: { id, on, class, from, to, channel, seats }
my $state = { orders => {}, quotas => {}, formations => [ ('mixed') x @departures ], requests => [] };
# An open transaction: the state before it, what it took on the way, and for places the highest
# count it reached.
my $transaction;
my ($step, @trouble, %count);
my ($session, $other);

sub any { return $_[ rand @_ ] }
sub quoted { my ($text) = @_; return defined $text ? "'$text'" : 'NULL' }
sub is_live { my ($order) = @_; return $order->{status} eq 'held' || $order->{status} eq 'sold' }

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

# The rules that are on, and whether they refuse this many tickets. All orders are of one user.
my %rules = ('public.no_third' => 0, ticket_rule_user_limit => 0);

sub is_refused
{
	my ($wish, $party) = @_;
	return 1 if $rules{'public.no_third'} && $wish->{from} == 3;
	my $has = 0;
	$has += @{ $_->{tickets} } for grep { $_->{on} == $wish->{on} && is_live($_) } values %{ $state->{orders} };
	return $rules{ticket_rule_user_limit} && $has + $party > 12;
}

# A call that a rule refuses, and that changes nothing.
sub run_refused
{
	my ($sql) = @_;
	run('SAVEPOINT refused') if $transaction;
	$session->run($sql);
	trouble("$sql: " . $session->sqlstate . ', where a rule refuses') if $session->sqlstate ne 'TK004';
	run('ROLLBACK TO refused') if $transaction;
	$count{'refused by a rule'}++;
	return;
}

sub toggle_rule
{
	return if $transaction;
	my $rule = any(sort keys %rules);
	$rules{$rule} = !$rules{$rule};
	run("UPDATE ticket_rule SET enabled = NOT enabled WHERE rule = '$rule'");
	return;
}

sub seats { my ($in, $wish) = @_; return @{ $seats_of{ $in->{formations}[ $wish->{on} ] }{ $wish->{class} } } }
sub places { my ($in, $wish) = @_; return $places_of{ $in->{formations}[ $wish->{on} ] }{ $wish->{class} } }
sub coaches_with_places { my ($in, $on) = @_; return map { keys %{ places($in, { on => $on, class => $_ }) } } qw(first second standing) }

sub overlaps { my ($a, $b) = @_; return $a->{from} < $b->{to} && $b->{from} < $a->{to} }

# The numbered seats of a state that are free for the wish { on, class, from, to, channel }: no live
# ticket is there, and every quota on it is the channel's and covers the whole trip.
sub free_seats
{
	my ($in, $wish) = @_;
	my %free = map { $_ => 1 } seats($in, $wish);
	for my $order (values %{ $in->{orders} })
	{
		next unless $order->{on} == $wish->{on} && is_live($order) && overlaps($order, $wish);
		defined $_->[1] && delete $free{"$_->[2]/$_->[1]"} for @{ $order->{tickets} };
	}
	for my $quota (values %{ $in->{quotas} })
	{
		next unless $quota->{on} == $wish->{on} && overlaps($quota, $wish);
		next if defined $wish->{channel} && $wish->{channel} eq $quota->{channel} && $quota->{from} <= $wish->{from} && $quota->{to} >= $wish->{to};
		delete @free{ @{ $quota->{seats} } };
	}
	return \%free;
}

# How many tickets a coach with places has between each two stops.
sub load_of
{
	my ($in, $on, $coach) = @_;
	my @load = (0) x 31;
	for my $order (values %{ $in->{orders} })
	{
		next unless $order->{on} == $on && is_live($order);
		for my $ticket (grep { !defined $_->[1] && $_->[2] eq $coach } @{ $order->{tickets} })
		{
			$load[$_]++ for $order->{from} .. $order->{to} - 1;
		}
	}
	return \@load;
}

sub max { my ($max) = (0); $_ > $max and $max = $_ for @_; return $max }

sub free_places
{
	my ($in, $wish, $load) = @_;
	my %free;
	my $places = places($in, $wish);
	for my $coach (keys %$places)
	{
		my $of = $load ? $load->{"$wish->{on} $coach"} : load_of($in, $wish->{on}, $coach);
		$free{$coach} = $places->{$coach} - max(@{$of}[ $wish->{from} .. $wish->{to} - 1 ]);
	}
	return \%free;
}

sub sum { my $sum = 0; $sum += $_ for @_; return $sum }

# For the session itself, and for another one: what both states, the one before and the one now, leave free, and nothing
# on the way has taken.
sub remaining { my ($wish) = @_; return keys(%{ free_seats($state, $wish) }) + sum(values %{ free_places($state, $wish) }) }

sub seats_for_others
{
	my ($wish) = @_;
	my %free = %{ free_seats($state, $wish) };
	return \%free unless $transaction;
	my $before = free_seats($transaction->{before}, $wish);
	delete @free{ grep { !$before->{$_} } keys %free };
	for my $taken (@{ $transaction->{taken} })
	{
		next unless $taken->{on} == $wish->{on} && overlaps($taken, $wish);
		delete @free{ @{ $taken->{seats} } };
	}
	return \%free;
}

sub remaining_for_others
{
	my ($wish) = @_;
	return remaining($wish) unless $transaction;
	return keys(%{ seats_for_others($wish) }) + sum(values %{ free_places($state, $wish, $transaction->{fullest}) });
}

# After something was taken in a transaction.
sub note_taken
{
	my ($what, @seats) = @_;
	return unless $transaction;
	push @{ $transaction->{taken} }, { on => $what->{on}, from => $what->{from}, to => $what->{to}, seats => \@seats };
	for my $key (keys %{ $transaction->{fullest} })
	{
		my ($on, $coach) = split / /, $key;
		my $load = load_of($state, $on, $coach);
		my $fullest = $transaction->{fullest}{$key};
		$fullest->[$_] = max($fullest->[$_], $load->[$_]) for 0 .. $#$load;
	}
	return;
}

sub wish
{
	my $on = int rand @departures;
	my $stops = $departures[$on]{stops};
	my $from = 1 + int(rand($stops - 1));
	my $to = rand() < 0.3 ? $stops : $from + 1 + int(rand($stops - $from));
	return { on => $on, class => any(qw(first second second standing)), from => $from, to => $to, channel => any(@channels) };
}

sub trip { my ($wish) = @_; my $d = $departures[ $wish->{on} ]; return "'$d->{train}', 'S$wish->{from}', 'S$wish->{to}'" }
sub date { my ($wish) = @_; return $departures[ $wish->{on} ]{date} }

my $columns = q{order_id, ticket_no, seat, coach, status, from_stop, to_stop, channel};

# Rows of $columns: the order's id and its tickets; each must be as requested and have the status.
sub read_rows
{
	my ($sql, $text, $wish, $status) = @_;
	my ($id, @tickets);
	for (split /\n/, $text)
	{
		my ($order, $no, $seat, $coach, $is, $from, $to, $channel) = split /\|/, $_, -1;
		$id //= $order;
		trouble("$sql: row $_") if $order ne $id || $is ne $status || $from != $wish->{from} || $to != $wish->{to} || $channel ne ($wish->{channel} // '');
		push @tickets, [ $no, $seat eq '' ? undef : $seat, $coach ];
	}
	return ($id, sort { $a->[0] <=> $b->[0] } @tickets);
}

# The tickets must be on what was free, each on something else; they go into the state.
sub enter
{
	my ($sql, $wish, $status, $party, $id, @tickets) = @_;
	my ($seats, $places) = (free_seats($state, $wish), free_places($state, $wish));
	my $expected = remaining($wish) >= $party && !is_refused($wish, $party) ? $party : 0;
	trouble("$sql: " . @tickets . " tickets where $expected were expected") if @tickets != $expected;
	$count{'sold out'}++ unless @tickets;
	return unless @tickets;
	for my $ticket (@tickets)
	{
		my ($no, $seat, $coach) = @$ticket;
		trouble("$sql: " . ($seat // 'a place') . " in coach $coach was not free")
		  unless defined $seat ? delete $seats->{"$coach/$seat"} : $places->{$coach}-- > 0;
	}
	$state->{orders}{$id} = { id => $id, %{$wish}{qw(on class from to channel)}, status => $status, tickets => [@tickets] };
	note_taken($wish, map { defined $_->[1] ? "$_->[2]/$_->[1]" : () } @tickets);
	$count{tickets} += @tickets;
	return;
}

sub take
{
	my $wish = wish();
	my $party = rand() < 0.6 ? 1 : 2 + int(rand 3);
	my $status = rand() < 0.6 ? 'held' : 'sold';
	my $sql = "SELECT $columns FROM " . ($status eq 'held' ? 'ticket_hold' : 'ticket_buy') . '(' . trip($wish) . ', 7, ' . date($wish) . ", '$wish->{class}', passengers => ARRAY["
	  . join(', ', 1 .. $party) . ']::bigint[], channel => ' . quoted($wish->{channel}) . ($status eq 'held' ? q{, ttl => '1 hour')} : ')');
	return run_refused($sql) if is_refused($wish, $party);
	enter($sql, $wish, $status, $party, read_rows($sql, run($sql), $wish, $status));
	return;
}

sub some_seats { my ($wish, $count) = @_; my @left = seats($state, $wish); return map { splice @left, rand @left, 1 } 1 .. (@left < $count ? @left : $count) }
sub array_of { return "'{" . join(',', @_) . "}'" }

# Calls with a request_id: their rows come back, whatever has become of the tickets.
sub request_id { return rand() < 0.5 ? 'NULL' : sprintf q{'00000000-0000-0000-0000-%012d'}, $step }

sub note_request
{
	my ($request, $call, $id, @tickets) = @_;
	return if $request eq 'NULL' || !@tickets;
	push @{ $state->{requests} }, [ "SELECT order_id, ticket_no $call ORDER BY 2", join "\n", map { "$id|$_->[0]" } @tickets ];
	shift @{ $state->{requests} } if @{ $state->{requests} } > 20;
	return;
}

sub repeat
{
	my ($sql, $expected) = @{ any(@{ $state->{requests} }) // return };
	my $got = run($sql);
	trouble("$sql: $got, not $expected") if $got ne $expected;
	$count{'the same request'}++;
	return;
}

# Exactly these seats, or nothing.
sub take_seats
{
	my $wish = { %{ wish() }, class => any('first', 'second') };
	my @names = some_seats($wish, 1 + int rand 3);
	my $status = rand() < 0.6 ? 'held' : 'sold';
	my $request = request_id();
	my $call = sub {
		return 'FROM ' . ($status eq 'held' ? 'ticket_hold_seats' : 'ticket_buy_seats') . '(' . trip($wish) . ', 7, ' . array_of(@_) . ', ' . date($wish) . ', ' . array_of(1 .. @names)
		  . ', channel => ' . quoted($wish->{channel}) . ", request_id => $request" . ($status eq 'held' ? q{, ttl => '1 hour')} : ')');
	};
	my $sql = "SELECT $columns " . $call->(@names);
	return run_refused($sql) if is_refused($wish, scalar @names);
	my $free = free_seats($state, $wish);
	my $expected = (grep { !$free->{$_} } @names) ? '' : "@names";
	my ($id, @tickets) = read_rows($sql, run($sql), $wish, $status);
	my $got = join ' ', map { "$_->[2]/$_->[1]" } @tickets;
	trouble("$sql: $got, not $expected") if $got ne $expected;
	$count{@tickets ? 'very seats' : 'very seats taken'}++;
	return unless @tickets;
	# The same seats in another order are the same request.
	note_request($request, $call->(reverse @names), $id, @tickets);
	$state->{orders}{$id} = { id => $id, %{$wish}{qw(on class from to channel)}, status => $status, tickets => [@tickets] };
	note_taken($wish, @names);
	return;
}

# Other seats for some tickets of a live order: those that are named, or any others.
sub reseat
{
	my ($order) = @_;
	return if grep { !defined $_->[1] } @{ $order->{tickets} };
	my @tickets = @{ $order->{tickets} };
	splice @tickets, rand @tickets, 1 if @tickets > 1 && rand() < 0.5;
	my $named = rand() < 0.6;
	my @own = map { "$_->[2]/$_->[1]" } @tickets;
	my @names = !$named ? () : @own > 1 && rand() < 0.3 ? reverse @own : some_seats($order, scalar @tickets);
	return if $named && @names < @tickets;
	# What would be free if these tickets were not there.
	my %before = (%$state, orders => { %{ $state->{orders} }, $order->{id} => { %$order, tickets => [ grep { my $t = $_; !grep { $_ == $t } @tickets } @{ $order->{tickets} } ] } });
	my $free = free_seats(\%before, $order);
	my $sql = "SELECT $columns FROM ticket_reseat($order->{id}, " . array_of(map { $_->[0] } @tickets) . ($named ? ', ' . array_of(@names) : '') . ')';
	my (undef, @got) = read_rows($sql, run($sql), $order, $order->{status});
	my @now = map { defined $_->[1] ? "$_->[2]/$_->[1]" : "a place in $_->[2]" } @got;
	if ($named)
	{
		my $expected = (grep { !$free->{$_} } @names) ? '' : "@names";
		trouble("$sql: @now, not $expected") if "@now" ne $expected;
	}
	elsif (@now)
	{
		trouble("$sql: @now instead of @own") if @now != @own || grep { !/^a place/ && !delete $free->{$_} } @now or grep { $now[$_] eq $own[$_] } 0 .. $#own;
	}
	else
	{
		delete @{$free}{@own};
		trouble("$sql: nothing, although these are free: " . join ' ', sort keys %$free) if keys %$free >= @own;
	}
	$count{@now ? 'other seats for live tickets' : 'no other seats'}++;
	return unless @now;
	@{ $tickets[$_] }[ 1, 2 ] = @{ $got[$_] }[ 1, 2 ] for 0 .. $#tickets;
	note_taken($order, grep { !/^a place/ } @now);
	return;
}

sub take_many
{
	my @wishes = map { wish() } 1 .. 2 + int(rand 4);
	my @party = map { 1 + int(rand 2) } @wishes;
	my $sql = 'SELECT * FROM ticket_buy_many(ARRAY[' . join(', ', map {
			my $wish = $wishes[$_];
			my ($train, $from, $to) = split /, /, trip($wish);
			"ROW($train, $from, $to, 7, " . date($wish) . ", '$wish->{class}', ARRAY[" . join(', ', 1 .. $party[$_]) . ']::bigint[], NULL, ' . quoted($wish->{channel}) . ', NULL)::ticket_request'
		} 0 .. $#wishes) . ']) ORDER BY request_no, ticket_no';
	my %rows;
	for (split /\n/, run($sql))
	{
		my ($request, $id, $no, $coach, $seat) = split /\|/, $_, -1;
		$rows{$request}{id} = $id;
		push @{ $rows{$request}{tickets} }, [ $no, $seat eq '' ? undef : $seat, $coach ];
	}
	# In order: each sees what those before it took.
	enter("$sql (request $_)", $wishes[ $_ - 1 ], 'sold', $party[ $_ - 1 ], $rows{$_} ? ($rows{$_}{id}, @{ $rows{$_}{tickets} }) : ()) for 1 .. @wishes;
	$count{batches}++;
	return;
}

sub order_of { my (@statuses) = @_; return any(sort { $a->{id} <=> $b->{id} } grep { my $s = $_->{status}; grep { $s eq $_ } @statuses } values %{ $state->{orders} }) }

sub numbers { my ($order) = @_; return join "\n", map { join '|', $_->[0], $_->[1] // '', $_->[2] } @{ $order->{tickets} } }

# A step that changes an order's status, and nothing else.
sub set_status
{
	my ($order, $call, $status) = @_;
	my $sql = "SELECT ticket_no, seat, coach, status FROM $call ORDER BY 1";
	my $got = run($sql);
	# If an order was refunded in part, the rest counts.
	my %mine = map { $_->[0] => 1 } @{ $order->{tickets} };
	$got = join "\n", grep { $mine{ (split /\|/)[0] } } split /\n/, $got if $order->{part};
	my $expected = numbers($order) =~ s/$/|$status/mgr;
	trouble("$sql: $got, not $expected") if $got ne $expected;
	$order->{status} = $status;
	$count{$status}++;
	return;
}

# Payment: of a hold, again, or after it ran out.
sub confirm
{
	my ($order) = @_;
	return set_status($order, "ticket_confirm($order->{id})", 'sold') if $order->{status} ne 'expired';
	my $sql = "SELECT $columns FROM ticket_confirm($order->{id})";
	return run_refused($sql) if is_refused($order, scalar @{ $order->{tickets} });
	my (undef, @tickets) = read_rows($sql, run($sql), $order, 'sold');
	my $party = @{ $order->{tickets} };
	my ($seats, $places) = (free_seats($state, $order), free_places($state, $order));
	my $same = 1;
	for (@{ $order->{tickets} }) { $same = 0 unless defined $_->[1] ? delete $seats->{"$_->[2]/$_->[1]"} : ($places->{ $_->[2] }-- // 0) > 0 }
	my $before = numbers($order);
	delete $state->{orders}{ $order->{id} } unless remaining($order) < $party && !@tickets;
	my $id = $order->{id};
	if (@tickets || remaining($order) >= $party)
	{
		enter($sql, $order, 'sold', $party, $id, @tickets);
		my $now = $state->{orders}{$id};
		trouble("$sql: not the same seats, which were free: $before, but " . numbers($now)) if $same && $now && numbers($now) ne $before;
	}
	$count{@tickets ? $same ? 'late, same seats' : 'late, other seats' : 'late, nothing left'}++;
	return;
}

# What has run out: ticket_sweep finds it, unless the worker, which sees only what is committed, was
# first.
sub sweep
{
	my ($what, $is_done) = @_;
	my $got = run('SELECT ticket_sweep()');
	return if $got eq '1';
	trouble("ticket_sweep returns $got for $what")
	  if $got ne '0' || $transaction || !$node->poll_query_until('postgres', $is_done);
	return;
}

sub expire
{
	my ($order) = @_;
	run("UPDATE ticket_order SET held_until = clock_timestamp() - interval '1 second' WHERE order_id = $order->{id}");
	sweep("order $order->{id}", "SELECT bool_and(status = 'expired') FROM ticket_order WHERE order_id = $order->{id} AND held_until IS NOT NULL AND status <> 'cancelled'");
	$order->{status} = 'expired';
	$count{expired}++;
	return;
}

# A part: what is left is the order from here on.
sub give_part
{
	my ($order, $call, $status) = @_;
	my ($ticket) = splice @{ $order->{tickets} }, rand @{ $order->{tickets} }, 1;
	my $sql = "SELECT ticket_no, status FROM $call($order->{id}, ARRAY[$ticket->[0]])";
	my $got = run($sql);
	trouble("$sql: $got") if $got ne "$ticket->[0]|$status";
	$order->{part} = 1;
	$count{"$status in part"}++;
	return;
}

sub refund
{
	my ($order) = @_;
	return @{ $order->{tickets} } == 1 || rand() < 0.6 ? set_status($order, "ticket_refund($order->{id})", 'refunded') : give_part($order, 'ticket_refund', 'refunded');
}

sub cancel
{
	my ($order) = @_;
	return give_part($order, 'ticket_cancel', 'cancelled') if $order->{status} eq 'held' && @{ $order->{tickets} } > 1 && rand() < 0.7;
	return set_status($order, "ticket_cancel($order->{id})", $order->{status} eq 'held' ? 'cancelled' : $order->{status});
}

sub extend
{
	my ($order) = @_;
	my $sql = "SELECT ticket_no, seat, coach, held_until > clock_timestamp() + interval '110 minutes' FROM ticket_hold_extend($order->{id}, '2 hours') ORDER BY 1";
	my ($got, $expected) = (run($sql), numbers($order) =~ s/$/|t/mgr);
	trouble("$sql: $got, not $expected") if $got ne $expected;
	$count{'held longer'}++;
	return;
}

# To a passenger who has nothing yet. The rules are asked without the ticket.
sub transfer
{
	my ($order) = @_;
	my $ticket = any(@{ $order->{tickets} });
	my $passenger = 1000 + $step;
	my $sql = "SELECT ticket_no, seat, coach, status, passenger_id FROM ticket_transfer($order->{id}, $ticket->[0], $passenger)";
	return run_refused($sql) if is_refused($order, 0);
	my ($got, $expected) = (run($sql), join '|', $ticket->[0], $ticket->[1] // '', $ticket->[2], $order->{status}, $passenger);
	trouble("$sql: $got, not $expected") if $got ne $expected;
	$ticket->[3] = $passenger;
	$count{transferred}++;
	return;
}

sub change
{
	my ($order) = @_;
	my $wish = wish();
	# Often on the same train, where the exchange competes with its own seats.
	$wish = { %$wish, on => $order->{on}, from => 1, to => 8, class => $order->{class} } if rand() < 0.5;
	$wish->{channel} = $order->{channel};
	my $party = @{ $order->{tickets} };
	my $request = request_id();
	my $call = "FROM ticket_change($order->{id}, " . trip($wish) . ', ' . date($wish) . ", '$wish->{class}', ticket_nos => ARRAY["
	  . join(', ', map { $_->[0] } @{ $order->{tickets} }) . "], request_id => $request)";
	my $sql = "SELECT $columns $call";
	$order->{status} = 'changed';
	if (is_refused($wish, $party))
	{
		$order->{status} = 'sold';
		return run_refused($sql);
	}
	my ($id, @tickets) = read_rows($sql, run($sql), $wish, 'sold');
	enter($sql, $wish, 'sold', $party, $id, @tickets);
	$order->{status} = 'sold' unless @tickets;
	$count{@tickets ? 'changed' : 'not changed'}++;
	note_request($request, $call, $id, @tickets);
	return;
}

sub reserve
{
	my $wish = { %{ wish() }, channel => any('web', 'agency'), class => any('first', 'second') };
	my @names = rand() < 0.4 ? some_seats($wish, 1 + int rand 2) : ();
	my $number = @names || 1 + int rand 4;
	my $d = $departures[ $wish->{on} ];
	my $sql = 'SELECT ' . (@names ? "ticket_reserve_seats('$d->{train}', $d->{date}, '$wish->{channel}', " . array_of(@names) : "ticket_reserve('$d->{train}', $d->{date}, '$wish->{class}', '$wish->{channel}', $number")
	  . ", 'S$wish->{from}', 'S$wish->{to}', " . any('NULL', 'clock_timestamp() + interval $$1 hour$$') . ')';
	my $id = run($sql);
	my $free = free_seats($state, { %$wish, channel => undef });
	my $can = @names ? !grep { !$free->{$_} } @names : keys %$free >= $number;
	trouble("$sql: '$id' where " . keys(%$free) . ' were free') if ($id ne '') != $can;
	$count{'very seats set aside'} += @names if $id ne '';
	return if $id eq '';
	my @seats = split /,/, run("SELECT array_to_string(seat_list, ',') FROM ticket_reservation WHERE reservation_id = $id");
	trouble("$sql: @seats") if @seats != $number || grep { !delete $free->{$_} } @seats;
	$state->{quotas}{$id} = { id => $id, %{$wish}{qw(on class from to channel)}, seats => \@seats };
	note_taken($wish, @seats);
	$count{quotas}++;
	return;
}

# By hand, or because its deadline is over.
sub recycle
{
	my $quota = any(sort { $a->{id} <=> $b->{id} } values %{ $state->{quotas} }) // return;
	if (rand() < 0.3)
	{
		run("UPDATE ticket_reservation SET release_at = clock_timestamp() - interval '1 second' WHERE reservation_id = $quota->{id}");
		sweep("quota $quota->{id}", "SELECT status = 'recycled' FROM ticket_reservation WHERE reservation_id = $quota->{id}");
	}
	else
	{
		# Seats of which something is unsold.
		my %sold;
		for my $order (grep { $_->{on} == $quota->{on} && is_live($_) } values %{ $state->{orders} })
		{
			for my $stop ($order->{from} .. $order->{to} - 1)
			{
				next if $stop < $quota->{from} || $stop >= $quota->{to};
				defined $_->[1] && $sold{"$_->[2]/$_->[1]"}++ for @{ $order->{tickets} };
			}
		}
		my $expected = grep { ($sold{$_} // 0) < $quota->{to} - $quota->{from} } @{ $quota->{seats} };
		my $got = run("SELECT ticket_recycle($quota->{id})");
		trouble("ticket_recycle($quota->{id}) returns $got, not $expected") if $got ne $expected;
	}
	delete $state->{quotas}{ $quota->{id} };
	# Until the end of the transaction nobody else can have its seats.
	note_taken($quota, @{ $quota->{seats} });
	$count{recycled}++;
	return;
}

# Steps that the order's state forbids.
sub refuse
{
	my $order = order_of(qw(held sold cancelled refunded expired changed)) // return;
	my %forbidden = (
		held => [ 'ticket_refund(%d)', "ticket_change(%d, 'T1', 'S1', 'S2', '$day', 'first')" ], sold => [ 'ticket_cancel(%d)', q{ticket_cancel(%d, '{1}')}, q{ticket_hold_extend(%d, '1 h')} ],
		cancelled => [ 'ticket_confirm(%d)', 'ticket_refund(%d)', q{ticket_hold_extend(%d, '1 h')}, 'ticket_transfer(%d, 1, 8)' ], refunded => [ 'ticket_cancel(%d)', 'ticket_transfer(%d, 1, 8)' ],
		expired => [ 'ticket_refund(%d)', q{ticket_hold_extend(%d, '1 h')}, 'ticket_transfer(%d, 1, 8)' ], changed => [ 'ticket_cancel(%d)', 'ticket_refund(%d)', 'ticket_confirm(%d)' ]);
	return if $order->{part};
	my $sql = sprintf "SELECT * FROM " . any(@{ $forbidden{ $order->{status} } }), $order->{id};
	$session->run($sql);
	trouble("$sql of what is $order->{status}: " . $session->sqlstate) if $session->sqlstate ne 'TK005';
	$count{refused}++;
	end_transaction('ROLLBACK') if $transaction;
	return;
}

sub begin
{
	run('BEGIN');
	$transaction = { before => dclone($state), taken => [], fullest => {} };
	for my $on (0 .. $#departures)
	{
		$transaction->{fullest}{"$on $_"} = load_of($state, $on, $_) for coaches_with_places($state, $on);
	}
	$count{transactions}++;
	return;
}

sub end_transaction
{
	my ($how) = @_;
	run($how);
	$state = $transaction->{before} if $how eq 'ROLLBACK';
	$transaction = undef;
	return;
}

sub check
{
	my $wish = wish();
	my $sql = 'SELECT ticket_remaining(' . trip($wish) . ', ' . date($wish) . ", '$wish->{class}', " . quoted($wish->{channel}) . ')';
	my ($mine, $others) = (remaining($wish), remaining_for_others($wish));
	my $got = run($sql);
	trouble("$sql is $got, not $mine") if $got ne $mine;
	$got = $other->run($sql);
	trouble("$sql is $got for others, not $others") if $got ne $others;
	check_seats($wish) if rand() < 0.2;
	return;
}

# Seat by seat: as a list for both, and as a picture (for no channel).
sub check_seats
{
	my ($wish) = @_;
	my $all = join ' ', sort(seats($state, $wish));
	my $sql = "SELECT coach || '/' || seat, free FROM ticket_places(" . trip($wish) . ', ' . date($wish) . ", '$wish->{class}', " . quoted($wish->{channel}) . ') ORDER BY 1';
	my %expected = (mine => free_seats($state, $wish), others => seats_for_others($wish));
	for my $whose (sort keys %expected)
	{
		my @rows = map { [ split /\|/ ] } split /\n/, $whose eq 'mine' ? run($sql) : $other->run($sql);
		my ($listed, $got, $free) = (join(' ', sort(map { $_->[0] } @rows)), join(' ', sort(map { $_->[1] eq 't' ? $_->[0] : () } @rows)), join(' ', sort keys %{ $expected{$whose} }));
		trouble("$sql has $listed, not $all") if $listed ne $all;
		trouble("$sql is $got for $whose, not $free") if $got ne $free;
	}
	my ($train, $from, $to) = split /, /, trip($wish);
	$sql = "SELECT coalesce(string_agg(m[2], ' ' ORDER BY m[2] COLLATE \"C\") FILTER (WHERE m[1] = 'free'), '') || '|' || count(*) FROM regexp_matches(ticket_seat_svg($train, " . date($wish)
	  . ", '$wish->{class}', $from, $to), 'class=\"seat (free|taken)\"[^>]*><title>([^<]*)</title>', 'g') m";
	my ($got, $free) = (run($sql), join('|', join(' ', sort(keys %{ free_seats($state, { %$wish, channel => undef }) })), scalar(split / /, $all)));
	trouble("$sql is $got, not $free") if $got ne $free;
	$count{'seat by seat'}++;
	return;
}

# Other rolling stock: who has the seat there keeps it; the others are on seats that nobody has, or there are too few seats.
sub reform
{
	return if $transaction;
	my $on = int rand @departures;
	my $formation = any(sort keys %seats_of);
	my $unseated = any('refuse', 'refund');
	my @orders = sort { $a->{id} <=> $b->{id} } grep { $_->{on} == $on && is_live($_) } values %{ $state->{orders} };
	my $after = dclone($state);
	$after->{formations}[$on] = $formation;
	$after->{orders}{ $_->{id} }{tickets} = [] for @orders;
	# Tickets whose seat there is in the new formation, and the number of others in each class.
	my (%moves, %must_move);
	for my $order (@orders)
	{
		my %there = map { $_ => 1 } seats($after, $order);
		for my $ticket (grep { defined $_->[1] } @{ $order->{tickets} })
		{
			next if $there{"$ticket->[2]/$ticket->[1]"};
			$moves{"$order->{id} $ticket->[0]"} = 1;
			$must_move{ $order->{class} }++;
		}
	}
	my $where = "'$departures[$on]{train}', $departures[$on]{date}";
	my $sql = "SELECT order_id, ticket_no, seat_class, old_coach, old_seat, new_coach, new_seat, outcome FROM ticket_reform($where, '$formation', '$unseated')";
	my $undone = rand() < 0.2;
	run('BEGIN') if $undone;
	my $text = $session->run($sql);
	if (!$session->is_ok)
	{
		my $state_of = $session->sqlstate;
		run('ROLLBACK') if $undone;
		trouble("$sql: $state_of $text") if $state_of ne 'TK007' || $unseated eq 'refund';
		# With a seat for each that nobody has at any stop, nobody is left over.
		my $wanted = grep {
			my $class = $_;
			my %free = %{ free_seats($state, { on => $on, class => $class, from => 1, to => $departures[$on]{stops} }) };
			my @new = seats($after, { on => $on, class => $class });
			my %taken = map { my $o = $_; map { defined $_->[1] ? ("$_->[2]/$_->[1]" => 1) : () } @{ $o->{tickets} } } grep { $_->{class} eq $class } @orders;
			my $standing = sum(map { my $o = $_; scalar grep { !defined $_->[1] } @{ $o->{tickets} } } grep { $_->{class} eq $class } @orders);
			(grep { !$taken{$_} } @new) + sum(values %{ places($after, { on => $on, class => $class }) }) < ($must_move{$class} // 0) + $standing
		} qw(first second standing);
		trouble("$sql: $text, although each could have a seat of its own") unless $wanted;
		$count{'too few seats'}++;
		return;
	}
	# (Quotas that shrink are named in a NOTICE.)
	my %row = map { my @row = split /\|/, $_, -1; ("$row[0] $row[1]" => \@row) } grep { !/^psql:/ } split /\n/, $text;
	my $got = $other->run("SELECT formation FROM ticket_departure WHERE train = '$departures[$on]{train}' AND service_date = $departures[$on]{date}");
	trouble("$sql: others see $got") if $got ne ($undone ? $state->{formations}[$on] : $formation);
	if ($undone)
	{
		# A buyer waits, and is told so.
		my $buy = "SELECT * FROM ticket_buy('$departures[$on]{train}', 'S1', 'S2', 8, $departures[$on]{date}, 'second')";
		if (rand() < 0.2)
		{
			$other->run($buy);
			trouble("$buy: " . $other->sqlstate) if $other->sqlstate ne 'TK003';
		}
		check();
		run('ROLLBACK');
		$count{'reform undone'}++;
		return;
	}
	for my $order (@orders)
	{
		my $kept = $after->{orders}{ $order->{id} };
		for my $ticket (@{ $order->{tickets} })
		{
			my $row = delete $row{"$order->{id} $ticket->[0]"};
			if (!$row)
			{
				trouble("$sql: order $order->{id} $ticket->[0] has stayed where nothing is") if $moves{"$order->{id} $ticket->[0]"};
				push @{ $kept->{tickets} }, $ticket;
				next;
			}
			trouble("$sql: order $order->{id} $ticket->[0] moved, but its seat is there") if defined $ticket->[1] && !$moves{"$order->{id} $ticket->[0]"};
			my (undef, undef, $class, $old_coach, $old_seat, $coach, $seat, $outcome) = @$row;
			trouble("$sql: @$row") if $class ne $order->{class} || $old_coach ne $ticket->[2] || $old_seat ne ($ticket->[1] // '') || $outcome ne ($coach ne '' ? 'moved' : $order->{status} eq 'sold' ? 'refunded' : 'cancelled');
			$count{"reform: $outcome"}++;
			if ($coach eq '') { $kept->{part} = 1; next }
			push @{ $kept->{tickets} }, [ $ticket->[0], $seat eq '' ? undef : $seat, $coach, $ticket->[3] // () ];
		}
		delete $after->{orders}{ $order->{id} } unless @{ $kept->{tickets} };
	}
	trouble("$sql: @{ $row{$_} }") for sort keys %row;
	# No seat twice, no coach beyond its places, nothing that the formation does not have.
	my @now = grep { $_->{on} == $on && is_live($_) } values %{ $after->{orders} };
	for my $order (@now)
	{
		my %others = (%$after, quotas => {}, orders => { map { $_->{id} => $_ } grep { $_ != $order } @now });
		my $free = free_seats(\%others, $order);
		my $free_places = free_places(\%others, $order);
		trouble("$sql: order $order->{id} is on what it cannot have: " . numbers($order)) if grep { defined $_->[1] ? !delete $free->{"$_->[2]/$_->[1]"} : ($free_places->{ $_->[2] }-- // 0) <= 0 } @{ $order->{tickets} };
	}
	# Quotas: seats that nobody has, except those who bought from it.
	for my $quota (sort { $a->{id} <=> $b->{id} } grep { $_->{on} == $on } values %{ $after->{quotas} })
	{
		my ($status, $number, $list) = split /\|/, run("SELECT status, seats, array_to_string(seat_list, ',') FROM ticket_reservation WHERE reservation_id = $quota->{id}");
		if ($status ne 'open') { delete $after->{quotas}{ $quota->{id} }; $count{'quotas given back'}++; next }
		my @names = split /,/, $list;
		my %there = map { $_ => 1 } seats($after, $quota);
		trouble("$sql: quota $quota->{id}: $number seats, $list") if $number != @names || @names > @{ $quota->{seats} } || grep { !delete $there{$_} } @names;
		for my $order (grep { overlaps($_, $quota) && ($_->{channel} // '') ne $quota->{channel} } @now)
		{
			my %of = map { defined $_->[1] ? ("$_->[2]/$_->[1]" => 1) : () } @{ $order->{tickets} };
			trouble("$sql: quota $quota->{id} has a seat of order $order->{id}: $list") if grep { $of{$_} } @names;
		}
		for my $another (grep { $_->{on} == $on && $_->{id} < $quota->{id} && overlaps($_, $quota) } values %{ $after->{quotas} })
		{
			my %of = map { $_ => 1 } @{ $another->{seats} };
			trouble("$sql: quotas $another->{id} and $quota->{id} meet") if grep { $of{$_} } @names;
		}
		$count{ @names < @{ $quota->{seats} } ? 'quotas with fewer seats' : 'quotas as large as before' }++;
		$quota->{seats} = \@names;
	}
	$state = $after;
	$count{reforms}++;
	return;
}

# Orders that cannot change any more are removed from the state, which would otherwise grow too
# large to be asked thousands of times.
sub forget
{
	return if $transaction;
	for my $order (grep { !is_live($_) && $_->{status} ne 'expired' } values %{ $state->{orders} })
	{
		delete $state->{orders}{ $order->{id} } if rand() < 0.2;
	}
	my @expired = sort { $a <=> $b } map { $_->{id} } grep { $_->{status} eq 'expired' } values %{ $state->{orders} };
	delete $state->{orders}{ shift @expired } while @expired > 20;
	return;
}

sub with { my ($do, @statuses) = @_; my $order = order_of(@statuses); $do->($order) if $order; return }

sub step
{
	my $kind = rand;
	if ($kind < 0.26) { take() }
	elsif ($kind < 0.30) { take_seats() }
	elsif ($kind < 0.32) { with(\&reseat, qw(held sold)) }
	elsif ($kind < 0.33) { repeat() }
	elsif ($kind < 0.37) { take_many() }
	elsif ($kind < 0.47) { with(\&confirm, qw(held held expired sold)) }
	elsif ($kind < 0.52) { with(\&cancel, qw(held held cancelled expired)) }
	elsif ($kind < 0.54) { with(\&extend, 'held') }
	elsif ($kind < 0.56) { with(\&transfer, qw(held sold)) }
	elsif ($kind < 0.60) { with(\&expire, 'held') }
	elsif ($kind < 0.70) { with(\&refund, 'sold') }
	elsif ($kind < 0.78) { with(\&change, 'sold') }
	elsif ($kind < 0.84) { reserve() }
	elsif ($kind < 0.87) { recycle() }
	elsif ($kind < 0.89) { reform() }
	elsif ($kind < 0.90) { refuse() }
	elsif ($kind < 0.94) { begin() unless $transaction }
	elsif ($kind < 0.98) { end_transaction(any('COMMIT', 'ROLLBACK')) if $transaction }
	elsif ($kind < 0.985) { toggle_rule() }
	elsif ($kind < 0.99)
	{
		my $found = run('SELECT * FROM ticket_verify()');
		trouble("ticket_verify: $found") if $found ne '';
	}
	check();
	forget();
	return;
}

sub connect_sessions { ($session, $other) = (session($node), session($node)); return }

connect_sessions();
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
my @expected = sort map { my $o = $_; map { join ' ', $o->{id}, $_->[0], $_->[2], $_->[1] // '-', $o->{status} } @{ $o->{tickets} } } grep { is_live($_) } values %{ $state->{orders} };
is(join("\n", sort split /\n/, run(q{SELECT concat_ws(' ', order_id, ticket_no, coach, coalesce(seat, '-'), status) FROM ticket_order WHERE status IN ('held', 'sold')})),
	join("\n", @expected), 'the live tickets are what the model says');
is(run(q{SELECT string_agg(reservation_id::text, ' ' ORDER BY reservation_id) FROM ticket_reservation WHERE status = 'open'}),
	join(' ', sort { $a <=> $b } keys %{ $state->{quotas} }), 'so are the open quotas');
my %passengers = map { split /\|/ } split /\n/, run(q{SELECT order_id || ' ' || ticket_no, passenger_id FROM ticket_order});
my @wrong = grep { my $o = $_; grep { defined $_->[3] && $passengers{"$o->{id} $_->[0]"} != $_->[3] } @{ $o->{tickets} } } values %{ $state->{orders} };
is(join(' ', map { $_->{id} } @wrong), '', 'so are the passengers');
$_->quit for $session, $other;
in_flight_is_empty($node, 'postgres', 'model');
agrees($node, 'postgres', 'model');
note(join ', ', map { "$_: $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>', 0, "there were: $_") for 'tickets', 'sold out', 'batches', 'cancelled', 'expired', 'refunded', 'refunded in part', 'cancelled in part', 'held longer', 'transferred', 'very seats', 'very seats taken', 'very seats set aside', 'other seats for live tickets', 'no other seats', 'changed', 'not changed',
  'late, same seats', 'late, other seats', 'late, nothing left', 'quotas', 'recycled', 'refused', 'refused by a rule', 'transactions', 'the same request', 'seat by seat',
  'reforms', 'too few seats', 'reform undone', 'reform: moved', 'reform: refunded', 'quotas as large as before';

indexes_are_whole($node, 'postgres', 'at the end');
$node->stop;
done_testing();
