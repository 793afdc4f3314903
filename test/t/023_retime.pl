# A train gets other times, and passes stops or not, while it is being sold and searched for: it is
# always found once, with one of its stop lists; no seat is sold twice; and memory agrees with the
# rows afterwards, after evictions, a restart and a restore, and on a standby. And the end of the sale by the
# clock of ticketpool.timezone, on the days when it is changed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use TicketpoolTest;

my $seed = seed();
my $day = DAY;
my $node = new_server('retime', streaming => 1, conf => "ticketpool.memory = '2MB'");
make_train($node, 'postgres', 'T1', 6);
make_train($node, 'postgres', 'T2', 6, 'R');
make_formation($node, 'postgres', 'small', 100);
make_formation($node, 'postgres', 'big', 40000);
open_departures($node, 'postgres', 'T1', 'small', 1);
open_departures($node, 'postgres', 'T2', 'big', 60);

my $over_file = $node->basedir . '/over';

# Buys and gives back, so that the train does not sell out.
sub buyer
{
	my ($number, $log) = @_;
	my $session = session($node);
	until (-e $over_file)
	{
		my ($from, $to) = sort map { 1 + int rand 6 } 1, 2;
		next if $from == $to;
		my $order = $session->run("SELECT order_id FROM ticket_buy('T1', 'S$from', 'S$to', $number, '$day')");
		if (!$session->is_ok)
		{
			die "$from-$to: $order" unless $session->sqlstate eq 'TK002' && ($from == 3 || $to == 3);
			print $log "skipped\n";
			next;
		}
		print $log "sold\n";
		sleep rand 0.02;    # leaves the processor to the staff
		$session->run("SELECT status FROM ticket_refund($order)") if $order ne '' && rand() < 0.9;
		die $session->output unless $session->is_ok;
	}
	return;
}

# S1 to S6 is always there, once, at 0:10 or at 0:15.
sub searcher
{
	my ($number, $log) = @_;
	my $session = session($node);
	until (-e $over_file)
	{
		my $found = $session->run("SELECT train, to_char(departs, 'HH24:MI'), count(*) OVER () FROM ticket_trains('S1', 'S6', '$day')");
		die "found: $found" unless $session->is_ok && $found =~ /^T1\|00:1[05]\|1$/;
		print $log "found $found\n";
		sleep rand 0.02;
	}
	return;
}

# Departures that push each other, and sometimes T1, out of memory.
sub evictor
{
	my ($number, $log) = @_;
	my $session = session($node);
	until (-e $over_file)
	{
		my $plus = int rand 60;
		$session->run("SELECT ticket_remaining('T2', 'R1', 'R6', date '$day' + $plus)");
		die $session->output unless $session->is_ok;
		print $log "counted\n";
		sleep rand 0.02;
	}
	return;
}

my $workers = start_workers(7, sub { my ($number, $log) = @_; ($number < 3 ? \&buyer : $number < 6 ? \&searcher : \&evictor)->($number, $log) });
ok(wait_log_lines($workers, 100), 'customers are at work');
my $staff = session($node);
for my $turn (1 .. 60)
{
	my $minutes = $turn % 2 ? 15 : 10;
	$staff->run("UPDATE ticket_stop SET departs = '$minutes minutes' WHERE train = 'T1' AND stop_no = 1");
	$staff->run('BEGIN') if $turn % 3 == 0;
	$staff->run("SELECT ticket_retime('T1', '$day')");
	die $staff->output unless $staff->is_ok;
	$staff->run("SELECT count(*) FROM ticket_skip_stop('T1', '$day', 'S3')");
	die $staff->output unless $staff->is_ok;
	$staff->run($turn % 2 ? 'ROLLBACK' : 'COMMIT') if $turn % 3 == 0;
}
my $lines = log_lines($workers);
ok(await(sub { log_lines($workers) > $lines + 200 }), 'customers go on');
append_to_file($over_file, 'yes');
ok(wait_workers($workers), 'the train was always found once, and nothing else failed');
cmp_ok(scalar(grep { /\Q$_\E/ } log_lines($workers)), '>', 0, "customers were told: $_") for 'skipped', 'sold', '00:10', '00:15';
cmp_ok($node->safe_psql('postgres', 'SELECT sum(evictions) FROM ticket_pool_stat'), '>', 0, 'departures were evicted') if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'ticket_pool_stat'::regclass AND attname = 'evictions'});

# The stop list of the row is what is sold.
sub is_rerouted
{
	my ($label, $where) = @_;
	$where //= $node;
	is($where->safe_psql('postgres', "SELECT to_char(departs, 'HH24:MI') FROM ticket_trains('S1', 'S6', '$day')"), '00:10', "$label: the times are those of the row");
	is($where->safe_psql('postgres', "SELECT count(*), count(*) FILTER (WHERE 3 IN (from_stop, to_stop)) FROM ticket_remaining_matrix('T1', '$day', NULL)"), '10|0', "$label: the train passes S3");
	return if $where != $node;
	in_flight_is_empty($node, 'postgres', $label);
	agrees($node, 'postgres', $label);
	return;
}
$staff->run($_) for "UPDATE ticket_stop SET departs = '10 minutes' WHERE train = 'T1' AND stop_no = 1", "SELECT ticket_retime('T1', '$day')", "SELECT count(*) FROM ticket_skip_stop('T1', '$day', 'S3')";
is_rerouted('at once');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('retime_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is_rerouted('on a standby', $standby);
$staff->run("UPDATE ticket_stop SET departs = '15 minutes' WHERE train = 'T1' AND stop_no = 1");
$staff->run("SELECT ticket_retime('T1', '$day')");
ok(becomes_true($standby, 'postgres', "SELECT to_char(departs, 'HH24:MI') = '00:15' FROM ticket_trains('S1', 'S6', '$day')"), 'a standby follows');
$staff->run($_) for "UPDATE ticket_stop SET departs = '10 minutes' WHERE train = 'T1' AND stop_no = 1", "SELECT ticket_retime('T1', '$day')", "SELECT count(*) FROM ticket_skip_stop('T1', '$day', 'S3')";
$standby->stop;
stop_and_start($node, 'immediate');
is_rerouted('after a crash');

# A dump has it, too.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'it is dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'it is restored');
is($node->safe_psql('restored', "SELECT count(*) FILTER (WHERE 3 IN (from_stop, to_stop)) FROM ticket_remaining_matrix('T1', '$day', NULL)"), '0', 'a stop is skipped after a restore');
is($node->safe_psql('restored', "SELECT ticket_retime('T1', '$day'); SELECT count(*) FILTER (WHERE 3 IN (from_stop, to_stop)) FROM ticket_remaining_matrix('T1', '$day', NULL)"), "\n5", 'and can be brought back');
is($node->safe_psql('restored', 'SELECT count(*) FROM ticket_verify()'), '0', 'the restored database agrees');

# ticketpool.timezone: a margin that ends the sale a minute ago or in an hour, by the clock of a
# zone far away. The end is what AT TIME ZONE says, also when that clock is put forward or back.
sub zone
{
	my ($zone) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET ticketpool.timezone = '$zone'");
	$node->reload;
	return ok(becomes_true($node, 'postgres', "SELECT current_setting('ticketpool.timezone') = '$zone'"), "the zone is $zone");
}
$node->safe_psql('postgres', q{
	INSERT INTO ticket_stop (train, stop_no, station, arrives, departs) VALUES ('Z1', 1, 'Z1', NULL, '1:30'), ('Z1', 2, 'Z2', '2:30', '2:30'), ('Z1', 3, 'Z3', '26:30', '26:30'), ('Z1', 4, 'Z4', '30:00', NULL)});
for my $case ([ 'Europe/Berlin', '2036-03-29' ], [ 'Europe/Berlin', '2036-03-30' ], [ 'Europe/Berlin', '2036-10-26' ], [ 'Asia/Kathmandu', '2036-03-30' ], [ 'Pacific/Apia', '2036-01-01' ])
{
	my ($zone, $date) = @$case;
	zone($zone);
	$node->safe_psql('postgres', "SELECT ticket_open('Z1', '$date', 'small', '2020-01-01') WHERE NOT EXISTS (SELECT FROM ticket_departure WHERE train = 'Z1' AND service_date = '$date')");
	for my $stop ([ 'Z1', '1:30' ], [ 'Z2', '2:30' ], [ 'Z3', '26:30' ])
	{
		my ($station, $time) = @$stop;
		for my $late (0, 1)
		{
			# The margin is the time from now to the train's departure, an hour less or more.
			my $left = $node->safe_psql('postgres', "UPDATE ticket_departure SET sale_margin = NULL WHERE train = 'Z1';
				SELECT extract(epoch FROM (date '$date' + interval '$time') AT TIME ZONE '$zone' - now())::bigint + CASE WHEN $late = 1 THEN 3600 ELSE -3600 END");
			# Years away: by hand, any margin is one.
			$node->safe_psql('postgres', "UPDATE ticket_departure SET sale_margin = make_interval(secs => $left) WHERE train = 'Z1' AND service_date = '$date'");
			is($node->safe_psql('postgres', "SELECT ticket_remaining('Z1', '$station', 'Z4', '$date') > 0"), $late ? 'f' : 't', "$zone, $date, $time: " . ($late ? 'over' : 'on sale'));
		}
	}
}
done_testing();
