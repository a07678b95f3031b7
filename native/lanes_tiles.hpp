// The lanes engine's matrix products, on tiles that fit the vector registers.
//
// Everything is written once for both layouts of lanes.hpp. `Grouped`: a weight is a vector and the first layer's
// input a scalar that all networks share; else a weight is a scalar and all inputs are vectors. A "column" is an
// example, or a vector of examples.

#pragma once

#include "lanes.hpp"
#include "simd.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

// Tiles of sums, with the operands they need at a time, in 32 registers or in 16.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr bool many_registers = true;
constexpr int tile_rows = 6, gradient_rows = 5;
constexpr int tile_columns(int rows) { return rows <= 2 ? 8 : rows == 3 ? 7 : 10 - rows; }
constexpr int gradient_columns(int rows) { return rows == 1 ? 8 : 4; }
#else
constexpr bool many_registers = false;
constexpr int tile_rows = 3, gradient_rows = 3;
constexpr int tile_columns(int) { return 4; }
constexpr int gradient_columns(int) { return 3; }
#endif

// Keeps a vector that is used several times in a register, where the compiler would rather load it each time.
template <class V>
GOODINIT_INLINE V held(V x) {
#if defined(__AVX512F__)
    asm("" : "+v"(x));
#elif defined(__aarch64__)
    asm("" : "+w"(x));
#endif
    return x;
}

// Keeps the compiler from computing the addresses of all rows ahead, for which there are not registers enough.
template <class T>
GOODINIT_INLINE T *stepped(T *at, size_t step) {
    asm("" : "+r"(at));
    return at + step;
}

template <class T, bool Grouped>
GOODINIT_INLINE Vec<T> weight(const T *w) {
    if constexpr (Grouped)
        return load(w);
    else
        return broadcast(*w);
}

template <class T, bool Grouped, bool First>
GOODINIT_INLINE Vec<T> input(const T *a) {
    if constexpr (Grouped && First)
        return broadcast(*a);
    else
        return load(a);
}

// Cuts n into the fewest parts of at most `most`, as equal as possible; calls part(size, start).
template <class F>
GOODINIT_INLINE void in_parts(size_t n, size_t most, const F &part) {
    const size_t parts = (n + most - 1) / most;
    for (size_t i = 0, start = 0; i < parts; ++i) {
        const size_t size = (n - start + parts - i - 1) / (parts - i);
        part(size, start);
        start += size;
    }
}

template <int N>
struct Number {
    static constexpr int value = N;
};

// Calls f(Number<n>), 1 <= n <= Most.
template <int Most, class F>
GOODINIT_INLINE void with_number(size_t n, const F &f) {
    if constexpr (Most > 1) {
        if (n != Most) return with_number<Most - 1>(n, f);
    }
    f(Number<Most>{});
}

// Calls f(Number<size>, start) for the parts of 4, 2 and 1 that make up n, n <= Most < 8: each size is compiled, and three
// are far fewer than all.
template <int Most, class F>
GOODINIT_INLINE void in_powers(size_t n, const F &f) {
    if constexpr (Most >= 4)
        if (n & 4) f(Number<4>{}, 0);
    if constexpr (Most >= 2)
        if (n & 2) f(Number<2>{}, n & 4);
    if (n & 1) f(Number<1>{}, n & 6);
}

#define GOODINIT_EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < n; ++i)

// Which way a product goes through a layer: forward through the first layer, whose inputs are the examples; forward
// through another; or back, with the weights transposed and no bias.
enum class Way { first, forward, back };

enum class Then { nothing, relu, relu_mask, multiply };

// out[r][c] = bias[r] + sum over k of w[r, k] in[k][c], and then something with each
template <class T>
struct Product {
    const T *w, *bias;                // w[r, k] is at r * k + k, or at k * rows + r going back
    const T *in;
    size_t in_row;                    // step in elements from one k to the next, other than in the first layer
    T *out;
    size_t out_row;                   // step in elements; a column is one vector
    size_t k, rows, columns;          // each at least 1
    Then then;                        // nothing or relu going forward; nothing, relu_mask or multiply going back
    const T *factor;                  // as `out`, for Then::multiply
};

template <class T, bool Grouped, Way way, int Rows, int Columns>
GOODINIT_INLINE void product_tile(const Product<T> &p, size_t row, size_t column) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>, each = Grouped ? L : 1;
    constexpr bool first = way == Way::first;
    // An example's inputs lie together: in a group as scalars, one network alone has them as vectors.
    const size_t in_k = first ? each == 1 ? L : 1 : p.in_row, in_column = first ? p.k * in_k : L;
    const size_t w_row = way == Way::back ? each : p.k * each, w_k = way == Way::back ? p.rows * each : each;
    const T *in = p.in + column * in_column, *w = p.w + row * w_row;
    V sum[Rows][Columns];
    GOODINIT_EACH(r, Rows) {
        V start{};
        if constexpr (way != Way::back) start = weight<T, Grouped>(p.bias + (row + r) * each);
        GOODINIT_EACH(c, Columns) sum[r][c] = start;
    }
    size_t k = p.k;
    do {
        V a[Columns];
        GOODINIT_EACH(c, Columns) a[c] = held(input<T, Grouped, first>(in + c * in_column));
        GOODINIT_EACH(r, Rows) {
            const V b = weight<T, Grouped>(w + r * w_row);
            GOODINIT_EACH(c, Columns) sum[r][c] = fma(b, a[c], sum[r][c]);
        }
        in += in_k;
        w += w_k;
    } while (--k > 0);
    T *at = p.out + row * p.out_row + column * L;
    if constexpr (way == Way::back) {
        const bool mask = p.then == Then::relu_mask;
        const T *from = mask ? at : p.factor + row * p.out_row + column * L;
        if (mask) {
            GOODINIT_EACH(r, Rows) {
                GOODINIT_EACH(c, Columns) sum[r][c] = load(from + c * L) > 0 ? sum[r][c] : V{};
                from = stepped(from, p.out_row);
            }
        } else if (p.then == Then::multiply) {
            GOODINIT_EACH(r, Rows) {
                GOODINIT_EACH(c, Columns) sum[r][c] = sum[r][c] * load(from + c * L);
                from = stepped(from, p.out_row);
            }
        }
    } else if (p.then == Then::relu) {
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) sum[r][c] = not_below_zero(sum[r][c]);
    }
    GOODINIT_EACH(r, Rows) {
        GOODINIT_EACH(c, Columns) store(at + c * L, sum[r][c]);
        at = stepped(at, p.out_row);
    }
}

template <class T, bool Grouped, Way way, int Rows>
void product_rows(const Product<T> &given, size_t row) {
    const Product<T> p = given;  // a copy: no store through `out` can change it
    constexpr int step = tile_columns(Rows);
    size_t column = 0;
    for (; column + step <= p.columns; column += step) product_tile<T, Grouped, way, Rows, step>(p, row, column);
    in_powers<step - 1>(p.columns - column, [&](auto rest, size_t at) GOODINIT_INLINE_LAMBDA {
        product_tile<T, Grouped, way, Rows, decltype(rest)::value>(p, row, column + at);
    });
}

// Where k is small, all inputs of some columns fit the registers, and row after row is made of them and stored: stores
// that lie between the arithmetic cost less than those of a whole tile in a row.
constexpr int narrow_most = many_registers ? 4 : 2;
constexpr int narrow_columns(int k) { return many_registers ? (k <= 2 ? 8 : 5) : 4; }

template <class T, bool Grouped, Way way, int K, int Columns>
GOODINIT_INLINE void narrow_columns_of(const Product<T> &p, size_t column) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>, each = Grouped ? L : 1;
    constexpr bool first = way == Way::first;
    const size_t in_k = first ? each == 1 ? L : 1 : p.in_row, in_column = first ? K * in_k : L;
    const size_t w_row = way == Way::back ? each : K * each, w_k = way == Way::back ? p.rows * each : each;
    V a[K][Columns];
    const T *in = p.in + column * in_column;
    GOODINIT_EACH(k, K) GOODINIT_EACH(c, Columns) a[k][c] = held(input<T, Grouped, first>(in + k * in_k + c * in_column));
    const T *w = p.w, *factor = p.factor + column * L;
    T *out = p.out + column * L;
    for (size_t row = 0; row < p.rows; ++row) {
        V start{}, sum[Columns];
        if constexpr (way != Way::back) start = weight<T, Grouped>(p.bias + row * each);
        GOODINIT_EACH(c, Columns) sum[c] = start;
        GOODINIT_EACH(k, K) {
            const V b = weight<T, Grouped>(w + k * w_k);
            GOODINIT_EACH(c, Columns) sum[c] = fma(b, a[k][c], sum[c]);
        }
        GOODINIT_EACH(c, Columns) {
            T *at = out + c * L;
            if (way == Way::back && p.then == Then::relu_mask) sum[c] = load(at) > 0 ? sum[c] : V{};
            if (way == Way::back && p.then == Then::multiply) sum[c] = sum[c] * load(factor + c * L);
            if (way != Way::back && p.then == Then::relu) sum[c] = not_below_zero(sum[c]);
            store(at, sum[c]);
        }
        w += w_row;
        out += p.out_row;
        factor += p.out_row;
    }
}

template <class T, bool Grouped, Way way, int K>
void narrow_product(const Product<T> &given) {
    const Product<T> p = given;
    constexpr int step = narrow_columns(K);
    size_t column = 0;
    for (; column + step <= p.columns; column += step) narrow_columns_of<T, Grouped, way, K, step>(p, column);
    in_powers<step - 1>(p.columns - column, [&](auto rest, size_t at) GOODINIT_INLINE_LAMBDA {
        narrow_columns_of<T, Grouped, way, K, decltype(rest)::value>(p, column + at);
    });
}

template <class T, bool Grouped, Way way>
void product(const Product<T> &p) {
    if (p.k <= narrow_most) {
        with_number<narrow_most>(p.k, [&](auto k) GOODINIT_INLINE_LAMBDA {
            narrow_product<T, Grouped, way, decltype(k)::value>(p);
        });
        return;
    }
    in_parts(p.rows, tile_rows, [&](size_t size, size_t row) GOODINIT_INLINE_LAMBDA {
        with_number<tile_rows>(size, [&](auto rows) GOODINIT_INLINE_LAMBDA {
            product_rows<T, Grouped, way, decltype(rows)::value>(p, row);
        });
    });
}

// The runs, or the piece of one, that a block of columns holds.
struct Pieces {
    size_t count;
    uint32_t edges[65];  // piece i is the columns edges[i] <= c < edges[i + 1]
    bool resume;         // the (only) piece continues a sum of an earlier block
    bool finish;         // each piece ends its run: its sum is added to the total
};

// total[o, k] += the sums over the pieces of dZ[o][c] in[k][c]; the same for the bias with in = 1
template <class T>
struct Gradient {
    const T *dZ;
    size_t dZ_row;
    const T *in;
    size_t in_k, in_column;
    size_t rows, k;
    T *partial, *total, *bias_partial, *bias_total;  // vectors, in the order of the parameters
    const Pieces *pieces;
    typename Pack<T>::I last_mask;  // lanes that hold an example in the last column, where that is not all of them
    bool masked;
};

template <class T, bool Grouped, bool First, int Rows, int Columns, bool Bias>
GOODINIT_INLINE void gradient_tile(const Gradient<T> &p, size_t row, size_t k, size_t begin, size_t end, bool resume, bool finish) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>;
    const size_t dZ_row = p.dZ_row, in_k = p.in_k, in_column = p.in_column, row_size = p.k * L;
    V sum[Rows][Columns], bias[Rows];
    if (resume) {
        const T *partial = p.partial + row * row_size + k * L;
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) sum[r][c] = load(partial + r * row_size + c * L);
        if constexpr (Bias) GOODINIT_EACH(r, Rows) bias[r] = load(p.bias_partial + (row + r) * L);
    } else {
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) sum[r][c] = V{};
        GOODINIT_EACH(r, Rows) bias[r] = V{};
    }
    const size_t unmasked = !Grouped && p.masked ? end - 1 : end;
    const T *dZ = p.dZ + row * dZ_row + begin * L, *in = p.in + k * in_k + begin * in_column;
    for (size_t column = begin; column < unmasked; ++column, dZ += L, in += in_column) {
        V d[Rows];
        GOODINIT_EACH(r, Rows) {
            d[r] = held(load(dZ + r * dZ_row));
            if constexpr (Bias) bias[r] += d[r];
        }
        GOODINIT_EACH(c, Columns) {
            const V a = held(input<T, Grouped, First>(in + c * in_k));
            GOODINIT_EACH(r, Rows) sum[r][c] = fma(d[r], a, sum[r][c]);
        }
    }
    if constexpr (!Grouped)
        if (p.masked)
            GOODINIT_EACH(r, Rows) {
                const V d = load(dZ + r * dZ_row);
                if constexpr (Bias) bias[r] = p.last_mask ? bias[r] + d : bias[r];
                GOODINIT_EACH(c, Columns)
                sum[r][c] = p.last_mask ? fma(d, load(in + c * in_k), sum[r][c]) : sum[r][c];
            }
    T *out = (finish ? p.total : p.partial) + row * row_size + k * L;
    T *bias_out = (finish ? p.bias_total : p.bias_partial) + row * L;
    GOODINIT_EACH(r, Rows) {
        if (finish) GOODINIT_EACH(c, Columns) sum[r][c] = load(out + c * L) + sum[r][c];
        GOODINIT_EACH(c, Columns) store(out + c * L, sum[r][c]);
        out = stepped(out, row_size);
        if constexpr (Bias) store(bias_out + r * L, finish ? load(bias_out + r * L) + bias[r] : bias[r]);
    }
}

template <class T, bool Grouped, bool First, int Rows>
void gradient_rows_of(const Gradient<T> &given, size_t row) {
    const Gradient<T> p = given;  // a copy: no store of a sum can change it
    const size_t count = p.pieces->count;
    const bool resume = p.pieces->resume, finish = p.pieces->finish;
    in_parts(p.k, gradient_columns(Rows), [&](size_t size, size_t k) GOODINIT_INLINE_LAMBDA {
        with_number<gradient_columns(Rows)>(size, [&](auto columns) GOODINIT_INLINE_LAMBDA {
            constexpr int Columns = decltype(columns)::value;
            for (size_t piece = 0; piece < count; ++piece) {
                const size_t begin = p.pieces->edges[piece], end = p.pieces->edges[piece + 1];
                if (k == 0)
                    gradient_tile<T, Grouped, First, Rows, Columns, true>(p, row, k, begin, end, resume, finish);
                else if constexpr (2 * Columns >= gradient_columns(Rows))  // no part is smaller where there are several
                    gradient_tile<T, Grouped, First, Rows, Columns, false>(p, row, k, begin, end, resume, finish);
            }
        });
    });
}

template <class T, bool Grouped, bool First>
void gradient(const Gradient<T> &p) {
    in_parts(p.rows, gradient_rows, [&](size_t size, size_t row) {
        with_number<gradient_rows>(size, [&](auto rows) GOODINIT_INLINE_LAMBDA { gradient_rows_of<T, Grouped, First, decltype(rows)::value>(p, row); });
    });
}

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
