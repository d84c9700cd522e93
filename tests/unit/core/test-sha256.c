/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256. The messages are those of FIPS 180-2, appendix B, and each length at which the padding
 * changes; the values of the latter are sha256sum(1)'s.
 */
#include "core/sha256.h"

#include "unit.h"

static void hex_of(const uint8_t sum[static SHA256_SIZE], char hex[static SHA256_TEXT_MAX])
{
        for (size_t i = 0; i < SHA256_SIZE; i++)
                (void)snprintf(hex + i * 2, 3, "%02x", sum[i]);
}

static const struct {
        const char *message, *digest;
} message_rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
          "lmnopqrsmnopqrstnopqrstu",
          "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1" },
};

START_TEST(messages_have_their_digest)
{
        const char *message = message_rows[_i].message;
        uint8_t sum[SHA256_SIZE];
        char hex[SHA256_TEXT_MAX];

        sha256(message, strlen(message), sum);
        hex_of(sum, hex);
        ck_assert_str_eq(hex, message_rows[_i].digest);
}
END_TEST

/* So many times the letter a. */
static const struct {
        size_t len;
        const char *digest;
} length_rows[] = {
        { 1, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb" },
        { 54, "a3f01b6939256127582ac8ae9fb47a382a244680806a3f613a118851c1ca1d47" },
        { 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
        { 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
        { 57, "f13b2d724659eb3bf47f2dd6af1accc87b81f09f59f2b75e5c0bed6589dfe8c6" },
        { 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34" },
        { 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
        { 65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0" },
        { 119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb" },
        { 120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c" },
        { 127, "c57e9278af78fa3cab38667bef4ce29d783787a2f731d4e12200270f0c32320a" },
        { 128, "6836cf13bac400e9105071cd6af47084dfacad4e5e302c94bfed24e013afb73e" },
        { 129, "c12cb024a2e5551cca0e08fce8f1c5e314555cc3fef6329ee994a3db752166ae" },
        { 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
};

START_TEST(every_length_is_padded_right)
{
        size_t len = length_rows[_i].len;
        char *message = malloc(len), hex[SHA256_TEXT_MAX];
        uint8_t sum[SHA256_SIZE];

        ck_assert_ptr_nonnull(message);
        memset(message, 'a', len);
        sha256(message, len, sum);
        hex_of(sum, hex);
        ck_assert_str_eq(hex, length_rows[_i].digest);
        free(message);
}
END_TEST

static const struct {
        const char *fields[3];
        size_t count;
        const char *digest;
} field_rows[] = {
        { { NULL }, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { { "" }, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { { "abc" }, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { { "", "" }, 2, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
        { { "a", "b", "c" },
          3,
          "8badde10c760e9b702defb4b5e225de79c515b1d2a5cfb000e140f3c6fbb5629" },
        { { "ab", "", "c" },
          3,
          "10529036d0907727ec6f6d8c2ee3b4ba643d7933c0093dde2bbb8bc152e6a707" },
        { { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
            "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" },
          3,
          "5207b8f917f63ee7698c0a6493ef4227c4f1e606941c277df73bc50b393abd77" },
};

START_TEST(fields_are_kept_apart_by_a_nul)
{
        uint8_t sum[SHA256_SIZE];
        char hex[SHA256_TEXT_MAX], of_bytes[SHA256_TEXT_MAX];

        sha256_fields_hex(field_rows[_i].fields, field_rows[_i].count, hex);
        ck_assert_str_eq(hex, field_rows[_i].digest);
        sha256_fields(field_rows[_i].fields, field_rows[_i].count, sum);
        hex_of(sum, of_bytes);
        ck_assert_str_eq(of_bytes, field_rows[_i].digest);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, messages_have_their_digest, message_rows);
        unit_add_table(tests, every_length_is_padded_right, length_rows);
        unit_add_table(tests, fields_are_kept_apart_by_a_nul, field_rows);
}

UNIT_MAIN("sha256", add_tests)
