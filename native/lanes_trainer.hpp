// Training in steps: losses noted, snapshots, divergence, the optimizers. How a step's gradients come about is the
// base's: see lanes_pass.hpp and lanes_wide.hpp.

#pragma once

#include "lanes_common.hpp"

extern "C" double pow(double, double);

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class Base>
class Trainer : Base {
    using T = typename Base::Element;
    using typename Base::P;
    using typename Base::V;
    using Base::each_loss, Base::for_pieces, Base::Grouped, Base::job, Base::L, Base::loss_sum, Base::members;
    using Base::parameters, Base::stopped, Base::stored, Base::w, Base::width;

    size_t first, count;     // the networks
    T *m, *v, *rates;
    T *rate_of = nullptr, *decay_of = nullptr;  // of every parameter, where the arrays have their own
    T *raw = nullptr;        // the gradient, where it may be clipped: of no example yet
    double *rows = nullptr;  // the sums of its squares by row of W1, b1, W2, ..., where a bias has a row for each number
    size_t *row_at = nullptr;
    int64_t snapshot = 0, uncounted = 0;
    size_t alive;

   public:
    Trainer(const Job<T> &job, size_t first, size_t count, Team *team, size_t team_members, Arena &arena)
        : Base(job, team, team_members, arena), first(first), count(count) {
        m = arena.take<T>(averages_of(job.optimizer) > 0 ? stored : 0);
        v = arena.take<T>(averages_of(job.optimizer) > 1 ? stored : 0);
        rates = arena.take<T>(L);
        if (job.multipliers || job.decays) rate_of = arena.take<T>(stored);
        if (job.decays) decay_of = arena.take<T>(stored);
        if (job.clipping > 0) {
            raw = arena.take<T>(stored);
            rows = arena.take<double>(row_count() * members);
            row_at = arena.take<size_t>(2 * job.depth);
        }
    }

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

    // The elements of a network's arrays, one after the other.
    size_t size_of(int array) const {
        const int l = array / 2 + 1;
        return array % 2 ? width(l) : width(l) * width(l - 1);
    }

    size_t row_count() const {
        size_t sum = 0;
        for (int l = 1; l <= job.depth; ++l) sum += 2 * width(l);
        return sum;
    }

    void begin() {
        for (size_t i = 0; raw && i < stored; ++i) raw[i] = 0;
        for (size_t array = 0, at = 0; raw && array < 2 * (size_t)job.depth; at += width((int)array++ / 2 + 1)) row_at[array] = at;
        for (size_t i = 0; i < stored; ++i) w[i] = 0;
        for_pieces([&](int array, size_t from, size_t size, size_t at, size_t) {
            for (size_t member = 0; member < members; ++member) {
                const T *values = job.parameters[array] + network(member) * size_of(array) + from;
                for (size_t i = 0; i < size; ++i) w[(at + i) * members + member] = values[i];
            }
        });
        move_state(true);
        for (size_t lane = 0; lane < L; ++lane) rates[lane] = job.rates[Grouped ? network(lane) : first];
        for (size_t i = 0; rate_of && i < stored; ++i) rate_of[i] = 0;
        for (size_t i = 0; decay_of && i < stored; ++i) decay_of[i] = 0;
        if (rate_of)
            for_pieces([&](int array, size_t, size_t size, size_t at, size_t) {
                for (size_t i = at * members; i < (at + size) * members; ++i) {
                    rate_of[i] = rates[Grouped ? i % L : 0] * (job.multipliers ? job.multipliers[array] : T(1));
                    if (decay_of) decay_of[i] = job.decays[array];
                }
            });
        Base::prepare();
        for (int64_t at = 0; at < job.snapshots && job.snapshot_steps[at] < job.begin; ++at) ++snapshot;
        alive = 0;
        for (size_t member = 0; member < count; ++member) alive += !frozen(member);
    }

    void move_state(bool in) {
        T *const kept[] = {job.first, job.second};
        T *const here[] = {m, v};
        for (int which = 0; which < averages_of(job.optimizer); ++which) {
            if (in)
                for (size_t i = 0; i < stored; ++i) here[which][i] = 0;
            if (!kept[which] || (in && job.begin == 0)) continue;
            for_pieces([&](int, size_t, size_t size, size_t at, size_t place) {
                for (size_t member = 0; member < (in ? members : count); ++member) {
                    T *outside = kept[which] + network(member) * parameters + place;
                    for (size_t i = 0; i < size; ++i) {
                        T &inside = here[which][(at + i) * members + member];
                        if (in)
                            inside = outside[i];
                        else
                            outside[i] = inside;
                    }
                }
            });
        }
    }

    void write(size_t member, T *const *arrays) const {
        for_pieces([&](int array, size_t from, size_t size, size_t at, size_t) {
            T *to = arrays[array] + network(member) * size_of(array) + from;
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
            for (int array = 0; array < 2 * job.depth; ++array) {  // as they were when divergence was noted
                const size_t size = size_of(array), from = network(member) * size;
                __builtin_memcpy(arrays[array] + from, job.parameters[array] + from, size * sizeof(T));
            }
        }
    }

    void note_loss(int64_t step, int64_t record) {
        for (size_t lane = 0; lane < L; ++lane) loss_sum[lane] = 0;
        Base::measure();
        if (stopped()) return;
        for (size_t i = 0; !Grouped && i < job.examples; ++i) loss_sum[0] += (double)each_loss[i];
        const double terms = (double)job.examples * (job.loss == Loss::squared_error ? (double)width(job.depth) : 1.0);
        bool bad[L] = {};
        typename P::I any{};
        for (size_t i = 0; i < stored; i += L) {
            const V value = load(w + i);
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
        size_t examples = job.examples;
        const int32_t *batch = nullptr;
        if (job.offsets) {
            const int64_t *range = job.offsets + (step - job.begin);
            batch = job.indices + range[0];
            examples = (size_t)(range[1] - range[0]);
        }
        const double terms = (double)examples * (job.loss == Loss::squared_error ? 0.5 * (double)width(job.depth) : 1.0);
        const T factor = job.factors ? T(job.factors[step - job.begin]) : T(1);
        const auto plain = [](size_t, V g) GOODINIT_INLINE_LAMBDA { return g; };
        const T *const rate_of = this->rate_of, *const decay_of = this->decay_of, *const w = this->w;
        const auto own_rate = [=](size_t i) GOODINIT_INLINE_LAMBDA { return load(rate_of + i) * factor; };
        if (decay_of && job.optimizer == Optimizer::adamw) {
            take_adam_step(step, T(1 / terms), batch, examples, own_rate, plain, [=](size_t i) GOODINIT_INLINE_LAMBDA {
                return fma(-(own_rate(i) * load(decay_of + i)), load(w + i), load(w + i));
            });
        } else if (decay_of) {
            take_step_at(step, T(1 / terms), batch, examples, own_rate, [=](size_t i, V g) GOODINIT_INLINE_LAMBDA {
                return fma(load(decay_of + i), load(w + i), g);
            });
        } else if (rate_of) {
            take_step_at(step, T(1 / terms), batch, examples, own_rate, plain);
        } else {
            const V rate = load(rates) * factor;
            take_step_at(step, T(1 / terms), batch, examples, [=](size_t) GOODINIT_INLINE_LAMBDA { return rate; }, plain);
        }
    }

    // What the gradients kept in `raw`, times `scale`, are multiplied by so that their norm over all parameters of a
    // network is at most `clipping`, as by torch.nn.utils.clip_grad_norm_. Squares are added row by row, in an order
    // that all layouts have.
    V coefficient(T scale) {
        for (size_t i = 0; i < row_count() * members; ++i) rows[i] = 0;
        for_pieces([&](int array, size_t from, size_t size, size_t at, size_t) {
            const size_t inputs = array % 2 ? 1 : width(array / 2);
            size_t k = from % inputs;
            double *row = rows + (row_at[array] + from / inputs) * members;
            for (size_t i = at * members; i < (at + size) * members; i += members) {
                for (size_t member = 0; member < members; ++member) {
                    const double g = (double)(raw[i + member] * scale);
                    row[member] += g * g;
                }
                if (++k == inputs) {
                    k = 0;
                    row += members;
                }
            }
        });
        T found[L] = {};
        for (size_t member = 0; member < members; ++member) {
            double sum = 0;
            for (size_t row = 0; row < row_count(); ++row) sum += rows[row * members + member];
            const double ratio = job.clipping / (__builtin_sqrt(sum) + 1e-6);
            found[member] = ratio < 1 ? T(ratio) : T(1);
        }
        for (size_t lane = members; lane < L; ++lane) found[lane] = found[0];
        return load(found);
    }

    // The gradients of a batch, clipped if wanted, and each(place, gradient) for all.
    template <class Each>
    void sweep(const int32_t *batch, size_t examples, T scale, const Each &each) {
        const auto move_each = [](const void *context, size_t at, const T *gradients, size_t size) {
            const Each each = *(const Each *)context;  // a copy: no store can change it
            for (size_t i = 0; i < size; i += L) each(at + i, load(gradients + i));
        };
        if (!raw) {
            Base::step(batch, examples, {&each, move_each});
            return;
        }
        Base::step(batch, examples, {raw, [](const void *raw, size_t at, const T *gradients, size_t size) {
            __builtin_memcpy((T *)raw + at, gradients, size * sizeof(T));
        }});
        if (stopped()) return;
        const V factor = coefficient(scale);
        for (size_t i = 0; i < stored; i += L) store(raw + i, load(raw + i) * factor);
        move_each(&each, 0, raw, stored);
        Base::prepare();
    }

    // The step, with what each optimizer does to the parameters from place i on by their gradient, before it is scaled;
    // `decayed` gives the gradient at place i with the decay of the parameters there.
    template <class Rate, class Decayed>
    void take_step_at(int64_t step, T scale, const int32_t *batch, size_t examples, const Rate &rate,
                      const Decayed &decayed) {
        T *const w = this->w, *const m = this->m;
        if (job.optimizer == Optimizer::gradient_descent) {
            sweep(batch, examples, scale, [=](size_t i, V gradient) GOODINIT_INLINE_LAMBDA {
                const V g = decayed(i, gradient * scale);
                store(w + i, fma(-rate(i), g, load(w + i)));
            });
        } else if (job.optimizer == Optimizer::momentum) {
            sweep(batch, examples, scale, [=](size_t i, V gradient) GOODINIT_INLINE_LAMBDA {
                const V g = decayed(i, gradient * scale), velocity = fma(broadcast(T(0.9)), load(m + i), g);
                store(m + i, velocity);
                store(w + i, fma(-rate(i), velocity, load(w + i)));
            });
        } else {
            take_adam_step(step, scale, batch, examples, rate, decayed,
                           [=](size_t i) GOODINIT_INLINE_LAMBDA { return load(w + i); });
        }
    }

    // The same of Adam; `from` gives what the step starts from: the parameters, less what a decoupled decay takes.
    template <class Rate, class Decayed, class From>
    void take_adam_step(int64_t step, T scale, const int32_t *batch, size_t examples, const Rate &rate,
                        const Decayed &decayed, const From &from) {
        T *const w = this->w, *const m = this->m, *const v = this->v;
        const double t = (double)(step + 1);
        const T c1 = T(1 / (1 - pow(0.9, t))), c2 = T(1 / (1 - pow(0.999, t)));
        sweep(batch, examples, scale, [=](size_t i, V gradient) GOODINIT_INLINE_LAMBDA {
            const V g = decayed(i, gradient * scale);
            const V mean = fma(broadcast(T(0.9)), load(m + i), T(1 - 0.9) * g);
            const V square = fma(broadcast(T(0.999)), load(v + i), T(1 - 0.999) * (g * g));
            store(m + i, mean);
            store(v + i, square);
            const V move = (mean * c1) / (square_root(square * c2) + T(1e-8));
            store(w + i, fma(-rate(i), move, from(i)));
        });
    }
};

template <class Base, class T>
void train_unit(const Job<T> &job, size_t first, size_t count, void *scratch, Team *team) {
    Arena arena{(char *)scratch};
    Trainer<Base>(job, first, count, team, team ? team->members : 1, arena).train();
}

template <class Base, class T>
size_t scratch_of(const Job<T> &job, size_t members) {
    Arena arena{nullptr};
    Trainer<Base>(job, 0, 1, nullptr, members, arena);
    return arena.used;
}

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
