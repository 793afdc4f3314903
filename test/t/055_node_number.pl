# The number of a node: every session knows it from the commit that sets it, and dumps, copies, an update,
# a standby and a crash keep it, for ids that are drawn by a purchase and for those of hand-written rows.
use strict;
use warnings;

use Cwd qw(abs_path getcwd);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_server('node', streaming => 1, install_path => installation_with("$FindBin::RealBin/../update/ticketpool--0.2.sql"), conf => "max_prepared_transactions = 5\nwal_level = logical");

# What the tests sell from
sub stock
{
	my ($database) = @_;
	make_train($node, $database, 'T', 3);
	make_formation($node, $database, 'f', 300);
	open_departures($node, $database, 'T', 'f', 1);
	$node->safe_psql($database, 'SELECT item_open(1, 1000)');
	return;
}
stock('postgres');

my $buy = "SELECT order_id & 127 FROM ticket_buy('T', 'S1', 'S2', 1, '$day')";
my $last_day = 0;

sub sqlstate_of
{
	my ($session, $sql) = @_;
	$session->run($sql);
	return $session->sqlstate;
}

# Draws an id of each kind, also by hand, and returns the node numbers that they end in.
sub drawn
{
	my ($on, $database) = @_;
	$last_day++;
	my $out = $on->safe_psql($database, qq{
		SELECT ticket_open('T', date '$day' + 100 + $last_day, 'f') & 127;
		SELECT ticket_reserve('T', '$day', 'second', 'web', 1, 'S1', 'S3') & 127;
		$buy;
		SELECT item_open(1000 + $last_day, 5) & 127;
		SELECT id & 127 FROM item_split(1000 + $last_day, 2);
		SELECT order_id & 127 FROM item_buy(1, 1);
		INSERT INTO ticket_departure (train, service_date, formation, opens_at, route_id, layout_id)
			SELECT 'by hand $last_day', service_date, formation, opens_at, route_id, layout_id FROM ticket_departure WHERE train = 'T' LIMIT 1 RETURNING departure_id & 127;
		INSERT INTO ticket_reservation (departure_id, service_date, seat_class, channel, seats, from_stop, to_stop, status, seat_list)
			VALUES (0, '$day', 'second', 'web', 1, 1, 2, 'recycled', '{001/1A}') RETURNING reservation_id & 127;
		INSERT INTO item_inventory (item_id, quantity, status) VALUES (5000 + $last_day, 1, 'closed') RETURNING id & 127});
	my %numbers = map { $_ => 1 } split /\n/, $out;
	return join ' ', sort keys %numbers;
}

# All ids there are, to see that none was drawn twice.
my $ids = q{SELECT 'order ' || order_id FROM ticket_order UNION SELECT 'departure ' || departure_id FROM ticket_departure
	UNION SELECT 'reservation ' || reservation_id FROM ticket_reservation UNION SELECT 'inventory ' || id FROM item_inventory UNION SELECT 'item order ' || order_id FROM item_order};

# ---------------------------------------------------------------------------------------------------------------------
# Sessions that are there already
# ---------------------------------------------------------------------------------------------------------------------
my $idle = session($node);
my $open = session($node);
my $serializable = session($node);
my $prepared = session($node);
$idle->run($buy);    # has cached numbers of the sequence, and that there is no node number
$open->run("BEGIN; $buy");
$serializable->run("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT count(*) FROM ticket_order; $buy");
$prepared->run("BEGIN; $buy; PREPARE TRANSACTION 'p'");

# A transaction that sets the number is alone with it, nobody waits for it, and a rollback leaves nothing.
my $setter = session($node);
$setter->run('BEGIN; SELECT ticket_node_set(4)');
is($setter->run($buy), 4, 'the transaction that sets a number draws with it');
my $high = "SELECT order_id & (1::bigint << 36) FROM ticket_buy('T', 'S1', 'S2', 1, '$day')";
is($_->run($high), 0, 'others go on without') for $idle, $open, $serializable;
my $second = session($node);
$second->send('SELECT ticket_node_set(5)');
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ '^SELECT ticket_node_set' AND wait_event_type = 'Lock'}), 'a second one waits for the first');
$setter->run('ROLLBACK');
$second->wait;
is($setter->run($buy), 5, 'after a rollback the number is what others see');
is($idle->run($buy), 5, 'an idle session draws with the new number');
is($open->run($buy), 5, 'so does a transaction that drew without one');
is($serializable->run($buy), 5, 'so does a serializable one, whose snapshot is older');
$node->safe_psql('postgres', 'SELECT ticket_node_set(6)');
is($open->run($buy), 6, 'and each later change reaches it');
is($serializable->run($buy), 6, 'at any isolation level');
$open->run('COMMIT');
$serializable->run('COMMIT');
$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
is(drawn($node, 'postgres'), 6, 'ids of all kinds end in it');

# A session that dies on the way
my $dying = session($node);
$dying->run('BEGIN; SELECT ticket_node_set(8)');
is($dying->run($buy), 8, 'a session sets a number');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $dying->backend . ')');
ok(becomes_true($node, 'postgres', 'SELECT count(*) = 0 FROM pg_locks WHERE relation = \'ticket_node\'::regclass AND mode = \'ShareRowExclusiveLock\''), 'and ends');
is($idle->run($buy), 6, 'its number went with it');

# A prepared one is known at its commit, not before, and to the session that prepared it not either.
$setter->run("BEGIN; SELECT ticket_node_set(8); $buy; PREPARE TRANSACTION 'n'");
is($_->run($buy), 6, 'a number that is prepared is nobody\'s') for $setter, $idle;
$node->safe_psql('postgres', "COMMIT PREPARED 'n'");
is($_->run($buy), 8, 'and everybody\'s once it has committed') for $setter, $idle;
$node->safe_psql('postgres', 'SELECT ticket_node_set(6)');

# Back to 0: the first draw of a session and ticket_node_set(0) never pass each other.
$node->safe_psql('postgres', 'CREATE DATABASE zero');
$node->safe_psql('zero', 'CREATE EXTENSION ticketpool');
stock('zero');
$node->safe_psql('zero', 'SELECT ticket_node_set(3)');
my $first = session($node, 'zero');
my $back = session($node, 'zero');
$back->run('BEGIN; SELECT ticket_node_set(0)');
$first->send($high);
ok(becomes_true($node, 'zero', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query ~ 'ticket_buy' AND wait_event_type = 'Lock'}), 'the first draw with a number waits for it to become 0');
$back->run('COMMIT');
is($first->wait, 0, 'and draws without');
$back->run('SELECT ticket_node_set(3)');
$first->run("BEGIN; $buy");
is(sqlstate_of($back, 'SELECT ticket_node_set(0)'), '55000', 'while a session draws the first id, it is refused at once');
$first->run('ROLLBACK');
is(sqlstate_of($back, 'SELECT ticket_node_set(0)'), '55000', 'also after that was rolled back');

# Sessions that draw while the number changes: each id ends in a number that was set meanwhile.
my $workers = start_workers(3, sub {
	my ($number, $log) = @_;
	my $session = session($node);
	for (1 .. 60)
	{
		my $before = $session->run('SELECT node FROM ticket_node');
		my $id = $session->run("SELECT order_id & 127 FROM item_buy(1, $number)");
		my $after = $session->run('SELECT node FROM ticket_node');
		print $log "$before $id $after\n";
	}
});
$node->safe_psql('postgres', "SELECT ticket_node_set($_)") for 21 .. 80;
ok(wait_workers($workers), 'workers');
my @lines = map { s/^\d+ //r } log_lines($workers);
is(scalar(@lines), 180, 'all purchases were made');
is(join(', ', grep { my ($before, $id, $after) = split / /; $id < $before || $id > $after } @lines), '', 'none ended in a number that was not set at the time');
$node->safe_psql('postgres', 'SELECT ticket_node_set(6)');

# ---------------------------------------------------------------------------------------------------------------------
# Dumps
# ---------------------------------------------------------------------------------------------------------------------
my $known = join "\n", sort split /\n/, $node->safe_psql('postgres', $ids);
my %ways = (
	plain => [ [ 'pg_dump', '-f', "$dir/plain.sql" ], sub { [ 'psql', '-XAtq', '-o', "$dir/out", '-f', "$dir/plain.sql", '-d', $node->connstr($_[0]) ] } ],
	single => [ [ 'pg_dump', '-Fc', '-f', "$dir/single" ], sub { [ 'pg_restore', '-1', '-d', $node->connstr($_[0]), "$dir/single" ] } ],
	parallel => [ [ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/parallel" ], sub { [ 'pg_restore', '-j', '3', '-d', $node->connstr($_[0]), "$dir/parallel" ] } ],
	'data only' => [ [ 'pg_dump', '-Fc', '-a', '-f', "$dir/data" ], sub { [ 'pg_restore', '-a', '-d', $node->connstr($_[0]), "$dir/data" ] } ],
	'without triggers' => [ [ 'pg_dump', '-Fc', '-a', '-f', "$dir/silent" ], sub { [ 'pg_restore', '-a', '--disable-triggers', '-d', $node->connstr($_[0]), "$dir/silent" ] } ]);
for my $way (sort keys %ways)
{
	my $copy = 'copy_' . $way =~ s/ /_/gr;
	my ($dump, $restore) = @{ $ways{$way} };
	$node->safe_psql('postgres', "CREATE DATABASE $copy TEMPLATE template0");
	my $there;
	if ($way =~ /data only|without triggers/)
	{
		# A session that knows the number of the database before the restore
		$node->safe_psql($copy, "CREATE EXTENSION ticketpool; INSERT INTO ticket_formation VALUES ('before', '1', 'x', '{1A}'); INSERT INTO ticket_stop VALUES ('B', 1, 'B1', NULL, '1:00'), ('B', 2, 'B2', '2:00', NULL)");
		$there = session($node, $copy);
		$there->run("SELECT item_open(99999, 5)");
		$there->run('DELETE FROM item_inventory; TRUNCATE ticket_stop; TRUNCATE ticket_formation');
		# Partitions are not part of the extension: data alone needs them.
		$node->safe_psql($copy, $_) for split /\n/, $node->safe_psql('postgres', q{SELECT format('CREATE TABLE %I PARTITION OF ticket_order %s', relname, pg_get_expr(relpartbound, oid)) FROM pg_class WHERE relispartition AND relkind = 'r'});
	}
	$node->command_ok([ @$dump, '-d', $node->connstr('postgres') ], "$way: dump");
	my (undef, $errors) = PostgreSQL::Test::Utils::run_command($restore->($copy));
	is($errors, '', "$way: restore without errors");
	is($there->run("SELECT order_id & 127 FROM item_buy(1, 9)"), 6, "$way: a session that was there before draws with the number") if $there;
	is(drawn($node, $copy), 6, "$way: ids end in the number");
	is($node->safe_psql($copy, 'SELECT node FROM ticket_node WHERE node <> 0'), 6, "$way: it is in the table");
	is(scalar(grep { /^(1|0)$/ } split /\n/, $node->safe_psql($copy, 'SELECT count(*) FROM ticket_node')), 1, "$way: in one row") if $way ne 'without triggers';
	my %new = map { $_ => 1 } split /\n/, $node->safe_psql($copy, $ids);
	is(scalar(grep { !$new{$_} } split /\n/, $known), 0, "$way: what was there is there, under its id");
	is(sqlstate_of(session($node, $copy), 'SELECT ticket_node_set(0)'), '55000', "$way: it does not become 0 again");
}

# ---------------------------------------------------------------------------------------------------------------------
# A subscriber
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'CREATE DATABASE follower TEMPLATE template0');
$node->safe_psql('follower', 'CREATE EXTENSION ticketpool');
stock('follower');
my $follower = session($node, 'follower');
is($follower->run($high), 0, 'a subscriber has no number yet');
$node->safe_psql('postgres', 'CREATE PUBLICATION number FOR TABLE ticket_node');
$node->safe_psql('postgres', q{SELECT count(*) FROM pg_create_logical_replication_slot('number', 'pgoutput')});
$node->safe_psql('follower', sprintf(q{CREATE SUBSCRIPTION number CONNECTION '%s' PUBLICATION number WITH (create_slot = false, slot_name = 'number')}, $node->connstr('postgres') =~ s/'/''/gr));
ok(becomes_true($node, 'follower', 'SELECT count(*) = 1 AND min(node) = 6 FROM ticket_node'), 'the first copy brings the number, and its row replaces the one with 0');
is($follower->run($buy), 6, 'a session that was there draws with it');
$node->safe_psql('postgres', 'SELECT ticket_node_set(16)');
ok(becomes_true($node, 'follower', 'SELECT count(*) = 1 AND min(node) = 16 FROM ticket_node'), 'a change is applied');
is($follower->run($buy), 16, 'and known to the session');
$node->safe_psql('follower', $_) for 'ALTER SUBSCRIPTION number DISABLE', 'ALTER SUBSCRIPTION number SET (slot_name = NONE)', 'DROP SUBSCRIPTION number';
ok(becomes_true($node, 'postgres', q{SELECT NOT active FROM pg_replication_slots WHERE slot_name = 'number'}), 'the subscription ends');
$node->safe_psql('postgres', $_) for q{SELECT pg_drop_replication_slot('number')}, 'DROP PUBLICATION number', 'SELECT ticket_node_set(6)';
$follower->quit;

# ---------------------------------------------------------------------------------------------------------------------
# Copies, a crash, a standby
# ---------------------------------------------------------------------------------------------------------------------
$_->quit for $idle, $open, $serializable, $prepared, $setter, $second;
ok(await(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 && ($node->psql('template1', 'CREATE DATABASE twin TEMPLATE postgres'))[0] == 0 }), 'a copy of the database');
is(drawn($node, 'twin'), 6, 'it has the number');
is($node->safe_psql('twin', 'SELECT node, database <> (SELECT oid FROM pg_database WHERE datname = \'postgres\') FROM ticket_node_status()'), '6|t', 'a router is told that they are two');
$node->safe_psql('twin', 'SELECT ticket_node_set(7)');
is(drawn($node, 'twin') . ' ' . drawn($node, 'postgres'), '7 6', 'and each has its own from then on');

$node->stop('immediate');
$node->start;
is(drawn($node, 'postgres'), 6, 'a crash leaves it');

$node->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('standby'));
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->start;
my $reader = session($standby);
is($reader->run('SELECT node FROM ticket_node_status()'), 6, 'a standby knows it');
is(sqlstate_of($reader, 'SELECT ticket_node_set(5)'), '25006', 'and cannot change it');
$node->safe_psql('postgres', 'SELECT ticket_node_set(9)');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
is($reader->run('SELECT node FROM ticket_node_status()'), 9, 'nor keeps an old one');
ok(becomes_true($standby, 'postgres', q{SELECT in_recovery AND received_lsn = replayed_lsn AND replay_lag = '0' AND replayed_at <= now FROM ticket_node_status()}), 'a standby that has replayed all is not old');
is($standby->safe_psql('postgres', 'SELECT system_identifier, database, stations_digest, version FROM ticket_node_status()'),
	$node->safe_psql('postgres', 'SELECT system_identifier, database, stations_digest, version FROM ticket_node_status()'), 'it is the same database');
$node->stop;
ok(becomes_true($standby, 'postgres', q{SELECT replay_lag > interval '0' FROM ticket_node_status()}), 'without its primary it grows old');
ok(becomes_true($standby, 'postgres', 'SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()'), 'it has replayed the end of the primary');
$standby->safe_psql('postgres', 'CHECKPOINT');
$reader->quit;
$standby->restart;
is($standby->safe_psql('postgres', 'SELECT replayed_at IS NULL, replay_lag IS NULL FROM ticket_node_status()'), 't|t', 'a standby that has replayed no commit since its start does not call itself young');
$reader = session($standby);
$standby->promote;
ok(becomes_true($standby, 'postgres', 'SELECT NOT pg_is_in_recovery()'), 'promoted');
is($reader->run($buy), 9, 'a session of the standby draws with the number');
is(drawn($standby, 'postgres'), 9, 'so do all');
agrees($standby, 'postgres', 'promoted');
$node->start;

# ---------------------------------------------------------------------------------------------------------------------
# An update in place: ids go on where they were
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{CREATE EXTENSION ticketpool VERSION '0.2';
	SELECT setval('ticket_departure_departure_id_seq', 41); SELECT setval('ticket_reservation_reservation_id_seq', 42, false); SELECT setval('item_inventory_id_seq', 43)});
$node->safe_psql('old', 'ALTER EXTENSION ticketpool UPDATE');
stock('old');
is($node->safe_psql('old', "SELECT departure_id, (SELECT id FROM item_inventory), ticket_reserve('T', '$day', 'second', 'web', 1, 'S1', 'S3') FROM ticket_departure"), '42|44|42', 'after an update, sequences go on');
is($node->safe_psql('old', 'SELECT node FROM ticket_node'), 0, 'there is no number');
$node->safe_psql('old', 'SELECT ticket_node_set(12)');
is(drawn($node, 'old'), 12, 'until it is set');
agrees($node, 'old', 'updated');

done_testing();
