# Random formations for a departure, one after the other, while its tickets and quotas live on and
# memory is short. After each ticket_reform plain SQL judges it by the rows: who keeps a seat, who
# was first, who finds none, what quotas keep. TICKETPOOL_SEED replays a run, TICKETPOOL_OPS sets
# its length.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $operations = $ENV{TICKETPOOL_OPS} // 2500;
my ($day, $stops) = (DAY, 8);
my $node = new_server('reform_model', conf => "ticketpool.memory = 2MB\nmax_prepared_transactions = 5");
make_train($node, 'postgres', 'T1', $stops);
make_train($node, 'postgres', 'T2', 6, 'R');
make_formation($node, 'postgres', 'big', 40000);
open_departures($node, 'postgres', 'T2', 'big', 20);

sub any { return $_[ rand @_ ] }

# Ten formations of one kit: the same coaches and seats come again in another class, or with fewer
# seats, or with places instead.
my @formations = map { "f$_" } 0 .. 9;
for my $formation (@formations)
{
	my %rows;
	for my $coach (grep { rand() < 0.6 } 1 .. 5)
	{
		for my $class (rand() < 0.3 ? ('first', 'second') : any('first', 'second', 'second'))
		{
			my $letters = $class eq 'first' ? 'ACDF' : 'ABCDF';
			my @seats = map { my $row = $_; map { "$row$_" } split //, $letters } ($class eq 'first' ? (1 .. 1 + int rand 2) : (3 .. 3 + int rand 3));
			$rows{"$coach $class"} = [ "'{" . join(',', @seats) . "}'", 'NULL' ];
		}
	}
	$rows{"$_ " . any('stand', 'second')} = [ 'NULL', 1 + int rand 6 ] for grep { rand() < 0.5 } 6 .. 8;
	$rows{'1 second'} //= [ "'{3A,3B,3C,3D,3F}'", 'NULL' ];
	my @values = map { my ($coach, $class) = split / /; "('$formation', '0$coach', '$class', " . join(', ', @{ $rows{$_} }) . ')' } sort keys %rows;
	$node->safe_psql('postgres', 'INSERT INTO ticket_formation (formation, coach, seat_class, seats, places) VALUES ' . join(', ', @values));
}
open_departures($node, 'postgres', 'T1', 'f0', 1);

# The judge. `before_t` and `before_q` are the rows before the call, `result` is what it returned.
$node->safe_psql('postgres', q{
	CREATE VIEW departure AS SELECT * FROM ticket_departure WHERE train = 'T1';
	CREATE VIEW tickets AS SELECT o.* FROM ticket_order o JOIN departure USING (departure_id, service_date);
	CREATE VIEW live AS SELECT * FROM tickets WHERE status IN ('held', 'sold');
	CREATE VIEW quotas AS SELECT r.* FROM ticket_reservation r JOIN departure USING (departure_id, service_date) WHERE r.status = 'open';
	CREATE VIEW seats AS SELECT seat_class, coach, seat FROM departure JOIN ticket_layout_coach USING (layout_id), unnest(seats) AS seat;
	CREATE VIEW coaches AS SELECT seat_class, coach, places FROM departure JOIN ticket_layout_coach USING (layout_id) WHERE places > 0;
	CREATE TABLE before_t AS SELECT * FROM tickets;
	CREATE TABLE before_q AS SELECT * FROM quotas;
	CREATE TABLE result (order_id bigint, ticket_no int, seat_class text, old_coach text, old_seat text, new_coach text, new_seat text, outcome text);
	CREATE FUNCTION note() RETURNS void LANGUAGE sql AS $$
		DELETE FROM before_t; DELETE FROM before_q; DELETE FROM result;
		INSERT INTO before_t SELECT * FROM tickets; INSERT INTO before_q SELECT * FROM quotas; $$;
	CREATE FUNCTION rows_now() RETURNS text LANGUAGE sql AS $$
		SELECT concat(formation, ' ', (SELECT md5(string_agg(t::text, ' ' ORDER BY order_id, ticket_no)) FROM tickets t),
			(SELECT md5(string_agg(q::text, ' ' ORDER BY reservation_id)) FROM quotas q)) FROM departure $$;
	CREATE FUNCTION judge(wanted text, mode text) RETURNS SETOF text LANGUAGE sql AS $$
		WITH seats AS MATERIALIZED (SELECT * FROM seats), coaches AS MATERIALIZED (SELECT * FROM coaches), quotas AS MATERIALIZED (SELECT * FROM quotas),
		tickets AS MATERIALIZED (SELECT * FROM tickets),
		after AS MATERIALIZED (SELECT t.*, r.outcome, r.order_id IS NULL AS kept, t.to_stop - t.from_stop AS length
			FROM tickets t LEFT JOIN result r USING (order_id, ticket_no)),
		changed AS (SELECT b.order_id, b.ticket_no FROM before_t b JOIN tickets t USING (order_id, ticket_no)
			WHERE (b.coach, b.seat, b.status) IS DISTINCT FROM (t.coach, t.seat, t.status)),
		taken AS MATERIALIZED (SELECT * FROM after WHERE status IN ('held', 'sold')),
		unseated AS MATERIALIZED (SELECT b.*, b.to_stop - b.from_stop AS length FROM result r JOIN before_t b USING (order_id, ticket_no) WHERE outcome <> 'moved')
		SELECT 'the formation is ' || formation FROM departure WHERE formation <> wanted
		UNION ALL SELECT 'a ticket is gone or new' FROM before_t b FULL JOIN tickets t USING (order_id, ticket_no) WHERE b.order_id IS NULL OR t.order_id IS NULL
		UNION ALL SELECT 'another column has changed, or a ticket that is over' FROM before_t b JOIN tickets t USING (order_id, ticket_no)
			WHERE to_jsonb(b) - '{coach,seat,status,changed_at}'::text[] <> to_jsonb(t) - '{coach,seat,status,changed_at}'::text[]
				OR b.status NOT IN ('held', 'sold') AND b IS DISTINCT FROM t
		UNION ALL SELECT 'not listed, or listed for nothing' FROM result FULL JOIN changed c USING (order_id, ticket_no) WHERE result.order_id IS NULL OR c.order_id IS NULL
		UNION ALL SELECT 'wrongly listed: ' || r::text FROM result r JOIN before_t b USING (order_id, ticket_no) JOIN tickets t USING (order_id, ticket_no)
			WHERE (old_coach, old_seat, r.seat_class) IS DISTINCT FROM (b.coach, b.seat, b.seat_class) OR CASE outcome
				WHEN 'moved' THEN t.status <> b.status OR (new_coach, new_seat) IS DISTINCT FROM (t.coach, t.seat)
				ELSE mode = 'refuse' OR outcome <> CASE b.status WHEN 'sold' THEN 'refunded' ELSE 'cancelled' END OR t.status <> outcome
					OR num_nonnulls(new_coach, new_seat) > 0 OR (t.coach, t.seat) IS DISTINCT FROM (b.coach, b.seat) END
		UNION ALL SELECT format('a seat that there is not: %s/%s', coach, seat) FROM taken WHERE seat IS NOT NULL AND (seat_class, coach, seat) NOT IN (SELECT * FROM seats)
		UNION ALL SELECT format('a coach that there is not: %s', coach) FROM taken WHERE seat IS NULL AND (seat_class, coach) NOT IN (SELECT seat_class, coach FROM coaches)
		UNION ALL SELECT format('has moved from a seat that there is: %s/%s', old_coach, old_seat) FROM result WHERE (seat_class, old_coach, old_seat) IN (SELECT * FROM seats)
		UNION ALL SELECT format('has left coach %s, which has places', old_coach) FROM result r JOIN before_t b USING (order_id, ticket_no)
				JOIN coaches c ON c.seat_class = r.seat_class AND c.coach = r.old_coach
			WHERE old_seat IS NULL AND NOT EXISTS (SELECT FROM generate_series(b.from_stop, b.to_stop - 1) s WHERE c.places <=
				(SELECT count(*) FROM taken t WHERE t.seat IS NULL AND t.coach = c.coach AND t.seat_class = c.seat_class AND s >= t.from_stop AND s < t.to_stop))
		-- Nobody shorter who has moved is on every seat
		UNION ALL SELECT format('no seat for %s/%s, though %s/%s was free for it', u.order_id, u.ticket_no, s.coach, s.seat) FROM unseated u JOIN seats s USING (seat_class)
			WHERE NOT EXISTS (SELECT FROM taken t WHERE (t.seat_class, t.coach, t.seat) = (s.seat_class, s.coach, s.seat)
				AND t.from_stop < u.to_stop AND u.from_stop < t.to_stop AND (t.kept OR t.length >= u.length))
		UNION ALL SELECT format('no place for %s/%s, though coach %s had one for it', u.order_id, u.ticket_no, c.coach) FROM unseated u JOIN coaches c USING (seat_class)
			WHERE NOT EXISTS (SELECT FROM generate_series(u.from_stop, u.to_stop - 1) s WHERE c.places <= (SELECT count(*) FROM taken t
				WHERE t.seat IS NULL AND (t.seat_class, t.coach) = (c.seat_class, c.coach) AND s >= t.from_stop AND s < t.to_stop AND (t.kept OR t.length >= u.length)))
		UNION ALL SELECT 'a quota has grown, or its seats are not those listed' FROM before_q b JOIN quotas q USING (reservation_id)
			WHERE q.seats > b.seats OR q.seats <> cardinality(q.seat_list) OR cardinality(q.seat_list) <> (SELECT count(DISTINCT s) FROM unnest(q.seat_list) s)
				OR to_jsonb(b) - '{seats,seat_list}'::text[] <> to_jsonb(q) - '{seats,seat_list}'::text[]
		UNION ALL SELECT format('a quota has seat %s', s) FROM quotas q, unnest(seat_list) s
			WHERE NOT EXISTS (SELECT FROM seats x WHERE x.seat_class = q.seat_class AND x.coach || '/' || x.seat = s)
				OR EXISTS (SELECT FROM taken t WHERE t.seat_class = q.seat_class AND t.coach || '/' || t.seat = s AND t.from_stop < q.to_stop AND q.from_stop < t.to_stop
					AND NOT (t.from_stop >= q.from_stop AND t.to_stop <= q.to_stop))
				OR EXISTS (SELECT FROM quotas o WHERE o.reservation_id <> q.reservation_id AND o.seat_class = q.seat_class AND s = ANY (o.seat_list) AND o.from_stop < q.to_stop AND q.from_stop < o.to_stop)
		-- Only a ticket that was not sold from the quota takes a seat from it; an unnumbered one never was
		UNION ALL SELECT format('a quota has lost seat %s', s) FROM before_q b LEFT JOIN quotas q USING (reservation_id), unnest(b.seat_list) s
			JOIN seats x ON x.coach || '/' || x.seat = s
			WHERE x.seat_class = b.seat_class AND (s = ANY (q.seat_list)) IS NOT TRUE
				AND NOT EXISTS (SELECT FROM taken t JOIN before_t o USING (order_id, ticket_no) WHERE t.seat_class = b.seat_class AND t.coach || '/' || t.seat = s
					AND t.from_stop < b.to_stop AND b.from_stop < t.to_stop
					AND (o.coach || '/' || o.seat = ANY (b.seat_list) AND o.from_stop >= b.from_stop AND o.to_stop <= b.to_stop) IS NOT TRUE)
		UNION ALL SELECT format('a quota has shrunk, though %s/%s is free', x.coach, x.seat) FROM before_q b LEFT JOIN quotas q USING (reservation_id) JOIN seats x ON x.seat_class = b.seat_class
			WHERE coalesce(q.seats, 0) < b.seats
				AND NOT EXISTS (SELECT FROM taken t WHERE (t.seat_class, t.coach, t.seat) = (x.seat_class, x.coach, x.seat) AND t.from_stop < b.to_stop AND b.from_stop < t.to_stop)
				AND NOT EXISTS (SELECT FROM quotas o WHERE o.seat_class = b.seat_class AND x.coach || '/' || x.seat = ANY (o.seat_list) AND o.from_stop < b.to_stop AND b.from_stop < o.to_stop)
	$$});

my ($step, @trouble, %count);
my $session = session($node, 'postgres', verbosity => 'default');
my $other = session($node);
my $refusal;
# The savepoints of the open transaction, with the rows as they were there; and whether it has reformed.
my @open;

sub trouble
{
	my ($what) = @_;
	push @trouble, "step $step: $what";
	diag($trouble[-1]) if @trouble <= 5;
	return;
}

# Runs a statement that may be refused with one of the SQLSTATEs. Returns its output, undef if it was refused.
sub try_sql
{
	my ($name, $sql, @refused) = @_;
	$session->run('SAVEPOINT step') if @open;
	my $output = $session->run($sql);
	return $count{$name}++, $output if $session->is_ok;
	my ($state, $text) = ($session->sqlstate, $session->output);
	trouble("$sql: $state $text") unless grep { $_ eq $state } @refused;
	$refusal = $text;
	$count{"$name $state"}++;
	$session->run('ROLLBACK TO step') if @open;
	return;
}

sub run { my ($sql) = @_; my $output = $session->run($sql); trouble("$sql: " . $session->output) unless $session->is_ok; return $output }
sub rows_now { return run('SELECT rows_now()') }
sub trip { my ($from, $to) = sort { $a <=> $b } 1 + int rand $stops, 1 + int rand $stops; return $from < $to ? ($from, $to) : (1, $stops) }
sub some_order { my ($where) = @_; return run("SELECT order_id FROM tickets WHERE $where ORDER BY random() LIMIT 1") }

my @may = ('TK003', 'TK006', 'TK002', '22023');
my %steps = (
	buy => sub {
		my ($from, $to) = trip();
		my $function = any('ticket_buy', 'ticket_buy', 'ticket_hold');
		my $passengers = join ',', 1 .. any(1, 1, 2, 3, 5);
		my $channel = any('NULL', 'NULL', "'web'", "'agency'");
		try_sql('buy', "SELECT count(*) FROM $function('T1', 'S$from', 'S$to', 1, '$day', '" . any('first', 'second', 'second', 'stand') . "', ARRAY[$passengers], channel => $channel)", @may);
	},
	pay => sub { my $order = some_order("status = 'held'") or return; try_sql('pay', "SELECT count(*) FROM ticket_confirm($order)", 'TK003', 'TK005') },
	cancel => sub { my $order = some_order("status = 'held'") or return; try_sql('cancel', "SELECT count(*) FROM ticket_cancel($order" . any('', ', ARRAY[1]') . ')', 'TK005') },
	refund => sub { my $order = some_order("status = 'sold'") or return; try_sql('refund', "SELECT count(*) FROM ticket_refund($order" . any('', ', ARRAY[1]') . ')', 'TK005') },
	change => sub {
		my ($from, $to) = trip();
		my $order = some_order("status = 'sold'") or return;
		try_sql('change', "SELECT count(*) FROM ticket_change($order, 'T1', 'S$from', 'S$to', '$day')", @may, 'TK005');
	},
	reseat => sub { my $order = some_order("status IN ('held', 'sold')") or return; try_sql('reseat', "SELECT count(*) FROM ticket_reseat($order)", 'TK003', 'TK005') },
	reserve => sub {
		my ($from, $to) = trip();
		return if run('SELECT count(*) FROM quotas') > 5;
		try_sql('reserve', "SELECT ticket_reserve('T1', '$day', '" . any('first', 'second') . "', '" . any('web', 'agency') . "', " . (1 + int rand 4) . ", 'S$from', 'S$to')", @may);
	},
	recycle => sub { my $id = run('SELECT reservation_id FROM quotas ORDER BY random() LIMIT 1') or return; try_sql('recycle', "SELECT ticket_recycle($id)") },
	# A hold that runs out, and is paid late, perhaps after a reform
	expire => sub {
		return if @open;
		my ($from, $to) = trip();
		my ($order) = split /\n/, try_sql('expire', "SELECT order_id FROM ticket_hold('T1', 'S$from', 'S$to', 1, '$day', 'second', ARRAY[1, 2], ttl => '1 ms')", @may) // '';
		await(sub { run('SELECT ticket_sweep()'); run("SELECT count(*) FROM tickets WHERE order_id = $order AND status = 'held'") eq '0' }) if $order;
	},
	late => sub { my $order = some_order("status = 'expired'") or return; try_sql('late', "SELECT count(*) FROM ticket_confirm($order)", 'TK003') },
	# By hand: a ticket moves to a seat of the formation, which may be taken
	by_hand => sub {
		try_sql('by hand', q{UPDATE ticket_order o SET coach = s.coach, seat = s.seat FROM (SELECT * FROM live WHERE seat IS NOT NULL ORDER BY random() LIMIT 1) t
			JOIN LATERAL (SELECT * FROM seats s WHERE s.seat_class = t.seat_class ORDER BY random() LIMIT 1) s ON true
			WHERE (o.order_id, o.ticket_no, o.service_date) = (t.order_id, t.ticket_no, t.service_date)}, 'TK003', '23P01', '23514');
	},
	skip => sub { my $stop = 2 + int rand($stops - 2); try_sql('skip', "SELECT count(*) FROM ticket_skip_stop('T1', '$day', 'S$stop')") },
	retime => sub { try_sql('retime', "SELECT ticket_retime('T1', '$day')") },
	# Departures that are larger than the memory of all: what nobody uses is evicted
	evict => sub { $other->run("SELECT sum(ticket_remaining('T2', 'R1', 'R6', date '$day' + n)) FROM generate_series(0, 19) n"); trouble($other->output) unless $other->is_ok; $count{evict}++ },
	begin => sub {
		return if @open > 3;
		run(@open ? 'SAVEPOINT s' . @open : 'BEGIN');
		push @open, rows_now();
	},
	end => sub {
		return unless @open;
		my $level = @open - 1;
		my $before = pop @open;
		my $undo = rand() < 0.5;
		run($level > 0 ? ($undo ? "ROLLBACK TO s$level; RELEASE s$level" : "RELEASE s$level") : ($undo ? 'ROLLBACK' : 'COMMIT'));
		trouble('a rollback has left something') if $undo && rows_now() ne $before;
		$count{ $undo ? 'rolled back' : 'committed' }++;
	},
	reform => \&reform);

sub reform
{
	my $formation = any(@formations);
	run('SELECT note()');
	my $before = rows_now();
	my $call = "INSERT INTO result SELECT * FROM ticket_reform('T1', '$day', '$formation'";
	my $done = defined try_sql('reform', "$call)", 'TK007', 'TK003');
	if (!$done)
	{
		my ($detail) = $refusal =~ /Without a seat: (.*)\./ or return;
		trouble('TK007 has changed something') if rows_now() ne $before;
		return if rand() < 0.3;
		return unless defined try_sql('reform with refunds', "$call, 'refund')", 'TK003');
		my $unseated = run(q{SELECT string_agg(format('%s of class "%s"', n, seat_class), ', ' ORDER BY seat_class)
			FROM (SELECT seat_class, count(*) AS n FROM result WHERE outcome <> 'moved' GROUP BY 1) s});
		my $said = join ', ', sort { (split /"/, $a)[1] cmp (split /"/, $b)[1] } split /, /, $detail;
		trouble("TK007 said $said, and there were $unseated") if $said ne $unseated;
	}
	my $problems = run("SELECT * FROM judge('$formation', '" . ($done ? 'refuse' : 'refund') . "') LIMIT 3");
	trouble("reform to $formation: $problems") if $problems ne '';
	$count{"outcome $_"}++ for split /\n/, run('SELECT DISTINCT outcome FROM result');
	$count{'a quota shrank'}++ if run('SELECT count(*) FROM before_q b LEFT JOIN quotas q USING (reservation_id) WHERE coalesce(q.seats, 0) < b.seats') ne '0';
	return;
}

my @names = (('buy') x 8, ('pay') x 3, 'cancel', ('refund') x 2, 'change', 'reseat', ('reserve') x 2, 'recycle', 'expire', 'late', ('by_hand') x 2, 'skip', 'retime', ('evict') x 2,
	('begin') x 2, ('end') x 3, ('reform') x 4);
for (1 .. $operations)
{
	$step = $_;
	$steps{ any(@names) }->();
	last if @trouble > 20;
	trouble('ticket_verify: ' . $other->output) if $step % 50 == 0 && ($other->run('SELECT * FROM ticket_verify()') ne '' || !$other->is_ok);
	run("DELETE FROM ticket_order WHERE status NOT IN ('held', 'sold', 'expired')") if $step % 100 == 0 && !@open;
	next if $step % 500 != 0 || @open;
	agrees($node, 'postgres', "step $step", "d.train = 'T1'");
}
$steps{end}->() while @open;
agrees($node, 'postgres', 'at the end', "d.train = 'T1'");
is(join("\n", @trouble), '', 'each reform was as its rows say');
note(join ', ', map { "$_ $count{$_}" } sort keys %count);
cmp_ok($count{$_} // 0, '>', 0, "there was: $_")
	for 'reform', 'reform with refunds', 'reform TK007', 'outcome moved', 'outcome refunded', 'outcome cancelled', 'a quota shrank', 'buy', 'buy TK003', 'late', 'by hand', 'evict', 'rolled back', 'committed';

done_testing();
