# Group sale: many callers share one commit, and none of them can tell.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Group;

my $day = DAY;
my $next = '2031-05-02';
my $node = group_server('group', conf => "ticketpool.memory = 16MB\nticketpool.allocation = first_fit\nwal_writer_delay = 10s\nautovacuum = off");
my @session = map { session($node, 'postgres', verbosity => 'default') } 1 .. 12;
my $user = 100;

# What ticket_pool_stat counts in groups.
sub in_groups { return $node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat') }

# ---------------------------------------------------------------------------------------------------------------------
# Every function, in one group: each answer is the order's rows, column by column
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', "SELECT ticket_reserve('T', '$day', 'second', 'agency', 10, 'S1', 'S5')");
my @calls = (
	[ ticket_buy => "SELECT * FROM ticket_buy('T', 'S1', 'S5', %d, '$day')" ],
	[ 'ticket_buy of a party' => "SELECT * FROM ticket_buy('T', 'S1', 'S3', %d, '$day', passengers => ARRAY[21, 22, 23])" ],
	[ 'ticket_buy with letters' => "SELECT * FROM ticket_buy('T', 'S2', 'S5', %d, '$day', seat_choice => 'F')" ],
	[ 'ticket_buy from a quota' => "SELECT * FROM ticket_buy('T', 'S1', 'S5', %d, '$day', channel => 'agency')" ],
	[ 'ticket_buy with a request_id' => "SELECT * FROM ticket_buy('T', 'S1', 'S5', %d, '$day', request_id => '00000000-0000-0000-0000-000000000005')" ],
	[ ticket_hold => "SELECT * FROM ticket_hold('T', 'S1', 'S5', %d, '$day', ttl => '1 hour')" ],
	[ ticket_buy_seats => "SELECT * FROM ticket_buy_seats('T', 'S1', 'S5', %d, '{003/1A,003/7F}', '$day')" ],
	[ ticket_hold_seats => "SELECT * FROM ticket_hold_seats('T', 'S1', 'S5', %d, '{004/1A}', '$day')" ],
	[ 'ticket_buy of another day' => "SELECT * FROM ticket_buy('T', 'S1', 'S5', %d, '$next')" ],
	[ item_buy => 'SELECT * FROM item_buy(1, %d, 2)' ],
	[ item_hold => 'SELECT * FROM item_hold(1, %d, 3)' ]);
call_cashier($node);
my $before = in_groups();
my @answers = in_one_group($node, [ map { [ $session[$_], sprintf $calls[$_][1], $_ + 1 ] } 0 .. $#calls ]);
is(in_groups() - $before, @calls + 1, 'each function sells in a group');
is($answers[$_], last_rows($node, 'postgres', $answers[$_], $calls[$_][0] =~ /^item/ ? 'item_order' : 'ticket_order'), "$calls[$_][0]: the answer is the order's rows") for 0 .. $#calls;
is($node->safe_psql('postgres', q{SELECT count(DISTINCT x), count(*) FROM (SELECT xmin::text AS x FROM ticket_order UNION ALL SELECT xmin::text FROM item_order WHERE user_id > 1) o}),
	'1|14', 'all rows have been written by one transaction');
is($node->safe_psql('postgres', "SELECT string_agg(user_id::text, ' ' ORDER BY order_id) FROM (SELECT DISTINCT user_id, order_id FROM ticket_order WHERE service_date = '$day') o"),
	'1 2 3 4 5 6 7 8', 'first come, first served');
agrees($node, 'postgres', 'every function');
is($node->safe_psql('postgres', q{SELECT state, pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier'), rounds > 0, errors, due FROM ticket_worker_status
	WHERE worker = 'cashier' AND database = 'postgres'}), 'running|t|t|0|0', 'ticket_worker_status has the cashier');

# Sold out, refused, and not the group's concern: each answer is what it is without a cashier.
@answers = in_one_group($node, [
	[ $session[1], "SELECT order_id FROM item_buy(2, 12, 3)" ],
	[ $session[2], "SELECT order_id FROM item_buy(2, 13, 3)" ],
	[ $session[3], "SELECT order_id FROM ticket_buy_seats('T', 'S1', 'S5', 14, '{003/2A}', '$day')" ],
	[ $session[4], "SELECT order_id FROM ticket_buy_seats('T', 'S1', 'S5', 15, '{003/2A}', '$day')" ],
	[ $session[5], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 16, '$day')" ] ]);
is(join(' ', map { /\d/ ? 'sold' : 'none' } @answers), 'sold none sold none sold', 'whoever comes too late gets no row');
agrees($node, 'postgres', 'too late');

# ---------------------------------------------------------------------------------------------------------------------
# One request_id
# ---------------------------------------------------------------------------------------------------------------------
my $request = '00000000-0000-0000-0000-00000000000a';
my $twin = "SELECT * FROM ticket_buy('T', 'S1', 'S5', 20, '$day', request_id => '$request')";
@answers = in_one_group($node, [ [ $session[0], $twin ], [ $session[1], $twin ], [ $session[2], "SELECT * FROM ticket_buy('T', 'S1', 'S5', 21, '$day')" ], [ $session[3], $twin ] ]);
is($answers[1], $answers[0], 'twins in one group get the same rows');
is($answers[3], $answers[0], 'the third, too');
is(join(' ', groups_of($node, 'postgres', 'user_id IN (20, 21)')), '2 2 1', 'they were sold once, and the group went on');
is($session[4]->run($twin), $answers[0], 'a later call gets the rows');
$session[4]->run($twin =~ s/'S5'/'S4'/r);
is($session[4]->sqlstate, '22023', 'another trip under the same id is refused');
$twin = "SELECT * FROM item_buy(1, 20, 1, '$request')";
@answers = in_one_group($node, [ [ $session[0], $twin ], [ $session[1], $twin ] ]);
is($answers[1], $answers[0], 'twins of an item get the same row');
is($node->safe_psql('postgres', 'SELECT count(*) FROM item_order WHERE user_id = 20'), '1', 'the item was sold once');

# The first is open: its twin waits for it, and nobody else does.
for my $end ('COMMIT', 'ROLLBACK')
{
	$user += 10;
	my $id = sprintf '00000000-0000-0000-0000-%012d', $user;
	$twin = "SELECT * FROM ticket_buy('T', 'S1', 'S5', $user, '$day', request_id => '$id')";
	$session[0]->run('BEGIN');
	my $first = $session[0]->run($twin);
	call_cashier($node);
	$session[1]->send($twin);
	ok(becomes_true($node, 'postgres', 'SELECT wait_event_type = $$Lock$$ FROM pg_stat_activity WHERE pid = ' . $session[1]->backend), "$end: the twin of an open purchase waits for it");
	$before = in_groups();
	my @others = in_one_group($node, [ map { [ $session[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', $user + $_, '$day')" ] } 2 .. 5 ]);
	is(scalar(grep { /^\d+$/ } @others), 4, "$end: a group goes on meanwhile");
	is(in_groups() - $before, 5, "$end: by the cashier");
	$session[0]->run($end);
	my $second = $session[1]->wait;
	is($second eq $first ? 'the same' : $second =~ /^\d/ ? 'its own' : $second, $end eq 'COMMIT' ? 'the same' : 'its own', "$end: then it gets the rows, or buys");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id = $user"), '1', "$end: one sale");
}

# An open row of somebody's own with the request_id, written by hand: it is the twin that waits.
$session[0]->run('BEGIN');
$session[0]->run("INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, request_id)
	SELECT 4242, 1, departure_id, service_date, 77, 77, 'second', '005', '1A', 1, 2, 'sold', '$request' FROM ticket_departure WHERE train = 'T' AND service_date = '$day'");
ok($session[0]->is_ok, 'a row is written by hand') or diag($session[0]->output);
$session[0]->run("INSERT INTO item_order (order_id, inventory_id, item_id, user_id, buy_quantity, status, request_id) SELECT 4242, id, item_id, 77, 1, 'sold', '$request' FROM item_inventory WHERE item_id = 1");
ok($session[0]->is_ok, 'and one of an item') or diag($session[0]->output);
my $offset = -s $node->logfile;
my @twins = ([ $session[1], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 77, '$day', request_id => '$request')" ], [ $session[6], "SELECT order_id FROM item_buy(1, 77, 1, '$request')" ]);
$before = in_groups();
in_one_group($node, [ @twins, map { [ $session[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 78, '$day')" ] } 2 .. 5 ], wait_for => [ @session[ 2 .. 5 ] ]);
is(in_groups() - $before, 5, 'the group goes on without purchases that have the same request_id');
ok(becomes_true($node, 'postgres', 'SELECT bool_and(wait_event_type = $$Lock$$) FROM pg_stat_activity WHERE pid IN (' . join(', ', map { $_->[0]->backend } @twins) . ')'), 'these wait for the rows');
unlike(slurp_file($node->logfile, $offset), qr/group sale goes on/, 'the cashier does not');
$session[0]->run('ROLLBACK');
like($_->[0]->wait, qr/^\d+$/, 'and sell when they are gone') for @twins;
agrees($node, 'postgres', 'requests');

# ---------------------------------------------------------------------------------------------------------------------
# Rules
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', "UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure'");
@answers = in_one_group($node, [ map { [ $session[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', @{[ 200 + $_ ]}, '$next', passengers => ARRAY[" . ($_ % 3 == 0 ? 900 : 900 + $_) . '])' ] } 0 .. 5 ]);
is(join(' ', map { $_->sqlstate } @session[ 0 .. 5 ]), '00000 00000 00000 TK004 00000 00000', 'of two tickets for one passenger in a group one is sold');
is(join(' ', map { /^\d+$/ ? 'sold' : 'refused' } @answers), 'sold sold sold refused sold sold', 'the first');
like($answers[3], qr/DETAIL:  The purchase was refused by a rule/, 'the other gets the whole error');
$node->safe_psql('postgres', q{UPDATE ticket_rule SET enabled = rule = 'ticket_rule_user_limit' WHERE on_kind = 'ticket'});
$node->safe_psql('postgres', q{CREATE ROLE seller LOGIN; ALTER ROLE seller SET ticketpool.user_limit = 2; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO seller});
my @sellers = map { TicketpoolTest::Session->new($node->connstr('postgres') . ' user=seller', verbosity => 'default') } 1 .. 4;
my %limit_of;
for my $round (1 .. 3)
{
	# The limit is the caller's: 2 for a seller, 5 for others.
	@answers = in_one_group($node, [ map { ([ $sellers[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 310 + $_, '$next')" ], [ $session[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 320 + $_, '$next')" ]) } 0 .. 3 ]);
	is(join(' ', map { $_->sqlstate } @sellers), join(' ', ($round <= 2 ? '00000' : 'TK004') x 4), "round $round: sellers have their limit");
	is(join(' ', map { $_->sqlstate } @session[ 0 .. 3 ]), '00000 00000 00000 00000', "round $round: others have theirs");
}
$_->quit for @sellers;
# A rule of the user's own is asked by the caller itself.
$node->safe_psql('postgres', q{CREATE FUNCTION not_13(bigint, bigint, bigint[], int, int) RETURNS text STABLE LANGUAGE sql AS $$ SELECT 'not ' || current_setting('application_name') WHERE $2 = 13 $$;
	UPDATE ticket_rule SET enabled = false; INSERT INTO ticket_rule VALUES ('public.not_13', 'ticket', true)});
call_cashier($node);
$before = in_groups();
$_->run("SET application_name = 'shop'") for @session;
$session[$_]->send("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 10 + $_, '$next')") for 0 .. 5;
$_->wait for @session[ 0 .. 5 ];
is(join(' ', map { $_->sqlstate } @session[ 0 .. 5 ]), '00000 00000 00000 TK004 00000 00000', 'a rule of the user refuses one');
like($session[3]->output, qr/not shop/, 'with the settings of the session');
is(in_groups(), $before, 'and nobody asks the cashier');
$node->safe_psql('postgres', q{DELETE FROM ticket_rule WHERE rule = 'public.not_13'});

# ---------------------------------------------------------------------------------------------------------------------
# A failure of one harms nobody else
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.user_id = 403 THEN RAISE EXCEPTION 'not %, by % as %', NEW.user_id, session_user, current_setting('application_name') USING ERRCODE = 'AB123', HINT = 'go away'; END IF; RETURN NEW; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION refuse()});
sub ten
{
	my ($label, $first, $state, $pattern) = @_;
	call_cashier($node);
	$session[$_]->send("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', $first + $_, '$next')") for 0 .. 9;
	$_->wait for @session[ 0 .. 9 ];
	is(join(' ', map { $_->sqlstate } @session[ 0 .. 9 ]), join(' ', map { $_ == 3 ? $state : '00000' } 0 .. 9), "$label refuses one of ten");
	like($session[3]->output, $pattern, "$label: with its own error");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id BETWEEN $first AND $first + 9"), '9', "$label: nine are sold");
	return;
}
ten('a trigger', 400, 'AB123', qr/not 403, by \w+ as shop.*HINT:  go away/s);
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON ticket_order; ALTER TABLE ticket_order ADD CONSTRAINT lucky CHECK (user_id <> 413)');
ten('a check', 410, '23514', qr/violates check constraint "lucky"/);
$node->safe_psql('postgres', 'ALTER TABLE ticket_order DROP CONSTRAINT lucky; ALTER TABLE ticket_order ADD COLUMN app text DEFAULT current_setting($$application_name$$)');
call_cashier($node);
$session[0]->run("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 420, '$next')");
is($node->safe_psql('postgres', 'SELECT app FROM ticket_order WHERE user_id = 420'), 'shop', 'a default sees the settings of the caller');
$node->safe_psql('postgres', 'ALTER TABLE ticket_order DROP COLUMN app; CREATE UNIQUE INDEX one_each ON ticket_order (service_date, passenger_id) WHERE user_id BETWEEN 430 AND 449');
$session[3]->run("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 440, '$next', passengers => ARRAY[433])");
ten('a unique index', 430, '23505', qr/duplicate key value violates unique constraint .*passenger_id/);
$node->safe_psql('postgres', 'DROP INDEX one_each');
agrees($node, 'postgres', 'failures');

# ---------------------------------------------------------------------------------------------------------------------
# As durable as the strictest asks: the WAL writer sleeps, so that what no commit flushes is lost.
# ---------------------------------------------------------------------------------------------------------------------
my %crash = crashes($node);
for my $strict (0, 2, 4)
{
	my $base = 500 + 10 * $strict;
	$session[$_]->run('SET synchronous_commit = ' . ($_ == $strict ? 'on' : 'off')) for 0 .. 4;
	@answers = in_one_group($node, [ map { [ $session[$_], "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', $base + $_, '$next')" ] } 0 .. 4 ]);
	ok($crash{'kill -9 of the postmaster'}->(), "strictest is number $strict: the server is killed and starts again");
	is($node->safe_psql('postgres', "SELECT string_agg(order_id::text, ' ' ORDER BY user_id) FROM ticket_order WHERE user_id BETWEEN $base AND $base + 4"), "@answers", "strictest is number $strict: all of its group are there");
	agrees($node, 'postgres', "strictest is number $strict");
	eval { $_->quit } for @session;
	@session = map { session($node, 'postgres', verbosity => 'default') } 1 .. 12;
}

# ---------------------------------------------------------------------------------------------------------------------
# Holds of a group expire in time
# ---------------------------------------------------------------------------------------------------------------------
call_cashier($node);
@answers = in_one_group($node, [ map { [ $session[$_], $_ % 2 ? "SELECT order_id FROM ticket_hold('T', 'S1', 'S5', @{[ 600 + $_ ]}, '$next', ttl => '300 ms')" : "SELECT order_id FROM item_hold(1, @{[ 600 + $_ ]}, ttl => '300 ms')" ] } 0 .. 7 ]);
is($node->safe_psql('postgres', "SELECT count(DISTINCT xmin::text) FROM ticket_order WHERE user_id BETWEEN 600 AND 607"), '1', 'four holds in one group');
ok(becomes_true($node, 'postgres', q{SELECT bool_and(status = 'expired') AND max(changed_at - held_until) < '3 s' FROM ticket_order WHERE user_id BETWEEN 600 AND 607}), 'they expire in time');
ok(becomes_true($node, 'postgres', q{SELECT bool_and(status = 'expired') FROM item_order WHERE user_id BETWEEN 600 AND 607}), 'those of an item, too');
settles($node, 'postgres', 'holds');
agrees($node, 'postgres', 'holds');

$_->quit for @session;
indexes_are_whole($node, 'postgres', 'at the end');
$node->stop;
done_testing();
