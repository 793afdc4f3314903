# Exactly named seats. Many clients want sets that overlap, at the same moment: one has all of its
# set, and nobody is refused for a seat that nobody has. Then a model of ticket_reseat, and what a
# restart makes of prepared moves.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(shuffle);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 15;
my $clients = 6;
my $day = DAY;
my $node = new_server('very_seat', conf => "ticketpool.memory = 32MB\nmax_prepared_transactions = 5");
make_train($node, 'postgres', 'W', 240);
make_train($node, 'postgres', 'T', 6);
# A formation of two classes, 2:6; whole coaches, rows of five.
sub formation
{
	my ($name, $first, $second) = @_;
	my $from = 0;
	for ([ 'first', $first ], [ 'second', $second ])
	{
		my ($class, $seats) = @$_;
		$node->safe_psql('postgres', qq{
			INSERT INTO ticket_formation (formation, coach, seat_class, seats)
			SELECT '$name', to_char($from + i / 100, 'FM00'), '$class', array_agg((i % 100) / 5 + 1 || substr('ABCDF', i % 5 + 1, 1) ORDER BY i)
			FROM generate_series(0, $seats - 1) i GROUP BY i / 100});
		$from += 50;
	}
	return;
}
formation('large', 300, 900);
formation('small', 10, 20);
open_departures($node, 'postgres', 'W', 'large', $rounds);
open_departures($node, 'postgres', 'T', 'small', 3);
$node->safe_psql('postgres', q{
	CREATE FUNCTION day(n int) RETURNS date LANGUAGE sql IMMUTABLE AS $$ SELECT date '} . $day . q{' + n $$;
	-- So many seats of a formation, in any order.
	CREATE FUNCTION some_seats(f text, n int) RETURNS text[] LANGUAGE sql AS $$
		SELECT array_agg(name) FROM (SELECT coach || '/' || seat AS name FROM ticket_formation, unnest(seats) AS seat
			WHERE formation = f ORDER BY random() LIMIT n) AS s $$});

# ---------------------------------------------------------------------------------------------------------------------
# Any two of these want a seat in common: sets of more than half of all seats, and parties that are a
# whole class. All start at once, and one of them gets what it wants.
# ---------------------------------------------------------------------------------------------------------------------

my @sessions = map { session($node) } 1 .. $clients;
my $gate = session($node);
my (@wrong, %winners);
for my $round (0 .. $rounds - 1)
{
	$gate->run("SELECT pg_advisory_lock($round)");
	for my $number (0 .. $clients - 1)
	{
		my $buy = $number == 0 && $round % 2
		  ? qq{ticket_buy('W', 'S1', 'S240', $number, day($round), 'second', passengers => ARRAY(SELECT generate_series(1, 900))::bigint[])}
		  : qq{ticket_buy_seats('W', 'S1', 'S240', $number, (SELECT seats FROM wanted), day($round))};
		$sessions[$number]->run(q{CREATE TEMP TABLE IF NOT EXISTS wanted AS SELECT NULL::text[] AS seats});
		$sessions[$number]->run(q{UPDATE wanted SET seats = some_seats('large', 601)});
		$sessions[$number]->send(qq{SELECT pg_advisory_lock_shared($round);\nSELECT count(*) FROM $buy});
	}
	becomes_true($node, 'postgres', "SELECT count(*) = $clients FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") or die 'the race does not start';
	$gate->run("SELECT pg_advisory_unlock($round)");
	my @got = map { $_->wait; $_->is_ok ? (split /\n/, $_->output)[-1] : die $_->output } @sessions;
	push @wrong, "round $round: @got" if 1 != grep { $_ > 0 } @got;
	$winners{$_}++ for grep { $got[$_] > 0 } 0 .. $#got;
	$_->run('SELECT pg_advisory_unlock_all()') for @sessions;
}
is_deeply(\@wrong, [], "of $clients buyers of overlapping seats, one got all, in each of $rounds rounds");
note("winners: @{[ map { qq{$_: $winners{$_}} } sort keys %winners ]}");
not_twice($node, 'postgres', 'large sets');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'large sets: ticket_verify finds nothing');

# ---------------------------------------------------------------------------------------------------------------------
# Small sets, parties and a channel with a quota, on one small train, until little is left. Nothing is
# given back; so whoever was refused wanted a seat that is taken now.
# ---------------------------------------------------------------------------------------------------------------------

$node->safe_psql('postgres', q{
	SELECT ticket_reserve_seats('T', day(0), 'agency', some_seats('small', 0) || ARRAY['50/1A', '50/2B', '50/3C', '50/4D'], 'S2', 'S5');
	CREATE UNLOGGED TABLE refused (seats text[], from_stop int, to_stop int, channel text);
	CREATE PROCEDURE rush(buyer bigint, tries int) LANGUAGE plpgsql AS $$
	DECLARE
		f int;
		t int;
		wanted text[];
		c text;
	BEGIN
		FOR i IN 1 .. tries LOOP
			f := 1 + floor(random() * 5);
			t := f + 1 + floor(random() * (6 - f));
			c := CASE WHEN random() < 0.5 THEN 'agency' END;
			IF random() < 0.2 THEN
				PERFORM FROM ticket_buy('T', 'S' || f, 'S' || t, buyer, day(0), 'second', passengers => '{1,2}', channel => c);
			ELSE
				wanted := some_seats('small', 1 + floor(random() * 3)::int);
				PERFORM FROM ticket_buy_seats('T', 'S' || f, 'S' || t, buyer, wanted, day(0), channel => c);
				IF NOT FOUND THEN
					INSERT INTO refused VALUES (wanted, f, t, c);
				END IF;
			END IF;
			COMMIT;
		END LOOP;
	END $$});
my $workers = start_workers($clients, sub {
	my ($number) = @_;
	my $session = session($node, 'postgres', verbosity => 'default');
	$session->run("SELECT setseed(" . rand() . ")");
	$session->run("CALL rush($number, 60)");
	die $session->output unless $session->is_ok;
});
ok(wait_workers($workers), 'clients bought small sets');
is($node->safe_psql('postgres', q{
	SELECT seats, r.from_stop, r.to_stop, r.channel FROM refused r WHERE NOT EXISTS (
		SELECT FROM ticket_order o JOIN ticket_departure d USING (departure_id)
		WHERE d.train = 'T' AND d.service_date = day(0) AND o.coach || '/' || o.seat = ANY (r.seats) AND o.from_stop < r.to_stop AND r.from_stop < o.to_stop)
	-- Seats of the quota are only for the agency, and only within its stretch.
	AND NOT (r.seats && ARRAY['50/1A', '50/2B', '50/3C', '50/4D'] AND r.from_stop < 5 AND r.to_stop > 2
		AND (r.channel IS NULL OR r.from_stop < 2 OR r.to_stop > 5))}), '', 'nobody was refused for seats that nobody has');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM refused'), '>', 20, 'and many were refused');
agrees($node, 'postgres', 'small sets', q{d.train = 'T'});

# ---------------------------------------------------------------------------------------------------------------------
# A model of one train: who sits where. Named seats are had if no other ticket is on them; others are
# had if as many seats of the class are free, and are none of the old ones.
# ---------------------------------------------------------------------------------------------------------------------

my $session = session($node);
my @all = split /\n/, $node->safe_psql('postgres', q{SELECT coach || '/' || seat FROM ticket_formation, unnest(seats) seat WHERE formation = 'small'});
my %class = map { $_ => /^0/ ? 'first' : 'second' } @all;
my %orders;    # order => { trip => [ from, to ], tickets => { number => seat } }

sub clash { my ($a, $b) = @_; return $a->[0] < $b->[1] && $b->[0] < $a->[1] }

# Is the seat free over the trip, seen by one who gives up these tickets?
sub is_free
{
	my ($seat, $trip, $order, $numbers) = @_;
	for my $id (keys %orders)
	{
		next unless clash($orders{$id}{trip}, $trip);
		for my $number (keys %{ $orders{$id}{tickets} })
		{
			next if defined $order && $id eq $order && grep { $_ == $number } @$numbers;
			return 0 if $orders{$id}{tickets}{$number} eq $seat;
		}
	}
	return 1;
}

sub list { return "'{" . join(',', @_) . "}'" }
sub some { my ($count) = @_; my @shuffled = shuffle(@all); return @shuffled[ 0 .. $count - 1 ] }

sub buy
{
	my ($from) = 1 + int rand 5;
	my $trip = [ $from, $from + 1 + int rand(6 - $from) ];
	my @seats = some(1 + int rand 4);
	my $expected = grep({ !is_free($_, $trip) } @seats) ? 0 : @seats;
	my $function = rand() < 0.3 ? 'ticket_hold_seats' : 'ticket_buy_seats';
	my @rows = split /\n/, $session->run(qq{SELECT order_id, ticket_no, coach || '/' || seat FROM $function('T', 'S$trip->[0]', 'S$trip->[1]', 1, } . list(@seats) . qq{, day(1))});
	die $session->output unless $session->is_ok;
	die "bought (@rows) instead of $expected of (@seats)" if @rows != $expected;
	for (@rows)
	{
		my ($order, $number, $seat) = split /\|/;
		$orders{$order}{trip} = $trip;
		$orders{$order}{tickets}{$number} = $seat;
		die "ticket $number is on $seat" if $seat ne $seats[ $number - 1 ];
	}
	return;
}

sub reseat
{
	my ($order) = shuffle(keys %orders) or return;
	my ($trip, $tickets) = @{ $orders{$order} }{qw(trip tickets)};
	my @numbers = shuffle(keys %$tickets);
	@numbers = @numbers[ 0 .. int rand @numbers ];
	my $named = rand() < 0.7;
	my %to;
	if ($named)
	{
		# Own seats as often as not: swaps.
		my %own = map { $_ => 1 } values %$tickets;
		for my $number (@numbers)
		{
			my @fit = grep { my $seat = $_; $class{$seat} eq $class{ $tickets->{$number} } && !grep { $_ eq $seat } values %to } @all;
			my @mine = grep { $own{$_} } @fit;
			@fit = @mine if @mine && rand() < 0.5;
			$to{$number} = $fit[ rand @fit ];
		}
	}
	my %left;
	my %needed;
	for my $number (@numbers) { $needed{ $class{ $tickets->{$number} } }++ }
	for my $seat (@all) { $left{ $class{$seat} }++ if is_free($seat, $trip) }
	my $expected = $named ? !grep({ !is_free($to{$_}, $trip, $order, \@numbers) } @numbers) : !grep({ $needed{$_} > ($left{$_} // 0) } keys %needed);
	my @rows = split /\n/, $session->run(qq{SELECT ticket_no, coach || '/' || seat FROM ticket_reseat($order, } . list(@numbers) . ($named ? ', ' . list(map { $to{$_} } @numbers) : '') . ')');
	die $session->output unless $session->is_ok;
	die "reseat of (@numbers) of $order to (@{[ %to ]}) gave (@rows), wanted: " . ($expected ? 'all' : 'none') if @rows != ($expected ? @numbers : 0);
	my %old = map { $tickets->{$_} => 1 } @numbers;
	my %new = map { split /\|/ } @rows;
	for my $number (keys %new)
	{
		die "ticket $number went to $new{$number}" if $named && $new{$number} ne $to{$number};
		die "ticket $number went to $new{$number}" if !$named && ($old{ $new{$number} } || $class{ $new{$number} } ne $class{ $tickets->{$number} });
		$tickets->{$number} = $new{$number};
	}
	return scalar @rows;
}

sub give_back
{
	my ($order) = shuffle(keys %orders) or return;
	$session->run("SELECT count(*) FROM ticket_confirm($order)");
	my ($number) = shuffle(keys %{ $orders{$order}{tickets} });
	$session->run("SELECT count(*) FROM ticket_refund($order, '{$number}')");
	die $session->output unless $session->is_ok;
	delete $orders{$order}{tickets}{$number};
	delete $orders{$order} unless %{ $orders{$order}{tickets} };
	return;
}

sub seating
{
	return join "\n", sort map { my $order = $_; map { "$order|$_|$orders{$order}{tickets}{$_}" } keys %{ $orders{$order}{tickets} } } keys %orders;
}

sub copy_of { return map { $_ => { trip => $_[0]{$_}{trip}, tickets => { %{ $_[0]{$_}{tickets} } } } } keys %{ $_[0] } }

my ($moves, $refusals) = (0, 0);
for my $step (1 .. 120)
{
	my %before = copy_of(\%orders);
	my $mode = int rand 4;    # each by itself; a transaction; one that is rolled back; a savepoint that is
	$session->run($mode == 0 ? 'SELECT 1' : 'BEGIN');
	if ($mode == 3) { buy(); %before = copy_of(\%orders); $session->run('SAVEPOINT s') }
	for (1 .. 4)
	{
		my $dice = rand;
		if ($dice < 0.3) { buy() }
		elsif ($dice < 0.4) { give_back() }
		else { my $rows = reseat(); $moves++ if $rows; $refusals++ if defined $rows && !$rows }
	}
	$session->run(('SELECT 1', 'COMMIT', 'ROLLBACK', 'ROLLBACK TO s; COMMIT')[$mode]);
	%orders = %before if $mode > 1;
	my $rows = join "\n", sort split /\n/, $session->run(q{SELECT order_id, ticket_no, coach || '/' || seat FROM ticket_order WHERE service_date = day(1) AND status IN ('held', 'sold')
		AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'T' AND service_date = day(1))});
	die "step $step: the model has\n" . seating() . "\nthe table\n$rows" if $rows ne seating();
}
pass('the model of ticket_reseat agrees with the table');
cmp_ok($moves, '>', 50, "tickets were moved ($moves times)");
cmp_ok($refusals, '>', 10, "and refused to move ($refusals times)");
agrees($node, 'postgres', 'the model', q{d.train = 'T'});

# ---------------------------------------------------------------------------------------------------------------------
# Prepared moves and a restart: the old seats and the new ones are taken until the decision.
# ---------------------------------------------------------------------------------------------------------------------

my $held = q{SELECT string_agg(coach || '/' || seat, ' ' ORDER BY coach, seat) FROM ticket_order WHERE user_id = %d AND status IN ('held', 'sold')};
my $free = q{SELECT ticket_remaining('T', 'S1', 'S6', day(2), 'first')};
for my $user (101 .. 103)
{
	my @seats = map { sprintf '00/%d%s', $user - 100, $_ } 'A', 'B';
	$node->safe_psql('postgres', "SELECT FROM ticket_buy_seats('T', 'S1', 'S6', $user, " . list(@seats) . ', day(2))') if $user < 103;
}
$node->safe_psql('postgres', q{
	BEGIN; SELECT ticket_reseat(order_id, seats => '{00/1B,00/1A}') FROM (SELECT DISTINCT order_id FROM ticket_order WHERE user_id = 101) o; PREPARE TRANSACTION 'swap';
	BEGIN; SELECT ticket_reseat(order_id, seats => '{00/1C,00/1D}') FROM (SELECT DISTINCT order_id FROM ticket_order WHERE user_id = 102) o; PREPARE TRANSACTION 'move'});
is($node->safe_psql('postgres', $free), 4, 'old and new seats are taken');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $free), 4, 'also after a crash');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'prepared: ticket_verify finds nothing');
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_buy_seats('T', 'S1', 'S6', 104, '{00/1B}', day(2))}), 0, 'a swapped seat is taken');
$node->safe_psql('postgres', q{COMMIT PREPARED 'swap'});
is($node->safe_psql('postgres', q{SELECT count(*) FROM ticket_buy_seats('T', 'S1', 'S6', 104, '{00/1B}', day(2))}), 0, 'and is taken after the swap');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'move'});
is($node->safe_psql('postgres', $free), 6, 'the seats of a move that was rolled back are free');
is($node->safe_psql('postgres', sprintf $held, 102), '00/2A 00/2B', 'and its tickets where they were');
agrees($node, 'postgres', 'decided', q{d.train = 'T'});

done_testing();
