// Philox 4x64-10 on vectors of counters. No include guard: streams_kernel.cpp includes it once for each way it has to
// multiply, inside a namespace whose `multiply(x, m, high, low)` gives both halves of each lane's 128-bit product.
//
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

// `vectors` vectors of counters at once, so that the latency of one's products is hidden behind the others'.
template <int vectors>
GOODINIT_INLINE void philox(Key key, std::uint64_t counter, std::uint64_t *out) {
    Words x0[vectors], x1[vectors], x2[vectors], x3[vectors];
    // Only the counter's lowest word is not zero, so the first two rounds take one product each, and the product of
    // the second round's other half is the same for all counters.
    const auto shared = static_cast<unsigned __int128>(key.low) * philox_m0;
    std::uint64_t k0 = key.low + philox_w0, k1 = key.high + philox_w1;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
        Words high, low, high2, low2;
        multiply(consecutive(counter + static_cast<std::uint64_t>(lanes * v)), philox_m0, high, low);
        multiply(high ^ key.high, philox_m1, high2, low2);
        x0[v] = high2 ^ k0;
        x1[v] = low2;
        x2[v] = low ^ (static_cast<std::uint64_t>(shared >> 64) ^ k1);
        x3[v] = all(static_cast<std::uint64_t>(shared));
    }
#pragma GCC unroll 8
    for (int round = 2; round < 10; ++round) {
        k0 += philox_w0;
        k1 += philox_w1;
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v) {
            Words high0, low0, high2, low2;
            multiply(x0[v], philox_m0, high0, low0);
            multiply(x2[v], philox_m1, high2, low2);
            x0[v] = high2 ^ x1[v] ^ k0;
            x1[v] = low2;
            x2[v] = high0 ^ x3[v] ^ k1;
            x3[v] = low0;
        }
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) store_transposed(x0[v], x1[v], x2[v], x3[v], out + 4 * lanes * v);
}

template <int vectors>
GOODINIT_INLINE void generate(Key key, std::uint64_t counter, std::size_t count, std::uint64_t *out) {
    static_assert(step_words % (4 * lanes * vectors) == 0, "whole steps");
    for (std::size_t done = 0; done < count; done += 4 * lanes * vectors)
        philox<vectors>(key, counter + done / 4, out + done);
}
