# A grammar of statements against the extension, for the fuzzer: every function of it, with
# arguments that are valid, nearly valid and absurd, in every place where a call is allowed.
# Everything is qualified, so that the statements mean the same under a hostile search_path; only
# what the extension does by itself could go wrong there.
package TicketpoolTest::Fuzz;

use strict;
use warnings;

use Exporter 'import';

our @EXPORT = qw(any functions_of hostile_schema evil_rules);

sub any { return $_[ rand @_ ] }

# Every function of the extension, from the catalog: a new one cannot be left out.
sub functions_of
{
	my ($node, $database) = @_;
	my @functions;
	for (split /\n/, $node->safe_psql($database, q{
		SELECT concat_ws('|', p.proname, p.proretset::int, (p.prorettype = 'trigger'::regtype)::int, p.pronargdefaults,
			has_function_privilege('nobody', p.oid, 'EXECUTE')::int,
			coalesce((SELECT string_agg(p.proargnames[n] || ' ' || tn.nspname || '.' || t.typname, ',' ORDER BY n)
				FROM generate_series(1, p.pronargs) n JOIN pg_type t ON t.oid = p.proargtypes[n - 1] JOIN pg_namespace tn ON tn.oid = t.typnamespace), ''))
		FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND d.deptype = 'e'
		ORDER BY 1}))
	{
		my ($name, $set, $trigger, $defaults, $public, $arguments) = split /\|/, $_, -1;
		push @functions, { name => $name, set => $set, trigger => $trigger, defaults => $defaults, public => $public,
			arguments => [ map { my ($argument, $type) = split / /; { name => $argument, type => $type } } split /,/, $arguments ] };
	}
	return @functions;
}

# Look-alikes of names that the extension might use without a schema. A statement that calls one
# gets SQLSTATE HX000, which no test allows.
sub hostile_schema
{
	my ($node, $database) = @_;
	$node->safe_psql($database, q{
		CREATE SCHEMA hostile;
		GRANT USAGE ON SCHEMA hostile TO PUBLIC;
		CREATE FUNCTION hostile.trap() RETURNS bool LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION USING ERRCODE = 'HX000', MESSAGE = pg_catalog.format('trapped, as %s', CURRENT_USER); END $$;
		DO $$
		DECLARE
			t text; f text; s text;
		BEGIN
			FOR t IN SELECT relname FROM pg_depend d JOIN pg_class c ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
				WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ticketpool') AND relkind IN ('r', 'p', 'v')
			LOOP
				EXECUTE format('CREATE VIEW hostile.%I AS SELECT hostile.trap() AS train, 1 AS departure_id', t);
			END LOOP;
			FOREACH t IN ARRAY '{text,int8,int4,date,timestamptz,uuid,interval,bool}'::text[] LOOP
				EXECUTE format('CREATE FUNCTION hostile.op_%1$s(%1$s, %1$s) RETURNS bool LANGUAGE sql AS ''SELECT hostile.trap()''', t);
				FOREACH f IN ARRAY '{=,<>,<,>,<=,>=}'::text[] LOOP
					EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = %s, RIGHTARG = %2$s, FUNCTION = hostile.op_%2$s)', f, t);
				END LOOP;
				EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.%1$I CHECK (hostile.trap())', t);
			END LOOP;
			FOREACH s IN ARRAY '{text text ||,int4 int4 +,int4 int4 -,int8 int8 +,int8 int8 -,date int4 +,date int4 -,timestamptz interval +}'::text[] LOOP
				t := split_part(s, ' ', 1);
				f := 'arith_' || replace(s, ' ', '_');
				EXECUTE format('CREATE FUNCTION hostile.%I(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.%2$s LANGUAGE sql AS ''SELECT hostile.trap()::pg_catalog.text::pg_catalog.%2$s''',
					f, t, split_part(s, ' ', 2));
				EXECUTE format('CREATE OPERATOR hostile.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = hostile.%I)', split_part(s, ' ', 3), t, split_part(s, ' ', 2), f);
			END LOOP;
			FOREACH f IN ARRAY string_to_array('md5(text);length(text);octet_length(text);array_to_string(text[],text);lower(text);btrim(text);now();clock_timestamp();row_number();unnest(text[]);'
				'ticket_remaining(text,text,text,date);ticket_rule_user_limit(bigint,bigint,bigint[],int,int);item_rule_user_limit(bigint,bigint,bigint);'
				'nextval(regclass);quote_ident(text);to_char(date,text)', ';') LOOP
				EXECUTE format('CREATE FUNCTION hostile.%s RETURNS pg_catalog.text LANGUAGE sql AS ''SELECT hostile.trap()::pg_catalog.text''', f);
			END LOOP;
		END $$});
	return;
}

# A rule for tickets, one for items and a trigger that do what should never be done there: buy,
# refund, verify, fail, take long.
sub evil_rules
{
	my ($node, $database) = @_;
	$node->safe_psql($database, q{
		CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			CASE (random() * 14)::int
			WHEN 0 THEN RETURN 'no';
			WHEN 1 THEN RETURN '';
			WHEN 2 THEN RETURN repeat('x', 1000);
			WHEN 3 THEN PERFORM public.ticket_buy('T1', 'S1', 'S2', 1, '2031-05-02');
			WHEN 4 THEN BEGIN PERFORM public.ticket_buy('T1', 'S1', 'S2', 1, '2031-05-02', passengers => '{1,2}'); RAISE division_by_zero; EXCEPTION WHEN OTHERS THEN NULL; END;
			WHEN 5 THEN PERFORM public.ticket_refund(order_id) FROM public.ticket_order WHERE status = 'sold' LIMIT 1;
			WHEN 6 THEN PERFORM public.ticket_verify(); PERFORM public.item_verify();
			WHEN 7 THEN PERFORM public.item_buy(1, 1);
			WHEN 8 THEN RAISE EXCEPTION USING ERRCODE = 'TK004', MESSAGE = 'raised';
			WHEN 9 THEN PERFORM set_config('search_path', 'hostile', true);
			WHEN 10 THEN PERFORM public.ticket_close('N2', '2031-05-02');
			WHEN 11 THEN PERFORM public.ticket_hold('N2', 'S1', 'S9', 1, '2031-05-01', ttl => '10 ms'), public.ticket_sweep();
			ELSE
			END CASE;
			RETURN NULL;
		END $$;
		CREATE FUNCTION evil_rule(departure_id bigint, user_id bigint, passengers bigint[], from_stop int, to_stop int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN public.evil(); END $$;
		CREATE FUNCTION evil_item_rule(item_id bigint, user_id bigint, quantity bigint) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN public.evil(); END $$;
		INSERT INTO ticket_rule VALUES ('public.evil_rule', 'ticket', false), ('public.evil_item_rule', 'item', false);
		CREATE FUNCTION evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.evil(); RETURN NULL; END $$;
		CREATE TRIGGER evil AFTER INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION evil_trigger();
		ALTER TABLE ticket_order DISABLE TRIGGER evil});
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Arguments
# ---------------------------------------------------------------------------------------------------------------------
my @days = map { "'2031-05-0$_'" } 1 .. 4;

# Valid values, by the argument's name. They are told the worker, which remembers the ids that it was
# given, the function and the argument.
my %right = (
	train => sub { any(q{'T1'}, q{'T1'}, q{'T1'}, q{'N2'}, q{'W3'}, q{'P4'}, sprintf(q{'L%d'}, 1 + rand 12)) },
	from_station => sub { any(q{'S1'}, q{'S1'}, q{'S2'}, q{'Station 1'}, q{'S1#1'}, q{'S1#40'}) },
	to_station => sub { any(q{'S3'}, q{'S3'}, q{'S4'}, q{'Station 4'}, q{'S200'}, q{'S3#3'}, q{'S1#80'}) },
	service_date => sub { any(@days) },
	travel_date => sub { any(@days) },
	formation => sub { any(q{'F1'}, q{'F2'}, q{'painted'}, q{'tiny'}) },
	seat_class => sub { any(q{'second'}, q{'second'}, q{'standing'}, 'NULL') },
	channel => sub { any('NULL', 'NULL', q{'web'}, q{'agency'}) },
	user_id => sub { 1 + int rand 20 },
	passengers => sub { any('NULL', 'NULL', q{'{1}'}, q{'{1,2}'}, q{'{4,5,6,7,8}'}) },
	seat_choice => sub { any('NULL', 'NULL', q{'A'}, q{'AF'}, q{'window'}, q{'window,aisle'}, q{'quiet'}, q{'lower , quiet'}, q{'1/12下'}, q{'1/1A,quiet'}) },
	request_id => sub { any('NULL', 'NULL', sprintf(q{'00000000-0000-0000-0000-0000000000%02x'}, rand 40)) },
	ttl => sub { any('NULL', q{'1 hour'}, q{'30 ms'}) },
	ticket_no => sub { any(1, 1, 2) },
	passenger_id => sub { 1 + int rand 20 },
	station => sub { any(q{'S2'}, q{'S3'}, q{'S3#3'}, q{'Station 2'}, q{'S1#40'}) },
	stops_of => sub { any('NULL', 'NULL', q{'T1'}, q{'N2'}) },
	sale_margin => sub { any('NULL', q{'1 hour'}, q{'10 days'}) },
	binding => sub { q{'now'} },
	gtfs_schema => sub { q{'feed'} },
	first_day => sub { any(@days) },
	last_day => sub { any(@days) },
	number_column => sub { any(q{'number'}, q{'route_short_name'}, q{'trip_id'}) },
	unseated => sub { any(q{'refuse'}, q{'refund'}) },
	order_id => sub { $_[0]->known($_[1]->{name} =~ /^item/ ? 'item_order' : 'ticket_order') },
	ticket_nos => sub { any('NULL', 'NULL', q{'{1}'}, q{'{1,2}'}) },
	reservation => sub { $_[0]->known('reservation') },
	release_at => sub { any('NULL', 'pg_catalog.clock_timestamp()', q{'2031-01-01'}) },
	opens_at => sub { q{'2020-01-01'} },
	closes_at => sub { any('NULL', q{'2031-01-01'}) },
	seats => sub { $_[2]{type} !~ /_text$/ ? 1 + int rand 3 : any(q{'{1/1A}'}, q{'{1/1B,1/1A}'}, q{'{2/3C,2/3D}'}, q{'{3/6F}'}, q{'{1/1A,2/2B,3/3C}'}, q{'{1/12下,1/F12}'}, q{'{"1/Cabin 7","1/a,b"}'}, 'NULL') },
	departure_id => sub { 1 + int rand 12 },
	item_id => sub { 1 + int rand 8 },
	inventory_id => sub { $_[1]->{name} =~ /^item_(buy|hold)$/ && rand() < 0.7 ? 'NULL' : $_[0]->known('inventory') },
	quantity => sub { $_[1]->{name} eq 'item_refund' ? any('NULL', 1, 1, 2) : 1 + int rand 5 },
	parts => sub { 1 + int rand 3 },
	user_ids => sub { any('NULL', q{'{1,2}'}) },
	answer => sub { any(q{'42'}, q{'no'}) },
	from_stop => sub { 1 },
	to_stop => sub { 3 },
	requests => sub { 'ARRAY[' . join(', ', map { request($_[0], $_[1], 1) } 1 .. 1 + rand 3) . ']' },
);

# Invalid values, by type. The server makes the large ones.
my @huge_text = ('pg_catalog.repeat(\'x\', 1000000)', 'pg_catalog.repeat(\'北\', 400000)', 'pg_catalog.repeat(\'A,\', 500000)');
my %wrong = (
	text => [ 'NULL', q{''}, q{' '}, q{'北京南'}, q{E'\x01\n\t'}, q{E'\'; DROP TABLE public.ticket_order; --'}, q{'"; SELECT 1; --'}, q{'%s%n%d%1$s'}, q{'$1'}, q{'{1}'}, q{'NULL'},
		q{'aa,,a'}, q{'ABCDEFABCDEFABCDEFABCDEFABCDEFABCDEF'}, q{'1A'}, q{'window;aisle'}, q{'T1 '}, q{E'T1\\\\'}, q{'S3'}, q{'second'}, q{'S1#'}, q{'#1'}, q{'S1#1#1'}, q{'S1#99999999999'}, q{'S1#-1'}, q{'1/'}, q{'/1A'}, q{'1/1A,'}, q{'quiet,quiet,quiet'},
		'pg_catalog.repeat(\'x\', 63)', 'pg_catalog.repeat(\'x\', 64)', 'pg_catalog.repeat(\'北\', 21)', 'pg_catalog.repeat(\'北\', 22)' ],
	name => [ 'NULL', q{''}, q{'nowhere'}, q{'hostile'}, q{'pg_catalog'}, q{'pg_temp'}, q{'feed"; --'}, 'pg_catalog.repeat(\'x\', 63)' ],
	int4 => [ 'NULL', 0, q{'-1'}, 1, 2, 33, 257, 65536, 16777216, 2147483647, q{'-2147483648'} ],
	int8 => [ 'NULL', 0, q{'-1'}, 1, 2, 4294967296, 137438953472, 9007199254740991, 9007199254740992, 9223372036854775807, q{'-9223372036854775808'} ],
	date => [ 'NULL', q{'infinity'}, q{'-infinity'}, q{'4713-01-01 BC'}, q{'5874897-12-31'}, q{'1999-12-31'}, q{'2000-01-01'}, q{'2179-06-06'}, q{'2179-06-07'}, q{'2031-05-09'} ],
	timestamptz => [ 'NULL', q{'infinity'}, q{'-infinity'}, q{'4713-01-01 BC'}, q{'294276-12-31'}, q{'1970-01-01'} ],
	interval => [ 'NULL', q{'0'}, q{'-1 day'}, q{'1 microsecond'}, q{'100 years'}, q{'178000000 years'}, q{'-178000000 years'}, q{'2147483647 days 9223372036854775 ms'} ],
	uuid => [ 'NULL', q{'00000000-0000-0000-0000-000000000000'}, q{'ffffffff-ffff-ffff-ffff-ffffffffffff'}, 'pg_catalog.gen_random_uuid()' ],
	_int4 => [ 'NULL', q{'{}'}, q{'{NULL}'}, q{'{0}'}, q{'{-1}'}, q{'{1,1,1}'}, q{'{{1,2},{3,4}}'}, q{'[5:6]={1,2}'}, q{'{2147483647}'}, q{'{1,NULL,2}'}, 'pg_catalog.array_fill(1, ARRAY[1000000])' ],
	_text => [ 'NULL', q{'{}'}, q{'{NULL}'}, q{'{""}'}, q{'{1A}'}, q{'{1/}'}, q{'{/1A}'}, q{'{1/1A,1/1A}'}, q{'{{1/1A},{1/1B}}'}, q{'[5:5]={1/1A}'}, q{'{9/1A}'}, q{'{1/1A,9/x}'}, q{'{"1/1A; --"}'}, q{'{a/b/c}'},
		'ARRAY[pg_catalog.repeat(\'x\', 1000000)]', 'pg_catalog.array_fill(\'1/1A\'::pg_catalog.text, ARRAY[1000000])',
		'(SELECT pg_catalog.array_agg(pg_catalog.format(\'1/%s\', i)) FROM pg_catalog.generate_series(1, 20000) i)' ],
	_int8 => [ 'NULL', q{'{}'}, q{'{NULL}'}, q{'{0}'}, q{'{-1,-1}'}, q{'{1,1,1}'}, q{'{{1,2},{3,4}}'}, q{'[5:6]={1,2}'}, q{'{9223372036854775807}'}, q{'{1,NULL,2}'},
		'(SELECT pg_catalog.array_agg(pg_catalog.int8(i)) FROM pg_catalog.generate_series(1, 2000) i)', 'pg_catalog.array_fill(pg_catalog.int8(7), ARRAY[1000000])',
		'(SELECT pg_catalog.array_agg(pg_catalog.int8(i)) FROM pg_catalog.generate_series(1, 1000000) i)' ],
);

sub argument
{
	my ($worker, $function, $argument, $is_right) = @_;
	my ($schema, $type) = split /\./, $argument->{type};
	my $right = $right{ $argument->{name} };
	# An argument unknown here gets a value of its type.
	return $right->($worker, $function, $argument) . "::$argument->{type}" if $is_right && $right;
	return requests_gone_wrong($worker, $function) . "::$argument->{type}" if $type =~ /^_(ticket|item)_request$/;
	return any(@huge_text) if $type eq 'text' && rand() < 0.05;
	return any(@{ $wrong{$type} // ['NULL'] }) . "::$argument->{type}";
}

# One ROW for …_buy_many.
sub request
{
	my ($worker, $function, $is_right) = @_;
	my $type = $function->{name} =~ /^item/ ? 'item_request' : 'ticket_request';
	my @fields = $type eq 'item_request'
	  ? ([ item_id => 'int8' ], [ user_id => 'int8' ], [ quantity => 'int8' ], [ request_id => 'uuid' ], [ inventory_id => 'int8' ])
	  : ([ train => 'text' ], [ from_station => 'text' ], [ to_station => 'text' ], [ user_id => 'int8' ], [ service_date => 'date' ], [ seat_class => 'text' ],
		[ passengers => '_int8' ], [ seat_choice => 'text' ], [ channel => 'text' ], [ request_id => 'uuid' ]);
	my $bad = $is_right ? -1 : int rand @fields;
	return 'ROW(' . join(', ', map {
		my ($name, $of) = @{ $fields[$_] };
		$name eq 'inventory_id' && $_ != $bad ? 'NULL' : argument($worker, $function, { name => $name, type => "pg_catalog.$of" }, $_ != $bad)
	} 0 .. $#fields) . ")::public.$type";
}

sub requests_gone_wrong
{
	my ($worker, $function) = @_;
	my $type = $function->{name} =~ /^item/ ? 'item_request' : 'ticket_request';
	my $one = request($worker, $function, 1);
	my $bad = request($worker, $function, 0);
	return any('NULL', q{'{}'}, "ARRAY[NULL]::public.${type}[]", "ARRAY[NULL::public.$type, $one]", "ARRAY[ARRAY[$one], ARRAY[$one]]", "ARRAY[$one, $bad]", "ARRAY[$bad]",
		"pg_catalog.array_fill($one, ARRAY[100])", "pg_catalog.array_fill($one, ARRAY[1000000])", "pg_catalog.array_fill(NULL::public.$type, ARRAY[1000000])", "'[7:7]={NULL}'");
}

# A call with some of its arguments: all valid (half of the time), one invalid, or all at random.
sub call
{
	my ($worker, $function) = @_;
	my @arguments = @{ $function->{arguments} };
	my $mood = rand;
	my $odd = $mood < 0.5 ? -1 : $mood < 0.8 ? int rand @arguments : undef;
	my $required = @arguments - $function->{defaults};
	my @list;
	for my $n (0 .. $#arguments)
	{
		next if $n >= $required && rand() < 0.4 && !(defined $odd && $odd == $n) && $arguments[$n]{name} ne 'service_date';
		my $is_right = defined $odd ? $odd != $n : rand() < 0.5;
		push @list, ($n > @list || $n > $required ? "$arguments[$n]{name} => " : '') . argument($worker, $function, $arguments[$n], $is_right);
	}
	# Arguments after a named one have to be named too.
	my $named = 0;
	for my $n (0 .. $#list) { $named ||= $list[$n] =~ /^\w+ => /; die "positional after named: @list" if $named && $list[$n] !~ /^\w+ => / }
	return "public.$function->{name}(" . join(', ', @list) . ')';
}

# ---------------------------------------------------------------------------------------------------------------------
# Statements
# ---------------------------------------------------------------------------------------------------------------------

# The places where a call is allowed. $c: the call.
my @places = (
	sub { "SELECT $_[0]" },
	sub { "SELECT * FROM $_[0]" },
	sub { "SELECT * FROM $_[0] WITH ORDINALITY LIMIT 1" },
	sub { "SELECT pg_catalog.count(*) FROM pg_catalog.generate_series(1, 3) g, LATERAL $_[0]" },
	sub { "SELECT (SELECT pg_catalog.count(*) FROM $_[0]) UNION ALL SELECT pg_catalog.count(*) FROM $_[0]" },
	sub { "SELECT CASE WHEN EXISTS (SELECT FROM $_[0]) THEN 1 END" },
	sub { "VALUES ((SELECT pg_catalog.count(*) FROM $_[0])), (1)" },
	sub { "EXPLAIN (ANALYZE, TIMING OFF) SELECT * FROM $_[0]" },
	sub { "DECLARE c NO SCROLL CURSOR FOR SELECT * FROM $_[0]" },
	sub { "DECLARE h CURSOR WITH HOLD FOR SELECT * FROM $_[0]" },
	sub { 'DO $do$ BEGIN PERFORM * FROM ' . $_[0] . '; END $do$' },
	sub { 'DO $do$ BEGIN BEGIN PERFORM * FROM ' . $_[0] . q{; RAISE EXCEPTION USING ERRCODE = 'TK004', MESSAGE = 'undo'; EXCEPTION WHEN OTHERS THEN IF SQLSTATE OPERATOR(pg_catalog.~) '^(XX|HX)' THEN RAISE; END IF; END; END $do$} },
	sub { "PREPARE p AS SELECT * FROM $_[0]" },
	sub { "CREATE TEMP TABLE made ON COMMIT DROP AS SELECT * FROM $_[0]" },
);

sub call_statement
{
	my ($worker, $function) = @_;
	my $call = call($worker, $function);
	# Ids for later use: those of what this worker made.
	if ($function->{name} =~ /^(ticket_(buy|hold)(_seats)?|ticket_change|item_(buy|hold))$/ && rand() < 0.6)
	{
		my $kind = $function->{name} =~ /^item/ ? 'item_order' : 'ticket_order';
		return ("SELECT DISTINCT order_id FROM $call", $kind, $function);
	}
	return ("SELECT $call", 'reservation', $function) if $function->{name} =~ /^ticket_reserve/ && rand() < 0.6;
	return ("SELECT id FROM $call", 'inventory', $function) if $function->{name} eq 'item_split' && rand() < 0.6;
	return (any(@places[ 0 .. 2 ], @places)->($call), undef, $function);
}

# A trigger function of the extension where it does not belong.
sub misplaced_trigger
{
	my ($function) = @_;
	my $when = any('BEFORE', 'AFTER') . ' ' . any('INSERT', 'UPDATE', 'DELETE', 'INSERT OR UPDATE OR DELETE');
	my $level = any('ROW', 'STATEMENT');
	my $columns = any('a pg_catalog.int4', 'order_id pg_catalog.int4, status pg_catalog.text', 'departure_id pg_catalog.text, status pg_catalog.int4',
		'departure_id pg_catalog.int8, route_id pg_catalog.int8, layout_id pg_catalog.int8', 'a pg_catalog.text, b pg_catalog.text[]');
	return qq{DO \$do\$ BEGIN CREATE TEMP TABLE strange ($columns) ON COMMIT DROP; CREATE TRIGGER t $when ON strange FOR EACH $level EXECUTE FUNCTION public.$function->{name}();
		INSERT INTO strange DEFAULT VALUES; UPDATE strange SET } . ($columns =~ /^(\w+)/)[0] . q{ = NULL; DELETE FROM strange; END $do$};
}

# Statements other than calls, for every session …
my @around = ('BEGIN', 'BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'BEGIN READ ONLY', 'COMMIT', 'COMMIT', 'COMMIT AND CHAIN', 'ROLLBACK',
	'SAVEPOINT a', 'SAVEPOINT b', 'ROLLBACK TO a', 'ROLLBACK TO b', 'RELEASE a', 'RELEASE b', 'FETCH 1 FROM c', 'FETCH ALL FROM h', 'CLOSE c', 'CLOSE h', 'EXECUTE p', 'EXECUTE p', 'DEALLOCATE ALL',
	'DISCARD ALL', 'SET ticketpool.allocation = random', 'SET ticketpool.allocation = first_fit', q{SET statement_timeout = '3ms'}, q{SET statement_timeout = '3s'}, q{SET statement_timeout = '3s'});

# … and for the owner: rows written by hand, rules, cancelled neighbours, the tables under the functions' feet.
my @owner = (
	q{UPDATE ticket_rule SET enabled = random() < 0.3},
	q{UPDATE ticket_rule SET enabled = rule LIKE '%evil%' AND random() < 0.7},
	q{UPDATE ticket_rule SET enabled = false},
	q{UPDATE ticket_rule SET enabled = false},
	q{ALTER TABLE ticket_order ENABLE TRIGGER evil},
	q{ALTER TABLE ticket_order DISABLE TRIGGER evil},
	q{ALTER TABLE ticket_order DISABLE TRIGGER evil},
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'fuzz' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1},
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'fuzz' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1},
	q{UPDATE ticket_order SET status = 'refunded' WHERE ctid IN (SELECT ctid FROM ticket_order WHERE status = 'sold' LIMIT 1)},
	q{UPDATE ticket_order SET status = 'sold' WHERE ctid IN (SELECT ctid FROM ticket_order WHERE status = 'refunded' LIMIT 1)},
	q{UPDATE ticket_order SET seat = '99Z' WHERE ctid IN (SELECT ctid FROM ticket_order WHERE status = 'sold' LIMIT 1)},
	q{DELETE FROM ticket_order WHERE ctid IN (SELECT ctid FROM ticket_order LIMIT 1)},
	q{UPDATE ticket_departure SET closes_at = NULL, opens_at = '2020-01-01', status = 'open' WHERE status <> 'open'},
	q{INSERT INTO ticket_formation VALUES ('F' || (random() * 9)::int, 'x', repeat('c', (random() * 70)::int), ARRAY['1A', '1A', NULL, '0A', '99999Z'])},
	q{INSERT INTO ticket_formation VALUES ('F9', random()::text, 'c', NULL, (random() * 2e9)::int * (random() * 3 - 1)::int)},
	q{INSERT INTO ticket_formation VALUES ('F' || (random() * 9)::int, 'y', 'c', ARRAY[chr(1 + (random() * 300)::int), random()::text, repeat('l', (random() * 40)::int)])},
	q{INSERT INTO ticket_formation_seat (formation, coach, seat, seat_group, x, properties) SELECT formation, coach, seat, repeat('g', (random() * 70)::int), random() * 2e9, ARRAY[chr(1 + (random() * 300)::int), left(random()::text, 3)]
		FROM ticket_formation, unnest(seats) AS seat WHERE formation ~ '^F[03-9]' AND seat IS NOT NULL AND random() < 0.3 ON CONFLICT DO NOTHING},
	q{DELETE FROM ticket_formation_seat WHERE random() < 0.5},
	q{DELETE FROM ticket_formation WHERE formation ~ '^F[03-9]'},
	q{INSERT INTO ticket_stop SELECT 'X' || (random() * 9)::int, (random() * 1e9)::int, 'S1', '-178000000 years', '178000000 years'},
	q{ALTER TABLE ticket_order ADD COLUMN IF NOT EXISTS note text},
	q{SELECT count(*) FROM generate_series(1, 12) n, generate_series(0, 2) d, ticket_buy('L' || n, 'S1', 'S40', 1, date '2031-05-01' + d)},
	q{ANALYZE ticket_order},
	# times and flags of trains on sale; a feed with anything in it
	q{UPDATE ticket_stop SET departs = departs + interval '1 minute' * (random() * 9 - 4)::int, boarding = random() < 0.9, alighting = random() < 0.9 WHERE train IN ('T1', 'P4') AND random() < 0.3},
	q{UPDATE ticket_stop SET departs = interval '10 minutes' * stop_no, boarding = true, alighting = true WHERE train = 'T1'},
	q{UPDATE feed.stop_times SET departure_time = (ARRAY['8:00:00', '25:10:00', '', 'noon', '-1:00:00', '99999999:00:00', '08:60:00', repeat('9', 300), NULL])[1 + (random() * 8)::int] WHERE random() < 0.1},
	q{UPDATE feed.stop_times SET stop_sequence = (ARRAY['1', '-1', 'x', '', '99999999999', NULL])[1 + (random() * 5)::int] WHERE random() < 0.05},
	q{UPDATE feed.stop_times SET departure_time = (stop_sequence::int + 5) || ':00:00' WHERE stop_sequence ~ '^\d{1,3}$'},
	q{UPDATE feed.calendar_dates SET date = (ARRAY['20310501', '20310502', '20310230', '2031', '', repeat('1', 1000), NULL])[1 + (random() * 6)::int] WHERE random() < 0.3},
	q{UPDATE feed.frequencies SET headway_secs = (ARRAY['600', '0', '-1', '1', 'x', NULL])[1 + (random() * 5)::int]},
	q{UPDATE feed.trips SET number = (ARRAY['G1', '', 'G1/2', repeat('n', 100), E'\x01', NULL])[1 + (random() * 5)::int] WHERE random() < 0.2},
	q{SELECT count(*) FROM ticket_pool, ticket_inflight, ticket_pool_stat, item_pool},
);

# The next statement of a worker: SQL, and what ids its result has.
sub statement
{
	my ($worker) = @_;
	my $kind = rand;
	# In a failed transaction, other statements are not of interest for long.
	return (any('ROLLBACK', 'ROLLBACK', 'ROLLBACK TO a', 'COMMIT'), undef) if $worker->{failed} && $kind < 0.7;
	return $worker->two_phase if $worker->{prepares} && $kind < 0.02;
	return (any(@owner), undef) if $worker->{owner} && $kind < 0.05;
	return ("SET search_path = " . any('hostile, pg_catalog, public', 'pg_temp, hostile, public', 'public', 'hostile'), undef) if $worker->{hostile} && $kind < 0.07;
	return (any($worker->{open} ? @around : @around[ 0 .. 4 ], @around), undef) if $kind < 0.3;
	my $function = $worker->next_function;
	# A trigger function can be called in one place only.
	return (rand() < 0.2 ? "SELECT public.$function->{name}()" : misplaced_trigger($function), undef, $function) if $function->{trigger};
	return call_statement($worker, $function);
}

1;
