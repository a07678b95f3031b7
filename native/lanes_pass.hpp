// One way through the examples: forward through all layers and back again, block by block, for either layout of
// lanes.hpp. What is done with the gradients is lanes_trainer.hpp's.

#pragma once

#include "lanes_common.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

// A block of columns has what fits about a first-level cache, or `worth` columns where these fit a second-level cache:
// the longer the block, the fewer times its gradients are added to what is in memory.
constexpr size_t first_cache = 64 * 1024, second_cache = 640 * 1024;
constexpr size_t most_columns = 64, worth = 32, fewest_columns = 8;

template <class T, bool Grouped>
class Pass : protected Common<T, Grouped> {
  protected:
    using Base = Common<T, Grouped>;
    using typename Base::P;
    using typename Base::V;
    using Base::each_loss, Base::job, Base::keeps_slopes, Base::L, Base::loss_sum, Base::members, Base::parameters;
    using Base::stopped, Base::stored, Base::team, Base::together, Base::w, Base::width;

    // What a block of columns needs of memory, one for each thread.
    struct Space {
        T **A, **slopes;     // by layer, 1 to depth; going back, A becomes dZ
        T *partial;          // sums of a run that the next block continues, a vector for each parameter
    };

    size_t padded;
    size_t capacity;         // columns of a block
    T *total, *X_batch, *Y_batch;
    Space *spaces;           // of each member of the team; alone, a partial for each set that a team shares
    size_t spaces_count;
    size_t *offset;          // of each layer's W in the parameters; its b follows

    Pass(const Job<T> &job, Team *team, size_t team_members, Arena &arena) : Base(job, team) {
        const int depth = job.depth;
        offset = arena.take<size_t>(depth + 2);
        size_t units = 0, at = 0;
        for (int l = 1; l <= depth; ++l) {
            if (offset) offset[l] = at;
            at += width(l) * (width(l - 1) + 1);
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

        stored = Grouped ? parameters * L : padded;
        w = arena.take<T>(stored);
        total = arena.take<T>(stored);
        loss_sum = arena.take<double>(L);
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
        const size_t rows = job.offsets ? (Grouped ? job.largest_batch : packed(job.largest_batch, parameters)) : 0;
        X_batch = arena.take<T>(rows * width(0));
        Y_batch = arena.take<T>(rows * width(depth));
    }

    // Once, where there is memory.
    void prepare() {
        if constexpr (!Grouped)
            for (size_t space = 0; space < spaces_count; ++space)
                for (size_t i = parameters * L; i < padded * L; ++i) spaces[space].partial[i] = 0;
    }

    // Calls f(array, place in it, size, place in `w`, place among all parameters) for W1, b1, W2, ..., piece by piece.
    template <class F>
    void for_pieces(const F &f) const {
        for (int l = 1; l <= job.depth; ++l) {
            const size_t size = width(l) * width(l - 1);
            f(2 * (l - 1), 0, size, offset[l], offset[l]);
            f(2 * (l - 1) + 1, 0, width(l), offset[l] + size, offset[l] + size);
        }
    }

    // The losses of all examples: their sums by lane, or each of them.
    void measure() {
        this->template go_through<true>(Grouped ? job.X : job.X_lanes, Grouped ? job.Y : job.Y_lanes, job.examples);
    }

    // The gradients of a batch, of all examples where there is none; then what `move` does with them.
    void step(const int32_t *batch, size_t examples, const Move<T> &move) {
        const T *X = Grouped ? job.X : job.X_lanes, *Y = Grouped ? job.Y : job.Y_lanes;
        if (batch) {
            gather(job.X, width(0), batch, examples, X_batch);
            gather(job.Y, width(job.depth), batch, examples, Y_batch);
            X = X_batch;
            Y = Y_batch;
        }
        for (size_t i = 0; i < stored; ++i) total[i] = 0;
        this->template go_through<false>(X, Y, examples);
        if (stopped()) return;
        move(0, total, stored);
    }

    // The rows of a batch, in its order: as rows, or packed into lanes.
    void gather(const T *rows, size_t width, const int32_t *batch, size_t examples, T *out) const {
        if constexpr (Grouped)
            for (size_t i = 0; i < examples; ++i)
                __builtin_memcpy(out + i * width, rows + (size_t)batch[i] * width, width * sizeof(T));
        else
            pack_rows([&](size_t i) { return rows + (size_t)batch[i] * width; }, width, examples, parameters, out);
    }

    // The most runs that a batch, or all examples, can have.
    size_t most_runs() const {
        const size_t batch = job.offsets && job.largest_batch > job.examples ? job.largest_batch : job.examples;
        return runs_of<T>(batch, parameters);
    }

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

  public:
    static size_t packed(size_t examples, size_t parameters) {
        const size_t runs = runs_of<T>(examples, parameters);
        return Runs(examples, runs).length * runs;
    }

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
        compare_block<OnlyLoss>(A[depth], Y, columns, masked, mask, set, runs, at);
        if constexpr (OnlyLoss) return;

        for (int l = depth; l >= 1; --l) {
            const size_t b = offset[l] + width(l) * width(l - 1);
            Gradient<T> g{A[l], row, l == 1 ? X : A[l - 1], l == 1 ? x_k : row, l == 1 ? x_column : L, width(l), width(l - 1),
                          partial + offset[l] * L, total + offset[l] * L, partial + b * L, total + b * L, &pieces, mask, masked};
            if (l == 1) {
                gradient<T, Grouped, Grouped>(g);  // alone, an input is a vector in every layer
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
    void compare_block(T *Z, const T *Y, size_t columns, bool masked, typename P::I mask, size_t set, const Runs *runs,
                       size_t at) {
        const size_t outputs = width(job.depth), row = capacity * L;
        for (size_t column = 0; column < columns; ++column) {
            T *z = Z + column * L;
            const T *y = Y + column * outputs * (Grouped ? 1 : L);
            const auto target = [&](size_t o) { return input<T, Grouped, true>(y + o * (Grouped ? 1 : L)); };
            const V loss = this->template compare<OnlyLoss>(z, row, target);
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
};

}  // namespace
}  // namespace GOODINIT_ISA
}  // namespace goodinit
