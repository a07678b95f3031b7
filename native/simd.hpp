// Vectors of one instruction set, on the vector extensions of GCC and Clang, and the few operations these lack.
//
// Included by the *_kernel.cpp files only, inside namespace goodinit::GOODINIT_ISA: everything here has internal
// linkage per instruction set, so that the linker can never hand AVX-512 code to an older processor. For the same
// reason the kernels use no function of the C++ library. Nothing is contracted by the compiler (-ffp-contract=off);
// `fma` is fused exactly where the instruction set has it.

#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef GOODINIT_X86
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define GOODINIT_INLINE inline __attribute__((always_inline))
#define GOODINIT_INLINE_LAMBDA __attribute__((always_inline))

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

#if defined(__AVX512F__)
#define GOODINIT_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define GOODINIT_VECTOR_BYTES 32
#else
#define GOODINIT_VECTOR_BYTES 16
#endif

template <class T>
struct Pack;

template <>
struct Pack<float> {
    typedef float V __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    typedef int32_t I __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    typedef uint32_t U __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    static constexpr int lanes = GOODINIT_VECTOR_BYTES / 4;
    static constexpr int mantissa = 23, bias = 127;
};

template <>
struct Pack<double> {
    typedef double V __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    typedef int64_t I __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    typedef uint64_t U __attribute__((vector_size(GOODINIT_VECTOR_BYTES)));
    static constexpr int lanes = GOODINIT_VECTOR_BYTES / 8;
    static constexpr int mantissa = 52, bias = 1023;
};

using Vf = Pack<float>::V;
using Vd = Pack<double>::V;
template <class T>
using Vec = typename Pack<T>::V;
template <class T>
constexpr size_t lanes_of = Pack<T>::lanes;

template <class T>
GOODINIT_INLINE Vec<T> load(const T *p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T>
GOODINIT_INLINE void store(T *p, Vec<T> v) {
    __builtin_memcpy(p, &v, sizeof v);
}

// x - 0 and not x + 0: it keeps the sign of -0.
GOODINIT_INLINE Vf broadcast(float x) { return x - Vf{}; }
GOODINIT_INLINE Vd broadcast(double x) { return x - Vd{}; }

#if defined(__AVX512F__)
GOODINIT_INLINE Vf fma(Vf a, Vf b, Vf c) { return (Vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
GOODINIT_INLINE Vd fma(Vd a, Vd b, Vd c) { return (Vd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
GOODINIT_INLINE Vf permuted(Vf a, Pack<float>::I which, Vf b) {
    return (Vf)_mm512_permutex2var_ps((__m512)a, (__m512i)which, (__m512)b);
}
GOODINIT_INLINE Vd permuted(Vd a, Pack<double>::I which, Vd b) {
    return (Vd)_mm512_permutex2var_pd((__m512d)a, (__m512i)which, (__m512d)b);
}
GOODINIT_INLINE Vf square_root(Vf a) { return (Vf)_mm512_sqrt_ps((__m512)a); }
GOODINIT_INLINE Vd square_root(Vd a) { return (Vd)_mm512_sqrt_pd((__m512d)a); }
// The processor's maximum gives its second operand where one is not a number: a NaN in `a` passes, as in NumPy.
GOODINIT_INLINE Vf not_below(Vf least, Vf a) { return (Vf)_mm512_max_ps((__m512)least, (__m512)a); }
GOODINIT_INLINE Vf not_above(Vf most, Vf a) { return (Vf)_mm512_min_ps((__m512)most, (__m512)a); }
GOODINIT_INLINE Vd not_below(Vd least, Vd a) { return (Vd)_mm512_max_pd((__m512d)least, (__m512d)a); }
GOODINIT_INLINE Vd not_above(Vd most, Vd a) { return (Vd)_mm512_min_pd((__m512d)most, (__m512d)a); }
#elif defined(__AVX2__)
GOODINIT_INLINE Vf fma(Vf a, Vf b, Vf c) { return (Vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
GOODINIT_INLINE Vd fma(Vd a, Vd b, Vd c) { return (Vd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
GOODINIT_INLINE Vf square_root(Vf a) { return (Vf)_mm256_sqrt_ps((__m256)a); }
GOODINIT_INLINE Vd square_root(Vd a) { return (Vd)_mm256_sqrt_pd((__m256d)a); }
GOODINIT_INLINE Vf not_below(Vf least, Vf a) { return (Vf)_mm256_max_ps((__m256)least, (__m256)a); }
GOODINIT_INLINE Vf not_above(Vf most, Vf a) { return (Vf)_mm256_min_ps((__m256)most, (__m256)a); }
GOODINIT_INLINE Vd not_below(Vd least, Vd a) { return (Vd)_mm256_max_pd((__m256d)least, (__m256d)a); }
GOODINIT_INLINE Vd not_above(Vd most, Vd a) { return (Vd)_mm256_min_pd((__m256d)most, (__m256d)a); }
#elif defined(__aarch64__)
GOODINIT_INLINE Vf fma(Vf a, Vf b, Vf c) { return (Vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
GOODINIT_INLINE Vd fma(Vd a, Vd b, Vd c) { return (Vd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
GOODINIT_INLINE Vf square_root(Vf a) { return (Vf)vsqrtq_f32((float32x4_t)a); }
GOODINIT_INLINE Vd square_root(Vd a) { return (Vd)vsqrtq_f64((float64x2_t)a); }
GOODINIT_INLINE Vf not_below(Vf least, Vf a) { return (Vf)vmaxq_f32((float32x4_t)a, (float32x4_t)least); }
GOODINIT_INLINE Vf not_above(Vf most, Vf a) { return (Vf)vminq_f32((float32x4_t)a, (float32x4_t)most); }
GOODINIT_INLINE Vd not_below(Vd least, Vd a) { return (Vd)vmaxq_f64((float64x2_t)a, (float64x2_t)least); }
GOODINIT_INLINE Vd not_above(Vd most, Vd a) { return (Vd)vminq_f64((float64x2_t)a, (float64x2_t)most); }
#elif defined(GOODINIT_X86)
GOODINIT_INLINE Vf fma(Vf a, Vf b, Vf c) { return a * b + c; }
GOODINIT_INLINE Vd fma(Vd a, Vd b, Vd c) { return a * b + c; }
GOODINIT_INLINE Vf square_root(Vf a) { return (Vf)_mm_sqrt_ps((__m128)a); }
GOODINIT_INLINE Vd square_root(Vd a) { return (Vd)_mm_sqrt_pd((__m128d)a); }
GOODINIT_INLINE Vf not_below(Vf least, Vf a) { return (Vf)_mm_max_ps((__m128)least, (__m128)a); }
GOODINIT_INLINE Vf not_above(Vf most, Vf a) { return (Vf)_mm_min_ps((__m128)most, (__m128)a); }
GOODINIT_INLINE Vd not_below(Vd least, Vd a) { return (Vd)_mm_max_pd((__m128d)least, (__m128d)a); }
GOODINIT_INLINE Vd not_above(Vd most, Vd a) { return (Vd)_mm_min_pd((__m128d)most, (__m128d)a); }
#else
GOODINIT_INLINE Vf fma(Vf a, Vf b, Vf c) { return a * b + c; }
GOODINIT_INLINE Vd fma(Vd a, Vd b, Vd c) { return a * b + c; }
GOODINIT_INLINE Vf square_root(Vf a) {
    for (int i = 0; i < Pack<float>::lanes; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
}
GOODINIT_INLINE Vd square_root(Vd a) {
    for (int i = 0; i < Pack<double>::lanes; ++i) a[i] = __builtin_sqrt(a[i]);
    return a;
}
GOODINIT_INLINE Vf not_below(Vf least, Vf a) { return a < least ? least : a; }
GOODINIT_INLINE Vf not_above(Vf most, Vf a) { return a > most ? most : a; }
GOODINIT_INLINE Vd not_below(Vd least, Vd a) { return a < least ? least : a; }
GOODINIT_INLINE Vd not_above(Vd most, Vd a) { return a > most ? most : a; }
#endif

GOODINIT_INLINE Vf not_below_zero(Vf a) { return not_below(Vf{}, a); }
GOODINIT_INLINE Vd not_below_zero(Vd a) { return not_below(Vd{}, a); }

#if defined(__AVX512F__)
// Row i, element j and row j, element i change places.
template <class T>
GOODINIT_INLINE void transpose(Vec<T> (&rows)[lanes_of<T>]) {
    constexpr int L = (int)lanes_of<T>;
    typename Pack<T>::I lower, upper;  // of two vectors, the lower halves' elements by turns, and the upper halves'
    for (int i = 0; i < L; ++i) {
        lower[i] = i / 2 + i % 2 * L;
        upper[i] = lower[i] + L / 2;
    }
#pragma GCC unroll 4
    for (int done = 1; done < L; done *= 2) {
        Vec<T> next[L];
#pragma GCC unroll 8
        for (int i = 0; i < L / 2; ++i) {
            next[2 * i] = permuted(rows[i], lower, rows[i + L / 2]);
            next[2 * i + 1] = permuted(rows[i], upper, rows[i + L / 2]);
        }
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i) rows[i] = next[i];
    }
}
#endif

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool has_fma = true;
#else
constexpr bool has_fma = false;
#endif

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
