# The programs in doc/examples, each on a database of its own, as a reader would run them; and the rows they leave.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $node = new_server('clients', plain => 1);
my $examples = "$FindBin::RealBin/../../doc/examples";
# Where Debian, npm -g and test/deps.sh put modules.
$ENV{NODE_PATH} = "/usr/share/nodejs:/usr/lib/node_modules:/usr/local/lib/node_modules:$FindBin::RealBin/../../node/node_modules";
@ENV{qw(PGHOST PGPORT PGUSER)} = ($node->host, $node->port, $node->safe_psql('postgres', 'SELECT current_user'));

sub is_there { my (@command) = @_; my ($out, $err) = run_command([@command]); return $out eq 'here' }

# What each prints, except for the seats, which the pool chooses.
my $refused = qr/refused: train "G1" of \S+ is not on sale\nrefused: passenger 101 \N+\n/;
my @programs = (
	{
		name => 'psql', needs => undef, run => [ 'psql', '-XAtq', '-f', "$examples/sell.sql" ],
		prints => qr/\A(\d+\|1\|\dA\|t\n\d+\|1\|\dB\|t\n)((1\|sold\n2\|sold\n){2})sold out: no nine seats are left on this day\n\nnot sold: TK003\n1\|1\|\w+\n3\|1\|\w+\Z/
	},
	{
		name => 'python', needs => 'python3-psycopg2', run => [ '/usr/bin/python3', "$examples/sell.py" ],
		is_there => [ '/usr/bin/python3', '-c', 'import psycopg2; print("here", end="")' ],
		prints => qr{\Aheld: 1/\w+, 1/\w+\npaid: True and again: True\nsold out: \N+\n${refused}batch: request 1 has 1/\w+\nbatch: request 3 has 1/\w+\Z}
	},
	{
		name => 'node', needs => 'node-pg', run => [ 'node', "$examples/sell.js" ],
		is_there => [ 'node', '-e', 'require("pg"); process.stdout.write("here")' ],
		prints => qr{\Aheld: 1/\w+, 1/\w+\npaid: true and again: true\nsold out: \N+\n${refused}batch: request 1 has 1/\w+\nbatch: request 3 has 1/\w+\Z}
	});

for my $program (@programs)
{
	my $name = $program->{name};
	SKIP:
	{
		skip "$name: $program->{needs} is not installed", 1 if $program->{needs} && !is_there(@{ $program->{is_there} });
		$node->safe_psql('postgres', "CREATE DATABASE $name");
		local $ENV{PGDATABASE} = $name;
		command_ok([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-f', "$examples/setup.sql" ], "$name: there is something to sell");
		# The drivers' programs retry: two purchases have to.
		$node->safe_psql($name, q{
			CREATE SEQUENCE attempt;
			CREATE FUNCTION two_attempts_fail(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE plpgsql AS $$
				BEGIN
					IF nextval('public.attempt') IN (1, 3) THEN RAISE serialization_failure; END IF;
					RETURN NULL;
				END $$;
			INSERT INTO ticket_rule VALUES ('public.two_attempts_fail', 'ticket', true)}) if $program->{needs};
		my ($out, $err) = run_command($program->{run});
		like($out, $program->{prints}, "$name: the example says what it should");
		if ($name eq 'psql') { like($err, qr/^\N*ERROR:  train "G1" of \S+ is not on sale\N*\nDETAIL:\N*\n(HINT:\N*\n?)?\Z/, "$name: and nothing but the one error it wants") }
		else { is($err, '', "$name: and nothing else") }
		is($node->safe_psql($name, q{
			SELECT service_date - CURRENT_DATE, user_id, coalesce(passenger_id, 0), from_stop, to_stop, status, count(*) FROM ticket_order GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4}),
			join("\n", '1|7|101|1|3|sold|1', '1|7|102|1|3|sold|1', $name eq 'psql' ? ('2|9|9|1|2|sold|1', '2|9|9|2|3|sold|1') : ('2|9|201|1|2|sold|1', '2|9|202|2|3|sold|1')),
			"$name: it has sold what it says");
		is($node->safe_psql($name, 'SELECT status FROM ticket_departure ORDER BY service_date'), "open\nopen\nclosed", "$name: and closed a train");
		agrees($node, $name, $name);
		readme_of_python() if $name eq 'python';
	}
}

# The README's lines for Python, with the request id as programs have it: a UUID, not a text.
sub readme_of_python
{
	my ($lines) = slurp_file("$FindBin::RealBin/../../README.md") =~ /^```python\n(.*?)^```/ms;
	my $program = join "\n", 'import psycopg2, uuid', 'connection = psycopg2.connect("")', 'cursor, request_id = connection.cursor(), uuid.uuid4()',
		'cursor.execute("SELECT (CURRENT_DATE + 1)::text")', 'day = cursor.fetchone()[0]', $lines, 'first = tickets', $lines, 'print(len(first), first == tickets, end="")';
	$node->safe_psql('python', 'UPDATE ticket_rule SET enabled = false');
	my ($out, $err) = run_command([ '/usr/bin/python3', '-c', $program ]);
	is("$out$err", '2 True', 'the lines of the README hold two seats, and a retry returns them');
	return;
}

$node->stop;
done_testing();
