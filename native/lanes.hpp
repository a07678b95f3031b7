// What the lanes engine's binding and its kernels, compiled for several instruction sets, tell each other.
//
// A unit of work is either a group of as many networks as a vector has lanes, one network a lane, or one network
// alone, whose examples lie in the lanes. Both give the same bits, because both add the gradients of a batch in one
// order: its examples are cut into `runs_of` runs of consecutive examples, each run is summed from its first example to
// its last, and the sums are added from the first run to the last. A vector of examples holds one example of each of as
// many runs as it has lanes: a set. The sets of a network alone can be shared among threads.

#pragma once

#include <stddef.h>
#include <stdint.h>

#include "isa.hpp"

namespace goodinit {

// The activations, by the names of activations.py: one line here and a branch of apply() in lanes_activations.hpp.
#define GOODINIT_ACTIVATIONS(each)                                                                                 \
    each(linear) each(relu) each(relu6) each(leaky_relu) each(elu) each(selu) each(gelu) each(silu) each(mish)     \
    each(softplus) each(sigmoid) each(tanh) each(erf) each(hard_tanh) each(softsign) each(sine)

#define GOODINIT_NAME(name) name,
enum class Function { GOODINIT_ACTIVATIONS(GOODINIT_NAME) };
#undef GOODINIT_NAME
enum class Loss { binary_cross_entropy, cross_entropy, squared_error };
enum class Optimizer { gradient_descent, momentum, adam, adamw };

// The running averages that it keeps of each parameter.
constexpr int averages_of(Optimizer optimizer) {
    return optimizer == Optimizer::gradient_descent ? 0 : optimizer == Optimizer::momentum ? 1 : 2;
}

// One call: an ensemble, its data, and what is to be written where.
template <class T>
struct Job {
    int depth;              // layers with weights
    const int *widths;      // depth + 1
    Function function;
    T option;               // slope, alpha or frequency
    Loss loss;
    Optimizer optimizer;

    size_t networks;
    T *const *parameters;   // W1, b1, W2, b2, ...: each (networks, size), C order, trained in place
    T *first, *second;      // the optimizer's averages, (networks, parameters) each, kept between calls; or null
    const T *rates;         // (networks)
    const T *multipliers;   // of the rates: one for each array of `parameters`; or null
    const T *decays;        // one for each array of `parameters`, or null: times a parameter it is added to its gradient,
                            // or by adamw, times the rate, taken off it
    const double *factors;  // of the rates: one for each step from `begin` on; or null
    double clipping;        // the largest norm of a gradient, over all parameters of a network; 0 for any

    size_t examples;
    const T *X, *Y;         // (examples, inputs) and (examples, outputs)
    const T *X_lanes, *Y_lanes;  // the same in lanes, see pack(); only where some network is trained alone

    int64_t begin, end, steps;     // train steps begin <= step < end of `steps`
    int64_t record_every, records;
    const int64_t *offsets;        // batch of step s: indices[offsets[s - begin] ... offsets[s - begin + 1]]; null: all
    const int32_t *indices;
    size_t largest_batch;

    double *losses;         // (networks, records)
    double *final_loss;     // (networks)
    int64_t *diverged_by;   // (networks), -1: not diverged
    int64_t snapshots;
    const int64_t *snapshot_steps;   // ascending, 0 <= step <= steps
    T *const *snapshot_parameters;   // snapshots x arrays, as `parameters`

    const int *stop;        // becomes 1 when the caller wants to leave
    int64_t *done;          // steps finished, summed over networks
};

// The number of runs that a batch is cut into: at least the lanes of the widest vector, on every machine, so that
// all machines with fused multiply-add agree. Where there is work for several threads it is a multiple of that.
template <class T>
constexpr size_t partials = 64 / sizeof(T);

template <class T>
constexpr size_t runs_of(size_t examples, size_t parameters) {
    size_t times = 1;
    while (times < 8 && examples >= 32 * partials<T> * 2 * times && examples * parameters >= (size_t{1} << 21) * 2 * times)
        times *= 2;
    return partials<T> * times;
}

// Threads that work on one network together: calls part(context, member) for each member, at once, and returns when all
// have returned.
struct Team {
    size_t members;
    void (*together)(Team *team, void (*part)(void *context, size_t member), void *context);
};

// The run of an example: the first `longer` runs have `length` examples, the others one less.
struct Runs {
    size_t count, length, longer;
    constexpr Runs(size_t examples, size_t runs)
        : count(runs), length((examples + runs - 1) / runs), longer(examples - (length - 1) * runs) {}
    constexpr size_t size(size_t run) const { return run < longer ? length : length - 1; }
    constexpr size_t start(size_t run) const { return run * (length - 1) + (run < longer ? run : longer); }
};

// One way to train: the bytes of scratch memory that it needs, 64-byte aligned, and the training of some networks, one
// where it is not in a group; the team may be null.
template <class T>
struct Layout {
    size_t (*scratch)(const Job<T> &job, size_t members);
    void (*train)(const Job<T> &job, size_t first, size_t count, void *scratch, Team *team);
};

// What one instruction set offers.
template <class T>
struct Kernels {
    size_t lanes;
    size_t (*packed_size)(size_t examples, size_t parameters);  // elements of X_lanes for one feature
    void (*pack)(const T *rows, size_t width, size_t examples, size_t parameters, T *out);
    Layout<T> grouped, alone, wide;
    void (*evaluate)(Function function, T option, size_t size, const T *z, T *value, T *slope);  // for tests
};

// A kernel file each: they are compiled side by side.
#define GOODINIT_DECLARE_LANES(isa)              \
    namespace isa {                              \
    void get_alone(Kernels<float> &kernels);     \
    void get_alone(Kernels<double> &kernels);    \
    void get_grouped(Layout<float> &grouped);    \
    void get_grouped(Layout<double> &grouped);   \
    void get_wide(Layout<float> &wide);          \
    void get_wide(Layout<double> &wide);         \
    template <class T>                           \
    Kernels<T> all() {                           \
        Kernels<T> kernels;                      \
        get_alone(kernels);                      \
        get_grouped(kernels.grouped);            \
        get_wide(kernels.wide);                  \
        return kernels;                          \
    }                                            \
    }

GOODINIT_EACH_ISA(GOODINIT_DECLARE_LANES)

}  // namespace goodinit
