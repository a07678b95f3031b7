// goodinit._native: the package's compiled half.

#include <nanobind/nanobind.h>

#include <string>

void bind_lanes(nanobind::module_ &);

#include "isa.hpp"
#include "peak.hpp"
#ifdef GOODINIT_STREAMS
#include "streams.hpp"
#endif

NB_MODULE(_native, module) {
    const goodinit::Isa lowest = goodinit::Isa::GOODINIT_LOWEST;
    if (!goodinit::processor_has(lowest))
        throw nanobind::import_error((std::string("compiled for processors with ") + goodinit::isa_name(lowest)).c_str());
    module.doc() = "Kernels of goodinit: ensembles of small networks, and random streams.";
    bind_lanes(module);
    bind_peak(module);
#ifdef GOODINIT_STREAMS
    bind_streams(module);
#endif
}
