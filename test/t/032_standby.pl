# A hot standby answers from memory what it has replayed, and sells nothing. After a promotion it
# sells at once, no seat twice, whatever it had loaded before; and the old primary returns as its
# standby.
use strict;
use warnings;

use File::Copy ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $primary = new_server('one', streaming => 1,
	conf => "max_prepared_transactions = 10\nwal_log_hints = on\nwal_keep_size = 128MB\nticketpool.memory = 4MB");
make_train($primary, 'postgres', 'T', 5);
make_formation($primary, 'postgres', 'f', 20);
$primary->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('f', '9', 'standing', 3)});
$primary->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) SELECT 'g', 'N' || coach, seat_class, seats, places FROM ticket_formation;
	INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, properties) VALUES ('g', 'N001', '4F', 'bay', 5, '{quiet}'), ('f', '001', '1A', 'bay', NULL, '{window}')});
open_departures($primary, 'postgres', 'T', 'f', 4);
my $order = $primary->safe_psql('postgres', "SELECT order_id FROM ticket_buy('T', 'S1', 'S3', 1, '$day', 'second')");
$primary->safe_psql('postgres', "SELECT ticket_reserve('T', '$day', 'second', 'web', 2, 'S1', 'S5')");
# Orders whose id does not name their day, and one that was exchanged for an order elsewhere
$primary->safe_psql('postgres', qq{INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT 4242, 1, departure_id, service_date, 2, 2, 'second', '001', NULL, 1, 2, 'refunded' FROM ticket_departure WHERE service_date = '$day';
	SELECT ticket_change_away(order_id, 4711) FROM ticket_buy('T', 'S1', 'S3', 1, date '$day' + 3, 'second')});
$primary->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('two'));
$standby->init_from_backup($primary, 'start', has_streaming => 1);
$standby->start;

sub catch_up
{
	my ($from, $to) = @_;
	$from->wait_for_catchup($to, 'replay', $from->lsn('insert'));
	return;
}

sub both
{
	my ($sql, $label) = @_;
	my $expected = $primary->safe_psql('postgres', $sql);
	is($standby->safe_psql('postgres', "SET ticketpool.standby_staleness = 0; $sql"), $expected, $label);
	return $expected;
}

# ---------------------------------------------------------------------------------------------------------------------
# What a standby answers
# ---------------------------------------------------------------------------------------------------------------------
catch_up($primary, $standby);
my %questions = (
	ticket_remaining => "SELECT ticket_remaining('T', 'S1', 'S5', '$day', 'second'), ticket_remaining('T', 'S3', 'S5', '$day', 'second', 'web')",
	ticket_remaining_matrix => "SELECT * FROM ticket_remaining_matrix('T', '$day', NULL)",
	ticket_search => "SELECT * FROM ticket_search('S1', 'S5', '$day')",
	ticket_trains => "SELECT * FROM ticket_trains('S1', 'S5', '$day')",
	ticket_why => "SELECT * FROM ticket_why('T', 'S1', 'S5', '$day', 'second', 18)",
	ticket_verify => 'SELECT * FROM ticket_verify()',
	ticket_seat_map => "SELECT * FROM ticket_seat_map('T', '$day', 'second')",
	ticket_places => "SELECT * FROM ticket_places('T', 'S1', 'S5', '$day', NULL, 'web')",
	'ticket_places between calls' => "SELECT * FROM ticket_places('T', 'S1#1', 'Station S3#3', '$day', 'second')",
	ticket_seat_svg => "SELECT ticket_seat_svg('T', '$day', NULL, 'S3', 'S5')",
	ticket_get => "SELECT * FROM ticket_get($order)",
	'ticket_get of an imported order' => 'SELECT * FROM ticket_get(4242)',
	'ticket_get of no order' => 'SELECT * FROM ticket_get(4243)',
	ticket_served => 'SELECT * FROM ticket_served()',
	ticket_unsettled => 'SELECT * FROM ticket_unsettled()',
	ticket_check_many => "SELECT ticket_check_many(ARRAY[ROW('T', 'S1', 'S3', 1, '$day', 'second', NULL, NULL, NULL, '00000000-0000-0000-0000-000000000001')::ticket_request])",
	item_check_many => q{SELECT item_check_many('{}')},
	'the view ticket_pool' => "SELECT departure_id, train, status, seats, free_seat_segments, claims_in_flight FROM ticket_pool WHERE service_date = '$day'",
	'the view ticket_inflight' => 'SELECT * FROM ticket_inflight',
	'the view ticket_pool_stat' => 'SELECT bytes_reserved, refunds FROM ticket_pool_stat');
$standby->safe_psql('postgres', $questions{ticket_remaining});    # the views show what is in memory
both($questions{$_}, "$_ answers as on the primary") for sort keys %questions;

my $reader = session($standby);
my %writes = (
	ticket_buy => "SELECT * FROM ticket_buy('T', 'S1', 'S3', 1, '$day', 'second')",
	ticket_hold => "SELECT * FROM ticket_hold('T', 'S1', 'S3', 1, '$day', 'second')",
	ticket_buy_many => "SELECT * FROM ticket_buy_many(ARRAY[ROW('T', 'S1', 'S3', 1, '$day', 'second', NULL, NULL, NULL, NULL)::ticket_request])",
	ticket_confirm => "SELECT * FROM ticket_confirm($order)",
	ticket_cancel => "SELECT * FROM ticket_cancel($order)",
	ticket_refund => "SELECT * FROM ticket_refund($order)",
	ticket_change => "SELECT * FROM ticket_change($order, 'T', 'S1', 'S3', '$day')",
	ticket_change_away => "SELECT * FROM ticket_change_away($order, 4711)",
	ticket_settled => "SELECT ticket_settled($order, 4711)",
	ticket_exchange_hold => "SELECT * FROM ticket_exchange_hold(4711, 1, '{1}', '{1}', '{second}', '{NULL}', 'T', 'S1', 'S3', '$day')",
	ticket_reserve => "SELECT ticket_reserve('T', '$day', 'second', 'web', 2, 'S1', 'S5')",
	ticket_reserve_seats => "SELECT ticket_reserve_seats('T', '$day', 'web', '{001/1A}')",
	ticket_buy_seats => "SELECT * FROM ticket_buy_seats('T', 'S1', 'S3', 1, '{001/1A}', '$day')",
	ticket_hold_seats => "SELECT * FROM ticket_hold_seats('T', 'S1', 'S3', 1, '{001/1A}', '$day')",
	ticket_reseat => "SELECT * FROM ticket_reseat($order)",
	ticket_transfer => "SELECT * FROM ticket_transfer($order, 1, 9)",
	ticket_hold_extend => "SELECT * FROM ticket_hold_extend($order, NULL)",
	ticket_retime => "SELECT ticket_retime('T', '$day')",
	ticket_skip_stop => "SELECT * FROM ticket_skip_stop('T', '$day', 'S2')",
	ticket_reform => "SELECT * FROM ticket_reform('T', '$day', 'f')",
	ticket_import_gtfs => "SELECT * FROM ticket_import_gtfs('feed', '$day', '$day', 'f')",
	ticket_recycle => 'SELECT ticket_recycle(1)',
	ticket_sweep => 'SELECT ticket_sweep()',
	item_buy => 'SELECT * FROM item_buy(1, 1)',
	item_hold => 'SELECT * FROM item_hold(1, 1)',
	item_confirm => 'SELECT * FROM item_confirm(1)',
	item_cancel => 'SELECT * FROM item_cancel(1)',
	item_refund => 'SELECT * FROM item_refund(1, 1)',
	ticket_open => "SELECT ticket_open('T', '2032-01-01', 'f')",
	ticket_close => "SELECT ticket_close('T', '$day')",
	ticket_withdraw => "SELECT ticket_withdraw('T', '$day')");
for my $name (sort keys %writes)
{
	$reader->run($writes{$name});
	is($reader->sqlstate, '25006', "$name is refused as every write is");
}
is($reader->run("SELECT ticket_remaining('T', 'S1', 'S5', '$day', 'second')"), '17', 'an error leaves the session as it was');
is($reader->run("SELECT ticket_call('ticket_remaining', '{T,S1,S5,$day,second}')"), '{00000,17}', 'a call as texts counts on a standby');
is($reader->run("SELECT (ticket_call('ticket_buy', '{T,S1,S5,1,$day,second}', '{seat}'))[1]"), '25006', 'its answer to a purchase is the error');

# ---------------------------------------------------------------------------------------------------------------------
# How old an answer may be
# ---------------------------------------------------------------------------------------------------------------------
$reader->run("SET ticketpool.standby_staleness = '1h'");
my $count = "SELECT ticket_remaining('T', 'S1', 'S5', '$day', 'second')";
is($reader->run($count), '17', 'a count');
$primary->safe_psql('postgres', "SELECT ticket_buy('T', 'S1', 'S5', 1, '$day', 'second')");
catch_up($primary, $standby);
my $rebuilds = $standby->safe_psql('postgres', 'SELECT rebuilds FROM ticket_pool_stat');
is($reader->run("SELECT sum(ticket_remaining('T', 'S1', 'S5', '$day', 'second')) FROM generate_series(1, 100)"), '1700', 'is from memory, and as old as it may be');
is($standby->safe_psql('postgres', 'SELECT rebuilds FROM ticket_pool_stat'), $rebuilds, 'nothing was read for it');
is(session($standby)->run("SET ticketpool.standby_staleness = 0; $count"), '16', 'another session wants it as it is now');
is($reader->run($count), '16', 'and who does not profits');
$primary->safe_psql('postgres', "SELECT ticket_buy('T', 'S1', 'S5', 1, '$day', 'second')");
catch_up($primary, $standby);
ok(becomes_true($standby, 'postgres', 'SELECT (' . $count . ') = 15'), 'by default it follows soon');

# Everything that changes, replayed.
my $now = 'SET ticketpool.standby_staleness = 0; ';
my @changes = (
	"SELECT ticket_refund($order)",
	"SELECT ticket_reserve('T', '$day', 'second', 'web', 3, 'S2', 'S4')",
	'SELECT ticket_recycle(min(reservation_id)) FROM ticket_reservation',
	"SELECT ticket_hold('T', 'S1', 'S5', 1, '$day', 'standing', ttl => '1 hour')",
	"SELECT ticket_open('T', date '$day' + 20, 'f', '2020-01-01')",
	"SELECT ticket_buy_seats('T', 'S2', 'S4', 1, '{001/4F,001/4D}', date '$day' + 20)",
	"SELECT ticket_reserve_seats('T', date '$day' + 20, 'staff', '{001/4C}')",
	"SELECT ticket_reseat(order_id, '{1}') FROM ticket_order WHERE service_date = date '$day' + 20 AND ticket_no = 1 AND status = 'sold'",
	"SELECT ticket_cancel(min(order_id), '{2}') FROM ticket_hold('T', 'S1', 'S5', 1, date '$day' + 20, 'second', '{1,2,3}', ttl => '1 hour')",
	"SELECT ticket_change(order_id, 'T', 'S1', 'S2', date '$day' + 20, request_id => '00000000-0000-0000-0000-000000000032') FROM ticket_order WHERE service_date = date '$day' + 20 AND ticket_no = 1 AND status = 'sold' LIMIT 1",
	"UPDATE ticket_stop SET departs = departs + interval '1 minute' WHERE stop_no = 1; SELECT ticket_retime('T', date '$day' + 20)",
	"SELECT count(*) FROM ticket_skip_stop('T', date '$day' + 20, 'S3')",
	"SELECT count(*) FROM ticket_reform('T', date '$day' + 20, 'g')",
	"SELECT ticket_open('T', date '$day' + 11, 'g', '2020-01-01', stops_of => 'T', sale_margin => '1 hour')",
	"SELECT ticket_open('T', date '$day' + 10, 'f', '2020-01-01')",
	"SELECT ticket_withdraw('T', date '$day' + 10)",
	"SELECT ticket_close('T', date '$day' + 3)",
	"DELETE FROM ticket_departure WHERE service_date = date '$day' + 10");
for my $change (@changes)
{
	$primary->safe_psql('postgres', $change);
	catch_up($primary, $standby);
	both(q{SELECT d.service_date, m.* FROM ticket_departure d, ticket_remaining_matrix(d.train, d.service_date, NULL) m}, "replayed: $change");
	both("SELECT d.service_date, p.* FROM ticket_departure d, ticket_places(d.train, 'S1', 'S5', d.service_date) p", "replayed, seat by seat: $change");
	both("SELECT n, t.* FROM generate_series(0, 20) n, ticket_trains('S1', 'S5', date '$day' + n) t", "replayed, found: $change");
	is($standby->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'and ticket_verify finds nothing');
}
$reader->run("SET ticketpool.standby_staleness = 0");
$reader->run("SELECT ticket_remaining('T', 'S1', 'S5', date '$day' + 10)");
is($reader->sqlstate, 'TK001', 'a departure that is gone is gone');

# A crowd of readers while the primary sells: they never see more left than before, nor less than
# after.
my $buyers = start_workers(2, sub {
	my ($number, $log) = @_;
	my $session = session($primary);
	for (1 .. 200)
	{
		my $id = $session->run("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', $number, date '$day' + 1, 'second')");
		$session->run("SELECT ticket_refund($id)") if $id;
		print $log ($session->is_ok ? "ok\n" : 'failed ' . $session->sqlstate . "\n");
	}
});
my $readers = start_workers(4, sub {
	my ($number, $log) = @_;
	my $session = session($standby);
	# 40001: what was read is vacuumed away on the primary.
	for my $n (1 .. 200)
	{
		$session->run("SET ticketpool.standby_staleness = @{[ $n % 3 * 5 ]}");
		my $left = $session->run($n % 20 ? "SELECT ticket_remaining('T', 'S1', 'S5', date '$day' + 1, 'second') BETWEEN 18 AND 20"
			: "SELECT count(*) = 0 FROM ticket_verify()");
		print $log ($left eq 't' || $session->sqlstate eq '40001' ? "ok\n" : "wrong $n: $left " . $session->sqlstate . "\n");
	}
});
ok(wait_workers($readers) && wait_workers($buyers), 'readers and buyers come to their end');
my @wrong = grep { !/ok$/ } log_lines($readers), log_lines($buyers);
is("@wrong", '', 'every count was one that there was');

# ---------------------------------------------------------------------------------------------------------------------
# Promotion
# ---------------------------------------------------------------------------------------------------------------------

# Makes a standby the primary, with stale departures in its memory, and sells there all that is left of a departure.
sub fail_over
{
	my ($old, $new, $date, $crash) = @_;
	my $label = $crash ? 'after a crash' : 'in peace';
	# The old primary has sold more than the new one's memory shows; a purchase is prepared, a hold is about to run out.
	my $session = session($new);
	$session->run("SET ticketpool.standby_staleness = '1h'");
	my $left = "SELECT ticket_remaining('T', 'S1', 'S5', date '$date', 'second')";
	catch_up($old, $new);
	is(session($new)->run("$now$left"), '20', "$label: the standby has the departure in memory");
	$old->safe_psql('postgres', qq{
		SELECT count(*) FROM generate_series(1, 6) i, ticket_buy('T', 'S1', 'S5', i, '$date', 'second');
		SELECT order_id FROM ticket_hold('T', 'S1', 'S5', 1, '$date', 'standing', ttl => '1 second');
		BEGIN; SELECT ticket_buy('T', 'S1', 'S5', 7, '$date', 'second'); PREPARE TRANSACTION 'p$date'});
	catch_up($old, $new);
	is($session->run($left), '20', "$label: which shows nothing of later sales yet");
	is(session($new)->run("$now$left"), '14', "$label: but for who asks");
	$session->run($left);
	$old->safe_psql('postgres', "SELECT ticket_buy('T', 'S1', 'S5', 8, '$date', 'second')");
	catch_up($old, $new);
	is($session->run($left), '14', "$label: the memory is stale again");
	if ($crash)
	{
		$old->stop('immediate');
	}
	else
	{
		$old->stop('fast');
	}
	$new->promote;
	is($session->run("SELECT count(*) FROM generate_series(1, 20) i, ticket_buy('T', 'S1', 'S5', i, '$date', 'second')"), '12',
		"$label: after the promotion all that is left is sold, and no more");
	not_twice($new, 'postgres', $label);
	is($new->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', "$label: ticket_verify agrees");
	$session->run("ROLLBACK PREPARED 'p$date'");
	is($session->run($left), '1', "$label: what was prepared on the old primary is decided on the new one");
	# Without workers, by hand.
	my $sweep = $new->safe_psql('postgres', 'SHOW max_worker_processes') == 0 ? 'ticket_sweep()' : '0';
	ok(becomes_true($new, 'postgres', "SELECT $sweep >= 0 AND bool_and(status = 'expired') FROM ticket_order WHERE service_date = '$date' AND seat_class = 'standing'"),
		"$label: holds run out");
	agrees($new, 'postgres', $label);
	return;
}

fail_over($primary, $standby, $primary->safe_psql('postgres', "SELECT date '$day' + 1"), 1);

# The old primary returns. It has sold something that no other server knows of.
$primary->start;
$primary->safe_psql('postgres', "SELECT ticket_buy('T', 'S1', 'S5', 99, date '$day' + 2, 'second')");
$primary->stop('fast');
$standby->safe_psql('postgres', 'CHECKPOINT');
my $conf = $primary->data_dir . '/postgresql.conf';
my $kept = PostgreSQL::Test::Utils::tempdir() . "/postgresql.conf";    # the rewind takes over the other one's
File::Copy::copy($conf, $kept) or die $!;
command_ok([ 'pg_rewind', '--source-server', $standby->connstr('postgres'), '--target-pgdata', $primary->data_dir, '--no-sync' ], 'pg_rewind');
File::Copy::copy($kept, $conf) or die $!;
$primary->enable_streaming($standby);
$primary->set_standby_mode;
$primary->start;
catch_up($standby, $primary);
($primary, $standby) = ($standby, $primary);
both(q{SELECT d.service_date, m.* FROM ticket_departure d, ticket_remaining_matrix(d.train, d.service_date, NULL) m},
	'the old primary follows the new one');
is($standby->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'and ticket_verify agrees');

# And the other way round, without a crash; and without the worker that discards what is in memory
# at a promotion, as in the moment before it does so.
for my $node ($primary, $standby)
{
	$node->append_conf('postgresql.conf', 'max_worker_processes = 0');
	$node->restart;
	# A standby may not have lower settings than the server it replays.
	$primary->safe_psql('postgres', 'CHECKPOINT');
	catch_up($primary, $standby);
}
fail_over($primary, $standby, $primary->safe_psql('postgres', "SELECT date '$day' + 2"), 0);
is($standby->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id = 99"), '0', 'what the new primary never knew is gone');
$standby->stop;
done_testing();
