// Reads and remembers the number of the node, and draws ids that end in it: see node_number.hpp.
#include "tables/node_number.hpp"

#include "server/table_scan.hpp"

extern "C" {
#include "commands/sequence.h"
}

namespace ticketpool {

namespace {

constexpr int64_t kOrderNumbers = int64_t{1} << 30;
constexpr int64_t kFirstOrderNumber = int64_t{1} << 29;
constexpr int64_t kFirstNumber = int64_t{1} << 33;
constexpr int64_t kLastNumber = (int64_t{1} << 46) - 1 - kFirstNumber;  // ids below 2^53

struct KnownNumber {
    uint64_t generation;  // of the content of ticket_node; 0: not known
    Oid relation;
    int node;
};
constinit KnownNumber known{};

// The sequence ticket_node_drawn_seq that this session has called.
constinit Oid noted = InvalidOid;

// The index has the row with a number alone.
int read_number(const Catalog& catalog) {
    constexpr AttrNumber kNode = 1;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.node, catalog.node_one, snapshot);
    const int node = reader_next(&reader) ? row_int32(reader.row, kNode) : 0;
    reader_close(&reader);
    drop_snapshot(snapshot);
    return node;
}

}  // namespace

int node_number(const Catalog& catalog) {
    AcceptInvalidationMessages();
    while (known.generation != node_generation || known.relation != catalog.node) {
        const uint64_t generation = node_generation;
        const Oid relation = catalog.node;
        known = KnownNumber{generation, relation, read_number(catalog)};
    }
    return known.node;
}

int node_to_draw(const Catalog& catalog) {
    int node = node_number(catalog);
    while (node != 0 && noted != catalog.node_drawn) {
        const Oid sequence = catalog.node_drawn;
        nextval_internal(sequence, false);
        noted = sequence;
        node = node_number(catalog);
    }
    return node;
}

int64_t numbered_order(int64_t number, int node) {
    return (number + kFirstOrderNumber) % kOrderNumbers << kNodeBits | node;
}

int64_t next_id(const Catalog& catalog, Oid sequence) {
    const int node = node_to_draw(catalog);
    const int64_t number = nextval_internal(sequence, false);
    if (node == 0) {
        return number;
    }
    if (number < 0 || number > kLastNumber) {
        ereport(ERROR,
                (errcode(ERRCODE_SEQUENCE_GENERATOR_LIMIT_EXCEEDED),
                 errmsg("sequence \"%s\" has no number left for an id with a node number",
                        get_rel_name(sequence)),
                 errdetail("It gave " INT64_FORMAT "; such ids have numbers from 0 to " INT64_FORMAT
                           ".",
                           number, kLastNumber),
                 errhint("Set the sequence back to a number above those of the ids in use.")));
    }
    return (number + kFirstNumber) << kNodeBits | node;
}

}  // namespace ticketpool
