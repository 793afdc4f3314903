// Compares the versions of the library in memory, of the objects in the database and of the files
// that are installed, and says which step of an update is missing (other_version.hpp).
#include "server/other_version.hpp"

#include <cstdio>

extern "C" {
#include "storage/fd.h"
}

namespace ticketpool {

namespace {

// Does version `a` come before version `b`? They are two numbers each.
bool is_older(const char* a, const char* b) {
    int numbers[4] = {};
    (void)sscanf(a, "%d.%d", &numbers[0], &numbers[1]);
    (void)sscanf(b, "%d.%d", &numbers[2], &numbers[3]);
    return numbers[0] != numbers[2] ? numbers[0] < numbers[2] : numbers[1] < numbers[3];
}

// The version of the files that are installed now: a restarted server has that library. Null: the
// control file is not where it belongs.
const char* installed_files() {
    char share[MAXPGPATH];
    get_share_path(my_exec_path, share);
    FILE* file = AllocateFile(psprintf("%s/extension/ticketpool.control", share), PG_BINARY_R);
    if (file == nullptr) {
        return nullptr;
    }
    ConfigVariable* head = nullptr;
    ConfigVariable* tail = nullptr;
    const bool read = ParseConfigFp(file, "ticketpool.control", 0, DEBUG2, &head, &tail);
    FreeFile(file);
    const char* version = nullptr;
    for (const ConfigVariable* line = head; read && line != nullptr; line = line->next) {
        if (strcmp(line->name, "default_version") == 0) {
            version = line->value;
        }
    }
    return version;
}

}  // namespace

int hint_of_other_version(const char* objects, const char* library) {
    const char* found = installed_files();
    const char* files = found == nullptr ? library : found;  // what a restarted server would have
    if (strcmp(files, objects) == 0) {
        return errhint("Only the restart is missing: restart the server.");
    }
    if (is_older(files, objects)) {
        return errhint("Install version %s of ticketpool, and restart the server.", objects);
    }
    return strcmp(files, library) == 0
               ? errhint("Run ALTER EXTENSION ticketpool UPDATE.")
               : errhint("Restart the server, and then run ALTER EXTENSION ticketpool UPDATE.");
}

void report_other_version(const char* objects, const char* library) {
    const char* files = installed_files();
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("extension ticketpool is at version %s in this database, and the library at %s",
                    objects, library),
             files == nullptr
                 ? errdetail("The server has loaded the library at its start, at %s.",
                             timestamptz_to_str(PgStartTime))
                 : errdetail("The server has loaded the library at its start, at %s. The files "
                             "that are installed now are of version %s.",
                             timestamptz_to_str(PgStartTime), files),
             hint_of_other_version(objects, library)));
}

}  // namespace ticketpool
