# The programs in doc/examples, each on a database of its own, as a reader would run them; and the rows they leave.
use strict;
use warnings;

use Cwd qw(abs_path);
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

# pgjdbc has no Unix sockets: its program comes by TCP, with a password.
open(my $hba, '>', $node->data_dir . '/pg_hba.conf') or die $!;
print $hba "local all all trust\nhost all over_tcp 127.0.0.1/32 scram-sha-256\n";
close $hba;
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->restart;
my $password = join '', map { ('a' .. 'z')[ rand 26 ] } 1 .. 20;
$node->safe_psql('postgres', "SET password_encryption = 'scram-sha-256'; CREATE ROLE over_tcp LOGIN SUPERUSER PASSWORD '$password'");
my %over_tcp = (PGHOST => '127.0.0.1', PGUSER => 'over_tcp', PGPASSWORD => $password);

# Each program tells the same story; the pool chooses the seats.
my $seat = qr{1/\d[A-F]};
my $story = qr{\Afound: G1 09:00 to 13:48, second class, 10 left
remaining: 10
held: $seat, $seat
paid: [Tt]rue and again: [Tt]rue
sold out: no nine seats are left
nine seats: waiting
changed: $seat, $seat
nine seats: awarded
ticket 1: refunded
refused: TK003 (?:ERROR:  )?train "G1" of \S+ is not on sale
\s*(?:DETAIL:  )?Its sale was closed\.
\s*(?:HINT:  )?\S\N+
refused: TK004 (?:ERROR:  )?passenger 102 \N+
\s*(?:DETAIL:  )?\S\N+
\s*(?:HINT:  )?\S\N+
batch: request 1 has $seat
batch: request 3 has $seat\Z};
# What psql prints for the same.
my $psql_story = qr{\Afound:\|G1\|09:00:00\|13:48:00\|second\|10
remaining:\|10
held:\|1\|1/\dA\|t
held:\|2\|1/\dB\|t
paid:\|1\|sold
paid:\|2\|sold
again:\|1\|sold
again:\|2\|sold
sold out: no nine seats are left
nine seats:\|waiting
nine seats:\|awarded
refund:\|1\|refunded
refused: TK003 train "G1" of \S+ is not on sale
refused: TK004 passenger 102 \N+
batch:\|1\|$seat
batch:\|3\|$seat\Z};

# `needs`: package => command that succeeds where the package is there. `build`: what is run first.
my $build = abs_path(PostgreSQL::Test::Utils::tempdir);
my $jar = '/usr/share/java/postgresql.jar';
my $go = '/usr/share/gocode';
my @programs = (
	{ name => 'psql', run => [ 'psql', '-XAtq', '-f', "$examples/sell.sql" ] },
	{
		name => 'psycopg2', run => [ '/usr/bin/python3', "$examples/sell.py" ],
		needs => { 'python3-psycopg2' => [ '/usr/bin/python3', '-c', 'import psycopg2' ] }
	},
	{
		name => 'sqlalchemy', run => [ '/usr/bin/python3', "$examples/sell_sqlalchemy.py" ],
		needs => { 'python3-sqlalchemy' => [ '/usr/bin/python3', '-c', 'import psycopg2, sqlalchemy' ] }
	},
	{ name => 'node', run => [ 'node', "$examples/sell.js" ], needs => { 'node-pg' => [ 'node', '-e', 'require("pg")' ] } },
	{
		name => 'pgjdbc', run => [ 'java', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', $jar, "$examples/Sell.java" ], env => \%over_tcp,
		needs => { 'a JDK of version 17 or later' => [ 'javac', '--release', '17', '--version' ], 'libpostgresql-jdbc-java' => [ 'test', '-f', $jar ] }
	},
	{
		name => 'libpqxx', run => ["$build/sell"], build => [ 'g++', '-std=c++17', '-o', "$build/sell", "$examples/sell.cpp", '-lpqxx', '-lpq' ],
		needs => { 'libpqxx-dev' => [ 'sh', '-c', 'printf "#include <pqxx/version.hxx>\n" | g++ -std=c++17 -E -x c++ -' ] }
	},
	{
		name => 'go', run => ["$build/sell_go"], build => [ 'go', 'build', '-o', "$build/sell_go", "$examples/sell.go" ],
		env => { GO111MODULE => 'off', GOPATH => $go, GOCACHE => "$build/cache", GOFLAGS => '' },
		needs => { 'golang-go' => [ 'go', 'version' ], 'golang-github-lib-pq-dev' => [ 'test', '-d', "$go/src/github.com/lib/pq" ] }
	});

sub is_missing
{
	my ($needs) = @_;
	return grep { system('sh', '-c', 'exec "$@" >/dev/null 2>&1', 'sh', @{ $needs->{$_} }) != 0 } sort keys %$needs;
}

# The drivers' programs retry. The first attempts of a purchase meet other transactions, a full pool, the
# end of their connection and a crash of the server. (The checkpoint is for the sequence: its last
# numbers would be lost in the crash.)
my $troubles = q{
	CREATE SEQUENCE attempt;
	CREATE FUNCTION trouble(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			CASE nextval('public.attempt')
				WHEN 1 THEN RAISE EXCEPTION USING ERRCODE = '40001';
				WHEN 2 THEN RAISE EXCEPTION USING ERRCODE = '40P01';
				WHEN 3 THEN RAISE EXCEPTION USING ERRCODE = '53200';
				WHEN 4 THEN PERFORM pg_terminate_backend(pg_backend_pid());
				WHEN 5 THEN CHECKPOINT; EXECUTE format($c$COPY (SELECT) TO PROGRAM 'kill -9 %s'$c$, pg_backend_pid());
				ELSE
			END CASE;
			RETURN NULL;
		END $$;
	INSERT INTO ticket_rule VALUES ('public.trouble', 'ticket', true)};

for my $program (@programs)
{
	my $name = $program->{name};
	local @ENV{ keys %{ $program->{env} // {} } } = values %{ $program->{env} // {} };
	my @missing = is_missing($program->{needs});
	SKIP:
	{
		skip "$name: not installed: " . join(', ', @missing), 1 if @missing;
		command_ok($program->{build}, "$name: the example compiles") if $program->{build};
		$node->safe_psql('postgres', "CREATE DATABASE $name");
		local $ENV{PGDATABASE} = $name;
		run_log([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name), '-f', "$examples/setup.sql" ]) or die 'nothing to sell';
		$node->safe_psql($name, $troubles) if $program->{needs};
		my ($out, $err) = run_command($program->{run});
		like($out, $program->{needs} ? $story : $psql_story, "$name: the example tells the story");
		if ($name eq 'psql') { like($err, qr/\A\N*ERROR:  train "G1" of \S+ is not on sale\nDETAIL:\N*\nHINT:\N*\n\N*ERROR:  passenger 102 \N+\nDETAIL:\N*\nHINT:\N*\Z/, "$name: and nothing but the two errors it wants") }
		else
		{
			is($err, '', "$name: and nothing else");
			cmp_ok($node->safe_psql($name, 'SELECT last_value FROM attempt'), '>', 5, "$name: all troubles were met");
		}
		is($node->safe_psql($name, q{
			SELECT service_date - CURRENT_DATE, user_id, string_agg(passenger_id || ' ' || status, ', ' ORDER BY passenger_id) FROM ticket_order GROUP BY 1, 2 ORDER BY 1, 2}),
			join("\n", '1|7|101 changed, 102 changed', '1|8|' . join(', ', map { "$_ held" } 1 .. 9), '2|7|101 refunded, 102 sold', '2|9|201 sold, 202 sold'),
			"$name: it has sold what it says");
		is($node->safe_psql($name, 'SELECT status FROM ticket_departure ORDER BY service_date'), "open\nopen\nclosed", "$name: and closed a train");
		agrees($node, $name, $name);
		readme_of_python() if $name eq 'psycopg2';
	}
}

# The README's lines for Python, with the request id as programs have it: a UUID, not a text.
sub readme_of_python
{
	my ($lines) = slurp_file("$FindBin::RealBin/../../README.md") =~ /^```python\n(.*?)^```/ms;
	my $program = join "\n", 'import psycopg2, uuid', 'connection = psycopg2.connect("")', 'cursor, request_id = connection.cursor(), uuid.uuid4()',
		'cursor.execute("SELECT (CURRENT_DATE + 2)::text")', 'day = cursor.fetchone()[0]', $lines, 'first = tickets', $lines, 'print(len(first), first == tickets, end="")';
	$node->safe_psql('psycopg2', 'UPDATE ticket_rule SET enabled = false');
	my ($out, $err) = run_command([ '/usr/bin/python3', '-c', $program ]);
	is("$out$err", '2 True', 'the lines of the README hold two seats, and a retry returns them');
	return;
}

$node->stop;
done_testing();
