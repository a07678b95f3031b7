// Ranges of a stream: dealt out to threads in pieces, each piece made block by block.

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <vector>

#include "streams.hpp"

namespace goodinit::streams {

namespace {

constexpr std::size_t piece = std::size_t{1} << 16;  // elements a thread takes at a time
constexpr auto patience = std::chrono::milliseconds(50);

// The default rounding and no flushing of subnormal numbers, whatever the caller's thread has set.
class DefaultArithmetic {
public:
    DefaultArithmetic() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~DefaultArithmetic() { std::fesetenv(&before_); }
    DefaultArithmetic(const DefaultArithmetic &) = delete;
    DefaultArithmetic &operator=(const DefaultArithmetic &) = delete;

private:
    std::fenv_t before_;
};

void law_of([[maybe_unused]] const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, float *out) {
    GOODINIT_DISPATCH(plan.isa, stream_law32)(law, words, count, out);
}

void law_of([[maybe_unused]] const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, double *out) {
    GOODINIT_DISPATCH(plan.isa, stream_law64)(law, words, count, out);
}

void law_of(const Plan &, const Law &, const std::uint64_t *words, std::size_t count, std::uint64_t *out) {
    std::memcpy(out, words, count * sizeof *words);
}

template <class Number>
void fill_piece(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, Number *out) {
    alignas(64) std::uint64_t words[block_words];
    const auto generate = GOODINIT_DISPATCH(plan.isa, stream_words);
    while (count > 0) {
        // Words of a counter come in fours: what lies before the start is made and dropped, once a piece at most.
        const std::size_t skip = start % 4, wanted = std::min(count, block_words - skip);
        const std::size_t made = (skip + wanted + step_words - 1) / step_words * step_words;
        // While the words are made, the memory they will go to is fetched.
        const auto *lines = reinterpret_cast<const char *>(out);
        for (std::size_t at = 0; at < wanted * sizeof *out; at += 64) __builtin_prefetch(lines + at, 1);
        generate(key, start / 4 + 1, made, words, plan.ifma);  // NumPy's Philox counts up before it generates
        if (skip > 0) std::memmove(words, words + skip, (made - skip) * sizeof *words);
        law_of(plan, law, words, wanted, out);
        start += wanted;
        count -= wanted;
        out += wanted;
    }
}

template <class Number>
bool fill_range(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, Number *out) {
    const std::size_t pieces = (count + piece - 1) / piece;
    std::atomic<std::size_t> next{0};
    std::atomic<bool> stopped{false};
    const auto work = [&](bool (*proceed)()) {
        const DefaultArithmetic arithmetic;
        auto asked = std::chrono::steady_clock::now();
        for (std::size_t at; !stopped.load(std::memory_order_relaxed) && (at = next.fetch_add(1)) < pieces;) {
            const std::size_t from = at * piece;
            fill_piece(plan, law, key, start + from, std::min(piece, count - from), out + from);
            if (proceed == nullptr) continue;
            const auto now = std::chrono::steady_clock::now();
            if (now - asked < patience) continue;
            asked = now;
            if (!proceed()) stopped = true;
        }
    };
    std::vector<std::thread> helpers;
    const std::size_t wanted = std::min<std::size_t>(plan.threads, pieces);
    helpers.reserve(wanted);
    try {
        while (helpers.size() + 1 < wanted) helpers.emplace_back(work, nullptr);
    } catch (const std::system_error &) {
        // No more threads to be had: those that there are share the work.
    }
    work(plan.proceed);
    for (auto &helper : helpers) helper.join();
    return !stopped;
}

template <class Real>
void law_of_words(const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, Real *out) {
    const DefaultArithmetic arithmetic;
    alignas(64) std::uint64_t block[block_words] = {};
    for (std::size_t at = 0; at < count; at += block_words) {
        const std::size_t wanted = std::min(count - at, block_words);
        std::memcpy(block, words + at, wanted * sizeof *words);
        law_of(plan, law, block, wanted, out + at);
    }
}

}  // namespace

bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, float *out) {
    return fill_range(plan, law, key, start, count, out);
}
bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, double *out) {
    return fill_range(plan, law, key, start, count, out);
}
bool fill(const Plan &plan, const Law &law, Key key, std::uint64_t start, std::size_t count, std::uint64_t *out) {
    return fill_range(plan, law, key, start, count, out);
}

void transform(const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, float *out) {
    law_of_words(plan, law, words, count, out);
}
void transform(const Plan &plan, const Law &law, const std::uint64_t *words, std::size_t count, double *out) {
    law_of_words(plan, law, words, count, out);
}

bool has_ifma() {
#ifdef GOODINIT_X86
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512ifma");
#else
    return false;
#endif
}

}  // namespace goodinit::streams
