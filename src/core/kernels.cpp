// Chooses the kernels that suit this machine: see kernels.hpp.
#include "ticketpool/kernels.hpp"

#include "best_fit_kernels.hpp"
#include "count_kernels.hpp"
#include "line_kernels.hpp"

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

constexpr Kernels kAvx2 = {
    {count_free_1<std::uint8_t>, count_free_1<std::uint16_t>, count_free_1<std::uint32_t>,
     count_free_1<std::uint64_t>, count_free_wide<2>, count_free_wide<3>, count_free_wide<4>},
    {best_fit_1<std::uint8_t>, best_fit_1<std::uint16_t>, best_fit_1<std::uint32_t>,
     best_fit_1<std::uint64_t>, best_fit_wide<2>, best_fit_wide<3>, best_fit_wide<4>},
};

constexpr Kernels kAvx512 = {
    {count_free_lines<std::uint8_t>, count_free_lines<std::uint16_t>,
     count_free_lines<std::uint32_t>, count_free_lines<std::uint64_t>, count_free_wide_lines<2>,
     count_free_wide_lines<3>, count_free_wide_lines<4>},
    {best_fit_lines<std::uint8_t>, best_fit_lines<std::uint16_t>, best_fit_lines<std::uint32_t>,
     best_fit_lines<std::uint64_t>, best_fit_wide<2>, best_fit_wide<3>, best_fit_wide<4>},
};

// Not all compilers know the name "lzcnt", and a machine without LZCNT runs it as BSR, which gives
// another count.
bool has_lzcnt() noexcept {
    unsigned int eax = 0;
    unsigned int ebx = 0;
    unsigned int ecx = 0;
    unsigned int edx = 0;
    return __get_cpuid(0x80000001U, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 5)) != 0;
}

bool has_avx2() noexcept {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && has_lzcnt();
}

bool has_avx512() noexcept {
#if defined(TICKETPOOL_ASSUME_AVX512)
    return has_avx2();
#else
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
}

// The first processors with AVX-512 (Skylake, Cascade Lake) stall for ten microseconds and more at
// the first wide vectors after a while without them, and then run at a lower clock; a scan takes
// less than a microsecond. Processors with VBMI, which nothing here uses, are newer: from Ice Lake
// and Zen 4 on there is little of that. (T. Downs, "Gathering Intel on Intel AVX-512 Transitions"
// and "Ice Lake AVX-512 Downclocking", 2020.)
bool worth_avx512() noexcept {
#if defined(TICKETPOOL_ASSUME_AVX512)
    return true;
#else
    return __builtin_cpu_supports("avx512vbmi");
#endif
}

#endif

}  // namespace

const Kernels& baseline_kernels() noexcept {
    return kBaseline;
}

#if defined(TICKETPOOL_VECTOR_KERNELS)

const Kernels* avx2_kernels() noexcept {
    return has_avx2() ? &kAvx2 : nullptr;
}

const Kernels* avx512_kernels() noexcept {
    return has_avx512() ? &kAvx512 : nullptr;
}

#else

const Kernels* avx2_kernels() noexcept {
    return nullptr;
}

const Kernels* avx512_kernels() noexcept {
    return nullptr;
}

#endif

const Kernels& kernels() noexcept {
    return *chosen;
}

void kernels_init() noexcept {
    chosen = &kBaseline;
#if defined(TICKETPOOL_VECTOR_KERNELS)
    if (has_avx2()) chosen = &kAvx2;
    if (has_avx512() && worth_avx512()) chosen = &kAvx512;
#endif
}

}  // namespace ticketpool
