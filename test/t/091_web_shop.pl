# The web shop of doc/examples/web: what it answers, and what people do with it in a browser. The
# scripts in test/web ask and look; this file starts a server, the shop and the scripts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $root = "$FindBin::RealBin/../..";
my $web = "$root/doc/examples/web";
# Where Debian, npm -g and test/deps.sh put modules. The last is build/node in a checkout, and node
# where test/run has copied it.
local $ENV{NODE_PATH} = join ':', '/usr/share/nodejs', '/usr/lib/node_modules', '/usr/local/lib/node_modules', map { "$root/$_/node_modules" } 'node', 'build/node';

sub has_module { my ($name) = @_; return run_log([ 'node', '-e', "require('$name')" ]) }
sub installed { my ($program) = @_; return grep { -x "$_/$program" } split /:/, $ENV{PATH} }

plan skip_all => 'node is not installed' unless installed('node');
plan skip_all => 'the Node module pg is not installed' unless has_module('pg');

my $node = new_server('web_shop');
$node->safe_psql('postgres', qq{
	INSERT INTO ticket_station SELECT 'S' || n, 'Station ' || n FROM generate_series(1, 3) n;
	INSERT INTO ticket_stop SELECT t, n, 'S' || n, interval '8 hours' + n * interval '1 hour', interval '8 hours' + n * interval '1 hour'
		FROM unnest('{T1,T2,T3,T4,<script>}'::text[]) t, generate_series(1, 3) n;
	INSERT INTO ticket_formation (formation, coach, seat_class, seats)
		SELECT f, c, k, ARRAY(SELECT r || l FROM generate_series(1, rows) r, unnest(letters) l)
		FROM (VALUES ('train', '1', 'second', 9, '{A,B,C,D,F}'::text[]), ('train', '2', 'second', 9, '{A,B,C,D,F}'), ('train', '3', 'first', 2, '{A,C,D,F}'), ('one', '1', 'second', 1, '{A}'),
			('<script>', '<b>', '<i>', 1, '{A}')) v (f, c, k, rows, letters);
	SELECT ticket_open(t, '$day', CASE t WHEN 'T3' THEN 'one' WHEN '<script>' THEN t ELSE 'train' END) FROM unnest('{T1,T2,T3,T4,<script>}'::text[]) t});
command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$web/shop.sql" ], 'roles, tables and functions are made');
# A rule for one test.
$node->safe_psql('postgres', q{CREATE FUNCTION public.no_eve(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE sql STABLE AS
	$$ SELECT name || ' may not travel' FROM web_shop.passenger WHERE passenger_id = ANY (passengers) AND name = 'Eve' $$});
$node->safe_psql('postgres', "SELECT ticket_remaining('<script>', 'S1', 'S3', '$day')");

local @ENV{qw(PGHOST PGPORT PGDATABASE PGUSER DAY)} = ($node->host, $node->port, 'postgres', $node->safe_psql('postgres', 'SELECT current_user'), $day);
delete local $ENV{PGOPTIONS};

# start_program NAME: a program of the shop on a free port; its process and address.
my @programs;
sub start_program
{
	my ($name) = @_;
	local $ENV{PORT} = 0;
	my $program = { out => '', err => '' };
	$program->{run} = IPC::Run::start([ 'node', "$web/$name.js" ], '<', \undef, '>', \$program->{out}, '2>', \$program->{err});
	push @programs, $program;
	ok(await(sub { $program->{run}->pump_nb; $program->{out} =~ /^$name: http/m || !$program->{run}->pumpable }) && $program->{out} =~ m{^$name: (http://127\.0\.0\.1:\d+/)$}m, "$name listens")
		or die "$name: $program->{err}";
	return $1;
}
local @ENV{qw(SHOP OPERATIONS)} = map { start_program($_) } qw(shop operations);

# look SCRIPT: runs a script of test/web, and counts its lines as tests.
sub look
{
	my ($script) = @_;
	my ($tests, $out, $err) = (0, '', '');
	my $run = IPC::Run::start([ 'node', "$root/test/web/$script.js" ], '<', \undef, '>', \$out, '2>', \$err);
	my $read = sub {
		while ($out =~ s/^(.*)\n//)
		{
			my $line = $1;
			if ($line =~ /^(not ok|ok) - (.*)$/) { ok($1 eq 'ok', "$script: $2"); $tests++ }
			else { diag("$script: $line") }
		}
	};
	while ($run->pumpable) { $run->pump; $read->() }
	my $ended = $run->finish;
	$read->();
	ok($ended && $tests > 20, "$script comes to its end") or diag("$tests tests, exit status " . $run->result . ", $err");
	return;
}

look('requests');
my @missing = ((-x '/usr/bin/chromium' ? () : 'chromium'), (has_module('playwright-core') ? () : 'playwright-core of npm'));
if (!$ENV{TICKETPOOL_BROWSER}) { note('the shop is not looked at in a browser: make test-long does it, or TICKETPOOL_BROWSER=1') }
elsif (@missing) { diag("the shop is not looked at in a browser: @missing not installed") }
else
{
	# What the first script has sold and held is not in the way of the second.
	$node->safe_psql('postgres', q{SELECT ticket_refund(order_id) FROM (SELECT DISTINCT order_id FROM ticket_order WHERE status = 'sold') o});
	$node->safe_psql('postgres', q{SELECT ticket_cancel(order_id) FROM (SELECT DISTINCT order_id FROM ticket_order WHERE status = 'held') o});
	look('browser');
}
for my $program (@programs)
{
	$program->{run}->signal('TERM');
	ok($program->{run}->finish, 'a program ends when it is told to');
	unlike($program->{err}, qr/^\s+at /m, 'and met nothing unexpected') or diag($program->{err});
}
agrees($node, 'postgres', 'afterwards');
$node->stop;
done_testing();
