#!/usr/bin/perl
# Runs a test file, or a suite that is one program, and passes on what it prints. What prints nothing for minutes is stopped: then
# a failed test says so by name, with its last lines, what its processes and its servers' sessions do, and the ends of the servers'
# logs. Whatever the end, none of its processes is left. How long a test takes in all is nobody's business here.
# usage: test/watch.pl [--name=NAME] COMMAND…    (without a name: the last argument's)
# TICKETPOOL_IDLE_SECONDS: how long nothing may be printed (300)
use strict;
use warnings;

use Cwd qw(getcwd);
use Errno qw(EINTR);
use File::Basename qw(basename);
use IO::Handle;
use IO::Select;
use POSIX qw(WNOHANG);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);

my $name = @ARGV && $ARGV[0] =~ /^--name=(.+)/ ? do { shift; $1 } : basename($ARGV[-1] // die "usage: $0 [--name=NAME] COMMAND…\n");
my $limit = $ENV{TICKETPOOL_IDLE_SECONDS} || 300;
my $label = $name =~ s/\.\w+$//r;
my $here = getcwd() // '';
# Where a server of this test works, in the folder in which the test runs.
my $data = $name =~ /\.pl$/ ? qr{\A\Q$here\E/(?:\S*/)?t_\Q$label\E_[^/]*/pgdata\z} : qr{\A\Q$here\E/server/data\z};
my $began = (fields_of($$))[3];

# Each process of the test has this in its environment, but for a server's, which overwrite theirs.
my $token = join '.', $$, time;
$SIG{PIPE} = 'IGNORE';
STDOUT->autoflush(1);
STDERR->autoflush(1);

pipe(my $out, my $child_out) or die "pipe: $!";
pipe(my $err, my $child_err) or die "pipe: $!";
my $pid = fork() // die "fork: $!";
if ($pid == 0)
{
	setpgrp;
	$ENV{TICKETPOOL_WATCHED} = $token;
	open(STDOUT, '>&', $child_out) or die "dup: $!";
	open(STDERR, '>&', $child_err) or die "dup: $!";
	exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
}
close $_ for $child_out, $child_err;
$SIG{$_} = sub { stop_all(); exit 1 } for qw(INT TERM HUP);

# What has been printed: the last lines, and how many tests.
my (@last, $tests, $plan);
my $unfinished = '';

sub note_lines
{
	my ($text) = @_;
	$unfinished .= $text;
	while ($unfinished =~ s/^(.*)\n//)
	{
		push @last, $1;
		shift @last if @last > 15;
		$tests = $1 if $last[-1] =~ /^(?:not )?ok (\d+)/;
		$plan = 1 if $last[-1] =~ /^1\.\.\d/;
	}
	return;
}

my %to = ($out => \*STDOUT, $err => \*STDERR);
my $readers = IO::Select->new($out, $err);
my ($idle, $status) = (0, undef);
my $before = clock_gettime(CLOCK_MONOTONIC);
while ($readers->count)
{
	my @ready = $readers->can_read(1);
	for my $from (@ready)
	{
		my $read = sysread($from, my $text, 65536);
		next if !defined $read && $! == EINTR;
		if (!$read) { $readers->remove($from); next }
		print { $to{$from} } $text;
		note_lines($text);
	}
	my $now = clock_gettime(CLOCK_MONOTONIC);
	# While this process itself gets no turn, the test gets none either.
	$idle += $now - $before < 3 ? $now - $before : 3;
	$before = $now;
	$idle = 0 if @ready;
	# Its end counts, though a process that it left behind may still have its pipes.
	if (!defined $status && waitpid($pid, WNOHANG) == $pid) { $status = $?; $idle = 0 }
	last if defined $status && !@ready && $idle > 2;
	if ($idle >= $limit) { cut(); exit 1 }
}
if (!defined $status) { waitpid($pid, 0); $status = $? }
my $tries = 50;
while (my @rest = processes())
{
	sleep 0.1 and next if $tries-- > 0;
	print "# $name left running: $_->{pid} $_->{title}\n" for @rest;
	stop_all();
	last;
}
exit($status & 127 ? 128 + ($status & 127) : $status >> 8);

# ---------------------------------------------------------------------------------------------------------------------

sub slurp { my ($file) = @_; open(my $in, '<', $file) or return ''; local $/; return <$in> // '' }

# Of a process: its program, state, parent, and when it began.
sub fields_of
{
	my ($pid) = @_;
	my ($program, $rest) = slurp("/proc/$pid/stat") =~ /\A\d+ \((.*)\) (.*)/s or return;
	return ($program, (split / /, $rest)[ 0, 1, 19 ]);
}

# Each process of the test: by the environment, as a descendant of such a one, or as a server's by where it works. None that is
# older than this one.
sub processes
{
	my (%all, %mine);
	for my $pid (map { m{(\d+)} } glob '/proc/[0-9]*')
	{
		my ($program, $state, $parent, $start) = fields_of($pid) or next;
		next if $pid == $$ || $state eq 'Z' || $start < $began;
		my $title = slurp("/proc/$pid/cmdline") =~ tr/\0/ /r =~ s/ +$//r || $program;
		my $place = readlink("/proc/$pid/cwd") // '';
		$all{$pid} = { pid => $pid, parent => $parent, state => $state, title => $title, place => $place };
		$mine{$pid} = 1 if $place =~ $data || slurp("/proc/$pid/environ") =~ /(?:\A|\0)TICKETPOOL_WATCHED=\Q$token\E(?:\0|\z)/;
	}
	my $more = 1;
	while ($more)
	{
		$more = 0;
		for my $process (grep { !$mine{ $_->{pid} } && $mine{ $_->{parent} } } values %all) { $mine{ $process->{pid} } = $more = 1 }
	}
	return map { $all{$_} } sort { $a <=> $b } keys %mine;
}

# Postmasters: first as their own file says, with port and socket.
sub servers
{
	my @servers;
	for my $process (@_)
	{
		my ($pid, undef, undef, $port, $host) = split /\n/, slurp("$process->{place}/postmaster.pid");
		push @servers, { %$process, port => $port, host => $host } if defined $host && $pid == $process->{pid};
	}
	return @servers;
}

# The tests first, the servers in their own way, so that they take their shared memory along; then whatever is left.
sub stop_all
{
	my @all = processes();
	my %is_server = map { $_->{place} => 1 } servers(@all);
	kill 'KILL', map { $_->{pid} } grep { !$is_server{ $_->{place} } } @all;
	kill 'QUIT', map { $_->{pid} } servers(@all);
	for my $try (1 .. 300)
	{
		@all = processes() or last;
		kill 'KILL', map { $_->{pid} } @all if $try > 100;
		sleep 0.1;
	}
	waitpid($pid, WNOHANG);
	return;
}

sub comment { print map { '#   ' . substr($_, 0, 1000) . "\n" } map { split /\n/ } @_; return }

sub cut
{
	my @all = processes();
	my $number = ($tests // 0) + 1;
	print "\n" if $unfinished ne '';
	printf "not ok %d - %s has printed nothing for %d s and is stopped\n# Its last lines:\n", $number, $name, $limit;
	comment(@last, $unfinished);
	print "# Its processes:\n";
	comment(map { "$_->{pid} $_->{state} $_->{title}" } @all);
	for my $server (servers(@all))
	{
		print "# Sessions of the server in $server->{place}:\n";
		my @psql = ('timeout', '-k', '1', '15', 'psql', '-XAt', '-w', '-d', "host='$server->{host}' port=$server->{port} dbname=postgres connect_timeout=10", '-c', q{
			SELECT concat_ws(' ', pid, datname, backend_type, state, concat_ws('/', wait_event_type, wait_event),
				'blocked by ' || nullif(pg_blocking_pids(pid)::text, '{}'), 'for', date_trunc('second', clock_timestamp() - coalesce(state_change, backend_start)),
				left(regexp_replace(query, '\s+', ' ', 'g'), 300))
			FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY backend_type <> 'client backend', pid});
		my $lines = '';
		if (open(my $answer, '-|', 'sh', '-c', '"$@" 2>&1', 'sh', @psql)) { local $/; $lines = <$answer> // ''; close $answer }
		comment($lines);
		my $log = readlink("/proc/$server->{pid}/fd/2") // next;
		my @lines = split /\n/, slurp($log);
		print "# The end of $log:\n";
		comment(@lines[ (@lines > 15 ? -15 : -@lines) .. -1 ]) if @lines;
	}
	print "1..$number\n" unless $plan;
	stop_all();
	return;
}
