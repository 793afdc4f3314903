# Every SQL example of the README, in order, as a reader would type them into psql.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $node = new_server('readme');
my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my @examples = $readme =~ /^```sql\n(.*?)^```/msg;
cmp_ok(scalar(@examples), '>=', 10, 'there are examples');

$node->safe_psql('postgres', 'CREATE DATABASE reader TEMPLATE template0');
my $script = join "\n", map { "\\echo -- example $_\n" . $examples[ $_ - 1 ] } 1 .. @examples;
my ($status, $out, $err) = $node->psql('reader', $script, on_error_stop => 1);
is($err, '', 'they work');
is($status, 0, 'to the last one');
like($out, qr/-- example @{[scalar @examples]}\b/, 'all of them');
is($node->safe_psql('reader', 'SELECT count(*) FROM ticket_verify()'), '0', 'ticket_verify finds nothing');
is($node->safe_psql('reader', "SELECT count(*) > 10 FROM ticket_departure"), 't', 'two weeks are on sale');

done_testing();
