// Serving streams of options, first come, first served: see serve.cpp.
#pragma once

#include "waits/one_award.hpp"
#include "waits/streams.hpp"

namespace ticketpool {

struct Service {
    int awarded;
    int busy;  // passed over, because other transactions work on them
    int lost;  // not decided: somebody else was quicker, or an error has to be tried again
};

// Awards what is free to the options of the streams, in order of queue_no.
Service serve_streams(const WaitStock& stock, StreamList* list);

}  // namespace ticketpool
