# A train is cancelled while it is being sold: afterwards it has no live ticket, and none was sold
# later.
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
my $node = new_server('withdraw');
make_train($node, 'postgres', 'T1', 10);
make_train($node, 'postgres', 'T2', 10);
make_formation($node, 'postgres', 'big', 2000);
open_departures($node, 'postgres', 'T1', 'big', 3);
open_departures($node, 'postgres', 'T2', 'big', 1);
my $live = "SELECT count(*) FROM ticket_order WHERE status IN ('held', 'sold') AND departure_id = (SELECT departure_id FROM ticket_departure WHERE train = 'T1' AND service_date = date '$day' + %d)";

# Whole, by parties, in parts, held, and from a quota: every seat of the first day.
$node->safe_psql('postgres', qq{
	SELECT ticket_reserve('T1', '$day', 'second', 'agency', 100, 'S1', 'S10', clock_timestamp() + interval '1 hour');
	SELECT count(*) FROM generate_series(1, 60) i, ticket_buy('T1', 'S1', 'S10', i, '$day', channel => 'agency');
	SELECT count(*) FROM generate_series(1, 100) i, ticket_hold('T1', 'S1', 'S10', i, '$day', passengers => ARRAY[1, 2, 3, 4, 5]);
	SELECT count(*) FROM generate_series(1, 700) i, ticket_buy('T1', 'S1', 'S10', i, '$day');
	SELECT count(*) FROM generate_series(1, 690) i, ticket_buy('T1', 'S1', 'S5', i, '$day');
	SELECT count(*) FROM generate_series(1, 690) i, ticket_buy('T1', 'S5', 'S10', i, '$day')});
is($node->safe_psql('postgres', "SELECT ticket_remaining('T1', 'S1', 'S10', '$day')"), '10', 'the train is nearly full');
is($node->safe_psql('postgres', sprintf $live, 0), '2640', 'with two thousand seats');

# Buys, holds, pays and refunds on the train and on others, until told to stop. The log: b TRAIN sold|out|off.
my $over_file = $node->basedir . '/over';
sub customer
{
	my ($number, $log) = @_;
	my $session = session($node);
	my %off;
	my @orders;
	until (-e $over_file)
	{
		my $train = ("'T1', 'S1', 'S10', $number, '$day'", "'T2', 'S1', 'S10', $number, '$day'", "'T1', 'S1', 'S10', $number, date '$day' + 1")[ rand 3 ];
		my $name = $train =~ /'T2'/ ? 'T2' : $train =~ /\+ 1/ ? 'next' : 'T1';
		my $function = rand() < 0.5 ? 'ticket_buy' : 'ticket_hold';
		my $order = $session->run("SELECT order_id FROM $function($train)");
		my $answer = $session->is_ok ? ($order eq '' ? 'out' : 'sold') : $session->sqlstate eq 'TK003' ? 'off' : die "$train: $order";
		die "$name is sold again: $answer" if $off{$name} && $answer ne 'off';
		$off{$name} = 1 if $answer eq 'off';
		print $log "$name $answer\n";
		push @orders, [ $order, $name, $function ] if $answer eq 'sold';
		next if @orders < 4;
		# A ticket of a withdrawn train is refunded or cancelled already: nothing more can be done
		# to it, and nothing goes wrong.
		my ($id, $of, $how) = @{ splice @orders, rand @orders, 1 };
		# Known gap: a withdrawal that meets a refund is told to try again.
		$session->run("SELECT status FROM ticket_confirm($id)") if $how eq 'ticket_hold';
		die "confirm of $of: " . $session->output unless $session->is_ok || ($session->sqlstate eq 'TK005' && $of eq 'T1');
		$session->run("SELECT status FROM ticket_refund($id)");
		die "refund of $of: " . $session->output unless $session->is_ok || ($session->sqlstate eq 'TK005' && $of eq 'T1');
	}
	return;
}

my $workers = start_workers(8, \&customer);
ok(await(sub { 200 <= grep { /T1/ } log_lines($workers) }), 'customers are at work');
my $count = $node->safe_psql('postgres', "SELECT ticket_withdraw('T1', '$day')");
cmp_ok($count, '>=', 2640, 'every live ticket is given back');
is($node->safe_psql('postgres', sprintf $live, 0), '0', 'the train has no live ticket at once');
ok(await(sub { 50 <= grep { /T1 off/ } log_lines($workers) }), 'customers are told that it is not on sale');
append_to_file($over_file, 'yes');
ok(wait_workers($workers), 'nobody was sold a ticket after that, and nothing else failed');
is($node->safe_psql('postgres', sprintf $live, 0), '0', 'the train has no live ticket afterwards');
is($node->safe_psql('postgres', qq{SELECT string_agg(DISTINCT o.status, ' ' ORDER BY o.status), count(*) FILTER (WHERE user_id < 101 AND o.status = 'cancelled') >= 500
	FROM ticket_order o JOIN ticket_departure d USING (departure_id) WHERE train = 'T1' AND d.service_date = '$day'}) =~ s/ expired//r, 'cancelled refunded|t', 'sold ones are refunded, held ones cancelled');
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT status, ' ') FROM ticket_reservation}), 'recycled', 'its quota is given back');
my %answers;
$answers{$_}++ for map { /^\d+ (.*)/ } log_lines($workers);
note(join ', ', map { "$_: $answers{$_}" } sort keys %answers);
cmp_ok($answers{$_} // 0, '>', 0, "customers were told: $_") for 'T1 sold', 'T1 off', 'T2 sold', 'next sold';
is($answers{'T2 off'} // 0, 0, 'other trains were on sale all the time');

sub is_withdrawn
{
	my ($label) = @_;
	my $session = session($node);
	is($session->run("SELECT ticket_remaining('T1', 'S1', 'S10', '$day')"), '0', "$label: nothing is left");
	is($session->run("SELECT outcome FROM ticket_why('T1', 'S1', 'S10', '$day')"), 'not_on_sale', "$label: ticket_why knows");
	$session->run("SELECT ticket_buy('T1', 'S1', 'S10', 1, '$day')");
	is($session->sqlstate, 'TK003', "$label: it is not sold");
	is($session->run("SELECT ticket_withdraw('T1', '$day')"), '0', "$label: withdrawn once");
	in_flight_is_empty($node, 'postgres', $label);
	agrees($node, 'postgres', $label);
	$session->quit;
	return;
}
is_withdrawn('withdrawn');
stop_and_start($node, 'immediate');
is_withdrawn('after a crash');

# A withdrawal waits for purchases in flight and can be interrupted; then the train is on sale as
# before.
my $third = "'T1', 'S1', 'S10', %d, date '$day' + 2";
my ($buyer, $staff, $other) = map { session($node) } 1 .. 3;
$node->safe_psql('postgres', 'SELECT ticket_buy(' . sprintf($third, 9) . ')');
$buyer->run($_) for 'BEGIN', 'SELECT ticket_buy(' . sprintf($third, 1) . ')';
for my $way ('timeout', 'cancel', 'terminate')
{
	$staff->run("SET statement_timeout = '300ms'") if $way eq 'timeout';
	$staff->send("SELECT ticket_withdraw('T1', date '$day' + 2)");
	ok(await(sub { $other->run('SELECT ticket_buy(' . sprintf($third, 2) . ')'); $other->sqlstate eq 'TK003' || $way eq 'timeout' }), "$way: new purchases are barred while it waits");
	my $pid = $staff->backend;
	$other->run("SELECT pg_cancel_backend($pid)") if $way eq 'cancel';
	$other->run("SELECT pg_terminate_backend($pid)") if $way eq 'terminate';
	$staff->wait;
	isnt($staff->sqlstate, '00000', "$way: it is interrupted");
	is($staff->sqlstate, '57014', "$way: by its own kind of error") if $way ne 'terminate';
	ok(await(sub { $other->run('SELECT count(*) FROM ticket_buy(' . sprintf($third, 3) . ')') eq '1' }), "$way: the train is on sale again");
	is($other->run("SELECT status FROM ticket_departure WHERE train = 'T1' AND service_date = date '$day' + 2"), 'open', "$way: also in its row");
	# The withdrawal is in force for this statement as well.
	await(sub { $staff->run('RESET statement_timeout'); $staff->is_ok }) if $way eq 'timeout';
}
$staff = session($node);
$buyer->run('COMMIT');
agrees($node, 'postgres', 'interrupted');
# Rolled back: as if it had not happened.
$staff->run('BEGIN');
like($staff->run("SELECT ticket_withdraw('T1', date '$day' + 2)"), qr/^[1-9]\d*$/, 'a withdrawal inside a transaction');
$other->run('SELECT ticket_buy(' . sprintf($third, 4) . ')');
is($other->sqlstate, 'TK003', 'bars purchases at once');
$staff->run('ROLLBACK');
is($other->run('SELECT count(*) FROM ticket_buy(' . sprintf($third, 4) . ')'), '1', 'and no more once it is rolled back');
agrees($node, 'postgres', 'rolled back');
# A session's own purchase does not keep its withdrawal waiting.
$staff->run($_) for 'BEGIN', 'SELECT ticket_buy(' . sprintf($third, 5) . ')';
$count = $other->run(sprintf $live, 2);
is($staff->run("SELECT ticket_withdraw('T1', date '$day' + 2)"), $count + 1, 'own tickets are given back too');
$staff->run('COMMIT');
is($other->run(sprintf $live, 2), '0', 'all of them');
agrees($node, 'postgres', 'own purchase');

$node->stop;
done_testing();
