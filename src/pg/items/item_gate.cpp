// item_ask and item_answer: the question gate.
//
// item_gate has a row for each user and item about which the user was asked:
//   asked       question_no is the question; it stays the same until it is answered right or the
//               user is barred
//   barred      wrong_answers has reached ticketpool.gate_tries; until locked_until, then the user
//               gets a new question
//   open        opened_until is in the future: the user may buy; afterwards the user gets a new
//               question
// All of this is ordinary data, changed in the caller's transaction under the row's lock. The rules
// item_rule_question_gate and ticket_rule_question_gate read it.
#include "pool/shared_memory.hpp"
#include "server/catalog.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/settings.hpp"
#include "tables/item_rows.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

struct Gate {
    int64_t item_id;
    int64_t user_id;
    bool barred;
    bool over;  // was open or barred, but is no longer
    bool open;
    TimestampTz locked_until;
};

// $1 item, $2 user, $3 a number, $4 a text
int execute(const char* sql, const Gate& gate, int32_t number, Datum text) {
    Oid types[] = {INT8OID, INT8OID, INT4OID, TEXTOID};
    Datum values[] = {Int64GetDatum(gate.item_id), Int64GetDatum(gate.user_id),
                      Int32GetDatum(number), text};
    return execute_planned(sql, 4, types, values, text == 0 ? "   n" : "    ");
}

void change(const char* sql, const Gate& gate, int32_t number, int expected) {
    if (execute(sql, gate, number, 0) != expected ||
        (expected == SPI_OK_UPDATE && SPI_processed != 1)) {
        report_not_written(sql);
    }
}

bool bool_column(int number) {
    bool is_null;
    const Datum value =
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
    return !is_null && DatumGetBool(value);
}

// Locks the row of the gate; false: the user has not been asked yet.
bool lock_gate(const Catalog& catalog, Gate* gate) {
    const char* sql = psprintf(
        "SELECT wrong_answers >= $3 AND locked_until > clock_timestamp(), opened_until <= "
        "clock_timestamp() OR wrong_answers >= $3 AND locked_until <= clock_timestamp(), "
        "opened_until > clock_timestamp(), locked_until FROM %s WHERE item_id = $1 AND user_id = "
        "$2 FOR UPDATE",
        qualified_name(catalog.gate));
    if (execute(sql, *gate, setting_gate_tries, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read item_gate");
    }
    if (SPI_processed == 0) {
        return false;
    }
    bool is_null;
    gate->barred = bool_column(1);
    gate->over = bool_column(2);
    gate->open = bool_column(3);
    gate->locked_until = DatumGetTimestampTz(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4, &is_null));
    return true;
}

void require_not_barred(const Gate& gate) {
    if (gate.barred) {
        ereport(ERROR,
                (errcode(kErrorRule),
                 errmsg("user " INT64_FORMAT " has given too many wrong answers", gate.user_id),
                 errdetail("The next question may be asked at %s.",
                           timestamptz_to_str(gate.locked_until)),
                 errhint("Try again then.")));
    }
}

[[noreturn]] void report_not_asked(const Gate& gate) {
    ereport(ERROR,
            (errcode(kErrorRule),
             errmsg("user " INT64_FORMAT " has no question to answer", gate.user_id),
             errdetail("Item " INT64_FORMAT " has not asked one, or it has run out.", gate.item_id),
             errhint("Call item_ask first.")));
}

// Gives the user a question at random: another one than before if the item has more than one.
void pose(const Catalog& catalog, const Gate& gate) {
    change(
        psprintf("INSERT INTO %1$s AS g (item_id, user_id, question_no) SELECT q.item_id, $2, "
                 "q.question_no FROM %2$s AS q LEFT JOIN %1$s AS old ON old.item_id = q.item_id "
                 "AND old.user_id = $2 WHERE q.item_id = $1 ORDER BY old.question_no IS NOT "
                 "DISTINCT FROM q.question_no, random() LIMIT 1 ON CONFLICT (item_id, user_id) DO "
                 "UPDATE SET question_no = excluded.question_no, wrong_answers = 0, locked_until "
                 "= NULL, opened_until = NULL",
                 qualified_name(catalog.gate), qualified_name(catalog.question)),
        gate, 0, SPI_OK_INSERT);
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("item " INT64_FORMAT " has no questions", gate.item_id),
                        errdetail("No row of item_question has this item_id."),
                        errhint("Load its questions into item_question.")));
    }
}

// The question that the user was asked, in the caller's memory context; null: its row is gone.
Datum posed_question(const Catalog& catalog, const Gate& gate) {
    const char* sql = psprintf(
        "SELECT q.question FROM %s AS q JOIN %s AS g USING (item_id, question_no) WHERE "
        "g.item_id = $1 AND g.user_id = $2",
        qualified_name(catalog.question), qualified_name(catalog.gate));
    if (execute(sql, gate, 0, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read item_question");
    }
    bool is_null = true;
    const Datum question = SPI_processed == 0 ? 0
                                              : SPI_getbinval(SPI_tuptable->vals[0],
                                                              SPI_tuptable->tupdesc, 1, &is_null);
    return is_null ? 0 : SPI_datumTransfer(question, false, -1);
}

Datum ask(const Catalog& catalog, Gate* gate) {
    const bool asked = lock_gate(catalog, gate);
    require_not_barred(*gate);
    Datum question = asked && !gate->over ? posed_question(catalog, *gate) : 0;
    if (question == 0) {
        pose(catalog, *gate);
        question = posed_question(catalog, *gate);
    }
    return question;
}

bool is_right(const Catalog& catalog, const Gate& gate, Datum answer) {
    const char* blanks = "E' \\t\\r\\n'";
    const char* sql = psprintf(
        "SELECT lower(btrim(q.answer, %1$s)) = lower(btrim($4, %1$s)) FROM %2$s AS q JOIN %3$s AS "
        "g "
        "USING (item_id, question_no) WHERE g.item_id = $1 AND g.user_id = $2",
        blanks, qualified_name(catalog.question), qualified_name(catalog.gate));
    if (execute(sql, gate, 0, answer) != SPI_OK_SELECT) {
        elog(ERROR, "could not read item_question");
    }
    if (SPI_processed == 0) {
        report_not_asked(gate);  // the row of the question was deleted
    }
    return bool_column(1);
}

bool answer(const Catalog& catalog, Gate* gate, Datum text) {
    if (!lock_gate(catalog, gate)) {
        report_not_asked(*gate);
    }
    require_not_barred(*gate);
    if (gate->over) {
        report_not_asked(*gate);
    }
    const bool right = is_right(catalog, *gate, text);
    if (gate->open) {
        return right;  // a repeated call does not extend how long the gate is open
    }
    const char* where = "WHERE item_id = $1 AND user_id = $2";
    const char* table = qualified_name(catalog.gate);
    if (right) {
        change(psprintf("UPDATE %s SET wrong_answers = 0, locked_until = NULL, opened_until = "
                        "clock_timestamp() + %d * interval '1 second' %s",
                        table, setting_gate_ttl, where),
               *gate, 0, SPI_OK_UPDATE);
    } else {
        change(psprintf("UPDATE %s SET wrong_answers = wrong_answers + 1, locked_until = CASE WHEN "
                        "wrong_answers + 1 >= $3 THEN clock_timestamp() + %d * interval '1 second' "
                        "END %s",
                        table, setting_gate_ttl, where),
               *gate, setting_gate_tries, SPI_OK_UPDATE);
    }
    return right;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_ask) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "user_id");
    PreventCommandIfReadOnly("item_ask()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    Gate gate{};
    gate.item_id = PG_GETARG_INT64(0);
    gate.user_id = PG_GETARG_INT64(1);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const Datum question = ask(catalog, &gate);
    SPI_finish();
    owner_end(scope);
    PG_RETURN_DATUM(question);
}

TICKETPOOL_FUNCTION(item_answer) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "user_id");
    require_argument(fcinfo, 2, "answer");
    PreventCommandIfReadOnly("item_answer()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_item_orders(catalog, AccessShareLock);
    Gate gate{};
    gate.item_id = PG_GETARG_INT64(0);
    gate.user_id = PG_GETARG_INT64(1);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const bool right = answer(catalog, &gate, PG_GETARG_DATUM(2));
    SPI_finish();
    owner_end(scope);
    PG_RETURN_BOOL(right);
}
