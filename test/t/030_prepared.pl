# PREPARE TRANSACTION after everything that changes the pool: until it is decided, whatever happens
# to the server meanwhile, what nobody could have stays so; COMMIT PREPARED and ROLLBACK PREPARED by
# any session then do exactly what COMMIT and ROLLBACK would have done.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $node = new_server('prepared', conf => "max_prepared_transactions = 120\nmax_connections = 140\nticketpool.memory = 2MB");
make_formation($node, 'postgres', 'tiny', 10);
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation (formation, coach, seat_class, seats) VALUES ('f', '1', 'second', '{1A,1B,1C,1D}');
	INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('f', '2', 'standing', 3);
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, 5) n;
	INSERT INTO ticket_stop SELECT 'T' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, 900) t, generate_series(1, 5) n;
	-- What a transaction did, by a name.
	CREATE TABLE noted (train text, date date, name text, id bigint);
	CREATE FUNCTION note(train text, date date, name text, id bigint) RETURNS void LANGUAGE sql AS
		'INSERT INTO noted VALUES ($1, $2, $3, $4)';
	CREATE FUNCTION noted(train text, date date, name text) RETURNS bigint LANGUAGE sql AS
		'SELECT id FROM noted n WHERE (n.train, n.date, n.name) = ($1, $2, $3)';
	CREATE FUNCTION buy(train text, date date, trip text, party int, class text DEFAULT 'second', channel text DEFAULT NULL)
		RETURNS bigint LANGUAGE sql AS
		$$SELECT max(order_id) FROM ticket_buy(train, split_part(trip, '-', 1), split_part(trip, '-', 2), 1, date, class,
			(SELECT array_agg(n::bigint) FROM generate_series(1, party) n), channel => channel)$$;
	CREATE FUNCTION by_hand(train text, date date, seat text, from_stop int, to_stop int) RETURNS void LANGUAGE sql AS
		$$INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach,
			seat, from_stop, to_stop, status, created_at)
		SELECT 1000000000 + d.departure_id, 1, d.departure_id, $2, 1, 1, CASE WHEN $3 IS NULL THEN 'standing' ELSE 'second' END,
			CASE WHEN $3 IS NULL THEN '2' ELSE '1' END, $3, $4, $5, 'sold', now()
		FROM ticket_departure d WHERE (d.train, d.service_date) = ($1, $2)$$;
	-- Left: second class over all and over the second half, for channel a, for channel b; standing over all and the half.
	CREATE FUNCTION state(train text, date date) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN concat_ws(' ', ticket_remaining(train, 'S1', 'S5', date, 'second'),
			ticket_remaining(train, 'S3', 'S5', date, 'second'), ticket_remaining(train, 'S1', 'S5', date, 'second', 'a'),
			ticket_remaining(train, 'S1', 'S5', date, 'second', 'b'), ticket_remaining(train, 'S1', 'S5', date, 'standing'),
			ticket_remaining(train, 'S3', 'S5', date, 'standing'));
	EXCEPTION WHEN SQLSTATE 'TK001' THEN RETURN 'none';
	END $$;
	-- Of an item: left in all, and inventories on sale.
	CREATE FUNCTION state(item bigint) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN concat_ws(' ', item_remaining(item), (SELECT inventories FROM item_pool WHERE item_id = item));
	EXCEPTION WHEN SQLSTATE 'TK001' THEN RETURN 'none';
	END $$;
	CREATE FUNCTION buy(item bigint, quantity bigint, inventory bigint DEFAULT NULL) RETURNS bigint LANGUAGE sql AS
		'SELECT order_id FROM item_buy($1, 1, $2, inventory_id => $3)';
	CREATE FUNCTION hold(item bigint, quantity bigint) RETURNS bigint LANGUAGE sql AS
		$$SELECT order_id FROM item_hold($1, 1, $2, ttl => '1 day')$$;
	CREATE FUNCTION expire(hold bigint) RETURNS int LANGUAGE sql AS
		'UPDATE item_order SET held_until = clock_timestamp() WHERE order_id = $1; SELECT ticket_sweep()';
	CREATE FUNCTION child(item bigint) RETURNS bigint LANGUAGE sql AS
		'SELECT max(id) FROM item_inventory WHERE item_id = $1 AND parent_id IS NOT NULL'});

# name, what is committed before, what is prepared, and what is left: before the decision, after a
# commit, after a rollback. TD is replaced by train and date. 'before' undef: it depends on which
# seats are chosen; restarted: it differs where the pool was rebuilt.
my $full = '4 4 4 4 3 3';
my $buy = q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 1))};
my $reserve = q{SELECT note(TD, 'q', ticket_reserve(TD, 'second', 'a', 2, 'S1', 'S5'))};
my $buy_a = q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 1, 'second', 'a'))};
my $refund = q{SELECT ticket_refund(noted(TD, 'x'), '{1}')};
my @scenarios = (
	[ 'a purchase', '', $buy, '3 3 3 3 3 3', '3 3 3 3 3 3', $full ],
	[ 'a party', '', q{SELECT buy(TD, 'S1-S3', 3)}, '1 4 1 1 3 3', '1 4 1 1 3 3', $full ],
	[ 'a refund', $buy, $refund, '3 3 3 3 3 3', $full, '3 3 3 3 3 3' ],
	[ 'a refund whose seat is bought again in part', q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 4))},
		qq{$refund; SELECT buy(TD, 'S1-S3', 1)}, '0 0 0 0 3 3', '0 1 0 0 3 3', '0 0 0 0 3 3' ],
	[ 'a hold', '', q{SELECT ticket_hold(T, 'S1', 'S5', 1, D, 'second', ttl => '1 hour')}, '3 3 3 3 3 3', '3 3 3 3 3 3', $full ],
	[ 'a payment', q{SELECT note(TD, 'x', order_id) FROM ticket_hold(T, 'S1', 'S5', 1, D, 'second', ttl => '1 hour')},
		q{SELECT ticket_confirm(noted(TD, 'x'))}, '3 3 3 3 3 3', '3 3 3 3 3 3', '3 3 3 3 3 3' ],
	[ 'a hold given up', q{SELECT note(TD, 'x', order_id) FROM ticket_hold(T, 'S1', 'S5', 1, D, 'second', ttl => '1 hour')},
		q{SELECT ticket_cancel(noted(TD, 'x'))}, '3 3 3 3 3 3', $full, '3 3 3 3 3 3' ],
	[ 'savepoints', $buy, qq{SELECT buy(TD, 'S1-S5', 1); SAVEPOINT a; $refund; SELECT buy(TD, 'S1-S5', 2); ROLLBACK TO a;
		SAVEPOINT b; SELECT buy(TD, 'S1-S5', 1); RELEASE b}, '1 1 1 1 3 3', '1 1 1 1 3 3', '3 3 3 3 3 3' ],
	[ 'a refund in a savepoint, a purchase in another', q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 4))},
		qq{SAVEPOINT a; $refund; RELEASE a; SAVEPOINT b; SELECT buy(TD, 'S1-S3', 1); RELEASE b},
		'0 0 0 0 3 3', '0 1 0 0 3 3', '0 0 0 0 3 3' ],
	[ 'a purchase that is refunded', '', qq{$buy; $refund}, '3 3 3 3 3 3', $full, $full, $full ],
	[ 'an exchange', $buy, q{SELECT ticket_change(noted(TD, 'x'), T, 'S3', 'S5', D, 'second')},
		'3 3 3 3 3 3', '3 3 3 3 3 3', '3 3 3 3 3 3' ],
	[ 'a quota', '', $reserve, '2 2 2 2 3 3', '2 2 4 2 3 3', $full ],
	[ 'a quota and a ticket of it', '', "$reserve; $buy_a", '2 2 2 2 3 3', '2 2 3 2 3 3', $full ],
	[ 'a quota recycled', "$reserve; $buy_a", q{SELECT ticket_recycle(noted(TD, 'q'))}, '2 2 2 2 3 3', '3 3 3 3 3 3', '2 2 3 2 3 3' ],
	[ 'a quota recycled for another', $reserve, q{SELECT ticket_recycle(noted(TD, 'q'));
		SELECT ticket_reserve(TD, 'second', 'b', 4, 'S1', 'S5')}, '0 0 0 0 3 3', '0 0 0 4 3 3', '2 2 4 2 3 3' ],
	[ 'a ticket of a quota', $reserve, $buy_a, '2 2 3 2 3 3', '2 2 3 2 3 3', '2 2 4 2 3 3' ],
	[ 'a ticket of a quota refunded', "$reserve; $buy_a", $refund, '2 2 3 2 3 3', '2 2 4 2 3 3', '2 2 3 2 3 3' ],
	[ 'a quota recycled, its ticket refunded, one bought', "$reserve; $buy_a", qq{$refund; SELECT ticket_recycle(noted(TD, 'q'));
		SELECT buy(TD, 'S1-S3', 1)}, undef, '3 4 3 3 3 3', '2 2 3 2 3 3' ],
	[ 'a place', '', q{SELECT buy(TD, 'S1-S5', 1, 'standing')}, '4 4 4 4 2 2', '4 4 4 4 2 2', $full ],
	[ 'a place refunded and bought again in part', q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 3, 'standing'))},
		qq{$refund; SELECT buy(TD, 'S1-S3', 1, 'standing')}, '4 4 4 4 0 0', '4 4 4 4 0 1', '4 4 4 4 0 0' ],
	[ 'a place paid', q{SELECT note(TD, 'x', order_id) FROM ticket_hold(T, 'S1', 'S5', 1, D, 'standing', ttl => '1 hour')},
		q{SELECT ticket_confirm(noted(TD, 'x'))}, '4 4 4 4 2 2', '4 4 4 4 2 2', '4 4 4 4 2 2' ],
	[ 'a sale closed', '', q{SELECT ticket_close(TD)}, $full, '0 0 0 0 0 0', $full ],
	[ 'a train withdrawn', "$reserve; $buy_a; SELECT buy(TD, 'S1-S5', 1)", q{SELECT ticket_withdraw(TD)},
		'0 0 0 0 0 0', '0 0 0 0 0 0', '1 1 2 1 3 3' ],
	[ 'a ticket written by hand', '', q{SELECT by_hand(TD, '1A', 1, 5)}, '3 3 3 3 3 3', '3 3 3 3 3 3', $full ],
	[ 'a place written by hand', '', q{SELECT by_hand(TD, NULL, 1, 3)}, '4 4 4 4 2 3', '4 4 4 4 2 3', $full ],
	[ 'a ticket moved by hand', q{SELECT by_hand(TD, '1A', 1, 5)},
		q{UPDATE ticket_order SET seat = '1B', from_stop = 3 WHERE status = 'sold' AND departure_id = (SELECT departure_id FROM ticket_departure WHERE (train, service_date) = (TD))},
		'2 2 2 2 3 3', '3 3 3 3 3 3', '3 3 3 3 3 3' ],
	[ 'a ticket deleted by hand', q{SELECT note(TD, 'x', buy(TD, 'S1-S5', 1))},
		q{DELETE FROM ticket_order WHERE service_date = D AND order_id = noted(TD, 'x')}, '3 3 3 3 3 3', $full, '3 3 3 3 3 3' ],
	# Plain quantities: I is replaced by the item, which has 10 units.
	[ 'units bought', 'I', q{SELECT buy(I, 3)}, '7 1', '7 1', '10 1' ],
	[ 'all units bought, in several steps', 'I', q{SELECT buy(I, 3); SAVEPOINT a; SELECT buy(I, 4); RELEASE a; SELECT buy(I, 3)}, '0 1', '0 1', '10 1' ],
	[ 'units in savepoints', 'I', q{SELECT buy(I, 1); SAVEPOINT a; SELECT buy(I, 5); SELECT item_add(I, 7); ROLLBACK TO a; SAVEPOINT b; SELECT buy(I, 2); RELEASE b},
		'7 1', '7 1', '10 1' ],
	[ 'units of a batch', 'I', q{SELECT item_buy_many(ARRAY[ROW(I, 7, 2, NULL, NULL), ROW(I, 8, 3, NULL, NULL)]::item_request[])}, '5 1', '5 1', '10 1' ],
	[ 'units refunded', q{I; SELECT note(TD, 'x', buy(I, 4))}, q{SELECT item_refund(noted(TD, 'x'))}, '6 1', '10 1', '6 1' ],
	[ 'units refunded and bought again in part', q{I; SELECT note(TD, 'x', buy(I, 10))}, q{SELECT item_refund(noted(TD, 'x')); SELECT buy(I, 4)}, '0 1', '6 1', '0 1' ],
	[ 'units bought and refunded', 'I', q{SELECT note(TD, 'x', buy(I, 4)); SELECT item_refund(noted(TD, 'x'))}, '6 1', '10 1', '10 1', '10 1' ],
	[ 'units held', 'I', q{SELECT hold(I, 3)}, '7 1', '7 1', '10 1' ],
	[ 'units held and paid', 'I', q{SELECT item_confirm(hold(I, 3)); SELECT hold(I, 2)}, '5 1', '5 1', '10 1' ],
	[ 'a hold of units paid', q{I; SELECT note(TD, 'x', hold(I, 4))}, q{SELECT item_confirm(noted(TD, 'x'))}, '6 1', '6 1', '6 1' ],
	[ 'a hold of units given up', q{I; SELECT note(TD, 'x', hold(I, 4))}, q{SELECT item_cancel(noted(TD, 'x'))}, '6 1', '10 1', '6 1' ],
	[ 'a hold of units that ran out', q{I; SELECT note(TD, 'x', hold(I, 4))}, q{SELECT expire(noted(TD, 'x'))}, '6 1', '10 1', '6 1' ],
	[ 'units paid late', q{I; SELECT note(TD, 'x', hold(I, 4)); SELECT expire(noted(TD, 'x'))}, q{SELECT item_confirm(noted(TD, 'x'))}, '6 1', '6 1', '10 1' ],
	[ 'units that ran out and were paid late', q{I; SELECT note(TD, 'x', hold(I, 4))}, q{SELECT expire(noted(TD, 'x')); SELECT item_confirm(noted(TD, 'x'))}, '6 1', '6 1', '6 1' ],
	[ 'some units refunded', q{I; SELECT note(TD, 'x', buy(I, 4))}, q{SELECT item_refund(noted(TD, 'x'), 3, '00000000-0000-0000-0000-000000000001')}, '6 1', '9 1', '6 1' ],
	[ 'some units refunded and bought again', q{I; SELECT note(TD, 'x', buy(I, 10))}, q{SELECT item_refund(noted(TD, 'x'), 7); SELECT buy(I, 5); SELECT item_refund(noted(TD, 'x'), 1)}, '0 1', '3 1', '0 1' ],
	[ 'some units of a merged inventory refunded', q{I; SELECT item_split(I, 2); SELECT note(TD, 'x', buy(I, 4, child(I))); SELECT item_merge(child(I))},
		q{SELECT item_refund(noted(TD, 'x'), 3)}, '6 2', '9 2', '6 2' ],
	[ 'units added', 'I', q{SELECT item_add(I, 5)}, '10 1', '15 1', '10 1' ],
	[ 'units added and bought', 'I', q{SELECT item_add(I, 5); SELECT buy(I, 12)}, '3 1', '3 1', '10 1' ],
	[ 'units taken out', q{I; SELECT buy(I, 2)}, q{SELECT item_add(I, -5)}, '3 1', '3 1', '8 1' ],
	[ 'a split', q{I; SELECT buy(I, 3)}, q{SELECT item_split(I, 3)}, '0 1', '7 4', '7 1' ],
	[ 'a split and purchases in it', q{I; SELECT buy(I, 3)}, q{SELECT item_split(I, 2); SELECT buy(I, 3, child(I)); SELECT item_add(I, 2)}, '0 1', '6 3', '7 1', '2 1' ],
	[ 'a split and a merge of it', 'I', q{SELECT item_split(I, 2); SELECT buy(I, 1, child(I)); SELECT item_merge(child(I))}, '0 1', '9 2', '10 1', '4 1' ],
	[ 'a split in a savepoint', 'I', q{SAVEPOINT a; SELECT item_split(I, 2); ROLLBACK TO a; SELECT buy(I, 2)}, '8 1', '8 1', '10 1' ],
	[ 'a merge', q{I; SELECT item_split(I, 2); SELECT buy(I, 2, child(I))}, q{SELECT item_merge(child(I))}, '5 3', '8 2', '8 3' ],
	[ 'units of a merged inventory refunded', q{I; SELECT item_split(I, 2); SELECT note(TD, 'x', buy(I, 2, child(I))); SELECT item_merge(child(I))},
		q{SELECT item_refund(noted(TD, 'x'))}, '8 2', '10 2', '8 2' ],
	[ 'an item opened', '', q{SELECT item_open(N, 10); SELECT buy(N, 4)}, 'none', '6 1', 'none' ],
	[ 'seats and units', 'I', q{SELECT buy(TD, 'S1-S5', 1); SAVEPOINT a; SELECT buy(I, 4); SELECT buy(TD, 'S1-S5', 1); ROLLBACK TO a; SELECT buy(I, 1)}, '9 1', '9 1', '10 1' ],
	[ 'a departure opened', undef, q{SELECT ticket_open(TD, 'f', '2020-01-01'); SELECT buy(TD, 'S1-S5', 1)},
		'none', '3 3 3 3 3 3', 'none' ]);

sub item_of { my ($train, $date) = @_; return ($date =~ tr/-//dr) . substr $train, 1 }

# Expectations about an item are marked by an I; N is an item that does not exist before.
sub with_departure
{
	my ($sql, $train, $date) = @_;
	my $item = item_of($train, $date);
	$sql =~ s/^I\b/SELECT item_open($item, 10)/;
	$sql =~ s/\b[IN]\b/$item/g;
	$sql =~ s/\bTD\b/'$train', date '$date'/g;
	$sql =~ s/\bT\b/'$train'/g;
	$sql =~ s/\bD\b/date '$date'/g;
	return $sql;
}

sub state_of
{
	my ($case) = @_;
	return $node->safe_psql('postgres', $case->{item} ? "SELECT state($case->{item})" : "SELECT state('$case->{train}', '$case->{date}')");
}

# Every scenario twice, to be committed and to be rolled back. Some sessions prepare them in turn:
# each goes on with other departures while it has undecided transactions.
sub prepare_all
{
	my ($date) = @_;
	my @cases;
	my @sessions = map { session($node) } 1 .. 8;
	for my $scenario (@scenarios)
	{
		my ($name, $setup, $work, $before, $commit, $rollback, $restarted) = @$scenario;
		for my $decision ('COMMIT', 'ROLLBACK')
		{
			my $train = 'T' . (1 + @cases);
			my $case = { name => "$name, $decision", train => $train, date => $date, decision => $decision,
				item => join(";", $setup // '', $work) =~ /\b[IN]\b/ ? item_of($train, $date) : undef, before => $before, restarted => $restarted // $before, after => $decision eq 'COMMIT' ? $commit : $rollback };
			$node->safe_psql('postgres', "SELECT ticket_open('$train', '$date', 'f', '2020-01-01')") if defined $setup;
			$node->safe_psql('postgres', with_departure($setup, $train, $date)) if $setup;
			$case->{session} = $sessions[ @cases % @sessions ];
			$case->{session}->run('BEGIN');
			for my $statement (split /;/, with_departure($work, $train, $date))
			{
				$case->{session}->run($statement);
				is($case->{session}->sqlstate, '00000', "$case->{name}: $statement") unless $case->{session}->is_ok;
			}
			$case->{session}->run("PREPARE TRANSACTION '$train'");
			is($case->{session}->sqlstate, '00000', "$case->{name}: is prepared");
			push @cases, $case;
		}
	}
	return @cases;
}

sub check_undecided
{
	my ($label, $which, @cases) = @_;
	my @wrong;
	for my $case (grep { defined $_->{$which} } @cases)
	{
		my $state = state_of($case);
		push @wrong, "$case->{name}: $state, not $case->{$which}" if $state ne $case->{$which};
	}
	is(join("\n", @wrong), '', "$label: nothing is free before the decision that was not");
	is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', "$label: ticket_verify agrees");
	is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', "$label: item_verify agrees");
	return;
}

my $date = DAY;

sub next_date
{
	$date = $node->safe_psql('postgres', "SELECT date '$date' + 1");
	return $date;
}

# More departures than there is room for.
sub crowd
{
	my $crowded = next_date();
	my $evictions = $node->safe_psql('postgres', 'SELECT evictions FROM ticket_pool_stat');
	$node->safe_psql('postgres', qq{
		SELECT count(ticket_open('T' || t, '$crowded', 'tiny', '2020-01-01')) FROM generate_series(1, 900) t;
		SELECT count(ticket_remaining('T' || t, 'S1', 'S5', '$crowded')) FROM generate_series(1, 900) t;
		SELECT count(item_open(t, 10)) FROM generate_series(1, 2000) t WHERE NOT EXISTS (SELECT FROM item_inventory WHERE item_id = t);
		SELECT count(item_remaining(t)) FROM generate_series(1, 2000) t});
	cmp_ok($node->safe_psql('postgres', 'SELECT evictions FROM ticket_pool_stat'), '>', $evictions, 'departures were evicted');
	return 1;
}

my %events = (
	'decided by the same session' => sub { 1 },
	'decided by another session' => sub { $_->{session}->run('SELECT 1') for @_; 1 },
	'decided after the session has gone' => sub { $_->{session}->quit for @_; 1 },
	'decided after others came and went' => \&crowd,
	'decided after a crash' => sub { kill_9_of($node, "backend_type = 'client backend'") },
	'decided after an immediate restart' => sub { $node->stop('immediate'); $node->start; 1 },
	'decided after two restarts' => sub { $node->restart; state_of($_) for @_; $node->stop('immediate'); $node->start; 1 });
for my $label (sort keys %events)
{
	my @cases = prepare_all(next_date());
	check_undecided("$label, at first", 'before', @cases);
	ok($events{$label}->(@cases), "$label: it comes to that");
	my $restarted = $label =~ /crash|restart/;
	check_undecided($label, $restarted ? 'restarted' : 'before', @cases);
	my (undef, undef, $refusal) = $node->psql('postgres', "SELECT ticket_withdraw('$cases[0]{train}', '$cases[0]{date}')", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	is($refusal =~ /55006/ ? 1 : 0, 1,
		"$label: a train with a prepared purchase can't be withdrawn");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM ticket_inflight WHERE pid IS NOT NULL'), '0', "$label: no session has claims");
	cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM ticket_inflight'), '>=', 20, "$label: but prepared transactions");
	my @wrong;
	my @others = $label =~ /same session/ ? () : map { session($node) } 1 .. 8;
	for my $n (0 .. $#cases)
	{
		my $case = $cases[$n];
		my $session = $others[ $n % (@others || 1) ] // $case->{session};
		$session->run("$case->{decision} PREPARED '$case->{train}'");
		push @wrong, "$case->{name}: " . $session->output unless $session->is_ok;
		my $state = state_of($case);
		push @wrong, "$case->{name}: $state, not $case->{after}" if $state ne $case->{after};
	}
	is(join("\n", @wrong), '', "$label: each decision has its effect at once");
	agrees($node, 'postgres', $label);
	in_flight_is_empty($node, 'postgres', $label);
	# What was rolled back with its departure may be opened again.
	my ($opened) = grep { $_->{name} eq 'a departure opened, ROLLBACK' } @cases;
	is($node->safe_psql('postgres', "SELECT ticket_open('$opened->{train}', '$opened->{date}', 'f', '2020-01-01') > 0, state('$opened->{train}', '$opened->{date}')"),
		"t|$full", "$label: a departure whose opening was rolled back can be opened");
}
my $left = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts');
is($left, '0', 'no prepared transaction is left');

# ---------------------------------------------------------------------------------------------------------------------
# What PREPARE carries besides
# ---------------------------------------------------------------------------------------------------------------------
my $session = session($node);
my $other = session($node);
my $late = next_date();
$session->run("SELECT ticket_open('T1', '$late', 'f', '2020-01-01')");

# A twin waits for the prepared one, which has all seats, and gets its rows or sells them again.
for my $decision ('COMMIT', 'ROLLBACK')
{
	my $call = "FROM ticket_buy('T1', 'S1', 'S5', 7, '$late', 'second', '{1,2,3,4}', request_id => md5('$decision')::uuid)";
	$session->run('BEGIN');
	my $first = $session->run("SELECT min(order_id) $call");
	$session->run("PREPARE TRANSACTION 'twin'");
	$other->send("SELECT min(order_id) $call");
	ok(becomes_true($node, 'postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $other->backend),
		"$decision: a second call with the request_id waits for the prepared one");
	$session->run("$decision PREPARED 'twin'");
	my $second = $other->wait;
	like($second, qr/^\d+$/, "$decision: it gets an order");
	is($second eq $first ? 'same' : 'new', $decision eq 'COMMIT' ? 'same' : 'new', "$decision: the same or a new one");
	$session->run("SELECT ticket_refund($second" . ($decision eq 'ROLLBACK' ? ", '{1,2}'" : '') . ')');
}
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE service_date = '$late' AND status = 'sold'"), '2',
	'each seat was sold once');

# The last seats are given back while a buyer waits for something else: it gets them.
$session->run("BEGIN; SELECT buy('T1', '$late', 'S1-S5', 1); SELECT buy('T1', '$late', 'S1-S5', 1); SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'last'");
$other->send("BEGIN; SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 1, '$late', 'second'); SELECT pg_advisory_xact_lock(1); SELECT buy('T1', '$late', 'S1-S5', 2)");
ok(becomes_true($node, 'postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $other->backend), 'a buyer waits');
$session->run("ROLLBACK PREPARED 'last'");
like($other->wait, qr/^0\n.*\n\d+$/s, 'and sees the seats that were rolled back');
$other->run('ROLLBACK');

# Likewise with plain quantities: a buyer that has looked before, and an owner that takes stock out.
my $item = 1;
$session->run("SELECT item_open($item, 10)");
$session->run("BEGIN; SELECT buy($item, 8); SELECT pg_advisory_xact_lock(1); PREPARE TRANSACTION 'last'");
$other->send("BEGIN; SELECT count(*) FROM item_buy($item, 1, 5); SELECT pg_advisory_xact_lock(1); SELECT count(*) FROM item_buy($item, 1, 9); SELECT item_add($item, -1)");
ok(becomes_true($node, 'postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $other->backend), 'a buyer of units waits');
$session->run("ROLLBACK PREPARED 'last'");
is($other->wait, "0\n\n1\n0", 'and gets the units that were rolled back');
$other->run('ROLLBACK');
# A twin waits for the prepared one, which has all units.
for my $decision ('COMMIT', 'ROLLBACK')
{
	my $call = "FROM item_buy($item, 7, 10, md5('$decision')::uuid)";
	$session->run('BEGIN');
	my $first = $session->run("SELECT order_id $call");
	$session->run("PREPARE TRANSACTION 'twin'");
	$other->send("SELECT order_id $call");
	ok(becomes_true($node, 'postgres', "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = " . $other->backend), "$decision: a second call for units waits");
	$session->run("$decision PREPARED 'twin'");
	my $second = $other->wait;
	like($second, qr/^\d+$/, "$decision: it gets an order of units");
	is($second eq $first ? 'same' : 'new', $decision eq 'COMMIT' ? 'same' : 'new', "$decision: it gets the same order or a new one");
	$session->run("SELECT item_refund($second)");
}
# A PREPARE that fails at its end gives units back once, and so does one that finds no room.
for my $expected ('00000', '42710')
{
	$session->run("BEGIN; SELECT buy($item, 3); SELECT item_split($item, 2); PREPARE TRANSACTION 'twice'");
	is($session->sqlstate, $expected, "units: a name can be used once: $expected");
	last if $expected eq '42710';
	$session->run("ROLLBACK PREPARED 'twice'");
	$session->run("BEGIN; SELECT buy($item, 3); PREPARE TRANSACTION 'twice'");
}
is($session->run("SELECT state($item)"), '7 1', 'what could not be prepared is given back once');
$session->run("COMMIT PREPARED 'twice'");
is($session->run("SELECT state($item)"), '7 1', 'the other is committed');
$session->run("SELECT item_add($item, 100000)");
$session->run("BEGIN; SELECT count(buy($item, 1)) FROM generate_series(1, 60000)");
is($session->output, '60000', 'tens of thousands of purchases in a transaction');
$session->run("PREPARE TRANSACTION 'big'");
is($session->sqlstate, '53200', 'do not fit into the memory when it is prepared');
is($session->run("SELECT item_remaining($item)"), '100007', 'and are given back');
$session->run("BEGIN; SELECT count(buy($item, 1)) FROM generate_series(1, 5000); PREPARE TRANSACTION 'many'");
stop_and_start($node, 'immediate');
$_ = session($node) for $session, $other;
is($session->run("SELECT item_remaining($item)"), '95007', 'thousands of undecided purchases are found after a crash');
is($session->run('SELECT * FROM item_verify()'), '', 'item_verify agrees');
# A prepared transaction is decided while another transaction has the item: it is settled all the
# same.
$other->run("BEGIN; SELECT buy($item, 7)");
$session->run("ROLLBACK PREPARED 'many'");
is($session->run("SELECT item_remaining($item)"), '100000', 'they come back');
$other->run('COMMIT');
items_agree($node, 'postgres', 'units');

# Serializable transactions too.
$session->run("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT buy('T1', '$late', 'S1-S5', 1); PREPARE TRANSACTION 'serial'");
is($session->sqlstate, '00000', 'a serializable purchase can be prepared');
$session->run("COMMIT PREPARED 'serial'");
is($session->run("SELECT state('T1', '$late')"), '1 1 1 1 3 3', 'and committed');

# A hold runs out only once it exists; a prepared payment wins against the deadline.
$session->run("BEGIN; SELECT order_id FROM ticket_hold('T1', 'S1', 'S5', 1, '$late', 'standing', ttl => '100 ms'); PREPARE TRANSACTION 'hold'");
my $paid = $other->run("SELECT order_id FROM ticket_hold('T1', 'S1', 'S5', 1, '$late', 'standing', ttl => '1 second')");
$other->run("BEGIN; SELECT status FROM ticket_confirm($paid); PREPARE TRANSACTION 'payment'");
my $brief = $other->run("SELECT order_id FROM ticket_hold('T1', 'S1', 'S5', 1, '$late', 'standing', ttl => '1 second')");
ok(becomes_true($node, 'postgres', "SELECT status = 'expired' FROM ticket_order WHERE order_id = $brief"), 'an unpaid hold runs out');
is($session->run("SELECT ticket_remaining('T1', 'S1', 'S5', '$late', 'standing')"), '1', 'prepared ones do not');
$session->run("COMMIT PREPARED 'hold'");
$session->run("COMMIT PREPARED 'payment'");
ok(becomes_true($node, 'postgres', "SELECT ticket_remaining('T1', 'S1', 'S5', '$late', 'standing') = 2"), 'the committed hold runs out by itself');
is($session->run("SELECT status FROM ticket_order WHERE order_id = $paid"), 'sold', 'the payment stands');

# After a hand-written change, the session that commits has work to do for others, which cannot be
# left to another session.
for my $change ("UPDATE ticket_departure SET closes_at = '2020-01-02'", "UPDATE ticket_departure SET train = 'T9'",
	"DELETE FROM ticket_departure")
{
	my $date = next_date();
	$session->run("SELECT ticket_open('T1', '$date', 'f', '2020-01-01')");
	$session->run("BEGIN; $change WHERE service_date = '$date'; PREPARE TRANSACTION 'change'");
	is($session->sqlstate, '0A000', "$change cannot be prepared");
	is($session->run("SELECT state('T1', '$date')"), $full, 'and leaves nothing behind');
}

# A departure with claims of a prepared transaction stays in memory, and nobody waits for the
# decision.
my $kept = next_date();
$session->run("SELECT ticket_open('T1', '$kept', 'f', '2020-01-01')");
$session->run("BEGIN; SELECT buy('T1', '$kept', 'S1-S5', 1); PREPARE TRANSACTION 'kept'");
$session->run("DELETE FROM ticket_departure WHERE service_date = '$kept'");
is($session->sqlstate, '55006', 'a departure in use by a prepared transaction cannot be deleted');
$session->run("ROLLBACK PREPARED 'kept'");
$session->run("DELETE FROM ticket_departure WHERE service_date = '$kept'");
is($session->sqlstate, '00000', 'it can when that is decided');

# What was changed by hand is loaded again once the prepared transaction on it is decided.
my $anew = next_date();
$session->run("SELECT ticket_open('T1', '$anew', 'f', '2020-01-01')");
$session->run("SELECT ticket_reserve('T1', '$anew', 'second', 'a', 2, 'S1', 'S5')");
$session->run("BEGIN; SELECT buy('T1', '$anew', 'S1-S5', 1); PREPARE TRANSACTION 'anew'");
$session->run("UPDATE ticket_reservation SET channel = 'b' WHERE service_date = '$anew'");
is($session->sqlstate, '00000', 'a quota with a prepared transaction on its departure is changed by hand');
$other->send("SELECT state('T1', '$anew')");
$session->run("COMMIT PREPARED 'anew'");
is($other->wait, '1 1 1 3 3 3', 'who asks meanwhile sees the change and the purchase');

# A PREPARE that fails at its end gives back once. (Places are counted: twice would show.)
my $failing = next_date();
$session->run("SELECT ticket_open('T1', '$failing', 'f', '2020-01-01')");
for my $expected ('00000', '42710')
{
	$session->run("BEGIN; SELECT buy('T1', '$failing', 'S1-S5', 1, 'standing'); PREPARE TRANSACTION 'twice'");
	is($session->sqlstate, $expected, "a name can be used once: $expected");
}
is($session->run("SELECT state('T1', '$failing')"), '4 4 4 4 2 2', 'what could not be prepared is given back once');
$session->run("COMMIT PREPARED 'twice'");
is($session->run("SELECT state('T1', '$failing')"), '4 4 4 4 2 2', 'the other is committed');

# No room for what is to be prepared: an error, and everything is given back.
my $big = next_date();
make_formation($node, 'postgres', 'big', 10_000);
$session->run("SELECT ticket_open('T2', '$big', 'big', '2020-01-01')");
$session->run("BEGIN; SELECT count(*) FROM generate_series(1, 200) i, generate_series(1, 4) s, ticket_buy('T2', 'S' || s, 'S' || s + 1, i, '$big',
	passengers => array_fill(1::bigint, '{50}'))");
is($session->output, '40000', 'tens of thousands of tickets in a transaction');
$session->run("PREPARE TRANSACTION 'big'");
is($session->sqlstate, '53200', 'do not fit into the memory when it is prepared');
is($session->run("SELECT ticket_remaining('T2', 'S1', 'S5', '$big')"), '10000', 'and are given back');

# No session is needed for it: the launcher settles what was decided, long before the server forgets
# about it.
my $used = 'SELECT bytes_used FROM ticket_pool_stat';
my $bytes = $session->run($used);
$session->run("BEGIN; SELECT count(*) FROM generate_series(1, 60) i, ticket_buy('T2', 'S1', 'S5', i, '$big', passengers => array_fill(1::bigint, '{50}'));
	PREPARE TRANSACTION 'big'");
cmp_ok($session->run($used), '>', $bytes + 100_000, 'a large prepared transaction takes memory');
$session->run("COMMIT PREPARED 'big'");
ok(becomes_true($node, 'postgres', "SELECT ($used) < $bytes + 50000"), 'which it gives back once it is decided');

# A database can be dropped as soon as its prepared transactions are decided, even if no session has
# looked since.
$node->safe_psql('postgres', 'CREATE DATABASE gone');
$node->safe_psql('gone', 'CREATE EXTENSION ticketpool');
make_train($node, 'gone', 'G', 5);
make_formation($node, 'gone', 'f', 10);
open_departures($node, 'gone', 'G', 'f');
my $gone = session($node, 'gone');
$gone->run("BEGIN; SELECT ticket_buy('G', 'S1', 'S5', 1, '" . DAY . "'); PREPARE TRANSACTION 'gone'");
$gone->run("COMMIT PREPARED 'gone'");
$gone->quit;
ok(await(sub { $node->psql('postgres', 'DROP DATABASE gone') == 0 }), 'a database is dropped after its prepared transaction was decided');
# Closing and withdrawing do not wait for a prepared transaction that does the same: that may take
# for ever.
my $ended = next_date();
for my $first ('close', 'withdraw')
{
	$session->run("SELECT ticket_open('T1', '$ended', 'f', '2020-01-01')");
	$session->run("BEGIN; SELECT ticket_$first('T1', '$ended'); PREPARE TRANSACTION 'ended'");
	is($session->sqlstate, '00000', "$first is prepared");
	for my $second ('close', 'withdraw')
	{
		$other->run("SET lock_timeout = '10s'; SELECT ticket_$second('T1', '$ended')");
		is($other->sqlstate, '55006', "$second behind a prepared $first is refused");
	}
	$session->run("ROLLBACK PREPARED 'ended'");
	$other->run("SELECT ticket_$first('T1', '$ended')");
	is($other->sqlstate, '00000', "and $first works once that is decided");
	$ended = next_date();
}

in_flight_is_empty($node, 'postgres', 'a dropped database');
agrees($node, 'postgres', 'at the end');
$node->stop;

done_testing();
