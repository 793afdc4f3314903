# doc/howto/backup.md: a base backup and the archived WAL, recovered to a moment before a mistake.
# Sales, holds and quotas are those of that moment, what has run out since expires, pool and tables
# agree, and sales go on.
use strict;
use warnings;

use Cwd ();
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $primary = keep_sessions(PostgreSQL::Test::Cluster->new('primary'));
$primary->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--no-locale' ]);
# Commands of the server run in its data folder, so the archive has its whole path.
my $archive = Cwd::abs_path(PostgreSQL::Test::Utils::tempdir);
$primary->append_conf('postgresql.conf', qq{
shared_preload_libraries = 'ticketpool'
archive_mode = on
archive_command = 'test ! -f "$archive/%f" && cp "%p" "$archive/%f"'
});
$primary->start;
$primary->safe_psql('postgres', 'CREATE EXTENSION ticketpool');
make_train($primary, 'postgres', 'T1', 4);
make_formation($primary, 'postgres', 'small', 20);
$primary->safe_psql('postgres', "SELECT ticket_open('T1', '$day', 'small')");
$primary->backup('base');

# What happens before the moment, and after it.
$primary->safe_psql('postgres', qq{
	SELECT count(*) FROM ticket_buy('T1', 'S1', 'S4', 7, '$day', passengers => '{1,2,3,4,5}');
	SELECT count(*) FROM ticket_hold('T1', 'S1', 'S2', 8, '$day', passengers => '{6,7}', ttl => '1 day');
	SELECT count(*) FROM ticket_hold('T1', 'S1', 'S2', 9, '$day', ttl => '1 hour');
	SELECT ticket_reserve('T1', '$day', NULL, 'agency', 4, 'S1', 'S4');
	SELECT item_open(77, 10);
	SELECT count(*) FROM item_buy(77, 7, 3)});
my $statuses = q{SELECT status, count(*) FROM ticket_order GROUP BY 1 ORDER BY 1};
my $left = qq{SELECT ticket_remaining('T1', 'S1', 'S4', '$day'), ticket_remaining('T1', 'S1', 'S4', '$day', channel => 'agency'), item_remaining(77)};
my ($statuses_then, $left_then) = map { $primary->safe_psql('postgres', $_) } $statuses, $left;
is($statuses_then, "held|3\nsold|5", 'before the mistake');
is($left_then, '8|12|7', 'what is left then');
my $moment = $primary->safe_psql('postgres', 'SELECT clock_timestamp()');
is($primary->safe_psql('postgres', "SELECT ticket_withdraw('T1', '$day')"), '8', 'the mistake');
$primary->safe_psql('postgres', 'SELECT item_refund(order_id) FROM item_order; SELECT pg_switch_wal()');
$primary->stop;    # it archives what is left

my $restored = keep_sessions(PostgreSQL::Test::Cluster->new('restored'));
$restored->init_from_backup($primary, 'base');
$restored->append_conf('postgresql.conf', qq{
restore_command = 'cp "$archive/%f" "%p"'
recovery_target_time = '$moment'
recovery_target_action = 'promote'
archive_mode = off
});
append_to_file($restored->data_dir . '/recovery.signal', '');
$restored->start;
ok(becomes_true($restored, 'postgres', 'SELECT NOT pg_is_in_recovery()'), 'the server is recovered');
is($restored->safe_psql('postgres', $statuses), $statuses_then, 'after the recovery the orders are those of the moment');
is($restored->safe_psql('postgres', $left), $left_then, 'and so is what is left, of the quota too');
is($restored->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'pool and tables agree');
is($restored->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', 'for items, too');

# Sales go on, and holds run out by the wall clock.
is($restored->safe_psql('postgres', qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S4', 10, '$day')}), '1', 'sales go on');
$restored->safe_psql('postgres', q{UPDATE ticket_order SET held_until = clock_timestamp() WHERE user_id = 9});
ok(becomes_true($restored, 'postgres', q{SELECT status = 'expired' FROM ticket_order WHERE user_id = 9}), 'a hold that is over expires');
is($restored->safe_psql('postgres', $statuses), "expired|1\nheld|2\nsold|6", 'nothing else has changed');
is($restored->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'pool and tables agree');
$restored->stop;
done_testing();
