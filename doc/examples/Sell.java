// Sells tickets from Java, from search to refund: psql -f setup.sql, then
//   java -cp /usr/share/java/postgresql.jar Sell.java
//
// Needs a JDK of version 17 or later and pgjdbc (Debian: libpostgresql-jdbc-java). pgjdbc speaks TCP
// only. The connection comes from PGHOST (localhost), PGPORT (5432), PGDATABASE, PGUSER and PGPASSWORD.
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.LongStream;
import org.postgresql.ds.PGSimpleDataSource;
import org.postgresql.util.PSQLException;

public class Sell {
    // Try again: another transaction was in the way, the pool is full or there are too many connections
    // at the moment, the server stops, was killed or is starting. So does class 08: a lost connection.
    static final Set<String> RETRY = Set.of("40001", "40P01", "53200", "53300", "57P01", "57P02", "57P03");
    // What a user may be told: not on sale, refused by a rule. Any other error is a bug in the program:
    // let it through.
    static final Set<String> REFUSED = Set.of("TK003", "TK004");
    static final int TRIES = 10;

    record Ticket(long order, String place) {}

    interface Row<T> {
        T read(ResultSet row) throws SQLException;
    }

    static final PGSimpleDataSource source = new PGSimpleDataSource();
    static Connection connection;    // in autocommit: each statement is a transaction

    // Runs one statement and returns its rows. No row is an answer: sold out. Every call here may be
    // repeated: what buys has a request id. Always a query whose rows are read: executeUpdate and
    // executeBatch cannot tell "sold" from "sold out".
    static <T> List<T> call(Row<T> row, String sql, Object... values) throws Exception {
        for (int attempt = 1;; attempt++) {
            try {
                if (connection == null || connection.isClosed()) connection = source.getConnection();
                try (PreparedStatement statement = connection.prepareStatement(sql)) {
                    for (int i = 0; i < values.length; i++) {
                        Object value = values[i];
                        if (value instanceof Long[] ids) value = connection.createArrayOf("bigint", ids);
                        if (value instanceof Integer[] numbers) value = connection.createArrayOf("int", numbers);
                        if (value instanceof String[] records) value = connection.createArrayOf("ticket_request", records);
                        statement.setObject(i + 1, value);
                    }
                    List<T> rows = new ArrayList<>();
                    ResultSet result = statement.executeQuery();
                    while (result.next()) rows.add(row.read(result));
                    return rows;
                }
            } catch (SQLException error) {
                String state = String.valueOf(error.getSQLState());
                if (attempt == TRIES || !(RETRY.contains(state) || state.startsWith("08"))) throw error;
                Thread.sleep((long) (ThreadLocalRandom.current().nextDouble(10, 20) * (1 << attempt)));
            }
        }
    }

    static Ticket ticket(ResultSet row) throws SQLException {
        return new Ticket(row.getLong("order_id"), row.getString("coach") + "/" + row.getString("seat"));
    }

    static String places(List<Ticket> tickets) {
        return String.join(", ", tickets.stream().map(Ticket::place).toList());
    }

    // Holds seats while the user pays; no ticket: fewer seats are left. A retry with the same requestId,
    // also after a lost connection, returns the first call's seats and holds nothing more.
    static List<Ticket> hold(UUID requestId, long user, Long[] passengers, LocalDate day) throws Exception {
        return call(Sell::ticket, """
            SELECT order_id, coach, seat FROM ticket_hold('G1', '北京南', '上海虹桥', user_id => ?::bigint, service_date => ?::date,
                                                          passengers => ?::bigint[], request_id => ?::uuid)""",
            user, day, passengers, requestId);
    }

    // The callback of the payment, which may be called twice. False: the hold had run out and no seat is
    // left.
    static boolean paid(long order) throws Exception {
        return !call(row -> row.getString("status"), "SELECT status FROM ticket_confirm(?::bigint)", order).isEmpty();
    }

    // A ticket_request as its text, with the fields in the order of the type: an empty field is NULL.
    static String request(String from, String to, String user, LocalDate day, String seatClass, Long[] passengers, String requestId) {
        String list = passengers == null ? "" : "\"{" + String.join(",", List.of(passengers).stream().map(String::valueOf).toList()) + "}\"";
        return "(G1," + String.join(",", from, to, user, day.toString(), seatClass, list, "", "", requestId) + ")";
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> env = System.getenv();
        source.setServerNames(new String[] {env.getOrDefault("PGHOST", "localhost")});
        source.setPortNumbers(new int[] {Integer.parseInt(env.getOrDefault("PGPORT", "5432"))});
        source.setDatabaseName(env.get("PGDATABASE"));
        source.setUser(env.get("PGUSER"));
        source.setPassword(env.get("PGPASSWORD"));

        // A LocalDate has no time zone; java.sql.Date has that of the JVM. CURRENT_DATE is the day of the
        // session's time zone, which pgjdbc sets to the JVM's.
        LocalDate day = call(row -> row.getObject(1, LocalDate.class), "SELECT CURRENT_DATE + 1").get(0);
        LocalDate after = day.plusDays(1);
        LocalDate last = day.plusDays(2);

        for (String train : call(row -> String.format("%s %s to %s, %s class, %d left", row.getString("train"), row.getString("leaves"),
                                                      row.getString("arrives"), row.getString("seat_class"), row.getInt("remaining")), """
            SELECT train, to_char(departs, 'HH24:MI') AS leaves, to_char(arrives, 'HH24:MI') AS arrives, seat_class, remaining
            FROM ticket_search('北京南', '上海虹桥', ?::date)""", day)) System.out.println("found: " + train);
        System.out.println("remaining: " + call(row -> row.getInt(1), "SELECT ticket_remaining('G1', '北京南', '上海虹桥', ?::date)", day).get(0));

        UUID requestId = UUID.randomUUID();    // one for each click on "buy"
        List<Ticket> held = hold(requestId, 7, new Long[] {101L, 102L}, day);
        List<Ticket> again = hold(requestId, 7, new Long[] {101L, 102L}, day);
        System.out.println("held: " + places(held) + (again.equals(held) ? "" : " and others"));
        long order = held.get(0).order();
        System.out.println("paid: " + paid(order) + " and again: " + paid(order));

        Long[] nine = LongStream.rangeClosed(1, 9).boxed().toArray(Long[]::new);
        if (hold(UUID.randomUUID(), 8, nine, day).isEmpty()) System.out.println("sold out: no nine seats are left");
        String[] options = {request("北京南", "上海虹桥", "", day, "second", null, "")};
        String[] wait = call(row -> new String[] {row.getString("wait_id"), row.getString("status")}, """
            SELECT wait_id, status FROM ticket_wait(?::bigint, ?::ticket_request[], passengers => ?::bigint[], request_id => ?::uuid)""",
            8L, options, nine, UUID.randomUUID()).get(0);
        System.out.println("nine seats: " + wait[1]);

        // Another day, in one step. No ticket: it can't be had, and the old tickets stay.
        List<Ticket> changed = call(Sell::ticket, """
            SELECT order_id, coach, seat FROM ticket_change(?::bigint, 'G1', '北京南', '上海虹桥', ?::date, request_id => ?::uuid)""",
            order, after, UUID.randomUUID());
        System.out.println("changed: " + places(changed));
        // The change has freed two seats, and whoever waits has them already.
        System.out.println("nine seats: " + call(row -> row.getString(1), "SELECT status FROM ticket_wait WHERE wait_id = ?::bigint", wait[0]).get(0));
        for (String ticket : call(row -> row.getInt(1) + ": " + row.getString(2), "SELECT ticket_no, status FROM ticket_refund(?::bigint, ?::int[])",
                                  changed.get(0).order(), new Integer[] {1})) System.out.println("ticket " + ticket);

        // A train that is not on sale any more, and a rule that refuses.
        call(row -> null, "SELECT ticket_close('G1', ?::date)", last);
        call(row -> null, "UPDATE ticket_rule SET enabled = true WHERE rule = 'ticket_rule_one_per_departure' RETURNING rule");
        refused(103, last);
        refused(102, after);

        // A batch: each request is all or none by itself; one that is sold out has no row.
        Long[] ten = LongStream.rangeClosed(301, 310).boxed().toArray(Long[]::new);
        String[] requests = {request("VNP", "NKH", "9", after, "", new Long[] {201L}, UUID.randomUUID().toString()),
                             request("VNP", "AOH", "9", after, "", ten, UUID.randomUUID().toString()),
                             request("NKH", "AOH", "9", after, "", new Long[] {202L}, UUID.randomUUID().toString())};
        for (String sold : call(row -> row.getInt(1) + " has " + row.getString(2) + "/" + row.getString(3),
                                "SELECT request_no, coach, seat FROM ticket_buy_many(?::ticket_request[])", (Object) requests)) {
            System.out.println("batch: request " + sold);
        }
        connection.close();
    }

    static void refused(long passenger, LocalDate day) throws Exception {
        try {
            hold(UUID.randomUUID(), 7, new Long[] {passenger}, day);
        } catch (PSQLException error) {
            if (!REFUSED.contains(error.getSQLState())) throw error;
            var server = error.getServerErrorMessage();
            System.out.println("refused: " + error.getSQLState() + " " + server.getMessage() + "\n  " + server.getDetail() + "\n  " + server.getHint());
        }
    }
}
