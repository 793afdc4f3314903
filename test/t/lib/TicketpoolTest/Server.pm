# A server of PostgreSQL::Test::Cluster that keeps one psql for each database: a call of psql or
# safe_psql costs no new process. A call cannot tell it from a psql of its own: nothing of a session
# (settings, temporary tables, roles, prepared statements, advisory locks, an open transaction)
# outlives the call; the psql is ended before a server stops, its settings change or a database is
# copied, renamed or dropped; one that has died is replaced. fresh => 1 asks for a new psql for the
# call, for tests of what a new session finds.
package TicketpoolTest::Server;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EPIPE);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use IO::Handle;
use IO::Select;
use POSIX ();
use PostgreSQL::Test::Cluster;

our @ISA = ('PostgreSQL::Test::Cluster');

# Every kept psql of this process: a forked process must not hold the ends of its pipes, nor use it.
my %kept;
my $count = 0;

# Turns a node into one of these.
sub keep
{
	my ($node) = @_;
	return bless $node, __PACKAGE__;
}

# ---------------------------------------------------------------------------------------------------------------------
# What the tests call
# ---------------------------------------------------------------------------------------------------------------------

# What another session's or server's state depends on, and what a session learns only when it
# begins.
my $of_databases = qr/\b(?:create|drop|alter)\s+database\b|\b(?:createdb|dropdb)\b/i;
my $of_new_sessions = qr/\balter\s+(?:database|role|user)\b|\bpg_reload_conf\b/i;
# A single query that leaves nothing in its session.
my $leaves_nothing = qr/\A\s*(?:select|table|values|explain)\b(?!.*(?:;|\b(?:set_config|set_?seed|pg_\w*advisory\w*|nextval|setval|into\s+temp\w*)\b))/is;

sub psql
{
	my ($self, $database, $sql, %params) = @_;
	my $fresh = delete $params{fresh};
	$self->release($database) if $sql =~ $of_databases;
	my $verbosity = verbosity($params{extra_params});
	# A backslash begins a command of psql, which may change what psql does next. (The end of COPY's
	# rows is not a command.)
	$fresh ||= !defined $verbosity || $sql =~ /^\s*\\(?!\.$)/m || grep { !/^(?:stdout|stderr|on_error_stop|on_error_die|extra_params)$/ } keys %params;
	my @answer;
	if ($fresh)
	{
		@answer = call_of_its_own($self, $database, $sql, wantarray, \%params);
	}
	else
	{
		@answer = $self->ask($database, $sql, $verbosity, $params{on_error_stop} // 1);
		@answer = deliver($sql, wantarray, \%params, @answer);
	}
	$self->release if $sql =~ $of_new_sessions;
	return wantarray ? @answer : $answer[0];
}

# As in the server's own library, but without a process for each try.
sub poll_query_until
{
	my ($self, $database, $sql, $expected) = @_;
	$expected //= 't';
	my ($status, $out, $err);
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		($status, $out, $err) = $self->psql($database, $sql);
		return 1 if $out eq $expected && $err eq '';
		select(undef, undef, undef, 0.1);
	}
	Test::More::diag("poll_query_until: $sql\nexpected: $expected\nlast: $out\n$err");
	return 0;
}

# Ends the kept psqls: of all databases, or of all but one.
sub release
{
	my ($self, $but) = @_;
	for my $psql (values %kept)
	{
		$psql->end if $psql->{owner} == $$ && $psql->{node} == $self && !(defined $but && $psql->{database} eq $but);
	}
	return;
}

# For tests that send SQL about databases in another way than through a node.
sub release_all
{
	my ($sql) = @_;
	return if defined $sql && $sql !~ $of_databases;
	for my $psql (values %kept) { $psql->end if $psql->{owner} == $$ }
	return;
}

# In a forked process: closes the ends of its parent's pipes.
sub forget { $_->drop for values %kept; return }

sub stop { my $self = shift; $self->release; return $self->SUPER::stop(@_) }
sub restart { my $self = shift; $self->release; return $self->SUPER::restart(@_) }
sub reload { my $self = shift; $self->release; return $self->SUPER::reload(@_) }
sub kill9 { my $self = shift; $self->release; return $self->SUPER::kill9(@_) }
sub command_ok { my $self = shift; release_all("@{ $_[0] }"); return $self->SUPER::command_ok(@_) }
sub command_fails { my $self = shift; release_all("@{ $_[0] }"); return $self->SUPER::command_fails(@_) }
sub command_like { my $self = shift; release_all("@{ $_[0] }"); return $self->SUPER::command_like(@_) }

# ---------------------------------------------------------------------------------------------------------------------
# Behind them
# ---------------------------------------------------------------------------------------------------------------------

# The one option that callers add to psql's command line; undefined if there are more.
sub verbosity
{
	my ($extra) = @_;
	return 'default' unless $extra && @$extra;
	return @$extra == 2 && $extra->[0] eq '-v' && $extra->[1] =~ /^VERBOSITY=(\w+)$/ ? $1 : undef;
}

sub call_of_its_own
{
	my ($self, $database, $sql, $wants_list, $params) = @_;
	return $self->SUPER::psql($database, $sql, %$params) if $wants_list;
	return scalar $self->SUPER::psql($database, $sql, %$params);
}

# Status, output and messages go where the caller of psql wants them, as in the server's own
# library.
sub deliver
{
	my ($sql, $wants_list, $params, $status, $out, $err) = @_;
	${ $params->{stdout} } = $out if ref $params->{stdout};
	${ $params->{stderr} } = $err if ref $params->{stderr};
	if ($status && $params->{on_error_die})
	{
		die "connection error: '$err'\nwith sql '$sql'" if $status == 2;
		die "error running SQL: '$err'\nwith sql '$sql'";
	}
	if (!$wants_list)
	{
		print "$out\n" if !ref $params->{stdout} && $out ne '';
		print STDERR "$err\n" if !ref $params->{stderr} && $err ne '';
	}
	return ($status, $out, $err);
}

# Runs SQL; psql's status (0; 3: an error; 2: no connection, or it is lost), output and messages.
sub ask
{
	my ($self, $database, $sql, $verbosity, $stops) = @_;
	my $psql = $self->kept($database);
	$sql =~ s/[\s;]+\z//;
	# psql goes on after an error only if there is nothing that it would have to skip.
	my $is_single = index($sql, ';') < 0;
	# (After the end of COPY's rows psql wants no semicolon.)
	my $end = $sql =~ /^\\\.\z/m ? '' : ";\n";
	my ($status, $out, $err) = $psql->run(sprintf("\\set VERBOSITY %s\n\\set ON_ERROR_STOP %s\n%s\n%s", $verbosity, !$is_single && $stops ? 'on' : 'off', $sql, $end));
	$status = 0 if $status == 3 && !$stops;
	if (!$psql->{pid}) { delete $kept{ $psql->{key} } }
	elsif ($sql !~ $leaves_nothing)
	{
		# It fails inside a transaction, which then ends with its session, as it would with any
		# psql.
		my ($failed) = $psql->run("\\set VERBOSITY default\n\\set ON_ERROR_STOP off\nDISCARD ALL;\n");
		$psql->end if $failed;
	}
	return ($status, $out, $err);
}

# The psql of this process for the database, which answers; or one that could not connect.
sub kept
{
	my ($self, $database) = @_;
	local %ENV = $self->_get_env();
	# The environment that psql reads belongs to it.
	my $key = join "\0", $$, $self->name, $self->port, $database, map { "$_=$ENV{$_}" } grep { /^PG/ } sort keys %ENV;
	my $psql = $kept{$key};
	if ($psql)
	{
		my ($status) = $psql->run("SELECT 1;\n");
		return $psql if $psql->{pid} && $status == 0;
		$psql->end;
	}
	$psql = $kept{$key} = TicketpoolTest::Server::Psql->start($self, $database, $key, $self->installed_command('psql'), $self->connstr($database));
	my ($status, $out) = $psql->run("SELECT pg_backend_pid();\n");
	$psql->{backend} = $out if $status == 0;
	return $psql;
}

package TicketpoolTest::Server::Psql;

use Errno qw(EAGAIN EINTR EPIPE);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);

sub start
{
	my ($class, $node, $database, $key, $command, $connstr) = @_;
	pipe(my $child_in, my $to) or die "pipe: $!";
	pipe(my $from, my $child_out) or die "pipe: $!";
	pipe(my $messages, my $child_err) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		# Straight to the descriptors: the test's own STDOUT and STDERR may be tied to its log.
		POSIX::dup2(fileno $child_in, 0);
		POSIX::dup2(fileno $child_out, 1);
		POSIX::dup2(fileno $child_err, 2);
		POSIX::close($_) for 3 .. 255;
		exec($command, '-XAtq', '-d', $connstr, '-f', '-') or POSIX::_exit(127);
	}
	close $_ for $child_in, $child_out, $child_err;
	# A long script must not wait for room in a pipe whose other side also waits for room.
	fcntl($to, F_SETFL, fcntl($to, F_GETFL, 0) | O_NONBLOCK) or die "fcntl: $!";
	my $self = bless { node => $node, database => $database, key => $key, owner => $$, pid => $pid, to => $to, from => $from, messages => $messages,
		marker => sprintf('~%d.%d~', $$, ++$count), failed => '' }, $class;
	Scalar::Util::weaken($self->{node});
	return $self;
}

# Sends a script and reads until the script or psql has ended.
sub run
{
	my ($self, $script) = @_;
	# psql could not connect: that is the answer to every script.
	return ($self->{status}, '', $self->{failed}) unless $self->{pid};
	my $input = $script . "\\echo $self->{marker} :ERROR\n\\warn $self->{marker}\n";
	my %text = (from => '', messages => '');
	my %done;
	while (keys %done < 2)
	{
		my $readers = IO::Select->new(map { $self->{$_} } grep { !$done{$_} } qw(from messages));
		my $writers = length $input ? IO::Select->new($self->{to}) : undef;
		my ($readable, $writable) = IO::Select->select($readers, $writers, undef, undef) or next;
		if (@{ $writable // [] })
		{
			my $written = syswrite($self->{to}, $input, 65536);
			if (defined $written) { substr($input, 0, $written, '') }
			elsif ($! == EPIPE) { $input = '' }
			elsif ($! != EAGAIN && $! != EINTR) { die "psql: $!" }
		}
		for my $which (grep { !$done{$_} } qw(from messages))
		{
			next unless grep { $_ == $self->{$which} } @{ $readable // [] };
			my $read = sysread($self->{$which}, $text{$which}, 65536, length $text{$which});
			$done{$which} = 'end' unless $read;
			$done{$which} = 'marker' if $text{$which} =~ /^\Q$self->{marker}\E.*\n\z/m;
		}
	}
	my $status;
	if (grep { $_ eq 'end' } values %done)
	{
		$self->drop;
		waitpid($self->{pid}, 0);
		$self->{pid} = 0;
		die "psql ended by signal @{[ $? & 127 ]}: $text{messages}" if $? & 127;
		$status = $? >> 8;
	}
	else
	{
		$status = $text{from} =~ s/^\Q$self->{marker}\E true\n\z//m ? 3 : 0;
	}
	s/^\Q$self->{marker}\E.*\n\z//m for values %text;
	chomp for values %text;
	@{$self}{qw(status failed)} = ($status, $text{messages});
	return ($status, $text{from}, $text{messages});
}

# Ends the session, and waits until the server's process has ended as well: that process keeps a
# database from being dropped.
sub end
{
	my ($self) = @_;
	if ($self->{pid})
	{
		syswrite($self->{to}, "\\q\n");
		$self->drop;
		waitpid($self->{pid}, 0);
		$self->{pid} = 0;
		my $tries = 500;
		select(undef, undef, undef, 0.02) while $self->{backend} && kill(0, $self->{backend}) && $tries--;
	}
	delete $kept{ $self->{key} };
	return;
}

sub drop { my ($self) = @_; close $_ for grep { defined } delete @{$self}{qw(to from messages)}; return }

1;
