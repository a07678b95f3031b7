// The lanes engine's kernels. See lanes.hpp for the two layouts and the one order of summation.
//
// The code is written once for both layouts. `Grouped` says which it is: with it, a weight is a vector (one network a
// lane) and an input is a scalar that all networks share; without it, a weight is a scalar and an input is a vector
// (one example a lane). Everything between is vectors in both. A "column" is an example, or a vector of examples.
//
// Each block of columns goes forward through all layers and back again while its activations are in the first-level
// cache. The matrix products work on tiles that fit the vector registers.

#include "lanes.hpp"

#include "lanes_activations.hpp"
#include "lanes_tiles.hpp"

extern "C" double pow(double, double);

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

// A block of columns has what fits about a first-level cache, or `worth` columns where these fit a second-level cache:
// the longer the block, the fewer times its gradients are added to what is in memory.
constexpr size_t first_cache = 64 * 1024, second_cache = 640 * 1024;
constexpr size_t most_columns = 64, worth = 32, fewest_columns = 8;

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

    // What a block of columns needs of memory, one for each thread.
    struct Space {
        T **A, **slopes;     // by layer, 1 to depth; going back, A becomes dZ
        T *partial;          // sums of a run that the next block continues, a vector for each parameter
    };

    const Job<T> &job;
    size_t first, count;     // the networks
    size_t parameters = 0, padded;
    size_t capacity;         // columns of a block
    bool keeps_slopes;       // derivatives are stored going forward; relu's mask and linear need no store
    T *w, *total, *m, *v, *rates, *X_batch, *Y_batch, *each_loss;
    Team *team;
    Space *spaces;           // of each member of the team; alone, a partial for each set that a team shares
    size_t spaces_count;
    size_t *offset;          // of each layer's W in the parameters; its b follows
    double *loss_sum;
    int64_t record = 0, snapshot = 0, uncounted = 0;
    size_t alive;

    size_t width(int layer) const { return (size_t)job.widths[layer]; }
    bool stopped() const { return __atomic_load_n(job.stop, __ATOMIC_RELAXED) != 0; }

   public:
    Trainer(const Job<T> &job, size_t first, size_t count, Team *team, size_t team_members, Arena &arena)
        : job(job), first(first), count(count), team(team) {
        const int depth = job.depth;
        keeps_slopes = job.function != Function::relu && job.function != Function::linear;
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
        const size_t near = fixed < first_cache ? (first_cache - fixed) / per_column : 0;
        const size_t far = second_cache / per_column;
        capacity = far < worth ? far : worth;
        capacity = near > most_columns ? most_columns : near > capacity ? near : capacity;
        if (capacity < fewest_columns) capacity = fewest_columns;

        w = arena.take<T>(Grouped ? parameters * L : padded);
        total = arena.take<T>(Grouped ? parameters * L : padded);
        m = arena.take<T>(job.optimizer == Optimizer::gradient_descent ? 0 : Grouped ? parameters * L : padded);
        v = arena.take<T>(job.optimizer != Optimizer::adam ? 0 : Grouped ? parameters * L : padded);
        rates = arena.take<T>(L);
        loss_sum = arena.take<double>(L);
        const size_t rows = job.offsets ? (Grouped ? job.largest_batch : packed(job.largest_batch, parameters)) : 0;
        X_batch = arena.take<T>(rows * width(0));
        Y_batch = arena.take<T>(rows * width(depth));
        each_loss = arena.take<T>(Grouped ? L : job.examples);
        // A team shares the sets of a batch, and each set has sums of its own until they are added in their order.
        const size_t sets = Grouped ? 1 : most_runs() / L;
        spaces_count = team_members > 1 ? (sets > team_members ? sets : team_members) : 1;
        spaces = arena.take<Space>(spaces_count);
        for (size_t i = 0; i < spaces_count; ++i) {
            Space space{nullptr, nullptr, arena.take<T>(padded * L)};
            if (i < team_members) {
                space.A = arena.take<T *>(depth + 1);
                space.slopes = arena.take<T *>(depth + 1);
            }
            for (int l = 1; l <= depth && i < team_members; ++l) {
                T *a = arena.take<T>(width(l) * capacity * L);
                T *slope = arena.take<T>(keeps_slopes && l < depth ? width(l) * capacity * L : 0);
                if (space.A) {
                    space.A[l] = a;
                    space.slopes[l] = slope;
                }
            }
            if (spaces) spaces[i] = space;
        }
    }

    static size_t packed(size_t examples, size_t parameters) {
        const size_t runs = runs_of<T>(examples, parameters);
        return Runs(examples, runs).length * runs;
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
    // The most runs that a batch, or all examples, can have.
    size_t most_runs() const {
        const size_t batch = job.offsets && job.largest_batch > job.examples ? job.largest_batch : job.examples;
        return runs_of<T>(batch, parameters);
    }

    // f(member), by all members of the team at once.
    template <class F>
    void together(const F &f) {
        team->together(team, [](void *context, size_t member) { (*(const F *)context)(member); }, (void *)&f);
    }

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
        if (!Grouped) {
            for (size_t i = parameters; i < padded; ++i) w[i] = 0;
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
    void gather(const T *rows, size_t width, const int32_t *batch, size_t examples, T *out) const {
        if constexpr (Grouped)
            for (size_t i = 0; i < examples; ++i)
                __builtin_memcpy(out + i * width, rows + (size_t)batch[i] * width, width * sizeof(T));
        else
            pack_rows([&](size_t i) { return rows + (size_t)(batch ? batch[i] : i) * width; }, width, examples, parameters, out);
    }

   public:
    // out[set][position in the run][feature][lane]; lanes without an example hold 0
    template <class F>
    static void pack_rows(const F &row, size_t width, size_t examples, size_t parameters, T *out) {
        const size_t number = runs_of<T>(examples, parameters);
        const Runs runs(examples, number);
        for (size_t run = 0; run < number; ++run) {
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
        const size_t number = runs_of<T>(examples, parameters), inputs = width(0), outputs = width(job.depth);
        const Runs runs(examples, number);
        Pieces pieces;
        if constexpr (Grouped) {
            for (size_t run = 0; run < number && runs.size(run);) {
                const size_t start = runs.start(run);
                pieces.edges[0] = 0;
                if (runs.length <= capacity) {  // a block of whole runs
                    pieces.count = 0;
                    pieces.resume = false;
                    pieces.finish = true;
                    size_t columns = 0;
                    while (run < number && runs.size(run) && columns + runs.size(run) <= capacity) {
                        columns += runs.size(run++);
                        pieces.edges[++pieces.count] = (uint32_t)columns;
                    }
                    block<OnlyLoss>(spaces[0], X + start * inputs, Y + start * outputs, columns, pieces, 0, nullptr, 0, false);
                } else {
                    const size_t size = runs.size(run++);
                    in_parts(size, capacity, [&](size_t columns, size_t at) {
                        pieces.count = 1;
                        pieces.edges[1] = (uint32_t)columns;
                        pieces.resume = at > 0;
                        pieces.finish = at + columns == size;
                        if (!stopped())
                            block<OnlyLoss>(spaces[0], X + (start + at) * inputs, Y + (start + at) * outputs, columns,
                                            pieces, 0, nullptr, 0, false);
                    });
                }
                if (stopped()) return;
            }
        } else {
            const size_t sets = number / L;
            if (team && sets > 1) {
                const size_t members = team->members;
                together([&](size_t member) {
                    for (size_t set = member; set < sets; set += members) {
                        const Space space{spaces[member].A, spaces[member].slopes, spaces[set].partial};
                        through_set<OnlyLoss>(space, X, Y, runs, set);
                    }
                });
                if (OnlyLoss || stopped()) return;
                together([&](size_t member) {
                    const size_t vectors = padded / L, begin = vectors * member / members, end = vectors * (member + 1) / members;
                    for (size_t set = 0; set < sets; ++set)
                        if (runs.size(set * L)) add_lanes(spaces[set].partial, begin * L, end * L);
                });
            } else {
                for (size_t set = 0; set < sets && runs.size(set * L); ++set) {
                    through_set<OnlyLoss>(spaces[0], X, Y, runs, set);
                    if (stopped()) return;
                    if constexpr (!OnlyLoss) add_lanes(spaces[0].partial, 0, padded);
                }
            }
        }
    }

    // One network alone: all blocks of one set.
    template <bool OnlyLoss>
    void through_set(const Space &space, const T *X, const T *Y, const Runs &runs, size_t set) {
        const size_t length = runs.size(set * L);
        if (!length) return;
        const bool masked = runs.longer < (set + 1) * L && length == runs.length;  // the last column lacks examples
        Pieces pieces;
        pieces.count = 1;
        pieces.edges[0] = 0;
        pieces.finish = false;
        in_parts(length, capacity, [&](size_t columns, size_t at) {
            pieces.edges[1] = (uint32_t)columns;
            pieces.resume = at > 0;
            const size_t start = set * runs.length + at;
            if (!stopped())
                block<OnlyLoss>(space, X + start * width(0) * L, Y + start * width(job.depth) * L, columns, pieces, set,
                                &runs, at, masked && at + columns == length);
        });
    }

    // total[i] += partial[i][0], then partial[i][1], ...: the order in which the other layout ends its runs
    void add_lanes(const T *partial, size_t begin, size_t end) {
#if defined(__AVX512F__)
        for (size_t i = begin; i < end; i += L) {
            V row[L];
#pragma GCC unroll 16
            for (size_t j = 0; j < L; ++j) row[j] = load(partial + (i + j) * L);
            transpose<T>(row);
            V sum = load(total + i);
#pragma GCC unroll 16
            for (size_t lane = 0; lane < L; ++lane) sum += row[lane];
            store(total + i, sum);
        }
#else
        for (size_t i = begin; i < end; ++i) {
            T sum = total[i];
#pragma GCC unroll 16
            for (size_t lane = 0; lane < L; ++lane) sum += partial[i * L + lane];
            total[i] = sum;
        }
#endif
    }

    template <bool OnlyLoss>
    void block(const Space &space, const T *X, const T *Y, size_t columns, const Pieces &pieces, size_t set,
               const Runs *runs, size_t at, bool masked) {
        T *const *A = space.A, *const *slopes = space.slopes, *partial = space.partial;
        const int depth = job.depth;
        const size_t row = capacity * L;
        const size_t x_k = Grouped ? 1 : L, x_column = Grouped ? width(0) : width(0) * L;
        for (int l = 1; l <= depth; ++l) {
            const T *W = w + offset[l] * members;
            const bool hidden = l < depth;
            const Then then = hidden && job.function == Function::relu ? Then::relu : Then::nothing;
            const T *bias = W + width(l) * width(l - 1) * members;
            if (l == 1)
                product<T, Grouped, Way::first>({W, bias, X, 0, A[l], row, width(l - 1), width(l), columns, then, nullptr});
            else
                product<T, Grouped, Way::forward>({W, bias, A[l - 1], row, A[l], row, width(l - 1), width(l), columns, then, nullptr});
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
            product<T, Grouped, Way::back>({w + offset[l] * members, nullptr, A[l], row, A[l - 1], row, width(l),
                                            width(l - 1), columns, then, slopes[l - 1]});
        }
    }

    // From the logits in Z: each example's loss, or the loss's derivative by the logit, in its place.
    template <bool OnlyLoss>
    void compare(T *Z, const T *Y, size_t columns, bool masked, typename P::I mask, size_t set, const Runs *runs,
                 size_t at) {
        switch (job.loss) {
            case Loss::binary_cross_entropy:
                return compare_by<Loss::binary_cross_entropy, OnlyLoss>(Z, Y, columns, masked, mask, set, runs, at);
            case Loss::squared_error:
                return compare_by<Loss::squared_error, OnlyLoss>(Z, Y, columns, masked, mask, set, runs, at);
            case Loss::cross_entropy:
                return compare_by<Loss::cross_entropy, OnlyLoss>(Z, Y, columns, masked, mask, set, runs, at);
        }
    }

    template <Loss kind, bool OnlyLoss>
    void compare_by(T *Z, const T *Y, size_t columns, bool masked, typename P::I mask, size_t set, const Runs *runs,
                    size_t at) {
        const size_t outputs = kind == Loss::binary_cross_entropy ? 1 : width(job.depth), row = capacity * L;
        for (size_t column = 0; column < columns; ++column) {
            T *z = Z + column * L;
            const T *y = Y + column * outputs * (Grouped ? 1 : L);
            const auto target = [&](size_t o) { return input<T, Grouped, true>(y + o * (Grouped ? 1 : L)); };
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
    kernels.packed_size = &Trainer<T, false>::packed;
    kernels.pack = [](const T *rows, size_t width, size_t examples, size_t parameters, T *out) {
        Trainer<T, false>::pack_rows([&](size_t i) { return rows + i * width; }, width, examples, parameters, out);
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
