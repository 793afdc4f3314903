# What is on sale is loaded into memory before anybody asks: by a worker after a start and a crash
# if ticketpool.preload is on, by hand with ticket_preload(); never more than fits.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $node = new_server('preload', conf => 'ticketpool.memory = 2MB');
make_train($node, 'postgres', 'T1', 12);
make_train($node, 'postgres', 'T2', 12);
make_formation($node, 'postgres', 'small', 60);
make_formation($node, 'postgres', 'large', 20_000);
open_departures($node, 'postgres', 'T1', 'small', 30);
# No longer on sale: closed, withdrawn, departed long ago.
open_departures($node, 'postgres', 'T2', 'small', 3);
$node->safe_psql('postgres', q{
	SELECT ticket_close('T2', min(service_date)), ticket_withdraw('T2', max(service_date)) FROM ticket_departure WHERE train = 'T2';
	SELECT ticket_open('T2', '2020-01-01', 'small');
	SELECT count(*) FROM ticket_departure d, ticket_buy('T1', 'S2', 'S5', d.departure_id, d.service_date) WHERE d.train = 'T1'});
my $in_memory = q{SELECT count(*) FROM ticket_pool};
my $counts = q{SELECT string_agg(ticket_remaining(train, 'S1', 'S12', service_date)::text, ',' ORDER BY service_date) FROM ticket_departure WHERE train = 'T1'};
my $right = join ',', (59) x 30;

$node->restart;
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'ticketpool sweeper'}), 'the first sweep is over');
is($node->safe_psql('postgres', $in_memory), '0', 'off: nothing is loaded before somebody asks');
is($node->safe_psql('postgres', 'SELECT ticket_preload()'), '31', 'by hand: what is on sale');
is($node->safe_psql('postgres', 'SELECT ticket_preload()'), '0', 'once');
is($node->safe_psql('postgres', $in_memory), '31', 'and nothing else');
is($node->safe_psql('postgres', $counts), $right, 'with the orders');
my ($status, $out, $err) = $node->psql('postgres', 'CREATE ROLE nobody LOGIN; SET ROLE nobody; SELECT ticket_preload()');
like($err, qr/permission denied for function ticket_preload/, 'not for everybody');

$node->safe_psql('postgres', 'ALTER SYSTEM SET ticketpool.preload = on');
my $loaded = qr/ticketpool loaded 31 departures in \d+ ms/;
my $offset = -s $node->logfile;
$node->restart;
ok($node->wait_for_log($loaded, $offset), 'on: the worker loads them after a start');
is($node->safe_psql('postgres', $in_memory), '31', 'all of them');
is($node->safe_psql('postgres', $counts), $right, 'with their orders');
is($node->safe_psql('postgres', q{SELECT rebuilds FROM ticket_pool_stat}), '31', 'and nobody had to load one again');
$offset = -s $node->logfile;
kill 'KILL', $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
ok($node->wait_for_log($loaded, $offset), 'after a crash, too');

# More than fits: the preload stops in time, and what is asked for still finds room.
make_train($node, 'postgres', "L$_", 12) for 1 .. 100;
$node->safe_psql('postgres', "SELECT count(ticket_open('L' || n, date '@{[DAY]}' + 100, 'large')) FROM generate_series(1, 100) n");
$offset = -s $node->logfile;
$node->restart;
ok($node->wait_for_log(qr/ticketpool loaded \d+ departures/, $offset), 'more than fits: it comes to its end');
is($node->safe_psql('postgres', q{SELECT evictions FROM ticket_pool_stat}), '0', 'nothing made room for it');
cmp_ok($node->safe_psql('postgres', $in_memory), '>', 31, 'it loaded some of them');
cmp_ok($node->safe_psql('postgres', $in_memory), '<', 131, 'not all');
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM ticket_worker_status WHERE worker = 'preloader' AND database = 'postgres' AND state = 'incomplete'
	AND last_error_sqlstate = '53200' AND due = 131 - (SELECT count(*) FROM ticket_pool) AND last_error ~ (due || ' of 131 departures on sale were not loaded$')}), 'and says so');
($status, $out, $err) = $node->psql('postgres', 'SELECT ticket_preload()');
is($out, '0', 'by hand, no more is loaded');
like($err, qr/NOTICE:  "ticketpool\.memory" is nearly full: \d+ of 131 departures on sale were not loaded/, 'which is told');
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'ticket_verify finds nothing');

$node->stop;
done_testing();
