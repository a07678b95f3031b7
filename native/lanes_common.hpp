// What all ways through a network share: its sizes, scratch memory, and the loss and its derivative.

#pragma once

#include "lanes_activations.hpp"
#include "lanes_tiles.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

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

// What is done with the gradients of the parameters from place `at` in `w` on, whole vectors of them: a call, and not a
// template of everything around it, which would be compiled anew for each optimizer.
template <class T>
struct Move {
    const void *context;
    void (*call)(const void *context, size_t at, const T *gradients, size_t size);
    void operator()(size_t at, const T *gradients, size_t size) const { call(context, at, gradients, size); }
};

template <class T, bool Group>
class Common {
  protected:
    using Element = T;
    using P = Pack<T>;
    using V = Vec<T>;
    static constexpr bool Grouped = Group;
    static constexpr size_t L = lanes_of<T>;
    static constexpr size_t members = Grouped ? L : 1;  // networks at once

    const Job<T> &job;
    size_t parameters = 0;
    bool keeps_slopes;       // derivatives are stored going forward; relu's mask and linear need no store
    size_t stored = 0;       // elements of `w`, whole vectors
    T *w = nullptr, *each_loss = nullptr;
    Team *team;
    double *loss_sum = nullptr;

    Common(const Job<T> &job, Team *team) : job(job), team(team) {
        keeps_slopes = job.function != Function::relu && job.function != Function::linear;
        for (int l = 1; l <= job.depth; ++l) parameters += width(l) * (width(l - 1) + 1);
    }

    size_t width(int layer) const { return (size_t)job.widths[layer]; }
    bool stopped() const { return __atomic_load_n(job.stop, __ATOMIC_RELAXED) != 0; }

    // f(member), by all members of the team at once.
    template <class F>
    void together(const F &f) {
        team->together(team, [](void *context, size_t member) { (*(const F *)context)(member); }, (void *)&f);
    }

    // From the logits z[o * row], each of a vector of examples: their losses, or the derivatives in the logits' place.
    template <bool OnlyLoss, class Target>
    V compare(T *z, size_t row, const Target &target) const {
        switch (job.loss) {
            case Loss::binary_cross_entropy: return compare_by<Loss::binary_cross_entropy, OnlyLoss>(z, row, target);
            case Loss::squared_error: return compare_by<Loss::squared_error, OnlyLoss>(z, row, target);
            default: return compare_by<Loss::cross_entropy, OnlyLoss>(z, row, target);
        }
    }

  private:
    template <Loss kind, bool OnlyLoss, class Target>
    GOODINIT_INLINE V compare_by(T *z, size_t row, const Target &target) const {
        const size_t outputs = kind == Loss::binary_cross_entropy ? 1 : width(job.depth);
        V loss{};
        if constexpr (kind == Loss::binary_cross_entropy) {
            const V logit = load(z);
            if constexpr (OnlyLoss)
                loss = (not_below_zero(logit) - target(0) * logit) +
                       log_one_plus<T>(exponential_in_range<T>(minus_absolute<T>(logit)));
            else
                store(z, logistic<T>(logit) - target(0));
        } else if constexpr (kind == Loss::squared_error) {
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
                const V shifted = load(z + o * row) - top, e = exponential_in_range<T>(shifted);
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
        return loss;
    }
};

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
