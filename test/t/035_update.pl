# ALTER EXTENSION ticketpool UPDATE from 0.1 and 0.2: the objects are those of a fresh installation, and sales go on from the old rows.
#
# The library refuses to serve objects of another version, so an old database is made of its script (test/update) and of rows:
# departures are opened and sold in a database of today, and their rows copied into tables and partitions as that version's
# ticket_open made them.
use strict;
use warnings;

use Cwd qw(abs_path getcwd);
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $dir = PostgreSQL::Test::Utils::tempdir;
my @old_scripts = glob "$FindBin::RealBin/../update/ticketpool--*.sql";
my $node = new_server('update', plain => 1, install_path => installation_with(@old_scripts), conf => "log_min_messages = debug1\nmax_prepared_transactions = 5");
my $version = $node->safe_psql('postgres', q{SELECT default_version FROM pg_available_extensions WHERE name = 'ticketpool'});

# Everything about the extension's objects and the partitions of ticket_order, without oids.
my $fingerprint = q{
	WITH extension AS (SELECT oid FROM pg_extension WHERE extname = 'ticketpool'),
	member AS (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND refobjid = (TABLE extension)),
	relation AS (SELECT objid AS oid FROM member WHERE classid = 'pg_class'::regclass UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass
		UNION ALL SELECT typrelid FROM member JOIN pg_type t ON t.oid = objid WHERE classid = 'pg_type'::regclass AND typrelid <> 0),
	all_relations AS (TABLE relation UNION SELECT indexrelid FROM relation r JOIN pg_index ON indrelid = r.oid)
	SELECT format('member %s: %s', pg_describe_object(classid, objid, 0), obj_description(objid, classid::regclass::name)) FROM member
	UNION ALL SELECT format('needs %s: %s %s', pg_describe_object(m.classid, m.objid, objsubid), pg_describe_object(refclassid, refobjid, refobjsubid), deptype)
		FROM member m JOIN pg_depend USING (classid, objid)
	UNION ALL SELECT format('function %s %s %s %s %s %s %s %s', pg_get_functiondef(p.oid), proacl, prosrc, probin, procost, prorows, proconfig, pg_get_userbyid(proowner))
		FROM member JOIN pg_proc p ON p.oid = objid WHERE classid = 'pg_proc'::regclass
	UNION ALL SELECT format('column %s.%s %s %s %s %s %s %s %s %s', r.oid::regclass, attname, attnum, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
			pg_get_expr(adbin, adrelid), attacl, attstorage || nullif(attcollation, 0)::regcollation) || coalesce(col_description(r.oid, attnum), '')
		FROM relation r JOIN pg_attribute a ON attrelid = r.oid AND attnum > 0 LEFT JOIN pg_attrdef ON adrelid = r.oid AND adnum = attnum
	UNION ALL SELECT format('relation %s %s %s %s %s %s %s %s %s', c.oid::regclass, relkind, relpersistence, relacl, reloptions, relreplident, relrowsecurity || '' || relforcerowsecurity,
			pg_get_userbyid(relowner), pg_get_expr(relpartbound, c.oid)) || coalesce(obj_description(c.oid, 'pg_class'), '') FROM all_relations JOIN pg_class c USING (oid)
	UNION ALL SELECT format('type %s %s %s %s %s', t.oid::regtype, typtype, typacl, pg_get_userbyid(typowner), obj_description(t.oid, 'pg_type'))
		FROM relation r JOIN pg_type t ON typrelid = r.oid
	UNION ALL SELECT format('sequence %s %s %s %s %s %s %s %s', seqrelid::regclass, format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
		FROM relation r JOIN pg_sequence ON seqrelid = r.oid
	UNION ALL SELECT format('index %s %s %s', pg_get_indexdef(indexrelid), indisvalid, (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = indexrelid))
		FROM relation r JOIN pg_index ON indrelid = r.oid
	UNION ALL SELECT format('constraint %s %s %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(k.oid), convalidated, obj_description(k.oid, 'pg_constraint'))
		FROM relation r JOIN pg_constraint k ON conrelid = r.oid
	UNION ALL SELECT format('trigger %s %s %s %s', pg_get_triggerdef(t.oid), tgenabled, tgparentid <> 0, obj_description(t.oid, 'pg_trigger'))
		FROM relation r JOIN pg_trigger t ON tgrelid = r.oid WHERE NOT tgisinternal OR tgparentid <> 0
	UNION ALL SELECT format('view %s %s', r.oid::regclass, pg_get_viewdef(r.oid)) FROM relation r JOIN pg_class c USING (oid) WHERE relkind = 'v'
	UNION ALL SELECT format('granted with it %s %s %s', pg_describe_object(classoid, objoid, objsubid), privtype, initprivs)
		FROM pg_init_privs JOIN member ON (classid, objid) = (classoid, objoid)
	UNION ALL SELECT format('dumped %s %s %s', n, c::regclass, cond) FROM pg_extension, unnest(extconfig, extcondition) WITH ORDINALITY AS u (c, cond, n) WHERE extname = 'ticketpool'
	UNION ALL SELECT format('extension %s %s %s %s', extversion, extrelocatable, extnamespace::regnamespace, pg_get_userbyid(extowner)) FROM pg_extension WHERE extname = 'ticketpool'
	UNION ALL SELECT format('rule %s', r) FROM ticket_rule r
	ORDER BY 1};

sub same_as
{
	my ($database, $expected, $label) = @_;
	my %wanted = map { $_ => 1 } split /\n/, $expected;
	my %found = map { $_ => 1 } split /\n/, $node->safe_psql($database, $fingerprint);
	is(join("\n", (map { "missing: $_" } grep { !$found{$_} } sort keys %wanted), (map { "too much: $_" } grep { !$wanted{$_} } sort keys %found)), '', $label);
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# What has to be there after the update: departures with sales, holds, quotas, places, and what
# ended
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('postgres', 'CREATE DATABASE today');
$node->safe_psql('today', 'CREATE EXTENSION ticketpool');
make_train($node, 'today', 'T1', 8);
make_train($node, 'today', 'T2', 8);
make_formation($node, 'today', 'small', 40);
$node->safe_psql('today', q{INSERT INTO ticket_formation VALUES ('small', '090', 'stand', NULL, 15)});
open_departures($node, 'today', 'T1', 'small', 3);
open_departures($node, 'today', 'T2', 'small', 1);
$node->safe_psql('today', qq{
	SELECT ticket_reserve('T1', '$day', 'second', 'agent', 10, 'S1', 'S6');
	SELECT ticket_recycle(ticket_reserve('T1', '$day', 'second', 'other', 5, 'S2', 'S5'));
	SELECT count(*) FROM generate_series(1, 4) i, ticket_buy('T1', 'S1', 'S' || i + 2, i, '$day', 'second', channel => 'agent');
	SELECT count(*) FROM generate_series(1, 30) i, ticket_buy('T1', 'S' || i % 7 + 1, 'S8', 10 + i, date '$day' + i % 2, 'second');
	SELECT count(*) FROM generate_series(1, 9) i, ticket_buy('T1', 'S' || i % 6 + 1, 'S' || i % 6 + 2, 50 + i, '$day', 'stand');
	SELECT count(*) FROM generate_series(1, 6) i, ticket_hold('T1', 'S2', 'S7', 70 + i, date '$day' + 1, 'second', ttl => '1 hour');
	SELECT count(*) FROM ticket_hold('T2', 'S1', 'S8', 80, '$day', 'second', ARRAY[801, 802], ttl => '1 hour');
	SELECT count(*) FROM generate_series(1, 5) i, ticket_buy('T2', 'S1', 'S4', 90 + i, '$day', 'second', request_id => ('00000000-0000-0000-0000-00000000000' || i)::uuid)});
$node->safe_psql('today', q{SELECT count(*) FROM ticket_order o, ticket_refund(o.order_id) WHERE o.user_id IN (12, 15, 91)});
$node->safe_psql('today', qq{SELECT count(*) FROM ticket_order o, ticket_change(o.order_id, 'T1', 'S1', 'S3', date '$day' + 1, 'second') WHERE o.user_id = 14;
	SELECT ticket_withdraw('T1', date '$day' + 2)});
$node->safe_psql('today', q{SELECT item_open(5, 100); SELECT count(*) FROM generate_series(1, 7) i, item_buy(5, i, 3, ('00000000-0000-0000-0000-00000000010' || i)::uuid);
	SELECT count(*) FROM item_order o, item_refund(o.order_id) WHERE o.user_id = 2});

# old_database($name, $of, $version): with the extension at 0.1, or at that version, and today's rows.
sub old_database
{
	my ($name, $of, $old_version) = @_;
	$of //= $node;
	$old_version //= '0.1';
	$of->safe_psql('postgres', "CREATE DATABASE $name");
	$of->safe_psql($name, "CREATE EXTENSION ticketpool VERSION '$old_version'");
	for my $partition (0 .. 2)
	{
		my $date = $node->safe_psql('today', "SELECT date '$day' + $partition");
		my $table = 'ticket_order_p' . $date =~ s/-//gr;
		# As that version's library did.
		$of->safe_psql($name, qq{
			CREATE TABLE public.$table (LIKE public.ticket_order INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE);
			ALTER TABLE public.ticket_order ATTACH PARTITION public.$table FOR VALUES FROM ('$date') TO (date '$date' + 1)});
		$of->safe_psql($name, qq{
			CREATE TRIGGER ticket_follow_truncate BEFORE TRUNCATE ON public.$table FOR EACH STATEMENT EXECUTE FUNCTION public.ticket_follow_order();
			ALTER TABLE public.$table ENABLE ALWAYS TRIGGER ticket_follow_truncate}) if $old_version ne '0.1';
	}
	# The triggers call the library, which refuses to serve.
	my @tables = (qw(ticket_station ticket_stop ticket_formation ticket_route ticket_route_call ticket_layout ticket_layout_coach ticket_departure
		ticket_reservation ticket_order), $old_version eq '0.1' ? () : qw(item_inventory item_order));
	$of->safe_psql($name, join(';', map { "ALTER TABLE $_ DISABLE TRIGGER ALL" } @tables));
	for my $table (@tables)
	{
		my $columns = $of->safe_psql($name, "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped");
		my $rows = $node->safe_psql('today', "COPY (SELECT $columns FROM $table) TO STDOUT");
		$of->safe_psql($name, "COPY $table ($columns) FROM STDIN;\n$rows\n\\.\n");
	}
	$of->safe_psql($name, join(';', map { "ALTER TABLE $_ ENABLE TRIGGER ALL" } @tables));
	for my $sequence (qw(ticket_route_route_id_seq ticket_layout_layout_id_seq ticket_departure_departure_id_seq ticket_reservation_reservation_id_seq ticket_order_id_seq),
		$old_version eq '0.1' ? () : qw(item_inventory_id_seq item_order_id_seq))
	{
		$of->safe_psql($name, "SELECT setval('$sequence', " . $node->safe_psql('today', "SELECT last_value FROM $sequence") . ')');
	}
	return;
}

sub refused
{
	my ($database, $sql, $label) = @_;
	refused_of('0.1', $database, $sql, $label);
	return;
}

sub refused_of
{
	my ($old_version, $database, $sql, $label) = @_;
	my (undef, undef, $err) = $node->psql($database, $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($err, qr/ERROR:\s+55000: extension ticketpool is at version \Q$old_version\E in this database, and the library at \Q$version\E.*HINT:\s+Run ALTER EXTENSION ticketpool UPDATE\./s, $label);
	return;
}

# The columns of 0.1.
my $orders = 'SELECT order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status, held_until,
	channel, request_id, created_at, changed_at, changed_from FROM ticket_order ORDER BY order_id, ticket_no, service_date';
old_database('old');
# This hold ran out before the update, and nobody noticed.
$node->safe_psql('old', q{UPDATE ticket_order SET held_until = '2020-01-01' WHERE user_id = 80});
my $expected = $node->safe_psql('today', $fingerprint);
like($expected, qr/trigger .*ticket_order_p/, 'the fingerprint of today');
my $old = $node->safe_psql('old', $fingerprint);
isnt($old, $expected, 'is another one than that of 0.1');

# ---------------------------------------------------------------------------------------------------------------------
# Before the update: each function works or says what to do; nothing else is in the way.
# ---------------------------------------------------------------------------------------------------------------------
my %value = (text => q{'T1'}, date => "date '$day'", bigint => '1::bigint', integer => '1', uuid => q{'00000000-0000-0000-0000-000000000009'::uuid},
	interval => q{interval '1 minute'}, 'timestamp with time zone' => q{now() + interval '1 day' * ?}, 'bigint[]' => q{'{1}'::bigint[]}, 'integer[]' => q{'{1}'::int[]},
	'ticket_request[]' => "ARRAY[ROW('T1', 'S1', 'S2', 1, '$day', NULL, NULL, NULL, NULL, NULL)::ticket_request]");
my @functions = split /\n/, $node->safe_psql('old', q{
	SELECT proname || ':' || coalesce((SELECT string_agg(format_type(t, NULL), ',' ORDER BY n) FROM unnest(proargtypes::oid[]) WITH ORDINALITY AS u (t, n)), '')
	FROM pg_depend JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND prorettype <> 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar(@functions), '>=', 24, 'functions of 0.1 are found');
for my $function (@functions)
{
	my ($name, $types) = split /:/, $function;
	my $number = 0;
	my $call = "SELECT * FROM $name(" . join(', ', map { ($value{$_} // die "no value of type $_") =~ s/\?/++$number/er } split /,/, $types // '') . ')';
	if ($name =~ /^ticket_(inflight|pool_stat)$/)
	{
		is($node->psql('old', $call), 0, "$name, which is of the whole server, works");
	}
	else
	{
		refused('old', $call, "$name says what to do");
	}
}
refused('old', 'SELECT * FROM ticket_pool', 'view ticket_pool does, too');
is($node->safe_psql('old', $orders . " LIMIT 0; UPDATE ticket_order SET coach = coach WHERE user_id = 1; INSERT INTO ticket_station VALUES ('X', 'Xville'); DELETE FROM ticket_station WHERE station = 'X'"),
	'', 'plain SQL works');
is($node->psql('old', q{CREATE TABLE mine (LIKE ticket_order INCLUDING DEFAULTS); ALTER TABLE ticket_order ATTACH PARTITION mine FOR VALUES FROM ('2040-01-01') TO ('2040-01-02');
	ALTER TABLE ticket_order DETACH PARTITION mine; DROP TABLE mine}, on_error_stop => 1), 0, 'so do partitions');

# Sessions that stay connected through all of it: with plans, and with uncommitted rows.
my $seller = session($node, 'old');
$seller->run(qq{PREPARE buy (int) AS SELECT seat IS NOT NULL FROM ticket_buy('T1', 'S1', 'S2', \$1, '$day', 'second')});
$seller->run(qq{PREPARE left_over AS SELECT ticket_remaining('T2', 'S1', 'S8', '$day', 'second')});
$seller->run(qq{PREPARE change (int) AS UPDATE ticket_order SET status = 'refunded' WHERE user_id = \$1});
$seller->run(qq{CREATE FUNCTION left_over() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN ticket_remaining(''T2'', ''S1'', ''S8'', ''$day'', ''second''); END'});
$seller->run('EXECUTE change(-1)');
for my $statement ('EXECUTE buy(1000)', 'EXECUTE left_over', 'SELECT left_over()')
{
	$seller->run($statement);
	is($seller->sqlstate, '55000', "$statement is refused in a session");
}

# ---------------------------------------------------------------------------------------------------------------------
# An update that is rolled back
# ---------------------------------------------------------------------------------------------------------------------
my $owner = session($node, 'old');
$owner->run('BEGIN');
$owner->run('ALTER EXTENSION ticketpool UPDATE');
is($owner->sqlstate, '00000', 'the update in a transaction');
is($owner->run(qq{SELECT ticket_remaining('T1', 'S1', 'S8', '$day', 'second')}), $node->safe_psql('today', qq{SELECT ticket_remaining('T1', 'S1', 'S8', '$day', 'second')}),
	'counts are right in it');
is($owner->run(qq{SELECT count(*) FROM ticket_buy('T1', 'S7', 'S8', 2000, '$day', 'second')}), '1', 'and it may sell');
$seller->run('EXECUTE left_over');
is($seller->sqlstate, '55000', 'others are refused meanwhile');
$owner->run('ROLLBACK');
same_as('old', $old, 'rolled back: the objects are those of 0.1');
$owner->run(qq{SELECT ticket_remaining('T1', 'S1', 'S8', '$day', 'second')});
is($owner->sqlstate, '55000', 'and the session that did it is refused again');
in_flight_is_empty($node, 'old', 'rolled back');

# ---------------------------------------------------------------------------------------------------------------------
# The worker says once that it cannot help
# ---------------------------------------------------------------------------------------------------------------------
my $sweeps = sub { scalar(() = slurp_file($node->logfile) =~ /starting background worker process "ticketpool sweeper"/g) };
my $databases = $node->safe_psql('postgres', 'SELECT count(*) FROM pg_database WHERE NOT datistemplate');
my $so_far = $sweeps->();
ok(await(sub { $sweeps->() >= $so_far + 2 * $databases + 1 }), 'the worker has looked into every database twice');
is(scalar(() = slurp_file($node->logfile) =~ /LOG:  ticketpool passes over database "old"/g), 1, 'one line of the log says that one is passed over');
is(join('', grep { /ERROR:  (?!extension ticketpool is at version)/ } split /^/, slurp_file($node->logfile)), '', 'no error of another kind');

# ---------------------------------------------------------------------------------------------------------------------
# The update, while somebody writes by hand
# ---------------------------------------------------------------------------------------------------------------------
$node->safe_psql('old', q{CREATE ROLE watcher; GRANT SELECT ON ticket_pool_stat TO watcher; CREATE VIEW mine AS SELECT buys, bytes_used FROM ticket_pool_stat});
my $writer = session($node, 'old');
$writer->run('BEGIN');
$writer->run(q{UPDATE ticket_order SET status = 'refunded' WHERE user_id IN (11, 72)});
$owner->send('ALTER EXTENSION ticketpool UPDATE');
ok(becomes_true($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER EXTENSION%'}), 'the update waits for who writes');
$writer->run('COMMIT');
$owner->wait;
is($owner->sqlstate, '00000', 'and comes to its end');
$node->safe_psql('today', q{UPDATE ticket_order SET status = 'refunded' WHERE user_id IN (11, 72); SELECT count(*) FROM ticket_order o, ticket_cancel(o.order_id) WHERE o.user_id = 80 AND o.ticket_no = 1});
ok(becomes_true($node, 'old', q{SELECT count(*) = 2 FROM ticket_order WHERE user_id = 80 AND status = 'expired'}), 'the worker finds the hold that ran out');
is(matrix($node, 'old'), matrix($node, 'today'), 'the same seats are left as in a database that was never at 0.1');
agrees($node, 'old', 'updated');
is($seller->run('EXECUTE left_over') . ' ' . $seller->run('SELECT left_over()'), $node->safe_psql('today', qq{SELECT n || ' ' || n FROM ticket_remaining('T2', 'S1', 'S8', '$day', 'second') n}),
	'sessions go on with the plans they have');
is($seller->run('EXECUTE buy(1000)'), 't', 'and sell');
is($node->safe_psql('old', q{SET ROLE watcher; SELECT count(*) FROM pg_catalog.pg_class WHERE oid = 'mine'::regclass; RESET ROLE;
	SELECT has_table_privilege('watcher', 'ticket_pool_stat', 'SELECT'); SELECT buys > 0 FROM mine}), "1\nt\nt", 'grants and views of the users are still there');
like(slurp_file_of_dump('old'), qr/GRANT SELECT ON TABLE public\.ticket_pool_stat TO watcher/, 'and a dump keeps them');
$node->safe_psql('old', 'DROP VIEW mine; DROP OWNED BY watcher; DROP FUNCTION left_over()');
same_as('old', $expected, 'every object, also of partitions, is as in a database that was never at 0.1');

sub slurp_file_of_dump
{
	my ($database) = @_;
	my ($out) = PostgreSQL::Test::Utils::run_command([ 'pg_dump', '-s', '-d', $node->connstr($database) ]);
	return $out;
}

# sells_on($database, $label): every kind of sale and everything by hand, in partitions of 0.1.
sub sells_on
{
	my ($of, $database, $label) = @_;
	my $second = $of->safe_psql($database, "SELECT date '$day' + 1");
	my $partition = 'ticket_order_p' . $second =~ s/-//gr;
	is($of->safe_psql($database, qq{
		SELECT count(*) FROM ticket_buy('T1', 'S1', 'S3', 3001, '$day', 'second', channel => 'agent');
		SELECT count(*) FROM ticket_buy('T1', 'S1', 'S2', 3002, '$day', 'stand');
		SELECT count(*) FROM ticket_hold('T1', 'S1', 'S2', 3003, '$second', 'second');
		SELECT count(*) FROM ticket_order o, ticket_confirm(o.order_id) WHERE o.user_id = 3003;
		SELECT count(*) FROM ticket_order o, ticket_refund(o.order_id) WHERE o.user_id = 17;
		SELECT count(*) FROM ticket_order o, ticket_confirm(o.order_id) WHERE o.user_id = 73;
		SELECT ticket_recycle(reservation_id) > 0 FROM ticket_reservation WHERE status = 'open';
		SELECT count(*) FROM ticket_buy('T2', 'S1', 'S4', 92, '$day', 'second', request_id => '00000000-0000-0000-0000-000000000002');
		SELECT count(ticket_open('T2', '$second', 'small', '2020-01-01'));
		SELECT count(*) FROM ticket_buy('T2', 'S1', 'S4', 3004, '$second', 'second');
		SELECT count(item_open(1, 10)); SELECT count(*) FROM item_buy(1, 1, 4); SELECT item_remaining(1)}),
		"1\n1\n1\n1\n1\n1\nt\n1\n1\n1\n1\n1\n6", "$label: sales of each kind");
	is($of->safe_psql($database, 'SELECT count(DISTINCT layout_id), (SELECT count(*) FROM ticket_layout) FROM ticket_departure'), '1|1', "$label: the seats of a formation are found again");
	is($of->safe_psql($database, q{SELECT count(*) FROM ticket_order WHERE user_id = 92}), '1', "$label: a request of 0.1 is known");
	agrees($of, $database, "$label, after sales");
	$of->safe_psql($database, qq{
		DELETE FROM $partition WHERE user_id = 19;
		UPDATE ticket_order SET status = 'refunded' WHERE user_id IN (21, 51);
		UPDATE $partition SET to_stop = 8 WHERE user_id = 23;
		INSERT INTO $partition SELECT order_id + 1000000, ticket_no, departure_id, service_date, 4000, 4000, seat_class, coach, seat, from_stop, to_stop, 'sold' FROM $partition WHERE user_id = 17});
	agrees($of, $database, "$label, after rows by hand");
	$of->safe_psql($database, "TRUNCATE $partition");
	agrees($of, $database, "$label, after TRUNCATE of a partition");
	is($of->safe_psql($database, 'SELECT * FROM item_verify()'), '', "$label: items agree");
	$of->restart;
	agrees($of, $database, "$label, after a restart");
	return;
}
$_->quit for $seller, $owner, $writer;
sells_on($node, 'old', 'updated');
is($node->safe_psql('old', 'ALTER EXTENSION ticketpool UPDATE; SELECT extversion = default_version FROM pg_extension JOIN pg_available_extensions ON name = extname WHERE extname = \'ticketpool\''), 't', 'there is nothing more to update');

# ---------------------------------------------------------------------------------------------------------------------
# Empty, in another schema, of another owner, without the preload
# ---------------------------------------------------------------------------------------------------------------------
is(join(' ', map { /--([\d.]+)\.sql$/ } sort @old_scripts), '0.1 0.2', 'versions to update from');
for my $from (qw(0.1 0.2))
{
	$node->safe_psql('postgres', 'CREATE DATABASE fresh; ');
	$node->safe_psql('postgres', 'CREATE DATABASE updated');
	$node->safe_psql($_, q{CREATE SCHEMA "Se lling"; ALTER DATABASE } . $_ . q{ SET search_path = "Se lling", public}) for qw(fresh updated);
	$node->safe_psql('fresh', 'CREATE EXTENSION ticketpool SCHEMA "Se lling"');
	$node->safe_psql('updated', qq{CREATE EXTENSION ticketpool SCHEMA "Se lling" VERSION '$from'; ALTER EXTENSION ticketpool UPDATE});
	same_as('updated', $node->safe_psql('fresh', $fingerprint), "updated from $from, empty, in another schema: as if it were fresh");
	$node->safe_psql('postgres', "DROP DATABASE $_") for qw(fresh updated);
}

old_database('owned');
$node->safe_psql('owned', q{
	CREATE ROLE "Shop"; CREATE ROLE clerk; GRANT CREATE, USAGE ON SCHEMA public TO "Shop";
	DO $$ DECLARE r regclass; BEGIN
		FOR r IN SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^ticket_' AND relnamespace = 'public'::regnamespace
		LOOP EXECUTE format('ALTER TABLE %s OWNER TO "Shop"', r); END LOOP;
		ALTER SEQUENCE ticket_order_id_seq OWNER TO "Shop";
	END $$;
	ALTER EXTENSION ticketpool UPDATE});
is($node->safe_psql('owned', qq{GRANT EXECUTE ON FUNCTION ticket_open, ticket_buy, item_open, item_buy TO clerk; SET ROLE clerk;
	SELECT count(ticket_open('T2', date '$day' + 20, 'small', '2020-01-01')); SELECT count(*) FROM ticket_buy('T2', 'S1', 'S2', 1, date '$day' + 20, 'second');
	SELECT item_open(1, 3) > 0; SELECT count(*) FROM item_buy(1, 1)}), "1\n1\nt\n1", 'tables of another owner: new days and items are his');
agrees($node, 'owned', 'tables of another owner');

# ---------------------------------------------------------------------------------------------------------------------
# From 0.2, with rows, and with what users and their SQL had added: columns that are older than ours now, a trigger, a
# partition of a month, rules, imported orders, one of them on two days
# ---------------------------------------------------------------------------------------------------------------------
old_database('second', $node, '0.2');
my $imported = q{INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
	SELECT id, n, d.departure_id, d.service_date, 5000, 5000, 'second', '001', NULL, 1, 2, 'refunded' FROM (VALUES (777, 1, 0), (777, 2, 0), (778, 1, 0), (778, 2, 1)) v (id, n, days),
		ticket_departure d WHERE d.train = 'T1' AND d.service_date = date '} . $day . q{' + days};
$node->safe_psql('second', qq{
	ALTER TABLE ticket_order ADD COLUMN note text;
	CREATE TABLE touched (order_id bigint);
	CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.touched VALUES (new.order_id); RETURN new; END';
	CREATE TABLE a_month PARTITION OF ticket_order FOR VALUES FROM ('2050-01-01') TO ('2050-02-01');
	UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_user_limit';
	ALTER TABLE ticket_order DISABLE TRIGGER ALL; $imported; UPDATE ticket_order SET note = 'old'; ALTER TABLE ticket_order ENABLE TRIGGER ALL;
	CREATE TRIGGER touch BEFORE UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION touch();
	CREATE ROLE seller; GRANT EXECUTE ON FUNCTION ticket_refund, ticket_pool TO seller; GRANT SELECT ON ticket_pool TO seller;
	GRANT EXECUTE ON FUNCTION ticket_buy TO PUBLIC;
	ALTER FUNCTION ticket_rule_user_limit SET ticketpool.user_limit = 8});
refused_of('0.2', 'second', "SELECT ticket_remaining('T1', 'S1', 'S8', '$day')", 'a function of 0.2 says what to do');
refused_of('0.2', 'second', "UPDATE ticket_order SET status = 'refunded' WHERE user_id = 1", 'so does a row by hand, which nothing could follow');
my $second_rows = $node->safe_psql('second', $orders);
my $items = 'SELECT order_id, item_id, user_id, buy_quantity, status, request_id FROM item_order ORDER BY order_id';
my $second_items = $node->safe_psql('second', $items);
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/second", '-d', $node->connstr('second') ], 'a dump of 0.2');
# After the dump: it could not be restored with rights on a function that has got an argument since.
$node->safe_psql('second', qq{ALTER TABLE item_order ADD COLUMN note text; GRANT EXECUTE ON FUNCTION ticket_open, ticket_change, ticket_cancel, item_refund TO seller;
	ALTER FUNCTION ticket_change SET ticketpool.allocation = first_fit; ALTER FUNCTION ticket_cancel SET ticketpool.hold_ttl = '7 min'; ALTER FUNCTION item_refund SET work_mem = '8MB';
	CREATE VIEW opening AS SELECT ticket_open('T1', '$day', 'F');
	CREATE VIEW given_up AS SELECT seat FROM ticket_cancel(1);
	CREATE VIEW given_back AS SELECT status FROM item_refund(1);
	CREATE VIEW exchanged AS SELECT seat FROM ticket_change(1, 'T1', 'S1', 'S2', '$day');
	CREATE FUNCTION exchange(id bigint) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM ticket_change(id, 'T1', 'S1', 'S2', '$day'); END;
	CREATE FUNCTION exchange_by_name(id bigint) RETURNS bigint LANGUAGE sql AS \$f\$ SELECT count(*) FROM ticket_change(id, 'T1', 'S1', 'S2', '$day') \$f\$});
my $open = session($node, 'second');
$open->run(qq{PREPARE buy (int, uuid) AS SELECT note IS NULL AND seat IS NOT NULL AND (request_id IS NULL) = (\$2 IS NULL) FROM ticket_buy('T1', 'S1', 'S2', \$1, '$day', 'second', request_id => \$2)});
$open->run(qq{CREATE FUNCTION rows_of(who bigint) RETURNS SETOF ticket_order LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT * FROM ticket_order o WHERE o.user_id = who ORDER BY 1, 2; END'});
$open->run('PREPARE rows_of (bigint) AS SELECT count(*), min(note) FROM rows_of($1)');
is($open->run('EXECUTE rows_of(5000)'), '4|old', 'a session with plans of the tables of 0.2');
my (undef, undef, $dependents) = $node->psql('second', 'ALTER EXTENSION ticketpool UPDATE', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($dependents, qr/ERROR:\s+2BP01: function ticket_change cannot be replaced because other objects depend on it\n.*DETAIL:\s+These call it with its old arguments: function exchange\(bigint\), view exchanged\.\n.*HINT:\s+Drop them, update the extension, and create them again\./s,
	'what depends on a function that gets arguments is named');
is($node->safe_psql('second', q{SELECT extversion FROM pg_extension WHERE extname = 'ticketpool'}), '0.2', 'and nothing is updated');
$node->safe_psql('second', 'DROP VIEW exchanged; DROP FUNCTION exchange');
for my $replaced ([ ticket_open => 'opening' ], [ ticket_cancel => 'given_up' ], [ item_refund => 'given_back' ])
{
	my ($function, $view) = @$replaced;
	like(($node->psql('second', 'ALTER EXTENSION ticketpool UPDATE'))[2], qr/function $function cannot be replaced.*\n.*: view $view\./, "of $function, too");
	$node->safe_psql('second', "DROP VIEW $view");
}
$node->safe_psql('second', 'ALTER EXTENSION ticketpool UPDATE');
is($node->safe_psql('second', q{SELECT has_function_privilege('seller', 'ticket_refund(bigint,int[])', 'EXECUTE'), has_function_privilege('seller', 'ticket_pool()', 'EXECUTE'),
	has_table_privilege('seller', 'ticket_pool', 'SELECT'), has_function_privilege('public', oid, 'EXECUTE') FROM pg_proc WHERE proname = 'ticket_buy';
	SELECT proname, proconfig FROM pg_proc WHERE proname IN ('ticket_rule_user_limit', 'ticket_change', 'ticket_cancel', 'item_refund') ORDER BY 1;
	SELECT proname, has_function_privilege('seller', oid, 'EXECUTE') FROM pg_proc WHERE proname IN ('ticket_open', 'ticket_change', 'ticket_cancel', 'item_refund') ORDER BY 1}),
	join("\n", 't|t|t|t', 'item_refund|{work_mem=8MB}', 'ticket_cancel|{"ticketpool.hold_ttl=7 min"}', 'ticket_change|{ticketpool.allocation=first_fit}', 'ticket_rule_user_limit|{ticketpool.user_limit=8}',
		map { "$_|t" } qw(item_refund ticket_cancel ticket_change ticket_open)), q{updated from 0.2: users' grants and settings of functions are still there});
my @granted = sort(slurp_file_of_dump('second') =~ /^GRANT \w+ ON (\w+ public\.\w+)[^\n]* TO (?:seller|PUBLIC);$/mg);
like(($node->psql('second', 'SELECT exchange_by_name(0)'))[2], qr/order 0 does not exist/, 'a function that calls it by name goes on');
is(join(', ', @granted), join(', ', map({ "FUNCTION public.$_" } qw(item_refund ticket_buy ticket_cancel ticket_change ticket_open ticket_pool ticket_refund)), 'TABLE public.ticket_pool'),
	'and a dump keeps the grants');
$node->safe_psql('second', q{REVOKE EXECUTE ON FUNCTION ticket_buy FROM PUBLIC; DROP OWNED BY seller; ALTER FUNCTION ticket_rule_user_limit RESET ALL; ALTER FUNCTION ticket_change RESET ALL; ALTER FUNCTION ticket_cancel RESET ALL;
	ALTER FUNCTION item_refund RESET ALL; DROP FUNCTION exchange_by_name});
is($node->safe_psql('second', $orders), $second_rows, 'its orders');
is($node->safe_psql('second', $items), $second_items, 'and its items');
is($open->run('EXECUTE rows_of(5000)'), '4|old', 'the session goes on with its plans');
is($open->run("EXECUTE buy(6001, NULL)") . $open->run("EXECUTE buy(6001, '00000000-0000-0000-0000-000000000200')"), 'tt', 'and sells');
$open->run("EXECUTE buy(6001, '00000000-0000-0000-0000-000000000200')");
is($open->sqlstate, '00000', 'a repetition');
is($node->safe_psql('second', q{SELECT count(*), count(request_digest), count(note) FROM ticket_order WHERE user_id = 6001}), '2|1|0', 'has sold nothing');
is($node->safe_psql('second', qq{SELECT count(*), min(note), count(request_digest) FROM ticket_buy('T2', 'S1', 'S4', 92, '$day', 'second', request_id => '00000000-0000-0000-0000-000000000002')}), '1|old|0', 'a request of 0.2 is known');
like(($node->psql('second', qq{SELECT count(*) FROM ticket_buy('T2', 'S1', 'S4', 92, '$day', 'second', '{1,2}', request_id => '00000000-0000-0000-0000-000000000002')}))[2],
	qr/request_id was used for another number of passengers/, 'and told from another by its rows');
is($node->safe_psql('second', q{SELECT count(*) FROM item_buy(5, 1, 3, '00000000-0000-0000-0000-000000000101'); SELECT item_remaining(5)}), "1\n82", 'one of an item, too');
is($node->safe_psql('second', q{SELECT buy_quantity FROM item_order o, item_refund(o.order_id, 2, '00000000-0000-0000-0000-000000000300') r (id, a, b, c, left_of) WHERE o.user_id = 3; SELECT left_of FROM item_order o, item_refund(o.order_id, 2, '00000000-0000-0000-0000-000000000300') r (id, a, b, c, left_of) WHERE o.user_id = 3;
	SELECT count(*) FROM item_buy(5, 3, 3, '00000000-0000-0000-0000-000000000103'); SELECT item_remaining(5)}), "3\n1\n1\n84", 'and gives some of its units back, once');
is($node->safe_psql('second', q{SELECT c.status FROM item_hold(5, 3) h, LATERAL item_confirm(h.order_id) c}), 'sold', 'units are held and paid');
is($node->safe_psql('second', q{SELECT string_agg(order_id || ' ' || service_date - date '} . $day . q{', ', ' ORDER BY order_id, service_date) FROM ticket_order_day}), '777 0, 778 0, 778 1', 'imported orders are entered');
is($node->safe_psql('second', 'SELECT count(*) FROM ticket_refund(777)'), '2', 'and found');
is($node->safe_psql('second', 'SELECT count(*) FROM ticket_order o, ticket_refund(o.order_id) WHERE o.user_id = 17; SELECT count(*) > 0 FROM touched'), "1\nt", q{the user's trigger fires});
is($node->safe_psql('second', qq{INSERT INTO ticket_stop SELECT 'T3', stop_no, station, arrives, departs FROM ticket_stop WHERE train = 'T1';
	SELECT count(ticket_open('T3', d::date, 'small', '2020-01-01')) FROM unnest('{2050-01-05,2050-02-05}'::text[]) d; SELECT count(DISTINCT tableoid), count(request_digest) FROM ticket_order WHERE user_id = 6002;
	SELECT count(*) FROM unnest('{2050-01-05,2050-02-05}'::text[]) d, ticket_buy('T3', 'S1', 'S2', 6002, d::date, 'second', request_id => '00000000-0000-0000-0000-000000000201');
	SELECT count(DISTINCT tableoid), count(request_digest) FROM ticket_order WHERE user_id = 6002}), "2\n0|0\n2\n2|2", 'new days, also of the month by hand');
# What 0.2 sold and held, under the functions that it did not have. A query a line.
sub is_answered { my ($sql, $expected, $label) = @_; return is($node->safe_psql('second', $sql), $expected, "updated from 0.2: $label") }
my $t2 = "'T2', 'S1', 'S8'";
my $free_seats = "ARRAY(SELECT coach || '/' || seat FROM ticket_places($t2, '$day', 'second') WHERE free LIMIT 2)";
is_answered('SELECT bool_and(boarding AND alighting), count(*) > 0 FROM ticket_stop', 't|t', 'one may get on and off at every stop');
is_answered(q{SELECT count(*) FILTER (WHERE held_until IS NOT NULL AND status <> 'held'), count(*) > 0 FROM item_order}, '0|t', 'no unit is held');
is_answered('SELECT count(*), count(sale_margin) FROM ticket_departure WHERE service_date < $$2050-01-01$$', '4|0', 'no departure has a margin');
is_answered("SELECT count(*), count(*) FILTER (WHERE free) = ticket_remaining($t2, '$day', 'second'), min(properties::text) FROM ticket_places($t2, '$day', 'second')", '40|t|{}', 'its seats are listed');
is_answered("SELECT ticket_seat_svg('T2', '$day') LIKE '<svg%', length(ticket_seat_svg('T1', '$day')) > 1000", 't|t', 'and drawn');
my ($hold, $given_up) = map { $node->safe_psql('second', "SELECT order_id FROM ticket_order WHERE user_id = $_ AND status = 'held'") } 71, 73;
is_answered("SELECT ticket_no, status, held_until > now() + interval '4 hours' FROM ticket_hold_extend($hold, '5 hours')", '1|held|t', 'a hold lasts longer');
is_answered("SELECT ticket_no, status FROM ticket_cancel($given_up, '{1}')", '1|cancelled', 'a ticket of another one is given up');
is_answered("SELECT passenger_id, status FROM ticket_transfer($hold, 1, 803)", '803|held', 'another passenger has it');
is_answered("SELECT count(*) FROM ticket_order o, ticket_reseat(o.order_id, '{1}') r WHERE o.order_id = $hold AND o.ticket_no = 1 AND (o.coach, o.seat) <> (r.coach, r.seat)", '1', 'another seat');
is_answered("SELECT ticket_no, status FROM ticket_confirm($hold)", '1|sold', 'and pays');
my $exchange = "ticket_change($hold, 'T2', 'S1', 'S3', '$day', 'second', request_id => '00000000-0000-0000-0000-000000000400')";
is_answered("SELECT (SELECT order_id FROM $exchange) = (SELECT order_id FROM $exchange)", 't', 'exchanged once, also when asked twice');
is_answered("SELECT count(*) FROM ticket_buy_seats($t2, 6100, $free_seats, '$day'); SELECT count(*), min(status) FROM ticket_hold_seats($t2, 6100, $free_seats, '$day')", "2\n2|held", 'very seats are sold and held');
is_answered("SELECT ticket_recycle(ticket_reserve_seats('T2', '$day', 'staff', $free_seats))", '2', 'and set aside');
is_answered("UPDATE ticket_stop SET departs = departs + interval '1 minute' WHERE train = 'T2' AND stop_no = 1; SELECT ticket_retime('T2', '$day') IS NOT NULL; SELECT departs::time FROM ticket_trains('S1', 'S8', '$day') WHERE train = 'T2'", "t\n00:11:00", 'a departure of 0.2 gets other times');
is_answered("SELECT count(*) FROM ticket_skip_stop('T2', '$day', 'S4') WHERE to_stop = 4 OR from_stop = 4; SELECT count(*) FROM ticket_remaining_matrix('T2', '$day', 'second') WHERE 4 IN (from_stop, to_stop)", "4\n0", 'and passes a stop');
is_answered("INSERT INTO ticket_formation SELECT 'painted', 'N' || coach, seat_class, seats, places FROM ticket_formation WHERE formation = 'small';
	SELECT count(*) = (SELECT count(*) FROM ticket_order o JOIN ticket_departure d USING (departure_id) WHERE train = 'T2' AND d.service_date = '$day' AND o.status IN ('held', 'sold')), min(outcome) FROM ticket_reform('T2', '$day', 'painted')",
	't|moved', 'and gets other coaches');
is_answered("CREATE SCHEMA feed; CREATE TABLE feed.stops AS SELECT 'S' || n AS stop_id, 'Station S' || n AS stop_name FROM generate_series(1, 2) n; CREATE TABLE feed.trips AS SELECT 't' AS trip_id, 's' AS service_id, 'T2' AS trip_short_name;
	CREATE TABLE feed.stop_times AS SELECT 't' AS trip_id, 'S' || n AS stop_id, n::text AS stop_sequence, n || ':00:00' AS departure_time FROM generate_series(1, 2) n;
	CREATE TABLE feed.calendar_dates AS SELECT 's' AS service_id, to_char(date '$day' + n, 'YYYYMMDD') AS date, '1' AS exception_type FROM generate_series(0, 1) n;
	SELECT train, service_date - date '$day' FROM ticket_import_gtfs('feed', '$day', date '$day' + 90, 'small'); DROP SCHEMA feed CASCADE", 'T2|1', 'a feed is imported next to what is on sale');
agrees($node, 'second', 'updated from 0.2');
# The objects are those of today, except for the positions of columns and what users had added.
sub without_additions
{
	my ($lines) = @_;
	return join "\n", sort map { s/^(column \S+) \d+ /$1 /r } grep { !/ (note|touch|a_month|ticket_order_p2050\d*)\b|a_month|2050|\.note\b|ticket_rule_user_limit/ } split /\n/, $lines;
}
is(without_additions($node->safe_psql('second', $fingerprint)), without_additions($expected), 'updated from 0.2: the objects are those of today');
$open->quit;
# Its dump is restored into today's version.
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
(undef, my $complaints) = PostgreSQL::Test::Utils::run_command([ 'pg_restore', '-d', $node->connstr('restored'), "$dir/second" ]);
is($complaints, '', 'a dump of 0.2 is restored without errors');
is($node->safe_psql('restored', 'SELECT count(*), count(note), count(request_digest) FROM ticket_order') . "\n" . $node->safe_psql('restored', $items), scalar(split(/\n/, $second_rows)) . '|' . scalar(split(/\n/, $second_rows)) . "|0\n$second_items", 'with its rows');
is($node->safe_psql('restored', q{SELECT string_agg(order_id || ' ' || service_date - date '} . $day . q{', ', ' ORDER BY order_id, service_date) FROM ticket_order_day}), '777 0, 778 0, 778 1', 'and with imported ids, also one on two days');
agrees($node, 'restored', 'a dump of 0.2 restored');
$node->safe_psql('postgres', 'DROP DATABASE second; DROP DATABASE restored; DROP ROLE seller');

# ---------------------------------------------------------------------------------------------------------------------
# Dumps of 0.1 are restored into 0.3, and pg_upgrade takes the objects along as they are
# ---------------------------------------------------------------------------------------------------------------------
old_database('dumped');
my $rows = $node->safe_psql('dumped', $orders);
$node->safe_psql('postgres', 'CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dumped", '-d', $node->connstr('dumped') ], 'a dump of 0.1');
(undef, my $errors) = PostgreSQL::Test::Utils::run_command([ 'pg_restore', '-d', $node->connstr('restored'), "$dir/dumped" ]);
is($errors, '', 'is restored without errors');
same_as('restored', $expected, 'into objects of today');
is($node->safe_psql('restored', $orders), $rows, 'with its orders');
sells_on($node, 'restored', 'restored');

$node->safe_psql('postgres', "DROP DATABASE $_") for qw(old owned restored);
$node->stop;
my $new = keep_sessions(PostgreSQL::Test::Cluster->new('new'));
$new->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'ticketpool'\nmax_connections = 40");
my ($bindir) = PostgreSQL::Test::Utils::run_command([ 'pg_config', '--bindir' ]);
{
	my $here = PostgreSQL::Test::Utils::tempdir;
	my $back = getcwd();
	my @data = map { abs_path($_->data_dir) } $node, $new;
	chdir $here or die $!;
	command_ok([ 'pg_upgrade', '--no-sync', '-d', $data[0], '-D', $data[1], '-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $node->port, '-P', $new->port ], 'pg_upgrade of 0.1');
	chdir $back or die $!;
}
$node = $new;
$node->start;
refused('dumped', qq{SELECT ticket_remaining('T1', 'S1', 'S8', '$day')}, 'its objects are those of 0.1');
# The update needs no pool.
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
$node->safe_psql('dumped', 'ALTER EXTENSION ticketpool UPDATE');
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'ticketpool'");
$node->restart;
same_as('dumped', $expected, 'updated without the preload: every object is as in a database that was never at 0.1');
is($node->safe_psql('dumped', $orders), $rows, 'with the orders of 0.1');
sells_on($node, 'dumped', 'pg_upgrade');

$node->stop;
done_testing();
