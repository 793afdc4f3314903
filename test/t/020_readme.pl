# Every SQL example of the README, in order, as a reader would type them into psql; and those of each
# other page, after the README's first ticket.
#
#   ```sql          runs without an error
#   ```sql TK003    its last statement ends with this SQLSTATE
#   ```text output  what psql prints for the block before it. "…" is anything in a line, and alone in
#                   a line any lines. Blanks and the length of lines between rows do not count
#
# Blocks that say something else ("sql router") belong to other tests.
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

# The examples of a page, in order: { sql, fails (a SQLSTATE), prints }.
sub examples_of
{
	my ($page) = @_;
	my @examples;
	my $text = slurp_file("$root/$page");
	while ($text =~ /^```(sql(?: (?<fails>[0-9A-Z]{5}))?|text output)\n(?<body>.*?)^```/msg)
	{
		my ($fails, $body) = @+{qw(fails body)};
		if ($1 ne 'text output') { push @examples, { sql => $body, fails => $fails } }
		elsif (@examples && !defined $examples[-1]{prints}) { $examples[-1]{prints} = $body }
		else { fail("$page: an output follows its example") }
	}
	return @examples;
}

sub script_of
{
	my ($example, $number) = @_;
	my $script = "\\echo -- example $number\n";
	return $script . $example->{sql} unless defined $example->{fails};
	return $script . "\\set ON_ERROR_STOP off\n\\set VERBOSITY sqlstate\n$example->{sql}\\echo -- ends with :SQLSTATE\n\\set VERBOSITY default\n"
	  . ($example->{sql} =~ /^BEGIN\b/m ? "ROLLBACK;\n" : '') . "\\set ON_ERROR_STOP on\n";
}

# What a reader compares by eye.
sub plain
{
	my ($output) = @_;
	return join "\n", grep { $_ ne '' } map { s/-{2,}/--/gr =~ s/\s+/ /gr =~ s/^ | $//gr } split /\n/, $output;
}

# A pattern for what an example prints.
sub pattern_of
{
	my ($prints) = @_;
	return join '', map { $_ eq '…' ? '(?:.*\n)*?' : join('.*?', map { quotemeta } split /…/, $_, -1) . '\n' } split /\n/, plain($prints);
}

# works PAGE DATABASE EXAMPLES…: one psql, to the last example, and then the proof.
sub works
{
	my ($page, $database, @examples) = @_;
	push @examples, { sql => "SELECT count(*) AS differences FROM ticket_verify();\n", prints => "differences\n--\n0\n(1 row)\n" };
	my $script = join "\n", "\\pset format aligned\n\\pset tuples_only off\n\\pset footer on\n", map { script_of($examples[ $_ - 1 ], $_) } 1 .. @examples;
	my ($status, $out, $err) = $node->psql($database, $script, on_error_stop => 1);
	my @failures = map { $_->{fails} // () } @examples;
	is($err =~ s/^psql:<stdin>:\d+: //gmr, join("\n", map { "ERROR:  $_" } @failures), "$page: the examples work, or fail as the page says");
	is($status, 0, "$page: to the last one");
	my %printed = "$out\n" =~ /^-- example (\d+)\n(.*?)(?=^-- example \d|\z)/msg;
	is(scalar(keys %printed), scalar(@examples), "$page: all of them");
	for my $number (grep { $_ <= @examples } sort { $a <=> $b } keys %printed)
	{
		my $example = $examples[ $number - 1 ];
		like($printed{$number}, qr/^-- ends with $example->{fails}$/m, "$page: example $number ends with $example->{fails}") if defined $example->{fails};
		next unless defined $example->{prints};
		my $pattern = pattern_of($example->{prints});
		ok(plain($printed{$number}) . "\n" =~ /\A$pattern\z/, "$page: " . ($number == @examples ? 'ticket_verify finds nothing' : "example $number prints what the page says"))
		  or diag("the page says:\n$example->{prints}it prints:\n$printed{$number}");
	}
	return;
}

my @examples = examples_of('README.md');
cmp_ok(scalar(@examples), '>=', 10, 'there are examples');
$node->safe_psql('postgres', 'CREATE DATABASE reader TEMPLATE template0');
works('README.md', 'reader', @examples);
is($node->safe_psql('reader', "SELECT count(*) > 10 FROM ticket_departure"), 't', 'two weeks are on sale');

my @first_ticket = map { $_->{sql} } @examples[ 0, 1 ];
like($first_ticket[1], qr/ticket_buy\(/, 'a ticket is sold in the first two examples');
$node->safe_psql('postgres', 'CREATE DATABASE first_ticket TEMPLATE template0');
$node->safe_psql('first_ticket', join "\n", @first_ticket);
my @pages = sort grep { examples_of($_) } 'CONTRIBUTING.md', map { s{^\Q$root\E/}{}r } glob("$root/doc/*.md $root/doc/*/*.md");
cmp_ok(scalar(@pages), '>=', 2, 'other pages have examples');
cmp_ok(scalar(grep { m{^doc/reference/} } @pages), '>=', 10, 'the pages of the reference do');
for my $page (@pages)
{
	my $database = 'reader_' . lc($page =~ s/\W+/_/gr);
	# A copy of the files takes half of the time that a copy through the WAL takes.
	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE first_ticket STRATEGY file_copy");
	works($page, $database, examples_of($page));
}

done_testing();
