# Feeds: loaded by doc/examples/gtfs.py, opened by ticket_import_gtfs, and searched. A feed's own answer for its busiest pairs of
# stations over eight days is what ticket_search says, none missing and none extra.
#
# TICKETPOOL_FEED_SHARE: one of so many trains of a national timetable (1: all of them).
use strict;
use warnings;

use Cwd ();
use FindBin;
use IPC::Run ();
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $python = (grep { -x } '/usr/bin/python3', '/usr/local/bin/python3')[0] or plan skip_all => 'needs python3';
my $home = Cwd::abs_path("$FindBin::RealBin/../..");
my $node = new_server('feeds', conf => "max_locks_per_transaction = 256\nticketpool.memory = '256MB'");
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PYTHONDONTWRITEBYTECODE} = 1;

# A database with the extension and a formation.
sub new_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, "CREATE EXTENSION ticketpool; INSERT INTO ticket_formation VALUES ('short', '1', 'second', '{1A,1B,2A,2B}')");
	return;
}

sub psql_file
{
	my ($database, $file, %variables) = @_;
	my $result = run_log([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', (map { ('-v', "$_=$variables{$_}") } sort keys %variables), '-d', $database, '-f', $file ]);
	ok($result, "psql $file");
	return;
}

# As the document says: gtfs.py FEED SCHEMA | psql
sub load_feed
{
	my ($database, $feed, $schema) = @_;
	ok(run_log([ $python, "$home/doc/examples/gtfs.py", $feed, $schema ], '|', [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $database ]), "$schema is loaded");
	return;
}

# As the feed's own answer; how many rows it has.
sub same_answer
{
	my ($database, $what, $least, %variables) = @_;
	psql_file($database, "$home/test/data/gtfs_answer.sql", %variables);
	my $rows = $node->safe_psql($database, 'SELECT count(*) FROM feed_answer');
	cmp_ok($rows, '>=', $least, "$what: the feed has an answer of $rows rows");
	is($node->safe_psql($database, '(TABLE feed_answer EXCEPT ALL TABLE ticketpool_answer) LIMIT 5'), '', "$what: none is missing");
	is($node->safe_psql($database, '(TABLE ticketpool_answer EXCEPT ALL TABLE feed_answer) LIMIT 5'), '', "$what: none is extra");
	$node->safe_psql($database, 'DROP TABLE feed_answer, ticketpool_answer');
	return;
}

# The sample feed of the GTFS tools: frequencies, exceptions of both kinds, platforms, two time zones, hours past 24, a loop. As a
# folder; and as a zip of a folder, each file with a byte order mark, CRLF, more columns and fields in quotes.
new_database('sample');
my $temp = PostgreSQL::Test::Utils::tempdir();
load_feed('sample', "$home/test/data/sample_gtfs", 'gtfs');
run_log([ $python, '-c', <<'ZIP', "$home/test/data/sample_gtfs", "$temp/sample.zip" ]) or die;
import csv, io, os, sys, zipfile
with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED) as archive:
    for name in sorted(os.listdir(sys.argv[1])):
        rows = list(csv.reader(open(os.path.join(sys.argv[1], name), encoding="utf-8", newline="")))
        out = io.StringIO()
        writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerows([['note "1", \\n', *row] for row in rows] if name != "trips.txt" else [row[::-1] for row in rows])
        archive.writestr("feed/" + name, "\ufeff" + out.getvalue())
ZIP
load_feed('sample', "$temp/sample.zip", 'zipped');
# A path that is none, or a feed without what every feed has, leaves the tables alone; an empty file is as good as none.
for my $feed ("$temp/nowhere", $temp, "$home/README.md")
{
	my ($out, $err);
	ok(!IPC::Run::run([ $python, "$home/doc/examples/gtfs.py", $feed, 'gtfs' ], '>', \$out, '2>', \$err) && $out eq '', "$feed: no statement");
	like($err, qr/^\Q$feed\E has no stops\.txt, trips\.txt, stop_times\.txt$/m, "$feed: why");
}
mkdir "$temp/empty" or die;
system_or_bail('cp', (map { "$home/test/data/sample_gtfs/$_.txt" } qw(stops trips stop_times calendar_dates)), "$temp/empty");
append_to_file("$temp/empty/$_.txt", $_ eq 'frequencies' ? '' : "\n") for qw(frequencies calendar);
load_feed('sample', "$temp/empty", 'empty');
is($node->safe_psql('sample', "SELECT count(*) FROM pg_class WHERE relnamespace = 'empty'::regnamespace AND relname IN ('frequencies', 'calendar')"), 0, 'no table of an empty file');
is($node->safe_psql('sample', "BEGIN; SELECT count(*) > 0 FROM ticket_import_gtfs('empty', '2019-01-01', '2019-12-31', 'short'); ROLLBACK"), 't', 'a feed with empty files is opened');
for my $table (qw(stops trips stop_times calendar calendar_dates frequencies))
{
	my $columns = $node->safe_psql('sample', "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute WHERE attrelid = 'gtfs.$table'::regclass AND attnum > 0");
	is($node->safe_psql('sample', "SELECT count(*) FROM (SELECT $columns FROM gtfs.$table EXCEPT ALL SELECT $columns FROM zipped.$table) AS d"), 0, "$table: the zip has the same");
}
my @babbage = split /\n/, $node->safe_psql('sample', "SELECT service_date, count(*), count(*) FILTER (WHERE train ~ '^Babbage') FROM ticket_import_gtfs('zipped', '2019-05-01', '2019-05-05', 'short') GROUP BY 1 ORDER BY 1");
is_deeply(\@babbage, [ '2019-05-02|22|18', '2019-05-03|22|18', '2019-05-04|25|20', '2019-05-05|7|2' ], 'frequencies start 12 + 6 times on working days, which have Saturday; a holiday has nothing');
is($node->safe_psql('sample', "SELECT string_agg(to_char(departs, 'HH24:MI'), ' ') FROM ticket_trains('airport', 'center', '2019-05-03') WHERE train ~ '^Babbage'"),
	join(' ', map { sprintf '08:%02d', 5 * $_ } 0 .. 11), 'one departure a start, the end exclusive');
is($node->safe_psql('sample', "SELECT count(*) FROM ticket_import_gtfs('gtfs', '2019-03-30', '2019-03-30', 'short')"), 26, 'a night in which clocks change');
is($node->safe_psql('sample', "SELECT train, departs, arrives FROM ticket_search('International Airport (ABC)', 'City Center', '2019-03-31') WHERE service_date = '2019-03-30'"),
	'during-dst-1|2019-03-31 01:58:00|2019-03-31 02:03:00', 'times are those of the feed');
is($node->safe_psql('sample', "SELECT string_agg(from_stop || '-' || to_stop, ' ') FROM ticket_trains('airport', 'center', '2019-05-03') WHERE train = 'c-outbound-all-day'"), '1-4 3-4', 'a loop is sold from both calls');
is($node->safe_psql('sample', "SELECT count(*) FROM ticket_search('lake', 'center', '2019-05-05')"), 0, 'nobody may board at the lake');
is($node->safe_psql('sample', "SELECT count(*) FROM ticket_import_gtfs('gtfs', '2019-05-01', '2019-05-05', 'short')"), 0, 'again: nothing is new');
is($node->safe_psql('sample', "SELECT count(*) FROM ticket_verify()"), 0, 'pool and tables agree');
for my $schema ('gtfs', "it's \"a\\b\" schema")
{
	load_feed('sample', "$home/test/data/sample_gtfs", $schema) if $schema ne 'gtfs';
	my $name = $schema =~ s/'/''/gr;
	is($node->safe_psql('sample', "SELECT count(*) FROM ticket_import_gtfs('$name', '2019-06-15', '2019-06-15', 'short', 'route_short_name')"), $schema eq 'gtfs' ? 25 : 0, "$schema: an extra day");
}

# Two countries
my $share = $ENV{TICKETPOOL_FEED_SHARE} // 8;
for my $country ([ 'china', 'cn2016hs', 4, '2016-02-27', '2016-02-29', '2016-03-07' ], [ 'india', 'in2017', 12, '2031-04-25', '2031-05-01', '2031-05-08' ])
{
	my ($name, $file, $factor, $import_first, $first, $last) = @$country;
	new_database($name);
	my $folder = "$temp/$name";
	my $taken = $share == 1 ? 1 : $share * $factor / 4;
	ok(run_log([ $python, "$home/test/data/timetable_to_gtfs.py", (map { "$home/test/data/${file}_$_.csv.gz" } qw(trains stops)), $folder, $import_first, $last, $taken ]), "$name: made a feed");
	load_feed($name, $folder, 'feed');
	my %days = (schema => 'feed', import_first => $import_first, first => $first, last => $last, pairs => 40);
	my $opened = $node->safe_psql($name, "SELECT count(*) FROM ticket_import_gtfs('feed', '$import_first', '$last', 'short')");
	cmp_ok($opened, '>', 1000, "$name: opened $opened");
	is($node->safe_psql($name, 'SELECT count(*) FROM ticket_station'), $node->safe_psql($name, "SELECT count(*) FROM feed.stops WHERE parent_station = ''"), "$name: platforms are no stations");
	same_answer($name, $name, 100, %days);
	is($node->safe_psql($name, "SELECT count(*) FROM ticket_import_gtfs('feed', '$import_first', '$last', 'short')"), 0, "$name: again: nothing is new");
	# Where all trains to a place have one number, their names are in order.
	$node->safe_psql($name, "SELECT count(*) FROM ticket_import_gtfs('feed', '$first', '$first', 'short', 'trip_headsign')");
	is($node->safe_psql($name, <<NAMES), 't|0|0', "$name: second runs have names in order");
		WITH named AS (SELECT train, trip_id FROM ticket_departure JOIN feed.trips USING (trip_id)
			WHERE service_date = '$first' AND train ~ '^[^0-9]' AND trip_headsign = regexp_replace(train, '/[0-9]+\$', '')),
		expected AS (SELECT trip_headsign || CASE WHEN n > 1 THEN '/' || n ELSE '' END AS train, trip_id FROM
			(SELECT trip_headsign, trip_id, row_number() OVER (PARTITION BY trip_headsign ORDER BY min(nullif(departure_time, '')::interval), trip_id COLLATE "C") AS n
			FROM feed.trips JOIN feed.stop_times USING (trip_id) WHERE trip_id IN (SELECT trip_id FROM named) GROUP BY 1, 2) AS t)
		SELECT (SELECT count(*) > 100 FROM named WHERE train ~ '/'), (SELECT count(*) FROM (TABLE named EXCEPT TABLE expected) AS a), (SELECT count(*) FROM (TABLE expected EXCEPT TABLE named) AS b)
NAMES
}
$node->stop;
done_testing();
