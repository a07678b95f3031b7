// Sums in registers, more of them than a fused operation's latency times the units that do it. See peak.hpp.

#include "peak.hpp"
#include "simd.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class V>
GOODINIT_INLINE V unknown(V x) {  // the compiler must not know what is in the register
#if defined(__x86_64__)
    asm volatile("" : "+v"(x));
#elif defined(__aarch64__)
    asm volatile("" : "+w"(x));
#else
    asm volatile("" : "+m"(x));
#endif
    return x;
}

template <class T>
GOODINIT_INLINE double peak(size_t turns) {
    constexpr int sums = 12;
    const Vec<T> factor = unknown(broadcast(T(0.5))), term = unknown(broadcast(T(1)));
    Vec<T> sum[sums];
#pragma GCC unroll 12
    for (int i = 0; i < sums; ++i) sum[i] = unknown(term);
    for (size_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
        for (int i = 0; i < sums; ++i) sum[i] = fma(sum[i], factor, term);  // stays between 1 and 2
    }
#pragma GCC unroll 12
    for (int i = 0; i < sums; ++i) unknown(sum[i]);
    return 2.0 * sums * lanes_of<T> * (double)turns;
}

}  // namespace

double peak_float(size_t turns) { return peak<float>(turns); }
double peak_double(size_t turns) { return peak<double>(turns); }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
