// The lanes engine's kernels for groups of small networks, one a lane. See lanes_alone_kernel.cpp.

#include "lanes.hpp"

#include "lanes_pass.hpp"
#include "lanes_trainer.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class T>
void get(Layout<T> &grouped) {
    grouped = {[](const Job<T> &job, size_t) { return scratch_of<Pass<T, true>>(job, 1); },
               [](const Job<T> &job, size_t first, size_t count, void *scratch, Team *) {
                   train_unit<Pass<T, true>>(job, first, count, scratch, nullptr);
               }};
}

}  // namespace

void get_grouped(Layout<float> &grouped) { get(grouped); }
void get_grouped(Layout<double> &grouped) { get(grouped); }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
