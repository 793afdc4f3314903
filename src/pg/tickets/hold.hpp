// How long holds last, for those that hold seats.
#pragma once

#include "purchase/hold_time.hpp"
