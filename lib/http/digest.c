/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 and random numbers, by OpenSSL.
 */
#include "http/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "core/hex.h"

static void digest_context_freep(EVP_MD_CTX **context)
{
        EVP_MD_CTX_free(*context);
}

static int failed(struct err *err, const char *what)
{
        return err_text(err, -EIO, CNI_ERR_INTERNAL, "%s failed in OpenSSL", what);
}

int digest_initialise(struct err *err)
{
        /* The second is where a lack of memory shows; OpenSSL would crash later. */
        if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
            !OSSL_LIB_CTX_get0_global_default())
                return failed(err, "initialisation");
        return 0;
}

int digest_fields(const char *const *fields, size_t count, char ret[static DIGEST_TEXT_MAX],
                  struct err *err)
{
        _cleanup_(digest_context_freep) EVP_MD_CTX *context = NULL;
        unsigned char sum[EVP_MAX_MD_SIZE];
        unsigned len = 0;
        int ok, r = digest_initialise(err);

        if (r < 0)
                return r;
        context = EVP_MD_CTX_new();
        if (!context)
                return err_oom(err);
        ok = EVP_DigestInit_ex(context, EVP_sha256(), NULL);
        /* A field's own NUL stands between it and the next. */
        for (size_t i = 0; i < count; i++)
                ok = ok &&
                     EVP_DigestUpdate(context, fields[i], strlen(fields[i]) + (i + 1 < count));
        if (!ok || !EVP_DigestFinal_ex(context, sum, &len) || len * 2 + 1 != DIGEST_TEXT_MAX)
                return failed(err, "SHA-256");
        hex_encode(sum, len, ret);
        return 0;
}

int digest_random(uint64_t *ret, struct err *err)
{
        uint64_t number;
        int r = digest_initialise(err);

        if (r < 0)
                return r;
        if (RAND_bytes((unsigned char *)&number, sizeof(number)) != 1)
                return failed(err, "making a random number");
        *ret = number;
        return 0;
}

uint64_t digest_jitter(uint64_t span)
{
        struct err ignored;
        uint64_t random = 0;

        (void)digest_random(&random, &ignored);
        return random % span;
}
