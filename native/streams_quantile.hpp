// The normal quantile of normal.py on vectors: the same IEEE operations in the same order, nothing contracted.

#pragma once

#include "streams_simd.hpp"
#include "streams_table.hpp"

namespace {
namespace quantile {

using namespace simd;

constexpr double infinity = __builtin_huge_val();

constexpr double tail_from = 0.46875;     // the size of q from which on the centre's polynomials do not hold
constexpr double deep_below = 0x1p-9;     // the nearer tail's probability below which the near tails' do not
// Numerator and denominator of AS 241's two rational functions for the tails, highest power first (Wichura 1988).
constexpr double middle[2][8] = {
    {7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0},
    {1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0}};
constexpr double far[2][8] = {
    {2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0},
    {2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0}};

// Vectors worked on side by side, step by step, so that one's arithmetic fills the waits of another's.
template <int vectors>
struct Side {
    Doubles of[vectors];
};

template <int vectors, class Function>
GOODINIT_INLINE Side<vectors> side(Function of) {
    Side<vectors> result;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) result.of[v] = of(v);
    return result;
}

#define GOODINIT_OPERATOR(op)                                                            \
    template <int n>                                                                     \
    GOODINIT_INLINE Side<n> operator op(const Side<n> &a, const Side<n> &b) {            \
        return side<n>([&](int v) GOODINIT_INLINE_LAMBDA { return a.of[v] op b.of[v]; }); \
    }                                                                                    \
    template <int n>                                                                     \
    GOODINIT_INLINE Side<n> operator op(const Side<n> &a, double b) {                    \
        return side<n>([&](int v) GOODINIT_INLINE_LAMBDA { return a.of[v] op b; });       \
    }
GOODINIT_OPERATOR(+)
GOODINIT_OPERATOR(-)
GOODINIT_OPERATOR(*)
GOODINIT_OPERATOR(/)
#undef GOODINIT_OPERATOR

// A polynomial of `size` coefficients: by fours, and those by Horner's rule in x^4, so that few steps wait for one
// another. normal.py's _polynomial. `fours(i, v, four)` gives vector v's coefficients of the powers from i on.
template <int size, int n, class Fours>
GOODINIT_INLINE Side<n> polynomial(const Side<n> &x, Fours fours) {
    static_assert(size % 4 == 0 || size % 4 == 1, "whole fours, or one coefficient more");
    const Side<n> x2 = x * x, x4 = x2 * x2;
    Side<n> value{};
#pragma GCC unroll 8
    for (int at = (size - 1) / 4 * 4; at >= 0; at -= 4) {
        Doubles four[n][4];
#pragma GCC unroll 8
        for (int v = 0; v < n; ++v) fours(at, v, four[v]);
        const auto power = [&](int j) GOODINIT_INLINE_LAMBDA {
            return side<n>([&](int v) GOODINIT_INLINE_LAMBDA { return four[v][j]; });
        };
        Side<n> part = power(0);
        if (at + 4 <= size) part = (power(3) * x + power(2)) * x2 + (power(1) * x + power(0));
        value = at + 4 < size ? value * x4 + part : part;
    }
    return value;
}

template <int size, int n>
GOODINIT_INLINE Side<n> polynomial_of(const Side<n> &x, const double *lowest_first) {
    return polynomial<size>(x, [=](int first, int, Doubles(&four)[4]) GOODINIT_INLINE_LAMBDA {
        for (int j = 0; j < 4 && first + j < size; ++j) four[j] = all(lowest_first[first + j]);
    });
}

struct Rational {
    double above[8], below[8];  // the numerator's and the denominator's coefficients, lowest power first
};

constexpr Rational lowest_first(const double (&rows)[2][8]) {
    Rational result{};
    for (int i = 0; i < 8; ++i) {
        result.above[i] = rows[0][7 - i];
        result.below[i] = rows[1][7 - i];
    }
    return result;
}
constexpr Rational middle_ratio = lowest_first(middle), far_ratio = lowest_first(far);

template <int n>
GOODINIT_INLINE Side<n> ratio(const Rational &of, const Side<n> &x) {
    return polynomial_of<8>(x, of.above) / polynomial_of<8>(x, of.below);
}

// 1/3, 1/5, ..., 1/25 of the series of atanh.
constexpr double atanh_terms[12] = {1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13,
                                    1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23, 1.0 / 25};

// ln x for positive x, normal or not; normal.py's _log.
template <int n>
GOODINIT_INLINE Side<n> logarithm(const Side<n> &x) {
    Side<n> e, m;
#pragma GCC unroll 8
    for (int v = 0; v < n; ++v) {
        const auto tiny = x.of[v] < 0x1p-1022;
        const Words normal = bits<Words>(choose(tiny, x.of[v] * 0x1p64, x.of[v]));
        // frexp: the exponent field as a double (behind 2^52's bits), and the mantissa in [1/2, 1).
        const Doubles bias = choose(tiny, all(0x1p52 + 1022.0 + 64.0), all(0x1p52 + 1022.0));
        e.of[v] = bits<Doubles>((normal >> 52) | 0x4330000000000000u) - bias;
        m.of[v] = bits<Doubles>((normal & 0x000fffffffffffffu) | 0x3fe0000000000000u);
        const auto low = m.of[v] < 0x1.6a09e667f3bcdp-1;  // sqrt(1/2)
        m.of[v] = choose(low, m.of[v] * 2.0, m.of[v]);
        e.of[v] = choose(low, e.of[v] - 1.0, e.of[v]);
    }
    const Side<n> s = (m - 1.0) / (m + 1.0), s2 = s * s, twice = s + s;
    const Side<n> series = polynomial_of<12>(s2, atanh_terms);
    return e * 6.93147180369123816490e-01 + (twice + (twice * (s2 * series) + e * 1.90821492927058770002e-10));
}

// The size of the quantile in the deep tails, of the nearer tail's probability; normal.py's _deep.
template <int n>
GOODINIT_INLINE Side<n> deep(const Side<n> &p) {
    const Side<n> log = logarithm(p);
    const Side<n> r = side<n>([&](int v) GOODINIT_INLINE_LAMBDA { return square_root(-log.of[v]); });
    const Side<n> near =
        side<n>([&](int v) GOODINIT_INLINE_LAMBDA { return choose(r.of[v] > 5.0, all(5.0), r.of[v]); });
    Side<n> magnitude = ratio(middle_ratio, near - 1.6);
    unsigned beyond = 0;
    for (int v = 0; v < n; ++v) beyond |= mask_bits(r.of[v] > 5.0);
    if (beyond != 0) {
        const Side<n> farther = ratio(far_ratio, r - 5.0);
        for (int v = 0; v < n; ++v) magnitude.of[v] = choose(r.of[v] > 5.0, farther.of[v], magnitude.of[v]);
    }
    return side<n>([&](int v) GOODINIT_INLINE_LAMBDA {
        return choose(p.of[v] == 0.0, all(infinity), magnitude.of[v]);
    });
}

// A table segment by segment.
struct BySegment {
    alignas(64) double of[16][rows] = {};
    constexpr explicit BySegment(const double (&table)[rows][16]) {
        for (int segment = 0; segment < 16; ++segment)
            for (int power = 0; power < rows; ++power) of[segment][power] = table[power][segment];
    }
};

// The polynomials of the centre, in p = below_half - |q|, and of the near tails, in the nearer tail's probability.
struct Centre {
    static constexpr const double (&table)[rows][16] = centre;
    static constexpr BySegment by_segment{centre};
};
struct Near {
    static constexpr const double (&table)[rows][16] = near;
    static constexpr BySegment by_segment{near};
};
constexpr double below_half = 0.5 - 0x1p-54, above_near = 0x1p-5 - 0x1p-58;

// The quantile over q; finite numbers of no meaning where p is none of the table's. The bits of p from the 50th on name
// its segment, whose middle has the 49th set besides.
template <class Table, int vectors>
GOODINIT_INLINE Side<vectors> quotient(const Side<vectors> &p) {
    Words segment[vectors];
    Side<vectors> t;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
        segment[v] = bits<Words>(p.of[v]) >> 50;
        t.of[v] = p.of[v] - bits<Doubles>((bits<Words>(p.of[v]) & ~0x3ffffffffffffu) | 0x2000000000000u);
    }
    const auto fours = [&](int first, int v, Doubles(&four)[4]) GOODINIT_INLINE_LAMBDA {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
        // A row of all 16 segments fits two registers, and the permutation reads four bits of the segment alone.
        for (int j = 0; j < 4 && first + j < rows; ++j) {
            const double *row = Table::table[first + j];
            four[j] = _mm512_permutex2var_pd(load<Doubles>(row), bits<__m512i>(segment[v]), load<Doubles>(row + 8));
        }
#else
        columns(Table::by_segment.of, segment[v] & 15, first, four);
#endif
    };
    return polynomial<rows>(t, fours);
}

}  // namespace quantile
}  // namespace
