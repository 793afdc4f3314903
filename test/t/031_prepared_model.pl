# Many sessions buy, refund, hold, pay, give up, change seats and passengers, set quotas and very
# seats aside, give trains other times, stops and coaches, and buy, hold, refund, add, split and merge
# plain quantities at random, prepare most of it, and decide what others have prepared, while the
# server is stopped and killed. Whenever it is quiet, pool and tables agree, with undecided
# transactions and without.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 1;
my $day = DAY;
my $node = new_server('prepared_model', conf => "max_prepared_transactions = 60\nmax_connections = 100\nticketpool.memory = 2MB");
make_train($node, 'postgres', 'T1', 6);
make_train($node, 'postgres', 'T2', 80);
make_formation($node, 'postgres', 'small', 12);
make_formation($node, 'postgres', 'longer', 16);
$node->safe_psql('postgres', q{INSERT INTO ticket_formation (formation, coach, seat_class, places) VALUES ('small', '9', 'standing', 5), ('longer', '9', 'standing', 6)});
open_departures($node, 'postgres', 'T1', 'small', 2);
open_departures($node, 'postgres', 'T2', 'small', 1);
$node->safe_psql('postgres', 'SELECT item_open(1, 60), item_open(2, 3000)');
my $round = 0;
my %done;    # functions that came through
my @trains = ([ 'T1', 6, 2 ], [ 'T1', 6, 2 ], [ 'T2', 80, 1 ]);

sub trip
{
	my ($train, $stops, $days) = @{ $trains[ rand @trains ] };
	my $from = 1 + int(rand($stops - 1));
	my $to = $from + 1 + int(rand($stops - $from));
	return ($train, "S$from", "S$to", "date '$day' + " . int(rand $days));
}

# Some come again, and most of those with another question (22023).
sub request { return rand() < 0.5 ? 'NULL' : sprintf q{'00000000-0000-0000-0000-%012d'}, rand 200 }

# One step on items, as SQL. Refunds and changes of one item lock the same rows: the larger item meets more
# buyers than the others.
sub item_step
{
	my ($number) = @_;
	my $item = rand() < 0.5 ? 1 : 2;
	my $child = "(SELECT id FROM item_inventory WHERE item_id = $item AND parent_id IS NOT NULL AND status = 'open' ORDER BY random() LIMIT 1)";
	my $kind = rand;
	return $kind < 0.4 ? "SELECT count(*) FROM item_buy($item, $number, 1 + (random() * 5)::int, inventory_id => " . (rand() < 0.3 ? $child : 'NULL') . ')'
	  : $kind < 0.5 ? "SELECT count(*) FROM item_buy_many(ARRAY[ROW($item, $number, 2, NULL, NULL), ROW($item, $number, 1, NULL, NULL)]::item_request[])"
	  : $kind < 0.6 ? "SELECT count(*) FROM item_hold($item, $number, 1 + (random() * 5)::int, ttl => '1 day')"
	  : $kind < 0.7 ? 'SELECT count(*) FROM ' . (rand() < 0.5 ? 'item_confirm' : 'item_cancel') . "((SELECT order_id FROM item_order WHERE item_id = $item AND status = 'held' ORDER BY random() LIMIT 1))"
	  : $kind < 0.75 ? "SELECT count(*) FROM item_refund((SELECT order_id FROM item_order WHERE item_id = $item AND status = 'sold' AND buy_quantity > 1 ORDER BY random() LIMIT 1), 1, @{[ request() ]})"
	  : $kind < 0.85 ? "SELECT count(*) FROM item_refund((SELECT order_id FROM item_order WHERE item_id = $item AND status = 'sold' ORDER BY random() LIMIT 1))"
	  : $kind < 0.9 ? "SELECT item_add($item, " . (rand() < 0.5 ? -3 : 3) . ')'
	  : $kind < 0.95 ? "SELECT count(*) FROM item_split($item, 2" . (rand() < 0.5 ? ', ARRAY[7, 8]' : '') . ')'
	  : "SELECT item_merge($child)";
}

# What is done with very seats, with a part of an order, and by the railway.
sub very_step
{
	my ($number) = @_;
	my ($train, $from, $to, $date) = trip();
	my @left = map { my $row = $_; map { "001/$row$_" } qw(A B C D F) } 1 .. 2;
	my $seats = "'{" . join(',', map { splice @left, rand @left, 1 } 1 .. 1 + rand 3) . "}'";
	my $channel = rand() < 0.3 ? "'web'" : 'NULL';
	my $any = "(SELECT order_id FROM ticket_order WHERE service_date = $date AND seat_class = 'second' AND status = '%s' ORDER BY random() LIMIT 1)";
	my ($held, $live) = map { sprintf $any, $_ } 'held', rand() < 0.7 ? 'sold' : 'held';
	my ($kind, $hold) = (rand, rand() < 0.5);
	return $kind < 0.3 ? "SELECT count(*) FROM ticket_" . ($hold ? 'hold' : 'buy') . "_seats('$train', '$from', '$to', $number, $seats, $date, channel => $channel" . ($hold ? ", ttl => '1 second')" : ')')
		: $kind < 0.5 ? "SELECT count(*) FROM ticket_reseat($live" . (rand() < 0.5 ? ')' : ", '{1}', '{001/@{[ 1 + int rand 2 ]}@{[ qw(A B C D F)[ rand 5 ] ]}}')")
		: $kind < 0.6 ? "SELECT ticket_reserve_seats('$train', $date, 'web', $seats, '$from', '$to')"
		: $kind < 0.7 ? "SELECT count(*) FROM ticket_cancel($held, '{1}')"
		: $kind < 0.76 ? "SELECT count(*) FROM ticket_hold_extend($held, '2 seconds')"
		: $kind < 0.82 ? "SELECT count(*) FROM ticket_transfer($live, 1, @{[ 1 + int rand 99 ]})"
		: $kind < 0.88 ? "SELECT count(*) FROM ticket_places('$train', '$from', '$to', $date, 'second', $channel) WHERE free"
		: $kind < 0.94 ? "SELECT ticket_retime('$train', $date)"
		: $kind < 0.98 ? "SELECT count(*) FROM ticket_skip_stop('$train', $date, '$to')"
		: "SELECT count(*) FROM ticket_reform('$train', $date, '@{[ rand() < 0.5 ? 'small' : 'longer' ]}', 'refund')";
}

# One step, at random, as SQL. What it needs may be locked by a prepared transaction: it waits for that a
# little.
sub step
{
	my ($number) = @_;
	return item_step(@_) if rand() < 0.35;
	return very_step(@_) if rand() < 0.35;
	my ($train, $from, $to, $date) = trip();
	my $class = rand() < 0.2 ? 'standing' : 'second';
	my $channel = rand() < 0.3 ? "'web'" : 'NULL';
	my $any = "(SELECT order_id FROM ticket_order WHERE service_date = $date AND status = '%s' ORDER BY random() LIMIT 1)";
	my $kind = rand;
	return $kind < 0.35
	  ? "SELECT count(*) FROM ticket_buy('$train', '$from', '$to', $number, $date, '$class', " . (rand() < 0.2 ? 'ARRAY[1, 2, 3]' : 'NULL') . ", channel => $channel)"
	  : $kind < 0.45
	  ? "SELECT count(*) FROM ticket_hold('$train', '$from', '$to', $number, $date, '$class', channel => $channel, ttl => '1 second')"
	  : $kind < 0.65 ? "SELECT count(*) FROM ticket_refund(" . sprintf($any, 'sold') . ')'
	  : $kind < 0.75 ? "SELECT count(*) FROM ticket_confirm(" . sprintf($any, 'held') . ')'
	  : $kind < 0.85 ? "SELECT count(*) FROM ticket_change(" . sprintf($any, 'sold') . ", '$train', '$from', '$to', $date, '$class', request_id => @{[ request() ]})"
	  : $kind < 0.92 ? "SELECT ticket_reserve('$train', $date, 'second', 'web', 2, '$from', '$to')"
	  : "SELECT ticket_recycle((SELECT reservation_id FROM ticket_reservation WHERE status = 'open' ORDER BY random() LIMIT 1))";
}

sub decide_one
{
	my ($session) = @_;
	my $gid = $session->run('SELECT gid FROM pg_prepared_xacts ORDER BY random() LIMIT 1');
	return 0 unless $session->is_ok && $gid;
	$session->run((rand() < 0.6 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
	return $session->is_ok;
}

# A customer who was between two connections when the server was lost has not noticed: it ends once
# this file is there.
sub stop_of { my ($round) = @_; return $node->basedir . "/stop_$round" }

sub customer
{
	my ($number, $log, $steps, $round) = @_;
	my $session = session($node);
	my $gid = 0;
	my %did;
	for (my $n = 0; $n < $steps && !$session->is_lost && !-e stop_of($round); $n++)
	{
		$session->run("SET lock_timeout = '50ms'");
		$session->run('BEGIN');
		for (0 .. rand 3)
		{
			my $savepoint = rand() < 0.3;
			$session->run('SAVEPOINT s') if $savepoint;
			my $sql = step($number);
			$session->run($sql);
			# What may come of it: an answer, a refusal, a lock that somebody else has.
			my $state = $session->sqlstate;
			die "unexpected: $state " . $session->output unless $session->is_lost || $state =~ /^(?:00000|TK00[1-7]|22023|22004|25P02|40P01|40001|55P03|55000|55006|57014|57P0\d|23\w{3})$/;
			print $log "did $1\n" if $state eq '00000' && $sql =~ /((?:ticket|item)_\w+)\(/ && !$did{$1}++;
			$session->run(rand() < 0.5 || !$session->is_ok ? 'ROLLBACK TO s' : 'RELEASE s') if $savepoint;
		}
		my $end = rand;
		$session->run($end < 0.7 ? "PREPARE TRANSACTION 'g$round-$number-@{[$gid++]}'" : $end < 0.85 ? 'COMMIT' : 'ROLLBACK');
		$session->run('ROLLBACK') if !$session->is_ok;
		# A dozen of them stay undecided at any time.
		decide_one($session) while !$session->is_lost && $session->run('SELECT count(*) > 12 FROM pg_prepared_xacts') eq 't';
		# A customer who has lost the server does not come back on the next connection.
		last if $session->is_lost;
		if (rand() < 0.05)
		{
			$session->quit;
			$session = eval { session($node) } or last;
		}
		print $log "step\n";
	}
	return;
}

sub check
{
	my ($label, $workers) = @_;
	$done{$_} = 1 for map { /^\d+ did (\w+)/ } log_lines($workers);
	my $session = session($node);
	my $undecided = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts');
	note("$label: $undecided transactions are not decided");
	not_twice($node, 'postgres', "$label, undecided");
	is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', "$label, undecided: ticket_verify finds nothing");
	is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', "$label, undecided: item_verify finds nothing");
	# They go on while there are transactions that nobody decided before the crash.
	ok(wait_workers(start_workers(4, sub { customer(@_, 40, "$round-again") })), "$label: customers come back");
	is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', "$label, with customers: ticket_verify finds nothing");
	is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', "$label, with customers: item_verify finds nothing");
	1 while decide_one($session);
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', "$label: all are decided");
	# No hold runs out while the counts are compared.
	is($node->safe_psql('postgres', 'SELECT bool_and(ticket_sweep() >= 0) FROM generate_series(1, 3)'), 't', "$label: holds ran out");
	ok(becomes_true($node, 'postgres', q{SELECT count(*) = 0 FROM ticket_order WHERE status = 'held'}), "$label: all of them");
	agrees($node, 'postgres', $label);
	in_flight_is_empty($node, 'postgres', $label);
	return;
}

my %ways = crashes($node);
for (1 .. $rounds)
{
	$round++;
	my $workers = start_workers(6, sub { customer(@_, 120, $round) });
	ok(wait_workers($workers), 'customers come and go');
	check("a quiet day, round $round", $workers);
	for my $way (sort keys %ways)
	{
		$round++;
		$workers = start_workers(6, sub { customer(@_, 1_000_000, $round) });
		ok(wait_log_lines($workers, 100 + int(rand 200)), "$way: customers are at work");
		ok($ways{$way}->(), "$way: the server is up again");
		append_to_file(stop_of($round), '');
		ok(wait_workers($workers), "$way: the customers have noticed");
		check("$way, round $round", $workers);
	}
}
ok($done{$_}, "$_ came through") for qw(ticket_buy ticket_hold ticket_refund ticket_confirm ticket_change ticket_reserve ticket_recycle ticket_buy_seats ticket_hold_seats ticket_reseat ticket_reserve_seats
  ticket_cancel ticket_hold_extend ticket_transfer ticket_places ticket_retime ticket_skip_stop item_buy item_buy_many item_hold item_confirm item_cancel item_refund item_add item_split item_merge);
$node->stop;
done_testing();
