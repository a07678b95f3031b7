// Which instruction set the kernels use: the processor's best, or a lower one named in GOODINIT_ISA.

#pragma once

namespace goodinit {

enum class Isa { baseline = 0, avx2 = 1, avx512 = 2 };

// Whether this processor has it.
bool processor_has(Isa isa);

// Whether it is compiled here, the processor has it, and the environment variable GOODINIT_ISA, where that names one
// (baseline, avx2, avx512), does not name a lower one; the lowest that is compiled always is.
bool is_usable(Isa isa);

// The best that is usable.
Isa chosen_isa();

const char *isa_name(Isa isa);

}  // namespace goodinit

// CMakeLists.txt says which are compiled: the lowest, which is any processor's baseline where nothing else is said, and
// those beside it.
#ifndef GOODINIT_LOWEST
#define GOODINIT_LOWEST baseline
#endif
#ifdef GOODINIT_AVX2
#define GOODINIT_IF_AVX2(...) __VA_ARGS__
#else
#define GOODINIT_IF_AVX2(...)
#endif
#ifdef GOODINIT_AVX512
#define GOODINIT_IF_AVX512(...) __VA_ARGS__
#else
#define GOODINIT_IF_AVX512(...)
#endif

// each(isa) for every one that is compiled.
#define GOODINIT_EACH_ISA(each) each(GOODINIT_LOWEST) GOODINIT_IF_AVX2(each(avx2)) GOODINIT_IF_AVX512(each(avx512))

// Picks one of the compiled versions of a function that every native/*_kernel.cpp defines in namespace GOODINIT_ISA,
// itself inside namespace goodinit: GOODINIT_DISPATCH(isa, f) is baseline::f, avx2::f or avx512::f.
#define GOODINIT_DISPATCH(isa, function)                                                      \
    (GOODINIT_IF_AVX512((isa) == ::goodinit::Isa::avx512 ? &::goodinit::avx512::function :)   \
     GOODINIT_IF_AVX2((isa) == ::goodinit::Isa::avx2 ? &::goodinit::avx2::function :)         \
     &::goodinit::GOODINIT_LOWEST::function)
