# Monitoring: the exporter's queries run with the documented rights, return what they declare, and
# move when something happens; alerts and dashboard use no other metrics; verify.sh counts what is
# wrong.
use strict;
use warnings;

use FindBin;
use JSON::PP ();
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;

my $day = DAY;
my $root = "$FindBin::RealBin/../..";
my $folder = "$root/doc/examples/monitoring";
my $page = slurp_file("$root/doc/monitoring.md");

# ---------------------------------------------------------------------------------------------------------------------
# The files of queries. This reads the YAML that they are written in, and no other
# ---------------------------------------------------------------------------------------------------------------------
sub queries_of
{
	my ($file) = @_;
	my (@queries, $part);
	for my $line (split /\n/, slurp_file("$folder/$file"))
	{
		if ($line =~ /^(?:#.*)?$/) { next }
		elsif ($line =~ /^(\w+):$/) { push @queries, { name => $1, sql => '', columns => [] } }
		elsif ($line =~ /^  (query: \||metrics:)$/) { $part = $1 }
		elsif ($line =~ /^  (?:master: true|cache_seconds: \d+)$/) { undef $part }
		elsif (($part // '') eq 'metrics:' && $line =~ /^    - (\w+): \{usage: (LABEL|GAUGE|COUNTER), description: "[^"]+"\}$/)
		{
			push @{ $queries[-1]{columns} }, { name => $1, usage => $2 };
		}
		elsif (($part // '') eq 'query: |' && $line =~ /^    (\s*\S.*)$/) { $queries[-1]{sql} .= "$1\n" }
		else { die "$file: this test does not know such a line: $line" }
	}
	return @queries;
}

my @queries = queries_of('queries.yaml');
my @wait_queries = queries_of('queries_waits.yaml');
cmp_ok(scalar(@queries), '>=', 7, 'there are queries');
is(scalar(@wait_queries), 1, 'and one about the waiting list');
# The exporter's name of each metric, with its query and its column.
my (%metric, @twice, @misnamed);
for my $query (@queries, @wait_queries)
{
	for my $column (grep { $_->{usage} ne 'LABEL' } @{ $query->{columns} })
	{
		my $name = "$query->{name}_$column->{name}";
		push @twice, $name if exists $metric{$name};
		push @misnamed, $name if ($column->{usage} eq 'COUNTER') != ($name =~ /_total$/);
		$metric{$name} = { query => $query, column => $column->{name} };
	}
}
is("@twice", '', 'no metric is there twice');
is("@misnamed", '', 'those that only rise, and no others, are totals');

# The rows of a query, as the session sees them.
sub rows_of
{
	my ($session, $query) = @_;
	my $rows = $session->run("SELECT row_to_json(q) FROM ($query->{sql}) AS q");
	return () unless $session->is_ok;
	return map { JSON::PP::decode_json($_) } split /\n/, $rows;
}

# A metric's value; of the row with this label, if there is one.
sub value
{
	my ($session, $name, $label) = @_;
	my ($query, $column) = @{ $metric{$name} }{qw(query column)};
	my ($label_column) = map { $_->{name} } grep { $_->{usage} eq 'LABEL' } @{ $query->{columns} };
	my ($row) = grep { !defined $label || $_->{$label_column} eq $label } rows_of($session, $query);
	return $row && $row->{$column};
}

# Runs the query and compares it with what is declared: the columns, numbers in those of metrics, and
# no two rows with the same labels, which would spoil a whole scrape.
sub is_as_declared
{
	my ($session, $query, $label) = @_;
	my @rows = rows_of($session, $query);
	ok($session->is_ok, "$label: $query->{name} runs") or diag($session->output);
	cmp_ok(scalar(@rows), '>', 0, "$label: $query->{name} returns something");
	is_deeply([ sort keys %{ $rows[0] // {} } ], [ sort map { $_->{name} } @{ $query->{columns} } ], "$label: $query->{name} has the declared columns");
	my @metrics = map { $_->{name} } grep { $_->{usage} ne 'LABEL' } @{ $query->{columns} };
	my @labels = map { $_->{name} } grep { $_->{usage} eq 'LABEL' } @{ $query->{columns} };
	is(scalar(grep { defined && !/^-?[\d.]+(?:e[-+]?\d+)?$/i } map { @{$_}{@metrics} } @rows), 0, "$label: $query->{name} has numbers");
	my %seen;
	is(scalar(grep { $seen{ join "\0", @{$_}{@labels} }++ } @rows), 0, "$label: $query->{name} has no labels twice");
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# A server with trains, sales and a standby
# ---------------------------------------------------------------------------------------------------------------------
my $node = new_server('monitoring', streaming => 1, conf => "ticketpool.memory = 8MB\nmax_prepared_transactions = 2");
make_train($node, 'postgres', 'T', 5);
make_formation($node, 'postgres', 'ten', 10);
make_formation($node, 'postgres', 'one', 1);
open_departures($node, 'postgres', 'T', 'ten', 1);
$node->safe_psql('postgres', "SELECT ticket_open('T', date '$day' + 1, 'one', '2020-01-01'); SELECT item_open(item_id => 1, quantity => 100)");
$node->safe_psql('postgres', "SELECT ticket_remaining('T', 'S1', 'S5', date '$day' + n) FROM generate_series(0, 1) n; SELECT item_remaining(1)");
# The first deadline makes the worker look into the database at once.
$node->safe_psql('postgres', "SELECT ticket_hold('T', 'S1', 'S5', 1, '$day', ttl => '1 millisecond')");
# What the page says of the role, and a role that has less.
my ($grants) = $page =~ /^```sql\n(CREATE ROLE.*?)^```/ms;
like($grants, qr/GRANT/, 'the page has the grants');
$node->safe_psql('postgres', "CREATE ROLE less LOGIN; GRANT pg_monitor TO less; $grants");
$node->backup('start');
my $standby = keep_sessions(PostgreSQL::Test::Cluster->new('monitored_standby'));
$standby->init_from_backup($node, 'start', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));

sub session_of { my ($where, $role) = @_; return TicketpoolTest::Session->new($where->connstr('postgres') . " user=$role") }
my $less = session_of($node, 'less');
my $full = session_of($node, 'prometheus');
my $owner = session($node);
my $client = session($node);
# A parallel query would wait for workers while the postmaster is stopped (below).
$_->run('SET max_parallel_workers_per_gather = 0') for $less, $owner;

ok(await(sub { defined value($less, 'ticketpool_sweep_last_timestamp_seconds', 'postgres') }), 'the database has been swept');
is_as_declared($less, $_, 'pg_monitor') for @queries;
rows_of($less, $wait_queries[0]);
is($less->sqlstate, '42501', 'the waiting list takes more than pg_monitor');
is_as_declared($full, $_, 'the grants of the page') for @queries, @wait_queries;
# A standby with a receiver of its own. Nothing is swept there.
my $on_standby = session_of($standby, 'prometheus');
my $receiver = IPC::Run::start([ 'pg_receivewal', '-n', '-D', PostgreSQL::Test::Utils::tempdir(), '-d', $standby->connstr('postgres') ], '>', '/dev/null', '2>', '/dev/null');
ok(becomes_true($standby, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'}), 'somebody receives from the standby');
is_as_declared($on_standby, $_, 'standby') for grep { $_->{name} ne 'ticketpool_sweep' } @queries, @wait_queries;
$receiver->kill_kill;
is(scalar(rows_of($on_standby, grep { $_->{name} eq 'ticketpool_sweep' } @queries)), 0, 'standby: ticketpool_sweep returns nothing');
ok($on_standby->is_ok, 'standby: and runs') or diag($on_standby->output);
is(value($on_standby, 'ticketpool_in_recovery'), 1, 'a standby says so');
is(value($less, 'ticketpool_in_recovery'), 0, 'a primary, too');

# changes SQL EXPECTED…: what the metrics change by when the client runs this.
sub changes
{
	my ($sql, %expected) = @_;
	my %before = map { $_ => value($less, $_) } keys %expected;
	my $output = $client->run($sql);
	ok($client->is_ok, "$sql: done") or diag($client->output);
	is(value($less, $_) - $before{$_}, $expected{$_}, "$sql: $_") for sort keys %expected;
	return $output;
}

# ---------------------------------------------------------------------------------------------------------------------
# Something is sold, held too long, waited for
# ---------------------------------------------------------------------------------------------------------------------
my $two = changes("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 1, '$day', passengers => '{1,2}') LIMIT 1",
	ticketpool_buys_total => 2, ticketpool_refunds_total => 0, ticketpool_departures_free_seat_segments => -8, ticketpool_departures_seat_segments => 0);
changes("SELECT count(*) FROM ticket_refund($two)", ticketpool_refunds_total => 2, ticketpool_departures_free_seat_segments => 8);
my $last = changes("SELECT order_id FROM ticket_buy('T', 'S1', 'S5', 1, date '$day' + 1)", ticketpool_buys_total => 1, ticketpool_sold_outs_total => 0);
changes("SELECT count(*) FROM ticket_buy('T', 'S1', 'S5', 1, date '$day' + 1)", ticketpool_buys_total => 0, ticketpool_sold_outs_total => 1);
changes('SELECT count(*) FROM item_buy(1, user_id => 1, quantity => 3)', ticketpool_buys_total => 1, ticketpool_items_remaining => -3, ticketpool_items_quantity => 0);
changes("SELECT ticket_open('T', date '$day' + 2, 'one', '2020-01-01'); SELECT ticket_remaining('T', 'S1', 'S5', date '$day' + 2)",
	ticketpool_departures => 1, ticketpool_departures_open => 1, ticketpool_rebuilds_total => 1);
changes("SELECT ticket_close('T', date '$day' + 2)", ticketpool_departures_open => -1);
is(value($less, 'ticketpool_memory_size_bytes'), 8 * 1024 * 1024, 'the size of the pool');
cmp_ok(value($less, 'ticketpool_memory_used_bytes'), '>', 0, 'some of it is used');

# Claims
is(value($less, "ticketpool_claims_$_"), 0, "no claim: $_") for qw(in_flight transactions prepared oldest_seconds);
$client->run("BEGIN; SELECT count(*) FROM ticket_buy('T', 'S1', 'S5', 1, '$day', passengers => '{1,2}')");
cmp_ok(value($less, 'ticketpool_claims_in_flight'), '>=', 1, 'claims in flight');
is(value($less, 'ticketpool_claims_transactions'), 1, 'of one transaction');
my $age = value($less, 'ticketpool_claims_oldest_seconds');
ok(await(sub { value($less, 'ticketpool_claims_oldest_seconds') > $age }), 'it gets older');
$client->run(q{PREPARE TRANSACTION 'monitored'});
is(value($less, 'ticketpool_claims_prepared'), 1, 'it is prepared');
$client->run(q{ROLLBACK PREPARED 'monitored'});
ok(await(sub { value($less, 'ticketpool_claims_transactions') == 0 }), 'it has ended');

# No launcher: as long as the postmaster is stopped, none is started again. A hold becomes overdue.
my $hold = $client->run("SELECT order_id FROM ticket_hold('T', 'S1', 'S5', 1, '$day', ttl => '1 hour')");
ok(await(sub { value($less, 'ticketpool_workers_sweepers') == 0 }), 'no sweeper is at work');
is(value($less, 'ticketpool_workers_launcher'), 1, 'the launcher runs');
is(value($less, 'ticketpool_sweep_overdue', 'postgres'), 0, 'nothing is overdue');
my $launcher = $owner->run(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'ticketpool launcher'});
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
kill 'STOP', $postmaster;
my $done = eval {
	kill 'TERM', $launcher;
	ok(await(sub { value($less, 'ticketpool_workers_launcher') == 0 }), 'the launcher is gone');
	$owner->run("UPDATE ticket_order SET held_until = now() - interval '1 hour' WHERE order_id = $hold");
	is(value($less, 'ticketpool_sweep_overdue', 'postgres'), 1, 'the hold is overdue');
	cmp_ok(value($less, 'ticketpool_sweep_late_seconds', 'postgres'), '>', 3000, 'by an hour');
	1;
};
kill 'CONT', $postmaster;
die $@ unless $done;
ok(await(sub { value($less, 'ticketpool_workers_launcher') == 1 }), 'the launcher is back');
ok(await(sub { value($less, 'ticketpool_sweep_overdue', 'postgres') == 0 }), 'nothing is overdue any more');
is(value($less, 'ticketpool_sweep_late_seconds', 'postgres'), 0, 'nor late');

# The waiting list: somebody waits, and is served; somebody is served at once.
my $wanted = "ARRAY[ROW('T', 'S1', 'S5', NULL, date '$day' + 1, NULL, NULL, NULL, NULL, NULL)]::ticket_request[]";
is(value($full, "ticketpool_waits_$_"), 0, "nobody waits: $_") for qw(open oldest_seconds awarded_5m);
is($client->run("SELECT status FROM ticket_wait(2, $wanted)"), 'waiting', 'somebody waits');
is(value($full, 'ticketpool_waits_open'), 1, 'one waits');
cmp_ok(value($full, 'ticketpool_waits_oldest_seconds'), '>', 0, 'since a moment ago');
$client->run("SELECT count(*) FROM ticket_refund($last)");
is(value($full, 'ticketpool_waits_open'), 0, 'none waits any more');
is(value($full, 'ticketpool_waits_awarded_5m'), 1, 'one was served');
is($client->run('SELECT status FROM ticket_wait(3, ' . $wanted =~ s/\+ 1/+ 0/r . ')'), 'awarded', 'somebody need not wait');
is(value($full, 'ticketpool_waits_awarded_5m'), 1, 'and is not counted');
$owner->run(q{UPDATE ticket_wait SET created_at = created_at - interval '1 hour', changed_at = changed_at - interval '1 hour'});
is(value($full, 'ticketpool_waits_awarded_5m'), 0, 'after more than five minutes nobody is');

# The standby falls behind.
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
ok(becomes_true($standby, 'postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}), 'replay is paused');
my $start = $owner->run('SELECT pg_current_wal_lsn()');
$client->run("SELECT count(*) FROM ticket_buy('T', 'S1', 'S5', 1, '$day')");
my $written = $owner->run("SELECT pg_current_wal_lsn() - '$start'");
cmp_ok($written, '>', 0, 'a sale writes');
cmp_ok(value($less, 'ticketpool_replication_replay_lag_bytes', 'monitored_standby'), '>=', $written, 'the primary sees what is not replayed');
ok(await(sub { value($on_standby, 'ticketpool_node_replay_lag_seconds') > 0 }), 'the standby knows it');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
ok(await(sub { value($on_standby, 'ticketpool_node_replay_lag_seconds') == 0 }), 'and catches up');
is(value($less, 'ticketpool_node_replay_lag_seconds'), 0, 'a primary is never behind');
$on_standby->quit;
$standby->stop;

# ---------------------------------------------------------------------------------------------------------------------
# verify.sh
# ---------------------------------------------------------------------------------------------------------------------
my $file = PostgreSQL::Test::Utils::tempdir() . '/ticketpool.prom';

# Its exit status, what it printed, and the problems by check that its file tells.
sub verify
{
	my ($role) = @_;
	local $ENV{PGOPTIONS} = '';
	my ($out, $err) = ('', '');
	my $status = IPC::Run::run([ "$folder/verify.sh", $node->connstr('postgres') . " user=$role", $file ], '>', \$out, '2>', \$err);
	my %problems = -e $file ? slurp_file($file) =~ /^ticketpool_verify_problems\{datname="postgres",check="(\w+)"\} (\d+)$/mg : ();
	return ($status, $out, \%problems, $err);
}

my ($status, $out, $problems, $err) = verify('less');
ok(!$status, 'verify.sh fails without the right to verify');
like($err, qr/permission denied/, 'and says so');
ok(!-e $file, 'and writes nothing');
($status, $out, $problems, $err) = verify('prometheus');
ok($status, 'verify.sh runs with the grants of the page') or diag($err);
is_deeply($problems, { ticket_verify => 0, item_verify => 0 }, 'all is well');
is($out, '', 'and there is nothing to print');
# What it writes besides, every metric with its type.
my %verify_metric = map { $_ => 1 } slurp_file($file) =~ /^# TYPE (\w+) gauge$/mg;
is_deeply([ sort keys %verify_metric ], [qw(ticketpool_verify_problems ticketpool_verify_timestamp_seconds)], 'it writes two metrics');
cmp_ok((slurp_file($file) =~ /^ticketpool_verify_timestamp_seconds\{datname="postgres"\} (\d+)$/m)[0], '>', time() - 60, 'with the time');
is((stat $file)[2] & 0777, 0644, 'everybody may read the file');
# Behind the triggers' back, a second ticket for a seat.
$node->safe_psql('postgres', q{
	ALTER TABLE ticket_order DISABLE TRIGGER ALL;
	INSERT INTO ticket_order (order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, coach, seat, from_stop, to_stop, status)
		SELECT 1, 1, departure_id, service_date, 4711, 4711, seat_class, coach, seat, from_stop, to_stop, status FROM ticket_order WHERE status = 'sold' LIMIT 1;
	ALTER TABLE ticket_order ENABLE TRIGGER ALL});
($status, $out, $problems, $err) = verify('prometheus');
ok($status, 'verify.sh runs when something is wrong') or diag($err);
cmp_ok($problems->{ticket_verify}, '>', 0, 'and counts it');
is(scalar(() = $out =~ /^ticket_verify\|/mg), $problems->{ticket_verify}, 'and prints it');
is($problems->{item_verify}, 0, 'items are well');
my $told = slurp_file($file);
verify('less');
is(slurp_file($file), $told, 'when it fails, the file stays as it was');
is_deeply([ glob "$file.*" ], [], 'and nothing is left beside it');

$_->quit for $less, $full, $owner, $client;
$node->stop;

# ---------------------------------------------------------------------------------------------------------------------
# Alerts and dashboard
# ---------------------------------------------------------------------------------------------------------------------
# up is Prometheus's own.
my %known = (%verify_metric, up => 1, map { $_ => 1 } keys %metric);

# The metrics of an expression: names that are not functions, labels or operators.
sub metrics_in
{
	my ($expression) = @_;
	$expression =~ s/\{[^}]*\}|\[[^\]]*\]|"[^"]*"//g;
	$expression =~ s/\b(?:by|without|on|ignoring)\s*\([^)]*\)//g;
	return grep { !/^(?:and|or|unless|bool|offset)$/ } $expression =~ /\b([a-zA-Z_:][\w:]*)\b(?!\s*\()/g;
}
is_deeply([ metrics_in('sum by (a) (rate(x{b="c"}[5m])) / y > 0.1 and on (a) (z == 1)') ], [qw(x y z)], 'metrics are found');

sub uses_known_metrics
{
	my ($label, @expressions) = @_;
	my @used = map { metrics_in($_) } @expressions;
	cmp_ok(scalar(@used), '>', 0, "$label uses metrics");
	is(join(' ', grep { !$known{$_} } @used), '', "$label uses none that nobody makes");
	return;
}

my $rules = slurp_file("$folder/alerts.yml");
my $tests = slurp_file("$folder/alerts_test.yml");
my @alerts = $rules =~ /^      - alert: (\w+)$/mg;
cmp_ok(scalar(@alerts), '>=', 7, 'there are alerts');
for my $alert (@alerts)
{
	my ($rule) = $rules =~ /^      - alert: $alert\n((?:        .*\n)*)/m;
	my ($expression) = $rule =~ /^        expr: (?:>-)?(.*\n(?:          .*\n)*)/m;
	uses_known_metrics($alert, $expression);
	like($rule, qr/severity: (?:warning|critical)/, "$alert has a severity");
	like($tests, qr/alertname: $alert, exp_alerts: \[\]/, "$alert has a test in which it does not fire");
	like($tests, qr/alertname: $alert\n        exp_alerts:\n          - exp_labels/, "$alert has one in which it does");
	like($page, qr/^\| `$alert` \|/m, "$alert: the page says what to do");
}
is(join(' ', sort $page =~ /^\| `(Ticketpool\w+)` \|/mg), join(' ', sort @alerts), 'the page speaks of no other alerts');
uses_known_metrics('alerts_test.yml', $tests =~ /series: '(.*?)'/g);

my $dashboard = JSON::PP::decode_json(slurp_file("$folder/dashboard.json"));
is($dashboard->{schemaVersion}, 39, 'the version of the dashboard');
my @variables = @{ $dashboard->{templating}{list} };
is(join(' ', map { "$_->{name}:$_->{type}" } @variables), 'datasource:datasource instance:query', 'its variables');
uses_known_metrics('a variable', $variables[1]{definition} =~ /^label_values\((\w+), instance\)$/);
my @panels = @{ $dashboard->{panels} };
my (@unknown, @elsewhere, %seen);
for my $panel (@panels)
{
	my @targets = @{ $panel->{targets} };
	push @unknown, map { "'$panel->{title}': $_" } grep { !$known{$_} } map { metrics_in($_->{expr}) } @targets;
	push @elsewhere, $panel->{title} if !@targets || grep { $_->{datasource}{uid} ne '${datasource}' } $panel, @targets;
	$seen{$_}++ for "id $panel->{id}", $panel->{title};
}
cmp_ok(scalar(@panels), '>=', 10, 'there are panels');
is("@unknown", '', 'they use no metric that nobody makes');
is("@elsewhere", '', 'they ask the data source that was chosen');
is(join(' ', grep { $seen{$_} > 1 } sort keys %seen), '', 'none is there twice');
# What nobody looks at need not be asked.
my $looked_at = join ' ', $rules, map { $_->{expr} } map { @{ $_->{targets} } } @panels;
is(join(' ', grep { $looked_at !~ /\b$_\b/ } sort keys %metric), '', 'every metric is used in an alert or a panel');

my $promtool = `command -v promtool 2>/dev/null`;
chomp $promtool;
SKIP:
{
	if ($promtool eq '')
	{
		diag('promtool is not installed: the alerts are read, but not run');
		skip('no promtool', 2);
	}
	for my $command ([ 'check', 'rules', "$folder/alerts.yml" ], [ 'test', 'rules', "$folder/alerts_test.yml" ])
	{
		my $output = '';
		ok(IPC::Run::run([ $promtool, @$command ], '>', \$output, '2>&1'), "promtool @$command[0, 1]") or diag($output);
	}
}

done_testing();
