/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Inside of tls-common: what each worker thread has once, however many instances it serves. */
#ifndef POSTERN_MODULES_TLS_THREAD_H
#define POSTERN_MODULES_TLS_THREAD_H

#include "tls-common/tls_common.h"

struct tls_thread {
    uint32_t users;
    bool rng_ready;
    WC_RNG rng;
    /* Read in advance; in_off..in_n belongs to in_owner. */
    uint8_t *in;
    size_t in_off, in_n;
    struct tls_io *in_owner;
    /* Written and not yet sent; empty between calls. */
    uint8_t *out;
    size_t out_n;
};

extern _Thread_local struct tls_thread tls_thread;

/* The buffers of io.c. PST_OK or PST_ERR_NOMEM. */
int32_t tls_thread_buffers(struct tls_thread *t);
void tls_thread_buffers_free(struct tls_thread *t);

#endif
