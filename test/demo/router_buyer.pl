# One client of the demonstration with a router (router.sh): buys until the file `stop` is there, and
# writes down what was acknowledged. It gives up when the file `abandon` is there.
# usage: perl router_buyer.pl NUMBER router|direct SEED
# direct: asks the router once for each departure where it is (ticket_where), and then buys there.
#
# A purchase has a request_id. If its answer is an error 08xxx, or none at all, the client does not
# know whether the seat was sold, and repeats the call until it has an answer: the request_id sees to
# it that nothing is sold twice. A refund may be repeated as well.
# Lines of acks.NUMBER: sold REQUEST_ID ORDER_ID | full REQUEST_ID | refunded ORDER_ID | retry SQLSTATE
# MESSAGE, and in the end: gap MILLISECONDS (the longest time without an answer)
use strict;
use warnings;

use Cwd ();
use IO::Handle;
use List::Util qw(shuffle);
use POSIX ();
use Time::HiRes qw(sleep time);

my ($number, $way, $seed) = @ARGV;
srand($seed);
$SIG{PIPE} = 'IGNORE';
open(my $acks, '>', "acks.$number") or die "acks: $!";
$acks->autoflush(1);
open(my $file, '<', 'wishes') or die "wishes: $!";
my @wishes = map { chomp; [ split /\|/ ] } <$file>;
my $router = 'host=' . Cwd::getcwd() . ' port=5400 dbname=router';
my (%psql, %where);

# A psql for each place, started when it is needed. It ends when its connection does.
sub open_psql
{
	my ($conninfo) = @_;
	pipe(my $child_in, my $to) or die "pipe: $!";
	pipe(my $from, my $child_out) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDIN, '<&', $child_in);
		open(STDOUT, '>&', $child_out);
		open(STDERR, '>&', $child_out);
		POSIX::close($_) for 3 .. 255;
		exec('psql', '-XAtq', '-v', 'VERBOSITY=terse', '-d', "$conninfo user=seller connect_timeout=2", '-f', '-') or POSIX::_exit(127);
	}
	$to->autoflush(1);
	return $psql{$conninfo} = { pid => $pid, to => $to, from => $from };
}

# Its SQLSTATE ('lost' if no answer came), rows, and the error's message.
sub ask
{
	my ($conninfo, $sql) = @_;
	my $psql = $psql{$conninfo} // open_psql($conninfo);
	my ($rows, $message) = ('', '');
	if (print { $psql->{to} } "$sql;\n\\echo = :SQLSTATE\n")
	{
		while (my $line = readline $psql->{from})
		{
			chomp $line;
			# An error without a state of its own is psql's: the connection is lost.
			if ($line =~ /^= (\w{5})$/) { return ($1, $rows, $message) }
			elsif ($line =~ /^= /) { last }
			elsif ($line =~ /^(?:psql:\S+ )*(?:ERROR|FATAL): +(.*)/) { $message = $1 }
			elsif ($line !~ /^(?:psql:|WARNING:|NOTICE:|HINT:|DETAIL:)/) { $rows = $line if $rows eq '' }
		}
	}
	close $psql->{to};
	close $psql->{from};
	waitpid($psql->{pid}, 0);
	delete $psql{$conninfo};
	return ('lost', '', $message);
}

# Asks until there is an answer, at the place that `find` returns; `forget` is called after a failure.
sub insist
{
	my ($sql, $find, $forget) = @_;
	while (1)
	{
		my ($state, $rows, $message) = ask($find->(), $sql);
		return $rows if $state eq '00000';
		exit 1 if -e 'abandon' || !-e 'wishes';
		die "$state $message: $sql\n" unless $state =~ /^(?:08|57P0|25006|lost)/;
		print $acks "retry $state $message\n";
		$forget->();
		sleep 0.05;
	}
}

# Where this client buys.
sub place
{
	my ($train, $day) = @_;
	return $router if $way eq 'router';
	return $where{"$train $day"} //= (insist("SELECT conninfo FROM ticket_where('$train', '$day')", sub { $router }, sub { }));
}

my ($longest, $bought, $last) = (0, 0, time());
my @left;
until (-e 'stop')
{
	@left = shuffle(@wishes) unless @left;
	my ($train, $from, $to, $day, $class) = @{ shift @left };
	my $request = join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12;
	my $order = insist("SELECT order_id FROM ticket_buy('$train', '$from', '$to', $number, '$day', '$class', request_id => '$request')",
		sub { place($train, $day) }, sub { delete $where{"$train $day"} });
	print $acks $order ne '' ? "sold $request $order\n" : "full $request\n";
	my $took = time() - $last;
	$longest = $took if $took > $longest;
	if ($order ne '' && ++$bought % 8 == 0)
	{
		insist("SELECT status FROM ticket_refund($order)", sub { $router }, sub { });
		print $acks "refunded $order\n";
	}
	$last = time();
}
printf $acks "gap %d\n", 1000 * $longest;
