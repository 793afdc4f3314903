# Group sale, message by message. A call of the extended protocol may be sold in a group only if it is
# the first Execute of its pipeline and the Sync has been received with it. And whatever fails, fails
# with the very same error as with group_sale off.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Wire;

my $day = DAY;
my $node = new_server('group_wire', conf => "ticketpool.group_sale = 'always'");
make_train($node, 'postgres', 'T1', 4);
make_formation($node, 'postgres', 'f', 1000);
open_departures($node, 'postgres', 'T1', 'f', 1);
$node->safe_psql('postgres', 'CREATE TABLE log (id bigint)');
my $b = "ticket_buy('T1', 'S1', 'S2', 1, '$day')";
my $sql = "SELECT order_id, seat, passenger_id, service_date, created_at, request_id FROM $b";

my $wire;
sub connect_again { my (%options) = @_; $wire = TicketpoolTest::Wire->new($node, %options); return }
connect_again();

sub in_groups { return $node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat') }
sub live { return $node->safe_psql('postgres', q{SELECT count(*) FROM ticket_order WHERE status IN ('sold', 'held')}) }
my ($groups, $live) = (in_groups(), live());

# What has been sold since the last call, and how much of it in groups.
sub sold
{
	my ($grouped, $sold) = (in_groups() - $groups, live() - $live);
	($groups, $live) = ($groups + $grouped, $live + $sold);
	return "sold $sold, grouped $grouped";
}

# Messages by their names.
sub parse { goto &TicketpoolTest::Wire::parse }
sub bind_ { return TicketpoolTest::Wire::bind(@_) }
sub describe { goto &TicketpoolTest::Wire::describe }
sub execute { goto &TicketpoolTest::Wire::execute }
sub flush { return TicketpoolTest::Wire::flush() }
sub sync { return TicketpoolTest::Wire::sync() }
my @whole = (parse($sql), bind_(), describe(), execute());

# Packets in one piece: [name, messages, what is sold, SQLSTATE]
for my $packet (
	[ 'a statement', [ @whole, sync() ], 'sold 1, grouped 1' ],
	[ 'its rows in binary', [ parse($sql), bind_(formats => [1]), execute(), sync() ], 'sold 1, grouped 1' ],
	[ 'formats that differ', [ parse($sql), bind_(formats => [ 1, 0, 1, 0, 1, 0 ]), execute(), sync() ], 'sold 1, grouped 1' ],
	[ 'a format that there is not', [ parse($sql), bind_(formats => [7]), execute(), sync() ], 'sold 0, grouped 0', '22023' ],
	[ 'the last format', [ parse($sql), bind_(formats => [ 0, 0, 0, 0, 0, -1 ]), execute(), sync() ], 'sold 0, grouped 0', '22023' ],
	[ 'two of them', [ @whole, sync(), @whole, sync() ], 'sold 2, grouped 2' ],
	[ 'a row limit that does not cut', [ parse($sql), bind_(), execute(5), sync() ], 'sold 1, grouped 0' ],
	[ 'one row, and one more', [ parse($sql), bind_(), execute(1), execute(1), sync() ], 'sold 1, grouped 0' ],
	[ 'all rows, twice', [ parse($sql), bind_(), execute(), execute(), sync() ], 'sold 1, grouped 0' ],
	[ 'Flush before the Sync', [ @whole, flush(), sync() ], 'sold 1, grouped 0' ],
	[ 'Close before the Sync', [ @whole, TicketpoolTest::Wire::close_portal(), sync() ], 'sold 1, grouped 0' ],
	[ 'Describe before the Sync', [ @whole, describe(), sync() ], 'sold 1, grouped 0' ],
	[ 'a statement that fails behind it', [ @whole, parse('SELECT 1 / 0'), bind_(), execute(), sync() ], 'sold 0, grouped 0', '22012' ],
	[ 'a statement before it', [ parse('SELECT 1'), bind_(), execute(), @whole, sync() ], 'sold 1, grouped 0' ],
	[ 'an INSERT before it', [ parse('INSERT INTO log VALUES (1)'), bind_(), execute(), @whole, sync() ], 'sold 1, grouped 0' ],
	[ 'a suspended portal before it',
		[ parse('SELECT generate_series(1, 3)', 's'), bind_(portal => 'p', statement => 's'), execute(1, 'p'), @whole, sync() ], 'sold 1, grouped 0' ],
	[ 'a portal that was never executed before it',
		[ parse('SELECT 1', 't'), bind_(portal => 'p', statement => 't'), @whole, sync() ], 'sold 1, grouped 1' ],
	[ 'BEGIN before it, COMMIT behind',
		[ parse('BEGIN'), bind_(), execute(), @whole, parse('COMMIT'), bind_(), execute(), sync() ], 'sold 1, grouped 0' ],
	[ 'an INSERT behind it', [ @whole, parse('INSERT INTO log VALUES (1)'), bind_(), execute(), sync() ], 'sold 1, grouped 0' ],
	[ 'a named portal', [ parse($sql), bind_(portal => 'mine'), execute(0, 'mine'), sync() ], 'sold 1, grouped 0' ],
	[ 'a named statement', [ parse($sql, 'mine'), bind_(statement => 'mine'), execute(), sync() ], 'sold 1, grouped 1' ],
	[ 'the same again', [ bind_(statement => 'mine'), execute(), sync() ], 'sold 1, grouped 1' ],
	[ 'two Executes of one statement',
		[ bind_(statement => 'mine'), execute(), bind_(statement => 'mine'), execute(), sync() ], 'sold 2, grouped 0' ],
	[ 'COPY', [ parse("COPY (SELECT * FROM $b) TO STDOUT"), bind_(), execute(), sync() ], 'sold 1, grouped 0' ],
	[ 'a simple query behind an open pipeline',
		[ parse('INSERT INTO log VALUES (1)'), bind_(), execute(), TicketpoolTest::Wire::query("SELECT * FROM $b") ], 'sold 1, grouped 0' ],
	[ 'an expression', [ parse("SELECT 1 / (ticket_no - 1) FROM $b"), bind_(), execute(), sync() ], 'sold 0, grouped 0', '22012' ],
	[ 'parameters', [ parse(q{SELECT * FROM ticket_buy($1, $2, $3, $4, $5::date)}), bind_(values => [ 'T1', 'S1', 'S2', 7, $day ]), execute(), sync() ],
		'sold 1, grouped 1' ],
	[ 'a parameter that is malformed', [ parse(q{SELECT * FROM ticket_buy($1, $2, $3, $4, $5::date)}), bind_(values => [ 'T1', 'S1', 'S2', 'x', $day ]), execute(), sync() ],
		'sold 0, grouped 0', '22P02' ],
	[ 'a parameter that is NULL', [ parse(q{SELECT * FROM ticket_buy($1, $2, $3, $4, $5::date)}), bind_(values => [ 'T1', 'S1', 'S2', undef, $day ]), execute(), sync() ],
		'sold 0, grouped 0', '22004' ])
{
	my ($name, $messages, $sold, $error) = @$packet;
	connect_again() if $wire->lost;
	$wire->put(@$messages);
	my @answers = map { $wire->answer } 1 .. ($name eq 'two of them' ? 2 : 1);
	is(sold() . ', ' . join(' ', map { $_->{error} . $_->{status} } @answers), "$sold, " . join(' ', map { ($error // '') . 'I' } @answers), $name)
	  or diag(join "\n", map { $_->{message} } @answers);
}
connect_again();

# The Sync comes later: the answer does not wait for it, and the seat is taken at once.
for my $sync ([ 'a Flush and no Sync', flush() ], [ 'a Flush, and a Sync that is cut', flush(), substr(sync(), 0, 1) ])
{
	my ($name, @rest) = @$sync;
	$wire->put(@whole, @rest);
	my $answer = $wire->answer('C');
	is(@{ $answer->{rows} } . ' ' . $answer->{error}, '1 ', "$name: the row comes before the Sync");
	is(sold(), 'sold 0, grouped 0', "$name: nothing is committed yet");
	$wire->put(@rest > 1 ? substr(sync(), 1) : sync());
	is($wire->answer->{status}, 'I', "$name: then the Sync");
	is(sold(), 'sold 1, grouped 0', "$name: and it is");
}
$wire->put(@whole, flush());
$wire->answer('C');
$wire->cut;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM ticket_inflight}), 'a client that is cut off before its Sync');
is(sold(), 'sold 0, grouped 0', 'has bought nothing');
connect_again();

# Message for message, a client cannot tell the two ways.
my %seen;
for my $way (qw(off always))
{
	$wire->run("SET ticketpool.group_sale = $way");
	$wire->put(@whole, sync());
	my $extended = $wire->answer;
	my $simple = $wire->run($sql);
	is(sold(), 'sold 2, grouped ' . ($way eq 'off' ? 0 : 2), "$way: sold");
	my $counts = join ' ', map { scalar @{ $_->{rows}[0] } } $extended, $simple;
	$seen{$way} = join ' ', $extended->{types}, $extended->{status}, @{ $extended->{tags} }, $simple->{types}, $simple->{status}, @{ $simple->{tags} }, $counts;
	my ($id, $seat, $passenger, $date, $created, $request) = @{ $simple->{rows}[0] };
	is($node->safe_psql('postgres', "SELECT seat, passenger_id, service_date, created_at = '$created' FROM ticket_order WHERE order_id = $id"),
		"$seat|$passenger|$date|t", "$way: what was returned is what is stored");
}
is($seen{always}, $seen{off}, 'a client sees no difference');

# A column of the user's, of a type that cannot be sent as binary.
$node->safe_psql('postgres', 'ALTER TABLE ticket_order ADD COLUMN rights aclitem');
$wire->put(parse("SELECT * FROM $b"), bind_(formats => [1]), execute(), sync());
is($wire->answer->{error}, '42883', 'a column that cannot be sent as binary');
is(sold(), 'sold 0, grouped 0', 'has cost nothing');
$wire->put(parse($sql), bind_(formats => [1]), execute(), sync());
is($wire->answer->{error}, '', 'the other columns can');
is(sold(), 'sold 1, grouped 1', 'and are sold');
$node->safe_psql('postgres', 'ALTER TABLE ticket_order DROP COLUMN rights');

# ---------------------------------------------------------------------------------------------------------------------
# A session that waits in the queue: the cashier stands still meanwhile
# ---------------------------------------------------------------------------------------------------------------------
my $cashier = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier'});
ok($cashier, 'there is a cashier');
my $pid = $wire->run('SELECT pg_backend_pid()')->{rows}[0][0];
sub queue
{
	$wire->put(TicketpoolTest::Wire::query($sql));
	return 0 if $wire->lost;
	return $node->poll_query_until('postgres', "SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid");
}
kill 'STOP', $cashier;
ok(queue(), 'a session queues');
$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
ok(await(sub { slurp_file($node->logfile) =~ /logging memory contexts of PID $pid/ }), 'it does what it is asked in between');
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'and is cancelled');
my $answer = $wire->answer;
is("$answer->{error} $answer->{message} $answer->{status}", '57014 canceling statement due to user request I', 'that is an error as ever');
is($wire->run($sql)->{error}, '', 'until a cashier has come by, it sells for itself');
is(sold(), 'sold 1, grouped 0', 'and does');
kill 'CONT', $cashier;
is(TicketpoolTest::Wire->new($node)->run($sql)->{error}, '', 'another session queues');
is(sold(), 'sold 1, grouped 1', 'and its sale is in a group');
$wire->run($sql);
is(sold(), 'sold 1, grouped 1', 'so is the next one of the first session');
kill 'STOP', $cashier;
$wire->run('SET statement_timeout = 200');
$answer = $wire->run($sql);
$wire->run('RESET statement_timeout');
is("$answer->{error} $answer->{message} $answer->{status}", '57014 canceling statement due to statement timeout I', 'a time-out in the queue');
kill 'CONT', $cashier;
TicketpoolTest::Wire->new($node)->run($sql);    # the cashier has taken the whole queue by then
sold();
$wire->run($sql);
is(sold(), 'sold 1, grouped 1', 'leaves nothing behind');
kill 'STOP', $cashier;
ok(queue(), 'a session queues');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$answer = $wire->answer;
is("$answer->{error} $answer->{lost}", '57P01 1', 'and is terminated');
kill 'CONT', $cashier;
connect_again();
is(sold(), 'sold 0, grouped 0', 'unsold');
# ---------------------------------------------------------------------------------------------------------------------
# Errors: the same fields of the same message, whichever way the session would sell
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', qq{
	CREATE ROLE nobody_may LOGIN;
	SELECT item_open(1, 10);
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION \$\$refused\$\$ USING DETAIL = \$\$d\$\$, HINT = \$\$h\$\$; END';
	CREATE FUNCTION says_no(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql STABLE AS \$\$ SELECT 'because' WHERE \$2 = 66 \$\$;
	INSERT INTO ticket_rule VALUES ('ticket_rule_one_per_day', 'ticket', false), ('ticket_rule_user_limit', 'ticket', true), ('item_rule_user_limit', 'item', true), ('says_no', 'ticket', false)
		ON CONFLICT DO NOTHING;
	SELECT FROM ticket_buy('T1', 'S1', 'S2', 5, '$day', passengers => '{51, 52, 53, 54, 55}');
	SELECT order_id FROM ticket_buy('T1', 'S1', 'S2', 4, '$day', request_id => 'e0e0e0e0-0000-4000-8000-000000000002');
	SELECT ticket_open('T1', date '$day' + 1, 'f', '2030-01-01');
	SELECT ticket_open('T1', date '$day' + 2, 'f', '2020-01-01');
	SELECT ticket_close('T1', date '$day' + 2);
	INSERT INTO ticket_formation VALUES ('both', '01', 'first', '{1A}'), ('both', '02', 'second', '{1A}');
	SELECT ticket_open('T1', date '$day' + 3, 'both', '2020-01-01');
	SELECT ticket_open('T1', date '$day' + 4, 'f', '2020-01-01')});
sub call { my ($arguments, $function) = @_; return "SELECT * FROM @{[ $function // 'ticket_buy' ]}($arguments)" }
my ($good, $other) = map { "'T1', 'S1', 'S2', $_, '$day'" } 1, 3;
my @errors = (
	[ 'TK001', call("'T9', 'S1', 'S2', 1, '$day'") ],
	[ 'TK001', call("'T1', 'S1', 'S2', 1, '2032-01-01'") ],
	[ 'TK001', call('99, 1', 'item_buy') ],
	[ 'TK002', call("'T1', 'S2', 'S1', 1, '$day'") ],
	[ 'TK002', call("'T1', 'S1', 'S1', 1, '$day'") ],
	[ 'TK002', call("'T1', 'S1', 'nowhere', 1, '$day'") ],
	[ 'TK003', call("'T1', 'S1', 'S2', 1, date '$day' + 1") ],
	[ 'TK003', call("'T1', 'S1', 'S2', 1, date '$day' + 2") ],
	[ 'TK004', call("'T1', 'S1', 'S2', 5, '$day'") ],
	[ 'TK004', call("'T1', 'S1', 'S2', 5, '$day', ttl => '1 min'", 'ticket_hold') ],
	[ 'TK004', call('1, 1, 6', 'item_buy') ],
	[ 'TK004', call("'T1', 'S1', 'S2', 66, '$day'"), q{UPDATE ticket_rule SET enabled = true WHERE rule = 'says_no'}, q{UPDATE ticket_rule SET enabled = false WHERE rule = 'says_no'} ],
	[ 'TK006', call("'T1', 'S1', 'S2', 1, date '$day' + 3") ],
	[ 'TK006', call("$good, 'third'") ],
	[ '22023', call("$good, seat_choice => 'upside down'") ],
	[ '22023', call("$good, passengers => '{}'") ],
	[ '22023', call("$good, passengers => '{{1, 2}}'") ],
	[ '22023', call("$good, channel => ''") ],
	[ '22023', call("'T1', 'S1', 'S3', 4, '$day', request_id => 'e0e0e0e0-0000-4000-8000-000000000002'") ],
	[ '22023', call("$good, ttl => '-1 day'", 'ticket_hold') ],
	[ '22023', call('1, 1, 0', 'item_buy') ],
	[ '22023', call("'T1', 'S1', 'S2', 1, '{001/99Z}', '$day'", 'ticket_buy_seats') ],
	[ '22004', call("NULL, 'S1', 'S2', 1, '$day'") ],
	[ '22004', call("'T1', 'S1', 'S2', NULL, '$day'") ],
	[ '22004', call("$good, passengers => '{1, NULL}'") ],
	[ '22P02', call("$good, request_id => 'x'") ],
	[ '22007', call("'T1', 'S1', 'S2', 1, 'never'") ],
	[ '42501', call($good), 'SET SESSION AUTHORIZATION nobody_may', 'RESET SESSION AUTHORIZATION' ],
	[ '25006', call($good), 'SET default_transaction_read_only = on', 'SET default_transaction_read_only = off' ],
	[ 'P0001', call($other), 'CREATE TRIGGER u BEFORE INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION refuse()', 'DROP TRIGGER u ON ticket_order' ],
	[ 'P0001', call($other), 'CREATE CONSTRAINT TRIGGER u AFTER INSERT ON ticket_order DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()', 'DROP TRIGGER u ON ticket_order' ],
	[ '23505', call("'T1', 'S1', 'S2', 4, '$day'"), 'CREATE UNIQUE INDEX u ON ticket_order (service_date, user_id) WHERE user_id = 4', 'DROP INDEX u' ],
	[ '23514', call($other), 'ALTER TABLE ticket_order ADD CONSTRAINT u CHECK (user_id <> 3) NOT VALID', 'ALTER TABLE ticket_order DROP CONSTRAINT u' ],
	[ '23502', call($other), 'ALTER TABLE ticket_order ADD u int NOT NULL DEFAULT 1; ALTER TABLE ticket_order ALTER u DROP DEFAULT', 'ALTER TABLE ticket_order DROP u' ],
	[ '23514', call("'T1', 'S1', 'S2', 1, date '$day' + 4"),
		qq{DO \$\$ BEGIN EXECUTE (SELECT format('ALTER TABLE ticket_order DETACH PARTITION %s', tableoid::regclass) FROM ticket_order WHERE service_date = date '$day' + 4 LIMIT 1); END \$\$}, undef ]);
# One session a way: the errors of one may not depend on what the other has done.
my %session = map { my $way = $_; my $session = TicketpoolTest::Wire->new($node); $session->run("SET ticketpool.group_sale = $way"); $way => $session } qw(off always);
sub all_fields
{
	my ($answer) = @_;
	my %fields = %{ $answer->{fields} };
	$fields{D} =~ s/Failing row contains \K.*/…/ if defined $fields{D};    # it has an order_id, a seat and the time
	return join "\n", map { "$_: $fields{$_}" } sort keys %fields;
}
$node->safe_psql('postgres', "SELECT FROM ticket_buy('T1', 'S1', 'S2', 1, date '$day' + 4)");
sold();
for my $error (@errors)
{
	my ($state, $call, $before, $after) = @$error;
	my $of_session = defined $before && $before =~ /^SET/;
	$node->safe_psql('postgres', $before) if defined $before && !$of_session;
	sold();
	for my $protocol (qw(simple extended))
	{
		my %answer;
		for my $way (qw(off always))
		{
			$session{$way}->run($before) if $of_session;
			$answer{$way} = $protocol eq 'simple' ? $session{$way}->run($call) : $session{$way}->run_extended($call);
			$session{$way}->run($after) if $of_session;
		}
		is($answer{always}{error}, $state, "$protocol: $call") or diag($answer{always}{message});
		is(all_fields($answer{always}), all_fields($answer{off}), 'the error is the same with a cashier');
	}
	is(sold(), 'sold 0, grouped 0', 'nothing was sold');
	$node->safe_psql('postgres', $after) if defined $after && !$of_session;
}
done_testing();
