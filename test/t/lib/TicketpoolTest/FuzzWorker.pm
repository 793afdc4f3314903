# A session of the fuzzer: its role, and what it remembers.
package TicketpoolTest::FuzzWorker;

use strict;
use warnings;

sub new
{
	my ($class, %options) = @_;
	return bless { prepared => [], ids => {}, turn => [], states => {}, called => {}, succeeded => {}, %options }, $class;
}

# The functions take turns, each round in another order: all are called however slow the machine is.
sub next_function
{
	my ($self) = @_;
	$self->{turn} = [ sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @{ $self->{functions} } ] unless @{ $self->{turn} };
	my (undef, $function) = @{ shift @{ $self->{turn} } };
	$self->{called}{ $function->{name} }++;
	return $function;
}

# An id of this kind that was given before.
sub known
{
	my ($self, $kind) = @_;
	my $ids = $self->{ids}{$kind} // [];
	return @$ids ? $ids->[ rand @$ids ] : 1 + int rand 20;
}

sub remember
{
	my ($self, $kind, $output) = @_;
	my $ids = $self->{ids}{$kind} //= [];
	push @$ids, grep { /^\d+$/ } split /\n/, $output;
	shift @$ids while @$ids > 50;
	return;
}

# PREPARE TRANSACTION, and some statements later its decision.
sub two_phase
{
	my ($self) = @_;
	if (@{ $self->{prepared} } && rand() < 0.6)
	{
		return ((rand() < 0.6 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$self->{prepared}[0]'", 'decided');
	}
	my $gid = 'fuzz ' . $self->{number} . ' ' . ++$self->{gids};
	return ("PREPARE TRANSACTION '$gid'", "gid $gid");
}

# One statement; every answer that is not allowed is logged as bad. ids: what kind of ids its result
# has; function: whose call it is.
sub run
{
	my ($self, $sql, $ids, $function) = @_;
	my $session = $self->{session};
	$session->run($sql);
	my $state = $session->sqlstate;
	my $log = $self->{log};
	$self->{states}{$state}++;
	print $log "bad $state $sql\n" unless $state eq '00000' || $self->{fine}{$state};
	# A role without the right gets no further, whatever the arguments.
	print $log "bad $state, not 42501: $sql\n"
	  if $self->{nobody} && $function && !$function->{public} && $sql =~ /^SELECT (\* FROM )?public\./ && $state !~ /^(42501|25P02|57014)$/;
	$self->{failed} = $state ne '00000';
	if (!$self->{failed})
	{
		$self->{open} = 1 if $sql =~ /^BEGIN/;
		$self->{open} = 0 if $sql =~ /^(COMMIT|ROLLBACK|PREPARE TRANSACTION '.*'|DISCARD ALL)$/;
		$self->{succeeded}{ $function->{name} }++ if $function;
	}
	# A transaction that never existed: PREPARE TRANSACTION outside a transaction is only a warning.
	shift @{ $self->{prepared} } if defined $ids && $ids eq 'decided' && $state =~ /^(00000|42704)$/;
	return if $state ne '00000' || !defined $ids || $ids eq 'decided';
	if ($ids =~ /^gid (.*)/) { push @{ $self->{prepared} }, $1 }
	else { $self->remember($ids, $session->output) }
	return;
}

# Repeats the statement until nobody cancels it: others may still be at work.
sub run_through
{
	my ($self, @statement) = @_;
	for (1 .. 20)
	{
		$self->run(@statement);
		last if $self->{session}->sqlstate ne '57014';
	}
	return;
}

1;
