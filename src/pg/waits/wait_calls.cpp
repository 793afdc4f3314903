// ticket_wait and the functions named after it.
#include "server/errors.hpp"
#include "server/pg.hpp"

namespace ticketpool {
namespace {

[[noreturn]] void report_unfinished() {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("not built yet")));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_wait) {
    ticketpool::report_unfinished();
}

TICKETPOOL_FUNCTION(ticket_wait_add) {
    ticketpool::report_unfinished();
}

TICKETPOOL_FUNCTION(ticket_wait_extend) {
    ticketpool::report_unfinished();
}

TICKETPOOL_FUNCTION(ticket_wait_cancel) {
    ticketpool::report_unfinished();
}

TICKETPOOL_FUNCTION(ticket_wait_status) {
    ticketpool::report_unfinished();
}
