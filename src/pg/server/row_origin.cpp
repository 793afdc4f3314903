// See row_origin.hpp.
#include "server/row_origin.hpp"

extern "C" {
#include "replication/logicalworker.h"
}

namespace ticketpool {

// pg_dump's scripts, whoever runs them, begin so.
bool in_restore() {
    const char* path = GetConfigOption("search_path", false, false);
    return !check_function_bodies && path != nullptr && path[0] == '\0';
}

bool rows_come_in_any_order() {
    return IsLogicalWorker() || in_restore();
}

}  // namespace ticketpool
