# Clients of a router: pgbench over all three protocols, Python's drivers with prepared statements,
# binary values and pipelines, PgBouncer in transaction mode in front of the router, and statements
# that were prepared before something changed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

my $seed = seed();
my $day = DAY;
my $fleet = TicketpoolTest::Router->new('router_clients', nodes => 2, pooler => 1);
$fleet->reference('many', 600, L1 => 5, L2 => 5, L3 => 5);
$fleet->assign(L1 => 1, L2 => 2, L3 => 1);
$fleet->open_departures_of('many', 2, qw(L1 L2 L3));
my $dir = $fleet->{dir};
my $user = $fleet->router->safe_psql('postgres', 'SELECT current_user');

sub on_both { my ($sql) = @_; my $sum = 0; $sum += $fleet->on($_, $sql) for $fleet->numbers; return $sum }
sub sold_to { my ($where) = @_; return on_both("SELECT count(*) FROM ticket_order WHERE status = 'sold' AND $where") }

# ---------------------------------------------------------------------------------------------------------------------
# pgbench
# ---------------------------------------------------------------------------------------------------------------------
my ($clients, $transactions) = (6, 10);
my %script = (
	buy => qq{\\set train random(1, 2)
\\set n random(0, 1)
SELECT order_id, coach, seat FROM ticket_buy('L' || :train::int, 'S1', 'S3', :user::int, date '$day' + :n::int);
},
	life => qq{SELECT max(order_id) AS order_id FROM ticket_hold('L1', 'S3', 'S5', :user::int, '$day', request_id => gen_random_uuid()) \\gset
SELECT status FROM ticket_confirm(:order_id::bigint);
SELECT status FROM ticket_confirm(:order_id::bigint);
SELECT ticket_remaining('L2', 'S1', 'S5', '$day'), (SELECT count(*) FROM ticket_search('S3', 'S5', '$day'));
SELECT changed_from FROM ticket_change(:order_id::bigint, 'L2', 'S3', 'S5', '$day');
});
for my $name (keys %script) { append_to_file("$dir/$name.sql", $script{$name}) }
my $next_user = 1000;

sub pgbench
{
	my ($protocol, $host, $port, $database, $label) = @_;
	for my $name (sort keys %script)
	{
		my $who = $next_user++;
		my ($out, $err) = run_command([ 'pgbench', '-n', '-h', $host, '-p', $port, '-U', $user, '-M', $protocol, '-c', $clients, '-j', 2, '-t', $transactions, "--random-seed=$seed", '-D', "user=$who", '-f', "$dir/$name.sql", $database ]);
		like($out, qr{^number of transactions actually processed: @{[ $clients * $transactions ]}/@{[ $clients * $transactions ]}$}m, "$name, pgbench -M $protocol $label: every transaction is done") or note($err);
		is(sold_to("user_id = $who"), $clients * $transactions, "$name, pgbench -M $protocol $label: each has sold one ticket");
	}
	return;
}
pgbench($_, $fleet->router->host, $fleet->router->port, 'postgres', 'to the router') for qw(simple extended prepared);
SKIP:
{
	skip 'pgbouncer is not installed', 1 if !$fleet->has_pooler;
	my ($version) = run_command([ TicketpoolTest::Router::find_pgbouncer(), '--version' ]);
	my ($major, $minor) = $version =~ /PgBouncer (\d+)\.(\d+)/;
	# It keeps track of prepared statements from 1.21 on, where that is switched on.
	pgbench($_, $dir, $fleet->{pooler_port}, 'router', "through PgBouncer $major.$minor") for 'simple', 'extended';
	my $session = $fleet->connect_to(undef, connstr => $fleet->pooled_connstr);
	is(outcome($session, "SELECT status FROM ticket_buy('L1', 'S1', 'S2', 5, '$day')")->{rows}[0], 'sold', 'PgBouncer in front: sold');
	is(outcome($session, "SELECT * FROM ticket_buy('L1', 'S2', 'S1', 5, '$day')")->{state}, 'TK002', 'PgBouncer in front: errors are the node\'s');
	outcome($session, 'BEGIN');
	is(outcome($session, "SELECT * FROM ticket_buy('L1', 'S1', 'S2', 5, '$day')")->{state}, '25001', 'PgBouncer in front: 25001 in a block');
	outcome($session, 'ROLLBACK');
	$session->quit;
}

# ---------------------------------------------------------------------------------------------------------------------
# Statements that were prepared before something changed
# ---------------------------------------------------------------------------------------------------------------------
{
	my $session = $fleet->connect_to();
	outcome($session, 'PREPARE buy(text, date, bigint) AS SELECT order_id & 127, status FROM ticket_buy($1, \'S1\', \'S2\', $3, $2)');
	outcome($session, 'PREPARE count(text, date) AS SELECT ticket_remaining($1, \'S4\', \'S5\', $2)');
	my $knows_numbers = $fleet->knows_numbers($fleet->node(1)->{server}, 'node1');
	for my $n (1 .. 7)
	{
		is(outcome($session, "EXECUTE buy('L" . (1 + $n % 2) . "', '$day', 31)")->{rows}[0], (1 + $n % 2) . '|sold', "EXECUTE $n goes to the train's node") if $knows_numbers;
		like(outcome($session, "EXECUTE count('L" . (1 + $n % 2) . "', '$day')")->{rows}[0], qr/^\d+$/, "EXECUTE $n counts");
	}
	# A train goes to another node from a day on.
	$fleet->ask("SELECT router_assign('L3', 2, date '$day' + 10)");
	is(outcome($session, "SELECT ticket_open('L3', date '$day' + 10, 'many', '2020-01-01') IS NOT NULL")->{rows}[0], 't', 'a train goes to another node');
	is(outcome($session, "EXECUTE buy('L3', date '$day' + 10, 32)")->{state} . $fleet->on(2, "SELECT count(*) FROM ticket_order WHERE user_id = 32"), '000001', 'a prepared purchase follows it');
	is(outcome($session, "EXECUTE buy('L3', '$day', 33)")->{state} . $fleet->on(1, "SELECT count(*) FROM ticket_order WHERE user_id = 33"), '000001', 'and its earlier days stay');
	# The extension is made again while the session keeps what it knows of it.
	my @rows = map { $fleet->ask("SELECT string_agg(format('INSERT INTO $_ SELECT (r).* FROM (SELECT %L::$_ AS r) AS t', t::text), '; ') FROM $_ t") } qw(router_node router_train);
	$fleet->ask('DROP EXTENSION ticketpool_router CASCADE');
	is(outcome($session, "SELECT * FROM ticket_buy('L1', 'S1', 'S2', 34, '$day')")->{state}, '42883', 'without the extension there are no functions');
	$fleet->ask("CREATE EXTENSION ticketpool_router; $_") for join '; ', @rows;
	outcome($session, 'DEALLOCATE ALL');
	for my $call ("status FROM ticket_buy('L1', 'S1', 'S2', 34, '$day')", "status FROM ticket_buy('L2', 'S1', 'S2', 34, '$day')")
	{
		my $got = outcome($session, "SELECT $call");
		is(same_answer($got), "00000\nsold", "made again: $call") or note(explain $got);
	}
	$fleet->ask('SELECT router_refresh()');
	is(outcome($session, "SELECT count(*) FROM ticket_search('S1', 'S2', '$day')")->{rows}[0], '3', 'router_refresh finds the stations again');
	$session->quit;
}

# ---------------------------------------------------------------------------------------------------------------------
# Python
# ---------------------------------------------------------------------------------------------------------------------
my $connection = $fleet->router->connstr('postgres') . " user=$user";
my %python = (
	psycopg2 => q{
import psycopg2, uuid
c = psycopg2.connect(CONNECTION)
k = c.cursor()
# Without autocommit a driver begins a transaction, where the router refuses to sell.
try:
    k.execute("SELECT * FROM ticket_buy('L1', 'S1', 'S2', 41, %s::date)", (DAY,))
    print('sold in a block')
except psycopg2.Error as e:
    print(e.pgcode, bool(e.diag.message_hint))
c.rollback()
k.execute("SELECT ticket_remaining('L1', 'S4', 'S5', %s::date) > 0", (DAY,))
print(k.fetchone()[0])
c.rollback()
c.autocommit = True
request = str(uuid.uuid4())
for i in range(2):
    k.execute("SELECT order_id, passenger_id, status, held_until FROM ticket_hold(%s::text, %s::text, %s::text, user_id => %s::bigint, service_date => %s::date, passengers => %s::bigint[], request_id => %s::uuid)",
              ('L2', 'S1', 'S3', 41, DAY, [1, 2], request))
    rows = k.fetchall()
    print([r[1:3] for r in rows])
k.execute("SELECT DISTINCT status FROM ticket_confirm(%s)", (rows[0][0],))
print(k.fetchall())
try:
    k.execute("SELECT * FROM ticket_buy('L1', 'S2', 'S1', 41, %s::date)", (DAY,))
except psycopg2.Error as e:
    print(e.pgcode, e.diag.message_primary, '|', e.diag.message_detail, '|', e.diag.message_hint)
},
	psycopg => q{
import psycopg, uuid, datetime
c = psycopg.connect(CONNECTION, autocommit=True)
day = datetime.date.fromisoformat(DAY)
# Prepared, with values and rows in binary form.
for binary in (False, True):
    k = c.cursor(binary=binary)
    seen = []
    for i in range(7):
        k.execute("SELECT order_id, service_date, passenger_id, request_id, created_at FROM ticket_buy(%b, %b, %b, %b::bigint, %b, passengers => %b::bigint[], request_id => %b)",
                  ('L%d' % (1 + i % 2), 'S1', 'S2', 42, day, [i], uuid.uuid4()), prepare=True)
        row = k.fetchone()
        seen.append((row[1] == day, row[2]))
    print(seen == [(True, i) for i in range(7)])
# In a pipeline the first call cannot know that others follow. The second is refused, and does
# nothing.
try:
    with c.pipeline():
        a = c.execute("SELECT order_id FROM ticket_buy('L1', 'S1', 'S2', 43, %s)", (day,))
        b = c.execute("SELECT order_id FROM ticket_buy('L1', 'S1', 'S2', 44, %s)", (day,))
except psycopg.Error as e:
    print(e.sqlstate)
with c.pipeline():
    a = c.execute("SELECT ticket_remaining('L1', 'S4', 'S5', %s) > 0", (day,))
    b = c.execute("SELECT ticket_remaining('L2', 'S4', 'S5', %s) > 0", (day,))
    print(a.fetchone()[0], b.fetchone()[0])
});
my %prints = (
	psycopg2 => "25001 True\nTrue\n[(1, 'held'), (2, 'held')]\n[(1, 'held'), (2, 'held')]\n[('sold',)]\nTK002 train \"L1\" does not go from \"S2\" to \"S1\" | The train calls at one of them only, or in the other order, or they are one station. | ticket_remaining_matrix shows the trips of a train.",
	psycopg => "True\nTrue\n25001\nTrue True");
for my $driver (sort keys %python)
{
	my ($there) = run_command([ '/usr/bin/python3', '-c', "import $driver; print('here', end='')" ]);
	SKIP:
	{
		skip "python3-$driver is not installed", 1 if $there ne 'here';
		my ($out, $err) = run_command([ '/usr/bin/python3', '-c', "CONNECTION = '''$connection'''\nDAY = '$day'\n$python{$driver}" ]);
		is($out, $prints{$driver}, "$driver: sells, counts, repeats and is refused as it should");
		is($err, '', "$driver: and nothing else");
		is(sold_to('user_id = 43') . sold_to('user_id = 44'), '10', "$driver: the first call of a pipeline sells, the refused one does not") if $driver eq 'psycopg';
		is(sold_to('user_id = 41'), '2', "$driver: sold once") if $driver eq 'psycopg2';
	}
}

$fleet->all_agree('at the end');
$fleet->stop;
done_testing();
