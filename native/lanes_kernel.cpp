// The lanes engine's kernels. See lanes.hpp for the two layouts and the one order of summation.
//
// The code is written once for both layouts. `Grouped` says which it is: with it, a weight is a vector (one network a
// lane) and an input is a scalar that all networks share; without it, a weight is a scalar and an input is a vector
// (one example a lane). Everything between is vectors in both. A "column" is an example, or a vector of examples.
//
// Each block of columns goes forward through all layers and back again while its activations are in the nearest
// caches (lanes_pass.hpp). The matrix products work on tiles that fit the vector registers (lanes_tiles.hpp).

#include "lanes.hpp"

#include "lanes_pass.hpp"

extern "C" double pow(double, double);

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class T, bool Grouped>
class Trainer : Pass<T, Grouped> {
    using Base = Pass<T, Grouped>;
    using typename Base::P;
    using typename Base::V;
    using Base::each_loss, Base::job, Base::L, Base::loss_sum, Base::members, Base::offset, Base::padded;
    using Base::parameters, Base::spaces, Base::spaces_count, Base::stopped, Base::total, Base::w, Base::width;

    size_t first, count;     // the networks
    T *m, *v, *rates, *X_batch, *Y_batch;
    T *rate_of = nullptr;    // of every parameter, where the arrays have multipliers
    int64_t snapshot = 0, uncounted = 0;
    size_t alive;

   public:
    Trainer(const Job<T> &job, size_t first, size_t count, Team *team, size_t team_members, Arena &arena)
        : Base(job, team, team_members, arena), first(first), count(count) {
        m = arena.take<T>(job.optimizer == Optimizer::gradient_descent ? 0 : Grouped ? parameters * L : padded);
        v = arena.take<T>(job.optimizer != Optimizer::adam ? 0 : Grouped ? parameters * L : padded);
        rates = arena.take<T>(L);
        if (job.multipliers) rate_of = arena.take<T>(Grouped ? parameters * L : padded);
        const size_t rows = job.offsets ? (Grouped ? job.largest_batch : Base::packed(job.largest_batch, parameters)) : 0;
        X_batch = arena.take<T>(rows * width(0));
        Y_batch = arena.take<T>(rows * width(job.depth));
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
        if (job.multipliers)
            for_arrays([&](int array, size_t size, size_t at) {
                for (size_t i = at * members; i < (at + size) * members; ++i)
                    rate_of[i] = rates[Grouped ? i % L : 0] * job.multipliers[array];
            });
        if (!Grouped) {
            for (size_t i = parameters; i < padded; ++i) w[i] = 0;
            for (size_t i = parameters; job.multipliers && i < padded; ++i) rate_of[i] = 0;
            for (size_t space = 0; space < spaces_count; ++space)
                for (size_t i = parameters * L; i < padded * L; ++i) spaces[space].partial[i] = 0;
        }
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
            this->template go_through<true>(job.X, job.Y, job.examples);
        } else {
            this->template go_through<true>(job.X_lanes, job.Y_lanes, job.examples);
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
        this->template go_through<false>(X, Y, examples);
        if (stopped()) return;
        const double terms = (double)examples * (job.loss == Loss::squared_error ? 0.5 * (double)width(job.depth) : 1.0);
        update(step, T(1 / terms));
    }

    // The rows of a batch, in its order: as rows, or packed into lanes.
    void gather(const T *rows, size_t width, const int32_t *batch, size_t examples, T *out) const {
        if constexpr (Grouped)
            for (size_t i = 0; i < examples; ++i)
                __builtin_memcpy(out + i * width, rows + (size_t)batch[i] * width, width * sizeof(T));
        else
            Base::pack_rows([&](size_t i) { return rows + (size_t)(batch ? batch[i] : i) * width; }, width, examples, parameters, out);
    }

    void update(int64_t step, T scale) {
        if (rate_of) {
            update_at(step, scale, [&](size_t i) { return load(rate_of + i * L); });
        } else {
            const V rate = load(rates);
            update_at(step, scale, [&](size_t) { return rate; });
        }
    }

    template <class Rate>
    void update_at(int64_t step, T scale, const Rate &rate) {
        const size_t vectors = Grouped ? parameters : padded / L;
        if (job.optimizer == Optimizer::gradient_descent) {
            for (size_t i = 0; i < vectors; ++i) {
                const V g = load(total + i * L) * scale;
                store(w + i * L, fma(-rate(i), g, load(w + i * L)));
            }
        } else if (job.optimizer == Optimizer::momentum) {
            for (size_t i = 0; i < vectors; ++i) {
                const V g = load(total + i * L) * scale, velocity = fma(broadcast(T(0.9)), load(m + i * L), g);
                store(m + i * L, velocity);
                store(w + i * L, fma(-rate(i), velocity, load(w + i * L)));
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
                store(w + i * L, fma(-rate(i), move, load(w + i * L)));
            }
        }
    }
};

template <class T, bool Grouped>
void train_unit(const Job<T> &job, size_t first, size_t count, void *scratch, Team *team) {
    Arena arena{(char *)scratch};
    Trainer<T, Grouped>(job, first, count, team, team ? team->members : 1, arena).train();
}

template <class T>
size_t scratch_of(const Job<T> &job, bool alone, size_t members) {
    Arena arena{nullptr};
    if (alone)
        Trainer<T, false>(job, 0, 1, nullptr, members, arena);
    else
        Trainer<T, true>(job, 0, 1, nullptr, 1, arena);
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
    kernels.packed_size = &Pass<T, false>::packed;
    kernels.pack = [](const T *rows, size_t width, size_t examples, size_t parameters, T *out) {
        Pass<T, false>::pack_rows([&](size_t i) { return rows + i * width; }, width, examples, parameters, out);
    };
    kernels.scratch = &scratch_of<T>;
    kernels.train_group = [](const Job<T> &job, size_t first, size_t count, void *scratch) {
        train_unit<T, true>(job, first, count, scratch, nullptr);
    };
    kernels.train_alone = [](const Job<T> &job, size_t network, void *scratch, Team *team) {
        train_unit<T, false>(job, network, 1, scratch, team);
    };
    kernels.evaluate = &evaluate_at<T>;
}

}  // namespace

void get(Kernels<float> &kernels) { get_kernels(kernels); }
void get(Kernels<double> &kernels) { get_kernels(kernels); }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
