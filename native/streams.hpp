// Random streams: Philox words addressed by element, and the laws made of them, bit for bit those of streams.py.

#pragma once

#include <cstddef>
#include <cstdint>

#include "isa.hpp"

namespace nanobind {
class module_;
}

void bind_streams(nanobind::module_ &module);

namespace goodinit::streams {

enum class Kind { words, uniform, centred, normal, truncated, signs };

// One element is scale * x + shift, in double, where x follows the kind. A shift of -0.0 changes no bit.
struct Law {
    Kind kind = Kind::normal;
    double scale = 1.0, shift = -0.0;
    // The truncated normal only, as normal.cut of the Python code describes them.
    double low = 0.0, high = 0.0, below = 0.0, above = 0.0, left = 0.0, total = 0.0;
    bool mirrored = false;
};

struct Key {
    std::uint64_t low = 0, high = 0;
};

constexpr std::size_t block_words = 1024;  // the words worked on at a time: with the intermediates they stay in L1
constexpr std::size_t step_words = 128;    // what the generator makes at a time, on every instruction set

// How a fill runs. `proceed`, if any, is asked a few times a second, in the caller's thread; false ends the fill early.
struct Plan {
    Isa isa = Isa::GOODINIT_LOWEST;
    bool ifma = false;
    unsigned threads = 1;
    bool (*proceed)() = nullptr;
};

// The elements start <= i < start + count, start + count <= 2^63. False if `proceed` ended it.
bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, float *out);
bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, double *out);
bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, std::uint64_t *out);

// The law's elements of given words, for the tests of special words.
void transform(const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, float *out);
void transform(const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, double *out);

// Whether the processor multiplies 52-bit integers (AVX512-IFMA), the fastest way to the words.
bool has_ifma();

}  // namespace goodinit::streams

// What every instruction set's version of streams_kernel.cpp offers; `ifma` is read by the AVX-512 version alone.
// stream_words: `count` words, a multiple of step_words up to block_words, from that counter on; `out` is aligned to 64.
// stream_law32, stream_law64: the law's elements of `count` words, at most block_words. The words lie in an array aligned to 64 with
// room for block_words; those after `count` may be read up to the next full vector, so they must be initialized.
#define GOODINIT_DECLARE(isa)                                                                                      \
    namespace goodinit::isa {                                                                                      \
    void stream_words(streams::Key key, std::uint64_t counter, std::size_t count, std::uint64_t *out, bool ifma);  \
    void stream_law32(const streams::Law &law, const std::uint64_t *words, std::size_t count, float *out);         \
    void stream_law64(const streams::Law &law, const std::uint64_t *words, std::size_t count, double *out);        \
    }
GOODINIT_EACH_ISA(GOODINIT_DECLARE)
#undef GOODINIT_DECLARE
