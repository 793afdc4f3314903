# Random small feeds against a plain model of what ticket_import_gtfs opens: services by weeks and by
# days, frequencies, tracks of stations, times that are left out, twins, numbers that are missing, and
# several imports of a feed that grows. Compared are the names, days and trips that each call returns,
# the stop lists, and which trips are warned of.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use List::Util qw(max min shuffle);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

use constant {
	FEEDS => $ENV{TICKETPOOL_FEEDS} // 150,
	DAY_1 => 22339,    # 2031-03-01, as days since 1970
};

seed();
my $node = new_server('feeds', conf => 'max_locks_per_transaction = 256');
my %columns = (
	stops => 'stop_id text, stop_name text, parent_station text',
	trips => 'trip_id text, service_id text, trip_short_name text',
	stop_times => 'trip_id text, stop_sequence text, stop_id text, arrival_time text, departure_time text, pickup_type text, drop_off_type text',
	calendar => 'service_id text, monday text, tuesday text, wednesday text, thursday text, friday text, saturday text, sunday text, start_date text, end_date text',
	calendar_dates => 'service_id text, date text, exception_type text',
	frequencies => 'trip_id text, start_time text, end_time text, headway_secs text');
$node->safe_psql('postgres', join '', "CREATE SCHEMA feed; INSERT INTO ticket_formation VALUES ('F', '1', 'second', '{1A,1B}');",
	map { "CREATE TABLE feed.$_ ($columns{$_});" } sort keys %columns);

sub one_of { return $_[ rand @_ ] }
sub day_text { my ($day, $format) = @_; return POSIX::strftime($format, gmtime($day * 86400)) }
sub feed_day { return day_text($_[0], '%Y%m%d') }
sub time_text { my ($time) = @_; return sprintf(one_of('%d', '%02d') . ':%02d:%02d', $time / 3600, $time / 60 % 60, $time % 60) }
sub either { my ($one, $other) = @_; return $one // $other }

# ---------------------------------------------------------------------------------------------------------------------
# A feed
# ---------------------------------------------------------------------------------------------------------------------
sub add_trip
{
	my ($feed) = @_;
	my $trip = 't' . one_of(qw(a b A B 9)) . $feed->{trips_made}++;
	push @{ $feed->{trips} }, [ $trip, one_of(@{ $feed->{services} }), one_of('1', '2', '2 ', ' 3', 'IC 4', '', undef) ];
	my $time = 60 * int rand 26 * 60;
	my ($sequence, $count) = (-1, one_of(1, 2, 2, 3, 4, 5));
	my @calls = map {
		my $arrives = $time;
		my $departs = $arrives + one_of(0, 0, 60, 300);
		$time = max(0, $departs + one_of(60, 600, 3601, 7, -60, 36000));
		$sequence += 1 + int rand 9;
		[ $trip, $sequence, one_of(@{ $feed->{stops} })->[0], $arrives, $departs, one_of('', '0', undef, 1, 2, 3), one_of('', '0', undef, 1, 2, 3) ] } 1 .. $count;
	for my $n (0 .. $#calls)
	{
		my ($left_out) = $n > 0 && $n < $#calls && rand() < 0.3 ? [ 3, 4 ] : rand() < 0.2 ? [ $n == $#calls || $n > 0 && rand() < 0.5 ? 4 : 3 ] : [];
		$calls[$n][$_] = undef for @$left_out;
	}
	push @{ $feed->{stop_times} }, shuffle @calls;
	return if rand() < 0.75;
	for (0 .. rand 2)
	{
		my $start = 60 * (360 + int rand 20 * 60);
		push @{ $feed->{frequencies} }, [ $trip, $start, $start + one_of(0, 1, 600, 1800, 1801), one_of(300, 600, 900, 1800) ];
	}
	return;
}

sub random_feed
{
	my %feed = (trips_made => 0, stops => [], services => [ map { "s$_" } 0 .. rand 4 ], calendar => [], calendar_dates => [], trips => [], stop_times => [], frequencies => []);
	for my $station (map { "P$_" } 1 .. 2 + rand 4)
	{
		push @{ $feed{stops} }, [ $station, "Name of $station", one_of('', undef) ], map { [ "${station}_$_", 'Track', $station ] } 1 .. rand 3;
	}
	for my $service (@{ $feed{services} })
	{
		push @{ $feed{calendar} }, [ $service, (map { int rand 2 } 1 .. 7), feed_day(DAY_1 - 3 + int rand 9), feed_day(DAY_1 + int rand 12) ] if rand() < 0.7;
		my %days = map { (DAY_1 - 2 + int rand 12) => one_of(1, 2) } 0 .. rand 4;
		push @{ $feed{calendar_dates} }, map { [ $service, feed_day($_), $days{$_} ] } sort keys %days;
	}
	add_trip(\%feed) for 0 .. rand 8;
	return \%feed;
}

sub load_feed
{
	my ($feed) = @_;
	my $literal = sub { my ($value) = @_; return defined $value ? "'$value'" : 'NULL' };
	my $time = sub { my ($value) = @_; return defined $value ? time_text($value) : one_of('', undef, ' ') };
	my %rows = (%$feed, stop_times => [ map { [ @$_[ 0 .. 2 ], $time->($_->[3]), $time->($_->[4]), @$_[ 5, 6 ] ] } @{ $feed->{stop_times} } ],
		frequencies => [ map { [ $_->[0], time_text($_->[1]), time_text($_->[2]), $_->[3] ] } @{ $feed->{frequencies} } ]);
	return join '', map { my $table = $_; "TRUNCATE feed.$table;", map { "INSERT INTO feed.$table VALUES (" . join(', ', map { $literal->($_) } @$_) . ');' } @{ $rows{$table} } } sort keys %columns;
}

# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------
sub days_of
{
	my ($feed, $service, $first, $last) = @_;
	my %exception = map { $_->[1] => $_->[2] } grep { $_->[0] eq $service } @{ $feed->{calendar_dates} };
	return grep {
		my ($day, $text) = ($_, feed_day($_));
		# 1970-01-01 was a Thursday.
		exists $exception{$text} ? $exception{$text} == 1
			: grep { $_->[0] eq $service && $_->[ 1 + ($day + 3) % 7 ] && $_->[8] le $text && $text le $_->[9] } @{ $feed->{calendar} } } $first .. $last;
}

# The calls of a trip, in order and with all their times; nothing if its times fall too far.
sub calls_of
{
	my ($feed, $trip) = @_;
	my %parent = map { $_->[0] => $_->[2] || $_->[0] } @{ $feed->{stops} };
	my @calls = map { { stop_no => $_->[1], station => $parent{ $_->[2] }, arrives => $_->[3], departs => $_->[4], boards => ($_->[5] || 0) ne '1', alights => ($_->[6] || 0) ne '1' } }
		sort { $a->[1] <=> $b->[1] } grep { $_->[0] eq $trip } @{ $feed->{stop_times} };
	my $known = 0;
	for my $n (grep { defined either($calls[$_]{arrives}, $calls[$_]{departs}) } 0 .. $#calls)
	{
		my ($from, $to) = (either(@{ $calls[$known] }{qw(departs arrives)}), either(@{ $calls[$n] }{qw(arrives departs)}));
		$calls[$_]{arrives} = $calls[$_]{departs} = $from + POSIX::floor(($to - $from) * ($_ - $known) / ($n - $known)) for $known + 1 .. $n - 1;
		$known = $n;
	}
	for my $call (@calls)
	{
		$call->{arrives} //= $call->{departs};
		$call->{departs} //= $call->{arrives};
	}
	$calls[0]{arrives} = $calls[-1]{departs} = undef;
	my @times = grep { defined } map { @$_{qw(arrives departs)} } @calls;
	return (grep { $times[ $_ - 1 ] - $times[$_] > 7200 } 1 .. $#times) ? () : @calls;
}

sub starts_of
{
	my ($feed, $trip) = @_;
	my %starts;
	for my $row (grep { $_->[0] eq $trip } @{ $feed->{frequencies} })
	{
		for (my $time = $row->[1]; $time < $row->[2]; $time += $row->[3]) { $starts{$time} = 1 }
	}
	return sort { $a <=> $b } keys %starts;
}

# Adds what an import opens to $open, {day}{train} => its run. Returns what the call has to return, and
# the trips that it has to warn of.
sub import_days
{
	my ($feed, $first, $last, $open) = @_;
	my (%runs, %warned, @opened);
	for (@{ $feed->{trips} })
	{
		my ($trip, $service, $number) = @$_;
		$number = ($number // '') =~ s/^ +| +$//gr || $trip;
		$warned{$trip} = 1 unless grep { $_->[0] eq $service } @{ $feed->{calendar} }, @{ $feed->{calendar_dates} };
		my @days = days_of($feed, $service, $first, $last);
		next if !@days || 1 == grep { $_->[0] eq $trip } @{ $feed->{stop_times} };
		my @calls = calls_of($feed, $trip);
		my $frequent = grep { $_->[0] eq $trip } @{ $feed->{frequencies} };
		my @starts = !@calls ? () : $frequent ? starts_of($feed, $trip) : $calls[0]{departs};
		my $earliest = min(map { grep { defined } @$_{qw(arrives departs)} } @calls);
		if (!@calls || grep { $_ - $calls[0]{departs} + $earliest < 0 } @starts) { $warned{$trip} = 1; next }
		for my $day (@days)
		{
			push @{ $runs{$day}{$number} }, map { { trip => $trip, start => $_, key => $frequent ? "$trip at $_" : $trip, calls => \@calls } } @starts;
		}
	}
	for my $day (keys %runs)
	{
		for my $number (keys %{ $runs{$day} })
		{
			my %known = map { $_->{key} => 1 } values %{ $open->{$day} // {} };
			for my $run (sort { $a->{start} <=> $b->{start} || $a->{trip} cmp $b->{trip} } grep { !$known{ $_->{key} } } @{ $runs{$day}{$number} })
			{
				my ($train, $next) = ($number, 2);
				$train = "$number/" . $next++ while exists $open->{$day}{$train};
				$open->{$day}{$train} = $run;
				push @opened, join '|', $train, day_text($day, '%Y-%m-%d'), $run->{trip};
			}
		}
	}
	return (join("\n", sort @opened), join(' ', sort keys %warned));
}

sub lists_of
{
	my ($open) = @_;
	my @lists;
	for my $day (keys %$open)
	{
		for my $train (keys %{ $open->{$day} })
		{
			my ($run, $n) = ($open->{$day}{$train}, 0);
			my $later = $run->{start} - $run->{calls}[0]{departs};
			push @lists, map { join '|', day_text($day, '%Y-%m-%d'), $train, $_->{stop_no}, $_->{station}, (map { defined ? $_ + $later : '' } @$_{qw(arrives departs)}),
				map { $_ ? 't' : 'f' } @$_{qw(boards alights)} } @{ $run->{calls} };
		}
	}
	return join "\n", sort @lists;
}

# ---------------------------------------------------------------------------------------------------------------------
my $session = session($node, 'postgres', verbosity => 'terse');
my $wrong = 0;
for my $number (1 .. FEEDS)
{
	my ($feed, $open) = (random_feed(), {});
	my $same = sub {
		my ($what, $is, $wanted) = @_;
		return if $is eq $wanted;
		$wrong++;
		diag("feed $number, $what:\n$is\nnot\n$wanted");
	};
	$session->run('BEGIN');
	for (0 .. rand 3)
	{
		my $first = DAY_1 + int rand 8;
		my $last = $first + int rand 6;
		my ($opened, $warned) = import_days($feed, $first, $last, $open);
		$session->run(load_feed($feed));
		my $answer = $session->run("SELECT concat_ws('|', train, service_date, trip_id) FROM ticket_import_gtfs('feed', '" . day_text($first, '%Y-%m-%d') . "', '" . day_text($last, '%Y-%m-%d') . "', 'F')");
		die $session->output unless $session->is_ok;
		my %told = map { $_ => 1 } $session->output =~ /trip "([^"]+)" was not opened/g;
		$same->('opened', join("\n", sort grep { !/WARNING/ } split /\n/, $answer), $opened);
		$same->('warned of', join(' ', sort keys %told), $warned);
		add_trip($feed) for 1 .. rand 4;
	}
	$same->('stop lists', join("\n", sort split /\n/, $session->run(q{SELECT concat_ws('|', d.service_date, d.train, c.stop_no, c.station,
		coalesce(extract(epoch FROM c.arrives)::int::text, ''), coalesce(extract(epoch FROM c.departs)::int::text, ''), coalesce(c.boards, true), coalesce(c.alights, true))
		FROM ticket_departure AS d JOIN ticket_route AS r USING (route_id), unnest(r.stop_nos, r.stations, r.arrives, r.departs, r.boarding, r.alighting) AS c (stop_no, station, arrives, departs, boards, alights)})),
		lists_of($open));
	$same->('verify', $session->run('SELECT problem FROM ticket_verify()'), '');
	$session->run('ROLLBACK');
	last if $wrong > 3;
}
is($wrong, 0, FEEDS . ' random feeds: each import opens what the model says');
$node->stop;
done_testing();
