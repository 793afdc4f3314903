// What a call with a request_id was asked. It is kept in the rows of the order (request_digest), so
// that a repetition of the call can be told from another request, whatever has become of the rows.
//
// A digest has 16 bytes, in fields of a few bytes each, so that an error can say what differs. A
// field is a number, or the first bytes of a hash. The digest is stored as a uuid. It is the same
// on every machine and in every version of the server, because dumps carry it along.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

struct DigestField {
    int offset;
    int bytes;
};

using RequestDigest = pg_uuid_t;

void digest_set(RequestDigest* digest, DigestField field, uint64_t value);
bool digest_same(const RequestDigest& a, const RequestDigest& b, DigestField field);
uint64_t digest_get(const RequestDigest& digest, DigestField field);

// Hashes that continue from `seed` (0: a new hash). The end of a text is hashed too, so "ab", "c"
// differs from "a", "bc".
uint64_t digest_hash(Text text, uint64_t seed = 0);
uint64_t digest_hash(int64_t number, uint64_t seed = 0);

// A copy, as a datum, in the current memory context.
Datum digest_datum(const RequestDigest& digest);

}  // namespace ticketpool
