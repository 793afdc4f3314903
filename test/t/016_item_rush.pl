# Everybody wants the same item: it is sold to the last unit, by many clients that take some, bring
# some back and change their mind, and no client is refused while there is enough for it.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $clients = 16;
my $units = 60_000;
my $node = new_server('item_rush');
$node->safe_psql('postgres', q{
	-- Takes up to `most` units at a time; one in ten is rolled back, one in ten refunded. Ends when not a single unit is left.
	CREATE PROCEDURE rush(item bigint, buyer bigint, most int) LANGUAGE plpgsql AS $$
	DECLARE
		n bigint;
		bought bigint;
	BEGIN
		LOOP
			n := 1 + floor(random() * most);
			SELECT order_id INTO bought FROM item_buy(item, buyer, n);
			IF bought IS NULL THEN
				EXIT WHEN n = 1;
				most := greatest(n - 1, 1);
			ELSIF random() < 0.1 THEN
				ROLLBACK;
			ELSIF random() < 0.1 THEN
				COMMIT;
				PERFORM item_refund(bought);
			END IF;
			COMMIT;
		END LOOP;
	END $$});

# Every client buys until it finds nothing; then the rest is bought, which others gave back after
# some clients had ended.
sub sell_out
{
	my ($label, $item, $most) = @_;
	my $workers = start_workers($clients, sub {
		my ($number, $log) = @_;
		my $session = session($node, 'postgres', verbosity => 'default');
		$session->run('SELECT setseed(' . rand() . ')');
		$session->run("CALL rush($item, $number, $most)");
		die $session->output unless $session->is_ok;
		$session->quit;
	});
	ok(wait_workers($workers), "$label: no client meets an error");
	$node->safe_psql('postgres', "CALL rush($item, 1000, 1)");
	is($node->safe_psql('postgres', "SELECT item_remaining($item), count(*) FROM item_buy($item, 1)"), '0|0', "$label: nothing is left");
	is($node->safe_psql('postgres', "SELECT sum(buy_quantity) FROM item_order WHERE item_id = $item AND status = 'sold'"), $units, "$label: every unit is in a live order, and none twice");
	is($node->safe_psql('postgres', "SELECT * FROM item_verify($item)"), '', "$label: item_verify finds nothing");
	return;
}

$node->safe_psql('postgres', "SELECT item_open(1, $units), item_open(2, $units), item_open(3, $units / 2)");
sell_out('one by one', 1, 1);
sell_out('up to 40', 2, 40);

# Stock that is added, split and merged while it is sold.
my $admin = session($node);
my $workers = start_workers($clients, sub {
	my ($number, $log) = @_;
	my $session = session($node, 'postgres', verbosity => 'default');
	for (1 .. 40) { $session->run("SELECT count(*) FROM generate_series(1, 10) i, item_buy(3, $number, 1 + i % 7)") }
	die $session->output unless $session->is_ok;
	$session->quit;
});
for my $round (1 .. 30)
{
	$admin->run("SELECT item_add(3, @{[ $units / 60 ]})");
	$admin->run('SELECT count(*) FROM item_split(3, 3)');
	$admin->run('SELECT count(item_merge(id)) FROM item_inventory WHERE item_id = 3 AND parent_id IS NOT NULL AND status = $$open$$');
	last unless $admin->is_ok;
}
ok($admin->is_ok, 'stock is added, split and merged while it is sold: ' . $admin->output);
$admin->quit;
ok(wait_workers($workers), 'and no client minds');
is($node->safe_psql('postgres', 'SELECT sum(quantity) FROM item_inventory WHERE item_id = 3'), $units, 'what was put on sale stays what it is');
sell_out('added, split and merged', 3, 9);
in_flight_is_empty($node, 'postgres', 'at last');

$node->stop;
done_testing();
