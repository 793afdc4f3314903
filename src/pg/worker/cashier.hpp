// The cashier: the worker that carries out group sales (pool/sale_queue.hpp), one a database.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// In the launcher: starts a cashier wherever a session wants one.
void start_wanted_cashiers();

}  // namespace ticketpool
