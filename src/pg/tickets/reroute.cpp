// ticket_retime and ticket_skip_stop: a departure on sale gets another stop list.
#include "server/errors.hpp"
#include "server/pg.hpp"

namespace ticketpool {
namespace {

[[noreturn]] void report_not_yet() {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("the stop list of a departure cannot be changed yet")));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_retime) {
    ticketpool::report_not_yet();
}

TICKETPOOL_FUNCTION(ticket_skip_stop) {
    ticketpool::report_not_yet();
}
