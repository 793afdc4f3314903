// Tells a restore and logical replication from other sessions (row_origin.hpp).
#include "server/row_origin.hpp"

extern "C" {
#include "replication/logicalworker.h"
}

namespace ticketpool {

// Every script of pg_dump begins with these settings, however it is run.
bool in_restore() {
    const char* path = GetConfigOption("search_path", false, false);
    return !check_function_bodies && path != nullptr && path[0] == '\0';
}

bool rows_come_in_any_order() {
    return IsLogicalWorker() || in_restore();
}

}  // namespace ticketpool
