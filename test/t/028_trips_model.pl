# Random stop lists against a plain model of what a trip is: trains that call again and again at a few
# stations, calls where nobody may board or alight, times that are left out, skipped stops, and the end
# of the sale at each stop. For every pair of stations and calls, by name or as code#stop_no: what is
# bought, found, counted, explained and shown.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

use constant LISTS => $ENV{TICKETPOOL_LISTS} // 40;

seed();
my $node = new_server('trips', conf => "timezone = 'UTC'\nticketpool.memory = '16MB'");
# More than are bought here.
make_formation($node, 'postgres', 'large', 4000);
# The SQLSTATE, or the first column of the answer.
$node->safe_psql('postgres', q{
	CREATE FUNCTION answer(query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE answer text;
	BEGIN
		EXECUTE query INTO answer;
		RETURN coalesce(answer, '');
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$;
	CREATE FUNCTION ask(train text, f text, t text, date date) RETURNS text LANGUAGE sql AS $$
		SELECT concat_ws('|', answer(format('SELECT from_stop || '','' || to_stop FROM ticket_buy(%L, %L, %L, 1, %L)', train, f, t, date)),
			(SELECT string_agg(found, '' ORDER BY day) FROM (SELECT day, answer(format('SELECT string_agg(from_stop || '','' || to_stop || '';'', '''' ORDER BY from_stop)
				FROM ticket_search(%L, %L, %L) WHERE train = %L AND service_date = %L', f, t, date + day, train, date)) AS found FROM generate_series(0, 3) AS day) AS s),
			answer(format('SELECT outcome FROM ticket_why(%L, %L, %L, %L)', train, f, t, date)),
			answer(format('SELECT ticket_remaining(%L, %L, %L, %L) > 0', train, f, t, date)),
			answer(format('SELECT bool_or(free) FROM ticket_places(%L, %L, %L, %L)', train, f, t, date))) $$;
	INSERT INTO ticket_station (station, name) VALUES ('A', 'Alpha'), ('B', 'Beta'), ('C', 'Gamma')});

# Calls of the list that the words mean.
sub calls_of
{
	my ($list, $words) = @_;
	my ($station, $stop_no) = split /#/, $words;
	return grep { $list->[$_]{station} eq $station && (!defined $stop_no || $list->[$_]{stop_no} == $stop_no) } 0 .. $#$list;
}

# What each function has to answer for this pair.
sub expected
{
	my ($list, $from, $to) = @_;
	my $both = $from =~ /#/ && $to =~ /#/;
	my @trips = grep { my ($f, $t) = @$_; $f < $t && ($both || $list->[$f]{station} ne $list->[$t]{station}) && $list->[$f]{boards} && $list->[$t]{alights} }
		map { my $f = $_; map { [ $f, $_ ] } calls_of($list, $to) } calls_of($list, $from);
	my @on_sale = grep { !$list->[ $_->[0] ]{over} } @trips;
	my $name = sub { my ($trip) = @_; return "$list->[$trip->[0]]{stop_no},$list->[$trip->[1]]{stop_no}" };
	my ($best) = sort { ($a->[1] - $a->[0]) <=> ($b->[1] - $b->[0]) || $a->[0] <=> $b->[0] } @on_sale;
	my %next;
	for my $trip (@on_sale) { $next{ $trip->[0] } = min($trip->[1], $next{ $trip->[0] } // $trip->[1]) }
	my $found = join '', map { $name->([ $_, $next{$_} ]) . ';' } sort { $a <=> $b } keys %next;
	return @on_sale ? join('|', $name->($best), $found, 'available', 'true', 'true')
		: @trips ? 'TK003||not_on_sale|false|false' : 'TK002||no_such_trip|TK002|TK002';
}

sub random_list
{
	my $time = -120 + int rand 180;
	my $stop_no = -3;
	return [ map { $stop_no += 1 + int rand 4; $time += 10 * (1 + int rand 4);
		{ station => (qw(A B C))[ rand 3 ], stop_no => $stop_no, minutes => rand() < 0.2 ? undef : $time + 5, boards => rand() < 0.8, alights => rand() < 0.8 } } 1 .. 2 + rand 7 ];
}

my $flag = sub { return $_[0] ? 'true' : 'false' };
my $wrong = 0;
for my $number (1 .. LISTS)
{
	my $list = random_list();
	my $margin = (undef, 0, 10, 40)[ rand 4 ];
	my $train = "T$number";
	# Times count from yesterday's midnight, so that none is negative.
	my $date = q{((now() - interval '1 day')::date)};
	my $now = q{now() - date_trunc('day', now()) + interval '1 day'};
	my $stops = join ', ', map { "('$train', $_->{stop_no}, '$_->{station}', NULL, " . (defined $_->{minutes} ? "$now + interval '$_->{minutes} min'" : 'NULL')
		. ', ' . $flag->($_->{boards}) . ', ' . $flag->($_->{alights}) . ')' } @$list;
	$node->safe_psql('postgres', "INSERT INTO ticket_stop VALUES $stops;
		SELECT ticket_open('$train', $date, 'large', now() - interval '1 day', sale_margin => " . (defined $margin ? "'$margin min'" : 'NULL') . ')');
	if (rand() < 0.5)
	{
		my $call = $list->[ rand @$list ];
		my $words = rand() < 0.5 ? $call->{station} : "$call->{station}#$call->{stop_no}";
		$node->safe_psql('postgres', "SELECT count(*) FROM ticket_skip_stop('$train', $date, '$words')");
		for my $skipped (calls_of($list, $words)) { $list->[$skipped]{boards} = $list->[$skipped]{alights} = 0 }
	}
	for my $call (@$list) { $call->{over} = defined $margin && defined $call->{minutes} && $call->{minutes} - $margin <= 0 }
	my @words = (qw(A B C), map { "$_->{station}#$_->{stop_no}" } @$list);
	my $array = join ',', map { "'$_'" } @words;
	my @answers = split /\n/, $node->safe_psql('postgres', "SELECT ask('$train', f, t, $date) FROM unnest(ARRAY[$array]) WITH ORDINALITY AS f (f, n),
		unnest(ARRAY[$array]) WITH ORDINALITY AS t (t, m) ORDER BY n, m");
	my @expected = map { my $f = $_; map { expected($list, $f, $_) } @words } @words;
	for my $i (0 .. $#expected)
	{
		next if $answers[$i] eq $expected[$i];
		$wrong++;
		diag("$train from $words[$i / @words] to $words[$i % @words]: $answers[$i], not $expected[$i]");
	}
	my $pairs = join '', map { my $f = $_; map { "$list->[$f]{stop_no},$list->[$_]{stop_no},"
			. $flag->(!$list->[$f]{over}) . ';' } grep { $list->[$f]{boards} && $list->[$_]{alights} } $f + 1 .. $#$list } 0 .. $#$list;
	my $matrix = $node->safe_psql('postgres', "SELECT string_agg(from_stop || ',' || to_stop || ',' || (remaining > 0) || ';', '' ORDER BY from_stop, to_stop)
		FROM ticket_remaining_matrix('$train', $date, NULL)");
	if ($matrix ne $pairs) { $wrong++; diag("$train, matrix: $matrix, not $pairs") }
	last if $wrong > 10;
}
is($wrong, 0, LISTS . ' random stop lists: every pair of calls is answered as the model says');
# That proof knows no end of a sale.
agrees($node, 'postgres', 'afterwards', 'd.sale_margin IS NULL');
$node->stop;
done_testing();
