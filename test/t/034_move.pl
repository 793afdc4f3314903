# A database moves: dumps of one whose owner has added to ticket_order, and pg_upgrade.
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
my $node = new_server('old', conf => "wal_level = logical\nmax_wal_senders = 5");
make_train($node, 'postgres', 'T1', 8);
make_formation($node, 'postgres', 'small', 40);
open_departures($node, 'postgres', 'T1', 'small', 2);
$node->safe_psql('postgres', qq{
	SELECT count(*) FROM generate_series(1, 20) i, ticket_buy('T1', 'S' || i % 7 + 1, 'S8', i, date '$day' + i % 2);
	-- What an owner adds, before and after the partitions are made
	ALTER TABLE ticket_order ADD COLUMN note text COLLATE "C", ADD COLUMN price numeric(10, 2) NOT NULL DEFAULT 9.5,
		ADD COLUMN vat numeric GENERATED ALWAYS AS (price * 0.06) STORED, ADD COLUMN gone int;
	ALTER TABLE ticket_order DROP COLUMN gone;
	SELECT count(ticket_open('T1', date '$day' + 2, 'small', '2020-01-01'));
	CREATE INDEX order_passenger ON ticket_order (passenger_id);
	ALTER TABLE ticket_order ADD CONSTRAINT no_user_13 CHECK (user_id <> 13000);
	CREATE TABLE audit (user_id bigint, status text);
	CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.audit VALUES (NEW.user_id, NEW.status); RETURN NEW; END';
	CREATE TRIGGER audit AFTER INSERT OR UPDATE ON ticket_order FOR EACH ROW EXECUTE FUNCTION audit();
	CREATE POLICY own_rows ON ticket_order FOR SELECT USING (user_id < 1000000);
	CREATE PUBLICATION orders FOR TABLE ticket_order;
	SELECT count(*) FROM generate_series(1, 20) i, ticket_buy('T1', 'S1', 'S3', 100 + i, date '$day' + i % 3);
	UPDATE ticket_order SET note = 'window', price = 20 WHERE user_id = 101});
my $orders = 'SELECT count(*), md5(string_agg(concat_ws(\',\', order_id, ticket_no, seat, status, note, price, vat), \';\' ORDER BY order_id, ticket_no)) FROM ticket_order';
my $before = $node->safe_psql('postgres', $orders);
my $matrix = matrix($node, 'postgres');

# What the manual gives to carry over what a dump leaves out (doc/moving.md).
sub additions
{
	my $manual = slurp_file("$FindBin::RealBin/../../doc/moving.md");
	$manual =~ /```sql additions\n(.*?)```/s or die 'doc/moving.md has no such statement';
	return $1;
}

my %ways = (
	plain => [ [ 'pg_dump', '-f', "$dir/plain.sql" ], sub { [ 'psql', '-XAtq', '-o', "$dir/out", '-f', "$dir/plain.sql", '-d', $node->connstr($_[0]) ] } ],
	custom => [ [ 'pg_dump', '-Fc', '-f', "$dir/custom" ], sub { [ 'pg_restore', '-d', $node->connstr($_[0]), "$dir/custom" ] } ],
	single => [ [ 'pg_dump', '-Fc', '-f', "$dir/single" ], sub { [ 'pg_restore', '-1', '-d', $node->connstr($_[0]), "$dir/single" ] } ],
	parallel => [ [ 'pg_dump', '-Fd', '-j', '2', '-f', "$dir/parallel" ], sub { [ 'pg_restore', '-j', '3', '-d', $node->connstr($_[0]), "$dir/parallel" ] } ]);
for my $way (sort keys %ways)
{
	my $copy = "copy_$way";
	$node->safe_psql('postgres', "CREATE DATABASE $copy TEMPLATE template0");
	$node->command_ok([ @{ $ways{$way}[0] }, '-d', $node->connstr('postgres') ], "$way: dump");
	(undef, my $errors) = PostgreSQL::Test::Utils::run_command($ways{$way}[1]->($copy));
	is($errors, '', "$way: restore without errors");
	is($node->safe_psql($copy, $orders), $before, "$way: the orders are there, with the owner's columns");
	is(matrix($node, $copy), $matrix, "$way: the same seats are left");
	agrees($node, $copy, $way);
	# The statement of the manual, run where the dump came from, writes what is missing.
	my $script = $node->safe_psql('postgres', additions());
	like($script, qr/CREATE TRIGGER audit.*CREATE POLICY own_rows.*ALTER PUBLICATION orders/s, "$way: the additions are written down");
	my ($status, undef, $err) = $node->psql($copy, "SET client_min_messages = warning; $script", on_error_stop => 1);
	is($status . $err, '0', "$way: and carried over");
	is($node->safe_psql($copy, additions()), $script, "$way: nothing of them is missing");
	is($node->safe_psql($copy, qq{SELECT user_id, price, vat FROM ticket_buy('T1', 'S1', 'S3', 500, '$day')}), '500|9.50|0.5700', "$way: sales go on");
	is($node->safe_psql($copy, q{SELECT status FROM audit WHERE user_id = 500}), 'sold', "$way: and are audited");
	make_formation($node, $copy, 'new', 30);
	is($node->safe_psql($copy, qq{SELECT count(ticket_open('T1', date '$day' + 9, 'new', '2020-01-01')); SELECT price FROM ticket_buy('T1', 'S1', 'S3', 501, date '$day' + 9)}), "1\n9.50", "$way: a new day has the columns too");
	agrees($node, $copy, "$way, with new sales");
}
$node->safe_psql('postgres', 'DROP DATABASE ' . "copy_$_") for keys %ways;
# A partition with a column of its own is refused outside of a restore, as everywhere.
isnt($node->psql('postgres', qq{CREATE TABLE mine (LIKE ticket_order INCLUDING DEFAULTS, extra int); ALTER TABLE ticket_order ATTACH PARTITION mine FOR VALUES FROM ('2040-01-01') TO ('2040-01-02')}, on_error_stop => 1), 0,
	'no column is added behind the owner\'s back');
$node->safe_psql('postgres', 'DROP TABLE mine');

# ---------------------------------------------------------------------------------------------------------------------
# pg_upgrade, to the same version: its way of dumping is another one.
# ---------------------------------------------------------------------------------------------------------------------
$node->stop;
my $new = keep_sessions(PostgreSQL::Test::Cluster->new('new'));
$new->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$new->append_conf('postgresql.conf', "shared_preload_libraries = 'ticketpool'\nmax_connections = 40\nwal_level = logical\nmax_wal_senders = 5");
my ($bindir) = PostgreSQL::Test::Utils::run_command([ 'pg_config', '--bindir' ]);
{
	my $here = PostgreSQL::Test::Utils::tempdir;
	my $back = getcwd();
	my @data = map { abs_path($_->data_dir) } $node, $new;
	chdir $here or die $!;
	command_ok([ 'pg_upgrade', '--no-sync', '-d', $data[0], '-D', $data[1], '-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $node->port, '-P', $new->port ], 'pg_upgrade');
	chdir $back or die $!;
}
$new->start;
is($new->safe_psql('postgres', $orders), $before, 'pg_upgrade: the orders are there');
is(matrix($new, 'postgres'), $matrix, 'pg_upgrade: the same seats are left');
agrees($new, 'postgres', 'pg_upgrade');
is($new->safe_psql('postgres', qq{SELECT user_id, price, vat FROM ticket_buy('T1', 'S1', 'S3', 500, '$day')}), '500|9.50|0.5700', 'pg_upgrade: sales go on');
is($new->safe_psql('postgres', q{SELECT status FROM audit WHERE user_id = 500}), 'sold', 'pg_upgrade: the trigger is there');
is($new->safe_psql('postgres', q{SELECT string_agg(DISTINCT tgname || ' ' || tgenabled::text, ', ') FROM pg_trigger WHERE tgrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'ticket_order'::regclass) AND tgname LIKE 'ticket%'}),
	'ticket_follow A, ticket_follow_truncate A', 'pg_upgrade: so are ours');
$new->safe_psql('postgres', 'DELETE FROM ticket_order WHERE user_id = 101');
agrees($new, 'postgres', 'pg_upgrade, rows by hand');

$new->stop;
done_testing();
