// goodinit._native: the package's compiled half.

#include <nanobind/nanobind.h>

void bind_lanes(nanobind::module_ &);

#include "peak.hpp"
#ifdef GOODINIT_STREAMS
#include "streams.hpp"
#endif

NB_MODULE(_native, module) {
    module.doc() = "Kernels of goodinit: ensembles of small networks, and random streams.";
    bind_lanes(module);
    bind_peak(module);
#ifdef GOODINIT_STREAMS
    bind_streams(module);
#endif
}
