// Writing, reading and comparing the fields of a request_digest (request_digest.hpp).
#include "purchase/request_digest.hpp"

namespace ticketpool {

void digest_set(RequestDigest* digest, DigestField field, uint64_t value) {
    for (int i = field.bytes - 1; i >= 0; i--) {
        digest->data[field.offset + i] = static_cast<unsigned char>(value);
        value >>= 8;
    }
}

uint64_t digest_get(const RequestDigest& digest, DigestField field) {
    uint64_t value = 0;
    for (int i = 0; i < field.bytes; i++) {
        value = value << 8 | digest.data[field.offset + i];
    }
    return value;
}

bool digest_same(const RequestDigest& a, const RequestDigest& b, DigestField field) {
    return memcmp(a.data + field.offset, b.data + field.offset, static_cast<size_t>(field.bytes)) ==
           0;
}

// FNV-1a, then the last step of MurmurHash3, through which every bit of the input affects every bit
// that a field keeps.
static uint64_t hash_byte(uint64_t hash, uint64_t byte) {
    return (hash ^ byte) * 0x100000001b3ULL;
}

static uint64_t finish_hash(uint64_t hash) {
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return hash ^ hash >> 33;
}

constexpr uint64_t kOffsetBasis = 0xcbf29ce484222325ULL;

uint64_t digest_hash(Text text, uint64_t seed) {
    uint64_t hash = kOffsetBasis ^ seed;
    for (size_t i = 0; i < text.length; i++) {
        hash = hash_byte(hash, static_cast<unsigned char>(text.data[i]));
    }
    return finish_hash(hash_byte(hash, 0));
}

uint64_t digest_hash(int64_t number, uint64_t seed) {
    uint64_t hash = kOffsetBasis ^ seed;
    for (int shift = 0; shift < 64; shift += 8) {
        hash = hash_byte(hash, static_cast<uint64_t>(number) >> shift & 0xFF);
    }
    return finish_hash(hash);
}

Datum digest_datum(const RequestDigest& digest) {
    RequestDigest* copy = static_cast<RequestDigest*>(palloc(sizeof *copy));
    *copy = digest;
    return UUIDPGetDatum(copy);
}

}  // namespace ticketpool
