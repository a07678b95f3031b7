// Threads that work on one network together: the caller's and helpers that wait for the next piece of work.

#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "lanes.hpp"

namespace goodinit {

class ThreadTeam : public Team {
  public:
    // Fewer members where no more threads are to be had.
    explicit ThreadTeam(size_t wanted) {
        members = 1;
        together = [](Team *team, void (*part)(void *, size_t), void *context) {
            static_cast<ThreadTeam *>(team)->run(part, context);
        };
        helpers.reserve(wanted - 1);
        try {
            for (; members < wanted; ++members) helpers.emplace_back([this, member = members] { help(member); });
        } catch (const std::system_error &) {
        }
    }
    ThreadTeam(const ThreadTeam &) = delete;
    ThreadTeam &operator=(const ThreadTeam &) = delete;
    ~ThreadTeam() {
        run(nullptr, nullptr);
        for (auto &helper : helpers) helper.join();
    }

  private:
    // Pieces of work follow one another within microseconds: so long it is worth looking again before sleeping.
    static constexpr int looks = 20'000;

    void run(void (*next)(void *, size_t), void *its_context) {
        part = next;
        context = its_context;
        busy.store(helpers.size(), std::memory_order_relaxed);
        {
            const std::lock_guard<std::mutex> lock(mutex);
            turn.fetch_add(1, std::memory_order_release);
        }
        given.notify_all();
        if (next == nullptr) return;
        next(its_context, 0);
        const auto done = [&] { return busy.load(std::memory_order_acquire) == 0; };
        for (int look = 0; look < looks; ++look)
            if (done()) return;
        std::unique_lock<std::mutex> lock(mutex);
        taken.wait(lock, done);
    }

    void help(size_t member) {
        for (unsigned seen = 0;; ++seen) {
            const auto called = [&] { return turn.load(std::memory_order_acquire) != seen; };
            int look = 0;
            while (look < looks && !called()) ++look;
            if (look == looks) {
                std::unique_lock<std::mutex> lock(mutex);
                given.wait(lock, called);
            }
            if (part == nullptr) return;
            part(context, member);
            if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard<std::mutex> lock(mutex);
                taken.notify_one();
            }
        }
    }

    std::vector<std::thread> helpers;
    std::mutex mutex;
    std::condition_variable given, taken;
    std::atomic<unsigned> turn{0};
    std::atomic<size_t> busy{0};
    void (*part)(void *, size_t) = nullptr;
    void *context = nullptr;
};

}  // namespace goodinit
