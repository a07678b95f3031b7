#include "isa.hpp"

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace goodinit {

namespace {

Isa best() {
#ifdef GOODINIT_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
            return Isa::avx512;
        return Isa::avx2;
    }
#endif
    return Isa::baseline;
}

}  // namespace

const char *isa_name(Isa isa) {
    return isa == Isa::avx512 ? "avx512" : isa == Isa::avx2 ? "avx2" : "baseline";
}

Isa chosen_isa() {
    Isa found = best();
    if (const char *wanted = std::getenv("GOODINIT_ISA"))
        for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
            if (std::strcmp(wanted, isa_name(isa)) == 0 && isa < found) return isa;
    return found;
}

}  // namespace goodinit
