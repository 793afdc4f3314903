// Sells tickets from C++, from search to refund: psql -f setup.sql, then
//   g++ -std=c++17 -o sell sell.cpp -lpqxx -lpq && ./sell
//
// Needs libpqxx 6.4 or 7 (Debian: libpqxx-dev). The connection comes from the PG… variables, as for
// psql.
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <pqxx/pqxx>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace {

// Try again: the pool is full or there are too many connections at the moment, the server stops,
// was killed or is starting; also after a rollback because of another transaction, and after a lost
// connection.
const std::set<std::string> kRetry = {"53200", "53300", "57P01", "57P02", "57P03"};
// What a user may be told: not on sale, refused by a rule. Any other error is a bug in the program:
// let it through.
const std::set<std::string> kRefused = {"TK003", "TK004"};
constexpr int kTries = 10;

std::unique_ptr<pqxx::connection> connection;

void pause_before(int attempt) {
    static std::minstd_rand random{std::random_device{}()};
    std::this_thread::sleep_for(std::chrono::milliseconds(
        std::uniform_int_distribution<int>(10 << attempt, 20 << attempt)(random)));
}

// Runs one statement, which is a transaction, and returns its rows. No row is an answer: sold out.
// Every call here may be repeated: what buys has a request id. A parameter is a text and has a cast
// in the statement.
pqxx::result call(const std::string& sql, const std::vector<std::string>& values = {}) {
    for (int attempt = 1;; attempt++) {
        try {
            if (connection == nullptr) {
                connection = std::make_unique<pqxx::connection>();
            }
            // A pqxx::work would send BEGIN and COMMIT around it.
            pqxx::nontransaction transaction(*connection);
            return transaction.exec_params(sql, pqxx::prepare::make_dynamic_params(values));
        } catch (
            const pqxx::transaction_rollback&) {  // 40001 and 40P01, which libpqxx has classes for
            if (attempt == kTries) {
                throw;
            }
        } catch (const pqxx::sql_error& error) {
            if (attempt == kTries || kRetry.count(error.sqlstate()) == 0) {
                throw;
            }
            if (error.sqlstate() != "53200") {
                connection.reset();
            }
        } catch (const pqxx::broken_connection&) {
            if (attempt == kTries) {
                throw;
            }
            connection.reset();
        }
        pause_before(attempt);
    }
}

std::string new_request() {  // a version 4 UUID: one for each click on "buy"
    std::string uuid;
    std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
    return uuid;
}

// Holds seats while the user pays; no row: fewer seats are left. A retry with the same request,
// also after a lost connection, returns the first call's seats and holds nothing more.
pqxx::result hold(const std::string& request, const std::string& user,
                  const std::string& passengers, const std::string& day) {
    return call(
        "SELECT order_id, coach || '/' || seat AS place FROM ticket_hold('G1', '北京南', "
        "'上海虹桥', user_id => $1::bigint, "
        "service_date => $2::date, passengers => $3::bigint[], request_id => $4::uuid)",
        {user, day, passengers, request});
}

// The callback of the payment, which may be called twice. False: the hold had run out, and no seat
// is left.
bool paid(const std::string& order) {
    return !call("SELECT status FROM ticket_confirm($1::bigint)", {order}).empty();
}

std::string places(const pqxx::result& tickets) {
    std::string list;
    for (const auto& ticket : tickets) {
        list += (list.empty() ? "" : ", ") + ticket["place"].as<std::string>();
    }
    return list;
}

void expect_refusal(const std::string& passengers, const std::string& day) {
    try {
        hold(new_request(), "7", passengers, day);
    } catch (const pqxx::sql_error& error) {
        if (kRefused.count(error.sqlstate()) == 0) {
            throw;
        }
        // libpqxx has no fields for detail and hint: they are further lines of what().
        std::cout << "refused: " << error.sqlstate() << ' ' << error.what();
    }
}

void sell() {
    // Days are passed as text in both directions.
    const pqxx::row days = call("SELECT CURRENT_DATE + 1, CURRENT_DATE + 2, CURRENT_DATE + 3")[0];
    const std::string day = days[0].c_str(), after = days[1].c_str(), last = days[2].c_str();

    for (const auto& train : call("SELECT train, to_char(departs, 'HH24:MI'), to_char(arrives, "
                                  "'HH24:MI'), seat_class, remaining "
                                  "FROM ticket_search('北京南', '上海虹桥', $1::date)",
                                  {day})) {
        std::cout << "found: " << train[0] << ' ' << train[1] << " to " << train[2] << ", "
                  << train[3] << " class, " << train[4] << " left\n";
    }
    std::cout << "remaining: "
              << call("SELECT ticket_remaining('G1', '北京南', '上海虹桥', $1::date)", {day})[0][0]
              << '\n';

    const std::string request = new_request();
    const pqxx::result held = hold(request, "7", "{101,102}", day);
    const pqxx::result again = hold(request, "7", "{101,102}", day);
    std::cout << "held: " << places(held) << (held == again ? "" : " and others") << '\n';
    const std::string order = held[0]["order_id"].c_str();
    std::cout << std::boolalpha << "paid: " << paid(order);
    std::cout << " and again: " << paid(order) << '\n';

    const std::string nine = "{1,2,3,4,5,6,7,8,9}";
    if (hold(new_request(), "8", nine, day).empty()) {
        std::cout << "sold out: no nine seats are left\n";
    }
    const pqxx::row wait = call(
        "SELECT wait_id, status FROM ticket_wait($1::bigint, ARRAY[('G1', '北京南', '上海虹桥', "
        "NULL, $2::date, 'second', "
        "NULL, NULL, NULL, NULL)]::ticket_request[], passengers => $3::bigint[], request_id => "
        "$4::uuid)",
        {"8", day, nine, new_request()})[0];
    std::cout << "nine seats: " << wait["status"] << '\n';

    // Another day, in one step. No row: it can't be had, and the old tickets stay.
    const pqxx::result changed = call(
        "SELECT order_id, coach || '/' || seat AS place "
        "FROM ticket_change($1::bigint, 'G1', '北京南', '上海虹桥', $2::date, request_id => "
        "$3::uuid)",
        {order, after, new_request()});
    std::cout << "changed: " << places(changed) << '\n';
    // The change has freed two seats, and whoever waits has them already.
    std::cout << "nine seats: "
              << call("SELECT status FROM ticket_wait WHERE wait_id = $1::bigint",
                      {wait["wait_id"].c_str()})[0][0]
              << '\n';
    for (const auto& ticket :
         call("SELECT ticket_no, status FROM ticket_refund($1::bigint, $2::int[])",
              {changed[0]["order_id"].c_str(), "{1}"})) {
        std::cout << "ticket " << ticket[0] << ": " << ticket[1] << '\n';
    }

    // A train that is not on sale any more, and a rule that refuses.
    call("SELECT ticket_close('G1', $1::date)", {last});
    call("UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure'");
    expect_refusal("{103}", last);
    expect_refusal("{102}", after);

    // A batch: each request is all or none by itself; one that is sold out has no row.
    for (const auto& sold :
         call("SELECT request_no, coach || '/' || seat FROM ticket_buy_many(ARRAY["
              "('G1', 'VNP', 'NKH', 9, $1::date, NULL, '{201}', NULL, NULL, $2::uuid), "
              "('G1', 'VNP', 'AOH', 9, $1::date, NULL, "
              "'{301,302,303,304,305,306,307,308,309,310}', NULL, NULL, $3::uuid), "
              "('G1', 'NKH', 'AOH', 9, $1::date, NULL, '{202}', NULL, NULL, "
              "$4::uuid)]::ticket_request[])",
              {after, new_request(), new_request(), new_request()})) {
        std::cout << "batch: request " << sold[0] << " has " << sold[1] << '\n';
    }
}

}  // namespace

int main() {
    try {
        sell();
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
