// The lanes engine's kernels. See lanes.hpp for the two layouts and the one order of summation.
//
// The code is written once for both layouts. `Grouped` says which it is: with it, a weight is a vector (one network a
// lane) and an input is a scalar that all networks share; without it, a weight is a scalar and an input is a vector
// (one example a lane). Everything between is vectors in both. A "column" is an example, or a vector of examples.
//
// Each block of columns goes forward through all layers and back again while its activations are in the first-level
// cache. The matrix products work on tiles that fit the vector registers.

#include "lanes.hpp"

#include "functions.hpp"

extern "C" double pow(double, double);

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 vector registers
constexpr int tile_rows = 6, gradient_rows = 5;
constexpr int tile_columns(int rows) { return rows == 1 ? 8 : 4; }
constexpr int gradient_columns(int rows) { return rows == 1 ? 8 : 4; }
#else  // 16
constexpr int tile_rows = 3, gradient_rows = 3;
constexpr int tile_columns(int) { return 4; }
constexpr int gradient_columns(int) { return 3; }
#endif
constexpr size_t cache = 40 * 1024;  // of a first-level cache of 48 or 64 KiB; of 32 KiB most
constexpr size_t most_columns = 64, fewest_columns = 8;

template <class T>
constexpr size_t lanes_of = Pack<T>::lanes;

template <class T, bool Grouped>
GOODINIT_INLINE Vec<T> weight(const T *w, size_t index) {
    if constexpr (Grouped)
        return load(w + index * lanes_of<T>);
    else
        return broadcast(w[index]);
}

template <class T, bool Grouped, bool First>
GOODINIT_INLINE Vec<T> input(const T *a) {
    if constexpr (Grouped && First)
        return broadcast(*a);
    else
        return load(a);
}

enum class Then { nothing, relu, relu_mask, multiply };

// out[r][c] = bias[r] + sum over k of w[r, k] in[k][c], and then something with each
template <class T>
struct Product {
    const T *w, *bias;                // bias: null for none
    size_t w_row, w_k;                // steps in weights
    const T *in;
    size_t in_k, in_column;           // steps in elements
    T *out;
    size_t out_row;                   // step in elements; a column is one vector
    size_t k, rows, columns;
    Then then;
    const T *factor;                  // as `out`, for Then::multiply
};

template <class T, bool Grouped, bool First, int Rows, int Columns>
GOODINIT_INLINE void product_tile(const Product<T> &p, size_t row, size_t column) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>;
    V sum[Rows][Columns];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
        const V start = p.bias ? weight<T, Grouped>(p.bias, row + r) : V{};
#pragma GCC unroll 8
        for (int c = 0; c < Columns; ++c) sum[r][c] = start;
    }
    const T *in = p.in + column * p.in_column;
    const T *w = p.w + row * p.w_row * (Grouped ? L : 1);
    const size_t w_row = p.w_row * (Grouped ? L : 1), w_k = p.w_k * (Grouped ? L : 1);
    for (size_t k = 0; k < p.k; ++k, in += p.in_k, w += w_k) {
        V a[Columns];
#pragma GCC unroll 8
        for (int c = 0; c < Columns; ++c) a[c] = input<T, Grouped, First>(in + c * p.in_column);
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
            const V b = weight<T, Grouped>(w + r * w_row, 0);
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) sum[r][c] = fma(b, a[c], sum[r][c]);
        }
    }
    T *out = p.out + row * p.out_row + column * L;
    if (p.then == Then::relu) {
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) store(out + r * p.out_row + c * L, not_below_zero(sum[r][c]));
    } else if (p.then == Then::relu_mask) {
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) {
                T *at = out + r * p.out_row + c * L;
                store(at, load(at) > 0 ? sum[r][c] : V{});
            }
    } else if (p.then == Then::multiply) {
        const T *factor = p.factor + row * p.out_row + column * L;
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) {
                const size_t at = r * p.out_row + c * L;
                store(out + at, sum[r][c] * load(factor + at));
            }
    } else {
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) store(out + r * p.out_row + c * L, sum[r][c]);
    }
}

template <class T, bool Grouped, bool First, int Rows, int Columns>
GOODINIT_INLINE void product_rest(const Product<T> &p, size_t row, size_t column) {
    if constexpr (Columns > 0) {
        if (p.columns - column == Columns)
            product_tile<T, Grouped, First, Rows, Columns>(p, row, column);
        else
            product_rest<T, Grouped, First, Rows, Columns - 1>(p, row, column);
    }
}

template <class T, bool Grouped, bool First, int Rows>
void product_rows(const Product<T> &p, size_t row) {
    constexpr int step = tile_columns(Rows);
    size_t column = 0;
    for (; column + step <= p.columns; column += step) product_tile<T, Grouped, First, Rows, step>(p, row, column);
    product_rest<T, Grouped, First, Rows, step - 1>(p, row, column);
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

template <class T, bool Grouped, bool First>
void product(const Product<T> &p) {
    in_parts(p.rows, tile_rows, [&](size_t size, size_t row) {
        switch (size) {
            case 1: product_rows<T, Grouped, First, 1>(p, row); break;
            case 2: product_rows<T, Grouped, First, 2>(p, row); break;
            case 3: product_rows<T, Grouped, First, 3>(p, row); break;
            case 4: if constexpr (tile_rows >= 4) product_rows<T, Grouped, First, 4>(p, row); break;
            case 5: if constexpr (tile_rows >= 5) product_rows<T, Grouped, First, 5>(p, row); break;
            default: if constexpr (tile_rows >= 6) product_rows<T, Grouped, First, 6>(p, row); break;
        }
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
void gradient_tile(const Gradient<T> &p, size_t row, size_t k) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>;
    T *partial = p.partial + (row * p.k + k) * L, *total = p.total + (row * p.k + k) * L;
    T *bias_partial = p.bias_partial + row * L, *bias_total = p.bias_total + row * L;
    for (size_t piece = 0; piece < p.pieces->count; ++piece) {
        V sum[Rows][Columns], bias[Rows];
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
            bias[r] = p.pieces->resume && Bias ? load(bias_partial + r * L) : V{};
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c)
                sum[r][c] = p.pieces->resume ? load(partial + (r * p.k + c) * L) : V{};
        }
        const size_t begin = p.pieces->edges[piece], end = p.pieces->edges[piece + 1];
        const size_t unmasked = !Grouped && p.masked ? end - 1 : end;
        const T *dZ = p.dZ + row * p.dZ_row + begin * L, *in = p.in + k * p.in_k + begin * p.in_column;
        for (size_t column = begin; column < unmasked; ++column, dZ += L, in += p.in_column) {
            V d[Rows];
#pragma GCC unroll 8
            for (int r = 0; r < Rows; ++r) {
                d[r] = load(dZ + r * p.dZ_row);
                if constexpr (Bias) bias[r] += d[r];
            }
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) {
                const V a = input<T, Grouped, First>(in + c * p.in_k);
#pragma GCC unroll 8
                for (int r = 0; r < Rows; ++r) sum[r][c] = fma(d[r], a, sum[r][c]);
            }
        }
        if constexpr (!Grouped)
            if (p.masked) {
#pragma GCC unroll 8
                for (int r = 0; r < Rows; ++r) {
                    const V d = load(dZ + r * p.dZ_row);
                    if constexpr (Bias) bias[r] = p.last_mask ? bias[r] + d : bias[r];
#pragma GCC unroll 8
                    for (int c = 0; c < Columns; ++c)
                        sum[r][c] = p.last_mask ? fma(d, load(in + c * p.in_k), sum[r][c]) : sum[r][c];
                }
            }
#pragma GCC unroll 8
        for (int r = 0; r < Rows; ++r) {
            if constexpr (Bias) {
                if (p.pieces->finish)
                    store(bias_total + r * L, load(bias_total + r * L) + bias[r]);
                else
                    store(bias_partial + r * L, bias[r]);
            }
#pragma GCC unroll 8
            for (int c = 0; c < Columns; ++c) {
                const size_t at = (r * p.k + c) * L;
                if (p.pieces->finish)
                    store(total + at, load(total + at) + sum[r][c]);
                else
                    store(partial + at, sum[r][c]);
            }
        }
    }
}

template <class T, bool Grouped, bool First, int Rows, int Columns>
GOODINIT_INLINE void gradient_columns_of(const Gradient<T> &p, size_t row, size_t k, size_t size) {
    if constexpr (Columns > 0) {
        if (size != Columns)
            gradient_columns_of<T, Grouped, First, Rows, Columns - 1>(p, row, k, size);
        else if (k == 0)
            gradient_tile<T, Grouped, First, Rows, Columns, true>(p, row, k);
        else
            gradient_tile<T, Grouped, First, Rows, Columns, false>(p, row, k);
    }
}

template <class T, bool Grouped, bool First, int Rows>
void gradient_rows_of(const Gradient<T> &p, size_t row) {
    in_parts(p.k, gradient_columns(Rows), [&](size_t size, size_t k) {
        gradient_columns_of<T, Grouped, First, Rows, gradient_columns(Rows)>(p, row, k, size);
    });
}

template <class T, bool Grouped, bool First>
void gradient(const Gradient<T> &p) {
    in_parts(p.rows, gradient_rows, [&](size_t size, size_t row) {
        switch (size) {
            case 1: gradient_rows_of<T, Grouped, First, 1>(p, row); break;
            case 2: gradient_rows_of<T, Grouped, First, 2>(p, row); break;
            case 3: gradient_rows_of<T, Grouped, First, 3>(p, row); break;
            case 4: if constexpr (gradient_rows >= 4) gradient_rows_of<T, Grouped, First, 4>(p, row); break;
            default: if constexpr (gradient_rows >= 5) gradient_rows_of<T, Grouped, First, 5>(p, row); break;
        }
    });
}

template <class T, Function F>
GOODINIT_INLINE Both<T> apply(Vec<T> z, T option) {
    using V = Vec<T>;
    const V zero{}, one = broadcast(T(1));
    if constexpr (F == Function::linear) return {z, one};
    if constexpr (F == Function::relu) return {not_below_zero(z), z > 0 ? one : zero};
    if constexpr (F == Function::relu6) {
        const V low = not_below_zero(z);
        return {low > T(6) ? broadcast(T(6)) : low, z > 0 ? (z < T(6) ? one : zero) : zero};
    }
    if constexpr (F == Function::leaky_relu) return {z > 0 ? z : option * z, z > 0 ? one : broadcast(option)};
    if constexpr (F == Function::elu || F == Function::selu) {
        constexpr double scale = F == Function::selu ? 1.0507009873554804934193349852946 : 1;
        const T alpha = F == Function::selu ? T(1.6732632423543772848170429916717) : option;
        const V below = z > 0 ? zero : z;
        const V value = z > 0 ? z : alpha * exponential_minus_one<T>(below);
        const V slope = z > 0 ? one : alpha * exponential<T>(below);
        return {value * T(scale), slope * T(scale)};
    }
    if constexpr (F == Function::gelu) return gelu<T>(z);
    if constexpr (F == Function::silu) return silu<T>(z);
    if constexpr (F == Function::mish) return mish<T>(z);
    if constexpr (F == Function::softplus) return {softplus<T>(z), logistic<T>(z)};
    if constexpr (F == Function::sigmoid) return sigmoid<T>(z);
    if constexpr (F == Function::tanh) return hyperbolic_tangent<T>(z);
    if constexpr (F == Function::hard_tanh) {
        const V low = z < T(-1) ? -one : z;
        return {low > T(1) ? one : low, absolute<T>(z) < T(1) ? one : zero};
    }
    if constexpr (F == Function::softsign) {
        const V q = one / (one + absolute<T>(z));
        return {z / (one + absolute<T>(z)), q * q};
    }
    if constexpr (F == Function::sine) {
        const Turn<T> t = turn<T>(option * z);
        return {t.sine, option * t.cosine};
    }
}

template <class T, Function F>
void activate_as(T *a, T *slope, size_t vectors, T option) {
    for (size_t i = 0; i < vectors; ++i) {
        const Both<T> both = apply<T, F>(load(a + i * lanes_of<T>), option);
        store(a + i * lanes_of<T>, both.value);
        store(slope + i * lanes_of<T>, both.slope);
    }
}

// a <- phi(a), slope <- phi'(a)
template <class T>
void activate(Function function, T option, T *a, T *slope, size_t vectors) {
    switch (function) {
#define GOODINIT_CASE(name) \
    case Function::name: activate_as<T, Function::name>(a, slope, vectors, option); break;
        GOODINIT_CASE(linear) GOODINIT_CASE(relu) GOODINIT_CASE(relu6) GOODINIT_CASE(leaky_relu) GOODINIT_CASE(elu)
        GOODINIT_CASE(selu) GOODINIT_CASE(gelu) GOODINIT_CASE(silu) GOODINIT_CASE(mish) GOODINIT_CASE(softplus)
        GOODINIT_CASE(sigmoid) GOODINIT_CASE(tanh) GOODINIT_CASE(hard_tanh) GOODINIT_CASE(softsign) GOODINIT_CASE(sine)
#undef GOODINIT_CASE
    }
}

// Hands out pieces of the scratch memory; without memory it only counts.
struct Arena {
    char *memory;
    size_t used = 0;
    template <class U>
    U *take(size_t count) {
        U *at = memory ? (U *)(memory + used) : nullptr;
        used += (count * sizeof(U) + 63) / 64 * 64;
        return at;
    }
};

template <class T, bool Grouped>
class Trainer {
    using P = Pack<T>;
    using V = Vec<T>;
    static constexpr size_t L = lanes_of<T>;
    static constexpr size_t members = Grouped ? L : 1;   // networks at once
    static constexpr size_t sets = Grouped ? 1 : partials<T> / L;  // vectors that hold one example of each run

    const Job<T> &job;
    size_t first, count;     // the networks
    size_t parameters = 0, padded;
    size_t capacity;         // columns of a block
    bool keeps_slopes;       // derivatives are stored going forward; relu's mask and linear need no store
    T *w, *total, *partial, *m, *v, *rates, *X_batch, *Y_batch, *each_loss;
    T **A, **slopes;         // by layer, 1 to depth; going back, A becomes dZ
    size_t *offset;          // of each layer's W in the parameters; its b follows
    double *loss_sum;
    int64_t record = 0, snapshot = 0, uncounted = 0;
    size_t alive;

    size_t width(int layer) const { return (size_t)job.widths[layer]; }
    bool stopped() const { return __atomic_load_n(job.stop, __ATOMIC_RELAXED) != 0; }

   public:
    Trainer(const Job<T> &job, size_t first, size_t count, Arena &arena) : job(job), first(first), count(count) {
        const int depth = job.depth;
        keeps_slopes = job.function != Function::relu && job.function != Function::linear;
        A = arena.take<T *>(depth + 1);
        slopes = arena.take<T *>(depth + 1);
        offset = arena.take<size_t>(depth + 2);
        size_t units = 0;
        for (int l = 1; l <= depth; ++l) {
            if (offset) offset[l] = parameters;
            parameters += width(l) * (width(l - 1) + 1);
            units += width(l) * (keeps_slopes && l < depth ? 2 : 1);
        }
        padded = (parameters + L - 1) / L * L;
        const size_t per_column = units * L * sizeof(T);
        const size_t fixed = parameters * L * sizeof(T) * (Grouped ? 3 : 1);
        capacity = fixed < cache ? (cache - fixed) / per_column : 0;
        capacity = capacity < fewest_columns ? fewest_columns : capacity > most_columns ? most_columns : capacity;

        w = arena.take<T>(Grouped ? parameters * L : padded);
        total = arena.take<T>(Grouped ? parameters * L : padded);
        partial = arena.take<T>(padded * L);
        m = arena.take<T>(job.optimizer == Optimizer::gradient_descent ? 0 : Grouped ? parameters * L : padded);
        v = arena.take<T>(job.optimizer != Optimizer::adam ? 0 : Grouped ? parameters * L : padded);
        rates = arena.take<T>(L);
        loss_sum = arena.take<double>(L);
        const size_t rows = job.offsets ? (Grouped ? job.largest_batch : packed(job.largest_batch)) : 0;
        X_batch = arena.take<T>(rows * width(0));
        Y_batch = arena.take<T>(rows * width(depth));
        each_loss = arena.take<T>(Grouped ? L : job.examples);
        for (int l = 1; l <= depth; ++l) {
            T *a = arena.take<T>(width(l) * capacity * L);
            T *slope = arena.take<T>(keeps_slopes && l < depth ? width(l) * capacity * L : 0);
            if (A) {
                A[l] = a;
                slopes[l] = slope;
            }
        }
    }

    static size_t packed(size_t examples) { return Runs(examples, partials<T>).length * partials<T>; }

    void train() {
        begin();
        for (int64_t step = job.begin; step < job.end && alive; ++step) {
            if (step % job.record_every == 0) {
                note_loss(step, step / job.record_every);
                if (!alive) break;
            }
            while (snapshot < job.snapshots && job.snapshot_steps[snapshot] == step) take_snapshot();
            take_step(step);
            if (stopped()) return;
            if (++uncounted == 64) count_steps();
        }
        if (job.end == job.steps && alive) note_loss(job.steps, -1);
        const int64_t last = job.end == job.steps ? job.steps + 1 : job.end;
        while (snapshot < job.snapshots && job.snapshot_steps[snapshot] < last) take_snapshot();
        count_steps();
        finish();
    }

   private:
    void count_steps() {
        if (uncounted) __atomic_fetch_add(job.done, uncounted * (int64_t)count, __ATOMIC_RELAXED);
        uncounted = 0;
    }

    size_t network(size_t member) const { return first + (member < count ? member : count - 1); }
    bool frozen(size_t member) const { return job.diverged_by[network(member)] >= 0; }

    // Calls f(array, size of a network in it, offset in the parameters) for W1, b1, W2, ...
    template <class F>
    void for_arrays(const F &f) const {
        for (int l = 1; l <= job.depth; ++l) {
            const size_t size = width(l) * width(l - 1);
            f(2 * (l - 1), size, offset[l]);
            f(2 * (l - 1) + 1, width(l), offset[l] + size);
        }
    }

    void begin() {
        for_arrays([&](int array, size_t size, size_t at) {
            for (size_t member = 0; member < members; ++member) {
                const T *from = job.parameters[array] + network(member) * size;
                for (size_t i = 0; i < size; ++i) w[(at + i) * members + member] = from[i];
            }
        });
        move_state(true);
        for (size_t lane = 0; lane < L; ++lane) rates[lane] = job.rates[Grouped ? network(lane) : first];
        if (!Grouped)
            for (size_t i = parameters; i < padded; ++i) w[i] = total[i] = 0;
        for (int64_t at = 0; at < job.snapshots && job.snapshot_steps[at] < job.begin; ++at) ++snapshot;
        alive = 0;
        for (size_t member = 0; member < count; ++member) alive += !frozen(member);
    }

    void move_state(bool in) {
        T *const kept[] = {job.first, job.second};
        T *const here[] = {job.optimizer == Optimizer::gradient_descent ? nullptr : m,
                           job.optimizer == Optimizer::adam ? v : nullptr};
        for (int which = 0; which < 2; ++which) {
            if (!here[which]) continue;
            if (in)
                for (size_t i = 0; i < (Grouped ? parameters * L : padded); ++i) here[which][i] = 0;
            if (!kept[which] || (in && job.begin == 0)) continue;
            for (size_t member = 0; member < (in ? members : count); ++member) {
                T *outside = kept[which] + network(member) * parameters;
                for (size_t i = 0; i < parameters; ++i) {
                    T &inside = here[which][i * members + member];
                    if (in)
                        inside = outside[i];
                    else
                        outside[i] = inside;
                }
            }
        }
    }

    void write(size_t member, T *const *arrays) const {
        for_arrays([&](int array, size_t size, size_t at) {
            T *to = arrays[array] + network(member) * size;
            for (size_t i = 0; i < size; ++i) to[i] = w[(at + i) * members + member];
        });
    }

    void finish() {
        for (size_t member = 0; member < count; ++member)
            if (!frozen(member)) write(member, job.parameters);
        move_state(false);
    }

    void take_snapshot() {
        T *const *arrays = job.snapshot_parameters + snapshot++ * 2 * job.depth;
        for (size_t member = 0; member < count; ++member) {
            if (!frozen(member)) {
                write(member, arrays);
                continue;
            }
            for_arrays([&](int array, size_t size, size_t) {  // as they were when divergence was noted
                __builtin_memcpy(arrays[array] + network(member) * size, job.parameters[array] + network(member) * size,
                                 size * sizeof(T));
            });
        }
    }

    void note_loss(int64_t step, int64_t record) {
        for (size_t lane = 0; lane < L; ++lane) loss_sum[lane] = 0;
        if constexpr (Grouped) {
            go_through<true>(job.X, job.Y, job.examples);
        } else {
            go_through<true>(job.X_lanes, job.Y_lanes, job.examples);
            for (size_t i = 0; i < job.examples; ++i) loss_sum[0] += (double)each_loss[i];
        }
        if (stopped()) return;
        const double terms = (double)job.examples * (job.loss == Loss::squared_error ? (double)width(job.depth) : 1.0);
        bool bad[L] = {};
        typename P::I any{};
        for (size_t i = 0; i < (Grouped ? parameters : padded / L); ++i) {
            const V value = load(w + i * L);
            any |= value - value != V{};  // infinite or not a number
        }
        for (size_t lane = 0; lane < L; ++lane) bad[Grouped ? lane : 0] |= any[lane] != 0;
        for (size_t member = 0; member < count; ++member) {
            if (frozen(member)) continue;
            const double loss = loss_sum[member] / terms;
            if (bad[member] || !(loss - loss == 0)) {
                write(member, job.parameters);
                job.diverged_by[network(member)] = step;
                --alive;
            } else if (record < 0) {
                job.final_loss[network(member)] = loss;
            } else {
                job.losses[network(member) * job.records + record] = loss;
            }
        }
    }

    void take_step(int64_t step) {
        const T *X = Grouped ? job.X : job.X_lanes, *Y = Grouped ? job.Y : job.Y_lanes;
        size_t examples = job.examples;
        if (job.offsets) {
            const int64_t *range = job.offsets + (step - job.begin);
            const int32_t *batch = job.indices + range[0];
            examples = (size_t)(range[1] - range[0]);
            gather(job.X, width(0), batch, examples, X_batch);
            gather(job.Y, width(job.depth), batch, examples, Y_batch);
            X = X_batch;
            Y = Y_batch;
        }
        for (size_t i = 0; i < (Grouped ? parameters * L : padded); ++i) total[i] = 0;
        go_through<false>(X, Y, examples);
        if (stopped()) return;
        const double terms = (double)examples * (job.loss == Loss::squared_error ? 0.5 * (double)width(job.depth) : 1.0);
        update(step, T(1 / terms));
    }

    // The rows of a batch, in its order: as rows, or packed into lanes.
    static void gather(const T *rows, size_t width, const int32_t *batch, size_t examples, T *out) {
        if constexpr (Grouped)
            for (size_t i = 0; i < examples; ++i)
                __builtin_memcpy(out + i * width, rows + (size_t)batch[i] * width, width * sizeof(T));
        else
            pack_rows([&](size_t i) { return rows + (size_t)(batch ? batch[i] : i) * width; }, width, examples, out);
    }

   public:
    // out[set][position in the run][feature][lane]; lanes without an example hold 0
    template <class F>
    static void pack_rows(const F &row, size_t width, size_t examples, T *out) {
        const Runs runs(examples, partials<T>);
        for (size_t run = 0; run < (size_t)partials<T>; ++run) {
            T *to = out + run / L * runs.length * width * L + run % L;
            for (size_t t = 0; t < runs.length; ++t)
                for (size_t i = 0; i < width; ++i) {
                    *to = t < runs.size(run) ? row(runs.start(run) + t)[i] : T(0);
                    to += L;
                }
        }
    }

   private:
    // Forward through all examples, block by block; and back, unless only the loss is wanted.
    template <bool OnlyLoss>
    void go_through(const T *X, const T *Y, size_t examples) {
        const Runs runs(examples, partials<T>);
        const size_t inputs = width(0), outputs = width(job.depth);
        Pieces pieces;
        if constexpr (Grouped) {
            for (size_t run = 0; run < (size_t)partials<T> && runs.size(run);) {
                if (runs.length <= capacity) {  // a block of whole runs
                    const size_t start = runs.start(run);
                    pieces.count = 0;
                    pieces.edges[0] = 0;
                    pieces.resume = false;
                    pieces.finish = true;
                    size_t columns = 0;
                    while (run < (size_t)partials<T> && runs.size(run) && columns + runs.size(run) <= capacity) {
                        columns += runs.size(run++);
                        pieces.edges[++pieces.count] = (uint32_t)columns;
                    }
                    block<OnlyLoss>(X + start * inputs, Y + start * outputs, columns, pieces, 0, nullptr, 0, false);
                    if (stopped()) return;
                    continue;
                }
                const size_t start = runs.start(run), size = runs.size(run);
                in_parts(size, capacity, [&](size_t columns, size_t at) {
                    pieces.count = 1;
                    pieces.edges[0] = 0;
                    pieces.edges[1] = (uint32_t)columns;
                    pieces.resume = at > 0;
                    pieces.finish = at + columns == size;
                    if (!stopped())
                        block<OnlyLoss>(X + (start + at) * inputs, Y + (start + at) * outputs, columns, pieces, 0,
                                        nullptr, 0, false);
                });
                if (stopped()) return;
                ++run;
            }
        } else {
            for (size_t set = 0; set < sets; ++set) {
                if (!runs.size(set * L)) break;
                const bool masked = runs.longer < (set + 1) * L;  // the last column lacks examples
                const size_t length = runs.size(set * L);
                in_parts(length, capacity, [&](size_t columns, size_t at) {
                    pieces.count = 1;
                    pieces.edges[0] = 0;
                    pieces.edges[1] = (uint32_t)columns;
                    pieces.resume = at > 0;
                    pieces.finish = false;
                    const size_t start = set * runs.length + at;
                    if (!stopped())
                        block<OnlyLoss>(X + start * inputs * L, Y + start * outputs * L, columns, pieces, set, &runs,
                                        at, masked && at + columns == runs.length);
                });
                if (stopped()) return;
                if constexpr (!OnlyLoss) add_lanes();
            }
        }
    }

    // total[i] += partial[i][0], then partial[i][1], ...: the order in which the other layout ends its runs
    void add_lanes() {
        for (size_t i = 0; i < parameters; ++i) {
            T sum = total[i];
#pragma GCC unroll 16
            for (size_t lane = 0; lane < L; ++lane) sum += partial[i * L + lane];
            total[i] = sum;
        }
    }

    template <bool OnlyLoss>
    void block(const T *X, const T *Y, size_t columns, const Pieces &pieces, size_t set, const Runs *runs, size_t at,
               bool masked) {
        const int depth = job.depth;
        const size_t row = capacity * L;
        const size_t x_k = Grouped ? 1 : L, x_column = Grouped ? width(0) : width(0) * L;
        for (int l = 1; l <= depth; ++l) {
            const T *W = w + offset[l] * members;
            const bool hidden = l < depth;
            const Then then = hidden && job.function == Function::relu ? Then::relu : Then::nothing;
            Product<T> p{W, W + width(l) * width(l - 1) * members, width(l - 1), 1, l == 1 ? X : A[l - 1],
                         l == 1 ? x_k : row, l == 1 ? x_column : L, A[l], row, width(l - 1), width(l), columns, then, nullptr};
            if (l == 1)
                product<T, Grouped, true>(p);
            else
                product<T, Grouped, false>(p);
            if (hidden && keeps_slopes)
                for (size_t unit = 0; unit < width(l); ++unit)
                    activate<T>(job.function, job.option, A[l] + unit * row, slopes[l] + unit * row, columns);
        }
        typename P::I mask{};
        if (masked)
            for (size_t lane = 0; lane < L; ++lane) mask[lane] = set * L + lane < runs->longer ? -1 : 0;
        compare<OnlyLoss>(A[depth], Y, columns, masked, mask, set, runs, at);
        if constexpr (OnlyLoss) return;

        for (int l = depth; l >= 1; --l) {
            const size_t b = offset[l] + width(l) * width(l - 1);
            Gradient<T> g{A[l], row, l == 1 ? X : A[l - 1], l == 1 ? x_k : row, l == 1 ? x_column : L, width(l), width(l - 1),
                          partial + offset[l] * L, total + offset[l] * L, partial + b * L, total + b * L, &pieces, mask, masked};
            if (l == 1) {
                gradient<T, Grouped, true>(g);
                break;
            }
            gradient<T, Grouped, false>(g);
            const Then then = job.function == Function::relu     ? Then::relu_mask
                              : job.function == Function::linear ? Then::nothing
                                                                 : Then::multiply;
            Product<T> p{w + offset[l] * members, nullptr, 1, width(l - 1), A[l], row, L, A[l - 1], row, width(l),
                         width(l - 1), columns, then, slopes[l - 1]};
            product<T, Grouped, false>(p);
        }
    }

    // From the logits in Z: each example's loss, or the loss's derivative by the logit, in its place.
    template <bool OnlyLoss>
    void compare(T *Z, const T *Y, size_t columns, bool masked, typename P::I mask, size_t set, const Runs *runs,
                 size_t at) {
        const size_t outputs = width(job.depth), row = capacity * L;
        for (size_t column = 0; column < columns; ++column) {
            T *z = Z + column * L;
            const T *y = Y + column * outputs * (Grouped ? 1 : L);
            const auto target = [&](size_t o) { return input<T, Grouped, true>(y + o * (Grouped ? 1 : L)); };
            V loss{};
            if (job.loss == Loss::binary_cross_entropy) {
                const V logit = load(z);
                if constexpr (OnlyLoss)
                    loss = (not_below_zero(logit) - target(0) * logit) +
                           log_one_plus<T>(exponential<T>(-absolute<T>(logit)));
                else
                    store(z, logistic<T>(logit) - target(0));
            } else if (job.loss == Loss::squared_error) {
                for (size_t o = 0; o < outputs; ++o) {
                    const V d = load(z + o * row) - target(o);
                    if constexpr (OnlyLoss)
                        loss = fma(d, d, loss);
                    else
                        store(z + o * row, d);
                }
            } else {
                V top = load(z);
                for (size_t o = 1; o < outputs; ++o) {
                    const V logit = load(z + o * row);
                    top = logit > top ? logit : top;
                }
                V sum{}, inner{};
                for (size_t o = 0; o < outputs; ++o) {
                    const V shifted = load(z + o * row) - top, e = exponential<T>(shifted);
                    sum += e;
                    if constexpr (OnlyLoss)
                        inner = fma(target(o), shifted, inner);
                    else
                        store(z + o * row, e);
                }
                if constexpr (OnlyLoss)
                    loss = logarithm<T>(sum) - inner;
                else
                    for (size_t o = 0; o < outputs; ++o) store(z + o * row, load(z + o * row) / sum - target(o));
            }
            if constexpr (!Grouped && !OnlyLoss)
                if (masked && column + 1 == columns)
                    for (size_t o = 0; o < outputs; ++o) store(z + o * row, mask ? load(z + o * row) : V{});
            if constexpr (OnlyLoss) {
                if constexpr (Grouped) {
                    for (size_t lane = 0; lane < L; ++lane) loss_sum[lane] += (double)loss[lane];
                } else {
                    for (size_t lane = 0; lane < L; ++lane)
                        if (at + column < runs->size(set * L + lane))
                            each_loss[runs->start(set * L + lane) + at + column] = loss[lane];
                }
            }
        }
    }

    void update(int64_t step, T scale) {
        const size_t vectors = Grouped ? parameters : padded / L;
        const V rate = load(rates);
        if (job.optimizer == Optimizer::gradient_descent) {
            for (size_t i = 0; i < vectors; ++i) {
                const V g = load(total + i * L) * scale;
                store(w + i * L, fma(-rate, g, load(w + i * L)));
            }
        } else if (job.optimizer == Optimizer::momentum) {
            for (size_t i = 0; i < vectors; ++i) {
                const V g = load(total + i * L) * scale, velocity = fma(broadcast(T(0.9)), load(m + i * L), g);
                store(m + i * L, velocity);
                store(w + i * L, fma(-rate, velocity, load(w + i * L)));
            }
        } else {
            const double t = (double)(step + 1);
            const T c1 = T(1 / (1 - pow(0.9, t))), c2 = T(1 / (1 - pow(0.999, t)));
            for (size_t i = 0; i < vectors; ++i) {
                const V g = load(total + i * L) * scale;
                const V mean = fma(broadcast(T(0.9)), load(m + i * L), T(1 - 0.9) * g);
                const V square = fma(broadcast(T(0.999)), load(v + i * L), T(1 - 0.999) * (g * g));
                store(m + i * L, mean);
                store(v + i * L, square);
                const V move = (mean * c1) / (square_root(square * c2) + T(1e-8));
                store(w + i * L, fma(-rate, move, load(w + i * L)));
            }
        }
    }
};

template <class T, bool Grouped>
void train_unit(const Job<T> &job, size_t first, size_t count, void *scratch) {
    Arena arena{(char *)scratch};
    Trainer<T, Grouped>(job, first, count, arena).train();
}

template <class T>
size_t scratch_of(const Job<T> &job, bool alone) {
    Arena arena{nullptr};
    if (alone)
        Trainer<T, false>(job, 0, 1, arena);
    else
        Trainer<T, true>(job, 0, 1, arena);
    return arena.used;
}

template <class T>
void evaluate_at(Function function, T option, size_t size, const T *z, T *value, T *slope) {
    for (size_t i = 0; i < size; i += lanes_of<T>) {
        T a[lanes_of<T>] = {}, s[lanes_of<T>];
        const size_t n = size - i < lanes_of<T> ? size - i : lanes_of<T>;
        __builtin_memcpy(a, z + i, n * sizeof(T));
        activate<T>(function, option, a, s, 1);
        __builtin_memcpy(value + i, a, n * sizeof(T));
        __builtin_memcpy(slope + i, s, n * sizeof(T));
    }
}

template <class T>
void get_kernels(Kernels<T> &kernels) {
    kernels.lanes = lanes_of<T>;
    kernels.packed_size = &Trainer<T, false>::packed;
    kernels.pack = [](const T *rows, size_t width, size_t examples, T *out) {
        Trainer<T, false>::pack_rows([&](size_t i) { return rows + i * width; }, width, examples, out);
    };
    kernels.scratch = &scratch_of<T>;
    kernels.train_group = &train_unit<T, true>;
    kernels.train_alone = [](const Job<T> &job, size_t network, void *scratch) {
        train_unit<T, false>(job, network, 1, scratch);
    };
    kernels.evaluate = &evaluate_at<T>;
}

}  // namespace

void get(Kernels<float> &kernels) { get_kernels(kernels); }
void get(Kernels<double> &kernels) { get_kernels(kernels); }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
