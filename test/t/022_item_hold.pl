# Units held while they are paid: they run out by themselves, whatever clients have locked; a payment
# races with the expiry; crashes, a standby that takes over, and the worker's obstacles.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $day = DAY;
my $node = new_server('item_hold', streaming => 1, conf => 'max_prepared_transactions = 5');
make_train($node, 'postgres', 'T1', 3);
make_formation($node, 'postgres', 'small', 5);
open_departures($node, 'postgres', 'T1', 'small', 1);
my $inventory = ask('SELECT item_open(1, 100)');

sub ask { my ($sql) = @_; return $node->safe_psql('postgres', $sql) }
sub hold { my ($user, $ttl, $units) = @_; return ask("SELECT order_id FROM item_hold(1, $user, " . ($units // 1) . ", ttl => '$ttl')") }
sub expires { my ($user, $label) = @_; ok(becomes_true($node, 'postgres', "SELECT bool_and(status = 'expired') FROM item_order WHERE user_id = $user"), $label); return }
sub status { my ($order) = @_; return ask("SELECT status || ' ' || buy_quantity FROM item_order WHERE order_id = $order") }

# The worker
hold(1, '200 milliseconds', 30);
hold(2, '1 hour', 20);
expires(1, 'a hold of units runs out by itself');
is(ask('SELECT string_agg(status, $$ $$ ORDER BY order_id), item_remaining(1) FROM item_order'), 'expired held|80', 'another one does not');
ask("INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, held_until) VALUES (90001, $inventory, 1, 3, 5, 'held', clock_timestamp() + interval '100 milliseconds')");
expires(3, 'one that was written by hand does');
ask(q{BEGIN; SELECT item_hold(1, 4, 5, ttl => '100 milliseconds'); ROLLBACK; BEGIN; SAVEPOINT a; SELECT item_hold(1, 5, 5, ttl => '100 milliseconds'); RELEASE a; COMMIT});
expires(5, 'one of a subtransaction does');
ask(q{BEGIN; SELECT item_hold(1, 6, 5, ttl => '100 milliseconds'); PREPARE TRANSACTION 'p'});
ask(q{COMMIT PREPARED 'p'});
expires(6, 'one of a prepared transaction does');
items_agree($node, 'postgres', 'the worker');

# Nothing waits for a client: not for the row of a payment, nor for a table or the inventory's row.
my $client = session($node);
my $paying = hold(7, '1 day', 2);
$client->run($_) for 'BEGIN', "SELECT item_confirm($paying)";
hold(8, '50 milliseconds');
expires(8, 'a payment under way holds no other hold up');
$client->run('COMMIT');
is(status($paying), 'sold 2', 'and is made');
$client->run($_) for 'BEGIN', 'LOCK TABLE ticket_order IN SHARE ROW EXCLUSIVE MODE';
hold(9, '50 milliseconds');
expires(9, 'ticket_order is locked: holds of units run out');
$client->run('ROLLBACK');
hold(10, '50 milliseconds');
$client->run($_) for 'BEGIN', 'LOCK TABLE item_order IN SHARE ROW EXCLUSIVE MODE';
ask("SELECT ticket_hold('T1', 'S1', 'S3', 1, '$day', ttl => '50 milliseconds')");
ok(becomes_true($node, 'postgres', q{SELECT bool_and(status = 'expired') FROM ticket_order}), 'item_order is locked: tickets run out');
$client->run('ROLLBACK');
expires(10, 'and then the units');
# The units of a merged inventory change the root's row.
ask('SELECT item_open(2, 10); SELECT item_split(2, 1)');
my $child = ask('SELECT max(id) FROM item_inventory WHERE item_id = 2');
ask("SELECT item_hold(2, 11, 4, ttl => '1 day'); SELECT item_merge($child)");
$client->run($_) for 'BEGIN', 'SELECT item_add(2, 1)';
ask(q{UPDATE item_order SET held_until = clock_timestamp() WHERE user_id = 11});
my $by_hand = session($node);
$by_hand->run($_) for q{SET statement_timeout = '30s'}, 'SELECT ticket_sweep()';
ok($by_hand->is_ok, 'the row of an inventory is locked: a sweep by hand does not wait for it');
$by_hand->quit;
hold(12, '50 milliseconds');
expires(12, 'other holds run out');
like(status(ask('SELECT order_id FROM item_order WHERE user_id = 11')), qr/^held/, 'the hold that needs it waits');
$client->run('COMMIT');
expires(11, 'until the row is free');
is(ask('SELECT item_remaining(2)'), '11', 'the root has its units');
# A trigger that fails, and a policy that hides the rows
ask(q{CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$;
	CREATE TRIGGER fail BEFORE UPDATE ON item_order FOR EACH ROW WHEN (NEW.status = 'expired' AND NEW.user_id = 13) EXECUTE FUNCTION fail();
	CREATE ROLE keeper; ALTER TABLE item_order OWNER TO keeper; ALTER TABLE item_order ENABLE ROW LEVEL SECURITY; ALTER TABLE item_order FORCE ROW LEVEL SECURITY});
my $offset = -s $node->logfile;
hold(13, '50 milliseconds', 3);
my $failing = ask('SELECT order_id FROM item_order WHERE user_id = 13');
ok(await(sub { slurp_file($node->logfile, $offset) =~ /WARNING:  hold $failing stays as it is: not now/ }), 'a hold that fails is named in the log');
hold(14, '50 milliseconds');
expires(14, 'another one runs out, whatever the policies are');
ask('DROP TRIGGER fail ON item_order; ALTER TABLE item_order NO FORCE ROW LEVEL SECURITY; ALTER TABLE item_order DISABLE ROW LEVEL SECURITY');
expires(13, 'and that one, too, once nothing fails');
items_agree($node, 'postgres', 'obstacles');
$client->quit;

# Crashes between the steps of a sale, and what runs out while the server is down
my %end = crashes($node);
for my $how ('kill -9 of a backend', 'kill -9 of the postmaster')
{
	my ($paid, $part, $given_up, $runs_out) = map { hold(20, '1 day', 4) } 1 .. 4;
	ask("SELECT item_confirm($part); SELECT item_refund($part, 3, '00000000-0000-0000-0000-000000000001')");
	my $victim = session($node);
	$victim->run($_) for 'BEGIN', "SELECT item_confirm($paid)", "SELECT item_cancel($given_up)", "SELECT item_refund($part)", 'SELECT item_hold(1, 21, 5)';
	$client = session($node);
	ask("UPDATE item_order SET held_until = clock_timestamp() + interval '1 second' WHERE order_id = $runs_out");
	ok($end{$how}->(), $how);
	is(join(', ', map { status($_) } $paid, $part, $given_up), 'held 4, sold 1, held 4', "$how: what was not committed has not happened");
	ok(becomes_true($node, 'postgres', "SELECT status = 'expired' FROM item_order WHERE order_id = $runs_out"), "$how: a hold runs out after it");
	is(ask("SELECT buy_quantity FROM item_refund($part, 3, '00000000-0000-0000-0000-000000000001')"), '1', "$how: a refund is not made twice");
	is(ask("SELECT c.status FROM item_confirm($paid) c UNION ALL SELECT c.status FROM item_cancel($given_up) c UNION ALL SELECT c.status FROM item_confirm($runs_out) c"), "sold\ncancelled\nsold",
		"$how: a hold is paid, another one given up, the third paid late");
	items_agree($node, 'postgres', $how);
	ask("SELECT item_refund($_) FROM generate_series(1, 1)") for $paid, $part, $runs_out;
	eval { $_->quit } for $victim, $client;
}

# A standby takes over.
my ($held, $part, $runs_out) = (hold(30, '1 day', 2), ask('SELECT order_id FROM item_buy(1, 30, 5)'), hold(31, '2 seconds', 3));
ask("SELECT item_refund($part, 2, '00000000-0000-0000-0000-000000000002')");
$node->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('item_standby'));
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->start;
my $late = hold(32, '1 day', 1);
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($standby->safe_psql('postgres', 'SELECT item_remaining(1)'), ask('SELECT item_remaining(1)'), 'a standby counts holds as taken');
$node->stop('immediate');
$standby->promote;
ok(becomes_true($standby, 'postgres', "SELECT status = 'expired' FROM item_order WHERE order_id = $runs_out"), 'after a promotion holds run out');
is($standby->safe_psql('postgres', "SELECT status FROM item_confirm($held); SELECT status FROM item_cancel($late); SELECT buy_quantity FROM item_refund($part, 2, '00000000-0000-0000-0000-000000000002')"),
	"sold\ncancelled\n3", 'are paid and given up, and a refund is not made twice');
items_agree($standby, 'postgres', 'promoted');
$standby->stop;

# Payment against expiry and cancellation, over few units: what was told is what is in the table, and nothing is sold twice.
$node->start;
my $rounds = $ENV{TICKETPOOL_ROUNDS} // 150;
ask('SELECT item_open(3, 12)');
my $workers = start_workers(4, sub {
	my ($number, $log) = @_;
	my $session = session($node);
	my $do = sub { my ($sql) = @_; my $text = $session->run($sql); die "$sql: $text" unless $session->is_ok || $session->sqlstate eq 'TK005'; return $session->is_ok ? $text : 'TK005' };
	for my $round (1 .. $rounds)
	{
		my $ttl = 1 + int rand 8;
		my $order = $do->("SELECT order_id FROM item_hold(3, $number, " . (1 + int rand 4) . ", ttl => '$ttl milliseconds')");
		if ($order eq '') { print $log "none\n"; next }
		select(undef, undef, undef, $ttl / 1000 * rand 2);
		$do->('SELECT ticket_sweep()') if rand() < 0.3;
		my ($units, $told) = ($do->("SELECT buy_quantity FROM item_order WHERE order_id = $order"), $do->('SELECT status FROM item_' . (rand() < 0.8 ? 'confirm' : 'cancel') . "($order)"));
		my $now = $do->("SELECT status FROM item_order WHERE order_id = $order");
		die "order $order: told '$told', is '$now'" if $told eq '' ? $now ne 'expired' : $told ne $now;
		print $log $told eq '' ? 'refused' : $told, "\n";
		next if $told ne 'sold';
		my $left = $do->("SELECT buy_quantity FROM item_refund($order, 1)");
		die "order $order: $left of $units left" if $left != ($units > 1 ? $units - 1 : 1);
		$do->("SELECT status FROM item_refund($order)") if rand() < 0.95;
	}
	$session->quit;
	return;
});
ok(wait_workers($workers), "payments, cancellations and expiry decide one after the other (TICKETPOOL_SEED=$seed)");
my %answers;
$answers{ (split / /)[1] }++ for log_lines($workers);
note(join ', ', map { "$_: $answers{$_}" } sort keys %answers);
cmp_ok($answers{$_} // 0, '>', 0, "there were: $_") for qw(sold cancelled none);
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 0 FROM item_order WHERE item_id = 3 AND status = 'held'}), 'no hold is left');
settles($node, 'postgres', 'the race');
items_agree($node, 'postgres', 'the race');
$node->stop;
done_testing();
