// The processor's peak: multiplications and additions on registers alone, which no program can exceed.

#pragma once

#include <stddef.h>

namespace nanobind {
class module_;
}

void bind_peak(nanobind::module_ &module);

// Both do `turns` turns of one instruction set and return the operations (a fused one counts as two) done in them.
#define GOODINIT_DECLARE_PEAK(isa)               \
    namespace goodinit::isa {                    \
    double peak_float(size_t turns);             \
    double peak_double(size_t turns);            \
    }
GOODINIT_DECLARE_PEAK(baseline)
#ifdef GOODINIT_X86
GOODINIT_DECLARE_PEAK(avx2)
GOODINIT_DECLARE_PEAK(avx512)
#endif
#undef GOODINIT_DECLARE_PEAK
