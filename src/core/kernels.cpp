#include "ticketpool/kernels.hpp"

#include "best_fit_kernels.hpp"
#include "count_kernels.hpp"

namespace ticketpool {

namespace {

using namespace kernel;

constexpr Kernels kBaseline = {
    {count_free_baseline<std::uint8_t, 1>, count_free_baseline<std::uint16_t, 1>,
     count_free_baseline<std::uint32_t, 1>, count_free_baseline<std::uint64_t, 1>,
     count_free_baseline<std::uint64_t, 2>, count_free_baseline<std::uint64_t, 3>,
     count_free_baseline<std::uint64_t, 4>},
    {best_fit_baseline<std::uint8_t, 1>, best_fit_baseline<std::uint16_t, 1>,
     best_fit_baseline<std::uint32_t, 1>, best_fit_baseline<std::uint64_t, 1>,
     best_fit_baseline<std::uint64_t, 2>, best_fit_baseline<std::uint64_t, 3>,
     best_fit_baseline<std::uint64_t, 4>},
};

constinit const Kernels* chosen = &kBaseline;

#if defined(TICKETPOOL_VECTOR_KERNELS)

constexpr Kernels kVector = {
    {count_free_1<std::uint8_t>, count_free_1<std::uint16_t>, count_free_1<std::uint32_t>,
     count_free_1<std::uint64_t>, count_free_wide<2>, count_free_wide<3>, count_free_wide<4>},
    {best_fit_1<std::uint8_t>, best_fit_1<std::uint16_t>, best_fit_1<std::uint32_t>,
     best_fit_1<std::uint64_t>, best_fit_wide<2>, best_fit_wide<3>, best_fit_wide<4>},
};

// Not all compilers know "lzcnt" as a name, and without it LZCNT runs as BSR, which counts wrong.
bool has_lzcnt() noexcept {
    unsigned int eax = 0;
    unsigned int ebx = 0;
    unsigned int ecx = 0;
    unsigned int edx = 0;
    return __get_cpuid(0x80000001U, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 5)) != 0;
}

bool has_vector() noexcept {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && has_lzcnt();
}

#endif

}  // namespace

const Kernels& baseline_kernels() noexcept {
    return kBaseline;
}

const Kernels* vector_kernels() noexcept {
#if defined(TICKETPOOL_VECTOR_KERNELS)
    return has_vector() ? &kVector : nullptr;
#else
    return nullptr;
#endif
}

const Kernels& kernels() noexcept {
    return *chosen;
}

void kernels_init() noexcept {
    const Kernels* vector = vector_kernels();
    chosen = vector != nullptr ? vector : &kBaseline;
}

}  // namespace ticketpool
