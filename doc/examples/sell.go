// Sells tickets from Go, from search to refund: psql -f setup.sql, then
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run sell.go
//
// Needs Go 1.18 or later and lib/pq (Debian: golang-go, golang-github-lib-pq-dev; elsewhere: go mod init
// sell, go get github.com/lib/pq, go run sell.go). The connection comes from the PG… variables, as for
// psql.
package main

import (
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log"
	mathrand "math/rand"
	"net"
	"strings"
	"time"

	"github.com/lib/pq"
)

var db *sql.DB

// Is it worth another try? Another transaction was in the way, the pool is full or there are too many
// connections at the moment, the server stops, was killed or is starting, the connection was lost.
func mayPass(err error) bool {
	var answer *pq.Error
	if errors.As(err, &answer) {
		switch answer.Code {
		case "40001", "40P01", "53200", "53300", "57P01", "57P02", "57P03":
			return true
		}
		return answer.Code.Class() == "08"
	}
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

// What a user may be told: not on sale, refused by a rule. Any other error is a bug in the program: let
// it through.
func isRefused(err error) (*pq.Error, bool) {
	var answer *pq.Error
	return answer, errors.As(err, &answer) && (answer.Code == "TK003" || answer.Code == "TK004")
}

// Runs one statement, which is a transaction, and returns its rows as texts. No row is an answer: sold
// out. (QueryRow would make an error of it, and drop all tickets but the first.) Every call here may be
// repeated: what buys has a request id.
func call(query string, arguments ...any) (rows [][]string, err error) {
	for attempt := 1; attempt <= 10; attempt++ {
		if rows, err = callOnce(query, arguments); err == nil || !mayPass(err) {
			return
		}
		time.Sleep(time.Duration((1 + mathrand.Float64()) * float64(10*time.Millisecond<<attempt)))
	}
	return
}

func callOnce(query string, arguments []any) ([][]string, error) {
	result, err := db.Query(query, arguments...)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	columns, err := result.Columns()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for result.Next() {
		row, targets := make([]string, len(columns)), make([]any, len(columns))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := result.Scan(targets...); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	// An error may come after the rows, at the commit: then nothing was sold.
	return rows, result.Err()
}

func must(rows [][]string, err error) [][]string {
	if err != nil {
		log.Fatal(err)
	}
	return rows
}

// A version 4 UUID: one for each click on "buy".
func newRequest() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		log.Fatal(err)
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Holds seats while the user pays. Rows of order id and place; none: fewer seats are left. A retry with
// the same request, also after a lost connection, returns the first call's seats and holds nothing more.
func hold(request string, user int64, passengers []int64, day string) ([][]string, error) {
	return call(`SELECT order_id, coach || '/' || seat
	             FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => $1::bigint, service_date => $2::date,
	                              passengers => $3::bigint[], request_id => $4::uuid)`,
		user, day, pq.Array(passengers), request)
}

// The callback of the payment, which may be called twice. False: the hold had run out, and no seat is
// left.
func paid(order string) bool {
	return len(must(call(`SELECT status FROM ticket_confirm($1::bigint)`, order))) > 0
}

// A ticket_request as its text, with the fields in the order of the type: an empty field is NULL.
func request(from, to, user, day, class, passengers, id string) string {
	return strings.Join([]string{"(G1", from, to, user, day, class, passengers, "", "", id + ")"}, ",")
}

func places(rows [][]string) string {
	var list []string
	for _, row := range rows {
		list = append(list, row[1])
	}
	return strings.Join(list, ", ")
}

func main() {
	var err error
	if db, err = sql.Open("postgres", ""); err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	// Days are passed as text in both directions: a time.Time has a day only in its own time zone.
	days := must(call(`SELECT (CURRENT_DATE + 1)::text, (CURRENT_DATE + 2)::text, (CURRENT_DATE + 3)::text`))[0]
	day, after, last := days[0], days[1], days[2]

	for _, train := range must(call(`SELECT train, to_char(departs, 'HH24:MI'), to_char(arrives, 'HH24:MI'), seat_class, remaining
	                                 FROM ticket_search('北京南', '上海虹桥', $1::date)`, day)) {
		fmt.Printf("found: %s %s to %s, %s class, %s left\n", train[0], train[1], train[2], train[3], train[4])
	}
	fmt.Println("remaining:", must(call(`SELECT ticket_remaining('G1', '北京南', '上海虹桥', $1::date)`, day))[0][0])

	id := newRequest()
	held := must(hold(id, 7, []int64{101, 102}, day))
	again := must(hold(id, 7, []int64{101, 102}, day))
	if fmt.Sprint(held) != fmt.Sprint(again) {
		log.Fatal("a retry has held other seats")
	}
	fmt.Println("held:", places(held))
	order := held[0][0]
	fmt.Println("paid:", paid(order), "and again:", paid(order))

	nine := []int64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if len(must(hold(newRequest(), 8, nine, day))) == 0 {
		fmt.Println("sold out: no nine seats are left")
	}
	wait := must(call(`SELECT wait_id, status FROM ticket_wait($1::bigint, $2::ticket_request[], passengers => $3::bigint[], request_id => $4::uuid)`,
		8, pq.Array([]string{request("北京南", "上海虹桥", "", day, "second", "", "")}), pq.Array(nine), newRequest()))[0]
	fmt.Println("nine seats:", wait[1])

	// Another day, in one step. No row: it can't be had, and the old tickets stay.
	changed := must(call(`SELECT order_id, coach || '/' || seat
	                      FROM ticket_change($1::bigint, 'G1', '北京南', '上海虹桥', $2::date, request_id => $3::uuid)`, order, after, newRequest()))
	fmt.Println("changed:", places(changed))
	// The change has freed two seats, and whoever waits has them already.
	fmt.Println("nine seats:", must(call(`SELECT status FROM ticket_wait WHERE wait_id = $1::bigint`, wait[0]))[0][0])
	for _, ticket := range must(call(`SELECT ticket_no, status FROM ticket_refund($1::bigint, $2::int[])`, changed[0][0], pq.Array([]int64{1}))) {
		fmt.Printf("ticket %s: %s\n", ticket[0], ticket[1])
	}

	// A train that is not on sale any more, and a rule that refuses.
	must(call(`SELECT ticket_close('G1', $1::date)`, last))
	must(call(`UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure' RETURNING rule`))
	for _, wish := range []struct {
		passenger int64
		day       string
	}{{103, last}, {102, after}} {
		_, err := hold(newRequest(), 7, []int64{wish.passenger}, wish.day)
		if answer, refused := isRefused(err); refused {
			fmt.Printf("refused: %s %s\n  %s\n  %s\n", answer.Code, answer.Message, answer.Detail, answer.Hint)
		} else if err != nil {
			log.Fatal(err)
		}
	}

	// A batch: each request is all or none by itself; one that is sold out has no row.
	requests := []string{
		request("VNP", "NKH", "9", after, "", `"{201}"`, newRequest()),
		request("VNP", "AOH", "9", after, "", `"{301,302,303,304,305,306,307,308,309,310}"`, newRequest()),
		request("NKH", "AOH", "9", after, "", `"{202}"`, newRequest())}
	for _, sold := range must(call(`SELECT request_no, coach || '/' || seat FROM ticket_buy_many($1::ticket_request[])`, pq.Array(requests))) {
		fmt.Printf("batch: request %s has %s\n", sold[0], sold[1])
	}
}
