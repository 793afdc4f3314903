# The cashier as a process: one for each database that sells, in nobody's way. Databases are copied,
# dropped and made again; worker slots run out; it leaves when nobody buys, and is ended, cancelled
# or killed in the middle of a rush.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TicketpoolTest;
use TicketpoolTest::Group;

my $day = DAY;
seed();
my $node = group_server('databases', conf => "ticketpool.memory = 16MB\nticketpool.cashier_idle = 3s");

sub has_cashier { my ($database, $label) = @_; return like(cashier_of($node, $database), qr/^\d+$/, $label) }
sub has_none
{
	my ($database, $label) = @_;
	return ok(becomes_true($node, 'postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier' AND datname = '$database'"), $label);
}
# Units of an item, of which there are always more, and tickets.
sub purchase { my ($number, $user) = @_; return rand() < 0.2 ? "SELECT order_id FROM ticket_buy('T', 'S' || 1 + $user % 4, 'S5', $user, '$day')" : "SELECT order_id FROM item_buy(1, $user)" }

# What it looks like, and that it leaves.
my $cashier = call_cashier($node);
is($node->safe_psql('postgres', "SELECT backend_type, datname, usename IS NOT NULL, state, wait_event_type FROM pg_stat_activity WHERE pid = $cashier"), 'ticketpool cashier|postgres|t|idle|Extension', 'the cashier is in pg_stat_activity');
my $start = time();
has_none('postgres', 'it leaves when nobody buys');
cmp_ok(time() - $start, '>', 1.5, 'but not at once');
isnt(call_cashier($node), $cashier, 'and another comes when somebody does');
# From here on one that is idle stays.
$node->append_conf('postgresql.conf', "ticketpool.cashier_idle = 10min");
$node->reload;
call_cashier($node) for 1 .. 3;

# Two databases at once
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION ticketpool');
TicketpoolTest::Group::set_up($node, 'other');
my %crowd = map { $_ => start_crowd($node, $_, 6, purchase => \&purchase) } 'postgres', 'other';
wait_log_lines($crowd{$_}->{workers}, 100) for sort keys %crowd;
has_cashier('postgres', 'one database has a cashier');
has_cashier('other', 'the other has one, too');

# Databases with a busy cashier, and with an idle one
my $owner = session($node, 'template1', verbosity => 'default');
my $offset = -s $node->logfile;
$owner->run('CREATE DATABASE copy TEMPLATE other');
is($owner->sqlstate, '55006', 'a database in which somebody buys is not copied');
unlike(slurp_file($node->logfile, $offset), qr/lock timeout/, 'and no cashier has tried to come into the locked database');
my $told = end_crowd($crowd{other}, label => 'other');
told_and_written($node, 'other', $told, 'other');
agrees($node, 'other', 'other');
call_cashier($node, 'other');
$node->safe_psql('postgres', "SELECT 1");    # no session of the test is left in the other database
TicketpoolTest::Server::release_all('CREATE DATABASE');
$owner->run('CREATE DATABASE copy TEMPLATE other');
ok($owner->is_ok, 'then it is copied') or diag($owner->output);
agrees($node, 'copy', 'the copy');
$node->safe_psql('copy', "ALTER DATABASE copy SET ticketpool.group_sale = 'always'");
call_cashier($node, 'copy');
TicketpoolTest::Server::release_all('DROP DATABASE');
$owner->run('DROP DATABASE copy');
ok($owner->is_ok, 'a database with an idle cashier is dropped') or diag($owner->output);
call_cashier($node, 'other');
$crowd{other} = start_crowd($node, 'other', 6, purchase => \&purchase, first_user => 100_000_000);
wait_log_lines($crowd{other}->{workers}, 60);
$owner->run('DROP DATABASE other');
is($owner->sqlstate, '55006', 'a database in which somebody buys is not dropped');
$owner->run('DROP DATABASE other WITH (FORCE)');
ok($owner->is_ok, 'but with FORCE') or diag($owner->output);
$told = end_crowd($crowd{other}, label => 'other, dropped');
is(join(' ', keys %{ { map { $_->[1] => 1 } grep { $_->[1] !~ /^(lost|57P01|3D000)$/ } @{ $told->{error} } } }), '', 'its buyers lose their connections');
has_none('other', 'its cashier is gone');
$told = end_crowd($crowd{postgres}, label => 'postgres');
told_and_written($node, 'postgres', $told, 'postgres, meanwhile');
agrees($node, 'postgres', 'postgres, meanwhile');
# Its owner, who is not a superuser, can drop one with a cashier. (FORCE needs pg_signal_backend, for
# any process of another user.)
$owner->run($_) for 'CREATE ROLE shopkeeper LOGIN', 'CREATE DATABASE shop OWNER shopkeeper';
$node->safe_psql('shop', 'CREATE EXTENSION ticketpool');
TicketpoolTest::Group::set_up($node, 'shop');
call_cashier($node, 'shop');
TicketpoolTest::Server::release_all('DROP DATABASE');
my $shopkeeper = TicketpoolTest::Session->new($node->connstr('postgres') . ' user=shopkeeper', verbosity => 'default');
$shopkeeper->run('DROP DATABASE shop');
ok($shopkeeper->is_ok, 'a database with an idle cashier is dropped by its owner') or diag($shopkeeper->output);
$shopkeeper->quit;
# A new database under the old name, and many that come and go: their desks are used again.
for my $n (1 .. 3)
{
	$owner->run('CREATE DATABASE other');
	$node->safe_psql('other', 'CREATE EXTENSION ticketpool');
	TicketpoolTest::Group::set_up($node, 'other');
	call_cashier($node, 'other');
	like($node->safe_psql('other', 'SELECT count(*) FROM item_order'), qr/^1$/, "database number $n sells in groups");
	agrees($node, 'other', "database number $n");
	TicketpoolTest::Server::release_all('DROP DATABASE');
	$owner->run('DROP DATABASE other');
	ok($owner->is_ok, "database number $n is dropped") or diag($owner->output);
}

# Ended in the rush, again and again
my $ends = start_crowd($node, 'postgres', 16, purchase => \&purchase, first_user => 200_000_000, setting => 'SET ticketpool.group_sale = on');
for my $signal ('terminate', 'cancel', 'terminate', 'cancel', 'terminate')
{
	becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier' AND datname = 'postgres'});
	wait_log_lines($ends->{workers}, 60 + log_lines($ends->{workers}));
	$node->safe_psql('postgres', "SELECT pg_${signal}_backend(pid) FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier'") for 1 .. ($signal eq 'cancel' ? 20 : 1);
}
$told = end_crowd($ends, label => 'a cashier that is ended');
told_and_written($node, 'postgres', $told, 'a cashier that is ended');
agrees($node, 'postgres', 'a cashier that is ended');
in_flight_is_empty($node, 'postgres', 'a cashier that is ended');
# Cancelled when idle, it stays.
$cashier = call_cashier($node);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($cashier)") for 1 .. 3;
is(call_cashier($node), $cashier, 'a cancel is nothing to an idle cashier');

# No worker slot: sales go on, the log says it once, and a cashier comes when a slot is free.
$owner->run("ALTER SYSTEM SET max_worker_processes = 2");
$owner->quit;
$node->restart;
$offset = -s $node->logfile;
$node->safe_psql('postgres', "ALTER DATABASE postgres SET ticketpool.group_sale = on");
my $without = start_crowd($node, 'postgres', 8, purchase => sub { my ($number, $user) = @_; return "SELECT order_id FROM ticket_buy('S', 'S1', 'S5', $user, '$day')" }, first_user => 300_000_000, calls => 20);
$told = end_crowd($without, label => 'no worker slot', wait => 1);
told_and_written($node, 'postgres', $told, 'no worker slot');
is(scalar @{ $told->{bought} }, 40, 'no worker slot: all is sold');
my $long = start_crowd($node, 'postgres', 8, purchase => \&purchase, first_user => 400_000_000);
ok(await(sub { slurp_file($node->logfile, $offset) =~ /could not start a cashier/ }), 'no worker slot: the log says it');
sleep 6;    # the launcher tries again every five seconds
my $log = slurp_file($node->logfile, $offset);
is(scalar(() = $log =~ /WARNING:  ticketpool could not start a cashier/g), 1, 'no worker slot: once');
like($log, qr/could not start a cashier.*DETAIL:  All background workers are in use\..*HINT:  Raise "max_worker_processes"/s, 'no worker slot: with a hint');
told_and_written($node, 'postgres', end_crowd($long, label => 'no worker slot for long'), 'no worker slot for long');
agrees($node, 'postgres', 'no worker slot');
$node->stop;
done_testing();
