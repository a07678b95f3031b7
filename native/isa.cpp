#include "isa.hpp"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace goodinit {

const char *isa_name(Isa isa) {
    return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

bool processor_has(Isa isa) {
#ifdef GOODINIT_X86
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == Isa::avx2) return avx2;
    if (isa == Isa::avx512)
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
    return isa == Isa::baseline;
}

bool is_usable(Isa isa) {
    if (isa == Isa::GOODINIT_LOWEST) return true;
    if (const char *most = std::getenv("GOODINIT_ISA"))
        for (Isa lower : {Isa::baseline, Isa::avx2})
            if (lower < isa && std::strcmp(most, isa_name(lower)) == 0) return false;
    GOODINIT_IF_AVX512(if (isa == Isa::avx512) return processor_has(isa);)
    GOODINIT_IF_AVX2(if (isa == Isa::avx2) return processor_has(isa);)
    return false;
}

Isa chosen_isa() {
    return is_usable(Isa::avx512) ? Isa::avx512 : is_usable(Isa::avx2) ? Isa::avx2 : Isa::GOODINIT_LOWEST;
}

}  // namespace goodinit
