# Everybody wants the same train: every seat is sold, none twice, and no buyer is refused who could
# have had a seat.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $clients = 16;
my $day = DAY;
my $node = new_server('rush', conf => 'ticketpool.memory = 32MB');
my %stops = (T30 => 30, E118 => 118, W240 => 240);
make_train($node, 'postgres', $_, $stops{$_}) for sort keys %stops;
make_formation($node, 'postgres', 'long', 2000);
make_formation($node, 'postgres', 'short', 100);
make_formation($node, 'postgres', 'five', 5);
$node->safe_psql('postgres', 'ANALYZE');

# Buys for one segment after the other until each is sold out.
$node->safe_psql('postgres', q{
	CREATE PROCEDURE sweep(train text, service_date date, stops int, buyer bigint) LANGUAGE plpgsql AS $$
	BEGIN
		FOR s IN 1 .. stops - 1 LOOP
			LOOP
				PERFORM FROM ticket_buy(train, 'S' || s, 'S' || s + 1, buyer, service_date);
				EXIT WHEN NOT FOUND;
				COMMIT;
			END LOOP;
		END LOOP;
	END $$;
	-- Trips at random, parties of up to `party`; one transaction each; what is refused is written down (monotone: nothing
	-- is given back meanwhile). Ends after `misses` refusals in a row.
	CREATE UNLOGGED TABLE refused (train text, service_date date, from_stop int, to_stop int, party int);
	CREATE PROCEDURE rush(train text, service_date date, stops int, buyer bigint, party int, misses int) LANGUAGE plpgsql AS $$
	DECLARE
		in_a_row int := 0;
		f int;
		t int;
		n int;
	BEGIN
		WHILE in_a_row < misses LOOP
			f := 1 + floor(random() * (stops - 1));
			t := f + 1 + floor(random() * (stops - f));
			n := CASE WHEN random() < 0.6 THEN 1 ELSE 1 + floor(random() * party) END;
			PERFORM FROM ticket_buy(train, 'S' || f, 'S' || t, buyer, service_date,
				passengers => ARRAY(SELECT generate_series(1, n)::bigint));
			IF FOUND THEN
				in_a_row := 0;
			ELSE
				in_a_row := in_a_row + 1;
				INSERT INTO refused VALUES (train, service_date, f, t, n);
			END IF;
			COMMIT;
		END LOOP;
	END $$});

sub all_clients
{
	my ($label, $statement) = @_;
	my $workers = start_workers($clients, sub {
		my ($number, $log) = @_;
		my $session = session($node, 'postgres', verbosity => 'default');
		$session->run("SELECT setseed(" . rand() . ")");
		my @answer = $statement->($number, $session);
		print $log "$_\n" for @answer;
		die $session->output unless $session->is_ok;
		$session->quit;
	});
	ok(wait_workers($workers), "$label: no client meets an error");
	return map { s/^\d+ //r } log_lines($workers);
}

# ---------------------------------------------------------------------------------------------------------------------
# Random trips until nothing is left
# ---------------------------------------------------------------------------------------------------------------------
my $date = $day;
for my $case ([ 'T30', 'long', 2000, 1, 8 ], [ 'T30', 'long', 2000, 4, 8 ], [ 'E118', 'short', 100, 4, 12 ], [ 'W240', 'short', 100, 4, 12 ])
{
	my ($train, $formation, $seats, $party, $misses) = @$case;
	my $label = "$train, $seats seats, parties up to $party";
	my $stops = $stops{$train};
	$node->safe_psql('postgres', "SELECT ticket_open('$train', '$date', '$formation', '2020-01-01')");
	all_clients($label, sub { my ($number, $session) = @_; $session->run("CALL rush('$train', '$date', $stops, $number, $party, $misses)"); return });
	is($node->safe_psql('postgres', qq{
		SELECT r.*, m.remaining FROM refused r JOIN ticket_remaining_matrix('$train', '$date', NULL) m USING (from_stop, to_stop)
		WHERE r.train = '$train' AND service_date = '$date' AND remaining >= party}), '', "$label: nobody was refused who could have had seats");
	cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM refused WHERE train = '$train' AND service_date = '$date'"), '>=',
		$clients * $misses, "$label: there were refusals to look at");
	all_clients($label, sub { my ($number, $session) = @_; $session->run("CALL sweep('$train', '$date', $stops, $number)"); return });
	is($node->safe_psql('postgres', "SELECT count(*), sum(remaining) FROM ticket_remaining_matrix('$train', '$date', NULL)"),
		$stops * ($stops - 1) / 2 . '|0', "$label: nothing is left between any two stops");
	is($node->safe_psql('postgres', qq{
		SELECT count(*) FROM generate_series(1, $stops - 1) s WHERE $seats <> (
			SELECT count(DISTINCT (coach, seat)) FROM ticket_order JOIN ticket_departure USING (departure_id)
			WHERE train = '$train' AND ticket_departure.service_date = '$date' AND from_stop <= s AND to_stop > s)}),
		'0', "$label: on every segment every seat is sold");
	is($node->safe_psql('postgres', qq{
		SELECT sum(to_stop - from_stop) FROM ticket_order JOIN ticket_departure USING (departure_id)
		WHERE train = '$train' AND ticket_departure.service_date = '$date'}), $seats * ($stops - 1), "$label: and none twice");
	agrees($node, 'postgres', $label, "d.service_date = '$date'");
	$date = $node->safe_psql('postgres', "SELECT date '$date' + 1");
}
# ---------------------------------------------------------------------------------------------------------------------
# Only the whole trip, single tickets, and some buyers who change their mind
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', "SELECT ticket_open('T30', '$date', 'long', '2020-01-01')");
my $whole = "'T30', 'S1', 'S30', i + %d, '$date'";
my @sold = all_clients('whole trips', sub {
	my ($number, $session) = @_;
	my ($sold, $misses) = (0, 0);
	while ($misses < 3)
	{
		my $undo = rand() < 0.3;
		if (!$undo)
		{
			my $n = $session->run(sprintf("SELECT count(*) FROM generate_series(1, 5) i, ticket_buy($whole)", $number));
			last unless $session->is_ok;
			$sold += $n;
			$misses++ if $n == 0;
			next;
		}
		$session->run('BEGIN');
		$session->run(sprintf("SELECT count(*) FROM generate_series(1, 7) i, ticket_buy($whole)", $number));
		$session->run('SAVEPOINT s');
		$session->run(sprintf("SELECT count(*) FROM generate_series(1, 7) i, ticket_buy($whole)", $number));
		$session->run('ROLLBACK TO s') if rand() < 0.5;
		$session->run('ROLLBACK');
	}
	return $sold;
});
my $sold = 0;
$sold += $_ for @sold;
# A buyer that found nothing may have met seats that others held and gave back later: those are free
# now.
my $rest = $node->safe_psql('postgres', "SELECT ticket_remaining('T30', 'S1', 'S30', '$date')");
is($sold + $rest, 2000, 'whole trips: what was undone is back, what was sold is not');
is($node->safe_psql('postgres', sprintf("SELECT count(*) FROM generate_series(1, 2100) i, ticket_buy($whole)", 99)), $rest,
	'whole trips: as many tickets as seats are sold in the end');
in_flight_is_empty($node, 'postgres', 'whole trips');
agrees($node, 'postgres', 'whole trips', "d.service_date = '$date'");

# ---------------------------------------------------------------------------------------------------------------------
# Many small rounds: five seats and more buyers than that; parties that can't all get seats (and
# large ones)
# ---------------------------------------------------------------------------------------------------------------------
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 15;
$clients = 8;
my $first = $node->safe_psql('postgres', "SELECT date '$date' + 1");
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_stop SELECT 'R' || n, s, 'S' || s, interval '1 hour' * s, interval '1 hour' * s
		FROM generate_series(1, 6 * $rounds) n, generate_series(1, 3) s;
	SELECT count(ticket_open('R' || n, '$first', CASE WHEN n <= 4 * $rounds THEN 'five' ELSE 'short' END, '2020-01-01'))
		FROM generate_series(1, 6 * $rounds) n;
	-- Unlogged: a logged one shows for a moment, to those who read it without nextval, a number it has not come to yet.
	CREATE UNLOGGED SEQUENCE arrivals;
	-- All clients leave a gate at about the same time: whoever comes spins until the last one is there.
	CREATE PROCEDURE race(buyer bigint, first int, last int, party int) LANGUAGE plpgsql AS \$\$
	DECLARE
		at bigint;
	BEGIN
		FOR n IN first .. last LOOP
			at := nextval('arrivals');
			at := (at + $clients - 1) / $clients * $clients;
			COMMIT;
			WHILE (SELECT last_value FROM arrivals) < at LOOP
				PERFORM pg_sleep(0);
			END LOOP;
			PERFORM FROM ticket_buy('R' || n, CASE WHEN buyer % 2 = 0 OR party <> 2 THEN 'S1' ELSE 'S2' END, 'S3', buyer, '$first',
				passengers => ARRAY(SELECT generate_series(1, party)::bigint));
			COMMIT;
		END LOOP;
	END \$\$});
my $trains = 0;
sub rounds
{
	my ($party, $seats) = @_;
	my ($from, $to) = ($trains + 1, $trains + $rounds);
	$trains += $rounds;
	$node->safe_psql('postgres', "SELECT setval('arrivals', $clients)");
	all_clients("parties of $party", sub { my ($number, $session) = @_; $session->run("CALL race($number, $from, $to, $party)"); return });
	my $expected = int($seats / $party) * $party;
	is($node->safe_psql('postgres', qq{
		SELECT string_agg(DISTINCT tickets::text, ' ') FROM (
			SELECT (SELECT count(*) FROM ticket_order o WHERE o.departure_id = d.departure_id) AS tickets
			FROM ticket_departure d WHERE d.train IN (SELECT 'R' || n FROM generate_series($from, $to) n)) r}),
		$expected, "$rounds rounds, $seats seats, $clients parties of $party: exactly $expected tickets are sold every time");
	return;
}
rounds($_, 5) for 1 .. 4;
# Long attempts that obstruct each other: of two that meet, one must succeed all the same.
rounds($_, 100) for 40, 60;
in_flight_is_empty($node, 'postgres', 'rounds');
agrees($node, 'postgres', 'rounds', "d.service_date = '$first'");

note('lost races, each followed by another try: ' . $node->safe_psql('postgres', 'SELECT lost_races FROM ticket_pool_stat'));
$node->stop;
done_testing();
