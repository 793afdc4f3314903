# Errors that say what to do: the library is not preloaded, wherever its setting comes from; library,
# objects and files of different versions; who keeps the pool full. What a hint says is done word for
# word, and helps. (004_memory.pl has more of full pools.)
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $call = "SELECT ticket_remaining('T', 'A', 'B')";
my $state = qr/ERROR:  55000: /;

# The error of a call, for a role (the superuser by default).
sub error_of
{
	my ($node, $database, $role, $sql) = @_;
	my $as = $role ? "SET ROLE $role; " : '';
	my (undef, undef, $error) = $node->psql($database, $as . ($sql // $call), fresh => 1, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $error;
}

# The pool is there: the call goes on to its arguments.
sub is_loaded
{
	my ($node, $label) = @_;
	return like(error_of($node, 'postgres'), qr/ERROR:  TK001: /, $label);
}

# ---------------------------------------------------------------------------------------------------------------------
# Not preloaded
# ---------------------------------------------------------------------------------------------------------------------
my $node = new_server('what_to_set', plain => 1, conf => "shared_preload_libraries = ''");
$node->safe_psql('postgres', q{
	CREATE EXTENSION ticketpool;
	CREATE ROLE clerk; CREATE ROLE monitor; GRANT pg_read_all_settings TO monitor;
	CREATE FUNCTION as_owner() RETURNS int LANGUAGE sql SECURITY DEFINER AS $$ SELECT ticket_remaining('T', 'A', 'B') $$});
my $main = $node->safe_psql('postgres', 'SHOW config_file');
my $original = slurp_file($main);
my $without = join '', grep { !/shared_preload_libraries/ } $original =~ /^.*\n/mg;
my $data = abs_path($node->data_dir);
my $auto = "$data/postgresql.auto.conf";

sub write_file { my ($file, $text) = @_; open(my $handle, '>', $file) or die "$file: $!"; print $handle $text; close $handle; return }
# The settings file with these lines at its end, after a restart unless `edited` only.
sub set { my ($lines) = @_; edited($lines); $node->restart; return }
sub edited { my ($lines) = @_; write_file($main, "$without$lines\n"); return }
sub line_number { my ($file, $text) = @_; my $number = 0; for (split /\n/, slurp_file($file)) { $number++; return $number if index($_, $text) == 0 } return 0 }

my $primary = qr/${state}ticketpool must be loaded via "shared_preload_libraries"\n/;
for my $case ([ '', 'ticketpool' ], [ 'plpgsql', 'plpgsql,ticketpool' ], [ ' plpgsql , plpgsql', ' plpgsql , plpgsql,ticketpool' ])
{
	my ($now, $then) = @$case;
	my $line = "shared_preload_libraries = '$now'";
	set($line);
	my $number = line_number($main, $line);
	my $error = error_of($node, 'postgres');
	like($error, qr/${primary}DETAIL:  The server was started with \Q$line\E\. Line $number of "\Q$main\E" has '\Q$now\E'\.\nHINT:  Change that line to (\N+) and restart the server\.\n/,
		"'$now': the file, its line, and what is there");
	my ($wanted) = $error =~ /Change that line to (\N+) and restart/;
	is($wanted, "shared_preload_libraries = '$then'", "'$now': the line to put there");
	edited($wanted);
	like(error_of($node, 'postgres'), qr/${primary}DETAIL:  The server was started with \Q$line\E\. Since then line $number of "\Q$main\E" has become '\Q$then\E'\.\nHINT:  Only the restart is missing: restart the server\.\n/,
		"'$now': edited, and not restarted");
	$node->reload;
	like(error_of($node, 'postgres'), qr/HINT:  Only the restart is missing/, "'$now': a reload does not do it");
	$node->restart;
	is_loaded($node, "'$now': the line that the hint gives is right");
}

# No line at all.
set('');
my $error = error_of($node, 'postgres');
like($error, qr/${primary}DETAIL:  The server was started with shared_preload_libraries = '', and no file sets it\.\n/, 'no file sets it');
my ($wanted) = $error =~ /HINT:  Add the line (\N+) to "\Q$main\E" and restart the server\.\n/;
set($wanted);
is_loaded($node, 'the line that the hint gives is right');

# A quotation mark, and lists of names with folders.
set("shared_preload_libraries = ''");
edited(q{shared_preload_libraries = 'o''clock'});
like(error_of($node, 'postgres'), qr/HINT:  Change that line to shared_preload_libraries = 'o''clock,ticketpool' and/, 'a quotation mark is doubled');
for my $name ('$libdir/ticketpool', 'plpgsql, "/some/where/ticketpool.so"')
{
	edited("shared_preload_libraries = '$name'");
	like(error_of($node, 'postgres'), qr/HINT:  Only the restart is missing/, "$name is recognised");
}
edited("shared_preload_libraries = 'my_ticketpool, ticketpool_x'");
like(error_of($node, 'postgres'), qr/HINT:  Change that line/, 'names that are like ours are not');
edited('shared_preload_libraries = (');
like(error_of($node, 'postgres'), qr/DETAIL:  The server was started with shared_preload_libraries = ''\. Its files have an error: see pg_file_settings\.\nHINT:  Add the line/,
	'a file with an error');

# An included file.
my $more = "$data/more.conf";
write_file($more, "\n\nshared_preload_libraries = 'plpgsql'\n");
set("include 'more.conf'");
like(error_of($node, 'postgres'), qr/Line 3 of "\Q$more\E" has 'plpgsql'\.\nHINT:  Change that line to shared_preload_libraries = 'plpgsql,ticketpool'/, 'an included file is named');

# ALTER SYSTEM goes before the file.
$node->safe_psql('postgres', 'ALTER SYSTEM SET shared_preload_libraries = plpgsql');
set("shared_preload_libraries = 'ticketpool'");
$error = error_of($node, 'postgres');
like($error, qr/${primary}DETAIL:  The server was started with shared_preload_libraries = 'plpgsql'\. ALTER SYSTEM has set it to 'plpgsql' in "\Q$auto\E", which goes before "\Q$main\E"\.\n/,
	'ALTER SYSTEM has set it');
my ($command) = $error =~ /HINT:  Run (ALTER SYSTEM \N+), and restart the server\.\n/;
is($command, "ALTER SYSTEM SET shared_preload_libraries = 'plpgsql', 'ticketpool'", 'the command');
$node->safe_psql('postgres', $command);
like(error_of($node, 'postgres'), qr/Since then line \d+ of "\Q$auto\E" has become 'plpgsql, ticketpool'\.\nHINT:  Only the restart is missing/, 'run, and not restarted');
$node->restart;
is_loaded($node, 'the command that the hint gives is right');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET shared_preload_libraries');

# The command that starts the server goes before both.
$node->stop;
my @start = ('pg_ctl', '-s', '-w', '-D', $node->data_dir, '-l', $node->logfile);
command_ok([ @start, '-o', '-c shared_preload_libraries=plpgsql', 'start' ], 'started with the setting');
$error = error_of($node, 'postgres');
like($error, qr/${primary}DETAIL:  The command that started the server has shared_preload_libraries = 'plpgsql', so what the files say does not count\.\n/, 'the command line has it');
my ($option) = $error =~ /HINT:  Start the server with (-c \S+)\.\n/;
$node->release if $node->can('release');
command_ok([ @start, '-m', 'fast', 'stop' ], 'stopped');
command_ok([ @start, '-o', $option, 'start' ], 'started as the hint says');
is_loaded($node, 'the option that the hint gives is right');
command_ok([ @start, '-m', 'fast', 'stop' ], 'stopped again');

# Who may not see the settings is told where they are, and nothing of them.
edited("shared_preload_libraries = 'plpgsql'");
$node->start;
for my $case ([ 'clerk', $call, 'a role' ], [ 'clerk', 'SELECT as_owner()', 'a role in a function with the rights of a superuser' ])
{
	my ($role, $sql, $label) = @$case;
	$error = error_of($node, 'postgres', $role, $sql);
	like($error, qr/${primary}.*HINT:  An administrator finds the file with SHOW config_file,/s, "$label: is told whom to ask");
	unlike($error, qr/plpgsql|\Q$main\E/, "$label: and nothing about the server");
}
like(error_of($node, 'postgres', 'monitor'), qr/Line \d+ of "\Q$main\E" has 'plpgsql'/, 'a role that may see the settings sees them');
$node->stop;

# ---------------------------------------------------------------------------------------------------------------------
# Versions. The library is that of today; files of a version to come are made, and objects of an old one
# ---------------------------------------------------------------------------------------------------------------------
my ($sharedir) = run_command([ 'pg_config', '--sharedir' ]);
my $control = slurp_file("$sharedir/extension/ticketpool.control");
my ($now) = $control =~ /^default_version = '([\d.]+)'/m;
my $next = $now =~ s/(\d+)$/$1 + 1/er;
my $old = '0.2';
my $files = PostgreSQL::Test::Utils::tempdir;
write_file("$files/ticketpool.control", $control);
write_file("$files/ticketpool--$now--$next.sql", "-- nothing\n");
my $installation = installation_with("$files/ticketpool.control", "$files/ticketpool--$now--$next.sql", "$FindBin::RealBin/../update/ticketpool--$old.sql");
my $server = new_server('versions', plain => 1, install_path => $installation);
$server->safe_psql('postgres', "CREATE EXTENSION ticketpool VERSION '$now'; CREATE DATABASE old");
$server->safe_psql('old', "CREATE EXTENSION ticketpool VERSION '$old'");

# Where installation_with has put it.
my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
my $installed = substr($installation, 0, -length dirname($bindir)) . "$sharedir/extension/ticketpool.control";
sub install_files { my ($version) = @_; write_file($installed, $control =~ s/^default_version = .*/default_version = '$version'/mr); return }

sub versions
{
	my ($database, $objects, $installed_version, $hint, $label) = @_;
	install_files($installed_version);
	like(error_of($server, $database), qr/${state}extension ticketpool is at version \Q$objects\E in this database, and the library at \Q$now\E\n(?:DETAIL:  )The server has loaded the library at its start, at 2\N+ The files that are installed now are of version \Q$installed_version\E\.\nHINT:  \Q$hint\E\n/, $label);
	return;
}
my $update = 'Run ALTER EXTENSION ticketpool UPDATE.';
my $restart = 'Only the restart is missing: restart the server.';
versions('old', $old, $now, $update, 'new library, old objects');
versions('old', $old, $next, 'Restart the server, and then run ALTER EXTENSION ticketpool UPDATE.', 'the same, and files that are newer still');
versions('old', $old, $old, $restart, 'the same, and the old files are back');
install_files($next);
like(error_of($server, 'postgres'), qr/ERROR:  TK001: /, 'new files alone do no harm');
$server->safe_psql('postgres', 'ALTER EXTENSION ticketpool UPDATE');
versions('postgres', $next, $next, $restart, 'updated before the restart');
versions('postgres', $next, $now, "Install version $next of ticketpool, and restart the server.", 'objects of a version that is not installed');
versions('postgres', $next, $old, "Install version $next of ticketpool, and restart the server.", 'nor with the old files');
my $offset = -s $server->logfile;
$server->restart;
ok($server->wait_for_log(qr/ticketpool passes over database "postgres".*HINT:  Install version \Q$next\E of ticketpool, and restart the server\./s, $offset), 'the worker says the same in the log');
unlink $installed;
like(error_of($server, 'old'), qr/DETAIL:  The server has loaded the library at its start, at \N+\nHINT:  \Q$update\E/, 'without a control file it says what it knows');
$server->stop;

# ---------------------------------------------------------------------------------------------------------------------
# A full pool: a transaction that claims, one that refunds, a prepared one, another database; and one
# departure that is too large for any pool of this size
# ---------------------------------------------------------------------------------------------------------------------
my $day = DAY;
my $pool = new_server('full', plain => 1, conf => "ticketpool.memory = 2MB\nmax_prepared_transactions = 2");
for my $database (qw(one two))
{
	$pool->safe_psql('postgres', "CREATE DATABASE $database");
	$pool->safe_psql($database, 'CREATE EXTENSION ticketpool');
	make_train($pool, $database, $_, 40) for 'A' .. 'P';
	make_formation($pool, $database, 'large', 20_000);
	open_departures($pool, $database, $_, 'large') for 'A' .. 'P';
}
sub buy { my ($train) = @_; return "SELECT order_id FROM ticket_buy('$train', 'S1', 'S40', 1, '$day')" }
my %session = map { $_ => session($pool, $_ eq 'elsewhere' ? 'two' : 'one') } qw(buyer refunder prepared elsewhere);
my $sold = $pool->safe_psql('one', buy('B'));
$_->run('BEGIN') for values %session;
$session{buyer}->run("SELECT count(*) FROM ticket_buy('A', 'S1', 'S40', 1, '$day', passengers => '{1,2,3}')");
$session{refunder}->run("SELECT count(*) FROM ticket_refund($sold)");
$session{prepared}->run(buy('C'));
my $xid = $session{prepared}->run('SELECT pg_current_xact_id()');
$session{prepared}->run(q{PREPARE TRANSACTION 'p'});
$session{elsewhere}->run(buy('D'));
my %pid = map { $_ => $session{$_}->backend } keys %session;
# Fills what is left, and says why no more fits.
my $full;
my $last = session($pool, 'one', verbosity => 'verbose');
$last->run('BEGIN');
for my $train ('E' .. 'P')
{
	$full = $last->run(buy($train));
	last unless $last->is_ok;
}
is($last->sqlstate, '53200', 'the pool is full');
like($full, qr/DETAIL:  \d+ bytes in one piece are needed, and \d+ are free\. Transactions that keep departures or items in memory: 5\.\n/, 'the transactions that fill it are counted');
my $own = $last->backend;
like($full, qr/^Process $own, this session, keeps \d+ departures or items in memory \(claims: \d+, since 2/m, 'the session itself keeps most');
is(() = $full =~ /^(?:Process|Prepared transaction) \d+/mg, 3, 'three of them are named');
is(() = $full =~ / has \d{6} bytes/g, 3, 'and three departures');
like($full, qr/HINT:  Raise "ticketpool\.memory", which is 2MB, and restart the server, or end these transactions \(see ticket_inflight\)\.$/m, 'the setting, its value, and a view');
$last->run('ROLLBACK');
# One transaction after the other ends, and the rest are named.
sub is_full_for
{
	# No departure fits beside four others.
	my ($others) = @_;
	my $error = error_of($pool, 'one', undef, "BEGIN; @{[ join '; ', map { buy($_) } 'E' .. 'P' ]}");
	return $error;
}
my $filler = is_full_for();
like($filler, qr/^Process \d+, this session, keeps \d+ departures/m, 'a script in a transaction is told that it is itself');
$session{buyer}->run('ROLLBACK');
$session{refunder}->run('ROLLBACK');
$filler = is_full_for();
like($filler, qr/^Prepared transaction $xid keeps 1 departure or item in memory: see pg_prepared_xacts\.$/m, 'a prepared transaction is named');
like($filler, qr/^Process $pid{elsewhere} keeps 1 departure or item in memory \(claims: 1, since/m, 'and one of another database');
$session{elsewhere}->run('ROLLBACK');
$pool->safe_psql('one', q{ROLLBACK PREPARED 'p'});
$session{refunder}->run('BEGIN');
$session{refunder}->run("SELECT count(*) FROM ticket_refund($sold)");
$filler = is_full_for();
like($filler, qr/^Process $pid{refunder} keeps 1 departure or item in memory, which its transaction has changed\.$/m, 'one that has only given back');
$_->quit for values %session, $last;
in_flight_is_empty($pool, 'one', 'all have ended');
make_train($pool, 'one', 'Z', 250);
make_formation($pool, 'one', 'huge', 90_000);
$pool->safe_psql('one', "SELECT ticket_open('Z', '$day', 'huge', '2020-01-01')");
$full = error_of($pool, 'one', undef, "SELECT ticket_remaining('Z', 'S1', 'S40', '$day')");
like($full, qr/ERROR:  53200: .*Transactions that keep departures or items in memory: 0\.\nHINT:  Raise "ticketpool\.memory", which is 2MB, and restart the server\.\n/s,
	'nobody keeps anything: the departure is too large');
$pool->stop;
done_testing();
