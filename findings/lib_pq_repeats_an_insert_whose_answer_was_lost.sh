#!/usr/bin/env bash
# lib/pq with database/sql makes an INSERT twice if the connection ends before its answer has come,
# and reports no error.
#
# Guess: the caller gets an error, since nobody knows whether the statement was carried out, and the
# table has one row.
# Seen with lib/pq 1.10.7 and Go 1.19.8 (Debian 12, 2026-12-01), through a proxy that ends the
# connection after the server has answered the INSERT, and before the client gets the answer:
#   answers lost: 1, error: <nil>, rows: 2
#   answers lost: 2, error: <nil>, rows: 3
#   answers lost: 3, error: driver: bad connection, rows: 3
# lib/pq turns the end of the connection (io.EOF) into driver.ErrBadConn, also after it has sent the
# statement. database/sql takes that as "nothing was done", and tries again on two more connections.
# Exec and QueryRow do the same. A statement that may be repeated by itself (with a request id, say)
# is safe.
#
# Installs nothing: unpacks Debian's packages into a temporary folder, and runs a server of its own
# there (not as root). Fails if lib/pq behaves otherwise.
set -eu
dir=$(mktemp -d); trap 'stop; chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
stop() { [ ! -f "$dir/data/postmaster.pid" ] || run "$bin/pg_ctl" -s -D "$dir/data" -m immediate stop; }
chmod 755 "$dir"; cd "$dir"
mkdir packages run; cd packages
apt-get -q download golang-github-lib-pq-dev=1.10.7-2 golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2 postgresql-15 postgresql-client-15 libpq5 >/dev/null 2>&1 ||
  { echo "these packages cannot be downloaded here (they are Debian 12's)"; exit 2; }
for package in *.deb; do dpkg -x "$package" ../tree; done
cd ..
bin=$dir/tree/usr/lib/postgresql/15/bin
export LD_LIBRARY_PATH=$dir/tree/usr/lib/$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
as=(env); [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups env)
run() { "${as[@]}" LD_LIBRARY_PATH="$LD_LIBRARY_PATH" HOME="$dir/run" PGUSER=postgres "$@"; }
[ "$(id -u)" -ne 0 ] || chown 65534:65534 "$dir" run

run "$bin/initdb" -D data -A trust -U postgres --no-locale --encoding=UTF8 >/dev/null
run "$bin/pg_ctl" -s -w -D data -l run/log -o "-c listen_addresses='' -k $dir/run" start
run "$bin/psql" -XAtq -h "$dir/run" -c 'CREATE TABLE sale (id serial)' postgres

cat >lost.go <<'END'
package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"

	_ "github.com/lib/pq"
)

var lose int32 // so many answers to an INSERT are lost

// A proxy for one connection.
func pass(client net.Conn) {
	server, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	go io.Copy(server, client)
	buffer := make([]byte, 65536)
	for {
		n, err := server.Read(buffer)
		if err != nil || bytes.Contains(buffer[:n], []byte("INSERT 0 1")) && atomic.AddInt32(&lose, -1) >= 0 {
			client.Close()
			server.Close()
			return
		}
		client.Write(buffer[:n])
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go pass(client)
		}
	}()
	port := listener.Addr().(*net.TCPAddr).Port
	db, _ := sql.Open("postgres", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable", port))
	for n := int32(1); n <= 3; n++ {
		if _, err := db.Exec("DELETE FROM sale"); err != nil {
			panic(err)
		}
		atomic.StoreInt32(&lose, n)
		_, failed := db.Exec("INSERT INTO sale DEFAULT VALUES")
		atomic.StoreInt32(&lose, 0)
		var rows int
		if err := db.QueryRow("SELECT count(*) FROM sale").Scan(&rows); err != nil {
			panic(err)
		}
		fmt.Printf("answers lost: %d, error: %v, rows: %d\n", n, failed, rows)
	}
}
END
env -u LD_LIBRARY_PATH GOROOT="$dir/tree/usr/lib/go-1.19" GO111MODULE=off GOPATH="$dir/tree/usr/share/gocode" GOCACHE="$dir/cache" \
  "$dir/tree/usr/lib/go-1.19/bin/go" build -o lost lost.go
./lost "$dir/run/.s.PGSQL.5432" | tee seen
cmp - seen <<'END'
answers lost: 1, error: <nil>, rows: 2
answers lost: 2, error: <nil>, rows: 3
answers lost: 3, error: driver: bad connection, rows: 3
END
echo "as described"
