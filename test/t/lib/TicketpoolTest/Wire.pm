# A client that speaks the frontend/backend protocol itself, message by message: what drivers send in
# one packet, in several, or not at all. One connection over the server's Unix socket.
package TicketpoolTest::Wire;

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;

# options: user, database, and any setting of the start-up packet.
sub new
{
	my ($class, $node, %options) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or die "connect: $!";
	my $self = bless { socket => $socket, buffer => '', lost => 0 }, $class;
	%options = (user => scalar(getpwuid($<)), database => 'postgres', client_encoding => 'UTF8', %options);
	my $start = pack('N', 3 << 16) . join('', map { "$_\0$options{$_}\0" } sort keys %options) . "\0";
	$self->put(pack('N', 4 + length $start) . $start);
	my $answer = $self->answer;
	die "start: $answer->{error} $answer->{message}" if $answer->{error};
	return $self;
}

# ---------------------------------------------------------------------------------------------------------------------
# Messages, as strings that can be joined
# ---------------------------------------------------------------------------------------------------------------------

sub message { my ($type, $body) = @_; return $type . pack('N', 4 + length $body) . $body }
sub query { my ($sql) = @_; return message('Q', "$sql\0") }
sub parse { my ($sql, $name, @types) = @_; return message('P', ($name // '') . "\0$sql\0" . pack('n N*', scalar @types, @types)) }
sub describe { my ($portal) = @_; return message('D', 'P' . ($portal // '') . "\0") }
sub execute { my ($rows, $portal) = @_; return message('E', ($portal // '') . "\0" . pack('N', $rows // 0)) }
sub close_portal { my ($portal) = @_; return message('C', 'P' . ($portal // '') . "\0") }
sub flush { return message('H', '') }
sub sync { return message('S', '') }

# what: portal, statement, values (texts), formats (of the result).
sub bind
{
	my (%what) = @_;
	my @values = @{ $what{values} // [] };
	my @formats = @{ $what{formats} // [] };
	return message('B', ($what{portal} // '') . "\0" . ($what{statement} // '') . "\0" . pack('n n', 0, scalar @values)
		  . join('', map { defined $_ ? pack('N', length $_) . $_ : pack('N', 0xFFFFFFFF) } @values) . pack('n n*', scalar @formats, @formats));
}

# ---------------------------------------------------------------------------------------------------------------------
# The connection
# ---------------------------------------------------------------------------------------------------------------------

sub put
{
	my ($self, @bytes) = @_;
	my $bytes = join '', @bytes;
	while (length $bytes)
	{
		my $written = syswrite($self->{socket}, $bytes);
		if (!$written) { $self->{lost} = 1; return }
		substr($bytes, 0, $written, '');
	}
	return;
}

# The next message: (type, body). Empty: the connection is gone.
sub get
{
	my ($self) = @_;
	my $limit = time() + $PostgreSQL::Test::Utils::timeout_default;
	for (;;)
	{
		if (length $self->{buffer} >= 5)
		{
			my ($type, $length) = unpack('a N', $self->{buffer});
			if (length $self->{buffer} > $length)
			{
				my $body = substr($self->{buffer}, 5, $length - 4);
				substr($self->{buffer}, 0, $length + 1, '');
				return ($type, $body);
			}
		}
		if ($self->{lost}) { return }
		if (!IO::Select->new($self->{socket})->can_read(1)) { die 'no answer from the server' if time() > $limit; next }
		$self->{lost} = 1 unless sysread($self->{socket}, $self->{buffer}, 65536, length $self->{buffer});
	}
}

# Reads to the message of this type, ReadyForQuery by default, and says what came: rows (of texts),
# tags, error (SQLSTATE), all fields of it, status of the transaction, types of all messages.
sub answer
{
	my ($self, $end) = @_;
	$end //= 'Z';
	my %answer = (rows => [], tags => [], error => '', message => '', fields => {}, types => '', status => '', notices => []);
	while (my ($type, $body) = $self->get)
	{
		$answer{types} .= $type;
		if ($type eq 'D') { push @{ $answer{rows} }, [ row($body) ] }
		elsif ($type eq 'C') { push @{ $answer{tags} }, $body =~ s/\0//r }
		elsif ($type eq 'E' || $type eq 'N')
		{
			my %fields = map { substr($_, 0, 1) => substr($_, 1) } grep { length } split /\0/, $body;
			if ($type eq 'N') { push @{ $answer{notices} }, $fields{M} }
			else { @answer{qw(error message fields)} = ($fields{C}, $fields{M}, \%fields) }
		}
		elsif ($type eq 'Z') { $answer{status} = $body }
		last if $type eq $end;
	}
	$answer{lost} = $self->{lost};
	return \%answer;
}

sub row
{
	my ($body) = @_;
	my $count = unpack('n', $body);
	my $at = 2;
	my @values;
	for (1 .. $count)
	{
		my $length = unpack('N', substr($body, $at, 4));
		$at += 4;
		if ($length == 0xFFFFFFFF) { push @values, undef; next }
		push @values, substr($body, $at, $length);
		$at += $length;
	}
	return @values;
}

# One simple query; one statement of the extended protocol in a single packet.
sub run { my ($self, $sql) = @_; $self->put(query($sql)); return $self->answer }

sub run_extended
{
	my ($self, $sql, @values) = @_;
	$self->put(parse($sql), TicketpoolTest::Wire::bind(values => \@values), describe(), execute(), sync());
	return $self->answer;
}

sub lost { my ($self) = @_; return $self->{lost} }

# Without a goodbye, as if the client's machine lost power.
sub cut { my ($self) = @_; close $self->{socket}; $self->{lost} = 1; return }

1;
