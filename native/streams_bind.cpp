// The streams' door to Python: arguments are checked here once more, and the interpreter's lock is released.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "streams.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace goodinit::streams;

namespace {

template <class Number>
using Row = nb::ndarray<Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
constexpr goodinit::Isa every_isa[] = {goodinit::Isa::baseline, goodinit::Isa::avx2, goodinit::Isa::avx512};
using Cut = std::tuple<double, double, double, double, double, double, bool>;

[[noreturn]] void refuse(const std::string &what) { throw nb::value_error(what.c_str()); }

std::vector<std::string> isas() {
    std::vector<std::string> names;
    for (goodinit::Isa isa : every_isa)
        if (goodinit::is_usable(isa)) names.emplace_back(goodinit::isa_name(isa));
    if (goodinit::is_usable(goodinit::Isa::avx512) && has_ifma()) names.emplace_back("avx512ifma");
    return names;
}

bool proceed() {
    const nb::gil_scoped_acquire lock;
    return PyErr_CheckSignals() == 0;
}

// An empty name is the best there is.
Plan plan_of(const std::string &isa, unsigned threads) {
    if (threads < 1 || threads > 1024) refuse("threads must lie between 1 and 1024");
    const std::vector<std::string> names = isas();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (isa.empty() ? i + 1 < names.size() : names[i] != isa) continue;
        Plan plan;
        plan.ifma = names[i] == "avx512ifma";
        for (goodinit::Isa each : every_isa)
            if (names[i].rfind(goodinit::isa_name(each), 0) == 0) plan.isa = each;  // avx512ifma is AVX-512 too
        plan.threads = threads;
        plan.proceed = proceed;
        return plan;
    }
    refuse("isa " + isa + " is not to be had here");
}

Law law_of(const std::string &kind, double scale, double shift, const std::optional<Cut> &cut) {
    Law law;
    law.scale = scale;
    law.shift = shift;
    const std::pair<const char *, Kind> kinds[] = {
        {"words", Kind::words},   {"uniform", Kind::uniform},           {"centred", Kind::centred},
        {"normal", Kind::normal}, {"truncated_normal", Kind::truncated}, {"signs", Kind::signs}};
    bool known = false;
    for (const auto &[name, value] : kinds)
        if (kind == name) {
            law.kind = value;
            known = true;
        }
    if (!known) refuse("kind " + kind + " is not known to the streams");
    if (cut.has_value() != (law.kind == Kind::truncated)) refuse("a cut goes with truncated_normal, and with it alone");
    if (cut) {
        std::tie(law.low, law.high, law.below, law.above, law.left, law.total, law.mirrored) = *cut;
        const bool probabilities = law.below >= 0 && law.below <= 0.5 && law.above >= 0 && law.above <= 0.5;
        if (!(law.low < law.high && probabilities && law.total > 0 && law.total <= 1 && !std::isnan(law.left)))
            refuse("a cut is (low, high, below, above, left, total, mirrored) with low < high and probabilities");
    }
    return law;
}

template <class Number>
Number *checked(const Row<Number> &row) {
    if (reinterpret_cast<std::uintptr_t>(row.data()) % sizeof(Number) != 0) refuse("the array is not aligned");
    return row.data();
}

template <class Number>
void fill_row(const Row<Number> &out, const std::string &kind, std::pair<std::uint64_t, std::uint64_t> key,
              std::uint64_t start, double scale, double shift, const std::optional<Cut> &cut, unsigned threads,
              const std::string &isa) {
    const Law law = law_of(kind, scale, shift, cut);
    if ((law.kind == Kind::words) != std::is_same_v<Number, std::uint64_t>)
        refuse("words go into uint64 arrays, and nothing else does");
    const Plan plan = plan_of(isa, threads);
    constexpr std::uint64_t limit = std::uint64_t{1} << 63;
    if (start > limit || out.size() > limit - start) refuse("elements go up to 2^63");
    Number *to = checked(out);
    bool complete = false;
    {
        const nb::gil_scoped_release unlock;
        complete = fill(plan, law, Key{key.first, key.second}, start, out.size(), to);
    }
    if (!complete) throw nb::python_error();
}

template <class Real>
void transform_row(const Row<const std::uint64_t> &words, const Row<Real> &out, const std::string &kind, double scale,
                   double shift, const std::optional<Cut> &cut, const std::string &isa) {
    const Law law = law_of(kind, scale, shift, cut);
    if (law.kind == Kind::words) refuse("words are not made of words");
    if (words.size() != out.size()) refuse("as many words as elements are needed");
    const Plan plan = plan_of(isa, 1);
    transform(plan, law, checked(words), out.size(), checked(out));
}

template <class Number>
void define_fill(nb::module_ &module) {
    module.def("stream_fill", &fill_row<Number>, "out"_a.noconvert(), "kind"_a, "key"_a, "start"_a, nb::kw_only(),
               "scale"_a = 1.0, "shift"_a = -0.0, "cut"_a = nb::none(), "threads"_a = 1, "isa"_a = "");
}

template <class Real>
void define_transform(nb::module_ &module) {
    module.def("stream_transform", &transform_row<Real>, "words"_a.noconvert(), "out"_a.noconvert(), "kind"_a,
               nb::kw_only(), "scale"_a = 1.0, "shift"_a = -0.0, "cut"_a = nb::none(), "isa"_a = "");
}

}  // namespace

void bind_streams(nb::module_ &module) {
    define_fill<float>(module);
    define_fill<double>(module);
    define_fill<std::uint64_t>(module);
    define_transform<float>(module);
    define_transform<double>(module);
    module.def("stream_isas", &isas);
}
