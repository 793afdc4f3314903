# Says which links of the pages lead nowhere: no such file, or no such heading in it. Addresses on the
# web are not looked at.
# usage: perl test/links.pl PAGE.md…
use strict;
use warnings;

use File::Basename qw(dirname);

sub lines_of
{
	my ($page) = @_;
	open(my $file, '<:encoding(UTF-8)', $page) or die "$page: $!";
	my ($code, @lines) = (0);
	while (<$file>)
	{
		if (/^\s*```/) { $code = !$code }
		elsif (!$code) { push @lines, $_ }
	}
	return @lines;
}

# What GitHub makes of a heading, for links to it.
my %anchors;
sub anchors_of
{
	my ($page) = @_;
	return $anchors{$page} if $anchors{$page};
	my (%times, %found);
	for (grep { /^#/ } lines_of($page))
	{
		my ($text) = /^#+\s+(.*?)\s*$/ or next;
		$text =~ s/\[([^]]*)\]\([^)]*\)/$1/g;
		my $anchor = lc($text) =~ s/[^\w\- ]//gr =~ s/ /-/gr;
		my $before = $times{$anchor}++;
		$found{ $before ? "$anchor-$before" : $anchor } = 1;
	}
	return $anchors{$page} = \%found;
}

binmode STDOUT, ':encoding(UTF-8)';
for my $page (@ARGV)
{
	my $text = join('', lines_of($page)) =~ s/`[^`]*`//gr;
	while ($text =~ /\]\(\s*([^)\s]+)\s*\)/g)
	{
		my ($path, $anchor) = split /#/, $1, 2;
		next if $path =~ /^[a-z]+:/;
		my $target = $path eq '' ? $page : dirname($page) . "/$path";
		if (!-e $target) { print "$page: no file $path\n" }
		elsif (defined $anchor && $target =~ /\.md$/ && !anchors_of($target)->{$anchor}) { print "$page: no heading $path#$anchor\n" }
	}
}
