// A network's pass over many columns, forward and back, for pictures of it: arrays are (units, columns), as in NumPy.

#pragma once

#include "../simd.hpp"

#include "../lanes_activations.hpp"

namespace goodinit {
namespace page {

constexpr int most_layers = 1000;

// z += weight * a over the columns, a whole number of vectors.
template <class T>
inline void add(T *z, const T *a, T weight, size_t columns) {
    using namespace baseline;
    constexpr size_t L = lanes_of<T>;
    const auto w = broadcast(weight);
    for (size_t i = 0; i < columns; i += L) store(z + i, load(z + i) + w * load(a + i));
}

// Z, A and slopes hold the layers one after another, each (units, columns); A and slopes the hidden ones only. A hidden
// layer's Z may be null, then only the last layer's is written, to Z. `columns` is a multiple of 4; parameters are
// W1, b1, W2, ... in float64.
template <class T>
void forward(int depth, const int *widths, Function function, T option, const double *parameters, const T *X,
             size_t columns, T *Z, T *A, T *slopes) {
    using namespace baseline;
    static T unused[1 << 12];
    const T *in = X;
    for (int l = 0; l < depth; ++l) {
        const size_t inputs = widths[l], units = widths[l + 1];
        const double *biases = parameters + units * inputs;
        const bool hidden = l + 1 < depth;
        for (size_t u = 0; u < units; ++u) {
            T *z = Z + u * columns;
            const auto bias = broadcast((T)biases[u]);
            for (size_t i = 0; i < columns; i += lanes_of<T>) store(z + i, bias);
            for (size_t k = 0; k < inputs; ++k) add(z, in + k * columns, (T)parameters[u * inputs + k], columns);
            if (!hidden) continue;
            T *a = A + u * columns;
            __builtin_memcpy(a, z, columns * sizeof(T));
            for (size_t at = 0; at < columns; at += 1 << 12) {
                const size_t n = columns - at < (1 << 12) ? columns - at : 1 << 12;
                activate<T>(function, option, a + at, slopes ? slopes + u * columns + at : unused, n / lanes_of<T>);
            }
        }
        parameters = biases + units;
        Z += units * columns;
        if (!hidden) break;
        in = A;
        A += units * columns;
        if (slopes) slopes += units * columns;
    }
}

// `deltas` has the layers' (units, columns) one after another, the last of them filled: the loss's gradient by the
// pre-activations, 0 in columns that are no examples. Fills the others, and the gradients W1, b1, W2, ...
inline void backward(int depth, const int *widths, const double *parameters, const double *X, size_t columns,
                     const double *A, const double *slopes, double *deltas, double *gradients) {
    for (int l = 0; l < depth; ++l) {
        const size_t inputs = widths[l], units = widths[l + 1];
        parameters += units * (inputs + 1);
        gradients += units * (inputs + 1);
        deltas += units * columns;
        if (l + 1 < depth) A += units * columns, slopes += units * columns;
    }
    for (int l = depth - 1; l >= 0; --l) {
        const size_t inputs = widths[l], units = widths[l + 1];
        parameters -= units * (inputs + 1);
        gradients -= units * (inputs + 1);
        deltas -= units * columns;
        if (l + 1 < depth) A -= units * columns, slopes -= units * columns;
        const double *in = l ? A - inputs * columns : X;
        for (size_t u = 0; u < units; ++u) {
            const double *d = deltas + u * columns;
            double bias = 0;
            for (size_t i = 0; i < columns; ++i) bias += d[i];
            gradients[units * inputs + u] = bias;
            for (size_t k = 0; k < inputs; ++k) {
                baseline::Vd sum{};
                for (size_t i = 0; i < columns; i += 2)
                    sum += baseline::load(d + i) * baseline::load(in + k * columns + i);
                gradients[u * inputs + k] = sum[0] + sum[1];
            }
        }
        if (!l) break;
        double *before = deltas - inputs * columns;
        const double *slope = slopes - inputs * columns;
        for (size_t i = 0; i < inputs * columns; ++i) before[i] = 0;
        for (size_t k = 0; k < inputs; ++k) {
            for (size_t u = 0; u < units; ++u) add(before + k * columns, deltas + u * columns, parameters[u * inputs + k], columns);
            for (size_t i = 0; i < columns; ++i) before[k * columns + i] *= slope[k * columns + i];
        }
    }
}

}  // namespace page
}  // namespace goodinit
