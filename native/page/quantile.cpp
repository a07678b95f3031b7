// The normal quantile of one probability, by the kernels' tables: normal.py's quantile_lower.

#include "../streams_quantile.hpp"

extern "C" __attribute__((export_name("quantile_lower"))) double quantile_lower(double p) {
    using namespace simd;
    const auto of = [](double x) { return quantile::Side<1>{{all(x)}}; };
    const double q = p - 0.5, size = q < 0 ? -q : q;
    if (size < quantile::tail_from) return (quantile::quotient<quantile::Centre>(of(quantile::below_half - size)).of[0] * q)[0];
    if (p < quantile::deep_below) return -quantile::deep(of(p)).of[0][0];
    const double near = p > quantile::above_near ? quantile::above_near : p;
    return (quantile::quotient<quantile::Near>(of(near)).of[0] * q)[0];
}
