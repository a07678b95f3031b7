// The lab's page's door to the kernels, compiled to WebAssembly: plain functions over memory, called by
// src/goodinit/lab/static/engine/core.js, which sees to every size. One network at a time; a page has a Worker a start.

#include <math.h>
#include <stdlib.h>

#include "../lanes.hpp"
#include "../streams.hpp"
#include "blake2b.hpp"
#include "picture.hpp"

using namespace goodinit;

#define GOODINIT_EXPORT(name) __attribute__((export_name(#name)))

namespace {

Kernels<double> kernels() {
    Kernels<double> found;
    baseline::get_alone(found);
    return found;
}

struct Pointers {
    double *arrays[2 * page::most_layers];
    Pointers(int depth, const int *widths, double *parameters) {
        for (int l = 0; l < depth; ++l) {
            arrays[2 * l] = parameters;
            arrays[2 * l + 1] = parameters + (size_t)widths[l + 1] * widths[l];
            parameters = arrays[2 * l + 1] + widths[l + 1];
        }
    }
};

size_t parameters_of(int depth, const int *widths) {
    size_t total = 0;
    for (int l = 0; l < depth; ++l) total += (size_t)widths[l + 1] * (widths[l] + 1);
    return total;
}

}  // namespace

extern "C" {

GOODINIT_EXPORT(take) void *take(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }
GOODINIT_EXPORT(give_back) void give_back(void *taken) { free(taken); }

// The names of the activations in the order of their numbers, a comma after each.
#define GOODINIT_COMMA(name) #name ","
GOODINIT_EXPORT(activation_names) const char *activation_names() { return GOODINIT_ACTIVATIONS(GOODINIT_COMMA); }
#undef GOODINIT_COMMA

// What a network and its training need between calls: the examples in lanes, and scratch.
struct Training {
    Job<double> job;
    double decays[2 * page::most_layers];
    double *X_lanes, *Y_lanes;
    void *scratch;
    int stop;
    int64_t done;
};

GOODINIT_EXPORT(training)
Training *training(int depth, const int *widths, int function, double option, int loss, int optimizer, double decay,
                   double *first, double *second, const double *rate, size_t examples, const double *X, const double *Y,
                   int steps, int record_every, size_t largest_batch, double *losses, double *final_loss,
                   int64_t *diverged_by) {
    auto *made = static_cast<Training *>(take(sizeof(Training)));
    *made = Training{};
    Job<double> &job = made->job;
    job.depth = depth;
    job.widths = widths;
    job.function = static_cast<Function>(function);
    job.option = option;
    job.loss = static_cast<Loss>(loss);
    job.optimizer = static_cast<Optimizer>(optimizer);
    for (double &each : made->decays) each = decay;
    if (decay > 0) job.decays = made->decays;
    job.networks = 1;
    job.first = first;
    job.second = second;
    job.rates = rate;
    job.examples = examples;
    job.X = X;
    job.Y = Y;
    job.steps = steps;
    job.record_every = record_every;
    job.records = (steps + record_every - 1) / record_every;
    job.largest_batch = largest_batch;
    job.losses = losses;
    job.final_loss = final_loss;
    job.diverged_by = diverged_by;
    job.stop = &made->stop;
    job.done = &made->done;
    const Kernels<double> k = kernels();
    const size_t parameters = parameters_of(depth, widths), rows = k.packed_size(examples, parameters);
    made->X_lanes = static_cast<double *>(take(rows * widths[0] * sizeof(double)));
    made->Y_lanes = static_cast<double *>(take(rows * widths[depth] * sizeof(double)));
    k.pack(X, widths[0], examples, parameters, made->X_lanes);
    k.pack(Y, widths[depth], examples, parameters, made->Y_lanes);
    job.X_lanes = made->X_lanes;
    job.Y_lanes = made->Y_lanes;
    static const int64_t some_batch[2] = {0, 0};
    if (largest_batch) job.offsets = some_batch;  // scratch has room for batches where there are any
    made->scratch = take(k.alone.scratch(job, 1));
    return made;
}

// Trains steps begin <= step < end in place. `offsets` and `indices` are null where each step takes all examples.
GOODINIT_EXPORT(train)
void train(Training *training, double *parameters, int begin, int end, const int64_t *offsets, const int32_t *indices) {
    Job<double> &job = training->job;
    const Pointers pointers(job.depth, job.widths, parameters);
    job.parameters = pointers.arrays;
    job.begin = begin;
    job.end = end;
    job.offsets = offsets;
    job.indices = indices;
    kernels().alone.train(job, 0, 1, training->scratch, nullptr);
}

GOODINIT_EXPORT(end_training) void end_training(Training *training) {
    free(training->X_lanes);
    free(training->Y_lanes);
    free(training->scratch);
    free(training);
}

// An activation's values and slopes at `size` numbers.
GOODINIT_EXPORT(evaluate)
void evaluate(int function, double option, size_t size, const double *z, double *value, double *slope) {
    kernels().evaluate(static_cast<Function>(function), option, size, z, value, slope);
}

GOODINIT_EXPORT(forward64)
void forward64(int depth, const int *widths, int function, double option, const double *parameters, const double *X,
               size_t columns, double *Z, double *A, double *slopes) {
    page::forward<double>(depth, widths, static_cast<Function>(function), option, parameters, X, columns, Z, A, slopes);
}

GOODINIT_EXPORT(forward32)
void forward32(int depth, const int *widths, int function, double option, const double *parameters, const float *X,
               size_t columns, float *Z, float *A) {
    page::forward<float>(depth, widths, static_cast<Function>(function), (float)option, parameters, X, columns, Z, A,
                         nullptr);
}

GOODINIT_EXPORT(backward)
void backward(int depth, const int *widths, const double *parameters, const double *X, size_t columns, const double *A,
              const double *slopes, double *deltas, double *gradients) {
    page::backward(depth, widths, parameters, X, columns, A, slopes, deltas, gradients);
}

// The key of a name's stream: see KeyedStream in streams.py. `text` is the seed in digits, a zero byte, the name.
GOODINIT_EXPORT(stream_key) void stream_key(const uint8_t *text, size_t size, uint64_t *key) {
    page::blake2b_128(text, size, key);
}

// The elements start <= i < start + count of a law; `cut` holds the truncated normal's seven numbers.
GOODINIT_EXPORT(stream_fill)
void stream_fill(const uint64_t *key, int kind, double scale, double shift, const double *cut, double start,
                 size_t count, double *out) {
    streams::Law law;
    law.kind = static_cast<streams::Kind>(kind);
    law.scale = scale;
    law.shift = shift;
    law.low = cut[0];
    law.high = cut[1];
    law.below = cut[2];
    law.above = cut[3];
    law.left = cut[4];
    law.total = cut[5];
    law.mirrored = cut[6] != 0;
    const uint64_t first = (uint64_t)start, skip = first % 4;
    alignas(64) uint64_t words[streams::block_words];
    for (uint64_t at = first - skip; count;) {
        baseline::stream_words({key[0], key[1]}, at / 4 + 1, streams::block_words, words, false);
        const size_t drop = at < first ? first - at : 0;
        const size_t taken = streams::block_words - drop < count ? streams::block_words - drop : count;
        if (drop) __builtin_memmove(words, words + drop, (streams::block_words - drop) * sizeof *words);
        if (law.kind == streams::Kind::words)
            __builtin_memcpy(out, words, taken * sizeof *words);
        else
            baseline::stream_law64(law, words, taken, out);
        out += taken;
        count -= taken;
        at += streams::block_words;
    }
}

// The law's elements of given words.
GOODINIT_EXPORT(transform) void transform(int kind, const uint64_t *words, size_t count, double *out) {
    streams::Law law;
    law.kind = static_cast<streams::Kind>(kind);
    alignas(64) uint64_t block[streams::block_words] = {};
    __builtin_memcpy(block, words, count * sizeof *words);
    baseline::stream_law64(law, block, count, out);
}

// The C library's functions, whose last bits a browser's own may not have.
GOODINIT_EXPORT(log) double page_log(double x) { return log(x); }
GOODINIT_EXPORT(exp) double page_exp(double x) { return exp(x); }
GOODINIT_EXPORT(sin) double page_sin(double x) { return (double)sinl(x); }
GOODINIT_EXPORT(cos) double page_cos(double x) { return (double)cosl(x); }
}
