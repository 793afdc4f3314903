# A sold-out train gets other rolling stock again and again while it is sold, refunded, held and
# looked at: no seat twice, no ticket lost. Then the session that does it is killed at each step.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use Time::HiRes qw(time);

my $seed = seed();
my $day = DAY;
my $node = new_server('reform', streaming => 1);
make_train($node, 'postgres', 'T1', 6);
make_train($node, 'postgres', 'T2', 6);
# 1,200 seats in twelve coaches; one of the others has other coaches, one only half of the same.
make_formation($node, 'postgres', 'old', 1200);
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'new', 'N' || coach, seat_class, seats FROM ticket_formation WHERE formation = 'old';
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) SELECT 'half', CASE WHEN coach < '007' THEN coach ELSE 'H' || coach END, seat_class, seats
		FROM ticket_formation WHERE formation = 'old'});
open_departures($node, 'postgres', 'T1', 'old', 2);
open_departures($node, 'postgres', 'T2', 'old', 1);
$node->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 300) i, ticket_buy('T1', 'S1', 'S6', 100000 + i, '$day', passengers => ARRAY[1, 2, 3]);
	SELECT count(*) FROM generate_series(1, 300) i, ticket_buy('T1', 'S1', 'S6', 200000 + i, '$day');
	SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id > 200250) o, ticket_refund(o.order_id)});
is($node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S6', '$day')"), '50', 'the train is sold out, except what the customers fight for');

# Buys, holds, pays, cancels and refunds on the train and on others. The log: s ORDER, and e ORDER
# when it is over, once each.
my $over_file = $node->basedir . '/over';
sub customer
{
	my ($number, $log) = @_;
	my $session = session($node);
	return look($number, $session) if $number >= 16;
	my @orders;
	until (-e $over_file)
	{
		my $begun = time;
		my $train = rand() < 0.7 ? 'T1' : 'T2';
		my ($from, $to) = sort { $a <=> $b } (1 + int rand 3, 4 + int rand 3);
		my $function = rand() < 0.5 ? 'ticket_buy' : 'ticket_hold';
		my ($order) = split /\n/, $session->run("SELECT order_id FROM $function('$train', 'S$from', 'S$to', $number, '$day')");
		die $session->output unless $session->is_ok || $session->sqlstate eq 'TK003';
		die 'another train is being changed' if !$session->is_ok && $train eq 'T2';
		printf $log "waited %.0f\n", 1000 * (time - $begun);
		print $log "changed\n" unless $session->is_ok;
		print $log "s $order\n" if $session->is_ok && $order;
		push @orders, [ $order, $function ] if $session->is_ok && $order;
		next if @orders < 3;
		my ($id, $how) = @{ splice @orders, rand @orders, 1 };
		if ($how eq 'ticket_hold')
		{
			my $end = rand() < 0.5 ? 'ticket_confirm' : 'ticket_cancel';
			$session->run("SELECT status FROM $end($id)");
			die "$end: " . $session->output unless $session->is_ok;
			print $log "e $id\n" if $end eq 'ticket_cancel';
			next if $end eq 'ticket_cancel';
		}
		$session->run("SELECT status FROM ticket_refund($id)");
		die 'refund: ' . $session->output unless $session->is_ok;
		print $log "e $id\n";
	}
	return;
}

# Those who only look: the proof, which may run at any time, the seats, and holds that run out.
sub look
{
	my ($number, $session) = @_;
	my $what = (
		"SELECT * FROM ticket_verify((SELECT departure_id FROM ticket_departure WHERE train = 'T1' AND service_date = '$day'))",
		"SELECT count(*) FROM ticket_places('T1', 'S1', 'S6', '$day') HAVING count(*) <> 1200",
		"SELECT count(*) FROM ticket_hold('T1', 'S1', 'S6', $number, '$day', ttl => '50 ms') HAVING count(*) > 1")[ $number - 16 ];
	until (-e $over_file)
	{
		my $found = $session->run($what);
		select(undef, undef, undef, 0.02);
		die "$what: $found" unless $session->is_ok && $found eq '' || $number == 18 && $session->sqlstate eq 'TK003';
	}
	return;
}

my $workers = start_workers(19, \&customer);
ok(await(sub { 100 <= grep { /waited/ } log_lines($workers) }), 'customers are at work');
ok(await(sub { 50 <= grep { /s \d/ } log_lines($workers) }), 'and have tickets');
my ($moved, $rounds, @took) = (0, 0);
for my $formation (('new', 'old', 'half') x 3)
{
	my $begun = time;
	$moved += $node->safe_psql('postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', '$formation')");
	push @took, sprintf '%.0f', 1000 * (time - $begun);
	$rounds++;
	my $sold = grep { / s / } log_lines($workers);
	ok(await(sub { grep({ / s / } log_lines($workers)) > $sold + 10 }), "$formation: the sale goes on") if $rounds % 3 == 0;
}
append_to_file($over_file, 'yes');
ok(wait_workers($workers), 'nobody met another error');
cmp_ok($moved, '>', 5000, 'tickets have moved');
my (%live, $sold);
for (map { /^\d+ (.*)/ } log_lines($workers))
{
	$live{$1} = 1, $sold++ if /^s (\d+)/;
	delete $live{$1} if /^e (\d+)/;
}
note("$sold tickets sold, $moved moved; the calls of ticket_reform took @took ms");
my ($longest) = sort { $b <=> $a } map { /waited (\d+)/ } log_lines($workers);
note("the longest purchase took $longest ms");
my $ids = join ',', keys %live;
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE order_id = ANY ('{$ids}') AND status IN ('held', 'sold')"), scalar(keys %live), 'each customer has the tickets that were not given back');
ok(becomes_true($node, 'postgres', "SELECT count(*) > 0 AND bool_and(status = 'expired') FROM ticket_order WHERE user_id = 18"), 'holds have run out, some of them on new seats');
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id < 16 AND status IN ('held', 'sold')"), scalar(keys %live), 'and no others');
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT (order_id, ticket_no)) FROM ticket_order WHERE user_id > 100000 AND status = 'sold'"), '1150|1150', 'nobody who was there has lost a ticket');
settles($node, 'postgres', 'rush');
agrees($node, 'postgres', 'rush', "d.train = 'T1'");

# The session that does it ends at each step: nothing of it remains, or all.
sub state { return $node->safe_psql('postgres', "SELECT formation, md5(string_agg(concat_ws('/', order_id, ticket_no, coach, seat, o.status), ' ' ORDER BY order_id, ticket_no)) FROM ticket_departure d JOIN ticket_order o USING (departure_id) WHERE train = 'T1' AND d.service_date = '$day' GROUP BY formation") }
my $reforming = "query LIKE '%ticket_reform(''T1''%' AND pid <> pg_backend_pid()";
my $waits = sub { my ($condition) = @_; becomes_true($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE ($reforming OR query LIKE 'COMMIT%') AND $condition") };
$node->safe_psql('postgres', q{
	CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF new.user_id = 200010 THEN PERFORM pg_advisory_xact_lock_shared(1); END IF; RETURN new; END $$;
	CREATE FUNCTION wait_there() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF new.formation <> old.formation THEN PERFORM pg_advisory_xact_lock_shared(2); END IF; RETURN new; END $$;
	CREATE TRIGGER wait_here BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION wait_here();
	CREATE TRIGGER wait_there BEFORE UPDATE ON ticket_departure FOR EACH ROW EXECUTE FUNCTION wait_there()});
my %steps = (
	# a purchase that is not decided keeps it waiting
	'waiting for claims' => [ "SELECT count(*) FROM (SELECT order_id FROM ticket_order WHERE user_id = 200003) o, ticket_refund(o.order_id)", "wait_event = 'virtualxid'" ],
	# somebody writes a ticket's row, but has not used the pool
	'waiting for a row' => [ "SELECT count(*) FROM (SELECT FROM ticket_order WHERE user_id = 200001 AND status = 'sold' FOR UPDATE) o", "wait_event_type = 'Lock'" ],
	'some tickets are written' => [ 'SELECT pg_advisory_xact_lock(1)', "wait_event = 'advisory'" ],
	'all tickets are written' => [ 'SELECT pg_advisory_xact_lock(2)', "wait_event = 'advisory'" ],
	'written' => [ undef, "state = 'idle in transaction'" ]);
$node->safe_psql('postgres', "SELECT ticket_refund(order_id) FROM ticket_order WHERE user_id = 200002 AND status = 'sold'");
for my $step (sort keys %steps)
{
	my ($first, $condition) = @{ $steps{$step} };
	my $before = state();
	for my $end ('pg_terminate_backend', 'kill -9')
	{
		my ($other, $staff) = map { session($node) } 1 .. 2;
		$other->run($_) for 'BEGIN', $first // 'SELECT 1';
		$staff->run('BEGIN');
		$staff->send("SELECT count(*) FROM ticket_reform('T1', '$day', 'new')");
		ok($waits->($condition), "$step: it is there");
		kill_9_of($node, $reforming) if $end eq 'kill -9';
		$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE $reforming") if $end ne 'kill -9';
		$other->run('ROLLBACK');
		is(state(), $before, "$step, $end: nothing has changed");
		is($node->safe_psql('postgres', "BEGIN; SELECT count(*) FROM ticket_buy('T1', 'S1', 'S6', 1, '$day'); ROLLBACK"), '1', "$step, $end: the train is sold again");
		agrees($node, 'postgres', "$step, $end", "d.train = 'T1'");
	}
}

# Killed between the commit on disk and the one in memory: that is the time in which a commit waits for a standby.
$node->safe_psql('postgres', q{DROP TRIGGER wait_here ON ticket_order; DROP TRIGGER wait_there ON ticket_departure});
$node->safe_psql('postgres', $_) for "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", 'SELECT pg_reload_conf()';
ok(becomes_true($node, 'postgres', "SELECT current_setting('synchronous_standby_names') = 'nobody'"), 'commits wait');
my $staff = session($node);
$staff->run("BEGIN; CREATE TEMP TABLE moved AS SELECT * FROM ticket_reform('T1', '$day', 'new')");
is($staff->run("SELECT count(*) > 0 AND bool_and(t.coach = m.new_coach AND t.seat = m.new_seat) FROM moved m JOIN ticket_order t USING (order_id, ticket_no)"), 't', 'tickets are elsewhere');
my $written = $staff->run("SELECT formation, md5(string_agg(concat_ws('/', order_id, ticket_no, coach, seat, o.status), ' ' ORDER BY order_id, ticket_no)) FROM ticket_departure d JOIN ticket_order o USING (departure_id) WHERE train = 'T1' AND d.service_date = '$day' GROUP BY formation");
$staff->send('COMMIT');
ok($waits->("wait_event = 'SyncRep'"), 'the commit is on disk');
like(state(), qr/^old|^half/, 'and nobody sees it');
kill_9_of($node, "wait_event = 'SyncRep'");
$node->adjust_conf('postgresql.auto.conf', 'synchronous_standby_names', undef);
$node->reload;
is(state(), $written, 'after the crash it is there, all of it');
agrees($node, 'postgres', 'killed in the commit', "d.train = 'T1'");
$node->safe_psql('postgres', "SELECT count(*) FROM ticket_reform('T1', '$day', 'old')");
my $after = state();
isnt($after, $written, 'another one');
stop_and_start($node, 'immediate');
is(state(), $after, 'a reform that is committed survives a crash');
agrees($node, 'postgres', 'after a crash', "d.train = 'T1'");

done_testing();
