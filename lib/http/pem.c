/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By OpenSSL's own decoders.
 */
#include "http/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>

static void bio_freep(BIO **bio)
{
        BIO_free(*bio);
}

static int no_passphrase(_unused_ char *text, _unused_ int size, _unused_ int writing,
                         _unused_ void *context)
{
        return -1;
}

int pem_check_certificate(const char *pem, const char *whose, struct err *err)
{
        _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *certificate;

        if (!bio)
                return err_oom(err);
        certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        ERR_clear_error();
        if (!certificate)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "the %s certificate is no certificate in PEM form", whose);
        X509_free(certificate);
        return 0;
}

int pem_check_key(const char *pem, const char *whose, struct err *err)
{
        _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem, -1);
        EVP_PKEY *key;

        if (!bio)
                return err_oom(err);
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        ERR_clear_error();
        if (!key)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "the %s key is no unencrypted key in PEM form", whose);
        EVP_PKEY_free(key);
        return 0;
}
