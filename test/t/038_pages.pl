# How the pool is mapped: what ticket_pool_stat and the log say of it, and that sales over all of
# it work with each kind of pages that the machine has.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $node = new_server('pages', conf => "ticketpool.memory = '64MB'\nhuge_pages = off");
my $linux = -e '/proc/self/smaps';
my $of_the_log = 'the seat pool of \d+ MB is not in huge pages';

sub pages { return $node->safe_psql('postgres', 'SELECT pages, page_bytes FROM ticket_pool_stat') }

# Which kinds there may be with huge_pages = off depends on the kernel.
my ($kind, $bytes) = split /\|/, pages();
like($kind, qr/^(transparent huge|populated|single)$/, "pages: $kind");
cmp_ok($bytes, $kind eq 'transparent huge' ? '>' : '==', POSIX::sysconf(POSIX::_SC_PAGESIZE()), 'and their size');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/$of_the_log/, 'a small pool is not worth a line in the log');

# Departures all over a pool of several regions of 2 MB: seats that are sold on one of them show on
# that one only, in sessions that have met few and many.
my $trains = 600;
make_formation($node, 'postgres', 'large', 3000);
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, 30) n;
	INSERT INTO ticket_stop SELECT 'T' || t, n, 'S' || n, interval '10 minutes' * n, interval '10 minutes' * n
		FROM generate_series(1, $trains) t, generate_series(1, 30) n;
	SELECT count(ticket_open('T' || t, '$day', 'large', '2020-01-01')) FROM generate_series(1, $trains) t});

sub sell_and_count
{
	my ($what, $sold) = @_;
	my $wrong = qq{SELECT count(*) FROM generate_series(1, $trains) t WHERE ticket_remaining('T' || t, 'S1', 'S30', '$day') <> 3000 - $sold * (t % 3)};
	is($node->safe_psql('postgres', qq{SELECT count(*) FROM generate_series(1, $trains) t, generate_series(1, t % 3) n, ticket_buy('T' || t, 'S1', 'S30', n, '$day')}),
		$trains, "$what: seats are sold");
	my @sessions = map { session($node) } 1 .. 3;
	is($_->run($wrong), '0', "$what: and a new session counts what is left") for @sessions;
	is($_->run($wrong), '0', "$what: again") for @sessions;
	$_->quit for @sessions;
	return;
}
sell_and_count($kind, 1);
cmp_ok($node->safe_psql('postgres', 'SELECT bytes_used FROM ticket_pool_stat'), '>', 6 << 20, 'they are in several regions of 2 MB');
is($node->safe_psql('postgres', q{SELECT evictions FROM ticket_pool_stat}), '0', 'and all in memory');

# A large pool: the line in the log, with what to set, once at each start. It must not take memory
# that nothing is in: all of it is 1 GB.
$node->append_conf('postgresql.conf', "ticketpool.memory = '1GB'");
my $from = -s $node->logfile;
stop_and_start($node);
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile, $from);
my $needed = $node->safe_psql('postgres', 'SHOW shared_memory_size_in_huge_pages');
if ($linux && $kind ne 'transparent huge')
{
	is(() = $log =~ /LOG:  $of_the_log/g, 1, 'a large pool without huge pages is');
	like($log, qr/HINT:  Set the kernel's vm\.nr_hugepages to $needed or more/, 'with what to set');
}
else
{
	unlike($log, qr/$of_the_log/, 'where huge pages are not missing, the log does not speak of them');
}
is((pages() =~ /^(.*)\|/)[0], $kind, 'ticket_pool_stat says the same');
SKIP:
{
	skip 'no smaps here', 2 if !$linux;
	my $session = session($node);
	my $shared = sub {
		my ($pid) = $session->run('SELECT pg_backend_pid()');
		my ($kb) = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status") =~ /^RssShmem:\s+(\d+)/m;
		return $kb;
	};
	$session->run("SELECT ticket_remaining('T1', 'S1', 'S30', '$day')");
	my $first = $shared->();
	cmp_ok($first, '<', 64 << 10, 'the first call of a session maps little of the pool');
	$session->run("SELECT ticket_remaining('T' || t, 'S1', 'S30', '$day') FROM generate_series(1, $trains) t");
	cmp_ok($shared->(), '<', 128 << 10, 'a call for each departure maps no more than what is in use');
	$session->quit;
}
sell_and_count("$kind, a large pool", 2);

# After a crash all of it is mapped again.
my $victim = session($node);
ok(kill_9_of($node, "backend_type = 'client backend'"), 'the server starts again after kill -9');
sell_and_count('after a crash', 3);

# Huge pages, where the machine has set some aside.
SKIP:
{
	my $meminfo = -r '/proc/meminfo' ? PostgreSQL::Test::Utils::slurp_file('/proc/meminfo') : '';
	my ($free) = $meminfo =~ /^HugePages_Free:\s+(\d+)/m;
	my ($size) = $meminfo =~ /^Hugepagesize:\s+(\d+)/m;
	skip "too few huge pages are set aside here ($needed would do)", 9 if ($free // 0) < ($needed || 1);
	$node->append_conf('postgresql.conf', 'huge_pages = on');
	$from = -s $node->logfile;
	stop_and_start($node);
	is(pages(), 'huge|' . $size * 1024, 'huge pages are used');
	unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile, $from), qr/$of_the_log/, 'and the log says nothing');
	sell_and_count('huge', 4);
}

is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'pool and tables agree');
done_testing();
