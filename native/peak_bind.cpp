// The peak's door to Python: the same loop on several threads at once.

#include "peak.hpp"

#include <nanobind/nanobind.h>

#include <system_error>
#include <thread>
#include <vector>

#include "isa.hpp"

namespace nb = nanobind;

namespace {

double peak(int element_size, size_t turns, size_t threads) {
    if (element_size != 4 && element_size != 8) throw nb::value_error("element_size must be 4 or 8");
    if (threads < 1 || threads > 4096) throw nb::value_error("threads must be from 1 to 4096");
    if (turns > (size_t{1} << 40)) throw nb::value_error("turns must be at most 2**40");
    [[maybe_unused]] const auto isa = goodinit::chosen_isa();
    const auto loop = element_size == 4 ? GOODINIT_DISPATCH(isa, peak_float) : GOODINIT_DISPATCH(isa, peak_double);
    nb::gil_scoped_release release;
    std::vector<double> done(threads, 0.0);
    std::vector<std::thread> helpers;
    helpers.reserve(threads - 1);
    try {
        for (size_t i = 1; i < threads; ++i) helpers.emplace_back([&, i] { done[i] = loop(turns); });
    } catch (const std::system_error &) {
        // No more threads to be had: those that there are do their share.
    }
    done[0] = loop(turns);
    for (auto &helper : helpers) helper.join();
    double operations = 0;
    for (double each : done) operations += each;
    return operations;
}

}  // namespace

void bind_peak(nb::module_ &module) {
    using nb::literals::operator""_a;
    module.def("peak", &peak, nb::kw_only(), "element_size"_a, "turns"_a, "threads"_a,
               "Does multiplications and additions on registers alone, and returns how many; the caller takes the time.");
}
