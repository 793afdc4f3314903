# A departure moves to and fro between two nodes while it is sold, paid, refunded and held, and while
# processes are killed: no acknowledged order is lost or there twice, and no seat is sold twice.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $seed = seed();
my $day = DAY;
my @nodes = map { new_server("node$_", conf => 'autovacuum = off') } 1, 2;
for my $i (0, 1)
{
	$nodes[$i]->safe_psql('postgres', "SELECT setval('ticket_departure_departure_id_seq', 1000 * $i + 1); SELECT setval('ticket_order_id_seq', 1000000 * $i + 1)");
	make_train($nodes[$i], 'postgres', 'T1', 8);
	make_formation($nodes[$i], 'postgres', 'big', 600);
}
open_departures($nodes[0], 'postgres', 'T1', 'big', 1);

# A server that restarts after a crash tells its sessions, and some hear it after a whole answer.
sub without_messages { my ($answer) = @_; return join "\n", grep { !/^psql:/ } split /\n/, $answer }

# One call, wherever the departure is: until a node answers something else than "it is not here".
sub call
{
	my ($sessions, $sql, $over) = @_;
	my $at = int rand 2;
	for (1 .. 5000)
	{
		$at = 1 - $at;
		$sessions->[$at] = undef if $sessions->[$at] && $sessions->[$at]->is_lost;
		$sessions->[$at] //= eval { session($nodes[$at]) };
		my $session = $sessions->[$at] or next;
		my $answer = $session->run($sql);
		return without_messages($answer) if $session->is_ok;
		my $state = $session->sqlstate;
		die "$sql: $state: $answer" unless $state =~ /^(08001|TK001|TK005|lost|57P\d\d|40001|40P01|55P03)$/;
		select undef, undef, undef, 0.02;
	}
	die "$sql: no node has it";
}
my $over_file = $nodes[0]->basedir . '/over';
sub buyer
{
	my ($number, $log) = @_;
	my @sessions;
	my $n = 0;
	until (-e $over_file)
	{
		my $uuid = sprintf '%08d-0000-0000-0000-%012d', $number, ++$n;
		my ($from, $to) = sort { $a <=> $b } 1 + int rand 7, 1 + int rand 7;
		$to++;
		my $hold = rand() < 0.3;
		my $answer = call(\@sessions, 'SELECT DISTINCT order_id FROM ' . ($hold ? 'ticket_hold' : 'ticket_buy') . "('T1', 'S$from', 'S$to', $number, '$day', request_id => '$uuid')");
		next if $answer eq '';
		print $log 'bought ', $answer, "\n";
		print $log "paid $answer\n" if $hold && rand() < 0.7 && call(\@sessions, "SELECT status FROM ticket_confirm($answer)") eq 'sold';
		print $log "refunded $answer\n" if !$hold && rand() < 0.6 && call(\@sessions, "SELECT status FROM ticket_refund($answer)") eq 'refunded';
	}
	return;
}

# One step of a move, repeated until it answers; sometimes its process is killed in the middle.
my $kills = 0;
sub step
{
	my ($node, $sql, %options) = @_;
	for (1 .. 100)
	{
		my $session = eval { session($node) };
		if (!$session || $session->is_lost) { select undef, undef, undef, 0.1; next }
		if (rand() < ($sql =~ /part/ ? 0.02 : 0.15))
		{
			$session->send($sql);
			select undef, undef, undef, rand 0.05;
			kill 'KILL', $session->backend;
			$kills++;
			$session->wait;
			next;
		}
		my $answer = $session->run($sql);
		return without_messages($answer) if $session->is_ok;
		die "$sql: $answer" unless $session->sqlstate =~ /^(lost|57P\d\d|55P03|40001|40P01)$/;
	}
	die "$sql: no answer";
}
sub move
{
	my ($from, $to, $parcel) = @_;
	my $parts = step($from, "SELECT ticket_move_out('$parcel', 'T1', '$day', 9)");
	for my $part (0 .. $parts - 1)
	{
		my ($kind, $rows) = split /\|/, step($from, "SELECT kind, rows FROM ticket_parcel_part('$parcel', $part)"), 2;
		$rows =~ s/'/''/g;
		step($to, "SELECT ticket_parcel_put('$parcel', $part, '$kind', '$rows')");
	}
	if (rand() < 0.3) { step($from, "SELECT ticket_move_back('$parcel')"); return 0 }
	step($from, "SELECT ticket_move_ready('$parcel')");
	if (rand() < 0.2)
	{
		step($to, "SELECT ticket_move_refuse('$parcel')");
		step($from, "SELECT ticket_move_back('$parcel', true)");
		return 0;
	}
	step($to, "SELECT ticket_move_in('$parcel')");
	step($from, "SELECT ticket_move_done('$parcel')");
	return 1;
}

my $buyers = start_workers(4, \&buyer);
ok(wait_log_lines($buyers, 20), 'the sale has begun');
my ($at, $moved) = (0, 0);
for my $round (1 .. 8)
{
	if (move($nodes[$at], $nodes[ 1 - $at ], sprintf('00000000-0000-0000-0000-%012d', $round))) { $at = 1 - $at; $moved++ }
	wait_log_lines($buyers, scalar(log_lines($buyers)) + 10);
}
append_to_file($over_file, '');
ok(wait_workers($buyers), 'no buyer has met an error');
note("$moved moves, $kills killed processes");

my %status;
for my $i (0, 1)
{
	agrees($nodes[$i], 'postgres', "node $i");
	in_flight_is_empty($nodes[$i], 'postgres', "node $i");
	for my $row (split /\n/, $nodes[$i]->safe_psql('postgres', 'SELECT order_id, status, request_id FROM ticket_order'))
	{
		my ($order, $status, $request) = split /\|/, $row;
		push @{ $status{$order} }, $status;
		push @{ $status{$request} }, $order;
	}
}
is($nodes[ 1 - $at ]->safe_psql('postgres', 'SELECT count(*) FROM ticket_order'), '0', 'all orders are on one node');
my (@lost, %last);
for my $line (log_lines($buyers))
{
	my (undef, $what, $order) = split / /, $line;
	push @lost, $line unless @{ $status{$order} // [] } == 1;
	$last{$order} = $what;
}
is("@lost", '', 'every acknowledged order is there, once');
my %wanted = (bought => 'held|sold', paid => 'sold', refunded => 'refunded');
is(join(' ', grep { $status{$_}[0] !~ /^($wanted{$last{$_}})$/ } keys %last), '', 'in the state that was acknowledged');
is(join(' ', grep { /-/ && @{ $status{$_} } > 1 } keys %status), '', 'no request was carried out twice');

done_testing();
