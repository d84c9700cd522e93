/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_PEM_H
#define HTTP_PEM_H

/*
 * Looks into PEM texts before TLS does, which tells of a bad one late, and asks for the passphrase
 * of an encrypted key on the terminal.
 */

#include "core/err.h"

/* The text must hold what it is said to be: its first certificate, or a key without passphrase, can
 * be decoded. `whose` is for the message: "client". An error is CNI_ERR_CONFIG. */
int pem_check_certificate(const char *pem, const char *whose, struct err *err);
int pem_check_key(const char *pem, const char *whose, struct err *err);

#endif
