// Every kernel on fixed inputs: a line for each with a hash of its bits. Exit code 1 where the number of threads, or
// the layout, changes one. tools/check_bits.py builds this for each processor family and compares what it prints.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "../../native/isa.hpp"
#include "../../native/lanes.hpp"
#include "../../native/streams.hpp"
#include "../../native/team.hpp"

using namespace goodinit;

namespace {

constexpr unsigned most_threads = 8;
int wrong = 0;

template <class T>
uint64_t hash_of(const std::vector<T> &values, uint64_t hash = 0xcbf29ce484222325u) {  // FNV-1a
    const auto *bytes = reinterpret_cast<const unsigned char *>(values.data());
    for (size_t i = 0; i < values.size() * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

void show(const std::string &what, const char *type, uint64_t hash) {
    std::printf("%s %s %016llx\n", what.c_str(), type, static_cast<unsigned long long>(hash));
}

template <class T>
const char *type_name() {
    return sizeof(T) == 4 ? "float32" : "float64";
}

template <class T>
std::vector<T> filled(const streams::Law &law, size_t count, uint64_t key, unsigned threads = 1) {
    std::vector<T> out(count);
    streams::Plan plan;
    plan.isa = chosen_isa();
    plan.threads = threads;
    streams::fill(plan, law, streams::Key{key, 7}, 12345, count, out.data());
    return out;
}

template <class T>
void check_streams() {
    const std::pair<const char *, streams::Kind> kinds[] = {{"uniform", streams::Kind::uniform},
                                                           {"centred", streams::Kind::centred},
                                                           {"signs", streams::Kind::signs},
                                                           {"normal", streams::Kind::normal},
                                                           {"truncated", streams::Kind::truncated}};
    for (const auto &[name, kind] : kinds) {
        streams::Law law;
        law.kind = kind;
        law.scale = 0.3;
        if (kind == streams::Kind::truncated) {  // at two deviations, as the Python code calculates it
            law.low = -2;
            law.high = 2;
            law.below = law.above = law.left = 0.022750131948179209;
            law.total = 0.95449973610364158;
        }
        uint64_t first = 0;
        for (unsigned threads = 1; threads <= most_threads; ++threads) {
            const uint64_t found = hash_of(filled<T>(law, (1 << 18) + 77, 3, threads));
            if (threads == 1) first = found;
            if (found != first) {
                std::fprintf(stderr, "stream %s: other bits on %u threads\n", name, threads);
                wrong = 1;
            }
        }
        show(std::string("stream-") + name, type_name<T>(), first);
    }
}

struct Release {
    void operator()(void *p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Release>;

Memory aligned(size_t bytes) { return Memory(std::aligned_alloc(64, (bytes + 127) / 64 * 64)); }

template <class T>
Kernels<T> chosen_kernels() {
    return GOODINIT_DISPATCH(chosen_isa(), all<T>)();
}

enum class How { grouped, alone, wide };

// One ensemble, trained as groups, or network by network in one of two ways, with so many threads to each; with `more`,
// by rates that change, with decay, and gradients that are clipped.
template <class T>
uint64_t trained(Function function, Loss loss, Optimizer optimizer, bool more, size_t examples, How how, size_t members) {
    const std::vector<int> widths{5, 24, 9, loss == Loss::binary_cross_entropy ? 1 : 3};
    const int depth = static_cast<int>(widths.size()) - 1;
    const size_t networks = 5;
    const int64_t steps = 6, every = 2;
    streams::Law normal, uniform;
    normal.scale = 0.4;
    uniform.kind = streams::Kind::uniform;
    const auto X = filled<T>(normal, examples * 5, 100);
    auto Y = filled<T>(uniform, examples * static_cast<size_t>(widths.back()), 200);
    const size_t outputs = static_cast<size_t>(widths.back());
    for (size_t i = 0; i < examples; ++i)
        for (size_t o = 0; o < outputs; ++o)
            Y[i * outputs + o] = outputs == 1 ? T(Y[i] > T(0.5)) : T(o == i % outputs);
    std::vector<std::vector<T>> parameters;
    std::vector<T *> pointers;
    size_t total = 0;
    for (int layer = 0; layer < depth; ++layer)
        for (size_t size : {static_cast<size_t>(widths[layer]) * widths[layer + 1], static_cast<size_t>(widths[layer + 1])}) {
            parameters.push_back(filled<T>(normal, networks * size, 300 + parameters.size()));
            total += size;
        }
    for (auto &each : parameters) pointers.push_back(each.data());
    std::vector<T> rates(networks, T(0.05)), first(networks * total), second(networks * total);
    const size_t records = static_cast<size_t>((steps + every - 1) / every);
    std::vector<double> losses(networks * records), final_loss(networks);
    std::vector<int64_t> diverged(networks, -1);
    const int stop = 0;
    int64_t done = 0;

    Job<T> job{};
    job.depth = depth;
    job.widths = widths.data();
    job.function = function;
    job.option = T(0.3);
    job.loss = loss;
    job.optimizer = optimizer;
    job.networks = networks;
    job.parameters = pointers.data();
    job.first = first.data();
    job.second = second.data();
    job.rates = rates.data();
    const std::vector<T> decays(2 * static_cast<size_t>(depth), T(0.1));
    const std::vector<double> factors{0.25, 0.5, 0.75, 1, 0.6, 0.3};
    if (more) {
        job.decays = decays.data();
        job.factors = factors.data();
        job.clipping = 0.3;
    }
    job.examples = examples;
    job.X = X.data();
    job.Y = Y.data();
    job.end = job.steps = steps;
    job.record_every = every;
    job.records = static_cast<int64_t>(records);
    job.losses = losses.data();
    job.final_loss = final_loss.data();
    job.diverged_by = diverged.data();
    job.stop = &stop;
    job.done = &done;

    const auto kernels = chosen_kernels<T>();
    const Layout<T> &layout = how == How::grouped ? kernels.grouped : how == How::alone ? kernels.alone : kernels.wide;
    const size_t rows = kernels.packed_size(examples, total);
    const Memory X_lanes = aligned(rows * 5 * sizeof(T)), Y_lanes = aligned(rows * outputs * sizeof(T));
    kernels.pack(job.X, 5, examples, total, static_cast<T *>(X_lanes.get()));
    kernels.pack(job.Y, outputs, examples, total, static_cast<T *>(Y_lanes.get()));
    job.X_lanes = static_cast<T *>(X_lanes.get());
    job.Y_lanes = static_cast<T *>(Y_lanes.get());
    const size_t parts = how == How::grouped ? 1 : how == How::wide ? examples / 16 : runs_of<T>(examples, total) / kernels.lanes;
    members = std::max<size_t>(1, std::min(members, parts));
    const Memory scratch = aligned(layout.scratch(job, members));
    ThreadTeam team(members);
    const size_t together = how == How::grouped ? kernels.lanes : 1;
    for (size_t at = 0; at < networks; at += together)
        layout.train(job, at, std::min(together, networks - at), scratch.get(), team.members > 1 ? &team : nullptr);
    uint64_t hash = hash_of(losses, hash_of(final_loss));
    for (const auto &each : parameters) hash = hash_of(each, hash);
    return hash;
}

#define GOODINIT_TEXT(name) #name,
const char *const functions[] = {GOODINIT_ACTIVATIONS(GOODINIT_TEXT)};
const char *const losses[] = {"binary_cross_entropy", "cross_entropy", "squared_error"};
const char *const optimizers[] = {"gradient_descent", "momentum", "adam", "adamw"};

template <class T>
void check_training() {
    int turn = 0;
    for (size_t f = 0; f < sizeof functions / sizeof *functions; ++f)
        for (int l = 0; l < 3; ++l, ++turn) {
            const auto function = static_cast<Function>(f);
            const auto loss = static_cast<Loss>(l);
            const size_t chosen = (l + f / 4) % 4;  // so that each meets every loss, and all that comes on top
            const auto optimizer = static_cast<Optimizer>(chosen);
            const size_t examples = turn % 5 == 0 ? 2048 : 67;  // the first is enough for several threads
            for (bool more : {false, true}) {
                if (more && turn % 4) continue;
                const uint64_t grouped = trained<T>(function, loss, optimizer, more, examples, How::grouped, 1);
                const std::string name = std::string(functions[f]) + "-" + losses[l] + "-" + optimizers[chosen] +
                                         (more ? "-clipped-decayed-scheduled" : "");
                for (How how : {How::alone, How::wide})
                    for (size_t members = 1; members <= (examples > 100 ? most_threads : 1); ++members)
                        if (trained<T>(function, loss, optimizer, more, examples, how, members) != grouped) {
                            std::fprintf(stderr, "%s: other bits %s on %zu threads than in a group\n", name.c_str(),
                                         how == How::wide ? "wide" : "alone", members);
                            wrong = 1;
                        }
                show("train-" + name, type_name<T>(), grouped);
            }
        }
}

}  // namespace

template <class T>
void check() {
    check_streams<T>();
    check_training<T>();
}

int main(int count, char **given) {  // of one type where it is named, so that two processes share the work
    const std::string only = count > 1 ? given[1] : "";
    std::printf("isa %s, vectors of %zu doubles\n", isa_name(chosen_isa()), chosen_kernels<double>().lanes);
    if (only != "float64") check<float>();
    if (only != "float32") check<double>();
    return wrong;
}
