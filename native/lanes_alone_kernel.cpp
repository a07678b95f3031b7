// The lanes engine's kernels for one network at a time. See lanes.hpp for the layouts and the one order of summation.
//
// The code is written once for this layout and that of lanes_grouped_kernel.cpp. `Grouped` says which it is: with it, a
// weight is a vector (one network a lane) and an input is a scalar that all networks share; without it, a weight is a
// scalar and an input is a vector (one example a lane). Everything between is vectors in both. A "column" is an example,
// or a vector of examples.
//
// Each block of columns goes forward through all layers and back again while its activations are in the nearest
// caches (lanes_pass.hpp). The matrix products work on tiles that fit the vector registers (lanes_tiles.hpp).

#include "lanes.hpp"

#include "lanes_pass.hpp"
#include "lanes_trainer.hpp"

namespace goodinit {
namespace GOODINIT_ISA {
namespace {

template <class T>
void evaluate_at(Function function, T option, size_t size, const T *z, T *value, T *slope) {
    for (size_t i = 0; i < size; i += lanes_of<T>) {
        T a[lanes_of<T>] = {}, s[lanes_of<T>];
        const size_t n = size - i < lanes_of<T> ? size - i : lanes_of<T>;
        __builtin_memcpy(a, z + i, n * sizeof(T));
        activate<T>(function, option, a, s, 1);
        __builtin_memcpy(value + i, a, n * sizeof(T));
        __builtin_memcpy(slope + i, s, n * sizeof(T));
    }
}

template <class T>
void get(Kernels<T> &kernels) {
    kernels.lanes = lanes_of<T>;
    kernels.packed_size = &Pass<T, false>::packed;
    kernels.pack = [](const T *rows, size_t width, size_t examples, size_t parameters, T *out) {
        Pass<T, false>::pack_rows([&](size_t i) { return rows + i * width; }, width, examples, parameters, out);
    };
    kernels.alone = {&scratch_of<Pass<T, false>, T>, &train_unit<Pass<T, false>, T>};
    kernels.evaluate = &evaluate_at<T>;
}

}  // namespace

void get_alone(Kernels<float> &kernels) { get(kernels); }
void get_alone(Kernels<double> &kernels) { get(kernels); }

}  // namespace GOODINIT_ISA
}  // namespace goodinit
