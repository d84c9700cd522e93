/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2.
 */
#include "core/sha256.h"

#include <string.h>

#include "core/hex.h"

#define BLOCK 64U

struct state {
        uint32_t hash[8];
        uint64_t len; /* bytes so far */
        uint8_t block[BLOCK];
};

static const uint32_t round_constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
};

static uint32_t rotate(uint32_t word, unsigned by)
{
        return word >> by | word << (32 - by);
}

/* The message schedule of a block. */
static void expand(const uint8_t block[static BLOCK], uint32_t words[static 64])
{
        for (size_t i = 0; i < 16; i++)
                words[i] = (uint32_t)block[i * 4] << 24 | (uint32_t)block[i * 4 + 1] << 16 |
                           (uint32_t)block[i * 4 + 2] << 8 | block[i * 4 + 3];
        for (size_t i = 16; i < 64; i++) {
                uint32_t a = words[i - 15], b = words[i - 2];

                words[i] = (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10) + words[i - 7] +
                           (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + words[i - 16];
        }
}

static void compress(struct state *state)
{
        uint32_t words[64], v[8];

        expand(state->block, words);
        memcpy(v, state->hash, sizeof(v));
        for (size_t i = 0; i < 64; i++) {
                /* Not moved: each round finds them one place further back. */
                uint32_t *a = &v[-i % 8], *b = &v[(1 - i) % 8], *c = &v[(2 - i) % 8];
                uint32_t *d = &v[(3 - i) % 8], *e = &v[(4 - i) % 8], *f = &v[(5 - i) % 8];
                uint32_t *g = &v[(6 - i) % 8], *h = &v[(7 - i) % 8];
                uint32_t first = *h + (rotate(*e, 6) ^ rotate(*e, 11) ^ rotate(*e, 25)) +
                                 ((*e & *f) ^ (~*e & *g)) + round_constants[i] + words[i];

                *d += first;
                *h = first + (rotate(*a, 2) ^ rotate(*a, 13) ^ rotate(*a, 22)) +
                     ((*a & *b) ^ (*a & *c) ^ (*b & *c));
        }
        for (size_t i = 0; i < 8; i++)
                state->hash[i] += v[i];
}

static void begin(struct state *state)
{
        *state = (struct state){ .hash = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                           0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

static void add(struct state *state, const void *bytes, size_t len)
{
        const uint8_t *p = bytes;

        while (len > 0) {
                size_t held = state->len % BLOCK, some = BLOCK - held < len ? BLOCK - held : len;

                memcpy(state->block + held, p, some);
                state->len += some;
                p += some;
                len -= some;
                if (state->len % BLOCK == 0)
                        compress(state);
        }
}

static void finish(struct state *state, uint8_t ret[static SHA256_SIZE])
{
        static const uint8_t padding[BLOCK] = { 0x80 };
        uint64_t bits = state->len * 8;
        uint8_t length[8];

        /* As many bytes as leave room for the length in the last block: 1 to 64. */
        add(state, padding, BLOCK - (state->len + 8) % BLOCK);
        for (size_t i = 0; i < 8; i++)
                length[i] = (uint8_t)(bits >> (56 - i * 8));
        add(state, length, sizeof(length));
        for (size_t i = 0; i < SHA256_SIZE; i++)
                ret[i] = (uint8_t)(state->hash[i / 4] >> (24 - i % 4 * 8));
}

void sha256(const void *bytes, size_t len, uint8_t ret[static SHA256_SIZE])
{
        struct state state;

        begin(&state);
        add(&state, bytes, len);
        finish(&state, ret);
}

void sha256_fields(const char *const *fields, size_t count, uint8_t ret[static SHA256_SIZE])
{
        struct state state;

        begin(&state);
        /* A field's own NUL stands between it and the next. */
        for (size_t i = 0; i < count; i++)
                add(&state, fields[i], strlen(fields[i]) + (i + 1 < count));
        finish(&state, ret);
}

void sha256_fields_hex(const char *const *fields, size_t count, char hex[static SHA256_TEXT_MAX])
{
        uint8_t sum[SHA256_SIZE];

        sha256_fields(fields, count, sum);
        hex_encode(sum, sizeof(sum), hex);
}
