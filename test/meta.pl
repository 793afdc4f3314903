# Prints what PGXN would refuse or miss in META.json: https://pgxn.org/spec has the rules.
use strict;
use warnings;

use JSON::PP ();

open my $file, '<:raw', 'META.json' or die "META.json: $!";
my $meta = JSON::PP::decode_json(do { local $/; <$file> });
my $semantic = qr/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-?[A-Za-z][0-9A-Za-z-]*)?$/;
my @wrong;

for my $key (qw(name version abstract maintainer license provides meta-spec))
{
	push @wrong, "no $key" unless defined $meta->{$key};
}
push @wrong, "name: $meta->{name}" unless $meta->{name} =~ /^[^\s\/\\\x00-\x1f]{2,}$/;
push @wrong, "version: $meta->{version}" unless $meta->{version} =~ $semantic;
push @wrong, "release_status: $meta->{release_status}" unless ($meta->{release_status} // 'stable') =~ /^(?:stable|testing|unstable)$/;
push @wrong, "meta-spec: $meta->{'meta-spec'}{version}" unless $meta->{'meta-spec'}{version} eq '1.0.0';
push @wrong, 'provides nothing' unless %{ $meta->{provides} };
push @wrong, map { "prereqs: $_" } grep { !/^(?:configure|build|test|runtime|develop)$/ } keys %{ $meta->{prereqs} // {} };
for my $name (sort keys %{ $meta->{provides} })
{
	my $extension = $meta->{provides}{$name};
	push @wrong, "$name: version" unless ($extension->{version} // '') =~ $semantic;
	push @wrong, "$name: no $_" for grep { !defined $extension->{$_} } qw(file);
	push @wrong, map { "$name: there is no $_" } grep { defined && !-f } @{$extension}{qw(file docfile)};
	push @wrong, "$name: no control file" unless -f "$name.control";
}
push @wrong, map { "$_ is not among what it provides" } grep { !$meta->{provides}{$_} } map { s/\.control$//r } glob '*.control';
print "$_\n" for @wrong;
