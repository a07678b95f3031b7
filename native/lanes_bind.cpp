// The lanes engine's door to Python: every array's size is checked here once more, then threads share the work.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "isa.hpp"
#include "lanes.hpp"
#include "team.hpp"

namespace nb = nanobind;
using namespace goodinit;

namespace {

template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

[[noreturn]] void refuse(const std::string &what) { throw nb::value_error(what.c_str()); }

template <class Enum>
Enum by_name(const std::vector<const char *> &names, const std::string &name) {
    for (size_t i = 0; i < names.size(); ++i)
        if (name == names[i]) return static_cast<Enum>(i);
    refuse(name + " is not known to the lanes engine");
}

#define GOODINIT_TEXT(name) #name,
const std::vector<const char *> activations{GOODINIT_ACTIVATIONS(GOODINIT_TEXT)};
#undef GOODINIT_TEXT

Function function_of(const std::string &name) { return by_name<Function>(activations, name); }

Loss loss_of(const std::string &name) {
    return by_name<Loss>({"binary_cross_entropy", "cross_entropy", "squared_error"}, name);
}

Optimizer optimizer_of(const std::string &name) {
    return by_name<Optimizer>({"gradient_descent", "momentum", "adam", "adamw"}, name);
}

template <class A>
auto sized(const A &array, size_t size, const char *what) {
    if (array.size() != size)
        refuse(std::string(what) + " has " + std::to_string(array.size()) + " elements, expected " + std::to_string(size));
    return array.data();
}

size_t times(size_t a, size_t b) {
    if (b && a > std::numeric_limits<size_t>::max() / 16 / b) refuse("the network is too large");
    return a * b;
}

template <class T>
Kernels<T> chosen_kernels() {
    return GOODINIT_DISPATCH(chosen_isa(), all<T>)();
}

struct Release {
    void operator()(void *p) const { std::free(p); }
};
using Memory = std::unique_ptr<void, Release>;

// What is larger than a few of Linux's large pages asks for them: weights and their averages are all passed in each
// step, a small page a few hundred cycles.
Memory aligned(size_t bytes) {
    constexpr size_t page = size_t{1} << 21;
    const size_t edge = bytes >= 2 * page ? page : 64;
    const size_t whole = (bytes + edge - 1) / edge * edge + (edge == 64 ? 64 : 0);
    void *p = std::aligned_alloc(edge, whole);
    if (!p) throw std::bad_alloc();
#ifdef __linux__
    if (edge == page) madvise(p, whole, MADV_HUGEPAGE);  // where it is refused, small ones do
#endif
    return Memory(p);
}

enum class Kind { grouped, alone, wide };

struct Unit {
    size_t first, count;
    Kind kind;
};

template <class T>
const Layout<T> &layout_of(const Kernels<T> &kernels, Kind kind) {
    return kind == Kind::grouped ? kernels.grouped : kind == Kind::alone ? kernels.alone : kernels.wide;
}

// How many times longer a network takes alone than in a full group, by the operations of both on a parameter in one
// step: alone, a batch is rounded up to whole vectors and every gradient is summed over the lanes; in a group, every
// run's sum is added to the total, and the parameters of all lanes leave the nearest caches sooner. The numbers are
// fitted to measured times of networks of 91 to 85,000 parameters in batches of 64 to 1,500.
template <class T>
double gain_of_grouping(size_t batch, size_t parameters, size_t lanes) {
    const auto width = static_cast<double>(lanes);
    const size_t runs = runs_of<T>(batch, parameters);
    const double vectors = static_cast<double>(Runs(batch, runs).length * (runs / lanes));
    const double alone = 1.6 * vectors + 0.25 * static_cast<double>(runs) + 1;
    const double group = (1.6 * static_cast<double>(batch) + static_cast<double>(runs) + 4) / width;
    const double bytes = static_cast<double>(parameters * lanes * sizeof(T) * 3);
    return alone / group / std::min(5.0, 1 + bytes / (256 * 1024));
}

// Whether a network that is not in a group takes less time in lanes_wide.hpp than in lanes_pass.hpp, and how many times
// longer than in a full group: fitted to the same networks and wider ones, of up to 150,000 parameters. A large batch
// has runs for several threads there too, and what wide layers put out of it leaves the nearer caches.
bool better_wide(size_t batch, size_t parameters) {
    return parameters >= std::max<size_t>(1000, (batch < 1024 ? 12 : 40) * batch);
}
double gain_over_wide(size_t parameters) { return std::pow(1e4 / static_cast<double>(parameters), 0.4); }

// How the ensemble is cut: groups that fill a vector, and networks trained alone. Any cut gives the same bits; this
// one ends first. A group costs as much as `lanes / gain` networks alone.
std::vector<Unit> plan(size_t networks, size_t lanes, size_t threads, double gain, Kind single, const std::string &layout) {
    size_t grouped = 0;
    if (layout == "grouped") {
        grouped = networks;
    } else if (layout == "auto") {
        const double group = static_cast<double>(lanes) / gain, full = static_cast<double>(networks / lanes);
        const auto rounds = [&](double units) { return std::ceil(units / static_cast<double>(threads)); };
        const double whole = std::floor(full / static_cast<double>(threads)) * static_cast<double>(threads);
        double best = rounds(static_cast<double>(networks));
        for (double groups : {whole, full, std::ceil(static_cast<double>(networks) / static_cast<double>(lanes))}) {
            const double rest = std::max(0.0, static_cast<double>(networks) - groups * static_cast<double>(lanes));
            const double cost = rounds(groups) * group + rounds(rest);
            if (groups > 0 && cost <= best) {
                best = cost;
                grouped = std::min(networks, static_cast<size_t>(groups) * lanes);
            }
        }
    } else if (layout != "alone" && layout != "wide") {
        refuse("layout " + layout + " must be auto, grouped, alone or wide");
    }
    std::vector<Unit> units;
    for (size_t first = 0; first < grouped; first += lanes) units.push_back({first, std::min(lanes, grouped - first), Kind::grouped});
    for (size_t first = grouped; first < networks; ++first) units.push_back({first, 1, single});
    return units;
}

// Runs the units on `threads` threads of their own while this one, the caller's, waits, looks for Ctrl-C and reports.
// Where there are fewer units than threads, each is a network alone, and up to `sets` threads share it.
template <class T>
void run(Job<T> &job, const std::vector<Unit> &units, size_t threads, size_t sets, const Kernels<T> &kernels,
         const nb::object &progress) {
    int stop = 0;
    int64_t done = 0;
    job.stop = &stop;
    job.done = &done;
    const bool alone = units.front().kind != Kind::grouped;
    const size_t members = alone ? std::max<size_t>(1, std::min(threads / units.size(), sets)) : 1;
    size_t bytes = 0;
    for (const Unit &unit : {units.front(), units.back()})
        bytes = std::max(bytes, layout_of(kernels, unit.kind).scratch(job, members));
    threads = std::max<size_t>(1, std::min(threads, units.size()));
    std::vector<Memory> memory;
    for (size_t i = 0; i < threads; ++i) memory.push_back(aligned(bytes));

    std::mutex mutex;
    std::condition_variable ended;
    size_t working = 0;
    std::atomic<size_t> next{0};
    std::vector<std::thread> workers;
    const auto work = [&](void *own) {
        ThreadTeam team(members);
        Team *shared = team.members > 1 ? &team : nullptr;
        for (size_t i; !__atomic_load_n(&stop, __ATOMIC_RELAXED) && (i = next++) < units.size();)
            layout_of(kernels, units[i].kind).train(job, units[i].first, units[i].count, own, shared);
        std::lock_guard<std::mutex> lock(mutex);
        --working;
        ended.notify_one();
    };
    std::exception_ptr failure;
    {
        nb::gil_scoped_release release;
        for (size_t i = 0; i < threads; ++i) {
            {
                std::lock_guard<std::mutex> lock(mutex);
                ++working;
            }
            try {
                workers.emplace_back(work, memory[i].get());
            } catch (const std::system_error &) {  // no more threads to be had: go on with those that started
                std::lock_guard<std::mutex> lock(mutex);
                --working;
                if (workers.empty()) failure = std::current_exception();
                break;
            }
        }
        int64_t reported = 0;
        const int64_t whole = static_cast<int64_t>(job.networks) * (job.end - job.begin);
        std::unique_lock<std::mutex> lock(mutex);
        while (!ended.wait_for(lock, std::chrono::milliseconds(50), [&] { return working == 0; })) {
            lock.unlock();
            try {
                nb::gil_scoped_acquire acquire;
                if (!failure && PyErr_CheckSignals() != 0) throw nb::python_error();
                const int64_t now = __atomic_load_n(&done, __ATOMIC_RELAXED);
                if (!failure && (now - reported) * 100 >= whole) {
                    reported = now;
                    progress(now / static_cast<int64_t>(job.networks));
                }
            } catch (...) {
                failure = std::current_exception();
                __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
            }
            lock.lock();
        }
        lock.unlock();
        for (auto &worker : workers) worker.join();
    }
    if (failure) std::rethrow_exception(failure);
}

template <class T>
void train(const std::vector<int64_t> &widths, const std::string &function, double option, const std::string &loss,
           const std::string &optimizer, const nb::list &parameters, const std::optional<Array<T>> &first,
           const std::optional<Array<T>> &second, const Array<const T> &rates,
           const std::optional<Array<const T>> &multipliers, const std::optional<Array<const T>> &decays,
           const std::optional<Array<const double>> &factors, double clipping, const Array<const T> &X, const Array<const T> &Y,
           int64_t begin, int64_t end, int64_t steps, int64_t record_every,
           const std::optional<Array<const int64_t>> &offsets, const std::optional<Array<const int32_t>> &indices,
           const Array<double> &losses, const Array<double> &final_loss, const Array<int64_t> &diverged_by,
           const Array<const int64_t> &snapshot_steps, const nb::list &snapshots, int64_t threads,
           const std::string &layout, const nb::object &progress) {
    Job<T> job{};
    if (widths.size() < 2 || widths.size() > 10000) refuse("widths: a network has inputs and outputs");
    std::vector<int> sizes;
    for (int64_t width : widths) {
        if (width < 1 || width > (1 << 24)) refuse("widths: each must be from 1 to 2**24");
        sizes.push_back(static_cast<int>(width));
    }
    job.depth = static_cast<int>(sizes.size()) - 1;
    job.widths = sizes.data();
    job.function = function_of(function);
    job.option = static_cast<T>(option);
    job.loss = loss_of(loss);
    job.optimizer = optimizer_of(optimizer);
    if (job.loss == Loss::binary_cross_entropy && sizes.back() != 1) refuse("binary cross-entropy needs one output");
    if (begin < 0 || begin >= end || end > steps) refuse("steps: 0 <= begin < end <= steps is needed");
    if (record_every < 1 || threads < 1) refuse("record_every and threads must be at least 1");

    job.networks = rates.size();
    if (job.networks < 1) refuse("there is no network");
    job.rates = rates.data();
    for (size_t i = 0; i < job.networks; ++i)
        if (!(job.rates[i] > 0) || !std::isfinite(job.rates[i])) refuse("rates: each must be finite and above 0");

    if (X.ndim() != 2 || Y.ndim() != 2) refuse("X and Y must have two axes");
    job.examples = X.shape(0);
    if (job.examples < 1 || job.examples > std::numeric_limits<int32_t>::max()) refuse("examples: from 1 to 2**31 - 1");
    job.X = sized(X, times(job.examples, static_cast<size_t>(sizes.front())), "X");
    job.Y = sized(Y, times(job.examples, static_cast<size_t>(sizes.back())), "Y");

    std::vector<size_t> per_network;
    size_t total = 0;
    for (int layer = 0; layer < job.depth; ++layer) {
        const auto outputs = static_cast<size_t>(sizes[layer + 1]);
        per_network.push_back(times(outputs, static_cast<size_t>(sizes[layer])));
        per_network.push_back(outputs);
        total = times(total + per_network[2 * layer] + outputs, 1);
    }
    times(times(total, job.networks), sizeof(T) * 64);
    const auto arrays_of = [&](const nb::list &list, const char *what) {
        std::vector<T *> pointers;
        for (size_t i = 0; i < list.size(); ++i) {
            Array<T> array;  // refused rather than converted: it is written to
            if (!nb::try_cast(list[i], array, false)) refuse(std::string(what) + ": each is a contiguous array of the engine's dtype");
            pointers.push_back(sized(array, times(job.networks, per_network[i % per_network.size()]), what));
        }
        return pointers;
    };
    std::vector<T *> arrays = arrays_of(parameters, "parameters"), kept = arrays_of(snapshots, "snapshots");
    if (arrays.size() != per_network.size()) refuse("parameters: one W and one b for each layer");
    job.multipliers = multipliers ? sized(*multipliers, arrays.size(), "multipliers") : nullptr;
    for (size_t i = 0; multipliers && i < arrays.size(); ++i)
        if (!(job.multipliers[i] > 0) || !std::isfinite(job.multipliers[i]))
            refuse("multipliers: each must be finite and above 0");
    job.decays = decays ? sized(*decays, arrays.size(), "decays") : nullptr;
    for (size_t i = 0; decays && i < arrays.size(); ++i)
        if (!(job.decays[i] >= 0) || !std::isfinite(job.decays[i])) refuse("decays: each must be finite and at least 0");
    job.factors = factors ? sized(*factors, static_cast<size_t>(end - begin), "factors") : nullptr;
    for (int64_t i = 0; factors && i < end - begin; ++i)
        if (!(job.factors[i] >= 0 && job.factors[i] <= 1)) refuse("factors: each must be from 0 to 1");
    if (!(clipping >= 0) || !std::isfinite(clipping)) refuse("clipping must be finite and at least 0");
    job.clipping = clipping;
    job.parameters = arrays.data();
    job.first = first ? sized(*first, job.networks * total, "first") : nullptr;
    job.second = second ? sized(*second, job.networks * total, "second") : nullptr;

    job.begin = begin;
    job.end = end;
    job.steps = steps;
    job.record_every = record_every;
    job.records = (steps + record_every - 1) / record_every;
    job.losses = sized(losses, times(job.networks, static_cast<size_t>(job.records)), "losses");
    job.final_loss = sized(final_loss, job.networks, "final_loss");
    job.diverged_by = sized(diverged_by, job.networks, "diverged_by");

    size_t batch = job.examples;
    if (offsets) {
        if (!indices) refuse("offsets need indices");
        job.offsets = sized(*offsets, static_cast<size_t>(end - begin) + 1, "offsets");
        job.indices = indices->data();
        if (job.offsets[0] != 0 || static_cast<size_t>(job.offsets[end - begin]) != indices->size())
            refuse("offsets must run from 0 to the number of indices");
        for (int64_t i = 0; i < end - begin; ++i) {
            if (job.offsets[i + 1] <= job.offsets[i]) refuse("offsets: a batch is empty");
            job.largest_batch = std::max(job.largest_batch, static_cast<size_t>(job.offsets[i + 1] - job.offsets[i]));
        }
        for (size_t i = 0; i < indices->size(); ++i)
            if (job.indices[i] < 0 || static_cast<size_t>(job.indices[i]) >= job.examples)
                refuse("indices: there is no such example");
        batch = job.largest_batch;
    }

    job.snapshots = static_cast<int64_t>(snapshot_steps.size());
    job.snapshot_steps = snapshot_steps.data();
    for (int64_t i = 0; i < job.snapshots; ++i)
        if (job.snapshot_steps[i] < (i ? job.snapshot_steps[i - 1] + 1 : 0) || job.snapshot_steps[i] > steps)
            refuse("snapshot_steps must ascend from 0 to steps");
    if (kept.size() != times(static_cast<size_t>(job.snapshots), per_network.size())) refuse("snapshots: one array for each parameter");
    job.snapshot_parameters = kept.data();

    const auto kernels = chosen_kernels<T>();
    const bool wide = layout == "wide" || (layout == "auto" && better_wide(batch, total));
    const double gain = wide ? gain_over_wide(total) : gain_of_grouping<T>(batch, total, kernels.lanes);
    const Kind single = wide ? Kind::wide : Kind::alone;
    const auto units = plan(job.networks, kernels.lanes, static_cast<size_t>(threads), gain, single, layout);
    Memory X_lanes, Y_lanes;
    if (units.back().kind == Kind::alone) {
        const size_t rows = kernels.packed_size(job.examples, total);
        for (bool inputs : {true, false}) {
            const auto width = static_cast<size_t>(inputs ? sizes.front() : sizes.back());
            Memory to = aligned(times(rows, width) * sizeof(T));
            kernels.pack(inputs ? job.X : job.Y, width, job.examples, total, static_cast<T *>(to.get()));
            (inputs ? job.X_lanes : job.Y_lanes) = static_cast<T *>(to.get());
            (inputs ? X_lanes : Y_lanes) = std::move(to);
        }
    }
    const size_t sets = wide ? batch / 16 : runs_of<T>(batch, total) / kernels.lanes;
    run(job, units, static_cast<size_t>(threads), sets, kernels, progress);
}

template <class T>
void activation(const std::string &function, double option, const Array<const T> &z, const Array<T> &value, const Array<T> &slope) {
    chosen_kernels<T>().evaluate(function_of(function), static_cast<T>(option), z.size(), z.data(),
                                 sized(value, z.size(), "value"), sized(slope, z.size(), "slope"));
}

template <class T>
void bind(nb::module_ &module, const char *train_name, const char *activation_name) {
    using nb::literals::operator""_a;
    module.def(train_name, &train<T>, nb::kw_only(), "widths"_a, "function"_a, "option"_a, "loss"_a, "optimizer"_a,
               "parameters"_a, "first"_a.noconvert().none(), "second"_a.noconvert().none(), "rates"_a.noconvert(),
               "multipliers"_a.noconvert().none(), "decays"_a.noconvert().none() = nb::none(),
               "factors"_a.noconvert().none() = nb::none(), "clipping"_a = 0.0,
               "X"_a.noconvert(), "Y"_a.noconvert(), "begin"_a, "end"_a, "steps"_a, "record_every"_a,
               "offsets"_a.noconvert().none(), "indices"_a.noconvert().none(), "losses"_a.noconvert(),
               "final_loss"_a.noconvert(), "diverged_by"_a.noconvert(), "snapshot_steps"_a.noconvert(), "snapshots"_a,
               "threads"_a, "layout"_a, "progress"_a,
               "Train an ensemble in place. goodinit.training.lanes is the way to call this.");
    module.def(activation_name, &activation<T>, "name"_a, "option"_a, "z"_a.noconvert(), "value"_a.noconvert(),
               "slope"_a.noconvert(), "The kernels' value and derivative of an activation, for tests.");
}

}  // namespace

void bind_lanes(nb::module_ &module) {
    module.def("isa", [] { return isa_name(chosen_isa()); }, "The instruction set in use: baseline, avx2 or avx512.");
    module.def("lanes", [](size_t element_size) {
        if (element_size != 4 && element_size != 8) refuse("element_size must be 4 or 8");
        return element_size == 4 ? chosen_kernels<float>().lanes : chosen_kernels<double>().lanes;
    }, nb::arg("element_size"), "How many networks fill a vector.");
    module.def("activations", [] { return std::vector<std::string>(activations.begin(), activations.end()); },
               "The names of the activations that the kernels have.");
    bind<float>(module, "train_float32", "activation_float32");
    bind<double>(module, "train_float64", "activation_float64");
}
