# What the extension promises, without its tricks: a list of tickets, each on a seat from one stop
# to another, and which session may see the seat as free. The state is kept for several sessions
# with transactions and savepoints.
package TicketpoolTest::Model;

use strict;
use warnings;

sub new
{
	my ($class) = @_;
	return bless { departures => [], orders => {}, locker => {} }, $class;
}

# stops: [ [ stop_no, station ], … ]; seats: { class => [ "coach label", … ] }
sub add_departure
{
	my ($self, %departure) = @_;
	push @{ $self->{departures} }, { %departure, tickets => [] };
	return;
}

# The trip that two station names mean, as indexes of stops: the one with the fewest stops, on a tie
# the earlier one.
sub trip
{
	my ($departure, $from, $to) = @_;
	my $stops = $departure->{stops};
	my @best;
	for my $i (0 .. $#$stops)
	{
		next if $stops->[$i][1] ne $from;
		for my $j ($i + 1 .. $#$stops)
		{
			next if $stops->[$j][1] ne $to;
			@best = ($i, $j) if !@best || $j - $i < $best[1] - $best[0];
			last;
		}
	}
	return @best;
}

# Does the ticket keep the session from buying its seat? A refund frees it for the refunding transaction at once, for
# others once it has committed; a purchase counts for everybody at once.
sub occupies
{
	my ($ticket, $session) = @_;
	return !$ticket->{refunded} && !(defined $ticket->{refunder} && $ticket->{refunder} == $session);
}

# Seats of the class that are not free over the trip, as the session sees it.
sub busy
{
	my ($departure, $class, $from, $to, $session) = @_;
	my %busy;
	for my $ticket (@{ $departure->{tickets} })
	{
		$busy{ $ticket->{seat} } = 1
		  if $ticket->{class} eq $class && $ticket->{from} < $to && $ticket->{to} > $from && occupies($ticket, $session);
	}
	return \%busy;
}

sub remaining
{
	my ($departure, $class, $from, $to, $session) = @_;
	my $left = 0;
	for my $name (defined $class ? $class : keys %{ $departure->{seats} })
	{
		$left += @{ $departure->{seats}{$name} } - keys %{ busy($departure, $name, $from, $to, $session) };
	}
	return $left;
}

# For a seat that is free over the trip: how long it is free around it.
sub free_run
{
	my ($departure, $seat, $from, $to, $session) = @_;
	my ($left, $right) = (0, $#{ $departure->{stops} });
	for my $ticket (@{ $departure->{tickets} })
	{
		next if $ticket->{seat} ne $seat || !occupies($ticket, $session);
		$left = $ticket->{to} if $ticket->{to} <= $from && $ticket->{to} > $left;
		$right = $ticket->{from} if $ticket->{from} >= $to && $ticket->{from} < $right;
	}
	return $right - $left;
}

sub has_refunds
{
	my ($departure, $session) = @_;
	return scalar grep { defined $_->{refunder} && $_->{refunder} == $session } @{ $departure->{tickets} };
}

# A session is a hash with `number`, `open` (it has an open transaction), `log` and `savepoints`.
sub record
{
	my ($session, $what, $ticket) = @_;
	push @{ $session->{log} }, [ $what, $ticket ];
	return;
}

sub bought
{
	my ($self, $session, $departure, $class, $from, $to, $order_id, $ticket_no, $seat) = @_;
	my $ticket = {
		departure => $departure, class => $class, from => $from, to => $to, order => $order_id, no => $ticket_no,
		seat => $seat, refunded => 0, refunder => undef, buyer => $session->{number}
	};
	push @{ $departure->{tickets} }, $ticket;
	$self->{orders}{$order_id}{$ticket_no} = $ticket;
	record($session, 'bought', $ticket);
	return;
}

sub refund
{
	my ($session, $ticket) = @_;
	return if $ticket->{refunded} || defined $ticket->{refunder};
	$ticket->{refunder} = $session->{number};
	record($session, 'refunded', $ticket);
	return;
}

# A transaction that has looked at an order for a refund keeps its rows locked to the end, even if
# there was nothing to refund.
sub locked
{
	my ($self, $session, $id) = @_;
	$self->{locker}{$id} = $session->{number};
	return;
}

sub unlock
{
	my ($self, $session) = @_;
	my $locker = $self->{locker};
	delete $locker->{$_} for grep { $locker->{$_} == $session->{number} } keys %$locker;
	return;
}

sub begin
{
	my ($session) = @_;
	@{$session}{qw(open log savepoints)} = (1, [], []);
	return;
}

sub commit
{
	my ($self, $session) = @_;
	$self->unlock($session);
	for (@{ $session->{log} })
	{
		my ($what, $ticket) = @$_;
		if ($what eq 'bought') { $ticket->{buyer} = undef }
		else { @{$ticket}{qw(refunded refunder)} = (1, undef) }
	}
	@{$session}{qw(open log savepoints)} = (0, [], []);
	return;
}

# Undoes everything after the position in the log.
sub undo
{
	my ($self, $session, $position) = @_;
	while (@{ $session->{log} } > $position)
	{
		my ($what, $ticket) = @{ pop @{ $session->{log} } };
		if ($what eq 'refunded') { $ticket->{refunder} = undef; next; }
		@{ $ticket->{departure}{tickets} } = grep { $_ != $ticket } @{ $ticket->{departure}{tickets} };
		delete $self->{orders}{ $ticket->{order} };
	}
	return;
}

sub rollback
{
	my ($self, $session) = @_;
	$self->undo($session, 0);
	$self->unlock($session);
	@{$session}{qw(open savepoints)} = (0, []);
	return;
}

# An order that the session may refund without waiting for the other session's transaction, or
# undef.
sub order_for
{
	my ($self, $session) = @_;
	my @ids = sort { $a <=> $b } keys %{ $self->{orders} };
	return undef unless @ids;
	for (1 .. 8)
	{
		my $id = $ids[ rand @ids ];
		my @tickets = values %{ $self->{orders}{$id} };
		my $locker = $self->{locker}{$id};
		next if defined $locker && $locker != $session->{number};
		next if grep { (defined $_->{buyer} && $_->{buyer} != $session->{number})
			  || (defined $_->{refunder} && $_->{refunder} != $session->{number}) } @tickets;
		return $id;
	}
	return undef;
}

1;
