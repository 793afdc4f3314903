# The SQL examples of doc/many_servers.md, as a reader would type them into psql: on three nodes, on a
# router, and on the home node of a passenger; and those of the router's page of the reference.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

my ($page, $reference) = map { slurp_file("$FindBin::RealBin/../../doc/$_") } 'many_servers.md', 'reference/router.md';
my $fleet = TicketpoolTest::Router->new('router_readme', nodes => 1, pooler => 0);
my ($nodes, $router) = ($fleet->node(1)->{server}, $fleet->router);

# "sql node", "sql router", "sql home": where a block is for. (Two routers are tested elsewhere.)
sub examples_for { my ($place) = @_; return $page =~ /^```sql $place\n(.*?)^```/msg }

sub works
{
	my ($server, $database, $label, @examples) = @_;
	my $script = join "\n", map { "\\echo -- example $_\n" . $examples[ $_ - 1 ] } 1 .. @examples;
	my ($status, $out, $err) = $server->psql($database, $script, on_error_stop => 1);
	is($err =~ s/^\S*?\s?NOTICE:  installing required extension "plproxy"\n?//mr, '', "$label: the examples work");
	is($status, 0, "$label: to the last one");
	like($out, qr/-- example @{[ scalar @examples ]}\b/, "$label: all of them");
	return $out;
}

for my $number (1 .. 3)
{
	$nodes->safe_psql('postgres', "CREATE DATABASE reader$number");
	works($nodes, "reader$number", "node $number", map { s/ticket_node_set\(1\)/ticket_node_set($number)/r } examples_for('node'));
}
my @examples = map { s/host=db(\d) port=5432 dbname=sales/sprintf 'host=%s port=%d dbname=reader%d', $nodes->host, $nodes->port, $1/ger } examples_for('router');
cmp_ok(scalar(@examples), '>=', 7, 'there are examples for the router');
$router->safe_psql('postgres', 'CREATE DATABASE reader');
my $out = works($router, 'reader', 'router', @examples);
like($out, qr/^G1\|\S+ 09:00:00\|10$/m, 'the first search finds the train');
like($out, qr/^\d+\|\d+\n/m, 'both trains are opened');
is($router->safe_psql('reader', "SELECT node FROM ticket_where('G1', CURRENT_DATE)"), '2', 'at the end the departure has moved');
is($router->safe_psql('reader', "SELECT node FROM ticket_where('G1', CURRENT_DATE + 1)"), '3', 'and the new days are on the third node');
my @of_reference = $reference =~ /^```sql router\n(.*?)^```/msg;
cmp_ok(scalar(@of_reference), '>=', 5, 'the reference has examples for the router');
works($router, 'reader', 'reference', @of_reference);
is($nodes->safe_psql("reader$_", 'SELECT * FROM ticket_verify()'), '', "node $_: pool and tables agree") for 1 .. 3;

SKIP:
{
	skip 'btree_gist is not installed', 1 if !$nodes->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'btree_gist'");
	$nodes->safe_psql('postgres', 'CREATE DATABASE home');
	my ($claims) = examples_for('home');
	works($nodes, 'home', 'home node', $claims);
	my ($claim) = $claims =~ /^(INSERT.*)\z/ms;
	is($nodes->psql('home', $claim), 0, 'home node: the same claim again is none');
	my ($status, undef, $err) = $nodes->psql('home', $claim =~ s/09:00/13:00/r =~ s/13:48/15:00/r =~ s/5f0c1e6e/6f0c1e6e/r, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	like($err, qr/23P01/, 'home node: an overlapping trip is refused');
}
$fleet->stop;
done_testing();
