# Clients live the whole life of tickets and items while the server suffers one fault after the
# other: killed processes, ended sessions, cancels, time-outs, restarts, a full disk, a full pool,
# no connection left. Each client writes down what it was told. Afterwards the tables must agree
# with every acknowledged answer, and the pool with the tables.
# TICKETPOOL_SOAK_MINUTES sets the length (make soak MINUTES=n), TICKETPOOL_SEED the random choices.
use strict;
use warnings;

# A full disk needs a small file system: a mount in a user namespace of our own, where the kernel lets us have one.
BEGIN
{
	if (!defined $ENV{TICKETPOOL_SOAK_NAMESPACE})
	{
		my @namespace = qw(unshare --map-current-user --keep-caps -m);
		$ENV{TICKETPOOL_SOAK_NAMESPACE} = system("@namespace true 2>/dev/null") == 0 ? 1 : 0;
		exec(@namespace, $^X, (map { "-I$_" } @INC), $0, @ARGV) if $ENV{TICKETPOOL_SOAK_NAMESPACE};
	}
}

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use TicketpoolTest;

my $seed = seed();
my $seconds = 60 * ($ENV{TICKETPOOL_SOAK_MINUTES} // 0.15);
# Every day, clients that think longer: servers that fail and start again are what takes the time.
my $pause = defined $ENV{TICKETPOOL_SOAK_MINUTES} ? 0.06 : 0.25;
my $clients = 16;
my $day = DAY;
my %fault_count;
my $in_groups = 0;

# ---------------------------------------------------------------------------------------------------------------------
# The server
# ---------------------------------------------------------------------------------------------------------------------
my $small_disk = abs_path(PostgreSQL::Test::Utils::tempdir());
# Room for the sales of that many minutes.
my ($SYS_mount, $type, $size) = (165, 'tmpfs', sprintf('size=%dm', 96 + $seconds));    # on x86-64
my $has_small_disk = $ENV{TICKETPOOL_SOAK_NAMESPACE} && syscall($SYS_mount, $type, $small_disk, $type, 0, $size) == 0;
diag('faults of the disk are left out: no mount in a user namespace here') unless $has_small_disk;

my $node = PostgreSQL::Test::Cluster->new('soak');
$node->init(extra => [ '--encoding=UTF8', '--no-locale', '--wal-segsize=1' ]);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'ticketpool'
ticketpool.memory = 2MB
log_statement = none
max_connections = 26
superuser_reserved_connections = 4
max_prepared_transactions = 20
restart_after_crash = on
checkpoint_timeout = 30s
min_wal_size = 2MB
max_wal_size = 16MB
log_min_messages = warning});
if ($has_small_disk)
{
	system('mv', $node->data_dir . '/pg_wal', "$small_disk/pg_wal") == 0 or die 'pg_wal could not be moved';
	symlink "$small_disk/pg_wal", $node->data_dir . '/pg_wal' or die "symlink: $!";
	mkdir "$small_disk/tables";
}
$node->start;
$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small_disk/tables'") if $has_small_disk;
$node->safe_psql('postgres', 'CREATE EXTENSION ticketpool');
make_train($node, 'postgres', "T$_", 12) for 1 .. 3;
$node->safe_psql('postgres', q{
	INSERT INTO ticket_formation SELECT 'F', '0' || c, 'second', array_agg(r || l), NULL
		FROM generate_series(1, 3) c, generate_series(1, 6) r, unnest('{A,B,C,D,F}'::text[]) l GROUP BY c;
	INSERT INTO ticket_formation VALUES ('F', '09', 'second', NULL, 10)});
my $tablespace = $has_small_disk ? "SET default_tablespace = small;" : '';
$node->safe_psql('postgres', "$tablespace SELECT count(ticket_open('T' || t, date '$day' + n, 'F')) FROM generate_series(1, 3) t, generate_series(0, 9) n");
# Much larger ones, which do not all fit into the pool's memory at once.
make_formation($node, 'postgres', 'large', 12_000);
make_train($node, 'postgres', "L$_", 12) for 1 .. 20;
$node->safe_psql('postgres', "SELECT count(ticket_open('L' || n, '$day', 'large')) FROM generate_series(1, 20) n; SELECT item_open(1, 100000), item_open(2, 500)");

# ---------------------------------------------------------------------------------------------------------------------
# Clients. Each purchase has a user id of its own, so that it can be found whatever its client was
# told. In the log:
#   try N      is about to be bought by user N         bought N ORDER STATUS   was acknowledged, sold or held
#   none N     acknowledged: nothing was sold           undone N                 rolled back, or never committed
#   change ORDER STATUS    is about to become that      changed ORDER STATUS     was acknowledged
#   error SQLSTATE         as far as it reached the client
# ---------------------------------------------------------------------------------------------------------------------
sub any { return @_ ? $_[ rand @_ ] : undef }

sub trip
{
	my $from = 1 + int rand 11;
	my $to = $from + 1 + int rand(12 - $from);
	return sprintf "'T%d', 'S%d', 'S%d', %%d, date '%s' + %d", 1 + rand 3, $from, $to, $day, rand 10;
}

my %expected_errors = map { $_ => 1 } (
	'57P01', '57P02', '57P03',    # the server goes down, or is not up yet
	'57014', '55P03', '40P01',    # cancelled, lock time-out, deadlock
	'53100', '53200', '53300',    # no space, no memory, no connection
	'58030', '25P02', 'TK005',    # input or output failed; a failed transaction goes on; what has expired is changed
	'42704');                     # what was prepared has been decided by another session

# One statement; true if it was acknowledged.
sub told
{
	my ($session, $log, $sql) = @_;
	$session->run($sql);
	return 1 if $session->is_ok;
	my $state = $session->sqlstate;
	print $log "error $state\n";
	print $log "bad $state $sql: " . $session->output . "\n" unless $state eq 'lost' || $expected_errors{$state};
	return 0;
}

# Two very seats, sold or held.
sub very_seats
{
	my ($user) = @_;
	my $row = 1 + int rand 6;
	my $seats = join ',', map { sprintf '0%d/%d%s', 1 + rand 3, $row, $_ } any('A', 'B'), any('C', 'D', 'F');
	my ($train, $from, $to, undef, $date) = split /, /, trip();
	return "SELECT order_id, status FROM ticket_buy_seats($train, $from, $to, $user, '{$seats}', $date)" if rand() < 0.5;
	return sprintf "SELECT order_id, status FROM ticket_hold_seats($train, $from, $to, $user, '{$seats}', $date, ttl => '%d ms')", any(300, 2000, 3_600_000);
}

# What changes no status: other seats, another passenger, a longer hold, a list of seats.
sub stay
{
	my ($session, $log, $orders) = @_;
	my ($train, $from, $to, undef, $date) = split /, /, trip();
	return told($session, $log, "SELECT count(*) FROM ticket_places($train, $from, $to, $date) WHERE free") if rand() < 0.3;
	my ($order, $status) = @{ any(grep { $_->[2] eq 'ticket' } @$orders) // return };
	return told($session, $log, "SELECT count(*) FROM ticket_hold_extend($order, '3 seconds')") if $status eq 'held';
	return told($session, $log, any("SELECT count(*) FROM ticket_reseat($order)", "SELECT count(*) FROM ticket_transfer($order, 1, " . int(rand 1000) . ')'));
}

# What a purchase of user $user is: SQL that returns order_id and status. $few: not over many departures.
sub purchase
{
	my ($user, $few) = @_;
	my $kind = $few ? rand 0.95 : rand;
	return very_seats($user) if $kind < 0.15;
	return sprintf('SELECT order_id, status FROM ticket_buy(' . trip() . ", passengers => ARRAY[%s]::bigint[])", $user, join ', ', 1 .. any(1, 1, 2, 4)) if $kind < 0.45;
	return sprintf('SELECT order_id, status FROM ticket_hold(' . trip() . ", ttl => '%d ms')", $user, any(300, 2000, 3_600_000)) if $kind < 0.7;
	return "SELECT order_id, status FROM item_buy(" . any(1, 2) . ", $user, " . (1 + int rand 3) . ')' if $kind < 0.83;
	return sprintf("SELECT order_id, status FROM item_hold(%d, $user, %d, ttl => '%d ms')", any(1, 2), 1 + int rand 3, any(300, 2000, 3_600_000)) if $kind < 0.95;
	# One transaction over many departures, which fill the pool.
	return "SELECT min(order_id), 'sold' FROM generate_series(1, 12) n, ticket_buy('L' || 1 + (n + $user) % 20, 'S1', 'S2', $user, '$day')";
}

sub buy
{
	my ($session, $log, $user, $orders) = @_;
	my $how = rand;
	my $prepares = $how > 0.8 && $how <= 0.9;
	my $sql = purchase($user, $prepares);
	print $log "try $user\n";
	if ($how < 0.6)
	{
		if (!told($session, $log, $sql))
		{
			# Certainly refused, unless the server went down: that may have happened after the
			# commit.
			print $log "undone $user\n" unless $session->is_lost || $session->sqlstate =~ /^57P/;
			return;
		}
		return note_bought($session->output, $log, $user, $orders);
	}
	return unless told($session, $log, 'BEGIN');
	my $ok = told($session, $log, $sql);
	my $rows = $session->output;
	if ($ok && $how < 0.7)
	{
		# The purchase in a savepoint is given back, the first one stays.
		$ok = told($session, $log, 'SAVEPOINT s') && told($session, $log, purchase($user + 500_000)) && told($session, $log, 'ROLLBACK TO s');
		print $log 'undone ', $user + 500_000, "\n";
	}
	if (!$ok || $how > 0.9)
	{
		told($session, $log, 'ROLLBACK');
		print $log "undone $user\n";
	}
	elsif ($prepares)
	{
		return unless told($session, $log, "PREPARE TRANSACTION '$user'");
		print $log "prepared $user\n" if $rows =~ /^\d+\|/m;
		my $end = any('COMMIT', 'ROLLBACK');
		return unless told($session, $log, "$end PREPARED '$user'");
		if ($end eq 'COMMIT') { note_bought($rows, $log, $user, $orders) }
		else { print $log "undone $user\n" }
	}
	elsif (told($session, $log, 'COMMIT'))
	{
		note_bought($rows, $log, $user, $orders);
	}
	return;
}

sub note_bought
{
	my ($rows, $log, $user, $orders) = @_;
	# The server's last messages may be next to the row.
	my ($order, $status) = $rows =~ /^(\d+)\|(\w+)$/m;
	if (!defined $order) { print $log "none $user\n"; return }
	print $log "bought $user $order $status\n";
	push @$orders, [ $order, $status, $order < 2**37 ? 'item' : 'ticket' ];
	return;
}

# Refund, payment or cancellation of an order of its own.
sub change
{
	my ($session, $log, $orders) = @_;
	return unless @$orders;
	my ($order, $status, $kind) = @{ splice @$orders, rand @$orders, 1 };
	my ($function, $becomes) = $status eq 'sold' ? ('refund', 'refunded') : @{ any([ 'confirm', 'sold' ], [ 'cancel', 'cancelled' ]) };
	my $some = $kind eq 'item' && $status eq 'sold' && rand() < 0.3 ? ', 1' : '';
	print $log "change $order $becomes\n";
	return unless told($session, $log, "SELECT DISTINCT status FROM ${kind}_$function($order$some)");
	print $log "changed $order $1\n" if $session->output =~ /^([a-z]+)$/m;
	return;
}

my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my $workers = start_workers($clients, sub {
	my ($number, $log) = @_;
	my $user = ($number + 1) * 10_000_000;
	my @orders;
	until (-e $stop)
	{
		my $session = eval { session($node) };
		if (!$session || $session->is_lost || !$session->is_ok) { eval { $session->quit }; sleep 0.1; next }
		told($session, $log, 'SET ticketpool.group_sale = ' . any('on', 'off'));
		for (1 .. 20 + rand 200)
		{
			last if $session->is_lost || -e $stop;
			sleep rand $pause;    # a client that thinks leaves the processor to the faults
			my $what = rand;
			if ($what < 0.02) { told($session, $log, 'SET statement_timeout = ' . any("'2ms'", "'20ms'", '0')) }
			elsif ($what < 0.03) { told($session, $log, 'SET lock_timeout = ' . any("'5ms'", '0')) }
			elsif ($what < 0.70) { buy($session, $log, ++$user, \@orders) }
			elsif ($what < 0.90) { change($session, $log, \@orders) }
			elsif ($what < 0.95) { stay($session, $log, \@orders) }
			else { told($session, $log, 'SELECT count(*) FROM ticket_remaining_matrix(' . any("'T1'", "'T2'") . ", '$day', NULL)") }
		}
		# Some disconnect, some are cut off.
		rand() < 0.7 ? $session->quit : $session->kill_client;
	}
});

# ---------------------------------------------------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------------------------------------------------
# What the last statement returns; '' if one failed.
sub ask
{
	my ($out, $error) = run_command([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), map { ('-c', $_) } @_ ]);
	return $out // '';
}
sub kill_one
{
	my ($condition) = @_;
	my $pid = ask("SELECT pid FROM pg_stat_activity WHERE $condition AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1");
	return $pid =~ /^\d+$/ ? kill('KILL', $pid) : 0;
}

# Works even if the postmaster has ended by itself, which the node does not know.
sub start_again { return await(sub { $node->stop('immediate', fail_ok => 1); return $node->start(fail_ok => 1) }) }

# What a client left prepared and will never decide, another session has to: it holds its locks,
# including one on the partition.
my %decided;
sub decide_left
{
	my ($age) = @_;
	for my $gid (split /\n/, ask("SELECT gid FROM pg_prepared_xacts WHERE prepared < clock_timestamp() - interval '$age s'"))
	{
		my $end = any('COMMIT', 'ROLLBACK');
		$decided{$gid} = $end if ask("$end PREPARED '$gid'", 'SELECT 1') eq '1';
	}
	return;
}

# As an owner does it during a sale: decide what is left over, and don't wait for ever.
sub vacuum_full
{
	decide_left(5);
	local $ENV{PGOPTIONS} = '-c lock_timeout=2s';
	return ask('VACUUM FULL ticket_order_p' . ($day =~ tr/-//dr), 'SELECT 1') eq '1';
}

sub fill_disk { open(my $ballast, '>', "$small_disk/ballast") or return 0; while (syswrite $ballast, "\0" x 65536) { } close $ballast; return 1 }
sub free_disk { return unlink "$small_disk/ballast" }

my %faults = (
	'kill -9 of a backend' => sub { kill_one("backend_type = 'client backend'") },
	'kill -9 of the worker' => sub { kill_one("backend_type LIKE 'ticketpool%'") },
	'kill -9 of the checkpointer' => sub { kill_one("backend_type = 'checkpointer'") },
	'kill -9 of the postmaster' => sub { $node->kill9; start_again() },
	'fast restart' => sub { $node->stop('fast', fail_ok => 1); start_again() },
	'immediate restart' => sub { $node->stop('immediate', fail_ok => 1); start_again() },
	'pg_terminate_backend' => sub { ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND random() < 0.3") },
	'the cashier is ended' => sub { ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier'") =~ /[1-9]/ },
	'the cashier is cancelled' => sub { ask("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'ticketpool cashier'") =~ /[1-9]/ },
	'pg_cancel_backend' => sub { for (1 .. 10) { ask("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"); sleep 0.03 } 1 },
	'no connection left' => sub { my @all = map { eval { session($node) } } 1 .. 20; sleep 0.3; $_ && $_->quit for @all; 1 },
	'checkpoint' => sub { ask('CHECKPOINT'); 1 },
	'vacuum full' => \&vacuum_full);
%faults = (%faults,
	'disk full' => sub { my $done = fill_disk(); sleep 0.5; free_disk(); $done && (ask('SELECT 1') eq '1' || ($node->stop('immediate', fail_ok => 1), start_again())) })
  if $has_small_disk;
# Each fault once in a random order, then again; those that crash the server are what takes the time.
my @plan;
my $end = time() + $seconds;
# However slow the machine is, each fault happens at least once, and the clients make progress
# meanwhile (unless that fails again and again).
my %tries;
sub is_wanting { return grep({ !$fault_count{$_} } keys %faults) || grep({ / bought / } log_lines($workers)) <= 200 }
while (time() < $end || (grep({ ($tries{$_} // 0) < 30 } keys %faults) && is_wanting()))
{
	@plan = sort { $a->[1] <=> $b->[1] } map { [ $_, rand ] } sort keys %faults unless @plan;
	my ($fault) = @{ shift @plan };
	sleep 0.2 + rand 0.8;
	next unless await(sub { ask('SELECT 1') eq '1' || !-e $node->data_dir . '/postmaster.pid' && start_again() });
	$tries{$fault}++;
	$in_groups += ask('SELECT coalesce(max(group_sales), 0) FROM ticket_pool_stat') || 0;
	note($fault);
	$fault_count{$fault}++ if $faults{$fault}->();
}
open(my $mark, '>', $stop) or die;
close $mark;
await(sub { ask('SELECT 1') eq '1' });
ok(wait_workers($workers), 'the clients end well');

# ---------------------------------------------------------------------------------------------------------------------
# The proof
# ---------------------------------------------------------------------------------------------------------------------
ok(becomes_true($node, 'postgres', 'SELECT true'), 'the server is up');
$node->safe_psql('postgres', "ALTER SYSTEM SET ticketpool.memory = '16MB'");
$node->restart;
# What was prepared and not decided is decided now; until then its seats and units are taken.
is($node->safe_psql('postgres', 'SELECT * FROM ticket_verify()'), '', 'with transactions undecided ticket_verify finds nothing');
is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', 'with transactions undecided item_verify finds nothing');
decide_left(0);
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'all of them are decided');
my (%tried, %bought, %prepared, %none, %undone, %change, %changed, %errors, @bad);
for (log_lines($workers))
{
	my (undef, $what, @words) = split / /;
	if ($what eq 'try') { $tried{ $words[0] } = 1 }
	elsif ($what eq 'bought') { $bought{ $words[0] } = [ @words[1, 2] ] }
	elsif ($what eq 'prepared') { $prepared{ $words[0] } = 1 }
	elsif ($what eq 'none') { $none{ $words[0] } = 1 }
	elsif ($what eq 'undone') { $undone{ $words[0] } = 1 }
	elsif ($what eq 'change') { $change{ $words[0] } = $words[1] }
	elsif ($what eq 'changed') { $changed{ $words[0] } = $words[1] }
	elsif ($what eq 'error') { $errors{ $words[0] }++ }
	elsif ($what eq 'bad') { push @bad, "@words" }
}
my (%orders, %status);
for (split /\n/, $node->safe_psql('postgres', q{
	SELECT user_id, order_id, string_agg(DISTINCT status, ',') FROM ticket_order GROUP BY 1, 2
	UNION ALL SELECT user_id, order_id, status FROM item_order}))
{
	my ($user, $order, $status) = split /\|/;
	$orders{$user}{$order} = 1;
	$status{$order} = $status;
}
my %bad_of;
$bad_of{ (split / /)[0] } //= $_ for @bad;
my %wrong = map { $_ => [] } 'acknowledged and not there', 'undone and there', 'nothing sold and there', 'nobody asked', 'status';
for my $user (keys %bought)
{
	my ($order, $status) = @{ $bought{$user} };
	push @{ $wrong{'acknowledged and not there'} }, $user unless $orders{$user} && $orders{$user}{$order};
	next unless defined $status{$order};
	my %allowed = ($status => 1);
	$allowed{expired} = 1 if $status eq 'held';
	$allowed{ $change{$order} } = 1 if $change{$order};
	%allowed = ($changed{$order} => 1) if $changed{$order};
	push @{ $wrong{status} }, "$order is $status{$order}, not " . join(' or ', sort keys %allowed) unless $allowed{ $status{$order} };
}
for my $user (keys %undone) { push @{ $wrong{'undone and there'} }, $user if $orders{$user} }
for my $user (keys %none) { push @{ $wrong{'nothing sold and there'} }, $user if $orders{$user} }
for my $user (keys %orders) { push @{ $wrong{'nobody asked'} }, $user unless $tried{$user} || $tried{ $user - 500_000 } }
for my $gid (keys %decided) { push @{ $wrong{status} }, "prepared $gid" if $decided{$gid} eq 'ROLLBACK' && $orders{$gid} }
for my $gid (keys %prepared) { push @{ $wrong{'prepared and not there'} }, $gid if ($decided{$gid} // '') eq 'COMMIT' && !$orders{$gid} }
is(join(' ', map { "$_: @{ $wrong{$_} }[0 .. (@{ $wrong{$_} } > 5 ? 4 : $#{ $wrong{$_} })]" } grep { @{ $wrong{$_} } } sort keys %wrong), '', 'the tables say what the clients were told');
is(join("\n", map { $bad_of{$_} } sort keys %bad_of), '', 'clients met no other errors than those of the faults');
# Holds of an hour stay; the others have to expire before the comparison, not in the middle of it.
ok(becomes_true($node, 'postgres', "SELECT count(*) = 0 FROM (SELECT status, held_until FROM ticket_order UNION ALL SELECT status, held_until FROM item_order) o WHERE status = 'held' AND held_until < clock_timestamp() + interval '1 min'"), 'holds that have run out expire');
settles($node, 'postgres', 'at last');
agrees($node, 'postgres', 'at last', q{d.train LIKE 'T%'});
is($node->safe_psql('postgres', 'SELECT * FROM item_verify()'), '', 'at last: item_verify finds nothing');
is($node->safe_psql('postgres', q{SELECT i.item_id FROM item_inventory i WHERE quantity - (SELECT coalesce(sum(buy_quantity), 0) FROM item_order o WHERE o.item_id = i.item_id AND status IN ('held', 'sold')) <> item_remaining(i.item_id)}),
	'', 'at last: what is left of an item is what was put on sale less live orders');
note(join ', ', map { "$_: $fault_count{$_}" } sort keys %fault_count);
note('purchases tried: ' . keys(%tried) . ', acknowledged: ' . keys(%bought) . ', changes acknowledged: ' . keys(%changed) . ', decided for clients that were gone: ' . keys(%decided)
	  . ', errors: ' . join ', ', map { "$_ $errors{$_}" } sort keys %errors);
cmp_ok($fault_count{$_} // 0, '>', 0, "there was: $_") for sort keys %faults;
cmp_ok($in_groups, '>', 0, 'some of it in groups');
cmp_ok(scalar keys %bought, '>', 100, 'clients bought something meanwhile');

$node->stop;
done_testing();
