// The fuzzer of the core: sequences of claims and releases compared with plain models, and the
// parsers of what users write. The first byte chooses one of these. Run by libFuzzer: make fuzz
// SECONDS=60.
#include <array>

#include "input.hpp"
#include "ticketpool/kernels.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace ticketpool;
    static const bool chosen = (kernels_init(), true);
    static constexpr std::array targets = {fuzz::seats,   fuzz::quotas, fuzz::places, fuzz::stocks,
                                           fuzz::choices, fuzz::labels, fuzz::layouts};
    if (!chosen || size == 0) return 0;
    targets[data[0] % targets.size()](fuzz::Input(data + 1, size - 1));
    return 0;
}
