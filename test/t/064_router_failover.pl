# The scripts for those that run a router: router_config.sh makes PgBouncer's configuration and the
# router's mappings from router_node; router_failover.sh hands a node over to its standby, as planned
# and after a loss, while buyers go on through the router. Nothing acknowledged is lost, nothing is
# sold twice, and the scripts refuse what could lose or double a sale.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Router;

require_plproxy();
my $pgbouncer = TicketpoolTest::Router::find_pgbouncer();
plan skip_all => 'pgbouncer is not installed' unless $pgbouncer;

my $day = DAY;
my $it = TicketpoolTest::Router->new('failover', nodes => 2, servers => 1,
	conf => "wal_level = replica\nmax_wal_senders = 5\nwal_keep_size = 128MB\nwal_log_hints = on\nmax_connections = 40");
my ($router, $first) = ($it->router, $it->node(1)->{server});
my $dir = $it->{dir};
my $port = PostgreSQL::Test::Cluster::get_free_port();
my @config = ('--socket-dir', $dir, '--port', $port, '--ini', "$dir/pgbouncer.ini", '--user', 'agent "x"');
my $password = qq{it's "a" \\ \$(touch $dir/hostile) password};
END
{
	local $?;
	if (defined $dir && -e "$dir/pgbouncer.pid")
	{
		kill 'QUIT', slurp_file("$dir/pgbouncer.pid") + 0;
	}
}

# A script's exit status and all that it says.
sub script
{
	my ($name, @arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $name, @arguments ], '<', \'', '>', \$out, '2>', \$err);
	note("$name: $out$err");
	return ($? >> 8, "$out$err");
}
sub router_config { return script('router_config.sh', '--router', $router->connstr('postgres'), @config, @_) }
sub router_failover
{
	my ($what, @options) = @_;
	return script('router_failover.sh', $what, '--node', 1, '--router', $router->connstr('postgres'), @options, '--', @config);
}

# ---------------------------------------------------------------------------------------------------------------------
# A standby of node 1, and the configuration
# ---------------------------------------------------------------------------------------------------------------------
# A standby that follows this server: each commit of it waits for the standby if it is synchronous.
sub standby_of
{
	my ($server, $name) = @_;
	$server->backup($name);
	my $standby = PostgreSQL::Test::Cluster->new($name);
	$standby->init_from_backup($server, $name, has_streaming => 1);
	$standby = keep_sessions($standby);
	$standby->start;
	return $standby;
}
sub place_of { my ($server) = @_; return sprintf('host=%s port=%d dbname=node1', $server->host, $server->port) }

$it->reference('one', 400, T1 => 10, T2 => 10);
$it->assign(T1 => 1, T2 => 2);
my $second = standby_of($first, 'failover_second');
my ($status, $said) = router_config('--dry-run', '--node-sql');
is($status, 0, 'the SQL for the role on the nodes');
for my $number ($it->numbers)
{
	my $place = $it->node($number);
	$place->{server}->safe_psql($place->{database}, $said);
	$place->{server}->safe_psql($place->{database}, $said);
	$place->{server}->safe_psql($place->{database}, sprintf(q{ALTER ROLE "agent ""x""" PASSWORD '%s'}, $password =~ s/'/''/gr));
	is($place->{server}->safe_psql($place->{database}, q{SELECT count(*) FROM pg_class c, pg_roles r WHERE relkind IN ('r', 'p', 'v', 'S') AND relnamespace = 'public'::regnamespace
		AND rolname = 'agent "x"' AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')}), '0', "node $number: the role can touch no table");
}
for my $server ($first, $second, $it->node(2)->{server})
{
	my $hba = $server->data_dir . '/pg_hba.conf';
	my $text = slurp_file($hba);
	open(my $file, '>', $hba) or die "$hba: $!";
	print $file qq{local all "agent ""x""" scram-sha-256\n$text};
	close $file;
	$server->reload;
}
$it->ask(sprintf(q{SELECT router_node_add(1, '%s', '%s')}, place_of($first), place_of($second)));
append_to_file("$dir/password", "$password\n");
chmod 0644, "$dir/password";
($status, $said) = router_config('--password-file', "$dir/password");
is($status, 2, 'a password that others can read is refused');
like($said, qr/chmod 600/, 'and it says what to do');
ok(!-e "$dir/pgbouncer.ini", 'nothing is written');
chmod 0600, "$dir/password";
($status, $said) = router_config('--password-file', "$dir/password", '--dry-run');
is($status, 0, '--dry-run');
like($said, qr/^node1 = .*^node1_read = .*^node2 = /ms, 'it shows the configuration');
unlike($said, qr/it's/, 'without the password');
ok(!-e "$dir/pgbouncer.ini", 'and writes nothing');
($status, $said) = router_config('--password-file', "$dir/password", '--start');
is($status, 0, 'the configuration is written, PgBouncer runs, router_status() finds nothing wrong') or diag($said);
is(sprintf('%o %o', (stat "$dir/pgbouncer.ini")[2] & 07777, (stat "$dir/userlist.txt")[2] & 07777), '600 600', 'only its owner can read it');
my $before = slurp_file("$dir/pgbouncer.ini") . slurp_file("$dir/userlist.txt");
($status, $said) = router_config();
is($status, 0, 'again, without the password') or diag($said);
unlike($said, qr/written/, 'nothing had to be written');
is(slurp_file("$dir/pgbouncer.ini") . slurp_file("$dir/userlist.txt"), $before, 'it is the same');
# Another password: the router's sessions log in to PgBouncer with it, and PgBouncer to the nodes.
$password =~ s/password/other password/;
$_->{server}->safe_psql($_->{database}, sprintf(q{ALTER ROLE "agent ""x""" PASSWORD '%s'}, $password =~ s/'/''/gr)) for map { $it->node($_) } $it->numbers;
unlink "$dir/password";
append_to_file("$dir/password", $password);
chmod 0600, "$dir/password";
($status, $said) = router_config('--password-file', "$dir/password");
is($status, 0, 'another password') or diag($said);
$before = slurp_file("$dir/pgbouncer.ini") . slurp_file("$dir/userlist.txt");
is(scalar(() = slurp_file("$dir/userlist.txt") =~ /other/g), 1, 'it is written, in place of the first');
ok(!-e "$dir/hostile", 'nothing of the password was run');
$router->safe_psql('postgres', q{CREATE ROLE seller LOGIN; GRANT EXECUTE ON FUNCTION ticket_buy TO seller});
is($router->safe_psql('postgres', q{SELECT count(*) FROM pg_user_mappings WHERE array_to_string(umoptions, ',') LIKE '%password=it''s%'}), '2', 'the router knows the password');
$it->open_departures_of('one', 4, 'T1', 'T2');
is($it->on(1, 'SELECT count(*) FROM ticket_departure'), '4', 'node 1 has its departures, through PgBouncer');

# What the script did not write it does not touch.
append_to_file("$dir/other.ini", "; mine\n");
($status) = script('router_config.sh', '--router', $router->connstr('postgres'), '--ini', "$dir/other.ini", '--socket-dir', $dir, '--port', $port, '--no-check');
is($status, 2, 'a file of somebody else is left alone');
is(slurp_file("$dir/other.ini"), "; mine\n", 'as it was');
# A connection string cannot become a line of the configuration.
for my $bad ("host=x dbname='a\n[pgbouncer]\nauth_type = any'", 'host=x,y dbname=z', 'host=x', 'host=x dbname=y user=z')
{
	$router->safe_psql('postgres', 'UPDATE router_node SET conninfo = $c$' . $bad . '$c$ WHERE node = 2');
	($status) = router_config('--no-check');
	is($status, 2, 'a conninfo that PgBouncer cannot have is refused: ' . ($bad =~ s/\n/ /gr));
}
$router->safe_psql('postgres', sprintf(q{UPDATE router_node SET conninfo = '%s' WHERE node = 2}, $it->conninfo($it->node(2))));
is(slurp_file("$dir/pgbouncer.ini") . slurp_file("$dir/userlist.txt"), $before, 'and the configuration stays');

# ---------------------------------------------------------------------------------------------------------------------
# Buyers, who repeat what has no answer
# ---------------------------------------------------------------------------------------------------------------------
my $stop = "$dir/stop";
# Lines: sold REQUEST_ID ORDER_ID, full, retry SQLSTATE.
sub start_buyers
{
	unlink $stop;
	return start_workers(4, sub {
		my ($number, $log) = @_;
		my $session = TicketpoolTest::Session->new($router->connstr('postgres') . ' user=seller');
		until (-e $stop)
		{
			my $request = sprintf '%08x-0000-4000-8000-%08x%04x', rand(2**32), rand(2**31), $number;
			my $from = 1 + int(rand 9);
			my $call = sprintf(q{SELECT order_id FROM ticket_buy('T%d', 'S%d', 'S%d', %d, date '%s' + %d, request_id => '%s')},
				1 + int(rand 2), $from, $from + 1, $number, $day, rand 4, $request);
			my $order = $session->run($call);
			until ($session->is_ok)
			{
				die $session->sqlstate . " $order" unless $session->sqlstate =~ /^08/;
				print $log 'retry ' . $session->sqlstate . "\n";
				select(undef, undef, undef, 0.05);
				$order = $session->run($call);
			}
			print $log $order eq '' ? "full\n" : "sold $request $order\n";
			select(undef, undef, undef, rand 0.02);
		}
		$session->quit;
	});
}

my %sold;
sub stop_buyers
{
	my ($buyers, $label) = @_;
	append_to_file($stop, '');
	ok(wait_workers($buyers), "$label: the buyers met no error but 08xxx");
	my $retries = 0;
	for (log_lines($buyers))
	{
		if (/^\d+ sold (\S+) (\d+)$/) { $sold{$1} = $2; }
		elsif (/ retry /) { $retries++ }
	}
	note("$label: " . keys(%sold) . " sold so far, $retries times asked again");
	return $retries;
}

# Everything that was acknowledged is there once, and nothing is there twice.
sub all_is_there
{
	my ($label) = @_;
	my %there;
	for my $number ($it->numbers)
	{
		$there{ (split /\|/)[0] } .= (split /\|/)[1] . ' ' for split /\n/, $it->on($number, q{SELECT request_id, order_id FROM ticket_order WHERE status = 'sold'});
	}
	is(join(',', grep { ($there{$_} // '') ne "$sold{$_} " } sort keys %sold), '', "$label: every acknowledged ticket is there, once");
	is(join(',', grep { $there{$_} =~ / \d/ } sort keys %there), '', "$label: no request was carried out twice");
	$it->all_agree($label);
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# As planned
# ---------------------------------------------------------------------------------------------------------------------
my $pg_ctl_stop = sub { my ($server, $mode) = @_; return "pg_ctl -s -w -m $mode -D '" . $server->data_dir . "' stop" };
($status, $said) = router_failover('check');
is($status, 1, 'check: commits do not wait for the standby');
($status, $said) = router_failover('fail', '--fenced');
is($status, 2, 'fail: refused while the primary answers');
($status, $said) = router_failover('fail', '--fenced', '--primary', $first->connstr('postgres') . ' user=nobody');
like($said, qr/it is not down/, 'fail: refused also if the primary answers that it does not let the script in');
($status, $said) = router_failover('switch', '--stop', 'true', '--conninfo', 'port=1');
like($said, qr/with a dbname/, 'switch: refused before anything is done if PgBouncer could not have the new place');
($status, $said) = router_failover('fail');
is($status, 2, 'fail: refused without a fence');
($status, $said) = router_failover('switch');
is($status, 2, 'switch: refused without a way to stop the primary');
my $marker = "$dir/stopped";
($status, $said) = router_failover('switch', '--stop', "touch '$marker'", '--dry-run');
is($status, 0, 'switch --dry-run');
ok(!-e $marker, 'stops nothing');
($status, $said) = router_failover('switch', '--stop', 'true');
is($status, 2, 'switch: a stop that stops nothing is noticed');
is($second->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'and nothing is promoted');
is($it->ask(qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S2', 1, '$day')}), '1', 'the calls go on');
($status, $said) = router_failover('switch', '--stop', $pg_ctl_stop->($first, 'immediate'));
is($status, 2, 'switch: a primary that was not shut down may have more than the standby');
is($second->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'nothing is promoted');
$first->{_pid} = undef;
$first->start;
ok(await(sub { my ($failed, $sold) = $router->psql('postgres', qq{SELECT count(*) FROM ticket_buy('T1', 'S1', 'S2', 1, '$day')}); !$failed && $sold eq '1' }),
	'the calls go on when it is there again');

my $buyers = start_buyers();
ok(wait_log_lines($buyers, 50), 'they buy');
($status, $said) = router_failover('switch', '--stop', $pg_ctl_stop->($first, 'fast'));
is($status, 0, 'switch: node 1 is handed over') or diag($said);
ok(wait_log_lines($buyers, scalar(log_lines($buyers)) + 50), 'they buy on');
my $new = $it->ask(qq{SELECT conninfo FROM ticket_where('T1', '$day')});
is($new, place_of($second), 'ticket_where says where it is now');
is($second->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 'f', 'the standby is the primary');
stop_buyers($buyers, 'planned');
$first->{_pid} = undef;
$it->node(1)->{server} = $second;
all_is_there('planned');

# ---------------------------------------------------------------------------------------------------------------------
# After a loss
# ---------------------------------------------------------------------------------------------------------------------
my $third = standby_of($second, 'failover_third');
$it->ask(sprintf(q{SELECT router_node_add(1, '%s', '%s')}, place_of($second), place_of($third)));
($status, $said) = router_config();
is($status, 0, 'the node has a standby again') or diag($said);
$second->safe_psql('postgres', q{ALTER SYSTEM SET synchronous_standby_names = 'failover_third'});
$second->reload;
ok(await(sub { (router_failover('check'))[0] == 0 }), 'check: each commit waits for the standby');
$buyers = start_buyers();
ok(wait_log_lines($buyers, 50), 'they buy');
my $postmaster = $second->{_pid};
kill 'KILL', TicketpoolTest::Router::processes_of($postmaster);
$second->{_pid} = undef;
($status, $said) = router_failover('fail', '--fenced');
is($status, 2, 'fail: refused where nobody knows what the standby has');
like($said, qr/--synchronous/, 'it says what would let it know');
is($third->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'and nothing is promoted');
($status, $said) = router_failover('fail', '--fence', 'false', '--synchronous');
is($status, 2, 'fail: refused where the fence failed');
($status, $said) = router_failover('fail', '--fenced', '--primary-data', $second->data_dir);
is($status, 0, 'fail: the standby takes over') or diag($said);
($status, $said) = router_failover('fail', '--fenced', '--standby', place_of($third), '--conninfo', place_of($third));
is($status, 0, 'fail once more finds it done') or diag($said);
ok(wait_log_lines($buyers, scalar(log_lines($buyers)) + 50), 'they buy on');
cmp_ok(stop_buyers($buyers, 'lost'), '>', 0, 'they had to ask again');
$it->node(1)->{server} = $third;
all_is_there('lost');

# A standby that lacks what was acknowledged: it is not promoted, unless that is said.
my $fourth = standby_of($third, 'failover_fourth');
$it->ask(sprintf(q{SELECT router_node_add(1, '%s', '%s')}, place_of($third), place_of($fourth)));
ok(becomes_true($fourth, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'}), 'a standby follows');
$fourth->safe_psql('postgres', q{ALTER SYSTEM SET primary_conninfo = ''});
$fourth->reload;
ok(becomes_true($fourth, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_wal_receiver}), 'and follows no longer');
is($it->ask(qq{SELECT count(*) FROM ticket_buy('T1', 'S9', 'S10', 77, date '$day' + 3)}), '1', 'a sale');
is($fourth->safe_psql('node1', 'SELECT count(*) FROM ticket_order WHERE user_id = 77'), '0', 'that it does not have');
kill 'KILL', TicketpoolTest::Router::processes_of($third->{_pid});
$third->{_pid} = undef;
($status, $said) = router_failover('fail', '--fenced', '--primary-data', $third->data_dir);
is($status, 2, 'fail: refused where the standby lacks a sale');
like($said, qr/lacks 1 of the transactions/, 'it has counted what is lacking') or diag($said);
($status, $said) = router_failover('fail', '--fenced', '--allow-loss');
is($status, 0, 'fail --allow-loss gives it up') or diag($said);
is($it->ask(qq{SELECT node FROM ticket_where('T1', '$day')}), '1', 'node 1 is there again');

$_->stop('fast', fail_ok => 1) for $fourth;
$it->stop;
done_testing();
