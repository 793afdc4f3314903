// Named stop points: windows of microseconds in which a test can hold a process.
//
// TICKETPOOL_STOP_POINT("committed") is nothing at all in an ordinary build.
//
// Built with -DTICKETPOOL_STOP_POINTS (make build/stop_points/ticketpool.so; the suite `stops` of
// test/run), a session that has SET ticketpool.stop_point = 'committed' waits there while another
// session holds the advisory lock (0, hashtext('committed')):
//
//     BEGIN; SELECT pg_advisory_xact_lock(0, hashtext('committed'));
//
// So the setting says which session stops, and the lock says until when. The tester sees a session
// that waits for a lock, as in every isolation test. The session that holds the lock releases it
// however it ends. An error during the wait (a deadlock) would be raised where none is allowed:
// never stop like this in a build that is in use.
//
// On a server with injection points (17 and later, --enable-injection-points) an ordinary build has
// each stop point as an injection point: "ticketpool-committed".
//
//   committed     a transaction's rows are committed for everybody, and no callback has run
//   rolled-back   the same for a rollback
//   half-claimed  of a set of named seats, the first is claimed and the others are not
//   reform-barred, reform-locked, reform-written  between the steps of amend/reform.cpp
//   sale-queued, sale-answered  the caller of a group sale: its request is in the queue; it has its
//                 answer (pool/sale_queue.cpp)
//   award-written an award of the waiting list: all but the rows of the wait is written
//   cashier-taken, cashier-written, cashier-committed  between the steps of worker/cashier.cpp
#pragma once

#include "server/pg.hpp"

#if defined(TICKETPOOL_STOP_POINTS)

namespace ticketpool {

void define_stop_point_setting();
void stop_point(const char* name);

}  // namespace ticketpool

#define TICKETPOOL_STOP_POINT(name) stop_point(name)

#else

namespace ticketpool {

inline void define_stop_point_setting() {}

}  // namespace ticketpool

#if defined(USE_INJECTION_POINTS) && PG_VERSION_NUM >= 170000
extern "C" {
#include "utils/injection_point.h"
}
#if PG_VERSION_NUM >= 180000
#define TICKETPOOL_STOP_POINT(name) INJECTION_POINT("ticketpool-" name, nullptr)
#else
#define TICKETPOOL_STOP_POINT(name) INJECTION_POINT("ticketpool-" name)
#endif
#else
#define TICKETPOOL_STOP_POINT(name) static_cast<void>(0)
#endif

#endif
