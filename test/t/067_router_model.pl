# Three nodes behind a router against one node that holds everything: random timetables, searched for
# every pair of stations, and thousands of random purchases, holds, payments, refunds, exchanges,
# very seats, quotas, batches, skipped stops and openings, each made at both. Every answer must be the same, and at the end every count.
# TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets its length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

seed();
my $operations = $ENV{TICKETPOOL_OPS} // 400;
my $day = DAY;
my $days = 3;
# Seats in their order: the same purchases take the same seats wherever they are made.
my $fleet = TicketpoolTest::Router->new('router_model', nodes => 3, pooler => 1, whole => 1, conf => 'ticketpool.allocation = first_fit');

sub any { return $_[ rand @_ ] }

# ---------------------------------------------------------------------------------------------------------------------
# A random timetable: trains of two to seven stops, by night and over two nights, some of them calling
# twice at a station, several that leave one station at the same time.
# ---------------------------------------------------------------------------------------------------------------------
my @stations = map { "P$_" } 1 .. 9;
my %trains;    # train => its stations in order
for my $number (1 .. 24)
{
	my @pool = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @stations;
	my @calls = @pool[ 0 .. 1 + int rand 6 ];
	push @calls, $calls[0] if @calls > 3 && rand() < 0.3;
	$trains{ sprintf 'R%02d', $number } = \@calls;
}
my @names = sort keys %trains;
my $timetable = join ";\n", map({ "INSERT INTO ticket_station VALUES ('$_', 'Station $_', NULL)" } @stations),
	"INSERT INTO ticket_station VALUES ('Q1', 'Station P1', NULL)",    # a name that two stations have
	map({
		my ($train, $time) = ($_, 60 * (5 + int rand 18) + any(0, 0, 0, 15, 30));
		my $number = 0;
		map {
			my $arrives = $time + ($number ? any(20, 55, 90, 420) : 0);
			$time = $arrives + any(0, 5, 10);
			sprintf "INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, boarding, alighting) VALUES ('%s', %d, '%s', interval '%d minutes', interval '%d minutes', %s, %s)", $train, ++$number, $_, $arrives, $time,
				map { rand() < 0.06 ? 'false' : 'true' } 1 .. 2
		} @{ $trains{$train} }
	} @names),
	q{INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('small', '1', 'first', '{1A,1C,1F}'), ('small', '2', 'second', '{1A,1B,1C,1D,1F,2A,2B}')},
	q{INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('one', '1', 'second', '{1A,1B,1C,1D,1F}')},
	q{INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('painted', '1', 'second', '{12下,F12,"Cabin 7",61,1A,1B}')},
	q{INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, y, deck, properties) VALUES ('painted', '1', '12下', 'bay "1"', 3, -4, 2, '{lower,quiet}'), ('painted', '1', '61', 'bay "1"', NULL, 1, NULL, '{window}')},
	q{INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('small', '3', 'standing', 4)};
$fleet->everywhere($timetable);
# Most trains stay on a node; some go to another one from the second day on.
for my $train (@names)
{
	my $first = any($fleet->numbers);
	$fleet->ask("SELECT router_assign('$train', $first, '2020-01-01')");
	$fleet->ask("SELECT router_assign('$train', " . any($fleet->numbers) . ", date '$day' + 1)") if rand() < 0.4;
}
# Trains without a stop list of their own.
$fleet->ask("SELECT router_assign('$_', @{[ any($fleet->numbers) ]}, '2020-01-01')") for 'X1', 'X2';
my @departures;
my %formation_of = map { $_ => any(qw(small small one painted)) } @names;
for my $n (0 .. $days - 1)
{
	for my $train (grep { rand() < 0.9 } @names) { push @departures, { train => $train, n => $n, stations => $trains{$train}, formation => $formation_of{$train} } }
	my $calls = join ', ', map { "ticket_open('$_->{train}', date '$day' + $n, '$_->{formation}', '2020-01-01'" . (rand() < 0.2 ? ", sale_margin => '1 hour')" : ')') } grep { $_->{n} == $n } @departures;
	$fleet->ask("SELECT $calls");
	$fleet->on(0, "SELECT $calls");
}
my @items = 501 .. 505;
for my $item (@items)
{
	$fleet->ask("SELECT router_assign_item($item, @{[ any($fleet->numbers) ]})");
	my $call = "SELECT item_open($item, @{[ 20 + int rand 60 ]})";
	$fleet->ask($call);
	$fleet->on(0, $call);
}
my %at = (router => $fleet->connect_to(), whole => $fleet->connect_to(0));
cmp_ok(scalar(grep { $fleet->on($_, 'SELECT count(*) FROM ticket_departure') > 0 } $fleet->numbers), '>=', 2, 'the trains are spread over nodes');

# ---------------------------------------------------------------------------------------------------------------------
# Search
# ---------------------------------------------------------------------------------------------------------------------
sub searches_agree
{
	my ($label) = @_;
	for my $function (qw(ticket_search ticket_trains))
	{
		my $all = qq{SELECT f, t, n, s.* FROM (VALUES @{[ join ', ', map { "('$_')" } @stations, 'Station P1', 'Station P2' ]}) AS f(f), (VALUES @{[ join ', ', map { "('$_')" } @stations, 'Station P3' ]}) AS t(t), generate_series(-1, $days + 2) n,
			LATERAL (SELECT row_number() OVER (), * FROM $function(f, t, date '$day' + n)) s WHERE f <> t};
		my %got = map { $_ => outcome($at{$_}, $all) } sort keys %at;
		cmp_ok(scalar(@{ $got{whole}{rows} }), '>', 50, "$label: $function finds trains") if $got{whole}{state} eq '00000';
		is(same_answer($got{router}), same_answer($got{whole}), "$label: $function over nodes finds the same, in the same order");
	}
	return;
}
searches_agree('before the first sale');

# ---------------------------------------------------------------------------------------------------------------------
# Operations
# ---------------------------------------------------------------------------------------------------------------------
my @orders;          # { router => id, whole => id, departure, status }
my @item_orders;
my @reservations;    # { router => id, whole => id }
# (Of an exchange between nodes without a request_id the new rows have one that the router made.)
my $columns = 'ticket_no, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, channel';
my ($step, %count, @trouble);

sub trouble
{
	my ($what, $router, $whole) = @_;
	push @trouble, $what;
	diag("step $step: $what\nrouter: " . same_answer($router) . "\nwhole: " . same_answer($whole)) if @trouble <= 3;
	return;
}

# Makes the call at both. id: a sub that puts an id of the place into the SQL. The two outcomes, without the id in the first column of each row.
sub both
{
	my ($what, $sql) = @_;
	my %got;
	for my $place (sort keys %at)
	{
		my $got = $got{$place} = outcome($at{$place}, ref $sql ? $sql->($place) : $sql);
		($got->{id}) = ($got->{rows}[0] // '') =~ /^(\d+)\|/;
		s/^\d+\|// for @{ $got->{rows} };
		# An error may name the order.
		for my $field (qw(message detail hint)) { $got->{$field} =~ s/\b\d{10,}\b|(?<=\border )\d+/ID/g if defined $got->{$field} }
	}
	trouble(ref $sql ? "$what: " . $sql->('router') : $sql, $got{router}, $got{whole}) if same_answer($got{router}) ne same_answer($got{whole});
	$count{$what}{ $got{router}{state} ne '00000' ? $got{router}{state} : @{ $got{router}{rows} } ? 'rows' : 'none' }++;
	return ($got{router}, $got{whole});
}

# The same call again, with its request_id: the rows of the first.
sub again
{
	my ($sql, @first) = @_;
	my @got = both(repeat => $sql);
	for my $n (0, 1)
	{
		trouble('another order: ' . (ref $sql ? $sql->('router') : $sql), @got) if ($got[$n]{id} // '') ne $first[$n]{id};
	}
	return;
}

sub remember
{
	my ($departure, $router, $whole) = @_;
	push @orders, { router => $router->{id}, whole => $whole->{id} } if defined $router->{id} && defined $whole->{id};
	return;
}

sub quoted { my ($text) = @_; return defined $text ? "'$text'" : 'NULL' }

# Leading arguments of a purchase: mostly a trip that the train makes.
sub wish
{
	my $departure = any(@departures);
	my @calls = @{ $departure->{stations} };
	my $from = int rand($#calls);
	my $to = $from + 1 + int rand($#calls - $from);
	my ($a, $b) = rand() < 0.05 ? (any(@stations), any(@stations)) : @calls[ $from, $to ];
	# That very call, by its number.
	($a, $b) = ("$a#@{[ $from + 1 ]}", "$b#@{[ $to + (rand() < 0.9 ? 1 : 2) ]}") if rand() < 0.1;
	my $class = $departure->{formation} ne 'small' ? any('second', undef) : any(qw(first second standing), rand() < 0.1 ? undef : 'second');
	return ($departure, "'$departure->{train}', '$a', '$b'", "date '$day' + $departure->{n}", quoted($class));
}
sub passengers { return any('NULL', 'NULL', "'{1,2}'", "'{3,4,5}'", "'{1,2,3,4,5,6}'") }
sub channel { return any('NULL', 'NULL', "'agency'") }
my $last_request = 0;
my $knows_get = $fleet->on(0, "SELECT count(*) FROM pg_proc WHERE proname = 'ticket_get'") > 0;
sub request_id { return sprintf "'%08x-0000-4000-8000-00000000%04x'", ++$last_request, rand 65536 }

my %operation = (
	buy => sub {
		my ($departure, $trip, $date, $class) = wish();
		my $request = any('NULL', request_id());
		my $sql = "SELECT order_id, $columns, request_id FROM " . any('ticket_buy', 'ticket_hold') . "($trip, @{[ 1 + int rand 5 ]}, $date, $class, @{[ passengers() ]}, @{[ any('NULL', 'NULL', q{'window'}, q{'A'}, q{'quiet'}, q{'1/12下'}) ]}, @{[ channel() ]}, $request)";
		my @got = both(buy => $sql);
		remember($departure, @got);
		again($sql, @got) if $request ne 'NULL' && defined $got[0]{id} && defined $got[1]{id} && rand() < 0.3;
	},
	seats => sub {
		my ($departure, $trip, $date) = wish();
		my $seats = any("'{1/1A}'", "'{1/1A,1/1C}'", "'{1/1C,1/1A}'", "'{1/1F}'", "'{1/1B}'", "'{2/1A,1/1A}'", "'{2/2A,2/2B}'", "'{1/12下,1/F12}'", q('{"1/Cabin 7"}'));
		my $request = any('NULL', request_id());
		my $sql = "SELECT order_id, $columns, request_id FROM " . any('ticket_buy_seats', 'ticket_hold_seats') . "($trip, @{[ 1 + int rand 5 ]}, $seats, $date, @{[ any('NULL', 'NULL', q{'{1}'}, q{'{1,2}'}) ]}, @{[ channel() ]}, $request)";
		my @got = both(seats => $sql);
		remember($departure, @got);
		again($sql, @got) if $request ne 'NULL' && defined $got[0]{id} && defined $got[1]{id} && rand() < 0.3;
	},
	reseat => sub {
		my $order = any(@orders) // return;
		my $more = any('', ", '{1}'", ", '{1}', '{1/1C}'", ", '{1,2}', '{1/1A,1/1C}'", ", '{2,1}', '{2/1A,2/2B}'");
		both(reseat => sub { "SELECT order_id, $columns FROM ticket_reseat($order->{$_[0]}$more)" });
	},
	life => sub {
		my $order = any(@orders) // return;
		my $function = any(qw(ticket_confirm ticket_confirm ticket_cancel ticket_cancel ticket_refund ticket_refund ticket_get ticket_hold_extend ticket_transfer));
		return if $function eq 'ticket_get' && !$knows_get;
		my $more = $function =~ /refund|cancel/ ? any('', '', ", '{1}'", ", '{1,2}'", ", '{9}'") : $function eq 'ticket_hold_extend' ? any(", '2 hours'", ', NULL', ", '0'")
		  : $function eq 'ticket_transfer' ? ', ' . any(1, 1, 2, 9) . ', ' . any(1, 7, 8, 'NULL') : '';
		both($function => sub { "SELECT order_id, $columns FROM $function($order->{$_[0]}$more)" });
	},
	change => sub {
		my $order = any(@orders) // return;
		my ($departure, $trip, $date, $class) = wish();
		my $request = any('NULL', request_id());
		my $more = any('', '', ", ticket_nos => '{1}'") . ($request eq 'NULL' ? '' : ", request_id => $request");
		my $sql = sub { "SELECT order_id, $columns, changed_from IS NOT NULL FROM ticket_change($order->{$_[0]}, $trip, $date, $class$more)" };
		my @got = both(change => $sql);
		remember($departure, @got);
		again($sql, @got) if $request ne 'NULL' && defined $got[0]{id} && defined $got[1]{id} && rand() < 0.5;
	},
	count => sub {
		my ($departure, $trip, $date, $class) = wish();
		both(any(qw(remaining why)) eq 'why' ? (why => "SELECT 0, outcome, remaining, held, with_seat_change FROM ticket_why($trip, $date, $class, @{[ 1 + int rand 6 ]}, @{[ channel() ]})")
			: (remaining => "SELECT 0, r FROM ticket_remaining($trip, $date, $class, @{[ channel() ]}) r"));
		both(places => "SELECT 0, p.* FROM ticket_places($trip, $date, $class, @{[ channel() ]}) p") if rand() < 0.5;
		both(matrix => "SELECT 0, m.* FROM ticket_remaining_matrix('$departure->{train}', $date, $class) m") if rand() < 0.3;
	},
	skip => sub {
		my $departure = any(@departures);
		my $date = "date '$day' + $departure->{n}";
		my $station = any(@{ $departure->{stations} });
		return both(retime => "SELECT 0, ticket_retime('$departure->{train}', $date)") if rand() < 0.6;
		both(skip => "SELECT 0, count(*), min(ticket_no) FROM ticket_skip_stop('$departure->{train}', $date, '$station')");
	},
	open => sub {
		my ($departure, $n, $of) = (any(@departures), $days + int rand 3, any(@names));
		my $train = any($departure->{train}, 'X1', 'X2');
		my $more = any("stops_of => '$of'", "sale_margin => '2 days'", "stops_of => '$of', sale_margin => '0'", "stops_of => 'nowhere'", "sale_margin => '-1 s'", "binding => 'late'", "binding => 'now'");
		my ($got) = both(open => "SELECT o, o IS NOT NULL FROM ticket_open('$train', date '$day' + $n, '$departure->{formation}', '2020-01-01', $more) o");
		push @departures, { %$departure, train => $train, n => $n, stations => $more =~ /stops_of/ ? $trains{$of} : $departure->{stations} } if defined $got->{id};
	},
	search => sub { both(search => sprintf "SELECT 0, s.* FROM ticket_search('%s', '%s', date '$day' + %d) s", any(@stations), any(@stations), int rand($days + 3)) },
	reserve => sub {
		my ($departure, undef, $date) = wish();
		my ($from, $to) = @{ $departure->{stations} }[ 0, 1 ];
		my $call = any("ticket_reserve('$departure->{train}', $date, 'second', 'agency', @{[ 1 + int rand 3 ]}, '$from', '$to')", "ticket_reserve_seats('$departure->{train}', $date, 'agency', @{[ any(q('{1/1A}'), q('{1/1C,1/1F}')) ]})");
		my @got = both(reserve => "SELECT r, r IS NOT NULL FROM $call r");
		push @reservations, { router => $got[0]{id}, whole => $got[1]{id} } if defined $got[0]{id} && defined $got[1]{id};
	},
	recycle => sub {
		my $reservation = any(@reservations) // return;
		both(recycle => sub { "SELECT 0, r FROM ticket_recycle($reservation->{$_[0]}) r" });
	},
	batch => sub {
		my @requests = map {
			my ($departure, $trip, $date, $class) = wish();
			"($trip, @{[ 1 + int rand 5 ]}, $date, $class, @{[ passengers() ]}, NULL, @{[ channel() ]}, @{[ request_id() ]})"
		} 1 .. 2 + int rand 5;
		both(batch => "SELECT order_id, request_no, ticket_no, coach, seat FROM ticket_buy_many(ARRAY[@{[ join ', ', @requests ]}]::ticket_request[])");
	});
my $item_columns = 'order_id, item_id, user_id, buy_quantity, status, request_id';
$operation{item_buy} = sub {
	my ($item, $request) = (any(@items), any('NULL', request_id()));
	my $sql = "SELECT $item_columns FROM @{[ any('item_buy', 'item_hold') ]}($item, @{[ 1 + int rand 5 ]}, @{[ any(1, 2, 5, 12, 0) ]}, $request)";
	my @got = both(item_buy => $sql);
	push @item_orders, { router => $got[0]{id}, whole => $got[1]{id} } if defined $got[0]{id} && defined $got[1]{id};
	again($sql, @got) if $request ne 'NULL' && defined $got[0]{id} && defined $got[1]{id} && rand() < 0.3;
};
$operation{item} = sub {
	my ($item, $order) = (any(@items), any(@item_orders));
	if (rand() < 0.3) { both(item_remaining => "SELECT 0, item_remaining($item)") }
	elsif (rand() < 0.3) { both(item_add => "SELECT 0, item_add($item, @{[ any(3, 1, -2, -50) ]})") }
	elsif (rand() < 0.5) { both(item_batch => 'SELECT order_id, request_no, item_id, buy_quantity FROM item_buy_many(ARRAY[' . join(', ', map { "(@{[ any(@items) ]}, 7, @{[ any(1, 3, 30) ]}, @{[ request_id() ]}, NULL)" } 1 .. 2 + int rand 4) . ']::item_request[])') }
	elsif ($order)
	{
		my $function = any(qw(item_refund item_refund item_confirm item_cancel));
		my $more = $function eq 'item_refund' ? any('', ', 1', ', 9', ", 1, @{[ request_id() ]}") : '';
		my $sql = sub { "SELECT $item_columns FROM $function($order->{$_[0]}$more)" };
		both($function => $sql) for 1 .. $more =~ /-/ ? 2 : 1;
	}
};
my @kinds = ((('buy') x 6), (('life') x 5), (('change') x 2), (('seats') x 2), 'reseat', 'skip', 'open', (('count') x 2), 'search', 'reserve', 'recycle', 'batch', (('item_buy') x 3), (('item') x 2));
for (1 .. $operations)
{
	$step = $_;
	$operation{ any(@kinds) }->();
	note("step $step") if $step % 500 == 0;
	last if @trouble > 20;
}
is(scalar(@trouble), 0, "each of $operations operations has the same answer over nodes as at one");
note(join ', ', map { my $kind = $_; "$kind: " . join(' ', map { "$count{$kind}{$_} $_" } sort keys %{ $count{$kind} }) } sort keys %count);
ok($count{buy}{rows} && $count{buy}{none}, 'some sell, some find nothing left');
searches_agree('after the sales');

my $counts = join ' UNION ALL ', map { "SELECT '$_->{train}', $_->{n}, m.* FROM ticket_remaining_matrix('$_->{train}', date '$day' + $_->{n}, NULL) m" } @departures;
is(same_answer(outcome($at{router}, $counts)), same_answer(outcome($at{whole}, $counts)), 'every count of every departure is the same');
my $sums = 'SELECT d.train, o.service_date, o.status, count(*), count(DISTINCT o.order_id) FROM ticket_order o JOIN ticket_departure d USING (departure_id) GROUP BY 1, 2, 3';
my @lines = sort map { split /\n/, $fleet->on($_, $sums) } $fleet->numbers;
# An exchange between nodes holds its seats first; what it gave up again is a cancelled hold.
my %sum;
for ([ 1, @lines ], [ -1, split /\n/, $fleet->on(0, $sums) ])
{
	my ($sign, @of) = @$_;
	for (@of) { my @field = split /\|/; $sum{"$field[0] $field[1] $field[2]"} += $sign * $field[3] if $field[2] ne 'cancelled' }
}
is(join(', ', grep { $sum{$_} } sort keys %sum), '', 'the orders of the nodes together are those of the one node');
$fleet->all_agree('at the end');
$fleet->stop;
done_testing();
