# Every SQL example of the README, in order, as a reader would type them into psql; and those of each other page, after the
# README's first ticket.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $root = "$FindBin::RealBin/../..";
my $node = new_server('readme');

# Blocks that say more than "sql" belong to other tests.
sub examples_of { my ($page) = @_; return slurp_file("$root/$page") =~ /^```sql\n(.*?)^```/msg }

# works PAGE DATABASE EXAMPLES…: one psql, to the last example.
sub works
{
	my ($page, $database, @examples) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	my $script = join "\n", map { "\\echo -- example $_\n" . $examples[ $_ - 1 ] } 1 .. @examples;
	my ($status, $out, $err) = $node->psql($database, $script, on_error_stop => 1);
	is($err, '', "$page: the examples work");
	is($status, 0, "$page: to the last one");
	like($out, qr/-- example @{[scalar @examples]}\b/, "$page: all of them");
	is($node->safe_psql($database, 'SELECT count(*) FROM ticket_verify()'), '0', "$page: ticket_verify finds nothing");
	return;
}

my @examples = examples_of('README.md');
cmp_ok(scalar(@examples), '>=', 10, 'there are examples');
works('README.md', 'reader', @examples);
is($node->safe_psql('reader', "SELECT count(*) > 10 FROM ticket_departure"), 't', 'two weeks are on sale');

my @first_ticket = @examples[ 0, 1 ];
like($first_ticket[1], qr/ticket_buy\(/, 'a ticket is sold in the first two examples');
my @pages = sort grep { examples_of($_) } 'CONTRIBUTING.md', map { s{^\Q$root\E/}{}r } glob("$root/doc/*.md $root/doc/*/*.md");
cmp_ok(scalar(@pages), '>=', 2, 'other pages have examples');
for my $page (@pages) { works($page, 'reader_' . lc($page =~ s/\W+/_/gr), @first_ticket, examples_of($page)) }

done_testing();
