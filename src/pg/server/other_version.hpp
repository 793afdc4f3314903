// The error where library and objects are not of one version: which version is where, what to do.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// 55000. `objects`: the version of the extension's objects in this database; `library`: that of the
// library in memory, another one.
[[noreturn]] void report_other_version(const char* objects, const char* library);

// In an ereport: the step that is missing.
int hint_of_other_version(const char* objects, const char* library);

}  // namespace ticketpool
