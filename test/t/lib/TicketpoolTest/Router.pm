# A router and its nodes, all on Unix sockets in temporary folders: servers with ticketpool, a server
# that does not preload it with PL/Proxy and ticketpool_router, and PgBouncer between them.
#
# Nodes are databases of one server (quick to make), or servers of their own (servers => 1), which a
# test can freeze and kill. One more database, `whole`, has everything in one place, for comparisons.
package TicketpoolTest::Router;

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TicketpoolTest;
use TicketpoolTest::Server;
use TicketpoolTest::Session;

our @EXPORT = qw(require_plproxy outcome answer same_answer);

# ---------------------------------------------------------------------------------------------------------------------
# What must be installed
# ---------------------------------------------------------------------------------------------------------------------

# Ends the test file if there is no PL/Proxy: as skipped where this release has no package of it for
# this server, else as failed.
sub require_plproxy
{
	my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
	my ($sharedir) = run_command([ 'pg_config', '--sharedir' ]);
	return if -e "$sharedir/extension/plproxy.control";
	my ($major) = $bindir =~ m{^/usr/lib/postgresql/(\d+)/bin$};
	my $package = $major && -x '/usr/bin/apt-cache' ? "postgresql-$major-plproxy" : undef;
	my ($policy) = $package ? run_command([ 'apt-cache', 'policy', $package ]) : '';
	plan skip_all => 'plproxy is not installed for this server, and this system has no package of it' if ($policy // '') !~ /Candidate: \d/;
	BAIL_OUT("plproxy is not installed: install the package $package (make deps)");
	return;
}

sub find_pgbouncer
{
	my ($program) = grep { -x } '/usr/sbin/pgbouncer', '/usr/local/bin/pgbouncer', '/usr/bin/pgbouncer';
	return $program;
}

# ---------------------------------------------------------------------------------------------------------------------
# Making them
# ---------------------------------------------------------------------------------------------------------------------

# new(name, nodes => 3, servers => 1, pooler => 1, schema => 'tickets', conf => …, router_conf => …,
# whole => 1). pooler: the router reaches its nodes through PgBouncer in transaction mode, and clients
# can reach the router through it. schema: where the extensions are (a schema of its own, not in
# anybody's search_path).
sub new
{
	my ($class, $name, %options) = @_;
	require_plproxy();
	my $self = bless { name => $name, schema => $options{schema} // 'public', nodes => {}, sessions => {}, frozen => {}, dir => File::Temp::tempdir(CLEANUP => 1), owner => $$ }, $class;
	my $count = $options{nodes} // 3;

	my $base = PostgreSQL::Test::Cluster->new("${name}_router");
	$base->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
	$base->append_conf('postgresql.conf', join("\n", 'log_statement = none', 'max_connections = 60', 'restart_after_crash = on', ''));
	my @servers = map { $self->copy_of($base, "${name}_$_", $options{conf}) } $options{servers} ? 1 .. $count : 'nodes';
	push @servers, $self->copy_of($base, "${name}_whole", $options{conf}) if $options{servers} && $options{whole};
	$base->append_conf('postgresql.conf', $options{router_conf} // '');
	$self->{router} = keep_sessions($base);
	$_->start for $base, @servers;

	for my $number (1 .. $count)
	{
		my $server = $servers[ $options{servers} ? $number - 1 : 0 ];
		$self->{nodes}{$number} = { number => $number, server => $server, database => "node$number" };
		$self->make_node($server, "node$number", $number);
	}
	if ($options{whole})
	{
		$self->{whole} = { number => 0, server => $servers[-1], database => 'whole' };
		$self->make_node($servers[-1], 'whole', 0);
	}
	$self->start_pooler if $options{pooler} && find_pgbouncer();
	$self->make_router;
	return $self;
}

sub copy_of
{
	my ($self, $base, $name, $conf) = @_;
	my $copy = PostgreSQL::Test::Cluster->new($name);
	mkdir $copy->backup_dir;
	mkdir $copy->archive_dir;
	rmdir $copy->data_dir;
	system_or_bail('cp', '-a', $base->data_dir, $copy->data_dir);
	$copy->append_conf('postgresql.conf', join("\n", '', 'port = ' . $copy->port, "unix_socket_directories = '" . $copy->host . "'",
		"shared_preload_libraries = 'ticketpool'", $conf // '', split(/;/, $ENV{TICKETPOOL_CONF} // ''), ''));
	return keep_sessions($copy);
}

sub make_node
{
	my ($self, $server, $database, $number) = @_;
	# The servers are copies of one, and a database is known by its server's identifier and its oid.
	$server->safe_psql('postgres', "CREATE DATABASE $database OID = " . (20000 + $number));
	$server->safe_psql($database, "CREATE SCHEMA IF NOT EXISTS $self->{schema}; CREATE EXTENSION ticketpool SCHEMA $self->{schema}");
	$server->safe_psql($database, "SELECT $self->{schema}.ticket_node_set($number)") if $number && $self->knows_numbers($server, $database);
	return;
}

sub knows_numbers
{
	my ($self, $server, $database) = @_;
	return $server->safe_psql($database, "SELECT count(*) FROM pg_proc WHERE proname = 'ticket_node_set'") > 0;
}

# The router's database. It is 'postgres', or another one of the same server (second => 1 makes a
# second router over the same nodes).
sub make_router
{
	my ($self, $database) = @_;
	$database //= 'postgres';
	my ($router, $schema) = @{$self}{qw(router schema)};
	$router->safe_psql('postgres', "CREATE DATABASE $database") if $database ne 'postgres';
	$router->safe_psql($database, "CREATE SCHEMA IF NOT EXISTS $schema; CREATE EXTENSION plproxy; CREATE EXTENSION ticketpool_router SCHEMA $schema");
	for my $node (sort { $a->{number} <=> $b->{number} } values %{ $self->{nodes} })
	{
		$router->safe_psql($database, sprintf(q{SELECT %s.router_node_add(%d, '%s')}, $schema, $node->{number}, $self->conninfo($node)));
		$router->safe_psql($database, sprintf(q{UPDATE %s.router_node SET via = '%s' WHERE node = %d}, $schema, $self->via($node), $node->{number})) if $self->{pooler_port};
	}
	return;
}

# A node as a client reaches it, and as the router does, through PgBouncer.
sub conninfo
{
	my ($self, $node) = @_;
	return sprintf('host=%s port=%d dbname=%s', $node->{server}->host, $node->{server}->port, $node->{database});
}
sub via { my ($self, $node) = @_; return "host=$self->{dir} port=$self->{pooler_port} dbname=$node->{database}" }

# ---------------------------------------------------------------------------------------------------------------------
# PgBouncer
# ---------------------------------------------------------------------------------------------------------------------

# Writes its configuration and starts it. Without a port it gets a new one.
sub start_pooler
{
	my ($self) = @_;
	my $program = find_pgbouncer() // return;
	my $port = $self->{pooler_port} //= PostgreSQL::Test::Cluster::get_free_port();
	$self->{user} //= $self->{router}->safe_psql('postgres', 'SELECT current_user');
	my $databases = join '', map { sprintf "%s = %s\n", $_->{database}, $self->conninfo($_) } values %{ $self->{nodes} };
	open(my $users, '>', "$self->{dir}/users") or die "users: $!";
	print $users map { qq{"$_" ""\n} } $self->{user}, 'seller', 'nobody';
	close $users;
	open(my $ini, '>', "$self->{dir}/pgbouncer.ini") or die "pgbouncer.ini: $!";
	print $ini qq{
[databases]
${databases}router = host=@{[ $self->{router}->host ]} port=@{[ $self->{router}->port ]} dbname=postgres
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $self->{dir}
pidfile = $self->{dir}/pgbouncer.pid
auth_type = trust
auth_file = $self->{dir}/users
admin_users = $self->{user}
pool_mode = transaction
default_pool_size = 10
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
server_connect_timeout = 2
server_login_retry = 1
query_timeout = 5
query_wait_timeout = 3
};
	close $ini;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>>', "$self->{dir}/pgbouncer.log");
		open(STDERR, '>&', \*STDOUT);
		POSIX::close($_) for 3 .. 255;
		exec($program, '-q', "$self->{dir}/pgbouncer.ini") or POSIX::_exit(127);
	}
	$self->{pooler} = $pid;
	my ($some) = values %{ $self->{nodes} };
	my $connstr = $some ? $self->via($some) . " user=$self->{user}" : '';
	await(sub { my ($out) = run_command([ 'psql', '-XAtq', '-d', $connstr, '-c', 'SELECT 1' ]); $out eq '1' })
	  or die 'PgBouncer does not run: ' . slurp_file("$self->{dir}/pgbouncer.log");
	return;
}

# How it ends: by signal KILL, or QUIT, at once. TERM makes PgBouncer wait for its clients since 1.23.
sub stop_pooler
{
	my ($self, $signal) = @_;
	my $pid = delete $self->{pooler} or return;
	kill $signal // 'QUIT', $pid;
	waitpid($pid, 0);
	unlink "$self->{dir}/pgbouncer.pid", "$self->{dir}/.s.PGSQL.$self->{pooler_port}";
	return;
}

# After ALTER DATABASE: what PgBouncer keeps is replaced by new connections. (Those of PL/Proxy end
# with the router's sessions.)
sub new_connections
{
	my ($self) = @_;
	$self->{router}->release;
	return unless $self->{pooler};
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-d', "host=$self->{dir} port=$self->{pooler_port} dbname=pgbouncer user=$self->{user}", '-c', 'RECONNECT' ]);
	die "RECONNECT: $err" if $err =~ /ERROR/;
	return;
}

sub has_pooler { my ($self) = @_; return defined $self->{pooler} }
# The router as a client behind PgBouncer in transaction mode reaches it.
sub pooled_connstr { my ($self, $user) = @_; return "host=$self->{dir} port=$self->{pooler_port} dbname=router user=" . ($user // $self->{user}) }

# ---------------------------------------------------------------------------------------------------------------------
# Trains
# ---------------------------------------------------------------------------------------------------------------------

sub router { my ($self) = @_; return $self->{router} }
sub node { my ($self, $number) = @_; return $self->{nodes}{$number} // die "no node $number" }
sub numbers { my ($self) = @_; return sort { $a <=> $b } keys %{ $self->{nodes} } }

# The same SQL in each node, and in `whole` where there is one.
sub everywhere
{
	my ($self, $sql) = @_;
	$_->{server}->safe_psql($_->{database}, $self->with_path($sql)) for $self->places;
	return;
}
sub places { my ($self) = @_; return (map({ $self->{nodes}{$_} } $self->numbers), $self->{whole} // ()) }
sub with_path { my ($self, $sql) = @_; return $self->{schema} eq 'public' ? $sql : "SET search_path = $self->{schema}, public; $sql" }

# SQL by the owner; its output. on(0): `whole`.
sub on { my ($self, $number, $sql) = @_; my $place = $number ? $self->node($number) : $self->{whole}; return $place->{server}->safe_psql($place->{database}, $self->with_path($sql)) }
sub ask { my ($self, $sql) = @_; return $self->{router}->safe_psql('postgres', $self->with_path($sql)) }

# Stations S1 … Sn and these trains, each with stops at all of them (train => [prefix, stops] for
# others), and a formation, on every node: reference data are the same everywhere.
sub reference
{
	my ($self, $formation, $seats, %trains) = @_;
	for my $place ($self->places)
	{
		my ($server, $database) = @{$place}{qw(server database)};
		make_formation($self->pathed($server), $database, $formation, $seats) if $formation;
		for my $train (sort keys %trains)
		{
			my ($prefix, $stops) = ref $trains{$train} ? @{ $trains{$train} } : ('S', $trains{$train});
			make_train($self->pathed($server), $database, $train, $stops, $prefix);
		}
	}
	return;
}

# A node whose safe_psql puts the extension's schema in front of its path.
sub pathed { my ($self, $server) = @_; return $self->{schema} eq 'public' ? $server : TicketpoolTest::Router::Pathed->new($self, $server) }

sub assign { my ($self, %trains) = @_; $self->ask("SELECT router_assign('$_', $trains{$_}, '2020-01-01')") for sort keys %trains; return }

# Opens departures through the router, and in `whole` as well.
sub open_departures_of
{
	my ($self, $formation, $days, @trains) = @_;
	my $day = DAY;
	for my $train (@trains)
	{
		for my $n (0 .. $days - 1)
		{
			my $call = "SELECT ticket_open('$train', date '$day' + $n, '$formation', '2020-01-01')";
			$self->ask($call);
			$self->on(0, $call) if $self->{whole};
		}
	}
	return;
}

# ---------------------------------------------------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------------------------------------------------

# A session with the router (number undefined), with a node, or with `whole` (0), that shows errors whole.
sub connect_to
{
	my ($self, $number, %options) = @_;
	my ($server, $database) = !defined $number ? ($self->{router}, 'postgres') : $number ? @{ $self->node($number) }{qw(server database)} : @{ $self->{whole} }{qw(server database)};
	my $connstr = $options{connstr} // $server->connstr($database) . ($options{user} ? " user=$options{user}" : '');
	my $session = TicketpoolTest::Session->new($connstr, verbosity => 'verbose');
	$session->run("SET search_path = $self->{schema}, public") if $self->{schema} ne 'public' && !$options{connstr};
	return $session;
}

# Runs a statement in a session: { state, rows, message, detail, hint, context, notices }.
sub outcome
{
	my ($session, $sql) = @_;
	return answer($session, $session->run($sql));
}

# The same of an answer that was waited for.
sub answer
{
	my ($session, $output) = @_;
	my %outcome = (state => $session->sqlstate, rows => [], notices => []);
	my $field;
	for my $line (split /\n/, $output)
	{
		if ($line =~ /^(?:psql:\S+?:\d+: )?(ERROR|FATAL|PANIC):  (?:(\w{5}): )?(.*)$/) { $field = 'message'; $outcome{message} = $3 }
		elsif ($line =~ /^(?:psql:\S+?:\d+: )?(WARNING|NOTICE|INFO|LOG|DEBUG):  (?:(\w{5}): )?(.*)$/) { push @{ $outcome{notices} }, "$1: $3"; $field = undef }
		elsif ($line =~ /^(DETAIL|HINT|CONTEXT|QUERY|LOCATION|SCHEMA NAME|TABLE NAME|COLUMN NAME|DATATYPE NAME|CONSTRAINT NAME):  (.*)$/)
		{
			$field = defined $outcome{message} ? lc $1 : '';
			$outcome{$field} = $2 if $field;
			$field = undef if $1 eq 'LOCATION';    # the last of a message
		}
		elsif ($line =~ /^LINE \d+: / || $line =~ /^\s+\^$/) { next }
		elsif (defined $field) { $outcome{$field} .= "\n$line" if $field }
		else { push @{ $outcome{rows} }, $line }
	}
	$outcome{state} = 'lost' if $session->is_lost;
	return \%outcome;
}

# What of two outcomes must be equal: rows, or the error's state, message, detail and hint.
sub same_answer
{
	my ($outcome) = @_;
	return join "\n", $outcome->{state}, @{ $outcome->{rows} } if $outcome->{state} eq '00000';
	return join "\n", map { "$_: " . ($outcome->{$_} // '') } qw(state message detail hint);
}

# ---------------------------------------------------------------------------------------------------------------------
# Faults
# ---------------------------------------------------------------------------------------------------------------------

sub postmaster { my ($self, $number) = @_; return $self->node($number)->{server}{_pid} }

# The server's processes: its postmaster first.
sub processes_of
{
	my ($postmaster) = @_;
	my @children;
	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open(my $file, '<', $stat) or next;
		my $line = <$file> // next;
		push @children, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $postmaster;
	}
	return ($postmaster, @children);
}

# Stops every process of a node's server where it is. The server neither answers nor closes a connection.
sub freeze
{
	my ($self, $number) = @_;
	my $postmaster = $self->postmaster($number);
	kill 'STOP', $postmaster;
	my @all = processes_of($postmaster);
	kill 'STOP', @all;
	$self->{frozen}{$number} = \@all;
	return;
}
sub thaw
{
	my ($self, $number) = @_;
	my $all = delete $self->{frozen}{$number} or return;
	kill 'CONT', reverse @$all;
	return;
}

# kill -9 of all processes of a node's server, as if its machine lost power.
sub kill_node
{
	my ($self, $number) = @_;
	$self->node($number)->{server}->release;    # the end of a kept psql waits for its backend, which a stopped postmaster never collects
	kill 'STOP', $self->postmaster($number);    # else it may start one more, which answers for a moment
	my @all = processes_of($self->postmaster($number));
	$self->node($number)->{server}->kill9;
	kill 'KILL', @all;
	return;
}
sub start_node { my ($self, $number) = @_; return TicketpoolTest::start_again($self->node($number)->{server}) }

# kill -9 of one backend of a node or (undefined) of the router, which restarts; true when it is up again.
sub kill_backend
{
	my ($self, $number, $pid) = @_;
	my $server = defined $number ? $self->node($number)->{server} : $self->{router};
	my $offset = -s $server->logfile;
	kill 'KILL', $pid;
	return await(sub { slurp_file($server->logfile, $offset) =~ /ready to accept connections/ });
}

# ---------------------------------------------------------------------------------------------------------------------
# Proofs, and the end
# ---------------------------------------------------------------------------------------------------------------------

# On every node: pool and tables agree, no seat is sold twice, no claim is left in flight. where: as
# for agrees().
sub all_agree
{
	my ($self, $label, $where) = @_;
	for my $number ($self->numbers)
	{
		my $node = $self->node($number);
		in_flight_is_empty($self->pathed($node->{server}), $node->{database}, "$label, node $number");
		agrees($self->pathed($node->{server}), $node->{database}, "$label, node $number", $where);
	}
	return;
}

sub stop
{
	my ($self) = @_;
	return unless $self->{owner} == $$;
	$self->thaw($_) for keys %{ $self->{frozen} };
	$self->stop_pooler;
	my %servers = map { $_->{server}->name => $_->{server} } $self->places;
	$_->stop('immediate', fail_ok => 1) for values %servers, $self->{router};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@, $!);
	return unless $self->{owner} == $$;
	$self->thaw($_) for keys %{ $self->{frozen} };
	$self->stop_pooler;
	return;
}

package TicketpoolTest::Router::Pathed;

# Passes every call to a server; SQL gets the schema of the extension in front.
sub new { my ($class, $router, $server) = @_; return bless { router => $router, server => $server }, $class }
sub safe_psql { my ($self, $database, $sql, @more) = @_; return $self->{server}->safe_psql($database, $self->{router}->with_path($sql), @more) }
sub psql { my ($self, $database, $sql, @more) = @_; return $self->{server}->psql($database, $self->{router}->with_path($sql), @more) }

1;
