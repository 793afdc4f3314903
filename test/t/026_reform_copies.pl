# A departure that was reformed more than once, where it is loaded again: from a dump, from rows
# that came in another order, on a standby and after its promotion, after evictions. It has its last
# seats, quotas and all, and no memory is lost on the way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('copies', streaming => 1, conf => 'ticketpool.memory = 2MB');
make_train($node, 'postgres', 'T1', 6);
make_train($node, 'postgres', 'T2', 6, 'R');
make_formation($node, 'postgres', 'one', 200);
make_formation($node, 'postgres', 'big', 40000);
# Coach 001 stays, 002 goes, its seats come back as coach 009 in 'three'; places move, too.
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('one', '010', 'standing', 20), ('two', '011', 'standing', 30), ('three', '010', 'standing', 15), ('three', '012', 'standing', 10);
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'two', CASE coach WHEN '001' THEN coach ELSE '008' END, seat_class, seats FROM ticket_formation WHERE formation = 'one' AND seats IS NOT NULL;
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'three', CASE coach WHEN '008' THEN '009' ELSE coach END, seat_class, seats FROM ticket_formation WHERE formation = 'two' AND seats IS NOT NULL;
	INSERT INTO ticket_formation_seat (formation, coach, seat, properties) VALUES ('three', '009', '1A', '{quiet}')});
open_departures($node, 'postgres', 'T1', 'one', 1);
open_departures($node, 'postgres', 'T2', 'big', 60);

sub reform { my ($formation, $server, $database) = @_; return ($server // $node)->safe_psql($database // 'postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', '$formation')") }
# All rows that say who sits where.
sub rows_of
{
	my ($server, $database) = @_;
	return $server->safe_psql($database // 'postgres', q{
		SELECT concat_ws('|', order_id, ticket_no, coach, seat, o.status) FROM ticket_order o ORDER BY o.order_id, o.ticket_no;
		SELECT concat_ws('|', reservation_id, channel, from_stop, to_stop, seats, seat_list, status) FROM ticket_reservation ORDER BY reservation_id;
		SELECT concat_ws('|', departure_id, train, formation) FROM ticket_departure ORDER BY departure_id});
}
# What each channel could buy.
sub counts
{
	my ($server, $database) = @_;
	return $server->safe_psql($database // 'postgres', qq{SELECT c, channel, ticket_remaining('T1', 'S1', 'S6', '$day', c, channel), ticket_remaining('T1', 'S2', 'S4', '$day', c, channel)
		FROM unnest(ARRAY['second', 'standing']) c, unnest(ARRAY[NULL, 'agency', 'web']) channel ORDER BY 1, 2});
}

$node->safe_psql('postgres', qq{
	SELECT ticket_reserve_seats('T1', '$day', 'broken', ARRAY['001/20F', '002/20F']);
	SELECT ticket_reserve('T1', '$day', 'second', 'agency', 40, 'S1', 'S6');
	SELECT ticket_reserve('T1', '$day', 'second', 'web', 30, 'S2', 'S4');
	SELECT count(*) FROM generate_series(1, 20) i, ticket_buy('T1', 'S1', 'S' || i % 5 + 2, i, '$day', 'second', ARRAY[1, 2], channel => 'agency');
	SELECT count(*) FROM generate_series(1, 10) i, ticket_hold('T1', 'S2', 'S' || i % 2 + 3, 100 + i, '$day', 'second', channel => 'web', ttl => '1 day');
	SELECT count(*) FROM generate_series(1, 50) i, ticket_buy('T1', 'S' || i % 3 + 1, 'S' || i % 3 + 4, 200 + i, '$day', 'second', ARRAY[1, 2]);
	SELECT count(*) FROM generate_series(1, 10) i, ticket_buy('T1', 'S1', 'S6', 300 + i, '$day', 'standing');
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id % 7 = 0 AND status = 'sold') o, ticket_refund(o.order_id)});
cmp_ok(reform('two'), '>', 20, 'reformed once');
agrees($node, 'postgres', 'once', "d.train = 'T1'");
cmp_ok(reform('three'), '>', 20, 'and twice');
agrees($node, 'postgres', 'twice', "d.train = 'T1'");
my ($rows, $counts) = (rows_of($node), counts($node));
is($node->safe_psql('postgres', q{SELECT sum(seats), sum(cardinality(seat_list)) FROM ticket_reservation WHERE status = 'open'}), '72|72', 'quotas have as many seats as before');

# ---------------------------------------------------------------------------------------------------------------------
# Evictions
# ---------------------------------------------------------------------------------------------------------------------
sub press { my ($server) = @_; return $server->safe_psql('postgres', "SELECT count(ticket_remaining('T2', 'R1', 'R6', date '$day' + n)) FROM generate_series(0, 59) n") }
my $in_memory = "SELECT count(*) FROM ticket_pool WHERE train = 'T1'";
press($node);
is($node->safe_psql('postgres', $in_memory), '0', 'evicted');
is(counts($node), $counts, 'loaded again, it has the same seats');
my ($staff, $other) = map { session($node) } 1 .. 2;
$staff->run($_) for 'BEGIN', "SELECT count(*) FROM ticket_reform('T1', '$day', 'two')";
press($node);
is($node->safe_psql('postgres', $in_memory), '1', 'while it is reformed, it stays');
is(counts($node), $counts, 'and counts the old seats');
# A refund that is called again pins what it finds, which is then replaced.
$other->run('BEGIN');
like($other->run("SELECT r.status FROM (SELECT order_id FROM ticket_order WHERE user_id = 7 LIMIT 1) o, ticket_refund(o.order_id) r LIMIT 1"), qr/^refunded/, 'another session uses the old departure');
$staff->run('COMMIT');
my $two = counts($node);
isnt($two, $counts, 'others count the new seats');
press($node);
is($node->safe_psql('postgres', $in_memory), '0', 'the new departure is evicted, though the old one is in use');
is(counts($node), $two, 'and loaded again');
is($other->run("SELECT status FROM ticket_buy('T1', 'S1', 'S6', 7, '$day', 'second')"), 'sold', 'the session that used the old one buys in the new one');
$other->run('ROLLBACK');
agrees($node, 'postgres', 'after evictions', "d.train = 'T1'");
# The memory that is left when all that can go has gone
sub floor_of_memory { press($node); return $node->safe_psql('postgres', 'SELECT bytes_used - (SELECT sum(bytes) FROM ticket_pool) FROM ticket_pool_stat') }
reform($_) for 'one', 'two', 'three';
my $before = floor_of_memory();
for (1 .. 30)
{
	reform($_) for 'two', 'three';
	$staff->run("BEGIN; SELECT count(*) FROM ticket_reform('T1', '$day', 'one'); ROLLBACK");
}
cmp_ok(floor_of_memory(), '<=', $before + 4096, 'reforms leave nothing in memory');

# ---------------------------------------------------------------------------------------------------------------------
# A dump
# ---------------------------------------------------------------------------------------------------------------------
($rows, $counts) = (rows_of($node), counts($node));
my $file = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $file, '-d', $node->connstr('postgres') ], 'dumped');
for my $way ([], [ '-j', '3' ])
{
	my $copy = 'copy' . @$way;
	$node->safe_psql('postgres', "CREATE DATABASE $copy");
	$node->command_ok([ 'pg_restore', @$way, '-d', $node->connstr($copy), $file ], "restored with @$way");
	is(rows_of($node, $copy), $rows, 'the copy has the same rows');
	is(counts($node, $copy), $counts, 'and as many seats for each channel');
	agrees($node, $copy, $copy, "d.train = 'T1'");
}
# Rows by hand, in the copy: the seats are those of the last formation.
my $insert = q{INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT %s, 1, departure_id, service_date, 1, 1, 'second', '%s', '%s', 5, 6, 'sold' FROM ticket_departure WHERE train = 'T1'};
my $sql = session($node, 'copy0');
$sql->run('SET client_min_messages = error');
for my $coach ('002', '008')
{
	$sql->run(sprintf $insert, 4711, $coach, '20F');
	is($sql->sqlstate, '23514', "a ticket in coach $coach, which it had once, is refused");
}
my ($free) = split /\n/, $sql->run("SELECT seat FROM ticket_places('T1', 'S5', 'S6', '$day', 'second') WHERE coach = '009' AND free");
$sql->run(sprintf $insert, 4711, '009', $free);
ok($sql->is_ok, "in coach 009 it is taken (seat $free)");
$sql->run("UPDATE ticket_order SET coach = '008' WHERE order_id = 4711");
is($sql->sqlstate, '23514', 'and does not move to where it was once');
$sql->run(sprintf $insert, 4712, '009', $free);
is($sql->sqlstate, '23P01', 'nobody else gets it');
cmp_ok(reform('one', $node, 'copy0'), '>', 20, 'the copy is reformed again');
$sql->run(sprintf $insert, 4712, '009', $free);
is($sql->sqlstate, '23514', 'then coach 009 is gone');
agrees($node, 'copy0', 'rows by hand', "d.train = 'T1'");
# In the order of a restore: tickets before their departure, of this formation and of an earlier one.
$sql->run($_) for 'CREATE TABLE kept AS SELECT * FROM ticket_departure', 'CREATE TABLE tickets AS SELECT * FROM ticket_order',
	q{SELECT ticket_withdraw(train, service_date) FROM ticket_departure WHERE train = 'T1'}, q{DELETE FROM ticket_order}, q{DELETE FROM ticket_reservation}, q{DELETE FROM ticket_departure WHERE train = 'T1'};
$sql->run('INSERT INTO ticket_order SELECT * FROM tickets');
ok($sql->is_ok, 'tickets without a departure are taken') or diag($sql->output);
$sql->run(sprintf q{INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT 4713, 1, departure_id, service_date, 1, 1, 'second', '009', '%s', 5, 6, 'sold' FROM kept WHERE train = 'T1'}, $free);
ok($sql->is_ok, 'also one on a seat that it had once');
$sql->run(q{INSERT INTO ticket_departure SELECT * FROM kept WHERE train = 'T1'});
ok($sql->is_ok, 'then the departure comes') or diag($sql->output);
is($sql->run('SELECT count(*) FROM ticket_verify()'), '1', 'ticket_verify names the ticket without a seat');
is($sql->run("SELECT old_coach FROM ticket_reform('T1', '$day', 'one')"), '009', 'and the next reform gives it one');
agrees($node, 'copy0', 'in the order of a restore', "d.train = 'T1'");

# ---------------------------------------------------------------------------------------------------------------------
# A standby
# ---------------------------------------------------------------------------------------------------------------------
$node->backup('backup');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('reform_standby'));
$standby->init_from_backup($node, 'backup', has_streaming => 1);
# A slow machine replays for longer than queries are given by default, and would cancel them.
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = -1');
$standby->start;
sub catch_up { $node->safe_psql('postgres', 'SELECT pg_switch_wal()'); $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); return }
catch_up();
is(rows_of($standby), $rows, 'a standby has the rows');
is($standby->safe_psql('postgres', "SET ticketpool.standby_staleness = 0; SELECT ticket_remaining('T1', 'S1', 'S6', '$day', 'standing')"), $node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S6', '$day', 'standing')"), 'and counts the same seats');
# It is asked all the time while the departure is reformed again and again.
my $over_file = $node->basedir . '/over';
my $workers = start_workers(2, sub {
	my ($number, $log) = @_;
	my $session = session($standby);
	my $what = $number == 0 ? 'SELECT * FROM ticket_verify()' : "SELECT DISTINCT count(*) FROM ticket_places('T1', 'S1', 'S6', '$day', 'second') HAVING count(*) <> 200";
	until (-e $over_file)
	{
		my $problems = $session->run($what);
		die "$what: " . $session->sqlstate . " $problems" unless $session->is_ok && $problems eq '';
		print $log "asked\n";
	}
});
for (1 .. 10) { reform($_) for 'one', 'two', 'three' }
catch_up();
ok(wait_log_lines($workers, 20), 'it was asked');
append_to_file($over_file, 'yes');
ok(wait_workers($workers), 'and never found a problem');
is(counts($standby), counts($node), 'a standby counts the seats that it has now');
# The primary is lost in the middle of the next one: all of its rows are on the standby, but no commit.
($rows, $counts) = (rows_of($node), counts($node));
$staff->run('BEGIN');
cmp_ok($staff->run("SELECT count(*) FROM ticket_reform('T1', '$day', 'one')"), '>', 20, 'another one is under way');
catch_up();
$node->stop('immediate');
$standby->promote;
is(rows_of($standby), $rows, 'the promoted standby does not have it');
is(counts($standby), $counts, 'and sells the seats of before');
is($standby->safe_psql('postgres', "SELECT count(*) FROM ticket_buy('T1', 'S5', 'S6', 9, '$day', 'second')"), '1', 'it sells');
agrees($standby, 'postgres', 'promoted', "d.train = 'T1'");
cmp_ok(reform('one', $standby), '>', 20, 'and reforms');
agrees($standby, 'postgres', 'promoted and reformed', "d.train = 'T1'");
$standby->stop;

done_testing();
