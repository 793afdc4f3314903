// Finds out why the library was not preloaded, and says which line to write where
// (not_preloaded.hpp).
#include "server/not_preloaded.hpp"

#include <cstdlib>

extern "C" {
#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/varlena.h"
}

namespace ticketpool {

namespace {

constexpr const char* kSetting = "shared_preload_libraries";

// The entry that a start of the server would go by, as its files are now. `value` is null: no file
// has one. Not `readable`: a file is missing or has a syntax error.
struct FileEntry {
    bool readable;
    const char* value;
    const char* file;
    int line;
};

// Reads the files as the server does at its start: what ALTER SYSTEM has written comes last.
FileEntry read_files() {
    FileEntry entry{true, nullptr, nullptr, 0};
    ConfigVariable* head = nullptr;
    ConfigVariable* tail = nullptr;
    entry.readable =
        ParseConfigFile(ConfigFileName, true, nullptr, 0, 0, DEBUG2, &head, &tail) &&
        ParseConfigFile(PG_AUTOCONF_FILENAME, false, nullptr, 0, 0, DEBUG2, &head, &tail);
    for (const ConfigVariable* line = head; line != nullptr; line = line->next) {
        if (line->errmsg == nullptr && pg_strcasecmp(line->name, kSetting) == 0) {
            entry.value = line->value;
            entry.file = line->filename;
            entry.line = line->sourceline;
        }
    }
    return entry;
}

// The names of a list of libraries, char* each.
List* names_of(const char* libraries) {
    List* names = NIL;
    (void)SplitDirectoriesString(pstrdup(libraries), ',', &names);
    return names;
}

std::string_view base_name(const char* path) {
    const char* slash = strrchr(path, '/');
    return slash == nullptr ? path : slash + 1;
}

// Is one of them ours, whatever its folder?
bool has_ours(const char* libraries) {
    ListCell* cell;
    foreach (cell, names_of(libraries)) {
        const std::string_view base = base_name(static_cast<const char*>(lfirst(cell)));
        if (base == "ticketpool" || base == "ticketpool" DLSUFFIX) {
            return true;
        }
    }
    return false;
}

// The list with ours at its end.
const char* with_ours(const char* libraries) {
    return names_of(libraries) == NIL ? "ticketpool" : psprintf("%s,ticketpool", libraries);
}

// As it is written in a file, without the quotes around it.
const char* escaped(const char* value) {
    char* escape = escape_single_quotes_ascii(value);
    if (escape == nullptr) {
        return value;
    }
    const char* copy = pstrdup(escape);
    free(escape);  // made by malloc()
    return copy;
}

// The same list for ALTER SYSTEM, which takes a literal for each name.
const char* as_literals(const char* libraries) {
    StringInfoData text;
    initStringInfo(&text);
    ListCell* cell;
    foreach (cell, names_of(libraries)) {
        appendStringInfo(&text, "%s%s", text.len == 0 ? "" : ", ",
                         quote_literal_cstr(static_cast<const char*>(lfirst(cell))));
    }
    return text.data;
}

// Did the command that started the server have the setting? Then no file counts.
bool is_on_command_line() {
    SPI_connect();
    const int result = SPI_execute(
        "SELECT FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) "
        "'shared_preload_libraries' AND source OPERATOR(pg_catalog.=) 'command line'",
        true, 1);
    const bool found = result == SPI_OK_SELECT && SPI_processed > 0;
    SPI_finish();
    return found;
}

int primary_message() {
    return errmsg("ticketpool must be loaded via \"shared_preload_libraries\"");
}

// A user who may not see the settings: nothing about the server, but where an administrator looks.
[[noreturn]] void report_to_user() {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
             errdetail("The seat pool lives in shared memory that the server reserves at start."),
             errhint("An administrator finds the file with SHOW config_file, and the libraries "
                     "with SHOW shared_preload_libraries. Add ticketpool to that line, as in "
                     "shared_preload_libraries = 'ticketpool', and restart the server.")));
}

[[noreturn]] void report_to_administrator() {
    const char* now = GetConfigOption(kSetting, false, false);
    const FileEntry entry = read_files();
    if (is_on_command_line()) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
                 errdetail("The command that started the server has shared_preload_libraries = "
                           "'%s', so what the files say does not count.",
                           now),
                 errhint("Start the server with -c shared_preload_libraries='%s'.",
                         escaped(with_ours(now)))));
    }
    if (entry.value != nullptr && has_ours(entry.value)) {
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
             errdetail("The server was started with shared_preload_libraries = '%s'. Since then "
                       "line %d of \"%s\" has become '%s'.",
                       now, entry.line, entry.file, entry.value),
             errhint("Only the restart is missing: restart the server.")));
    }
    if (entry.value != nullptr && base_name(entry.file) == PG_AUTOCONF_FILENAME) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
                 errdetail("The server was started with shared_preload_libraries = '%s'. ALTER "
                           "SYSTEM has set it to '%s' in \"%s\", which goes before \"%s\".",
                           now, entry.value, entry.file, ConfigFileName),
                 errhint("Run ALTER SYSTEM SET shared_preload_libraries = %s, and restart the "
                         "server.",
                         as_literals(with_ours(entry.value)))));
    }
    if (entry.value != nullptr) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
                 errdetail("The server was started with shared_preload_libraries = '%s'. Line %d "
                           "of \"%s\" has '%s'.",
                           now, entry.line, entry.file, entry.value),
                 errhint("Change that line to shared_preload_libraries = '%s' and restart the "
                         "server.",
                         escaped(with_ours(entry.value)))));
    }
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), primary_message(),
             entry.readable
                 ? errdetail("The server was started with shared_preload_libraries = '%s', and no "
                             "file sets it.",
                             now)
                 : errdetail("The server was started with shared_preload_libraries = '%s'. Its "
                             "files have an error: see pg_file_settings.",
                             now),
             errhint("Add the line shared_preload_libraries = '%s' to \"%s\" and restart the "
                     "server.",
                     escaped(with_ours(now)), ConfigFileName)));
}

}  // namespace

void report_not_preloaded() {
    // The user who reads the error: not the owner of a SECURITY DEFINER function around the call.
    if (has_privs_of_role(GetOuterUserId(), ROLE_PG_READ_ALL_SETTINGS)) {
        report_to_administrator();
    }
    report_to_user();
}

}  // namespace ticketpool
