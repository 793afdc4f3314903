# An exchange whose old tickets are on one server and whose new ones are on another: whatever dies at whatever step, the old
# ticket is never lost without the new one, and never kept beside it. The steps are taken here one by one, as a router takes
# them (src/pg/nodes/change_away.cpp).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my ($old, $new) = map { new_server($_, conf => 'ticketpool.memory = 4MB') } qw(old new);
for my $server ($old, $new)
{
	make_train($server, 'postgres', $server->name, 5);
	make_formation($server, 'postgres', 'f', 5);
	open_departures($server, 'postgres', $server->name, 'f', 2);
}

# Ids differ from server to server.
$new->safe_psql('postgres', "SELECT setval('ticket_order_id_seq', 1000)");

# What is left: seats of the old and of the new train.
sub free
{
	return join ' ', map { $_->safe_psql('postgres', "SELECT ticket_remaining('" . $_->name . "', 'S1', 'S5', '$day')") } $old, $new;
}

# The server is killed while the statement has been carried out and not committed.
sub die_after
{
	my ($server, $sql) = @_;
	my $session = session($server);
	$session->run($_) for 'BEGIN', $sql;
	is($session->sqlstate, '00000', "carried out: $sql");
	ok(kill_9_of($server, 'pid = ' . $session->backend), 'its session is killed');
	return;
}

# The same after its commit: the answer is lost.
sub die_committed
{
	my ($server, $sql) = @_;
	my $answer = $server->safe_psql('postgres', $sql);
	$server->stop('immediate');
	$server->start;
	return $answer;
}

my $request = "'00000000-0000-0000-0000-00000000000a'";
my $order = $old->safe_psql('postgres', "SELECT order_id FROM ticket_buy('old', 'S1', 'S5', 7, '$day', passengers => '{71,72}') LIMIT 1");
is(free(), '3 5', 'two tickets are sold');
my $hold = "SELECT DISTINCT order_id FROM ticket_exchange_hold($order, 7, '{1,2}', '{71,72}', '{second,second}', '{NULL,NULL}', 'new', 'S1', 'S5', '$day', ttl => '1 day', request_id => $request)";

die_after($new, $hold);
is(free(), '3 5', 'a hold that was not committed is gone');
my $to = die_committed($new, $hold);
is(free(), '3 3', 'one that was is there after a crash');
is($new->safe_psql('postgres', $hold), $to, 'and is found again by its request_id');

my $away = "SELECT string_agg(status || changed_to, ' ') FROM ticket_change_away($order, $to, '{1,2}')";
my $unsettled = 'SELECT order_id, ticket_nos, changed_to FROM ticket_unsettled()';
die_after($old, $away);
is(free(), '3 3', 'a fence that was not committed: the old tickets are sold');
is($old->safe_psql('postgres', "SELECT string_agg(status, ' ') FROM ticket_get($order)"), 'sold sold', 'as their rows say');
is($old->safe_psql('postgres', $unsettled), '', 'and nothing is to be done');
is(die_committed($old, $away), "changed$to changed$to", 'the point of no return');
is(free(), '5 3', 'the old seats are free after a crash');
is($old->safe_psql('postgres', $unsettled), "$order|{1,2}|$to", 'the old server knows what is to be done');
is($old->safe_psql('postgres', $away), "changed$to changed$to", 'again: the same answer');
(undef, undef, my $error) = $old->psql('postgres', "SELECT ticket_change_away($order, $to + 128)", extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($error, qr/TK005/, 'a rival is late');

die_after($new, "SELECT count(*) FROM ticket_confirm($to)");
is($new->safe_psql('postgres', "SELECT string_agg(status, ' ') FROM ticket_get($to)"), 'held held', 'a payment that was not committed');
is(die_committed($new, "SELECT string_agg(status || changed_from, ' ') FROM ticket_confirm($to)"), "sold$order sold$order", 'one that was');
is($old->safe_psql('postgres', $unsettled), "$order|{1,2}|$to", 'the old server has not heard of it');
is($new->safe_psql('postgres', "SELECT string_agg(status, ' ') FROM ticket_confirm($to)"), 'sold sold', 'so it is paid again, which changes nothing');
is($new->safe_psql('postgres', $hold), $to, 'and a repetition of the whole finds the new order');

die_after($old, "SELECT ticket_settled($order, $to)");
is($old->safe_psql('postgres', $unsettled), "$order|{1,2}|$to", 'a note that was not committed');
die_committed($old, "SELECT ticket_settled($order, $to)");
is($old->safe_psql('postgres', $unsettled), '', 'nothing is left to be done');
is(free(), '5 3', 'each passenger has one seat');

# On one server: ticket_change with a request_id
my $single = $old->safe_psql('postgres', "SELECT order_id FROM ticket_buy('old', 'S1', 'S5', 8, '$day')");
my $change = "SELECT order_id FROM ticket_change($single, 'old', 'S1', 'S5', date '$day' + 1, request_id => $request)";
die_after($old, $change);
is($old->safe_psql('postgres', "SELECT status FROM ticket_get($single)"), 'sold', 'an exchange that was not committed has not happened');
my $changed = die_committed($old, $change);
is($old->safe_psql('postgres', $change), $changed, 'one that was is the answer to its repetition');
is($old->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id = 8 AND status = 'sold'"), '1', 'and there is one ticket');

agrees($_, 'postgres', $_->name) for $old, $new;
done_testing();
