// The streams' kernels for one instruction set: words, and the laws made of them. Compiled once for each.

#include "streams.hpp"
#include "streams_quantile.hpp"
#include "streams_simd.hpp"

namespace {

using namespace simd;
using goodinit::streams::block_words;
using goodinit::streams::Key;
using goodinit::streams::Kind;
using goodinit::streams::Law;
using goodinit::streams::step_words;

constexpr std::uint64_t philox_m0 = 0xD2E7470EE14C6C93u, philox_m1 = 0xCA5A826395121157u;
constexpr std::uint64_t philox_w0 = 0x9E3779B97F4A7C15u, philox_w1 = 0xBB67AE8584CAA73Bu;

#if defined(__AVX512F__) && defined(__AVX512DQ__)

// Counter by counter, its four words.
GOODINIT_INLINE void store_transposed(Words x0, Words x1, Words x2, Words x3, std::uint64_t *out) {
    const __m512i a = _mm512_unpacklo_epi64(bits<__m512i>(x0), bits<__m512i>(x1));
    const __m512i b = _mm512_unpackhi_epi64(bits<__m512i>(x0), bits<__m512i>(x1));
    const __m512i c = _mm512_unpacklo_epi64(bits<__m512i>(x2), bits<__m512i>(x3));
    const __m512i d = _mm512_unpackhi_epi64(bits<__m512i>(x2), bits<__m512i>(x3));
    const __m512i ac = _mm512_shuffle_i64x2(a, c, 0x44), bd = _mm512_shuffle_i64x2(b, d, 0x44);
    const __m512i ac2 = _mm512_shuffle_i64x2(a, c, 0xee), bd2 = _mm512_shuffle_i64x2(b, d, 0xee);
    _mm512_store_si512(out, _mm512_shuffle_i64x2(ac, bd, 0x88));
    _mm512_store_si512(out + 8, _mm512_shuffle_i64x2(ac, bd, 0xdd));
    _mm512_store_si512(out + 16, _mm512_shuffle_i64x2(ac2, bd2, 0x88));
    _mm512_store_si512(out + 24, _mm512_shuffle_i64x2(ac2, bd2, 0xdd));
}

// By four products of 32-bit halves.
namespace halves {

GOODINIT_INLINE Words product(Words a, Words b) {
    return bits<Words>(_mm512_mul_epu32(bits<__m512i>(a), bits<__m512i>(b)));
}

GOODINIT_INLINE void multiply(Words x, std::uint64_t m, Words &high, Words &low) {
    const Words m_low = all(m & 0xffffffffu), m_high = all(m >> 32), x_high = x >> 32;
    const Words bottom = product(x, m_low);
    const Words t = product(x_high, m_low) + (bottom >> 32);
    const Words u = product(x, m_high) + (t & 0xffffffffu);
    high = product(x_high, m_high) + (t >> 32) + (u >> 32);
    low = bits<Words>(_mm512_mullo_epi64(bits<__m512i>(x), bits<__m512i>(all(m))));
}

#include "streams_philox.hpp"

}  // namespace halves

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512ifma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512ifma")
#endif

// By products of 52 bits at most: x = x0 + 2^52 x1, where the instruction itself reads the lowest 52 bits only. m is cut
// at 52 for x0 and at 40 for x1, whose 12 bits then make products of 52 bits and no upper halves.
namespace ifma {

GOODINIT_INLINE void multiply(Words x, std::uint64_t m, Words &high, Words &low) {
    const __m512i zero = _mm512_setzero_si512(), x0 = bits<__m512i>(x), x1 = bits<__m512i>(x >> 52);
    const __m512i m0 = bits<__m512i>(all(m & 0xfffffffffffffu)), m1 = bits<__m512i>(all(m >> 52));
    const __m512i n0 = bits<__m512i>(all(m & 0xffffffffffu)), n1 = bits<__m512i>(all(m >> 40));
    __m512i t = _mm512_madd52lo_epu64(zero, x0, m1);  // what stands at 2^52
    t = _mm512_madd52hi_epu64(t, x0, m0);
    t = _mm512_madd52lo_epu64(t, x1, n0);
    __m512i u = _mm512_madd52hi_epu64(zero, x0, m1);  // at 2^104, then with the rest at 2^92
    u = _mm512_madd52lo_epu64(_mm512_slli_epi64(u, 12), x1, n1);
    high = (bits<Words>(t) >> 12) + (bits<Words>(u) << 28);
    low = bits<Words>(_mm512_mullo_epi64(x0, bits<__m512i>(all(m))));
}

#include "streams_philox.hpp"

__attribute__((noinline)) void words(Key key, std::uint64_t counter, std::size_t count, std::uint64_t *out) {
    generate<4>(key, counter, count, out);
}

}  // namespace ifma

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif

// One counter after another by the processor's own 128-bit product, four at once to hide its latency.
namespace scalar {

constexpr int lanes = 1;
using Words = std::uint64_t;

GOODINIT_INLINE Words all(std::uint64_t x) { return x; }
GOODINIT_INLINE Words consecutive(std::uint64_t first) { return first; }
GOODINIT_INLINE void store_transposed(Words x0, Words x1, Words x2, Words x3, std::uint64_t *out) {
    out[0] = x0;
    out[1] = x1;
    out[2] = x2;
    out[3] = x3;
}
GOODINIT_INLINE void multiply(Words x, std::uint64_t m, Words &high, Words &low) {
    const auto product = static_cast<unsigned __int128>(x) * m;
    high = static_cast<std::uint64_t>(product >> 64);
    low = static_cast<std::uint64_t>(product);
}

#include "streams_philox.hpp"

}  // namespace scalar

constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63;

// (w >> 12 and a half) / 2^52: behind the bits of 1, less 1 - 2^-53; the difference is exact.
GOODINIT_INLINE Doubles uniform(Words w) {
    return bits<Doubles>((w >> 12) | 0x3ff0000000000000u) - (1.0 - 0x1p-53);
}

// The word's cell of 2^64 measured from the middle, and from the nearer end.
GOODINIT_INLINE Doubles from_middle(Words w) { return (to_doubles(bits<Ints>(w ^ sign_bit)) + 0.5) * 0x1p-64; }
GOODINIT_INLINE Doubles from_end(Words w) {
    const Words upper = bits<Words>(bits<Ints>(w) >> 63);  // all ones where the word lies in the upper half
    return (to_doubles(bits<Ints>(w ^ upper)) + 0.5) * 0x1p-64;
}

constexpr int abreast = lanes == 8 ? 2 : 1;  // vectors worked on side by side: 16 registers hold no two

// Writes scale * x + shift, vector by vector, the last one cut.
template <class Real>
struct Writer {
    Doubles scale, shift;
    std::size_t count;
    Real *out;

    GOODINIT_INLINE Writer(const Law &law, std::size_t elements, Real *to)
        : scale(all(law.scale)), shift(all(law.shift)), count(elements), out(to) {}

    GOODINIT_INLINE void operator()(std::size_t at, Doubles x) const {
        x = x * scale + shift;
        if (__builtin_expect(at + lanes <= count, 1)) return store(out + at, x);
        if (at >= count) return;
        Real last[lanes];
        store(last, x);
        __builtin_memcpy(out + at, last, (count - at) * sizeof(Real));
    }

    // Lane by lane to the elements that `places` name.
    GOODINIT_INLINE void scatter(const std::uint16_t *places, std::size_t used, Doubles x) const {
        Real values[lanes];
        store(values, x * scale + shift);
        for (std::size_t i = 0; i < used; ++i) out[places[i]] = values[i];
    }
};

GOODINIT_INLINE Doubles turned(Doubles x, Words turn) { return bits<Doubles>(bits<Words>(x) ^ turn); }
GOODINIT_INLINE Doubles size_of(Doubles x) { return bits<Doubles>(bits<Words>(x) & ~sign_bit); }

// All as if they lay in the centre; the words of those in the tails are gathered, worked on in full vectors as if they
// lay in the near tails, and their elements written again; those in the deep tails once more. Of words, `law` makes
// points, whose q is the probability less 1/2, with `tail(words, point)` that of the nearer tail, and `finish(point, x)`
// what is written for a quantile x of the point.
template <class Real, class OneLaw>
GOODINIT_INLINE void quantiles(const OneLaw &law, const Writer<Real> &write, const std::uint64_t *words,
                               std::size_t count) {
    using Point = typename OneLaw::Point;
    using quantile::Side;
    constexpr std::size_t room = block_words + abreast * lanes;
    std::uint16_t places[room], deep_places[room];
    alignas(64) std::uint64_t tails[room], deep_tails[room];
    std::size_t size = 0, deep_size = 0;

    for (std::size_t start = 0; start < count; start += abreast * lanes) {
        Point points[abreast];
        Side<abreast> sizes, p;
#pragma GCC unroll 8
        for (int v = 0; v < abreast; ++v) {
            points[v] = law.point(load<Words>(words + start + v * lanes));
            sizes.of[v] = size_of(points[v].q);
            p.of[v] = quantile::below_half - sizes.of[v];
        }
        const auto quotient = quantile::quotient<quantile::Centre>(p);
#pragma GCC unroll 8
        for (int v = 0; v < abreast; ++v) {
            const std::size_t at = start + static_cast<std::size_t>(v * lanes);
            write(at, law.finish(points[v], quotient.of[v] * points[v].q));
            size += append_places(places + size, at, mask_bits(sizes.of[v] >= quantile::tail_from));
        }
    }
    while (size > 0 && places[size - 1] >= count) --size;  // the last vector's unused lanes

    for (std::size_t i = 0; i < size; ++i) tails[i] = words[places[i]];
    for (std::size_t i = size; i < size + abreast * lanes; ++i) tails[i] = sign_bit;  // unused lanes, not deep
    for (std::size_t start = 0; start < size; start += abreast * lanes) {
        Point points[abreast];
        Side<abreast> tail, p;
#pragma GCC unroll 8
        for (int v = 0; v < abreast; ++v) {
            const Words w = load<Words>(tails + start + v * lanes);
            points[v] = law.point(w);
            tail.of[v] = law.tail(w, points[v]);
            p.of[v] = choose(tail.of[v] > quantile::above_near, all(quantile::above_near), tail.of[v]);
        }
        const auto quotient = quantile::quotient<quantile::Near>(p);
#pragma GCC unroll 8
        for (int v = 0; v < abreast; ++v) {
            const std::size_t at = start + static_cast<std::size_t>(v * lanes);
            const std::size_t used = at >= size ? 0 : size - at < lanes ? size - at : lanes;
            write.scatter(places + at, used, law.finish(points[v], quotient.of[v] * points[v].q));
            deep_size += append_places(deep_places + deep_size, at, mask_bits(tail.of[v] < quantile::deep_below));
        }
    }
    while (deep_size > 0 && deep_places[deep_size - 1] >= size) --deep_size;

    for (std::size_t i = 0; i < deep_size; ++i) {
        deep_tails[i] = tails[deep_places[i]];
        deep_places[i] = places[deep_places[i]];
    }
    for (std::size_t i = deep_size; i < deep_size + lanes; ++i) deep_tails[i] = sign_bit;
    for (std::size_t at = 0; at < deep_size; at += lanes) {
        const Words w = load<Words>(deep_tails + at);
        const Point point = law.point(w);
        const Doubles x = quantile::deep(Side<1>{{law.tail(w, point)}}).of[0];
        const std::size_t used = deep_size - at < lanes ? deep_size - at : lanes;
        write.scatter(deep_places + at, used, law.finish(point, turned(x, bits<Words>(point.q) & sign_bit)));
    }
}

struct StandardNormal {
    struct Point {
        Doubles q;
    };
    GOODINIT_INLINE Point point(Words w) const { return {from_middle(w)}; }
    GOODINIT_INLINE Doubles tail(Words w, const Point &) const { return from_end(w); }
    GOODINIT_INLINE Doubles finish(const Point &, Doubles x) const { return x; }
};

struct TruncatedNormal {
    Doubles low, high, below, above, left, total;
    Words mirror;

    struct Point {
        Doubles q, p;
        Words turn;  // the sign bit where the point lies on the right
    };
    GOODINIT_INLINE explicit TruncatedNormal(const Law &law)
        : low(all(law.low)), high(all(law.high)), below(all(law.below)), above(all(law.above)), left(all(law.left)),
          total(all(law.total)), mirror(all(law.mirrored ? sign_bit : std::uint64_t{0})) {}
    GOODINIT_INLINE Point point(Words w) const {
        const Doubles u = uniform(w), across = u * total;
        const auto on_left = across < left;
        Doubles p = choose(on_left, below + across, above + (1.0 - u) * total);
        p = choose(p > 0.5, all(0.5), p);
        return {p - 0.5, p, bits<Words>(choose(on_left, Doubles{}, all(-0.0)))};
    }
    GOODINIT_INLINE Doubles tail(Words, const Point &point) const { return point.p; }
    GOODINIT_INLINE Doubles finish(const Point &point, Doubles x) const {
        x = turned(x, point.turn);
        x = choose(x < low, low, x);
        x = choose(x > high, high, x);
        return turned(x, mirror);
    }
};

template <class Real, class Function>
GOODINIT_INLINE void each(const Law &law, const std::uint64_t *words, std::size_t count, Real *out, Function f) {
    const Writer<Real> write{law, count, out};
    for (std::size_t at = 0; at < count; at += lanes) write(at, f(load<Words>(words + at)));
}

template <class Real>
void apply(const Law &law, const std::uint64_t *words, std::size_t count, Real *out) {
    switch (law.kind) {
        case Kind::uniform:
            return each(law, words, count, out, [](Words w) GOODINIT_INLINE_LAMBDA { return uniform(w); });
        case Kind::centred:
            return each(law, words, count, out, [](Words w) GOODINIT_INLINE_LAMBDA { return 2.0 * uniform(w) - 1.0; });
        case Kind::signs:  // 1.0 with the sign of the highest bit's complement
            return each(law, words, count, out, [](Words w) GOODINIT_INLINE_LAMBDA {
                return bits<Doubles>((~w & sign_bit) | 0x3ff0000000000000u);
            });
        case Kind::normal: return quantiles(StandardNormal{}, Writer<Real>{law, count, out}, words, count);
        case Kind::truncated: return quantiles(TruncatedNormal{law}, Writer<Real>{law, count, out}, words, count);
        case Kind::words: return;  // integers: streams_fill.cpp copies them
    }
}

}  // namespace

namespace goodinit {
namespace GOODINIT_ISA {

void stream_words(Key key, std::uint64_t counter, std::size_t count, std::uint64_t *out,
                  [[maybe_unused]] bool use_ifma) {
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    if (use_ifma) return ifma::words(key, counter, count, out);
    halves::generate<4>(key, counter, count, out);
#else  // 128-bit products of the scalar unit are faster than four-lane vectors of smaller ones
    scalar::generate<4>(key, counter, count, out);
#endif
}

void stream_law32(const Law &law, const std::uint64_t *words, std::size_t count, float *out) {
    apply(law, words, count, out);
}
void stream_law64(const Law &law, const std::uint64_t *words, std::size_t count, double *out) {
    apply(law, words, count, out);
}

}  // namespace GOODINIT_ISA
}  // namespace goodinit
