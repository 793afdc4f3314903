// Reads the fuzzer's bytes: numbers taken from the front, zeros once they are used up. Where core
// and model differ, it aborts, which libFuzzer reports together with the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace ticketpool::fuzz {

class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : data_(data), end_(data + size) {}

    bool empty() const { return data_ == end_; }
    std::uint8_t byte() { return data_ == end_ ? 0 : *data_++; }
    std::uint64_t number(int bytes) {
        std::uint64_t value = 0;
        for (int i = 0; i < bytes; ++i) value = value << 8 | byte();
        return value;
    }
    // least .. most
    int between(int least, int most) {
        const auto span = static_cast<std::uint64_t>(most - least + 1);
        return least + static_cast<int>(number(span > 256 ? 2 : 1) % span);
    }
    std::string text(std::size_t most) {
        std::string out;
        for (std::size_t length = byte() % (most + 1); length > 0 && !empty(); --length) {
            out.push_back(static_cast<char>(byte()));
        }
        return out;
    }

  private:
    const std::uint8_t* data_;
    const std::uint8_t* end_;
};

#define FUZZ_CHECK(condition)                                                    \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                        \
        }                                                                        \
    } while (false)

// Each of these reads an input to its end.
void seats(Input input);
void quotas(Input input);
void places(Input input);
void stocks(Input input);
void choices(Input input);
void labels(Input input);
void layouts(Input input);

}  // namespace ticketpool::fuzz
