# Transactions with thousands of claims and releases: parties of a thousand, bought, refunded and bought again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('large');
make_train($node, 'postgres', 'T1', 5);
make_formation($node, 'postgres', 'big', 6000);
open_departures($node, 'postgres', 'T1', 'big', 2);
my $session = session($node);
my $other = session($node);
my $party = sub { sprintf q{passengers => ARRAY(SELECT generate_series(1, %d)::bigint)}, $_[0] };
my $ask = "SELECT ticket_remaining('T1', 'S1', 'S5', '$day')";

# One order of a thousand tickets.
my $order = $session->run("SELECT DISTINCT order_id FROM ticket_buy('T1', 'S1', 'S5', 1, '$day', " . $party->(1000) . ')');
like($order, qr/^\d+$/, 'a party of a thousand has one order');
is($other->run($ask), '5000', 'and a thousand seats');

# Refunded, bought again and given up again, at several levels; the ledger grows beyond what it
# keeps allocated.
for my $ending ('ROLLBACK', 'COMMIT')
{
	$session->run('BEGIN');
	is($session->run("SELECT count(*) FROM ticket_refund($order)"), '1000', "$ending: a thousand tickets are refunded");
	is($session->run($ask) . ' ' . $other->run($ask), '6000 5000', "$ending: free for the transaction, not for others");
	$session->run('SAVEPOINT a');
	is($session->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 1, '$day', " . $party->(6000) . ')'), '6000',
		"$ending: the transaction buys the whole train, its own refund's seats too");
	is($session->run($ask) . ' ' . $other->run($ask), '0 0', "$ending: nothing is left");
	$session->run('ROLLBACK TO a');
	is($session->run($ask) . ' ' . $other->run($ask), '6000 5000', "$ending: undone to the savepoint");
	is($session->run("SELECT count(*) FROM generate_series(1, 5500) i, ticket_buy('T1', 'S1', 'S3', i, '$day')"), '5500',
		"$ending: thousands of single tickets, over a part of the trip");
	is($session->run($ask), '500', "$ending: some are left");
	$session->run($ending);
	is($session->sqlstate, '00000', "$ending: works");
	is($other->run($ask), $ending eq 'COMMIT' ? '500' : '5000', "$ending: what others see");
	in_flight_is_empty($node, 'postgres', $ending);
	agrees($node, 'postgres', $ending);
}

# Many small savepoints in one transaction.
$session->run('BEGIN');
$session->run(qq{DO \$\$ BEGIN
	FOR i IN 1 .. 3000 LOOP
		BEGIN
			PERFORM ticket_buy('T1', 'S4', 'S5', i, '$day');
			IF i % 3 = 0 THEN RAISE division_by_zero; END IF;
		EXCEPTION WHEN division_by_zero THEN NULL;
		END;
	END LOOP;
END \$\$});
is($session->sqlstate, '00000', 'thousands of subtransactions');
is($other->run("SELECT ticket_remaining('T1', 'S4', 'S5', '$day')"), '4000', 'a third of which is undone');
$session->run('COMMIT');
agrees($node, 'postgres', 'subtransactions');

# A departure that is opened, filled by hand, and refunded, all in one transaction: loaded in the middle of the refund.
# A new session: its ledger has little room yet.
$session->quit;
$session = session($node);
$session->run($_) for 'BEGIN', "SELECT ticket_open('T1', date '$day' + 5, 'big')";
is($session->run(qq{WITH d AS (SELECT departure_id, service_date FROM ticket_departure WHERE service_date = date '$day' + 5)
	INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT 5, row_number() OVER (), departure_id, service_date, 1, 1, 'second', coach, seat, 1, 5, 'sold'
	FROM d, ticket_formation, unnest(seats) seat WHERE formation = 'big' ORDER BY coach, seat LIMIT 1489}), '', 'orders are written by hand');
is($session->run('SELECT count(*) FROM ticket_refund(5)'), '1489', 'they can be refunded at once');
is($session->run("SELECT ticket_remaining('T1', 'S1', 'S5', date '$day' + 5)"), '6000', 'and are free for the transaction');
$session->run('COMMIT');
is($session->sqlstate, '00000', 'which commits');
is($other->run("SELECT ticket_remaining('T1', 'S1', 'S5', date '$day' + 5)"), '6000', 'and for all then');
agrees($node, 'postgres', 'orders by hand');

$node->stop;
done_testing();
