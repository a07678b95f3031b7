// The activations of activations.py and their derivatives, for the lanes engine.

#pragma once

#include "functions.hpp"
#include "lanes.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

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
        const V slope = z > 0 ? one : alpha * exponential_in_range<T>(below);
        return {value * T(scale), slope * T(scale)};
    }
    if constexpr (F == Function::gelu) return gelu<T>(z);
    if constexpr (F == Function::silu) return silu<T>(z);
    if constexpr (F == Function::mish) return mish<T>(z);
    if constexpr (F == Function::softplus) return {softplus<T>(z), logistic<T>(z)};
    if constexpr (F == Function::sigmoid) return sigmoid<T>(z);
    if constexpr (F == Function::tanh) return hyperbolic_tangent<T>(z);
    if constexpr (F == Function::erf) return error_function<T>(z);
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
        GOODINIT_ACTIVATIONS(GOODINIT_CASE)
#undef GOODINIT_CASE
    }
}

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
