# A module that watches the executor's permission checks (pgaudit, sepgsql) hears of the orders that
# the extension writes, as it does of those that plain SQL writes: test/rights_hook.c is such a
# module.
use strict;
use warnings;

use Cwd 'abs_path';
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my %config;
for my $what ('cc', 'cflags_sl', 'includedir-server')
{
	chomp($config{$what} = `pg_config --$what`);
}
my $module = abs_path(PostgreSQL::Test::Utils::tempdir) . '/rights_hook.so';
is(system("$config{cc} $config{cflags_sl} -shared -I$config{'includedir-server'} -o $module $FindBin::RealBin/../rights_hook.c"), 0, 'the module is built');

my $day = DAY;
my $node = new_server('rights_hook');
make_train($node, 'postgres', 'T1', 5);
make_formation($node, 'postgres', 'f', 20);
open_departures($node, 'postgres', 'T1', 'f', 2);
$node->safe_psql('postgres', qq{
	CREATE ROLE seller;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO seller;
	SELECT item_open(1, 10)});

# The owner writes by hand, a seller without a right on any table sells.
my $seller = TicketpoolTest::Session->new($node->connstr('postgres'), verbosity => 'terse');
my $owner = $seller->run('SELECT current_user');
my $trip = "'T1', 'S1', 'S5'";

# The notices of a statement, in order, without repetitions.
sub heard
{
	my ($sql) = @_;
	my $output = $seller->run($sql);
	my %seen;
	my @heard = grep { !$seen{$_}++ } $output =~ /NOTICE:  (.*)$/mg;
	diag($output) unless $seller->is_ok;
	return join('; ', @heard);
}

# What is known of partitions and statements was found out before the module was loaded.
$seller->run("SELECT count(*) FROM ticket_buy($trip, 1, '$day'), item_buy(1, 1)");
ok($seller->is_ok, 'sold without the module');
is($seller->run("LOAD '$module'"), '', 'the module is there');
is(heard("INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT 1, 1, departure_id, service_date, 1, 1, 'second', '001', '4F', 1, 2, 'sold' FROM ticket_departure WHERE service_date = '$day'"),
	"INSERT ticket_order as $owner", 'a row by hand is heard of');
is(heard("UPDATE ticket_order SET status = 'refunded' WHERE order_id = 1"), "UPDATE ticket_order as $owner", 'and so is its change');

$seller->run('SET ROLE seller');
my ($new, $changed) = ("INSERT ticket_order as $owner", "UPDATE ticket_order as $owner");
is(heard("SELECT order_id AS id FROM ticket_buy($trip, 2, '$day') \\gset\n"), $new, 'ticket_buy');
is(heard('SELECT status FROM ticket_refund(:id)'), $changed, 'ticket_refund');
is(heard("SELECT order_id FROM ticket_buy($trip, 2, '$day', passengers => ARRAY[1, 2, 3])"), $new, 'a party');
is(heard("SELECT order_id AS id FROM ticket_hold($trip, 2, '$day') \\gset\n"), $new, 'ticket_hold');
is(heard('SELECT status FROM ticket_confirm(:id)'), $changed, 'ticket_confirm');
is(heard("SELECT status FROM ticket_change(:id, $trip, '$day'::date + 1)"), "$changed; $new", 'ticket_change');
is(heard("SELECT order_id AS id FROM ticket_hold($trip, 2, '$day') \\gset\n"), $new, 'ticket_hold again');
is(heard('SELECT status FROM ticket_cancel(:id)'), $changed, 'ticket_cancel');
is(heard("SELECT count(*) FROM ticket_buy_many(ARRAY[ROW($trip, 2, '$day', NULL, NULL, NULL, NULL, NULL)::ticket_request])"), $new, 'ticket_buy_many');
is(heard("SELECT ticket_withdraw('T1', '$day'::date + 1)"), "UPDATE ticket_departure as $owner; INSERT ticket_event as $owner; $changed", 'ticket_withdraw');
is(heard("SELECT order_id AS id FROM item_buy(1, 2, 2) \\gset\n"), "INSERT item_order as $owner", 'item_buy');
is(heard('SELECT status FROM item_refund(:id, 1)'), "UPDATE item_order as $owner", 'item_refund of some units');
is(heard('SELECT status FROM item_refund(:id)'), "UPDATE item_order as $owner", 'item_refund');
is(heard("SELECT order_id AS id FROM item_hold(1, 2) \\gset\n"), "INSERT item_order as $owner", 'item_hold');
is(heard('SELECT status FROM item_confirm(:id)'), "UPDATE item_order as $owner", 'item_confirm');
is(heard("SELECT order_id AS id FROM item_hold(1, 2) \\gset\n"), "INSERT item_order as $owner", 'item_hold again');
is(heard('SELECT status FROM item_cancel(:id)'), "UPDATE item_order as $owner", 'item_cancel');

$seller->run('RESET ROLE');
is($seller->run('SELECT count(*) FROM ticket_verify()') . $seller->run('SELECT count(*) FROM item_verify()'), '00', 'pool and tables agree');
$seller->quit;

done_testing();
