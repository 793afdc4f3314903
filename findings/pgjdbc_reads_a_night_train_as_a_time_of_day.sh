#!/usr/bin/env bash
# pgjdbc's getTime() reads the interval 25:10:00 as 01:10:00, a day too early, without an error.
#
# Guess: an interval of more than a day is no time of day, so getTime() raises an error, as it does
# for "1 day 01:10:00".
# Seen with pgjdbc 42.5.5 (Debian 12, 2026-12-01), on columns of type interval:
#   12:41:00        -> 12:41:00
#   25:10:00        -> 01:10:00
#   33:48:30        -> 09:48:30
#   1 day 01:10:00  -> error 22007
# Both lines at the end are the same length of time. getTimestamp() gives 1970-01-02 01:10:00 for
# 25:10:00. getObject(…, LocalTime.class) is refused for every interval (42821). getObject() returns a
# PGInterval with 25 hours, and getString() the text: use one of these for times of a timetable.
#
# Installs nothing: unpacks Debian's packages into a temporary folder, and runs a server of its own
# there (not as root), on a TCP port of 127.0.0.1 that asks for a password. Needs a JDK of version 11
# or later. Fails if pgjdbc behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -f "$dir/data/postmaster.pid" ] || run "$bin/pg_ctl" -s -D "$dir/data" -m immediate stop; }
command -v javac >/dev/null || { echo "there is no JDK here"; exit 2; }
chmod 755 "$dir"; cd "$dir"
mkdir packages run; cd packages
apt-get -q download libpostgresql-jdbc-java=42.5.5-0+deb12u1 postgresql-15 postgresql-client-15 libpq5 >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
bin=$dir/tree/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$dir/tree/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
as=(env); [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env)
run() { "${as[@]}" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" HOME="$dir/run" "$@"; }
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$dir" run

port=$((20000 + RANDOM % 10000)) password=$RANDOM$RANDOM$RANDOM
(umask 077; echo "$password" >run/password; [ "$(id -u)" -ne 0 ] || chown 65534:65534 run/password)
run "$bin/initdb" -D data -A md5 -U postgres --pwfile=run/password --no-locale --encoding=UTF8 >/dev/null
run "$bin/pg_ctl" -s -w -D data -l run/log -o "-c listen_addresses=127.0.0.1 -p $port -k $dir/run" start

cat >Night.java <<'END'
import java.sql.*;

public class Night {
    public static void main(String[] a) throws Exception {
        try (Connection c = DriverManager.getConnection(a[0], "postgres", a[1]); Statement s = c.createStatement()) {
            for (String time : new String[] {"12:41:00", "25:10:00", "33:48:30", "1 day 01:10:00"}) {
                ResultSet r = s.executeQuery("SELECT interval '" + time + "'");
                r.next();
                String read;
                try { read = r.getTime(1).toString(); } catch (SQLException e) { read = "error " + e.getSQLState(); }
                System.out.println(time + " -> " + read);
            }
        }
    }
}
END
env -u LD_LIBRARY_PATH java -cp tree/usr/share/java/postgresql.jar Night.java "jdbc:postgresql://127.0.0.1:$port/postgres" "$password" | tee seen
printf '%s\n' '12:41:00 -> 12:41:00' '25:10:00 -> 01:10:00' '33:48:30 -> 09:48:30' '1 day 01:10:00 -> error 22007' | cmp - seen
echo "as described"
