# A move between nodes shows while it runs: router_progress() on the router, if that has the library
# preloaded, and ticket_progress on the nodes. When it is cancelled, both are empty again.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

my $day = DAY;
my $many = TicketpoolTest::Router->new('moves', nodes => 2, router_conf => "shared_preload_libraries = 'ticketpool'\n");
make_train($many->node($_)->{server}, "node$_", 'T', 5), make_formation($many->node($_)->{server}, "node$_", 'ten', 10) for 1, 2;
$many->assign(T => 1);
$many->ask("SELECT ticket_open('T', '$day', 'ten', '2020-01-01')");
my $buyer = session($many->node(1)->{server}, 'node1');
my $mover = session($many->router);
$buyer->run("BEGIN; SELECT count(*) FROM ticket_buy('T', 'S1', 'S5', 1, '$day')");
$mover->send("SELECT router_move('T', '$day', 2)");
ok(becomes_true($many->router, 'postgres', q{SELECT count(*) = 1 FROM router_progress() WHERE command = 'router_move' AND phase = 'packing' AND object = 'T 2031-05-01' AND datname = 'postgres'}),
	'router_move shows on the router');
ok(becomes_true($many->node(1)->{server}, 'node1', q{SELECT count(*) = 1 FROM ticket_progress WHERE command = 'ticket_move_out' AND phase = 'waiting for claims' AND object = 'T 2031-05-01' AND datname = 'node1'}),
	'and its step on the node');
$many->router->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $mover->backend . ')');
$mover->wait;
# The router had asked for a change, and does not wait for the answer; then it takes the departure back.
is($mover->sqlstate, '08007', 'it is cancelled, in the middle of a step');
is($many->router->safe_psql('postgres', 'SELECT count(*) FROM router_progress()'), '0', 'no row is left on the router');
ok(becomes_true($many->node(1)->{server}, 'node1', 'SELECT count(*) = 0 FROM ticket_progress'), 'nor on the node');
$buyer->run('ROLLBACK');
is($many->ask("SELECT ticket_remaining('T', 'S1', 'S5', '$day')"), '10', 'the departure is on sale where it was');
is($mover->run("SELECT router_move('T', '$day', 2)"), '', 'and can be moved');
is($many->router->safe_psql('postgres', 'SELECT count(*) FROM router_progress()'), '0', 'which leaves no row');
$_->quit for $buyer, $mover;
$many->stop;

done_testing();
