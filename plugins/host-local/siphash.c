/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte by byte, since the fields come in pieces; eight of them make a word of the message.
 */
#include "siphash.h"

struct state {
        uint64_t v[4];
        uint64_t word; /* the bytes that fill no word yet, the first one lowest */
        uint64_t len;
};

static uint64_t rotate(uint64_t word, unsigned by)
{
        return word << by | word >> (64 - by);
}

static void mix(uint64_t v[static 4], unsigned rounds)
{
        while (rounds-- > 0) {
                v[0] += v[1];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[0] = rotate(v[0], 32);
                v[2] += v[3];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] += v[3];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] += v[1];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[2] = rotate(v[2], 32);
        }
}

static void add_word(struct state *state)
{
        state->v[3] ^= state->word;
        mix(state->v, 2);
        state->v[0] ^= state->word;
        state->word = 0;
}

static void add_byte(struct state *state, char byte)
{
        state->word |= (uint64_t)(uint8_t)byte << (state->len % 8 * 8);
        if (++state->len % 8 == 0)
                add_word(state);
}

uint64_t siphash_fields(const uint64_t key[static 2], const char *const *fields, size_t count)
{
        struct state state = { .v = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
                                      key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 } };

        for (size_t i = 0; i < count; i++) {
                for (const char *p = fields[i]; *p; p++)
                        add_byte(&state, *p);
                if (i + 1 < count)
                        add_byte(&state, '\0');
        }
        state.word |= state.len << 56;
        add_word(&state);
        state.v[2] ^= 0xff;
        mix(state.v, 4);
        return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}
