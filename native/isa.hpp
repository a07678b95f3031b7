// Which instruction set the kernels use: the processor's best, or a lower one named in GOODINIT_ISA.

#pragma once

namespace goodinit {

enum class Isa { baseline = 0, avx2 = 1, avx512 = 2 };

// The choice; the environment variable GOODINIT_ISA (baseline, avx2, avx512) can lower it, never raise it.
Isa chosen_isa();

const char *isa_name(Isa isa);

}  // namespace goodinit

// Picks one of the compiled versions of a function that every native/*_kernel.cpp defines in namespace GOODINIT_ISA,
// itself inside namespace goodinit: GOODINIT_DISPATCH(isa, f) is baseline::f, avx2::f or avx512::f.
#ifdef GOODINIT_X86
#define GOODINIT_DISPATCH(isa, function)                                  \
    ((isa) == ::goodinit::Isa::avx512 ? &::goodinit::avx512::function     \
     : (isa) == ::goodinit::Isa::avx2 ? &::goodinit::avx2::function       \
                                      : &::goodinit::baseline::function)
#else
#define GOODINIT_DISPATCH(isa, function) (&::goodinit::baseline::function)
#endif
