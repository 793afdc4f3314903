# Thousands of random operations on real timetables, by two sessions whose transactions overlap, against a plain model.
# TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets its length (operations per timetable).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Model;

my $seed = seed();
my $operations = $ENV{TICKETPOOL_OPS} // 1500;
my $day = DAY;
# There is room for only some of the departures: those of the test are evicted again and again.
my $node = new_server('model', plain => 1, conf => 'ticketpool.memory = 2MB');

my %opens = (
	sample => q{
		SELECT count(ticket_open(train, '2031-05-01', 'CR400AF', '2020-01-01')) FROM (
			SELECT train FROM ticket_stop GROUP BY train ORDER BY count(*) DESC, train LIMIT 4) t;
		SELECT ticket_open('G1', '2031-05-01', 'CR400AF', '2020-01-01');
		SELECT ticket_open('G1', '2031-05-02', 'CR400AF', '2020-01-01')},
	edge => q{
		INSERT INTO ticket_formation SELECT 'small', coach, seat_class, seats[1:12] FROM ticket_formation WHERE formation = 'SL';
		INSERT INTO ticket_formation SELECT 'two', coach, CASE coach WHEN 'S1' THEN 'lower' ELSE 'upper' END, seats[1:9]
			FROM ticket_formation WHERE formation = 'SL' AND coach IN ('S1', 'S2');
		SELECT count(ticket_open(train, '2031-05-01', CASE WHEN stops % 2 = 0 THEN 'small' ELSE 'two' END, '2020-01-01')) FROM (
			(SELECT train, count(*) AS stops FROM ticket_stop GROUP BY train ORDER BY count(*) DESC, train LIMIT 3)
			UNION (SELECT train, count(*) FROM ticket_stop GROUP BY train ORDER BY count(*), train LIMIT 2)
			UNION (SELECT train, count(*) FROM ticket_stop GROUP BY train HAVING count(*) > count(DISTINCT station) ORDER BY train LIMIT 3)) t});

my ($model, $database, @sessions, %count, @trouble, $step);

sub trouble
{
	my ($what) = @_;
	push @trouble, "step $step: $what";
	diag($trouble[-1]) if @trouble <= 5;
	return;
}

sub quoted { my ($text) = @_; $text =~ s/'/''/g; return "'$text'" }

sub connect_sessions
{
	for my $number (0, 1)
	{
		my $psql = session($node, $database);
		$sessions[$number] = { number => $number, open => 0, log => [], savepoints => [], psql => $psql };
	}
	return;
}

# Runs a statement that must succeed.
sub run
{
	my ($session, $sql) = @_;
	my $output = $session->{psql}->run($sql);
	trouble("$sql: " . $session->{psql}->sqlstate . " $output") unless $session->{psql}->is_ok;
	return $output;
}

sub any { return $_[ rand @_ ] }

# A random departure, trip (as stations and as indexes) and class.
sub wish
{
	my $departure = any(@{ $model->{departures} });
	my $stops = $departure->{stops};
	my ($from, $to, @trip);
	until (@trip)
	{
		my $i = int rand $#$stops;
		my $j = rand() < 0.25 ? $#$stops : $i + 1 + int(rand($#$stops - $i));
		$i = 0 if rand() < 0.2;
		($from, $to) = ($stops->[$i][1], $stops->[$j][1]);
		@trip = TicketpoolTest::Model::trip($departure, $from, $to) if $from ne $to;
	}
	# Small classes more often: they sell out.
	my @classes = sort { @{ $departure->{seats}{$a} } <=> @{ $departure->{seats}{$b} } || $a cmp $b } keys %{ $departure->{seats} };
	my $class = $classes[ int(rand(@classes) * rand()) ];
	my $arguments = join ', ', map { quoted($_) } $departure->{train}, $from, $to;
	return ($departure, $arguments, $class, @trip);
}

sub check_remaining
{
	my ($session) = @_;
	my ($departure, $arguments, $class, $from, $to) = wish();
	$class = undef if rand() < 0.2;
	my $sql = "SELECT ticket_remaining($arguments, '$departure->{date}', " . (defined $class ? quoted($class) : 'NULL') . ')';
	my $expected = TicketpoolTest::Model::remaining($departure, $class, $from, $to, $session->{number});
	my $got = run($session, $sql);
	trouble("session $session->{number}: $sql is $got, expected $expected") if $got ne $expected;
	return;
}

sub check_matrix
{
	my ($session) = @_;
	my $departure = any(@{ $model->{departures} });
	my $class = any(sort keys %{ $departure->{seats} });
	my %got = map { /^(.*)\|(\d+)$/ } split /\n/, run($session,
		"SELECT from_stop, to_stop, remaining FROM ticket_remaining_matrix('$departure->{train}', '$departure->{date}', " . quoted($class) . ')');
	my $stops = $departure->{stops};
	for my $i (0 .. $#$stops - 1)
	{
		for my $j ($i + 1 .. $#$stops)
		{
			# All pairs of a short train, and some of a long one.
			next if $#$stops > 30 && rand() > 0.1;
			my $pair = "$stops->[$i][0]|$stops->[$j][0]";
			my $expected = TicketpoolTest::Model::remaining($departure, $class, $i, $j, $session->{number});
			trouble("session $session->{number}: matrix of $departure->{train} $class at $pair is " . ($got{$pair} // 'missing') . ", expected $expected")
			  if ($got{$pair} // '') ne $expected;
		}
	}
	return;
}

sub buy
{
	my ($session) = @_;
	my ($departure, $arguments, $class, $from, $to) = wish();
	my $party = rand() < 0.6 ? 1 : 2 + int(rand 5);
	my @letters = sort keys %{ { map { substr($_, -1) => 1 } @{ $departure->{seats}{$class} } } };
	my $choice = rand() < 0.7 ? '' : rand() < 0.4 ? any('window', 'aisle') : join '', map { any(@letters) } 1 .. 1 + int(rand $party);
	my $number = $session->{number};
	my %busy = %{ TicketpoolTest::Model::busy($departure, $class, $from, $to, $number) };
	my @free = grep { !$busy{$_} } @{ $departure->{seats}{$class} };
	my $sql = "SELECT order_id, ticket_no, coach || ' ' || seat, from_stop, to_stop FROM ticket_buy($arguments, 7, '$departure->{date}', "
	  . (keys %{ $departure->{seats} } == 1 && rand() < 0.3 ? 'NULL' : quoted($class))
	  . ($party > 1 || rand() < 0.1 ? ', passengers => ARRAY[' . join(', ', map { "$_" } 1 .. $party) . ']::bigint[]' : '')
	  . ($choice ne '' ? ", seat_choice => '$choice'" : '') . ')';
	my @rows = map { [ split /\|/ ] } split /\n/, run($session, $sql);
	my $label = "session $number: $sql, of which " . @free . ' were free';
	$count{ @rows ? 'tickets' : 'sold out' } += @rows || 1;
	trouble("$label: " . @rows . ' rows') if @rows != (@free >= $party ? $party : 0);
	my %free = map { $_ => 1 } @free;
	my ($board, $leave) = ($departure->{stops}[$from][0], $departure->{stops}[$to][0]);
	for my $row (@rows)
	{
		my ($order, $no, $seat, $from_stop, $to_stop) = @$row;
		trouble("$label: seat $seat was not free") unless delete $free{$seat};
		trouble("$label: from $from_stop to $to_stop") if $from_stop != $board || $to_stop != $leave;
	}
	if (@rows == 1 && $party == 1 && $choice eq '' && !TicketpoolTest::Model::has_refunds($departure, $number) && rand() < 0.5)
	{
		my $run = TicketpoolTest::Model::free_run($departure, $rows[0][2], $from, $to, $number);
		my ($shortest) = sort { $a <=> $b } map { TicketpoolTest::Model::free_run($departure, $_, $from, $to, $number) } @free;
		trouble("$label: seat $rows[0][2] is free for $run segments, another one for $shortest") if $run != $shortest;
		$count{'best fits'}++;
	}
	if (@rows == 1 && $party == 1 && length $choice == 1)
	{
		trouble("$label: seat $rows[0][2] in spite of the choice") if substr($rows[0][2], -1) ne $choice && grep { substr($_, -1) eq $choice } @free;
		$count{'choices'}++;
	}
	$model->bought($session, $departure, $class, $from, $to, @{$_}[ 0 .. 2 ]) for @rows;
	return;
}

# The very seats, of any class, or none of them.
sub buy_seats
{
	my ($session) = @_;
	my ($departure, $arguments, undef, $from, $to) = wish();
	my $number = $session->{number};
	my (%class_of, %free);
	for my $class (keys %{ $departure->{seats} })
	{
		my $busy = TicketpoolTest::Model::busy($departure, $class, $from, $to, $number);
		for (@{ $departure->{seats}{$class} }) { $class_of{$_} = $class; $free{$_} = 1 unless $busy->{$_} }
	}
	my @left = sort keys %class_of;
	# Often some that can be had, so that many are.
	my @free = sort keys %free;
	@left = @free if @free > 3 && rand() < 0.5;
	my @seats = map { splice @left, rand @left, 1 } 1 .. 1 + int rand(@left < 4 ? @left : 4);
	my $sql = "SELECT order_id, ticket_no, coach || ' ' || seat, seat_class, from_stop, to_stop FROM ticket_buy_seats($arguments, 7, ARRAY["
	  . join(', ', map { quoted(s{ }{/}r) } @seats) . "], '$departure->{date}')";
	my @rows = map { [ split /\|/ ] } split /\n/, run($session, $sql);
	my @taken = grep { !$free{$_} } @seats;
	my ($board, $leave) = ($departure->{stops}[$from][0], $departure->{stops}[$to][0]);
	my $expected = @taken ? '' : join "\n", map { join '|', $_ + 1, $seats[$_], $class_of{ $seats[$_] }, $board, $leave } 0 .. $#seats;
	my $got = join "\n", map { join '|', @{$_}[ 1 .. 5 ] } @rows;
	trouble("session $number: $sql: $got, not $expected; taken: @taken") if $got ne $expected;
	$count{ @rows ? 'very seats' : 'very seats taken' }++;
	$model->bought($session, $departure, $_->[3], $from, $to, @{$_}[ 0 .. 2 ]) for @rows;
	return;
}

# Seat by seat, in the order of coaches and seats.
sub check_places
{
	my ($session) = @_;
	my ($departure, $arguments, $class, $from, $to) = wish();
	my $busy = TicketpoolTest::Model::busy($departure, $class, $from, $to, $session->{number});
	my $sql = "SELECT coach || ' ' || seat, free FROM ticket_places($arguments, '$departure->{date}', " . quoted($class) . ')';
	my ($got, $expected) = (run($session, $sql), join "\n", map { "$_|" . ($busy->{$_} ? 'f' : 't') } @{ $departure->{seats}{$class} });
	trouble("session $session->{number}: $sql: $got, not $expected") if $got ne $expected;
	$count{'seat by seat'}++;
	return;
}

sub refund
{
	my ($session) = @_;
	my $id = $model->order_for($session) // return;
	my @numbers = sort { $a <=> $b } keys %{ $model->{orders}{$id} };
	my $some = rand() < 0.4;
	@numbers = grep { rand() < 0.5 } @numbers if $some;
	$some = 0 unless @numbers;
	@numbers = sort { $a <=> $b } keys %{ $model->{orders}{$id} } unless @numbers;
	my $sql = "SELECT ticket_no, status FROM ticket_refund($id" . ($some ? ', ARRAY[' . join(', ', @numbers) . ']' : '') . ')';
	my $got = run($session, $sql);
	trouble("$sql: $got") if $got ne join "\n", map { "$_|refunded" } @numbers;
	TicketpoolTest::Model::refund($session, $model->{orders}{$id}{$_}) for @numbers;
	$model->locked($session, $id);
	$count{refunds}++;
	return;
}

# A statement that fails: what the transaction (or the savepoint's part of it) claimed is free at once.
sub failure
{
	my ($session) = @_;
	my ($departure, $arguments, $class) = wish();
	my $buy = "ticket_buy($arguments, 7, '$departure->{date}', ";
	my ($sql, $state) = @{ any(
		[ 'SELECT 1/0', '22012' ],
		[ "SELECT 1 / (count(*) - count(*)) FROM ${buy}" . quoted($class) . ')', '22012' ],
		[ "SELECT * FROM ${buy}'imperial')", 'TK006' ],
		[ "SELECT * FROM ${buy}" . quoted($class) . ", passengers => '{}')", '22023' ],
		[ "SELECT * FROM ${buy}" . quoted($class) . ", seat_choice => 'middle')", '22023' ],
		[ "SELECT * FROM ticket_buy('nosuch', 'a', 'b', 7, '$departure->{date}')", 'TK001' ],
		[ "SELECT * FROM ticket_buy('$departure->{train}', 'nosuch', 'nowhere', 7, '$departure->{date}')", 'TK002' ],
		[ 'SELECT * FROM ticket_refund(17)', 'TK005' ]) };
	$session->{psql}->run($sql);
	trouble("$sql: " . $session->{psql}->sqlstate . ", expected $state") if $session->{psql}->sqlstate ne $state;
	$count{errors}++;
	return unless $session->{open};
	my $savepoint = $session->{savepoints}[-1];
	$model->undo($session, $savepoint ? $savepoint->[1] : 0);
	check_remaining($sessions[ 1 - $session->{number} ]);
	if ($savepoint && rand() < 0.7)
	{
		run($session, "ROLLBACK TO $savepoint->[0]");
		return;
	}
	run($session, any('ROLLBACK', 'COMMIT'));
	$model->rollback($session);
	return;
}

# The same inside PL/pgSQL: nothing of the block remains.
sub exception
{
	my ($session) = @_;
	my ($departure, $arguments, $class) = wish();
	my $id = $model->order_for($session) // return;
	run($session, "DO \$\$ BEGIN PERFORM ticket_refund($id); PERFORM ticket_buy($arguments, 7, '$departure->{date}', " . quoted($class)
		  . ', passengers => ARRAY[1, 2]); RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN NULL; END $$');
	$count{exceptions}++;
	return;
}

sub savepoint
{
	my ($session) = @_;
	my $name = "s$step";
	run($session, "SAVEPOINT $name");
	push @{ $session->{savepoints} }, [ $name, scalar @{ $session->{log} } ];
	$count{savepoints}++;
	return;
}

sub end_savepoint
{
	my ($session) = @_;
	my $savepoints = $session->{savepoints};
	my $at = int rand @$savepoints;
	my ($name, $position) = @{ $savepoints->[$at] };
	if (rand() < 0.6)
	{
		run($session, "ROLLBACK TO $name");
		$model->undo($session, $position);
		splice @$savepoints, $at + 1;
	}
	else
	{
		run($session, "RELEASE $name");
		splice @$savepoints, $at;
	}
	return;
}

sub restart
{
	stop_and_start($node, any('fast', 'immediate')) if rand() < 0.5;
	# The other way: all sessions are terminated.
	$node->safe_psql('postgres', 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = $$client backend$$ AND pid <> pg_backend_pid()');
	$_->{psql}->quit for @sessions;
	$model->rollback($_) for @sessions;
	becomes_true($node, $database, "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()");
	connect_sessions();
	$count{restarts}++;
	return;
}

sub step
{
	my $session = any(@sessions);
	my $other = $sessions[ 1 - $session->{number} ];
	my $kind = rand;
	my $open = $session->{open};
	if ($kind < 0.38) { buy($session) }
	elsif ($kind < 0.45) { buy_seats($session) }
	elsif ($kind < 0.62) { refund($session) }
	elsif ($kind < 0.66) { failure($session) }
	elsif ($kind < 0.69) { exception($session) }
	elsif ($kind < 0.75 && !$open)
	{
		run($session, 'BEGIN');
		TicketpoolTest::Model::begin($session);
		$count{transactions}++;
	}
	elsif ($kind < 0.80 && $open) { savepoint($session) }
	elsif ($kind < 0.87 && $open && @{ $session->{savepoints} }) { end_savepoint($session) }
	elsif ($kind < 0.91 && $open)
	{
		run($session, 'COMMIT');
		$model->commit($session);
	}
	elsif ($kind < 0.94 && $open)
	{
		run($session, 'ROLLBACK');
		$model->rollback($session);
	}
	elsif ($kind < 0.95) { check_matrix($session) }
	elsif ($kind < 0.955) { check_places($session) }
	elsif ($kind < 0.965)
	{
		my $found = run($session, 'SELECT * FROM ticket_verify(' . any(@{ $model->{departures} })->{id} . ')');
		trouble("ticket_verify: $found") if $found ne '';
	}
	elsif ($kind < 0.985)
	{
		# Other departures are used until ours are evicted, unless ours are pinned. Use is
		# remembered to the second, so sometimes all of ours are colder than any other.
		sleep 2 if $count{evictions}++ % 12 == 0;
		run($other, "SELECT count(ticket_remaining(train, 'XA', 'XB', service_date)) FROM ticket_departure WHERE train LIKE 'X%'");
	}
	$model->commit($session) unless $session->{open};
	check_remaining($session);
	check_remaining($other);
	return;
}

for my $which (sort keys %opens)
{
	$database = $which;
	$model = TicketpoolTest::Model->new;
	$node->safe_psql('postgres', "CREATE DATABASE $which");
	$node->safe_psql($which, 'CREATE EXTENSION ticketpool');
	load_data($node, $which, $which);
	$node->safe_psql($which, $opens{$which});
	for my $row (split /\n/, $node->safe_psql($which, 'SELECT departure_id, train, service_date, route_id, layout_id FROM ticket_departure ORDER BY 1'))
	{
		my ($id, $train, $date, $route, $layout) = split /\|/, $row;
		my %seats;
		for (split /\n/, $node->safe_psql($which, "SELECT seat_class, coach, seat FROM ticket_layout_coach, unnest(seats) seat WHERE layout_id = $layout"))
		{
			my ($class, $coach, $seat) = split /\|/;
			push @{ $seats{$class} }, "$coach $seat";
		}
		my @stops = map { [ split /\|/ ] } split /\n/, $node->safe_psql($which, "SELECT stop_no, station FROM ticket_route, unnest(stop_nos, stations) AS s (stop_no, station) WHERE route_id = $route ORDER BY 1");
		$model->add_departure(id => $id, train => $train, date => $date, stops => \@stops, seats => \%seats);
	}
	$node->safe_psql($which, q{
		INSERT INTO ticket_station VALUES ('XA', 'X A'), ('XB', 'X B');
		INSERT INTO ticket_formation VALUES ('X', '1', 'only', '{1A}', NULL);
		INSERT INTO ticket_stop SELECT 'X' || t, n, CASE n WHEN 1 THEN 'XA' ELSE 'XB' END, interval '1 hour' * n, interval '1 hour' * n
			FROM generate_series(1, 1200) t, generate_series(1, 2) n;
		SELECT count(ticket_open('X' || t, '2031-05-01', 'X', '2020-01-01')) FROM generate_series(1, 1200) t});
	%count = ();
	@trouble = ();
	connect_sessions();
	my %restarts = map { (1 + int(rand $operations)) => 1 } 1 .. 3;
	for my $n (1 .. $operations)
	{
		$step = $n;
		note("step $n") if $n % 500 == 0;
		step();
		restart() if $restarts{$n};
		last if @trouble >= 5;
	}
	is(join("\n", @trouble), '', "$which: $operations random operations are answered as the model says (TICKETPOOL_SEED=$seed)");
	# Open transactions give back what they hold, and the rows of all tickets are what the model
	# says.
	for my $session (@sessions)
	{
		run($session, 'ROLLBACK') if $session->{open};
		$model->rollback($session) if $session->{open};
		$session->{psql}->quit;
	}
	my @expected = sort map { my $t = $_; "$t->{order} $t->{no} $t->{seat} " . ($t->{refunded} ? 'refunded' : 'sold') }
	  map { @{ $_->{tickets} } } @{ $model->{departures} };
	is(join("\n", sort split /\n/, $node->safe_psql($which, q{SELECT concat_ws(' ', order_id, ticket_no, coach, seat, status) FROM ticket_order})),
		join("\n", @expected), "$which: the order table is what the model says");
	in_flight_is_empty($node, $which, $which);
	agrees($node, $which, $which, q{d.train NOT LIKE 'X%'});
	note("$which: " . join ', ', map { "$_ $count{$_}" } sort keys %count);
	cmp_ok($count{$_} // 0, '>', 0, "$which: there were $_") for 'tickets', 'refunds', 'sold out', 'best fits', 'errors', 'exceptions', 'savepoints', 'evictions', 'very seats', 'very seats taken', 'seat by seat';
}

$node->stop;
done_testing();
