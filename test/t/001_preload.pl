# With and without shared_preload_libraries, the limits of ticketpool.memory, and databases that
# stay apart.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('preload', plain => 1, conf => "shared_preload_libraries = ''");

# ---------------------------------------------------------------------------------------------------------------------
# Without the preload
# ---------------------------------------------------------------------------------------------------------------------
my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION ticketpool');
is($status, 0, 'without the preload CREATE EXTENSION works');
is($err, '', 'and says nothing');
$status = $node->psql('postgres', "INSERT INTO ticket_station VALUES ('A', 'Aville')");
is($status, 0, 'the timetable can be loaded');

# Every function, with NULL for each argument, complains of the missing preload first.
# (ticket_route_days depends on its arguments only: an index of ticket_route calls it, even where a
# dump is restored without the preload.)
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT format('%I(%s)', p.proname,
		(SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes::oid[]) t))
	FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	WHERE d.deptype = 'e' AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool')
	  AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c')
	  AND p.prorettype <> 'trigger'::regtype AND p.proname <> 'ticket_route_days' ORDER BY 1});
is($node->safe_psql('postgres', q{SELECT ticket_route_days('{NULL,30:00}', '{08:00,NULL}')}), '1', 'what needs no pool works');
cmp_ok(scalar(@functions), '>=', 13, 'functions are found');
for my $call (@functions, 'ticket_pool', 'ticket_inflight', 'ticket_pool_stat')
{
	(undef, undef, $err) = $node->psql('postgres', "SELECT * FROM $call", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/ERROR:\s+55000: .*HINT:\s+.*shared_preload_libraries/s, "without the preload $call says what to set");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM ticket_order'), '0', 'the order table can be read');
is($node->psql('postgres', 'DROP EXTENSION ticketpool'), 0, 'DROP EXTENSION works');

# ---------------------------------------------------------------------------------------------------------------------
# Settings out of range, which the server reports and ignores as it does for every extension, and
# the smallest one that is in range
# ---------------------------------------------------------------------------------------------------------------------
$node->stop;
for my $memory ("'1MB'", "'2047kB'", "'2TB'", "'-1'", "'plenty'")
{
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'ticketpool'\nticketpool.memory = $memory");
	my $from = -s $node->logfile;
	$node->start;
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $from), qr/WARNING: .*"ticketpool\.memory"/, "ticketpool.memory = $memory is warned of");
	is($node->safe_psql('postgres', 'SHOW ticketpool.memory'), '64MB', 'and the default is used');
	$node->stop;
}
for my $memory ('2MB', '256MB')
{
	$node->append_conf('postgresql.conf', "ticketpool.memory = '$memory'");
	$node->start;
	is($node->safe_psql('postgres', 'SHOW ticketpool.memory'), $memory, "ticketpool.memory = $memory");
	is($node->safe_psql('postgres', 'CREATE EXTENSION ticketpool; SELECT bytes_reserved FROM ticket_pool_stat; DROP EXTENSION ticketpool'),
		($memory eq "2MB" ? 2 : 256) * 1024 * 1024, 'is what the pool has');
	$node->stop;
}
$node->start;
(undef, undef, $err) = $node->psql('postgres', 'SET ticketpool.memory = 1000', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55P02/, 'ticketpool.memory cannot be changed in a session');
(undef, undef, $err) = $node->psql('postgres', 'SET ticketpool.memroy = 1000', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/42602/, 'a setting that does not exist is refused');

# ---------------------------------------------------------------------------------------------------------------------
# Databases: the same relation and departure ids, pools of their own
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', 'CREATE EXTENSION ticketpool');
make_train($node, 'one', 'T1', 5);
make_formation($node, 'one', 'small', 10);
open_departures($node, 'one', 'T1', 'small', 2);
sub buy
{
	my ($database, $tickets) = @_;
	return $node->safe_psql($database,
		"SELECT count(*) FROM generate_series(1, $tickets) i, ticket_buy('T1', 'S1', 'S5', i, '$day')");
}
sub left
{
	my ($database) = @_;
	return $node->safe_psql($database, "SELECT ticket_remaining('T1', 'S1', 'S5', '$day')");
}
is(buy('one', 3), '3', 'three tickets sold in database one');
$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE one');
is($node->safe_psql('two', 'SELECT min(departure_id) FROM ticket_departure'),
	$node->safe_psql('one', 'SELECT min(departure_id) FROM ticket_departure'), 'a copy has the same departure ids');
is($node->safe_psql('two', "SELECT 'ticket_order'::regclass::oid"), $node->safe_psql('one', "SELECT 'ticket_order'::regclass::oid"),
	'and the same relation ids');
is(left('two'), '7', 'the copy starts with what was sold');
is(buy('two', 5), '5', 'five tickets sold in the copy');
is(left('one') . ' ' . left('two'), '7 2', 'neither database sees the other one');
is(buy('one', 20), '7', 'the first one sells out');
is(left('two'), '2', 'and the copy has its two seats still');
is($node->safe_psql($_, 'SELECT count(*) FROM ticket_pool'), '1', "view ticket_pool of database $_ shows its own departure")
  for qw(one two);
agrees($node, $_, "database $_") for qw(one two);

# A session that has seen it all: the extension is dropped and created again, with the same
# departure ids.
my $session = session($node, 'two');
is($session->run("SELECT ticket_remaining('T1', 'S1', 'S5', '$day')"), '2', 'a session knows the departure');
$node->safe_psql('two', 'DROP EXTENSION ticketpool CASCADE; CREATE EXTENSION ticketpool');
make_train($node, 'two', 'T1', 5);
make_formation($node, 'two', 'small', 10);
open_departures($node, 'two', 'T1', 'small', 2);
is($node->safe_psql('two', 'SELECT min(departure_id) FROM ticket_departure'), '1', 'departure ids start again');
is(left('two'), '10', 'a new extension starts with nothing sold');
is($session->run("SELECT ticket_remaining('T1', 'S1', 'S5', '$day')"), '10', 'also for a session that knew the old one');
is($session->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 1, '$day')"), '1', 'which can buy');
is(left('one') . ' ' . left('two'), '0 9', 'the first database is as it was');
$session->quit;
agrees($node, $_, "database $_ afterwards") for qw(one two);

# A dropped database leaves nothing that the next one of that name could meet.
$node->safe_psql('postgres', 'DROP DATABASE two');
$node->safe_psql('postgres', 'CREATE DATABASE two TEMPLATE one');
is(left('two'), '0', 'a database of the same name has the new contents');
$node->safe_psql('one', "SELECT ticket_refund(order_id) FROM ticket_order LIMIT 4");
is(left('one') . ' ' . left('two'), '4 0', 'a refund in one frees nothing in the other');
agrees($node, $_, "database $_ at last") for qw(one two);

# DROP EXTENSION that is rolled back changes nothing.
my $other = session($node, 'one');
$other->run('BEGIN');
$other->run('DROP EXTENSION ticketpool CASCADE');
$other->run('CREATE EXTENSION ticketpool');
is($other->run('SELECT count(*) FROM ticket_departure'), '0', 'dropped and created in a transaction');
$other->run('ROLLBACK');
is($other->run("SELECT ticket_remaining('T1', 'S1', 'S5', '$day')"), '4', 'rolled back: all is as before');
is($other->run("SELECT count(*) FROM ticket_buy('T1', 'S1', 'S5', 1, '$day')"), '1', 'and sales go on');
$other->quit;

$node->stop;
done_testing();
