// This process's view of the shared memory, and the check that there is any.
#include "pool/shared_memory.hpp"

#include "server/not_preloaded.hpp"

namespace ticketpool {

constinit Shared shared{};

void require_shared_memory() {
    if (shared.control == nullptr) {
        report_not_preloaded();
    }
    if (IsInParallelMode()) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
                        errmsg("the seat pool cannot be used in a parallel operation"),
                        errdetail("The functions of ticketpool are parallel unsafe."),
                        errhint("Declare functions that call them PARALLEL UNSAFE.")));
    }
    if (shared.mine == nullptr) {
        shared.mine = &shared.backends[my_backend_number()];
        shared.mine->pid.store(MyProcPid, std::memory_order_relaxed);
    }
}

}  // namespace ticketpool
