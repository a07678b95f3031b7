// Elementary functions on vectors, within 2 units in the last place (tests/training/test_functions.py measures them).
//
// Sources of the algorithms: Cody & Waite's reduction for exp, sine and cosine; FreeBSD's msun for the logarithm and
// the kernels of sine and cosine; for the normal distribution the Chebyshev series of a scaled erfc in (y-K)/(y+K)
// (Shepherd & Laframboise 1981), its coefficients computed in 50 digits.

#pragma once

#include "simd.hpp"

extern "C" {
double sin(double);
double cos(double);
}

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class T, int N>
GOODINIT_INLINE Vec<T> horner(Vec<T> x, const T (&c)[N]) {  // c[0] + c[1] x + ...
    Vec<T> y = broadcast(c[N - 1]);
#pragma GCC unroll 32
    for (int i = N - 2; i >= 0; --i) y = fma(y, x, broadcast(c[i]));
    return y;
}

GOODINIT_INLINE Pack<float>::U bits(Vf x) { return (Pack<float>::U)x; }
GOODINIT_INLINE Pack<double>::U bits(Vd x) { return (Pack<double>::U)x; }

template <class T>
GOODINIT_INLINE Vec<T> absolute(Vec<T> x) {
    constexpr int sign = sizeof(T) * 8 - 1;
    using U = typename Pack<T>::U;
    return (Vec<T>)(bits(x) & ~((U{} + 1) << sign));
}

template <class T>
GOODINIT_INLINE Vec<T> minus_absolute(Vec<T> x) {
    constexpr int sign = sizeof(T) * 8 - 1;
    using U = typename Pack<T>::U;
    return (Vec<T>)(bits(x) | ((U{} + 1) << sign));
}

template <class T>
GOODINIT_INLINE Vec<T> with_sign_of(Vec<T> magnitude, Vec<T> sign_of) {  // the magnitude must not be negative
    constexpr int sign = sizeof(T) * 8 - 1;
    using U = typename Pack<T>::U;
    return (Vec<T>)(bits(magnitude) | (bits(sign_of) & ((U{} + 1) << sign)));
}

// Adding this rounds to an integer and leaves that number in the lowest bits.
template <class T>
constexpr T magic = sizeof(T) == 4 ? T(12582912.0) : T(6755399441055744.0);

template <class T>
GOODINIT_INLINE Vec<T> power_of_two(typename Pack<T>::U k) {
    return (Vec<T>)((k + (decltype(k[0] + k[0]))Pack<T>::bias) << Pack<T>::mantissa);
}

template <class T>
struct Exponent {
    Vec<T> p;                  // exp(r) - 1, |r| <= ln(2)/2
    Vec<T> number;             // x = k ln 2 + r, k as a number
    typename Pack<T>::U k;     // and as an integer
};

constexpr float exp_float[] = {0.5f, 1.66666667e-1f, 4.16666667e-2f, 8.33333333e-3f, 1.38888889e-3f, 1.98412698e-4f};
constexpr double exp_double[] = {1. / 2,       1. / 6,         1. / 24,         1. / 120,
                                 1. / 720,     1. / 5040,      1. / 40320,      1. / 362880,
                                 1. / 3628800, 1. / 39916800., 1. / 479001600., 1. / 6227020800.};

GOODINIT_INLINE Exponent<float> reduce_exponent(Vf x) {
    const Vf shifted = fma(x, broadcast(1.44269504088896341f), broadcast(magic<float>));
    const Vf k = shifted - magic<float>;
    Vf r = fma(k, broadcast(-6.93145752e-1f), x);  // 17 bits: k times it is exact
    r = fma(k, broadcast(-1.42860677e-6f), r);
    return {fma(r * r, horner<float>(r, exp_float), r), k, bits(shifted) - bits(broadcast(magic<float>))};
}

GOODINIT_INLINE Exponent<double> reduce_exponent(Vd x) {
    const Vd shifted = fma(x, broadcast(1.44269504088896340736), broadcast(magic<double>));
    const Vd k = shifted - magic<double>;
    Vd r = fma(k, broadcast(-6.93147180369123816490e-01), x);  // 33 bits: k times it is exact
    r = fma(k, broadcast(-1.90821492927058770002e-10), r);
    return {fma(r * r, horner<double>(r, exp_double), r), k, bits(shifted) - bits(broadcast(magic<double>))};
}

// a 2^k, rounded once
#if defined(__AVX512F__)
GOODINIT_INLINE Vf scaled(Vf a, const Exponent<float> &e) { return (Vf)_mm512_scalef_ps((__m512)a, (__m512)e.number); }
GOODINIT_INLINE Vd scaled(Vd a, const Exponent<double> &e) { return (Vd)_mm512_scalef_pd((__m512d)a, (__m512d)e.number); }
#else
template <class V, class T>
GOODINIT_INLINE V scaled(V a, const Exponent<T> &e) {
    const auto half = (typename Pack<T>::U)((typename Pack<T>::I)e.k >> 1);  // in two steps: each factor is in range
    return a * power_of_two<T>(half) * power_of_two<T>(e.k - half);
}
#endif

template <class T>
GOODINIT_INLINE Vec<T> exponential_in_range(Vec<T> x) {  // for x that does not overflow
    constexpr T bottom = sizeof(T) == 4 ? T(-105) : T(-747);
    const Exponent<T> e = reduce_exponent(not_below(broadcast(bottom), x));
    return scaled(e.p + T(1), e);
}

template <class T>
GOODINIT_INLINE Vec<T> exponential(Vec<T> x) {
    constexpr T top = sizeof(T) == 4 ? T(90) : T(711);
    return exponential_in_range<T>(not_above(broadcast(top), x));
}

template <class T>
GOODINIT_INLINE Vec<T> exponential_minus_one(Vec<T> x) {  // for x up to 80 only: what the callers need
    constexpr T bottom = T(-60);
    const Exponent<T> e = reduce_exponent(not_below(broadcast(bottom), x));
    const Vec<T> scale = power_of_two<T>(e.k);
    return fma(e.p, scale, scale - T(1));
}

constexpr float log_float[] = {0.66666662693f, 0.40000972152f, 0.28498786688f, 0.24279078841f};
constexpr double log_double[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                                 2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                                 1.479819860511658591e-01};

// k ln 2 + log(1 + f), sqrt(1/2) - 1 <= f <= sqrt(2) - 1
GOODINIT_INLINE Vf log_of_parts(Vf k, Vf f) {
    const Vf s = f / (f + 2.0f), z = s * s, half = 0.5f * f * f, r = z * horner<float>(z, log_float);
    return k * 6.9313812256e-01f - ((half - (s * (half + r) + k * 9.0580006145e-06f)) - f);
}

GOODINIT_INLINE Vd log_of_parts(Vd k, Vd f) {
    const Vd s = f / (f + 2.0), z = s * s, half = 0.5 * f * f, r = z * horner<double>(z, log_double);
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f);
}

template <class T>
GOODINIT_INLINE Vec<T> log_one_plus(Vec<T> u) {  // for 0 <= u <= 1
    const auto upper = u > T(0.41421356237);
    const Vec<T> f = upper ? (u - T(1)) * T(0.5) : u;  // 1 + u = 2 (1 + (u - 1) / 2)
    return log_of_parts(upper ? broadcast(T(1)) : Vec<T>{}, f);
}

template <class T>
GOODINIT_INLINE Vec<T> logarithm(Vec<T> x) {  // for normal positive x; NaN gives NaN
    using U = typename Pack<T>::U;
    using I = typename Pack<T>::I;
    constexpr T root = T(0.70710678118654752440);
    const U shift = bits(x) - bits(broadcast(root));  // the exponent of x over sqrt(1/2)
    const I k = (I)shift >> Pack<T>::mantissa;
    const Vec<T> m = (Vec<T>)(bits(x) - ((U)k << Pack<T>::mantissa));
    const Vec<T> value = log_of_parts(__builtin_convertvector(k, Vec<T>), m - T(1));
    return x == x ? value : x;
}

template <class T>
struct Both {  // an activation and its derivative
    Vec<T> value, slope;
};

template <class T>
GOODINIT_INLINE Vec<T> logistic(Vec<T> z) {
    const Vec<T> e = exponential_in_range<T>(minus_absolute<T>(z)), one = broadcast(T(1));
    return (z < T(0) ? e : one) / (one + e);
}

template <class T>
GOODINIT_INLINE Both<T> sigmoid(Vec<T> z) {
    const Vec<T> e = exponential_in_range<T>(minus_absolute<T>(z)), one = broadcast(T(1));
    const Vec<T> smaller = e / (one + e), larger = one / (one + e);
    return {z < T(0) ? smaller : larger, smaller * larger};
}

template <class T>
GOODINIT_INLINE Vec<T> softplus(Vec<T> z) {  // ln(1 + exp z)
    return not_below_zero(z) + log_one_plus<T>(exponential_in_range<T>(minus_absolute<T>(z)));
}

template <class T>
GOODINIT_INLINE Both<T> hyperbolic_tangent(Vec<T> z) {
    constexpr T limit = sizeof(T) == 4 ? T(43.5) : T(354);  // where the slope underflows
    const Vec<T> magnitude = absolute<T>(z), x = magnitude > limit ? broadcast(limit) : magnitude;
    const Vec<T> e = exponential_minus_one<T>(x + x), sum = e + T(2);
    const Vec<T> t = e / sum, rest = T(2) / sum;  // rest = 1 - t, without cancellation
    return {with_sign_of<T>(t, z), magnitude > limit ? Vec<T>{} : rest * (t + T(1))};
}

constexpr float normal_float[] = {0.618778169f,    -0.0701214299f,  0.00173246639f,  0.0412080735f,   -0.0544359796f,
                                  0.0461323597f,   -0.0293017942f,  0.014162086f,    -0.00485649751f, 0.000825143245f,
                                  0.000167824357f, -0.000111449182f, 1.06312818e-05f};
constexpr double normal_double[] = {
    0.6187781443801007,      -0.070121396687648066,   0.0017324269050622188,   0.041207229811073665,
    -0.054435340060532474,   0.046139173776494187,    -0.029305728525053105,   0.014138463578134707,
    -0.0048448755326720699,  0.00086524993467619637,  0.00014979515518469833,  -0.00014471074068974509,
    2.5281549039359713e-05,  1.1312399546575183e-05,  -5.6711290618371786e-06, -5.1594095397620549e-07,
    8.6876338607414546e-07,  -2.3571199902758375e-08, -1.2446446814496762e-07, 1.0829342534714185e-08,
    1.605092078766235e-08,   -1.7610671580331266e-09, -1.3180280723069467e-09, 1.4616912594218532e-10};
// (Phi(z) - 1/2) / z by powers of z^2, for |z| < 1/2: Taylor's series.
constexpr float central_float[] = {0.398942280f, -0.0664903801f, 0.00997355701f, -0.00118732822f, 0.000115434687f,
                                   -9.44465626e-06f, 6.65969352e-07f};
constexpr double central_double[] = {
    0.3989422804014327, -0.06649038006690544, 0.009973557010035817, -0.0011873282154804543,
    0.00011543468761615529, -9.444656259503615e-06, 6.659693516316651e-07, -4.122667414862689e-08,
    2.2735298243728065e-09, -1.1301171641619213e-10, 5.1124347902563106e-12};
GOODINIT_INLINE Vf central_series(Vf z2) { return horner<float>(z2, central_float); }
GOODINIT_INLINE Vd central_series(Vd z2) { return horner<double>(z2, central_double); }
GOODINIT_INLINE Vf normal_series(Vf t) { return horner<float>(t, normal_float); }
GOODINIT_INLINE Vd normal_series(Vd t) { return horner<double>(t, normal_double); }

// x * x = square + rest exactly
template <class T>
GOODINIT_INLINE Vec<T> square_rest(Vec<T> x, Vec<T> square) {
    if constexpr (has_fma) return fma(x, x, -square);
    constexpr T splitter = sizeof(T) == 4 ? T(4097) : T(134217729);  // Dekker 1971
    const Vec<T> c = x * splitter, high = c - (c - x), low = x - high;
    return ((high * high - square) + T(2) * (high * low)) + low * low;
}

template <class T>
GOODINIT_INLINE Both<T> gelu(Vec<T> z) {
    constexpr T far = sizeof(T) == 4 ? T(15) : T(39);  // where the lower tail is below the smallest number
    Vec<T> y = absolute<T>(z);
    y = y > far ? broadcast(far) : y;
    const Vec<T> square = y * y;
    const Vec<T> density = exponential_in_range<T>(square * T(-0.5)) * (T(1) - square_rest<T>(y, square) * T(0.5));
    const Vec<T> tail = density * normal_series((y - T(5.3)) / (y + T(5.3))) / fma(y, broadcast(T(1.41421356237309504880)), broadcast(T(1)));
    Vec<T> below = z > T(0) ? T(1) - tail : tail;
    below = y < T(0.5) ? fma(z, central_series(square), broadcast(T(0.5))) : below;
    return {z * below, fma(z * density, broadcast(T(0.39894228040143267794)), below)};
}

// erf(z) = 2 Phi(sqrt(2) z) - 1; its slope is 2 / sqrt(pi) exp(-z^2).
template <class T>
GOODINIT_INLINE Both<T> error_function(Vec<T> z) {
    constexpr T root = T(1.41421356237309504880), far = sizeof(T) == 4 ? T(10.6) : T(27.5);  // beyond, the slope is 0
    Vec<T> x = absolute<T>(z);
    x = x > far ? broadcast(far) : x;
    const Vec<T> square = x * x, y = x * root;
    const Vec<T> density = exponential_in_range<T>(-square) * (T(1) - square_rest<T>(x, square));
    const Vec<T> tail = density * normal_series((y - T(5.3)) / (y + T(5.3))) / fma(x, broadcast(T(2)), broadcast(T(1)));
    const Vec<T> outer = T(1) - (tail + tail), inner = (x + x) * root * central_series(square + square);
    return {with_sign_of<T>(y < T(0.5) ? inner : outer, z), density * T(1.12837916709551257390)};
}

template <class T>
GOODINIT_INLINE Both<T> silu(Vec<T> z) {
    const Vec<T> e = exponential_in_range<T>(minus_absolute<T>(z)), one = broadcast(T(1));
    const Vec<T> smaller = e / (one + e), larger = one / (one + e);
    const Vec<T> s = z < T(0) ? smaller : larger, rest = z < T(0) ? larger : smaller;  // rest = sigmoid(-z)
    return {z * s, s * fma(z, rest, one)};
}

template <class T>
GOODINIT_INLINE Both<T> mish(Vec<T> z) {
    const Vec<T> x = z > T(40) ? broadcast(T(40)) : z;  // beyond, tanh(softplus) is 1
    const Vec<T> e = exponential<T>(x), n = e * (e + T(2)), sum = n + T(2);
    const Vec<T> t = n / sum;  // tanh(ln(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1)
    return {z * t, fma(z, T(4) * e * (e + T(1)) / (sum * sum), t)};
}

template <class T>
struct Turn {
    Vec<T> sine, cosine;
};

// The quadrant's signs and the exchange of sine and cosine.
template <class T>
GOODINIT_INLINE Turn<T> quadrant(Vec<T> sine, Vec<T> cosine, typename Pack<T>::U k) {
    using I = typename Pack<T>::I;
    constexpr int sign = sizeof(T) * 8 - 2;
    const I odd = (I)(k & 1) != 0;
    const Vec<T> s = odd ? cosine : sine, c = odd ? sine : cosine;
    return {(Vec<T>)(bits(s) ^ ((k & 2) << sign)), (Vec<T>)(bits(c) ^ (((k + 1) & 2) << sign))};
}

GOODINIT_INLINE Turn<float> turn_near(Vf x) {
    const Vf shifted = fma(x, broadcast(0.636619772367581343f), broadcast(magic<float>)), k = shifted - magic<float>;
    Vf r = fma(k, broadcast(-1.5703125f), x);
    r = fma(k, broadcast(-4.837512969970703125e-4f), r);
    r = fma(k, broadcast(-7.549533620476723e-08f), r);  // 11 bits and fewer to here: exact products
    r = fma(k, broadcast(-2.5633440682570896e-12f), r);
    const Vf z = r * r;
    constexpr float s[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
    constexpr float c[] = {4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f};
    return quadrant<float>(fma(z * r, horner<float>(z, s), r), fma(z * z, horner<float>(z, c), fma(z, broadcast(-0.5f), broadcast(1.0f))),
                           bits(shifted) - bits(broadcast(magic<float>)));
}

GOODINIT_INLINE Turn<double> turn_near(Vd x) {
    const Vd shifted = fma(x, broadcast(0.63661977236758134308), broadcast(magic<double>)), k = shifted - magic<double>;
    const Vd r1 = fma(k, broadcast(-1.57079632673412561417e+00), x);  // 33 bits each: exact products
    const Vd w2 = k * 6.07710050630396597660e-11, r2 = r1 - w2, lost = (r1 - r2) - w2;
    const Vd w3 = k * 2.02226624879595063154e-21 - lost, r = r2 - w3, low = (r2 - r) - w3;
    const Vd z = r * r;
    constexpr double s[] = {8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                            -2.50507602534068634195e-08, 1.58969099521155010221e-10};
    constexpr double c[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                            -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11};
    const Vd v = z * r;
    const Vd sine = r - ((z * (0.5 * low - v * horner<double>(z, s)) - low) - v * -1.66666666666666324348e-01);
    const Vd half = 0.5 * z, rest = 1.0 - half;
    const Vd cosine = rest + (((1.0 - rest) - half) + (z * z * horner<double>(z, c) - r * low));
    return quadrant<double>(sine, cosine, bits(shifted) - bits(broadcast(magic<double>)));
}

// Where the reduction above runs out of digits the C library takes over, number by number.
template <class T>
GOODINIT_INLINE Turn<T> turn(Vec<T> x) {
    constexpr T limit = sizeof(T) == 4 ? T(4000) : T(100000);
    Turn<T> t = turn_near(x);
    const auto far = absolute<T>(x) > limit;
    for (int i = 0; i < Pack<T>::lanes; ++i)
        if (far[i]) {
            t.sine[i] = (T)sin((double)x[i]);
            t.cosine[i] = (T)cos((double)x[i]);
        }
    return t;
}

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
