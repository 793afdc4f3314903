#!/usr/bin/env bash
# libpqxx's pipeline on a nontransaction returns a row of an INSERT that is undone afterwards by the
# next statement's error.
#
# Guess: in a nontransaction each statement is committed by itself, as its documentation says, also in
# a pipeline; so the row that retrieve() has returned stays.
# Seen with libpqxx 6.4.5 (Debian 12, 2026-12-01):
#   retrieve(1): 1A          INSERT … VALUES ('1A') RETURNING seat
#   retrieve(2): error       INSERT … VALUES ('1B') RETURNING 1/0
#   rows: 0
# A pipeline sends the statements that have gathered as one query string, which the server carries out
# as one transaction. Which ones have gathered depends on retain() and on how fast the server answers.
# Believe a row only when the whole pipeline is complete without an error.
#
# Installs nothing: unpacks Debian's packages into a temporary folder, and runs a server of its own
# there (not as root). Needs g++. Fails if libpqxx behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'stop; rm -rf "$dir"' EXIT
stop() { [ ! -f "$dir/data/postmaster.pid" ] || run "$bin/pg_ctl" -s -D "$dir/data" -m immediate stop; }
command -v g++ >/dev/null || { echo "there is no g++ here"; exit 2; }
chmod 755 "$dir"; cd "$dir"
mkdir packages run; cd packages
apt-get -q download libpqxx-dev=6.4.5-2 libpqxx-6.4=6.4.5-2 postgresql-15 postgresql-client-15 libpq5 libpq-dev >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
bin=$dir/tree/usr/lib/postgresql/15/bin libraries=$dir/tree/usr/lib/$(g++ -dumpmachine)
as=(env); [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env)
run() { "${as[@]}" LD_LIBRARY_PATH="$libraries" HOME="$dir/run" PGUSER=postgres "$@"; }
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$dir" run

run "$bin/initdb" -D data -A trust -U postgres --no-locale --encoding=UTF8 >/dev/null
run "$bin/pg_ctl" -s -w -D data -l run/log -o "-c listen_addresses='' -k $dir/run" start
run "$bin/psql" -XAtq -h "$dir/run" -c 'CREATE TABLE sale (seat text)' postgres

cat >two.cpp <<'END'
#include <iostream>
#include <pqxx/pipeline>
#include <pqxx/pqxx>

int main(int, char** arguments) {
    pqxx::connection connection(std::string("user=postgres dbname=postgres host=") + arguments[1]);
    {
        pqxx::nontransaction each_by_itself(connection);
        pqxx::pipeline pipeline(each_by_itself);
        pipeline.retain(2);
        const auto first = pipeline.insert("INSERT INTO sale VALUES ('1A') RETURNING seat");
        const auto second = pipeline.insert("INSERT INTO sale VALUES ('1B') RETURNING 1/0");
        std::cout << "retrieve(1): " << pipeline.retrieve(first)[0][0] << std::endl;
        try {
            const pqxx::result row = pipeline.retrieve(second);
            std::cout << "retrieve(2): " << row[0][0] << std::endl;
        } catch (const pqxx::sql_error&) {
            std::cout << "retrieve(2): error" << std::endl;
        }
    }
    pqxx::nontransaction after(connection);
    std::cout << "rows: " << after.exec("SELECT count(*) FROM sale")[0][0] << std::endl;
}
END
g++ -std=c++17 -I"$dir/tree/usr/include" -I"$dir/tree/usr/include/postgresql" -o two two.cpp -L"$libraries" -lpqxx -lpq
LD_LIBRARY_PATH=$libraries ./two "$dir/run" | tee seen
printf '%s\n' 'retrieve(1): 1A' 'retrieve(2): error' 'rows: 0' | cmp - seen
echo "as described"
