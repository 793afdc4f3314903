// The end of a transaction or subtransaction: the one place that the server calls, and the one
// order in which the parts of the extension are told. See transaction.cpp.
#pragma once

namespace ticketpool {

void install_transaction_callbacks();

}  // namespace ticketpool
