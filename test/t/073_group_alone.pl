# Which calls may be sold in a group: only one that is alone in its transaction. Each way to call is
# tried with ticketpool.group_sale = 'always', where whoever may queue does. Whatever the way, an
# error means that nothing was sold, and rows that what they say was.
# 074_group_wire.pl does the same with the messages of the extended protocol.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Wire;

my $day = DAY;
my $node = new_server('group_alone', conf => "ticketpool.group_sale = 'always'\nticketpool.allocation = first_fit\nmax_prepared_transactions = 2\nwal_level = replica\nmax_wal_senders = 2");
make_train($node, 'postgres', 'T1', 4);
make_formation($node, 'postgres', 'f', 2000);
open_departures($node, 'postgres', 'T1', 'f', 3);
make_formation($node, 'postgres', 'one', 1);
make_train($node, 'postgres', 'T2', 4);
open_departures($node, 'postgres', 'T2', 'one', 1);
$node->safe_psql('postgres', q{
	SELECT item_open(1, 1000);
	CREATE SEQUENCE s START 100;
	CREATE TABLE log (id bigint);
	CREATE DOMAIN station AS text CHECK (VALUE LIKE 'S%');
	CREATE FUNCTION quiet(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1';
	CREATE FUNCTION said_stable() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN 3; END';
	CREATE FUNCTION writes() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (1); RETURN 3; END';
	CREATE FUNCTION raises() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RAISE EXCEPTION $$no$$; END'});
# The call, with other arguments if they are given.
sub buy { my ($user, $date) = @_; return "ticket_buy('T1', 'S1', 'S2', @{[ $user // 1 ]}, @{[ $date // qq('$day') ]})" }
my $b = buy();
$node->safe_psql('postgres', qq{
	CREATE VIEW v AS SELECT * FROM $b;
	CREATE VIEW v_safe WITH (security_barrier) AS SELECT * FROM $b;
	CREATE TABLE ruled (a int);
	CREATE RULE r AS ON INSERT TO ruled DO INSTEAD SELECT * FROM $b;
	CREATE FUNCTION in_sql() RETURNS SETOF ticket_order LANGUAGE sql AS \$\$ SELECT * FROM $b \$\$;
	CREATE FUNCTION inlined() RETURNS SETOF ticket_order LANGUAGE sql STABLE AS \$\$ SELECT * FROM $b \$\$;
	CREATE FUNCTION of_owner() RETURNS SETOF ticket_order LANGUAGE sql SECURITY DEFINER AS \$\$ SELECT * FROM $b \$\$;
	CREATE FUNCTION returns_query() RETURNS SETOF ticket_order LANGUAGE plpgsql AS \$\$ BEGIN RETURN QUERY SELECT * FROM $b; END \$\$;
	CREATE FUNCTION performs() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN PERFORM FROM $b; END \$\$;
	CREATE FUNCTION loops() RETURNS bigint LANGUAGE plpgsql AS \$\$
		DECLARE r record; n bigint := 0;
		BEGIN FOR r IN SELECT * FROM $b LOOP n := r.order_id; END LOOP; RETURN n; END \$\$;
	CREATE FUNCTION traps() RETURNS bigint LANGUAGE plpgsql AS \$\$
		DECLARE n bigint;
		BEGIN BEGIN SELECT order_id INTO n FROM $b; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN RETURN 0; END; END \$\$;
	CREATE PROCEDURE commits() LANGUAGE plpgsql AS \$\$ BEGIN PERFORM FROM $b; COMMIT; PERFORM FROM $b; END \$\$;
	CREATE ROLE seller LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO seller;
	CREATE ROLE nobody_may LOGIN});

my $wire;
sub connect_again { my (%options) = @_; $wire = TicketpoolTest::Wire->new($node, %options); return }
connect_again();

# How many sales were in groups; how many tickets and units are live.
sub in_groups { return $node->safe_psql('postgres', 'SELECT group_sales FROM ticket_pool_stat') }
sub live
{
	return $node->safe_psql('postgres',
		q{SELECT (SELECT count(*) FROM ticket_order WHERE status IN ('sold', 'held')) + (SELECT coalesce(sum(buy_quantity), 0) FROM item_order)});
}
my ($groups, $live) = (in_groups(), live());

# Runs the sub, which returns an answer, and compares: {grouped} sales in groups, {sold} tickets,
# {error} a SQLSTATE, {rows} how many.
sub check
{
	my ($name, $run, %wanted) = @_;
	my $answer = $run->();
	my ($grouped, $sold) = (in_groups() - $groups, live() - $live);
	($groups, $live) = ($groups + $grouped, $live + $sold);
	%wanted = (sold => $wanted{error} ? 0 : 1, error => '', %wanted);
	my %got = (grouped => $grouped, sold => $sold, error => $answer->{error});
	$got{rows} = @{ $answer->{rows} } if defined $wanted{rows};
	is(join(' ', map { "$_=$got{$_}" } sort keys %got), join(' ', map { "$_=$wanted{$_}" } sort keys %wanted), $name) or diag($answer->{message});
	connect_again() if $answer->{lost};
	return $answer;
}

# A simple query. [text, grouped, more…]
sub try_queries
{
	my ($label, @queries) = @_;
	for my $query (@queries)
	{
		my ($sql, $grouped, @more) = @$query;
		check("$label: " . $sql =~ s/\Q$b\E/BUY/gr, sub { $wire->run($sql) }, grouped => $grouped, @more);
		$wire->run('ROLLBACK') if $sql =~ /^(BEGIN|START)/;
	}
	return;
}

try_queries('statement',
	[ "SELECT * FROM $b", 1, rows => 1 ],
	[ "  select /* a comment */ * from $b -- and one more\n;", 1 ],
	[ ";; SELECT * FROM $b;;", 1 ],
	[ "SELECT order_id, seat, seat FROM $b", 1 ],
	[ "SELECT FROM $b", 1, rows => 1 ],
	[ "SELECT x.coach AS wagen FROM $b AS x", 1 ],
	[ "SELECT c FROM $b AS x (a, b, c)", 1 ],
	[ "SELECT * FROM ROWS FROM ($b)", 1 ],
	[ "SELECT * FROM (SELECT * FROM $b) x", 1 ],
	[ "SELECT * FROM $b WHERE true", 1 ],
	[ "SELECT * FROM $b LIMIT ALL OFFSET 0", 1 ],
	[ "SELECT * FROM v", 1 ],
	[ "SELECT * FROM v_safe", 1 ],
	[ 'SELECT * FROM inlined()', 1 ],
	[ "WITH unused AS (SELECT 1) SELECT * FROM $b", 1 ],
	[ "SELECT * FROM $b LIMIT 1", 0 ],
	[ "SELECT * FROM $b LIMIT 0", 0, sold => 0 ],
	[ "SELECT * FROM $b OFFSET 1", 0, rows => 0 ],
	[ "SELECT * FROM $b FETCH FIRST ROW WITH TIES", 0, error => '42601' ],
	[ "SELECT * FROM $b WHERE seat IS NULL", 0, rows => 0 ],
	[ "SELECT * FROM $b WHERE 1 / (ticket_no - 1) > 0", 0, error => '22012' ],
	[ "SELECT * FROM $b WHERE false", 0, sold => 0 ],
	[ "SELECT * FROM $b ORDER BY seat", 0 ],
	[ "SELECT DISTINCT seat FROM $b", 0 ],
	[ "SELECT seat FROM $b GROUP BY seat", 0 ],
	[ "SELECT count(*) FROM $b", 0 ],
	[ "SELECT seat, count(*) OVER () FROM $b", 0 ],
	[ "SELECT 1 / (ticket_no - 1) FROM $b", 0, error => '22012' ],
	[ "SELECT seat::int FROM $b", 0, error => '22P02' ],
	[ "SELECT seat, nextval('s') FROM $b", 0 ],
	[ "SELECT seat, generate_series(1, 2) FROM $b", 0, rows => 2 ],
	[ "SELECT seat, (SELECT 1) FROM $b", 0 ],
	[ "SELECT 1 FROM $b", 0 ],
	[ "SELECT x FROM $b x", 0 ],
	[ "SELECT x.*::text FROM $b x", 0 ],
	[ "SELECT $b", 0 ],
	[ "SELECT ($b).*", 0 ],
	[ "SELECT * FROM $b, $b y", 0, sold => 2 ],
	[ "SELECT y.* FROM (VALUES (1), (2)) x (u), LATERAL @{[ buy('u') ]} y", 0, sold => 2 ],
	[ "SELECT y.seat FROM $b y LEFT JOIN log ON true", 0 ],
	[ "SELECT * FROM ROWS FROM ($b, generate_series(1, 1))", 0 ],
	[ "SELECT * FROM $b WITH ORDINALITY", 0 ],
	[ "SELECT * FROM $b UNION ALL SELECT * FROM $b", 0, sold => 2 ],
	[ "WITH x AS (SELECT * FROM $b) SELECT * FROM x", 0 ],
	[ "WITH i AS (INSERT INTO log VALUES (1)) SELECT * FROM $b", 0 ],
	[ "SELECT order_id INTO t1 FROM $b", 0 ],
	[ "CREATE TABLE t2 AS SELECT order_id FROM $b", 0 ],
	[ "INSERT INTO log SELECT order_id FROM $b RETURNING id", 0 ],
	[ "INSERT INTO ruled VALUES (1)", 0 ],
	[ "COPY (SELECT * FROM $b) TO STDOUT", 0 ],
	[ "EXPLAIN (COSTS off) SELECT * FROM $b", 0, sold => 0 ],
	[ "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT * FROM $b", 0 ],
	[ "SELECT * FROM ticket_buy_many(ARRAY[ROW('T1', 'S1', 'S2', 1, '$day', NULL, NULL, NULL, NULL, NULL)::ticket_request])", 0 ]);

try_queries('several statements',
	[ "SELECT * FROM $b; SELECT 1", 0 ],
	[ "SELECT 1; SELECT * FROM $b", 0 ],
	[ "SELECT * FROM $b; SELECT 1 / 0", 0, error => '22012' ],
	[ "SELECT * FROM $b; SELECT * FROM $b", 0, sold => 2 ],
	[ "SELECT * FROM $b; COMMIT; SELECT * FROM $b", 0, sold => 2 ],
	[ "SELECT * FROM $b; ROLLBACK", 0, sold => 0 ],
	[ "BEGIN; SELECT * FROM $b; COMMIT", 0 ],
	[ "BEGIN; SELECT * FROM $b; ROLLBACK", 0, sold => 0 ],
	[ "BEGIN; SAVEPOINT a; SELECT * FROM $b; ROLLBACK TO a; COMMIT", 0, sold => 0 ],
	[ "BEGIN; SAVEPOINT a; SELECT * FROM $b; RELEASE a; COMMIT AND CHAIN", 0 ],
	[ "BEGIN; DECLARE c CURSOR FOR SELECT * FROM $b; FETCH ALL c; COMMIT", 0 ],
	[ "BEGIN; DECLARE c CURSOR FOR SELECT * FROM $b; COMMIT", 0, sold => 0 ],
	[ "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM $b", 0 ],
	[ "CLOSE c", 0, sold => 0 ],
	[ "PREPARE p AS SELECT * FROM $b", 0, sold => 0 ],
	[ 'EXECUTE p', 0 ],
	[ "BEGIN; SELECT * FROM $b; PREPARE TRANSACTION 'x'", 0, sold => 0 ],
	[ "COMMIT PREPARED 'x'", 0 ]);
# In a block that earlier queries have begun.
$wire->run('BEGIN');
try_queries('in a block', [ "SELECT * FROM $b", 0, sold => 0 ]);
$wire->run('SAVEPOINT a');
try_queries('below a savepoint', [ "SELECT * FROM $b", 0, sold => 0 ]);
check('COMMIT', sub { $wire->run('COMMIT') }, grouped => 0, sold => 2);

try_queries('function',
	[ 'SELECT * FROM in_sql()', 0 ],
	[ 'SELECT * FROM of_owner()', 0 ],
	[ 'SELECT * FROM returns_query()', 0 ],
	[ 'SELECT performs()', 0 ],
	[ 'SELECT loops()', 0 ],
	[ 'SELECT traps()', 0, sold => 0 ],
	[ 'CALL commits()', 0, sold => 2 ],
	[ "DO \$\$ BEGIN PERFORM FROM $b; END \$\$", 0 ],
	[ "SELECT query_to_xml(\$\$ SELECT * FROM $b \$\$, true, true, '')", 0 ]);

try_queries('arguments',
	[ 'SELECT * FROM ' . buy(1, "date '2031-04-30' + 1"), 1 ],
	[ 'SELECT * FROM ' . buy(1, "CURRENT_DATE + (date '$day' - CURRENT_DATE)"), 1 ],
	[ 'SELECT * FROM ' . buy(1, "now()::date + (date '$day' - now()::date)"), 1 ],
	[ 'SELECT * FROM ' . buy('quiet(3)'), 1 ],
	[ 'SELECT * FROM ' . buy("nextval('s')"), 0 ],
	[ 'SELECT * FROM ' . buy('extract(epoch FROM clock_timestamp())::bigint'), 0 ],
	[ 'SELECT * FROM ' . buy('writes()'), 0 ],
	[ 'SELECT * FROM ' . buy('said_stable()'), 0 ],
	[ 'SELECT * FROM ' . buy('raises()'), 0, error => 'P0001' ],
	[ 'SELECT * FROM ' . buy('pg_current_xact_id()::text::bigint'), 0 ],
	[ 'SELECT * FROM ' . buy('pg_try_advisory_xact_lock(7)::int'), 0 ],
	[ 'SELECT * FROM ' . buy('(SELECT 1)'), 0 ],
	[ "SELECT * FROM ticket_buy('T1', 'S1'::station, 'S2', 1, '$day')", 0 ],
	[ "SELECT * FROM ticket_buy('T1', 'X1'::station, 'S2', 1, '$day')", 0, error => '23514' ],
	[ 'SELECT * FROM ' . buy('NULL'), 0, error => '22004' ],
	[ 'SELECT * FROM ' . buy('9223372036854775807'), 1 ],
	[ 'SELECT * FROM ' . buy('9223372036854775808'), 0, error => '42883' ]);

my $id = 'e0e0e0e0-0000-4000-8000-000000000001';
my $nine = join ', ', 1 .. 9;
my $eight = join ', ', 1 .. 8;
sub with { my ($argument) = @_; return 'SELECT * FROM ' . buy() =~ s/\)$/, $argument)/r }
try_queries('purchase',
	[ "SELECT * FROM ticket_hold('T1', 'S1', 'S2', 1, '$day')", 1 ],
	[ "SELECT * FROM ticket_buy_seats('T1', 'S1', 'S2', 1, '{001/20F}', '2031-05-02')", 1 ],
	[ "SELECT * FROM ticket_hold_seats('T1', 'S1', 'S2', 1, '{001/20D}', '2031-05-02')", 1 ],
	[ "SELECT * FROM ticket_buy_seats('T1', 'S1', 'S2', 1, '{001/20F}', '2031-05-02')", 0, sold => 0 ],
	[ 'SELECT * FROM item_buy(1, 1)', 1 ],
	[ 'SELECT * FROM item_hold(1, 1)', 1 ],
	[ 'SELECT * FROM item_buy(1, 1, 5)', 1, sold => 5 ],
	[ 'SELECT * FROM item_buy(1, 1, 5000)', 0, sold => 0 ],
	[ 'SELECT * FROM item_buy(2, 1)', 0, error => 'TK001' ],
	[ with("passengers => '{$eight}'"), 1, sold => 8, rows => 8 ],
	[ with("passengers => '{$nine}'"), 0, sold => 9 ],
	[ with("seat_choice => 'A'"), 1 ],
	[ with("seat_choice => 'window'"), 1 ],
	[ with("channel => 'app'"), 1 ],
	[ with("channel => '" . 'x' x 65 . "'"), 0, error => '22023' ],
	[ with("request_id => '$id'"), 1, rows => 1 ],
	[ with("request_id => '$id'"), 0, sold => 0, rows => 1 ],
	[ "SELECT * FROM ticket_buy('T1', 'S1', 'S3', 1, '$day', request_id => '$id')", 0, error => '22023' ],
	[ "SELECT seat FROM ticket_buy('T2', 'S1', 'S2', 1, '$day')", 1 ],
	[ "SELECT seat FROM ticket_buy('T2', 'S1', 'S2', 1, '$day')", 0, sold => 0, rows => 0 ]);

# ---------------------------------------------------------------------------------------------------------------------
# Settings of the session: [what, grouped, more…], each in a session of its own
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', q{
	CREATE SCHEMA hostile;
	CREATE FUNCTION hostile.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT NULL::timestamptz';
	CREATE TABLE hostile.ticket_order (order_id int);
	SELECT pg_replication_origin_create('elsewhere')});
my $parallel = parallel_setting();
for my $setting (
	[ 'SET default_transaction_isolation = "repeatable read"', 0 ],
	[ 'SET default_transaction_isolation = serializable; SET default_transaction_deferrable = on', 0 ],
	[ 'SET default_transaction_read_only = on', 0, error => '25006' ],
	[ 'SET default_transaction_deferrable = on', 1 ],
	[ 'SET session_replication_role = replica', 0 ],
	[ q{SELECT pg_replication_origin_session_setup('elsewhere')}, 0 ],
	[ 'SET client_encoding = LATIN1', 0 ],
	[ 'SET client_encoding = SQL_ASCII', 1 ],
	[ q{SET log_statement = 'all'; SET log_min_duration_statement = 0; SET log_duration = on}, 1 ],
	[ 'SET statement_timeout = 20000; SET lock_timeout = 20000; SET idle_in_transaction_session_timeout = 20000', 1 ],
	[ 'SET search_path = hostile, public, pg_catalog', 1 ],
	[ 'SET row_security = off', 1 ],
	[ 'SET synchronous_commit = off', 1 ],
	[ 'SET synchronous_commit = remote_apply', 1 ],
	[ 'SET jit = on; SET jit_above_cost = 0', 1 ],
	[ "SET $parallel = on", 1 ],
	[ "SET ticketpool.allocation = random; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = German", 1 ],
	[ 'SET exit_on_error = on', 1 ],
	[ 'CREATE TEMP TABLE t (a int) ON COMMIT DELETE ROWS; LISTEN x', 1 ],
	[ 'SET SESSION AUTHORIZATION seller', 1 ],
	[ 'SET ROLE seller', 1 ],
	[ 'SET ROLE nobody_may', 0, error => '42501' ],
	[ q{LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0}, 1 ],
	[ q{LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on}, 0 ],
	[ 'SET ticketpool.group_sale = off', 0 ])
{
	my ($what, $grouped, @more) = @$setting;
	my $answer = $wire->run($what);
	is($answer->{error}, '', $what) or diag($answer->{message});
	try_queries($what, [ "SELECT * FROM $b", $grouped, @more ]);
	connect_again();
}
for my $option ([ user => 'seller', 1 ], [ replication => 'database', 1 ], [ client_encoding => 'LATIN1', 0 ])
{
	my ($name, $value, $grouped) = @$option;
	connect_again($name => $value);
	try_queries("$name=$value", [ "SELECT * FROM $b", $grouped ]);
}
connect_again();

# ---------------------------------------------------------------------------------------------------------------------
# What the tables are like: [how they are changed, grouped, undo, more…]
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', q{
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.log VALUES (NEW.order_id); RETURN NEW; END';
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION $$refused$$; END';
	CREATE TYPE mood AS ENUM ('good');
	CREATE FUNCTION own_rule(bigint, bigint, bigint[], int, int) RETURNS text LANGUAGE sql STABLE AS $$ SELECT NULL $$});
my $user = 1001;
for my $change (
	[ 'ALTER TABLE ticket_order FORCE ROW LEVEL SECURITY; ALTER TABLE ticket_order ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ticket_order USING (true)',
		0, 'DROP POLICY p ON ticket_order; ALTER TABLE ticket_order DISABLE ROW LEVEL SECURITY; ALTER TABLE ticket_order NO FORCE ROW LEVEL SECURITY' ],
	[ 'CREATE TRIGGER u AFTER INSERT ON ticket_order FOR EACH ROW EXECUTE FUNCTION note()', 0, 'DROP TRIGGER u ON ticket_order' ],
	[ 'CREATE CONSTRAINT TRIGGER u AFTER INSERT ON ticket_order DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()',
		0, 'DROP TRIGGER u ON ticket_order', error => 'P0001' ],
	[ 'CREATE INDEX u ON ticket_order (user_id)', 1, 'DROP INDEX u' ],
	[ 'CREATE INDEX u ON ticket_order (quiet(user_id))', 0, 'DROP INDEX u' ],
	[ 'CREATE UNIQUE INDEX u ON ticket_order (service_date, user_id, order_id, ticket_no)', 0, 'DROP INDEX u' ],
	[ "ALTER TABLE ticket_order ADD CONSTRAINT u CHECK (coach <> 'X')", 0, 'ALTER TABLE ticket_order DROP CONSTRAINT u' ],
	[ 'ALTER TABLE ticket_order ADD COLUMN u text', 1, 'ALTER TABLE ticket_order DROP COLUMN u' ],
	[ 'ALTER TABLE ticket_order ADD COLUMN u text DEFAULT session_user', 0, 'ALTER TABLE ticket_order DROP COLUMN u' ],
	[ 'ALTER TABLE ticket_order ADD COLUMN u bigint GENERATED ALWAYS AS (user_id % 7) STORED', 0, 'ALTER TABLE ticket_order DROP COLUMN u' ],
	[ 'ALTER TABLE ticket_order ADD COLUMN u mood', 0, 'ALTER TABLE ticket_order DROP COLUMN u' ],
	[ q{INSERT INTO ticket_rule VALUES ('public.own_rule', 'ticket', true)}, 0, q{DELETE FROM ticket_rule WHERE rule = 'public.own_rule'} ],
	[ q{INSERT INTO ticket_rule VALUES ('ticket_rule_user_limit', 'ticket', true)}, 1, q{DELETE FROM ticket_rule WHERE rule = 'ticket_rule_user_limit'} ])
{
	my ($how, $grouped, $undo, @more) = @$change;
	$node->safe_psql('postgres', $how);
	try_queries($how, [ 'SELECT * FROM ' . buy($user++), $grouped, @more ]);
	$node->safe_psql('postgres', $undo);
}
try_queries('afterwards', [ "SELECT * FROM $b", 1 ]);
agrees($node, 'postgres', 'all this');
items_agree($node, 'postgres', 'all this');
done_testing();
