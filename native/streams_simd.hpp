// A vector of doubles, as wide as the instruction set of this translation unit has them, and the few operations of the
// streams' kernels that the compilers' vector extensions lack. Everything here has internal linkage: each instruction
// set compiles its own copy.

#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC's own header makes undefined vectors so (its bug 105593)
#endif

#define GOODINIT_INLINE inline __attribute__((always_inline))
#define GOODINIT_INLINE_LAMBDA __attribute__((always_inline))

namespace {
namespace simd {

#if defined(__AVX512F__) && defined(__AVX512DQ__)
constexpr int lanes = 8;
#elif defined(__AVX2__)
constexpr int lanes = 4;
#else
constexpr int lanes = 2;
#endif

typedef double Doubles __attribute__((vector_size(8 * lanes)));
typedef float Floats __attribute__((vector_size(4 * lanes)));
typedef std::int64_t Ints __attribute__((vector_size(8 * lanes)));
typedef std::uint64_t Words __attribute__((vector_size(8 * lanes)));

template <class To, class From>
GOODINIT_INLINE To bits(From x) {
    static_assert(sizeof(To) == sizeof(From), "the same bits, read as another type");
    To result;
    __builtin_memcpy(&result, &x, sizeof result);
    return result;
}

template <class Vector>
GOODINIT_INLINE Vector load(const void *from) {
    Vector result;
    __builtin_memcpy(&result, from, sizeof result);
    return result;
}

GOODINIT_INLINE Doubles all(double x) { return x - Doubles{}; }
GOODINIT_INLINE Words all(std::uint64_t x) { return x - Words{}; }
GOODINIT_INLINE Words consecutive(std::uint64_t first) {
    Words result{};
    for (int i = 0; i < lanes; ++i) result[i] = static_cast<std::uint64_t>(i);
    return result + first;
}

GOODINIT_INLINE void store(double *out, Doubles x) { __builtin_memcpy(out, &x, sizeof x); }
GOODINIT_INLINE void store(float *out, Doubles x) {
    Floats rounded = __builtin_convertvector(x, Floats);
    __builtin_memcpy(out, &rounded, sizeof rounded);
}

// Lane i is a where a comparison holds in lane i, and b elsewhere.
template <class Mask>
GOODINIT_INLINE Doubles choose(Mask mask, Doubles a, Doubles b) {
    return mask ? a : b;
}

GOODINIT_INLINE Doubles square_root(Doubles x) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return _mm512_sqrt_pd(x);
#elif defined(__AVX2__)
    return _mm256_sqrt_pd(x);
#elif defined(__SSE2__)
    return _mm_sqrt_pd(x);
#else
    for (int i = 0; i < lanes; ++i) x[i] = __builtin_sqrt(x[i]);
    return x;
#endif
}

// Signed 64-bit integers to doubles, rounded once.
GOODINIT_INLINE Doubles to_doubles(Ints x) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return _mm512_cvtepi64_pd(bits<__m512i>(x));
#elif defined(__SSE2__)
    // The halves as exact doubles, 2^84 + 2^63 + high and 2^52 + low; only the last addition rounds.
    Words low = (bits<Words>(x) & 0xffffffffu) | 0x4330000000000000u;
    Words high = (bits<Words>(x) >> 32) ^ 0x4530000080000000u;
    return (bits<Doubles>(high) - 0x1.00000801p84) + bits<Doubles>(low);
#else
    return __builtin_convertvector(x, Doubles);
#endif
}

// Where a comparison holds, as bits, lane 0 lowest.
template <class Mask>
GOODINIT_INLINE unsigned mask_bits(Mask mask) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return _mm512_movepi64_mask(bits<__m512i>(mask));
#elif defined(__AVX2__)
    return static_cast<unsigned>(_mm256_movemask_pd(bits<__m256d>(mask)));
#else
    return static_cast<unsigned>((mask[0] & 1) | (mask[1] & 2));
#endif
}

// For each mask, the lanes whose bit is set, in order; what follows them is of no meaning.
typedef std::uint16_t Places __attribute__((vector_size(2 * lanes)));
struct LanesOfMask {
    alignas(16) std::uint16_t of[1 << lanes][lanes] = {};
    constexpr LanesOfMask() {
        for (int mask = 0; mask < 1 << lanes; ++mask)
            for (int lane = 0, used = 0; lane < lanes; ++lane)
                if (mask >> lane & 1) of[mask][used++] = static_cast<std::uint16_t>(lane);
    }
};
constexpr LanesOfMask lanes_of_mask;

// Appends at + lane for each lane whose bit is set; writes a whole vector of places. Returns how many there were.
GOODINIT_INLINE std::size_t append_places(std::uint16_t *to, std::size_t at, unsigned mask) {
    const Places places = load<Places>(lanes_of_mask.of[mask]) + static_cast<std::uint16_t>(at);
    __builtin_memcpy(to, &places, sizeof places);
    return lanes == 2 ? (mask & 1) + (mask >> 1) : static_cast<std::size_t>(__builtin_popcount(mask));
}

// Four columns of the row of a table that each lane names: `four[j]` holds column first + j, lane by lane.
template <int size>
GOODINIT_INLINE void columns(const double (&table)[16][size], Words row, int first, Doubles (&four)[4]) {
#if defined(__AVX2__) && !(defined(__AVX512F__) && defined(__AVX512DQ__))
    const auto at = [&](int lane) GOODINIT_INLINE_LAMBDA { return load<__m256d>(table[row[lane]] + first); };
    const __m256d r0 = at(0), r1 = at(1), r2 = at(2), r3 = at(3);
    const __m256d a = _mm256_unpacklo_pd(r0, r1), b = _mm256_unpackhi_pd(r0, r1);
    const __m256d c = _mm256_unpacklo_pd(r2, r3), d = _mm256_unpackhi_pd(r2, r3);
    four[0] = _mm256_permute2f128_pd(a, c, 0x20);
    four[1] = _mm256_permute2f128_pd(b, d, 0x20);
    four[2] = _mm256_permute2f128_pd(a, c, 0x31);
    four[3] = _mm256_permute2f128_pd(b, d, 0x31);
#else
    for (int j = 0; j < 4; ++j)
        for (int lane = 0; lane < lanes; ++lane) four[j][lane] = table[row[lane]][first + j];
#endif
}

}  // namespace simd
}  // namespace
