# The manual, doc/reference, against a fresh database, both ways: every function with its arguments,
# result and rights, every table, view and type with its columns, every index, sequence and setting
# is in the manual as it is in the database, and nothing else is. What a failure prints is what the
# page should say.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $folder = "$FindBin::RealBin/../../doc/reference";
my %pages = map { my ($name) = m{([^/]+)$}; ($name => slurp_file($_)) } glob "$folder/*.md";
cmp_ok(scalar(keys %pages), '>=', 15, 'the manual has its pages');

my $node = new_server('manual');
$node->safe_psql('postgres', 'CREATE ROLE stranger');

# ---------------------------------------------------------------------------------------------------------------------
# What the pages say
# ---------------------------------------------------------------------------------------------------------------------

# Functions by their signature, with the page and the rights that it names: one for all of a block.
sub functions_of
{
	my (@names) = @_;
	my %found;
	for my $page (@names)
	{
		while ($pages{$page} =~ /^```text signature\n(.*?)^```\n(?:\n((?:Volatile|Stable|Immutable); [^.]*)\.)?/msg)
		{
			my ($block, $rights) = ($1, $2 // '');
			$rights =~ s/\s+/ /g;
			for my $signature (map { s/\s+/ /gr =~ s/ $//r } split /\n(?=\S)/, $block)
			{
				fail("$page has $signature once") if exists $found{$signature};
				$found{$signature} = { page => $page, rights => $rights };
			}
		}
	}
	return \%found;
}

# The rows of the tables of a page that begin with this line, as lists of cells, by the heading above.
sub tables_of
{
	my ($head, @names) = @_;
	my %found;
	for my $page (@names)
	{
		my $heading = '';
		my $inside = 0;
		for my $line (split /\n/, $pages{$page})
		{
			if ($line =~ /^#+ (.*)/) { $heading = $1 }
			if ($line eq $head) { $inside = 1 }
			elsif ($line !~ /^\|/) { $inside = 0 }
			elsif ($inside && $line !~ /^\|---/) { push @{ $found{$heading} }, [ map { s/^ | $//gr } split /(?<!\\)\|/, $line =~ s/^\|//r ] }
		}
	}
	return \%found;
}

# The first cells, `code` without its marks, one row a line.
sub cells { my ($rows, $count) = @_; return join "\n", map { join(' ', map { s/`//gr } @{$_}[ 0 .. $count - 1 ]) } @$rows }

# ---------------------------------------------------------------------------------------------------------------------
# What the database has
# ---------------------------------------------------------------------------------------------------------------------

# As people write it: int, timestamptz, NULL, 'now'.
sub short
{
	my ($text) = @_;
	return $text =~ s/NULL::[\w ]+(?:\[\])?/NULL/gr =~ s/('[^']*')::\w+/$1/gr =~ s/timestamp with time zone/timestamptz/gr
	  =~ s/timestamp without time zone/timestamp/gr =~ s/\binteger\b/int/gr;
}

my $members = q{FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND d.deptype = 'e' AND e.extname = '%s'};

sub functions_in
{
	my ($database, $extension) = @_;
	my %found;
	for my $line (split /\n/, $node->safe_psql($database, sprintf(qq{
		SELECT CASE WHEN n.nspname = 'public' THEN '' ELSE n.nspname || '.' END || p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
			CASE p.provolatile WHEN 'v' THEN 'Volatile' WHEN 's' THEN 'Stable' ELSE 'Immutable' END || '; ' ||
			CASE WHEN has_function_privilege('stranger', p.oid, 'EXECUTE') THEN 'open to everybody'
				WHEN has_function_privilege('pg_monitor', p.oid, 'EXECUTE') THEN 'granted to members of `pg_monitor`' ELSE 'granted to nobody' END
		$members AND d.classid = 'pg_proc'::regclass JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace}, $extension)))
	{
		my ($name, $arguments, $result, $rights) = split /\|/, $line, -1;
		$found{ "$name(" . short($arguments) . ') RETURNS ' . short($result) } = $result eq 'trigger' ? '' : $rights;
	}
	return \%found;
}

# Columns of relations of this kind (a letter of relkind), by relation.
sub columns_in
{
	my ($database, $extension, $kinds) = @_;
	my %found;
	for my $line (split /\n/, $node->safe_psql($database, sprintf(qq{
		SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull AND c.relkind <> 'c', a.attidentity, pg_get_expr(f.adbin, f.adrelid)
		$members JOIN pg_class c ON (d.classid = 'pg_class'::regclass AND c.oid = d.objid OR d.classid = 'pg_type'::regclass AND c.reltype = d.objid) AND c.relkind = ANY ('{$kinds}')
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef f ON f.adrelid = c.oid AND f.adnum = a.attnum
		ORDER BY c.relname, a.attnum}, $extension)))
	{
		my ($relation, $column, $type, $not_null, $identity, $default) = split /\|/, $line, -1;
		$found{$relation} .= "$column " . short($type) . ($not_null eq 't' ? ' NOT NULL' : '') . ($identity eq 'd' ? ' GENERATED BY DEFAULT AS IDENTITY' : '')
		  . ($default ne '' ? ' DEFAULT ' . short($default) : '') . "\n";
	}
	chomp for values %found;
	return \%found;
}

sub indexes_in
{
	my ($database, $extension) = @_;
	my %found;
	for my $line (split /\n/, $node->safe_psql($database, sprintf(qq{
		SELECT c.relname, i.relname, CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END || regexp_replace(pg_get_indexdef(i.oid), '^.* USING btree ', '')
		$members AND d.classid = 'pg_class'::regclass JOIN pg_class c ON c.oid = d.objid JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid
		ORDER BY c.relname, i.relname COLLATE "C"}, $extension)))
	{
		my ($relation, $index, $definition) = split /\|/, $line, 3;
		$found{$relation} .= "$index " . short($definition) . "\n";
	}
	chomp for values %found;
	return \%found;
}

# ---------------------------------------------------------------------------------------------------------------------
# Comparing them
# ---------------------------------------------------------------------------------------------------------------------

# Two hashes of texts, key by key. where: which page a missing one belongs on.
sub same
{
	my ($what, $said, $there, $where) = @_;
	for my $name (sort keys %$there)
	{
		if (!exists $said->{$name}) { fail("$what $name is in the manual"); diag("$where has to have $name:\n$there->{$name}") }
		else { is($said->{$name}, $there->{$name}, "$what $name is as the manual says") or diag("see $where") }
	}
	is(join("\n", grep { !exists $there->{$_} } sort keys %$said), '', "every $what of the manual is there");
	return;
}

sub same_functions
{
	my ($what, $said, $there) = @_;
	for my $signature (sort keys %$there)
	{
		my ($name) = $signature =~ /^([\w.]+)/;
		if (!$said->{$signature})
		{
			my ($page) = map { $said->{$_}{page} } grep { /^\Q$name\E\(/ } keys %$said;
			fail("$what $signature is in the manual");
			diag($page ? "$page has other arguments or another result for $name" : "no page of doc/reference has a block ```text signature with it, followed by: $there->{$signature}.");
			next;
		}
		is($said->{$signature}{rights}, $there->{$signature}, "$what $name: who may call it ($said->{$signature}{page})");
	}
	is(join("\n", grep { !exists $there->{$_} } sort keys %$said), '', "every $what of the manual is there");
	return;
}

my @of_nodes = grep { $_ ne 'router.md' } sort keys %pages;
my %columns = map { $_ => tables_of('| column | type | |', $_) } 'tables.md', 'views.md', 'router.md';
sub texts { my ($tables, $count) = @_; return { map { $_ => cells($tables->{$_}, $count) } keys %$tables } }

my $functions = functions_in('postgres', 'ticketpool');
cmp_ok(scalar(keys %$functions), '>', 90, 'the extension has functions');
same_functions('function', functions_of(@of_nodes), $functions);
same('table', texts($columns{'tables.md'}, 2), columns_in('postgres', 'ticketpool', 'r,p'), 'tables.md');
same('view', texts($columns{'views.md'}, 2), columns_in('postgres', 'ticketpool', 'v'), 'views.md');
same('type', texts(tables_of('| field | type |', 'tables.md'), 2), columns_in('postgres', 'ticketpool', 'c'), 'tables.md');
same('indexes of', texts(tables_of('| index | |', 'tables.md'), 2), indexes_in('postgres', 'ticketpool'), 'tables.md');
my %sequences = map { $_ => '' } split /\n/, $node->safe_psql('postgres', sprintf("SELECT c.relname $members JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid AND c.relkind = 'S'", 'ticketpool'));
same('sequence', { map { ($_->[0] =~ s/`//gr => '') } @{ tables_of('| sequence | |', 'tables.md')->{Sequences} } }, \%sequences, 'tables.md');

# ---------------------------------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------------------------------

# A value as people write it, in the setting's unit.
sub in_unit
{
	my ($value, $unit) = @_;
	my %size = (kB => 1, MB => 1024, GB => 1024**2, TB => 1024**3, ms => 1, s => 1000, min => 60 * 1000, h => 3600 * 1000, d => 86400 * 1000);
	return $value if $unit eq '' || $value !~ /^(\d+)([a-zA-Z]+)$/;
	return $size{$2} && $size{$unit} ? $1 * $size{$2} / $size{$unit} : $value;
}

# defaults, units, ranges and contexts of what begins with the prefix
sub same_settings
{
	my ($prefix, $page, $load) = @_;
	my %said = map { ($_->[0] =~ s/`//gr => $_) } map { @$_ } values %{ tables_of('| setting | default | range | context | |', $page) };
	my %there;
	for my $line (split /\n/, $node->safe_psql('postgres', "$load SELECT name, boot_val, coalesce(unit, ''), vartype, min_val, max_val, array_to_string(enumvals, ', '), context FROM pg_settings WHERE name LIKE '$prefix.%'"))
	{
		my ($name, $default, $unit, $type, $min, $max, $words, $context) = split /\|/, $line, -1;
		my $row = $said{$name};
		$there{$name} = 1;
		if (!$row) { fail("$name is in the manual"); diag("$page lacks $name: default $default $unit, range $min to $max $words, context $context"); next }
		my (undef, $says, $range, $says_context) = map { s/`//gr } @$row;
		is($says eq 'empty' ? '' : in_unit($says, $unit), $default, "$name: default ($page)");
		if ($type eq 'integer') { is(join(' to ', map { in_unit($_, $unit) } split / to /, $range), "$min to $max", "$name: range, in $unit") }
		elsif ($type eq 'enum') { is(join(', ', sort split /, /, $range), join(', ', sort split(/, /, $words)), "$name: values") }
		elsif ($type eq 'bool') { is(join(' ', sort split /, /, $range), 'off on', "$name: values") }
		is($says_context, $context, "$name: context");
	}
	is(join(' ', grep { !$there{$_} } sort keys %said), '', "every setting of $page is there");
	cmp_ok(scalar(keys %there), '>=', 3, "$prefix has settings");
	return;
}
same_settings('ticketpool', 'settings.md', '');

# ---------------------------------------------------------------------------------------------------------------------
# SQLSTATEs: what a page says of a function is in the list. (test/checks.sh compares the list with the
# sources.)
# ---------------------------------------------------------------------------------------------------------------------
my %listed = map { ($_->[0] =~ s/`//gr => 1) } @{ tables_of('| SQLSTATE | |', 'errors.md')->{SQLSTATEs} };
cmp_ok(scalar(keys %listed), '>', 30, 'errors.md has SQLSTATEs');
for my $page (sort keys %pages)
{
	my %named = map { $_ => 1 } map { /\b(TK00\d|(?:\d[\dA-Z]|HV|XX)[\dA-Z]{3})\b/g } $pages{$page} =~ /^(?:- \*\*Errors:\*\*|\*\*Errors:\*\*)(.*?)(?=^- |^$)/msg;
	is(join(' ', grep { !$listed{$_} && $_ ne '57014' } sort keys %named), '', "$page: its SQLSTATEs are in errors.md");
}

# ---------------------------------------------------------------------------------------------------------------------
# The router
# ---------------------------------------------------------------------------------------------------------------------
SKIP:
{
	skip 'plproxy is not installed: doc/reference/router.md is not compared', 1
	  if !$node->safe_psql('postgres', "SELECT count(*) FROM pg_available_extensions WHERE name = 'plproxy'");
	$node->safe_psql('postgres', 'CREATE DATABASE router TEMPLATE template0');
	$node->safe_psql('router', "SET client_min_messages = warning; CREATE EXTENSION ticketpool_router CASCADE");
	my $router = functions_in('router', 'ticketpool_router');
	my ($list) = $pages{'router.md'} =~ /^## Twins\n(.*?)^## /ms;
	my %twins = map { $_ => 1 } $list =~ /\[(\w+)\]/g;
	cmp_ok(scalar(keys %twins), '>', 40, 'the page names the twins');
	my %of_router = map { $_ => delete $router->{$_} } grep { my ($name) = /^([\w.]+)/; !$twins{$name} } keys %$router;
	same_functions('function of the router', functions_of('router.md'), \%of_router);
	is(join("\n", grep { !defined $functions->{$_} || $functions->{$_} ne $router->{$_} } sort keys %$router), '', 'the twins are as on a node');
	is(join(' ', grep { my $name = $_; !grep { /^\Q$name\E\(/ } keys %$router } sort keys %twins), '', 'and all of them are twins');
	same('table of the router', texts($columns{'router.md'}, 2), columns_in('router', 'ticketpool_router', 'r,p'), 'router.md');
	same('indexes of', texts(tables_of('| index | |', 'router.md'), 2), indexes_in('router', 'ticketpool_router'), 'router.md');
	same_settings('router', 'router.md', '');
}

$node->stop;
done_testing();
