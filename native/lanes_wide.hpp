// One wide network at a time: whole layers as matrix products on packed panels, the units of a layer in the lanes.
//
// The bits are those of lanes_pass.hpp, for everything is added in the same order: a product's terms one after the
// other, a gradient's by runs of examples. A panel is a piece of a matrix as wide as a tile, its rows one after the
// other, so that a tile reads memory from its start to its end. Weights are kept twice, in panels by their outputs and,
// for the way back, by their inputs. A team shares a step twice: the examples go forward and back, each by itself; then
// the gradients are made tile by tile, and the weights moved by them while they are in the nearest cache.

#pragma once

#include "lanes_common.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

// Row i, element j and row j, element i change places.
#if defined(__AVX512F__)
template <class T>
GOODINIT_INLINE void turned(Vec<T> (&rows)[lanes_of<T>]) {
    transpose<T>(rows);
}
#elif defined(__AVX2__)
template <class T>
GOODINIT_INLINE void turned(Vec<T> (&rows)[lanes_of<T>]) {
    using V = Vec<T>;
    if constexpr (sizeof(T) == 8) {
        __m256d pairs[4];
        GOODINIT_EACH(i, 4) {
            const __m256d a = (__m256d)rows[i / 2 * 2], b = (__m256d)rows[i / 2 * 2 + 1];
            pairs[i] = i % 2 ? _mm256_unpackhi_pd(a, b) : _mm256_unpacklo_pd(a, b);
        }
        GOODINIT_EACH(i, 2) {
            rows[i] = (V)_mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x20);
            rows[i + 2] = (V)_mm256_permute2f128_pd(pairs[i], pairs[i + 2], 0x31);
        }
    } else {
        __m256 pairs[8], fours[8];
        GOODINIT_EACH(i, 8) {
            const __m256 a = (__m256)rows[i / 2 * 2], b = (__m256)rows[i / 2 * 2 + 1];
            pairs[i] = i % 2 ? _mm256_unpackhi_ps(a, b) : _mm256_unpacklo_ps(a, b);
        }
        GOODINIT_EACH(i, 4) {
            const __m256 a = pairs[i / 2 * 4 + i % 2], b = pairs[i / 2 * 4 + i % 2 + 2];
            fours[i / 2 * 4 + i % 2 * 2] = _mm256_shuffle_ps(a, b, 0x44);
            fours[i / 2 * 4 + i % 2 * 2 + 1] = _mm256_shuffle_ps(a, b, 0xee);
        }
        GOODINIT_EACH(i, 4) {
            rows[i] = (V)_mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
            rows[i + 4] = (V)_mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
        }
    }
}
#else
template <class T>
GOODINIT_INLINE void turned(Vec<T> (&rows)[lanes_of<T>]) {
    for (size_t i = 0; i < lanes_of<T>; ++i)
        for (size_t j = 0; j < i; ++j) {
            const T kept = rows[i][j];
            rows[i][j] = rows[j][i];
            rows[j][i] = kept;
        }
}
#endif

// A matrix in panels over its columns. The last panel may be narrower; its columns are whole vectors.
template <class T>
struct Panels {
    static constexpr size_t L = lanes_of<T>, vectors = many_registers ? 4 : 2, most = vectors * L;
    T *values;
    size_t rows, columns;

    static constexpr size_t padded(size_t columns) { return (columns + L - 1) / L * L; }
    size_t size() const { return rows * padded(columns); }
    size_t count() const { return (columns + most - 1) / most; }
    size_t width(size_t panel) const {
        const size_t left = padded(columns) - panel * most;
        return left < most ? left : most;
    }
    size_t real(size_t panel) const {  // columns that are not there to fill a vector
        const size_t left = columns - panel * most;
        return left < most ? left : most;
    }
    T *at(size_t panel, size_t row) const { return values + panel * most * rows + row * width(panel); }
    T *element(size_t row, size_t column) const { return at(column / most, row) + column % most; }
};

// out = start + in w, then something with each; `w` has as many rows as `in` has columns
template <class T>
struct WideProduct {
    Panels<T> in, w, out;
    const T *bias;       // of each output, or null for 0
    Then then;
    const T *factor;     // in panels as `out`, for relu_mask (positive passes) and multiply
};

template <class T, int Rows, int Columns>
void wide_tile(const WideProduct<T> &p, size_t panel, size_t row, size_t begin, size_t end) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>, most = Panels<T>::most;
    const size_t step = p.out.width(panel);
    T *const out = p.out.at(panel, row);
    V sum[Rows][Columns];
    GOODINIT_EACH(c, Columns) {
        const V start = p.bias && begin == 0 ? load(p.bias + panel * most + c * L) : V{};
        GOODINIT_EACH(r, Rows) sum[r][c] = begin == 0 ? start : load(out + r * step + c * L);
    }
    const T *w = p.w.at(panel, begin);
    for (size_t k = begin; k < end;) {
        const size_t piece = k / most, in_step = p.in.width(piece), size = p.in.real(piece);
        const T *in = p.in.at(piece, row);
        size_t left = size < end - k ? size : end - k;
        k += left;
        do {
            V b[Columns];
            GOODINIT_EACH(c, Columns) b[c] = held(load(w + c * L));
            GOODINIT_EACH(r, Rows) {
                const V a = broadcast(in[r * in_step]);
                GOODINIT_EACH(c, Columns) sum[r][c] = fma(a, b[c], sum[r][c]);
            }
            ++in;
            w += step;
        } while (--left > 0);
    }
    if (end == p.w.rows && p.then == Then::relu) {
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) sum[r][c] = not_below_zero(sum[r][c]);
    } else if (end == p.w.rows && p.then != Then::nothing) {
        const T *factor = p.factor + (out - p.out.values);
        const bool mask = p.then == Then::relu_mask;
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) {
            const V f = load(factor + r * step + c * L);
            sum[r][c] = mask ? (f > 0 ? sum[r][c] : V{}) : sum[r][c] * f;
        }
    }
    GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) store(out + r * step + c * L, sum[r][c]);
}

constexpr int wide_rows = 6;
constexpr size_t wide_cache = 32 * 1024;  // of a panel, read again for every tile of rows

// Rows begin to end of the product, a number of inputs at a time: those of all rows stay near while the panels pass.
template <class T>
void wide_product(const WideProduct<T> &p, size_t begin, size_t end) {
    constexpr int vectors = (int)Panels<T>::vectors;
    constexpr size_t deep = wide_cache / (Panels<T>::most * sizeof(T)) / Panels<T>::most * Panels<T>::most;
    for (size_t k = 0; k < p.w.rows; k += deep) {
        const size_t last = p.w.rows - k < deep ? p.w.rows : k + deep;
        for (size_t panel = 0; panel < p.out.count(); ++panel)
            with_number<vectors>(p.out.width(panel) / lanes_of<T>, [&](auto columns) GOODINIT_INLINE_LAMBDA {
                in_parts(end - begin, wide_rows, [&](size_t size, size_t row) GOODINIT_INLINE_LAMBDA {
                    with_number<wide_rows>(size, [&](auto rows) GOODINIT_INLINE_LAMBDA {
                        wide_tile<T, decltype(rows)::value, decltype(columns)::value>(p, panel, begin + row, k, last);
                    });
                });
            });
    }
}

// total[k][o] += the sum over the examples of each run, run after run, of in[e][k] d[e][o]
template <class T, int Rows, int Columns>
void wide_gradient_tile(const T *in, size_t in_step, const T *d, T *total, const Runs &runs, size_t first, size_t last) {
    using V = Vec<T>;
    constexpr size_t L = lanes_of<T>, step = Columns * L;
    in += runs.start(first) * in_step;
    d += runs.start(first) * step;
    for (size_t run = first; run < last; ++run) {
        V sum[Rows][Columns];
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) sum[r][c] = V{};
        for (size_t left = runs.size(run); left > 0; --left) {
            V b[Columns];
            GOODINIT_EACH(c, Columns) b[c] = held(load(d + c * L));
            GOODINIT_EACH(r, Rows) {
                const V a = broadcast(in[r]);
                GOODINIT_EACH(c, Columns) sum[r][c] = fma(b[c], a, sum[r][c]);
            }
            in += in_step;
            d += step;
        }
        GOODINIT_EACH(r, Rows) GOODINIT_EACH(c, Columns) {
            T *at = total + r * step + c * L;
            store(at, load(at) + sum[r][c]);
        }
    }
}

template <class T>
class Wide : protected Common<T, false> {
  protected:
    using Base = Common<T, false>;
    using typename Base::P;
    using typename Base::V;
    using Matrix = Panels<T>;
    using Base::each_loss, Base::job, Base::keeps_slopes, Base::L, Base::loss_sum, Base::stored, Base::stopped;
    using Base::team, Base::together, Base::w, Base::width;

    static constexpr size_t block = 96;             // rows that go through all layers one after the other
    static constexpr size_t most_rows = 144;        // a step's share up to which it goes through in one
    static constexpr size_t part = many_registers ? Matrix::most / 2 : Matrix::most;  // inputs of a gradient's tile
    static constexpr size_t near = 64;              // examples of the runs that a cache holds

    // What a layer has: weights (inputs x outputs) and their copy (outputs x inputs), what comes out of it, the
    // derivatives there.
    struct Layer {
        Matrix w, back, out, slope, delta;
        T *bias;
        size_t at;       // of the weights in `w`
        size_t place;    // of the weights among all parameters
    };

    size_t workers, next = 0;
    Layer *layers;       // 1 to depth; of 0 only `out`, the inputs
    T *totals, *logits;  // of each worker

    Wide(const Job<T> &job, Team *team, size_t workers, Arena &arena) : Base(job, team), workers(workers) {
        const int depth = job.depth;
        const size_t batch = job.offsets ? job.largest_batch : job.examples;
        const size_t rows = batch > workers * block ? batch : workers * block;
        layers = arena.take<Layer>((size_t)depth + 1);
        for (int l = 1; l <= depth; ++l) stored += Matrix::padded(width(l)) * (width(l - 1) + 1);
        w = arena.take<T>(stored);
        size_t at = 0, place = 0;
        const auto matrix = [&](size_t rows, size_t columns, bool wanted) {
            Matrix made{nullptr, rows, columns};
            made.values = arena.take<T>(wanted ? made.size() : 0);
            return made;
        };
        for (int l = 0; l <= depth; ++l) {
            Layer layer{};
            const bool hidden = l > 0 && l < depth;
            layer.out = matrix(rows, width(l), true);
            layer.slope = matrix(rows, width(l), hidden && keeps_slopes);
            layer.delta = l == depth ? layer.out : matrix(rows, width(l), hidden);
            if (l > 0) {
                layer.back = matrix(width(l), width(l - 1), l > 1);
                layer.w = Matrix{w ? w + at : nullptr, width(l - 1), width(l)};
                layer.at = at;
                layer.place = place;
                at += layer.w.size();
                layer.bias = w ? w + at : nullptr;
                at += Matrix::padded(width(l));
                place += width(l) * (width(l - 1) + 1);
            }
            if (layers) layers[l] = layer;
        }
        totals = arena.take<T>(workers * part * Matrix::most);
        logits = arena.take<T>(workers * 2 * width(depth) * L);
        loss_sum = arena.take<double>(L);
        each_loss = arena.take<T>(job.examples);
    }

    template <class F>
    void for_pieces(const F &f) const {
        for (int l = 1; l <= job.depth; ++l) {
            const Layer &layer = layers[l];
            const size_t inputs = width(l - 1), outputs = width(l);
            for (size_t k0 = 0; k0 < inputs; k0 += L)  // square by square, which a cache holds
                for (size_t o0 = 0; o0 < outputs; o0 += L)
                    for (size_t o = o0; o < outputs && o < o0 + L; ++o)
                        for (size_t k = k0; k < inputs && k < k0 + L; ++k)
                            f(2 * (l - 1), o * inputs + k, 1, (size_t)(layer.w.element(k, o) - w), layer.place + o * inputs + k);
            f(2 * (l - 1) + 1, 0, outputs, (size_t)(layer.bias - w), layer.place + inputs * outputs);
        }
    }

    void prepare() {
        for (int l = 2; l <= job.depth; ++l)
            for (size_t k = 0; k < width(l - 1); k += L)
                for (size_t panel = 0; panel < layers[l].w.count(); ++panel) turn(layers[l], panel, k);
    }

    void measure() {
        by_all([&](size_t worker) {
            size_t piece;
            while ((piece = taken()) * block < job.examples) {
                const size_t begin = piece * block, left = job.examples - begin;
                if (!stopped()) forward<true>(worker, nullptr, begin, worker * block, left < block ? left : block);
            }
        });
    }

    void step(const int32_t *batch, size_t examples, const Move<T> &move) {
        const size_t share = (examples + workers - 1) / workers, rows = share <= most_rows ? share : block;
        by_all([&](size_t worker) {
            size_t piece;
            while ((piece = taken()) * rows < examples) {
                const size_t begin = piece * rows, left = examples - begin, count = left < rows ? left : rows;
                if (stopped()) continue;
                forward<false>(worker, batch, begin, begin, count);
                backward(begin, begin + count);
            }
        });
        if (stopped()) return;
        const Runs runs(examples, runs_of<T>(examples, Base::parameters));
        by_all([&](size_t worker) {
            size_t wanted = taken(), number = 0;
            for (int l = job.depth; l >= 1; --l)
                for (size_t panel = 0; panel < layers[l].w.count(); ++panel)
                    for (size_t k = 0; k < width(l - 1); k += part, ++number)
                        if (number == wanted) {
                            gradient(l, panel, k, runs, totals + worker * part * Matrix::most, move);
                            wanted = taken();
                        }
        });
    }

  private:
    template <class F>
    void by_all(const F &f) {
        next = 0;
        if (team)
            together(f);
        else
            f(0);
    }
    size_t taken() { return __atomic_fetch_add(&next, size_t{1}, __ATOMIC_RELAXED); }

    // L inputs of a panel's weights into the copy for the way back.
    void turn(const Layer &layer, size_t panel, size_t k) const {
        const size_t inputs = layer.w.rows, outputs = layer.w.columns;
        for (size_t o = panel * Matrix::most; o < outputs && o < (panel + 1) * Matrix::most; o += L) {
            const T *from = layer.w.element(k, o);
            const size_t step = layer.w.width(panel), rows = inputs - k < L ? inputs - k : L, columns = outputs - o < L ? outputs - o : L;
            T *to = layer.back.element(o, k);
            const size_t to_step = layer.back.width(k / Matrix::most);
            V row[L];
            GOODINIT_EACH(i, (int)L) row[i] = (size_t)i < rows ? load(from + i * step) : V{};
            turned<T>(row);
            GOODINIT_EACH(i, (int)L) if ((size_t)i < columns) store(to + i * to_step, row[i]);
        }
    }

    // Examples begin to begin + count, into the rows from `row` on: all layers, and the losses or their derivatives.
    template <bool OnlyLoss>
    void forward(size_t worker, const int32_t *batch, size_t begin, size_t row, size_t count) {
        const int depth = job.depth;
        const Matrix &X = layers[0].out;
        for (size_t e = 0; e < count; ++e) {
            const T *from = job.X + (size_t)(batch ? batch[begin + e] : begin + e) * width(0);
            for (size_t panel = 0; panel < X.count(); ++panel)
                __builtin_memcpy(X.at(panel, row + e), from + panel * Matrix::most, X.real(panel) * sizeof(T));
        }
        for (int l = 1; l <= depth; ++l) {
            const Layer &layer = layers[l];
            const bool hidden = l < depth, relu = hidden && job.function == Function::relu;
            wide_product<T>({layers[l - 1].out, layer.w, layer.out, layer.bias, relu ? Then::relu : Then::nothing, nullptr}, row, row + count);
            for (size_t panel = 0; hidden && keeps_slopes && panel < layer.out.count(); ++panel)
                activate<T>(job.function, job.option, layer.out.at(panel, row), layer.slope.at(panel, row), count * layer.out.width(panel) / L);
        }
        const Matrix &Z = layers[depth].out;
        const size_t outputs = width(depth);
        T *z = logits + worker * 2 * outputs * L, *y = z + outputs * L;
        for (size_t e = 0; e < count; e += L) {
            const size_t lanes = count - e < L ? count - e : L;
            for (size_t lane = 0; lane < L; ++lane) {
                const size_t at = lane < lanes ? begin + e + lane : begin;
                const T *targets = job.Y + (batch ? (size_t)batch[at] : at) * outputs;
                for (size_t o = 0; o < outputs; ++o) {
                    z[o * L + lane] = lane < lanes ? *Z.element(row + e + lane, o) : T(0);
                    y[o * L + lane] = targets[o];
                }
            }
            const V loss = this->template compare<OnlyLoss>(z, L, [&](size_t o) { return load(y + o * L); });
            for (size_t lane = 0; lane < lanes; ++lane) {
                if constexpr (OnlyLoss)
                    each_loss[begin + e + lane] = loss[lane];
                else
                    for (size_t o = 0; o < outputs; ++o) *Z.element(row + e + lane, o) = z[o * L + lane];
            }
        }
    }

    void backward(size_t begin, size_t end) {
        const Then then = job.function == Function::relu     ? Then::relu_mask
                          : job.function == Function::linear ? Then::nothing
                                                             : Then::multiply;
        for (int l = job.depth; l > 1; --l) {
            const Layer &layer = layers[l], &before = layers[l - 1];
            const T *factor = then == Then::relu_mask ? before.out.values : before.slope.values;
            wide_product<T>({layer.delta, layer.back, before.delta, nullptr, then, factor}, begin, end);
        }
    }

    // The gradients by some inputs' weights to a panel of outputs, and what they move.
    void gradient(int l, size_t panel, size_t k, const Runs &runs, T *total, const Move<T> &move) {
        const Layer &layer = layers[l];
        const Matrix &in = layers[l - 1].out, &d = layer.delta;
        const size_t step = d.width(panel), left = width(l - 1) - k, inputs = left < part ? left : part;
        const size_t number = runs_in(runs);
        for (size_t i = 0; i < inputs * step; i += L) store(total + i, V{});
        const size_t at = layer.at + (size_t)(layer.w.at(panel, k) - layer.w.values);
        const char *moved = (const char *)(w + at), *turned_to = l > 1 ? (const char *)layer.back.at(k / Matrix::most, panel * Matrix::most) : moved;
        for (size_t byte = 0; byte < inputs * step * sizeof(T); byte += 64) {  // what is written below
            __builtin_prefetch(moved + byte, 1);
            __builtin_prefetch(turned_to + byte, 1);
        }
        const T *first = in.at(k / Matrix::most, 0) + k % Matrix::most;
        const size_t in_step = in.width(k / Matrix::most);
        for (size_t run = 0; run < number;) {
            size_t last = run + 1;
            while (last < number && runs.start(last) + runs.size(last) <= runs.start(run) + near) ++last;
            with_number<(int)Matrix::vectors>(step / L, [&](auto columns) GOODINIT_INLINE_LAMBDA {
                in_parts(inputs, wide_rows, [&](size_t size, size_t row) GOODINIT_INLINE_LAMBDA {
                    with_number<wide_rows>(size, [&](auto rows) GOODINIT_INLINE_LAMBDA {
                        wide_gradient_tile<T, decltype(rows)::value, decltype(columns)::value>(
                            first + row, in_step, d.at(panel, 0), total + row * step, runs, run, last);
                    });
                });
            });
            run = last;
        }
        move(at, total, inputs * step);
        for (size_t i = 0; l > 1 && i < inputs; i += L) turn(layer, panel, k + i);
        if (k > 0) return;
        for (size_t o = 0; o < step; o += L) {
            const T *each = d.at(panel, 0) + o;
            V sum{};
            for (size_t run = 0; run < number; ++run) {
                V own{};
                for (size_t i = runs.size(run); i > 0; --i, each += step) own += load(each);
                sum += own;
            }
            store(total + o, sum);
        }
        move((size_t)(layer.bias - w) + panel * Matrix::most, total, step);
    }

    // How many runs have an example.
    size_t runs_in(const Runs &runs) const { return runs.length > 1 ? runs.count : runs.longer; }
};

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
