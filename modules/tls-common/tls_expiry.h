/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gauges of when certificates end, Unix time: the first of all to end, and one each for as many
 * names as there is room for. An instance's certificates count from tls_expiry_show() to
 * tls_expiry_hide(). Everything here is [main].
 */
#ifndef POSTERN_MODULES_TLS_EXPIRY_H
#define POSTERN_MODULES_TLS_EXPIRY_H

#include "tls-common/tls_common.h"

/* Names that have a gauge of their own in each module, whatever is configured. */
#define TLS_EXPIRY_NAMES 64

struct tls_expiry_cert;

/* Of an instance; zero is empty. */
struct tls_expiry {
    struct tls_expiry *next, *prev; /* of those that are shown */
    struct tls_expiry_cert *certs;  /* at most TLS_EXPIRY_NAMES */
    uint32_t n;
    uint64_t first; /* of all that were added, 0: none */
    bool shown;
};

/* In load(). */
void tls_expiry_setup(const struct pst_host *host, const char *module);
/* Add a certificate, which may go afterwards. PST_OK or PST_ERR_NOMEM. */
int32_t tls_expiry_add(struct tls_expiry *e, const struct tls_x509 *x);
/* The instance is going to serve. It must not move until it is hidden. */
void tls_expiry_show(struct tls_expiry *e);
/* It serves no more. Nothing happens when it is not shown. */
void tls_expiry_hide(struct tls_expiry *e);
/* Hide it and free what it has. */
void tls_expiry_free(struct tls_expiry *e);

#endif
