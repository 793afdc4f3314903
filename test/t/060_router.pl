# The twins of a router: two nodes in one server, a router in a server without the library.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;

my $nodes = new_server('nodes', plain => 1);
my $router = TicketpoolTest::keep_sessions(PostgreSQL::Test::Cluster->new('router'));
$router->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$router->append_conf('postgresql.conf', "max_connections = 40");
$router->start;

for my $number (1, 2)
{
	my $database = "node$number";
	$nodes->safe_psql('postgres', "CREATE DATABASE $database");
	$nodes->safe_psql($database, "CREATE EXTENSION ticketpool; SELECT ticket_node_set($number)");
	make_train($nodes, $database, "T$number", 5);
	make_formation($nodes, $database, 'F', 10);
}
my $user = $nodes->safe_psql('postgres', 'SELECT current_user');
$router->safe_psql('postgres', 'CREATE EXTENSION ticketpool_router CASCADE');
for my $number (1, 2)
{
	my $conninfo = 'host=' . $nodes->host . ' port=' . $nodes->port . " dbname=node$number";
	$router->safe_psql('postgres', "SELECT router_node_add($number, '$conninfo')");
	$router->safe_psql('postgres', "INSERT INTO router_train VALUES ('T$number', '2020-01-01', $number)");
}

# What a session of the router is answered; an error as SQLSTATE, message, detail, hint.
sub ask
{
	my ($sql, $server, $database) = @_;
	my ($status, $out, $err) = ($server // $router)->psql($database // 'postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $err =~ s/^psql:.*?(ERROR|FATAL):/$1:/mr if $status != 0;
	return $out;
}

# ---------------------------------------------------------------------------------------------------------------------
# By the departure
# ---------------------------------------------------------------------------------------------------------------------

like(ask("SELECT ticket_open('T1', '$day', 'F')"), qr/^\d+$/, 'a departure is opened through the router');
like(ask("SELECT ticket_open('T2', '$day', 'F')"), qr/^\d+$/, 'another on the other node');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S3', '$day')"), 10, 'seats are counted');
is(ask("SELECT order_id & 127, ticket_no, coach, status, service_date FROM ticket_buy('T1', 'S1', 'S3', 7, '$day')"),
	"1|1|001|sold|$day", 'a seat is sold on the first node');
is(ask("SELECT order_id & 127, ticket_no, coach, status FROM ticket_buy('T2', 'S1', 'S3', 7, '$day')"), '2|1|001|sold', 'on the second one');
is(ask("SELECT ticket_remaining('T1', 'S1', 'S3', '$day')"), 9, 'one less');
is($nodes->safe_psql('node1', 'SELECT count(*) FROM ticket_order'), 1, 'one order on the node');
is(ask("SELECT ticket_close('T2', '$day')"), '', 'void');
like(ask("SELECT * FROM ticket_buy('T2', 'S1', 'S3', 7, '$day')"), qr/TK003/, 'closed');
is(ask("SET datestyle = 'SQL, DMY'; SET intervalstyle = sql_standard; SELECT count(*) FROM ticket_hold('T1', 'S1', 'S3', 8, '$day', ttl => '-1 +2:00:00'::interval * -1)"),
	1, 'whatever the date style is');

done_testing();
