// BLAKE2b with a digest of 128 bits and goodinit's personalisation, for the keys of random streams.
//
// Source: RFC 7693; the personalisation is bytes 48 to 63 of the parameter block (Aumasson et al. 2013, sec. 2.8).

#pragma once

#include <stddef.h>
#include <stdint.h>

namespace goodinit {
namespace page {

inline uint64_t turned(uint64_t x, int by) { return (x >> by) | (x << (64 - by)); }

inline void blake2b_128(const uint8_t *text, size_t size, uint64_t *out) {
    static const uint64_t iv[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                                   0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};
    static const uint8_t order[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                          {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                          {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                          {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                          {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                          {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                          {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                          {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                          {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                          {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
    const uint8_t domain[17] = "goodinit stream1";
    uint64_t person[2], h[8];
    __builtin_memcpy(person, domain, 16);
    for (int i = 0; i < 8; ++i) h[i] = iv[i];
    h[0] ^= 0x01010000u ^ 16;  // one tree node, no key, 16 bytes
    h[6] ^= person[0];
    h[7] ^= person[1];
    for (size_t begin = 0; begin == 0 || begin < size; begin += 128) {
        const size_t rest = size - begin, taken = rest < 128 ? rest : 128;
        uint64_t m[16] = {}, v[16];
        __builtin_memcpy(m, text + begin, taken);
        for (int i = 0; i < 8; ++i) v[i] = h[i], v[i + 8] = iv[i];
        v[12] ^= begin + taken;
        if (rest <= 128) v[14] = ~v[14];
        for (int round = 0; round < 12; ++round) {
            const uint8_t *s = order[round % 10];
            const auto mix = [&](int a, int b, int c, int d, uint64_t x, uint64_t y) {
                v[a] += v[b] + x;
                v[d] = turned(v[d] ^ v[a], 32);
                v[c] += v[d];
                v[b] = turned(v[b] ^ v[c], 24);
                v[a] += v[b] + y;
                v[d] = turned(v[d] ^ v[a], 16);
                v[c] += v[d];
                v[b] = turned(v[b] ^ v[c], 63);
            };
            for (int i = 0; i < 4; ++i) mix(i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
            for (int i = 0; i < 4; ++i)
                mix(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]], m[s[9 + 2 * i]]);
        }
        for (int i = 0; i < 8; ++i) h[i] ^= v[i] ^ v[i + 8];
    }
    out[0] = h[0];
    out[1] = h[1];
}

}  // namespace page
}  // namespace goodinit
