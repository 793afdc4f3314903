# Group sale with a synchronous standby, and what is written of it: a caller that asks for the
# standby waits for it, also when the group's own wait is cut short; cancelled or cut off while the
# standby is away, it alone stops waiting. Each row can be decoded to its order, and recovery to a
# point in time finds whole groups.
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
my $node = group_server('primary', streaming => 1, conf => "ticketpool.memory = 4MB\nwal_level = logical\nwal_keep_size = 64MB\nticketpool.cashier_idle = 10min");
$node->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('standby'));
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', "SELECT FROM pg_create_logical_replication_slot('decoded', 'test_decoding')");
my @session = map { session($node, 'postgres', verbosity => 'default') } 1 .. 8;
# The observer and whoever calls the cashier don't wait for standbys.
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'standby'; ALTER SYSTEM SET synchronous_commit = local; SELECT pg_reload_conf()");
my $user = 0;
sub buy { $user++; return "SELECT user_id FROM ticket_buy('T', 'S1', 'S5', $user, '$day')" }
sub waits_for_standby
{
	my ($pid, $label) = @_;
	return ok(becomes_true($node, 'postgres', "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid"), $label);
}

# With the standby
ok(becomes_true($node, 'postgres', q{SELECT sync_state = 'sync' FROM pg_stat_replication}), 'the standby is synchronous');
for my $level ('on', 'remote_apply')
{
	$session[0]->run("SET synchronous_commit = $level");
	$session[1]->run('SET synchronous_commit = off');
	my @answers = in_one_group($node, [ [ $session[0], buy() ], [ $session[1], buy() ] ]);
	is("@answers", join(' ', $user - 1, $user), "$level: a group is sold");
	is($standby->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id >= $user - 1"), '2', "$level: the standby has applied it") if $level eq 'remote_apply';
}

# Without it. Session 0 and 1 ask for it, 2 and 3 do not.
$standby->stop;
sub group_without_standby
{
	$session[$_]->run('SET synchronous_commit = ' . ($_ < 2 ? 'on' : 'local')) for 0 .. 3;
	my $cashier = call_cashier($node);
	in_one_group($node, [ map { [ $session[$_], buy() ] } 0 .. 3 ], wait_for => []);
	waits_for_standby($cashier, 'the cashier waits for the standby');
	return $cashier;
}
my $cashier = group_without_standby();
is($node->safe_psql('postgres', "SELECT count(*) FROM ticket_order WHERE user_id > $user - 4"), '0', 'nobody sees what is not acknowledged');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session[0]->backend . ')');
like($session[0]->wait, qr/WARNING:  canceling wait for synchronous replication due to user request.*\n${\($user - 3)}$/s, 'a caller that is cancelled gets the warning and its rows');
ok($session[0]->is_ok, 'and no error');
is($session[$_]->wait, $user - 3 + $_, 'who did not ask for the standby goes on') for 2, 3;
waits_for_standby($session[1]->backend, 'who did ask waits on, by itself');
is(call_cashier($node), $cashier, 'the cashier serves others');
# Cut off
my $before = $user;
in_one_group($node, [ map { [ $session[$_], buy() ] } 0, 2 ], wait_for => []);
waits_for_standby($cashier, 'another group waits');
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $session[0]->backend . ')');
$session[0]->wait;
is($session[0]->sqlstate =~ /^(57P01|lost)$/ ? 'gone' : $session[0]->sqlstate, 'gone', 'a caller that is ended is gone');
# The standby returns: everybody has an answer.
$standby->start;
is($session[1]->wait, $before - 2, 'with the standby back, whoever waited gets its rows');
is($session[2]->wait, $before + 2, 'whoever was in a group with the one that is gone, too');
is($node->safe_psql('postgres', "SELECT string_agg(user_id::text, ' ' ORDER BY user_id) FROM ticket_order"), join(' ', 1 .. $user), 'all that was committed is there, also for who is gone');
agrees($node, 'postgres', 'without a standby');
# The cashier is ended while it waits for a standby: its group is committed, and its callers wait on.
$standby->stop;
$session[0] = session($node, 'postgres', verbosity => 'default');
$cashier = group_without_standby();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($cashier, 5000)");
is($session[$_]->wait, $user - 3 + $_, 'a cashier that is ended has answered who does not wait for the standby') for 2, 3;
waits_for_standby($session[$_]->backend, 'who does waits on') for 0, 1;
$standby->start;
is($session[$_]->wait, $user - 3 + $_, 'until it is back') for 0, 1;
agrees($node, 'postgres', 'a cashier that is ended');

# Decoded: each row of a group comes with its order's columns, in one transaction.
my %decoded = map { /order_id\[bigint\]:(\d+).*user_id\[bigint\]:(\d+)/ ? ($1 => $2) : () } split /\n/, $node->safe_psql('postgres', "SELECT data FROM pg_logical_slot_get_changes('decoded', NULL, NULL) WHERE data LIKE '%ticket_order_p%INSERT%'");
is(join(' ', map { "$_ $decoded{$_}" } sort { $a <=> $b } keys %decoded), $node->safe_psql('postgres', "SELECT string_agg(order_id || ' ' || user_id, ' ' ORDER BY order_id) FROM ticket_order"), 'each order is decoded');

# The standby is promoted: its pool is what its tables say.
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$node->stop;
$standby->promote;
$standby->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()");
is($standby->safe_psql('postgres', 'SELECT count(*) FROM ticket_order'), $user, 'the promoted standby has all');
call_cashier($standby);
pgbench_crowd($standby, 'postgres', 8, 5, 'prepared', 'promoted', "SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 1000, '$day') \\gset\n");
agrees($standby, 'postgres', 'promoted');
$_->quit for @session;
$standby->stop;
done_testing();
