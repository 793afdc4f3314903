# A psql that stays connected, for tests with several transactions open at once. One statement at a time: run() sends
# it and waits, or send() and later wait(). Nothing dies when the server does: the session is then lost.
package TicketpoolTest::Session;

use strict;
use warnings;

use IO::Handle;
use IO::Select;
use POSIX ();
use PostgreSQL::Test::Utils;
use TicketpoolTest::Server;

my $count = 0;

sub new
{
	my ($class, $connstr, %options) = @_;
	pipe(my $child_in, my $to) or die "pipe: $!";
	pipe(my $from, my $child_out) or die "pipe: $!";
	my $pid = fork();
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open(STDIN, '<&', $child_in);
		open(STDOUT, '>&', $child_out);
		open(STDERR, '>&', $child_out);
		# Not the pipe ends of other sessions: each psql has to see the end of its own input.
		POSIX::close($_) for 3 .. 255;
		exec('psql', '-XAtq', '-v', 'VERBOSITY=' . ($options{verbosity} // 'sqlstate'), '-d', $connstr, '-f', '-')
		  or POSIX::_exit(127);
	}
	close $child_in;
	close $child_out;
	$to->autoflush(1);
	my $self = bless {
		psql => $pid, to => $to, from => $from, owner => $$, buffer => '', lost => 0,
		marker => sprintf('~%d.%d~', $$, ++$count), sqlstate => '', output => ''
	}, $class;
	$self->{backend} = $self->run('SELECT pg_backend_pid()');
	return $self;
}

# Sends one statement (or several: the state is the last one's) and does not wait.
sub send
{
	my ($self, $sql) = @_;
	return if $self->{lost};
	TicketpoolTest::Server::release_all($sql);
	my $line = "$sql;\n\\echo $self->{marker} :ERROR :SQLSTATE\n";
	$self->lose unless print { $self->{to} } $line;
	return;
}

# Waits for the answer; returns the output, rows and messages, without the last line end. sqlstate
# is '00000' if all went well, 'lost' if the connection is gone.
sub wait
{
	my ($self) = @_;
	my $limit = time() + $PostgreSQL::Test::Utils::timeout_default;
	until ($self->{lost} || $self->{buffer} =~ /^\Q$self->{marker}\E (\S+) (\S*)\n/m)
	{
		if (!IO::Select->new($self->{from})->can_read(1))
		{
			die "no answer from psql: $self->{buffer}" if time() > $limit;
			next;
		}
		my $read = sysread($self->{from}, $self->{buffer}, 65536, length $self->{buffer});
		$self->lose unless $read;
	}
	if ($self->{lost})
	{
		$self->{sqlstate} = 'lost';
		$self->{output} = $self->{buffer};
		return $self->{output};
	}
	$self->{buffer} =~ s/\A(.*?)^\Q$self->{marker}\E (\S+) (\S*)\n//ms;
	($self->{output}, $self->{sqlstate}) = ($1, $3);
	chomp $self->{output};
	# An error without a state is psql's own: the connection broke.
	if ($self->{sqlstate} eq '')
	{
		$self->lose;
		$self->{sqlstate} = 'lost';
	}
	return $self->{output};
}

sub run
{
	my ($self, $sql) = @_;
	$self->send($sql);
	return $self->wait;
}

sub sqlstate { my ($self) = @_; return $self->{sqlstate} }
sub output { my ($self) = @_; return $self->{output} }
sub backend { my ($self) = @_; return $self->{backend} }
sub is_ok { my ($self) = @_; return $self->{sqlstate} eq '00000' }
sub is_lost { my ($self) = @_; return $self->{lost} }

sub lose
{
	my ($self) = @_;
	$self->{lost} = 1;
	return;
}

# As if the client's machine lost power, as far as a test can do that: psql sends no goodbye.
sub kill_client
{
	my ($self) = @_;
	kill 'KILL', $self->{psql};
	waitpid($self->{psql}, 0);
	$self->{psql} = 0;
	$self->lose;
	return;
}

sub quit
{
	my ($self) = @_;
	return unless $self->{psql} && $self->{owner} == $$;
	close $self->{to};
	waitpid($self->{psql}, 0);
	$self->{psql} = 0;
	$self->lose;
	return;
}

# A test that dies must not wait for an answer that never comes.
sub DESTROY
{
	my ($self) = @_;
	local ($?, $@, $!);
	$self->kill_client if $self->{psql} && $self->{owner} == $$;
	return;
}

1;
