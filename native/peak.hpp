// The processor's peak: multiplications and additions on registers alone, which no program can exceed.

#pragma once

#include <stddef.h>

#include "isa.hpp"

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
GOODINIT_EACH_ISA(GOODINIT_DECLARE_PEAK)
#undef GOODINIT_DECLARE_PEAK
