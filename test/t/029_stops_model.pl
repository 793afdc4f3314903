# Thousands of random steps on stop lists against a plain model: departures that are opened with the
# stops of other trains, flags, margins, stops that are called at twice, single calls that are named,
# new times, skipped stops, transactions and rollbacks, seen by the session that takes the steps and
# by another one. What can be bought, counted, found and explained is what the model says.
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
my $operations = $ENV{TICKETPOOL_OPS} // 3000;
my $node = new_server('stops_model', conf => "ticketpool.memory = 2MB\nTimeZone = 'UTC'\nticketpool.timezone = 'UTC'");
my @stations = map { "P$_" } 1 .. 6;
$node->safe_psql('postgres', q{
	INSERT INTO ticket_station SELECT 'P' || n, 'Station P' || n FROM generate_series(1, 6) n;
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('F', '1', 'only', '{1A,1B,1C,1D,1F,2A,2B,2C}')});
my @seats = map { "1/$_" } qw(1A 1B 1C 1D 1F 2A 2B 2C);

# The state: what ticket_stop has, and what is on sale.
#   lists: { code => [ call, … ] }; a call: { no, at, arrives, departs (minutes or undef), boarding, alighting }
#   departures: [ { train, day (from today), of (code), margin (minutes or undef), calls, skipped { no => 1 }, tickets } ]
#   a ticket: { id, no, from, to (stop_no), seat, live }
my $state = { lists => {}, departures => [] };
my ($before, $step, @trouble, %count);    # before: the state when the open transaction began
my ($session, $other);
my @codes = map { "K$_" } 1 .. 5;
my $midnight = $node->safe_psql('postgres', q{SELECT extract(epoch FROM date_trunc('day', now()))::bigint});
my $today = $node->safe_psql('postgres', q{SELECT date_trunc('day', now())::date});

sub any { return $_[ rand @_ ] }
sub quoted { my ($text) = @_; return defined $text ? "'$text'" : 'NULL' }

sub trouble
{
	my ($what) = @_;
	push @trouble, "step $step: $what";
	diag($trouble[-1]) if @trouble <= 5;
	return;
}

# The answer of a session: rows, or its SQLSTATE.
sub answer
{
	my ($of, $sql) = @_;
	$of->run('SAVEPOINT call') if $before && $of == $session;
	my $output = $of->run($sql);
	$output = join "\n", grep { !/^psql:/ } split /\n/, $output;
	return $output if $of->is_ok;
	my $sqlstate = $of->sqlstate;
	$of->run('ROLLBACK TO call') if $before && $of == $session;
	return $sqlstate;
}

sub expect
{
	my ($of, $sql, $expected) = @_;
	my $got = answer($of, $sql);
	trouble(($of == $session ? '' : 'others: ') . "$sql: $got, not $expected") if $got ne $expected;
	$count{$expected}++ if $expected =~ /^(?:TK|22)/;
	return $got eq $expected;
}

# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------

# When the sale of a trip that boards at this call is over, in minutes before now; undef: that is about now.
sub is_over
{
	my ($departure, $call) = @_;
	my $leaves = $call->{departs} // $call->{arrives};
	return 0 unless defined $departure->{margin} && defined $leaves;
	my $left = $departure->{day} * 1440 + $leaves - $departure->{margin} - (time() - $midnight) / 60;
	return abs($left) < 3 ? undef : $left < 0;
}

sub may_board { my ($departure, $call) = @_; return $call->{boarding} && !$departure->{skipped}{ $call->{no} } }
sub may_alight { my ($departure, $call) = @_; return $call->{alighting} && !$departure->{skipped}{ $call->{no} } }

# Which calls a text means: a code, a name, or one of these with #stop_no.
sub meant
{
	my ($departure, $text) = @_;
	my ($station, $no) = $text =~ /^(?:Station )?(\w+)(?:#(\d+))?$/;
	return grep { $_->{at} eq $station && (!defined $no || $_->{no} == $no) } @{ $departure->{calls} };
}

# The trip between two texts: [ call, call ], or an SQLSTATE, or nothing if it is not known what the
# clock says.
sub trip
{
	my ($departure, $from, $to) = @_;
	my ($f, $t) = map { [ meant($departure, $_) ] } $from, $to;
	return 'TK002' unless @$f && @$t;
	return 'TK002' if $f->[0]{at} eq $t->[0]{at} && ($from !~ /#/ || $to !~ /#/);
	my %index;
	@index{ map { $_->{no} } @{ $departure->{calls} } } = 0 .. $#{ $departure->{calls} };
	my ($best, $over);
	for my $pair (map { my $call = $_; map { [ $call, $_ ] } @$t } @$f)
	{
		my ($i, $j) = map { $index{ $_->{no} } } @$pair;
		next if $i >= $j || !may_board($departure, $pair->[0]) || !may_alight($departure, $pair->[1]);
		my $is_over = is_over($departure, $pair->[0]) // return;
		if ($is_over) { $over = 1; next }
		$best = [ @$pair, $j - $i, $i ] if !$best || $j - $i < $best->[2] || ($j - $i == $best->[2] && $i < $best->[3]);
	}
	return $best ? [ @{$best}[ 0, 1 ] ] : $over ? 'TK003' : 'TK002';
}

# The seats that are free between two stops.
sub free
{
	my ($departure, $from, $to) = @_;
	my %free = map { $_ => 1 } @seats;
	for my $ticket (@{ $departure->{tickets} })
	{
		delete $free{ $ticket->{seat} } if $ticket->{live} && $ticket->{from} < $to && $ticket->{to} > $from;
	}
	return \%free;
}

# What a search finds of a departure: each boarding call with the next call at the other station.
sub found
{
	my ($departure, $from, $to, $day) = @_;
	my @found;
	my @calls = @{ $departure->{calls} };
	for my $i (grep { $calls[$_]{at} eq $from && may_board($departure, $calls[$_]) } 0 .. $#calls)
	{
		my $leaves = $calls[$i]{departs} // $calls[$i]{arrives};
		next if $departure->{day} + int($leaves / 1440) != $day;
		my ($j) = grep { $calls[$_]{at} eq $to && may_alight($departure, $calls[$_]) } $i + 1 .. $#calls;
		next unless defined $j;
		my $is_over = is_over($departure, $calls[$i]) // return;
		next if $is_over;
		push @found, join '|', $departure->{train}, $departure->{day}, $calls[$i]{no}, $calls[$j]{no}, $departure->{day} * 1440 + $leaves, $departure->{day} * 1440 + ($calls[$j]{arrives} // $calls[$j]{departs}),
		  scalar keys %{ free($departure, $calls[$i]{no}, $calls[$j]{no}) };
	}
	return \@found;
}

# ---------------------------------------------------------------------------------------------------------------------
# Steps
# ---------------------------------------------------------------------------------------------------------------------
sub date { my ($departure) = @_; return "date '$today' + $departure->{day}" }
sub text { my ($call) = @_; return any($call->{at}, $call->{at}, "Station $call->{at}", "$call->{at}#$call->{no}", "Station $call->{at}#$call->{no}") }

# A departure and two texts, mostly of a trip that it makes.
sub wish
{
	my $departure = any(@{ $state->{departures} });
	my @calls = @{ $departure->{calls} };
	return ($departure, any(@stations), any(@stations)) if rand() < 0.1;
	my $i = int rand $#calls;
	my $j = $i + 1 + int rand($#calls - $i);
	return ($departure, text($calls[$i]), text($calls[$j]));
}

sub interval { my ($minutes) = @_; return defined $minutes ? "interval '$minutes minutes'" : 'NULL' }

# A stop list: three to eight calls, some of them at a station where the train was before.
sub new_list
{
	my ($code) = @_;
	my ($time, $no) = (60 * int(rand 22), 0);
	my @list;
	for my $n (0 .. 2 + int rand 6)
	{
		my $at = any(@stations);
		$at = any(@stations) while @list && $list[-1]{at} eq $at;
		my $arrives = $time + int rand 400;
		$time = $arrives + int rand 30;
		push @list, { no => $no += 1 + int rand 3, at => $at, arrives => $n && rand() < 0.9 ? $arrives : undef, departs => $time, boarding => rand() < 0.92, alighting => rand() < 0.92 };
	}
	if (rand() < 0.5) { $list[-1]{arrives} //= $list[-1]{departs}; $list[-1]{departs} = undef }
	write_list($code, \@list);
	return;
}

sub write_list
{
	my ($code, $list) = @_;
	$state->{lists}{$code} = $list;
	expect($session, "DELETE FROM ticket_stop WHERE train = '$code'", '');
	expect($session, 'INSERT INTO ticket_stop (train, stop_no, station, arrives, departs, boarding, alighting) VALUES '
		  . join(', ', map { sprintf "('$code', %d, '%s', %s, %s, %s, %s)", $_->{no}, $_->{at}, interval($_->{arrives}), interval($_->{departs}), map { $_ ? 'true' : 'false' } @{$_}{qw(boarding alighting)} } @$list), '');
	return;
}

# A fall of more than two hours from the nearest time that is known.
sub falls
{
	my ($calls) = @_;
	my $last;
	for my $time (map { @{$_}{qw(arrives departs)} } @$calls)
	{
		next unless defined $time;
		return 1 if defined $last && $time < $last - 120;
		$last = $time;
	}
	return 0;
}

sub open_one
{
	my $own = rand() < 0.4;
	my $code = any(sort keys %{ $state->{lists} });
	my $train = $own ? $code : sprintf 'D%d', $step;
	my $day = any(-1, 0, 0, 0, 1, 1, 2);
	return if grep { $_->{train} eq $train && $_->{day} == $day } @{ $state->{departures} };
	my $margin = any(undef, undef, 0, 30, 300, 1440, 2880);
	my $sql = "SELECT ticket_open('$train', date '$today' + $day, 'F', '2020-01-01'" . ($own ? '' : ", stops_of => '$code'") . (defined $margin ? ', sale_margin => ' . interval($margin) : '') . ') > 0';
	my $how = rand;
	return expect($session, $sql =~ s/\) > 0$/, sale_margin => '-1 second') > 0/r, '22023') if $how < 0.05 && !defined $margin;
	return expect($session, $sql =~ s/\) > 0$/, binding => 'late') > 0/r, '22023') if $how < 0.1;
	return expect($session, $sql =~ s/stops_of => '\w+'/stops_of => 'nowhere'/r, 'TK001') if $how < 0.15 && !$own;
	return expect($session, $sql, '22023') if falls($state->{lists}{$code});
	return unless expect($session, $sql, 't');
	push @{ $state->{departures} }, { train => $train, day => $day, of => $code, margin => $margin, calls => dclone($state->{lists}{$code}), skipped => {}, tickets => [] };
	$count{opened}++;
	return;
}

sub buy
{
	my ($departure, $from, $to) = wish();
	my $trip = trip($departure, $from, $to) // return;
	my @left = @seats;
	my @names = rand() < 0.4 ? map { splice @left, rand @left, 1 } 1 .. 1 + int rand 2 : ();
	my ($hold, $n) = (rand() < 0.3, @names || 1 + int rand 2);
	my $verb = $hold ? 'hold' : 'buy';
	my $sql = 'SELECT order_id, ticket_no, from_stop, to_stop, coach || $$/$$ || seat FROM ' . (@names ? "ticket_${verb}_seats('$departure->{train}', '$from', '$to', 7, '{" . join(',', @names) . "}', " . date($departure) . ')'
		: "ticket_$verb('$departure->{train}', '$from', '$to', 7, " . date($departure) . ", passengers => '{" . join(',', 1 .. $n) . "}')");
	return expect($session, $sql, $trip) unless ref $trip;
	my ($board, $leave) = map { $_->{no} } @$trip;
	my $free = free($departure, $board, $leave);
	my $had = @names ? !grep { !$free->{$_} } @names : keys %$free >= $n;
	my @rows = map { [ split /\|/ ] } split /\n/, answer($session, $sql);
	trouble("$sql: " . join(' / ', map { "@$_" } @rows) . ($had ? '' : ', where too few are free') . " ($board to $leave)")
	  if ($had ? @rows != $n : @rows) || grep { @$_ != 5 || $_->[2] != $board || $_->[3] != $leave || !delete $free->{ $_->[4] } } @rows;
	push @{ $departure->{tickets} }, { id => $_->[0], no => $_->[1], from => $board, to => $leave, seat => $_->[4], live => 1 } for @rows;
	$count{ @rows ? 'tickets' : 'sold out' } += @rows || 1;
	return;
}

sub refund
{
	my $departure = any(@{ $state->{departures} });
	my $ticket = any(grep { $_->{live} } @{ $departure->{tickets} }) // return;
	my @all = grep { $_->{id} == $ticket->{id} } @{ $departure->{tickets} };
	my $got = answer($session, "SELECT (ticket_refund($ticket->{id})).status LIMIT 1");
	$got = answer($session, "SELECT (ticket_cancel($ticket->{id})).status LIMIT 1") if $got eq 'TK005';
	trouble("order $ticket->{id}: $got") if $got !~ /^(?:refunded|cancelled)$/;
	$_->{live} = 0 for @all;
	return;
}

# Times and flags of a list, or (rarely) another station, which no departure that is open can follow.
sub edit
{
	my $code = any(@codes);
	my $list = dclone($state->{lists}{$code});
	my $call = any(@$list);
	my $kind = rand;
	if ($kind < 0.5)
	{
		my $later = any(-120, -60, -10, 10, 60, 200);
		for (grep { $_->{no} >= $call->{no} } @$list) { defined $_ and $_ += $later for @{$_}{qw(arrives departs)} }
	}
	elsif ($kind < 0.7) { $call->{ any('boarding', 'alighting') } ^= 1 }
	elsif ($kind < 0.73) { $call->{at} = any(@stations) }
	elsif ($kind < 0.76) { $call->{no} += 100 }
	elsif ($kind < 0.8) { return new_list($code) }
	else
	{
		# As it was when one of its departures was opened: that one can be retimed again.
		my $departure = any(grep { $_->{of} eq $code } @{ $state->{departures} }) // return;
		$list = dclone($departure->{calls});
	}
	@$list = sort { $a->{no} <=> $b->{no} } @$list;
	return if grep { my $c = $_; grep { defined $_ && $_ < 0 } @{$c}{qw(arrives departs)} } @$list;
	write_list($code, $list);
	return;
}

sub retime
{
	my $departure = any(@{ $state->{departures} });
	my @new = @{ $state->{lists}{ $departure->{of} } };
	my @old = @{ $departure->{calls} };
	my $same = @new == @old && !grep { $new[$_]{no} != $old[$_]{no} || $new[$_]{at} ne $old[$_]{at} } 0 .. $#new;
	my $sql = "SELECT ticket_retime('$departure->{train}', " . date($departure) . ')';
	return expect($session, $sql, '22023') if !$same || falls(\@new);
	return unless expect($session, $sql, '');
	@{ $old[$_] }{qw(arrives departs)} = @{ $new[$_] }{qw(arrives departs)} for 0 .. $#old;
	$departure->{skipped} = {};
	$count{retimed}++;
	return;
}

sub skip
{
	my $departure = any(@{ $state->{departures} });
	my $text = rand() < 0.1 ? any(@stations) : text(any(@{ $departure->{calls} }));
	my @calls = meant($departure, $text);
	my $sql = "SELECT order_id, ticket_no FROM ticket_skip_stop('$departure->{train}', " . date($departure) . ", '$text') ORDER BY 1, 2";
	return expect($session, $sql, 'TK002') unless @calls;
	my %at = map { $_->{no} => 1 } @calls;
	my @concerned = sort { $a->{id} <=> $b->{id} || $a->{no} <=> $b->{no} } grep { $_->{live} && ($at{ $_->{from} } || $at{ $_->{to} }) } @{ $departure->{tickets} };
	return unless expect($session, $sql, join "\n", map { "$_->{id}|$_->{no}" } @concerned);
	$departure->{skipped}{$_} = 1 for keys %at;
	$count{'tickets of skipped stops'} += @concerned;
	$count{skipped}++;
	return;
}

sub begin { $session->run('BEGIN'); $before = dclone($state); $count{transactions}++; return }

sub end
{
	my ($how) = @_;
	$session->run($how);
	$state = $before if $how eq 'ROLLBACK';
	$before = undef;
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Questions
# ---------------------------------------------------------------------------------------------------------------------
sub ask
{
	my ($of) = @_;
	my ($departure, $from, $to) = wish();
	my $call = "'$departure->{train}', '$from', '$to', " . date($departure);
	my $trip = trip($departure, $from, $to) // return;
	my $none = ref $trip ? undef : $trip;
	my @free = ref $trip ? sort keys %{ free($departure, map { $_->{no} } @$trip) } : ();
	expect($of, "SELECT ticket_remaining($call)", !defined $none ? scalar @free : $none eq 'TK003' ? 0 : $none);
	my $why = answer($of, "SELECT outcome FROM ticket_why($call)");
	my $expected = !defined $none ? @free ? qr/^available$/ : qr/^(?:sold_out|held_may_return)$/ : $none eq 'TK003' ? qr/^not_on_sale$/ : qr/^no_such_trip$/;
	trouble("ticket_why($call): $why, not $expected") if $why !~ $expected;
	expect($of, "SELECT string_agg(coach || '/' || seat, ' ' ORDER BY seat) FILTER (WHERE free) FROM ticket_places($call) HAVING count(*) = " . @seats, !defined $none || $none eq 'TK003' ? join(' ', @free) : $none) if rand() < 0.3;
	$count{ ref $trip ? 'trips' : "no trip: $trip" }++;
	return;
}

sub matrix
{
	my ($of) = @_;
	my $departure = any(@{ $state->{departures} });
	my @calls = @{ $departure->{calls} };
	my @expected;
	for my $i (grep { may_board($departure, $calls[$_]) } 0 .. $#calls)
	{
		my $is_over = is_over($departure, $calls[$i]) // return;
		push @expected, map { join '|', $calls[$i]{at}, $calls[$_]{at}, $calls[$i]{no}, $calls[$_]{no}, $is_over ? 0 : scalar keys %{ free($departure, $calls[$i]{no}, $calls[$_]{no}) } }
		  grep { may_alight($departure, $calls[$_]) } $i + 1 .. $#calls;
	}
	expect($of, "SELECT * FROM ticket_remaining_matrix('$departure->{train}', " . date($departure) . ", 'only') ORDER BY from_stop, to_stop", join "\n", @expected);
	$count{matrices}++;
	return;
}

sub search
{
	my ($of) = @_;
	my ($from, $to) = (any(@stations), any(@stations));
	return if $from eq $to;
	my $day = any(-1, 0, 0, 1, 1, 2);
	my @expected;
	for my $departure (@{ $state->{departures} }) { push @expected, @{ found($departure, $from, $to, $day) // return } }
	my $columns = "train, service_date - date '$today', from_stop, to_stop, extract(epoch FROM departs - date '$today')::bigint / 60, extract(epoch FROM arrives - date '$today')::bigint / 60";
	my $names = any("'$from', '$to'", "'Station $from', '$to'");
	my $sql = "SELECT $columns, remaining FROM ticket_search($names, date '$today' + $day)";
	my $got = answer($of, $sql);
	my @rows = split /\n/, $got;
	trouble("$sql: $got, not " . join("\n", sort @expected)) if join("\n", sort @rows) ne join("\n", sort @expected);
	my @departs = map { (split /\|/)[4] } @rows;
	trouble("$sql: not in order: @departs") if "@departs" ne join ' ', sort { $a <=> $b } @departs;
	$sql = "SELECT $columns FROM ticket_trains($names, date '$today' + $day) ORDER BY 1, 2, 3, 4";
	$got = join "\n", sort split /\n/, answer($of, $sql);
	trouble("$sql: $got") if $got ne join "\n", sort map { s/\|\d+$//r } @expected;
	$count{found} += @expected;
	return;
}

sub questions
{
	my ($of) = @_;
	return unless @{ $state->{departures} };
	my $kind = rand;
	if ($kind < 0.6) { ask($of) } elsif ($kind < 0.8) { matrix($of) } else { search($of) }
	return;
}

sub step
{
	my $kind = rand;
	if (@{ $state->{departures} } < 4 || ($kind < 0.02 && @{ $state->{departures} } < 30)) { open_one() }
	elsif ($kind < 0.36) { buy() }
	elsif ($kind < 0.42) { refund() }
	elsif ($kind < 0.5) { edit() }
	elsif ($kind < 0.65) { retime() }
	elsif ($kind < 0.68) { skip() }
	elsif ($kind < 0.74) { begin() unless $before }
	elsif ($kind < 0.8) { end(any('COMMIT', 'ROLLBACK')) if $before }
	elsif ($kind < 0.81)
	{
		my $found = $session->run('SELECT * FROM ticket_verify()');
		trouble("ticket_verify: $found") if $found ne '';
	}
	questions($session);
	# Others see what is committed; of stop lists, at least. (What is taken counts for them at once.)
	questions($other) unless $before;
	return;
}

# Stop lists of a transaction that is still running are nobody else's.
sub others_see
{
	return unless $before;
	my $departure = any(@{ $before->{departures} }) // return;
	my ($now) = grep { $_->{train} eq $departure->{train} && $_->{day} == $departure->{day} } @{ $state->{departures} };
	my @trips;
	my @calls = @{ $departure->{calls} };
	for my $i (grep { may_board($departure, $calls[$_]) } 0 .. $#calls) { push @trips, map { "$calls[$i]{no}|$calls[$_]{no}" } grep { may_alight($departure, $calls[$_]) } $i + 1 .. $#calls }
	expect($other, "SELECT from_stop, to_stop FROM ticket_remaining_matrix('$departure->{train}', " . date($departure) . ", 'only') ORDER BY 1, 2", join "\n", @trips);
	$count{'others see the old stops'}++ if join(' ', sort keys %{ $departure->{skipped} }) ne join(' ', sort keys %{ $now->{skipped} });
	return;
}

sub connect_sessions { ($session, $other) = (session($node), session($node)); return }

connect_sessions();
$step = 0;
new_list($_) for @codes;
my %restarts = map { (1 + int(rand $operations)) => 1 } 1 .. 2;
for my $n (1 .. $operations)
{
	$step = $n;
	note("step $n") if $n % 500 == 0;
	step();
	others_see() if rand() < 0.5;
	if ($restarts{$n})
	{
		if ($before) { $state = $before; $before = undef; }
		$_->quit for $session, $other;
		stop_and_start($node, any('fast', 'immediate'));
		connect_sessions();
	}
	last if @trouble >= 5;
}
is(join("\n", @trouble), '', "$operations random operations are answered as the model says (TICKETPOOL_SEED=$seed)");
end('COMMIT') if $before;
my @expected = sort map { my $d = $_; map { "$_->{id} $_->{no} $_->{from} $_->{to} $_->{seat}" } grep { $_->{live} } @{ $d->{tickets} } } @{ $state->{departures} };
is(join("\n", sort split /\n/, $session->run(q{SELECT concat_ws(' ', order_id, ticket_no, from_stop, to_stop, coach || '/' || seat) FROM ticket_order WHERE status IN ('held', 'sold')})), join("\n", @expected),
	'the live tickets are what the model says');
$_->quit for $session, $other;
in_flight_is_empty($node, 'postgres', 'model');
not_twice($node, 'postgres', 'model');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'ticket_verify finds nothing');
note(join ', ', map { "$_: $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>', 0, "there were: $_") for 'opened', 'tickets', 'sold out', 'trips', 'no trip: TK002', 'no trip: TK003', 'matrices', 'found', 'retimed', 'skipped', 'tickets of skipped stops', 'transactions', 'others see the old stops', '22023';
$node->stop;
done_testing();
